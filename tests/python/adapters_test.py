"""python/adapters: jpeg_size and text_reading for real; those whose weights are not here against stand-ins of their libraries."""
import io
import math
import shutil
import tempfile
import unittest

import peers

peers.go_on_in_peers()

import numpy as np
import stand_ins
import torch
from PIL import Image, ImageDraw, ImageFont

from espalier_reward import Samples
from fake_engine import files, score_with, tensor

RED, GREEN, BLUE, WHITE = (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255)


def samples(*colours):
    """Images of one colour each, of 8 x 8 pixels."""
    return Samples({"image": np.array(colours, "f4").reshape(-1, 3, 1, 1) / 255 * np.ones((1, 1, 8, 8), "f4")})


def png(image):
    file = io.BytesIO()
    image.save(file, "PNG")
    return file.getvalue()


class ForReal(unittest.TestCase):
    def test_jpeg_size_is_pillows(self):
        image = np.random.default_rng(3).random((3, 3, 24, 40)).astype("f4") ** np.array([1, 4, 20]).reshape(3, 1, 1, 1)
        scores, identity = score_with("jpeg_size.py", 3, tensor("image", "float32", list(image.shape), image.ravel()))
        self.assertEqual(identity, "jpeg-size 1, quality 95")
        for one, score in zip(np.rint(image * 255).astype("u1"), scores):
            file = io.BytesIO()
            Image.fromarray(np.moveaxis(one, 0, -1).copy()).save(file, "JPEG", quality=95)
            self.assertEqual(score, len(file.getvalue()) / 1000)

    @unittest.skipUnless(shutil.which("tesseract"), "tesseract is not installed: scripts/setup --peers")
    def test_text_reading_prefers_the_text_that_was_asked_for(self):
        drawn = ["ESPALIER", "open late", "Espaliers", "", "ESPALIER", "BREAD"]
        prompts = ['a sign that says "Espalier"', "a door with “open late” on it", 'a sign that says "Espalier"', 'a sign that says "Espalier"',
                   "a sign that says nothing in quotes", 'the words "bread" and "butter" on a wall']
        scores, identity = score_with("text_reading.py", len(drawn), files("png", [png(self.sign(text)) for text in drawn]), prompts=prompts)
        self.assertRegex(identity, r"^text-reading 1, tesseract \d+\.\d+")
        self.assertTrue(math.isnan(scores.pop(4)))
        self.assertEqual(scores, [1, 1, 1 - 1 / 9, 0, 1 - 7 / 12])

    @staticmethod
    def sign(text):
        image = Image.new("RGB", (256, 96), (240, 240, 220))
        ImageDraw.Draw(image).text((20, 24), text, fill=(20, 30, 90), font=ImageFont.load_default(36))
        return image

    def test_the_edit_distance_counts_characters(self):
        distance = stand_ins.adapter("text_reading", {}).edit_distance
        for one, other, expected in (("", "", 0), ("abc", "", 3), ("", "abc", 3), ("kitten", "sitting", 3), ("flaw", "lawn", 2), ("ab", "ba", 2)):
            self.assertEqual(distance(one, other), expected)


