"""A model of latents: sampled, scored and tuned by P-GRAFT through its VAE; diffusers' StableDiffusionPipeline makes the same images of it."""
import glob
import json
import os
import pathlib
import shutil
import struct
import subprocess
import sys
import time
import unittest

import driver
from driver import ROOT

HOME = pathlib.Path(os.environ.get("ESPALIER_HOME", pathlib.Path.home() / ".cache/espalier"))
PYTHON = HOME / "peers/bin/python"
STEPS, GUIDANCE, CONDITIONS = 8, 2.0, 4
VAE = {
    "_class_name": "AutoencoderKL", "block_out_channels": [16, 32], "down_block_types": ["DownEncoderBlock2D"] * 2, "up_block_types": ["UpDecoderBlock2D"] * 2,
    "norm_num_groups": 8, "layers_per_block": 1, "latent_channels": 4, "scaling_factor": 0.5,
}
PIPELINE = """name = "latent"
seed = 7
[domain]
type = "domain.text_to_image"
[domain.options]
prompts = "shapes"
[models]
blank = {{ folder = "{folder}", initialize_weights = true }}
[defaults."sampler.ddim"]
num_inference_steps = {steps}
guidance_scale = {guidance}
max_conditions = {conditions}
samples_per_condition = 2
block_size = 8
micro_batch = 4
[defaults."trainer.sft"]
max_train_steps = 2
train_batch_size = 4
[[stage]]
tag = "base"
type = "trainer.sft"
inputs = {{ model = "blank" }}
[[stage]]
tag = "samples"
type = "sampler.ddim"
inputs = {{ model = "base" }}
[stage.options]
eta = 0.0
record_steps = [0.25, {steps}]
[[stage]]
tag = "score"
type = "reward.shape_checker"
inputs = {{ samples = "samples" }}
[[stage]]
tag = "likeness"
type = "reward.shape_checker"
inputs = {{ samples = "samples" }}
[stage.options]
measure = "likeness"
max_invalid_fraction = 1.0
[[stage]]
tag = "best"
type = "filter.top_k"
inputs = {{ scores = "score" }}
[[stage]]
tag = "pgraft"
type = "trainer.sft"
inputs = {{ model = "base", selection = "best" }}
[stage.options]
intermediate_step = 0.25
[[stage]]
tag = "tuned_samples"
type = "sampler.ddim"
inputs = {{ model = ["pgraft", "base"] }}
[stage.options]
split = "held_out"
[[stage]]
tag = "tuned_score"
type = "reward.shape_checker"
inputs = {{ samples = "tuned_samples" }}
[[stage]]
tag = "result"
type = "metric.reward_summary"
inputs = {{ scores = "tuned_score" }}
"""


def png_size(path):
    return struct.unpack(">II", path.read_bytes()[16:24])


def compare(folder, block, images, steps=STEPS, guidance=GUIDANCE, wrong=None, tiling=False):
    """In the peers' Python: StableDiffusionPipeline from the recorded noise to latents, and from the recorded latents to images. Prints the
    differences, those of the latents also with schedulers that are wrong: {what: keys of the scheduler}, those of images made in tiles also
    without."""
    import h5py
    import numpy
    import torch
    from diffusers import AutoencoderKL, DDIMScheduler, StableDiffusionPipeline, UNet2DConditionModel
    from PIL import Image
    from transformers import CLIPTextModel, CLIPTokenizer

    images = pathlib.Path(images)
    lines = [json.loads(line) for line in (images / "metadata.jsonl").read_text(encoding="utf-8").splitlines()]
    lines = sorted((line for line in lines if line["stage"] == "samples"), key=lambda line: line["index"])
    with h5py.File(block) as file:
        noise, wanted = (torch.from_numpy(file[f"state/sample/{step}"][:]) for step in (steps, 0))
    pipeline = StableDiffusionPipeline(
        AutoencoderKL.from_pretrained(f"{folder}/vae"), CLIPTextModel.from_pretrained(f"{folder}/text_encoder"),
        CLIPTokenizer.from_pretrained(f"{folder}/tokenizer"), UNet2DConditionModel.from_pretrained(f"{folder}/unet"),
        DDIMScheduler.from_pretrained(f"{folder}/scheduler"), safety_checker=None, feature_extractor=None, requires_safety_checker=False)
    pipeline.set_progress_bar_config(disable=True)
    ours = numpy.stack([numpy.asarray(Image.open(images / line["file_name"]).convert("RGB")) for line in lines]).astype(int)

    def decoded(latents):  # as the pipeline does once it has sampled
        with torch.no_grad():
            image = pipeline.vae.decode(latents).sample
        return numpy.stack([numpy.asarray(one) for one in pipeline.image_processor.postprocess(image)]).astype(int)

    without_tiling = decoded(wanted / pipeline.vae.config.scaling_factor)
    if tiling:
        pipeline.vae.enable_tiling()
    theirs = decoded(wanted / pipeline.vae.config.scaling_factor)

    def latents_off(**keys):
        pipeline.scheduler = DDIMScheduler.from_pretrained(f"{folder}/scheduler", **keys)  # the constructor sets steps_offset = 1
        texts = [line["text"] for line in lines]
        sampled = pipeline(texts, num_inference_steps=steps, guidance_scale=guidance, eta=0.0, latents=noise, output_type="latent")
        return float((sampled.images - wanted).abs().max())

    begin = time.monotonic()
    found = {"count": len(lines), "latents": latents_off(), "seconds": time.monotonic() - begin, "largest": float(wanted.abs().max()),
             "levels": int(abs(ours - theirs).max()), "equal": float((ours == theirs).mean()), "spread": float(theirs.std()),
             "without_scaling": int(abs(ours - decoded(wanted)).max()), "without_tiling": int(abs(ours - without_tiling).max())}
    print(json.dumps(found | {what: latents_off(**keys) for what, keys in (wrong or {}).items()}))


