"""LAION's aesthetic predictor, version 2 (improved-aesthetic-predictor): 1 to 10, whatever the prompt.

A linear map, written as five layers without activations, of CLIP's ViT-L/14 embedding of the image. AESTHETIC_WEIGHTS names its file,
sac+logos+ava1-l14-linearMSE.pth of github.com/christophschuhmann/improved-aesthetic-predictor.
"""
# requirements: open_clip_torch==3.3.0 torch==2.11.0 pillow==13.0.0
import os

import open_clip
import torch

from espalier_reward import serve, worker

IDENTITY = "LAION aesthetic 2, sac+logos+ava1-l14-linearMSE"

device = f"cuda:{worker() % torch.cuda.device_count()}" if torch.cuda.is_available() else "cpu"
model, _, preprocess = open_clip.create_model_and_transforms("ViT-L-14-quickgelu", pretrained="openai", device=device)
model.eval()
weights = torch.load(os.environ["AESTHETIC_WEIGHTS"], map_location=device, weights_only=True)
layers = [(weights[f"layers.{i}.weight"], weights[f"layers.{i}.bias"]) for i in (0, 2, 4, 6, 7)]  # dropout stands between them


@torch.no_grad()
def score(samples, prompts, metadata):
    images = torch.stack([preprocess(image) for image in samples.images()]).to(device)
    features = model.encode_image(images, normalize=True).float()  # [B, 768]
    for weight, bias in layers:
        features = torch.nn.functional.linear(features, weight, bias)
    return features.squeeze(-1)


if __name__ == "__main__":
    serve(score, identity=IDENTITY)
