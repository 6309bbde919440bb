"""A round of DDPO on the same samples: trainer.ddpo against trl's calculate_loss around diffusers' U-Net, torch's AdamW after each half."""
import contextlib
import pathlib
import statistics
import sys
import tempfile
import time
import types

import torch

from bench_program import ROOT, alternate, cores, run, stages

sys.path.insert(0, str(ROOT / "tests/pipelines"))
import ddpo_reference  # noqa: E402

MODEL = ROOT / "datasets/models/shapes-base"
STEPS, GUIDANCE, BATCH, UPDATES = 20, 2.0, 32, 2
SAMPLES = BATCH * UPDATES

ROUND = f"""name = "bench"
seed = 1
[domain]
type = "domain.text_to_image"
[domain.options]
prompts = "shapes"
[models]
base = "{MODEL}"
[[stage]]
tag = "samples"
type = "sampler.ddim"
inputs = {{ model = "base" }}
[stage.options]
max_conditions = 16
samples_per_condition = {SAMPLES // 16}
num_inference_steps = {STEPS}
guidance_scale = {GUIDANCE}
eta = 1.0
record_steps = [1.0]
block_size = {BATCH}
micro_batch = {BATCH}
[[stage]]
tag = "size"
type = "reward.jpeg_compressibility"
inputs = {{ samples = "samples" }}
[[stage]]
tag = "policy"
type = "trainer.ddpo"
seed = %d
inputs = {{ model = "base", scores = "size" }}
[stage.options]
max_train_steps = {UPDATES}
train_batch_size = {BATCH}
"""


class Espalier:
    """The samples and scores are in the cache; each round trains with another seed."""

    def __init__(self, folder):
        self.folder, self.seed = pathlib.Path(folder), 1
        self.seconds()

    def seconds(self):
        self.seed += 1
        run(ROUND % self.seed, self.folder)
        return stages(self.folder)["policy"]["seconds"]


class Trl:
    """trl 0.23's calculate_loss; as in its trainer, the log-probabilities of sampling and the embeddings of the prompts are kept."""

    def __init__(self, cache):
        from diffusers import DDIMScheduler, UNet2DConditionModel
        from transformers import CLIPTextModel
        sys.modules.setdefault("pandas", types.SimpleNamespace(DataFrame=None))
        from trl.models.modeling_sd_base import scheduler_step
        from trl.trainer.ddpo_trainer import DDPOTrainer

        torch.set_num_threads(cores())
        self.states, _, score = ddpo_reference.read_trajectories(cache)
        self.advantage = ((score - score.mean()) / (score.std(correction=0) + 1e-6)).float()
        scheduler = DDIMScheduler.from_pretrained(MODEL / "scheduler")
        scheduler.set_timesteps(STEPS)
        self.timesteps = scheduler.timesteps
        # Of the null text, which costs what another does.
        with torch.no_grad():
            text = CLIPTextModel.from_pretrained(MODEL / "text_encoder")(torch.zeros(1, 16, dtype=torch.long)).last_hidden_state
        self.embeds = text.expand(2 * BATCH, -1, -1).contiguous()
        self.unet = UNet2DConditionModel.from_pretrained(MODEL / "unet")
        config = types.SimpleNamespace(train_cfg=True, sample_guidance_scale=GUIDANCE, sample_eta=1.0, train_adv_clip_max=5.0, train_clip_range=1e-4)
        pipeline = types.SimpleNamespace(unet=self.unet, scheduler_step=lambda *words, **named: scheduler_step(scheduler, *words, **named))
        self.trainer = types.SimpleNamespace(config=config, autocast=contextlib.nullcontext, sd_pipeline=pipeline,
                                             loss=lambda *words: DDPOTrainer.loss(None, *words))
        self.calculate_loss = DDPOTrainer.calculate_loss
        self.optimizer = torch.optim.AdamW(self.unet.parameters(), lr=3e-4, weight_decay=1e-4)
        # Espalier's last step has no density; trl's would be one more.
        self.densities = range(STEPS, 1, -1)
        self.old = torch.zeros(SAMPLES)
        self.seconds()

    def loss(self, n, rows):
        t = self.timesteps[STEPS - n].repeat(len(rows))
        return self.calculate_loss(self.trainer, self.states[n][rows], t, self.states[n - 1][rows], self.old[rows], self.advantage[rows], self.embeds)[0]

    def seconds(self):
        begun = time.perf_counter()
        for rows in torch.randperm(SAMPLES).split(BATCH):
            for n in self.densities:
                (self.loss(n, rows) / len(self.densities)).backward()
            torch.nn.utils.clip_grad_norm_(self.unet.parameters(), 1.0)
            self.optimizer.step()
            self.optimizer.zero_grad()
        return time.perf_counter() - begun


def measure():
    with tempfile.TemporaryDirectory() as folder:
        ours = Espalier(folder)
        theirs = Trl(pathlib.Path(folder) / "cache")
        rounds, median = alternate({"espalier": ours.seconds, "trl": theirs.seconds})
    return {"what": "ddpo", "peer": "trl",
            "note": f"{UPDATES} updates of {BATCH} samples, {STEPS} steps, guidance {GUIDANCE:g}; trl keeps log p_old and the embeddings of sampling",
            **{f"{name}_samples_per_second": SAMPLES / seconds for name, seconds in median.items()},
            "ratio": statistics.median(r["trl"] / r["espalier"] for r in rounds)}
