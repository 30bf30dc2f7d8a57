# SPDX-License-Identifier: GPL-2.0-only
"""Level "dom0": the disks of a Xen dom0 with low memory short and with enough, and what
making the pools costs at boot.

Every mapping is bounced. The kernel before the series has one pool; the others have a LO
of the same size, and a HI. The disks are those of the boots: two NVMe, and an am53c974
that reaches 32 bits.
"""
import os
import re
import sys

from boots import BASE, Bench, main, say, swiotlb

SLAB = 2048
HIGH = "512M"
# name: (slabs of the low pool, seconds of fio, whether it may go wrong)
DISKS = {"low memory short": (512, 20, True), "ample pools": (32768, 15, False)}
# What is to be counted and not to end the run, as boot/console-rules has it. The driver
# of the am53c974 does not look whether a mapping failed, and goes on with an old one:
# then swiotlb itself warns.
WRONG = """\
allow=WARNING: CPU|cut here|Call Trace:
allow=swiotlb buffer is full
allow=I/O error|critical (medium|target) error
allow=nvme.* timeout|nvme.*(Abort status|controller is down|Removing after)
allow=(ABORT|DEVICE RESET|BUS RESET) operation started
allow=DMA addr .* overflow|swiotlb addr .* overflow
"""
DISKS_SCENARIO = """\
what=fio with {what}
MEM=4G
test=flood
limit=180
silence=90
CMDLINE={swiotlb} fio={kind}:{seconds}
"""

# Memory that Xen keeps is what low memory can be had from.
SOME, ALL = "dom0_mem=4G,max:4G", ""
# name of the case: (slabs of the one pool or None, slabs of LO and size of HI)
POOLS = {
    ("64 MiB", SOME): (32768, (32768, "")),
    ("512 MiB", SOME): (262144, (32768, "512M")),
    # The difference between this and 2 GiB is what HI costs.
    ("64 MiB", ALL): (32768, (32768, "")),
    ("512 MiB", ALL): (262144, (32768, "512M")),
    # More than there is below 4 GiB
    ("2 GiB", ALL): (None, (32768, "2G")),
}
POOLS_SCENARIO = """\
what=boot with {what} of pools
MEM=12G
XEN_CMDLINE={xen}
icount={shift}
test=none
limit=180
silence=120
CMDLINE={swiotlb}
"""
SHIFT = 3  # as in kernel.py
EXCHANGE, AFTER = "xen_create_contiguous_region", "memblock_free_all"


def disks(bench):
    """Throughput, errors, "full" events and how full low memory was."""
    for what, (low, seconds, wrong) in DISKS.items():
        case = f"fio, {what}"
        if bench.quick and not wrong or not bench.cases.search(case):
            continue
        text = DISKS_SCENARIO + (WRONG if wrong else "")
        for number, kernel in bench.in_turn(case):
            boot = bench.boot(kernel, text.format(
                what=what, kind="small" if wrong else "large", seconds=5 if bench.quick else seconds,
                swiotlb=swiotlb(kernel, low, HIGH)))
            # A kernel that does not get to the end is a result where things may go wrong.
            if wrong:
                bench.sample(case, kernel, number, "runs that did not end", "runs",
                             int(bool(boot.cause)))
            if boot.cause:
                if not wrong:
                    bench.failure(f"{case}, {kernel}", boot)
                    continue
                say(f"  {case}, {kernel}: {boot.cause} ({boot.log})")
            disk_samples(bench, boot, case, kernel, number)


