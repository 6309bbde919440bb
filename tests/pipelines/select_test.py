"""`espalier select --what-if`: the choices and laws that a run would publish, without publishing them; several rewards in one filter."""
import json
import re
import xml.dom.minidom

import driver

MINI = (driver.ROOT / "tests/pipelines/mini.toml").read_text()
SECOND = """
[[stage]]
tag = "alignment"
type = "reward.layout_quality"
inputs = { samples = "pool" }
[stage.options]
term = "alignment"
max_invalid_fraction = 1.0
"""
GRID = ("--set", "sweep.best.k=[1,2]")


class Select(driver.PipelineTest):
    def setUp(self):
        super().setUp()
        self.file = self.folder / "pipeline.toml"

    def select(self, *arguments, code=0):
        text = self.call("select", "--what-if", "--json", *arguments, pipeline=self.file, code=code)
        return json.loads(text) if code == 0 else None

    def entries(self):
        return sorted(str(path.relative_to(self.cache)) for path in (self.cache / "results").rglob("*"))

    def test_what_if(self):
        self.file.write_text(MINI)
        with self.subTest("without a cache it says what to do"):
            self.select(code=1)
            self.assertIn("run the pipeline first", self.stderr)
        self.call("run", "--quiet", pipeline=self.file)
        before = self.entries()
        rows = self.select(*GRID, "--judge", "quality")
        self.assertEqual(self.entries(), before)
        self.assertEqual([(row["stage"], row["settings"]) for row in rows], [("best-1", {"best.k": 1}), ("best-2", {"best.k": 2})])

        with self.subTest("the laws are those of a run"):
            report = json.loads(self.call("run", "--json", "--quiet", *GRID, pipeline=self.file))
            for row, law in zip(rows, report["laws"]):
                for name in ("acceptance_rate", "kl_nats", "expected_quantile", "accepted", "total"):
                    self.assertEqual(row[name], law[name], (row["stage"], name))
                self.assertEqual(row["conditions_with_none_accepted"], law["by_condition"]["none_accepted"], row["stage"])

        with self.subTest("the best of a prompt scores more than all, and all as much as all"):
            self.assertGreater(rows[0]["accepted_score"], rows[0]["mean_score"])
            self.assertAlmostEqual(rows[0]["accepted_score"], rows[0]["judges"][0]["accepted"], places=12)  # it judges what it chooses by
            everything = next(row for row in rows if row["options"]["k"] == 2)
            self.assertEqual(everything["accepted"], everything["total"])
            self.assertAlmostEqual(everything["accepted_score"], everything["mean_score"], places=12)

        with self.subTest("a table and a plot"):
            plot = self.folder / "plot.svg"
            text = self.call("select", "--what-if", *GRID, "--plot", plot, pipeline=self.file)
            self.assertRegex(text.splitlines()[0], r"^filter +accepted +conditions at 0 +rate +KL nats +E\[u\] +score \(mean\)$")
            self.assertEqual(len(text.splitlines()), 3)
            names = [node.firstChild.data for node in xml.dom.minidom.parse(str(plot)).getElementsByTagName("text")]
            self.assertIn("best-1", names)

        with self.subTest("what is wrong is refused"):
            self.select("--judge", "qualty", code=2)
            self.assertIn("--judge qualty: no reward stage has this tag; did you mean 'quality'?", self.stderr)
            self.call("select", pipeline=self.file, code=2)
            self.assertIn("--what-if is missing", self.stderr)
            self.select("--set", "pool.samples_per_condition=4", code=1)
            self.assertTrue(re.search(r"stage '(pool|quality)' is not complete in the cache", self.stderr), self.stderr)

    def test_several_rewards(self):
        text = MINI.replace('scores = "quality" }\n[stage.options]\nk = 1', 'scores = ["quality", "alignment"] }\n[stage.options]\nk = 1') + SECOND
        self.file.write_text(text)
        self.call("run", "--quiet", pipeline=self.file)

        def chosen(*arguments):
            return self.select("--judge", "quality", "--judge", "alignment", *arguments)[0]

        quality = chosen("--set", "best.weights=[1,0]")
        alignment = chosen("--set", "best.weights=[0,1]", "--set", "best.normalization=rank")
        alone = self.select("--judge", "quality", "--judge", "alignment", "--set", "best.weights=[1.0,0.0]", "--set", "best.normalization=z_score",
                            "--set", "best.normalize_over=condition")[0]
        self.assertEqual(quality["judges"], alone["judges"])  # a rescaled reward chooses the same
        self.assertGreaterEqual(quality["judges"][0]["accepted"], alignment["judges"][0]["accepted"])
        self.assertLessEqual(quality["judges"][1]["accepted"], alignment["judges"][1]["accepted"])

        with self.subTest("another mix samples and scores nothing"):
            report = json.loads(self.call("run", "--json", "--quiet", "--set", "best.weights=[1,3]", pipeline=self.file))
            run = {stage["tag"] for stage in report["stages"] if stage["status"] == "run"}
            self.assertEqual(run & {"pool", "quality", "alignment"}, set())
            self.assertIn("best", run)


if __name__ == "__main__":
    driver.main()
