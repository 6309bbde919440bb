"""One round of DDPO in PyTorch, in the peers' Python: diffusers' U-Net, transformers' text encoder, trl's scheduler step, torch's AdamW; or, with
job["flow_grpo"], of Flow-GRPO by the paper's formulas. Reads what ddpo_test.py asks for as JSON and prints how far Espalier's result is from it.

Which samples were in the first update is not known here: of all halves it is the one whose mean advantage is minus the first loss."""
import itertools
import json
import pathlib
import sys


def read_trajectories(cache):
    """States by steps remaining, each sample's condition, and its score, in the order of the samples."""
    import h5py
    import torch

    blocks = {}
    for path in pathlib.Path(cache).glob("sets/*/*/data/*.h5"):
        with h5py.File(path) as file:
            block = blocks.setdefault(int(path.name[1:].split("-")[0]), {})
            block["condition"] = torch.from_numpy(file["condition"][:].astype("int64"))
            block.setdefault("states", {}).update({int(step): torch.from_numpy(file[f"state/sample/{step}"][:]) for step in file["state/sample"]})
    for path in pathlib.Path(cache).glob("sets/*/*/scores/*/data/*.h5"):
        with h5py.File(path) as file:
            blocks[int(path.name[1:].split("-")[0])]["score"] = torch.from_numpy(file["score"][:])
    ordered = [blocks[number] for number in sorted(blocks)]
    steps = sorted(ordered[0]["states"])
    states = {step: torch.cat([block["states"][step] for block in ordered]) for step in steps}
    return states, torch.cat([block["condition"] for block in ordered]), torch.cat([block["score"] for block in ordered])


class Policy:
    def __init__(self, job):
        from diffusers import UNet2DConditionModel
        from transformers import CLIPTextModel, CLIPTokenizer
        import torch

        folder = job["folder"]
        self.job = job
        self.unet = UNet2DConditionModel.from_pretrained(f"{folder}/unet", torch_dtype=torch.float32)
        self.prepare()
        encoder, tokenizer = CLIPTextModel.from_pretrained(f"{folder}/text_encoder"), CLIPTokenizer.from_pretrained(f"{folder}/tokenizer")
        ids = tokenizer(["", *job["prompts"]], padding="max_length", truncation=True, return_tensors="pt").input_ids
        with torch.no_grad():
            self.text = encoder(ids).last_hidden_state

    def prepare(self):
        from diffusers import DDIMScheduler

        self.scheduler = DDIMScheduler.from_pretrained(f"{self.job['folder']}/scheduler")
        self.scheduler.set_timesteps(self.job["steps"])
        self.timesteps = self.scheduler.timesteps
        # A step to abar = 1 adds no noise; trl's would go to abar_0.
        self.last_without_density = 1 if self.scheduler.config.set_alpha_to_one else 0

    def predict(self, steps_remaining, x, condition):
        import torch

        t = self.timesteps[self.job["steps"] - steps_remaining].repeat(len(x))
        text = torch.cat([self.text[:1].expand(len(x), -1, -1), self.text[1 + condition]])
        empty, full = self.unet(torch.cat([x, x]), torch.cat([t, t]), encoder_hidden_states=text).sample.chunk(2)
        return t, empty + self.job["guidance"] * (full - empty)

    def step(self, steps_remaining, before, after, condition):
        """log p(after | before), and of a flow the mean of the step and its deviation."""
        from trl.models.modeling_sd_base import scheduler_step

        t, prediction = self.predict(steps_remaining, before, condition)
        return scheduler_step(self.scheduler, prediction, t, before, eta=1.0, prev_sample=after).log_probs, None, None


class FlowPolicy(Policy):
    """Flow-GRPO's steps (arXiv 2505.05470, equation 9): time is 1 at noise, and the network's output is the velocity."""

    def prepare(self):
        import torch

        self.timesteps = torch.tensor([1000 * n / self.job["steps"] for n in range(self.job["steps"], 0, -1)])
        self.last_without_density = 0

    def step(self, steps_remaining, before, after, condition):
        import torch

        t, dt = steps_remaining / self.job["steps"], -1 / self.job["steps"]
        sigma = 0.7 * (t / (1 - (t if t < 1 else 1 + dt))) ** 0.5
        _, v = self.predict(steps_remaining, before, condition)
        law = torch.distributions.Normal(before + (v + sigma**2 / (2 * t) * (before + (1 - t) * v)) * dt, sigma * (-dt) ** 0.5)
        return law.log_prob(after).mean((1, 2, 3)), law.mean, law.stddev


