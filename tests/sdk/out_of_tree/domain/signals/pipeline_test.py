"""Judges a run of example.toml: RUN_FOLDER, runs/example-signals. The spectra are computed here, from the signals that the run wrote."""
import cmath
import json
import math
import pathlib
import sys

POINTS, HIGHEST = 32, 8
run = max(pathlib.Path(sys.argv[1]).glob("*/report.json")).parent


def spectrum(stage):
    """The mean over a stage's signals of each frequency's share of the energy, 1 to 16."""
    lines = (run / "samples" / stage / "signals.csv").read_text().split()
    total = [0.0] * (POINTS // 2)
    for line in lines:
        x = [float(value) for value in line.split(",")]
        power = [abs(sum(v * cmath.exp(-2j * math.pi * f * i / POINTS) for i, v in enumerate(x))) ** 2 for f in range(1, POINTS // 2 + 1)]
        total = [t + p / sum(power) / len(lines) for t, p in zip(total, power)]
    return total


def distance(stage):
    """Total variation to the data's spectrum, which by the domain's README is the same at the frequencies 1 to 8 and nothing above."""
    return 0.5 * sum(abs(share - (1.0 / HIGHEST if f <= HIGHEST else 0.0)) for f, share in enumerate(spectrum(stage), 1))


untrained, base = distance("untrained_samples"), distance("base_samples")
print(f"distance to the data's spectrum: untrained {untrained:.3f}, pre-trained {base:.3f}")
assert base < 0.15 < 0.4 < untrained, (untrained, base)

scalars = json.loads((run / "report.json").read_text())["scalars"]
reward, gain = ({s["about"]["stage"]: s for s in scalars if s["quantity"] == quantity} for quantity in ("reward", "gain"))
for found in (*reward.values(), *gain.values()):
    print(f'{found["name"]}: {found["value"]:.4f} [{found["low"]:.4f}, {found["high"]:.4f}]')
for tuned in ("graft_low_band", "pgraft_low_band"):
    assert reward[tuned]["low"] > reward["base_low_band"]["high"], reward
    assert gain[tuned]["low"] > 0.0, gain
for name in ("base", "graft", "pgraft"):  # the reward is the spectrum's share at the frequencies 1 to 3
    assert abs(reward[f"{name}_low_band"]["value"] - sum(spectrum(f"{name}_samples")[:3])) < 1e-4, reward
