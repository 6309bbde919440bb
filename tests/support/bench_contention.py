"""Two trainings on the same cores: one after the other against both at once, and one alone against libgomp's own long spin."""
import os
import statistics
import subprocess
import tempfile
import time

from bench_program import alternate, cores, run, start

LONG_SPIN = "300000"  # libgomp's default, which the program had before it set a short one
WAITING = ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY")


def one_after_the_other(pipeline, environment):
    seconds = 0
    for _ in range(2):
        with tempfile.TemporaryDirectory() as folder:
            seconds += run(pipeline, folder, environment)
    return seconds


def at_once(pipeline, environment):
    with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as other:
        begun = time.perf_counter()
        for process in [start(pipeline, folder, environment) for folder in (one, other)]:
            if process.wait() != 0:
                raise subprocess.CalledProcessError(process.returncode, process.args)
        return time.perf_counter() - begun


def measure(pipeline):
    """`pipeline`: a training of some ten seconds, whose every run is in a cache of its own."""
    mine = {name: value for name, value in os.environ.items() if name not in WAITING}
    rounds, median = alternate({"one_after_the_other": lambda: one_after_the_other(pipeline, mine),
                                "at_once": lambda: at_once(pipeline, mine),
                                "one_after_the_other_with_a_long_spin": lambda: one_after_the_other(pipeline, mine | {"GOMP_SPINCOUNT": LONG_SPIN})})
    return {"what": "contention", "note": f"two trainings on {cores()} cores; at least 0.9 and 1.0 are wanted, on a machine where nothing else runs",
            **{f"{name}_seconds": seconds for name, seconds in median.items()},
            "throughput_at_once": statistics.median(r["one_after_the_other"] / r["at_once"] for r in rounds),
            "speed_alone_against_a_long_spin": statistics.median(r["one_after_the_other_with_a_long_spin"] / r["one_after_the_other"] for r in rounds)}
