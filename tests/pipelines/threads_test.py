"""How many threads compute, and how long idle ones spin: the environment, the affinity and --threads."""
import json
import os
import subprocess

import driver

PIPELINE = """name = "x"
[domain]
type = "domain.text_to_image"
[domain.options]
prompts = "shapes"
[models]
base = "datasets/models/shapes-base"
[[stage]]
tag = "tuned"
type = "trainer.sft"
inputs = { model = "base" }
[stage.options]
max_train_steps = 1
train_batch_size = 2
"""
WAITING = ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY", "OMP_NUM_THREADS")


class Threads(driver.PipelineTest):
    def environment(self, **given):
        return {name: value for name, value in os.environ.items() if name not in WAITING} | given

    def spin_count(self, **given):
        """As libgomp prints it when it is loaded."""
        done = subprocess.run([driver.PROGRAM, "--version"], check=True, capture_output=True, text=True,
                              env=self.environment(OMP_DISPLAY_ENV="verbose", **given))
        line, = (line for line in done.stderr.splitlines() if "GOMP_SPINCOUNT" in line)
        return line.split("'")[1]

    def test_idle_threads_spin_shortly_unless_the_user_says_otherwise(self):
        self.assertEqual(self.spin_count(), "1000")
        self.assertEqual(self.spin_count(GOMP_SPINCOUNT="77"), "77")
        self.assertEqual(self.spin_count(OMP_WAIT_POLICY="passive"), "0")

    def test_the_program_keeps_its_arguments_and_its_name(self):
        done = subprocess.run([driver.PROGRAM, "validate", "a file\n.toml", ""], capture_output=True, text=True, env=self.environment())
        self.assertEqual(done.returncode, 2)
        self.assertIn("unexpected argument ''", done.stderr)
        listed = subprocess.run(["bash", "-c", "exec -a other \"$0\" plugins list", driver.PROGRAM], check=True, capture_output=True, text=True,
                                env=self.environment())
        self.assertIn("filter.top_k", listed.stdout)

    def provenance(self, cache, *arguments, **given):
        file = self.folder / "x.toml"
        file.write_text(PIPELINE)
        done = subprocess.run(self.command("run", "--json", "--quiet", *arguments, pipeline=file, cache=self.folder / cache), cwd=self.folder,
                              check=True, capture_output=True, text=True, env=self.environment(**given))
        return json.loads(done.stdout)["provenance"]

    def test_limits_of_threads(self):
        everything = self.provenance("a")
        self.assertLessEqual(everything["training_threads"], len(os.sched_getaffinity(0)))
        limited = self.provenance("b", OMP_NUM_THREADS="1")
        self.assertEqual((limited["training_threads"], limited["workers"]), (1, 1))
        asked = self.provenance("c", "--threads", "3", OMP_NUM_THREADS="1")
        self.assertEqual((asked["training_threads"], asked["workers"]), (3, 3))
        both = self.provenance("d", "--threads", "3", "--workers", "2")
        self.assertEqual((both["training_threads"], both["workers"]), (3, 2))
        manifest, = (self.folder / "c").glob("results/model/*/*/manifest.json")
        self.assertEqual(json.loads(manifest.read_text())["info"]["training_threads"], 3)

    def test_a_number_of_threads_that_is_none(self):
        for text in ("0", "two", "99999999999999999999"):
            self.call("validate", "--threads", text, code=2)
            self.assertIn("--threads: found", self.stderr)


if __name__ == "__main__":
    driver.main()
