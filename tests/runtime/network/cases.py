"""Cases: what diffusers gives is recorded first, with what wrong implementations would give; then model_tool computes the same."""
import dataclasses

import torch
from safetensors.torch import load_file


@dataclasses.dataclass
class Case:
    what: str
    command: list  # of model_tool, before the inputs
    inputs: dict  # tensors, or a request in JSON
    right: dict  # by model_tool's names
    wrong: dict = dataclasses.field(default_factory=dict)  # {what is wrong: {name: tensor}}
    half: dict = dataclasses.field(default_factory=dict)  # of `right`, what is computed in bfloat16
    seconds: float | None = None  # that diffusers took


def run(tool, case, dtype=None):
    """What model_tool gives, by name, and what it prints."""
    tensors = all(isinstance(value, torch.Tensor) for value in case.inputs.values())
    given = tool.tensors("inputs", case.inputs) if tensors else tool.json("request", case.inputs)
    out = tool.folder / "out.safetensors"
    printed = tool(*case.command, given, out, *([] if dtype is None else [dtype]))
    # Copies: load_file's tensors may lie in the file, which the next run overwrites.
    return {name: tensor.clone() for name, tensor in load_file(out).items()}, printed


def distance(ours, theirs, least=0.0):
    """The largest difference in any of the tensors, relative to the largest number of its tensor, or to `least`. What is zero must be zero."""
    found = 0.0
    for name, tensor in theirs.items():
        scale = max(least, tensor.abs().max().item()) if tensor.any() else 1e-30
        found = max(found, (ours[name] - tensor).abs().max().item() / scale)
    return found


def rms(ours, theirs):
    """Of the differences in all tensors, each relative to the root mean square of its tensor."""
    relative = [((ours[name].float() - tensor.float()).square().mean() / tensor.square().mean()).item() for name, tensor in theirs.items() if tensor.any()]
    return (sum(relative) / len(relative)) ** 0.5


def check(tool, case, tolerance, far, least=1.0, half_factor=1.5):
    """Ours is within the tolerance of what is right, far times the tolerance away from what is wrong, and in bfloat16 at most half_factor
    times as far from float32 as diffusers is. Gives what was measured, by name."""
    ours, printed = run(tool, case)
    assert ours.keys() == case.right.keys(), (ours.keys(), case.right.keys())
    found = {"difference": distance(ours, case.right, least)}
    print(f"{case.what}: largest difference {found['difference']:.2e}, {tolerance:.0e} is allowed", flush=True)
    assert found["difference"] <= tolerance, case.what
    for what, wrong in case.wrong.items():
        found[what] = distance(ours, wrong, least)
        print(f"{case.what}, {what}: {found[what] / tolerance:.0f} times the tolerance away", flush=True)
        assert found[what] >= far * tolerance, f"{case.what}, {what} would not be seen: {found[what]}"
    if case.half:
        right = {name: case.right[name] for name in case.half}
        found["ours in bfloat16"], found["theirs in bfloat16"] = rms(run(tool, case, "bfloat16")[0], right), rms(case.half, right)
        print(f"{case.what} in bfloat16: {found['ours in bfloat16']:.2e} from float32, diffusers {found['theirs in bfloat16']:.2e}", flush=True)
        assert found["ours in bfloat16"] <= half_factor * found["theirs in bfloat16"], case.what
    if printed.strip():
        found["seconds"] = float(printed)
    return found
