#!/usr/bin/env python3
"""Writes tie_table.inc: the coefficients by which the law of the k best of M is estimated from a group's pattern of ties.

usage: tie_table.py [--check]      needs numpy and scipy; minutes of one core
  --check   writes nothing; prints the worst bias of the committed table on laws that neither the fit nor the stated bias has seen,
            and exits 1 where one exceeds the stated bias by a quarter

A pattern is the composition of n samples by multiplicity in ascending order of score: bit i is set where samples i and
i + 1 have one score. For a law F of scores and a number t(F) (the KL to the base, the mean quantile E[u], and E[w^2], with
w the accepted density averaged over [F(r-), F(r)]) the coefficients c minimise the largest

    | sum over patterns of P_F(pattern) c(pattern) - t(F) |

over a grid of laws (a linear program): two values, uniform on m values, random finite laws, and mixtures of atoms and
continuous parts. A continuous law and a law of one value are exact, but from pairs: there that would double the bias.

Best of n for n >= 9 needs the number T tied for the highest score alone. With H the harmonic numbers, H_n - H_T is
unbiased for -log p of a frequent best score; KL(T) = H_n - H_T + a_T + b_T/n, fitted for all n at once.
"""
import itertools
import math
import pathlib
import re
import sys

import numpy as np
from scipy.optimize import linprog
from scipy.special import betainc, comb
from scipy.stats import binom

OUT = pathlib.Path(__file__).with_suffix(".inc")
LARGEST = 8  # samples whose patterns are tabled
FITS = [(n, k, n) for n in range(2, LARGEST + 1) for k in range(1, n)] + [(n, 1, 2) for n in range(3, LARGEST + 1)]  # (samples, k, M)
SIZES = (9, 10, 11, 12, 14, 16, 20, 24, 32, 48, 64, 128, 256)  # of the fit of best of n
TIED = 6  # a_T and b_T for T = 2 to TIED
LEAST_STATED = 2e-5  # coefficients have five decimals
NODES, WEIGHTS = np.polynomial.legendre.leggauss(20)


def accepted_below(u, k, m):
    """The accepted mass below the quantile u: the mean of max(0, N - (m - k)) / k, N ~ Bin(m, u) samples below u."""
    return sum(comb(m, n) * u**n * (1 - u) ** (m - n) * (n - (m - k)) for n in range(m - k + 1, m + 1)) / k


def targets(law, k, m, cells=16):
    """Of laws of one shape, masses [L, P] and which are atoms [P]: KL, E[u] and E[w^2], [L, 3]."""
    mass, atoms = law
    edge = np.minimum(np.concatenate([np.zeros((len(mass), 1)), np.cumsum(mass, 1)], 1), 1.0)
    total = np.zeros((len(mass), 3))
    for piece, atom in enumerate(atoms):
        low, high, width = edge[:, piece], edge[:, piece + 1], mass[:, piece]
        if atom:
            accepted = np.maximum(accepted_below(high, k, m) - accepted_below(low, k, m), 0.0)
            w = np.divide(accepted, width, out=np.zeros_like(width), where=width > 0)
            total += np.stack([accepted * np.log(np.maximum(w, 1e-300)), accepted * (low + high) / 2, accepted * w], 1)
            continue
        for cell in range(cells):
            u = np.minimum((low + width * cell / cells)[:, None] + width[:, None] / cells * (NODES + 1) / 2, 1.0)
            w = m / k * betainc(m - k, k, u)
            share = WEIGHTS / 2 * width[:, None] / cells * w
            total += np.stack([(share * np.log(np.maximum(w, 1e-300))).sum(1), (share * u).sum(1), (share * w).sum(1)], 1)
    return total


def patterns(law, n):
    """The probability of each pattern of n samples, [L, 2^(n-1)]."""
    mass, atoms = law
    states = {(0, 0): np.ones(len(mass))}
    for piece, atom in enumerate(atoms):
        power = [mass[:, piece] ** j / math.factorial(j) for j in range(n + 1)]
        following = {}
        for (count, bits), probability in states.items():
            for j in range(n - count + 1):
                key = (count + j, bits | ((1 << (j - 1)) - 1) << count if atom and j > 0 else bits)
                following[key] = following.get(key, 0.0) + probability * power[j]
        states = following
    out = np.zeros((len(mass), 2 ** (n - 1)))
    for (count, bits), probability in states.items():
        if count == n:
            out[:, bits] = probability * math.factorial(n)
    return out


