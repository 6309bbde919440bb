"""A program for tests: speaks docs/process_protocol.md, and misbehaves in the way that its first argument names.

usage: test_program.py HOW [FILE]     FILE: a marker, which shows whether an earlier program was there, or takes the numbers of children
"""
import json
import os
import pathlib
import struct
import subprocess
import sys
import time

CODES = {"float32": "f", "float64": "d", "uint8": "B", "int64": "q", "bool": "B"}


def read(size):
    data = sys.stdin.buffer.read(size)
    if len(data) < size:
        if HOW == "goes_on":  # after its standard input is closed
            time.sleep(600)
        sys.exit(0)
    return data


def receive():
    magic, header, payload = struct.unpack("<4sIQ", read(16))
    assert magic == b"ESPL"
    return json.loads(read(header)), read(payload)


def send(header, payload=b"", announced=None, header_bytes=None):
    text = json.dumps(header).encode()
    lengths = struct.pack("<4sIQ", b"ESPL", header_bytes or len(text), len(payload) if announced is None else announced)
    os.write(1, lengths + text + payload)


def is_first():
    """Whether no program was there before this one, which leaves its mark."""
    first = not pathlib.Path(FILE).exists()
    pathlib.Path(FILE).touch()
    return first


def sums(header, payload):
    """Of each sample: the sum of all numbers, of all texts' lengths and of all files' bytes."""
    count, place = header["count"], 0
    scores = [0.0] * count
    for field in header["fields"]:
        if field["format"] == "tensor":
            numbers = struct.unpack_from("<%d%s" % (field["bytes"] // struct.calcsize("<" + CODES[field["dtype"]]), CODES[field["dtype"]]),
                                         payload, place)
            assert field["shape"][0] == count
            row = len(numbers) // count
            values = [sum(numbers[i * row:(i + 1) * row]) for i in range(count)]
        elif field["format"] == "strings":
            values = [len(text) for text in field["values"]]
        else:
            begins = [place + sum(field["sizes"][:i]) for i in range(count)]
            values = [sum(payload[begin:begin + size]) for begin, size in zip(begins, field["sizes"])]
        place += field.get("bytes", 0)
        scores = [score + value for score, value in zip(scores, values)]
    assert place == len(payload)
    return scores


def start_children():
    """One that stays, one in a session of its own whose parent is gone, and one without the environment."""
    sleep = "import time; time.sleep(600)"
    daemon = "import os, subprocess, sys; os.setsid(); print(subprocess.Popen([sys.executable, '-c', %r], stdout=2).pid)" % sleep
    children = [subprocess.Popen([sys.executable, "-c", sleep]).pid,
                int(subprocess.run([sys.executable, "-c", daemon], stdout=subprocess.PIPE, check=True).stdout),
                subprocess.Popen([sys.executable, "-c", sleep], env={}).pid]
    pathlib.Path(FILE).write_text(" ".join(map(str, children)))


def misbehave(header, payload):
    """What is done instead of, or before, the right answer. True: it was the answer."""
    count, batch = header["count"], header["batch"]
    right, zeros = {"type": "scores", "batch": batch, "count": count}, bytes(8 * count)
    if HOW == "crashes" or (HOW == "crashes_once" and is_first()):
        print("it is out of paint", file=sys.stderr)
        sys.exit(3)
    if HOW == "is_killed":
        os.kill(os.getpid(), 9)
    if HOW == "prints":
        os.write(1, b"loading the model\n")
    if HOW == "is_silent":
        time.sleep(600)
    if HOW == "is_late":
        time.sleep(3)
    if HOW == "leaves_children":
        start_children()
    if HOW == "leaves_children_and_crashes":
        start_children()
        sys.exit(4)
    if HOW == "takes_memory":
        globals()["held"] = bytearray(os.urandom(1 << 20) * 200)
        time.sleep(600)
    if HOW == "child_takes_memory":
        subprocess.run([sys.executable, "-c", "import os, time; held = bytearray(os.urandom(1 << 20) * 200); time.sleep(600)"])
    answers = {
        "other_batch": lambda: send(dict(right, batch=batch + 1), zeros),
        "other_count": lambda: send(dict(right, count=count + 1), zeros),
        "more_numbers": lambda: send(dict(right, count=count + 1), zeros + bytes(8)),
        "announces_2_gb": lambda: send(right, b"", announced=2 << 30),
        "long_header": lambda: send(right, zeros, header_bytes=(64 << 20) + 1),
        "other_type": lambda: send(dict(right, type="ready"), zeros),
        "no_json": lambda: os.write(1, struct.pack("<4sIQ", b"ESPL", 5, 8 * count) + b"{nan}" + zeros),
        "answers_twice": lambda: send(right, zeros + b"ESPL and more", announced=8 * count),
        "nan": lambda: send(right, struct.pack("<%dd" % count, *([float("nan"), float("inf"), -float("inf")] * count)[:count])),
        "index": lambda: send(right, struct.pack("<%dd" % count, *[
            i + len(prompt) + fact["label"] for i, prompt, fact in zip(header["index"], header["prompts"], header["metadata"])])),
        "sizes": lambda: send(right, struct.pack("<%dd" % count, *[len(payload)] * count)),
        "process": lambda: send(right, struct.pack("<%dd" % count, *[os.getpid()] * count)),
    }
    answers["goes_on"] = answers["process"]
    if HOW in answers:
        answers[HOW]()
    return HOW in answers


def findings(found):
    if HOW == "crashes_at_measure_once" and is_first():
        sys.exit(5)
    wrong = {"finds_nan": {"mean": float("nan")}, "finds_text": {"mean": "nan"}, "finds_nothing": {}, "finds_odd_name": {"a b": 1.0}}
    send({"type": "findings", "scalars": wrong.get(HOW, {"samples": len(found), "mean": sum(found) / len(found)})})


def main():
    if HOW == "dies":
        sys.exit("no weights at all")
    receive()
    if HOW == "floods":
        os.write(2, b"0123456789abcde\n" * (1 << 18) + b"the end of the flood\n")
    other = HOW == "other_identity" or (HOW == "identity_changes" and not is_first())
    if HOW == "identity_changes":
        globals()["HOW"] = "crashes"
    send({"type": "ready", "protocol": 2 if HOW == "other_protocol" else 1, "identity": "other" if other else "test 1"})
    found = []
    while True:
        header, payload = receive()
        if header["type"] == "measure":
            assert header["count"] == len(found)
            findings(found)
            found = []
        elif header["type"] == "samples":
            found += sums(header, payload)
        elif not misbehave(header, payload):
            send({"type": "scores", "batch": header["batch"], "count": header["count"]},
                 struct.pack("<%dd" % header["count"], *sums(header, payload)))


if __name__ == "__main__":
    HOW, FILE = sys.argv[1], (sys.argv + [""])[2]
    main()
