"""pipelines/studies/sd2_pgraft.toml as it is, on the whole prompt sets (planned) and on a few prompts (run), of small folders of Stable
Diffusion 2 base and SDXL."""
import io
import json
import os
import pathlib
import shutil
import struct
import subprocess
import sys
import unittest

import diffusers_test
import driver
from diffusers_test import PYTHON
from driver import ROOT

STUDY = ROOT / "pipelines/studies/sd2_pgraft.toml"
BASE, SDXL = "sd21_base", "sdxl_base"
STEPS, GUIDANCE = 4, 7.5
ROWS = ("base", "control", "graft", "pgraft_25", "pgraft_50", "policy", "sdxl")
TUNED = ("control", "graft", "pgraft_25", "pgraft_50")
# In place of VQAScore, whose weights are not here: the kilobytes of a JPEG file, by a program too.
STAND_IN = {"command": json.dumps([str(PYTHON), str(ROOT / "python/adapters/jpeg_size.py")]), "identity": "jpeg-size 1, quality 95",
            "environment": json.dumps([f"PYTHONPATH={ROOT / 'python/espalier_reward'}"])}
PROMPTS = {
    "train.jsonl": [("a green bench and a red car", "color"), ("two cats on a mat", "numeracy"), ("a dog left of a chair", "spatial")],
    "compbench.jsonl": [("a blue boat and a white gull", "color"), ("a red book and a yellow vase", "color"), ("a dog right of a tree", "spatial")],
    "geneval.jsonl": [("a photo of four clocks", "counting"), ("a photo of a bench", "single_object"), ("a photo of a cow", "single_object")],
}


def data(name):
    folder = pathlib.Path(os.environ.get("ESPALIER_DATA") or "/nonexistent") / name
    if not folder.is_dir():
        raise unittest.SkipTest(f"ESPALIER_DATA names no folder with {name}")
    return folder


def python(script, *words):
    done = subprocess.run([PYTHON, script, *map(str, words)], env=diffusers_test.peers_environment() | {"OMP_NUM_THREADS": "1"}, capture_output=True, text=True)
    if done.returncode != 0:
        raise AssertionError(done.stderr)
    return done.stdout.splitlines()[-1:]


def kilobytes(images):
    """In the peers' Python: the mean size of the images' files as DDPO's reward has them."""
    from PIL import Image

    sizes = []
    for path in sorted(pathlib.Path(images).glob("*.png")):
        file = io.BytesIO()
        Image.open(path).convert("RGB").save(file, format="JPEG", quality=95)
        sizes.append(file.tell() / 1000)
    print(json.dumps([len(sizes), sum(sizes) / len(sizes)]))


