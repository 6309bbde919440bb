"""Rewards and metrics that are Python programs, through the whole of the program: python/espalier_reward and python/adapters, and what
docs/rewards.md promises of failures."""
import json
import os
import pathlib
import shutil
import subprocess
import sys
import unittest

import driver
from diffusers_test import PYTHON
from driver import ROOT

ADAPTERS = ROOT / "python/adapters"
JPEG_SIZE, TEXT_READING = (ROOT / f"pipelines/smoke/{name}.toml" for name in ("jpeg_size", "text_reading"))
SAME_SIZE = """
[[stage]]
tag = "plugin"
type = "reward.jpeg_compressibility"
inputs = { samples = "samples" }
[stage.options]
prefer = "large"

[[stage]]
tag = "difference"
type = "metric.reward_summary"
inputs = { scores = "size", baseline = "plugin" }
"""
CARDS = """name = "cards"
seed = 1
[domain]
type = "domain.text_to_image"
[domain.options]
prompts = "folder"
data = "cards"
held_out_fraction = 0.0
[models]
flow = { folder = "flow", initialize_weights = true }
[[stage]]
tag = "cards"
type = "noise_corrector.inverse_noise"
inputs = { model = "flow" }
[stage.options]
max_examples = 4
num_inference_steps = 1
tolerance = 1e3
[[stage]]
tag = "read"
type = "metric.process"
inputs = { samples = "cards" }
[stage.options]
identity = "cards 1"
send = ["png"]
"""
WORDS = {"BREAD": "a red circle above a blue square", "TEA": "a green triangle left of a red square", "OPEN": "a blue circle right of a yellow circle",
         "SOUP": "a purple square below a green circle"}
READS_CARDS = """
from espalier_reward import serve_metric
from text_reading import likeness, plain, read

def measure(samples, prompts, metadata):
    words = dict(zip(WORDS.values(), WORDS))
    return {words[prompt]: likeness(image, plain(words[prompt])) for image, prompt in zip(samples.images(), prompts)}

serve_metric(measure, identity="cards 1")
"""
FAILS_ONCE = """
import pathlib
from espalier_reward import serve

def score(samples, prompts, metadata):
    with open("scored", "a") as file:
        print(*samples.index, file=file)
    if max(samples.index) >= 64 and not pathlib.Path("mended").exists():
        raise ValueError("no score above 64")
    return samples.index

serve(score, identity="index 1")
"""


def draw_cards(folder):
    """In the peers' Python: images of 64 x 64 pixels, each with one of the words, and captions that the model's tokenizer has."""
    from PIL import Image, ImageDraw, ImageFont

    folder = pathlib.Path(folder)
    folder.mkdir()
    lines = []
    for word, caption in WORDS.items():
        image = Image.new("RGB", (64, 64), (250, 245, 230))
        ImageDraw.Draw(image).text((3, 20), word, fill=(20, 20, 80), font=ImageFont.load_default(18))
        image.save(folder / f"{word}.png")
        lines.append(json.dumps({"file_name": f"{word}.png", "text": caption}) + "\n")
    (folder / "metadata.jsonl").write_text("".join(lines))


def mean_reading(images, prompts):
    """In the peers' Python: of a report's images, what the adapter finds without Espalier between them."""
    from PIL import Image
    from text_reading import likeness, plain

    words = [plain(json.loads(line)["text"]) for line in pathlib.Path(prompts).read_text().splitlines()]
    found = [likeness(Image.open(path), words[i % len(words)]) for i, path in enumerate(sorted(pathlib.Path(images).glob("*.png")))]
    print(json.dumps([len(found), sum(found) / len(found)]))


