"""Data are keyed by their decoded content, and the digest of decoded content is remembered."""
import gzip
import json
import struct
import zlib

import driver

PIPELINE = """
name = "data"
seed = 1
[domain]
type = "domain.{domain}"
[domain.options]
data = "images"
{options}
[models]
blank = {{ folder = "datasets/models/{model}", initialize_weights = true }}
[[stage]]
tag = "base"
type = "trainer.sft"
inputs = {{ model = "blank" }}
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


def png(width, height, channels, pixels, level):
    """An 8-bit PNG, grey or RGB; `level` is zlib's, and changes the bytes alone."""
    def chunk(name, data):
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    stride = width * channels
    rows = b"".join(b"\0" + pixels[y * stride:(y + 1) * stride] for y in range(height))
    header = struct.pack(">IIBBBBB", width, height, 8, 2 if channels == 3 else 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows, level)) + chunk(b"IEND", b"")


class Idx:
    """Six images in one file, gzip'ed or not."""

    files = 1

    def write(self, pixels, packed):
        plain = self.images / "train-images-idx3-ubyte"
        for path in (plain, plain.with_suffix(".gz")):
            path.unlink(missing_ok=True)
        data = b"\0\0\x08\x03" + struct.pack(">III", 6, self.size, self.size) + pixels
        path = plain.with_suffix(".gz") if packed else plain
        path.write_bytes(gzip.compress(data) if packed else data)
        (self.images / "train-labels-idx1-ubyte").write_bytes(b"\0\0\x08\x01" + struct.pack(">I", 6) + bytes([0, 1] * 3))


class Folder:
    """Six PNG files, compressed or not."""

    files = 6

    def write(self, pixels, packed):
        length = len(pixels) // 6
        lines = []
        for i in range(6):
            part = pixels[i * length:(i + 1) * length]
            (self.images / f"{i}.png").write_bytes(png(self.size, self.size, self.channels, part, 9 if packed else 0))
            lines.append(json.dumps({"file_name": f"{i}.png", "text": "a red circle" if i % 2 else "a blue square"}) + "\n")
        (self.images / "metadata.jsonl").write_text("".join(lines))


class Data:
    channels = 1

    def setUp(self):
        super().setUp()
        self.pipeline = self.folder / "data.toml"
        self.pipeline.write_text(PIPELINE.format(domain=self.domain, model=self.model, options=self.options))
        self.images = self.folder / "images"
        self.images.mkdir()
        self.pixels = bytes(i % 251 for i in range(6 * self.channels * self.size ** 2))
        self.write(self.pixels, packed=True)

    def actions(self):
        plan = json.loads(self.call("plan", "--json", pipeline=self.pipeline))
        return {stage["tag"]: stage["action"] for stage in plan["stages"]}

    def remembered(self):
        text = (self.cache / "digests.json").read_text() if (self.cache / "digests.json").exists() else "{}"
        return {key: digest for key, digest in json.loads(text).items() if key.endswith(":idx") or ":pixels" in key}

    def test_the_same_pixels_in_other_bytes_are_the_same_data(self):
        self.call("run", "--quiet", pipeline=self.pipeline)
        self.assertEqual(self.actions(), {"base": "reuse"})
        self.write(self.pixels, packed=False)
        self.assertEqual(self.actions(), {"base": "reuse"})
        self.write(self.pixels[:-1] + b"\xff", packed=False)
        self.assertEqual(self.actions(), {"base": "run"})

    def test_a_plan_makes_no_cache(self):
        self.assertEqual(self.actions(), {"base": "run"})
        self.assertFalse(self.cache.exists())

    def test_a_plan_remembers_what_it_decoded(self):
        self.call("run", "--quiet", pipeline=self.pipeline)
        (self.cache / "digests.json").unlink(missing_ok=True)
        for _ in range(100):  # a file younger than 0.1 s is not remembered
            if len(self.remembered()) == self.files:
                break
            self.assertEqual(self.actions(), {"base": "reuse"})
        # Another digest in its place shows that the file is not read again.
        lines = (self.cache / "digests.json").read_text().splitlines(keepends=True)
        old = self.remembered()
        self.assertEqual(len(old), self.files)
        body = "".join(lines).replace(next(iter(old.values())), "f" * 64)
        body = body[: body.index(',\n  "crc32c"')]
        (self.cache / "digests.json").unlink()
        (self.cache / "digests.json").write_text(body + ',\n  "crc32c": "%08x"\n}\n' % crc32c(body.encode()))
        self.assertEqual(self.actions(), {"base": "run"})


class UnconditionalIdx(Idx, Data, driver.PipelineTest):
    domain, model, size = "unconditional", "generated-flow-base-blank", 16
    options = 'source = "idx"\ntest_images = ""'


class UnconditionalFolder(Folder, Data, driver.PipelineTest):
    domain, model, size = "unconditional", "generated-flow-base-blank", 16
    options = 'source = "folder"'


class TextToImageIdx(Idx, Data, driver.PipelineTest):
    domain, model, size = "text_to_image", "fashion-blank", 28
    options = 'prompts = "idx"\nclass_names = ["bag", "coat"]\ntest_images = ""\ntest_labels = ""'


class TextToImageFolder(Folder, Data, driver.PipelineTest):
    domain, model, size, channels = "text_to_image", "shapes-blank", 16, 3
    options = 'prompts = "folder"'


if __name__ == "__main__":
    driver.main()
