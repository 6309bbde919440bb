"""Bad pipelines and options: the exit code is 2, and the message names the place, what was found and what would be right."""
import json
import os
import pathlib
import shutil
import struct
import subprocess

import driver

GOOD = """name = "x"
seed = 1
[domain]
type = "domain.text_to_image"
[domain.options]
prompts = "shapes"
[models]
base = "datasets/models/shapes-base"
[[stage]]
tag = "samples"
type = "sampler.ddim"
inputs = { model = "base" }
[stage.options]
num_inference_steps = 4
[[stage]]
tag = "alignment"
type = "reward.shape_checker"
inputs = { samples = "samples" }
"""

HEAD, _ = GOOD.split("[[stage]]", 1)
TRAINING = HEAD + """[[stage]]
tag = "tuned"
type = "trainer.sft"
inputs = { model = "base" }
[stage.options]
max_train_steps = 1
"""
MOLECULES = """name = "x"
[domain]
type = "domain.molecule"
[domain.options]
source = "enumerated"
num_conditions = 2
[models]
base = "datasets/models/molecule-blank-small"
[[stage]]
tag = "samples"
type = "sampler.interleaved"
inputs = { model = "base" }
"""

# what to change, into what, words of the message
CASES = [
    ("unknown key", "seed = 1", "sede = 1", [":2:1", "sede", "seed"]),
    ("unknown kind", "reward.shape_checker", "rewards.shape_checker", [":17:", "rewards", "reward"]),
    ("unknown plugin", "reward.shape_checker", "reward.shape_cheker", ["shape_cheker", "reward.shape_checker"]),
    ("unknown option", "num_inference_steps = 4", "num_inference_step = 4", [":14:", "num_inference_step", "num_inference_steps"]),
    ("wrong type", "num_inference_steps = 4", 'num_inference_steps = "four"', [":14:", "num_inference_steps", "integer"]),
    ("out of range", "num_inference_steps = 4", "num_inference_steps = 0", [":14:", "num_inference_steps"]),
    ("an infinite scale", "num_inference_steps = 4", "guidance_scale = inf", [":14:", "guidance_scale", "finite"]),
    ("a micro-batch without end", "num_inference_steps = 4", "micro_batch = 10_000_000_000", [":14:", "micro_batch", "0 to 65536"]),
    ("missing input", "inputs = { samples = \"samples\" }", "", ["alignment", "samples"]),
    ("unknown input tag", '{ samples = "samples" }', '{ samples = "sample" }', ["sample", "samples"]),
    ("wrong kind of input", '{ samples = "samples" }', '{ samples = "alignment" }', ["alignment"]),
    ("duplicate tag", 'tag = "alignment"', 'tag = "samples"', ["samples"]),
    ("unknown split", "num_inference_steps = 4", 'split = "tarin"', ["tarin", "train"]),
    ("missing model folder", "shapes-base", "shapes-bose", ["shapes-bose"]),
    ("not TOML", 'name = "x"', "name = ", [":1:"]),
    ("sweeps come later", "seed = 1", "seed = 1\n[sweep]\nx = [1]", ["sweep"]),
]


