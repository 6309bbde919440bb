"""What is computed again, and what is not: counted from report.json."""
import json

import driver

SAMPLERS = ("samples", "base_samples", "graft_samples", "pgraft_25_samples", "pgraft_50_samples")


class Reuse(driver.PipelineTest):
    def computed(self, stages):
        return {tag for tag, stage in stages.items() if stage["status"] == "run"}

    def test_reuse(self):
        first = self.run_json()
        self.assertEqual(self.computed(first), set(first))
        evaluations = {tag: first[tag]["network_evaluations"] for tag in SAMPLERS}
        # 48 prompts x 4 samples fill 3 blocks of 64; 4 steps with guidance are 8 forward passes a sample.
        self.assertEqual(first["samples"]["samples_run"], 192)
        self.assertEqual(evaluations["samples"], 192 * 8)

        with self.subTest("a second run does nothing"):
            second = self.run_json()
            self.assertEqual(self.computed(second), set())
            self.assertEqual(sum(stage["network_evaluations"] for stage in second.values()), 0)

        with self.subTest("the plan says so without running"):
            plan = json.loads(self.call("plan", "--json"))
            self.assertEqual({stage["action"] for stage in plan["stages"]}, {"reuse"})

        with self.subTest("another k samples and scores nothing anew for the pool"):
            changed = self.run_json("--set", "best.k=2")
            for tag in ("samples", "alignment", "base_samples", "base_alignment"):
                self.assertEqual(changed[tag]["status"], "reused", tag)
            for tag in ("best", "graft", "graft_samples"):
                self.assertEqual(changed[tag]["status"], "run", tag)

        with self.subTest("a larger view computes only its new blocks"):
            grown = self.run_json("--set", "samples.samples_per_condition=6")  # 288 samples: 5 blocks, 3 are there
            self.assertEqual(grown["samples"]["samples_run"], 2 * 64)
            self.assertEqual(grown["alignment"]["samples_run"], 2 * 64)
            self.assertEqual(grown["base_samples"]["status"], "reused")

        with self.subTest("a smaller view computes nothing"):
            plan = json.loads(self.call("plan", "--json", "--set", "samples.samples_per_condition=2"))
            actions = {stage["tag"]: stage["action"] for stage in plan["stages"]}
            self.assertEqual((actions["samples"], actions["alignment"], actions["best"]), ("reuse", "reuse", "run"))

        with self.subTest("a step that is recorded anyway is there"):
            recorded = self.run_json("--set", "samples.record_steps=[3]")  # 3 of 4 is one of the spaced ones
            self.assertEqual(self.computed(recorded), set())

        with self.subTest("explain names what changed, old and new"):
            text = self.call("explain", "samples", "--set", "samples.guidance_scale=3")
            self.assertIn("guidance_scale", text)
            self.assertIn("2.0 -> 3.0", text)

        with self.subTest("another seed shares nothing"):
            plan = json.loads(self.call("plan", "--json", "--set", "seed=8"))
            self.assertEqual({stage["action"] for stage in plan["stages"]}, {"run"})

    def test_bits_do_not_depend_on_the_number_of_workers(self):
        names = []
        for workers in (1, 2, 3, 5):
            cache = self.folder / f"cache{workers}"
            self.call("work", "--workers", workers, cache=cache, code=76)
            names.append(self.blocks(cache))
        self.assertGreaterEqual(len(names[0]), 4)
        for other in names[1:]:
            self.assertEqual(names[0], other)

    def test_shards_share_the_work(self):
        whole, shared = self.folder / "whole", self.folder / "shared"
        self.call("work", cache=whole, code=76)
        counts = [json.loads(self.call("work", "--json", "--shard", f"{i}/3", cache=shared, code=76))["blocks"] for i in (1, 2, 3)]
        self.assertEqual(self.blocks(whole), self.blocks(shared))
        self.assertTrue(all(count > 0 for count in counts), counts)

    def test_work_says_what_it_waits_for(self):
        tuned = [f"{tag}_{what}" for tag in ("graft", "pgraft_25", "pgraft_50") for what in ("samples", "alignment")]
        first = json.loads(self.call("work", "--json", code=76))
        self.assertGreater(first["blocks"], 0)
        self.assertEqual(sorted(first["waiting"]), sorted(tuned))
        self.assertEqual(json.loads(self.call("work", "--json", code=76)), {"blocks": 0, "waiting": first["waiting"]})
        self.assertIn("'graft_samples'", self.call("work", code=76))
        self.call("run", "--quiet")
        self.assertEqual(json.loads(self.call("work", "--json")), {"blocks": 0, "waiting": []})

    def test_two_runs_at_once_share_a_cache(self):
        runs = [self.start("work") for _ in range(2)]
        for run in runs:
            _, errors = run.communicate()
            self.assertEqual(run.returncode, 76, errors)
        alone = self.folder / "alone"
        self.call("work", cache=alone, code=76)
        self.assertEqual(self.blocks(), self.blocks(alone))
        self.call("cache", "verify", "--deep", pipeline=None)


if __name__ == "__main__":
    driver.main()
