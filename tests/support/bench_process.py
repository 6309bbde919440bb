"""What a reward that is a program costs: beside the sampler, where it waits as one on another device does, on the same cores, and of many
small samples."""
import json
import pathlib
import random
import shutil
import statistics
import subprocess
import sys
import tempfile

from bench_program import PROGRAM as ESPALIER
from bench_program import ROOT, alternate, cores, run

PACKAGE = ROOT / "python/espalier_reward"
KINDS = ("overlap", "images", "smiles")
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
# Molecules of one evaluation each: most are fragments of one to three atoms, and their SMILES as short.
MOLECULES = """name = "bench"
seed = 7
[domain]
type = "domain.molecule"
[domain.options]
source = "enumerated"
max_heavy_atoms = 5
max_atoms = 17
num_conditions = {conditions}
[models]
blank = {{ folder = "{model}", initialize_weights = true }}
[[stage]]
tag = "samples"
type = "sampler.interleaved"
inputs = {{ model = "blank" }}
[stage.options]
samples_per_condition = {per_condition}
"""
IMPORTED = """[[stage]]
tag = "score"
type = "reward.imported"
inputs = {{ samples = "samples" }}
[stage.options]
file = "{file}"
"""
# Its scores are lengths. At the end it writes the seconds that score() took.
COUNTS = """
import sys, time
from espalier_reward import serve
seconds = 0.0
def score(samples, prompts, metadata):
    global seconds
    begun = time.perf_counter()
    found = [len(smiles) for smiles in samples["smiles"]]
    seconds += time.perf_counter() - begun
    return found
serve(score, identity="bench {number}")
with open(sys.argv[1], "w") as file:
    file.write(str(seconds))
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


def images(count, times):
    """A program's scores of 64 px images against those of a reward in C++ (JPEG sizes, a tenth of a millisecond an image)."""
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(folder, "shapes-latent-base", 20, -(-count // 64))
        rounds, median = alternate({"in_cpp": lambda: bench.fresh(bench.sampled + IN_CPP), "by_a_program": lambda: bench.fresh(bench.scored())}, times)
        return {"what": "images", "note": f"{64 * bench.blocks} images of 64 px of a latent model, sampled in 20 steps and scored, on {cores()} cores; "
                "at most 1.05 is wanted", **{f"{name}_seconds": seconds for name, seconds in median.items()},
                "ratio": statistics.median(r["by_a_program"] / r["in_cpp"] for r in rounds)}


class Smiles:
    """100,000 molecules in a cache, scored anew each time: by a program, or by numbers that a file holds, which costs no more than a block
    does in any case (its samples read and decoded, its scores kept)."""

    def __init__(self, folder, conditions=100, per_condition=1000):
        self.folder, self.number = pathlib.Path(folder), 0
        model = self.folder / "model"
        shutil.copytree(ROOT / "datasets/models/molecule-blank-small-joint", model)
        scheduler = model / "scheduler/scheduler_config.json"
        scheduler.write_text(json.dumps(json.loads(scheduler.read_text()) | {"num_rounds": 1}))
        self.sampled = MOLECULES.format(model=model, conditions=conditions, per_condition=per_condition)
        run(self.sampled, folder)
        subprocess.run([ESPALIER, "export", "bench.toml", "samples", "--format", "sdf", "--out", "few", "--quiet", "--set", f"cache.path={folder}/cache",
                        "--set", "samples.samples_per_condition=1"], cwd=folder, check=True, stdout=subprocess.DEVNULL)
        self.set = json.loads((self.folder / "few/espalier_export.json").read_text())["scored_set"] | {"count": 100000}

    def from_a_file(self):
        file = self.folder / "scores.json"
        file.write_text(json.dumps({"format": "espalier scores 1", "scored_set": self.set, "scores": [random.random() for _ in range(100000)]}))
        return run(self.sampled + IMPORTED.format(file=file), self.folder)

    def by_a_program(self, workers):
        self.number += 1
        program = self.folder / f"count{self.number}.py"
        program.write_text(COUNTS.replace("{number}", str(self.number)))
        stage = SCORED.format(python=sys.executable, program=f'{program}", "{self.folder}/seconds', package=PACKAGE, number=self.number, workers=workers)
        return run(self.sampled + stage + 'send = ["smiles"]\n', self.folder)


def smiles():
    """A program's scores of 100,000 SMILES, by the blocks of a run, against what such a run takes without it and its function alone."""
    with tempfile.TemporaryDirectory() as folder:
        bench = Smiles(folder)
        rounds, median = alternate({"from_a_file": bench.from_a_file, "by_a_program_for_each_core": lambda: bench.by_a_program(cores()),
                                    "by_a_program": lambda: bench.by_a_program(1)})  # last, for its seconds
        alone = float((bench.folder / "seconds").read_text())
        more = {name: statistics.median(r[name] - r["from_a_file"] for r in rounds) - alone for name in median if name != "from_a_file"}
        return {"what": "smiles", "note": f"100,000 molecules that were sampled before, by blocks of 64, on {cores()} cores; at most 1 s more than the function is wanted",
                **{f"{name}_seconds": seconds for name, seconds in median.items()}, "function_seconds": alone,
                **{f"more_{name}_seconds": seconds for name, seconds in more.items()}}


def measure(what, images_wanted, rounds):
    return {"overlap": overlap, "images": lambda: images(images_wanted, rounds), "smiles": smiles}[what]()
