#!/usr/bin/env python3
"""Trains the autoencoder of the shapes world's latent models: datasets/models/shapes-latent-blank/vae (187,000 parameters, minutes).

A latent diffusion model learns on the latents of an autoencoder that was trained first (Rombach et al. 2022, arXiv 2112.10752). This one maps
images of 64 x 64 pixels to latents of 4 x 16 x 16. Its loss is the paper's without the adversarial and the perceptual part: absolute error,
summed over an image, plus a small weight times the posterior's divergence from a normal distribution, summed over the latents. The paper's
scaling_factor follows: one over the standard deviation of the latents. Only scenes of train prompts are used; held-out scenes are the check.

Run in the peers' environment (scripts/setup --peers):  python datasets/generators/shapes_autoencoder.py
"""
import hashlib
import json
import pathlib
import time

import torch
from diffusers import AutoencoderKL
from safetensors.torch import save_file
from shapes_text_encoder import TRAIN_PROMPTS, world

FOLDER = pathlib.Path(__file__).resolve().parent.parent / "models/shapes-latent-blank/vae"
PALETTE = torch.tensor([[0.90, 0.12, 0.12], [0.12, 0.75, 0.22], [0.15, 0.35, 0.95], [0.95, 0.85, 0.12], [0.70, 0.20, 0.80]])
BACKGROUND = torch.tensor([0.06, 0.06, 0.08])
MARGIN, GAP, SLANT, RADII = 0.03, 0.07, 0.4, (0.15, 0.21)
SIZE, SAMPLES = 64, 8  # pixels a side, samples a pixel and axis
STEPS, BATCH, LEARNING_RATE, KL_WEIGHT, LARGEST_GRADIENT = 3000, 16, 2e-3, 0.01, 2e3
CHECKED = 480
CONFIG = {
    "in_channels": 3, "out_channels": 3, "latent_channels": 4, "block_out_channels": [16, 16, 32], "layers_per_block": 1, "norm_num_groups": 8,
    "down_block_types": ["DownEncoderBlock2D"] * 3, "up_block_types": ["UpDecoderBlock2D"] * 3, "sample_size": SIZE,
}


def place(axis, jitter):
    """Where the upper or left object and the other stand, as plugins/shared/shapes/renderer.cpp has it: x, y [B, 2] and radius [B, 2]."""
    low, high = RADII
    radius = low + (high - low) * jitter[:, :2]
    lead, other = radius[:, 0], radius[:, 1]
    slack = 1 - 2 * (MARGIN + lead + other) - GAP
    distance = lead + other + GAP + jitter[:, 2] * slack
    lead_along = MARGIN + lead + jitter[:, 3] * (1 - jitter[:, 2]) * slack
    lead_across = MARGIN + lead + jitter[:, 4] * (1 - 2 * (MARGIN + lead))
    lowest = torch.maximum(MARGIN + other, lead_across - SLANT * distance)
    highest = torch.minimum(1 - MARGIN - other, lead_across + SLANT * distance)
    along = torch.stack([lead_along, lead_along + distance], 1)
    across = torch.stack([lead_across, lowest + jitter[:, 5] * (highest - lowest)], 1)
    horizontal = axis.bool()[:, None]
    return torch.where(horizontal, along, across), torch.where(horizontal, across, along), radius


def coverage(shape, x, y, radius):
    """How much of each pixel an object covers, by SAMPLES x SAMPLES samples; all arguments [B]. [B, SIZE, SIZE]"""
    centres = (torch.arange(SIZE * SAMPLES, dtype=torch.float64) + 0.5) / (SIZE * SAMPLES)
    down = (centres - y[:, None]) / radius[:, None]
    inside = down.abs() <= torch.where(shape == 1, 0.9, 1.0)[:, None]
    widths = torch.stack([(1 - down**2).clamp(min=0).sqrt(), torch.full_like(down, 0.9), (down + 1) / 2])
    half = widths[shape, torch.arange(len(shape))] * radius[:, None]
    first = ((x[:, None] - half) * SIZE * SAMPLES - 0.5).ceil()[..., None]  # of the samples of a line
    end = ((x[:, None] + half) * SIZE * SAMPLES - 0.5).floor()[..., None] + 1
    pixel = torch.arange(SIZE) * SAMPLES
    covered = (torch.minimum(end, pixel + SAMPLES) - torch.maximum(first, pixel)).clamp(min=0) * inside[..., None]
    return covered.unflatten(1, (SIZE, SAMPLES)).sum(2) / SAMPLES**2


