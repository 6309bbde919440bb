"""What the benches share: running the program on a pipeline, from nothing or from a base that it trained before."""
import contextlib
import json
import os
import pathlib
import shutil
import statistics
import subprocess
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
PROGRAM = os.environ.get("ESPALIER_PROGRAM", str(ROOT / "build/release/espalier"))
ROUNDS = 3


def cores():
    return len(os.sched_getaffinity(0))


def start(pipeline, folder, environment=None):
    """Starts a run of the pipeline's text with its cache in `folder`/cache."""
    file = pathlib.Path(folder) / "bench.toml"
    file.write_text(pipeline)
    return subprocess.Popen([PROGRAM, "run", str(file), "--quiet", "--set", f"cache.path={folder}/cache"], cwd=folder, env=environment,
                            stdout=subprocess.DEVNULL)


def run(pipeline, folder, environment=None):
    """Seconds of one run of the pipeline's text with its cache in `folder`/cache."""
    begun = time.perf_counter()
    process = start(pipeline, folder, environment)
    if process.wait() != 0:
        raise subprocess.CalledProcessError(process.returncode, process.args)
    return time.perf_counter() - begun


def stages(folder):
    """By tag, what report.json of the newest run in `folder` holds of its stages."""
    report = max(pathlib.Path(folder).glob("runs/*/*/report.json"), key=lambda path: path.stat().st_mtime_ns)
    return {stage["tag"]: stage for stage in json.loads(report.read_text())["stages"]}


@contextlib.contextmanager
def folder_after(base):
    """A folder whose cache has the models trained in `base` and nothing else, so that no samples are reused."""
    with tempfile.TemporaryDirectory() as folder:
        shutil.copytree(pathlib.Path(base) / "cache/results", pathlib.Path(folder) / "cache/results")
        shutil.copy(pathlib.Path(base) / "cache/FORMAT", pathlib.Path(folder) / "cache/FORMAT")
        yield folder


def alternate(sides, rounds=ROUNDS):
    """Every side once a round; rounds of seconds, and each side's median."""
    rounds = [{name: side() for name, side in sides.items()} for _ in range(rounds)]
    return rounds, {name: statistics.median(r[name] for r in rounds) for name in sides}
