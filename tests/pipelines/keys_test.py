"""Keys stay as they are: another key would hide every result that users have in their caches.

keys_golden.json has the keys that a plan knows before anything is made, of pipelines that need no data. Where a change of them is meant
(docs/decisions says why), `keys_test.py --write` writes them anew.
"""
import json
import pathlib
import sys

import driver

GOLDEN = pathlib.Path(__file__).with_name("keys_golden.json")
PIPELINES = ["demo.toml", "smoke/inverse_noise.toml", "smoke/layout.toml", "smoke/molecule.toml", "smoke/shapes_pgraft.toml"]


class Keys(driver.PipelineTest):
    def keys(self):
        found = {}
        for name in PIPELINES:
            plan = json.loads(self.call("plan", "--json", pipeline=driver.ROOT / "pipelines" / name))
            found[name] = {stage["tag"]: stage["key"] for stage in plan["stages"] if stage["key"]}
            self.assertTrue(found[name], name)
        return found

    def test_are_those_that_caches_hold(self):
        found = self.keys()
        if "--write" in sys.argv:
            GOLDEN.write_text(json.dumps(found, indent=1, sort_keys=True) + "\n")
        self.assertEqual(found, json.loads(GOLDEN.read_text()))


if __name__ == "__main__":
    driver.unittest.main(argv=[word for word in sys.argv if word != "--write"])