class WithStandIns(unittest.TestCase):
    def test_every_adapter_names_its_versions(self):
        for name, lines in stand_ins.requirements().items():
            self.assertEqual(len(lines), 1, name)
            self.assertIn("==", lines[0], name)

    def test_clip_score_is_the_cosine(self):
        clip = stand_ins.OpenClip()
        scores = stand_ins.adapter("clip_score", {"open_clip": clip}).score(samples(RED, (255, 255, 0)), ["a red bus", "a blue bus"], [{}, {}])
        torch.testing.assert_close(scores, torch.tensor([1.0, 0.0]))
        self.assertEqual(clip.calls, [("ViT-L-14-quickgelu", "openai", "cpu", {}), "eval", ("tokenizer", "ViT-L-14-quickgelu")])

    def test_hps_is_the_cosine_of_its_own_weights(self):
        clip = stand_ins.OpenClip()
        hps = stand_ins.adapter("hps_v2", {"open_clip": clip, "huggingface_hub": stand_ins.Hub("huggingface_hub")})
        torch.testing.assert_close(hps.score(samples(RED, (0, 255, 255)), ["red", "blue"], [{}, {}]), torch.tensor([1.0, math.sqrt(0.5)]))
        self.assertEqual(clip.calls[0], ("ViT-H-14", "xswu/HPSv2/HPS_v2.1_compressed.pt", "cpu", {"image_resize_mode": "longest"}))

    def test_aesthetic_is_the_five_layers_of_the_embedding(self):
        torch.manual_seed(0)
        sizes = {0: (4, 3), 2: (5, 4), 4: (6, 5), 6: (2, 6), 7: (1, 2)}
        layers = torch.nn.ModuleDict({str(i): torch.nn.Linear(into, out) for i, (out, into) in sizes.items()})
        with tempfile.TemporaryDirectory() as folder:
            torch.save({f"layers.{name}": weight for name, weight in layers.state_dict().items()}, folder + "/weights.pth")
            aesthetic = stand_ins.adapter("aesthetic", {"open_clip": stand_ins.OpenClip()}, {"AESTHETIC_WEIGHTS": folder + "/weights.pth"})
        features = torch.tensor([[1.0, 0, 0], [0, math.sqrt(0.5), math.sqrt(0.5)]])
        torch.testing.assert_close(aesthetic.score(samples(RED, (0, 255, 255)), ["", ""], [{}, {}]),
                                   torch.nn.Sequential(*layers.values())(features).squeeze(-1).detach())

    def test_pick_score_is_the_scaled_cosine_of_transformers_clip(self):
        from transformers import CLIPConfig, CLIPModel

        small = {"hidden_size": 8, "intermediate_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2}
        torch.manual_seed(0)
        text, vision = small | {"vocab_size": 9, "bos_token_id": None, "eos_token_id": 8}, small | {"image_size": 8, "patch_size": 4}
        model = CLIPModel(CLIPConfig(text_config=text, vision_config=vision, projection_dim=4))
        found, inputs = self.pick_scores(model, samples(RED, BLUE), ["one", "two"])
        with torch.no_grad():
            image = model.vision_model(inputs["pixel_values"]).pooler_output @ model.visual_projection.weight.T
            text = model.text_model(inputs["input_ids"]).pooler_output @ model.text_projection.weight.T
            torch.testing.assert_close(found, model.logit_scale.exp() * torch.nn.functional.cosine_similarity(image, text))

    def pick_scores(self, model, images, prompts):
        """The scores by this model, and what it was given."""
        given = {}

        class Inputs(dict):
            def to(self, device):
                return self

        class Auto:
            @staticmethod
            def from_pretrained(name):
                given["names"] = given.get("names", []) + [name]
                return model if "PickScore" in name else processor

        def processor(text, images, **options):
            self.assertEqual((text, options), (prompts, {"padding": True, "truncation": True, "max_length": 77, "return_tensors": "pt"}))
            pixels = torch.stack([torch.from_numpy(np.array(image)) for image in images]).permute(0, 3, 1, 2) / 255
            return given.setdefault("inputs", Inputs(input_ids=torch.tensor([[1, 2, 8], [3, 4, 8]]), pixel_values=pixels))

        module = type("transformers", (), {"AutoModel": Auto, "AutoProcessor": Auto})
        scores = stand_ins.adapter("pick_score", {"transformers": module}).score(images, prompts, [{}, {}])
        self.assertEqual(given["names"], ["laion/CLIP-ViT-H-14-laion2B-s32B-b79K", "yuvalkirstain/PickScore_v1"])
        return scores, given["inputs"]

    def test_image_reward_scores_each_image_with_its_prompt(self):
        library = stand_ins.ImageReward("ImageReward")
        scores = stand_ins.adapter("image_reward", {"ImageReward": library}).score(samples(RED, BLUE), ["a", "abc"], [{}, {}])
        self.assertEqual((scores, library.loaded), ([256, 3], ("ImageReward-v1.0", "cpu")))

    def test_vqa_score_asks_the_published_question_in_one_batch(self):
        library = stand_ins.VqaScore("t2v_metrics")
        vqa = stand_ins.adapter("vqa_score", {"t2v_metrics": library})
        for images, expected in ((samples(RED, BLUE, WHITE), [1, 0, 1]), (samples(BLUE, RED, BLUE), [0, 1, 0])):
            torch.testing.assert_close(vqa.score(images, ["a cat", "two {dogs}", 'a "sign"'], [{}] * 3), torch.tensor(expected).float())
        self.assertEqual((library.loaded, library.batches), (("clip-flant5-xxl", "cpu"), [3, 3]))
        questions, answers = library.asked
        self.assertEqual(questions[0], 'Does this figure show "a cat"? Please answer yes or no.')
        self.assertEqual(answers, ["Yes"] * 3)


class GenEval(unittest.TestCase):
    NAMES = ["bench", "cow", "clock"]

    def share(self, wanted, *found, image=None):
        """The score of an image in which the detector finds these: (class, [left, top, right, bottom, confidence])."""
        detector = stand_ins.Detector(found, self.NAMES)
        with tempfile.TemporaryDirectory() as folder:
            environment = {"GENEVAL_CONFIG": "c.py", "GENEVAL_CHECKPOINT": "w.pth", "GENEVAL_NAMES": stand_ins.names_file(folder, self.NAMES)}
            modules = {"mmdet": stand_ins.types.ModuleType("mmdet"), "mmdet.apis": detector, "open_clip": stand_ins.OpenClip()}
            geneval = stand_ins.adapter("geneval", modules, environment)
        self.assertEqual(detector.loaded, ("c.py", "w.pth", "cpu"))
        pixels = np.zeros((40, 60, 3), "u1") if image is None else image
        score, = geneval.score(Samples({"image": pixels.transpose(2, 0, 1)[None].astype("f4") / 255}), ["a photo"], [wanted])
        if not math.isnan(score):
            self.assertTrue((detector.image[..., ::-1] == pixels).all(), "the detector takes BGR")
        return score

    def test_is_the_share_of_the_requirements_that_are_met(self):
        wanted = {"include": [{"class": "bench", "count": 1}, {"class": "cow", "count": 2}]}
        bench, cow, other_cow = ("bench", [0, 0, 9, 9, 0.9]), ("cow", [20, 0, 29, 9, 0.4]), ("cow", [40, 0, 49, 9, 0.29])
        self.assertEqual(self.share(wanted, bench, cow), 0.5)
        self.assertEqual(self.share(wanted, bench, cow, other_cow), 0.5, "the other cow is too unsure")
        self.assertEqual(self.share(wanted, bench, cow, cow), 1)
        self.assertTrue(math.isnan(self.share({})))

    def test_counts_only_what_is_nearly_sure(self):
        wanted = {"tag": "counting", "include": [{"class": "clock", "count": 2}], "exclude": [{"class": "clock", "count": 3}]}
        clocks = [("clock", [10 * i, 0, 10 * i + 9, 9, confidence]) for i, confidence in enumerate((0.95, 0.99, 0.91, 0.8))]
        self.assertEqual(self.share(wanted, *clocks[:2], clocks[3]), 1)
        self.assertEqual(self.share(wanted, *clocks), 0.5, "three clocks are too many")

    def test_names_colours_by_clip(self):
        image = np.zeros((40, 60, 3), "u1")
        image[:, :20], image[:, 20:] = RED, GREEN
        wanted = {"include": [{"class": "cow", "count": 1, "color": "green"}]}
        self.assertEqual(self.share(wanted, ("cow", [30, 5, 50, 20, 0.9]), image=image), 1)
        self.assertEqual(self.share(wanted, ("cow", [0, 5, 15, 20, 0.9]), ("cow", [30, 5, 50, 20, 0.8]), image=image), 0, "the surest cow is red")

    def test_says_where_an_object_is(self):
        def position(relation, box):
            wanted = {"include": [{"class": "bench", "count": 1}, {"class": "cow", "count": 1, "position": [relation, 0]}]}
            return self.share(wanted, ("bench", [20, 15, 30, 25, 0.9]), ("cow", [*box, 0.9]))

        self.assertEqual(position("left of", [0, 15, 10, 25]), 1)
        self.assertEqual(position("right of", [0, 15, 10, 25]), 0.5)
        self.assertEqual(position("above", [20, 0, 30, 10]), 1)
        self.assertEqual(position("below", [20, 30, 30, 40]), 1)
        self.assertEqual(position("right of", [21, 15, 31, 25]), 0.5, "it covers the bench")


if __name__ == "__main__":
    unittest.main()
