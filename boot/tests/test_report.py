# SPDX-License-Identifier: GPL-2.0-only
"""The report and the watching, tried on small consoles without a machine.

Each console here differs from a good one in one thing, and the report must
name it: a check that cannot fail checks nothing.
"""
import os
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

# pylint: disable=wrong-import-position
import machine
import report
import run
import scenario as scenarios
import watch

GOOD = """\
(XEN) Xen version 4.20
[    0.000000] Linux version 6.12.107
[    0.100000] software IO TLB: lo: mapped [mem 0x0000000010000000-0x0000000014000000] \
bus [0x0000000020000000-0x00000000dfffffff] (64MB)
[    0.200000] software IO TLB: hi: mapped [mem 0x0000000110000000-0x0000000130000000] \
bus [0x0000000120000000-0x00000001cfffffff] (512MB)
[   14.000001] @@ begin test=devices
[   14.000002] @@ kernel 6.12.107
[   14.000003] @@ xen 4.20.4
[   14.000004] @@ cmdline console=hvc0 swiotlb=64M,,512M,force
[   14.000005] @@ debugfs when=start hi io_tlb_nslabs io_tlb_used lo
[   14.000006] @@ used when=start all=2
{devices}
[   90.000000] @@ used when=end all=2
[   90.000001] @@ debugfs when=end hi io_tlb_nslabs io_tlb_used lo
[   90.000002] @@ all when=end io_tlb_nslabs=294912 io_tlb_used=2 io_tlb_used_hiwater=900
[   90.000003] @@ pool when=end type=lo bounced_bytes=9000 bounces=90 bus=0x20000000-0xdfffffff \
failures=0 nslabs=32768 phys=0x10000000-0x13ffffff used=2 used_hiwater=300
[   90.000004] @@ pool when=end type=hi bounced_bytes=9000 bounces=90 bus=0x120000000-0x1cfffffff \
failures=0 fallbacks=0 nslabs=262144 phys=0x110000000-0x12fffffff used=0 used_hiwater=600
[   90.000005] @@ end
"""

NAMES = [("nvme0n1", "nvme", 64, "hi"), ("nvme1n1", "nvme", 64, "hi"),
         ("sda", "am53c974", 32, "lo"), ("sdb", "sym53c8xx", 40, "hi"),
         ("eth0", "e1000", 32, "lo")]


def device_lines(names=NAMES):
    lines = []
    for slot, (name, driver, bits, pool) in enumerate(names, 1):
        counts = "lo=0 hi=7" if pool == "hi" else "lo=7 hi=0"
        lines += [
            f"[   20.0] @@ device name={name} driver={driver} pci=0000:00:{slot:02}.0 mask={bits}",
            f"[   21.0] @@ io name={name} phase=alone written=4096 verified=4096 errors=0",
            f"[   22.0] @@ trace about={name} pci=0000:00:{slot:02}.0 pool={pool} count=7",
            f"[   23.0] @@ served name={name} {counts}"]
    return "\n".join(lines)


CONSOLE = GOOD.replace("{devices}", device_lines())


def make(console, lines="", cause=None, **keys):
    scenario = scenarios.parse("test", "what=a test\n" + lines)
    scenario.update(keys)
    return report.Report(console, scenario, cause, "6.12.107", "4.20")


