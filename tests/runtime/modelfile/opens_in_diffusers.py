"""opens_in_diffusers.py FOLDER INPUTS OUT: the U-Net that diffusers makes of a model folder, run on inputs "sample" and "timestep"."""
import pathlib
import sys

import torch
from diffusers import FlowMatchEulerDiscreteScheduler, UNet2DConditionModel
from safetensors.torch import load_file, save_file

torch.set_num_threads(1)
folder, inputs, out = sys.argv[1:]
unet, info = UNet2DConditionModel.from_pretrained(folder, subfolder="unet", low_cpu_mem_usage=False, output_loading_info=True)
assert not info["missing_keys"] and not info["unexpected_keys"] and not info["mismatched_keys"], info
scheduler = FlowMatchEulerDiscreteScheduler.from_pretrained(folder, subfolder="scheduler")
assert scheduler.config.num_train_timesteps == 1000 and scheduler.config.shift == 1.0, scheduler.config
for component in ("unet", "scheduler"):
    assert (pathlib.Path(folder) / component).is_dir() and f'"{component}"' in (pathlib.Path(folder) / "model_index.json").read_text()
given = load_file(inputs)
with torch.no_grad():
    save_file({"sample": unet.eval()(given["sample"], given["timestep"], None).sample}, out)
