"""CLIPScore: the cosine of CLIP's embeddings of image and prompt (ViT-L/14 of OpenAI), in [-1, 1].

Hessel et al. 2021 (arXiv 2104.08718) publish 2.5 max(cosine, 0) of ViT-B/32 with "A photo depicts" before the text; MODEL and `score` are
the places to change for these, and IDENTITY with them.
"""
# requirements: open_clip_torch==3.3.0 torch==2.11.0 pillow==13.0.0
import open_clip
import torch

from espalier_reward import serve, worker

MODEL, WEIGHTS = "ViT-L-14-quickgelu", "openai"
IDENTITY = "CLIPScore, cosine, ViT-L/14 openai"

device = f"cuda:{worker() % torch.cuda.device_count()}" if torch.cuda.is_available() else "cpu"
model, _, preprocess = open_clip.create_model_and_transforms(MODEL, pretrained=WEIGHTS, device=device)
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
