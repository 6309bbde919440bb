"""Stand-ins for the libraries of python/adapters: the parts of their interface that an adapter calls, with known numbers, and a record of
the calls. The real ones need weights of gigabytes; nothing of them is checked here but how they are called."""
import pathlib
import runpy
import types
from unittest import mock

import numpy as np
import torch

import peers


def adapter(name, modules, environment=None):
    """The names of an adapter that was loaded with these modules in place of the libraries."""
    path = peers.ROOT / "python/adapters" / f"{name}.py"
    with mock.patch.dict("sys.modules", modules), mock.patch.dict("os.environ", environment or {}), \
            mock.patch("torch.cuda.is_available", lambda: False):
        return types.SimpleNamespace(**runpy.run_path(str(path), run_name=name))


def requirements():
    """The line of each adapter that names its packages."""
    paths = sorted((peers.ROOT / "python/adapters").glob("*.py"))
    return {path.stem: [line for line in path.read_text().splitlines() if line.startswith("# requirements: ")] for path in paths}


def mean_colour(image):
    return torch.from_numpy(np.asarray(image).reshape(-1, 3).mean(0)).float() / 255


class OpenClip(types.ModuleType):
    """open_clip. An image's embedding is its mean colour; a text's is that of the last colour that it names."""

    COLOURS = {"red": (1, 0, 0), "green": (0, 1, 0), "blue": (0, 0, 1)}

    def __init__(self):
        super().__init__("open_clip")
        self.calls = []

    def create_model_and_transforms(self, name, pretrained, device, **options):
        self.calls.append((name, pretrained, str(device), options))
        return self, None, mean_colour

    def eval(self):
        self.calls.append("eval")

    def get_tokenizer(self, name):
        self.calls.append(("tokenizer", name))

        def tokenize(texts):
            assert isinstance(texts, list)
            known = [[colour for word, colour in self.COLOURS.items() if word in text] for text in texts]
            return torch.tensor([colours[-1] if colours else (1, 1, 1) for colours in known]).float()

        return tokenize

    @staticmethod
    def encode_image(images, normalize=False):
        assert images.dim() == 2 and not torch.is_grad_enabled()
        return torch.nn.functional.normalize(images, dim=-1) if normalize else images

    encode_text = encode_image


class Hub(types.ModuleType):
    @staticmethod
    def hf_hub_download(repo, file):
        return f"{repo}/{file}"


class ImageReward(types.ModuleType):
    def load(self, name, device):
        self.loaded = (name, device)
        return self

    @staticmethod
    def score(prompt, image):
        assert not torch.is_grad_enabled()
        return len(prompt) + image.getpixel((0, 0))[0]


class VqaScore(types.ModuleType):
    """t2v_metrics 3.0, whose public call scores all images with all texts: only its model may be called."""

    def VQAScore(self, model, device):
        self.loaded, self.batches = (model, device), []
        return types.SimpleNamespace(model=self)

    @staticmethod
    def image_loader(name):
        raise AssertionError("no file is to be read")

    def forward(self, images, texts, question_template, answer_template):
        assert all(isinstance(name, str) and not name.startswith("http") for name in images) and len(images) == len(texts)
        self.batches.append(len(images))
        self.asked = [question_template.format(text) for text in texts], [answer_template.format(text) for text in texts]
        return torch.stack([mean_colour(self.image_loader(name))[0] for name in images])


class Detector(types.ModuleType):
    """mmdet.apis of mmdet 2: finds what the test says, and gives boxes [n, 5] and masks of each class."""

    def __init__(self, found, names):
        super().__init__("mmdet.apis")
        self.found, self.names = found, names

    def init_detector(self, config, checkpoint, device):
        self.loaded = (config, checkpoint, device)

    def inference_detector(self, detector, image):
        self.image = image
        boxes = [np.array([box for name, box in self.found if name == wanted], float).reshape(-1, 5) for wanted in self.names]
        return boxes, [[self.mask(box, image) for box in of_class] for of_class in boxes]

    @staticmethod
    def mask(box, image):
        left, top, right, bottom = box[:4].astype(int)
        mask = np.zeros(image.shape[:2], bool)
        mask[top:bottom, left:right] = True
        return mask


def names_file(folder, names):
    path = pathlib.Path(folder) / "object_names.txt"
    path.write_text("\n".join(names) + "\n")
    return str(path)
