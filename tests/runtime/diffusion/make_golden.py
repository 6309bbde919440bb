"""Writes golden.json, the numbers of diffusers' DDIMScheduler and FlowMatchEulerDiscreteScheduler, and of files of other schedulers, that
diffusers_test.cpp compares with.

    python make_golden.py            writes golden.json
    python make_golden.py --check    compares golden.json with the diffusers installed here; exit 77 (skip) where there is none
"""

import hashlib
import json
import pathlib
import sys

try:
    import diffusers
    import numpy as np
    import torch
except ImportError as missing:
    print(f"skipped: {missing}; `scripts/setup --peers` installs what this needs")
    sys.exit(77)

GOLDEN = pathlib.Path(__file__).with_name("golden.json")
SCHEDULES = [("linear", 0.0001, 0.02), ("scaled_linear", 0.00085, 0.012), ("squaredcos_cap_v2", 0.0001, 0.02)]
SPACINGS = ["leading", "trailing", "linspace"]
PREDICTIONS = ["epsilon", "v_prediction", "sample"]
ETAS = [0.0, 0.5, 1.0]
COUNTS = [4, 7, 20, 25, 50]
PROBED = [0, 1, 10, 250, 499, 500, 501, 900, 998, 999]


# diffusers computes a step's coefficients in float32. With scaled_linear that agrees with exact arithmetic to 1e-6; with squaredcos_cap_v2
# its first steps lose up to 1e-4 (1 - alpha_bar_prev - sigma^2 cancels, and alpha_bar is 2e-9), so there its table and state are widened
# to float64: the same code, without its rounding.
DTYPES = {"scaled_linear": torch.float32, "squaredcos_cap_v2": torch.float64}


def state(dtype):
    return torch.tensor([[-2.1, -0.9, -0.3, 0.05], [0.2, 0.6, 1.3, 2.4]], dtype=torch.float32).to(dtype)


def shortest(values, dtype):
    """Nine digits name a float32."""
    return [float(f"{value:.9g}") if dtype == torch.float32 else value for value in values.flatten().tolist()]


def noise(step):
    """Stands in for a normal draw; exact in float32, so that both sides have the same bits."""
    k = torch.arange(8, dtype=torch.float32).reshape(2, 4)
    return ((k * 37 + step * 53) % 64 - 32) / 16


def network(prediction, x, t):
    """Near the optimal answer for data of unit variance, and not linear."""
    trend = {"epsilon": t / 1000, "v_prediction": 0.0, "sample": 1 - t / 1000}[prediction]
    return x * trend + 0.1 * x / (1 + x * x)


def chains(schedule, start, end):
    for spacing in SPACINGS:
        for prediction in PREDICTIONS:
            for eta in ETAS:
                for count in COUNTS if schedule == "scaled_linear" else [7, 50]:
                    clip = prediction == "epsilon" and count == 20
                    config = {
                        "_class_name": "DDIMScheduler", "num_train_timesteps": 1000, "beta_schedule": schedule, "beta_start": start,
                        "beta_end": end, "prediction_type": prediction, "timestep_spacing": spacing, "clip_sample": clip,
                        "set_alpha_to_one": count % 2 == 0, "steps_offset": 1 if spacing == "leading" else 0,
                    }
                    if clip:
                        config["clip_sample_range"] = 0.75
                    yield config, eta, count


def run_chain(config, eta, count):
    scheduler = diffusers.DDIMScheduler.from_config(config)
    scheduler.set_timesteps(count)
    dtype = DTYPES[config["beta_schedule"]]
    scheduler.alphas_cumprod = scheduler.alphas_cumprod.to(dtype)
    scheduler.final_alpha_cumprod = scheduler.final_alpha_cumprod.to(dtype)
    x = state(dtype)
    middle = None
    for step, t in enumerate(scheduler.timesteps.tolist()):
        x = scheduler.step(network(config["prediction_type"], x, t), t, x, eta=eta, variance_noise=noise(step).to(dtype)).prev_sample
        if step == 0:
            middle = x
    return shortest(middle, dtype), shortest(x, dtype)


def run_flow(count):
    """Every state of a chain on the sigmas 1, ..., 1/count."""
    scheduler = diffusers.FlowMatchEulerDiscreteScheduler()
    scheduler.set_timesteps(sigmas=np.linspace(1.0, 1.0 / count, count))
    x, states = state(torch.float32), []
    for t in scheduler.timesteps:
        x = scheduler.step(network("epsilon", x, t.item()), t, x).prev_sample
        states.append(shortest(x, torch.float32))
    return {"num_inference_steps": count, "timesteps": shortest(scheduler.timesteps, torch.float32), "states": states}


