"""What choosing among cached scores costs: many rules by `select --what-if`, and the law of a chain of filters. 100,000 scores of two shapes."""
import json
import random
import statistics
import subprocess
import tempfile
import time

from bench_process import IMPORTED, Smiles
from bench_program import PROGRAM as ESPALIER
from bench_program import cores, run, stages

KINDS = ("what_if", "chain")
SHAPES = {"25,000 conditions of 4": (25000, 4), "100 conditions of 1,000": (100, 1000)}
# 100 rules, single filters.
RULES = """
[sweep]
best.k = [{few}]
above.threshold = [{thresholds}]
tilted.temperature = [{temperatures}]
[[stage]]
tag = "best"
type = "filter.top_k"
inputs = {{ scores = "score" }}
[[stage]]
tag = "above"
type = "filter.threshold"
inputs = {{ scores = "score" }}
[[stage]]
tag = "tilted"
type = "filter.exponential"
inputs = {{ scores = "score" }}
"""
CHAIN = """
[[stage]]
tag = "above"
type = "filter.threshold"
inputs = {{ scores = "score" }}
[stage.options]
threshold = 0.2
[[stage]]
tag = "tilted"
type = "filter.exponential"
inputs = {{ scores = "score", selection = "above" }}
[stage.options]
temperature = 0.5
[[stage]]
tag = "best"
type = "filter.top_k"
inputs = {{ scores = "score", selection = "tilted" }}
[stage.options]
k = {k}
"""


class Scores(Smiles):
    """100,000 scores in a cache, of one decimal of ten, so that some are equal."""

    def __init__(self, folder, conditions, per_condition):
        super().__init__(folder, conditions, per_condition)
        file = self.folder / "scores.json"
        draw = random.Random(1)
        file.write_text(json.dumps({"format": "espalier scores 1", "scored_set": self.set, "scores": [round(draw.random(), 4) for _ in range(100000)]}))
        self.scored = self.sampled + IMPORTED.format(file=file)
        run(self.scored, folder)
        self.per_condition = per_condition

    def call(self, *arguments):
        begun = time.perf_counter()
        done = subprocess.run([ESPALIER, *arguments, "--quiet", "--set", f"cache.path={self.folder}/cache"], cwd=self.folder, check=True, capture_output=True, text=True)
        return time.perf_counter() - begun, done.stdout

    def what_if(self):
        count = 100 // 3
        most = min(count + 1, self.per_condition)
        best = list(range(1, most + 1))
        rest = 100 - len(best)
        text = self.scored + RULES.format(few=", ".join(map(str, best)), thresholds=", ".join(str((i + 1) / 100) for i in range(rest // 2)),
                                          temperatures=", ".join(str((i + 1) / 20) for i in range(rest - rest // 2)))
        (self.folder / "rules.toml").write_text(text)
        seconds, output = self.call("select", "rules.toml", "--what-if", "--json")
        rules = json.loads(output)
        found = len(rules["filters"] if isinstance(rules, dict) else rules)
        if found != 100:
            raise RuntimeError(f"{found} rules instead of 100")
        return seconds

    def chain(self):
        """Of a run whose scores are there: seconds of the last filter's stage, whose law is the chain's, and of the run."""
        (self.folder / "chain.toml").write_text(self.scored + CHAIN.format(k=1 if self.per_condition < 10 else 100))
        subprocess.run(["rm", "-rf", self.folder / "cache/results/selection", self.folder / "runs"], check=True)
        seconds, _ = self.call("run", "chain.toml")
        return stages(self.folder)["best"]["seconds"], seconds


def measure(what):
    found = {"what": what, "note": f"100,000 scores on {cores()} cores; " +
             ("100 single filters; at most 2 s is wanted" if what == "what_if" else "threshold, exponential, top_k; at most 5 s for the law is wanted")}
    for name, shape in SHAPES.items():
        with tempfile.TemporaryDirectory() as folder:
            bench = Scores(folder, *shape)
            if what == "what_if":
                found[f"seconds, {name}"] = statistics.median(bench.what_if() for _ in range(3))
            else:
                times = [bench.chain() for _ in range(3)]
                found[f"seconds of the last filter, {name}"] = statistics.median(t[0] for t in times)
                found[f"seconds of the run, {name}"] = statistics.median(t[1] for t in times)
    return found
