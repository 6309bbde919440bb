"""GRAFT and P-GRAFT by LoRA: the base is stored once, a resumed run ends in the same adapter, and the adapter means the same in diffusers."""
import glob
import json
import os
import pathlib
import shutil
import struct
import subprocess
import sys
import time

import driver
from driver import ROOT

HOME = pathlib.Path(os.environ.get("ESPALIER_HOME", pathlib.Path.home() / ".cache/espalier"))
PYTHON = pathlib.Path(os.environ.get("ESPALIER_PEERS", HOME / "peers")) / "bin/python"
BASE = ROOT / "datasets/models/shapes-base"
STEPS, GUIDANCE, HANDED_OVER = 8, 2.0, 4
ADAPTER = "pytorch_lora_weights.safetensors"
HEAD = f"""name = "lora"
seed = 11
[domain]
type = "domain.text_to_image"
[domain.options]
prompts = "shapes"
[defaults."sampler.ddim"]
num_inference_steps = {STEPS}
guidance_scale = {GUIDANCE}
max_conditions = 8
block_size = 16
[defaults."trainer.sft"]
rank = 4
lora_alpha = 8
max_train_steps = 6
train_batch_size = 8
learning_rate = 0.02
checkpointing_steps = 2
[models]
base = "{BASE}"
"""
PIPELINE = HEAD + """
[[stage]]
tag = "samples"
type = "sampler.ddim"
inputs = { model = "base" }
[stage.options]
samples_per_condition = 2
eta = 1.0
[[stage]]
tag = "alignment"
type = "reward.shape_checker"
inputs = { samples = "samples" }
[[stage]]
tag = "best"
type = "filter.top_k"
inputs = { scores = "alignment" }
[[stage]]
tag = "graft"
type = "trainer.sft"
inputs = { model = "base", selection = "best" }
[[stage]]
tag = "pgraft"
type = "trainer.sft"
inputs = { model = "base", selection = "best" }
[stage.options]
intermediate_step = 0.5
loss = "forward"
[[stage]]
tag = "further"
type = "trainer.sft"
inputs = { model = "graft", selection = "best" }
[[stage]]
tag = "stitched"
type = "sampler.ddim"
inputs = { model = ["pgraft", "base"] }
[stage.options]
split = "held_out"
eta = 0.0
record_steps = [7]
"""
SAMPLED = """{models}
[[stage]]
tag = "stitched"
type = "sampler.ddim"
inputs = {{ model = ["tuned", "base"] }}
[stage.options]
split = "held_out"
eta = 0.0
record_steps = [7]
"""


def compare(base, adapter, block, texts):
    """In the peers' Python: diffusers goes on from the state with 7 steps remaining, with the adapter down to HANDED_OVER."""
    import h5py
    import torch
    from diffusers import DDIMScheduler, StableDiffusionPipeline, UNet2DConditionModel
    from transformers import CLIPTextModel, CLIPTokenizer

    with h5py.File(block) as file:
        x = torch.from_numpy(file["state/sample/7"][:])
        wanted = torch.from_numpy(file["state/sample/0"][:])
        rows = file["condition"][:]
    unet = UNet2DConditionModel.from_pretrained(f"{base}/unet")
    encoder = CLIPTextModel.from_pretrained(f"{base}/text_encoder")
    tokenizer = CLIPTokenizer.from_pretrained(f"{base}/tokenizer")
    scheduler = DDIMScheduler.from_pretrained(f"{base}/scheduler")
    pipe = StableDiffusionPipeline(vae=None, text_encoder=encoder, tokenizer=tokenizer, unet=unet, scheduler=scheduler, safety_checker=None,
                                   feature_extractor=None, requires_safety_checker=False)
    pipe.load_lora_weights(adapter)
    ids = tokenizer([""] * len(rows) + [texts[int(row)] for row in rows], padding="max_length", truncation=True, return_tensors="pt").input_ids

    def sample(x, tuned):
        scheduler.set_timesteps(STEPS)
        for remaining, t in zip(range(7, 0, -1), scheduler.timesteps[1:]):
            pipe.enable_lora() if tuned and remaining > HANDED_OVER else pipe.disable_lora()
            empty, full = unet(torch.cat([x, x]), t, encoder_hidden_states=states).sample.chunk(2)
            x = scheduler.step(empty + GUIDANCE * (full - empty), t, x, eta=0.0).prev_sample
        return x

    with torch.no_grad():
        states = encoder(ids).last_hidden_state
        difference, effect = ((sample(x, tuned) - wanted).abs().max() for tuned in (True, False))
    print(json.dumps({"difference": float(difference), "effect": float(effect)}))


def read_safetensors(path):
    """The header without its metadata, and the float32 tensors."""
    data = path.read_bytes()
    size, = struct.unpack("<Q", data[:8])
    header = {name: entry for name, entry in json.loads(data[8:8 + size]).items() if name != "__metadata__"}
    return header, {name: struct.unpack(f"<{(end - begin) // 4}f", data[8 + size + begin:8 + size + end])
                    for name, entry in header.items() for begin, end in [entry["data_offsets"]]}


