"""Prompts, text encoders and U-Nets in the shape of published Stable Diffusion folders, against diffusers' pipelines.

Each folder is made from its real configuration files with a sixteenth of the text encoders' width, an eighth of the U-Net's, fewer text
layers, and weights drawn here: norms and biases too, queries and keys enlarged until attention is sharp, residual branches small enough that
a norm's eps counts. What a wrong implementation would give is computed as well, and must lie far from ours."""
import contextlib
import dataclasses
import json
import shutil
import time
import typing

import torch
from cases import Case, check
from safetensors.torch import load_file

PROMPTS = [
    "a photo of an astronaut riding a horse on mars",
    "A Red Apple, on a blue table!!! wow!",
    "",
    " ".join(f"very long prompt number {i}, with many words" for i in range(20)),
    "naïve CAFÉ 2024 <|endoftext|> after the end",
]
NEGATIVE = "blurry, low quality!"
SCHEDULER = {"_class_name": "DDIMScheduler", "beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear", "set_alpha_to_one": False,
             "steps_offset": 1, "clip_sample": False}
# What a norm's input is made of: with a variance of some 1e-4 in front of it, eps counts.
SHRUNK = ("to_out", "out_proj", "ff.net.2", "fc2", "proj_in", "conv1", "conv2", "time_emb_proj", "conv_in")
CARRIED = ("conv_shortcut", "proj_out", "samplers")  # of these the bias alone
TEXT_LAYERS = {12: 4, 23: 5, 32: 6}
FAR = 50  # times the tolerance: a mutation's least distance
EPS = ((torch.nn.GroupNorm, 1e-5, 1e-6), (torch.nn.GroupNorm, 1e-6, 1e-5), (torch.nn.LayerNorm, 1e-5, 1e-6))
SIZE_IDS = {"original_size": [1024, 768], "crops_coords_top_left": [16, 0], "target_size": [512, 640]}


@dataclasses.dataclass
class Sizes:
    """What is smaller than in a published folder, and by how much queries and keys are enlarged."""
    text: typing.Callable[[dict], dict]
    unet: typing.Callable[[dict], dict]
    text_sharpness: float = 12
    unet_sharpness: float = 5


def small_text_config(config):
    return config | {key: config[key] // 16 for key in ("hidden_size", "intermediate_size", "projection_dim")} | {
        "num_hidden_layers": TEXT_LAYERS[config["num_hidden_layers"]]}


