"""Prompts from files: conditions with metadata, per-category tables, and stages that need examples."""
import gzip
import hashlib
import json
import os
import pathlib
import shutil
import tomllib

import driver
from driver import ROOT

PIPELINE = """
name = "prompts"
seed = 7
[domain]
type = "domain.text_to_image"
[domain.options]
{domain}
[models]
base = "datasets/models/shapes-base"
[[stage]]
tag = "samples"
type = "sampler.ddim"
inputs = {{ model = "base" }}
[stage.options]
split = "train"
max_conditions = {count}
samples_per_condition = 2
num_inference_steps = 2
[[stage]]
tag = "alignment"
type = "reward.shape_checker"
inputs = {{ samples = "samples" }}
[[stage]]
tag = "summary"
type = "metric.reward_summary"
inputs = {{ scores = "alignment" }}
[stage.options]
group_by = ["relation"]
"""

RELATIONS = ["above", "below", "left of", "right of"]


def world_prompts():
    """A few prompts in the words of the shapes world, with its metadata."""
    for i, relation in enumerate(RELATIONS * 2):
        colours, shapes = [["red", "blue"], ["green", "yellow"]][i % 2], [["circle", "square"], ["triangle", "circle"]][i // 4]
        text = f"a {colours[0]} {shapes[0]} {relation} a {colours[1]} {shapes[1]}"
        yield {"prompt": text, "colours": colours, "shapes": shapes, "relation": relation}


class Prompts(driver.PipelineTest):
    def pipeline(self, domain, count=0):
        path = self.folder / "prompts.toml"
        path.write_text(PIPELINE.format(domain=domain, count=count))
        return path

    def run_file(self, records):
        (self.folder / "prompts.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))
        pipeline = self.pipeline('prompts = "files"\ntrain = ["prompts.jsonl"]')
        return json.loads(self.call("run", "--json", "--quiet", pipeline=pipeline)), pipeline

    def table(self, report):
        tables = [table for table in report["tables"] if table["name"] == "reward_by_relation"]
        self.assertEqual(len(tables), 1)
        return tables[0]

    def test_categories_reach_the_report(self):
        report, _ = self.run_file(world_prompts())
        table = self.table(report)
        names = [column["name"] for column in table["columns"]]
        self.assertEqual(names, ["relation", "scores", "conditions", "samples", "reward", "reward_low", "reward_high"])
        rows = [dict(zip(names, row, strict=True)) for row in table["rows"]]
        self.assertEqual([row["relation"] for row in rows], RELATIONS)
        self.assertEqual({(row["conditions"], row["samples"]) for row in rows}, {(2, 4)})
        reward = next(scalar["value"] for scalar in report["scalars"] if scalar["name"] == "reward")
        self.assertAlmostEqual(sum(row["reward"] for row in rows) / 4, reward)
        page = next((self.folder / "runs").glob("*/*/report.html")).read_text()
        self.assertIn("reward by relation", page)
        self.assertIn("left of", page)

    def test_what_is_left_out_is_in_the_notes_of_validate_and_of_the_report(self):
        records = list(world_prompts())
        report, pipeline = self.run_file(records + records[:3])
        checked = json.loads(self.call("validate", "--json", pipeline=pipeline))
        for notes in (checked["domain_notes"], report["provenance"]["domain_notes"]):
            self.assertTrue(any(note.startswith("train: 3 prompts of 11 left out") for note in notes), notes)

    def test_a_key_that_no_prompt_has_is_refused_before_anything_is_sampled(self):
        self.run_file(world_prompts())
        self.call("plan", "--set", 'summary.group_by=["relatoin"]', code=2, pipeline=self.folder / "prompts.toml")
        self.assertIn("group_by names 'relatoin', which no prompt of 'alignment' has in its metadata; did you mean 'relation'?", self.stderr)

    def test_stages_that_need_examples_are_refused(self):
        (self.folder / "a.txt").write_text("a red circle above a blue square\n")
        pipeline = self.pipeline('prompts = "files"\ntrain = ["a.txt"]')
        with pipeline.open("a") as out:
            out.write('[[stage]]\ntag = "trained"\ntype = "trainer.sft"\ninputs = { model = "base" }\n')
            out.write('[[stage]]\ntag = "distance"\ntype = "metric.frechet_distance"\ninputs = { samples = "samples" }\n')
        self.call("validate", code=2, pipeline=pipeline)
        for tag in ("trained", "distance"):
            self.assertIn(f"stage '{tag}': domain.text_to_image: its data are prompts without images", self.stderr)

    def test_a_faulty_file_is_named_with_its_line(self):
        (self.folder / "a.csv").write_text("id,prompt\n1,a cat\n2\n")
        self.call("validate", code=2, pipeline=self.pipeline('prompts = "files"\ntrain = ["a.csv"]'))
        self.assertIn("domain.text_to_image cannot be opened: a.csv:3: the row has 1 column, the header 2", self.stderr)

    def test_published_files_are_those_of_the_manifest(self):
        data = pathlib.Path(os.environ.get("ESPALIER_DATA") or "/nonexistent") / "prompts"
        if not data.is_dir():
            self.skipTest("ESPALIER_DATA names no folder with prompts")
        manifest = tomllib.loads((ROOT / "datasets/manifest.toml").read_text())
        files = next(entry["files"] for entry in manifest["dataset"] if entry["name"] == "prompts")
        self.assertGreater(len(files), 40)
        for file in files:
            content = (data / file["path"]).read_bytes()
            self.assertEqual((len(content), hashlib.sha256(content).hexdigest()), (file["bytes"], file["sha256"]), file["path"])

    def test_compbench_is_valid(self):
        data = pathlib.Path(os.environ.get("ESPALIER_DATA") or "/nonexistent")
        for name in ("prompts", "clip_bpe"):
            if not (data / name).is_dir():
                self.skipTest(f"ESPALIER_DATA names no folder with {name}")
        model = self.folder / "model"
        shutil.copytree(ROOT / "datasets/models/shapes-blank", model)
        write_clip_tokenizer(data / "clip_bpe/bpe_simple_vocab_16e6.txt.gz", model / "tokenizer")
        checked = json.loads(self.call("validate", "--json", "--set", f"models.base={model}", pipeline=ROOT / "plugins/domain/text_to_image/compbench.toml"))
        notes = "\n".join(checked["domain_notes"])
        self.assertIn("6 prompts of held_out are in train too", notes)
        self.assertIn("train: 41 prompts of 5600 left out", notes)
        self.call("validate", "--set", f"models.base={model}", "--set", "domain.on_overlap=error", code=2,
                  pipeline=ROOT / "plugins/domain/text_to_image/compbench.toml")
        self.assertIn("6 prompts of held_out are in train too", self.stderr)


def write_clip_tokenizer(archive, folder):
    """CLIP's vocab.json and merges.txt, as its authors derive them from the published list of merges."""
    lines = gzip.open(archive, "rt", encoding="utf-8").read().split("\n")
    merges = lines[1:49152 - 256 - 2 + 1]
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    symbols = [chr(b) for b in printable] + [chr(256 + i) for i in range(256 - len(printable))]
    tokens = symbols + [s + "</w>" for s in symbols] + ["".join(m.split()) for m in merges] + ["<|startoftext|>", "<|endoftext|>"]
    (folder / "vocab.json").write_text(json.dumps({token: i for i, token in enumerate(tokens)}, ensure_ascii=False), encoding="utf-8")
    (folder / "merges.txt").write_text("#version: 0.2\n" + "\n".join(merges) + "\n", encoding="utf-8")
    settings = json.loads((folder / "tokenizer_config.json").read_text())
    (folder / "tokenizer_config.json").write_text(json.dumps({**settings, "model_max_length": 77}))


if __name__ == "__main__":
    driver.main()
