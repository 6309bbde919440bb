"""Networks of Stable Diffusion's size, weights at random: processor's seconds of one call on one thread, the fastest of a few, Espalier's
model_tool against diffusers."""
import json
import os
import pathlib
import subprocess
import time

import torch
from diffusers import AutoencoderKL, UNet2DConditionModel

from bench_program import ROOT

TOOL = ROOT / "build/release/tests/model_tool"
SIDE, BATCH, TOKENS, SECONDS = 64, 2, 77, 40
KINDS = {"unet": "sd21/unet", "vae": "sd21/vae"}


def config_of(what):
    for base in (os.environ.get("ESPALIER_DATA"), ROOT.parent / "shared/data"):
        path = pathlib.Path(base or "") / "diffusers_folders" / KINDS[what] / "config.json"
        if path.is_file():
            return path
    raise SystemExit("bench: no diffusers_folders: name the folder that holds it in ESPALIER_DATA")


def fastest(call):
    call()
    total, best = 0.0, float("inf")
    while total < SECONDS:
        begun = time.process_time()
        call()
        best = min(best, time.process_time() - begun)
        total += time.process_time() - begun
    return best


@torch.no_grad()
def of_diffusers(what, config, dtype, compiled):
    torch.set_num_threads(1)
    kind = UNet2DConditionModel if what == "unet" else AutoencoderKL
    settings = json.loads(config.read_text())
    model = kind.from_config(settings).to(getattr(torch, dtype)).eval()
    if what == "vae":
        decode = torch.compile(model.decode) if compiled else model.decode
        z = torch.randn(1, 4, SIDE, SIDE, dtype=model.dtype)
        return fastest(lambda: decode(z))
    forward = torch.compile(model) if compiled else model
    x, text = torch.randn(BATCH, 4, SIDE, SIDE, dtype=model.dtype), torch.randn(BATCH, TOKENS, settings["cross_attention_dim"], dtype=model.dtype)
    return fastest(lambda: forward(x, 500, encoder_hidden_states=text))


def of_espalier(what, config, dtype):
    command = [TOOL, "bench_network", what, config, dtype, SIDE, BATCH if what == "unet" else 1, TOKENS, SECONDS]
    return float(subprocess.run(list(map(str, command)), check=True, capture_output=True, text=True).stdout)


def measure(what, compiled):
    config, result = config_of(what), {"what": what, "peer": "torch.compile" if compiled else "eager",
                                       "note": f"{KINDS[what]}, {8 * SIDE} px, batch {BATCH if what == 'unet' else 1}, one thread, processor's seconds a call"}
    for dtype in ("float32", "bfloat16"):
        theirs, ours = of_diffusers(what, config, dtype, compiled), of_espalier(what, config, dtype)
        result |= {f"espalier_{dtype}_seconds": ours, f"diffusers_{dtype}_seconds": theirs, f"{dtype}_ratio": theirs / ours}
    result["espalier_bfloat16_over_float32"] = result["espalier_float32_seconds"] / result["espalier_bfloat16_seconds"]
    return result
