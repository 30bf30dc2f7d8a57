# SPDX-License-Identifier: GPL-2.0-only
"""The report and the watching, tried on small consoles without a machine.

Each console here differs from a good one in one thing, and the report must
name it: a check that cannot fail checks nothing.
"""
import os
import re
import sys
import tempfile
import unittest
import unittest.mock

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
[   14.000004] @@ cmdline console=hvc0 panic=-1 ignore_loglevel printk.devkmsg=on test=devices swiotlb=64M,,512M,force
[   14.000005] @@ debugfs when=start hi io_tlb_nslabs io_tlb_used lo
[   14.000005] @@ all when=start io_tlb_nslabs=294912 io_tlb_used=2 io_tlb_used_hiwater=90
[   14.000005] @@ pool when=start type=lo bounced_bytes=900 bounces=9 bus=0x20000000-0xdfffffff \
failures=0 nslabs=32768 phys=0x10000000-0x13ffffff used=2 used_hiwater=30
[   14.000005] @@ pool when=start type=hi bounced_bytes=900 bounces=9 bus=0x120000000-0x1cfffffff \
failures=0 fallbacks=0 nslabs=262144 phys=0x110000000-0x12fffffff used=0 used_hiwater=60
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
            f"[   22.0] @@ traced about={name} lost=0",
            f"[   22.0] @@ trace about={name} pci=0000:00:{slot:02}.0 pool={pool} count=7",
            f"[   23.0] @@ served name={name} {counts}",
            f"[   24.0] @@ io name={name} phase=together written=0 verified=0 errors=0"]
    lines += ["[   25.0] @@ traced about=together lost=0",
              "[   25.0] @@ served name=together lo=0 hi=0"]
    return "\n".join(lines)


CONSOLE = GOOD.replace("{devices}", device_lines())


