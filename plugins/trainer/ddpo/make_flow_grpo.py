"""Writes numbers of Flow-GRPO's formulas (Liu et al. 2025, arXiv 2505.05470), written here in PyTorch in float64: steps, log-probabilities and
KL with its gradient in plugins/sampler/flow_sde/flow_grpo.json, for flow_grpo_test.cpp there, and advantages of groups in flow_grpo.json, for
advantages_test.cpp.

    python make_flow_grpo.py            writes both
    python make_flow_grpo.py --check    compares them with what is computed here; exit 77 (skip) where there is no PyTorch
"""

import json
import math
import pathlib
import sys

try:
    import torch
except ImportError as missing:
    print(f"skipped: {missing}; `scripts/setup --peers` installs what this needs")
    sys.exit(77)

HERE = pathlib.Path(__file__).resolve().parent
FILES = {"steps": HERE.parents[1] / "sampler/flow_sde/flow_grpo.json", "advantages": HERE / "flow_grpo.json"}


def step(generator, t, t_next, t_after_noise, a):
    """One step from time t (1: noise) to t_next of 2 states of 8 elements, by equation 9 and the KL below it."""
    x, v, v_ref, after = (torch.randn(2, 8, generator=generator, dtype=torch.float64) for _ in range(4))
    v.requires_grad_()
    sigma = a * math.sqrt(t / (1 - (t_after_noise if t == 1 else t)))
    dt = t_next - t

    def mean(velocity):
        return x + (velocity + sigma**2 / (2 * t) * (x + (1 - t) * velocity)) * dt

    law = torch.distributions.Normal(mean(v), sigma * math.sqrt(-dt))
    fixed = torch.distributions.Normal(mean(v_ref), sigma * math.sqrt(-dt))
    kl = torch.distributions.kl_divergence(law, fixed).mean(1)
    # What the authors' code weighs with beta: sigma_t^2 in place of the step's variance sigma_t^2 dt.
    code_kl = ((mean(v) - mean(v_ref)) ** 2).mean(1) / (2 * sigma**2)
    kl.sum().backward()
    numbers = {"x": x, "prediction": v, "reference": v_ref, "next": after, "mean": law.mean, "log_prob": law.log_prob(after).mean(1), "kl": kl,
               "code_kl": code_kl, "kl_gradient": v.grad}
    return {"std": sigma * math.sqrt(-dt), **{name: value.flatten().tolist() for name, value in numbers.items()}}


def all_steps():
    generator = torch.Generator().manual_seed(7)
    found = []
    for count, a in [(10, 0.7), (4, 0.3)]:
        times = [1 - k / count for k in range(count)] + [0.0]
        found.append({"num_inference_steps": count, "noise_level": a,
                      "steps": [step(generator, t, t_next, times[1], a) for t, t_next in zip(times, times[1:])]})
    return found


def advantages():
    generator = torch.Generator().manual_seed(8)
    prompts = torch.randint(0, 4, (24,), generator=generator)
    rewards = 0.5 * prompts + torch.randn(24, generator=generator, dtype=torch.float64)
    found = {"condition": [f"prompt {prompt}" for prompt in prompts.tolist()], "reward": rewards.tolist()}
    for name in ("group", "group_mean"):
        values = torch.empty_like(rewards)
        for prompt in prompts.unique():
            group = rewards[prompts == prompt]
            deviation = (group if name == "group" else rewards).std(correction=0)
            values[prompts == prompt] = (group - group.mean()) / (deviation + 1e-4)
        found[name] = values.tolist()
    return found


def same(ours, theirs):
    if isinstance(ours, dict):
        return ours.keys() == theirs.keys() and all(same(ours[key], theirs[key]) for key in ours)
    if isinstance(ours, list):
        return len(ours) == len(theirs) and all(map(same, ours, theirs))
    return abs(ours - theirs) <= 1e-9 * max(1.0, abs(ours)) if isinstance(ours, float) else ours == theirs


def main():
    made = {"steps": all_steps(), "advantages": advantages()}
    for name, path in FILES.items():
        if sys.argv[1:] == ["--check"]:
            if not same(json.loads(path.read_text()), made[name]):
                sys.exit(f"{path.name} is not what PyTorch gives here; python {pathlib.Path(__file__).name} writes it")
        else:
            path.write_text(json.dumps(made[name], separators=(",", ":")).replace('},{"num', '},\n{"num') + "\n")


if __name__ == "__main__":
    main()