class Latent(driver.PipelineTest):
    def blank(self, unet_channels=4, unet_out_channels=None, **vae):
        """A copy of shapes-blank whose U-Net is of the latents of a VAE that halves once."""
        folder = self.folder / "blank"
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(ROOT / "datasets/models/shapes-blank", folder)
        config = json.loads((folder / "unet/config.json").read_text())
        (folder / "unet/config.json").write_text(json.dumps(config | {"in_channels": unet_channels, "out_channels": unet_out_channels or unet_channels, "sample_size": 8}))
        index = json.loads((folder / "model_index.json").read_text())
        (folder / "model_index.json").write_text(json.dumps(index | {"vae": ["diffusers", "AutoencoderKL"]}))
        (folder / "vae").mkdir()
        (folder / "vae/config.json").write_text(json.dumps(VAE | vae))
        return self.write(folder)

    def write(self, folder):
        pipeline = self.folder / "latent.toml"
        pipeline.write_text(PIPELINE.format(folder=folder, steps=STEPS, guidance=GUIDANCE, conditions=CONDITIONS))
        return pipeline

    def run_stages(self, pipeline, *settings):
        report = json.loads(self.call("run", "--json", "--quiet", *settings, pipeline=pipeline))
        return {stage["tag"]: stage for stage in report["stages"]}

    def model_folder(self, stage):
        return self.cache / "results/model" / stage["key"][:2] / stage["key"]

    def test_models_of_one_trajectory_have_one_vae(self):
        pipeline = self.blank()
        base = self.model_folder(self.run_stages(pipeline)["base"])
        text = pipeline.read_text().replace('["pgraft", "base"]', '["pgraft", "other"]').replace(
            "[models]\n", f'[models]\nother = "{self.folder / "other"}"\n')
        pipeline.write_text(text)
        shutil.copytree(base, self.folder / "other")
        self.run_stages(pipeline)  # a copy has the same VAE
        weights = self.folder / "other/vae/diffusion_pytorch_model.safetensors"
        os.chmod(weights.parent, 0o755)
        os.chmod(weights, 0o644)
        data = bytearray(weights.read_bytes())
        data[-4:] = struct.pack("<f", 0.5)
        weights.write_bytes(data)
        self.call("run", "--quiet", pipeline=pipeline, code=1)
        self.assertRegex(self.stderr, "the models 'pgraft' and 'other' differ in vae[.a-z_0-9]*; models of one trajectory must have the same vae")

    def test_latents_of_examples_may_be_sampled(self):
        pipeline = self.blank()
        stages = {}
        for mode in ("argmax", "sample"):
            plan = json.loads(self.call("plan", "--json", "--set", f"models.blank.sample_mode={mode}", pipeline=pipeline))
            stages[mode] = {stage["tag"]: stage for stage in plan["stages"]}
        default = {stage["tag"]: stage for stage in json.loads(self.call("plan", "--json", pipeline=pipeline))["stages"]}
        self.assertEqual(stages["argmax"]["base"]["key"], default["base"]["key"])
        self.assertNotEqual(stages["sample"]["base"]["key"], default["base"]["key"])
        report = json.loads(self.call("run", "--json", "--quiet", "--set", "models.blank.sample_mode=sample", pipeline=pipeline))
        self.assertEqual({stage["status"] for stage in report["stages"]}, {"run"})
        self.call("validate", "--set", "models.blank.sample_mode=mode", pipeline=pipeline, code=2)
        self.assertIn('sample_mode', self.stderr)
        self.assertIn('"argmax" or "sample"', self.stderr)

    def test_latents_are_sampled_scored_and_tuned(self):
        pipeline = self.blank()
        stages = self.run_stages(pipeline)
        self.assertEqual({stage["status"] for stage in stages.values()}, {"run"})
        decoded = [stages[tag]["samples_decoded"] for tag in ("score", "likeness")]
        self.assertEqual(sum(decoded), 2 * CONDITIONS, "both score the same samples, which are in memory")
        samples, = (self.folder / "runs/latent").glob("*/samples")
        for tag in ("samples", "tuned_samples"):
            self.assertEqual({png_size(path) for path in (samples / tag).glob("*.png")}, {(16, 16)})
        weights = [(self.model_folder(stages[tag]) / "vae/diffusion_pytorch_model.safetensors").read_bytes() for tag in ("base", "pgraft")]
        self.assertEqual(*weights, "training leaves the VAE as it is")
        self.assertEqual({stage["status"] for stage in self.run_stages(pipeline).values()}, {"reused"})
        other = self.run_stages(self.blank(scaling_factor=0.75))
        self.assertNotEqual(other["base"]["key"], stages["base"]["key"], "examples are encoded otherwise")
        self.assertEqual(other["samples"]["status"], "run")

    def test_what_does_not_fit_together_is_refused_by_name(self):
        for changes, what in (
            ({"out_channels": 1}, "the model 'blank' (" + str(self.folder / "blank") + "): vae/config.json: out_channels is 1, but the domain's images have 3"),
            ({"unet_channels": 3}, "unet/config.json: in_channels is 3, but the vae has 4 latent_channels"),
            ({"unet_channels": 9, "unet_out_channels": 4}, "unet/config.json: in_channels is 9, out_channels 4: this is an inpainting model"),
            ({"act_fn": "mish"}, 'vae/config.json: act_fn = "mish" is not supported; it must be "silu"'),
            ({"latents_std": [1, 1, 1, 1]}, "vae/config.json: latents_mean = null; it must be a list too where latents_std is one"),
        ):
            self.call("plan", pipeline=self.blank(**changes), code=1)
            self.assertIn(what, self.stderr)

    def test_tiles_are_keyed(self):
        pipeline = self.blank(sample_size=8)
        keys = {}
        for tiling in ("", "false", "true"):
            settings = ["--set", f"models.blank.vae_tiling={tiling}"] if tiling else []
            keys[tiling] = {stage["tag"]: stage["key"] for stage in json.loads(self.call("plan", "--json", *settings, pipeline=pipeline))["stages"]}
        self.assertEqual(keys["false"], keys[""])
        self.assertNotEqual(keys["true"]["base"], keys[""]["base"])
        self.call("validate", "--set", "models.blank.vae_tiling=1", pipeline=pipeline, code=2)
        self.assertIn("vae_tiling = 1; it must be true or false", self.stderr)
        self.call("plan", "--set", "models.blank.vae_tiling=true", pipeline=self.blank(sample_size=12), code=1)
        self.assertIn("vae/config.json: sample_size = 12; it must be a multiple of 8 for vae_tiling", self.stderr)

    def test_diffusers_makes_the_same_images(self):
        found = self.compare_with_diffusers()
        self.assertGreater(found["without_scaling"], 10)

    def test_diffusers_makes_the_same_images_in_tiles(self):
        found = self.compare_with_diffusers("--set", "models.blank.vae_tiling=true", tiling=True)
        self.assertGreater(found["without_tiling"], 10)

    def compare_with_diffusers(self, *settings, tiling=False):
        """Of images of four tiles, where they are made in tiles."""
        if not PYTHON.exists():
            self.skipTest("the peers are not installed: scripts/setup --peers")
        stages = self.run_stages(self.blank(sample_size=8), *settings)
        images, = (self.folder / "runs/latent").glob("*/samples")
        key = stages["samples"]["key"]
        block, = (self.cache / "sets" / key[:2] / key / "data").glob("*.h5")
        libraries = glob.glob(str(HOME / "peers/lib/python3*/site-packages/nvidia/*/lib")) + ["/usr/local/cuda/lib64"]
        environment = os.environ | {"LD_LIBRARY_PATH": ":".join(libraries), "HF_HUB_OFFLINE": "1"}
        done = subprocess.run([PYTHON, __file__, "compare", self.model_folder(stages["base"]), block, images, json.dumps({"tiling": tiling})],
                              env=environment, capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stderr)
        found = json.loads(done.stdout.splitlines()[-1])
        print(found, file=sys.stderr)
        self.assertEqual(found["count"], 2 * CONDITIONS)
        self.assertGreater(found["spread"], 5.0)
        self.assertLess(found["latents"], 1e-4)  # as in diffusers_test.py
        self.assertLessEqual(found["levels"], 1)  # what lies half-way between two levels is rounded to either
        self.assertGreater(found["equal"], 0.999)
        return found


if __name__ == "__main__":
    if sys.argv[1:2] == ["compare"]:
        compare(*sys.argv[2:5], **json.loads(sys.argv[5] if sys.argv[5:] else "{}"))
    else:
        unittest.main()
