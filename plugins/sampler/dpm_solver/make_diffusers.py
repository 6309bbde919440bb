"""Writes diffusers.json, the numbers of diffusers' DPMSolverMultistepScheduler that diffusers_test.cpp compares with.

    python make_diffusers.py            writes diffusers.json
    python make_diffusers.py --check    compares it with the diffusers installed here; exit 77 (skip) where there is none
"""

import itertools
import json
import pathlib
import sys

try:
    import diffusers
    import torch
except ImportError as missing:
    print(f"skipped: {missing}; `scripts/setup --peers` installs what this needs")
    sys.exit(77)

GOLDEN = pathlib.Path(__file__).with_name("diffusers.json")
PREDICTIONS = ["epsilon", "v_prediction", "sample"]
SPACINGS = ["linspace", "leading", "trailing", None]  # None: the model's file names none
COUNTS = [1, 2, 7, 20, 50]  # 7 does not divide T
ALGORITHMS = ["dpmsolver++", "sde-dpmsolver++"]
# Beside the defaults; 9 steps are few (lower_order_final), 20 are not.
OTHERS = [{"solver_type": "heun"}, {"solver_order": 1}, {"final_sigmas_type": "sigma_min"}, {"euler_at_final": True},
          {"final_sigmas_type": "sigma_min", "lower_order_final": False}, {"final_sigmas_type": "sigma_min", "euler_at_final": True},
          {"solver_type": "heun", "final_sigmas_type": "sigma_min", "lower_order_final": False}]


def network(prediction, x, t):
    """Stands in for a network: near the optimal answer for data of unit variance, and not linear."""
    trend = {"epsilon": t / 1000, "v_prediction": 0.0, "sample": 1 - t / 1000}[prediction]
    return x * trend + 0.1 * x / (1 + x * x)


def noise(step):
    """Stands in for a normal draw; exact in float32, so that both sides have the same bits."""
    return ((torch.arange(8, dtype=torch.float32) * 37 + step * 53) % 64 - 32) / 16


def chain(prediction, spacing, count, options):
    process = {"num_train_timesteps": 1000, "beta_schedule": "scaled_linear", "beta_start": 0.00085, "beta_end": 0.012,
               "prediction_type": prediction, "steps_offset": 1}
    if spacing is not None:
        process["timestep_spacing"] = spacing
    scheduler = diffusers.DPMSolverMultistepScheduler(**process, **options)
    scheduler.set_timesteps(count)
    x, states = torch.tensor([-2.1, -0.9, -0.3, 0.05, 0.2, 0.6, 1.3, 2.4]), []
    for step, t in enumerate(scheduler.timesteps):
        x = scheduler.step(network(prediction, x, t.item()), t, x, variance_noise=noise(step)).prev_sample
        states.append([float(f"{value:.9g}") for value in x.tolist()])
    return {"process": process, "options": {"num_inference_steps": count, **options}, "timesteps": scheduler.timesteps.tolist(),
            "second": states[min(1, count - 1)], "last": states[-1]}


def golden():
    chains = [chain(*one, {"algorithm_type": algorithm})
              for *one, algorithm in itertools.product(PREDICTIONS, SPACINGS, COUNTS, ALGORITHMS)]
    chains += [chain("v_prediction", "linspace", count, {"algorithm_type": algorithm, **other})
               for count, algorithm, other in itertools.product([9, 20], ALGORITHMS, OTHERS)]
    return chains


def check():
    """CPUs round float32 otherwise: 1e-5 of a state's largest number."""
    kept, worst = json.loads(GOLDEN.read_text()), 0.0
    for found, expected in zip(golden(), kept, strict=True):
        for key in ("process", "options", "timesteps"):
            if found[key] != expected[key]:
                sys.exit(f"diffusers.json: {expected[key]}, diffusers {diffusers.__version__} has {found[key]}")
        for key in ("second", "last"):
            a, b = found[key], expected[key]
            worst = max(worst, max(abs(x - y) for x, y in zip(a, b, strict=True)) / max(abs(y) for y in b))
    if worst > 1e-5:
        sys.exit(f"diffusers.json: diffusers {diffusers.__version__} gives states that differ by {worst:.1e} of the largest number")
    print(f"diffusers.json agrees with diffusers {diffusers.__version__}: largest relative difference {worst:.1e}")


if __name__ == "__main__":
    torch.set_num_threads(1)
    if sys.argv[1:] == ["--check"]:
        check()
    else:
        GOLDEN.write_text("[" + ",\n".join(json.dumps(entry, separators=(",", ":")) for entry in golden()) + "]\n")
