"""Networks of the published sizes, with weights drawn here, against diffusers.

Each item has a process of diffusers, `full_size.py record ITEM FOLDER CASES`, which writes the item's folder with shards of at most 2 GB and
what it computes there, and ends before model_tool computes the same."""
import dataclasses
import json
import os
import pathlib
import shutil
import subprocess
import sys
import time

import autoencoder_kl
import full_size_steps as steps
import stable_diffusion as sd
import torch
from cases import check
from safetensors.torch import save_file

SHARD = 2 * 10**9
MEMORY, DISK = 16 * 10**9, 20 * 10**9  # bytes that the machine must have, and that must be free
TOLERANCE, FAR = 1e-4, 10
SOURCES = {"sd15": "sd15", "sd21": "sd21", "sd21base": "sd21_base", "sdxl": "sdxl_base"}
NAMES = {"sd15": "SD 1.5", "sd21": "SD 2.1", "sdxl": "SDXL"}
TEXT_SHARPNESS, UNET_SHARPNESS = 6, 5  # enough for an attention entropy below half of log n


class Shards:
    """Draws a model tensor by tensor, from the numbers that its modules begin with, and writes it as it is drawn."""

    def __init__(self, folder, stem, dtype):
        self.folder, self.stem, self.dtype, self.shards, self.held, self.bytes = folder, stem, dtype, [], {}, 0
        folder.mkdir(parents=True, exist_ok=True)

    def write(self, model, draw, rename=lambda name: name):
        for path, module in model.named_modules():
            if not list(module.parameters(recurse=False)):
                continue
            module.to_empty(device="cpu", recurse=False)
            module.reset_parameters()
            for name, parameter in module.named_parameters(recurse=False):
                draw(f"{path}.{name}", parameter)
                self.add(rename(f"{path}.{name}"), parameter.detach().to(self.dtype))
            module.to("meta")
        self.flush()
        self.name()

    def add(self, name, tensor):
        if self.held and self.bytes + tensor.nbytes > SHARD:
            self.flush()
        self.held[name] = tensor
        self.bytes += tensor.nbytes

    def flush(self):
        self.shards.append(list(self.held))
        save_file(self.held, self.part(len(self.shards)), metadata={"format": "pt"})
        self.held, self.bytes = {}, 0

    def part(self, number):
        return self.folder / f"part-{number}"

    def name(self):
        count = len(self.shards)
        if count == 1:
            self.part(1).rename(self.folder / f"{self.stem}.safetensors")
            return
        names = [f"{self.stem}-{number + 1:05d}-of-{count:05d}.safetensors" for number in range(count)]
        for number, name in enumerate(names):
            self.part(number + 1).rename(self.folder / name)
        index = {"metadata": {"total_size": sum((self.folder / name).stat().st_size for name in names)},
                 "weight_map": {tensor: name for name, shard in zip(names, self.shards) for tensor in shard}}
        (self.folder / f"{self.stem}.safetensors.index.json").write_text(json.dumps(index))


def published_name(name):
    """Of a text encoder's tensor: transformers 5 has no module "text_model" any more."""
    return name if name.startswith(("text_model.", "text_projection.")) else f"text_model.{name}"


def save_in(dtype):
    """A `save` of stable_diffusion.Folder: the component's files in the dtype, and its model as its library reads them in float32."""
    def save(cls, config, target, draw):
        text = "Text" in cls.__name__
        with torch.device("meta"):
            model = cls(config) if text else cls.from_config(config)
        if text:
            Shards(target, "model", dtype).write(model, draw, published_name)
            config.save_pretrained(target)
            return cls.from_pretrained(target, dtype=torch.float32).eval()
        Shards(target, "diffusion_pytorch_model", dtype).write(model, draw)
        (target / "config.json").write_text(json.dumps(config))
        return cls.from_pretrained(target, torch_dtype=torch.float32).eval()
    return save


