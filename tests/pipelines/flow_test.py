"""GRAFT and P-GRAFT of a flow model as a user drives them: guidance, both losses, stitched sampling by both samplers."""
import json
import shutil
import unittest

import driver
from driver import ROOT

STAGES = """
[defaults."sampler.euler"]
num_inference_steps = 4
guidance_scale = 2.0

[defaults."sampler.heun"]
num_inference_steps = 4
guidance_scale = 2.0

[defaults."trainer.sft"]
max_train_steps = 4
train_batch_size = 16
learning_rate = 5e-4
conditioning_dropout_prob = 0.1

[[stage]]
tag = "base"
type = "trainer.sft"
inputs = { model = "blank" }

[[stage]]
tag = "samples"
type = "sampler.euler"
inputs = { model = "base" }
[stage.options]
split = "train"
max_conditions = 16
samples_per_condition = 4

[[stage]]
tag = "alignment"
type = "reward.shape_checker"
inputs = { samples = "samples" }

[[stage]]
tag = "best"
type = "filter.top_k"
inputs = { scores = "alignment" }
[stage.options]
k = 1
group_by = "condition"

[[stage]]
tag = "graft"
type = "trainer.sft"
inputs = { model = "base", selection = "best" }

[[stage]]
tag = "forward"
type = "trainer.sft"
inputs = { model = "base", selection = "best" }
[stage.options]
intermediate_step = 0.5
loss = "forward"

[[stage]]
tag = "clean"
type = "trainer.sft"
inputs = { model = "base", selection = "best" }
[stage.options]
intermediate_step = 0.5
loss = "clean"
"""

SAMPLED = """
[[stage]]
tag = "{tag}_samples"
type = "sampler.{sampler}"
inputs = {{ model = {model} }}
[stage.options]
split = "held_out"
max_conditions = 8
samples_per_condition = 2

[[stage]]
tag = "{tag}_alignment"
type = "reward.shape_checker"
inputs = {{ samples = "{tag}_samples" }}

[[stage]]
tag = "{tag}_result"
type = "metric.reward_summary"
inputs = {{ scores = "{tag}_alignment"{baseline} }}
"""


class Flow(driver.PipelineTest):
    def setUp(self):
        super().setUp()
        model = self.folder / "shapes-flow"
        shutil.copytree(ROOT / "datasets/models/shapes-blank", model)
        flow = ROOT / "datasets/models/generated-flow-base-blank/scheduler/scheduler_config.json"
        shutil.copy(flow, model / "scheduler/scheduler_config.json")
        index = json.loads((model / "model_index.json").read_text())
        index["scheduler"] = ["diffusers", "FlowMatchEulerDiscreteScheduler"]
        (model / "model_index.json").write_text(json.dumps(index))
        self.head = f"""name = "flow"
seed = 7
[domain]
type = "domain.text_to_image"
[domain.options]
prompts = "shapes"
[models]
blank = {{ folder = "{model}", initialize_weights = true }}
"""
        self.pipeline = self.folder / "flow.toml"

    def run_flow(self, *sampled, code=0):
        text = self.head + STAGES
        for tag, sampler, model in sampled:
            baseline = "" if tag == "base" else ', baseline = "base_alignment"'
            text += SAMPLED.format(tag=tag, sampler=sampler, model=model, baseline=baseline)
        self.pipeline.write_text(text)
        out = self.call("run", "--json", "--quiet", pipeline=self.pipeline, code=code)
        if code != 0:
            return None
        report = json.loads(out)
        self.scalars = {(f["stage"], f["name"]): f["value"] for f in report["scalars"]}
        return {stage["tag"]: stage for stage in report["stages"]}

    def test_graft_and_both_losses_of_pgraft_end_to_end(self):
        sampled = [("base", "euler", '"base"'), ("graft", "euler", '"graft"'), ("forward", "euler", '["forward", "base"]'),
                   ("clean", "euler", '["clean", "base"]'), ("heun", "heun", '["forward", "base"]')]
        first = self.run_flow(*sampled)
        # Guidance doubles the evaluations; Heun's rule takes two a step, but one in the last.
        self.assertEqual(first["samples"]["network_evaluations"], 64 * 4 * 2)
        self.assertEqual(first["forward_samples"]["network_evaluations"], 64 * 4 * 2)
        self.assertEqual(first["heun_samples"]["network_evaluations"], 64 * 7 * 2)
        digests = {stage["key"] for tag, stage in first.items() if tag in ("base", "graft", "forward", "clean")}
        self.assertEqual(len(digests), 4)
        for tag in ("graft", "forward", "clean", "heun"):
            self.assertIn((tag + "_result", "gain"), self.scalars)
        self.assertEqual({stage["status"] for stage in self.run_flow(*sampled).values()}, {"reused"})

    def test_a_model_for_the_first_steps_is_not_sampled_alone(self):
        self.run_flow(("base", "euler", '"base"'), ("forward", "euler", '"forward"'), code=2)
        self.assertIn("stage 'forward_samples'", self.stderr)


if __name__ == "__main__":
    unittest.main()
