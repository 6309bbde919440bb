"""Writes diffusers.json, the trajectories of diffusers' DPMSolverMultistepScheduler that diffusers_test.cpp compares with.

    python make_diffusers.py            writes diffusers.json
    python make_diffusers.py --check    compares it with the diffusers installed here; exit 77 (skip) where there is none
"""

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


def network(prediction, x, t):
    """Stands in for a network: near the optimal answer for data of unit variance, and not linear."""
    trend = {"epsilon": t / 1000, "v_prediction": 0.0, "sample": 1 - t / 1000}[prediction]
    return x * trend + 0.1 * x / (1 + x * x)


def chain(prediction, steps):
    """Every state of DPM-Solver++(2M). With trailing spacing its timesteps are those of DDIMScheduler, whose config Espalier reads."""
    process = {"num_train_timesteps": 1000, "beta_schedule": "scaled_linear", "beta_start": 0.00085, "beta_end": 0.012,
               "prediction_type": prediction, "timestep_spacing": "trailing"}
    scheduler = diffusers.DPMSolverMultistepScheduler(**process, algorithm_type="dpmsolver++", solver_order=2, solver_type="midpoint",
                                                      final_sigmas_type="zero")
    scheduler.set_timesteps(steps)
    x = torch.tensor([-2.1, -0.9, -0.3, 0.05, 0.2, 0.6, 1.3, 2.4])
    states = [x]
    for t in scheduler.timesteps:
        x = scheduler.step(network(prediction, x, t.item()), t, x).prev_sample
        states.append(x)
    return {"config": {"_class_name": "DDIMScheduler", **process, "clip_sample": False},
            "states": [[float(f"{value:.9g}") for value in state.tolist()] for state in states]}


def golden():
    return [chain(prediction, steps) for prediction in ("epsilon", "v_prediction", "sample") for steps in (2, 5, 20, 50)]


def check():
    """CPUs round float32 otherwise: 1e-5 of a state's largest number."""
    kept, worst = json.loads(GOLDEN.read_text()), 0.0
    for found, expected in zip(golden(), kept, strict=True):
        if found["config"] != expected["config"]:
            sys.exit(f"diffusers.json: {expected['config']}, the script has {found['config']}")
        for a, b in zip(found["states"], expected["states"], strict=True):
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