def timesteps_digest(config):
    lines = []
    for count in range(1, config["num_train_timesteps"] + 1):
        scheduler = diffusers.DDIMScheduler.from_config(config)
        scheduler.set_timesteps(count)
        timesteps = scheduler.timesteps.tolist()
        if len(timesteps) != count:  # numpy.arange may give one entry too many; Espalier gives exactly `count`
            timesteps = timesteps[:count]
        lines.append(",".join(str(t) for t in timesteps))
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def timesteps():
    """Of every count, most of which do not divide T; 61 is prime."""
    for spacing in SPACINGS:
        for train in (1000, 100, 61):
            config = {"_class_name": "DDIMScheduler", "num_train_timesteps": train, "timestep_spacing": spacing}
            yield {"config": config, "sha256": timesteps_digest(config)}


# What published folders hold, and files that diffusers writes. Their classes' defaults of timestep_spacing differ.
STABLE_DIFFUSION = {"beta_end": 0.012, "beta_schedule": "scaled_linear", "beta_start": 0.00085, "clip_sample": False,
                    "num_train_timesteps": 1000, "set_alpha_to_one": False, "skip_prk_steps": True, "steps_offset": 1, "trained_betas": None}
FILES = [
    {"_class_name": "PNDMScheduler", "_diffusers_version": "0.6.0", **STABLE_DIFFUSION},
    {"_class_name": "PNDMScheduler", "_diffusers_version": "0.10.0.dev0", "prediction_type": "epsilon", **STABLE_DIFFUSION},
    {"_class_name": "DDIMScheduler", "_diffusers_version": "0.10.0.dev0", "prediction_type": "v_prediction", **STABLE_DIFFUSION},
    {"_class_name": "EulerDiscreteScheduler", "prediction_type": "epsilon", "sample_max_value": 1.0, "interpolation_type": "linear",
     "timestep_spacing": "leading", "use_karras_sigmas": False, **STABLE_DIFFUSION},
    {"_class_name": "EulerDiscreteScheduler", "prediction_type": "epsilon", **STABLE_DIFFUSION},
    *(getattr(diffusers, name)() for name in ("PNDMScheduler", "EulerDiscreteScheduler", "EulerAncestralDiscreteScheduler", "LCMScheduler",
                                              "DPMSolverMultistepScheduler", "DDPMScheduler")),
]


def written(file):
    """Of a scheduler the file that it saves; lambda_min_clipped is -Infinity there, which is no JSON."""
    if isinstance(file, dict):
        return file
    saved = json.loads(file.to_json_string())
    if "lambda_min_clipped" in saved:
        saved["lambda_min_clipped"] = None
    return saved


def lines_of(scheduler, usable):
    """The timesteps of every count, or a mark where Espalier refuses it."""
    lines = []
    for count in range(1, 1001):
        scheduler.set_timesteps(count)
        steps = scheduler.timesteps.tolist()[:count]
        lines.append(",".join(str(t) for t in steps) if usable(steps) else "refused")
    return lines


def files():
    """Each file's numbers, as the schedulers have them that a pipeline makes by from_config()."""
    for file in FILES:
        table = written(file)
        loaded = getattr(diffusers, table["_class_name"]).from_config({k: v for k, v in table.items() if k != "lambda_min_clipped"})
        ddim, dpm = (kind.from_config(loaded.config) for kind in (diffusers.DDIMScheduler, diffusers.DPMSolverMultistepScheduler))
        in_range = lambda steps: steps[0] < 1000
        ddim_lines, dpm_lines = lines_of(ddim, in_range), lines_of(dpm, lambda steps: in_range(steps) and len(set(steps)) == len(steps))
        dpm.set_timesteps(20)
        yield {"file": table, "ddim_sha256": hashlib.sha256("\n".join(ddim_lines).encode()).hexdigest(), "ddim_refused":
               ddim_lines.count("refused"), "dpm_sha256": hashlib.sha256("\n".join(dpm_lines).encode()).hexdigest(),
               "dpm_refused": dpm_lines.count("refused"), "final_alpha_bar": float(ddim.final_alpha_cumprod),
               "alpha_bar_999": float(loaded.alphas_cumprod[-1]), "dpm_sigmas": shortest(dpm.sigmas, torch.float32)}