def group_advantages(condition, score):
    import torch

    result = torch.empty_like(score)
    for one in condition.unique():
        own = score[condition == one]
        result[condition == one] = (own - own.mean()) / (score.std(correction=0) + 1e-4)
    return result.clamp(-5, 5)


def advantages(condition, score, min_count):
    import torch

    result = torch.empty_like(score)
    for one in condition.unique():
        own = score[condition == one]
        of = own if len(own) >= min_count else score
        result[condition == one] = (own - of.mean()) / (of.std(correction=0) + 1e-6)
    return result.clamp(-5, 5)


def main():
    try:
        import torch
        import trl.models.modeling_sd_base  # noqa: F401
    except ImportError as missing:
        print(f"skipped: {missing}; `scripts/setup --peers` installs what this needs")
        sys.exit(77)
    from safetensors.torch import load_file

    job = json.load(sys.stdin)
    states, condition, score = read_trajectories(job["cache"])
    flow = job.get("flow_grpo")
    policy = FlowPolicy(job) if flow else Policy(job)
    start = {name: tensor.detach().clone() for name, tensor in policy.unet.named_parameters()}
    advantage = (group_advantages(condition, score) if flow else advantages(condition, score, job["min_count"])).float()
    curves = job["curves"]
    rows = range(len(score))
    halves = [list(half) for half in itertools.combinations(rows, len(score) // 2)]
    matching = [half for half in halves if abs(-advantage[half].mean() - curves["loss"][0]) < 1e-5]
    [first] = matching  # two that match would have samples of equal rewards
    second = [row for row in rows if row not in first]
    densities = [n for n in states if n > policy.last_without_density]

    def steps(which, n):
        return policy.step(n, states[n][which], states[n - 1][which], condition[which])

    with torch.no_grad():
        old, fixed, _ = zip(*(steps(list(rows), n) for n in densities))  # the reference is the policy that sampled
        old, fixed = dict(zip(densities, old)), dict(zip(densities, fixed))
    optimizer = torch.optim.AdamW(policy.unet.parameters(), lr=job["learning_rate"], betas=(0.9, 0.999), weight_decay=1e-4, eps=job["adam_epsilon"])
    losses, kls, reference_kls = [], [], []
    for which in (first, second):
        total = kl = reference_kl = 0.0
        for n in densities:
            log_prob, mean, deviation = steps(which, n)
            difference = log_prob - old[n][which]
            ratio, c = difference.exp(), job["clip_range"]
            loss = torch.maximum(-advantage[which] * ratio, -advantage[which] * ratio.clamp(1 - c, 1 + c)).mean() / len(densities)
            if flow:
                distance = ((mean - fixed[n][which]) ** 2 / (2 * deviation**2)).mean() / len(densities)
                loss = loss + job["kl_coefficient"] * distance
                reference_kl += distance.item()
            loss.backward()
            total += loss.item()
            kl += 0.5 * difference.detach().square().mean().item() / len(densities)
        losses.append(total)
        kls.append(kl)
        reference_kls.append(reference_kl)
        torch.nn.utils.clip_grad_norm_(policy.unet.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
    names = {parameter: name for name, parameter in policy.unet.named_parameters()}
    moments = {names[parameter]: kept["exp_avg"] for parameter, kept in optimizer.state.items()}
    state = load_file(f"{job['trained']}/trainer_state.safetensors")
    weights = load_file(f"{job['trained']}/unet/diffusion_pytorch_model.safetensors")
    largest = max(moment.abs().max().item() for moment in moments.values())
    change = max((parameter.detach() - start[name]).abs().max().item() for name, parameter in policy.unet.named_parameters())
    print(json.dumps({
        "densities": len(densities),
        "first_loss": abs(losses[0] - curves["loss"][0]),
        "second_loss": abs(losses[1] - curves["loss"][1]),
        "approx_kl": abs(kls[1] - curves["approx_kl"][1]),
        "approx_kl_value": kls[1],
        **({"kl": abs(reference_kls[1] - curves["kl"][1]), "kl_value": reference_kls[1]} if flow else {}),
        "moments": max((state[f"optimizer.unet.{name}.exp_avg"] - moment).abs().max().item() for name, moment in moments.items()) / largest,
        "weights": max((weights[name] - parameter.detach()).abs().max().item() for name, parameter in policy.unet.named_parameters()) / change,
        "change": change,
    }))


if __name__ == "__main__":
    main()
