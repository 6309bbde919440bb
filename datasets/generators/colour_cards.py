#!/usr/bin/env python3
"""Writes datasets/colour_cards: eight captioned 16 x 16 images, the smallest labelled folder that examples can be trained on.

Needs nothing but Python:  python3 datasets/generators/colour_cards.py
"""
import json
import pathlib
import struct
import zlib

SIDE = 16
FOLDER = pathlib.Path(__file__).resolve().parents[1] / "colour_cards"


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(pixels):
    """pixels: SIDE rows of SIDE (r, g, b)."""
    rows = b"".join(b"\0" + bytes(value for pixel in row for value in pixel) for row in pixels)
    header = struct.pack(">IIBBBBB", SIDE, SIDE, 8, 2, 0, 0, 0)  # 8-bit RGB
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows, 9)) + chunk(b"IEND", b"")


def card(colour, number):
    """A dark ground with a square of the colour, another place and brightness each time."""
    left, top, bright = 1 + number, 5 - number, 160 + 25 * number
    inside = {"red": (bright, 40, 40), "blue": (40, 60, bright)}[colour]
    return [[inside if left <= x < left + 9 and top <= y < top + 9 else (16, 16, 24) for x in range(SIDE)] for y in range(SIDE)]


FOLDER.mkdir(exist_ok=True)
lines = []
for i in range(8):
    colour = ("red", "blue")[i // 2 % 2]  # both colours at even and at odd positions
    number = i // 4 * 2 + i % 2
    name = f"{colour}_{number}.png"
    (FOLDER / name).write_bytes(png(card(colour, number)))
    lines.append(json.dumps({"file_name": name, "text": colour}))
(FOLDER / "metadata.jsonl").write_text("\n".join(lines) + "\n")