def in_pipelines():
    """What StableDiffusionPipeline makes of its scheduler's file."""
    nothing = {"vae": None, "text_encoder": None, "tokenizer": None, "unet": None}
    for name in ("DDIMScheduler", "PNDMScheduler", "EulerDiscreteScheduler", "DDPMScheduler"):
        for keys in ({}, {"steps_offset": 1, "clip_sample": False}, {"steps_offset": 2}):
            scheduler = getattr(diffusers, name).from_config(keys)
            changed = diffusers.StableDiffusionPipeline(**nothing, scheduler=scheduler, safety_checker=None, feature_extractor=None,
                                                        requires_safety_checker=False).scheduler.config
            yield {"file": {"_class_name": name, **keys}, "steps_offset": changed.steps_offset,
                   "clip_sample": changed.get("clip_sample", False)}


def golden():
    result = {"schedules": [], "chains": [], "flows": [run_flow(count) for count in COUNTS],
              "timesteps": list(timesteps()), "files": list(files()), "stable_diffusion_pipeline": list(in_pipelines())}
    for schedule, start, end in SCHEDULES:
        table = diffusers.DDIMScheduler(beta_schedule=schedule, beta_start=start, beta_end=end).alphas_cumprod
        result["schedules"].append({
            "beta_schedule": schedule, "beta_start": start, "beta_end": end, "index": PROBED,
            "alpha_bar": [float(table[i]) for i in PROBED],
            "sum": float(table.double().sum()),
        })
        if schedule == "linear":
            continue
        for config, eta, count in chains(schedule, start, end):
            first, last = run_chain(config, eta, count)
            result["chains"].append({"config": config, "eta": eta, "num_inference_steps": count, "dtype": str(DTYPES[schedule])[6:],
                                     "first": first, "last": last})
    return result


def rounding(steps, states):
    """How far two right float32 runs of a chain may lie apart. A step is about ten operations; each is rounded to within u = 2^-24 of a
    number that is no larger than the largest state, and vector units, fused multiply-adds and libraries differ in how. Against the same
    chain in float64 the worst of these chains was off by 1.4 u a step and unit of the largest state; two runs differ by twice that at
    most, and three times as much again leaves room for a CPU nobody measured. A wrong timestep or level shows at 1e-2."""
    largest = max(1.0, *(abs(value) for state in states for value in state))
    return 8 * 2.0**-24 * steps * largest


def bound_of(entry, key):
    """None: 1e-6, relative where a number is above 1. That is for the table of alpha_bar, whose float32 betas a CPU without fused
    multiply-adds may round otherwise (1000 halves of an ulp of 0.02 make 9e-7), for timesteps, and for float64 states upon that table."""
    if key == "states":
        return rounding(entry["num_inference_steps"], entry["states"])
    if key in ("first", "last") and entry["dtype"] == "float32":
        return rounding(1 if key == "first" else entry["num_inference_steps"], [entry["first"], entry["last"]])
    return None


def compare(found, expected, path="", bound=None):
    if isinstance(expected, dict):
        return max([compare(found[k], expected[k], f"{path}.{k}", bound_of(expected, k)) for k in expected], default=0.0)
    if isinstance(expected, list):
        return max([compare(f, e, f"{path}[{i}]", bound) for i, (f, e) in enumerate(zip(found, expected, strict=True))], default=0.0)
    if isinstance(expected, float):
        difference, allowed = abs(found - expected), bound or 1e-6 * max(1.0, abs(expected))
        if difference > allowed:
            sys.exit(f"golden.json{path}: {expected}, diffusers {diffusers.__version__} gives {found}: {difference:.2e} apart, where rounding "
                     f"explains {allowed:.2e}")
        return difference
    if found != expected:
        sys.exit(f"golden.json{path}: {expected!r}, diffusers {diffusers.__version__} gives {found!r}")
    return 0.0


if __name__ == "__main__":
    torch.set_num_threads(1)
    if sys.argv[1:] == ["--check"]:
        difference = compare(golden(), json.loads(GOLDEN.read_text()))
        print(f"golden.json agrees with diffusers {diffusers.__version__}, numpy {np.__version__}: largest difference {difference:.2e}")
    else:
        GOLDEN.write_text(json.dumps(golden(), indent=None, separators=(",", ":")).replace('{"config"', '\n{"config"')
                          .replace('{"num_inference_steps"', '\n{"num_inference_steps"').replace('{"file"', '\n{"file"') + "\n")