def make(console, lines="", cause=None, **keys):
    """Unless the lines have a CMDLINE, the console shows what the scenario asks for."""
    scenario = scenarios.parse("test", "what=a test\n" + lines)
    scenario.update(keys)
    if not scenario["CMDLINE"]:
        scenario["CMDLINE"] = "".join(re.findall(r"@@ cmdline .*?(swiotlb=.*)", console))
        console = re.sub("@@ cmdline .*", "@@ cmdline " + machine.kernel_cmdline(scenario), console)
        console = re.sub("@@ begin .*", "@@ begin test=" + scenario["test"], console)
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
        console = self.changed("@@ trace about=sda pci=0000:00:03.0 pool=lo count=7", "", console)
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
                 "record without bounces: @@ pool when=end type=hi")

    def test_missing_records(self):
        for start in ("begin", "kernel", "xen", "cmdline", "debugfs when=start", "debugfs when=end",
                      "all when=start", "all when=end", "used when=start", "used when=end",
                      "io name=sda phase=alone", "io name=eth0 phase=together", "traced about=sda",
                      "traced about=together", "served name=sda", "served name=together"):
            lines = [line for line in CONSOLE.split("\n") if "@@ " + start not in line]
            self.bad("\n".join(lines), "record missing: @@ " + start)

    def test_garbled_records(self):
        for old, new, missing in (
                ("errors=0", "errors=", "errors: @@ io name=nvme0n1"),
                ("verified=4096 ", "verif ", "verified: @@ io name=nvme0n1"),
                ("written=4096 verified=4096", "written= verified=x", "written, verified: @@ io name=nvme0n1"),
                ("mask=40", "mask=", "mask: @@ device name=sdb"),
                ("driver=nvme pci=0000:00:01.0", "driver=nvme", "pci: @@ device name=nvme0n1"),
                ("lost=0", "lost=", "lost: @@ traced about=nvme0n1"),
                ("pool=lo count=7", "pool=lo count", "count: @@ trace about=sda"),
                ("lo=7 hi=0", "lo=7", "hi: @@ served name=sda"),
                ("used when=end all=2", "used when=end all=", "all: @@ used when=end"),
                ("io_tlb_used=2", "io_tlb_used=", "io_tlb_used: @@ all when=start")):
            self.bad(self.changed(old, new), "record without " + missing)

    def test_records_of_programs(self):
        """Each line that is missing, or has no number, is noticed."""
        def io(phase, drivers):
            lines = [f"@@ io name={name} phase={phase} written=0 verified=1 errors=0"
                     for name, driver, *_ in NAMES if driver in drivers]
            return lines + [f"@@ traced about={phase} lost=0", f"@@ served name={phase} lo=0 hi=0"]

        def console(lines):
            return CONSOLE.replace("@@ end\n", "\n".join(lines) + "\n@@ end\n")

        for test, lines in (
                ("faults", ["@@ faults failslab=9", "@@ faults fail_page_alloc=9"]),
                ("modules", ["@@ modules passed=120"]),
                ("pressure", ["@@ pressure available_kb=9"] * 2),
                ("soak", ["@@ soak rounds=2 edu=4"])):
            phases = {"faults": ["faults"], "soak": ["round1", "round2"]}.get(test, [])
            lines += sum((io(phase, report.USED_BY[test]) for phase in phases), [])
            key = f"test={test}\n"
            self.good(console(lines), key)
            for place, line in enumerate(lines):
                rest = lines[:place] + lines[place + 1:]
                self.bad(console(rest), "record missing", key)
                self.bad(console(rest + [re.sub(r"=\d+$", "=", line)]), "record ", key)
        lines = io("flood", report.USED_BY["overflow"])
        self.good(console(lines), "test=overflow\n")
        self.bad(console(lines[1:]), "record missing: @@ io name=nvme0n1 phase=flood", "test=overflow\n")

    def test_asked(self):
        asked = "CMDLINE=swiotlb=64M,,512M,force\n"
        self.good(CONSOLE, asked)
        # Xen may add words.
        self.good(self.changed(",force", ",force acpi=off"), asked)
        for old, new, told in (("512M,force", "512M,force,x", "cmdline"), ("512M,force", "512M", "cmdline"),
                               ("panic=-1 ", "", "cmdline"),
                               ("begin test=devices", "begin test=none", "begin"),
                               ("kernel 6.12.107", "kernel 6.12.10", "kernel"),
                               ("kernel 6.12.107", "kernel 6.12.1079", "kernel"),
                               ("xen 4.20", "xen 4.2", "xen"), ("xen 4.20", "xen 4.200", "xen")):
            self.bad(self.changed(old, new), f"not what was asked for: @@ {told} ", asked)
            result = make(self.changed(old, new).partition("[   20.0]")[0], asked, "silent")
            self.assertIn(f"not what was asked for: @@ {told} ", " ".join(result.reasons))
        self.good(self.changed("kernel 6.12.107", "kernel 6.12.107+"), asked)
        bare = self.changed("console=hvc0", "console=ttyS0")
        self.bad(bare, "not what was asked for: it runs on Xen", asked + "mode=bare\n")
        bare = self.changed("@@ xen 4.20.4\n", "\n", bare)
        self.good(bare, asked + "mode=bare\n")
        self.bad(self.changed(",force", ",force acpi=off", bare), "@@ cmdline", asked + "mode=bare\n")

    def test_high_water_of_zero(self):
        console = self.changed("used_hiwater=600", "used_hiwater=0")
        self.bad(console, "pool hi: it has bounced, but its high water is 0")
        kunit = re.sub("@@ (device|io|trace|traced|served) .*", "", console)
        self.bad(kunit, "pool hi: it has bounced", "test=none\n")
        self.good(self.changed("bounces=90 bus=0x12", "bounces=0 bus=0x12", kunit), "test=none\n")
        # The selftest of debugfs sets it to 0.
        self.good(console, "test=selftests\n")

    def test_leak(self):
        self.bad(self.changed("@@ used when=end all=2", "@@ used when=end all=9"),
                 "9 slots still in use")
        self.bad(self.changed("@@ used when=end", "@@ unused when=end"),
                 "record missing: @@ used when=end")

    def test_missing_pool_is_one_reason(self):
        """No check is left out because what it looks at is missing, and it is said once."""
        lines = "\n".join(x for x in CONSOLE.split("\n") if "type=hi" not in x)
        for key in ("size=hi 536870912", "hiwater=hi 90", "bounced=hi", "overflow=hi", "pools=lo,hi"):
            found = [r for r in make(lines, key + "\n").reasons if "pool hi" in r and ":" not in r]
            self.assertEqual(found, ["there is no pool hi"], key)
            without = self.changed("swiotlb=64M,,512M", "swiotlb=64M", lines)
            self.bad(without, "there is no pool hi", key + "\n")
        # It was there at the start and is gone at the end.
        early = self.changed("@@ used when=start", "@@ pool when=start type=hi nslabs=1\n"
                             "@@ used when=start", lines)
        self.bad(early, "there is no pool hi")

    def selftest(self, *lines):
        console = self.changed("test=devices", "test=selftests")
        told = "".join(f"@@ ktap t {line}\n" for line in lines)
        return console.replace("@@ end\n", told + "@@ end\n")

    def test_selftest(self):
        want = "test=selftests\nselftest=t 2\n"
        good = ["TAP version 13", "1..2", "ok 1 a", "ok 2 b", "exit status 0"]
        self.assertIn("t: 2 tests, 0 of them skipped", self.good(self.selftest(*good), want).text())
        self.bad(CONSOLE, "selftest t: has not run, want 2 tests", want)
        few = "selftest t: 1 tests have run of 2 announced, want 2"
        self.bad(self.selftest(*good[:3], *good[4:]), few, want)
        self.bad(self.selftest("1..3", *good[2:]), "2 tests have run of 3 announced, want 2", want)
        self.bad(self.selftest(*good[:3], "ok 1 a", good[4]), "2 tests have run of 2", want)
        self.bad(self.selftest(*good[:1], *good[2:]), "of no number announced", want)
        self.bad(self.selftest(*good[:4]), "selftest t: has not ended well", want)
        self.bad(self.selftest(*good[:3], "not ok 2 b", "exit status 1"), "t: not ok 2 b", want)
        self.bad(self.selftest(*good), "selftest t has run, and the scenario does not name it")
        self.bad(self.selftest("1..0 # SKIP no device"), "selftest t has run, and the scenario")
        # A program that says nothing of tests
        self.good(self.selftest("average map latency(us):1.9", "exit status 0"))

    def test_selftest_is_judged_by_all_it_says(self):
        want = "test=selftests\nselftest=t 2\n"
        good = ["1..2", "ok 1 a", "ok 2 b", "exit status 0"]
        self.good(self.selftest(*good), want)
        self.bad(self.selftest(*good, "exit status 1"), "selftest t: has not ended well", want)
        self.bad(self.selftest(*good, "exit status"), "selftest t: has not ended well", want)
        self.bad(self.selftest(*good[:3], "Bail out! no memory", good[3]),
                 "selftest t: Bail out! no memory", want)
        self.bad(self.selftest(*good[:3], "        not ok 1 deep", good[3]),
                 "selftest t: not ok 1 deep", want)
        self.bad(self.selftest(good[0], "ok 1 a", "ok 2 a", good[3]), "selftest t: a has run 2 times", want)
        self.bad(self.selftest("1..0 # SKIP no device", good[3]),
                 "selftest t: was skipped as a whole: no device", want)

    def test_selftest_skips(self):
        want = "test=selftests\nselftest=t 1\n"
        console = self.selftest("1..1", "ok 1 28 bits: sg: no device # SKIP", "exit status 0")
        reason = "selftest t: 28 bits: sg: no device was skipped, and must not be"
        self.bad(console, reason, want)
        self.bad(console, reason, want + "skip=t 30 bits\n")
        self.bad(console, reason, want + "skip=u 28 bits\n")
        self.bad(console, reason, want + "skip=t sg\n")
        self.bad(console.replace("# SKIP", "# skip"), reason, want)
        result = self.good(console, want + "skip=t 28 bits: .*no device\n")
        self.assertIn("1 of them skipped\n  28 bits: sg", result.text())
        self.assertEqual(result.skipped(), [("t", ["28 bits: sg: no device"])])

    def test_said_once(self):
        """What ended the run is not said again by the check of the results."""
        console = self.selftest("1..1", "not ok 1 a", "exit status 1")
        result = make(console, "test=selftests\nselftest=t 1\n",
                      "a test of KUnit or kselftest failed: @@ ktap t not ok 1 a")
        self.assertEqual(len(result.reasons), 1, result.reasons)

    def test_mixed_with_xen(self):
        self.good(self.changed("bus [0x0000000020000000", "bus [0x00(XEN) uart interrupt\n"
                               "00000020000000"))

    def test_balance(self):
        console = self.changed("name=sda lo=7", "name=sda lo=16")
        self.bad(console, "sda: pool lo counts 16 mappings, the trace has 7")
        self.good(self.changed("name=sda lo=16", "name=sda lo=15", console))

    def test_lost_trace_events(self):
        self.bad(self.changed("about=sda lost=0", "about=sda lost=9"),
                 "sda: 9 trace events were lost")
        self.bad(self.changed("@@ traced about=sda lost=0\n", ""),
                 "record missing: @@ traced about=sda")

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
        self.bad(self.changed("nslabs=262144", "slabs=262144"), "want 90 %", "hiwater=hi 90\n")

    def test_size(self):
        self.good(CONSOLE, "size=hi 536870912\n")
        self.bad(CONSOLE, "pool hi: 536870912 bytes, want 1048576", "size=hi 1048576\n")

    KUNIT = """\
[    1.0] KTAP version 1
[    1.0] 1..2
[    1.0]     KTAP version 1
[    1.0]     # Subtest: a-init
[    1.0]     # module: a
[    1.0]     # is_init: true
[    1.0]     1..1
[    1.0] software IO TLB: swiotlb= a message in between
[    1.0]     ok 1 a_parse
[    1.0] ok 1 a-init
[    1.0]     KTAP version 1
[    1.0]     # Subtest: a
[    1.0]     1..2
[    1.0]         KTAP version 1
[    1.0]         # Subtest: a_map
[    1.0]         ok 1 64 bits
[    1.0]     ok 1 a_map
[    1.0]     # a_fill.speed: slow
[    1.0]     ok 2 a_fill
[    1.0] # a: pass:2 fail:0 skip:0 total:2
[    1.0] ok 2 a
"""

    def test_kunit(self):
        want = "kunit=a-init 1\nkunit=a 2\n"
        console = self.KUNIT + CONSOLE
        self.assertIn("a: 2 tests, 0 of them skipped", self.good(console, want).text())
        self.bad(CONSOLE, "KUnit suite a: has not run, want 2 tests", want)
        self.bad(console, "KUnit suite a-init has run, and the scenario does not name it",
                 "kunit=a 2\n")
        self.bad(console, "KUnit suite b: has not run, want 1 tests", want + "kunit=b 1\n")
        self.bad(self.KUNIT + console, "KUnit suite a has run 2 times", want)
        self.bad(console, "KUnit suite a: 2 tests have run of 2 announced, want 3",
                 want.replace("a 2", "a 3"))
        # A suite without its cases, a case that has not run, a suite without its end
        self.bad("ok 1 a-init\nok 2 a\n" + CONSOLE, "suite a: has not run, want 2 tests", want)
        self.bad(self.changed("    ok 2 a_fill\n", "", console),
                 "KUnit suite a: 1 tests have run of 2 announced, want 2", want)
        self.bad(self.changed("ok 2 a\n", "", console), "KUnit suite a: has not ended well", want)

    def test_kunit_failed(self):
        want = "kunit=a-init 1\nkunit=a 2\n"
        console = self.changed("    ok 2 a_fill", "    not ok 2 a_fill", self.KUNIT + CONSOLE)
        console = self.changed(" ok 2 a\n", " not ok 2 a\n", console)
        self.assertEqual(make(console, want).reasons, ["KUnit suite a: not ok 2 a_fill"])
        self.bad(self.changed(" ok 2 a\n", " not ok 2 a\n", self.KUNIT + CONSOLE),
                 "KUnit suite a: not ok 2 a", want)

    def test_kunit_is_judged_by_all_it_says(self):
        want = "kunit=a-init 1\nkunit=a 2\n"
        console = self.KUNIT + CONSOLE
        for old, new, reason in (
                ("        ok 1 64 bits", "        not ok 1 64 bits", "not ok 1 64 bits"),
                ("        ok 1 64 bits", "            not ok 1 deep", "not ok 1 deep"),
                ("    ok 1 a_map", "    ok 1 a_fill", "a_fill has run 2 times"),
                ("ok 2 a\n", "Bail out! no memory\n[    1.0] ok 2 a\n", "Bail out! no memory"),
                ("ok 2 a\n", "ok 2 a\n[    1.0] Bail out! no memory\n", "Bail out! no memory"),
                ("ok 2 a\n", "ok 2 a # SKIP without HI\n", "was skipped as a whole: without HI"),
                ("ok 2 a_fill", "ok 2 a_fill # skip", "a_fill was skipped, and must not be")):
            self.bad(self.changed(old, new, console), "KUnit suite a: " + reason, want)
        # A suite may be skipped if all its cases may.
        console = self.changed("a_parse", "a_parse # SKIP no Xen", console)
        console = self.changed("ok 1 a-init", "ok 1 a-init # SKIP ", console)
        self.good(console, want + "kunit_skip=a-init\\.a_parse\n")
        self.bad(console, "KUnit suite a-init: a_parse was skipped", want)

    def test_kunit_skips(self):
        want = "kunit=a-init 1\nkunit=a 2\n"
        console = self.changed("ok 2 a_fill", "ok 2 a_fill # SKIP without HI", self.KUNIT + CONSOLE)
        reason = "KUnit suite a: a_fill was skipped, and must not be: without HI"
        for allowed in ("", "kunit_skip=a_fill\n", "kunit_skip=a.a_fil\n", "kunit_skip=b.a_fill\n"):
            self.bad(console, reason, want + allowed)
        self.good(console, want + "kunit_skip=a\\.a_fill\n")

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
                                        "name=sda phase=alone wri(XEN) d0: hello\n(XEN) again\n"))
        self.assertEqual(result.devices[2]["bytes_verified"], 4096)

    def test_without_hi(self):
        console = """\
[    0.1] software IO TLB: mapped [mem 0x000000017bc00000-0x000000017fc00000] (64MB)
[   14.0] @@ begin test=none
[   14.0] @@ kernel 6.12.107
[   14.0] @@ xen 4.20.4
[   14.0] @@ cmdline swiotlb=32768,force
[   14.1] @@ debugfs when=start io_tlb_nslabs io_tlb_used io_tlb_used_hiwater
[   14.1] @@ all when=start io_tlb_nslabs=32768 io_tlb_used=0 io_tlb_used_hiwater=9
[   14.1] @@ device name=nvme0n1 driver=nvme pci=0000:00:01.0 mask=64
[   14.1] @@ io name=nvme0n1 phase=alone written=4096 verified=4096 errors=0
[   14.1] @@ trace about=nvme0n1 pci=0000:00:01.0 pool=unnamed count=8
[   90.0] @@ debugfs when=end io_tlb_nslabs io_tlb_used io_tlb_used_hiwater
[   90.0] @@ all when=end io_tlb_nslabs=32768 io_tlb_used=0 io_tlb_used_hiwater=900
[   90.1] @@ end
"""
        result = self.good(console, "test=none\n")
        self.assertEqual(result.pools, [{
            "type": "lo", "slabs": 32768, "bytes": 64 << 20,
            "phys": "0x000000017bc00000-0x000000017fbfffff", "bus": None, "hiwater": 900,
            "bounces": None, "bounced_bytes": None, "failures": None}])
        self.assertEqual(result.devices[0]["pool"], "lo")
        self.bad(console.replace("swiotlb=32768", "swiotlb=65536"),
                 "pool lo: 134217728 bytes asked, 67108864 obtained", "test=none\n")
        self.bad(console.replace("when=start io", "when=start hi io"),
                 "debugfs has a directory hi/ without HI", "test=none\n")
        self.bad(console.replace("hiwater=900", "hiwater=0"), "pool lo: it has bounced, but", "test=none\n")
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
        "a pool or a buffer in pieces": [
            "software IO TLB: hi: out of use: not contiguous or out of reach on the bus",
            "nvme 0000:00:01.0: swiotlb: bounce buffer of 8192 bytes is not contiguous or not aligned in "
            "machine memory"],
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

    def test_split_line(self):
        """A line that Xen has split matches no rule until it is in one piece again."""
        run = watch.Run("", {"allow": [], "limit": "1", "minutes": "", "silence": "1"}, print)
        console = ("[    1.000000] nvme 0000:00:01.0: swiotlb buffer is (XEN) d0v0 says this\n"
                   "full (sz: 4096 bytes), total 512 (slots), used 512 (slots)\nand on\n")
        for line in console.splitlines():
            run.feed(line)
        self.assertIsNone(run.cause)
        self.assertRegex(run.split_line(report.unmix(console)), "^a mapping failed, pool full: nvme")
        self.assertIsNone(run.split_line(report.unmix(console.replace("full", "half"))))


