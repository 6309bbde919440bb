"""The package espalier_reward must keep to docs/process_protocol.md whatever the reward's own code does."""
import io
import math
import os
import pty
import re
import subprocess
import sys
import time
import unittest

import peers

peers.go_on_in_peers()

import numpy as np
from PIL import Image

from espalier_reward import Samples
from fake_engine import Engine, files, strings, tensor

SERVE = "from espalier_reward import serve, serve_metric, worker\n"


def reward(body, before=""):
    """A program whose score() has this body."""
    return f"{SERVE}{before}\ndef score(samples, prompts, metadata):\n    {body}\nserve(score, identity='test 1')\n"


ONES = reward("return [1.0] * len(samples)")


class Serving(unittest.TestCase):
    def failure(self, body, *fields, count=2):
        """What a program writes to standard error that fails at a batch."""
        with Engine(reward(body)) as engine:
            engine.greet()
            self.assertIsNone(engine.scores(count, *fields))
            self.assertEqual(engine.end(), 1)
            return engine.errors.decode()

    def test_answers_every_batch_and_ends_quietly(self):
        with Engine(reward("return [index + len(prompt) + data['number'] for index, prompt, data in zip(samples.index, prompts, metadata)]")) as engine:
            self.assertEqual(engine.greet(), {"type": "ready", "protocol": 1, "identity": "test 1"})
            self.assertEqual(engine.scores(2, batch=0, prompts=["a", "bc"]), [1, 4])
            self.assertEqual(engine.scores(3, batch=7, first=10), [18, 20, 22])
            self.assertEqual((engine.end(), engine.errors), (0, b""))

    def test_reads_every_format_and_dtype(self):
        body = """
    assert samples.fields == ['f', 'h', 'mask', 'i', 'd', 'smiles', 'molecules.sdf', 'png'], samples.fields
    assert [str(samples[name].dtype) for name in ('f', 'h', 'mask', 'i', 'd')] == ['float32', 'uint8', 'bool', 'int64', 'float64']
    assert samples['f'].tolist() == [[1, 2], [3, 4]] and samples['h'].tolist() == [7, 8] and samples['mask'].tolist() == [[[True], [False]]] * 2
    assert samples['i'].tolist() == [-1, 2**62] and samples['d'].tolist() == [0.1, float('inf')]
    assert all(samples[name].flags.aligned for name in ('f', 'h', 'mask', 'i', 'd'))
    assert samples['smiles'] == ['CCO', 'é'] and samples['molecules.sdf'] == ['', 'ab\\né'] and samples['png'] == [b'\\xff\\x00', b'']
    return [len(samples), 0]"""
        with Engine(reward(body)) as engine:
            engine.greet()
            fields = (tensor("f", "float32", [2, 2], [1, 2, 3, 4]), tensor("h", "uint8", [2], [7, 8]), tensor("mask", "bool", [2, 2, 1], [1, 0, 1, 0]),
                      tensor("i", "int64", [2], [-1, 2**62]), tensor("d", "float64", [2], [0.1, math.inf]), strings("smiles", ["CCO", "é"]),
                      files("molecules.sdf", [b"", "ab\né".encode()]), files("png", [b"\xff\0", b""]))
            self.assertEqual(engine.scores(2, *fields), [2, 0])

    def test_takes_numbers_of_any_library(self):
        for expression in ("[1, 2.5]", "(True, 2.5)", "np.array([1, 2.5], 'f4')", "[np.float32(1), np.float64(2.5)]", "torch.tensor([1, 2.5])",
                           "[torch.tensor(1), torch.tensor([2.5])]", "torch.tensor([1, 2.5]).bfloat16()"):
            before = "import torch\n" if "torch" in expression else ""
            with self.subTest(expression), Engine(reward(f"return {expression}", before + "import numpy as np")) as engine:
                engine.greet()
                self.assertEqual(engine.scores(2), [1, 2.5])

    def test_passes_nan_on(self):
        with Engine(reward("return [float('nan'), 1]")) as engine:
            engine.greet()
            missing, there = engine.scores(2)
            self.assertTrue(math.isnan(missing))
            self.assertEqual(there, 1)

    def test_a_wrong_answer_ends_the_program(self):
        for expression, message in (("[1]", "returned 1 numbers for 2 samples"), ("[1, None]", "returned None for sample 1"), ("[1, '2']", "returned '2' for"),
                                    ("None", "returned NoneType"), ("1.5", "returned float"), ("[[1], [2]]", "returned [1] for sample 0"), ("'12'", "returned str"),
                                    ("[1, 2j]", "returned 2j"), ("{0: 1, 1: 2}", "returned dict")):
            with self.subTest(expression):
                self.assertIn(message, self.failure(f"return {expression}"))

    def test_an_exception_ends_the_program_with_its_traceback(self):
        errors = self.failure("return 1 / 0")
        self.assertIn("Traceback", errors)
        self.assertIn("ZeroDivisionError", errors)

    def test_a_field_that_was_not_sent_is_named(self):
        self.assertIn("the field 'image' was not sent; sent: smiles", self.failure("return samples['image']", strings("smiles", ["C", "C"])))

    def test_what_is_printed_goes_to_standard_error(self):
        before = "print('above', flush=True)\nimport ctypes, os, subprocess\nlibc = ctypes.CDLL(None)"
        body = """
    print('from python')
    os.write(1, b'to the descriptor\\n')
    libc.puts(b'from c'); libc.fflush(None)
    subprocess.run(['echo', 'from a child'], check=True)
    assert subprocess.run(['cat'], capture_output=True, check=True, timeout=20).stdout == b''  # a child has none of the messages
    return [1] * len(samples)"""
        with Engine(reward(body, before)) as engine:
            engine.greet()
            self.assertEqual(engine.scores(2), [1, 1])
            self.assertEqual(engine.scores(1, batch=1), [1])
            self.assertEqual(engine.end(), 0)
            for text in (b"above", b"from python", b"to the descriptor", b"from c", b"from a child"):
                self.assertIn(text, engine.errors)

    def test_another_version_of_the_protocol_is_refused(self):
        with Engine(ONES) as engine:
            self.assertIsNone(engine.greet(protocol=2))
            self.assertEqual(engine.end(), 1)
            self.assertIn(b"version 2 of the protocol, this package version 1", engine.errors)

    def test_another_task_is_refused(self):
        with Engine(ONES) as engine:
            self.assertIsNone(engine.greet("metric"))
            self.assertEqual(engine.end(), 1)
            self.assertIn(b"use serve_metric()", engine.errors)

    def test_what_is_no_message_is_refused(self):
        for start, reason in ((b"GET / HTTP/1.1\r\n\r\n", b"not a message of Espalier"), (b"ESPL\x05", b"ended after 5 of 16 bytes")):
            with self.subTest(start), Engine(ONES) as engine:
                engine.program.stdin.write(start)
                self.assertEqual(engine.end(), 1)
                self.assertIn(reason, engine.errors)

    def test_ends_quietly_where_nothing_is_wanted(self):
        with Engine(ONES) as engine:
            self.assertEqual((engine.end(), engine.errors), (0, b""))

    def test_says_by_hand_what_the_program_is_for(self):
        terminal, inner = pty.openpty()
        for given in (inner, subprocess.DEVNULL):  # a test's standard input is empty
            done = subprocess.run([sys.executable, "-c", ONES], stdin=given, env=peers.environment(), capture_output=True, text=True)
            self.assertEqual((done.returncode, done.stdout), (2, ""))
            self.assertIn("is started by Espalier", done.stderr)
            self.assertIn('under if __name__ == "__main__":', done.stderr)
        os.close(terminal)
        os.close(inner)

    def test_importing_it_elsewhere_leaves_the_output_alone(self):
        done = subprocess.run([sys.executable, "-c", "import espalier_reward; print(1)"], stdin=subprocess.DEVNULL, env=peers.environment(), capture_output=True)
        self.assertEqual((done.stdout, done.stderr), (b"1\n", b""))

    def test_the_number_of_the_worker_is_there_before_serving(self):
        with Engine(reward("return [device] * len(samples)", "device = worker()")) as engine:
            self.assertEqual(engine.greet(worker=3)["identity"], "test 1")
            self.assertEqual(engine.scores(1), [3])

    def test_states_its_throughput(self):
        """Printed, not required: it depends on the machine."""
        megabytes, batches = 64, 4
        field = {"name": "image", "format": "tensor", "dtype": "float32", "shape": [4, megabytes << 16], "bytes": megabytes << 20}, bytes(megabytes << 20)
        with Engine(reward("return samples['image'][:, 0]")) as engine:
            engine.greet()
            begin = time.monotonic()
            for batch in range(batches):
                self.assertEqual(engine.scores(4, field, batch=batch), [0] * 4)
            print(f"{megabytes * batches / (time.monotonic() - begin):.0f} MiB/s", file=sys.stderr)


