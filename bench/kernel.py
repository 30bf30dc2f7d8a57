# SPDX-License-Identifier: GPL-2.0-only
"""Level "kernel": map_benchmark in the machine of the boots, under QEMU's -icount.

The guest's clock counts instructions then, so that the host's load plays no part,
and times are told in instructions of the guest. Resolution: 100 ns of the guest's
clock for a mean, a dozen instructions; a copying "rep movs" counts once an iteration.
The virtual processors take turns: with more threads the mean holds what the others
did in between, and the deviation is large.
"""
import sys

from boots import Bench, main, say, swiotlb

# 2^3 ns an instruction, so that a second of the guest's, the least that map_benchmark
# runs for, passes in one or two of the host's.
SHIFT = 3
CPUS = 4
LOW_SLABS, HIGH = 32768, "512M"
MODES = {"bare": "on the bare machine", "xen": "as dom0"}
# bits of the mask, threads, pages
CASES = [(bits, threads, 1) for bits in (32, 64) for threads in (1, 2, 4, 8)]
CASES += [(bits, 1, 16) for bits in (32, 64)]
QUICK = [(32, 1, 1), (64, 1, 1)]

SCENARIO = """\
what=map_benchmark {where}
mode={mode}
MEM=4G
CPUS={cpus}
icount={shift}
edu=64
test=map-benchmark
limit=400
silence=180
CMDLINE={swiotlb} map={cases}
"""


def case_name(mode, case):
    bits, _, pages = case
    return f"map_benchmark {MODES[mode]}, {pages * 4} KiB, {bits}-bit device"


def level():
    bench = Bench("kernel", __doc__.split("\n", maxsplit=1)[0], 3)
    for mode, where in MODES.items():
        cases = [case for case in (QUICK if bench.quick else CASES)
                 if bench.cases.search(case_name(mode, case))]
        if not cases:
            continue
        words = ",".join(":".join(map(str, case)) for case in cases)
        for number, kernel in bench.in_turn(where):
            text = SCENARIO.format(where=where, mode=mode, cpus=CPUS, shift=SHIFT, cases=words,
                                   swiotlb=swiotlb(kernel, LOW_SLABS, HIGH))
            boot = bench.boot(kernel, text)
            if boot.cause:
                bench.failure(f"map_benchmark {where}, {kernel}", boot)
                continue
            for case in cases:
                tell(bench, boot, mode, kernel, number, case)
    return bench.end()


def tell(bench, boot, mode, kernel, number, case):
    """The samples of a case."""
    bits, threads, pages = case
    found = boot.facts.last("mapped", bits=str(bits), threads=str(threads), pages=str(pages))
    name = case_name(mode, case)
    if not found or "unmap_dev" not in found:
        bench.failure(f"{name}, {threads} threads, {kernel}", boot, "no result")
        return
    for metric, key in (("map", "map"), ("map, deviation", "map_dev"),
                        ("unmap", "unmap"), ("unmap, deviation", "unmap_dev")):
        # us of a clock that goes on by 2^SHIFT ns an instruction
        count = round(float(found[key]) * 1000 / (1 << SHIFT), 1)
        bench.sample(name, kernel, number, metric, "instructions", count, threads=threads)
        if metric in ("map", "unmap"):
            say(f"  {name}, {threads} threads, {kernel}: {metric} {count:.0f} instructions")


if __name__ == "__main__":
    sys.exit(main(level))
