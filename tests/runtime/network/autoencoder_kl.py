"""AutoencoderKL against diffusers' class: shapes of published configs and odd ones, old tensor names, and mutations that must show."""
import json
import math
import time

import torch
from cases import Case, check
from cases import run as run_tool
from safetensors.torch import load_file, save_file

BLOCKS = dict(down_block_types=["DownEncoderBlock2D"] * 4, up_block_types=["UpDecoderBlock2D"] * 4)
PUBLISHED = dict(act_fn="silu", in_channels=3, out_channels=3, latent_channels=4, layers_per_block=2, norm_num_groups=32, **BLOCKS)
CHANNELS = [128, 256, 512, 512]  # published; a quarter of them here
# Of the largest number. Group norms of few pixels enlarge roundings: diffusers' float32 differs from its float64 by up to 1e-5 here.
TOLERANCE = 4e-5
FAR = 10  # times the tolerance: a mutation's least distance
CONFIGS = {
    "sd15": dict(PUBLISHED, block_out_channels=CHANNELS, sample_size=512),
    "sd21_base": dict(PUBLISHED, block_out_channels=CHANNELS, sample_size=768),
    "sd21": dict(PUBLISHED, block_out_channels=CHANNELS, sample_size=768),
    "sd2_inpainting": dict(PUBLISHED, block_out_channels=CHANNELS, sample_size=512),
    "sdxl_base": dict(PUBLISHED, block_out_channels=CHANNELS, sample_size=1024, scaling_factor=0.13025, force_upcast=True),
    "defaults": {},
    "no_attention": dict(
        in_channels=1, out_channels=2, latent_channels=3, block_out_channels=[12, 18, 18], norm_num_groups=6, down_block_types=BLOCKS["down_block_types"][:3],
        up_block_types=BLOCKS["up_block_types"][:3], mid_block_add_attention=False, use_quant_conv=False, use_post_quant_conv=False,
        scaling_factor=1.5, shift_factor=0.0609, sample_size=[24, 40], force_upcast=False,
    ),
    "mean_and_std": dict(
        block_out_channels=[16, 8], norm_num_groups=4, latent_channels=2, down_block_types=BLOCKS["down_block_types"][:2],
        up_block_types=BLOCKS["up_block_types"][:2], latents_mean=[-1.5, 0.25], latents_std=[8.5, 0.5],
    ),
}


