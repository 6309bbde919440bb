"""The network of runtime/network/element_transformer.h written as PyTorch modules, the plain way, and its comparison with model_tool.

With a tool's path as argument: the speed of both, one thread, by the processor's time.    element_transformer.py TOOL [--compile]
"""
import json
import math
import time

import torch
from diffusers.models.embeddings import TimestepEmbedding, Timesteps
from torch import nn
from torch.nn import functional as F

DEFAULTS = dict(hidden_size=128, num_layers=6, num_heads=4, mlp_ratio=4, num_distance_features=0, distance_range=6.0, num_pair_heads=16,
                pair_gain=1.0)


class Linear(nn.Module):
    """A linear layer below a name, as diffusers' AdaLayerNormZero has it."""

    def __init__(self, inner, outer):
        super().__init__()
        self.linear = nn.Linear(inner, outer)

    def forward(self, x):
        return self.linear(x)


class Attention(nn.Module):
    def __init__(self, width, heads, features):
        super().__init__()
        self.heads = heads
        self.to_qkv = nn.Linear(width, 3 * width)
        self.to_out = nn.ModuleList([nn.Linear(width, width)])
        if features:
            self.distance_bias = nn.Linear(features, heads, bias=False)

    def forward(self, x, mask, features):
        b, m, c = x.shape
        q, k, v = (part.view(b, m, self.heads, -1).transpose(1, 2) for part in self.to_qkv(x).chunk(3, -1))
        if features is not None:
            mask = mask + self.distance_bias(features).permute(0, 3, 1, 2)
        mixed = F.scaled_dot_product_attention(q, k, v, attn_mask=mask.expand(b, self.heads, m, m))
        return self.to_out[0](mixed.transpose(1, 2).reshape(b, m, c))


class GELU(nn.Module):
    def __init__(self, width, inner):
        super().__init__()
        self.proj = nn.Linear(width, inner)

    def forward(self, x):
        return F.gelu(self.proj(x))


class FeedForward(nn.Module):
    def __init__(self, width, inner):
        super().__init__()
        self.net = nn.ModuleList([GELU(width, inner), nn.Identity(), nn.Linear(inner, width)])

    def forward(self, x):
        return self.net[2](self.net[0](x))


def modulate(x, shift, scale):
    return F.layer_norm(x, x.shape[-1:], eps=1e-6) * (1 + scale) + shift


class Block(nn.Module):
    def __init__(self, width, heads, ratio, features):
        super().__init__()
        self.norm = Linear(width, 6 * width)
        self.attn = Attention(width, heads, features)
        self.ff = FeedForward(width, ratio * width)

    def forward(self, x, time, mask, features):
        shift_msa, scale_msa, gate_msa, shift_mlp, scale_mlp, gate_mlp = self.norm(time).unsqueeze(1).chunk(6, -1)
        x = x + gate_msa * self.attn(modulate(x, shift_msa, scale_msa), mask, features)
        return x + gate_mlp * self.ff(modulate(x, shift_mlp, scale_mlp))


class Pairs(nn.Module):
    def __init__(self, width, heads, features, gain):
        super().__init__()
        self.heads, self.gain = heads, gain
        self.to_qk = nn.Linear(width, 2 * width)
        self.distance_bias = nn.Linear(features, heads, bias=False)
        self.gate = nn.Linear(width, heads)

    def forward(self, x, time, timestep, features, vector, present):
        b, m, _ = x.shape
        q, k = (part.view(b, m, self.heads, -1) for part in self.to_qk(x).chunk(2, -1))
        scores = torch.einsum("bihe,bjhe->bijh", q, k) / math.sqrt(q.shape[-1]) + self.distance_bias(features)
        w = (F.silu(scores) * self.gate(time)[:, None, None]).sum(-1) * present[:, None]
        w = w * (1 / torch.sin(math.pi * timestep / 2000)).clamp(1, self.gain)[:, None, None]
        w = w / present.sum(1).clamp(min=1)[:, None, None]
        return (w.unsqueeze(-1) * (vector.unsqueeze(2) - vector.unsqueeze(1))).sum(2)


