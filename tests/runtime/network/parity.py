#!/usr/bin/env python3
"""parity.py TOOL SUBJECT [ITEM]: what model_tool computes against diffusers, transformers, safetensors and torch."""
import gzip
import json
import math
import os
import pathlib
import subprocess
import sys
import tempfile
import time

import torch
from safetensors.torch import load_file, save_file

SOURCE = pathlib.Path(__file__).resolve().parents[3]
# Of the largest number. Two right networks sum the same float32 products in other orders, which another CPU's vector units and libraries
# change too: a layer adds a few u = 2^-24 of its largest number, the tens of layers here 1e-6 to 1e-5 (168 u).
TOLERANCE = 1e-5
# An optimizer's step is some ten float32 operations on numbers near 1, four of which are rounded into the weights.
STEP_TOLERANCE = 4 * 2.0**-24
SKIP = 77

UNETS = {
    "shapes": dict(
        sample_size=16, in_channels=3, out_channels=3, block_out_channels=[24, 48, 64], layers_per_block=1,
        down_block_types=["DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"],
        up_block_types=["CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"],
        norm_num_groups=8, attention_head_dim=8, cross_attention_dim=64,
        addition_embed_type="text", addition_embed_type_num_heads=4,
    ),
    "stable_diffusion_2": dict(
        sample_size=8, block_out_channels=[32, 64, 96, 96], attention_head_dim=[2, 4, 6, 6], cross_attention_dim=48,
        norm_num_groups=16, use_linear_projection=True, upcast_attention=True, transformer_layers_per_block=[1, 2, 1, 1],
    ),
    "unconditional": dict(
        sample_size=28, in_channels=1, out_channels=1, block_out_channels=[16, 32, 32], layers_per_block=[1, 2, 1], norm_num_groups=4,
        down_block_types=["DownBlock2D"] * 3, up_block_types=["UpBlock2D"] * 3, mid_block_type="UNetMidBlock2D",
    ),
    "odd_ends": dict(
        sample_size=[13, 10], in_channels=2, out_channels=5, block_out_channels=[15, 30], layers_per_block=1, norm_num_groups=5,
        down_block_types=["DownBlock2D", "CrossAttnDownBlock2D"], up_block_types=["CrossAttnUpBlock2D", "UpBlock2D"],
        attention_head_dim=3, cross_attention_dim=[12, 20], class_embed_type="projection", projection_class_embeddings_input_dim=7,
        flip_sin_to_cos=False, freq_shift=1, center_input_sample=True, mid_block_scale_factor=1.5, norm_eps=1e-4, conv_in_kernel=5,
        time_embedding_dim=40,
    ),
    "no_middle": dict(
        sample_size=8, block_out_channels=[8, 16], layers_per_block=1, norm_num_groups=4, down_block_types=["DownBlock2D"] * 2,
        up_block_types=["UpBlock2D"] * 2, mid_block_type=None, downsample_padding=0,
    ),
}


class Tool:
    def __init__(self, path, folder):
        self.path, self.folder = path, folder

    def __call__(self, *arguments):
        return subprocess.run([self.path, *map(str, arguments)], check=True, stdout=subprocess.PIPE, text=True).stdout

    def tensors(self, name, tensors):
        path = self.folder / f"{name}.safetensors"
        save_file({key: value.detach().contiguous() for key, value in tensors.items()}, path)
        return path

    def json(self, name, value):
        path = self.folder / f"{name}.json"
        path.write_text(json.dumps(value))
        return path


def expect_close(what, ours, theirs, tolerance=TOLERANCE):
    assert ours.shape == theirs.shape, f"{what}: shapes {tuple(ours.shape)} and {tuple(theirs.shape)}"
    difference, largest = (ours - theirs).abs().max().item(), theirs.abs().max().item()
    bound = tolerance * max(1.0, largest)
    print(f"{what}: largest difference {difference:.2e} of {bound:.2e}, largest value {largest:.3g}")
    assert difference <= bound, f"{what}: {difference} is above {bound}"


