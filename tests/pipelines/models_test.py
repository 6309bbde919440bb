"""Models of other sizes and tokenizers in one pipeline: each is sampled, scored and tuned as it would be alone."""
import json
import os
import shutil
import struct
import time

import driver
from driver import ROOT

HEAD = """name = "models"
seed = 7
[domain]
type = "domain.text_to_image"
[domain.options]
prompts = "shapes"
[defaults."sampler.ddim"]
num_inference_steps = 4
split = "held_out"
max_conditions = 4
samples_per_condition = 2
block_size = 8
micro_batch = 8
[defaults."trainer.sft"]
max_train_steps = 2
train_batch_size = 4
"""
SAMPLED = """
[[stage]]
tag = "{tag}_samples"
type = "sampler.ddim"
inputs = {{ model = "{tag}" }}
[[stage]]
tag = "{tag}_score"
type = "reward.shape_checker"
inputs = {{ samples = "{tag}_samples" }}
"""
TUNED = """
[[stage]]
tag = "best"
type = "filter.top_k"
inputs = {{ scores = "{tag}_score" }}
[[stage]]
tag = "tuned"
type = "trainer.sft"
inputs = {{ model = "{tag}", selection = "best" }}
"""


def png_size(path):
    return struct.unpack(">II", path.read_bytes()[16:24])


class Models(driver.PipelineTest):
    def blank(self, name, side=16, reorder=False, length=16):
        """A copy of shapes-blank for images of another size, or with a tokenizer of other ids and another length."""
        folder = self.folder / name
        shutil.copytree(ROOT / "datasets/models/shapes-blank", folder)
        self.change(folder / "unet/config.json", lambda config: config.update(sample_size=side))
        self.change(folder / "tokenizer/tokenizer_config.json", lambda config: config.update(model_max_length=length))
        if reorder:
            words = ("red</w>", "green</w>", "blue</w>", "yellow</w>", "purple</w>")
            self.change(folder / "tokenizer/vocab.json", lambda ids: ids.update({a: ids[b] for a, b in zip(words, words[1:] + words[:1])}))
        return folder

    @staticmethod
    def change(path, update):
        content = json.loads(path.read_text())
        update(content)
        path.write_text(json.dumps(content))

    def run_models(self, folders, tuned=None, cache=None):
        """Samples and scores these models, and tunes one of them. Gives the stages of the report by tag."""
        entries = "".join(f'{tag} = {{ folder = "{folder}", initialize_weights = true }}\n' for tag, folder in folders.items())
        text = HEAD + "[models]\n" + entries + "".join(SAMPLED.format(tag=tag) for tag in folders)
        if tuned:
            text += TUNED.format(tag=tuned) + SAMPLED.format(tag="tuned")
        pipeline = self.folder / "models.toml"
        pipeline.write_text(text)
        report = json.loads(self.call("run", "--json", "--quiet", pipeline=pipeline, cache=cache))
        return {stage["tag"]: stage for stage in report["stages"]}

    def images(self, tag):
        """The PNG files of a stage's samples in the only run."""
        samples, = (self.folder / "runs/models").glob("*/samples")
        return sorted((samples / tag).glob("*.png"))

    def sizes(self, tag):
        return {png_size(path) for path in self.images(tag)}

    def test_two_sizes_and_two_tokenizers_in_one_pipeline_are_as_each_alone(self):
        small, large = self.blank("small"), self.blank("large", side=24, reorder=True, length=12)
        both = self.run_models({"small": small, "large": large}, tuned="large")
        self.assertEqual({tag for tag, stage in both.items() if stage["status"] != "run"}, set())
        self.assertEqual(self.sizes("small_samples"), {(16, 16)})
        for tag in ("large_samples", "tuned_samples"):
            self.assertEqual(self.sizes(tag), {(24, 24)})
        alone = self.folder / "alone"
        shutil.rmtree(self.folder / "runs")
        of_small = self.run_models({"small": small}, cache=alone)
        of_large = self.run_models({"large": large}, tuned="large", cache=alone)
        for tag, stage in {**of_small, **of_large}.items():
            self.assertEqual(stage["key"], both[tag]["key"], tag)
        self.assertEqual(self.blocks(alone), self.blocks())
        self.assertEqual(self.models(alone), self.models())
        self.assertEqual(len(self.blocks()), 3)

    def test_equal_weights_behind_another_tokenizer_make_other_samples(self):
        stages = self.run_models({"base": self.blank("base"), "reordered": self.blank("reordered", reorder=True)})
        self.assertNotEqual(stages["base_samples"]["key"], stages["reordered_samples"]["key"])
        self.assertEqual(stages["reordered_samples"]["status"], "run")
        base, reordered = ([path.read_bytes() for path in self.images(tag)] for tag in ("base_samples", "reordered_samples"))
        self.assertEqual(len(base), 8)
        self.assertNotEqual(base, reordered, "the colours' words have changed places")

    def test_models_of_one_trajectory_have_states_of_one_size(self):
        pipeline = self.folder / "stitched.toml"
        pipeline.write_text(HEAD + f"""[models]
small = {{ folder = "{self.blank("small")}", initialize_weights = true }}
large = {{ folder = "{self.blank("large", side=24)}", initialize_weights = true }}
[[stage]]
tag = "samples"
type = "sampler.ddim"
inputs = {{ model = ["small", "large"] }}
""")
        self.call("plan", pipeline=pipeline, code=2)
        for word in ("stage 'samples'", "'small' and 'large'", "states of different shapes"):
            self.assertIn(word, self.stderr)

    def test_an_override_of_a_model_that_no_stage_takes_is_refused(self):
        self.call("validate", "--set", "models.bse=datasets/models/shapes-base", code=2)
        self.assertIn("no stage takes a model 'bse'; did you mean 'base'?", self.stderr)

    def changed_during_sampling(self, change):
        """Changes the file of weights once a block is there; gives stderr. The run fails, and no other block follows."""
        folder = self.folder / "base"
        shutil.copytree(ROOT / "datasets/models/shapes-base", folder)
        weights = folder / "unet/diffusion_pytorch_model.safetensors"
        weights.chmod(0o644)
        run = self.start("run", "--workers", "1", "--set", f"models.base={folder}", "--set", "samples.samples_per_condition=200")
        while not self.blocks() and run.poll() is None:
            time.sleep(0.05)
        change(weights)
        _, stderr = run.communicate(timeout=120)
        self.assertEqual(run.returncode, 1, stderr)
        self.assertLess(len(self.blocks()), 10)
        return stderr

    def test_a_file_of_weights_that_is_replaced_ends_the_run(self):
        def replace(weights):
            copy = weights.with_suffix(".new")
            shutil.copyfile(weights, copy)
            copy.rename(weights)
        self.assertIn("was changed, replaced or removed while it was in use", self.changed_during_sampling(replace))

    def test_a_file_of_weights_that_is_cut_short_ends_the_run(self):
        self.assertIn("was cut short", self.changed_during_sampling(lambda weights: os.truncate(weights, 1000)))


if __name__ == "__main__":
    driver.main()
