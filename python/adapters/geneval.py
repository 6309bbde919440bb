"""GenEval's detector (Ghosh et al. 2023, arXiv 2310.11513) as a reward: the share of a prompt's requirements that the image meets.

A requirement is an entry of `include` or `exclude` in the prompt's metadata, as the data set "geneval" has them; 1 is what GenEval counts
as correct. A prompt without requirements has no score (NaN). Mask2Former finds objects, CLIP names their colours.

GENEVAL_CONFIG, GENEVAL_CHECKPOINT: mask2former_swin-s-p4-w7-224_lsj_8x2_50e_coco, its .py of mmdet and its .pth
GENEVAL_NAMES: evaluation/object_names.txt of github.com/djghosh13/geneval
"""
# requirements: mmdet==2.28.2 mmcv-full==1.7.1 open_clip_torch==2.20.0 torch==1.12.1 pillow==9.4.0 (Python 3.9, as GenEval's environment)
import math
import os

import numpy as np
import open_clip
import torch
from mmdet.apis import inference_detector, init_detector
from PIL import Image

from espalier_reward import serve, worker

IDENTITY = "GenEval 1, share of requirements, mask2former swin-s, ViT-L/14 openai"
CONFIDENCE, CONFIDENCE_OF_COUNTED, MOST_OBJECTS, TOUCHING = 0.3, 0.9, 16, 0.1
COLOURS = ["red", "orange", "yellow", "green", "blue", "purple", "pink", "brown", "black", "white"]
PHRASES = ["a photo of a {} {}", "a photo of a {}-colored {}", "a photo of a {} object"]
BACKGROUND = "#999"

device = f"cuda:{worker() % torch.cuda.device_count()}" if torch.cuda.is_available() else "cpu"
detector = init_detector(os.environ["GENEVAL_CONFIG"], os.environ["GENEVAL_CHECKPOINT"], device=device)
clip, _, preprocess = open_clip.create_model_and_transforms("ViT-L-14", pretrained="openai", device=device)
clip.eval()
tokenizer = open_clip.get_tokenizer("ViT-L-14")
with open(os.environ["GENEVAL_NAMES"]) as file:
    NAMES = file.read().split("\n")


def score(samples, prompts, metadata):
    return [share_met(image, wanted or {}) for image, wanted in zip(samples.images(), metadata)]


def share_met(image, wanted):
    include, exclude = wanted.get("include", []), wanted.get("exclude", [])
    if not include and not exclude:
        return math.nan
    objects = detect(image, CONFIDENCE_OF_COUNTED if wanted.get("tag") == "counting" else CONFIDENCE)
    groups, met = [], []
    for one in include:
        groups.append(matching(image, objects, one, groups))
        met.append(groups[-1] is not None)
    met += [len(objects.get(one["class"], [])) < one["count"] for one in exclude]
    return sum(met) / len(met)


def detect(image, confidence):
    """Objects by class, the surest first: (box [left, top, right, bottom], mask)."""
    boxes, masks = inference_detector(detector, np.asarray(image)[:, :, ::-1])  # it takes BGR
    objects = {}
    for name, found, shapes in zip(NAMES, boxes, masks):
        surest = [i for i in np.argsort(-found[:, 4]) if found[i, 4] > confidence][:MOST_OBJECTS]
        if surest:
            objects[name] = [(found[i, :4], shapes[i]) for i in surest]
    return objects


def matching(image, objects, wanted, groups):
    """The objects that meet an entry of `include`; None where they do not. `groups`: those of the entries before."""
    found = objects.get(wanted["class"], [])[:wanted["count"]]
    if len(found) < wanted["count"]:
        return None
    if "color" in wanted and any(colour != wanted["color"] for colour in colours(image, found, wanted["class"])):
        return None
    if "position" in wanted:
        relation, group = wanted["position"]
        if groups[group] is None or not all(relation in relations(one, other) for one, _ in found for other, _ in groups[group]):
            return None
    return found


def relations(box, other):
    """Where the box is, seen from the other: nowhere where they touch, by a tenth of their sizes."""
    box, other = np.reshape(box, (2, 2)), np.reshape(other, (2, 2))
    offset = box.mean(0) - other.mean(0)
    apart = np.maximum(np.abs(offset) - TOUCHING * (np.ptp(box, 0) + np.ptp(other, 0)), 0) * np.sign(offset)
    if np.abs(apart).max() < 1e-3:
        return set()
    x, y = apart / np.linalg.norm(offset)
    return {name for name, holds in (("left of", x < -0.5), ("right of", x > 0.5), ("above", y < -0.5), ("below", y > 0.5)) if holds}


@torch.no_grad()
def colours(image, objects, name):
    """The colour of each object: what CLIP finds likest to it, cut out of the image."""
    blank = Image.new("RGB", image.size, BACKGROUND)
    cut = [Image.composite(image, blank, Image.fromarray(mask)).crop(tuple(box)) for box, mask in objects]
    features = clip.encode_image(torch.stack([preprocess(one) for one in cut]).to(device), normalize=True)  # [objects, D]
    texts = [phrase.format(colour, name) for colour in COLOURS for phrase in PHRASES]
    of_phrases = clip.encode_text(tokenizer(texts).to(device), normalize=True).unflatten(0, (len(COLOURS), len(PHRASES)))
    of_colours = torch.nn.functional.normalize(of_phrases.mean(1), dim=-1)  # [colours, D]
    return [COLOURS[i] for i in (features @ of_colours.T).argmax(1)]


if __name__ == "__main__":
    serve(score, identity=IDENTITY)