def unet_inputs(config):
    size = config["sample_size"] if isinstance(config["sample_size"], list) else [config["sample_size"]] * 2
    inputs = {"sample": torch.randn(3, config.get("in_channels", 4), *size), "timestep": torch.tensor([0.0, 417.0, 999.0])}
    dims = config.get("cross_attention_dim", 1280)
    if isinstance(dims, int):
        inputs["encoder_hidden_states"] = torch.randn(3, 9, dims)
    if "class_embed_type" in config:
        inputs["class_labels"] = torch.randn(3, config["projection_class_embeddings_input_dim"])
    return inputs


def run_diffusers(model, inputs):
    return model(inputs["sample"], inputs["timestep"], inputs.get("encoder_hidden_states"), class_labels=inputs.get("class_labels")).sample


def unet(tool):
    from diffusers import UNet2DConditionModel

    for name, config in UNETS.items():
        torch.manual_seed(1)
        if isinstance(config.get("cross_attention_dim"), list):
            config = dict(config, cross_attention_dim=config["cross_attention_dim"][1])  # one text, one width
        model = UNet2DConditionModel(**config).eval()
        with torch.no_grad():  # PyTorch starts norms at 1 and 0, which would hide a mix-up
            for parameter in model.parameters():
                parameter.add_(0.1 * torch.randn_like(parameter))
        folder = tool.folder / name
        model.save_pretrained(folder)
        inputs = unet_inputs(config)
        files = [folder / "config.json", folder / "diffusion_pytorch_model.safetensors", tool.tensors("inputs", inputs), tool.folder / "out.safetensors"]
        theirs = run_diffusers(model, inputs)
        tool("unet", *files)
        expect_close(f"{name} forward", load_file(files[3])["sample"], theirs)

        theirs.square().mean().backward()
        tool("unet_gradients", *files)
        ours = load_file(files[3])
        gradients = {key: value.grad for key, value in model.named_parameters()}
        assert ours.keys() == gradients.keys()
        scale = max(gradient.abs().max().item() for gradient in gradients.values())
        worst = max((ours[key] - gradient).abs().max().item() for key, gradient in gradients.items()) / scale
        print(f"{name} gradients: largest difference {worst:.2e} of the largest gradient")
        assert worst <= TOLERANCE

        opens_in_diffusers(tool, name, config, inputs)


def lora(tool):
    import lora_parity

    lora_parity.check(tool, UNETS, unet_inputs, run_diffusers, expect_close)


def flops(tool):
    from diffusers import UNet2DConditionModel
    from torch.nn.attention import SDPBackend, sdpa_kernel
    from torch.utils.flop_counter import FlopCounterMode

    for name, config in UNETS.items():
        if isinstance(config.get("cross_attention_dim"), list):
            config = dict(config, cross_attention_dim=config["cross_attention_dim"][1])
        model = UNet2DConditionModel(**config).eval()
        folder = tool.folder / name
        model.save_pretrained(folder)
        inputs = unet_inputs(config)
        counter = FlopCounterMode(display=False)
        with torch.no_grad(), counter, sdpa_kernel(SDPBackend.MATH):  # its counter does not count the CPU's fused attention
            run_diffusers(model, inputs)
        theirs = counter.get_total_flops()
        ours = float(tool("unet_flops", folder / "config.json", folder / "diffusion_pytorch_model.safetensors", tool.tensors("inputs", inputs)))
        print(f"{name}: {ours:.0f} FLOPs, {theirs} by PyTorch's counter, {100 * (ours / theirs - 1):+.3f} %")
        assert theirs > 0 and abs(ours / theirs - 1) <= 0.01


def opens_in_diffusers(tool, name, config, inputs):
    from diffusers import UNet2DConditionModel

    folder = tool.folder / f"{name}_fresh"
    folder.mkdir()
    tool("fresh", "unet", tool.json("config", config), 5, folder)
    model, info = UNet2DConditionModel.from_pretrained(folder, low_cpu_mem_usage=False, output_loading_info=True)
    assert not info["missing_keys"] and not info["unexpected_keys"] and not info["mismatched_keys"], info
    reference = UNet2DConditionModel(**config)
    for key, value in reference.config.items():
        if key not in ("_name_or_path", "_diffusers_version", "_use_default_values"):
            opened = model.config[key]
            assert opened == (list(value) if isinstance(value, tuple) else value), f"{name}: config {key} is {opened}, expected {value}"
    expect_same_spread(name, dict(model.named_parameters()), dict(reference.named_parameters()))
    files = [folder / "config.json", folder / "diffusion_pytorch_model.safetensors", tool.tensors("inputs", inputs), tool.folder / "out.safetensors"]
    tool("unet", *files)
    with torch.no_grad():
        expect_close(f"{name} written by Espalier", load_file(files[3])["sample"], run_diffusers(model.eval(), inputs))