class BadInput(driver.PipelineTest):
    def refuse(self, text, words, *arguments):
        path = self.folder / "bad.toml"
        path.write_text(text)
        self.call("validate", *arguments, pipeline=path, code=2)
        for word in words:
            self.assertIn(word, self.stderr)
        self.assertNotIn("internal error", self.stderr)

    def test_the_good_pipeline_is_good(self):
        path = self.folder / "good.toml"
        path.write_text(GOOD)
        self.call("validate", pipeline=path)

    def test_bad_pipelines(self):
        for name, before, after, words in CASES:
            with self.subTest(name):
                self.assertIn(before, GOOD)
                self.refuse(GOOD.replace(before, after, 1), words)

    def test_sizes_are_bounded_before_anything_is_allocated(self):
        for text, option in ((TRAINING.replace("max_train_steps = 1", "train_batch_size = 1_000_000_000"), "train_batch_size"),
                             (MOLECULES.replace("num_conditions = 2", "num_conditions = 10_000_000_000"), "num_conditions")):
            with self.subTest(option):
                self.refuse(text, [option, "to"])

    def test_clipping_at_infinity_is_no_clipping(self):
        path = self.folder / "good.toml"
        path.write_text(TRAINING.replace("max_train_steps = 1", "max_train_steps = 1\nmax_grad_norm = inf"))
        self.call("run", "--quiet", pipeline=path)
        self.assertIn("reuse", self.call("plan", pipeline=path))
        self.call("cache", "verify", "--deep", pipeline=None)

    def test_a_cycle(self):
        cycle = GOOD + """[[stage]]
tag = "best"
type = "filter.top_k"
inputs = { scores = "alignment" }
[[stage]]
tag = "tuned"
type = "trainer.sft"
inputs = { model = "base", selection = "best" }
"""
        self.refuse(cycle.replace('inputs = { model = "base" }', 'inputs = { model = "tuned" }', 1), ["samples", "tuned"])

    def test_every_problem_at_once(self):
        bad = GOOD.replace("seed = 1", "sede = 1").replace("num_inference_steps = 4", "num_inference_step = 4")
        self.refuse(bad, ["sede", "num_inference_step"])

    def test_bad_overrides(self):
        for override, words in (("samples.nope=1", ["nope"]), ("nope.k=1", ["nope"]), ("samples", ["samples"]), ("device.type=tpu", ["tpu", "cuda"])):
            with self.subTest(override):
                self.refuse(GOOD, words, "--set", override)

    def test_bad_commands(self):
        self.call("valdate", code=2)
        self.assertIn("validate", self.stderr)
        self.call("run", "--wrokers", "2", code=2)
        self.assertIn("workers", self.stderr)
        self.call("work", "--shard", "4/3", code=2)
        self.call("validate", pipeline=self.folder / "absent.toml", code=2)
        self.assertIn("absent.toml", self.stderr)

    def test_views_too_large_to_plan(self):
        for count, words in ((10**12, ["blocks", "block_size"]), (2**63 - 1, [str(2**63 - 1), "take fewer"])):
            with self.subTest(count):
                path = self.folder / "large.toml"
                path.write_text(GOOD)
                self.call("plan", "--set", f"samples.samples_per_condition={count}", pipeline=path, code=2)
                for word in ["stage 'samples'", *words]:
                    self.assertIn(word, self.stderr)

    def test_unknown_components_are_refused_before_the_work(self):
        path = self.folder / "components.toml"
        path.write_text(GOOD + """[[stage]]
tag = "best"
type = "filter.top_k"
inputs = { scores = "alignment" }
[[stage]]
tag = "tuned"
type = "trainer.sft"
inputs = { model = "base", selection = "best" }
[stage.options]
train_components = ["unett"]
""")
        self.call("plan", pipeline=path, code=2)
        for word in ("stage 'tuned'", "'unett'", "text_encoder, unet"):
            self.assertIn(word, self.stderr)

    def test_a_weight_that_is_nan_is_named_before_anything_is_sampled(self):
        model = self.folder / "model"
        shutil.copytree(driver.ROOT / "datasets/models/shapes-base", model)
        weights = model / "unet/diffusion_pytorch_model.safetensors"
        data = bytearray(weights.read_bytes())
        header = int.from_bytes(data[:8], "little")
        tensor = json.loads(data[8:8 + header])["conv_in.weight"]
        self.assertEqual(tensor["dtype"], "F32")
        place = 8 + header + tensor["data_offsets"][0] + 4 * 5
        data[place:place + 4] = struct.pack("<f", float("nan"))
        weights.write_bytes(data)
        path = self.folder / "nan.toml"
        path.write_text(GOOD.replace("datasets/models/shapes-base", str(model)))
        self.call("plan", pipeline=path, code=1)
        self.assertRegex(self.stderr, r"model: the tensor 'unet\.conv_in\.weight' holds 1 value of \d+ that is not finite, the first at position 5")
        self.assertEqual(self.blocks(), [])

    def test_a_reports_folder_that_cannot_be_made_is_told_before_the_work(self):
        (self.folder / "runs").write_text("")
        self.call("run", "--quiet", code=2)
        self.assertIn("cannot make the folder of the reports", self.stderr)
        self.assertFalse(self.cache.exists())

    def test_names_that_are_no_utf8_are_refused_before_the_work(self):
        spoilt = os.fsencode(self.folder) + b"/\xff"
        os.mkdir(spoilt)
        canary = pathlib.Path(driver.PROGRAM).resolve().parent / "tests/canary_plugin/canary_plugin.so"
        shutil.copy(canary, spoilt + b"/metric.canary.so")
        shutil.copy(driver.SMOKE, spoilt + b"/x.toml")
        smoke, program = os.fsencode(driver.SMOKE), os.fsencode(driver.PROGRAM)
        cache = b"cache.path=" + os.fsencode(self.cache)
        plugins = {**os.environb, b"ESPALIER_PLUGIN_PATH": spoilt}
        for words, environment, code in (
            ([b"run", smoke, b"--set", b"cache.path=" + spoilt + b"/cache"], None, 2),
            ([b"run", smoke, b"--set", cache, b"--set", b"models.base=" + spoilt], None, 2),
            ([b"run", spoilt + b"/x.toml", b"--set", cache], None, 2),
            ([b"run", smoke, b"--set", cache, b"--plugin-dir", spoilt], None, 2),
            ([b"cache", b"ls", b"--set", b"cache.path=" + spoilt + b"/cache"], None, 2),
            ([b"run", smoke, b"--set", cache], plugins, 3),
        ):
            with self.subTest(words=words):
                done = subprocess.run([program, *words], cwd=self.folder, capture_output=True, env=environment)
                self.assertEqual(done.returncode, code, done.stderr)
                self.assertIn(b"not valid UTF-8", done.stderr)
                self.assertEqual(sorted(os.listdir(spoilt)), [b"metric.canary.so", b"x.toml"])
                self.assertFalse(self.cache.exists())
        good = os.fsencode(self.folder) + b"/good"
        os.mkdir(good)
        shutil.copy(canary, good + b"/\xff.so")
        listed = json.loads(subprocess.run([program, b"plugins", b"list", b"--json", b"--plugin-dir", good], capture_output=True, check=True).stdout)
        self.assertEqual([entry["type"] for entry in listed if "not valid UTF-8" in entry.get("refused", "")], [""])

    def test_text_with_too_much_nesting_or_size(self):
        self.refuse(GOOD + "deep = " + "[" * 200 + "]" * 200 + "\n", ["bad.toml"])
        self.refuse("# " + "x" * 1_100_000 + "\n" + GOOD, ["bad.toml"])


if __name__ == "__main__":
    driver.main()