class ServingAMetric(unittest.TestCase):
    def test_measures_all_samples_at_once(self):
        source = SERVE + """
def measure(samples, prompts, metadata):
    assert samples.index == [0, 1, 5] and prompts == ['prompt 0', 'prompt 1', 'prompt 0'] and metadata[2] == {'number': 0}
    return {'sum': samples['x'].sum(), 'texts': len(''.join(samples['smiles']))}
serve_metric(measure, identity='test 1')"""
        with Engine(source) as engine:
            engine.greet("metric")
            for batch in range(2):  # the second begins anew
                engine.samples(2, tensor("x", "float32", [2, 1], [1, 2]), strings("smiles", ["C", "CC"]), type="samples")
                engine.samples(1, tensor("x", "float32", [1, 1], [4]), strings("smiles", ["CCC"]), type="samples", first=5)
                engine.send({"type": "measure", "count": 3})
                self.assertEqual(engine.read(), ({"type": "findings", "scalars": {"sum": 7, "texts": 6}}, b""))
            self.assertEqual((engine.end(), engine.errors), (0, b""))

    def test_a_wrong_answer_ends_the_program(self):
        for expression in ("None", "{}", "{'a': float('nan')}", "{'a': None}", "{1: 1.0}", "[1]"):
            source = f"{SERVE}serve_metric(lambda samples, prompts, metadata: {expression}, identity='test 1')"
            with self.subTest(expression), Engine(source) as engine:
                engine.greet("metric")
                engine.send({"type": "measure", "count": 0})
                self.assertIsNone(engine.read())
                self.assertEqual(engine.end(), 1)
                self.assertIn(b"measure() returned", engine.errors)


