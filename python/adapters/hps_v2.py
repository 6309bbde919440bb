"""Human Preference Score v2.1 (Wu et al. 2023, arXiv 2306.09341): the cosine of a tuned CLIP ViT-H/14; about 0.2 to 0.35.

The weights are read into open_clip, once: hpsv2.score() reads them again at every call, and hpsv2 1.2.0 of PyPI lacks its vocabulary file.
"""
# requirements: open_clip_torch==3.3.0 huggingface_hub==0.36.0 torch==2.11.0 pillow==13.0.0
import open_clip
import torch
from huggingface_hub import hf_hub_download

from espalier_reward import serve, worker

MODEL = "ViT-H-14"
WEIGHTS = "HPS_v2.1_compressed.pt"  # version 2.0: HPS_v2_compressed.pt
IDENTITY = "HPS v2.1"

device = f"cuda:{worker() % torch.cuda.device_count()}" if torch.cuda.is_available() else "cpu"
# As HPSv2 does it, an image that is not square is made to fit, with black bars, and not cropped.
model, _, preprocess = open_clip.create_model_and_transforms(MODEL, pretrained=hf_hub_download("xswu/HPSv2", WEIGHTS), device=device,
                                                             image_resize_mode="longest")
model.eval()
tokenizer = open_clip.get_tokenizer(MODEL)


@torch.no_grad()
def score(samples, prompts, metadata):
    images = torch.stack([preprocess(image) for image in samples.images()]).to(device)
    image_features = model.encode_image(images, normalize=True)  # [B, D]
    text_features = model.encode_text(tokenizer(prompts).to(device), normalize=True)
    return (image_features * text_features).sum(-1)


if __name__ == "__main__":
    serve(score, identity=IDENTITY)
