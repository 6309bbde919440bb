"""Inverse noise correction as a user drives it: certificates by value, what is computed again and what is not, and what is refused."""
import json
import signal
import time
import unittest

import driver
from driver import ROOT

PIPELINE = ROOT / "pipelines/smoke/inverse_noise.toml"


class NoiseCorrection(driver.PipelineTest):
    def run_stages(self, *settings, cache=None):
        words = [word for setting in settings for word in ("--set", setting)]
        report = json.loads(self.call("run", "--json", "--quiet", *words, pipeline=PIPELINE, cache=cache))
        self.scalars = {f["name"]: f for f in report["scalars"] if f["stage"] == "noise"}
        self.report = report
        return {stage["tag"]: stage for stage in report["stages"]}

    def test_smoke_certifies_known_noise_and_a_second_run_computes_nothing(self):
        first = self.run_stages()
        self.assertEqual(first["inversions"]["samples"], 64)
        self.assertEqual(first["inversions"]["excluded"], 64 - self.scalars["converged"]["value"])
        # Fresh noise, sampled forward by the base and inverted: found again to the solver's tolerance, amplified over five steps.
        self.assertLess(self.scalars["known_noise_error_max"]["value"], 1e-3)
        self.assertLess(self.scalars["round_trip_error_99"]["value"], 1e-3)
        # The base's last bits depend on the threads it was trained with, and with them whether one flat image's last step meets 1e-5.
        self.assertGreaterEqual(self.scalars["converged_share"]["value"], 0.95)
        # The gain comes from the inverted noise: a corrector of fresh noise, as large and as long trained, stays farther away.
        distance = {f["name"].split(".")[-1]: f["value"] for f in self.report["scalars"] if f["name"].startswith("frechet_distance.")}
        self.assertLess(distance["corrected"], 0.5 * distance["base_samples"])
        self.assertGreater(distance["fresh_corrected"], 2 * distance["corrected"])
        self.assertTrue(any(chart["stage"] == "noise" for chart in self.report["charts"]))
        self.assertTrue(any(chart["stage"] == "distance" for chart in self.report["charts"]))
        second = self.run_stages()
        self.assertEqual({stage["status"] for stage in second.values()}, {"reused"})

    def test_another_corrector_costs_no_inversion_and_more_examples_only_new_ones(self):
        self.run_stages()
        longer = self.run_stages("corrector.max_train_steps=30")
        self.assertEqual(longer["inversions"]["status"], "reused")
        self.assertEqual(longer["corrector"]["status"], "run")
        self.assertEqual(longer["corrected"]["samples_run"], longer["corrected"]["samples"])
        grown = self.run_stages("inversions.max_examples=128")
        self.assertEqual(grown["inversions"]["samples"], 128)
        self.assertEqual(grown["inversions"]["samples_run"], 64)

    def test_another_number_of_steps_than_inverted_is_refused_before_anything_is_computed(self):
        for command in ("plan", "run"):
            self.call(command, "--set", "corrected.num_inference_steps=7", pipeline=PIPELINE, code=2)
            self.assertIn("stage 'corrected'", self.stderr)
            self.assertRegex(self.stderr, r"\b10 steps")
            self.assertRegex(self.stderr, r"num_inference_steps is 7")
            self.assertFalse(list(self.cache.glob("results/*/*")))

    def test_too_many_unconverged_examples_stop_the_run_and_say_what_to_try(self):
        self.call("run", "--quiet", "--set", "inversions.max_iterations=1", "--set", "inversions.tolerance=1e-7", pipeline=PIPELINE, code=1)
        self.assertIn("did not converge, above max_unconverged_fraction", self.stderr)
        self.assertIn("num_inference_steps", self.stderr)

    def test_excluded_examples_are_in_the_record(self):
        pipeline = self.folder / "inversions.toml"
        pipeline.write_text(PIPELINE.read_text().split('[[stage]]\ntag = "corrector"')[0])
        settings = ("inversions.max_iterations=2", "inversions.tolerance=1e-7", "inversions.max_unconverged_fraction=1.0")
        words = [word for setting in settings for word in ("--set", setting)]
        for status in ("run", "reused"):
            report = json.loads(self.call("run", "--json", "--quiet", *words, pipeline=pipeline))
            stages = {stage["tag"]: stage for stage in report["stages"]}
            self.assertEqual(stages["inversions"]["status"], status)
            self.assertEqual(stages["inversions"]["excluded"], 64)
            self.assertEqual(stages["base"]["excluded"], 0)
        page = next((self.folder / "runs/inverse_noise").glob("*/report.html")).read_text()
        self.assertIn("64 excluded", page)

    def test_what_inversions_are_not_for_is_refused(self):
        text = PIPELINE.read_text()
        pipeline = self.folder / "other.toml"
        pipeline.write_text(text + '\n[[stage]]\ntag = "judged"\ntype = "reward.classifier"\n'
                                   'inputs = { samples = "inversions", model = "features" }\n')
        self.call("validate", pipeline=pipeline, code=2)
        self.assertIn("stage 'judged'", self.stderr)
        self.assertIn("whose trajectories are inversions; it takes those of a sampler", self.stderr)
        pipeline.write_text(text.replace('inputs = { samples = "inversions", model = "corrector" }',
                                         'inputs = { samples = "base_samples" }'))
        self.call("validate", pipeline=pipeline, code=2)
        self.assertIn("stage 'noise'", self.stderr)
        self.assertIn("whose trajectories are sampled; it takes those of a noise corrector", self.stderr)
        self.assertNotIn("damaged", self.stderr)

    def test_a_model_that_is_no_flow_is_refused(self):
        text = PIPELINE.read_text()
        vp = self.folder / "vp"
        vp.mkdir()
        source = ROOT / "datasets/models/generated-flow-base-blank"
        for path in source.rglob("*"):
            if path.is_file():
                copy = vp / path.relative_to(source)
                copy.parent.mkdir(parents=True, exist_ok=True)
                copy.write_bytes(path.read_bytes())
        (vp / "scheduler/scheduler_config.json").write_bytes(
            (ROOT / "datasets/models/shapes-blank/scheduler/scheduler_config.json").read_bytes())
        pipeline = self.folder / "vp.toml"
        pipeline.write_text(text.replace("datasets/models/generated-flow-base-blank", str(vp)).replace(
            'tag = "inversions"\ntype = "noise_corrector.inverse_noise"\ninputs = { model = "base" }',
            'tag = "inversions"\ntype = "noise_corrector.inverse_noise"\ninputs = { model = "base_blank" }'))
        self.call("plan", pipeline=pipeline, code=2)
        self.assertIn("variance_preserving", self.stderr)

    def test_a_signal_in_an_inversion_saves_and_what_goes_on_ends_equal(self):
        alone = self.folder / "alone"
        settings = ["--set", "inversions.max_examples=512"]
        self.call("run", "--quiet", *settings, pipeline=PIPELINE, cache=alone)
        words = self.command("run", "--quiet", *settings, pipeline=PIPELINE)
        process = driver.subprocess.Popen(words, cwd=self.folder, stdout=driver.subprocess.PIPE, stderr=driver.subprocess.PIPE, text=True)
        deadline = time.monotonic() + 120
        while process.poll() is None and not self.blocks():
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.005)
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate()
        self.assertEqual(process.returncode, 75, errors)
        before = set(self.blocks())
        self.assertLess(len(before), len(self.blocks(alone)))
        self.call("run", "--quiet", *settings, pipeline=PIPELINE)
        self.assertEqual(self.blocks(), self.blocks(alone))
        self.assertEqual(self.models(), self.models(alone))


if __name__ == "__main__":
    unittest.main()