def computes_in_float16():
    return "avx512_fp16" in pathlib.Path("/proc/cpuinfo").read_text().split()


def cosine(one, other):
    dot = lambda a, b: sum(x * y for x, y in zip(a, b))
    return dot(one, other) / (dot(one, one) * dot(other, other)) ** 0.5


class Lora(driver.PipelineTest):
    def pipeline(self, text=PIPELINE):
        path = self.folder / "lora.toml"
        path.write_text(text)
        return path

    def run_pipeline(self, text=PIPELINE, cache=None, *arguments):
        report = json.loads(self.call("run", "--json", "--quiet", *arguments, pipeline=self.pipeline(text), cache=cache))
        return {stage["tag"]: stage for stage in report["stages"]}

    def adapters(self):
        return sorted(self.cache.glob(f"results/model/*/*/{ADAPTER}"))

    def folder_of(self, stage):
        """A copy of the result's two files, as a user would hand them on."""
        result, = self.cache.glob(f"results/model/*/{stage['key']}")
        copy = self.folder / f"adapter-{stage['tag']}"
        copy.mkdir()
        for name in (ADAPTER, "espalier.json"):
            shutil.copyfile(result / name, copy / name)
        return copy

    def refused(self, adapter, *words, base=BASE):
        text = HEAD + f'tuned = {{ folder = "{base}", adapter = "{adapter}" }}\n' + SAMPLED.format(models="")
        self.call("plan", pipeline=self.pipeline(text), code=1)
        for word in words:
            self.assertIn(word, self.stderr)

    def test_graft_and_pgraft_store_one_base_and_are_reused(self):
        stages = self.run_pipeline()
        self.assertEqual({stage["status"] for stage in stages.values()}, {"run"})
        adapters = self.adapters()
        self.assertEqual(len(adapters), 3)
        files = {path.name for result in adapters for path in result.parent.iterdir()}
        self.assertEqual(files, {ADAPTER, "espalier.json", "manifest.json"})
        stored = sum(path.stat().st_size for path in self.cache.glob("results/model/**/*") if path.is_file())
        base = sum(path.stat().st_size for path in BASE.glob("*/*.safetensors"))
        self.assertLess(stored, 0.2 * base, "three adapters are stored, and no base")
        again = self.run_pipeline()
        self.assertEqual({stage["status"] for stage in again.values()}, {"reused"})

        # The same adapter out of a folder of the user's is the same model: its samples are there already.
        pgraft = self.folder_of(stages["pgraft"])
        text = HEAD + f'tuned = {{ folder = "{BASE}", adapter = "{pgraft}" }}\n' + SAMPLED.format(models="")
        imported = self.run_pipeline(text)["stitched"]
        self.assertEqual((imported["key"], imported["status"]), (stages["stitched"]["key"], "reused"))
        shutil.rmtree(self.cache / "sets")
        blocks = self.run_pipeline(text)
        self.assertEqual(blocks["stitched"]["status"], "run")

    def test_a_base_in_half_precision_is_tuned_by_an_adapter_in_float32(self):
        """Its direction is near that of a float32 base's adapter, and another seed's is not."""
        def tuned(*settings):
            stages = self.run_pipeline(PIPELINE, None, "--set", "pgraft.max_train_steps=40", "--set", "pgraft.learning_rate=0.002", *settings)
            result, = self.cache.glob(f"results/model/*/{stages['pgraft']['key']}/{ADAPTER}")
            header, tensors = read_safetensors(result)
            self.assertEqual({entry["dtype"] for entry in header.values()}, {"F32"})
            return [value for name in sorted(tensors) if "lora_B" in name for value in tensors[name]]
        single, other = tuned(), tuned("--set", "seed=12")
        self.assertLess(cosine(single, other), 0.3)
        for dtype, least in (("bfloat16", 0.7), ("float16", 0.99)):  # AdamW's first steps go by the gradients' signs, small ones too
            with self.subTest(dtype=dtype):
                if dtype == "float16" and not computes_in_float16():
                    self.skipTest("this CPU does not compute in float16")
                half = tuned("--set", f"models.base.dtype={dtype}")
                print(f"{dtype}: cosine {cosine(single, half):.4f}, of another seed {cosine(single, other):.4f}", file=sys.stderr)
                self.assertNotEqual(half, single)
                self.assertGreater(cosine(single, half), least)

    def test_a_killed_training_ends_in_the_same_adapter(self):
        settings = ["--set", "pgraft.max_train_steps=30", "--set", "pgraft.checkpointing_steps=1"]
        alone = self.folder / "alone"
        whole = self.run_pipeline(PIPELINE, alone, *settings)
        process = self.start("run", "--quiet", *settings, pipeline=self.pipeline())
        checkpoint = lambda: list(self.cache.glob(f"checkpoints/{whole['pgraft']['key']}/checkpoint-*/manifest.json"))
        deadline = time.monotonic() + 300
        while process.poll() is None and not checkpoint():
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.005)
        saved = sum(path.stat().st_size for path in checkpoint()[0].parent.iterdir()) if checkpoint() else None
        process.kill()
        process.communicate()
        self.assertEqual(process.returncode, -9, "training was over before it could be killed")
        if saved:
            self.assertLess(saved, (BASE / "unet/diffusion_pytorch_model.safetensors").stat().st_size / 2, "a checkpoint holds the adapter alone")
        resumed = self.run_pipeline(PIPELINE, None, *settings)
        self.assertEqual(self.models(), self.models(alone))
        self.assertEqual(resumed["stitched"]["key"], whole["stitched"]["key"])
        self.assertEqual(self.blocks(), self.blocks(alone))

    def test_adapters_that_cannot_be_added_are_refused_by_the_plan(self):
        stages = self.run_pipeline()
        pgraft = self.folder_of(stages["pgraft"])
        other = self.folder / "other"
        shutil.copytree(BASE, other)
        self.change_weights(other / "text_encoder/model.safetensors")
        self.refused(pgraft, "the adapter is for the base", "that it was trained from", base=other)
        zero = self.folder / "zero"
        zero.mkdir()
        self.zero_adapter(pgraft / ADAPTER, zero / ADAPTER)
        self.refused(zero, "lora_B.weight", "it was never trained")
        text = HEAD + f'tuned = {{ folder = "{BASE}", adapter = "nowhere" }}\n' + SAMPLED.format(models="")
        self.call("validate", pipeline=self.pipeline(text), code=2)
        self.assertIn("[models]: tuned: nowhere: no such folder or file of an adapter", self.stderr)
        text = HEAD + f'tuned = "{pgraft}"\n' + SAMPLED.format(models="")
        self.call("plan", pipeline=self.pipeline(text), code=2)
        self.assertIn("holds an adapter, not a model", self.stderr)
        self.call("plan", "--set", 'pgraft.target_modules=["to_w"]', pipeline=self.pipeline(), code=2)
        self.assertIn("target_modules names 'to_w'", self.stderr)
        self.call("plan", "--set", "further.rank=0", "--set", "further.lora_alpha=0", pipeline=self.pipeline(), code=2)
        self.assertIn("the model has an adapter", self.stderr)
        self.call("plan", "--set", "pgraft.rank=0", pipeline=self.pipeline(), code=2)
        self.assertIn("lora_alpha is set, but rank is 0", self.stderr)

    @staticmethod
    def change_weights(path):
        data = bytearray(path.read_bytes())
        data[-1] ^= 1
        path.chmod(0o644)
        path.write_bytes(data)

    @staticmethod
    def zero_adapter(source, target):
        data = bytearray(source.read_bytes())
        size, = struct.unpack("<Q", data[:8])
        for name, entry in json.loads(data[8:8 + size]).items():
            if "lora_B" in name:
                begin, end = (8 + size + offset for offset in entry["data_offsets"])
                data[begin:end] = bytes(end - begin)
        target.write_bytes(data)

    def test_diffusers_samples_the_same_images(self):
        if not PYTHON.exists():
            self.skipTest("the peers are not installed: scripts/setup --peers")
        stages = self.run_pipeline()
        block, = self.cache.glob(f"sets/*/{stages['stitched']['key']}/data/*.h5")
        metadata, = (self.folder / "runs/lora").glob("*/samples/metadata.jsonl")
        lines = [json.loads(line) for line in metadata.read_text(encoding="utf-8").splitlines()]
        texts = [line["text"] for line in lines if line["file_name"].startswith("stitched/")]
        self.assertEqual(len(texts), 8)
        libraries = glob.glob(str(PYTHON.parents[1] / "lib/python3*/site-packages/nvidia/*/lib")) + ["/usr/local/cuda/lib64"]
        environment = os.environ | {"LD_LIBRARY_PATH": ":".join(libraries), "HF_HUB_OFFLINE": "1"}
        done = subprocess.run([PYTHON, __file__, "compare", BASE, self.folder_of(stages["pgraft"]), block, json.dumps(texts)], env=environment,
                              capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stderr)
        found = json.loads(done.stdout.splitlines()[-1])
        print(f"largest difference {found['difference']:.1e}; without the adapter {found['effect']:.1e}", file=sys.stderr)
        self.assertGreater(found["effect"], 1e-2)
        self.assertLess(found["difference"], 1e-4)  # as in diffusers_test.py


if __name__ == "__main__":
    if sys.argv[1:2] == ["compare"]:
        compare(sys.argv[2], sys.argv[3], sys.argv[4], json.loads(sys.argv[5]))
    else:
        driver.main()
