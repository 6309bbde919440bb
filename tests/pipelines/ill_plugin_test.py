"""Plugins that fail: whatever their code does, the program names the library or the stage and exits with the code that is documented."""
import os
import pathlib
import shutil
import subprocess
import unittest

import driver

BUILD = pathlib.Path(driver.PROGRAM).resolve().parent
ILL = BUILD / "tests/ill_plugin/ill_plugin.so"

PIPELINE = """name = "x"
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
num_inference_steps = 2
max_conditions = 2
block_size = 2
micro_batch = 2
[[stage]]
tag = "score"
type = "reward.ill"
inputs = { samples = "samples" }
"""
# Where it fails, the command, the exit code, and words of the message.
CASES = [
    ("library", "validate", 3, ["reward.ill.so: a static initialiser of it failed: std::runtime_error: the library is ill"]),
    ("static exit", "validate", 3, ["reward.ill.so: a static initialiser", "ended the program by exit()"]),
    ("constructor", "validate", 3, ["reward.ill (", "reward.ill.so): its constructor failed: std::runtime_error: the constructor is ill"]),
    ("destructor", "validate", 3, ["reward.ill.so): its destructor failed: std::runtime_error: the destructor is ill"]),
    ("declaration", "validate", 3, ["reward.ill: its options cannot be read: std::runtime_error: the declaration is ill"]),
    ("exit", "run", 3, ["stage 'score' (reward.ill)", "ended the program by exit()"]),
    ("int", "run", 1, ["x.toml:17:1: stage 'score', block 0 (reward.ill): threw the int 7, not a std::exception"]),
    ("look-up", "run", 1, ["stage 'score', block 0 (reward.ill): std::out_of_range: map::at"]),
    ("LibTorch", "run", 1, ["stage 'score', block 0 (reward.ill): LibTorch: The size of tensor a (2)"]),
    ("memory", "run", 1, ["stage 'score', block 0 (reward.ill): there is not enough memory"]),
]


@unittest.skipUnless(ILL.exists(), "the test plugins are not built")
class IllPlugin(driver.PipelineTest):
    def setUp(self):
        super().setUp()
        self.plugins = self.folder / "plugins"
        self.plugins.mkdir()
        shutil.copy(ILL, self.plugins / "reward.ill.so")
        self.file = self.folder / "x.toml"
        self.file.write_text(PIPELINE)

    def run_failing(self, place, command, code):
        os.environ["ESPALIER_TEST_ILL"] = place
        try:
            self.call(command, "--plugin-dir", self.plugins, *(["--quiet"] if command == "run" else []), pipeline="x.toml", code=code)
        finally:
            del os.environ["ESPALIER_TEST_ILL"]

    def test_every_failure_names_who_and_why(self):
        for place, command, code, words in CASES:
            with self.subTest(place):
                self.run_failing(place, command, code)
                for word in words:
                    self.assertIn(word, self.stderr)
                self.assertEqual(self.stderr.count("\n"), 1, self.stderr)

    def test_a_plugin_that_is_well_runs(self):
        self.call("run", "--plugin-dir", self.plugins, "--quiet", pipeline="x.toml")

    def test_a_bad_library_fails_only_pipelines_that_use_it(self):
        (self.plugins / "reward.broken.so").write_text("no library")
        self.call("validate", "--plugin-dir", self.plugins, pipeline="x.toml")
        listed = subprocess.run([driver.PROGRAM, "plugins", "list", "--plugin-dir", str(self.plugins)], check=True, capture_output=True, text=True).stdout
        self.assertIn("reward.broken.so: is not an ELF library", listed)
        self.file.write_text(PIPELINE.replace("reward.ill", "reward.broken"))
        self.call("validate", "--plugin-dir", self.plugins, pipeline="x.toml", code=3)
        self.assertIn("reward.broken cannot be used:", self.stderr)
        self.assertIn("reward.broken.so: is not an ELF library", self.stderr)

    def test_two_libraries_with_one_name(self):
        shutil.copy(ILL, self.plugins / "again.so")
        self.call("validate", "--plugin-dir", self.plugins, pipeline=driver.SMOKE)
        self.call("validate", "--plugin-dir", self.plugins, pipeline="x.toml", code=3)
        self.assertIn("reward.ill is registered twice: by", self.stderr)


if __name__ == "__main__":
    driver.main()
