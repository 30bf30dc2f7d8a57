# SPDX-License-Identifier: GPL-2.0-only
"""Instructions of a part of a program, as valgrind's callgrind counts them."""
import os
import re
import subprocess
import tempfile

import patience

# What is not the allocator's: the benchmark itself, and the model of machine and Xen.
BENCH = {"bench.c", "bench-pool.c", "bench.h"}
MODEL = {"machine.c", "hypervisor.c"}
COPIES = re.compile(r"mem(cpy|move|set)")


class Failed(Exception):
    """The program or valgrind did; says why."""


def split(text):
    """(all but the benchmark's own, the allocator's, the copies') of callgrind's file."""
    names, file, function = {}, "", ""
    whole = allocator = copies = 0
    callee = False
    for line in text.splitlines():
        named = re.match(r"(fl|fi|fe|fn)=(\(\d+\))(?: (.*))?$", line)
        if named:
            kind, number, name = named.groups()
            # The first mention of a number has the name; files and functions count apart.
            table = kind == "fn"
            if name is not None:
                names[table, number] = name
            name = names.get((table, number), "")
            if table:
                function = name
            else:
                file = os.path.basename(name)
        elif re.match(r"c(fi|fl|fn)=", line):
            # A callee's name may be told here first.
            named = re.match(r"c(fi|fl|fn)=(\(\d+\)) (.*)$", line)
            if named:
                names[named[1] == "fn", named[2]] = named[3]
        elif line.startswith("calls="):
            callee = True
        elif re.match(r"[+*\-\d]", line):
            # The line after "calls=" is what the callee took, and counted there.
            if not callee:
                cost = int(line.split()[1])
                if COPIES.search(function) and file not in BENCH:
                    copies += cost
                elif file not in BENCH | MODEL:
                    allocator += cost
                if file not in BENCH:
                    whole += cost
            callee = False
    return whole, allocator, copies


def count(command, limit, say):
    """The same for what a command does within measured()."""
    with tempfile.TemporaryDirectory() as scratch:
        out = os.path.join(scratch, "out")
        call = ["valgrind", "--tool=callgrind", "--toggle-collect=measured",
                f"--callgrind-out-file={out}", *command]
        try:
            status, printed, errors = patience.run(call, limit, say)
        except FileNotFoundError as error:
            raise Failed("valgrind is not installed (package valgrind)") from error
        except subprocess.TimeoutExpired as error:
            raise Failed(f"took more than {limit} s under valgrind") from error
        if status:
            said = (errors or printed).strip().splitlines()
            raise Failed(said[-1] if said else f"status {status}")
        with open(out, encoding="utf-8") as file:
            counted = split(file.read())
    if not counted[0]:
        raise Failed("callgrind has seen nothing of measured()")
    return counted
