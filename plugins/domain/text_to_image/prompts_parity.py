"""Reads files of prompts with prompt_tool and with Python's csv and json modules, and compares all that is found.

usage: prompts_parity.py PROMPT_TOOL
"""
import csv
import io
import json
import os
import pathlib
import random
import subprocess
import sys
import tempfile

tool = sys.argv[1]


def ours(file, column):
    done = subprocess.run([tool, str(file), column], capture_output=True, text=True, encoding="utf-8")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def theirs(records, column):
    """Prompts without white space at their ends, and the other columns."""
    white = " \t\r\n\v\f"
    return {"text": [record[column].strip(white) for record in records],
            "metadata": [{name: value for name, value in record.items() if name != column} for record in records]}


def compare(what, file, records, column="prompt"):
    found, expected = ours(file, column), theirs(records, column)
    assert len(expected["text"]) > 0, what
    for key in expected:
        for i, (a, b) in enumerate(zip(found[key], expected[key], strict=True)):
            assert a == b, f"{what}: {key} {i}: {a!r} and {b!r}"
    print(f"{what}: {len(expected['text'])} prompts, equal")


def read(file, **dialect):
    return list(csv.DictReader(io.StringIO(file.read_bytes().decode("utf-8"), newline=""), **dialect))


def write(file, records, **dialect):
    with file.open("w", encoding="utf-8", newline="") as out:
        writer = csv.DictWriter(out, list(records[0]), **dialect)
        writer.writeheader()
        writer.writerows(records)


def made_up(seed, count=400):
    """Fields of the characters that delimited text has trouble with."""
    rng = random.Random(seed)

    def field():
        return "".join(rng.choice(['"', ",", "\n", "\r\n", "\r", "\t", " ", "a", "b", "é", "'", ";"]) for _ in range(rng.randrange(8)))

    return [{"first": field(), "prompt": "x" + field() + "y", "last, \"column\"": field()} for _ in range(count)]


with tempfile.TemporaryDirectory() as folder:
    folder = pathlib.Path(folder)
    for seed in range(20):
        records = made_up(seed)
        for name, dialect in {"excel": {}, "unix": {"dialect": "unix"}, "all_quoted": {"quoting": csv.QUOTE_ALL}}.items():
            file = folder / f"{name}.csv"
            write(file, records, **dialect)
            assert read(file) == records, "csv reads what it wrote"
            compare(f"made up {seed}, {name}", file, records)

    data = pathlib.Path(os.environ.get("ESPALIER_DATA") or "/nonexistent") / "prompts"
    if not data.is_dir():
        print("the published files are not compared: ESPALIER_DATA names no folder with prompts")
        sys.exit(0)
    parti = data / "parti_prompts/PartiPrompts.tsv"
    records = read(parti, delimiter="\t", quoting=csv.QUOTE_NONE)
    compare("PartiPrompts.tsv", parti, records, "Prompt")
    for name, dialect in {"excel": {}, "unix": {"dialect": "unix"}}.items():
        write(folder / "parti.csv", records, **dialect)
        compare(f"PartiPrompts as {name} CSV", folder / "parti.csv", read(folder / "parti.csv"), "Prompt")
    geneval = data / "geneval/evaluation_metadata.jsonl"
    compare(geneval.name, geneval, [json.loads(line) for line in geneval.read_text(encoding="utf-8").splitlines()])
    for file in sorted(file for file in data.glob("*/*.txt") if file.name != "LICENSE.txt"):
        lines = [line for line in file.read_text(encoding="utf-8").split("\n") if line.strip()]  # universal line ends
        compare(file.name, file, [{"prompt": line} for line in lines])
