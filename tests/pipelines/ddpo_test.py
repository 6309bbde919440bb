"""trainer.ddpo, end to end: rounds that hand their state on, what they share, stopping, refusals, and one whole round against PyTorch."""
import json
import math
import shutil
import signal
import struct
import subprocess
import sys
import time
import unittest

import ddpo_reference
import driver
from diffusers_test import PYTHON, peers_environment
from driver import ROOT

PIPELINE = f"""name = "ddpo"
seed = 5
[domain]
type = "domain.text_to_image"
[domain.options]
prompts = "shapes"
[models]
base = "{ROOT}/datasets/models/shapes-base"
[[stage]]
tag = "samples"
type = "sampler.ddim"
inputs = {{ model = "base" }}
[stage.options]
split = "train"
max_conditions = 2
samples_per_condition = 4
block_size = 4
micro_batch = 4
num_inference_steps = 4
guidance_scale = 2.0
eta = 1.0
[[stage]]
tag = "size"
type = "reward.jpeg_compressibility"
inputs = {{ samples = "samples" }}
[[stage]]
tag = "policy"
type = "trainer.ddpo"
inputs = {{ model = "base", scores = "size" }}
[stage.options]
max_train_steps = 2
train_batch_size = 2
advantage_min_count = 3
"""
ROUNDS = """
[rounds]
count = 3
stages = ["samples", "size", "policy"]
start = "base"
next = "policy"
"""
# The noise is recorded too, so that the reference need not draw it.
PARITY = ["--set", "samples.record_steps=[1.0]", "--set", "policy.adam_epsilon=1e-3", "--set", "policy.clip_range=0.02", "--set",
          "policy.learning_rate=1e-3"]


