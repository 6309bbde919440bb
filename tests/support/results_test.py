"""scripts/results must write tables, values and plots of docs/ from JSON, and --check must fail where a page was typed."""
import json
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]

STUDY = {
    "format": "espalier-results 1",
    "reports": {"7": {"scalars": {"end/gain.a": [0.25, 0.2, 0.3], "end/misfit": [-0.04, -0.05, -0.03]}}},
    "tables": {
        "typed": {"runs": "By hand.", "intervals": "Intervals: 95 %, t.", "digits": 2,
                  "columns": ["model", {"name": "gain", "sign": True}, {"name": "count", "digits": 0}],
                  "rows": [["one", [0.5, 0.4, 0.6], 1200], ["two", None, "many|few"]]},
        "run": {"runs": "`run`.", "columns": ["seed", {"name": "gain", "scalar": "end/gain.{m}"},
                                              {"name": "misfit", "scalar": "end/misfit", "negate": True}],
                "rows": [{"name": "7", "report": "7", "words": {"m": "a"}}]},
    },
    "plots": {"gain": {"kind": "intervals", "table": "run", "title": "Gain", "axis": "gain", "columns": ["gain", "misfit"]}},
}
PAGE = ("# Page\n\n<!-- results: s/typed -->\n<!-- end of results -->\n\n"
        "It is <!-- value: s/run/7/gain --><!-- / -->.\n")


class Results(unittest.TestCase):
    def setUp(self):
        self.root = pathlib.Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, self.root)
        (self.root / "scripts").mkdir()
        (self.root / "docs/results").mkdir(parents=True)
        shutil.copy(ROOT / "scripts/results", self.root / "scripts/results")
        self.page = self.root / "docs/results.md"
        self.page.write_text(PAGE)
        self.write(STUDY)

    def write(self, study):
        (self.root / "docs/results/s.json").write_text(json.dumps(study))

    def call(self, *arguments, code=0):
        done = subprocess.run([sys.executable, self.root / "scripts/results", *arguments], capture_output=True, text=True)
        self.assertEqual(done.returncode, code, done.stderr)
        return done.stderr

    def test_writes_what_a_page_names(self):
        self.call()
        text = self.page.read_text()
        self.assertIn("| one | +0.50 [0.40, 0.60] | 1,200 |\n| two | - | many\\|few |\n", text)
        self.assertIn("*Intervals: 95 %, t. By hand.*", text)
        self.assertIn("It is <!-- value: s/run/7/gain -->0.250 [0.200, 0.300]<!-- / -->.", text)
        self.assertIn("Gain", (self.root / "docs/results/s_gain.svg").read_text())
        self.call("--check")

    def test_negates_a_value_with_its_interval(self):
        self.page.write_text("<!-- results: s/run -->\n<!-- end of results -->\n")
        self.call()
        self.assertIn("| 7 | 0.250 [0.200, 0.300] | 0.040 [0.030, 0.050] |", self.page.read_text())

    def test_check_fails_on_a_typed_number(self):
        self.call()
        self.page.write_text(self.page.read_text().replace("+0.50", "+0.55"))
        self.assertIn("out of date", self.call("--check", code=1))

    def test_check_fails_on_a_table_without_a_file(self):
        self.call()
        self.page.write_text(self.page.read_text() + "\n| a |\n|---|\n| 1 |\n")
        self.assertIn("a table outside of", self.call("--check", code=1))

    def test_check_fails_on_a_plot_that_no_study_has(self):
        self.call()
        (self.root / "docs/results/other.svg").write_text("<svg/>")
        self.assertIn("no study has this plot", self.call("--check", code=1))

    def test_a_cell_that_is_not_there_is_an_error(self):
        self.page.write_text("<!-- value: s/run/8/gain --><!-- / -->")
        self.assertIn("has no cell '8/gain'", self.call(code=1))

    def test_a_scalar_that_the_report_lacks_is_an_error(self):
        study = json.loads(json.dumps(STUDY))
        study["reports"]["7"]["scalars"].pop("end/misfit")
        self.write(study)
        self.assertIn("has no scalar 'end/misfit'", self.call(code=1))

    def test_add_copies_a_reports_scalars(self):
        report = self.root / "report.json"
        scalars = [{"stage": "end", "name": "gain.a", "value": 0.1, "low": 0.0, "high": 0.2},
                   {"stage": "end", "name": "misfit", "value": 1, "low": None}]
        report.write_text(json.dumps({"started": "now", "seconds": 1.0, "scalars": scalars}))
        self.call("--add", "s", "8", "run --set seed=8", "abc", str(report))
        added = json.loads((self.root / "docs/results/s.json").read_text())["reports"]["8"]
        self.assertEqual(added["scalars"], {"end/gain.a": [0.1, 0.0, 0.2], "end/misfit": 1})
        self.assertEqual(added["commit"], "abc")


if __name__ == "__main__":
    unittest.main()
