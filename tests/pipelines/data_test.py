"""Data are keyed by what they show, and what was decoded for a key is remembered."""
import gzip
import json
import struct

import driver

PIPELINE = """
name = "data"
seed = 1
[domain]
type = "domain.unconditional"
[domain.options]
source = "idx"
data = "images"
test_images = ""
model = "datasets/models/generated-flow-base-blank"
initialize_weights = true
[[stage]]
tag = "base"
type = "trainer.sft"
inputs = { model = "domain" }
[stage.options]
max_train_steps = 1
train_batch_size = 2
"""


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


class Data(driver.PipelineTest):
    def setUp(self):
        super().setUp()
        self.pipeline = self.folder / "data.toml"
        self.pipeline.write_text(PIPELINE)
        self.packed = self.folder / "images/train-images-idx3-ubyte.gz"
        self.packed.parent.mkdir()
        self.bytes = b"\0\0\x08\x03" + struct.pack(">III", 6, 16, 16) + bytes(i % 251 for i in range(6 * 256))
        self.packed.write_bytes(gzip.compress(self.bytes))

    def actions(self):
        plan = json.loads(self.call("plan", "--json", pipeline=self.pipeline))
        return {stage["tag"]: stage["action"] for stage in plan["stages"]}

    def remembered(self):
        text = (self.cache / "digests.json").read_text() if (self.cache / "digests.json").exists() else "{}"
        return {key: digest for key, digest in json.loads(text).items() if key.endswith(":idx")}

    def test_an_unpacked_file_is_the_same_data(self):
        self.call("run", "--quiet", pipeline=self.pipeline)
        self.assertEqual(self.actions(), {"base": "reuse"})
        self.packed.with_suffix("").write_bytes(self.bytes)
        self.packed.unlink()
        self.assertEqual(self.actions(), {"base": "reuse"})
        self.packed.with_suffix("").write_bytes(self.bytes[:-1] + b"\xff")
        self.assertEqual(self.actions(), {"base": "run"})

    def test_a_plan_makes_no_cache(self):
        self.assertEqual(self.actions(), {"base": "run"})
        self.assertFalse(self.cache.exists())

    def test_a_plan_remembers_what_it_decoded(self):
        self.call("run", "--quiet", pipeline=self.pipeline)
        (self.cache / "digests.json").unlink(missing_ok=True)
        for _ in range(100):  # a file younger than 0.1 s is not remembered
            if self.remembered():
                break
            self.assertEqual(self.actions(), {"base": "reuse"})
        # Another digest in its place shows that the file is not read again.
        lines = (self.cache / "digests.json").read_text().splitlines(keepends=True)
        (old,) = self.remembered().values()
        body = "".join(lines).replace(old, "f" * 64)
        body = body[: body.index(',\n  "crc32c"')]
        (self.cache / "digests.json").unlink()
        (self.cache / "digests.json").write_text(body + ',\n  "crc32c": "%08x"\n}\n' % crc32c(body.encode()))
        self.assertEqual(self.actions(), {"base": "run"})


if __name__ == "__main__":
    driver.main()
