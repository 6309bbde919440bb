"""What a reward that is a program costs: beside the sampler, where it waits as one on another device does, and on the same cores."""
import pathlib
import statistics
import sys
import tempfile

from bench_program import ROOT, alternate, cores, run

PACKAGE = ROOT / "python/espalier_reward"
KINDS = ("overlap", "images")
HEAD = f"""name = "bench"
seed = 7
[domain]
type = "domain.text_to_image"
[domain.options]
prompts = "shapes"
[models]
base = "{ROOT}/datasets/models/{{model}}"
[[stage]]
tag = "samples"
type = "sampler.ddim"
inputs = {{{{ model = "base" }}}}
[stage.options]
num_inference_steps = {{steps}}
max_conditions = 64
samples_per_condition = {{per_condition}}
"""
SCORED = """[[stage]]
tag = "score"
type = "reward.process"
inputs = {{ samples = "samples" }}
[stage.options]
command = ["{python}", "{program}"]
environment = ["PYTHONPATH={package}"]
identity = "bench {number}"
workers = {workers}
"""
IN_CPP = """[[stage]]
tag = "score"
type = "reward.jpeg_compressibility"
inputs = { samples = "samples" }
"""
# Its scores are pixels. It waits so many seconds a block.
PROGRAM = """
import sys, time
from espalier_reward import serve
def score(samples, prompts, metadata):
    time.sleep(float(sys.argv[1]))
    return [float(image[0, 0, 0]) for image in samples["image"]]
serve(score, identity="bench {number}")
"""


class Bench:
    def __init__(self, folder, model, steps, per_condition, seconds_per_block=0.0, workers=1):
        self.folder, self.number, self.workers, self.seconds = pathlib.Path(folder), 0, workers, seconds_per_block
        self.sampled = HEAD.format(model=model, steps=steps, per_condition=per_condition)
        self.blocks = per_condition  # of 64 samples

    def scored(self):
        """The pipeline with a reward that no earlier one was."""
        self.number += 1
        program = self.folder / f"score{self.number}.py"
        program.write_text(PROGRAM.replace("{number}", str(self.number)))
        stage = SCORED.format(python=sys.executable, program=f'{program}", "{self.seconds}', package=PACKAGE, number=self.number, workers=self.workers)
        return self.sampled + stage

    def fresh(self, pipeline):
        with tempfile.TemporaryDirectory() as folder:
            return run(pipeline, folder)


def overlap():
    """A scorer that waits as long as the sampler samples: both together against the slower one."""
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(folder, "shapes-base", 4, 32)
        alone = statistics.median(bench.fresh(bench.sampled) for _ in range(3))
        bench.seconds = alone / bench.blocks
        rounds, median = alternate({"sampling": lambda: bench.fresh(bench.sampled), "sampling_and_scoring": lambda: bench.fresh(bench.scored())})
        scoring = bench.seconds * bench.blocks
        return {"what": "overlap", "note": f"{64 * bench.blocks} samples of 4 steps, {bench.blocks} blocks, on {cores()} cores; the scorer waits {scoring:.1f} s in all; "
                "at most 1.15 is wanted", **{f"{name}_seconds": seconds for name, seconds in median.items()},
                "ratio_to_the_slower": statistics.median(r["sampling_and_scoring"] / max(r["sampling"], scoring) for r in rounds)}


def images():
    """A program's scores of 64 px images against those of a reward in C++ (JPEG sizes, a tenth of a millisecond an image)."""
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(folder, "shapes-latent-base", 20, 8)
        rounds, median = alternate({"in_cpp": lambda: bench.fresh(bench.sampled + IN_CPP), "by_a_program": lambda: bench.fresh(bench.scored())})
        return {"what": "images", "note": f"{64 * bench.blocks} images of 64 px of a latent model, sampled in 20 steps and scored, on {cores()} cores; "
                "at most 1.05 is wanted", **{f"{name}_seconds": seconds for name, seconds in median.items()},
                "ratio": statistics.median(r["by_a_program"] / r["in_cpp"] for r in rounds)}


def measure(what):
    return {"overlap": overlap, "images": images}[what]()