def narrow_unet(config):
    """An eighth of the channels, for text encoders of full size."""
    return config | {"block_out_channels": [channels // 8 for channels in config["block_out_channels"]], "norm_num_groups": 8}


def record_unet(name, source, path, write_clip_files):
    """SDXL's files are of float16, to lie on less disk. The passes with mutations are of 256 px."""
    sizes = sd.Sizes(lambda config: config | {"num_hidden_layers": 2}, lambda config: config, TEXT_SHARPNESS, UNET_SHARPNESS)
    folder = sd.Folder(source, path, write_clip_files, sizes, save_in(torch.float16 if name == "sdxl" else torch.float32))
    small = sd.unet_inputs(folder, (1, 32, 32))
    sd.expect_sharp_attention(folder, {"unet": sd.attention_entropy(folder, small)["unet"]})
    size = folder.unet.config.sample_size
    full = sd.record_unet(folder, sd.unet_inputs(folder, (1, size, size)), mutations=False)
    mutated = sd.record_unet(folder, small)
    full.what, mutated.what = f"U-Net of {NAMES[name]}, {8 * size} px", f"U-Net of {NAMES[name]}, 256 px"
    if name != "sdxl":
        folder.unet.to(torch.bfloat16)
        full.half = {"sample": sd.run_diffusers(folder.unet, full.inputs)}
    return [full, mutated]


def record_text(name, source, path, write_clip_files):
    sizes = sd.Sizes(lambda config: config, narrow_unet, TEXT_SHARPNESS)
    folder = sd.Folder(source, path, write_clip_files, sizes, save_in(torch.float32))
    sd.expect_sharp_attention(folder, sd.attention_entropy(folder, sd.unet_inputs(folder, (1, 32, 32))))
    started = time.monotonic()
    folder.theirs()
    seconds = time.monotonic() - started
    cases = sd.record_prompts(folder)
    for case in cases:
        case.what = case.what.replace(folder.name, f"text encoders of {NAMES[name]}" if folder.xl else f"text encoder of {NAMES[name]}")
    for part, encoder in folder.parts.items():
        if part.startswith("text_encoder"):
            encoder.to(torch.bfloat16)
    cases[0].seconds, cases[0].half = seconds, sd.with_null(*folder.theirs())
    return cases


def save_vae(source, path, generator):
    from diffusers import AutoencoderKL

    config = json.loads((source / "vae/config.json").read_text())
    with torch.device("meta"):
        model = AutoencoderKL.from_config(config)
    Shards(path, "diffusion_pytorch_model", torch.float32).write(model, lambda *named: autoencoder_kl.draw_parameter(*named, generator))
    (path / "config.json").write_text(json.dumps(config))


def record_vae(name, source, path, _):
    """The passes with mutations are of 256 px."""
    from diffusers import AutoencoderKL

    generator = torch.Generator().manual_seed(3)
    save_vae(source, path, generator)

    def make(dtype=torch.float32):
        return AutoencoderKL.from_pretrained(path, torch_dtype=dtype).eval()

    inputs = {"image": torch.rand(1, 3, 512, 512, generator=generator) * 2 - 1, "z": torch.randn(1, 4, 64, 64, generator=generator)}
    small = {"image": inputs["image"][..., :256, :256].contiguous(), "z": inputs["z"][..., :32, :32].contiguous()}
    entropy = autoencoder_kl.attention_entropy(make(), small)
    print(f"attention entropy {entropy:.2f} of log n", flush=True)
    assert entropy < 0.5
    full, mutated = (autoencoder_kl.record(name, path, make, given, mutations=given is small) for given in (inputs, small))
    full.what, mutated.what = "VAE, encode and decode at 512 px", "VAE, encode and decode at 256 px"
    full.half = autoencoder_kl.run(make(torch.bfloat16), {key: tensor.to(torch.bfloat16) for key, tensor in inputs.items()})
    return [full, mutated]


def make_steps(name, source, path, write_clip_files):
    """A whole folder, of images of 256 px."""
    sizes = sd.Sizes(lambda config: config, lambda config: config | {"sample_size": 32}, TEXT_SHARPNESS, UNET_SHARPNESS)
    folder = sd.Folder(source, path, write_clip_files, sizes, save_in(torch.float32))
    save_vae(source, path / "vae", torch.Generator().manual_seed(3))
    index = json.loads((path / "model_index.json").read_text())
    (path / "model_index.json").write_text(json.dumps(index | {"vae": ["diffusers", "AutoencoderKL"]}))
    return []


RECORD = {"steps": make_steps, "unet": record_unet, "text": record_text, "vae": record_vae}

def gibibytes(usage):
    return usage.ru_maxrss / 2**20


def measured(command, cwd=None):
    """Runs it in the folder and gives its stdout, seconds, and largest resident memory in GiB."""
    started = time.monotonic()
    process = subprocess.Popen([str(word) for word in command], stdout=subprocess.PIPE, text=True, cwd=cwd)
    printed = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        raise subprocess.CalledProcessError(process.returncode, command, printed)
    return printed, time.monotonic() - started, gibibytes(usage)


def missing_room(folder):
    """Why the machine is too small for these tests, or None."""
    memory, disk = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"), shutil.disk_usage(folder).free
    if memory < MEMORY:
        return f"{memory / 1e9:.0f} GB of memory, {MEMORY / 1e9:.0f} are needed"
    if disk < DISK:
        return f"{disk / 1e9:.0f} GB are free in {folder}, {DISK / 1e9:.0f} are needed; TMPDIR names another folder"
    return None


@dataclasses.dataclass
class MeasuredTool:
    """parity.Tool, which also measures what it runs."""
    tool: object
    peak: float = 0.0

    def __getattr__(self, name):
        return getattr(self.tool, name)

    def __call__(self, *arguments):
        printed, _, peak = measured([self.tool.path, *arguments])
        self.peak = max(self.peak, peak)
        return printed


def compare(tool, item, data):
    """Gives what was measured: {"case", names and numbers} of each case."""
    kind, name = item.split("_")
    path, cases = tool.folder / item, tool.folder / f"{item}.cases"
    printed, _, theirs = measured([sys.executable, __file__, "record", kind, name, data / SOURCES[name], path, cases])
    print(printed, end="", flush=True)
    if kind == "steps":
        return [steps.compare(tool, path, measured)]
    found = []
    for case in torch.load(cases, weights_only=False):
        ours = MeasuredTool(tool)
        numbers = check(ours, case, TOLERANCE, FAR, least=0.0)
        found.append({"case": case.what, "GiB": ours.peak, "their GiB": theirs, "their seconds": case.seconds, **numbers})
        print(json.dumps(found[-1]), flush=True)
    return found


def write_report(path, started, seconds, found):
    """As `scripts/results --add` reads it: a case is a stage, a number of it a scalar."""
    scalars = [{"stage": case["case"], "name": name, "value": value} for case in found for name, value in case.items()
               if name != "case" and value is not None]
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps({"started": started, "seconds": seconds, "scalars": scalars}))


if __name__ == "__main__":
    from parity import write_clip_files

    _, _, kind, name, source, path, cases = sys.argv
    torch.save(RECORD[kind](name, pathlib.Path(source), pathlib.Path(path), write_clip_files), cases)
