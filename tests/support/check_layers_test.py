"""scripts/check_layers must fail on a file that crosses a layer, and pass this tree."""
import pathlib
import subprocess
import sys
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]

CASES = {
    "runtime/base/x.cpp": ('#include "runtime/sdk/plugin.h"', "runtime/base may not include runtime/sdk"),
    "runtime/plan/x.cpp": ('#include "runtime/cache/store.h"', "only index.h"),
    "runtime/exec/x.cpp": ('#include "plugins/filter/top_k/curve.h"', "runtime/ knows no plugin"),
    "runtime/exec/y.cpp": ("#include <hdf5.h>", "may be included only in"),
    "runtime/network/x.cpp": ("#include <torch/torch.h>", "may be included only in"),
    "plugins/reward/a/a.cpp": ('#include "runtime/cache/store.h"', "a plugin may not include runtime/cache"),
    "plugins/reward/b/b.cpp": ('#include "plugins/filter/top_k/curve.h"', "only its own folder"),
    "plugins/reward/c/c.cpp": ('#include "tests/conformance/conformance.h"', "nothing but tests"),
}


class CheckLayers(unittest.TestCase):
    def check(self, root):
        return subprocess.run([sys.executable, ROOT / "scripts/check_layers", root], capture_output=True, text=True)

    def test_each_crossing_fails(self):
        for place, (line, reason) in CASES.items():
            with self.subTest(place), tempfile.TemporaryDirectory() as folder:
                file = pathlib.Path(folder) / place
                file.parent.mkdir(parents=True)
                file.write_text(line + "\n")
                done = self.check(folder)
                self.assertEqual(done.returncode, 1, done.stdout)
                self.assertIn(f"{place}:1:", done.stdout)
                self.assertIn(reason, done.stdout)

    def test_a_link_across_fails(self):
        with tempfile.TemporaryDirectory() as folder:
            file = pathlib.Path(folder) / "runtime/report/CMakeLists.txt"
            file.parent.mkdir(parents=True)
            file.write_text("espalier_host(report SOURCES x.cpp LINKS espalier_cache)\n")
            self.assertIn("may not link runtime/cache", self.check(folder).stdout)

    def test_this_tree_passes(self):
        done = self.check(ROOT)
        self.assertEqual(done.returncode, 0, done.stdout)


if __name__ == "__main__":
    unittest.main()
