"""Damage is found, quarantined and computed again; a cache that cannot be used is refused."""
import json
import mmap
import os
import pathlib
import re
import resource
import shutil
import subprocess
import tempfile
import unittest

import driver


class Damage(driver.PipelineTest):
    def damage(self, path):
        path.chmod(0o644)
        data = bytearray(path.read_bytes())
        data[len(data) // 2] ^= 1
        path.write_bytes(data)

    def rot(self, mapped, path):
        before = path.stat()
        mapped[len(mapped) // 2] ^= 1
        after = path.stat()
        self.assertEqual((before.st_mtime_ns, before.st_ctime_ns, before.st_size), (after.st_mtime_ns, after.st_ctime_ns, after.st_size))

    def test_damaged_blocks_and_models_are_made_again(self):
        self.run_json()
        blocks, models = self.blocks(), self.models()
        self.call("cache", "verify", "--deep", pipeline=None)
        self.damage(sorted(self.cache.glob("sets/*/*/data/*.h5"))[0])
        self.damage(sorted(self.cache.glob("sets/*/*/scores/*/data/*"))[0])
        self.damage(sorted(self.cache.glob("results/model/*/*/unet/diffusion_pytorch_model.safetensors"))[0])
        self.call("cache", "verify", "--hash", pipeline=None, code=4)
        # Another selection and larger views make the run read all that is damaged: nothing is used in silence.
        self.run_json("--set", "best.k=2")
        self.run_json(*(word for model in ("base", "graft", "pgraft_25", "pgraft_50")
                        for word in ("--set", f"{model}_samples.samples_per_condition=3")))
        self.assertLessEqual(set(blocks), set(self.blocks()))
        self.assertLessEqual(models.items(), self.models().items())
        self.call("cache", "verify", "--deep", pipeline=None)

    def test_a_shard_makes_a_damaged_block_again(self):
        self.call("work", code=76)
        self.damage(sorted(self.cache.glob("sets/*/*/data/*.h5"))[0])
        for scores in self.cache.glob("sets/*/*/scores"):
            shutil.rmtree(scores)
        self.call("work", code=76)
        self.assertIn("quarantined and computed again", self.stderr)
        self.call("cache", "verify", "--deep", pipeline=None)

    def mini(self, *arguments, code=0):
        return self.call("run", "--quiet", *arguments, pipeline=driver.ROOT / "tests/pipelines/mini.toml", code=code)

    def test_whatever_file_is_cut_short_the_next_run_mends_it(self):
        self.mini()
        models = self.models()
        one_of_each_kind = {re.sub("[0-9a-f]{2}/[0-9a-f]{64}|[0-9a-f]{16,64}|b[0-9]+", "*", str(path.relative_to(self.cache))): path
                            for path in sorted(self.cache.rglob("*.*"), reverse=True)}
        self.assertGreaterEqual(len(one_of_each_kind), 16, one_of_each_kind)
        for kind, path in one_of_each_kind.items():
            with self.subTest(kind):
                path.chmod(0o644)
                os.truncate(path, 5)
                self.call("cache", "verify", pipeline=None, code=4)
                self.mini()
                self.call("cache", "verify", "--deep", pipeline=None)
                self.assertEqual(self.models(), models)

    @unittest.skipUnless(os.path.isdir("/dev/shm"), "no memory file system")
    def test_bytes_that_rot_unseen_are_not_used(self):
        # A mapped file of a memory file system changes while its times stay, as a file does on a disk that decays.
        self.cache = pathlib.Path(tempfile.mkdtemp(dir="/dev/shm"))
        self.addCleanup(shutil.rmtree, self.cache)
        rates = [("--set", f"graft.learning_rate={rate}") for rate in (0.001, 0.002)]
        self.mini(*rates[0])
        right = self.models()
        for pattern in ("selection/*/*/selection.json", "model/*/*/scheduler/scheduler_config.json",
                        "model/*/*/transformer/diffusion_pytorch_model.safetensors", "findings/*/*/findings.json"):
            with self.subTest(pattern):
                path = sorted(self.cache.glob("results/" + pattern))[0]
                path.chmod(0o644)
                with open(path, "r+b") as file:
                    mapped = mmap.mmap(file.fileno(), 0)
                self.mini(*rates[1])  # whatever this run remembers of the file is that it is sound
                self.rot(mapped, path)
                for manifest in self.cache.glob("results/model/*/*/manifest.json"):
                    if json.loads(manifest.read_text())["request"].get("selection"):
                        shutil.rmtree(manifest.parent)
                self.mini(*rates[0])
                made = self.models()
                self.assertEqual({key: made[key] for key in right}, right)
                self.call("cache", "verify", "--deep", pipeline=None)

    def test_what_is_no_file_or_too_large_is_not_waited_for(self):
        self.mini()
        for pattern in ("sets/*/*/data/b0*.h5", "sets/*/*/commit/b0*", "results/selection/*/*/manifest.json", "sets/*/*/scores/*/request.json"):
            for make in (lambda path: os.truncate(path, 20 << 30), lambda path: (path.unlink(), os.mkfifo(path))):
                with self.subTest(pattern):
                    path = sorted(self.cache.glob(pattern))[0]
                    path.chmod(0o644)
                    make(path)
                    self.call("cache", "verify", pipeline=None, code=4)
                    self.mini()
                    self.call("cache", "verify", "--hash", pipeline=None)
        (self.cache / "FORMAT").unlink()
        os.mkfifo(self.cache / "FORMAT")
        self.mini(code=4)
        self.assertIn("not a regular file", self.stderr)

    def test_an_unknown_format_is_refused(self):
        self.cache.mkdir()
        (self.cache / "FORMAT").write_text("espalier-cache 99\n")
        self.call("run", "--quiet", code=4)
        self.assertIn("espalier-cache 99", self.stderr)

    @unittest.skipIf(os.geteuid() == 0, "root may write everywhere")
    def test_a_read_only_cache_is_refused(self):
        self.cache.mkdir()
        self.cache.chmod(0o555)
        self.call("run", "--quiet", code=4)
        self.assertIn(str(self.cache), self.stderr)

    def test_a_full_disk_publishes_nothing_torn(self):
        # A limit on file size stands in for the full disk: writes beyond it fail.
        words = self.command("work", "--quiet")
        done = subprocess.run(words, cwd=self.folder, capture_output=True, text=True,
                              preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000)))
        self.assertEqual(done.returncode, 4, done.stderr)
        self.assertIn(str(self.cache), done.stderr)
        self.assertEqual(self.blocks(), [])
        self.call("work", code=76)
        self.call("cache", "verify", "--deep", pipeline=None)


if __name__ == "__main__":
    driver.main()