class ProcessRewards(driver.PipelineTest):
    @classmethod
    def setUpClass(cls):
        if not PYTHON.exists():
            raise unittest.SkipTest("the peers are not installed: scripts/setup --peers")

    def setUp(self):
        super().setUp()
        (self.folder / "python").symlink_to(ROOT / "python")

    def in_peers(self, *words):
        environment = os.environ | {"PYTHONPATH": f"{ROOT / 'python/espalier_reward'}:{ADAPTERS}"}
        return subprocess.run([PYTHON, __file__, *words], stdout=subprocess.PIPE, text=True, check=True, env=environment).stdout

    def need_tesseract(self):
        if not shutil.which("tesseract"):
            self.skipTest("tesseract is not installed: scripts/setup --peers")

    def settings(self, tag, program, **options):
        options = {"command": json.dumps([str(PYTHON), str(program)]), "environment": json.dumps([f"PYTHONPATH=python/espalier_reward:{ADAPTERS}"])} | options
        return [word for name, value in options.items() for word in ("--set", f"{tag}.{name}={value}")]

    def run_report(self, pipeline, *words):
        report = json.loads(self.call("run", "--json", "--quiet", *words, pipeline=pipeline))
        self.stages = {stage["tag"]: stage for stage in report["stages"]}
        return {(one["stage"], one["name"]): one for one in report["scalars"]}

    def write(self, name, text):
        path = self.folder / name
        path.write_text(text)
        return path

    def test_jpeg_size_is_the_plugins_score_of_every_prompt(self):
        pipeline = self.write("both.toml", JPEG_SIZE.read_text() + SAME_SIZE)
        scalars = self.run_report(pipeline, *self.settings("size", ADAPTERS / "jpeg_size.py"))
        self.assertGreater(scalars["sizes", "kilobytes"]["value"], 0.5)
        gain = scalars["difference", "gain"]
        self.assertEqual([gain["value"], gain["low"], gain["high"]], [0, 0, 0])

    def test_what_is_in_the_cache_needs_no_program(self):
        first = self.run_report(JPEG_SIZE, *self.settings("size", ADAPTERS / "jpeg_size.py"))
        again = self.run_report(JPEG_SIZE, *self.settings("size", "nowhere.py", workers=3, batch_size=5))
        self.assertEqual({stage["status"] for stage in self.stages.values()}, {"reused"})
        self.assertEqual(first["sizes", "kilobytes"]["value"], again["sizes", "kilobytes"]["value"])

    def test_workers_and_batches_change_no_score(self):
        found = set()
        for number, options in enumerate(({}, {"workers": 3, "batch_size": 5}, {"send": '["png"]'})):
            self.cache = self.folder / f"cache{number}"
            scalars = self.run_report(JPEG_SIZE, *self.settings("size", ADAPTERS / "jpeg_size.py", **options))
            found.add(scalars["sizes", "kilobytes"]["value"])
        self.assertEqual(len(found), 1)

    def test_another_identity_is_refused(self):
        self.call("run", "--quiet", *self.settings("size", ADAPTERS / "jpeg_size.py", identity="jpeg-size 2"), pipeline=JPEG_SIZE, code=2)
        self.assertIn("jpeg-size 1, quality 95", self.stderr)
        self.assertIn("jpeg-size 2", self.stderr)

    def test_a_failure_never_becomes_a_number_and_costs_no_block_that_was_scored(self):
        words = self.settings("size", self.write("fails.py", FAILS_ONCE), identity="index 1")
        self.call("run", "--quiet", *words, pipeline=JPEG_SIZE, code=1)
        self.assertIn("ValueError: no score above 64", self.stderr)
        tried = (self.folder / "scored").read_text().splitlines()
        self.assertEqual(len(tried), 3, "the block that fails is tried once more")
        failing, = {block for block in tried if tried.count(block) == 2}
        self.write("mended", "")
        self.write("scored", "")
        scalars = self.run_report(JPEG_SIZE, *words)
        self.assertEqual((self.folder / "scored").read_text().splitlines(), [failing])
        self.assertEqual(scalars["sizes", "kilobytes"]["value"], 95 / 2)

    def test_text_reading_scores_the_images_that_the_report_shows(self):
        self.need_tesseract()
        version = subprocess.run(["tesseract", "--version"], capture_output=True, text=True, check=True).stdout.split()[1]
        scalars = self.run_report(TEXT_READING, *self.settings("reading", ADAPTERS / "text_reading.py", identity=f"text-reading 1, tesseract {version}"))
        images, = (self.folder / "runs/text-reading").glob("*/samples/samples")
        count, mean = json.loads(self.in_peers("reading", images, ROOT / "datasets/signs.jsonl"))
        self.assertEqual(count, 8)
        self.assertAlmostEqual(scalars["readings", "text_read"]["value"], mean, places=12)

    def test_drawn_text_is_read_through_a_metric(self):
        """No sampler here writes text; the images of a data set reach a metric as what a noise corrector starts from."""
        self.need_tesseract()
        self.in_peers("cards", self.folder / "cards")
        shutil.copytree(ROOT / "datasets/models/shapes-flow-blank", self.folder / "flow")
        config = self.folder / "flow/unet/config.json"
        config.write_text(json.dumps(json.loads(config.read_text()) | {"sample_size": 64}))
        program = self.write("reads.py", f"WORDS = {WORDS!r}\n{READS_CARDS}")
        pipeline = self.write("cards.toml", CARDS + f'command = ["{PYTHON}", "{program}"]\n')
        scalars = self.run_report(pipeline, *self.settings("read", program))
        self.assertEqual({name: one["value"] for (_, name), one in scalars.items()}, dict.fromkeys(WORDS, 1))


if __name__ == "__main__":
    if sys.argv[1:2] == ["cards"]:
        draw_cards(sys.argv[2])
    elif sys.argv[1:2] == ["reading"]:
        mean_reading(*sys.argv[2:])
    else:
        unittest.main()
