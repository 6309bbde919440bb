"""Results alone go to stdout."""
import json
import os
import pathlib
import subprocess

import driver

CANARIES = pathlib.Path(driver.PROGRAM).resolve().parent / "tests/canary_plugin"


class Streams(driver.PipelineTest):
    def test_what_a_plugin_prints_goes_to_stderr(self):
        words = [driver.PROGRAM, "plugins", "list", "--json", "--plugin-dir", str(CANARIES)]
        done = subprocess.run(words, capture_output=True, text=True, env={**os.environ, "ESPALIER_TEST_PRINT": "la la"})
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("metric.canary", [entry["type"] for entry in json.loads(done.stdout)])
        self.assertEqual(done.stderr.count("la la"), 2, done.stderr)

    def test_a_closed_stdout_is_an_error_and_no_file_takes_its_place(self):
        command = '"$0" plugins list --plugin-dir "$1" >&-'
        done = subprocess.run(["sh", "-c", command, driver.PROGRAM, str(CANARIES)], stderr=subprocess.PIPE, text=True)
        self.assertEqual(done.returncode, 1)
        self.assertIn("cannot write to stdout", done.stderr)

    def test_with_stderr_closed_results_are_the_same(self):
        words = ["sh", "-c", '"$0" plugins list --json --plugin-dir "$1" 2>&-', driver.PROGRAM, str(CANARIES)]
        done = subprocess.run(words, stdout=subprocess.PIPE, text=True, env={**os.environ, "ESPALIER_TEST_PRINT": "la la"})
        self.assertEqual(done.returncode, 0)
        self.assertIn("metric.canary", [entry["type"] for entry in json.loads(done.stdout)])


if __name__ == "__main__":
    driver.main()
