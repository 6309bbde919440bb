"""Errors of the file and the folders are refused before anything is sampled: by `validate` where one stage shows them, else by `plan`."""
import json

import driver

CARDS = """name = "x"
seed = 1
[domain]
type = "domain.text_to_image"
[domain.options]
prompts = "folder"
data = "datasets/colour_cards"
[models]
blank = { folder = "datasets/models/shapes-blank", initialize_weights = true }
[defaults."sampler.ddim"]
num_inference_steps = 2
guidance_scale = 1.0
"""
SHAPES = CARDS.replace('"folder"\ndata = "datasets/colour_cards"', '"shapes"')
MOLECULES = """name = "x"
seed = 1
[domain]
type = "domain.molecule"
[domain.options]
source = "smiles"
data = "list.smi"
[models]
blank = { folder = "datasets/models/molecule-blank-small", initialize_weights = true }
"""
LAYOUTS = """name = "x"
seed = 1
[domain]
type = "domain.layout"
[domain.options]
max_boxes = 8
num_pages = 16
num_conditions = 4
[models]
blank = { folder = "datasets/models/layout-blank-small", initialize_weights = true }
"""


def stage(tag, kind, inputs, **options):
    lines = [f'[[stage]]\ntag = "{tag}"\ntype = "{kind}"\ninputs = {{ {inputs} }}\n[stage.options]\n']
    return "".join(lines + [f"{name} = {value}\n" for name, value in options.items()])


PROGRAM = {"command": '["no-such-program"]', "identity": '"x"'}
SAMPLES = stage("samples", "sampler.ddim", 'model = "blank"', samples_per_condition=2)
SCORES = SAMPLES + stage("labels", "trainer.classifier", "", width=2) + stage(
    "scores", "reward.classifier", 'samples = "samples", model = "labels"')
DISTANCE = 'samples = "samples", model = "labels"'

