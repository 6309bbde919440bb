"""A judging reward that falls while the reward rises: the warning, the end of the run, and that it ends there again."""
import json
import pathlib
import subprocess

import driver
from diffusers_test import PYTHON

MINI = (driver.ROOT / "tests/pipelines/mini.toml").read_text()
# Gives every sample the same score: its argument.
CONSTANT = """
import json, struct, sys
def receive():
    lengths = sys.stdin.buffer.read(16)
    if len(lengths) < 16:
        sys.exit()
    _, header, payload = struct.unpack("<4sIQ", lengths)
    text = sys.stdin.buffer.read(header)
    sys.stdin.buffer.read(payload)
    return json.loads(text)
def send(header, payload=b""):
    text = json.dumps(header).encode()
    sys.stdout.buffer.write(struct.pack("<4sIQ", b"ESPL", len(text), len(payload)) + text + payload)
    sys.stdout.buffer.flush()
score = float(sys.argv[1])
receive()
send({"type": "ready", "protocol": 1, "identity": f"constant {score}"})
while True:
    header = receive()
    send({"type": "scores", "batch": header["batch"], "count": header["count"]}, struct.pack("<d", score) * header["count"])
"""
ROUNDS = """
[rounds]
count = 3
stages = ["pool", "quality", "best", "graft", "after", "after_reward", "after_judge", "guard"]
start = "blank"
next = "graft"

[[stage]]
tag = "guard"
type = "metric.reward_summary"
inputs = { scores = "after_reward", baseline = "before_reward", judge = ["before_judge", "after_judge"] }
[stage.options]
stop_when_hacked = true
"""

DIVERSITY = f"""name = "diversity"
seed = 3
[domain]
type = "domain.text_to_image"
[domain.options]
prompts = "shapes"
[models]
base = "{driver.ROOT}/datasets/models/shapes-base"
[defaults."sampler.ddim"]
max_conditions = 8
samples_per_condition = 6
num_inference_steps = 4
[[stage]]
tag = "plain"
type = "sampler.ddim"
inputs = {{ model = "base" }}
options = {{ guidance_scale = 1.0 }}
[[stage]]
tag = "guided"
type = "sampler.ddim"
inputs = {{ model = "base" }}
options = {{ guidance_scale = 4.0 }}
[[stage]]
tag = "diversity"
type = "metric.diversity"
inputs = {{ samples = ["plain", "guided"] }}
options = {{ near_duplicate_distance = 0.1 }}
"""
BY_NUMPY = """
import itertools, json, pathlib, sys
import numpy
from PIL import Image
folder = pathlib.Path(sys.argv[1])
prompts = {}
for line in (folder / "metadata.jsonl").read_text().splitlines():
    sample = json.loads(line)
    prompts.setdefault((sample["stage"], sample["text"]), []).append(numpy.asarray(Image.open(folder / sample["file_name"])) / 255)
found = {}
for stage in ("plain", "guided"):
    pairs = [[numpy.sqrt(((a - b) ** 2).mean()) for a, b in itertools.combinations(images, 2)]
             for (of, _), images in prompts.items() if of == stage]
    assert [len(one) for one in pairs] == [15] * 8
    found[stage] = [float(numpy.mean(pairs)), float((numpy.array(pairs) < 0.1).mean())]
print(json.dumps(found))
"""


def constant(tag, samples, score):
    return (f'\n[[stage]]\ntag = "{tag}"\ntype = "reward.process"\ninputs = {{ samples = "{samples}" }}\n[stage.options]\n'
            f'command = ["python3", "constant.py", "{score}"]\nidentity = "constant {score}"\n')


def sampler(tag, model):
    return f'\n[[stage]]\ntag = "{tag}"\ntype = "sampler.interleaved"\ninputs = {{ model = "{model}" }}\n'


