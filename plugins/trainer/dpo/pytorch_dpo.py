"""Diffusion-DPO (arXiv 2311.12908, equation 14) on fixed tensors, for pytorch_test.cpp.

    python pytorch_dpo.py CASES OUT

CASES: a safetensors file of several cases, "<case>/<tensor>", and one beside it, CASES.json, with each case's process, prediction and beta.
OUT gets "<case>/loss" and "<case>/gradient.<weight>". The network predicts gain * x + offset * t / 1000, elementwise.
"""
import json
import sys

import torch
from safetensors.torch import load_file, save_file

T = 1000
ALPHA_BARS = torch.cumprod(1 - torch.linspace(1e-4, 2e-2, T), 0).double()  # diffusers' "linear", in float32


def noisy_and_target(case, x, noise, t):
    """The noised sample and what the network should predict for it."""
    if case["process"] == "rectified_flow":
        sigma = (t / T)[:, None].to(x.dtype)
        return (1 - sigma) * x + sigma * noise, noise - x
    alpha_bar = ALPHA_BARS[t.long()][:, None]
    a, s = alpha_bar.sqrt().to(x.dtype), (1 - alpha_bar).sqrt().to(x.dtype)
    target = {"epsilon": noise, "sample": x, "v_prediction": a * noise - s * x}[case["prediction"]]
    return a * x + s * noise, target


def error(case, weights, x, noise, t):
    noisy, target = noisy_and_target(case, x, noise, t)
    seen = t.float().to(x.dtype) / T  # networks get their timestep in float32
    prediction = weights["gain"] * noisy + weights["offset"] * seen[:, None]
    return torch.nn.functional.mse_loss(prediction, target, reduction="none").mean(1)


def dpo(case, tensors):
    w, l, noise, t = (tensors[name] for name in ("winner", "loser", "noise", "timestep"))
    weights = {name: tensors[name].clone().requires_grad_() for name in ("gain", "offset")}
    frozen = {name: tensors["reference_" + name] for name in weights}
    theta_w, theta_l = error(case, weights, w, noise, t), error(case, weights, l, noise, t)
    ref_w, ref_l = error(case, frozen, w, noise, t), error(case, frozen, l, noise, t)
    loss = -torch.log(torch.sigmoid(case["beta"] * ((ref_w - ref_l) - (theta_w - theta_l)))).mean()
    loss.backward()
    return {"loss": loss.detach().reshape(1), **{"gradient." + name: weight.grad for name, weight in weights.items()}}


def main(path, out):
    tensors = load_file(path)
    results = {}
    for name, case in json.load(open(path + ".json")).items():
        own = {key.split("/", 1)[1]: value for key, value in tensors.items() if key.startswith(name + "/")}
        results |= {f"{name}/{key}": value for key, value in dpo(case, own).items()}
    save_file(results, out)


if __name__ == "__main__":
    main(*sys.argv[1:])
