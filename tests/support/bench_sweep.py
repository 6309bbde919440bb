"""What a sweep over 8 intermediate steps costs: Espalier samples and scores once; a loop of diffusers samples anew for each step, trains as
long with the same weights, steps, guidance and batch size, and calls the reward as often as it samples (its seconds are not counted)."""
import pathlib
import tempfile
import time

from bench_program import ROOT, cores, run, stages

STEPS, FRACTIONS = 20, (0.1, 0.2, 0.25, 0.3, 0.4, 0.5, 0.6, 0.75)
PROMPTS, PER_PROMPT, BATCH = 120, 4, 64
PIPELINE = f"""name = "bench"
seed = 1
[domain]
type = "domain.text_to_image"
[domain.options]
prompts = "shapes"
[models]
base = "{ROOT}/datasets/models/shapes-base"
[sweep]
pgraft.intermediate_step = [{', '.join(map(str, FRACTIONS))}]
[[stage]]
tag = "samples"
type = "sampler.ddim"
inputs = {{{{ model = "base" }}}}
[stage.options]
max_conditions = {PROMPTS}
samples_per_condition = {PER_PROMPT}
num_inference_steps = {STEPS}
guidance_scale = 2.0
eta = 1.0
[[stage]]
tag = "alignment"
type = "reward.shape_checker"
inputs = {{{{ samples = "samples" }}}}
[[stage]]
tag = "best"
type = "filter.top_k"
inputs = {{{{ scores = "alignment" }}}}
[stage.options]
k = 1
[[stage]]
tag = "pgraft"
type = "trainer.sft"
inputs = {{{{ model = "base", selection = "best" }}}}
[stage.options]
max_train_steps = {{training}}
train_batch_size = {BATCH}
learning_rate = 1e-4
use_ema = true
checkpointing_steps = 1000
"""


def espalier(training):
    """Seconds of the run, its parts, samples drawn, reward calls, and bytes of trajectories."""
    with tempfile.TemporaryDirectory() as folder:
        seconds = run(PIPELINE.format(training=training), folder)
        found = stages(folder)
        trained = [stage["seconds"] for tag, stage in found.items() if tag.startswith("pgraft")]
        if len(trained) != len(FRACTIONS):
            raise RuntimeError(f"{len(trained)} models instead of {len(FRACTIONS)}")
        return {"seconds": seconds, "sampling_and_scoring_seconds": found["samples"]["seconds"] + found["alignment"]["seconds"],
                "training_seconds": sum(trained), "samples": found["samples"]["samples_run"], "reward_calls": found["alignment"]["samples"],
                "bytes_of_trajectories": sum(file.stat().st_size for file in (pathlib.Path(folder) / "cache/sets").rglob("*") if file.is_file())}


def diffusers(peer, batch, training):
    """Seconds of sampling the pool and of training, once for each step."""
    sampling, trained = 0.0, 0.0
    for _ in FRACTIONS:
        begun = time.perf_counter()
        for first in range(0, PROMPTS * PER_PROMPT, batch):
            peer.sample(min(batch, PROMPTS * PER_PROMPT - first))
        sampling += time.perf_counter() - begun
        trained += training * peer.train(training)
    count = PROMPTS * PER_PROMPT * len(FRACTIONS)
    return {"seconds": sampling + trained, "sampling_seconds": sampling, "training_seconds": trained, "samples": count, "reward_calls": count}


def measure(peer, training):
    """From sampling S once and training T a step: the ratio is 8 (S + T) / (S' + 8 T'), at most 8."""
    batch = min((16, 32, 64), key=lambda size: peer.sampling_seconds(size))
    ours, theirs = espalier(training), diffusers(peer, batch, training)
    count = len(FRACTIONS)
    per_step = theirs["training_seconds"] / count / training
    sampling = theirs["sampling_seconds"] / count
    own_step = ours["training_seconds"] / count / training
    own_sampling = ours["seconds"] - ours["training_seconds"]

    def ratio(steps):
        return count * (sampling + per_step * steps) / (own_sampling + count * own_step * steps)

    return {"what": "sweep", "note": f"{count} intermediate steps, {PROMPTS * PER_PROMPT} trajectories of {STEPS} steps with guidance, {training} updates of {BATCH} each, "
            f"on {cores()} cores; diffusers at its best batch size of 16, 32, 64: {batch}", "espalier": ours, "diffusers": theirs,
            "ratio": theirs["seconds"] / ours["seconds"],
            "ratio_from_the_parts": {str(steps): ratio(steps) for steps in (0, 10, 40, 100, 400, 1000, 4000)},
            "updates_that_take_as_long_as_sampling_the_pool": own_sampling / own_step}
