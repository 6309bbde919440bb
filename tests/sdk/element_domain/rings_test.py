"""The domain of docs/writing_plugins.md, trained and sampled by the program: PROGRAM PLUGIN_FOLDER."""
import json
import pathlib
import subprocess
import sys
import tempfile

program, plugins = sys.argv[1:]
pipeline = pathlib.Path(__file__).with_name("rings.toml")
with tempfile.TemporaryDirectory(prefix="espalier-rings-") as cache:
    (pathlib.Path(cache) / "tests").symlink_to(pipeline.parents[2])
    done = subprocess.run([program, "run", pipeline, "--json", "--quiet", "--plugin-dir", plugins, "--set", f"cache.path={cache}/cache"],
                          cwd=cache, capture_output=True, text=True)
assert done.returncode == 0, done.stderr
report = json.loads(done.stdout)
scalars = {scalar["name"]: scalar["value"] for scalar in report["scalars"]}
print(scalars)
assert scalars["reward"] > 0.6, scalars
assert scalars["gain"] > 0.55, scalars
