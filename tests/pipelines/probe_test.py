"""What another build or another machine made is probed before it is reused or added to; what differs is refused."""
import hashlib
import json
import pathlib

import driver

PIPELINE = driver.ROOT / "tests/pipelines/builds/builds.toml"
BUILDS = pathlib.Path(driver.PROGRAM).parent / "tests/builds"


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def edit(path, change):
    """Writes a sealed table anew, as another program or machine would have written it."""
    table = json.loads(path.read_text())
    del table["crc32c"]
    change(table)
    body = json.dumps(table, indent=2, sort_keys=True)[:-2].encode()
    path.chmod(0o644)
    path.write_bytes(body + b',\n  "crc32c": "%08x"\n}\n' % crc32c(body))


class Probe(driver.PipelineTest):
    def call(self, *arguments, code=0, build="first", pipeline=PIPELINE, cache=None):
        plugins = ("--plugin-dir", BUILDS / build) if pipeline else ()
        return super().call(*arguments, *plugins, code=code, pipeline=pipeline, cache=cache)

    def run_stages(self, *arguments, build="first"):
        self.report = json.loads(self.call("run", "--json", "--quiet", *arguments, build=build))
        return {stage["tag"]: stage for stage in self.report["stages"]}

    def actions(self, *arguments, build="first"):
        return {stage["tag"]: stage["action"] for stage in json.loads(self.call("plan", "--json", *arguments, build=build))["stages"]}

    def commits(self):
        return sorted(self.cache.glob("sets/*/*/commit/*.json")) + sorted(self.cache.glob("sets/*/*/scores/*/commit/*.json"))

    def probes(self):
        return sorted(self.cache.glob("sets/*/*/probes/*.json")) + sorted(self.cache.glob("sets/*/*/scores/*/probes/*.json"))

    def contents(self):
        return {path: path.read_bytes() for path in self.cache.rglob("*")
                if path.is_file() and path.name != "digests.json" and "tmp" not in path.relative_to(self.cache).parts}

    def of_another_cpu(self):
        for path in self.commits():
            edit(path, lambda table: table["numerics_class"].update(cpu="another CPU"))

    def digest_of(self, stage, library):
        return [maker["libraries"][library] for maker in stage["made_by"]]

    def test_a_rebuild_with_the_same_maths_is_probed_once_and_reused(self):
        first = self.run_stages()
        self.assertEqual(self.probes(), [])
        before = self.contents()
        planned = self.actions(build="again")
        self.assertEqual(planned, {"samples": "probe, then reuse", "score": "probe, then reuse", "best": "reuse", "flow": "reuse",
                                   "inversions": "reuse"})
        self.assertEqual(self.contents(), before, "a plan writes nothing")
        second = self.run_stages(build="again")
        self.assertEqual({stage["status"] for stage in second.values()}, {"reused"})
        self.assertIn("of another build of sampler.halving; 4 samples of it computed again were equal", second["samples"]["because"])
        self.assertIn("of another build of reward.mean; 8 samples of it computed again were equal", second["score"]["because"])
        self.assertEqual(len(self.probes()), 2)
        self.assertEqual(set(self.actions(build="again").values()), {"reuse"})
        self.assertNotIn("computed again", self.run_stages(build="again")["samples"]["because"])
        # What made the numbers is not what is loaded now.
        for tag, library in (("samples", "sampler.halving"), ("score", "reward.mean")):
            self.assertEqual(self.digest_of(second[tag], library), self.digest_of(first[tag], library))
            self.assertNotEqual(self.digest_of(second[tag], library), [self.report["provenance"]["plugins"][library]["sha256"]])
        page = next((self.folder / "runs/builds").glob("*/report.html")).read_text()
        self.assertIn("reward.mean " + self.digest_of(first["score"], "reward.mean")[0][:12], page)

    def test_changed_maths_under_the_same_version_is_refused(self):
        self.run_stages()
        for build, tag, library in (("sampler", "samples", "sampler.halving"), ("reward", "score", "reward.mean")):
            for command in ("run", "work"):
                with self.subTest(build=build, command=command):
                    before = self.contents()
                    grow = ("--set", "samples.samples_per_condition=24") if build == "sampler" else ()
                    self.call(command, "--quiet", *grow, build=build, code=4)
                    self.assertIn(f"stage '{tag}'", self.stderr)
                    self.assertIn(f"another build of {library}", self.stderr)
                    self.assertIn(f"raise the numerics_version of {library}", self.stderr)
                    self.assertIn("its tolerance is 0.0001", self.stderr)
                    after = self.contents()
                    new = {path.parent.name for path in set(after) - set(before)}
                    self.assertLessEqual(new, {"probes"}, "blocks were published")
        self.assertEqual(set(self.actions().values()), {"reuse"}, "the build that made the set goes on")

    def test_a_tolerance_lets_close_numbers_pass_and_keeps_the_stored_ones(self):
        first = self.run_stages()
        commits = self.commits()
        grown = self.run_stages("--set", "samples.samples_per_condition=16", build="close")
        self.assertRegex(grown["samples"]["because"], r"differed by \de-0[67]|differed by \d\.\d+e-0[67]")
        self.assertEqual(grown["samples"]["samples_run"], 8)
        self.assertLessEqual(set(commits), set(self.commits()))
        self.assertEqual([maker["blocks"] for maker in grown["samples"]["made_by"]], [1, 1])
        self.assertIn(self.digest_of(first["samples"], "sampler.halving")[0], self.digest_of(grown["samples"], "sampler.halving"))
        self.assertEqual(set(self.actions("--set", "samples.samples_per_condition=16").values()), {"reuse"}, "the first build knows it too")

    def test_blocks_of_another_cpu_are_probed_once(self):
        self.run_stages()
        self.of_another_cpu()
        grow = ("--set", "samples.samples_per_condition=16", "--set", "flow.samples_per_condition=16", "--set", "inversions.max_examples=16")
        planned = self.actions(*grow)
        self.assertEqual({planned[tag] for tag in ("samples", "flow", "inversions", "score")}, {"probe, then run"})
        stages = self.run_stages(*grow)
        for tag in ("samples", "flow", "inversions", "score"):
            self.assertIn('of another numerics class (cpu "another CPU" there', stages[tag]["because"])
            self.assertIn("computed again were equal", stages[tag]["because"])
            self.assertEqual(stages[tag]["samples_run"], 8)
            self.assertEqual({maker["numerics_class"]["cpu"] == "another CPU" for maker in stages[tag]["made_by"]}, {True, False})
        self.assertEqual(len(self.probes()), 4)
        self.assertEqual(set(self.actions(*grow).values()), {"reuse"})
        self.call("run", *grow)
        self.assertNotIn("computed again", self.stderr)
        self.call("cache", "verify", "--deep", pipeline=None)

    def test_work_probes_too(self):
        self.call("work")
        self.of_another_cpu()
        self.call("work", "--set", "samples.samples_per_condition=16")
        self.assertIn("stage 'samples': block 0 is of another numerics class", self.stderr)
        self.assertEqual(len(self.probes()), 4)
        self.call("work", "--set", "samples.samples_per_condition=16")
        self.assertNotIn("numerics class", self.stderr)

    def test_records_that_name_no_build_are_probed(self):
        self.run_stages()
        for path in self.commits():
            edit(path, lambda table: (table.pop("libraries"), table["numerics_class"].update(threads=1)))
        stages = self.run_stages()
        for tag in ("samples", "flow", "inversions", "score"):
            self.assertIn("of a build that its record does not name", stages[tag]["because"])
        self.assertEqual(set(self.actions().values()), {"reuse"})

    def test_a_block_that_is_another_is_refused_on_another_machine(self):
        # Numbers of another build, recorded as the first one's, stand in for those of a CPU that rounds differently.
        self.call("run", "--quiet", build="sampler")
        for path in self.commits():
            edit(path, lambda table: table["libraries"].update({"sampler.halving": self.loaded("first", "sampler.halving")})
                 if "sampler.halving" in table["libraries"] else None)
        self.of_another_cpu()
        self.call("run", "--quiet", code=4)
        self.assertIn("stage 'samples'", self.stderr)
        self.assertIn("another numerics class", self.stderr)
        self.assertIn("the bits must be equal", self.stderr)
        self.assertIn("go on where the set was made", self.stderr)

    def loaded(self, build, library):
        return hashlib.sha256((BUILDS / build / "build.so").read_bytes()).hexdigest()

    def test_noise_is_stored_where_it_is_asked_for(self):
        stages = self.run_stages("--set", "samples.record_steps=[1.0]")
        self.assertEqual(stages["samples"]["status"], "run")
        steps = [json.loads(path.read_text())["steps"] for path in self.commits() if not json.loads(path.read_text())["scores"]]
        self.assertIn([3, 2, 1, 0], steps)
        self.assertEqual(self.run_stages("--set", "samples.record_steps=[3]")["samples"]["status"], "reused")

    def test_a_plan_says_that_blocks_are_computed_whole(self):
        text = self.call("plan", "--set", "samples.samples_per_condition=3")
        self.assertIn("8 samples, 5 of them beyond the view: blocks of block_size = 8 are computed whole", text)
        plan = json.loads(self.call("plan", "--json", "--set", "samples.samples_per_condition=3"))
        self.assertEqual(plan["stages"][0]["samples_beyond_view"], 5)


if __name__ == "__main__":
    driver.main()
