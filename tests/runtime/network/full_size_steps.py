"""Ten guided DDIM steps of a folder of full size: the program's, then those of diffusers' StableDiffusionPipeline from the same noise."""
import json
import os
import pathlib
import sys

STEPS, GUIDANCE = 10, 7.5
TOLERANCE, FAR = 1e-4, 10  # of the largest latent; a mutation's least distance in tolerances
WRONG = {"steps_offset 0 for 1": {"steps_offset": 0}}
PIPELINES = pathlib.Path(__file__).resolve().parents[2] / "pipelines"
PIPELINE = """name = "steps"
seed = 5
[domain]
type = "domain.text_to_image"
[domain.options]
prompts = "shapes"
[models]
base = "{folder}"
[[stage]]
tag = "samples"
type = "sampler.ddim"
inputs = {{ model = "base" }}
[stage.options]
max_conditions = 2
block_size = 2
micro_batch = 2
num_inference_steps = {steps}
guidance_scale = {guidance}
eta = 0.0
record_steps = [{steps}]
"""


def compare(tool, folder, measured):
    """Gives what was measured, by name. `measured(command, cwd)` runs a command and gives its stdout, seconds and GiB."""
    pipeline = tool.folder / "steps.toml"
    pipeline.write_text(PIPELINE.format(folder=folder, steps=STEPS, guidance=GUIDANCE))
    program = pathlib.Path(tool.path).resolve().parent.parent / "espalier"
    printed, _, ours = measured([program, "run", "--json", "--quiet", "--workers", "1", pipeline, "--set", f"cache.path={tool.folder / 'cache'}"],
                                tool.folder)
    seconds = json.loads(printed)["stages"][0]["seconds"]
    block, = (tool.folder / "cache").glob("sets/*/*/data/*.h5")
    images, = (tool.folder / "runs/steps").glob("*/samples")
    settings = json.dumps({"steps": STEPS, "guidance": GUIDANCE, "wrong": WRONG})
    printed, _, theirs = measured([sys.executable, PIPELINES / "latent_test.py", "compare", folder, block, images, settings], os.getcwd())
    found = json.loads(printed.splitlines()[-1])
    print(f"ten guided steps: {found}", flush=True)
    difference = found["latents"] / found["largest"]
    assert difference <= TOLERANCE, difference
    assert found["levels"] <= 1, found["levels"]  # what lies half-way between two levels is rounded to either
    wrong = {what: found[what] / found["largest"] for what in WRONG}
    for what, distance in wrong.items():
        assert distance >= FAR * TOLERANCE, f"{what} would not be seen: {distance}"
    return {"case": "ten guided DDIM steps of SD 2.1 base, two images of 256 px", "difference": difference, "GiB": ours, "their GiB": theirs,
            "seconds": seconds, "their seconds": found["seconds"], **wrong}
