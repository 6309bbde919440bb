"""Runs the program in a folder of its own; what the pipeline tests share."""
import json
import os
import pathlib
import shutil
import subprocess
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
PROGRAM = os.environ.get("ESPALIER_PROGRAM", str(ROOT / "build/release/espalier"))
# Tests run in folders of their own, where a relative path would name another place.
if os.environ.get("ESPALIER_DATA"):
    os.environ["ESPALIER_DATA"] = str(pathlib.Path(os.environ["ESPALIER_DATA"]).resolve())
SMOKE = ROOT / "pipelines/smoke/shapes_pgraft.toml"


class PipelineTest(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="espalier-test-"))
        self.cache = self.folder / "cache"
        # Runs write to ./runs, and pipelines name datasets/... from the root.
        (self.folder / "datasets").symlink_to(ROOT / "datasets")

    def tearDown(self):
        subprocess.run(["chmod", "-R", "u+w", str(self.folder)], check=False)
        shutil.rmtree(self.folder)

    def command(self, *arguments, pipeline=SMOKE, cache=None):
        words = [PROGRAM, arguments[0]]
        if pipeline:
            words.append(str(pipeline))
        words += [str(word) for word in arguments[1:]]
        return words + ["--set", f"cache.path={cache or self.cache}"]

    def call(self, *arguments, code=0, pipeline=SMOKE, cache=None):
        """Runs a command and gives its stdout; fails when the exit code is another."""
        done = subprocess.run(self.command(*arguments, pipeline=pipeline, cache=cache), cwd=self.folder, capture_output=True, text=True)
        self.assertEqual(done.returncode, code, f"{arguments}\nstdout: {done.stdout}\nstderr: {done.stderr}")
        self.stderr = done.stderr
        return done.stdout

    def start(self, *arguments, pipeline=SMOKE, cache=None):
        return subprocess.Popen(self.command(*arguments, pipeline=pipeline, cache=cache), cwd=self.folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                text=True)

    def run_json(self, *arguments, cache=None):
        """Runs the smoke pipeline and gives report.json's stages by tag."""
        report = json.loads(self.call("run", "--json", "--quiet", *arguments, cache=cache))
        self.report = report
        return {stage["tag"]: stage for stage in report["stages"]}

    def blocks(self, cache=None):
        """Names of all block files; a name holds the digest of the file's bytes."""
        return sorted(p.parent.parent.name + "/" + p.name for p in (cache or self.cache).glob("sets/*/*/data/*.h5"))

    def models(self, cache=None):
        return {p.parent.name: json.loads(p.read_text())["info"]["model"]["digest"]
                for p in (cache or self.cache).glob("results/model/*/*/manifest.json")}

    def makers(self, cache=None):
        """By model: the number of threads that trained it, and the CPU and libraries that its numbers depend on."""
        infos = {p.parent.name: json.loads(p.read_text())["info"] for p in (cache or self.cache).glob("results/model/*/*/manifest.json")}
        return {model: (info["training_threads"], info["made_by"]["numerics_class"]) for model, info in infos.items()}


main = unittest.main
