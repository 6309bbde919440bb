#!/usr/bin/env python3
"""The measures of measures.h and max_iou.h once more, from the formulas of the papers, one nested loop each.

usage: reference.py < {"pages": [PAGE...], "others": [PAGE...]} > {"alignment": [...], ..., "max_iou": x, "pairs": n}
PAGE is {"class": [k...], "box": [[x, y, w, h]...]}. Needs Python alone; with scipy, its linear_sum_assignment is used.
"""
import itertools
import json
import math
import sys

try:
    from scipy.optimize import linear_sum_assignment
except ImportError:
    linear_sum_assignment = None


def assign(scores):
    """The largest sum of a one-to-one assignment, and its number of pairs."""
    rows, columns = len(scores), len(scores[0])
    if linear_sum_assignment:
        i, j = linear_sum_assignment(scores, maximize=True)
        return sum(scores[a][b] for a, b in zip(i, j)), len(i)
    if rows > columns:
        return assign([list(column) for column in zip(*scores)])
    return max(sum(scores[i][j] for i, j in enumerate(chosen)) for chosen in itertools.permutations(range(columns), rows)), rows


def ltrb(box):
    x, y, w, h = box
    return x - w / 2, y - h / 2, x + w / 2, y + h / 2


def common(a, b):
    al, at, ar, ab = ltrb(a)
    bl, bt, br, bb = ltrb(b)
    left, top, right, bottom = max(al, bl), max(at, bt), min(ar, br), min(ab, bb)
    return (right - left) * (bottom - top) if left < right and top < bottom else 0.0


def coordinates(box):
    left, top, right, bottom = ltrb(box)
    return left, box[0], right, top, box[1], bottom


def alignment(boxes):
    total = 0.0
    for i, box in enumerate(boxes):
        others = [abs(a - b) for j, other in enumerate(boxes) if j != i for a, b in zip(coordinates(box), coordinates(other))]
        total += -math.log(1 - min(others)) if others else 0.0
    return total / len(boxes)


def overlap(boxes):
    ratios = [common(a, b) / (a[2] * a[3]) for i, a in enumerate(boxes) for j, b in enumerate(boxes) if i != j]
    return sum(ratios) / len(boxes)


def overlap_area(boxes):
    return sum(common(a, b) for a, b in itertools.combinations(boxes, 2))


def iou(a, b):
    both = common(a, b)
    return both / (a[2] * a[3] + b[2] * b[3] - both)


def page_iou(a, b):
    score = 0.0
    for label in set(a["class"]):
        mine = [box for box, k in zip(a["box"], a["class"]) if k == label]
        theirs = [box for box, k in zip(b["box"], b["class"]) if k == label]
        score += assign([[iou(x, y) for y in theirs] for x in mine])[0]
    return score / len(a["box"])


def max_iou(pages, others):
    total, pairs = 0.0, 0
    for key in {str(sorted(page["class"])) for page in pages} & {str(sorted(page["class"])) for page in others}:
        mine = [page for page in pages if str(sorted(page["class"])) == key]
        theirs = [page for page in others if str(sorted(page["class"])) == key]
        score, count = assign([[page_iou(x, y) for y in theirs] for x in mine])
        total, pairs = total + score, pairs + count
    return total / pairs, pairs


given = json.load(sys.stdin)
value, count = max_iou(given["pages"], given["others"])
answer = {name: [measure(page["box"]) for page in given["pages"]]
          for name, measure in (("alignment", alignment), ("overlap", overlap), ("overlap_area", overlap_area))}
json.dump({**answer, "max_iou": value, "pairs": count}, sys.stdout)