class ReportTest(unittest.TestCase):
    def good(self, console, lines=""):
        result = make(console, lines)
        self.assertEqual(result.reasons, [])
        return result

    def bad(self, console, reason, lines=""):
        result = make(console, lines)
        self.assertTrue(any(reason in found for found in result.reasons),
                        f"{reason!r} is not in {result.reasons}")
        self.assertFalse(result.dictionary()["pass"])
        self.assertIn("\nFAIL\n", result.text())

    def changed(self, old, new, console=CONSOLE):
        self.assertIn(old, console)
        return console.replace(old, new)

    def test_good(self):
        result = self.good(CONSOLE)
        self.assertTrue(result.text().endswith("\nPASS\n"))
        found = result.dictionary()
        self.assertEqual(list(found), ["pass", "base", "xen", "pools", "devices", "reasons"])
        self.assertEqual(list(found["pools"][0]),
                         ["type", "slabs", "bytes", "phys", "bus", "hiwater", "bounces",
                          "bounced_bytes", "failures"])
        self.assertEqual(list(found["devices"][0]),
                         ["name", "driver", "dma_mask_bits", "pool", "bytes_verified", "errors"])
        self.assertEqual([d["pool"] for d in found["devices"]], ["hi", "hi", "lo", "hi", "lo"])
        self.assertEqual(found["pools"][1]["bytes"], 512 << 20)

    def test_wrong_pool_that_device_cannot_reach(self):
        console = self.changed("served name=sda lo=7 hi=0", "served name=sda lo=0 hi=7")
        self.bad(console, "sda: served by pool hi, whose bus addresses up to 0x1cfffffff "
                          "its 32 bits cannot reach")

    def test_wrong_pool_seen_by_the_trace_only(self):
        console = self.changed("pci=0000:00:03.0 pool=lo", "pci=0000:00:03.0 pool=hi")
        self.bad(console, "sda: served by pool hi")

    def test_low_pool_for_a_device_that_reaches_hi(self):
        console = self.changed("served name=nvme0n1 lo=0 hi=7", "served name=nvme0n1 lo=3 hi=7")
        self.bad(console, "nvme0n1: served by pool lo, should be hi")

    def test_between(self):
        """Forty bits suffice for a pool below 1 TiB only."""
        console = self.changed("bus [0x0000000120000000-0x00000001cfffffff]",
                               "bus [0x0000000120000000-0x0000010000000fff]")
        console = self.changed("bus=0x120000000-0x1cfffffff", "bus=0x120000000-0x10000000fff",
                               console)
        self.bad(console, "sdb: served by pool hi, whose bus addresses up to 0x10000000fff "
                          "its 40 bits cannot reach")
        lo_names = [(n, d, b, "lo" if b == 40 else p) for n, d, b, p in NAMES]
        self.good(console.replace(device_lines(), device_lines(lo_names)))

    def test_verify_error(self):
        self.bad(self.changed("@@ io name=sda phase=alone written=4096 verified=4096 errors=0",
                              "@@ io name=sda phase=alone written=4096 verified=4096 errors=84"),
                 "sda: 84 errors")

    def test_nothing_verified(self):
        self.bad(self.changed("@@ io name=eth0 phase=alone written=4096 verified=4096",
                              "@@ io name=eth0 phase=alone written=4096 verified=0"),
                 "eth0: no byte was verified")

    def test_missing_device(self):
        self.bad(GOOD.replace("{devices}", device_lines(NAMES[1:])),
                 "1 device(s) of driver nvme, want 2")

    def test_wrong_mask(self):
        self.bad(self.changed("driver=sym53c8xx pci=0000:00:04.0 mask=40",
                              "driver=sym53c8xx pci=0000:00:04.0 mask=32"),
                 "sym53c8xx: DMA mask of 32 bits, want 40")

    def test_not_bounced(self):
        console = self.changed("served name=sda lo=7 hi=0", "served name=sda lo=0 hi=0")
        console = self.changed("pci=0000:00:03.0 pool=lo count=7", "", console)
        self.bad(console, "sda: bounced by no pool in spite of force")
        result = self.good(console.replace(",force", ""))
        self.assertEqual(result.devices[2]["pool"], "none")

    def test_mapping_without_pool(self):
        console = self.changed("pci=0000:00:03.0 pool=lo count=7\n",
                               "pci=0000:00:03.0 pool=lo count=7\n"
                               "@@ trace about=x pci=0000:00:03.0 pool=none count=3\n")
        self.bad(console, "sda: 3 mappings got no pool")
        self.good(console, "failures=lo\n")

    def test_failures(self):
        console = self.changed("failures=0 nslabs=32768", "failures=5 nslabs=32768")
        self.bad(console, "pool lo: 5 mappings refused")
        self.bad(console, "pool lo: 5 mappings refused", "failures=hi\n")
        self.good(console, "failures=lo\n")

    def test_low_pool_is_high(self):
        console = self.changed("0x00000000dfffffff", "0x0000000123456fff")
        console = self.changed("0x20000000-0xdfffffff", "0x20000000-0x123456fff", console)
        self.bad(console, "pool lo: bus address 0x123456fff is not below 4 GiB")

    def test_high_pool_is_low(self):
        console = self.changed("bus=0x120000000-0x1cfffffff", "bus=0x40000000-0x6fffffff")
        self.bad(console, "pool hi: bus address 0x40000000 is below 4 GiB")

    def test_missing_pool(self):
        lines = [x for x in CONSOLE.split("\n") if "type=hi" not in x]
        self.bad("\n".join(lines), "there is no pool hi")

    def test_unwanted_pool(self):
        self.bad(self.changed("swiotlb=64M,,512M,force", "swiotlb=64M,force"),
                 "there is a pool hi that nobody asked for")

    def test_smaller_than_asked(self):
        self.bad(self.changed("swiotlb=64M,,512M,force", "swiotlb=64M,,1G,force"),
                 "pool hi: 1073741824 bytes asked, 536870912 obtained")

    def test_counter_missing(self):
        self.bad(self.changed("bounces=90 bus=0x120000000", "bus=0x120000000"),
                 "pool hi: debugfs does not tell bounces")

    def test_leak(self):
        self.bad(self.changed("@@ used when=end all=2", "@@ used when=end all=9"),
                 "9 slots still in use")

    def selftest(self, *lines):
        console = self.changed("test=devices", "test=selftests")
        told = "".join(f"@@ ktap t {line}\n" for line in lines)
        return console.replace("@@ end\n", told + "@@ end\n")

    def test_selftest(self):
        want = "test=selftests\nselftest=t 2\n"
        good = ["TAP version 13", "1..2", "ok 1 a", "ok 2 b", "exit status 0"]
        self.assertIn("t: 2 tests, 0 of them skipped", self.good(self.selftest(*good), want).text())
        self.bad(CONSOLE, "t: 0 tests with no plan, want 2", want)
        self.bad(self.selftest(*good[:3], *good[4:]), "t: 1 tests with 1..2, want 2", want)
        self.bad(self.selftest("1..3", *good[2:]), "t: 2 tests with 1..3, want 2", want)
        self.bad(self.selftest(*good[:4]), "t: did not end with status 0", want)
        self.bad(self.selftest(*good[:3], "not ok 2 b", "exit status 1"), "t: not ok 2 b", want)

    def test_selftest_skips(self):
        want = "test=selftests\nselftest=t 1\n"
        console = self.selftest("1..1", "ok 1 28 bits: sg: no device # SKIP", "exit status 0")
        self.bad(console, "t: skipped, and should not be: ok 1 28 bits: sg", want)
        self.bad(console, "t: skipped, and should not be", want + "skip=30 bits\n")
        result = self.good(console, want + "skip=28 bits: .*no device\n")
        self.assertIn("1 of them skipped\n  28 bits: sg", result.text())
        self.assertEqual(result.skipped(), [("t", ["28 bits: sg: no device"])])

    def test_mixed_with_xen(self):
        self.good(self.changed("bus [0x0000000020000000", "bus [0x00(XEN) uart interrupt\n"
                               "00000020000000"))

    def test_balance(self):
        traced = "@@ traced about=sda lost=0\n@@ end\n"
        console = self.changed("@@ end\n", traced)
        self.good(console)
        console = self.changed("name=sda lo=7", "name=sda lo=16", console)
        self.bad(console, "sda: pool lo counts 16 mappings, the trace has 7")
        self.good(self.changed("about=sda lost=0", "about=sda lost=9", console))
        self.good(self.changed("name=sda lo=16", "name=sda lo=15", console))

    def test_empty(self):
        self.bad(CONSOLE, "2 slots in use at the end, want none", "empty=1\n")
        self.bad(CONSOLE, "pool lo: 2 slots in use at the end", "empty=1\n")
        console = CONSOLE.replace("used=2 ", "used=0 ")
        self.good(console, "empty=1\n")
        self.bad(self.changed("io_tlb_used=0", "io_tlb_used=1", console),
                 "1 slots in use at the end", "empty=1\n")

    def test_boot_line(self):
        self.bad(self.changed("lo: mapped", "low: mapped"), "pool lo: 0 boot lines")
        self.bad(self.changed("bus [0x0000000120000000", "bus [0x0000000130000000"),
                 "the boot line and debugfs differ about bus")

    def test_once_and_never(self):
        self.good(CONSOLE, "once=hi: mapped\nnever=mid: mapped\n")
        self.bad(CONSOLE, "0 console lines match", "once=mid: mapped\n")
        self.bad(CONSOLE, "2 console lines match", "once=IO TLB: .*mapped\n")
        self.good(CONSOLE, "count=2 IO TLB: .*mapped\n")
        self.bad(CONSOLE, "2 console lines match", "count=3 IO TLB: .*mapped\n")
        self.bad(CONSOLE, "a console line matches", "never=hi: mapped\n")

    def test_overflow(self):
        self.bad(CONSOLE, "pool hi did not overflow", "overflow=hi\n")
        self.good(self.changed("fallbacks=0", "fallbacks=4"), "overflow=hi\n")

    def test_bounced(self):
        self.good(CONSOLE, "bounced=lo,hi\n")
        self.bad(self.changed("bounces=90 bus=0x20000000", "bounces=0 bus=0x20000000"),
                 "pool lo: nothing was bounced", "bounced=lo\n")

    def test_hiwater(self):
        self.bad(CONSOLE, "want 90 %", "hiwater=hi 90\n")
        self.good(self.changed("used_hiwater=600", "used_hiwater=262000"), "hiwater=hi 90\n")

    def test_size(self):
        self.good(CONSOLE, "size=hi 536870912\n")
        self.bad(CONSOLE, "pool hi: 536870912 bytes, want 1048576", "size=hi 1048576\n")

    def test_kunit(self):
        self.bad(CONSOLE, "no KUnit suite", "kunit=1\n")
        self.bad("[    1.0] ok 1 swiotlb # SKIP\n" + CONSOLE, "no KUnit suite", "kunit=1\n")
        self.good("[    1.0] ok 1 swiotlb\n" + CONSOLE, "kunit=1\n")
        self.bad("[    1.0]     not ok 3 choice\n[    1.1] ok 1 swiotlb\n" + CONSOLE,
                 "KUnit: not ok 3 choice", "kunit=1\n")

    def test_cut_short(self):
        console = CONSOLE[:CONSOLE.index("[   90.000000]")]
        self.bad(console, "no end marker")
        result = make(console, cause="kernel oops: x")
        self.assertEqual(result.reasons, ["kernel oops: x"])

    def test_empty_console(self):
        self.assertEqual(make("", cause="silent").reasons, ["silent"])
        self.assertTrue(make("").reasons)

    def test_xen_line_within_a_line(self):
        result = self.good(self.changed("name=sda phase=alone wri",
                                        "name=sda phase=alone wri(XEN) d0: hello\n"))
        self.assertEqual(result.devices[2]["bytes_verified"], 4096)

    def test_without_hi(self):
        console = """\
[    0.1] software IO TLB: mapped [mem 0x000000017bc00000-0x000000017fc00000] (64MB)
[   14.0] @@ cmdline swiotlb=32768,force
[   14.1] @@ debugfs when=start io_tlb_nslabs io_tlb_used io_tlb_used_hiwater
[   14.1] @@ device name=nvme0n1 driver=nvme pci=0000:00:01.0 mask=64
[   14.1] @@ io name=nvme0n1 phase=alone written=4096 verified=4096 errors=0
[   14.1] @@ trace about=nvme0n1 pci=0000:00:01.0 pool=unnamed count=8
[   90.0] @@ all when=end io_tlb_nslabs=32768 io_tlb_used=0 io_tlb_used_hiwater=900
[   90.1] @@ end
"""
        result = self.good(console, "test=none\n")
        self.assertEqual(result.pools, [{
            "type": "lo", "slabs": 32768, "bytes": 64 << 20,
            "phys": "0x000000017bc00000-0x000000017fbfffff", "bus": None, "hiwater": 900,
            "bounces": None, "bounced_bytes": None, "failures": None}])
        self.assertEqual(result.devices[0]["pool"], "lo")
        self.bad(console.replace("when=start io", "when=start hi io"),
                 "debugfs has a directory hi/ without HI", "test=none\n")
        self.bad(console.replace("when=start io", "when=start lo io"),
                 "debugfs has a directory lo/ without HI", "test=none\n")
        # Asked for and not to be had
        console = console.replace("swiotlb=32768,force", "swiotlb=32768,,64M,force")
        self.good(console.replace("when=start io", "when=start lo io"), "test=none\npools=lo\n")
        self.bad(console.replace("when=start io", "when=start hi io"),
                 "debugfs has a directory hi/ without HI", "test=none\npools=lo\n")


