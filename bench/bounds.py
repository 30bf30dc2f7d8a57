# SPDX-License-Identifier: GPL-2.0-only
"""The bounds that the patched kernel has to keep, and what the plots show, as data."""
from judge import AtMost, Falling, Pick, Ratio, Zero
from plots import Curve, Plot
from samples import size

GIB = 1 << 30
POOL = 4 * GIB
BARE = "time without copies"


def alone(case, metric="time", kernel="patched", **params):
    """Of the allocator alone."""
    return Pick("allocator", case, metric, kernel, params)


def against_base(what, limit, case, metric="time", base_case=None, **params):
    """The same case on both kernels."""
    return Ratio(what, limit, alone(case, metric, **params),
                 alone(base_case or case, metric, "base", **params))


# The worst of all fillings that were tried, of several runs the one that nothing disturbed.
def longest(kernel):
    """The longest time with interrupts off."""
    return Pick("allocator", "interrupts off.*", "time", kernel, {"pool": POOL}, worst=True,
                best_run=True)


def short(metric, kernel="patched"):
    """fio with low memory short, of the disk that fares worst."""
    return Pick("dom0", "fio, low memory short.*", metric, kernel, worst=True)


FRAGMENTED = [against_base(f"4 KiB, fragmented at random, {fill} % full, 4 GiB: time", 1.00,
                           "map 4 KiB, fragmented", fill=fill, pool=POOL)
              for fill in (50, 90, 99)]

BOUNDS = [
    against_base("map + unmap, one pool, empty, 4 KiB: instructions", 1.00,
                 "map 4 KiB, empty", "instructions"),
    against_base("the same with HI configured, 64-bit device", 1.02,
                 "map 4 KiB, empty, HI", "instructions", "map 4 KiB, empty"),
    against_base("64 KiB where one segment of a 4 GiB pool can serve it: time", 0.02,
                 "map 64 KiB, one segment left", pool=POOL),
    Ratio("patched alone: that worst case against an empty pool", 1.5,
          alone("map 64 KiB, one segment left", pool=POOL), alone("map 64 KiB, empty", pool=POOL)),
    Ratio("patched alone: that worst case, 64 GiB against 64 MiB", 1.5,
          alone("map 64 KiB, one segment left", pool=64 * GIB),
          alone("map 64 KiB, one segment left", pool=64 << 20)),
    Ratio("patched alone: an empty pool, 64 GiB against 64 MiB", 1.5,
          alone("map 64 KiB, empty", pool=64 * GIB), alone("map 64 KiB, empty", pool=64 << 20)),
    # The same three without the copies, which hide what the search takes
    Ratio("without copies: that worst case against an empty pool", 1.5,
          alone("map 64 KiB, one segment left", BARE, pool=POOL),
          alone("map 64 KiB, empty", BARE, pool=POOL)),
    Ratio("without copies: that worst case, 64 GiB against 64 MiB", 1.5,
          alone("map 64 KiB, one segment left", BARE, pool=64 * GIB),
          alone("map 64 KiB, one segment left", BARE, pool=64 << 20)),
    Ratio("without copies: an empty pool, 64 GiB against 64 MiB", 1.5,
          alone("map 64 KiB, empty", BARE, pool=64 * GIB),
          alone("map 64 KiB, empty", BARE, pool=64 << 20)),
    Ratio("longest time with interrupts off in a map, worst case found", 0.05,
          longest("patched"), longest("base")),
    *FRAGMENTED,
    Falling("those three ratios fall with fill", FRAGMENTED),
    against_base("two pinned threads, 512 B, debugfs on: time per operation", 0.9,
                 "threads, an area each", threads=2),
    against_base("setting up a HI of 64 GiB at boot: time", 0.1, "set-up", pool=64 * GIB),
    against_base("setting up a HI of 64 GiB at boot: page faults", 0.1, "set-up", "page faults",
                 pool=64 * GIB),
    *(Ratio(f"look-up by address, 1000 pools against {one}: {metric}", 1.5,
            alone("look-up", metric, pools=1000), alone(case, metric, **params))
      for one, case, params in (("the default one", "look-up", {"pools": 1}),
                                ("one added", "look-up, the one added", {}))
      for metric in ("time", "instructions")),
    AtMost("bookkeeping per slot, bytes", 16, alone("bookkeeping, 4 GiB", "bytes per slot")),
    against_base("Xen: exchanges for a HI of 2 GiB against one a segment", 0.05,
                 "exchanges", "exchanges", pool=2 * GIB),
    Ratio("the same in a kernel, HI of 2 GiB and LO: exchanges against segments", 0.05,
          Pick("dom0", "boot, 2 GiB of pools", "exchanges"),
          Pick("dom0", "boot, 2 GiB of pools", "segments")),
    Zero("fio as dom0, low memory short: I/O errors", short("I/O errors.*"),
         short("I/O errors.*", "base")),
    Zero("fio as dom0, low memory short: \"full\" events", short('"full" events.*'),
         short('"full" events.*', "base")),
    Zero("fio as dom0, low memory short: runs that did not end", short("runs that did not end"),
         short("runs that did not end", "base")),
]


def millions(time, _threads):
    """Operations of all threads in a second, from the ns that one takes on the average."""
    return 1e3 / time


def pair(pick, x, name="", **how):
    """Base and patched."""
    return [Curve(f"{kernel}{name}", pick(kernel), x, **how) for kernel in ("base", "patched")]


PLOTS = [
    Plot("fill", "Map + unmap of 4 KiB, a pool of 4 GiB, fragmented at random",
         pair(lambda kernel: alone("map 4 KiB, fragmented", kernel=kernel, pool=POOL), "fill")),
    Plot("pool", "Map + unmap of 64 KiB, the pool empty, and with room in one segment only",
         pair(lambda kernel: alone("map 64 KiB, one segment left", kernel=kernel), "pool",
              ", one segment left") +
         pair(lambda kernel: alone("map 64 KiB, empty", kernel=kernel), "pool", ", empty"), tic=size),
    Plot("threads", "Map + unmap of 512 B by pinned threads, an area each, debugfs on",
         pair(lambda kernel: alone("threads, an area each", kernel=kernel), "threads", y=millions)),
]
