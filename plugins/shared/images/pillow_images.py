"""pillow_images.py FOLDER: image files of every kind of PNG and of JPEG, and beside each what Pillow decodes of it, as <name>.rgba bytes."""
import io
import pathlib
import random
import struct
import sys
import zlib

from PIL import Image

folder = pathlib.Path(sys.argv[1])
rng = random.Random(5)
WIDTH, HEIGHT = 13, 9


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(depth, colour_type, channels, extra=b""):
    rows = b""
    for _ in range(HEIGHT):
        rows += b"\0" + bytes(rng.randrange(256) for _ in range((WIDTH * depth * channels + 7) // 8))
    header = struct.pack(">IIBBBBB", WIDTH, HEIGHT, depth, colour_type, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + extra + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


files = {}
palette = chunk(b"PLTE", bytes(rng.randrange(256) for _ in range(768)))
gamma = chunk(b"gAMA", struct.pack(">I", 100000))
for depth in (1, 2, 4, 8):
    files[f"grey{depth}.png"] = png(depth, 0, 1)
    small = chunk(b"PLTE", bytes(rng.randrange(256) for _ in range(3 << depth)))
    files[f"palette{depth}.png"] = png(depth, 3, 1, small)
files["grey8_transparent.png"] = png(8, 0, 1, chunk(b"tRNS", b"\0\x40"))
files["palette8_transparent.png"] = png(8, 3, 1, palette + chunk(b"tRNS", bytes(range(256))))
for depth in (8, 16):
    files[f"rgb{depth}.png"] = png(depth, 2, 3)
    files[f"grey_alpha{depth}.png"] = png(depth, 4, 2)
    files[f"rgba{depth}.png"] = png(depth, 6, 4)
    files[f"rgb{depth}_gamma.png"] = png(depth, 2, 3, gamma)
files["grey8_gamma.png"] = png(8, 0, 1, gamma)

photo = Image.new("RGB", (61, 43))
photo.putdata([(4 * x % 256, 5 * y % 256, (x * y + rng.randrange(40)) % 256) for y in range(43) for x in range(61)])
for quality in (10, 75, 95):
    for subsampling in (0, 1, 2):
        for progressive in (False, True):
            out = io.BytesIO()
            photo.save(out, "JPEG", quality=quality, subsampling=subsampling, progressive=progressive)
            files[f"photo{quality}_{subsampling}_{progressive}.jpg"] = out.getvalue()
out = io.BytesIO()
photo.convert("L").save(out, "JPEG", quality=75)
files["photo_grey.jpg"] = out.getvalue()
out = io.BytesIO()
exif = Image.Exif()
exif[0x0112] = 6  # turned
photo.save(out, "JPEG", quality=75, exif=exif)
files["photo_turned.jpg"] = out.getvalue()

for name, data in files.items():
    (folder / name).write_bytes(data)
    (folder / (name + ".rgba")).write_bytes(Image.open(io.BytesIO(data)).convert("RGBA").tobytes())
