"""Scheduler files: their notes, the probe of what a model predicts, and keys that go by the process."""
import json
import shutil

import driver
from driver import ROOT

PIPELINE = """name = "schedulers"
seed = 7
[domain]
type = "domain.text_to_image"
[domain.options]
prompts = "shapes"
[models]
base = "{folder}"
[[stage]]
tag = "samples"
type = "sampler.{sampler}"
inputs = {{ model = "base" }}
[stage.options]
num_inference_steps = 4
split = "held_out"
max_conditions = 2
block_size = 4
micro_batch = 4
"""


class Schedulers(driver.PipelineTest):
    def pipeline(self, sampler="ddim", **scheduler):
        """Of shapes-base, with these keys in its scheduler's file; None: without the key."""
        folder = self.folder / "model"
        shutil.copytree(ROOT / "datasets/models/shapes-base", folder, dirs_exist_ok=True)
        path = folder / "scheduler/scheduler_config.json"
        config = json.loads((ROOT / "datasets/models/shapes-base/scheduler/scheduler_config.json").read_text()) | scheduler
        path.write_text(json.dumps({key: value for key, value in config.items() if value is not None}))
        file = self.folder / "schedulers.toml"
        file.write_text(PIPELINE.format(folder=folder, sampler=sampler))
        return file

    def plan(self, *arguments, **scheduler):
        return json.loads(self.call("plan", "--json", *arguments, pipeline=self.pipeline(**scheduler)))["stages"][0]

    def test_the_probe_states_what_a_worker_takes(self):
        stage = self.plan("--probe")
        blocks = stage["samples_to_compute"] / 4  # of block_size
        self.assertGreater(stage["seconds_per_block"], 0)
        self.assertAlmostEqual(stage["seconds"], blocks * stage["seconds_per_block"], delta=1e-6 * stage["seconds"])
        self.assertGreater(stage["bytes_per_worker"], 0)
        self.assertNotIn("seconds_per_decoding", stage, "pixels are decoded without a model")

    def test_a_costly_model_takes_the_workers_that_memory_allows(self):
        """512 x 512 pixels of the latent base: more than 0.1 TFLOP in a pass. No machine has memory for a million workers."""
        file = self.folder / "costly.toml"
        model = ROOT / "datasets/models/shapes-latent-base"
        text = PIPELINE.replace('base = "{folder}"', 'base = {{ folder = "{folder}", height = 512, width = 512 }}')
        self.assertIn("height", text)
        file.write_text(text.format(folder=model, sampler="ddim") + "guidance_scale = 2.0\n")
        self.call("run", "--workers", "1000000", "--set", "samples.num_inference_steps=1", "--set", "samples.block_size=16", "--set",
                  "samples.micro_batch=16", pipeline=file)
        self.assertRegex(self.stderr, r"stage 'samples': \d+ of 1000000 workers: one needs \d+\.\d GB of the \d+\.\d GB that are free")

    def test_the_probe_states_the_slope_and_warns_where_the_file_contradicts_it(self):
        right = self.plan("--probe")["predictions"]["base"]
        self.assertEqual((right["timestep"], right["shows"], right["contradicts"]), (999, "v_prediction or sample", False))
        self.assertLess(abs(right["slope"]), 0.1)
        wrong = self.plan("--probe", prediction_type="epsilon")["predictions"]["base"]
        self.assertTrue(wrong["contradicts"])
        text = self.call("plan", "--probe", pipeline=self.pipeline(prediction_type="epsilon"))
        self.assertIn("warning: model 'base': the slope of its prediction on x_t at t = 999 is", text)
        self.assertIn('but its scheduler says prediction_type = "epsilon"', text)
        self.assertNotIn("predictions", self.plan())

    def test_files_of_equal_meaning_have_equal_keys(self):
        key = self.plan()["key"]
        for name in ("PNDMScheduler", "EulerDiscreteScheduler", "DPMSolverMultistepScheduler"):
            self.assertEqual(self.plan(_class_name=name, skip_prk_steps=True)["key"], key, name)
        self.assertNotEqual(self.plan(steps_offset=1)["key"], key)

    def test_a_prediction_that_is_not_named_is_noted_once(self):
        checked = json.loads(self.call("validate", "--json", pipeline=self.pipeline(prediction_type=None)))
        self.assertEqual(len(checked["domain_notes"]), 1)
        self.assertIn("base: scheduler_config.json: prediction_type is not named", checked["domain_notes"][0])

    def test_dpm_solver_samples(self):
        for scheduler in ({}, {"timestep_spacing": None}):
            report = json.loads(self.call("run", "--json", "--quiet", pipeline=self.pipeline(sampler="dpm_solver", **scheduler)))
            self.assertEqual([stage["status"] for stage in report["stages"]], ["run"], "each spacing has its own grid, and key")


if __name__ == "__main__":
    driver.unittest.main()
