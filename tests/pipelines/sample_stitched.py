"""A stitched P-GRAFT adapter in diffusers, as docs/stable_diffusion.md quotes it.

sample_stitched.py FOLDER ADAPTER BLOCK PROMPTS GUIDANCE, in the peers' Python: samples the block of a set with diffusers, from the noise that
is recorded there, and prints how far the latents are from those of the block; and how far those of a wrong hand-over would be."""
import json
import pathlib
import sys


def sample_stitched(pipe, adapter, num_inference_steps, **arguments):
    """pipe(...), with the adapter for the steps that its espalier.json names and without it for the rest."""
    last_step = json.loads((pathlib.Path(adapter) / "espalier.json").read_text())["last_step"]
    if isinstance(last_step, float):  # of N, rounded as Espalier does
        last_step = int(last_step * num_inference_steps + 0.5)

    def hand_over(pipe, step, timestep, tensors):
        if num_inference_steps - (step + 1) == last_step:  # so many steps remain
            pipe.disable_lora()
        return tensors

    pipe.enable_lora()
    return pipe(num_inference_steps=num_inference_steps, callback_on_step_end=hand_over, **arguments)


def compare(folder, adapter, block, prompts, guidance):
    import h5py
    import torch
    from diffusers import DDIMScheduler, StableDiffusionPipeline

    with h5py.File(block) as file:
        recorded = sorted(int(step) for step in file["state/sample"])
        noise, wanted = (torch.from_numpy(file[f"state/sample/{step}"][:]) for step in (recorded[-1], 0))
        prompts = [prompts[int(row)] for row in file["condition"]]
    pipe = StableDiffusionPipeline.from_pretrained(folder, safety_checker=None, feature_extractor=None)  # which the folder lacks
    pipe.scheduler = DDIMScheduler.from_config(pipe.scheduler.config)
    pipe.load_lora_weights(adapter)
    pipe.set_progress_bar_config(disable=True)
    steps = recorded[-1]

    def difference(adapter):
        sampled = sample_stitched(pipe, adapter, steps, prompt=prompts, latents=noise, guidance_scale=guidance, output_type="latent").images
        return float((sampled - wanted).abs().max())

    found = {"stitched": difference(adapter), "spread": float(wanted.std()), "steps": steps}
    other = pathlib.Path(adapter) / "other"
    other.mkdir()
    last_step = json.loads((pathlib.Path(adapter) / "espalier.json").read_text())["last_step"]
    for name, step in (("all steps", 0), ("a step later", int(last_step * steps) - 1), ("a step earlier", int(last_step * steps) + 1)):
        (other / "espalier.json").write_text(json.dumps({"last_step": step}))
        found[name] = difference(other)
    print(json.dumps(found))


if __name__ == "__main__":
    compare(*sys.argv[1:4], json.loads(sys.argv[4]), float(sys.argv[5]))
