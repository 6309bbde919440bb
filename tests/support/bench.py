"""scripts/bench: samples, optimizer steps and inversions a second, Espalier against diffusers' or PyTorch's loop (molecules and layouts:
bench_elements.py). Rounds alternate, so that a change of the machine's speed meets both; the median round counts."""
import argparse
import json
import pathlib
import statistics
import tempfile
import time

import torch
from diffusers import DDIMScheduler, UNet2DConditionModel
from transformers import CLIPTextModel

import bench_contention
import bench_elements
import bench_networks
import bench_policy
import bench_process
import bench_selection
import bench_sweep
from bench_program import ROOT, ROUNDS, alternate, cores, folder_after, run

MODEL = ROOT / "datasets/models/shapes-base"
STEPS, GUIDANCE = 20, 2.0

HEAD = f"""name = "bench"
seed = 1
[domain]
type = "domain.text_to_image"
[domain.options]
prompts = "shapes"
[models]
base = "{MODEL}"
"""
SAMPLER = HEAD + f"""[[stage]]
tag = "samples"
type = "sampler.ddim"
inputs = {{{{ model = "base" }}}}
[stage.options]
max_conditions = 64
samples_per_condition = {{count}}
num_inference_steps = {STEPS}
guidance_scale = {GUIDANCE}
eta = 1.0
"""
TRAINER = HEAD + """[[stage]]
tag = "trained"
type = "trainer.sft"
inputs = {{ model = "base" }}
[stage.options]
max_train_steps = {count}
train_batch_size = 64
learning_rate = 1e-4
use_ema = true
checkpointing_steps = 1000
"""
RANK = 4
LORA = TRAINER + f"rank = {RANK}\n"

FLOW_STEPS, TOLERANCE, MAX_ITERATIONS, BLOCK, ANDERSON = 20, 1e-5, 50, 64, 5
# A small flow, trained enough for its steps to differ in how hard they are to invert.
INVERSION = f"""name = "bench"
seed = 1
[domain]
type = "domain.unconditional"
[domain.options]
source = "generated"
[models]
blank = {{{{ folder = "{ROOT}/datasets/models/generated-flow-base-blank", initialize_weights = true }}}}
[[stage]]
tag = "base"
type = "trainer.sft"
inputs = {{{{ model = "blank" }}}}
[stage.options]
max_train_steps = 300
train_batch_size = 32
learning_rate = 2e-3
checkpointing_steps = 1000
[[stage]]
tag = "inversions"
type = "noise_corrector.inverse_noise"
inputs = {{{{ model = "base" }}}}
[stage.options]
max_examples = {{count}}
block_size = {BLOCK}
num_inference_steps = {FLOW_STEPS}
tolerance = {TOLERANCE}
max_iterations = {MAX_ITERATIONS}
anderson_memory = {{memory}}
known_noise_per_block = 0
perturbation = 0.02
max_unconverged_fraction = 1.0
"""


def espalier(template, small, large):
    """Seconds a unit, from two sizes, so that starting and loading count for neither side."""
    seconds = []
    for count in (small, large):
        with tempfile.TemporaryDirectory() as folder:
            seconds.append(run(template.format(count=count), folder))
    return (seconds[1] - seconds[0]) / (large - small)


