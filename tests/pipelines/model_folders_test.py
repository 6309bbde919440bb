"""Model folders as they are published: written by diffusers and transformers from real configuration files, opened, sampled, and refused.

`model_folders_test.py make FOLDER CONFIGS` runs in the peers' Python.
"""
import glob
import json
import os
import pathlib
import shutil
import subprocess
import sys
import unittest

import diffusers_test
import driver
from diffusers_test import FIRST, GUIDANCE, PYTHON, STEPS
from driver import ROOT

# Of weights at random a step enlarges what two programs differ by: they are compared over a few.
LAST = FIRST - 3
HEAD = """name = "folders"
seed = 3
[domain]
type = "domain.text_to_image"
[domain.options]
prompts = "shapes"
[models]
base = {base}
[[stage]]
tag = "samples"
type = "sampler.ddim"
inputs = {{ model = "base" }}
[stage.options]
"""
OPTIONS = f"""max_conditions = 16
block_size = 16
num_inference_steps = {STEPS}
guidance_scale = {GUIDANCE}
eta = 0.0
record_steps = [{FIRST}, {LAST}]
"""
# Widths, and 3 channels of 16 x 16 pixels in place of latents: the rest is Stable Diffusion 2.1's.
UNET = dict(block_out_channels=[32, 64, 64, 64], attention_head_dim=[2, 4, 4, 4], cross_attention_dim=32, layers_per_block=1, in_channels=3,
            out_channels=3, sample_size=16)
TEXT = dict(hidden_size=32, intermediate_size=64, num_attention_heads=4, num_hidden_layers=3, vocab_size=95, max_position_embeddings=16)


def configs():
    for base in (os.environ.get("ESPALIER_DATA"), ROOT.parent / "shared/data"):
        if base and (pathlib.Path(base) / "diffusers_folders").is_dir():
            return pathlib.Path(base) / "diffusers_folders"
    return None


def make(folder, configs):
    """In the peers' Python: "whole" with files of float32 and their variants of float16 and bfloat16, "shards" with the same weights, and
    "saved" with the tokenizer as transformers saves it."""
    import torch
    from diffusers import UNet2DConditionModel
    from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

    def config(name, sizes):
        return json.loads((pathlib.Path(configs) / "sd21" / name).read_text()) | sizes

    def draw(model, generator):
        for name, weight in model.named_parameters():  # norms and biases too: at 1 and 0 they would hide errors
            noise = torch.randn(weight.shape, generator=generator)
            if weight.dim() > 1:
                gain = 2.0 if any(word in name for word in ("to_q", "to_k", "q_proj", "k_proj")) else 1.0
                noise *= gain * weight[0].numel() ** -0.5
            else:
                noise = 0.1 * noise + (1.0 if "norm" in name and name.endswith("weight") else 0.0)
            weight.data.copy_(noise)
        return model

    generator = torch.Generator().manual_seed(1)
    unet = draw(UNet2DConditionModel.from_config(config("unet/config.json", UNET)), generator)
    encoder = draw(CLIPTextModel(CLIPTextConfig.from_dict(config("text_encoder/config.json", TEXT))), generator)
    index = json.loads((pathlib.Path(configs) / "sd21/model_index.json").read_text())
    del index["vae"]  # pixels have none
    index["safety_checker"] = ["stable_diffusion", "StableDiffusionSafetyChecker"]  # and no such folder
    for name, settings in (("whole", {}), ("shards", {"max_shard_size": "200KB"})):
        root = pathlib.Path(folder) / name
        for component, model in (("unet", unet), ("text_encoder", encoder)):
            model.float().save_pretrained(root / component, **settings)
        shutil.copytree(pathlib.Path(configs) / "sd21/scheduler", root / "scheduler")
        shutil.copytree(ROOT / "datasets/models/shapes-blank/tokenizer", root / "tokenizer")
        (root / "model_index.json").write_text(json.dumps(index))
    saved = pathlib.Path(folder) / "saved"
    shutil.copytree(pathlib.Path(folder) / "whole", saved, ignore=shutil.ignore_patterns("tokenizer"))
    CLIPTokenizer.from_pretrained(pathlib.Path(folder) / "whole/tokenizer").save_pretrained(saved / "tokenizer")
    for variant, dtype in (("fp16", torch.float16), ("bf16", torch.bfloat16)):
        for component, model in (("unet", unet), ("text_encoder", encoder)):
            model.to(dtype).save_pretrained(pathlib.Path(folder) / "whole" / component, variant=variant)