def small_unet_config(config):
    small = config | {"block_out_channels": [channels // 8 for channels in config["block_out_channels"]], "norm_num_groups": 8,
                      "cross_attention_dim": config["cross_attention_dim"] // 16}
    if config.get("addition_embed_type") == "text_time":
        small |= {"addition_time_embed_dim": 32, "projection_class_embeddings_input_dim": 1280 // 16 + 6 * 32}
    return small


SMALL_SIZES = Sizes(small_text_config, small_unet_config)


class Draw:
    """Draws a model's parameters one by one, in place, over those that its classes begin with."""

    def __init__(self, seed, sharpness, text_sharpness=1):
        self.generator, self.sharpness, self.text_sharpness = torch.Generator().manual_seed(seed), sharpness, text_sharpness

    def __call__(self, name, parameter):
        noise = lambda: torch.randn(parameter.shape, generator=self.generator)  # noqa: E731
        with torch.no_grad():
            if parameter.dim() == 1:
                parameter.add_(0.2 * noise())
            elif "embedding.weight" in name:
                parameter.copy_(0.02 * noise())
            elif any(part in name for part in ("to_q", "to_k.", "q_proj", "k_proj")):
                parameter.mul_(self.sharpness * (self.text_sharpness if "attn2.to_k" in name else 1))
            if any(part in name for part in SHRUNK + (CARRIED if parameter.dim() == 1 else ())):
                parameter.mul_(0.03)


def save_small(cls, config, target, draw):
    model = cls(config) if "Text" in cls.__name__ else cls.from_config(config)
    for name, parameter in model.named_parameters():
        draw(name, parameter)
    model.float().save_pretrained(target)
    return model.eval()


class Folder:
    """A folder in the shape of a published one, without VAE, and diffusers' pipeline of it. `save` writes a component and gives its model."""

    def __init__(self, source, target, write_clip_files, sizes=SMALL_SIZES, save=save_small):
        import diffusers
        from diffusers import DDIMScheduler, StableDiffusionPipeline, StableDiffusionXLPipeline, UNet2DConditionModel
        from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection, CLIPTokenizer

        diffusers.logging.set_verbosity_error()  # of prompts that are cut, which are wanted here
        self.name, self.path, self.sizes, self.xl = source.name, target, sizes, (source / "text_encoder_2").is_dir()
        index = json.loads((source / "model_index.json").read_text())
        parts = {}
        for number, suffix in enumerate(("", "_2") if self.xl else ("",)):
            encoder, tokenizer = "text_encoder" + suffix, "tokenizer" + suffix
            config = sizes.text(json.loads((source / encoder / "config.json").read_text()))
            cls = CLIPTextModelWithProjection if index[encoder][1] == "CLIPTextModelWithProjection" else CLIPTextModel
            parts[encoder] = save(cls, CLIPTextConfig(**config), target / encoder, Draw(10 + number, sizes.text_sharpness))
            (target / encoder / "config.json").write_text(json.dumps(config))  # as published: transformers corrects none of it
            write_clip_files(target / tokenizer)
            for file in (source / tokenizer).iterdir():
                shutil.copyfile(file, target / tokenizer / file.name)
            parts[tokenizer] = CLIPTokenizer.from_pretrained(target / tokenizer)
        config = sizes.unet(json.loads((source / "unet" / "config.json").read_text()))
        # SDXL's states have no final norm.
        self.unet = save(UNet2DConditionModel, config, target / "unet", Draw(20, sizes.unet_sharpness, 60 if self.xl else 1))
        (target / "unet" / "config.json").write_text(json.dumps(config))
        (target / "scheduler").mkdir()
        (target / "scheduler" / "scheduler_config.json").write_text(json.dumps(SCHEDULER))
        kept = {key: value for key, value in index.items() if key not in ("vae", "safety_checker", "feature_extractor")}
        (target / "model_index.json").write_text(json.dumps(kept))
        common = dict(vae=None, unet=self.unet, scheduler=DDIMScheduler.from_config(SCHEDULER), **parts)
        self.parts = parts
        if self.xl:
            self.pipeline = StableDiffusionXLPipeline(**common, force_zeros_for_empty_prompt=index["force_zeros_for_empty_prompt"],
                                                      add_watermarker=False)
        else:
            self.pipeline = StableDiffusionPipeline(**common, safety_checker=None, feature_extractor=None, requires_safety_checker=False)
        for encoder in (value for key, value in parts.items() if key.startswith("text_encoder")):
            if not hasattr(encoder, "text_model"):
                object.__setattr__(encoder, "text_model", encoder)  # diffusers' clip_skip asks for what transformers 5 has no more

    def theirs(self, negative=None, clip_skip=None):
        """Of diffusers' encode_prompt: the embeddings of the prompts, and of the null condition."""
        given = None if negative is None else [negative] * len(PROMPTS)
        with torch.no_grad():
            arguments = dict(prompt=PROMPTS, device="cpu", num_images_per_prompt=1, do_classifier_free_guidance=True, negative_prompt=given,
                             clip_skip=clip_skip)
            if not self.xl:
                states, null = self.pipeline.encode_prompt(**arguments)
                return {"encoder_hidden_states": states}, {"encoder_hidden_states": null[:1]}
            states, null, pooled, null_pooled = self.pipeline.encode_prompt(**arguments)
        return {"encoder_hidden_states": states, "text_embeds": pooled}, {"encoder_hidden_states": null[:1], "text_embeds": null_pooled[:1]}


def entropy_share(probabilities):
    """The mean entropy of rows that attend to more than one place, of the uniform one's."""
    entropy = -(probabilities * probabilities.clamp_min(1e-30).log()).sum(-1)
    places = (probabilities > 0).sum(-1)
    return (entropy[places > 1] / places[places > 1].log()).mean().item()


def attention_entropy(folder, inputs):
    """By component, of the uniform one's: the largest of a text encoder's layers, the mean of the U-Net's."""
    from diffusers.models.attention_processor import Attention, AttnProcessor, AttnProcessor2_0

    shares = {}
    for name, encoder in folder.parts.items():
        if name.startswith("text_encoder"):
            usual = encoder.config._attn_implementation
            encoder.set_attn_implementation("eager")
            ids = torch.tensor(folder.parts[name.replace("text_encoder", "tokenizer")](PROMPTS, padding="max_length", truncation=True)["input_ids"])
            with torch.no_grad():
                shares[name] = max(entropy_share(layer) for layer in encoder(ids, output_attentions=True).attentions)
            encoder.set_attn_implementation(usual)
    seen, scores = [], Attention.get_attention_scores

    def watched(self, *arguments):
        seen.append(entropy_share(probabilities := scores(self, *arguments)))
        return probabilities

    folder.unet.set_attn_processor(AttnProcessor())
    Attention.get_attention_scores = watched
    run_diffusers(folder.unet, inputs)
    Attention.get_attention_scores = scores
    folder.unet.set_attn_processor(AttnProcessor2_0())
    shares["unet"] = sum(seen) / len(seen)
    return shares


def expect_sharp_attention(folder, shares):
    print(f"{folder.name}: attention's entropy of the uniform one's:", {key: round(value, 3) for key, value in shares.items()})
    assert all(share < 0.5 for share in shares.values()), shares


def unet_inputs(folder, latents):
    torch.manual_seed(3)
    count, height, width = latents
    prompts, _ = folder.theirs()
    inputs = {"sample": torch.randn(count, 4, height, width), "timestep": torch.tensor([417.0, 1.0, 999.0])[:count]}
    inputs |= {name: tensor[:count].contiguous() for name, tensor in prompts.items()}
    if folder.xl:
        inputs["time_ids"] = torch.tensor([[1024.0, 768.0, 16.0, 0.0, 512.0, 640.0]] * count)
    return inputs


def run_diffusers(unet, inputs):
    inputs = {name: tensor if name == "timestep" else tensor.to(unet.dtype) for name, tensor in inputs.items()}
    added = {key: inputs[key] for key in ("text_embeds", "time_ids") if key in inputs}
    with torch.no_grad():
        return unet(inputs["sample"], inputs["timestep"], inputs["encoder_hidden_states"], added_cond_kwargs=added or None).sample.float()


@contextlib.contextmanager
def eps_of(model, kind, right, wrong):
    norms = [module for module in model.modules() if isinstance(module, kind) and module.eps == right]
    for norm in norms:
        norm.eps = wrong
    yield
    for norm in norms:
        norm.eps = right


@contextlib.contextmanager
def softmax_scale_of(model, factor):
    queries = {module: module.to_q.weight.clone() for module in model.modules() if hasattr(module, "to_q")}
    with torch.no_grad():
        for module in queries:
            module.to_q.weight.mul_(factor)
        yield
        for module, weight in queries.items():
            module.to_q.weight.copy_(weight)


def with_null(prompts, null):
    return {name: tensor.contiguous() for name, tensor in prompts.items()} | {f"null.{name}": tensor.contiguous() for name, tensor in null.items()}


def record_prompts(folder):
    """Cases of "embed"; the first has the mutations."""
    size = 8.0 * folder.unet.config.sample_size
    cases = []
    for what, negative, settings in (("no negative prompt", None, {}), ("the empty negative prompt", "", {}), ("a negative prompt", NEGATIVE, {}),
                                     ("clip_skip 1", NEGATIVE, {"clip_skip": 1}), ("clip_skip 2", None, {"clip_skip": 2}), ("size ids", None, SIZE_IDS)):
        if "target_size" in settings and not folder.xl:
            continue
        ids = [*SIZE_IDS["original_size"], *SIZE_IDS["crops_coords_top_left"], *SIZE_IDS["target_size"]] if "target_size" in settings else [
            size, size, 0, 0, size, size]
        prompts, null = folder.theirs(negative, settings.get("clip_skip"))
        for embedded in (prompts, null) if folder.xl else ():
            embedded["time_ids"] = torch.tensor([ids] * len(embedded["text_embeds"]), dtype=torch.float32)
        request = {"prompts": PROMPTS, "settings": settings} | ({} if negative is None else {"negative_prompt": negative})
        cases.append(Case(f"{folder.name}, {what}", ["embed", str(folder.path)], request, with_null(prompts, null)))
    cases[0].wrong = mutations_of_prompts(folder)
    return cases


def mutations_of_prompts(folder):
    """What a layer less, or a wrong pad token, eps, joining order or place of the end token would give."""
    wrong = {"a layer less": folder.theirs(None, 1)[0]["encoder_hidden_states"]}
    for name, tokenizer in folder.parts.items():
        if name.startswith("tokenizer"):
            right = tokenizer.pad_token
            tokenizer.pad_token = "!" if right == "<|endoftext|>" else "<|endoftext|>"
            wrong[f"{name} with another pad token"] = folder.theirs()[0]["encoder_hidden_states"]
            tokenizer.pad_token = right
    for name, encoder in folder.parts.items():
        if name.startswith("text_encoder"):
            with eps_of(encoder, torch.nn.LayerNorm, 1e-5, 1e-6):
                wrong[f"{name} with eps 1e-6"] = folder.theirs()[0]["encoder_hidden_states"]
    wrong = {what: {"encoder_hidden_states": states} for what, states in wrong.items()}
    if folder.xl:
        first, states = folder.parts["text_encoder"].config.hidden_size, folder.theirs()[0]["encoder_hidden_states"]
        wrong["joined the other way"] = {"encoder_hidden_states": torch.cat([states[..., first:], states[..., :first]], -1)}
        encoder, tokenizer = folder.parts["text_encoder_2"], folder.parts["tokenizer_2"]
        ids = torch.tensor(tokenizer(PROMPTS, padding="max_length", truncation=True)["input_ids"])
        with torch.no_grad():
            wrong["pooled at the last token"] = {"text_embeds": encoder.text_projection(encoder(ids).last_hidden_state[:, -1])}
    return wrong


def record_unet(folder, inputs, mutations=True):
    started = time.monotonic()
    right = {"sample": run_diffusers(folder.unet, inputs)}
    case = Case(f"{folder.name}: U-Net", ["predict", str(folder.path)], inputs, right, seconds=time.monotonic() - started)
    for kind, right, wrong in EPS if mutations else ():
        with eps_of(folder.unet, kind, right, wrong):
            case.wrong[f"{kind.__name__} with eps {wrong} for {right}"] = {"sample": run_diffusers(folder.unet, inputs)}
    if mutations:
        with softmax_scale_of(folder.unet, 1.1):
            case.wrong["another softmax scale"] = {"sample": run_diffusers(folder.unet, inputs)}
    for name in ("time_ids", "text_embeds") if folder.xl and mutations else ():
        case.wrong[f"other {name}"] = {"sample": run_diffusers(folder.unet, inputs | {name: inputs[name].flip(1)})}
    return case


def compare(tool, source, write_clip_files, tolerance):
    for name in ("sd15", "sd21_base", "sd21", "sdxl_base"):
        folder = Folder(source / name, tool.folder / name, write_clip_files)
        inputs = unet_inputs(folder, (3, 16, 16))
        expect_sharp_attention(folder, attention_entropy(folder, inputs))
        for case in [*record_prompts(folder), record_unet(folder, inputs)]:
            check(tool, case, tolerance, FAR)


def compare_attention(tool, expect_close):
    """Attention in half precision as AttnProcessor has it with upcast_attention, its scores and softmax in float32."""
    from diffusers.models.attention_processor import Attention, AttnProcessor

    heads, width = 4, 64
    for dtype, step in ((torch.float16, 2.0**-11), (torch.bfloat16, 2.0**-8)):
        for scale in (1, 6, 300):  # 300: scores beyond float16's range
            torch.manual_seed(5)
            query, key, value = (torch.randn(2, 40, width) for _ in range(3))
            inputs = {"query": (scale * query).to(dtype), "key": (scale * key).to(dtype), "value": value.to(dtype)}
            attention = Attention(width, heads=heads, dim_head=width // heads, bias=False, upcast_attention=True, processor=AttnProcessor())
            theirs, plain = attend(attention, inputs, True), attend(attention, inputs, False)
            tool("attention", tool.tensors("inputs", inputs), heads, tool.folder / "out.safetensors")
            ours = load_file(tool.folder / "out.safetensors")["out"]
            assert ours.dtype == dtype
            # Each side rounds its probabilities and its sum once.
            expect_close(f"attention in {dtype}, {scale}", ours.float(), theirs.float(), 2 * step)
            wrong = (plain.float() - ours.float()).abs().max().item() / (2 * step * theirs.abs().max().item())
            print(f"attention in {dtype}, {scale}, without upcast_attention: {wrong:.1f} times the tolerance away")
            # float16 has bits enough for small scores, bfloat16 one-hot probabilities for large ones.
            assert scale == 1 or (scale == 300 and dtype == torch.bfloat16) or not wrong < 3


def attend(attention, inputs, upcast):
    attention.upcast_attention = upcast
    query, key, value = (attention.head_to_batch_dim(inputs[name]) for name in ("query", "key", "value"))
    return attention.batch_to_head_dim(torch.bmm(attention.get_attention_scores(query, key), value))