def small(config):
    """A quarter of the published channels and norm groups."""
    if "act_fn" not in config:
        return config
    return dict(config, block_out_channels=[c // 4 for c in config["block_out_channels"]], norm_num_groups=config["norm_num_groups"] // 4)


def expect_published(folder):
    for name, config in CONFIGS.items():
        path = folder / name / "vae/config.json"
        if "act_fn" in config:
            published = {key: value for key, value in json.loads(path.read_text()).items() if not key.startswith("_")}
            assert published == config, f"{path} is not the config of {name} here"


def draw_parameter(name, parameter, generator=None):
    """Norms and biases that are not 1 and 0, attention that is far from uniform, and activations so small that a norm's eps shows."""
    with torch.no_grad():
        parameter.add_((0.2 if "norm" in name else 0.02) * torch.randn(parameter.shape, generator=generator))
        if "conv" in name and "norm" not in name and "conv_out" not in name and "quant" not in name:
            parameter.mul_(0.3)
        if "to_q.weight" in name or "to_k.weight" in name:
            parameter.mul_(6.0)


def draw(model):
    for name, parameter in model.named_parameters():
        draw_parameter(name, parameter)
    return model.eval()


def run(model, inputs):
    with torch.no_grad():
        posterior = model.encode(inputs["image"]).latent_dist
        return {"mean": posterior.mean, "logvar": posterior.logvar, "decoded": model.decode(inputs["z"]).sample}


def scale(config, z, back):
    """As diffusers' pipelines: StableDiffusion3Pipeline's with shift_factor, StableDiffusionXLPipeline's with latents_mean and latents_std."""
    factor, shift = config["scaling_factor"], config["shift_factor"] or 0.0
    if config["latents_mean"] is None:
        return z / factor + shift if back else (z - shift) * factor
    mean, std = (torch.tensor(config[key]).view(1, -1, 1, 1) for key in ("latents_mean", "latents_std"))
    return z * std / factor + mean if back else (z - mean) * factor / std


def attention_entropy(model, inputs):
    """The mean entropy of the encoder's attention over log n."""
    found = []

    def look(module, arguments, _):
        tokens = module.group_norm(arguments[0].flatten(2)).transpose(1, 2)
        weights = (module.to_q(tokens) @ module.to_k(tokens).transpose(1, 2) / math.sqrt(tokens.shape[-1])).softmax(-1)
        found.append(-(weights * (weights + 1e-30).log()).sum(-1).mean().item() / math.log(tokens.shape[1]))

    hook = model.encoder.mid_block.attentions[0].register_forward_hook(look)
    run(model, inputs)
    hook.remove()
    return found[0]


def set_eps(model):
    for module in model.modules():
        if isinstance(module, torch.nn.GroupNorm):
            module.eps = 1e-5


def set_groups(model):
    for module in model.modules():
        if isinstance(module, torch.nn.GroupNorm):
            module.num_groups //= 2


def set_softmax_scale(model):
    for half in (model.encoder, model.decoder):
        half.mid_block.attentions[0].to_q.weight.data.mul_(1.1)


def set_padding(model):
    from diffusers.models.downsampling import Downsample2D

    for module in model.modules():
        if isinstance(module, Downsample2D):
            module.padding, module.conv.padding = 1, (1, 1)


MUTATIONS = {"eps 1e-5 for 1e-6": set_eps, "half the norm groups": set_groups, "another softmax scale": set_softmax_scale,
             "symmetric padding before a stride": set_padding}


def set_overlap(model):
    model.tile_overlap_factor = 0.5


def set_no_blending(model):
    model.blend_v = model.blend_h = lambda before, tile, extent: tile


def set_blending_backwards(model):
    def blend(dimension):
        def one(before, tile, extent):
            extent = min(before.shape[dimension], tile.shape[dimension], extent)
            last, first = before.narrow(dimension, before.shape[dimension] - extent, extent), tile.narrow(dimension, 0, extent)
            shape = [-1 if d == dimension else 1 for d in range(4)]
            share = (torch.arange(extent) / extent).view(shape)
            return torch.cat([last * share + first * (1 - share), tile.narrow(dimension, extent, tile.shape[dimension] - extent)], dimension)
        return one
    model.blend_v, model.blend_h = blend(2), blend(3)


# Of a model after enable_tiling().
TILE_MUTATIONS = {"no tiles": lambda model: model.disable_tiling(), "tiles that overlap by half": set_overlap, "tiles that are not blended": set_no_blending,
                  "tiles that are blended backwards": set_blending_backwards}
TILES = dict(block_out_channels=[16, 8, 8], norm_num_groups=4, layers_per_block=1, sample_size=32, down_block_types=BLOCKS["down_block_types"][:3],
             up_block_types=BLOCKS["up_block_types"][:3])
TILES_TOLERANCE = 1e-5


def record(name, folder, make, inputs, mutations):
    """A case of "vae"; `make` gives the model of the folder, again for every mutation."""
    model = make()
    started = time.monotonic()
    right = run(model, inputs)
    files = [str(folder / "config.json"), str(folder / "diffusion_pytorch_model.safetensors")]
    case = Case(f"{name} VAE", ["vae", *files], inputs, right, seconds=time.monotonic() - started)
    right |= {"scaled": scale(model.config, right["mean"], False), "unscaled": scale(model.config, inputs["z"], True)}
    for what, mutate in MUTATIONS.items() if mutations else ():
        model = make()
        mutate(model)
        case.wrong[what] = run(model, inputs)
    return case


def old_names(weights):
    names = {"to_q": "query", "to_k": "key", "to_v": "value", "to_out.0": "proj_attn"}
    renamed = {}
    for name, tensor in weights.items():
        for today, old in names.items():
            name = name.replace(f"attentions.0.{today}.", f"attentions.0.{old}.")
        renamed[name] = tensor
    assert renamed.keys() != weights.keys()
    return renamed


def compare(tool, expect_close):
    from diffusers import AutoencoderKL

    shapes = set()
    for name, config in CONFIGS.items():
        config = small(config)
        shape = json.dumps({key: value for key, value in config.items() if key != "sample_size"})
        if shape in shapes:  # the function of a config before it
            continue
        shapes.add(shape)

        def make():
            torch.manual_seed(3)
            return draw(AutoencoderKL(**config))

        model = make()
        factor = 2 ** (len(model.config.block_out_channels) - 1)
        inputs = {"image": torch.rand(2, model.config.in_channels, 6 * factor, 4 * factor) * 2 - 1,
                  "z": torch.randn(2, model.config.latent_channels, 4, 6)}
        folder = tool.folder / name
        model.save_pretrained(folder)
        published = name == "sd15"
        case = record(name, folder, make, inputs, mutations=published)
        check(tool, case, TOLERANCE, FAR)
        opens_in_diffusers(tool, name, config, inputs, expect_close)
        if not published:
            continue
        entropy = attention_entropy(model, inputs)
        print(f"attention entropy {entropy:.2f} of log n")
        assert entropy < 0.5
        weights = folder / "diffusion_pytorch_model.safetensors"
        ours, _ = run_tool(tool, case)
        save_file(old_names(load_file(weights)), weights)
        renamed, _ = run_tool(tool, case)
        assert all(torch.equal(value, ours[key]) for key, value in renamed.items()), "old names"
        opened = run(AutoencoderKL.from_pretrained(folder, low_cpu_mem_usage=False).eval(), inputs)
        assert torch.equal(opened["decoded"], case.right["decoded"]), "old names in diffusers"


def compare_tiles(tool):
    """Tiles of 32 pixels, 8 latents: each begins 24 pixels after the one before it. The last ones are smaller, also than the overlap."""
    from diffusers import AutoencoderKL

    def make():
        torch.manual_seed(3)
        model = draw(AutoencoderKL(**TILES))
        model.enable_tiling()
        return model

    folder = tool.folder / "tiles"
    make().save_pretrained(folder)
    files = [str(folder / "config.json"), str(folder / "diffusion_pytorch_model.safetensors")]
    for what, (image, z) in {"several tiles": ((84, 52), (21, 13)), "one row of tiles": ((32, 36), (9, 6)), "one tile": ((32, 28), (5, 8))}.items():
        inputs = {"image": torch.rand(2, 3, *image) * 2 - 1, "z": torch.randn(2, 4, *z)}
        model = make()
        case = Case(f"VAE, {what}", ["vae_tiled", *files], inputs, run(model, inputs))
        case.right |= {"scaled": scale(model.config, case.right["mean"], False), "unscaled": scale(model.config, inputs["z"], True)}
        for mutation, mutate in TILE_MUTATIONS.items() if what != "one tile" else ():
            model = make()
            mutate(model)
            case.wrong[mutation] = run(model, inputs)
        check(tool, case, TILES_TOLERANCE, FAR)


def opens_in_diffusers(tool, name, config, inputs, expect_close):
    from diffusers import AutoencoderKL

    folder = tool.folder / f"{name}_fresh"
    folder.mkdir()
    tool("fresh", "vae", tool.json("config", config), 5, folder)
    model, info = AutoencoderKL.from_pretrained(folder, low_cpu_mem_usage=False, output_loading_info=True)
    assert not info["missing_keys"] and not info["unexpected_keys"] and not info["mismatched_keys"], info
    for key, value in AutoencoderKL(**config).config.items():
        if key not in ("_name_or_path", "_diffusers_version", "_use_default_values"):
            opened = model.config[key]
            assert opened == (list(value) if isinstance(value, tuple) else value), f"{name}: config {key} is {opened}, expected {value}"
    files = [folder / "config.json", folder / "diffusion_pytorch_model.safetensors", tool.tensors("inputs", inputs), tool.folder / "out.safetensors"]
    tool("vae", *files)
    expect_close(f"{name} written by Espalier", load_file(files[3])["decoded"], run(model.eval(), inputs)["decoded"], TOLERANCE)
