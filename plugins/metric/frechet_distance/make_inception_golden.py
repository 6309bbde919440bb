#!/usr/bin/env python3
"""make_inception_golden.py > inception_golden.json: what pytorch-fid 0.3.0's network makes of two small images, with weights that are a
hash of their place, so that no file of weights is needed. With --check, compares with the file instead; exit code 77 where pytorch-fid and
torchvision are not installed."""
import json
import pathlib
import sys

import numpy as np
import torch

try:
    import torchvision
    from pytorch_fid import inception
except ImportError as missing:
    print(f"skipped: {missing}; scripts/setup --peers installs pytorch-fid and torchvision")
    sys.exit(77)

IMAGES = [[3, 40, 52], [1, 28, 28]]
EVERY = 4  # features kept in the file


def hashed(tensor, count):
    """Uniform in [0, 1), the same as inception_test.cpp's."""
    mask = 0xFFFFFFFF
    x = (np.arange(count, dtype=np.uint64) * 2654435761 + tensor * 40503 + 12345) & mask
    for _ in range(2):
        x ^= x >> 16
        x = (x * 0x45D9F3B) & mask
    return (x ^ (x >> 16)) / 2**32


def scale(name, shape):
    """(centre, half width) of a tensor's uniform law."""
    if name.endswith("conv.weight"):
        return 0.0, (6 / np.prod(shape[1:])) ** 0.5
    return {"bn.weight": (1.0, 0.3), "bn.running_var": (1.0, 0.5)}.get(".".join(name.split(".")[-2:]), (0.0, 0.2))


def fill(network, _):
    names = sorted(name for name in network.state_dict() if not name.endswith("num_batches_tracked"))
    state = network.state_dict()
    for place, name in enumerate(names):
        centre, half = scale(name, state[name].shape)
        values = centre + half * (2 * hashed(place, state[name].numel()) - 1)
        state[name].copy_(torch.from_numpy(values).float().view(state[name].shape))
    network.tensors = [[name, list(state[name].shape)] for name in names]


def features(network):
    rows = []
    for place, shape in enumerate(IMAGES):
        values = np.floor(hashed(1000 + place, int(np.prod(shape))) * 256) / 255
        image = torch.from_numpy(values).float().view(1, *shape).expand(1, 3, -1, -1)
        with torch.no_grad():
            rows.append(network(image)[0].flatten())
    return torch.stack(rows)


def network(patched):
    """pytorch-fid's; or with torchvision's own poolings, to see that the two differ."""
    inception.load_state_dict_from_url = lambda *_, **__: None
    kept = []
    torchvision.models.Inception3.load_state_dict = lambda self, state: kept.append(self) or fill(self, state)
    made = inception.InceptionV3().eval()
    if not patched:
        for block in made.modules():
            if type(block).__name__.startswith("FIDInception"):
                block.__class__ = type(block).__mro__[1]
    return made, kept[0].tensors


def main():
    torch.set_num_threads(1)
    made, tensors = network(patched=True)
    found = features(made)
    spread = found.abs().max().item()
    other = (features(network(patched=False)[0]) - found).abs().max().item() / spread
    assert other > 0.01, f"the poolings hardly matter here: {other}"
    golden = {"tensors": tensors, "images": IMAGES, "every": EVERY, "features": [[float(f"{x:.7g}") for x in row[::EVERY]] for row in found.tolist()]}
    if "--check" not in sys.argv:
        print(json.dumps(golden))
        return
    kept = json.loads((pathlib.Path(__file__).parent / "inception_golden.json").read_text())
    assert kept["tensors"] == tensors
    error = np.abs(np.array(kept["features"]) - np.array(golden["features"])).max() / spread
    print(f"{len(tensors)} tensors of the same names and shapes; largest difference {error:.1e} of the largest feature; torchvision's poolings: {other:.2f}")
    assert error < 1e-5


main()
