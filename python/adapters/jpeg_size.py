"""The size of an image as a JPEG file of quality 95, in kB of 1000 bytes: DDPO's incompressibility (arXiv 2305.13301).

Equals reward.jpeg_compressibility with prefer = "large", as far as the two libjpeg-turbo write the same bytes.
"""
# requirements: pillow==13.0.0
import io

from espalier_reward import serve

IDENTITY = "jpeg-size 1, quality 95"


def score(samples, prompts, metadata):
    return [kilobytes(image) for image in samples.images()]


def kilobytes(image):
    file = io.BytesIO()
    image.save(file, format="JPEG", quality=95)
    return file.tell() / 1000


if __name__ == "__main__":
    serve(score, identity=IDENTITY)
