"""Kills and stops: nothing published is lost, and a resumed run gives the results of an uninterrupted one."""
import random
import signal
import time

import driver


class Interruption(driver.PipelineTest):
    def wait_for(self, process, condition, seconds=120):
        deadline = time.monotonic() + seconds
        while process.poll() is None and not condition():
            self.assertLess(time.monotonic(), deadline, "the program is stuck")
            time.sleep(0.005)

    def checkpoints(self, cache):
        return sorted(p.parent.name for p in cache.glob("checkpoints/*/checkpoint-*/manifest.json"))

    def kill(self, process):
        process.kill()
        process.communicate()

    def test_kills_in_sampling_lose_no_finished_block(self):
        alone = self.folder / "alone"
        self.call("work", cache=alone, code=76)
        chance = random.Random(1)
        for kills in range(10):
            before = self.blocks()
            process = self.start("work")
            self.wait_for(process, lambda: len(self.blocks()) > len(before))
            time.sleep(chance.random() * 0.2)
            self.kill(process)
            self.assertLessEqual(set(before), set(self.blocks()))
            if len(self.blocks()) == len(self.blocks(alone)):
                break
        self.call("work", code=76)
        self.assertEqual(self.blocks(), self.blocks(alone))
        self.call("cache", "verify", "--deep", pipeline=None)

    def test_five_kills_in_training_end_in_the_same_weights(self):
        settings = []
        for tag in ("graft", "pgraft_25", "pgraft_50"):
            settings += ["--set", f"{tag}.max_train_steps=12", "--set", f"{tag}.checkpointing_steps=1"]
        alone = self.folder / "alone"
        self.call("run", "--quiet", *settings, cache=alone)
        kills = 0
        for _ in range(5):
            seen = self.checkpoints(self.cache)
            process = self.start("run", "--quiet", *settings)
            self.wait_for(process, lambda: self.checkpoints(self.cache) not in ([], seen))
            if process.poll() is None:
                self.kill(process)
                kills += 1
        self.assertEqual(kills, 5)
        self.call("run", "--quiet", *settings)
        self.assertEqual(self.models(), self.models(alone))
        self.assertEqual(self.blocks(), self.blocks(alone))

    def test_a_signal_saves_and_exits_75(self):
        for stop in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2, signal.SIGHUP, signal.SIGXCPU):
            cache = self.folder / f"cache-{stop.name}"
            # Hours of sampling: it cannot be done before the signal comes.
            process = self.start("work", "--set", "samples.samples_per_condition=100000", cache=cache)
            self.wait_for(process, lambda: len(self.blocks(cache)) >= 1)
            process.send_signal(stop)
            _, errors = process.communicate()
            self.assertEqual(process.returncode, 75, errors)
            self.assertIn("\nstopping: waiting for stage 'samples' to finish its micro-batches; a second", errors)
            self.assertGreaterEqual(len(self.blocks(cache)), 1)

    def test_a_signal_in_training_saves_a_checkpoint(self):
        settings = ["--set", "graft.max_train_steps=2000", "--set", "graft.checkpointing_steps=1000"]
        process = self.start("run", *settings)
        self.wait_for(process, lambda: list(self.cache.glob("results/selection/*/*/manifest.json")))
        time.sleep(1.0)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate()
        self.assertEqual(process.returncode, 75, errors)
        self.assertIn("waiting for stage 'graft' to finish its optimizer step and a checkpoint", errors)
        self.assertEqual(len(self.checkpoints(self.cache)), 1, errors)

    def test_a_signal_while_conformers_are_made(self):
        # 2,571 molecules: seconds of many cores.
        conformers = self.folder / "conformers"
        process = self.start("run", "--set", "domain.max_heavy_atoms=5", "--set", "domain.max_atoms=29", "--set",
                             "models.blank.folder=datasets/models/molecule-blank-qm9", "--set", f"domain.conformer_cache={conformers}",
                             pipeline=driver.ROOT / "pipelines/smoke/molecule.toml")
        self.assertTrue(any("making conformers" in line for line in process.stderr))
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate()
        self.assertEqual(process.returncode, 75, errors)
        self.assertEqual(list(conformers.glob("*")), [])

    def test_two_runs_at_once_train_a_model_once(self):
        settings = ["--set", "graft.max_train_steps=40", "--set", "graft.checkpointing_steps=5"]
        alone = self.folder / "alone"
        self.call("run", "--quiet", *settings, cache=alone)
        first = self.start("run", *settings)
        self.wait_for(first, lambda: self.checkpoints(self.cache))
        second = self.start("run", *settings)
        errors = [process.communicate()[1] for process in (first, second)]
        self.assertEqual([first.returncode, second.returncode], [0, 0], errors)
        self.assertIn("another process trains this very model", errors[1])
        self.assertEqual(self.blocks(), self.blocks(alone), "the samples that the models are trained on")
        self.assertEqual(self.models(), self.models(alone), (self.makers(), self.makers(alone)))

    def test_a_second_ctrl_c_or_sigterm_stops_at_once(self):
        for stop in (signal.SIGINT, signal.SIGTERM):
            cache = self.folder / f"cache-{stop.name}"
            # One micro-batch takes minutes: the first signal cannot take effect before the second.
            process = self.start("run", "--set", "samples.num_inference_steps=1000", "--set", "samples.micro_batch=256", "--set",
                                 "samples.block_size=256", cache=cache)
            self.wait_for(process, lambda: list(cache.glob("sets/*/*/recipe.json")))
            process.send_signal(stop)
            self.assertTrue(any("stopping: waiting for" in line for line in process.stderr))
            process.send_signal(stop)
            _, errors = process.communicate()
            self.assertEqual(process.returncode, 130)
            self.assertIn("stopped at once", errors)


if __name__ == "__main__":
    driver.main()
