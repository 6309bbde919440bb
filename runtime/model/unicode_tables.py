#!/usr/bin/env python3
"""Writes unicode_tables.cpp from this Python's unicodedata: `python3 unicode_tables.py > unicode_tables.cpp && clang-format -i unicode_tables.cpp`."""
import sys
import unicodedata as u

POINTS = [c for c in range(sys.maxunicode + 1) if not 0xD800 <= c <= 0xDFFF]


def ranges(points):
    found = []
    for c in points:
        if found and found[-1][1] == c - 1:
            found[-1][1] = c
        else:
            found.append([c, c])
    return found


def lower_runs():
    """[first, last, stride, difference]: maximal runs of points with one stride and one difference to their lower case."""
    pairs = [(c, ord(chr(c).lower()) - c) for c in POINTS if len(chr(c).lower()) == 1 and chr(c).lower() != chr(c)]
    runs = []
    for c, difference in pairs:
        if runs and runs[-1][3] == difference:
            first, last, stride, _ = runs[-1]
            if (first == last and c - last <= 2) or c - last == stride:
                runs[-1] = [first, c, c - last, difference]
                continue
        runs.append([c, c, 1, difference])
    return runs


def normal_form_unsure():
    """NFC_Quick_Check is No (NFC changes the point) or Maybe (it may compose with the one before)."""
    no = {c for c in POINTS if u.normalize("NFC", chr(c)) != chr(c)}
    maybe = set(range(0x1161, 0x1176)) | set(range(0x11A8, 0x11C3))
    for c in POINTS:
        parts = u.decomposition(chr(c)).split()
        if len(parts) == 2 and not parts[0].startswith("<") and c not in no:
            maybe.add(int(parts[1], 16))
    return sorted(no | maybe)


def write(name, rows, kind):
    print(f"const {kind} {name}[] = {{", ",".join("{" + ",".join(hex(v) if v >= 0 else str(v) for v in row) + "}" for row in rows), "};")
    print(f"const std::size_t {name}Count = {len(rows)};\n")


print('#include "runtime/model/unicode_tables.h"\n')
print(f"// Unicode {u.unidata_version}; written by unicode_tables.py.\n\nnamespace espalier::model {{\n")
write("kLetters", ranges(c for c in POINTS if u.category(chr(c))[0] == "L"), "CodePointRange")
write("kNumbers", ranges(c for c in POINTS if u.category(chr(c))[0] == "N"), "CodePointRange")
write("kNormalFormUnsure", ranges(normal_form_unsure()), "CodePointRange")
write("kLowerCase", lower_runs(), "LowerCaseRun")
print("}  // namespace espalier::model")
