#!/usr/bin/env python3
"""make_golden.py > golden.json: small feature sets, their Frechet distance by pytorch-fid 0.3.0 (its function as published, with scipy's
sqrtm) and their kernel distance by a loop over all pairs. Needs numpy, scipy and the source of pytorch-fid in the path."""
import ast
import importlib.util
import json
import pathlib

import numpy as np
from scipy import linalg


def published_function():
    """calculate_frechet_distance of pytorch_fid/fid_score.py, without the imports of the rest of that file."""
    folder = importlib.util.find_spec("pytorch_fid").submodule_search_locations[0]
    tree = ast.parse((pathlib.Path(folder) / "fid_score.py").read_text())
    tree.body = [node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == "calculate_frechet_distance"]
    names = {"np": np, "linalg": linalg}
    exec(compile(tree, "fid_score.py", "exec"), names)
    return names["calculate_frechet_distance"]


def kernel_distance(x, y):
    def k(a, b):
        return (sum(p * q for p, q in zip(a, b)) / len(a) + 1) ** 3

    def within(z):
        return sum(k(z[i], z[j]) for i in range(len(z)) for j in range(len(z)) if i != j) / (len(z) * (len(z) - 1))

    return within(x) + within(y) - 2 * sum(k(a, b) for a in x for b in y) / (len(x) * len(y))


def cases(random):
    mix = random.normal(size=(6, 6))
    yield "correlated", random.normal(size=(40, 6)), random.normal(size=(55, 6)) @ mix + 0.5
    yield "rectified", np.maximum(random.normal(size=(60, 5)) - 0.3, 0), np.maximum(1.3 * random.normal(size=(50, 5)), 0)
    yield "unlike_scales", random.normal(size=(30, 4)) * [1e-3, 1, 10, 100], random.normal(size=(35, 4)) * [2e-3, 0.5, 20, 90]


def main():
    frechet = published_function()
    out = []
    for name, x, y in cases(np.random.default_rng(5)):
        x, y = x.round(6), y.round(6)  # short in the file, and still exact
        s, t = np.cov(x, rowvar=False), np.cov(y, rowvar=False)
        out.append({
            "name": name, "x": x.tolist(), "y": y.tolist(), "frechet_distance": frechet(x.mean(0), s, y.mean(0), t),
            "traces": np.trace(s) + np.trace(t), "kernel_distance": kernel_distance(x.tolist(), y.tolist()),
        })
    print(json.dumps({"cases": out}))


main()
