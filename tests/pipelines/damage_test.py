"""Damage is found, set aside and computed again; a cache that cannot be used is refused."""
import os
import resource
import shutil
import subprocess
import unittest

import driver


class Damage(driver.PipelineTest):
    def damage(self, path):
        path.chmod(0o644)
        data = bytearray(path.read_bytes())
        data[len(data) // 2] ^= 1
        path.write_bytes(data)

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
        self.call("work")
        self.damage(sorted(self.cache.glob("sets/*/*/data/*.h5"))[0])
        for scores in self.cache.glob("sets/*/*/scores"):
            shutil.rmtree(scores)
        self.call("work")
        self.assertIn("set aside and computed again", self.stderr)
        self.call("cache", "verify", "--deep", pipeline=None)

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
        self.call("work")
        self.call("cache", "verify", "--deep", pipeline=None)


if __name__ == "__main__":
    driver.main()
