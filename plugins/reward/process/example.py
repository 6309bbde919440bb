"""Scores images by how much red they have beyond green and blue: the program of example.toml.

It speaks docs/process_protocol.md with nothing but the standard library.
"""
import array
import json
import struct
import sys


def receive():
    lengths = sys.stdin.buffer.read(16)
    if len(lengths) < 16:
        sys.exit()  # Espalier has closed the pipe: the run is over
    _, header, payload = struct.unpack("<4sIQ", lengths)
    return json.loads(sys.stdin.buffer.read(header)), sys.stdin.buffer.read(payload)


def send(header, payload=b""):
    text = json.dumps(header).encode()
    sys.stdout.buffer.write(struct.pack("<4sIQ", b"ESPL", len(text), len(payload)) + text + payload)
    sys.stdout.buffer.flush()


def redness(header, payload):
    """Of each image [3, H, W] in [0, 1], from -1 to 1."""
    image = next(field for field in header["fields"] if field["name"] == "image")  # the only field: send = ["image"]
    count, _, height, width = image["shape"]
    values, size = array.array("f", payload), height * width
    means = [sum(values[i:i + size]) / size for i in range(0, len(values), size)]
    return [means[3 * b] - (means[3 * b + 1] + means[3 * b + 2]) / 2 for b in range(count)]


receive()  # hello
send({"type": "ready", "protocol": 1, "identity": "redness 1"})
while True:
    header, payload = receive()
    scores = redness(header, payload)
    print("scored", header["prompts"][0], "and others", file=sys.stderr)  # the log; standard output is for messages alone
    send({"type": "scores", "batch": header["batch"], "count": header["count"]}, struct.pack("<%dd" % len(scores), *scores))