class Guards(driver.PipelineTest):
    def setUp(self):
        super().setUp()
        (self.folder / "constant.py").write_text(CONSTANT)
        self.file = self.folder / "pipeline.toml"

    def write(self, judged_after):
        text = MINI.replace('tag = "base"\ntype = "trainer.sft"\ninputs = { model = "blank" }',
                            'tag = "unused"\ntype = "trainer.sft"\ninputs = { model = "blank" }').replace('model = "base"', 'model = "blank"')
        rounds = ROUNDS + sampler("after", "graft") + constant("after_reward", "after", 1.0) + constant("after_judge", "after", judged_after)
        # Behind the rounds in the file: what the guard compares with is made before the second round all the same.
        before = sampler("before", "blank") + constant("before_reward", "before", 0.5) + constant("before_judge", "before", 0.75)
        self.file.write_text(text + rounds + before)

    def run_report(self, *arguments):
        return json.loads(self.call("run", "--json", *arguments, pipeline=self.file))

    def test_a_hacked_reward_ends_the_run(self):
        self.write(judged_after=0.25)
        reports = []
        for arguments in ((), ("--quiet",)):  # the second run reuses the findings
            report = self.run_report(*arguments)
            reports.append(report)
            warning = report["warnings"][0]
            self.assertEqual(len(report["warnings"]), 1)
            self.assertEqual(warning["stage"], "guard-r1")
            self.assertIn("the sign of reward hacking: 'after_reward-r1' gained 0.5 [0.5, 0.5] over 'before_reward', while the judge "
                          "'after_judge-r1' lost 0.5 [0.5, 0.5] against 'before_judge'", warning["text"])
            self.assertEqual(self.stderr.count(f"warning: stage 'guard-r1': {warning['text']}"), 1, self.stderr)
            self.assertEqual((report["stopped_by"]["stage"], report["stopped_by"]["reason"]), ("guard-r1", warning["text"]))
            tags = {stage["tag"] for stage in report["stages"]}
            self.assertIn("graft-r1", tags)
            self.assertFalse({tag for tag in tags if tag.endswith(("-r2", "-r3"))})
            self.assertLessEqual({"pool-r2", "graft-r3", "result"}, set(report["stopped_by"]["not_run"]))
            self.assertFalse(tags & set(report["stopped_by"]["not_run"]))
        self.assertEqual({stage["status"] for stage in reports[1]["stages"]}, {"reused"})
        self.assertEqual(len(self.models()), 2)  # round 1's and `unused`, which stands first in the file

        with self.subTest("a person reads why"):
            text = self.call("run", "--quiet", pipeline=self.file)
            self.assertIn("stopped by 'guard-r1': the sign of reward hacking", text)
            self.assertIn("not run: 'pool-r2'", text)

        with self.subTest("a shard runs nothing behind it either"):
            before = self.blocks()
            done = json.loads(self.call("work", "--json", "--quiet", pipeline=self.file))
            self.assertEqual((done["blocks"], done["waiting"], done["stopped_by"]["stage"]), (0, [], "guard-r1"))
            self.assertEqual(self.blocks(), before)

        with self.subTest("without the option the run goes on, with its warnings"):
            report = self.run_report("--quiet", "--set", "guard.stop_when_hacked=false")
            self.assertIsNone(report["stopped_by"])
            self.assertEqual([warning["stage"] for warning in report["warnings"]], ["guard-r1", "guard-r2", "guard-r3"])

        with self.subTest("a shard waits for the round's guard"):
            cache = self.folder / "other_cache"
            self.call("run", "--quiet", "--set", "rounds.count=1", "--set", "guard.resamples=300", pipeline=self.file, cache=cache)
            done = json.loads(self.call("work", "--json", "--quiet", pipeline=self.file, cache=cache, code=76))
            self.assertEqual(done["blocks"], 0)
            self.assertIn("pool-r2", done["waiting"])  # its inputs are there, and guard-r1, with other resamples, is not

    def test_a_judge_that_follows_stops_nothing(self):
        self.write(judged_after=1.0)
        report = self.run_report("--quiet")
        self.assertIsNone(report["stopped_by"])
        self.assertEqual(report["warnings"], [])
        gains = {scalar["stage"]: scalar["value"] for scalar in report["scalars"] if scalar["quantity"] == "judge_gain"}
        self.assertEqual(gains, {"guard-r1": 0.25, "guard-r2": 0.25, "guard-r3": 0.25})

    def test_a_wrong_judge_is_refused(self):
        self.write(judged_after=1.0)
        text = self.file.read_text()
        self.file.write_text(text.replace('judge = ["before_judge", "after_judge"]', 'judge = ["after_judge"]'))
        self.call("plan", pipeline=self.file, code=2)
        self.assertIn("no judge scores the samples of 'before', which 'before_reward' is of", self.stderr)
        self.file.write_text(text.replace('judge = ["before_judge", "after_judge"]', 'judge = ["before_judge", "quality", "after_judge"]'))
        self.call("plan", pipeline=self.file, code=2)
        self.assertRegex(self.stderr, r"the judge 'quality-r\d' scores the samples of 'pool-r\d', but scores and baseline are of 'after-r\d', 'before'")

    def test_diversity_of_exported_images_is_numpys(self):
        if not pathlib.Path(PYTHON).exists():
            self.skipTest("needs the Python peers: scripts/setup --peers")
        self.file.write_text(DIVERSITY)
        report = json.loads(self.call("run", "--json", "--quiet", pipeline=self.file))
        folder = next((self.folder / "runs/diversity").iterdir()) / "samples"
        done = subprocess.run([PYTHON, "-c", BY_NUMPY, folder], capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, 0, done.stderr)
        values = {(scalar["quantity"], scalar["about"]["stage"]): scalar["value"] for scalar in report["scalars"]}
        found = json.loads(done.stdout)
        for stage, (distance, near) in found.items():
            self.assertAlmostEqual(values["pairwise_distance", stage], distance, places=12)
            self.assertAlmostEqual(values["near_duplicate_share", stage], near, places=12)
        self.assertGreater(found["plain"][0], 0.0)
        self.assertAlmostEqual(values["pairwise_distance_difference", "guided"], found["guided"][0] - found["plain"][0], places=12)


if __name__ == "__main__":
    driver.main()
