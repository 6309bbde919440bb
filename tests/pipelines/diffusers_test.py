"""A model that Espalier trained and wrote opens in diffusers, and there samples the same images."""
import glob
import json
import os
import pathlib
import subprocess
import sys
import unittest

import driver
from driver import ROOT

HOME = pathlib.Path(os.environ.get("ESPALIER_HOME", pathlib.Path.home() / ".cache/espalier"))
PYTHON = HOME / "peers/bin/python"
STEPS, GUIDANCE, FIRST = 20, 2.0, 19
PIPELINE = f"""name = "peer"
seed = 11
[domain]
type = "domain.text_to_image"
[domain.options]
prompts = "shapes"
[models]
base = "{ROOT}/datasets/models/shapes-base"
[[stage]]
tag = "trained"
type = "trainer.sft"
inputs = {{ model = "base" }}
[stage.options]
max_train_steps = 2
train_batch_size = 8
[[stage]]
tag = "samples"
type = "sampler.ddim"
inputs = {{ model = "trained" }}
[stage.options]
max_conditions = 16
block_size = 16
num_inference_steps = {STEPS}
guidance_scale = {GUIDANCE}
eta = 0.0
record_steps = [{FIRST}]
"""


def peers_environment():
    libraries = glob.glob(str(HOME / "peers/lib/python3*/site-packages/nvidia/*/lib")) + ["/usr/local/cuda/lib64"]
    return os.environ | {"LD_LIBRARY_PATH": ":".join(libraries), "HF_HUB_OFFLINE": "1"}


def compare(folder, block, texts, last=0, variant=None, dtype="float32"):
    """In the peers' Python: diffusers goes on from the state with FIRST steps remaining to that with `last`, in the dtype; prints the
    differences of the states there."""
    import h5py
    import torch
    from diffusers import DDIMScheduler, UNet2DConditionModel
    from transformers import CLIPTextModel, CLIPTokenizer

    with h5py.File(block) as file:
        x = torch.from_numpy(file[f"state/sample/{FIRST}"][:])
        wanted = torch.from_numpy(file[f"state/sample/{last}"][:])
        rows = file["condition"][:]
    dtype = getattr(torch, dtype)
    # transformers would read the weights in the dtype that config.json names, which is the last variant's.
    unet = UNet2DConditionModel.from_pretrained(f"{folder}/unet", variant=variant, torch_dtype=torch.float32).to(dtype)
    encoder = CLIPTextModel.from_pretrained(f"{folder}/text_encoder", variant=variant, dtype=torch.float32).to(dtype)
    tokenizer = CLIPTokenizer.from_pretrained(f"{folder}/tokenizer")
    scheduler = DDIMScheduler.from_pretrained(f"{folder}/scheduler")
    prompts = [""] * len(rows) + [texts[int(row)] for row in rows]
    ids = tokenizer(prompts, padding="max_length", truncation=True, return_tensors="pt").input_ids
    scheduler.set_timesteps(STEPS)
    with torch.no_grad():
        states = encoder(ids).last_hidden_state
        for t in scheduler.timesteps[STEPS - FIRST:STEPS - last]:
            empty, full = unet(torch.cat([x, x]).to(dtype), t, encoder_hidden_states=states).sample.float().chunk(2)
            x = scheduler.step(empty + GUIDANCE * (full - empty), t, x, eta=0.0).prev_sample
    difference = x - wanted
    print(json.dumps({"difference": float(difference.abs().max()), "rms": float(difference.square().mean().sqrt()), "spread": float(wanted.std())}))


class Diffusers(driver.PipelineTest):
    def test_a_written_model_samples_the_same_images(self):
        if not PYTHON.exists():
            self.skipTest("the peers are not installed: scripts/setup --peers")
        pipeline = self.folder / "peer.toml"
        pipeline.write_text(PIPELINE)
        self.call("run", "--quiet", pipeline=pipeline)
        model = glob.glob(str(self.cache / "results/model/*/*/unet"))
        blocks = glob.glob(str(self.cache / "sets/*/*/data/*.h5"))
        self.assertEqual((len(model), len(blocks)), (1, 1))
        metadata = glob.glob(str(self.folder / "runs/peer/*/samples/metadata.jsonl"))[0]
        texts = [json.loads(line)["text"] for line in pathlib.Path(metadata).read_text(encoding="utf-8").splitlines()]
        done = subprocess.run([PYTHON, __file__, "compare", pathlib.Path(model[0]).parent, blocks[0], json.dumps(texts)],
                              env=peers_environment(), capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stderr)
        found = json.loads(done.stdout.splitlines()[-1])
        print(f"largest difference {found['difference']:.1e}", file=sys.stderr)
        self.assertGreater(found["spread"], 0.1)
        # Two right float32 networks differ by up to 5e-6 (parity.py), guidance of 2 takes 2 + 1 times that, and 19 steps add up like a
        # random walk's: 6.5e-5. A wrong weight, prompt or level shows at 1e-2.
        self.assertLess(found["difference"], 1e-4)


if __name__ == "__main__":
    if sys.argv[1:2] == ["compare"]:
        compare(sys.argv[2], sys.argv[3], json.loads(sys.argv[4]), **json.loads(sys.argv[5] if sys.argv[5:] else "{}"))
    else:
        unittest.main()
