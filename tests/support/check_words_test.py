"""scripts/check_words must fail on a word that docs/style.md replaces and on a long line of a page."""
import pathlib
import subprocess
import sys
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]

CASES = {
    "docs/a.md": ("A picture of it.", "write image"),
    "docs/b.md": ("word " * 30, "at most 120"),
    "runtime/exec/x.cpp": ("// the timestep that the network is told", "is passed"),
    "plugins/filter/a/README.md": ("Under the empty condition.", "null condition"),
}
PASSES = {
    "docs/c.md": "| " + "cell " * 40 + "|",
    "docs/d.md": "```\n" + "code " * 40 + "\n```",
    "docs/reference/e.md": "word " * 40,
}


class CheckWords(unittest.TestCase):
    def check(self, name, text):
        with tempfile.TemporaryDirectory() as folder:
            file = pathlib.Path(folder) / name
            file.parent.mkdir(parents=True)
            file.write_text(text + "\n")
            return subprocess.run([sys.executable, ROOT / "scripts/check_words", folder], capture_output=True, text=True)

    def test_each_offence_fails(self):
        for name, (text, reason) in CASES.items():
            with self.subTest(name):
                done = self.check(name, text)
                self.assertEqual(done.returncode, 1, done.stdout)
                self.assertIn(f"{name}:1:", done.stdout)
                self.assertIn(reason, done.stdout)

    def test_long_lines_of_tables_code_and_generated_pages_pass(self):
        for name, text in PASSES.items():
            with self.subTest(name):
                done = self.check(name, text)
                self.assertEqual(done.returncode, 0, done.stdout)


if __name__ == "__main__":
    unittest.main()