def expect_same_spread(name, ours, theirs):
    """Fresh weights of at least 500 numbers have the library's spread within 15 %, smaller ones its range or constant."""
    assert ours.keys() == theirs.keys()
    for key, reference in theirs.items():
        mine, reference = ours[key].detach(), reference.detach()
        if reference.numel() >= 500:
            ratio = mine.std().item() / reference.std().item()
            assert 0.85 < ratio < 1.15, f"{name} {key}: standard deviation {mine.std()}, expected {reference.std()}"
        elif reference.numel() > 1 and reference.unique().numel() == 1:
            assert torch.equal(mine, reference), f"{name} {key}"


def clip_text(tool):
    from transformers import CLIPTextConfig, CLIPTextModel

    for act in ("quick_gelu", "gelu"):
        torch.manual_seed(2)
        config = CLIPTextConfig(
            vocab_size=120, hidden_size=48, intermediate_size=100, num_hidden_layers=3, num_attention_heads=4, max_position_embeddings=20,
            hidden_act=act, bos_token_id=118, eos_token_id=119, pad_token_id=119, projection_dim=48,
        )
        model = CLIPTextModel(config).eval()
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.add_(0.1 * torch.randn_like(parameter))
        folder = tool.folder / act
        model.save_pretrained(folder)
        inputs = {"input_ids": torch.randint(0, 120, (4, 17))}
        files = [folder / "config.json", folder / "model.safetensors", tool.tensors("inputs", inputs), tool.folder / "out.safetensors"]
        tool("clip", *files)
        with torch.no_grad():
            expect_close(f"CLIP text, {act}", load_file(files[3])["last_hidden_state"], model(**inputs).last_hidden_state)

        fresh = tool.folder / f"{act}_fresh"
        fresh.mkdir()
        tool("fresh", "clip", folder / "config.json", 6, fresh)
        opened, info = CLIPTextModel.from_pretrained(fresh, output_loading_info=True)
        assert not info["missing_keys"] and not info["unexpected_keys"] and not info["mismatched_keys"], info
        expect_same_spread("CLIP text", dict(opened.named_parameters()), dict(CLIPTextModel(config).named_parameters()))
        files[0:2] = [fresh / "config.json", fresh / "model.safetensors"]
        tool("clip", *files)
        with torch.no_grad():
            expect_close("CLIP text written by Espalier", load_file(files[3])["last_hidden_state"], opened.eval()(**inputs).last_hidden_state)


def elements(tool):
    import element_transformer

    element_transformer.compare(tool, expect_close)


def autoencoder_kl(tool):
    import autoencoder_kl as vae

    vae.compare(tool, expect_close)
    vae.compare_tiles(tool)
    vae.expect_published(data_folder("diffusers_folders"))


def stable_diffusion(tool):
    import stable_diffusion as parity

    parity.compare(tool, data_folder("diffusers_folders"), write_clip_files, TOLERANCE)


def half_attention(tool):
    import stable_diffusion as parity

    parity.compare_attention(tool, expect_close)


def full_size(tool, item):
    import full_size as parity

    if missing := parity.missing_room(tool.folder):
        print(f"skipped: {missing}")
        sys.exit(SKIP)
    data_folder("clip_bpe")
    started, begin = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), time.monotonic()
    found = parity.compare(tool, item, data_folder("diffusers_folders"))
    report = pathlib.Path(tool.path).parent / f"full_size/{item}.json"
    parity.write_report(report, started, time.monotonic() - begin, found)
    print(f"scripts/results --add parity {item} COMMAND COMMIT {report}")


def data_folder(name):
    bases = [os.environ.get("ESPALIER_DATA"), SOURCE / "datasets", SOURCE.parent / "shared" / "data"]
    for base in filter(None, bases):
        if (pathlib.Path(base) / name).is_dir():
            return pathlib.Path(base) / name
    print(f"skipped: no folder {name} in {', '.join(str(base) for base in bases if base)}; ESPALIER_DATA names the folder that holds it")
    sys.exit(SKIP)


