"""small_folders.py TARGET CONFIGS NAME...: in the peers' Python, a folder as diffusers' pipeline has it in TARGET/NAME for each folder of
configuration files CONFIGS/NAME.

Text encoders, U-Net, tokenizers and scheduler's file are those of tests/runtime/network/stable_diffusion.py, with weights at random; the VAE
has an eighth of the width. Latents are an eighth as high and wide, so images of Stable Diffusion 2 base have 64 x 64 pixels, of SDXL 128."""
import json
import pathlib
import shutil
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "runtime/network"))


def small_vae_config(config):
    return config | {"block_out_channels": [channels // 8 for channels in config["block_out_channels"]], "norm_num_groups": 8, "layers_per_block": 1}


def make(source, target):
    import torch
    from diffusers import AutoencoderKL
    from parity import write_clip_files
    from stable_diffusion import Folder

    Folder(source, target, write_clip_files)
    torch.manual_seed(5)
    AutoencoderKL.from_config(small_vae_config(json.loads((source / "vae/config.json").read_text()))).save_pretrained(target / "vae")
    unet = target / "unet/config.json"
    config = json.loads(unet.read_text())
    unet.write_text(json.dumps(config | {"sample_size": config["sample_size"] // 8}))
    for name in ("scheduler/scheduler_config.json", "model_index.json"):
        shutil.copyfile(source / name, target / name)


if __name__ == "__main__":
    for name in sys.argv[3:]:
        make(pathlib.Path(sys.argv[2]) / name, pathlib.Path(sys.argv[1]) / name)
