"""What `cmake --install` puts into share/espalier/python: the package is imported from there, and an adapter scores by it."""
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest
from unittest import mock

import peers

peers.go_on_in_peers()

from fake_engine import score_with, tensor

BUILD = pathlib.Path(os.environ.get("ESPALIER_BINARY_DIR", peers.ROOT / "build/release"))


def files(folder):
    """Their contents by name."""
    found = [path for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts]
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in found}


class Installed(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        subprocess.run([os.environ.get("CMAKE_COMMAND", "cmake"), "--install", BUILD, "--prefix", folder.name, "--component", "python"], check=True,
                       stdout=subprocess.DEVNULL)
        self.python = pathlib.Path(folder.name) / "share/espalier/python"
        self.environment = peers.environment() | {"PYTHONPATH": str(self.python / "espalier_reward")}

    def test_all_of_python_is_there(self):
        installed = files(self.python)
        self.assertEqual(installed, files(peers.ROOT / "python"))
        self.assertIn("adapters/vqa_score.py", installed)

    def test_the_package_is_imported_from_there(self):
        done = subprocess.run([sys.executable, "-c", "import espalier_reward as e; print(e.__file__, e.__version__)"], env=self.environment, cwd=self.python,
                              stdout=subprocess.PIPE, text=True, check=True)
        self.assertEqual(done.stdout.split(), [str(self.python / "espalier_reward/espalier_reward.py"), "1.0"])

    def test_an_adapter_scores_there(self):
        with mock.patch.object(peers, "environment", return_value=self.environment):
            scores, identity = score_with("jpeg_size.py", 1, tensor("image", "float32", [1, 3, 8, 8], [0.5] * 192), folder=self.python / "adapters")
        self.assertEqual(identity, "jpeg-size 1, quality 95")
        self.assertGreater(scores[0], 0.1)


if __name__ == "__main__":
    unittest.main()
