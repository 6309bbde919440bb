"""intermediate_step = "profile": a trainer takes the step that a profile recommends."""
import json

import driver

PIPELINE = """
name = "profile"
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
eta = 1.0
[defaults."trainer.sft"]
max_train_steps = 3
train_batch_size = 8
learning_rate = 1e-3
[sweep]
branches.start_step = [0.25, 0.5, 0.75]
[[stage]]
tag = "samples"
type = "sampler.ddim"
inputs = { model = "base" }
[stage.options]
max_conditions = 8
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
tag = "branches"
type = "sampler.ddim"
inputs = { model = "base", start = "samples" }
[[stage]]
tag = "branch_alignment"
type = "reward.shape_checker"
inputs = { samples = "branches" }
[[stage]]
tag = "profile"
type = "metric.intermediate_profile"
inputs = { scores = "alignment", branches = ["branch_alignment"], selection = "best", model = "base" }
[stage.options]
rule = "product"
"""
TUNED = """
[[stage]]
tag = "%s"
type = "trainer.sft"
inputs = { model = "base", selection = "best"%s }
[stage.options]
intermediate_step = %s
loss = "%s"
"""
STITCHED = """
[[stage]]
tag = "tuned_samples"
type = "sampler.ddim"
inputs = { model = ["tuned", "base"] }
[stage.options]
split = "held_out"
max_conditions = 2
"""
BY_PROFILE = ("tuned", ', profile = "profile"', '"profile"')


class Profile(driver.PipelineTest):
    def write(self, text):
        file = self.folder / "pipeline.toml"
        file.write_text(text)
        return file

    def run_text(self, text):
        self.report = json.loads(self.call("run", "--json", "--quiet", pipeline=self.write(text)))
        return {stage["tag"]: stage for stage in self.report["stages"]}

    def rows(self, name):
        table = next(table for table in self.report["tables"] if table["name"] == name)
        return [dict(zip([column["name"] for column in table["columns"]], row)) for row in table["rows"]], table["caption"]

    def test_the_recommended_step_trains_as_the_same_step_by_hand(self):
        text = PIPELINE + TUNED % (*BY_PROFILE, "forward") + STITCHED
        self.call("validate", pipeline=self.write(text))
        self.call("plan", pipeline=self.write(text))
        stages = self.run_text(text)
        scalars = {scalar["quantity"]: scalar["value"] for scalar in self.report["scalars"]}
        step = int(scalars["recommended_step"])
        rows, _ = self.rows("accepted_states")
        self.assertEqual([row["step"] for row in rows], [2, 4, 6])
        shares, caption = self.rows("intermediate_profile")
        self.assertIn(f"recommended is step {step} of 8, the largest product of the decided share", caption)
        for row, share in zip(rows, shares):
            self.assertAlmostEqual(row["decided"], min(1, max(0, 1 - share["share"])))
        # One scale for all steps, that of the finished samples, whose distance is the largest.
        scale, = {round(row["distance_from_noise"] / (1 - row["nearness"]), 9) for row in rows if row["nearness"] < 1}
        self.assertGreater(scale, rows[0]["distance_from_noise"])
        for row in rows:
            self.assertAlmostEqual(row["product"], row["decided"] * row["nearness"])
            self.assertTrue(row["excess_low"] <= row["excess_loss"] <= row["excess_high"])
        # The nearer the sample, the farther from noise.
        self.assertEqual([row["distance_from_noise"] for row in rows], sorted((row["distance_from_noise"] for row in rows), reverse=True))
        self.assertEqual(step, max(rows, key=lambda row: row["product"])["step"])
        self.assertEqual(stages["tuned_samples"]["samples"], 2)

        with self.subTest("the same step by hand gives the same model"):
            before = set(self.models().values())
            self.assertEqual(len(before), 1)
            by_hand = self.run_text(text + TUNED % ("by_hand", "", step, "forward"))
            self.assertEqual(by_hand["tuned"]["status"], "reused")
            self.assertEqual(by_hand["by_hand"]["status"], "run")
            self.assertEqual(set(self.models().values()), before)
            other = self.run_text(text + TUNED % ("by_hand", "", 2 if step != 2 else 4, "forward"))
            self.assertEqual(other["by_hand"]["status"], "run")
            self.assertEqual(len(set(self.models().values())), 2)

    def test_what_does_not_belong_together_is_refused(self):
        tuned = PIPELINE + TUNED % (*BY_PROFILE, "clean")
        for change, message in (
                ((', profile = "profile"', ""), "the input 'profile' is missing"),
                (('intermediate_step = "profile"', "intermediate_step = 0.5"), "has no input 'profile'"),
                (('intermediate_step = "profile"', 'intermediate_step = "profil"'), '"profile", an index from 0'),
                ((', profile = "profile"', ', profile = "gain"'), "takes what metric.intermediate_profile finds, but stage 'gain' is"),
                (('selection = "best", profile', 'scores = "other_alignment", profile'), "a profile of the samples of 'samples', but it trains on those of 'other'"),
                ((', selection = "best", model = "base" }', " }"), 'rule = "product" weighs how near accepted states are to noise'),
                ((', selection = "best", model = "base" }\n[stage.options]\nrule = "product"', ', model = "base" }'),
                 "the input 'model' is for the loss on accepted states")):
            with self.subTest(message):
                text = tuned.replace(*change)
                self.assertNotEqual(text, tuned)
                text += '[[stage]]\ntag = "gain"\ntype = "metric.reward_summary"\ninputs = { scores = ["alignment"] }\n'
                text += '[[stage]]\ntag = "other"\ntype = "sampler.ddim"\ninputs = { model = "base" }\n[stage.options]\nmax_conditions = 4\n'
                text += '[[stage]]\ntag = "other_alignment"\ntype = "reward.shape_checker"\ninputs = { samples = "other" }\n'
                self.call("plan", pipeline=self.write(text), code=2)
                self.assertIn(message, self.stderr)


if __name__ == "__main__":
    driver.main()
