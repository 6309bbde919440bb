#!/usr/bin/env python3
"""Trains the shapes world's text encoder: datasets/models/shapes-blank/text_encoder/model.safetensors (75,000 parameters, seconds).

A text-to-image model learns from a text encoder that was trained elsewhere, as Stable Diffusion learns from CLIP's. Trained with the U-Net
from nothing, this one had not learned word order after 2,500 steps: which object is on top is an exclusive-or of the two objects' places and the relation, and the
U-Net's gradient hardly teaches it. Here the mean of the last hidden states must tell, through a linear head that is thrown away, what stands
in the upper or left place, what in the other, and along which axis. Only train prompts are used; held-out prompts are the check.

Run in the peers' environment (scripts/setup --peers):  python datasets/generators/shapes_text_encoder.py
"""
import hashlib
import itertools
import json
import pathlib

import torch
from safetensors.torch import save_file
from transformers import CLIPTextConfig, CLIPTextModel

FOLDER = pathlib.Path(__file__).resolve().parent.parent / "models/shapes-blank"
COLOURS = ["red", "green", "blue", "yellow", "purple"]
SHAPES = ["circle", "square", "triangle"]
RELATIONS = ["above", "below", "left of", "right of"]
LENGTH, STEPS, BATCH = 16, 600, 64
TRAIN_SCENES, TRAIN_PROMPTS = 240, 480


def digest(text):
    return hashlib.sha256(text.encode()).hexdigest()


def world():
    """The 480 train prompts and then the 240 held-out ones, in the world's order (plugins/shared/shapes/world.h), each with its
    targets: places' colours and shapes, and the axis."""
    rows = []  # (text, targets, digest of the scene)
    for c1, c2 in itertools.permutations(range(5), 2):
        for s1, s2, r in itertools.product(range(3), range(3), range(4)):
            text = f"a {COLOURS[c1]} {SHAPES[s1]} {RELATIONS[r]} a {COLOURS[c2]} {SHAPES[s2]}"
            first = r in (0, 2)  # the first object is the upper or left one
            places = (c1, s1, c2, s2) if first else (c2, s2, c1, s1)
            leading = f"a {COLOURS[places[0]]} {SHAPES[places[1]]} {RELATIONS[r // 2 * 2]} a {COLOURS[places[2]]} {SHAPES[places[3]]}"
            rows.append((text, (*places, int(r > 1)), digest(leading)))
    train = set(sorted({row[2] for row in rows})[:TRAIN_SCENES])
    rows.sort(key=lambda row: (row[2] not in train, digest(row[0])))
    return [row[:2] for row in rows]


def main():
    torch.manual_seed(0)
    torch.set_num_threads(1)
    vocabulary = json.loads((FOLDER / "tokenizer/vocab.json").read_text())
    start, end = vocabulary["<|startoftext|>"], vocabulary["<|endoftext|>"]

    def ids(text):
        row = [start] + [vocabulary[word + "</w>"] for word in text.split()]
        return row + [end] * (LENGTH - len(row))

    rows = world()
    inputs = torch.tensor([ids(text) for text, _ in rows])
    targets = torch.tensor([target for _, target in rows])
    encoder = CLIPTextModel(CLIPTextConfig(**json.loads((FOLDER / "text_encoder/config.json").read_text())))
    head = torch.nn.Linear(encoder.config.hidden_size, 5 + 3 + 5 + 3 + 2)
    parameters = [*encoder.parameters(), *head.parameters()]
    optimizer = torch.optim.AdamW(parameters, lr=2e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=2e-3, total_steps=STEPS)

    def answers(rows_):
        return head(encoder(inputs[rows_]).last_hidden_state.mean(1)).split([5, 3, 5, 3, 2], 1)

    for step in range(STEPS):
        chosen = torch.randint(0, TRAIN_PROMPTS, (BATCH,))
        loss = sum(torch.nn.functional.cross_entropy(a, targets[chosen, j]) for j, a in enumerate(answers(chosen)))
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        schedule.step()
        if step % 100 == 99:
            with torch.no_grad():
                right = [(a.argmax(1) == targets[TRAIN_PROMPTS:, j]).float().mean().item() for j, a in enumerate(answers(torch.arange(TRAIN_PROMPTS, len(rows))))]
            print(f"step {step + 1}: loss {loss.item():.4f}, held-out accuracy {[round(r, 3) for r in right]}", flush=True)

    weights = {}
    for name, tensor in encoder.state_dict().items():
        if "position_ids" not in name:
            weights[name if name.startswith("text_model.") else "text_model." + name] = tensor.contiguous()
    save_file(weights, FOLDER / "text_encoder/model.safetensors", metadata={"format": "pt"})


if __name__ == "__main__":
    main()
