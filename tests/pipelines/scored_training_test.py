"""Training on scores without a filter: reward-weighted trainer.sft and trainer.dpo, on one set of samples."""
import json
import math
import sys

import driver
from driver import ROOT

PROMPTS, SAMPLES = 8, 4
# Scores by index, as a program: prompt 0 is tied, prompt 1 has one finite score, prompt 2 three.
PROGRAM = """
import json, struct, sys

def receive():
    lengths = sys.stdin.buffer.read(16)
    if len(lengths) < 16:
        sys.exit()
    _, header, payload = struct.unpack("<4sIQ", lengths)
    text = sys.stdin.buffer.read(header)
    sys.stdin.buffer.read(payload)
    return json.loads(text)

def send(header, payload=b""):
    text = json.dumps(header).encode()
    sys.stdout.buffer.write(struct.pack("<4sIQ", b"ESPL", len(text), len(payload)) + text + payload)
    sys.stdout.buffer.flush()

def score(index):
    prompt, sample = index % 8, index // 8
    if prompt == 0:
        return 1.0
    if prompt == 1 and sample > 0 or prompt == 2 and sample == 0:
        return float("nan")
    return float((sample * 3 + prompt) % 4)

receive()
send({"type": "ready", "protocol": 1, "identity": "by index 1"})
while True:
    header = receive()
    scores = [score(index) for index in header["index"]]
    send({"type": "scores", "batch": header["batch"], "count": header["count"]}, struct.pack("<%dd" % len(scores), *scores))
"""
PIPELINE = f"""name = "scored"
seed = 3
[domain]
type = "domain.text_to_image"
[domain.options]
prompts = "shapes"
[models]
base = {{ folder = "{ROOT}/datasets/models/shapes-blank", initialize_weights = true }}
[[stage]]
tag = "samples"
type = "sampler.ddim"
inputs = {{ model = "base" }}
[stage.options]
split = "train"
max_conditions = {PROMPTS}
samples_per_condition = {SAMPLES}
num_inference_steps = 2
guidance_scale = 1.0
eta = 1.0
[[stage]]
tag = "scores"
type = "reward.process"
inputs = {{ samples = "samples" }}
[stage.options]
command = ["{sys.executable}", "program.py"]
identity = "by index 1"
send = []
max_invalid_fraction = 0.5
[[stage]]
tag = "weighted"
type = "trainer.sft"
inputs = {{ model = "base", scores = "scores" }}
[stage.options]
reward_temperature = 0.5
intermediate_step = 1
loss = "forward"
max_train_steps = 2
train_batch_size = 4
[[stage]]
tag = "preferred"
type = "trainer.dpo"
inputs = {{ model = "base", scores = "scores" }}
[stage.options]
max_train_steps = 2
train_batch_size = 4
rank = 2
[[stage]]
tag = "tuned_samples"
type = "sampler.ddim"
inputs = {{ model = ["weighted", "preferred"] }}
[stage.options]
max_conditions = 2
samples_per_condition = 1
num_inference_steps = 2
guidance_scale = 1.0
"""


class ScoredTraining(driver.PipelineTest):
    def setUp(self):
        super().setUp()
        (self.folder / "program.py").write_text(PROGRAM)
        self.pipeline = self.folder / "scored.toml"
        self.pipeline.write_text(PIPELINE)

    def stages(self, *overrides):
        arguments = [word for override in overrides for word in ("--set", override)]
        self.report = json.loads(self.call("run", "--json", *arguments, pipeline=self.pipeline))
        return {stage["tag"]: stage for stage in self.report["stages"]}

    def test_counts_what_trains_nothing(self):
        self.stages()
        self.assertIn("4 of 32 samples of 'samples' have no finite score of 'scores' and train nothing", self.stderr)
        self.assertIn("trainer.dpo: 6 pairs; 2 prompts give none: of 1 all samples have one score, of 1 one sample has a finite score", self.stderr)
        curves = {(curve["stage"], curve["name"]): curve["value"] for curve in self.report["curves"]}
        self.assertEqual(curves["preferred", "pairs"][-1], 6)
        self.assertEqual(curves["preferred", "tied_prompts"][-1], 1)
        self.assertTrue(math.isfinite(curves["weighted", "loss"][-1]))

    def test_keys_follow_scores_and_options_and_nothing_is_sampled_anew(self):
        first = self.stages()
        again = self.stages()
        self.assertEqual({stage["status"] for stage in again.values()}, {"reused"})
        other = self.stages("weighted.reward_temperature=0.25", "preferred.beta_dpo=1000", "preferred.checkpointing_steps=1")
        changed = {tag for tag in first if other[tag]["key"] != first[tag]["key"]}
        self.assertEqual(changed, {"weighted", "preferred", "tuned_samples"})
        self.assertEqual(other["samples"]["status"], "reused")
        logged = self.stages("preferred.checkpointing_steps=1", "weighted.logging_steps=1")
        self.assertEqual({tag for tag in first if logged[tag]["key"] != first[tag]["key"]}, set())
        fewer = self.stages(f"samples.samples_per_condition={SAMPLES - 1}")
        self.assertEqual({tag for tag in first if fewer[tag]["key"] != first[tag]["key"]}, {"weighted", "preferred", "tuned_samples"})
        self.assertEqual(fewer["samples"]["status"], "reused", "the view of the same set is smaller")


if __name__ == "__main__":
    driver.main()
