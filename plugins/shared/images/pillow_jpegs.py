"""pillow_jpegs.py FOLDER: images as <name>.ppm, and beside each the JPEG that Pillow writes of it at quality 95, as <name>.jpg."""
import pathlib
import random
import sys

from PIL import Image

folder = pathlib.Path(sys.argv[1])
rng = random.Random(6)
noise = lambda: tuple(rng.randrange(256) for _ in range(3))  # noqa: E731
KINDS = {
    "flat": lambda x, y: (90, 140, 30),
    "slope": lambda x, y: (4 * x % 256, 5 * y % 256, (x + y) % 256),
    "edges": lambda x, y: (255, 0, 0) if (x // 5 + y // 7) % 2 else (0, 40, 255),
    "noise": lambda x, y: noise(),
    "photo": lambda x, y: (min(255, 3 * x), (x * y + rng.randrange(30)) % 256, max(0, 255 - 2 * y)),
}
for width, height in ((64, 64), (61, 43), (8, 8), (1, 1), (17, 130)):
    for kind, pixel in KINDS.items():
        image = Image.new("RGB", (width, height))
        image.putdata([pixel(x, y) for y in range(height) for x in range(width)])
        name = folder / f"{kind}_{width}x{height}"
        name.with_suffix(".ppm").write_bytes(f"P6 {width} {height} 255\n".encode() + image.tobytes())
        image.save(name.with_suffix(".jpg"), format="JPEG", quality=95)