def tops(law, n):
    """The probability that T samples of n are tied for the highest score, T = 1 to n, [L, n]."""
    mass, atoms = law
    edge = np.minimum(np.concatenate([np.zeros((len(mass), 1)), np.cumsum(mass, 1)], 1), 1.0)
    out = np.zeros((len(mass), n))
    for piece, atom in enumerate(atoms):
        low, high = edge[:, piece], edge[:, piece + 1]
        if atom:
            share = np.minimum(np.divide(mass[:, piece], high, out=np.zeros_like(high), where=high > 0), 1.0)
            out += high[:, None] ** n * binom.pmf(np.arange(1, n + 1)[None], n, share[:, None])
        else:
            out[:, 0] += high**n - low**n
    return out


def checked(laws):
    """Without rows that a Dirichlet draw of tiny concentrations left without mass."""
    return [(mass[np.isfinite(mass).all(1) & (np.abs(mass.sum(1) - 1) < 1e-9)], atoms) for mass, atoms in laws]


def grid(seed, count):
    random = np.random.default_rng(seed)
    p = np.concatenate([np.linspace(0, 1, 201), np.logspace(-5, -1, 40), 1 - np.logspace(-5, -1, 40)])
    laws = [(np.stack([1 - p, p], 1), atoms) for atoms in ([True, True], [True, False], [False, True])]
    q = np.array([(a, b, 1 - a - b) for a, b in itertools.product(np.linspace(0, 1, 21), repeat=2) if a + b <= 1 + 1e-9])
    laws += [(np.abs(q), list(atoms)) for atoms in itertools.product([True, False], repeat=3) if any(atoms)]
    laws += [(np.full((1, m), 1 / m), [True] * m) for m in (*range(1, 25), 32, 48, 64, 128)]
    for pieces in (2, 3, 4, 5, 7, 10, 15):
        for concentration in (0.15, 0.5, 1, 3):
            laws.append((random.dirichlet([concentration] * pieces, count), [True] * pieces))
            for first in (0, 1):
                laws.append((random.dirichlet([concentration] * pieces, count), [bool((i + first) % 2) for i in range(pieces)]))
    return checked(laws)


def grid_of_large(seed, count, n):
    """Laws whose best score has from 0.02 samples to all of them."""
    random = np.random.default_rng(seed)
    p = np.unique(np.clip(np.concatenate([np.linspace(0, 1, 101), np.logspace(-2.5, 2, 120) / n]), 0, 1))
    laws = [(np.stack([1 - p, p], 1), atoms) for atoms in ([True, True], [True, False], [False, True])]
    for pieces in (2, 3, 4, 6, 10):
        mass = np.exp(random.uniform(np.log(0.02), np.log(3 * n), (count, pieces))) / n
        sums = mass.sum(1, keepdims=True)
        mass = np.where(sums > 1, mass / sums * random.uniform(0, 1, (count, 1)), mass)
        mass = np.concatenate([1 - mass.sum(1, keepdims=True), mass], 1)
        for first in (True, False):
            laws += [(mass, [first] + [True] * pieces), (mass, [first] + [bool(i % 2) for i in range(pieces)])]
    return checked(laws + [(np.full((1, m), 1 / m), [True] * m) for m in (2, 5, 10, 20, 50, 100, 200)])


def minimax(matrix, target, fixed=()):
    """The x that minimises the largest |matrix x - target|; `fixed` entries (index, value) are given."""
    ones = np.ones((len(matrix), 1))
    bounds = [(None, None)] * matrix.shape[1] + [(0, None)]
    for index, value in fixed:
        bounds[index] = (value, value)
    found = linprog(np.r_[np.zeros(matrix.shape[1]), 1.0], A_ub=np.block([[matrix, -ones], [-matrix, -ones]]),
                    b_ub=np.r_[target, -target], bounds=bounds, method="highs")
    if found.status != 0:
        sys.exit(f"tie_table: the linear program failed: {found.message}")
    return found.x[:-1]


def base_of_best(n):
    """KL(T) before the correction, [n]."""
    harmonic = np.concatenate([[0.0], np.cumsum(1 / np.arange(1, n + 1))])
    kl = harmonic[n] - harmonic[1:]
    kl[0] = math.log(n) - (n - 1) / n
    return kl


