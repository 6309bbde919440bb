"""Prompts, text encoders and U-Nets in the shape of published Stable Diffusion folders, against diffusers' pipelines.

Each folder is made from its real configuration files with a sixteenth of the text encoders' width, an eighth of the U-Net's, fewer text
layers, and weights drawn here: norms and biases too, queries and keys enlarged until attention is sharp, residual branches small enough that
a norm's eps counts. What a wrong implementation would give is computed as well, and must lie far from ours."""
import json
import shutil

import torch
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
SMALL = ("to_out", "out_proj", "ff.net.2", "fc2", "proj_in", "conv1", "conv2", "time_emb_proj", "conv_in")
CARRIED = ("conv_shortcut", "proj_out", "samplers")  # of these the bias alone
TEXT_LAYERS = {12: 4, 23: 5, 32: 6}
FAR = 50  # times the tolerance: a mutation's least distance


def small_text_config(config):
    return config | {key: config[key] // 16 for key in ("hidden_size", "intermediate_size", "projection_dim")} | {
        "num_hidden_layers": TEXT_LAYERS[config["num_hidden_layers"]]}


def small_unet_config(config):
    small = config | {"block_out_channels": [channels // 8 for channels in config["block_out_channels"]], "norm_num_groups": 8,
                      "cross_attention_dim": config["cross_attention_dim"] // 16}
    if config.get("addition_embed_type") == "text_time":
        small |= {"addition_time_embed_dim": 32, "projection_class_embeddings_input_dim": 1280 // 16 + 6 * 32}
    return small


def draw(model, seed, sharpness, text_sharpness=1):
    generator = torch.Generator().manual_seed(seed)
    noise = lambda like: torch.randn(like.shape, generator=generator)  # noqa: E731
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if parameter.dim() == 1:
                parameter.add_(0.2 * noise(parameter))
            elif "embedding.weight" in name:
                parameter.copy_(0.02 * noise(parameter))
            elif any(part in name for part in ("to_q", "to_k.", "q_proj", "k_proj")):
                parameter.mul_(sharpness * (text_sharpness if "attn2.to_k" in name else 1))
            if any(part in name for part in SMALL + (CARRIED if parameter.dim() == 1 else ())):
                parameter.mul_(0.03)
    return model.float().eval()


class Folder:
    """A small folder in the shape of a published one, and diffusers' pipeline of it."""

    def __init__(self, source, target, write_clip_files):
        import diffusers
        from diffusers import DDIMScheduler, StableDiffusionPipeline, StableDiffusionXLPipeline, UNet2DConditionModel
        from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection, CLIPTokenizer

        diffusers.logging.set_verbosity_error()  # of prompts that are cut, which are wanted here
        self.name, self.path, self.xl = source.name, target, (source / "text_encoder_2").is_dir()
        index = json.loads((source / "model_index.json").read_text())
        parts = {}
        for number, suffix in enumerate(("", "_2") if self.xl else ("",)):
            encoder, tokenizer = "text_encoder" + suffix, "tokenizer" + suffix
            config = small_text_config(json.loads((source / encoder / "config.json").read_text()))
            cls = CLIPTextModelWithProjection if index[encoder][1] == "CLIPTextModelWithProjection" else CLIPTextModel
            parts[encoder] = draw(cls(CLIPTextConfig(**config)), 10 + number, sharpness=12)
            parts[encoder].save_pretrained(target / encoder)
            (target / encoder / "config.json").write_text(json.dumps(config))  # as published: transformers corrects none of it
            write_clip_files(target / tokenizer)
            for file in (source / tokenizer).iterdir():
                shutil.copyfile(file, target / tokenizer / file.name)
            parts[tokenizer] = CLIPTokenizer.from_pretrained(target / tokenizer)
        config = small_unet_config(json.loads((source / "unet" / "config.json").read_text()))
        self.unet = draw(UNet2DConditionModel.from_config(config), 20, sharpness=5, text_sharpness=60 if self.xl else 1)  # SDXL's states have no final norm
        self.unet.save_pretrained(target / "unet")
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

    def ours(self, tool, negative=None, **settings):
        request = {"prompts": PROMPTS, "settings": settings} | ({} if negative is None else {"negative_prompt": negative})
        tool("embed", self.path, tool.json("request", request), tool.folder / "embedded.safetensors")
        embedded = load_file(tool.folder / "embedded.safetensors")
        prompts = {key: value for key, value in embedded.items() if not key.startswith("null.")}
        return prompts, {key.removeprefix("null."): value for key, value in embedded.items() if key.startswith("null.")}


def entropy_share(probabilities):
    """The mean entropy of rows that attend to more than one place, of the uniform one's."""
    entropy = -(probabilities * probabilities.clamp_min(1e-30).log()).sum(-1)
    places = (probabilities > 0).sum(-1)
    return (entropy[places > 1] / places[places > 1].log()).mean().item()


def expect_sharp_attention(folder):
    from diffusers.models.attention_processor import Attention, AttnProcessor

    shares = {}
    for name, encoder in folder.parts.items():
        if name.startswith("text_encoder"):
            encoder.set_attn_implementation("eager")
            ids = torch.tensor(folder.parts[name.replace("text_encoder", "tokenizer")](PROMPTS, padding="max_length", truncation=True)["input_ids"])
            with torch.no_grad():
                shares[name] = max(entropy_share(layer) for layer in encoder(ids, output_attentions=True).attentions)
    seen, scores = [], Attention.get_attention_scores

    def watched(self, *arguments):
        seen.append(entropy_share(probabilities := scores(self, *arguments)))
        return probabilities

    folder.unet.set_attn_processor(AttnProcessor())
    Attention.get_attention_scores = watched
    with torch.no_grad():
        folder.run_unet = unet_inputs(folder)
        run_diffusers(folder.unet, folder.run_unet)
    Attention.get_attention_scores = scores
    shares["unet"] = sum(seen) / len(seen)
    print(f"{folder.name}: attention's entropy of the uniform one's:", {key: round(value, 3) for key, value in shares.items()})
    assert all(share < 0.5 for share in shares.values()), shares


def unet_inputs(folder):
    torch.manual_seed(3)
    prompts, _ = folder.theirs()
    inputs = {"sample": torch.randn(3, 4, 16, 16), "timestep": torch.tensor([1.0, 417.0, 999.0])}
    inputs |= {name: tensor[:3].contiguous() for name, tensor in prompts.items()}
    if folder.xl:
        inputs["time_ids"] = torch.tensor([[1024.0, 768.0, 16.0, 0.0, 512.0, 640.0]] * 3)
    return inputs


def run_diffusers(unet, inputs):
    added = {key: inputs[key] for key in ("text_embeds", "time_ids") if key in inputs}
    return unet(inputs["sample"], inputs["timestep"], inputs["encoder_hidden_states"], added_cond_kwargs=added or None).sample


def distance(ours, theirs):
    return (ours - theirs).abs().max().item() / max(1.0, theirs.abs().max().item())


def compare_prompts(tool, folder, expect_close, expect_far):
    size = 8.0 * folder.unet.config.sample_size
    time_ids = torch.tensor([[size, size, 0.0, 0.0, size, size]])
    for case, negative, clip_skip in (("no negative prompt", None, None), ("the empty negative prompt", "", None), ("a negative prompt", NEGATIVE, None),
                                      ("clip_skip 1", NEGATIVE, 1), ("clip_skip 2", None, 2)):
        ours, theirs = folder.ours(tool, negative, **({} if clip_skip is None else {"clip_skip": clip_skip})), folder.theirs(negative, clip_skip)
        for what, mine, reference in zip(("prompts", "null"), ours, theirs, strict=True):
            if folder.xl:
                assert torch.equal(mine.pop("time_ids"), time_ids.expand(len(PROMPTS) if what == "prompts" else 1, -1))
            assert mine.keys() == reference.keys(), (mine.keys(), reference.keys())
            for name, tensor in reference.items():
                expect_close(f"{folder.name}, {case}: {what}' {name}", mine[name], tensor)
    skipped, plain = folder.theirs(None, 1)[0], folder.ours(tool)
    expect_far(f"{folder.name}: a layer less", plain[0]["encoder_hidden_states"], skipped["encoder_hidden_states"])
    if folder.xl:
        zeros = {name: torch.zeros_like(tensor) for name, tensor in plain[1].items() if name != "time_ids"}
        assert all(torch.equal(plain[1][name], tensor) for name, tensor in zeros.items())
        sizes = folder.ours(tool, original_size=[1024, 768], crops_coords_top_left=[16, 0], target_size=[512, 640])[0]["time_ids"]
        assert sizes[0].tolist() == [1024, 768, 16, 0, 512, 640], sizes


def mutations_of_prompts(tool, folder, expect_far):
    """What a wrong pad token, joining order, place of the end token or eps would give."""
    ours, _ = folder.ours(tool)
    states = ours["encoder_hidden_states"]
    for name, tokenizer in list(folder.parts.items()):
        if not name.startswith("tokenizer"):
            continue
        right = tokenizer.pad_token
        tokenizer.pad_token = "!" if right == "<|endoftext|>" else "<|endoftext|>"
        expect_far(f"{folder.name}: {name} with another pad token", states, folder.theirs()[0]["encoder_hidden_states"])
        tokenizer.pad_token = right
    for name, encoder in folder.parts.items():
        if not name.startswith("text_encoder"):
            continue
        norms = [module for module in encoder.modules() if isinstance(module, torch.nn.LayerNorm)]
        for norm in norms:
            norm.eps = 1e-6
        expect_far(f"{folder.name}: {name} with eps 1e-6", states, folder.theirs()[0]["encoder_hidden_states"])
        for norm in norms:
            norm.eps = 1e-5
    if folder.xl:
        first = folder.parts["text_encoder"].config.hidden_size
        expect_far(f"{folder.name}: joined the other way", states, torch.cat([states[..., first:], states[..., :first]], -1))
        encoder, tokenizer = folder.parts["text_encoder_2"], folder.parts["tokenizer_2"]
        ids = torch.tensor(tokenizer(PROMPTS, padding="max_length", truncation=True)["input_ids"])
        with torch.no_grad():
            last = encoder.text_projection(encoder(ids).last_hidden_state[:, -1])
        expect_far(f"{folder.name}: pooled at the last token", ours["text_embeds"], last)


def compare_unet(tool, folder, expect_close, expect_far):
    inputs, out = folder.run_unet, tool.folder / "out.safetensors"
    tool("predict", folder.path, tool.tensors("inputs", inputs), out)
    ours = load_file(out)["sample"]
    with torch.no_grad():
        expect_close(f"{folder.name}: U-Net", ours, run_diffusers(folder.unet, inputs))
        for kind, right, wrong in ((torch.nn.GroupNorm, 1e-5, 1e-6), (torch.nn.GroupNorm, 1e-6, 1e-5), (torch.nn.LayerNorm, 1e-5, 1e-6)):
            norms = [module for module in folder.unet.modules() if isinstance(module, kind) and module.eps == right]
            for norm in norms:
                norm.eps = wrong
            expect_far(f"{folder.name}: {kind.__name__} with eps {wrong} for {right}", ours, run_diffusers(folder.unet, inputs))
            for norm in norms:
                norm.eps = right
        for name, turned in (("time_ids", lambda ids: ids.flip(1)), ("text_embeds", lambda text: text.flip(0))) if folder.xl else ():
            expect_far(f"{folder.name}: other {name}", ours, run_diffusers(folder.unet, inputs | {name: turned(inputs[name])}))


def compare(tool, source, write_clip_files, expect_close, tolerance):
    def expect_far(what, ours, theirs):
        found = distance(ours, theirs)
        print(f"{what}: {found / tolerance:.0f} times the tolerance away")
        assert found >= FAR * tolerance, f"{what} would not be seen: {found}"

    for name in ("sd15", "sd21_base", "sd21", "sdxl_base"):
        folder = Folder(source / name, tool.folder / name, write_clip_files)
        expect_sharp_attention(folder)
        compare_prompts(tool, folder, expect_close, expect_far)
        mutations_of_prompts(tool, folder, expect_far)
        compare_unet(tool, folder, expect_close, expect_far)


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
