"""PickScore v1 (Kirstain et al. 2023, arXiv 2305.01569): a CLIP ViT-H/14 tuned on choices of people; exp(logit_scale) x cosine, about 15 to 25."""
# requirements: transformers==4.57.1 torch==2.11.0 pillow==13.0.0
import torch
from transformers import AutoModel, AutoProcessor

from espalier_reward import serve, worker

IDENTITY = "PickScore v1"

device = f"cuda:{worker() % torch.cuda.device_count()}" if torch.cuda.is_available() else "cpu"
processor = AutoProcessor.from_pretrained("laion/CLIP-ViT-H-14-laion2B-s32B-b79K")
model = AutoModel.from_pretrained("yuvalkirstain/PickScore_v1").eval().to(device)


@torch.no_grad()
def score(samples, prompts, metadata):
    inputs = processor(text=prompts, images=samples.images(), padding=True, truncation=True, max_length=77, return_tensors="pt").to(device)
    found = model(**inputs)  # its embeddings have the length 1
    return model.logit_scale.exp() * (found.image_embeds * found.text_embeds).sum(-1)


if __name__ == "__main__":
    serve(score, identity=IDENTITY)