class Page(unittest.TestCase):
    """The programs of docs/rewards.md and of the package's README run as they stand there."""

    IMAGES = tensor("image", "float32", [2, 1, 1, 2], [0, 0.5, 1, 1])

    def programs(self, page):
        return re.findall("```python\n(.*?)```", (peers.ROOT / page).read_text(), re.DOTALL)

    def test_the_reward_scores(self):
        for source in (self.programs("docs/rewards.md")[0], *self.programs("python/espalier_reward/README.md")):
            with Engine(source) as engine:
                self.assertEqual(engine.greet()["identity"], "brightness 1")
                self.assertEqual(engine.scores(2, self.IMAGES), [0.25, 1])

    def test_the_metric_measures(self):
        with Engine(self.programs("docs/rewards.md")[1]) as engine:
            engine.greet("metric")
            engine.samples(2, self.IMAGES, type="samples")
            engine.send({"type": "measure", "count": 2})
            self.assertEqual(engine.read()[0]["scalars"], {"mean": 0.625, "spread": float(np.std(np.array([0, 0.5, 1, 1], "f4")))})


class SamplesOfATest(unittest.TestCase):
    def test_draws_images_with_rounding(self):
        image = np.array([0.0, 0.4 / 255, 0.6 / 255, 254.4 / 255, 254.6 / 255, 1.5, -1, 1], "f4").reshape(1, 1, 2, 4)
        drawn, = Samples({"image": image}).images()
        self.assertEqual((drawn.mode, drawn.size), ("RGB", (4, 2)))
        self.assertEqual(np.asarray(drawn)[..., 1].ravel().tolist(), [0, 0, 1, 254, 255, 255, 0, 255])

    def test_keeps_channels_rows_and_columns_apart(self):
        image = np.random.default_rng(1).integers(0, 256, (2, 3, 4, 5))
        for one, drawn in zip(image, Samples({"image": (image / 255).astype("f4")}).images()):
            self.assertTrue((np.asarray(drawn) == one.transpose(1, 2, 0)).all())

    def test_prefers_the_images_that_were_sent(self):
        file = io.BytesIO()
        Image.new("L", (3, 2), 77).save(file, "PNG")
        drawn, = Samples({"png": [file.getvalue()]}).images()
        self.assertEqual((drawn.mode, drawn.getpixel((2, 1))), ("RGB", (77, 77, 77)))

    def test_refuses_what_no_image_shows(self):
        with self.assertRaisesRegex(ValueError, "NaN"):
            Samples({"image": np.full((1, 3, 2, 2), np.nan, "f4")}).images()
        with self.assertRaisesRegex(ValueError, r"shape \[1, 2, 2\]"):
            Samples({"image": np.zeros((1, 2, 2), "f4")}).images()

    def test_a_slice_is_some_of_them(self):
        some = Samples({"x": np.arange(4), "smiles": list("abcd")}, [10, 11, 12, 13])[1:3]
        self.assertEqual((len(some), some.index, some["x"].tolist(), some["smiles"]), (2, [11, 12], [1, 2], ["b", "c"]))

    def test_fields_have_a_row_a_sample(self):
        with self.assertRaisesRegex(ValueError, "'b' has 1 rows for 2 samples"):
            Samples({"a": [1, 2], "b": [1]})


if __name__ == "__main__":
    unittest.main()
