"""Every pipeline of pipelines/smoke runs; every study is valid; every plugin's example runs where it needs no data."""
import glob
import hashlib
import json
import os
import pathlib
import struct
import unittest

import driver
from driver import ROOT


def data_folder(name):
    base = os.environ.get("ESPALIER_DATA")
    return bool(base) and (pathlib.Path(base) / name).is_dir()


class Smoke(driver.PipelineTest):
    def test_shapes_pgraft_gives_the_demos_scalars(self):
        self.run_json()
        names = {(f["stage"], f["name"]) for f in self.report["scalars"]}
        self.assertIn(("base_result", "held_out_reward"), names)
        for model in ("graft", "pgraft_25", "pgraft_50"):
            self.assertIn((model + "_result", "held_out_reward"), names)
            self.assertIn((model + "_result", "held_out_gain"), names)
        for plugin in self.report["provenance"]["plugins"].values():
            self.assertEqual(plugin["sha256"], hashlib.sha256(pathlib.Path(plugin["library"]).read_bytes()).hexdigest())

    def test_fashion_pgraft(self):
        pipeline = ROOT / "pipelines/smoke/fashion_pgraft.toml"
        if not data_folder("fashion_mnist"):
            self.skipTest("the Fashion-MNIST files are not here; name their folder's parent in ESPALIER_DATA")
        self.call("run", "--quiet", pipeline=pipeline)

    def test_molecule(self):
        pipeline = ROOT / "pipelines/smoke/molecule.toml"
        conformers = self.folder / "conformers"
        arguments = ("run", "--json", "--quiet", "--set", f"domain.conformer_cache={conformers}")
        report = json.loads(self.call(*arguments, pipeline=pipeline))
        scalars = {(f["stage"], f["name"]): f["value"] for f in report["scalars"]}
        for sampled in ("base_samples", "graft_samples", "pgraft_25_samples"):
            self.assertIn(("quality", "molecule_stability." + sampled), scalars)
        self.assertGreater(scalars["quality", "data_molecule_stability"], 0.8)
        self.assertEqual(len(list(conformers.glob("*.safetensors"))), 1)
        self.assertEqual(report["provenance"]["domain_notes"], [])

    def test_records_left_out_are_reported(self):
        (self.folder / "list.smi").write_text("C\nCCl\nO\n")
        pipeline = self.folder / "skip.toml"
        pipeline.write_text(f"""name = "skip"
seed = 1
[domain]
type = "domain.molecule"
[domain.options]
source = "smiles"
data = "{self.folder}/list.smi"
on_error = "skip"
max_atoms = 11
conformer_cache = "{self.folder}/conformers"
[models]
blank = {{ folder = "datasets/models/molecule-blank-small", initialize_weights = true }}
[[stage]]
tag = "samples"
type = "sampler.interleaved"
inputs = {{ model = "blank" }}
[stage.options]
split = "train"
max_conditions = 2
""")
        checked = json.loads(self.call("validate", "--json", pipeline=pipeline))
        report = json.loads(self.call("run", "--json", "--quiet", pipeline=pipeline))
        for notes in (checked["domain_notes"], report["provenance"]["domain_notes"]):
            self.assertEqual(len(notes), 1)
            self.assertIn("1 skipped", notes[0])
            self.assertIn("record 2: 'CCl'", notes[0])

    def test_layout(self):
        report = json.loads(self.call("run", "--json", "--quiet", pipeline=ROOT / "pipelines/smoke/layout.toml"))
        scalars = {(f["stage"], f["name"]): f["value"] for f in report["scalars"]}
        for model in ("base", "graft", "pgraft_25"):
            self.assertIn((model + "_result", "quality"), scalars)
            self.assertIn(("layout", f"overlap.{model}_samples"), scalars)
        self.assertEqual(scalars["layout", "data_overlap"], 0.0)  # generated pages never overlap

    def test_latent_lora(self):
        report = json.loads(self.call("run", "--json", "--quiet", pipeline=ROOT / "pipelines/smoke/latent_lora.toml"))
        scalars = {(f["stage"], f["name"]) for f in report["scalars"]}
        for model in ("control", "graft", "pgraft_25"):
            self.assertIn(("over_base", f"held_out_gain.{model}_alignment"), scalars)
        stages = {stage["tag"]: stage["key"] for stage in report["stages"]}
        for model in ("control", "graft", "pgraft_25"):
            result, = self.cache.glob(f"results/model/*/{stages[model]}")
            self.assertEqual({path.name for path in result.iterdir()}, {"pytorch_lora_weights.safetensors", "espalier.json", "manifest.json"})
        sampled = [block for block in self.blocks() if block.split("/")[0] != stages["samples"]]
        self.assertEqual(len(sampled), 4)
        self.assertEqual(len({block.split("/")[1] for block in sampled}), 4, "an adapter changes what is sampled")
        images, = (self.folder / "runs/latent_lora").glob("*/samples")
        sizes = {path.read_bytes()[16:24] for path in images.glob("*/*.png")}
        self.assertEqual(sizes, {struct.pack(">II", 64, 64)}, "latents of 16 x 16 are decoded")

    def test_demo_and_studies_are_valid(self):
        for pipeline in [ROOT / "pipelines/demo.toml", *sorted((ROOT / "pipelines/studies").glob("*.toml"))]:
            if pipeline.name == "sd2_pgraft.toml":  # of folders that are not here: sd2_pgraft_test.py
                continue
            needs = {"fashion": "fashion_mnist", "tiles": "crawl_tiles_32", "molecule": "qm9_smiles",
                     "layout": "rico_screen_annotation"}.get(pipeline.name.split("_")[0])
            if needs and not data_folder(needs):
                continue
            with self.subTest(pipeline.name):
                self.call("validate", pipeline=pipeline)

    def test_examples_of_plugins_run(self):
        examples = sorted(glob.glob(str(ROOT / "plugins/*/*/example.toml")))
        self.assertGreaterEqual(len(examples), 5)
        (self.folder / "plugins").symlink_to(ROOT / "plugins")  # examples name files beside them
        for example in examples:
            with self.subTest(example):
                self.call("run", "--quiet", pipeline=example)


if __name__ == "__main__":
    driver.main()