class Folders(driver.PipelineTest):
    @classmethod
    def setUpClass(cls):
        if not PYTHON.exists():
            raise unittest.SkipTest("the peers are not installed: scripts/setup --peers")
        if configs() is None:
            raise unittest.SkipTest("no diffusers_folders: name the folder that holds it in ESPALIER_DATA")
        cls.models = pathlib.Path(driver.tempfile.mkdtemp(prefix="espalier-folders-"))
        cls.python("make", cls.models, configs(), script=__file__)

    @classmethod
    def tearDownClass(cls):
        shutil.rmtree(cls.models)

    @staticmethod
    def python(*words, script=diffusers_test.__file__):
        done = subprocess.run([PYTHON, script, *map(str, words)], env=diffusers_test.peers_environment(), capture_output=True, text=True)
        if done.returncode != 0:
            raise AssertionError(done.stderr)
        return done.stdout

    def sample(self, entry, verb="run"):
        """The key of the samples, and what the report or the plan says of them."""
        pipeline = self.folder / "folders.toml"
        pipeline.write_text(HEAD.format(base=entry) + OPTIONS)
        stage, = json.loads(self.call(verb, "--json", "--quiet", pipeline=pipeline))["stages"]
        return stage

    def differences(self, stage, folder, variant=None, dtype="float32"):
        """Of the samples in the cache from those of diffusers."""
        block, = self.cache.glob(f"sets/*/{stage['key']}/data/*.h5")
        metadata = sorted(glob.glob(str(self.folder / "runs/folders/*/samples/metadata.jsonl")))[-1]
        texts = [json.loads(line)["text"] for line in pathlib.Path(metadata).read_text(encoding="utf-8").splitlines()]
        printed = self.python("compare", folder, block, json.dumps(texts), json.dumps({"last": LAST, "variant": variant, "dtype": dtype}))
        found = json.loads(printed.splitlines()[-1])
        print(f"{folder.name} {variant} {dtype}: {found}", file=sys.stderr)
        self.assertGreater(found["spread"], 0.1)
        return found

    def entry(self, name="whole", **keys):
        settings = "".join(f", {key} = {json.dumps(value)}" for key, value in keys.items())
        return f'{{ folder = "{self.models / name}"{settings} }}'

    def test_variants_sample_what_diffusers_samples_with_them(self):
        keys = set()
        for variant in (None, "fp16", "bf16"):
            stage = self.sample(self.entry(variant=variant) if variant else self.entry())
            found = self.differences(stage, self.models / "whole", variant)
            self.assertLess(found["rms"], 1e-4 * found["spread"], variant)
            keys.add(stage["key"])
        self.assertEqual(len(keys), 3)

    def test_a_tokenizer_is_read_as_transformers_saves_it(self):
        self.assertFalse((self.models / "saved/tokenizer/vocab.json").exists())
        found = self.differences(self.sample(self.entry("saved")), self.models / "saved")
        self.assertLess(found["rms"], 1e-4 * found["spread"])

    def test_shards_and_links_are_the_same_model_as_whole_files(self):
        self.assertGreater(len(list((self.models / "shards/unet").glob("*.safetensors"))), 2)
        made = self.sample(self.entry())
        shards = self.sample(self.entry("shards"))
        self.assertEqual((shards["key"], shards["status"]), (made["key"], "reused"))
        snapshot = self.folder / "hub/snapshots/0a1b"
        for count, path in enumerate(sorted((self.models / "whole").rglob("*.*"))):
            blob, link = self.folder / f"hub/blobs/{count}", snapshot / path.relative_to(self.models / "whole")
            for place in (blob, link):
                place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, blob)
            link.symlink_to(os.path.relpath(blob, link.parent))
        links = self.sample(f'"{snapshot}"')
        self.assertEqual((links["key"], links["status"]), (made["key"], "reused"))

    def test_bfloat16_is_as_near_to_float32_as_diffusers_is(self):
        single = self.sample(self.entry())
        half = self.sample(self.entry(dtype="bfloat16"))
        self.assertNotEqual(half["key"], single["key"])
        theirs = self.differences(single, self.models / "whole", dtype="bfloat16")
        ours = self.differences(half, self.models / "whole")
        self.assertGreater(ours["rms"], 1e-4 * ours["spread"], "it was computed in float32")
        self.assertLess(ours["rms"], 1.5 * theirs["rms"])

    def test_the_devices_dtype_is_a_default(self):
        single = self.sample(self.entry(), "plan")
        half = self.sample(self.entry(dtype="bfloat16"), "plan")
        pipeline = self.folder / "folders.toml"
        for entry, dtype, key in ((self.entry(), "bfloat16", half["key"]), (self.entry(dtype="float32"), "bfloat16", single["key"]),
                                  (self.entry(), "float32", single["key"])):
            pipeline.write_text(HEAD.format(base=entry) + OPTIONS)
            plan = json.loads(self.call("plan", "--json", "--set", f"device.dtype={dtype}", pipeline=pipeline))
            self.assertEqual(plan["stages"][0]["key"], key)

    def test_a_model_tuned_in_bfloat16_has_weights_of_float32_and_is_sampled_in_bfloat16(self):
        pipeline = self.folder / "tuned.toml"
        pipeline.write_text(HEAD.format(base=self.entry(dtype="bfloat16")) + OPTIONS + """[[stage]]
tag = "tuned"
type = "trainer.sft"
inputs = { model = "base" }
[stage.options]
max_train_steps = 2
train_batch_size = 2
[[stage]]
tag = "again"
type = "sampler.ddim"
inputs = { model = "tuned" }
[stage.options]
""" + OPTIONS)
        self.call("run", "--quiet", pipeline=pipeline)
        manifest, = self.cache.glob("results/model/*/*/manifest.json")
        self.assertEqual(json.loads(manifest.read_text())["info"]["model"]["dtype"], "bfloat16")
        data = (manifest.parent / "unet/diffusion_pytorch_model.safetensors").read_bytes()
        header = json.loads(data[8:8 + int.from_bytes(data[:8], "little")])
        self.assertEqual({tensor["dtype"] for name, tensor in header.items() if name != "__metadata__"}, {"F32"})
        plan = json.loads(self.call("plan", "--json", pipeline=pipeline))
        self.assertEqual({stage["action"] for stage in plan["stages"]}, {"reuse"})

    def test_another_prediction_type_makes_other_samples(self):
        keys = {self.sample(self.entry(**settings), "plan")["key"]
                for settings in ({}, {"prediction_type": "v_prediction"}, {"prediction_type": "epsilon"})}
        self.assertEqual(len(keys), 2, "v_prediction is what the scheduler's file says")


    def test_another_size_makes_other_samples(self):
        keys = {self.sample(self.entry(**settings), "plan")["key"]
                for settings in ({}, {"height": 16, "width": 16}, {"height": 24, "width": 32})}
        self.assertEqual(len(keys), 2, "16 x 16 is the folder's")
        bytes_of = {}
        for side in (16, 24):
            self.sample(self.entry(height=side, width=side))
            bytes_of[side] = sum(path.stat().st_size for path in self.cache.glob("sets/*/*/data/*.h5")) - sum(bytes_of.values())
        self.assertGreater(bytes_of[24], 2 * bytes_of[16])


