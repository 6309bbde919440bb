"""Molecules and layouts sampled a second: the program against a plain PyTorch loop with the same weights, states and steps; and RDKit's
scores against sampling."""
import json
import math
import pathlib
import shutil
import statistics
import sys
import tempfile
import time

import torch
from diffusers import DDPMScheduler
from safetensors.torch import load_file

from bench_program import ROOT, alternate, cores, folder_after, run, stages

sys.path.insert(0, str(ROOT / "tests/runtime/network"))
from element_transformer import DEFAULTS, ElementTransformer  # noqa: E402

BLOCK, BATCHES, TUNING_STEPS = 64, (16, 32, 64), 10
RECORDED = (50, 49, 1)  # besides 0: what the two checked steps lead from and to

KINDS = {
    "molecules": {"type": "domain.molecule", "model": "molecule-blank-small-joint", "updates": 50, "options": """source = "enumerated"
max_heavy_atoms = 5
max_atoms = 17
num_conditions = 64"""},
    "layouts": {"type": "domain.layout", "model": "layout-blank-rico", "updates": 200, "options": """source = "generated"
num_conditions = 64"""},
}

# Trained a little, so that states and weights are of the usual sizes. What a step costs does not depend on them.
PIPELINE = """name = "bench"
seed = 1
[domain]
type = "{type}"
[domain.options]
{options}
[models]
blank = {{ folder = "{model}", initialize_weights = true }}
[[stage]]
tag = "base"
type = "trainer.sft"
inputs = {{ model = "blank" }}
[stage.options]
train_components = ["transformer"]
max_train_steps = {updates}
train_batch_size = 32
learning_rate = 1e-3
checkpointing_steps = 1000
[[stage]]
tag = "samples"
type = "sampler.interleaved"
inputs = {{ model = "base" }}
[stage.options]
samples_per_condition = {each}
block_size = {block}
micro_batch = {batch}
record_steps = {recorded}
"""


