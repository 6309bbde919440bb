"""Adapters against PEFT on diffusers' U-Net: outputs, gradients, and files read and written by the other."""
import math

import torch
from diffusers import DDIMScheduler, StableDiffusionPipeline, UNet2DConditionModel
from diffusers.utils import convert_state_dict_to_diffusers
from diffusers.training_utils import _collate_lora_metadata
from peft import LoraConfig
from peft.utils import get_peft_model_state_dict
from safetensors.torch import load_file, save_file

ATTENTION = ["to_q", "to_k", "to_v", "to_out.0"]
EVERYTHING = ATTENTION + ["conv1", "conv2", "conv_shortcut", "proj_in", "proj_out", "ff.net.0.proj", "ff.net.2", "time_emb_proj", "conv_in", "conv_out",
                          "linear_1", "linear_2", "downsamplers.0.conv", "upsamplers.0.conv"]
# Of the largest gradient. A gradient of A or B sums up to some thousand terms of either sign, each off by parity.py's tolerance of its size.
GRADIENT_TOLERANCE = 1e-4
# Of the U-Nets of parity.py: rank, lora_alpha, target_modules, use_rslora.
CASES = {
    "shapes": [dict(rank=4, lora_alpha=4, target_modules=ATTENTION), dict(rank=3, lora_alpha=12, target_modules=EVERYTHING)],
    "stable_diffusion_2": [dict(rank=16, lora_alpha=8, target_modules=ATTENTION, use_rslora=True), dict(rank=1, lora_alpha=1, target_modules=EVERYTHING)],
    "unconditional": [dict(rank=8, lora_alpha=4, target_modules=["conv1", "conv_shortcut", "downsamplers.0.conv", "time_emb_proj"])],
}


def tuned_unet(config, options, folder):
    """A U-Net with random weights, saved without adapter in the folder; then with a random adapter."""
    torch.manual_seed(1)
    model = UNet2DConditionModel(**config).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    model.save_pretrained(folder)
    model.requires_grad_(False)
    model.add_adapter(LoraConfig(r=options["rank"], lora_alpha=options["lora_alpha"], target_modules=options["target_modules"],
                                 use_rslora=options.get("use_rslora", False), init_lora_weights="gaussian"))
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "lora_B" in name:
                parameter.normal_(std=0.3)
    return model


def scale_of(options):
    return options["lora_alpha"] / (math.sqrt(options["rank"]) if options.get("use_rslora") else options["rank"])


def with_alpha(tensors, alpha):
    modules = {name.rsplit(".lora_", 1)[0] for name in tensors}
    return tensors | {f"{module}.alpha": torch.tensor(float(alpha)) for module in modules}


def pipeline(unet):
    return StableDiffusionPipeline(vae=None, text_encoder=None, tokenizer=None, unet=unet, scheduler=DDIMScheduler(clip_sample=False, steps_offset=1),
                                   safety_checker=None, feature_extractor=None, requires_safety_checker=False)


def save_adapters(model, options, folder):
    """The same adapter in every form that is read; gives the files by what they are."""
    state = get_peft_model_state_dict(model)
    file = "pytorch_lora_weights.safetensors"
    written = {"metadata": folder / "metadata" / file, "script": folder / "script" / file}
    metadata = _collate_lora_metadata({"unet": model})
    StableDiffusionPipeline.save_lora_weights(folder / "metadata", unet_lora_layers=state, **metadata)
    StableDiffusionPipeline.save_lora_weights(folder / "script", unet_lora_layers=convert_state_dict_to_diffusers(dict(state)), **metadata)
    plain = {f"unet.{name}": tensor.contiguous() for name, tensor in state.items()}
    folded = {name: (tensor * scale_of(options)).contiguous() if "lora_B" in name else tensor for name, tensor in plain.items()}
    written["folded"] = folder / "folded.safetensors"
    save_file(folded, written["folded"])
    # As diffusers writes a file again that has several ranks.
    mixed = folder / "mixed" / file
    mixed.parent.mkdir()
    for name, tensor in folded.items():
        if name.endswith(f"{options['target_modules'][0]}.lora_A.weight"):
            other = name.replace("lora_A", "lora_B")
            folded[name], folded[other] = torch.cat([tensor, tensor]), torch.cat([folded[other], folded[other]], 1) / 2
    save_file(folded, mixed)
    unet = UNet2DConditionModel.from_pretrained(folder, low_cpu_mem_usage=False)
    pipeline(unet).load_lora_weights(mixed.parent, adapter_name="default")
    written["several ranks"] = folder / "several" / file
    StableDiffusionPipeline.save_lora_weights(folder / "several", unet_lora_layers=get_peft_model_state_dict(unet),
                                              unet_lora_adapter_metadata=unet.peft_config["default"].to_dict())
    if not options.get("use_rslora"):
        written["alpha"] = folder / "alpha.safetensors"
        save_file(with_alpha(plain, options["lora_alpha"]), written["alpha"])
    return written


def check(tool, unets, unet_inputs, run_diffusers, expect_close):
    for name, cases in CASES.items():
        for number, options in enumerate(cases):
            config = unets[name]
            present = [module for module, _ in UNet2DConditionModel(**config).named_modules()]
            targets = [target for target in options["target_modules"] if any(f".{module}".endswith(f".{target}") for module in present)]
            options = options | {"target_modules": targets}
            folder = tool.folder / f"{name}_{number}"
            model = tuned_unet(config, options, folder)
            inputs = unet_inputs(config)
            theirs = run_diffusers(model, inputs)
            files = save_adapters(model, options, folder)
            what = f"{name}, rank {options['rank']}, {len(targets)} targets"
            base = [folder / "config.json", folder / "diffusion_pytorch_model.safetensors"]
            given, out, written = tool.tensors("inputs", inputs), tool.folder / "out.safetensors", folder / "ours" / "pytorch_lora_weights.safetensors"
            written.parent.mkdir()
            for form, file in files.items():
                tool("unet_lora", *base, file, given, out, written)
                expect_close(f"{what}: the file '{form}'", load_file(out)["sample"], theirs.detach())

            # What is written here means the same to diffusers.
            untuned = UNet2DConditionModel.from_pretrained(folder, low_cpu_mem_usage=False).eval()
            with torch.no_grad():
                assert (run_diffusers(untuned, inputs) - theirs).abs().max() > 0.01 * theirs.abs().max(), "the adapter changes too little to be seen"
                pipeline(untuned).load_lora_weights(written.parent)
                expect_close(f"{what}: load_lora_weights of the file written", run_diffusers(untuned, inputs), theirs.detach())
            ours = load_file(written)
            assert all(key.startswith("unet.") and key.endswith(("lora_A.weight", "lora_B.weight")) for key in ours), sorted(ours)

            theirs.square().mean().backward()
            tool("unet_lora_gradients", *base, files["metadata"], given, out, tool.json("options", options))
            ours = load_file(out)
            gradients = {"unet." + key.replace(".default", ""): value.grad for key, value in model.named_parameters() if "lora_" in key}
            assert ours.keys() == gradients.keys()
            scale = max(gradient.abs().max().item() for gradient in gradients.values())
            worst = max((ours[key] - gradient).abs().max().item() for key, gradient in gradients.items()) / scale
            print(f"{what}: gradients of {len(ours)} tensors: largest difference {worst:.2e} of the largest gradient")
            assert worst <= GRADIENT_TOLERANCE
