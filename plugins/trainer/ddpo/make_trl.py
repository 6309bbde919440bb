"""Writes the numbers of trl 0.23.0's DDPO that tests compare with: log-probabilities in plugins/sampler/ddim/trl.json, for trl_test.cpp there,
and advantages and losses in trl.json, for advantages_test.cpp and policy_loss_test.cpp.

    python make_trl.py            writes both
    python make_trl.py --check    compares them with the trl installed here; exit 77 (skip) where there is none
"""

import itertools
import json
import pathlib
import sys
import types

try:
    import diffusers
    import torch

    # trl.trainer.utils names it in a signature; DDPO does not use it.
    sys.modules.setdefault("pandas", types.SimpleNamespace(DataFrame=None))
    from trl.models import modeling_sd_base
    from trl.trainer.ddpo_trainer import DDPOTrainer
    from trl.trainer.utils import PerPromptStatTracker
except ImportError as missing:
    print(f"skipped: {missing}; `scripts/setup --peers` installs what this needs")
    sys.exit(77)

HERE = pathlib.Path(__file__).resolve().parent
FILES = {"steps": HERE.parents[1] / "sampler/ddim/trl.json", "objective": HERE / "trl.json"}
ELEMENTS = 8


def float32(values):
    """As numbers that are exact in float32, with as many digits as that takes."""
    return [float(f"{value:.9g}") for value in torch.as_tensor(values).flatten().tolist()]


def noise(step):
    return ((torch.arange(2 * ELEMENTS, dtype=torch.float64) * 37 + step * 53) % 64 - 31.5).reshape(2, ELEMENTS) / 18


def network(prediction, x, t):
    """Stands in for a network: near the optimal answer for data of unit variance, and not linear."""
    trend = {"epsilon": t / 1000, "v_prediction": 0.0, "sample": 1 - t / 1000}[prediction]
    return x * trend + 0.1 * x / (1 + x * x)


def steps(count, eta, **process):
    """States of a chain, predictions and log-probabilities, by steps from the noise on. trl in float64, from the scheduler's own table of
    alpha_bar, which is float32."""
    process = {"num_train_timesteps": 1000, "beta_schedule": "scaled_linear", "beta_start": 0.00085, "beta_end": 0.012, **process}
    scheduler = diffusers.DDIMScheduler(**process)
    own = scheduler.alphas_cumprod
    exact = own.double()
    scheduler.set_timesteps(count)
    x, found = noise(99).float(), {"states": [], "predictions": [], "log_probs": []}
    worst = 0.0
    for step, t in enumerate(scheduler.timesteps):
        prediction = network(process["prediction_type"], x, t.item())
        modeling_sd_base.randn_tensor = lambda *_, **__: noise(step)
        scheduler.alphas_cumprod = exact
        after = modeling_sd_base.scheduler_step(scheduler, prediction.double(), t.repeat(2), x.double(), eta=eta).latents.float()

        def log_prob(alphas, dtype):
            scheduler.alphas_cumprod = alphas
            return modeling_sd_base.scheduler_step(scheduler, prediction.to(dtype), t.repeat(2), x.to(dtype), eta=eta, prev_sample=after.to(dtype)).log_probs

        found["states"].append(float32(x))
        found["predictions"].append(float32(prediction))
        found["log_probs"].append(log_prob(exact, torch.float64).tolist())
        worst = max(worst, (log_prob(own, torch.float32) - log_prob(exact, torch.float64)).abs().max().item())
        x = after
    found["states"].append(float32(x))
    return {"process": process, "num_inference_steps": count, "eta": eta, **found}, worst


def all_steps():
    cases = [dict(prediction_type=prediction, clip_sample=clip, set_alpha_to_one=end, steps_offset=1, timestep_spacing="leading")
             for prediction, clip, end in itertools.product(["epsilon", "v_prediction", "sample"], [False, True], [False, True])]
    cases.append(dict(prediction_type="epsilon", clip_sample=False, set_alpha_to_one=False, timestep_spacing="trailing"))
    made = [steps(5, eta, **case) for case, eta in itertools.product(cases, [1.0, 0.5])] + [steps(50, 1.0, **cases[0])]
    print(f"trl in float32 against float64: log-probabilities differ by up to {max(worst for _, worst in made):.1e}")
    return [case for case, _ in made]


def objective():
    generator = torch.Generator().manual_seed(3)
    rounds = []
    for size in (24, 24, 24):
        prompts = torch.randint(0, 5, (size,), generator=generator).tolist()
        rounds.append({"condition": [f"prompt {prompt}" for prompt in prompts],
                       "reward": [0.5 * prompt + value for prompt, value in zip(prompts, torch.randn(size, generator=generator, dtype=torch.float64).tolist())]})
    windows = []
    for window, least in [(16, 16), (32, 16), (8, 4), (3, 2)]:
        tracker = PerPromptStatTracker(window, least)
        windows.append({"window": window, "min_count": least,
                        "advantage": [tracker.update(part["condition"], part["reward"]).tolist() for part in rounds]})
    losses = []
    for clip_range, spread in [(1e-4, 1e-4), (1e-4, 1e-3), (0.2, 0.3)]:
        new, difference, advantage = (torch.randn(64, generator=generator, dtype=torch.float64) for _ in range(3))
        old = new - spread * difference
        new.requires_grad_()
        ratio = torch.exp(new - old)
        loss = DDPOTrainer.loss(None, advantage, clip_range, ratio)
        loss.backward()
        losses.append({"clip_range": clip_range, "log_prob": new.tolist(), "old_log_prob": old.tolist(), "advantage": advantage.tolist(),
                       "loss": loss.item(), "gradient": new.grad.tolist(), "approx_kl": (0.5 * torch.mean((new - old) ** 2)).item(),
                       "clip_fraction": torch.mean((torch.abs(ratio - 1.0) > clip_range).float()).item()})
    return {"rounds": rounds, "windows": windows, "losses": losses}


def same(ours, theirs):
    """Whether two trees of numbers agree; on another CPU the last bits of a float32 may differ."""
    if isinstance(ours, dict):
        return isinstance(theirs, dict) and ours.keys() == theirs.keys() and all(same(ours[key], theirs[key]) for key in ours)
    if isinstance(ours, list):
        return isinstance(theirs, list) and len(ours) == len(theirs) and all(map(same, ours, theirs))
    if isinstance(ours, float):
        return abs(ours - theirs) <= 1e-5 * max(1.0, abs(ours))
    return ours == theirs


def main():
    made = {"steps": all_steps(), "objective": objective()}
    for name, path in FILES.items():
        if sys.argv[1:] == ["--check"]:
            if not same(json.loads(path.read_text()), json.loads(json.dumps(made[name]))):
                sys.exit(f"{path.name} is not what trl gives here; python {pathlib.Path(__file__).name} writes it")
        else:
            text = json.dumps(made[name], separators=(",", ":"))
            path.write_text((text.replace('},{"process"', '},\n{"process"')) + "\n")


if __name__ == "__main__":
    main()