class Loop:
    """Joint reversal of an interleaved process, as one writes it in PyTorch."""

    def __init__(self, folder):
        config = json.loads((folder / "transformer/config.json").read_text())
        self.network = ElementTransformer(**{key: config[key] for key in ("num_classes", "vector_dim", "max_elements", *DEFAULTS)}).eval()
        self.network.load_state_dict(load_file(folder / "transformer/diffusion_pytorch_model.safetensors"))
        process = json.loads((folder / "scheduler/scheduler_config.json").read_text())
        assert process["order"] == "joint"
        self.steps, self.classes, self.size = process["num_rounds"], config["num_classes"], config["vector_dim"]
        betas = DDPMScheduler(num_train_timesteps=self.steps, beta_schedule=process["beta_schedule"])
        self.alpha_bar = [1.0, *betas.alphas_cumprod.tolist()]

    def coefficients(self, n):
        """Timestep; keep probabilities of visit n, of those before, of all up to it; the mean's factors of vector and eps; sigma."""
        after, before = self.alpha_bar[n], self.alpha_bar[n - 1]
        keep = after / before
        return torch.tensor([1000 * n / self.steps, keep, before, after, keep ** -0.5, (1 - keep) / math.sqrt((1 - after) * keep),
                             math.sqrt((1 - keep) * (1 - before) / (1 - after))])

    def prediction(self, state, numbers):
        """Each token's law (D3PM's posterior under the network's law of the clean token), each vector's mean."""
        timestep, keep, before, after, scale, eps_scale, _ = numbers.unbind()
        token, vector, present, frozen = state
        rows = len(token)
        logits, eps = self.network(token, vector, present, frozen, token.new_full((rows,), -1), timestep.expand(rows))
        here = torch.nn.functional.one_hot(token, self.classes)
        ratio = logits.softmax(-1) / (after * here + (1 - after) / self.classes)
        law = (keep * here + (1 - keep) / self.classes) * (before * ratio + (1 - before) / self.classes * ratio.sum(-1, keepdim=True))
        return law, scale * vector - eps_scale * eps

    def step(self, state, numbers):
        token, vector, present, frozen = state
        law, mean = self.prediction(state, numbers)
        drawn = torch.multinomial(law.flatten(0, 1), 1).view(token.shape)
        moves = present.unsqueeze(-1) & ~frozen
        return (torch.where(moves[..., 0], drawn, token),
                torch.where(moves[..., 1:], mean + numbers[-1] * torch.randn_like(vector), vector), present, frozen)

    @torch.inference_mode()
    def sample(self, present, steps, step):
        token = torch.randint(0, self.classes, present.shape) * present
        vector = torch.randn(*present.shape, self.size) * present.unsqueeze(-1)
        state = (token, vector, present, torch.zeros(*present.shape, 2, dtype=torch.bool))
        for n in range(self.steps, self.steps - steps, -1):
            state = step(state, self.coefficients(n))
        return state

    @torch.inference_mode()
    def check(self, state, n, following):
        """The program's step from n against this loop's: its tokens' counts and its vectors' noise must follow this loop's laws (5
        standard deviations); where no noise is added, the eps that it implies the same but for the vectors' rounding. Returns the largest
        difference of eps as a share of the largest eps, or None."""
        numbers = self.coefficients(n)
        law, mean = self.prediction(state, numbers)
        present, sigma = state[2], numbers[-1].item()
        law, differences = (law / law.sum(-1, keepdim=True))[present], (following[1] - mean)[present]
        counts = torch.bincount(following[0][present], minlength=self.classes)
        surprise = (counts - law.sum(0)) / (law * (1 - law)).sum(0).clamp(min=1e-3).sqrt()
        assert surprise.abs().max() < 5, f"step {n}: token counts are off by {surprise.tolist()} standard deviations"
        if sigma == 0:
            beyond_rounding = differences.abs() - 2.0 ** -22 * mean[present].abs()
            worst = (beyond_rounding.max().clamp(min=0) / (mean - numbers[4] * state[1])[present].abs().max()).item()
            assert worst < 1e-3, f"step {n}: eps differs by {worst} of the largest"
            return worst
        noise = differences / sigma
        assert noise.mean().abs() * noise.numel() ** 0.5 < 5, f"step {n}: the vectors' noise has the mean {noise.mean()}"
        assert (noise.square().mean() - 1).abs() * (noise.numel() / 2) ** 0.5 < 5, f"step {n}: it has the variance {noise.square().mean()}"


class Elements:
    def __init__(self, kind, folder):
        self.kind, self.folder = KINDS[kind], pathlib.Path(folder)
        self.model = ROOT / "datasets/models" / self.kind["model"]
        if kind == "layouts":
            self.model = self.five_classes(self.model)
        run(self.pipeline(1, 16, list(RECORDED)), folder)  # trains the base, samples the block that the loop is checked on
        weights, = (self.folder / "cache/results/model").glob("*/*/transformer/*.safetensors")
        self.loop = Loop(weights.parents[1])
        file, = (self.folder / "cache/sets").glob("*/*/data/*.h5")
        self.read(file)

    def five_classes(self, model):
        """The model for RICO's classes with the generated pages' five."""
        copy = self.folder / "model"
        shutil.copytree(model, copy)
        for path in (copy / "transformer/config.json", copy / "scheduler/scheduler_config.json"):
            path.write_text(json.dumps({**json.loads(path.read_text()), "num_classes": 5}))
        return copy

    def pipeline(self, each, batch, recorded):
        return PIPELINE.format(**{**self.kind, "model": self.model}, each=each, block=BLOCK, batch=batch, recorded=recorded)

    def read(self, file):
        import h5py  # of the peers; the other benches do without
        with h5py.File(file) as block:
            states = {n: tuple(torch.from_numpy(block[f"state/{name}/{n}"][()]) for name in ("token", "vector")) for n in (*RECORDED, 0)}
            self.present = torch.from_numpy(block["state/present/0"][()]).bool()
        masks = (self.present, torch.zeros(*self.present.shape, 2, dtype=torch.bool))
        self.loop.check((*states[50], *masks), 50, states[49])
        self.difference = self.loop.check((*states[1], *masks), 1, states[0])

    def espalier_seconds(self, batch, blocks):
        with folder_after(self.folder) as folder:
            run(self.pipeline(blocks, batch, []), folder)
            stage = stages(folder)["samples"]
        assert stage["samples_run"] == blocks * BLOCK and stage["network_evaluations"] == stage["samples_run"] * self.loop.steps, stage
        return stage["seconds"] / stage["samples_run"]

    def peer_seconds(self, threads, batch, steps, step=None):
        """Of a sample. Batches are cut to their longest set; for a compiled step all to one length, or it would compile again."""
        torch.set_num_threads(threads)
        longest = self.present.sum(1).max()
        start = time.perf_counter()
        for rows in self.present.split(batch):
            self.loop.sample(rows[:, :longest if step else rows.sum(1).max()], steps, step or self.loop.step)
        return (time.perf_counter() - start) / len(self.present)


