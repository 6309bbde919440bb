"""The report shows a run's baselines and the times at which its numbers were computed."""
import html
import json
import re
import time

import driver

# The tuned stages stand before the base's, and one reward has other options.
PIPELINE = """
name = "report"
seed = 1
[domain]
type = "domain.text_to_image"
[domain.options]
prompts = "shapes"
[models]
pretrained = "datasets/models/shapes-base"
[defaults."sampler.ddim"]
num_inference_steps = 4
split = "held_out"
noise = "held_out"
max_conditions = 8
block_size = 8
micro_batch = 8
[[stage]]
tag = "samples"
type = "sampler.ddim"
inputs = { model = "pretrained" }
[stage.options]
split = "train"
noise = "sampling"
[[stage]]
tag = "score"
type = "reward.shape_checker"
inputs = { samples = "samples" }
[[stage]]
tag = "best"
type = "filter.top_k"
inputs = { scores = "score" }
[[stage]]
tag = "graft"
type = "trainer.sft"
inputs = { model = "pretrained", selection = "best" }
[stage.options]
max_train_steps = 3
logging_steps = 1
train_batch_size = 8
learning_rate = 1e-3
[[stage]]
tag = "a_tuned_samples"
type = "sampler.ddim"
inputs = { model = "graft" }
[[stage]]
tag = "z_base_samples"
type = "sampler.ddim"
inputs = { model = "pretrained" }
[[stage]]
tag = "tuned"
type = "reward.shape_checker"
inputs = { samples = "a_tuned_samples" }
[[stage]]
tag = "strict"
type = "reward.shape_checker"
inputs = { samples = "a_tuned_samples" }
[stage.options]
extra_object_penalty = 0.9
[[stage]]
tag = "base"
type = "reward.shape_checker"
inputs = { samples = "z_base_samples" }
[[stage]]
tag = "summary"
type = "metric.reward_summary"
inputs = { scores = ["base", "tuned", "strict"], baseline = "base" }
"""


class Report(driver.PipelineTest):
    def run_report(self):
        pipeline = self.folder / "report.toml"
        pipeline.write_text(PIPELINE)
        report = json.loads(self.call("run", "--json", "--quiet", pipeline=pipeline))
        page = max(self.folder.glob("runs/report/*/report.html"), key=lambda path: path.stat().st_mtime_ns)
        return report, page.read_text()

    def test_compares_with_the_metrics_baseline(self):
        _, page = self.run_report()
        outlines = {}
        for block in re.findall(r'<script type="application/json">(.*?)</script>', page, re.S):
            chart = json.loads(block)
            if "share" in chart:
                outlines.setdefault(chart["label"], []).append(chart["reference"] and chart["reference"]["label"])
        # Two rewards judge the tuned samples: only the one with the base's options is compared.
        self.assertEqual(outlines, {"samples": [None], "z_base_samples": [None], "a_tuned_samples": ["z_base_samples", None]})
        arrows = re.findall(r'title="((?:above|below) [^"]*)"', page)
        self.assertTrue(arrows, "the tuned model scores as the base: the test compares nothing")
        for arrow in arrows:
            self.assertRegex(html.unescape(arrow), r"^(above|below) z_base_samples: [0-9.]+$")

    def test_every_number_has_the_time_at_which_it_was_computed(self):
        began = time.time()
        report, _ = self.run_report()
        ended = time.time()
        loss = next(curve for curve in report["curves"] if curve["name"] == "loss")
        times = loss["time"] + [scalar["time"] for scalar in report["scalars"]]
        self.assertEqual(len(loss["time"]), len(loss["step"]))
        self.assertEqual(times, sorted(times))
        self.assertLess(loss["time"][0], loss["time"][-1])
        self.assertTrue(began <= times[0] and times[-1] <= ended, (began, times, ended))
        again, _ = self.run_report()  # all reused: computed when it was
        self.assertEqual([curve["time"] for curve in again["curves"]], [curve["time"] for curve in report["curves"]])
        self.assertEqual([scalar["time"] for scalar in again["scalars"]], [scalar["time"] for scalar in report["scalars"]])


if __name__ == "__main__":
    driver.main()
