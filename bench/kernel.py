# SPDX-License-Identifier: GPL-2.0-only
"""Level "kernel": map_benchmark in the machine of the boots, under QEMU's -icount.

The guest's clock counts instructions then, so that the host's load plays no part,
and times are told in instructions of the guest. Resolution: 100 ns of the guest's
clock for a mean, a dozen instructions; a copying "rep movs" counts once an iteration.
The virtual processors take turns: with more threads the mean holds what the others
did in between, and the deviation is large.
"""
import sys

from boots import BASE, Bench, main, say, swiotlb

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
        # Longer where the deviation is large
        words = ",".join(f"{bits}:{threads}:{pages}:{2 if threads > 1 else 1}"
                         for bits, threads, pages in cases)
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


def wrong_pool(found, kernel):
    """Why the result is not of the pool that is to be measured, or None."""
    # A slot is half a page.
    if int(found["slots"]) < 2 * int(found["pages"]):
        return "nothing was bounced"
    if kernel == BASE:
        return None
    counts = {pool: int(found[pool]) for pool in ("lo", "hi")}
    right = counts["hi" if found["bits"] == "64" else "lo"]
    # Some other device may have done something meanwhile.
    return None if right > 100 * (sum(counts.values()) - right) else f"another pool served: {counts}"


def tell(bench, boot, mode, kernel, number, case):
    """The samples of a case."""
    # pylint: disable=too-many-arguments,too-many-positional-arguments
    bits, threads, pages = case
    name = case_name(mode, case)
    found = boot.facts.last("mapped", bits=str(bits), threads=str(threads), pages=str(pages))
    wrong = "no result" if not found or "unmap_dev" not in found else wrong_pool(found, kernel)
    if wrong:
        bench.failure(f"{name}, {threads} threads, {kernel}", boot, wrong)
        return
    # us of a clock that goes on by 2^SHIFT ns an instruction
    count = {key: round(float(found[key]) * 1000 / (1 << SHIFT), 1)
             for key in ("map", "unmap", "map_dev", "unmap_dev")}
    for metric, value in (("map + unmap", count["map"] + count["unmap"]),
                          ("map", count["map"]), ("map, deviation", count["map_dev"]),
                          ("unmap", count["unmap"]), ("unmap, deviation", count["unmap_dev"])):
        bench.sample(name, kernel, number, metric, "instructions", value, threads=threads)
    say(f"  {name}, {threads} threads, {kernel}: map {count['map']:.0f}, "
        f"unmap {count['unmap']:.0f} instructions")


if __name__ == "__main__":
    sys.exit(main(level))
