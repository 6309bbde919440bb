"""Every pipeline of pipelines/smoke runs; every study is valid; every plugin's example runs where it needs no data."""
import glob
import os
import pathlib
import unittest

import driver
from driver import ROOT


def data_folder(name):
    return (pathlib.Path(os.environ["ESPALIER_DATA"]) / name).is_dir()


class Smoke(driver.PipelineTest):
    def test_shapes_pgraft_gives_the_demos_figures(self):
        self.run_json()
        names = {(f["stage"], f["name"]) for f in self.report["figures"]}
        self.assertIn(("base", "held_out_reward"), names)
        for model in ("graft", "pgraft_25", "pgraft_50"):
            self.assertIn((model + "_result", "held_out_reward"), names)
            self.assertIn((model + "_result", "held_out_gain"), names)

    def test_fashion_pgraft(self):
        pipeline = ROOT / "pipelines/smoke/fashion_pgraft.toml"
        if not data_folder("fashion_mnist"):
            self.skipTest("the Fashion-MNIST files are not here; name their folder's parent in ESPALIER_DATA")
        self.call("run", "--quiet", pipeline=pipeline)

    def test_demo_and_studies_are_valid(self):
        for pipeline in [ROOT / "pipelines/demo.toml", *sorted((ROOT / "pipelines/studies").glob("*.toml"))]:
            needs = {"fashion": "fashion_mnist", "tiles": "crawl_tiles_32"}.get(pipeline.name.split("_")[0])
            if needs and not data_folder(needs):
                continue
            with self.subTest(pipeline.name):
                self.call("validate", pipeline=pipeline)

    def test_examples_of_plugins_run(self):
        examples = sorted(glob.glob(str(ROOT / "plugins/*/*/example.toml")))
        self.assertGreaterEqual(len(examples), 5)
        for example in examples:
            with self.subTest(example):
                self.call("run", "--quiet", pipeline=example)


if __name__ == "__main__":
    driver.main()
