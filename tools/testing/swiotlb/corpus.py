#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""corpus.py unpack FILE FOLDER | pack FOLDER FILE

The corpus is a text file, a sequence of steps a line, in hexadecimal; the fuzzer wants a
file each.
"""
import hashlib
import os
import sys

HEAD = """# SPDX-License-Identifier: GPL-2.0
# Sequences of steps that reach what others do not, see steps.h; found by "make fuzz".
"""


def unpack(path, folder):
    os.makedirs(folder, exist_ok=True)
    with open(path, encoding="ascii") as corpus:
        for row in corpus:
            if row.strip() and not row.startswith("#"):
                steps = bytes.fromhex(row)
                with open(os.path.join(folder, hashlib.sha1(steps).hexdigest()), "wb") as out:
                    out.write(steps)


def pack(folder, path):
    rows = set()
    for name in os.listdir(folder):
        with open(os.path.join(folder, name), "rb") as steps:
            rows.add(steps.read().hex())
    with open(path, "w", encoding="ascii") as corpus:
        corpus.write(HEAD + "".join(row + "\n" for row in sorted(rows) if row))


if len(sys.argv) != 4 or sys.argv[1] not in ("pack", "unpack"):
    sys.exit(__doc__)
globals()[sys.argv[1]](*sys.argv[2:])