def system_of_best(seed, count, n):
    laws = grid_of_large(seed, count, n)
    probability = np.concatenate([tops(law, n) for law in laws])
    matrix = np.zeros((len(probability), 2 * (TIED - 1)))
    for tied in range(2, TIED + 1):
        matrix[:, tied - 2], matrix[:, TIED - 1 + tied - 2] = probability[:, tied - 1], probability[:, tied - 1] / n
    return matrix, np.concatenate([targets(law, 1, n)[:, 0] for law in laws]) - probability @ base_of_best(n)


def worst_of_best(correction):
    worst = 0.0
    for n in (*SIZES, 13, 40, 100, 1000):
        matrix, target = system_of_best(7, 80, n)
        worst = max(worst, np.abs(matrix @ correction - target).max())
    return worst


def main():
    checking = "--check" in sys.argv[1:]
    others = grid(3, 100) if checking else grid(1, 100) + grid(2, 100)
    worst_of = {}

    def worst(fit, table):
        n, k, m = fit
        if n not in worst_of:
            worst_of[n] = np.concatenate([patterns(law, n) for law in others])
        return np.abs(worst_of[n] @ table - np.concatenate([targets(law, k, m) for law in others])).max(0)

    if checking:
        check(worst)
        return
    laws = grid(0, 50)
    lines, rows, offset = [], [], 0
    probability = None
    for n, k, m in FITS:
        if probability is None or probability.shape[1] != 2 ** (n - 1):
            probability = np.concatenate([patterns(law, n) for law in laws])
        target = np.concatenate([targets(law, k, m) for law in laws])
        continuous = targets((np.ones((1, 1)), [False]), k, m)[0]
        ends = [[] if n == 2 else [(0, continuous[i]), (2 ** (n - 1) - 1, (0.0, 0.5, 1.0)[i])] for i in range(3)]
        table = np.round(np.stack([minimax(probability, target[:, i], ends[i]) for i in range(3)], 1), 5)
        bias = np.maximum(np.maximum(worst((n, k, m), table), np.abs(probability @ table - target).max(0)), LEAST_STATED)
        lines.append(f"ESPALIER_TIE_FIT({n}, {k}, {m}, {offset}, {bias[0]:.1e}, {bias[1]:.1e}, {bias[2]:.1e})")
        rows += table.tolist()
        offset += len(table)
        print(n, k, m, bias, "range", table.min(0), table.max(0), flush=True)
    systems = [system_of_best(0, 60, n) for n in SIZES]
    correction = np.round(minimax(np.concatenate([s[0] for s in systems]), np.concatenate([s[1] for s in systems])), 5)
    bias = worst_of_best(correction)
    print("best of n", bias, correction)
    text = "// Written by tie_table.py, which says what it is.\n#ifdef ESPALIER_TIE_FIT  // samples, k, M, first row, worst bias of KL, E[u], E[w^2]\n"
    text += "\n".join(lines) + "\n#endif\n#ifdef ESPALIER_TIE_ROWS  // KL, E[u], E[w^2]\n"
    cells = ["{%s}" % ", ".join(f"{x + 0.0:.5f}".rstrip("0").rstrip(".") for x in row) + "," for row in rows]
    line = ""
    for cell in cells:
        if len(line) + len(cell) > 138:
            text += line.rstrip() + "\n"
            line = ""
        line += cell + " "
    text += line.rstrip() + f"\n#endif\n#ifdef ESPALIER_TIE_BEST  // a_T, then b_T, T = 2 to {TIED}; worst bias of the KL\n"
    text += ", ".join(f"{x:.5f}" for x in correction) + f", {bias:.1e}\n#endif\n"
    OUT.write_text(text)


def check(worst):
    text = OUT.read_text()
    rows = np.array([[float(x) for x in row.split(",")] for row in re.findall(r"\{([^{}]+)\}", text)])
    bad = False
    for fit in re.findall(r"ESPALIER_TIE_FIT\((.+)\)", text):
        n, k, m, first, *stated = [float(x) for x in fit.split(",")]
        found = worst((int(n), int(k), int(m)), rows[int(first):int(first) + 2 ** (int(n) - 1)])
        bad |= bool((found > np.array(stated) * 1.25).any())
        print(f"from {n:.0f} samples, {k:.0f} of {m:.0f}: worst bias {found}, stated {stated}", flush=True)
    best = [float(x) for x in text.split("ESPALIER_TIE_BEST")[1].splitlines()[1].split(",")]
    found = worst_of_best(np.array(best[:-1]))
    print(f"best of n: {found}, stated {best[-1]}")
    sys.exit(bad or found > best[-1] * 1.25)


if __name__ == "__main__":
    main()