class Peer:
    def __init__(self, compiled):
        torch.set_num_threads(cores())
        self.unet = UNet2DConditionModel.from_pretrained(MODEL / "unet")
        self.text = CLIPTextModel.from_pretrained(MODEL / "text_encoder")
        self.scheduler = DDIMScheduler.from_pretrained(MODEL / "scheduler")
        self.forward = torch.compile(self.unet) if compiled else self.unet

    @torch.no_grad()
    def sample(self, batch):
        ids = torch.zeros(2 * batch, 16, dtype=torch.long)
        states = self.text(ids).last_hidden_state
        x = torch.randn(batch, 3, 16, 16)
        self.scheduler.set_timesteps(STEPS)
        for t in self.scheduler.timesteps:
            both = self.forward(torch.cat([x, x]), t, encoder_hidden_states=states, return_dict=False)[0]
            empty, full = both.chunk(2)
            x = self.scheduler.step(empty + GUIDANCE * (full - empty), t, x, eta=1.0).prev_sample
        return x

    def sampling_seconds(self, batch):
        start = time.perf_counter()
        self.sample(batch)
        return (time.perf_counter() - start) / batch

    def add_adapter(self):
        """As diffusers' train_text_to_image_lora.py."""
        from peft import LoraConfig
        self.unet.requires_grad_(False)
        self.unet.add_adapter(LoraConfig(r=RANK, lora_alpha=RANK, init_lora_weights="gaussian", target_modules=["to_k", "to_q", "to_v", "to_out.0"]))

    def train(self, steps, batch=64):
        trained = [p for p in self.unet.parameters() if p.requires_grad]
        optimizer = torch.optim.AdamW(trained, lr=1e-4, fused=True)
        average = [p.detach().clone() for p in trained]
        abar = self.scheduler.alphas_cumprod
        start = time.perf_counter()
        for _ in range(steps):
            x0, eps = torch.rand(batch, 3, 16, 16) * 2 - 1, torch.randn(batch, 3, 16, 16)
            t = torch.randint(0, 1000, (batch,))
            a = abar[t].view(-1, 1, 1, 1)
            with torch.no_grad():
                states = self.text(torch.zeros(batch, 16, dtype=torch.long)).last_hidden_state
            v = self.forward(a.sqrt() * x0 + (1 - a).sqrt() * eps, t, encoder_hidden_states=states, return_dict=False)[0]
            loss = ((v - (a.sqrt() * eps - (1 - a).sqrt() * x0)) ** 2).mean()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(trained, 1.0)
            optimizer.step()
            optimizer.zero_grad()
            with torch.no_grad():
                torch._foreach_lerp_(average, [p.detach() for p in trained], 0.001)
        return (time.perf_counter() - start) / steps


class Inversion:
    """Both sides of inverting the same examples through the same trained flow, and back for the round trip."""

    def __init__(self, folder, compiled):
        import h5py  # of the peers; the other benches do without
        self.folder, self.cores = pathlib.Path(folder), cores()
        run(INVERSION.format(count=BLOCK, memory=ANDERSON), folder)  # trains the base; its first block gives the other side its examples
        weights, = (self.folder / "cache/results/model").glob("*/*/unet/*.safetensors")
        self.unet = UNet2DConditionModel.from_pretrained(weights.parent).eval()
        self.forward = torch.compile(self.unet) if compiled else self.unet
        file, = (self.folder / "cache/sets").glob("*/*/data/*.h5")
        with h5py.File(file) as block:
            self.examples = torch.from_numpy(block["state/sample/0"][()])
            self.noise = torch.from_numpy(block[f"state/sample/{FLOW_STEPS}"][()])

    def velocity(self, y, k):
        timestep = torch.full((len(y),), 1000 * (1 - k / FLOW_STEPS))
        return -self.forward(y, timestep, encoder_hidden_states=None, return_dict=False)[0]

    @torch.no_grad()
    def invert(self, x):
        """Picard iteration, step by step, all rows until the worst has converged; then the way forward again."""
        h, example = 1 / FLOW_STEPS, x
        for k in reversed(range(FLOW_STEPS)):
            y = x
            for _ in range(MAX_ITERATIONS):
                target = x - h * self.velocity(y, k)
                residual = (target - y).square().mean((1, 2, 3)).sqrt().max()
                if residual <= TOLERANCE:
                    break
                y = target
            x = y
        noise = x
        for k in range(FLOW_STEPS):
            x = x + h * self.velocity(x, k)
        return noise, (x - example).square().mean().sqrt()

    def peer_seconds(self, threads, batch):
        torch.set_num_threads(threads)
        start = time.perf_counter()
        for rows in self.examples.split(batch):
            self.invert(rows)
        return (time.perf_counter() - start) / len(self.examples)

    def espalier_seconds(self, memory):
        """From two sizes, with the base already in the cache; memory 0 is Picard iteration alone, as the other side has it."""
        counts, seconds = (BLOCK * self.cores, 3 * BLOCK * self.cores), []
        for count in counts:
            with folder_after(self.folder) as folder:
                seconds.append(run(INVERSION.format(count=count, memory=memory), folder))
        return (seconds[1] - seconds[0]) / (counts[1] - counts[0])