class ElementTransformer(nn.Module):
    def __init__(self, num_classes, vector_dim, max_elements, hidden_size, num_layers, num_heads, mlp_ratio, num_distance_features,
                 distance_range, num_pair_heads, pair_gain):
        super().__init__()
        width, features = hidden_size, num_distance_features
        self.token_embedding = nn.Embedding(num_classes + 1, width)
        self.vector_embedding = nn.Linear(vector_dim, width)
        self.frozen_embedding = nn.Embedding(2, width)
        self.visit_embedding = nn.Embedding(2, width)
        self.sinusoids = Timesteps(width, flip_sin_to_cos=True, downscale_freq_shift=0)
        self.time_embedding = TimestepEmbedding(width, width)
        self.transformer_blocks = nn.ModuleList([Block(width, num_heads, mlp_ratio, features) for _ in range(num_layers)])
        self.norm_out = Linear(width, 2 * width)
        self.proj_logits = nn.Linear(width, num_classes)
        self.proj_vector = nn.Linear(width, vector_dim)
        self.pair = Pairs(width, num_pair_heads, features, pair_gain) if features else None
        if features:
            self.register_buffer("centres", torch.linspace(0, distance_range, features), persistent=False)

    def distance_features(self, vector):
        distance = (vector.unsqueeze(2) - vector.unsqueeze(1)).norm(dim=-1)
        offset = (distance.unsqueeze(-1) - self.centres) / self.centres[1]
        return torch.exp((-offset.square() / 2).clamp(min=-40))

    def forward(self, token, vector, present, frozen, visit, timestep):
        vector = torch.where(present.unsqueeze(-1), vector, 0.0)
        x = self.token_embedding(torch.where(present, token, 0)) + self.vector_embedding(vector)
        x = x + frozen.float() @ self.frozen_embedding.weight
        element = torch.arange(token.shape[1])
        visited = torch.stack([2 * element, 2 * element + 1], -1) == visit[:, None, None]
        x = x + visited.float() @ self.visit_embedding.weight
        time = F.silu(self.time_embedding(self.sinusoids(timestep)))
        mask = torch.zeros(present.shape).masked_fill(~present, -1e30)[:, None, None]
        features = None if self.pair is None else self.distance_features(vector)
        for block in self.transformer_blocks:
            x = block(x, time, mask, features)
        shift, scale = self.norm_out(time).unsqueeze(1).chunk(2, -1)
        x = modulate(x, shift, scale)
        out = self.proj_vector(x)
        if self.pair is not None:
            out = out + self.pair(x, time, timestep, features, vector, present)
        return self.proj_logits(x) * present.unsqueeze(-1), out * present.unsqueeze(-1)


CONFIGS = {
    "layouts": dict(num_classes=7, vector_dim=4, max_elements=12, hidden_size=48, num_layers=3, num_heads=3, mlp_ratio=2),
    "molecules": dict(num_classes=5, vector_dim=3, max_elements=11, hidden_size=64, num_layers=4, num_heads=4, num_distance_features=12,
                      distance_range=5.0, num_pair_heads=8, pair_gain=20.0),
}


def example(config, rows, elements, lengths):
    generator = torch.Generator().manual_seed(5)
    return {
        "token": torch.randint(0, config["num_classes"] + 1, (rows, elements), generator=generator),
        "vector": torch.randn(rows, elements, config["vector_dim"], generator=generator),
        "present": torch.arange(elements) < lengths.unsqueeze(1),
        "frozen": torch.rand(rows, elements, 2, generator=generator) < 0.3,
        "visit": torch.randint(-1, 2 * elements, (rows,), generator=generator),
        "timestep": torch.rand(rows, generator=generator) * 1000,
    }


def trained(config):
    torch.manual_seed(6)
    model = ElementTransformer(**{**DEFAULTS, **config}).eval()
    with torch.no_grad():  # the gates start at 0 here or there: make every weight count
        for parameter in model.parameters():
            parameter.copy_(torch.randn_like(parameter) / math.sqrt(parameter.shape[-1]))
    return model


def loss_of(outputs):
    return outputs[0].square().mean() + outputs[1].square().mean()


