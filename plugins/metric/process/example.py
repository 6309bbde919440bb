"""Measures how large a PNG file of an image is on average, and how many files there are: the program of example.toml.

It speaks docs/process_protocol.md with nothing but the standard library.
"""
import json
import struct
import sys


def receive():
    lengths = sys.stdin.buffer.read(16)
    if len(lengths) < 16:
        sys.exit()  # Espalier has closed the pipe: the run is over
    _, header, payload = struct.unpack("<4sIQ", lengths)
    return json.loads(sys.stdin.buffer.read(header)), sys.stdin.buffer.read(payload)


def send(header):
    text = json.dumps(header).encode()
    sys.stdout.buffer.write(struct.pack("<4sIQ", b"ESPL", len(text), 0) + text)
    sys.stdout.buffer.flush()


receive()  # hello
send({"type": "ready", "protocol": 1, "identity": "png-size 1"})
sizes = []
while True:
    header, payload = receive()
    if header["type"] == "samples":
        sizes += header["fields"][0]["sizes"]  # the only field: send = ["png"]
    else:  # measure
        send({"type": "findings", "scalars": {"bytes": sum(sizes) / len(sizes), "distinct_sizes": len(set(sizes))}})
        sizes = []  # another measurement may follow
