"""[sweep] and [rounds], end to end: what runs once, what is shared with a pipeline written by hand, and what the report joins."""
import json
import math
import statistics

import driver

MINI = (driver.ROOT / "tests/pipelines/mini.toml").read_text()
COMPARISON = """
[[stage]]
tag = "graft_pool"
type = "sampler.interleaved"
inputs = { model = "graft" }

[[stage]]
tag = "graft_quality"
type = "reward.layout_quality"
inputs = { samples = "graft_pool" }
[stage.options]
max_invalid_fraction = 1.0

[[stage]]
tag = "gain"
type = "metric.reward_summary"
inputs = { scores = ["graft_quality"], baseline = "quality" }
"""
SWEEP = """
[sweep]
graft.seed = [1, 2, 3]
graft.learning_rate = [1e-3, 1e-2]
"""
ROUNDS = """
[rounds]
count = 2
stages = ["pool", "quality", "best", "graft"]
start = "blank"
next = "graft"
"""


class Sweep(driver.PipelineTest):
    def run_text(self, text, *arguments):
        file = self.folder / "pipeline.toml"
        file.write_text(text)
        self.report = json.loads(self.call("run", "--json", "--quiet", *arguments, pipeline=file))
        return {stage["tag"]: stage for stage in self.report["stages"]}

    def test_sweep(self):
        stages = self.run_text(MINI + COMPARISON + SWEEP)
        self.assertEqual(sum(stage["origin"] == "graft" for stage in stages.values()), 6)
        self.assertEqual(sum(stage["type"] == "sampler.interleaved" for stage in stages.values()), 1 + 6)
        self.assertEqual({stage["status"] for stage in stages.values()}, {"run"})
        self.assertEqual(stages["graft_pool-2-0_01"]["settings"], {"graft.seed": 2, "graft.learning_rate": 0.01})
        self.assertEqual((stages["graft-2-0_01"]["seed"], stages["graft_pool-2-0_01"]["seed"]), (2, 7))

        with self.subTest("the report joins the seeds"):
            table = next(table for table in self.report["tables"] if table["name"] == "copies")
            names = [column["name"] for column in table["columns"]]
            rows = [dict(zip(names, row)) for row in table["rows"]]
            means = {(row["of"], row["graft.learning_rate"]): row for row in rows if row["quantity"] == "reward"}
            self.assertEqual(set(means), {("graft_quality", 0.001), ("graft_quality", 0.01)})
            values = [scalar["value"] for scalar in self.report["scalars"]
                      if scalar["quantity"] == "reward" and scalar["about"]["stage"].endswith("-0_01")]
            row = means["graft_quality", 0.01]
            self.assertEqual((row["runs"], row["interval"], len(values)), (3, "t over runs", 3))
            self.assertAlmostEqual(row["value"], statistics.mean(values), places=12)
            # 4.3027 is the 0.975 quantile of Student's law with 2 degrees of freedom.
            self.assertAlmostEqual(row["high"] - row["value"], 4.302652729911275 * statistics.stdev(values) / math.sqrt(3), places=10)
            charts = [chart for chart in self.report["charts"] if chart["stage"] == "sweep" and chart["y_label"] == "reward"]
            self.assertEqual([(chart["x_label"], chart["series"][0]["x"]) for chart in charts], [("graft.learning_rate", [0.001, 0.01])])

        with self.subTest("a copy is the stage written by hand"):
            by_hand = self.run_text(MINI + COMPARISON, "--set", "graft.seed=2", "--set", "graft.learning_rate=0.01")
            self.assertEqual(by_hand["graft"]["key"], stages["graft-2-0_01"]["key"])
            self.assertEqual({tag for tag, stage in by_hand.items() if stage["status"] == "run"}, {"gain"})  # its scalars name tags

        with self.subTest("another value adds its copies"):
            more = self.run_text(MINI + COMPARISON + SWEEP, "--set", "sweep.graft.seed=[1,2,3,4]")
            run = {tag for tag, stage in more.items() if stage["status"] == "run"}
            self.assertEqual(run, {"gain"} | {f"{tag}-4-{rate}" for tag in ("graft", "graft_pool", "graft_quality") for rate in ("0_001", "0_01")})

    def test_rounds(self):
        text = MINI.replace('tag = "base"\ntype = "trainer.sft"\ninputs = { model = "blank" }',
                            'tag = "unused"\ntype = "trainer.sft"\ninputs = { model = "blank" }').replace('model = "base"', 'model = "blank"')
        stages = self.run_text(text + ROUNDS)
        self.assertEqual(stages["pool-r2"]["inputs"], ["graft-r1"])
        self.assertEqual(stages["graft-r2"]["inputs"], ["graft-r1", "best-r2"])
        self.assertEqual(stages["result"]["inputs"], ["quality-r2"])
        self.assertNotEqual(stages["pool-r1"]["seed"], stages["pool-r2"]["seed"])
        laws = [law["stage"] for law in self.report["laws"]]
        self.assertEqual(laws, ["best-r1", "best-r2"])

        with self.subTest("round 1 is the pipeline without rounds"):
            once = self.run_text(text)
            self.assertEqual({tag for tag, stage in once.items() if stage["status"] == "run"}, {"result"})
            self.assertEqual(once["graft"]["key"], stages["graft-r1"]["key"])

        with self.subTest("a third round runs alone"):
            third = self.run_text(text + ROUNDS, "--set", "rounds.count=3")
            run = {tag for tag, stage in third.items() if stage["status"] == "run"}
            self.assertEqual(run, {"pool-r3", "quality-r3", "best-r3", "graft-r3", "result"})


if __name__ == "__main__":
    driver.main()
