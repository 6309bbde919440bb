"""Espalier's side of docs/process_protocol.md, written from that page alone: starts a program and exchanges messages with it."""
import json
import math
import os
import struct
import subprocess
import sys
import threading

import peers

DTYPES = {"float32": "f", "float64": "d", "uint8": "B", "int64": "q", "bool": "?"}


def tensor(name, dtype, shape, values):
    payload = struct.pack(f"<{math.prod(shape)}{DTYPES[dtype]}", *values)
    return {"name": name, "format": "tensor", "dtype": dtype, "shape": shape, "bytes": len(payload)}, payload


def files(name, contents):
    return {"name": name, "format": "files", "sizes": [len(one) for one in contents], "bytes": sum(map(len, contents))}, b"".join(contents)


def strings(name, values):
    return {"name": name, "format": "strings", "values": values}, b""


class Engine:
    """A program, by default the code `source` in the peers' Python. `send` and `read` are one message each."""

    def __init__(self, source=None, command=None):
        self.program = subprocess.Popen(command or [sys.executable, "-c", source], env=peers.environment(), stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.errors = b""
        self.reader = threading.Thread(target=self._read_errors)
        self.reader.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.program.kill()
        self.end()

    def _read_errors(self):
        self.errors = self.program.stderr.read()

    def send(self, header, *payload):
        text = json.dumps(header).encode()
        self.program.stdin.write(b"ESPL" + struct.pack("<IQ", len(text), sum(map(len, payload))) + text)
        for part in payload:
            self.program.stdin.write(part)
        self.program.stdin.flush()

    def read(self):
        """(header, payload); None where the program has closed its output."""
        start = self.program.stdout.read(16)
        if not start:
            return None
        assert start[:4] == b"ESPL", start
        header, payload = struct.unpack("<IQ", start[4:])
        return json.loads(self.program.stdout.read(header)), self.program.stdout.read(payload)

    def greet(self, task="reward", protocol=1, worker=0):
        self.send({"type": "hello", "protocol": protocol, "task": task, "sample_kind": "image", "worker": worker})
        answer = self.read()
        return answer and answer[0]

    def samples(self, count, *fields, type="score", batch=0, first=0, prompts=None, metadata=None):
        header = {"type": type, "count": count, "index": list(range(first, first + count)), "prompts": prompts or [f"prompt {i}" for i in range(count)],
                  "metadata": metadata or [{"number": i} for i in range(count)], "fields": [field for field, _ in fields]}
        if type == "score":
            header["batch"] = batch
        self.send(header, *[payload for _, payload in fields])

    def scores(self, count, *fields, **options):
        """The scores of these samples."""
        self.samples(count, *fields, **options)
        answer = self.read()
        if answer is None:
            return None
        header, payload = answer
        assert header == {"type": "scores", "batch": options.get("batch", 0), "count": count}, header
        return list(struct.unpack(f"<{count}d", payload))

    def end(self):
        """Closes the program's input; its exit code."""
        try:
            self.program.stdin.close()
        except BrokenPipeError:
            pass
        code = self.program.wait(30)
        self.reader.join()
        self.program.stdout.close()
        self.program.stderr.close()
        return code


def score_with(adapter, count, *fields, folder=peers.ROOT / "python/adapters", **options):
    """Scores by one of the adapters, as a stage would have them, and its identity."""
    with Engine(command=[sys.executable, os.fspath(folder / adapter)]) as engine:
        identity = engine.greet()["identity"]
        scores = engine.scores(count, *fields, **options)
        code = engine.end()
        assert code == 0, engine.errors.decode()
        return scores, identity
