"""The peers' Python (scripts/setup --peers), which has numpy, Pillow and torch; the one that CMake finds need not have them."""
import glob
import os
import pathlib
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
HOME = pathlib.Path(os.environ.get("ESPALIER_HOME", pathlib.Path.home() / ".cache/espalier"))
PYTHON = HOME / "peers/bin/python"
SKIPPED = 77  # to ctest


def environment():
    """Of a program that imports espalier_reward."""
    libraries = glob.glob(str(HOME / "peers/lib/python3*/site-packages/nvidia/*/lib")) + ["/usr/local/cuda/lib64"]
    return os.environ | {"LD_LIBRARY_PATH": ":".join(libraries), "PYTHONPATH": str(ROOT / "python/espalier_reward"), "OMP_NUM_THREADS": "1",
                         "HF_HUB_OFFLINE": "1"}


def go_on_in_peers():
    """Runs the test file that calls it again, in the peers' Python; exits with 77 where there is none."""
    if pathlib.Path(sys.prefix) == PYTHON.parent.parent:
        return
    if not PYTHON.exists():
        print("skipped: the peers are not installed: scripts/setup --peers")
        sys.exit(SKIPPED)
    os.execve(PYTHON, [str(PYTHON), *sys.argv], environment())