# name, the file, words of the message
PLAN = [
    ("k above the group", CARDS + SCORES + stage("best", "filter.top_k", 'scores = "scores"', k=3),
     ["stage 'best'", "k = 3", "a condition has 2 samples"]),
    ("k above all", CARDS + SCORES + stage("best", "filter.top_k", 'scores = "scores"', k=5, group_by='"all"'),
     ["stage 'best'", "k = 5", "4 samples in all"]),
    ("another length of series", CARDS + SCORES + stage("distance", "metric.frechet_distance", DISTANCE, series='["a", "b"]'),
     ["stage 'distance'", "series names 2 lines, but there are 1 samples"]),
    ("count above the split", CARDS + SCORES + stage("distance", "metric.frechet_distance", DISTANCE, split='"train"', count=900),
     ["count = 900, but the split 'train' has"]),
    ("fewer samples than features", CARDS + SAMPLES + stage("labels", "trainer.classifier", "", width=64) +
     stage("distance", "metric.frechet_distance", DISTANCE, split='"train"'), ["256 features need at least 257"]),
    ("no network", CARDS + SAMPLES + stage("distance", "metric.frechet_distance", 'samples = "samples"', split='"train"'),
     ["stage 'distance'", "inception"]),
    ("a denoiser for a classifier", CARDS + SAMPLES + stage("scores", "reward.classifier", 'samples = "samples", model = "blank"'),
     ["stage 'scores'", "denoiser, not a classifier"]),
    ("a baseline of other prompts", CARDS + SCORES + stage("few", "sampler.ddim", 'model = "blank"', max_conditions=1) +
     stage("few_scores", "reward.classifier", 'samples = "few", model = "labels"') +
     stage("summary", "metric.reward_summary", 'scores = "scores", baseline = "few_scores"'),
     ["stage 'summary'", "'scores' (4 scores)", "'few_scores' (1 scores)"]),
    ("an intermediate step of examples", CARDS + stage("base", "trainer.sft", 'model = "blank"', intermediate_step=0.5),
     ["stage 'base'", "intermediate_step is 0.5 but the stage has no selection"]),
    ("a reward temperature of examples", CARDS + stage("base", "trainer.sft", 'model = "blank"', reward_temperature=0.5),
     ["stage 'base'", "reward_temperature is 0.5 but the stage has no scores and no selection"]),
    ("preferences of sets", LAYOUTS + stage("pool", "sampler.interleaved", 'model = "blank"') + stage("scores", "reward.layout_quality", 'samples = "pool"') +
     stage("tuned", "trainer.dpo", 'model = "blank", scores = "scores"'), ["stage 'tuned'", "'interleaved'", "variance_preserving and rectified_flow"]),
    ("prompts without labels", SHAPES + SCORES, ["stage 'labels'", "has no fact 'label'"]),
    ("pages above the split", LAYOUTS + stage("pool", "sampler.interleaved", 'model = "blank"') +
     stage("quality", "metric.layout_quality", 'samples = "pool"', split='"train"', count=900), ["stage 'quality'", "count = 900, but the split"]),
]
VALIDATE = [
    ("molecules for images", LAYOUTS + stage("pool", "sampler.interleaved", 'model = "blank"') +
     stage("quality", "metric.molecule_quality", 'samples = "pool"'), ["stage 'quality'", "takes samples of kind 'molecule', but domain.layout gives 'layout'"]),
    ("a missing file of weights", CARDS + SAMPLES + stage("distance", "metric.frechet_distance", 'samples = "samples"', inception='"none.safetensors"'),
     [":19:1: stage 'distance'", "none.safetensors"]),
    ("an unsound file of weights", CARDS + SAMPLES + stage("distance", "metric.frechet_distance", 'samples = "samples"', inception='"list.smi"'),
     ["stage 'distance'", "list.smi"]),
    ("a reward without its model", CARDS + SAMPLES + stage("scores", "reward.classifier", 'samples = "samples"'),
     ["stage 'scores'", "the input 'model' is missing"]),
    ("a missing folder of a classifier", CARDS.replace("[models]\n", '[models]\njudge = "none"\n') + SAMPLES +
     stage("scores", "reward.classifier", 'samples = "samples", model = "judge"'), [":9:1: [models]: judge", "none: no such model folder"]),
    ("an unknown descriptor", MOLECULES + stage("pool", "sampler.interleaved", 'model = "blank"') +
     stage("scores", "reward.rdkit_descriptor", 'samples = "pool"', name='"MolLogQ"'), ["stage 'scores'", "MolLogQ", "MolLogP"]),
    ("a missing table of fragments", MOLECULES + stage("pool", "sampler.interleaved", 'model = "blank"') +
     stage("scores", "reward.synthetic_accessibility", 'samples = "pool"', data='"none.gz"'), ["stage 'scores'", "none.gz"]),
    ("weights that are all 0", LAYOUTS + stage("pool", "sampler.interleaved", 'model = "blank"') +
     stage("scores", "reward.layout_quality", 'samples = "pool"', alignment_weight=0, overlap_weight=0, margins_weight=0),
     ["stage 'scores'", "are all 0"]),
    ("scores beside a selection", CARDS + SCORES + stage("best", "filter.top_k", 'scores = "scores"') +
     stage("tuned", "trainer.sft", 'model = "blank", selection = "best", scores = "scores"', reward_temperature=0.5),
     ["stage 'tuned'", "has both inputs 'selection' and 'scores'"]),
    ("weights by batch without a temperature", CARDS + SCORES + stage("tuned", "trainer.sft", 'model = "blank", scores = "scores"', weight_by='"batch"'),
     ["stage 'tuned'", "weight_by is set", "set reward_temperature"]),
    ("preferences without scores", CARDS + SCORES + stage("tuned", "trainer.dpo", 'model = "blank"'), ["stage 'tuned'", "the input 'scores' is missing"]),
    ("a width that the heads do not divide", LAYOUTS + stage("features", "trainer.layout_features", "", width=6),
     ["stage 'features'", "width = 6; it must be a multiple of 4"]),
    ("an unknown field of images", CARDS + SAMPLES + stage("scores", "reward.process", 'samples = "samples"', **PROGRAM, send='["png", "imgae"]'),
     [":26:1: stage 'scores': reward.process names 'imgae' in the option send", "did you mean 'image'?"]),
    ("an unknown field of images without examples", SHAPES + SAMPLES + stage("scores", "reward.process", 'samples = "samples"', **PROGRAM, send='["pixels"]'),
     ["stage 'scores': reward.process names 'pixels'", "known: image, png"]),
    ("an unknown file of molecules", MOLECULES + stage("pool", "sampler.interleaved", 'model = "blank"') +
     stage("numbers", "metric.process", 'samples = "pool"', **PROGRAM, send='["molecules.sfd"]'),
     ["stage 'numbers': metric.process names 'molecules.sfd'", "did you mean 'molecules.sdf'?"]),
    ("an unknown file of layouts", LAYOUTS + stage("pool", "sampler.interleaved", 'model = "blank"') +
     stage("scores", "reward.process", 'samples = "pool"', **PROGRAM, send='["layout.jsonl"]'),
     ["stage 'scores': reward.process names 'layout.jsonl'", "did you mean 'layouts.jsonl'?"]),
]
# Of each domain all that it can send.
SENT = [
    (CARDS + SAMPLES, "samples", ["image", "png"]),
    (MOLECULES + stage("pool", "sampler.interleaved", 'model = "blank"'), "pool", ["smiles", "molecules.sdf", "molecules.xyz", "molecules.smi", "png"]),
    (LAYOUTS + stage("pool", "sampler.interleaved", 'model = "blank"'), "pool", ["layouts.jsonl", "png"]),
]