class Sd2Pgraft(driver.PipelineTest):
    @classmethod
    def setUpClass(cls):
        if not PYTHON.exists():
            raise unittest.SkipTest("the peers are not installed: scripts/setup --peers")
        data("clip_bpe")
        cls.models = pathlib.Path(driver.tempfile.mkdtemp(prefix="espalier-small-"))
        python(ROOT / "tests/pipelines/small_folders.py", cls.models, data("diffusers_folders"), BASE, SDXL)

    @classmethod
    def tearDownClass(cls):
        shutil.rmtree(cls.models, ignore_errors=True)

    def settings(self, **options):
        options = {"models.base.folder": self.models / BASE, "models.sdxl.folder": self.models / SDXL, "device.type": "cpu",
                   "device.dtype": "float32"} | options
        return [word for name, value in options.items() for word in ("--set", f"{name}={value}")]

    def few(self):  # the policy gradient in two rounds of two updates
        """Of three training and six held-out prompts, a few steps, and a training that shows."""
        for name, lines in PROMPTS.items():
            entries = [{"prompt": prompt, "category": category, "prompts": name.split(".")[0]} for prompt, category in lines]
            (self.folder / name).write_text("".join(json.dumps(entry) + "\n" for entry in entries))
        options = {"domain.train": '["train.jsonl"]', "domain.held_out": '["compbench.jsonl", "geneval.jsonl"]'}
        options |= {f"{tag}.{name}": value for tag in TUNED for name, value in
                    {"max_train_steps": 3, "gradient_accumulation_steps": 1, "learning_rate": 0.01, "lr_warmup_steps": 0}.items()}
        options |= {f"{tag}_samples.num_inference_steps": STEPS for tag in ROWS} | {"samples.num_inference_steps": STEPS}
        options |= {"rounds.count": 2, "policy_pool.num_inference_steps": STEPS, "policy.max_train_steps": 2, "policy.learning_rate": 0.01}
        options["sdxl_samples.block_size"] = 8  # a report has the images of the first block
        options |= {f"{tag}.{name}": value for tag in ("score", "policy_reward", *(f"{row}_score" for row in ROWS)) for name, value in STAND_IN.items()}
        return self.settings(**options, **{"pgraft_25_samples.record_steps": f"[{STEPS}]", "pgraft_25_samples.eta": 0})

    def adapter(self, stages, tag):
        return self.cache / "results/model" / stages[tag]["key"][:2] / stages[tag]["key"]

    def test_the_published_prompts_are_sampled_by_every_row(self):
        data("prompts")
        plan = json.loads(self.call("plan", "--json", *self.settings(), pipeline=STUDY))
        samples = {stage["tag"]: stage["samples"] for stage in plan["stages"] if stage["action"] == "run" and stage["samples"]}
        held_out = 2400 + 553
        self.assertEqual(samples, {"samples": 4 * 5559, "score": 4 * 5559, "best": 4 * 5559, "any": 4 * 5559,
                                   "policy_pool-r1": 5559, "policy_reward-r1": 5559, "base_samples": held_out, "base_score": held_out, "sdxl_samples": held_out, "sdxl_score": held_out})
        self.assertEqual({stage["tag"] for stage in plan["stages"] if "pending" in stage["because"]},
                         {*TUNED, *(f"{tag}_{what}" for tag in (*TUNED, "policy") for what in ("samples", "score")), "over_base", "over_control",
                          *(f"{tag}-r{number}" for number in (2, 3, 4) for tag in ("policy_pool", "policy_reward", "policy"))})

    def test_a_run_compares_all_rows_by_prompt_set_and_category(self):
        report = json.loads(self.call("run", "--json", "--quiet", *self.few(), pipeline=STUDY))
        stages = {stage["tag"]: stage for stage in report["stages"]}
        self.check_findings(report)
        self.check_adapters(stages)
        again = json.loads(self.call("run", "--json", "--quiet", *self.few(), pipeline=STUDY))
        self.assertEqual({stage["status"] for stage in again["stages"]}, {"reused"})
        self.check_images(report)
        self.check_stitched(stages)

    def check_findings(self, report):
        scalars = {(one["stage"], one["name"]): one["value"] for one in report["scalars"]}
        self.assertEqual({name for stage, name in scalars if stage == "over_base" and name.startswith("reward.")}, {f"reward.{row}_score" for row in ROWS})
        self.assertEqual({name for stage, name in scalars if stage == "over_control" and name.startswith("gain_over_control.")},
                         {f"gain_over_control.{row}_score" for row in ("graft", "pgraft_25", "pgraft_50", "policy")})
        self.check_table(report, "prompts", {"compbench": 3, "geneval": 3})
        self.check_table(report, "category", {"color": 2, "counting": 1, "single_object": 2, "spatial": 1})

    def check_table(self, report, key, counts):
        table, = (table for table in report["tables"] if (table["stage"], table["name"]) == ("over_base", f"reward_by_{key}"))
        self.assertEqual([column["name"] for column in table["columns"]][:4], [key, "scores", "conditions", "samples"])
        gain = [column["name"] for column in table["columns"]].index("gain")
        self.assertEqual({tuple(row[:3]) for row in table["rows"]}, {(value, f"{row}_score", count) for value, count in counts.items() for row in ROWS})
        gains = {row[gain] for row in table["rows"] if row[1] == "graft_score"}
        self.assertGreater(len(gains), 1, "every prompt gained the same")

    def segments(self, stage):
        recipe, = self.cache.glob(f"sets/*/{stage['key']}/recipe.json")
        return json.loads(recipe.read_text())["phases"][0]["segments"]

    def check_adapters(self, stages):
        base = self.segments(stages["base_samples"])[0]["digest"]
        for tag, last_step in zip(TUNED, (0, 0, 0.25, 0.5)):
            about = json.loads((self.adapter(stages, tag) / "espalier.json").read_text())
            self.assertEqual((about["base"], about["last_step"]), (base, last_step))
        policy = json.loads((self.adapter(stages, "policy-r2") / "espalier.json").read_text())
        self.assertEqual((policy["base"], policy["last_step"]), (base, 0))
        self.assertEqual(len({self.segments(stages[f"{tag}_samples"])[0]["digest"] for tag in (*TUNED, "policy")} | {base}), 6)
        stitched = self.segments(stages["pgraft_50_samples"])
        self.assertEqual([segment["digest"] == base for segment in stitched], [False, True])

    def check_images(self, report):
        scalars = {one["name"]: one["value"] for one in report["scalars"] if one["stage"] == "over_base"}
        samples = sorted((self.folder / "runs/sd2-pgraft").glob("*/samples"))[0]
        for row, side in (("base", 64), ("pgraft_25", 64), ("sdxl", 128)):
            images = samples / f"{row}_samples"
            self.assertEqual({struct.unpack(">II", path.read_bytes()[16:24]) for path in images.glob("*.png")}, {(side, side)})
            count, mean = json.loads(python(__file__, "kilobytes", images)[0])
            self.assertEqual(count, 6)
            self.assertAlmostEqual(scalars[f"reward.{row}_score"], mean, places=6)

    def check_stitched(self, stages):
        """The lines of docs/stable_diffusion.md sample what Espalier samples."""
        copy = self.folder / "my-lora"
        copy.mkdir()
        for name in ("pytorch_lora_weights.safetensors", "espalier.json"):
            shutil.copyfile(self.adapter(stages, "pgraft_25") / name, copy / name)
        block, = self.cache.glob(f"sets/*/{stages['pgraft_25_samples']['key']}/data/*.h5")
        prompts = [prompt for name in ("compbench.jsonl", "geneval.jsonl") for prompt, _ in PROMPTS[name]]
        found = json.loads(python(ROOT / "tests/pipelines/sample_stitched.py", self.models / BASE, copy, block, json.dumps(prompts), GUIDANCE)[0])
        print(found, file=sys.stderr)
        self.assertEqual(found["steps"], STEPS)
        for wrong in ("all steps", "a step later", "a step earlier"):
            self.assertGreater(found[wrong], 100 * found["stitched"], wrong)


if __name__ == "__main__":
    if sys.argv[1:2] == ["kilobytes"]:
        kilobytes(sys.argv[2])
    else:
        unittest.main()
