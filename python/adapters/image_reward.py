"""ImageReward v1.0 (Xu et al. 2023, arXiv 2304.05977): about -2 to 2, standardized on its authors' data."""
# requirements: image-reward==1.5 transformers==4.27.4 clip @ git+https://github.com/openai/CLIP.git@dcba3cb2e2827b402d2701e7e1c7d9fed8a20ef1
import ImageReward
import torch

from espalier_reward import serve, worker

IDENTITY = "ImageReward v1.0"

device = f"cuda:{worker() % torch.cuda.device_count()}" if torch.cuda.is_available() else "cpu"
model = ImageReward.load("ImageReward-v1.0", device=device)


@torch.no_grad()
def score(samples, prompts, metadata):
    return [model.score(prompt, image) for prompt, image in zip(prompts, samples.images())]


if __name__ == "__main__":
    serve(score, identity=IDENTITY)
