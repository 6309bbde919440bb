"""The input `start`: trajectories that begin at another stage's recorded states."""
import json

import driver

PIPELINE = """
name = "continue"
seed = 7
[domain]
type = "domain.text_to_image"
[domain.options]
prompts = "shapes"
[models]
base = "datasets/models/shapes-base"
[defaults."sampler.ddim"]
num_inference_steps = 8
guidance_scale = 2.0
eta = %s
[[stage]]
tag = "samples"
type = "sampler.ddim"
inputs = { model = "base" }
[stage.options]
max_conditions = 8
samples_per_condition = 2
block_size = 8
micro_batch = 4
[[stage]]
tag = "alignment"
type = "reward.shape_checker"
inputs = { samples = "samples" }
[[stage]]
tag = "branches"
type = "sampler.ddim"
inputs = { model = "base", start = "samples" }
[stage.options]
start_step = 0.5
[[stage]]
tag = "branch_alignment"
type = "reward.shape_checker"
inputs = { samples = "branches" }
[[stage]]
tag = "%s"
"""
SUMMARY = 'type = "metric.reward_summary"\ninputs = { scores = ["branch_alignment"], baseline = "alignment" }\n'
PROFILE = 'type = "metric.intermediate_profile"\ninputs = { scores = "alignment", branches = ["branch_alignment"] }\n'


class Continue(driver.PipelineTest):
    def write(self, text):
        file = self.folder / "pipeline.toml"
        file.write_text(text)
        return file

    def run_text(self, text, *arguments):
        report = json.loads(self.call("run", "--json", "--quiet", *arguments, pipeline=self.write(text)))
        self.report = report
        return {stage["tag"]: stage for stage in report["stages"]}

    # With eta = 0 a trajectory is a function of any of its states: a continuation ends at the same sample, bit for bit.
    def test_a_deterministic_continuation_is_the_trajectory(self):
        stages = self.run_text(PIPELINE % ("0.0", "gain") + SUMMARY)
        self.assertEqual(stages["branches"]["samples"], 16)
        self.assertEqual(stages["branches"]["network_evaluations"], 16 * 4 * 2)  # half the steps, with guidance
        scalars = {(scalar["quantity"], scalar["about"].get("stage")): scalar for scalar in self.report["scalars"]}
        gain = scalars["gain", "branch_alignment"]
        self.assertEqual((gain["value"], gain["low"], gain["high"]), (0, 0, 0))
        self.assertGreater(scalars["reward", "branch_alignment"]["value"], 0)

        with self.subTest("a run that is there is not repeated, and the source is not sampled again"):
            again = self.run_text(PIPELINE % ("0.0", "gain") + SUMMARY, "--set", "branches.start_step=2")
            self.assertEqual({tag: again[tag]["status"] for tag in ("samples", "alignment", "branches")},
                             {"samples": "reused" if again["samples"]["samples_run"] == 0 else "run", "alignment": "reused", "branches": "run"})
            self.assertEqual(again["branches"]["network_evaluations"], 16 * 2 * 2)
            gain = next(scalar for scalar in self.report["scalars"] if scalar["quantity"] == "gain")
            self.assertEqual((gain["low"], gain["high"]), (0, 0))

        with self.subTest("the profile of a deterministic sampler is refused by validate"):
            self.call("validate", pipeline=self.write(PIPELINE % ("0.0", "profile") + PROFILE), code=2)
            self.assertIn("eta", self.stderr)

    def test_branches_have_noise_of_their_own(self):
        text = PIPELINE % ("1.0", "profile") + PROFILE
        first = self.run_text(text)
        table = next(table for table in self.report["tables"] if table["name"] == "intermediate_profile")
        row = dict(zip([column["name"] for column in table["columns"]], table["rows"][0]))
        self.assertEqual((row["step"], row["fraction"], row["states"]), (4, 0.5, 16))
        self.assertGreater(row["conditional_variance"], 0)
        second = self.run_text(text, "--set", "branches.branch=2")
        self.assertNotEqual(first["branches"]["key"], second["branches"]["key"])
        other = next(table for table in self.report["tables"] if table["name"] == "intermediate_profile")["rows"][0]
        self.assertNotEqual(table["rows"][0][2], other[2])
        self.assertEqual(second["samples"]["status"], "reused")

    def test_wrong_starts_are_refused(self):
        text = PIPELINE % ("1.0", "gain") + SUMMARY
        for change, message in (
                (("start_step = 0.5", ""), "has the input 'start' and begins at the option start_step"),
                (("start_step = 0.5", "start_step = 9"), "step 9 is outside 0 to 8"),
                (("start_step = 0.5", "start_step = 0.5\nsplit = \"train\""), "its 'split' is that of the stage 'samples'; leave it out"),
                (("start_step = 0.5", "start_step = 0.5\nnum_inference_steps = 10"), "whose number of steps is 8, not 10"),
                (('inputs = { model = "base", start = "samples" }', 'inputs = { model = "base" }'), "'start_step' is of a stage with the input 'start'"),
                (("start_step = 0.5", "start_step = 0.5\nmicro_batch = 3"), "is a multiple of micro_batch; found 3")):
            with self.subTest(message):
                file = self.write(text.replace(*change))
                self.call("plan", pipeline=file, code=2)
                self.assertIn(message, self.stderr)


if __name__ == "__main__":
    driver.main()