class BadFolders(driver.PipelineTest):
    def setUp(self):
        super().setUp()
        self.model = self.folder / "model"
        shutil.copytree(ROOT / "datasets/models/shapes-base", self.model)
        for path in self.model.rglob("*"):
            path.chmod(0o755 if path.is_dir() else 0o644)

    def change(self, name, **keys):
        path = self.model / name
        path.write_text(json.dumps(json.loads(path.read_text()) | keys))

    def refused(self, *words, base=None, verb="plan", code=1):
        pipeline = self.folder / "bad.toml"
        pipeline.write_text(HEAD.format(base=base or f'"{self.model}"'))
        self.call(verb, pipeline=pipeline, code=code)
        for word in words:
            self.assertIn(word, self.stderr)
        self.assertEqual(self.blocks(), [])

    def test_a_hubs_id_is_refused_with_the_command_that_fetches_it(self):
        self.refused(":8:", "hf download stabilityai/stable-diffusion-2-base ", base='"stabilityai/stable-diffusion-2-base"', verb="validate",
                     code=2)

    def test_a_single_file_is_refused_with_the_command_that_converts_it(self):
        (self.folder / "v1-5.ckpt").write_bytes(b"PK")
        self.refused("is a checkpoint in a single file", "P.from_single_file('v1-5.ckpt').save_pretrained('v1-5')", base='"v1-5.ckpt"',
                     verb="validate", code=2)

    def test_a_folder_of_pickles_is_refused_with_the_command_that_converts_it(self):
        weights = self.model / "unet/diffusion_pytorch_model.safetensors"
        weights.rename(weights.with_suffix(".bin"))
        self.refused("'diffusion_pytorch_model.bin' lies there", f"P.from_pretrained('{self.model}').save_pretrained('{self.model}-safetensors')")

    def test_a_variant_that_is_not_named_is_named(self):
        for component, stem in (("unet", "diffusion_pytorch_model"), ("text_encoder", "model")):
            (self.model / component / f"{stem}.safetensors").rename(self.model / component / f"{stem}.fp16.safetensors")
        self.refused("there is a file of the variant fp16: set variant = \"fp16\"")
        self.refused("no component has files of the variant 'bf16'; there are of: fp16",
                     base=f'{{ folder = "{self.model}", variant = "bf16", initialize_weights = true }}')

    def test_a_component_that_the_index_names_must_be_there(self):
        shutil.rmtree(self.model / "text_encoder")
        self.refused("missing: text_encoder/config.json")

    def test_a_missing_shard_is_named(self):
        weights = self.model / "unet/diffusion_pytorch_model.safetensors"
        data = weights.read_bytes()
        names = [name for name in json.loads(data[8:8 + int.from_bytes(data[:8], "little")]) if name != "__metadata__"]
        weights.rename(self.model / "unet/diffusion_pytorch_model-00001-of-00002.safetensors")
        shards = {name: f"diffusion_pytorch_model-0000{1 + (name == names[-1])}-of-00002.safetensors" for name in names}
        (self.model / "unet/diffusion_pytorch_model.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": shards}))
        self.refused("1 of 2 shards is missing: diffusion_pytorch_model-00002-of-00002.safetensors; fetch it")

    def test_a_tensor_of_another_shape_is_named(self):
        self.change("unet/config.json", block_out_channels=[24, 48, 72])
        self.refused("model/unet: tensor 'unet.", "the config asks for [72")

    def test_a_text_encoder_of_another_width_is_refused(self):
        self.change("text_encoder/config.json", hidden_size=128)
        self.refused("cross_attention_dim is 64, but the text encoder's hidden_size is 128")

    def test_an_inpainting_model_is_refused_by_what_it_is(self):
        self.change("unet/config.json", in_channels=9, out_channels=4)
        self.refused("in_channels is 9, out_channels 4", "an inpainting model")


if __name__ == "__main__":
    if sys.argv[1:2] == ["make"]:
        make(sys.argv[2], sys.argv[3])
    else:
        unittest.main()
