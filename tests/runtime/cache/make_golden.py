"""Prints the set id of testing::recipe() (samples.cpp), encoded here by the description in runtime/base/value_canonical.cpp."""

import hashlib
import struct


def text(value):
    data = value.encode()
    return struct.pack("<Q", len(data)) + data


def encode(value):
    if isinstance(value, bool):
        return b"b" + bytes([value])
    if isinstance(value, int):
        return b"i" + struct.pack("<q", value)
    if isinstance(value, float):
        return b"f" + struct.pack("<d", value)
    if isinstance(value, str):
        return b"s" + text(value)
    if isinstance(value, list):
        return b"l" + struct.pack("<Q", len(value)) + b"".join(encode(v) for v in value)
    return b"m" + struct.pack("<Q", len(value)) + b"".join(text(k) + encode(value[k]) for k in sorted(value))


RECIPE = {
    "format": 1,
    "random": "philox4x32-10/1",
    "seed": 7,
    "sampler": {"type": "sampler.ddim", "numerics_version": 1, "options": {"eta": 1.0, "clip": True}},
    "phases": [
        {
            "start": "noise",
            "grid": {"step": [50, 25, 0], "timestep": [999.0, 499.0, -1.0]},
            "segments": [{"weights": "9f86d081", "first": 50, "last": 0}],
        }
    ],
    "conditions": "60303ae2",
    "condition_count": 480,
    "block_size": 4,
    "micro_batch": 16,
}

if __name__ == "__main__":
    print(hashlib.sha256(encode(RECIPE)).hexdigest())