class ScenarioTest(unittest.TestCase):
    def test_all_files(self):
        for name in scenarios.names():
            self.assertTrue(scenarios.load(name)["what"], name)

    def test_bad(self):
        for text in ("colour=red", "what", "mode=efi", "once=(", "count=x", "skip=t (", "skip=t",
                     "selftest=t", "selftest=t x", "host=much", "kunit=1", "kunit=a 0", "kunit_skip=(",
                     "size=hi", "size=mid 5", "hiwater=95", "edu=65", "edu=28,x", "minutes=long",
                     "kernel=no-such", "kernel=debug\npatch=must-fail.patch"):
            with self.assertRaises(scenarios.Bad):
                scenarios.parse("bad", text)
        # A value that cannot be right is named, with its file, its key and what is wanted.
        for text, wanted in (("long=yes", "want 1: for check-long only"), ("long=", "want 1"),
                             ("expect=fial x", "want pass, or: fail <"), ("expect=fail", "want pass"),
                             ("expect=fail (", "missing )"), ("limit=abc", "want seconds in all"),
                             ("limit=0", "want sec"), ("silence=1.5", "want sec"), ("silence=", "want"),
                             ("failures=lo,mid", "want pools"), ("bounced=lo,", "want pools"),
                             ("overflow=lo", "want hi"), ("pools=hi", "want the pools"),
                             ("empty=yes", "want 1"), ("test=", "want programs"),
                             ("test=disks,,net", "want programs"), ("MEM=6", "such as 6G"),
                             ("test=no-such", "there is no boot/guest/no-such"), ("CPUS=0", "want"),
                             ("patch=no-such.patch", "there is no boot/scenarios/no-such.patch"),
                             ("what=", "want one sentence"), ("edu=", "want bits"),
                             ("qemu=-device 'edu", "a quote is not closed")):
            with self.subTest(text), self.assertRaises(scenarios.Bad) as caught:
                scenarios.parse("bad", text)
            self.assertTrue(str(caught.exception).startswith(f"boot/scenarios/bad: {text}: "))
            self.assertIn(wanted, str(caught.exception))
        with self.assertRaises(scenarios.Bad):
            scenarios.load("no-such")

    def user(self, scenario, **variables):
        return scenarios.apply_user(scenario, lambda name: variables.get(name, ""))

    def test_user(self):
        scenario = scenarios.parse("t", "CMDLINE=quiet swiotlb=64M\nonce=x\n")
        found = self.user(scenario, CMDLINE="debug", MEM="8G", CPUS="")
        self.assertEqual((found["CMDLINE"], found["MEM"], found["CPUS"], found["once"]),
                         ("quiet swiotlb=64M debug", "8G", "2", ["x"]))
        xen = dict(scenario, XEN_CMDLINE="dom0_mem=2G,max:2G loglvl=all")
        found = self.user(xen, XEN_CMDLINE="dom0_mem=8G")
        self.assertEqual(found["XEN_CMDLINE"], "loglvl=all dom0_mem=8G")
        found = self.user(xen, XEN_CMDLINE="sync_console")
        self.assertEqual(found["XEN_CMDLINE"], "dom0_mem=2G,max:2G loglvl=all sync_console")
        found = self.user(scenario, CMDLINE="swiotlb=1,,2")
        self.assertEqual((found["CMDLINE"], found["once"]), ("quiet swiotlb=1,,2", []))
        for wrong in ({"MEM": "much"}, {"CPUS": "0"}):
            with self.assertRaises(scenarios.Bad):
                self.user(scenario, **wrong)
        sparse = scenarios.parse("t", "MEM=80G\nhost=4G\n")
        self.assertEqual((self.user(sparse)["host"], self.user(sparse, MEM="8G")["host"]), ("4G", ""))

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

    def test_quotes(self):
        for text, reason in (("-device 'edu", "a quote is not closed"),
                             ("edu\\", "there is nothing after the last backslash")):
            with self.assertRaises(scenarios.Bad) as caught:
                machine.qemu(scenarios.parse("t", ""), text)
            self.assertEqual(str(caught.exception), f"QEMU_EXTRA={text}: {reason}")

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
        self.assertEqual(self.user(scenario)["minutes"], "3")
        self.assertEqual(self.user(scenario, MINUTES="90")["minutes"], "90")
        with self.assertRaises(scenarios.Bad):
            self.user(scenario, MINUTES="many")
        other = scenarios.parse("t", "")
        self.assertEqual(self.user(other, MINUTES="90")["minutes"], "")

    def test_kernels(self):
        for name in os.listdir(scenarios.KERNELS):
            self.assertGreaterEqual(scenarios.slowness(name), 1)
        self.assertGreater(scenarios.slowness("debug"), 1)
        self.assertEqual(scenarios.slowness(""), 1)
        debug = scenarios.parse("t", "kernel=debug\nCMDLINE=dma_debug_driver=x")
        self.assertRegex(machine.kernel_cmdline(debug), "dma_debug_driver=nvme dma_debug_driver=x$")
        scenario = scenarios.parse("t", "kernel=debug\n")
        self.assertIn("kernel-debug/", run.kernel_of(scenario))

    def test_initramfs(self):
        """A kernel with modules brings its own."""
        plain, modules = (scenarios.parse("t", line) for line in ("", "kernel=modules\n"))
        with tempfile.TemporaryDirectory() as build, unittest.mock.patch.object(run, "BUILD", build):
            common = os.path.join(build, "initramfs.cpio")
            self.assertEqual(run.initramfs_of(modules), common)
            own = os.path.join(build, "kernel-modules/initramfs.cpio")
            os.mkdir(os.path.dirname(own))
            with open(own, "wb"):
                pass
            self.assertEqual((run.initramfs_of(plain), run.initramfs_of(modules)), (common, own))

    def test_time_scale(self):
        for text, scale in (("", 1), ("2", 2), ("0.5", 0.5)):
            with unittest.mock.patch.dict(os.environ, SWIOTLB_TIME_SCALE=text):
                self.assertEqual(run.time_scale(), scale)
        for text in ("nan", "inf", "-1", "0", "much"):
            with unittest.mock.patch.dict(os.environ, SWIOTLB_TIME_SCALE=text), \
                 self.assertRaisesRegex(scenarios.Bad, f"^TIME_SCALE={text}: want a number above 0$"):
                run.time_scale()

    def test_verdict(self):
        must_fail = {"expect": "fail sda: served by pool hi"}
        self.assertIsNone(run.verdict(must_fail, ["sda: served by pool hi, whose ..."]))
        self.assertIn("did not notice", run.verdict(must_fail, []))
        self.assertIn("another reason", run.verdict(must_fail, ["kernel oops"]))
        self.assertIsNone(run.verdict({"expect": "pass"}, []))
        self.assertEqual(run.verdict({"expect": "pass"}, ["a", "b"]), "a; b")


if __name__ == "__main__":
    unittest.main()