def write_clip_files(folder):
    """CLIP's vocab.json and merges.txt, as its authors derive them from bpe_simple_vocab_16e6.txt.gz."""
    lines = gzip.open(data_folder("clip_bpe") / "bpe_simple_vocab_16e6.txt.gz", "rt", encoding="utf-8").read().split("\n")
    merges = lines[1 : 49152 - 256 - 2 + 1]
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    symbols = [chr(b) for b in printable] + [chr(256 + i) for i in range(256 - len(printable))]
    tokens = symbols + [s + "</w>" for s in symbols] + ["".join(m.split()) for m in merges] + ["<|startoftext|>", "<|endoftext|>"]
    folder.mkdir(parents=True)
    (folder / "vocab.json").write_text(json.dumps({token: i for i, token in enumerate(tokens)}, ensure_ascii=False), encoding="utf-8")
    (folder / "merges.txt").write_text("#version: 0.2\n" + "\n".join(merges) + "\n", encoding="utf-8")
    special = {"bos_token": "<|startoftext|>", "eos_token": "<|endoftext|>", "unk_token": "<|endoftext|>", "pad_token": "<|endoftext|>"}
    (folder / "tokenizer_config.json").write_text(json.dumps({**special, "model_max_length": 77, "tokenizer_class": "CLIPTokenizer"}))
    (folder / "special_tokens_map.json").write_text(json.dumps(special))


def expect_same_ids(tool, folder, texts, what):
    from transformers import CLIPTokenizer

    theirs = CLIPTokenizer.from_pretrained(folder)(texts, padding="max_length", truncation=True)["input_ids"]
    tool("tokenize", folder, tool.json("texts", texts), tool.folder / "ids.json")
    ours = json.loads((tool.folder / "ids.json").read_text())
    for text, a, b in zip(texts, ours, theirs, strict=True):
        assert a == b, f"{what}: {text!r}: {a} and {b}"
    print(f"{what}: {len(texts)} texts, equal ids")
    return ours


def tokenizer(tool):
    sys.path.insert(0, str(pathlib.Path(__file__).parent.parent / "modelfile"))
    import make_tokenizer_golden

    assert json.loads(make_tokenizer_golden.GOLDEN.read_text()) == make_tokenizer_golden.golden(), "tokenizer_golden.json is not what transformers gives"
    folder = tool.folder / "clip"
    write_clip_files(folder)
    prompts = data_folder("prompts")
    files = ["parti_prompts/PartiPrompts.tsv", "t2i_compbench/complex_val.txt", "geneval/generation_prompts.txt", "ddpo/imagenet_classes.txt"]
    texts = [line for file in files for line in (prompts / file).read_text(encoding="utf-8").splitlines()]
    texts += ["", "  A\tRED\n circle  ", "it's they'RE '' '''s we'll", "2024 ½ x² Ⅷ", "naïve CAFÉ ÀÉÎ ß ẞ", "ΣΊΣΥΦΟΣ İstanbul", "日本語 中文 한국어 हिन्दी",
              "🙂👍🏽 emoji!?...", "a<|endoftext|>b <|startoftext|>", "x" * 300, "don't—stop “quoted”", " \u00a0\u3000wide\u2028spaces", "#$%^&*()_+-=[]{}"]
    texts += make_tokenizer_golden.prompts()
    ids = expect_same_ids(tool, folder, texts, "CLIP's vocabulary")
    from transformers import CLIPTokenizer

    for pad in ("<|endoftext|>", "!"):  # of Stable Diffusion 1 and 2
        saved = tool.folder / f"saved, {pad == '!'}"
        CLIPTokenizer.from_pretrained(folder, pad_token=pad).save_pretrained(saved)
        assert not (saved / "vocab.json").exists() and not (saved / "merges.txt").exists(), "these are there too: nothing is shown of tokenizer.json"
        again = expect_same_ids(tool, saved, texts, f"CLIP's vocabulary with the padding {pad}, as transformers saves it")
        assert (again == ids) == (pad != "!")
    hello = ids[texts.index("  A\tRED\n circle  ")][:5]
    assert hello == [49406, 320, 736, 7117, 49407], hello  # "a red circle" by OpenAI's CLIP

    words = "a red green blue yellow circle square triangle above below left right of the to is are bare banana cat concatenate".split()
    folder = tool.folder / "words"
    folder.mkdir()
    tool("words", folder, 16, *words)
    vocabulary = json.loads((folder / "vocab.json").read_text())
    texts = [" ".join(words), "A red circle above a blue square", "a purple redder circle!", "triangle 7", ""] + words
    ids = expect_same_ids(tool, folder, texts, "the word vocabulary")
    for word, row in zip(words, ids[5:], strict=True):
        assert row[1] == vocabulary[word + "</w>"] and row[2] == vocabulary["<|endoftext|>"], f"{word} is not one token: {row}"