class SwiotlbTest(unittest.TestCase):
    def test_parse(self):
        for cmdline, lo, hi, force in (
                ("a swiotlb=64M,,512M,force b", 64 << 20, 512 << 20, True),
                ("swiotlb=32768", 64 << 20, 0, False),
                ("swiotlb=force", None, 0, True),
                ("swiotlb=0x80,2", 256 << 10, 0, False),
                ("swiotlb=64M,,6G,noforce", 64 << 20, 6 << 30, False),
                ("quiet", None, 0, False)):
            self.assertEqual(report.parse_swiotlb(cmdline), {"lo": lo, "hi": hi, "force": force})


class RulesTest(unittest.TestCase):
    # One line at least for each rule, as the kernel, Xen or QEMU writes it.
    BAD = {
        "kernel panic": ["Kernel panic - not syncing: VFS: Unable to mount root fs"],
        "kernel oops": ["Oops: Oops: 0000 [#1] SMP NOPTI",
                        "Oops: general protection fault, probably for non-canonical address"],
        "kernel BUG": ["BUG: kernel NULL pointer dereference, address: 0000000000000010",
                       "kernel BUG at kernel/dma/swiotlb.c:100!"],
        "kernel WARNING": ["WARNING: CPU: 0 PID: 1 at kernel/dma/swiotlb.c:600 f+0x1/0x2",
                           "------------[ cut here ]------------",
                           "WARNING: possible circular locking dependency detected"],
        "kernel call trace": ["Call Trace:"],
        "kernel lockup or stall": ["watchdog: BUG: soft lockup - CPU#0 stuck for 26s!",
                                   "rcu: INFO: rcu_sched self-detected stall on CPU",
                                   "INFO: task fio:99 blocked for more than 120 seconds."],
        "interrupt that nobody handles": ["irq 16: nobody cared (try booting with \"irqpoll\")"],
        "out of memory": ["Out of memory: Killed process 99 (fio)",
                          "swapper/0: page allocation failure: order:10, mode:0xcc0"],
        "no room for the swiotlb pool": ["software IO TLB: No low mem",
                                         "software IO TLB: hi: no pool, all devices use lo",
                                         "software IO TLB: Cannot allocate buffer"],
        "a mapping failed, pool full": [
            "nvme 0000:00:01.0: swiotlb buffer is full (sz: 4096 bytes), total 512 (slots), "
            "used 512 (slots)"],
        "a mapping larger than a segment": [
            "nvme 0000:00:01.0: swiotlb: mapping of 2097152 bytes exceeds the largest of "
            "262144 bytes"],
        "a DMA address out of the mask": [
            "am53c974 0000:00:03.0: swiotlb addr 0x0000000120000000+4096 overflow (mask ffffffff, "
            "bus limit 0)."],
        "block I/O error": ["I/O error, dev sda, sector 8 op 0x1:(WRITE) flags 0x8800",
                            "Buffer I/O error on dev sda, logical block 0, async page read"],
        "device timeout or reset": ["nvme nvme0: I/O tag 1 (1001) QID 1 timeout, aborting",
                                    "sym0: ABORT operation started",
                                    "NETDEV WATCHDOG: eth0 (e1000): transmit queue 0 timed out"],
        "device could not be set up": [
            "nvme 0000:00:01.0: probe with driver nvme failed with error -12"],
        "a program crashed": ["fio[99]: segfault at 10 ip 000 sp 000 error 4",
                              "traps: fio[99] trap invalid opcode ip:0 sp:0 error:0"],
        "the test program failed": ["@@ error fio in phase alone ended with status 1"],
        "fio found an error": ["@@ fio phase=alone verify: bad header rand_seed 1, wanted 2"],
        "a test of KUnit or kselftest failed": ["    not ok 4 choose_by_mask", "not ok 1 swiotlb",
                                                "@@ ktap dma_edu not ok 3 28 bits: sg"],
        "a report of the lock checker": [
            "INFO: trying to register non-static key.", "[ BUG: Invalid wait context ]",
            "INFO: possible recursive locking detected", "INFO: lockdep is turned off."],
        "a report of the DMA checker": [
            "DMA-API: nvme 0000:00:01.0: device driver frees DMA memory with different size",
            "DMA-API: exceeded 7 overlapping mappings of cacheline 0x0000000000000001"],
        "a report of the memory checkers": [
            "BUG: KFENCE: out-of-bounds read in f+0x1/0x2",
            "BUG: KASAN: slab-use-after-free in f+0x1/0x2",
            "UBSAN: array-index-out-of-bounds in kernel/dma/swiotlb.c:600:10",
            "BUG kmalloc-64 (Not tainted): Right Redzone overwritten",
            "ODEBUG: free active (active state 0) object type: timer_list",
            "list_add corruption. prev->next should be next"],
        "Xen panic": ["(XEN) Panic on CPU 0:", "(XEN) FATAL TRAP: vec 14, #PF[0000]"],
        "Xen BUG": ["(XEN) Xen BUG at arch/x86/mm.c:1",
                    "(XEN) Assertion 'x' failed at common/y.c:1"],
        "Xen warning": ["(XEN) Xen WARN at arch/x86/mm.c:1"],
        "dom0 crashed": ["(XEN) Domain 0 crashed: 'noreboot' set - not rebooting.",
                         "(XEN) Hardware Dom0 crashed: rebooting machine in 5 seconds.",
                         "(XEN) domain_crash called from common/x.c:1"],
        "dom0 could not be built": ["(XEN) Could not construct domain 0"],
        "boot loader found no kernel": ["Boot failed: not a bootable disk", "No bootable device."],
        "a DMA address out of reach was clamped":
            ["EDU: clamping DMA 0x0000000100000000 to 0x0000000000000000!"],
    }
    HARMLESS = """\
(XEN) Command line: console=com1 loglvl=all noreboot bootscrub=0
[    0.0] Kernel command line: console=hvc0 panic=-1 swiotlb=64M,,512M,force
[    5.7] Warning: unable to open an initial console.
[    0.2] software IO TLB: hi: mapped [mem 0x1-0x2] bus [0x1-0x2] (512MB)
[    9.1] clocksource: timekeeping watchdog on CPU1: Marking clocksource 'tsc' as unstable
[   13.3] Freeing unused kernel image (initmem) memory: 1144K
[    1.0] ok 1 swiotlb
[    1.1] DMA-API: preallocated 65536 debug entries
[    1.2] DMA-API: debugging enabled by kernel config
[    1.2] DMA-API: enable driver filter for driver [nvme]
[    1.3] Lock dependency validator: Copyright (c) 2006 Red Hat, Inc., Ingo Molnar
[    1.4] @@ ktap dma_edu ok 3 28 bits: sg # SKIP no edu device reaches that far
[   13.9] Run /init as init process
[   55.2] @@ io name=eth0 phase=alone written=0 verified=4194304 errors=0
[   55.2] e1000: eth0 NIC Link is Up 1000 Mbps Full Duplex, Flow Control: RX
"""

    def test_every_rule(self):
        rules = watch.load_rules()
        self.assertEqual({meaning for _, meaning, _ in rules}, set(self.BAD))
        for source, meaning, pattern in rules:
            alone = watch.Rules([(source, meaning, pattern)])
            for line in self.BAD[meaning]:
                for stamp in ("", "[   12.345678] "):
                    self.assertTrue((alone.check(source, stamp + line) or "").startswith(meaning),
                                    f"{meaning!r} is not found in {line!r}")

    def test_harmless(self):
        rules = watch.Rules(watch.load_rules())
        for line in self.HARMLESS.split("\n") + CONSOLE.split("\n"):
            self.assertIsNone(rules.check("console", line), line)

    def test_allow(self):
        line = self.BAD["a mapping failed, pool full"][0]
        rules = watch.load_rules()
        self.assertIsNone(watch.Rules(rules, ["nvme .*buffer is full"]).check("console", line))
        self.assertIsNotNone(watch.Rules(rules, ["sym53c8xx .*buffer is full"])
                             .check("console", line))