def images(scenes, generator):
    """scenes [B, 5]: colour and shape of the upper or left object, of the other, and the axis. [B, 3, SIZE, SIZE] in [-1, 1]"""
    x, y, radius = place(scenes[:, 4], torch.rand(len(scenes), 6, generator=generator, dtype=torch.float64))
    image = BACKGROUND[None, :, None, None].double()
    for i in range(2):
        covered = coverage(scenes[:, 2 * i + 1], x[:, i], y[:, i], radius[:, i])
        image = image + covered[:, None] * (PALETTE[scenes[:, 2 * i]] - BACKGROUND)[:, :, None, None]
    return image.float() * 2 - 1


def batches(images_):
    return images_.split(BATCH)


@torch.no_grad()
def check(model, held_out):
    """Mean absolute error and peak signal-to-noise ratio of the decoded means, both of 8-bit pixels."""
    def pixels(image):
        return ((image + 1) / 2).clamp(0, 1).mul(255).round()

    errors = torch.cat([pixels(model.decode(model.encode(batch).latent_dist.mean).sample) - pixels(batch) for batch in batches(held_out)])
    return errors.abs().mean().item(), (10 * torch.log10(255**2 / errors.square().mean((1, 2, 3)))).mean().item()


@torch.no_grad()
def spread(model, images_):
    return torch.cat([model.encode(batch).latent_dist.mean for batch in batches(images_)]).std().item()


def train(model, scenes, generator, report):
    optimizer = torch.optim.AdamW(model.parameters(), lr=LEARNING_RATE)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=LEARNING_RATE, total_steps=STEPS, pct_start=0.05)
    for step in range(STEPS):
        wanted = images(scenes[torch.randint(len(scenes), (BATCH,), generator=generator)], generator)
        posterior = model.encode(wanted).latent_dist
        decoded = model.decode(posterior.sample(generator=generator)).sample
        error = (decoded - wanted).abs().sum() / BATCH
        divergence = posterior.kl().mean()
        loss = error + KL_WEIGHT * divergence
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), LARGEST_GRADIENT)
        optimizer.step()
        schedule.step()
        if step % 100 == 99:
            report(f"step {step + 1}: error {error.item():.1f}, divergence {divergence.item():.0f}")


def main():
    torch.manual_seed(0)
    torch.set_num_threads(1)
    generator = torch.Generator().manual_seed(1)
    scenes = torch.tensor([targets for _, targets in world()])
    held_out = images(scenes[TRAIN_PROMPTS:][torch.randint(len(scenes) - TRAIN_PROMPTS, (CHECKED,), generator=generator)], generator)
    model = AutoencoderKL(**CONFIG)
    started = time.monotonic()
    train(model, scenes[:TRAIN_PROMPTS], generator, lambda line: print(f"{time.monotonic() - started:.0f} s, {line}", flush=True))

    factor = round(1 / spread(model, images(scenes[torch.randint(TRAIN_PROMPTS, (CHECKED,), generator=generator)], generator)), 5)
    FOLDER.mkdir(exist_ok=True)
    config = {"_class_name": "AutoencoderKL", "act_fn": "silu", **CONFIG, "scaling_factor": factor}
    (FOLDER / "config.json").write_text(json.dumps(config, indent=2, sort_keys=True) + "\n")
    weights = FOLDER / "diffusion_pytorch_model.safetensors"
    save_file({name: tensor.contiguous() for name, tensor in model.state_dict().items()}, weights, metadata={"format": "pt"})
    error, ratio = check(model, held_out)
    print(f"scaling_factor {factor}, latents of held-out images {spread(model, held_out) * factor:.3f} after scaling")
    print(f"{CHECKED} held-out images: mean absolute error {error:.3f} of 255, peak signal-to-noise ratio {ratio:.1f} dB")
    print(f"SHA-256 {hashlib.sha256(weights.read_bytes()).hexdigest()}")


if __name__ == "__main__":
    main()