def safetensors(tool):
    from safetensors.torch import save

    dtypes = [torch.bool, torch.uint8, torch.int8, torch.int16, torch.float16, torch.bfloat16, torch.int32, torch.float32, torch.float64, torch.int64]
    torch.manual_seed(3)
    tensors = {f"layer.{i % 3}.{str(dtype)[6:]}": (torch.randn(3, i + 1) * 50).to(dtype) for i, dtype in enumerate(dtypes)}
    tensors |= {"scalar": torch.tensor(2.5), "empty": torch.zeros(0, 4), "quote\"é\n": torch.arange(5)}
    for name, part in {"all": tensors, "none": {}, "one": {"x": torch.ones(3, dtype=torch.uint8)}}.items():
        path = tool.folder / f"{name}.safetensors"
        path.write_bytes(save(part, metadata={"format": "pt"}))
        tool("copy", path, tool.folder / "copy.safetensors")
        assert (tool.folder / "copy.safetensors").read_bytes() == path.read_bytes(), name
        print(f"{name}: {path.stat().st_size} equal bytes")


def optimizer(tool):
    from diffusers.optimization import get_scheduler
    from diffusers.training_utils import EMAModel

    torch.manual_seed(4)
    steps = 20
    for scheduler in ("constant", "constant_with_warmup", "linear", "cosine"):
        options = dict(learning_rate=3e-3, adam_beta1=0.9, adam_beta2=0.99, adam_weight_decay=0.05, adam_epsilon=1e-8, ema_decay=0.6, steps=steps,
                       max_grad_norm=2.0, lr_scheduler=scheduler, lr_warmup_steps=5)
        inputs = {"a": torch.randn(4, 5), "b": torch.randn(7)}
        inputs |= {f"{step}.{name}": (0.1 + step / 8) * torch.randn_like(inputs[name]) for step in range(steps) for name in "ab"}
        tool("train", tool.tensors("inputs", inputs), tool.json("options", options), tool.folder / "out.safetensors")
        ours = load_file(tool.folder / "out.safetensors")

        parameters = [torch.nn.Parameter(inputs[name].clone()) for name in "ab"]
        adamw = torch.optim.AdamW(parameters, lr=3e-3, betas=(0.9, 0.99), weight_decay=0.05, eps=1e-8, foreach=False)
        schedule = get_scheduler(scheduler, adamw, num_warmup_steps=5, num_training_steps=steps)
        ema = EMAModel(parameters, decay=0.6)
        for step in range(steps):
            for name, parameter in zip("ab", parameters):
                parameter.grad = inputs[f"{step}.{name}"].clone()
            norm = torch.nn.utils.clip_grad_norm_(parameters, 2.0)
            # A sum of 27 squares, in any order: each of its roundings is at most u of the whole.
            assert math.isclose(norm.item(), ours[f"norm.{step}"].item(), rel_tol=27 * 2.0**-24)
            adamw.step()
            schedule.step()
            ema.step(parameters)
        for name, parameter, averaged in zip("ab", parameters, ema.shadow_params):
            expect_close(f"AdamW, {scheduler}, {name}", ours[name], parameter.detach(), steps * STEP_TOLERANCE)
            expect_close(f"EMA, {scheduler}, {name}", ours[f"ema.{name}"], averaged, steps * STEP_TOLERANCE)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        globals()[sys.argv[2]](Tool(sys.argv[1], pathlib.Path(folder)), *sys.argv[3:])