class ScenarioTest(unittest.TestCase):
    def test_all_files(self):
        for name in scenarios.names():
            self.assertTrue(scenarios.load(name)["what"], name)

    def test_bad(self):
        for text in ("colour=red", "what", "mode=efi", "once=(", "count=x", "skip=(",
                     "selftest=t", "selftest=t x", "edu=65", "edu=28,x", "minutes=long",
                     "kernel=no-such", "kernel=debug\npatch=must-fail.patch"):
            with self.assertRaises(scenarios.Bad):
                scenarios.parse("bad", text)
        with self.assertRaises(scenarios.Bad):
            scenarios.load("no-such")

    def test_user(self):
        scenario = scenarios.parse("t", "CMDLINE=quiet swiotlb=64M\nonce=x\n")
        found = scenarios.apply_user(scenario, {"CMDLINE": "debug", "MEM": "8G", "CPUS": ""})
        self.assertEqual((found["CMDLINE"], found["MEM"], found["CPUS"], found["once"]),
                         ("quiet swiotlb=64M debug", "8G", "2", ["x"]))
        xen = dict(scenario, XEN_CMDLINE="dom0_mem=2G,max:2G loglvl=all")
        found = scenarios.apply_user(xen, {"XEN_CMDLINE": "dom0_mem=8G"})
        self.assertEqual(found["XEN_CMDLINE"], "loglvl=all dom0_mem=8G")
        found = scenarios.apply_user(xen, {"XEN_CMDLINE": "sync_console"})
        self.assertEqual(found["XEN_CMDLINE"], "dom0_mem=2G,max:2G loglvl=all sync_console")
        found = scenarios.apply_user(scenario, {"CMDLINE": "swiotlb=1,,2"})
        self.assertEqual((found["CMDLINE"], found["once"]), ("quiet swiotlb=1,,2", []))
        for env in ({"MEM": "much"}, {"CPUS": "0"}):
            with self.assertRaises(scenarios.Bad):
                scenarios.apply_user(scenario, env)

    def test_commas(self):
        scenario = scenarios.parse("t", "CMDLINE=swiotlb=64M,,512M,force\n")
        args = machine.qemu(scenario)
        self.assertIn("swiotlb=64M,,,,512M,,force,initramfs", args[args.index("-initrd") + 1])
        scenario["mode"] = "bare"
        args = machine.qemu(scenario)
        self.assertIn("swiotlb=64M,,512M,force", args[args.index("-append") + 1])
        self.assertEqual(args[args.index("-initrd") + 1], "initramfs")

    def test_edu(self):
        scenario = scenarios.parse("t", "edu=28,64\nminutes=5\nqemu=-device 'a b'\n")
        args = machine.qemu(scenario)
        self.assertIn("edu,addr=0x10,dma_mask=0xfffffff", args)
        self.assertIn("edu,addr=0x11,dma_mask=0xffffffffffffffff", args)
        self.assertIn("a b", args)
        words = machine.kernel_cmdline(scenario).split()
        self.assertIn("edu=0000:00:10.0=28,0000:00:11.0=64", words)
        self.assertIn("minutes=5", words)
        self.assertNotIn("minutes", machine.kernel_cmdline(scenarios.parse("t", "")))

    def test_icount(self):
        args = machine.qemu(scenarios.parse("t", "icount=3\n"))
        self.assertEqual(args[args.index("-icount") + 1], "shift=3,align=off,sleep=off")
        self.assertEqual(args[args.index("-accel") + 1], "tcg,thread=single")
        args = machine.qemu(scenarios.parse("t", ""))
        self.assertNotIn("-icount", args)
        self.assertEqual(args[args.index("-accel") + 1], "tcg,thread=multi")
        for wrong in ("11", "auto", "-1"):
            with self.assertRaises(scenarios.Bad):
                scenarios.parse("t", f"icount={wrong}\n")

    def test_minutes(self):
        scenario = scenarios.parse("t", "minutes=3\n")
        self.assertEqual(scenarios.apply_user(scenario, {})["minutes"], "3")
        self.assertEqual(scenarios.apply_user(scenario, {"MINUTES": "90"})["minutes"], "90")
        with self.assertRaises(scenarios.Bad):
            scenarios.apply_user(scenario, {"MINUTES": "many"})
        other = scenarios.parse("t", "")
        self.assertEqual(scenarios.apply_user(other, {"MINUTES": "90"})["minutes"], "")

    def test_kernels(self):
        for name in os.listdir(scenarios.KERNELS):
            self.assertGreaterEqual(scenarios.slowness(name), 1)
        self.assertGreater(scenarios.slowness("debug"), 1)
        self.assertEqual(scenarios.slowness(""), 1)
        debug = scenarios.parse("t", "kernel=debug\nCMDLINE=dma_debug_driver=x")
        self.assertRegex(machine.kernel_cmdline(debug), "dma_debug_driver=nvme dma_debug_driver=x$")
        scenario = scenarios.parse("t", "kernel=debug\n")
        self.assertIn("kernel-debug/", run.kernel_of(scenario))

    def test_verdict(self):
        must_fail = {"expect": "fail sda: served by pool hi"}
        self.assertIsNone(run.verdict(must_fail, ["sda: served by pool hi, whose ..."]))
        self.assertIn("did not notice", run.verdict(must_fail, []))
        self.assertIn("another reason", run.verdict(must_fail, ["kernel oops"]))
        self.assertIsNone(run.verdict({"expect": "pass"}, []))
        self.assertEqual(run.verdict({"expect": "pass"}, ["a", "b"]), "a; b")


if __name__ == "__main__":
    unittest.main()