def compare(tool, expect_close):
    from torch.nn.attention import SDPBackend, sdpa_kernel
    from torch.utils.flop_counter import FlopCounterMode
    from safetensors.torch import load_file

    for name, config in CONFIGS.items():
        model = trained(config)
        inputs = example(config, 5, config["max_elements"] + 2, torch.tensor([3, 13, 0, 1, 8]).clamp(max=config["max_elements"]))
        files = [tool.json("config", config), tool.tensors("weights", dict(model.named_parameters())), tool.tensors("inputs", inputs),
                 tool.folder / "out.safetensors"]
        theirs = model(**inputs)
        tool("elements", *files)
        ours = load_file(files[3])
        expect_close(f"{name} logits", ours["logits"], theirs[0].detach())
        expect_close(f"{name} vector", ours["vector"], theirs[1].detach())

        loss_of(theirs).backward()
        tool("elements_gradients", *files)
        ours = load_file(files[3])
        gradients = {key: value.grad for key, value in model.named_parameters()}
        assert ours.keys() == gradients.keys()
        scale = max(gradient.abs().max().item() for gradient in gradients.values())
        worst = max((ours[key] - gradient).abs().max().item() for key, gradient in gradients.items()) / scale
        print(f"{name} gradients: largest difference {worst:.2e} of the largest gradient")
        assert worst <= 1e-5

        inputs["present"].fill_(True)  # what is absent costs this file's network as much, Espalier's next to nothing
        files[2] = tool.tensors("inputs", inputs)
        counter = FlopCounterMode(display=False)
        with torch.no_grad(), counter, sdpa_kernel(SDPBackend.MATH):  # its counter does not count the CPU's fused attention
            model(**inputs)
        theirs, ours = counter.get_total_flops(), float(tool("elements_flops", *files[:3]))
        print(f"{name}: {ours:.0f} FLOPs, {theirs} by PyTorch's counter, {100 * (ours / theirs - 1):+.3f} %")
        assert theirs > 0 and abs(ours / theirs - 1) <= 0.01

        folder = tool.folder / f"{name}_fresh"
        folder.mkdir()
        tool("fresh", "elements", files[0], 5, folder)
        written = json.loads((folder / "config.json").read_text())
        assert all(written[key] == value for key, value in {**DEFAULTS, **config}.items()), written
        model.load_state_dict(load_file(folder / "diffusion_pytorch_model.safetensors"))  # every name, every shape
        zero = [model.proj_logits, model.proj_vector, *(block.norm.linear for block in model.transformer_blocks)]
        assert all(layer.weight.abs().max() == 0 for layer in zero)


def fastest(call, seconds):
    for _ in range(5):
        call()
    total, best = 0.0, 1e9
    while total < seconds:
        begin = time.process_time()
        call()
        taken = time.process_time() - begin
        total, best = total + taken, min(best, taken)
    return best


def bench(tool, compiled):
    for features in (0, 16):
        config = dict(num_classes=5, vector_dim=3, max_elements=20, num_distance_features=features)
        model = trained(config)
        for what, lengths in {"full": torch.full((64,), 20), "uniform 1-20": torch.arange(64) % 20 + 1}.items():
            inputs = example(config, 64, 20, lengths)
            files = [tool.json("config", config), tool.tensors("weights", dict(model.named_parameters())), tool.tensors("inputs", inputs)]
            flops = float(tool("elements_flops", *files))
            call = torch.compile(model) if compiled else model
            with torch.inference_mode():
                theirs = fastest(lambda: call(**inputs), 4)
            ours, training = map(float, tool("bench_elements", *files, 8).split())

            def train():
                model.zero_grad()
                loss_of(call(**inputs)).backward()

            their_training = fastest(train, 4)
            print(f"R={features}, B=64, M=20, lengths {what}, {flops / 1e9:.2f} GFLOP: {1 / ours:.1f} forward passes/s "
                  f"({flops / ours / 1e9:.0f} GFLOP/s), PyTorch {1 / theirs:.1f}; with gradients {1 / training:.1f}/s, "
                  f"PyTorch {1 / their_training:.1f}", flush=True)


if __name__ == "__main__":
    import pathlib
    import sys
    import tempfile

    from parity import Tool

    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as scratch:
        bench(Tool(sys.argv[1], pathlib.Path(scratch)), "--compile" in sys.argv)
