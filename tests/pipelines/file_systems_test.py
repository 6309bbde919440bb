"""File systems that lack calls: a run gives the results that it gives elsewhere, or is refused before any work."""
import errno
import json
import os
import pathlib
import signal
import subprocess

import driver

MINI = driver.ROOT / "tests/pipelines/mini.toml"
SHIM = pathlib.Path(driver.PROGRAM).resolve().parent / "tests/file_system_shim.so"
LACKING = [
    {"SHIM_FLOCK": errno.ENOLCK},
    {"SHIM_FLOCK": errno.ENOSYS},
    {"SHIM_FLOCK": errno.EOPNOTSUPP},
    {"SHIM_FOLDER_FSYNC": errno.EINVAL},
    {"SHIM_FOLDER_FSYNC": errno.EOPNOTSUPP},
    {"SHIM_LINK": errno.EPERM},
    {"SHIM_LINK": errno.EOPNOTSUPP},
    {"SHIM_LINK": errno.EMLINK},
    {"SHIM_RENAME_NO_REPLACE": errno.EINVAL},
    {"SHIM_LINK": errno.ENOSYS, "SHIM_FLOCK": errno.ENOSYS, "SHIM_FOLDER_FSYNC": errno.EINVAL},
]


class FileSystems(driver.PipelineTest):
    def setUp(self):
        super().setUp()
        self.assertTrue(SHIM.exists(), f"{SHIM} is not built")

    def shim(self, lacking):
        return {**os.environ, "LD_PRELOAD": str(SHIM), "ASAN_OPTIONS": "verify_asan_link_order=0", **{name: str(number) for name, number in lacking.items()}}

    def on(self, lacking, *arguments, cache=None, pipeline=MINI, code=0):
        """Runs a command on such a file system."""
        words = self.command(*arguments, pipeline=pipeline, cache=cache)
        done = subprocess.run(words, cwd=self.folder, capture_output=True, text=True, env=self.shim(lacking))
        self.assertEqual(done.returncode, code, f"{lacking} {arguments}\n{done.stdout}{done.stderr}")
        self.stderr = done.stderr
        return done.stdout

    def made(self, cache):
        """All that a run made, by the digests of its bytes."""
        results = {str(p.parent.relative_to(cache)): [file["sha256"] for file in json.loads(p.read_text())["files"]] for p in cache.glob("results/*/*/*/manifest.json")}
        scores = sorted(p.name for p in cache.glob("sets/*/*/scores/*/data/*.h5"))
        return results, self.blocks(cache), scores

    def test_results_are_those_of_any_file_system(self):
        self.call("run", "--quiet", pipeline=MINI)
        whole = self.made(self.cache)
        self.assertEqual([len(part) for part in whole], [4, 2, 2])
        for lacking in LACKING:
            with self.subTest(lacking):
                cache = self.folder / "-".join(f"{name}{number}" for name, number in lacking.items())
                self.on(lacking, "run", "--quiet", cache=cache)
                self.assertEqual(self.made(cache), whole)
                self.assertEqual([str(p) for p in cache.glob("**/*.holder*")], [], "locks are given back")
                self.on(lacking, "cache", "verify", "--deep", cache=cache, pipeline=None)

    def test_where_nothing_can_be_published_nothing_is_begun(self):
        self.on({"SHIM_LINK": errno.EPERM, "SHIM_RENAME_NO_REPLACE": errno.EINVAL}, "run", code=4)
        self.assertIn("neither hard links (Operation not permitted) nor a rename that replaces nothing (Invalid argument)", self.stderr)
        self.assertNotIn("training", self.stderr)
        self.assertEqual(list(self.cache.iterdir()), [])

    def train_for_long(self, until):
        """Starts a training without flock; gives it and the lines of stderr to the first with such words."""
        words = self.command("run", "--set", "base.max_train_steps=1000000", pipeline=MINI)
        process = subprocess.Popen(words, cwd=self.folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=self.shim(LACKING[0]))
        self.addCleanup(process.communicate)
        self.addCleanup(process.kill)
        lines = []
        for line in process.stderr:
            lines.append(line)
            if until in line:
                return process, "".join(lines)
        self.fail("".join(lines))

    def lock(self):
        return next(self.cache.glob("checkpoints/locks/*/lock.holder"))

    def stop(self, process):
        process.send_signal(signal.SIGTERM)
        errors = process.communicate()[1]
        self.assertEqual(process.returncode, 75, errors)

    def test_a_killed_trainings_lock_is_replaced(self):
        process, _ = self.train_for_long("stage 'base': training")
        process.kill()
        process.communicate()
        self.assertEqual(json.loads(self.lock().read_text())["pid"], process.pid)
        process, lines = self.train_for_long("stage 'base': training")
        self.assertNotIn("waiting for", lines)
        self.assertEqual(json.loads(self.lock().read_text())["pid"], process.pid)
        self.stop(process)
        self.assertEqual(list(self.cache.glob("**/*.holder*")), [])

    def test_a_lock_of_another_machine_is_named_with_the_command_that_removes_it(self):
        process, _ = self.train_for_long("stage 'base': training")
        lock = self.lock()
        held = json.loads(lock.read_text())
        process.kill()
        process.communicate()
        lock.unlink()
        lock.write_text(json.dumps({**held, "host": "node7", "boot": "another"}))
        process, lines = self.train_for_long("waiting for")
        self.assertIn(f"process {held['pid']} of host 'node7', which cannot be seen from here", lines)
        subprocess.run(lines[lines.index("rm '"):], shell=True, check=True, cwd=self.folder)
        self.assertTrue(any("stage 'base': training" in line for line in process.stderr), "it is let in")
        self.stop(process)

    def test_the_doctor_says_beforehand_what_a_folder_can_do(self):
        self.call("cache", "doctor", pipeline=None)
        self.assertFalse(self.cache.exists(), "it makes no cache")
        self.call("run", "--quiet", pipeline=MINI)
        before = sorted(self.cache.rglob("*"))
        for lacking in [{}, *LACKING, {"SHIM_LINK": errno.EPERM, "SHIM_RENAME_NO_REPLACE": errno.EINVAL}]:
            with self.subTest(lacking):
                fit = lacking.keys() != {"SHIM_LINK", "SHIM_RENAME_NO_REPLACE"}
                found = json.loads(self.on(lacking, "cache", "doctor", "--json", pipeline=None, code=0 if fit else 4))
                self.assertEqual(found["fit"], fit)
                self.assertGreater(found["free_bytes"], 0)
                works = {entry["what"]: entry["works"] for entry in found["findings"]}
                self.assertEqual(works, {"making files": True, "hard links": "SHIM_LINK" not in lacking,
                                         "rename that replaces nothing": "SHIM_RENAME_NO_REPLACE" not in lacking,
                                         "locks (flock)": "SHIM_FLOCK" not in lacking, "fsync of folders": "SHIM_FOLDER_FSYNC" not in lacking})
                text = self.on(lacking, "cache", "doctor", pipeline=None, code=0 if fit else 4)
                self.assertEqual("hard links                     no (" in text, "SHIM_LINK" in lacking)
        self.assertEqual(sorted(self.cache.rglob("*")), before, "it leaves nothing behind")


if __name__ == "__main__":
    driver.main()