def disk_samples(bench, boot, case, kernel, number):
    """What the console tells of a run of fio; a run cut short tells less."""
    def tell(metric, unit, value, about=""):
        bench.sample(case + about, kernel, number, metric, unit, value)
        say(f"  {case}{about}, {kernel}: {metric} {value} {unit}")

    drivers = {device["name"]: device["driver"] for device in boot.facts.all("device")}
    nvme = 0
    for name, driver in drivers.items():
        about = f", {driver}" + (f" {nvme}" if driver == "nvme" else "")
        nvme += driver == "nvme"
        done = boot.facts.last("flood", name=name)
        if done:
            tell("throughput", "MB/s", round(int(done["bytes_per_s"]) / 1e6, 2), about)
            tell("I/O errors seen by fio", "errors", int(done["errors"]), about)
        # "I/O error, dev sda, sector", "Buffer I/O error on dev sda, logical block"
        tell("I/O errors in the log", "lines",
             len(boot.facts.matching(rf"I/O error.* dev {name}\b")), about)
    if not drivers:
        bench.failure(f"{case}, {kernel}", boot, "no disk was found")
    # The message is limited to ten in 5 s; what was left out is told with the next one.
    full = len(boot.facts.matching("swiotlb buffer is full"))
    for line in boot.facts.matching(r"swiotlb\w*: \d+ callbacks suppressed"):
        full += int(re.search(r"(\d+) callbacks", line)[1])
    tell("\"full\" events in the log, at least", "events", full)
    tell("kernel warnings", "warnings", len(boot.facts.matching("WARNING: CPU")))
    tell("commands aborted", "commands", len(boot.facts.matching(
        r"scsi host\d+: Aborting command|ABORT operation started|nvme.* timeout, aborting")))
    total = boot.facts.last("all", when="end")
    pools = {pool["type"]: pool for pool in boot.facts.all("pool", when="end")}
    if not total:
        return
    hiwater = (pools["lo"]["used_hiwater"] if "lo" in pools else total["io_tlb_used_hiwater"])
    tell("low memory used at most", "KiB", int(hiwater) * SLAB // 1024)
    for name, pool in pools.items():
        tell(f"mappings refused by {name.upper()}", "mappings", int(pool["failures"]))


def addresses(image):
    """Of the two functions that mark the exchanges, in the System.map of the image."""
    path = os.path.join(os.path.dirname(image), "../../../System.map")
    if not os.path.isfile(path):
        return None
    with open(path, encoding="utf-8") as file:
        found = {name: address for address, _, name in map(str.split, file)
                 if name in (EXCHANGE, AFTER)}
    return found if len(found) == 2 else None


def exchanges(log, where):
    """How often the one function was entered before the other, by QEMU's log.

    Each is entered by a call from another page, which QEMU looks up and logs. A block
    that an interrupt kept from running is logged again.
    """
    count = 0
    with open(log, encoding="utf-8", errors="replace") as file:
        for line in file:
            step = -1 if line.startswith("Stopped") else 1 if line.startswith("Trace") else 0
            if step and where[AFTER] in line:
                return count
            if step and where[EXCHANGE] in line:
                count += step
    return None


def pools(bench):
    """Instructions and exchanges that it takes to make the pools."""
    for (what, memory), (one, (low, high)) in POOLS.items():
        case = f"boot, {what} of pools" + (memory and f", {memory.partition(',')[0]}")
        if bench.quick and (what, memory) != ("512 MiB", SOME) or not bench.cases.search(case):
            continue
        # The guest's clock counts instructions: more boots would tell the same.
        for kernel, image in bench.kernels.items():
            if kernel == BASE and not one:
                continue
            say(f"dom0: {case}, {kernel}")
            text = POOLS_SCENARIO.format(
                what=what, shift=SHIFT, xen=memory,
                swiotlb=(swiotlb(kernel, one, "") if kernel == BASE else
                         swiotlb(kernel, low, high)))
            where = addresses(image)
            if where:
                ranges = ",".join(f"0x{address}+0x1" for address in where.values())
                text += f"qemu=-d guest_errors,exec -dfilter {ranges}\n"
            else:
                say(f"  no System.map for {image}: exchanges are not counted")
            boot = bench.boot(kernel, text)
            # A kernel that got no pool at all has told enough, and is a result.
            if boot.cause and not no_pool(boot):
                bench.failure(f"{case}, {kernel}", boot)
                continue
            pool_samples(bench, boot, case, kernel, where)


def no_pool(boot):
    return boot.facts.matching("software IO TLB: No low mem")


def pool_samples(bench, boot, case, kernel, where):
    def tell(metric, unit, value):
        bench.sample(case, kernel, 0, metric, unit, value)
        say(f"  {case}, {kernel}: {metric} {value} {unit}")

    # From the first word about pools to the first after all memory was handed over
    seconds = boot.seconds_between("software IO TLB: area num", "SLUB: ")
    if seconds is None:
        bench.failure(f"{case}, {kernel}", boot, "no line about the pools")
        return
    tell("making the pools", "million instructions", round(seconds * 1000 / (1 << SHIFT), 3))
    slabs = 0 if no_pool(boot) else int(boot.facts.last("all", when="end")["io_tlb_nslabs"])
    tell("size", "MiB", slabs * SLAB >> 20)
    tell("segments", "segments", slabs // 128)
    if where:
        count = exchanges(boot.qemu_log, where)
        if count is None:
            bench.failure(f"{case}, {kernel}", boot, "QEMU's log does not show the exchanges")
        else:
            tell("exchanges", "exchanges", count)


def level():
    bench = Bench("dom0", __doc__.split("\n", maxsplit=1)[0], 3)
    disks(bench)
    pools(bench)
    return bench.end()


if __name__ == "__main__":
    sys.exit(main(level))