def measure(kind, compile_too):
    with tempfile.TemporaryDirectory() as folder:
        bench = Elements(kind, folder)
        ways = [(threads, batch) for threads in sorted({1, cores()}) for batch in BATCHES]
        bench.peer_seconds(*ways[0], TUNING_STEPS)  # warm-up
        threads, batch = min(ways, key=lambda way: bench.peer_seconds(*way, TUNING_STEPS))
        steps, blocks = bench.loop.steps, 2 * cores()
        sides = {"espalier": lambda: bench.espalier_seconds(batch, blocks),
                 "eager": lambda: bench.peer_seconds(threads, batch, steps)}
        if compile_too:
            step = torch.compile(bench.loop.step, dynamic=False)
            bench.peer_seconds(threads, batch, 2, step)  # compiles
            sides["compiled"] = lambda: bench.peer_seconds(threads, batch, steps, step)
        rounds, median = alternate(sides)
    return {"what": kind,
            "note": f"PyTorch at its best threads and batch size ({', '.join(map(str, BATCHES))}; by eager): {(threads, batch)}; "
                    f"the program with the same micro-batch on {cores()} worker(s)",
            "network_evaluations_per_sample": steps, "mean_elements": bench.present.sum(1).float().mean().item(),
            "difference_of_eps_in_the_last_step": bench.difference,
            **{f"{name}_samples_per_second": 1 / seconds for name, seconds in median.items()},
            **{f"ratio_{name}": statistics.median(r[name] / r["espalier"] for r in rounds) for name in sides if name != "espalier"}}


SCORES = {"validity": "reward.molecule_validity", "qed": "reward.qed", "synthetic_accessibility": "reward.synthetic_accessibility"}


def measure_scoring():
    """The smoke job's molecules with RDKit's three scores: seconds of the stage that samples them, of the three that score them."""
    smoke = (ROOT / "pipelines/smoke/molecule.toml").read_text().replace('"datasets/', f'"{ROOT}/datasets/')
    for tag, reward in list(SCORES.items())[1:]:
        smoke += f'\n[[stage]]\ntag = "{tag}"\ntype = "{reward}"\ninputs = {{ samples = "samples" }}\n'
    with tempfile.TemporaryDirectory() as folder:
        run(smoke, folder)
        done = stages(folder)
    count, sampling = done["samples"]["samples_run"], done["samples"]["seconds"]
    seconds = {tag: done[tag]["seconds"] for tag in SCORES}
    return {"what": "scoring", "note": f"{count} molecules of the smoke job, one run, {cores()} worker(s); setting up counts",
            "sampled_per_second": count / sampling, "scored_per_second": count / sum(seconds.values()),
            **{f"{tag}_per_second": count / taken for tag, taken in seconds.items()},
            "scoring_share_of_the_run": sum(seconds.values()) / sum(stage["seconds"] for stage in done.values())}