class Ddpo(driver.PipelineTest):
    def write(self, text):
        file = self.folder / "ddpo.toml"
        file.write_text(text)
        return file

    def run_text(self, text, *arguments, cache=None):
        report = json.loads(self.call("run", "--json", "--quiet", *arguments, pipeline=self.write(text), cache=cache))
        self.report = report
        return {stage["tag"]: stage for stage in report["stages"]}

    def states(self):
        """By model: the tensors of its trainer_state.safetensors, name -> (shape, numbers)."""
        found = {}
        for path in self.cache.glob("results/model/*/*/trainer_state.safetensors"):
            data = path.read_bytes()
            (size,) = struct.unpack("<Q", data[:8])
            header = json.loads(data[8:8 + size])
            tensors = {}
            for name, entry in header.items():
                if name != "__metadata__":
                    begin, end = entry["data_offsets"]
                    letter = {"F32": "f", "F64": "d"}[entry["dtype"]]
                    tensors[name] = struct.unpack(f"<{(end - begin) // struct.calcsize(letter)}{letter}", data[8 + size + begin:8 + size + end])
            found[path.parent.name] = tensors
        return found

    def test_rounds_hand_on_optimizer_and_windows(self):
        stages = self.run_text(PIPELINE + ROUNDS)
        self.assertEqual({stage["status"] for stage in stages.values()}, {"run"})
        states = self.states()
        for number in (1, 2, 3):
            state = states[stages[f"policy-r{number}"]["key"]]
            windows = {name: rewards for name, rewards in state.items() if name.startswith("advantages.")}
            self.assertEqual([len(rewards) for rewards in windows.values()], [4 * number] * 2, "each round adds the rewards of 4 samples")
            self.assertTrue(all(-2 < reward < 0 for rewards in windows.values() for reward in rewards), windows)
            steps = {numbers for name, numbers in state.items() if name.endswith(".step")}
            self.assertEqual(steps, {(2.0 * number,)}, "AdamW counts the updates of all rounds")

        with self.subTest("a fresh optimizer would train another model"):
            # Round 2 by hand, from the model of round 1 as a folder: the same weights without a state.
            [model] = self.cache.glob(f"results/model/*/{stages['policy-r1']['key']}")
            fresh = PIPELINE.replace(f'base = "{ROOT}/datasets/models/shapes-base"', f'base = "{model}"')
            for tag in ("samples", "policy"):
                fresh = fresh.replace(f'tag = "{tag}"', f'tag = "{tag}"\nseed = {stages[tag + "-r2"]["seed"]}')
            by_hand = self.run_text(fresh)
            self.assertEqual(by_hand["samples"]["key"], stages["samples-r2"]["key"])
            self.assertEqual(by_hand["samples"]["status"], "reused")
            self.assertNotEqual(by_hand["policy"]["key"], stages["policy-r2"]["key"])
            models = self.models()
            self.assertNotEqual(models[by_hand["policy"]["key"]], models[stages["policy-r2"]["key"]])

        with self.subTest("what is reused"):
            more = self.run_text(PIPELINE + ROUNDS, "--set", "rounds.count=4")
            self.assertEqual({tag for tag, stage in more.items() if stage["status"] == "run"}, {"samples-r4", "size-r4", "policy-r4"})
            other = self.run_text(PIPELINE + ROUNDS, "--set", "policy.learning_rate=1e-3", "--set", "rounds.count=2")
            self.assertEqual({tag for tag, stage in other.items() if stage["status"] == "reused"}, {"samples-r1", "size-r1"})

    def test_a_stopped_round_ends_in_the_same_weights(self):
        settings = ["--set", "policy.max_train_steps=8"]
        alone = self.folder / "alone"
        self.run_text(PIPELINE, *settings, cache=alone)
        for stop in (signal.SIGINT, signal.SIGKILL):
            cache = self.folder / stop.name
            process = self.start("run", "--quiet", *settings, pipeline=self.write(PIPELINE), cache=cache)
            deadline = time.monotonic() + 120
            while process.poll() is None and not list(cache.glob("checkpoints/*/checkpoint-*/manifest.json")):
                self.assertLess(time.monotonic(), deadline)
                time.sleep(0.005)
            process.send_signal(stop)
            _, errors = process.communicate()
            if process.returncode != 0:  # it may have been as fast as the signal
                self.assertEqual(process.returncode, {signal.SIGINT: 75, signal.SIGKILL: -9}[stop], errors)
            self.run_text(PIPELINE, *settings, cache=cache)
            self.assertEqual(self.models(cache), self.models(alone))

    def test_refusals(self):
        for what, text, command, fragments in (
            ("a deterministic sampler", PIPELINE.replace("eta = 1.0", "eta = 0.0"), "validate",
             ["stage 'policy'", "the input 'scores' needs the law of each step given the state that it leaves", "stage 'samples' (sampler.ddim): with eta = 0",
              "set eta above 0"]),
            ("a window that is never used", PIPELINE + "advantage_window = 2\n", "validate", ["advantage_min_count = 3 is above advantage_window = 2"]),
            ("samples of another model", PIPELINE.replace('model = "base", scores', 'model = "blank", scores').replace(
                "[models]", f'[models]\nblank = {{ folder = "{ROOT}/datasets/models/shapes-blank", initialize_weights = true }}'), "plan",
             ["stage 'policy'", "were not sampled with the model that training starts from"]),
        ):
            with self.subTest(what):
                self.call(command, code=2, pipeline=self.write(text))
                for fragment in fragments:
                    self.assertIn(fragment, self.stderr)

    def test_one_round_is_that_of_pytorch(self):
        """Weights, moments and curves after two updates against ddpo_reference.py: diffusers' U-Net, trl's step, torch's AdamW."""
        if not PYTHON.exists():
            self.skipTest("the peers are not installed: scripts/setup --peers")
        for scheduler in ({}, {"set_alpha_to_one": False}):
            with self.subTest(scheduler=scheduler):
                self.compare(scheduler)

    def test_one_round_of_flow_grpo_is_that_of_pytorch(self):
        """A flow that a few steps of training left with weights in a folder, Flow-GRPO's noise, groups and KL."""
        if not PYTHON.exists():
            self.skipTest("the peers are not installed: scripts/setup --peers")
        blank = f'blank = {{ folder = "{ROOT}/datasets/models/shapes-flow-blank", initialize_weights = true }}'
        head, _ = PIPELINE.split("[models]")
        first = self.folder / "first"
        made = self.run_text(head + f'[models]\n{blank}\n[[stage]]\ntag = "made"\ntype = "trainer.sft"\ninputs = {{ model = "blank" }}\n[stage.options]\n'
                             "max_train_steps = 10\ntrain_batch_size = 16\nlearning_rate = 1e-3\n", cache=first)
        [folder] = first.glob(f"results/model/*/{made['made']['key']}")
        text = PIPELINE.replace(f"{ROOT}/datasets/models/shapes-base", str(folder)).replace("sampler.ddim", "sampler.flow_sde")
        text = text.replace("eta = 1.0", 'noise_schedule = "flow_grpo"').replace('model = "base", scores', 'model = "base", reference = "base", scores')
        text = text.replace("advantage_min_count = 3", 'advantage_statistics = "group_mean"\nadvantage_epsilon = 1e-4\nkl_coefficient = 0.01')
        # The seed is one with which no two samples have equal rewards (ddpo_reference.py).
        found = self.compared(folder, text, self.folder / "cache", seed=11, flow_grpo=True, kl_coefficient=0.01)
        self.assertEqual(found["densities"], 4, "the last step adds noise too")
        self.check(found)
        self.assertGreater(found["kl_value"], 1e-8)
        self.assertLess(found["kl"], 1e-3 * found["kl_value"])

    def compare(self, scheduler):
        folder = self.folder / f"model{len(scheduler)}"
        shutil.copytree(ROOT / "datasets/models/shapes-base", folder)
        path = folder / "scheduler/scheduler_config.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | scheduler))
        text = PIPELINE.replace(f"{ROOT}/datasets/models/shapes-base", str(folder))
        found = self.compared(folder, text, self.folder / f"cache{len(scheduler)}")
        self.assertEqual(found["densities"], 4 if scheduler else 3)
        self.check(found)

    def compared(self, folder, text, cache, seed=6, **job):
        """How far a run of the pipeline is from PyTorch's."""
        stages = self.run_text(text, "--set", f"seed={seed}", *PARITY, cache=cache)
        metadata = max(self.folder.glob("runs/ddpo/*/samples/metadata.jsonl"), key=lambda path: path.stat().st_mtime_ns)
        texts = [json.loads(line)["text"] for line in metadata.read_text(encoding="utf-8").splitlines()]
        curves = {curve["name"]: curve["value"] for curve in self.report["curves"] if curve["stage"] == "policy"}
        [trained] = cache.glob(f"results/model/*/{stages['policy']['key']}")
        job |= {"folder": str(folder), "cache": str(cache), "trained": str(trained), "prompts": texts[:2], "curves": curves, "guidance": 2.0, "steps": 4,
                "clip_range": 0.02, "min_count": 3, "adam_epsilon": 1e-3, "learning_rate": 1e-3}
        done = subprocess.run([PYTHON, ddpo_reference.__file__], input=json.dumps(job), env=peers_environment(), capture_output=True, text=True)
        if done.returncode == 77:
            self.skipTest(done.stdout)
        self.assertEqual(done.returncode, 0, done.stderr)
        found = json.loads(done.stdout.splitlines()[-1])
        print(found, file=sys.stderr)
        return found

    def check(self, found):
        # The second update's ratios are of log-probabilities that the first one changed by some 1e-3.
        self.assertLess(found["first_loss"], 1e-6)
        self.assertLess(found["second_loss"], 1e-5)
        self.assertGreater(found["approx_kl_value"], 1e-8)
        self.assertLess(found["approx_kl"], 1e-3 * found["approx_kl_value"])
        self.assertLess(found["moments"], 1e-3)   # of the largest
        self.assertLess(found["weights"], 5e-3)   # of the largest change: AdamW divides small gradients by small numbers
        self.assertTrue(math.isfinite(found["change"]) and found["change"] > 1e-5)


if __name__ == "__main__":
    unittest.main()
