"""How well an image shows the text that its prompt asks for: what Tesseract reads, compared with it.

    score = 1 - d / max(characters read, characters wanted), in [0, 1]

d is the edit distance (insertions, deletions, replacements), both texts in lower case with single spaces. Wanted is `text` of the prompt's
metadata, or else what the prompt has in double quotes, straight or curly, all of it in its order. A prompt with neither has no score (NaN).

Needs the command tesseract; its version is in the identity, because another one reads otherwise.
"""
# requirements: pillow==13.0.0, Debian's tesseract-ocr (5.3.0)
import io
import math
import os
import re
import subprocess

from espalier_reward import serve

QUOTED = re.compile('"([^"]+)"|“([^”]+)”')
SHORTER_SIDE = 512  # smaller images are enlarged to it: Tesseract reads letters of 20 pixels and more
SPARSE_TEXT = "11"  # its page mode for words anywhere in the image
DPI = "300"  # otherwise it estimates one, and writes a line about it for every image


def score(samples, prompts, metadata):
    return [likeness(image, wanted_text(prompt, known or {})) for image, prompt, known in zip(samples.images(), prompts, metadata)]


def likeness(image, wanted):
    if not wanted:
        return math.nan
    found = plain(read(image))
    return 1 - edit_distance(found, wanted) / max(len(found), len(wanted))


def wanted_text(prompt, metadata):
    return plain(metadata.get("text") or " ".join(straight or curly for straight, curly in QUOTED.findall(prompt)))


def plain(text):
    return " ".join(text.lower().split())


def read(image):
    scale = SHORTER_SIDE / min(image.size)
    if scale > 1:
        image = image.resize([round(side * scale) for side in image.size])
    file = io.BytesIO()
    image.convert("L").save(file, format="PNG")
    command = ["tesseract", "stdin", "stdout", "--psm", SPARSE_TEXT, "--dpi", DPI]
    done = subprocess.run(command, input=file.getvalue(), stdout=subprocess.PIPE, check=True, env={**os.environ, "OMP_THREAD_LIMIT": "1"})
    return done.stdout.decode()


def edit_distance(one, other):
    row = list(range(len(other) + 1))
    for i, left in enumerate(one, 1):
        diagonal, row[0] = row[0], i
        for j, right in enumerate(other, 1):
            diagonal, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, diagonal + (left != right))
    return row[-1]


def version():
    return subprocess.run(["tesseract", "--version"], stdout=subprocess.PIPE, check=True).stdout.split()[1].decode()


if __name__ == "__main__":
    serve(score, identity=f"text-reading 1, tesseract {version()}")