class LateRefusals(driver.PipelineTest):
    def refuse(self, command, text, words):
        (self.folder / "list.smi").write_text("C\nCC\nCCO\n")
        path = self.folder / "late.toml"
        path.write_text(text)
        self.call(command, pipeline=path, code=2)
        for word in words:
            self.assertIn(word, self.stderr)
        self.assertFalse(self.cache.exists())

    def test_plan_refuses(self):
        for name, text, words in PLAN:
            with self.subTest(name):
                self.refuse("plan", text, words)

    def test_validate_refuses(self):
        for name, text, words in VALIDATE:
            with self.subTest(name):
                self.refuse("validate", text, words)

    def test_what_is_right_is_planned(self):
        path = self.folder / "right.toml"
        path.write_text(CARDS + SCORES + stage("best", "filter.top_k", 'scores = "scores"', k=2) +
                        stage("summary", "metric.reward_summary", 'scores = "scores", baseline = "scores"'))
        self.call("plan", pipeline=path)

    def test_training_on_scores_is_planned_to_the_end(self):
        path = self.folder / "scored.toml"
        path.write_text(CARDS + SCORES + stage("weighted", "trainer.sft", 'model = "blank", scores = "scores"', reward_temperature=0.5, intermediate_step=1) +
                        stage("preferred", "trainer.dpo", 'model = "blank", scores = "scores"') +
                        stage("again", "sampler.ddim", 'model = ["weighted", "preferred"]'))
        self.call("plan", pipeline=path)

    def test_what_a_program_can_be_sent_is_accepted(self):
        (self.folder / "list.smi").write_text("C\nCC\nCCO\n")
        path = self.folder / "sent.toml"
        for text, samples, names in SENT:
            with self.subTest(text):
                path.write_text(text + stage("scores", "reward.process", f'samples = "{samples}"', **PROGRAM, send=json.dumps(names)))
                self.call("validate", pipeline=path)


if __name__ == "__main__":
    driver.main()