def measure_inversion(compiled):
    with tempfile.TemporaryDirectory() as folder:
        bench = Inversion(folder, compiled)
        both = (bench.invert(bench.examples)[0] - bench.noise).square().mean((1, 2, 3)).sqrt().median().item()
        ways = [(threads, batch) for threads in sorted({1, bench.cores}) for batch in (8, 16, 32, 64)]
        best = min(ways, key=lambda way: bench.peer_seconds(*way))
        rounds, median = alternate({"espalier": lambda: bench.espalier_seconds(0), "accelerated": lambda: bench.espalier_seconds(ANDERSON),
                                    "pytorch": lambda: bench.peer_seconds(*best)})
    return {"what": "inversion", "peer": "torch.compile" if compiled else "eager",
            "note": f"Picard iteration on both sides (accelerated: Espalier's with Anderson's); PyTorch at its best threads and batch size (8, 16, 32, 64): {best}; {FLOW_STEPS} steps to {TOLERANCE}",
            "median_rms_between_the_noises": both,
            **{f"{name}_examples_per_second": 1 / seconds for name, seconds in median.items()},
            "ratio": statistics.median(r["pytorch"] / r["espalier"] for r in rounds),
            "accelerated_ratio": statistics.median(r["pytorch"] / r["accelerated"] for r in rounds)}


def measure(what, compiled):
    if what == "inversion":
        return measure_inversion(compiled)
    peer = Peer(compiled)
    if what == "sampler":
        for batch in (16, 32, 64):
            peer.sample(batch)  # warm-up
        best = min((16, 32, 64), key=peer.sampling_seconds)
        sides = {"espalier": lambda: espalier(SAMPLER, 2, 8) / 64, "diffusers": lambda: peer.sampling_seconds(best)}
        note = f"diffusers at its best batch size of 16, 32, 64: {best}"
    else:
        if what == "lora":
            peer.add_adapter()
        peer.train(3)
        sides = {"espalier": lambda: espalier(LORA if what == "lora" else TRAINER, 5, 35), "diffusers": lambda: peer.train(15)}
        note = f"batch 64, EMA, gradient clipping{f', LoRA of rank {RANK}' if what == 'lora' else ''}"
    rounds, median = alternate(sides)
    unit = "samples" if what == "sampler" else "steps"
    return {"what": what, "peer": "torch.compile" if compiled else "eager", "note": note,
            **{f"{name}_{unit}_per_second": 1 / seconds for name, seconds in median.items()},
            "ratio": statistics.median(r["diffusers"] / r["espalier"] for r in rounds)}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=["sampler", "trainer", "lora", "inversion", *bench_elements.KINDS, *bench_networks.KINDS, *bench_process.KINDS, *bench_selection.KINDS, "sweep", "scoring", "contention", "ddpo"])
    parser.add_argument("--compile", action="store_true")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--images", type=int, default=512, help="of the bench `images`, rounded up to whole blocks of 64")
    parser.add_argument("--updates", type=int, default=40, help="of the bench `sweep`: of each model")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="of the bench `images`")
    arguments = parser.parse_args()
    if arguments.what in bench_elements.KINDS:
        results = [bench_elements.measure(arguments.what, arguments.compile)]
    elif arguments.what in bench_networks.KINDS:
        results = [bench_networks.measure(arguments.what, compiled) for compiled in ([False, True] if arguments.compile else [False])]
    elif arguments.what == "sweep":
        peer = Peer(False)
        peer.train(3)  # warm-up
        results = [bench_sweep.measure(peer, arguments.updates)]
    elif arguments.what in bench_selection.KINDS:
        results = [bench_selection.measure(arguments.what)]
    elif arguments.what in bench_process.KINDS:
        results = [bench_process.measure(arguments.what, arguments.images, arguments.rounds)]
    elif arguments.what == "ddpo":
        results = [bench_policy.measure()]
    elif arguments.what == "scoring":
        results = [bench_elements.measure_scoring()]
    elif arguments.what == "contention":
        results = [bench_contention.measure(TRAINER.format(count=60))]
    else:
        results = [measure(arguments.what, compiled) for compiled in ([False, True] if arguments.compile else [False])]
    for result in results:
        print(json.dumps(result) if arguments.json else "\n".join(f"{k}: {v}" for k, v in result.items()))


if __name__ == "__main__":
    main()
