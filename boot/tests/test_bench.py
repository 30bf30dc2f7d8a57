# SPDX-License-Identifier: GPL-2.0-only
"""What the benchmark's levels "kernel" and "dom0" read from a console, without a machine.

Here and not in bench/tests, where "report" is another module.
"""
import contextlib
import io
import json
import os
import re
import sys
import tempfile
import unittest

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(TOP, "boot"))
sys.path.append(os.path.join(TOP, "bench"))

# pylint: disable=wrong-import-position
import boots
import dom0
import kernel
import watch

MAPPED = """\
[   10.0] @@ mapped bits=64 threads=1 pages=1 map=24.1 map_dev=7.5 unmap=22.1 unmap_dev=7.5 \
lo=0 hi=5000 slots=2
[   11.0] @@ end
"""
FLOOD = """\
[    9.0] @@ device name=nvme0n1 driver=nvme pci=0000:00:01.0 mask=64
[    9.0] @@ device name=sdb driver=am53c974 pci=0000:00:03.0 mask=32
[   10.0] nvme 0000:00:01.0: swiotlb buffer is full (sz: 4096 bytes), total 512 (slots), used 512
[   15.0] swiotlb_tbl_map_single: 2000 callbacks suppressed
[   15.0] nvme 0000:00:01.0: swiotlb buffer is full (sz: 4096 bytes), total 512 (slots), used 512
[   15.5] WARNING: CPU: 0 PID: 110 at kernel/dma/swiotlb.c:890 swiotlb_bounce+0xf1/0x100
[   16.0] scsi host1: Aborting command [0000000073aa8c66:28]
[   17.0] I/O error, dev sdb, sector 8 op 0x1:(WRITE) flags 0x8800 phys_seg 1 prio class 2
[   18.0] Buffer I/O error on dev sdb, logical block 1, async page read
[   20.0] @@ flood name=sdb bytes_per_s=8000000 errors=3
[   20.0] @@ flood name=nvme0n1 bytes_per_s=90000000 errors=0
[   29.0] @@ all when=end io_tlb_nslabs=512 io_tlb_used=0 io_tlb_used_hiwater=512
"""
POOLS = """\
[    2.303314] software IO TLB: area num 2.
[    2.397061] something else
[    2.403314] SLUB: HWalign=64, Order=0-1, MinObjects=0, CPUs=2, Nodes=1
[    9.000000] @@ all when=end io_tlb_nslabs=32768 io_tlb_used=0 io_tlb_used_hiwater=5
[    9.000000] @@ end
"""
WHERE = {dom0.EXCHANGE: "ffffffff81029940", dom0.AFTER: "ffffffff81bbfc90"}


class BenchTest(unittest.TestCase):
    """Levels with a file of samples each, and consoles instead of boots."""

    def setUp(self):
        work = tempfile.TemporaryDirectory()
        self.addCleanup(work.cleanup)
        self.dir = work.name
        self.out = os.path.join(self.dir, "out")
        self.image = os.path.join(self.dir, "image")
        with open(self.image, "w", encoding="utf-8"):
            pass
        quiet = contextlib.redirect_stderr(io.StringIO())
        self.stderr = quiet.__enter__()
        self.addCleanup(quiet.__exit__, None, None, None)

    def bench(self, *args, kernels=("base", "patched")):
        old, sys.argv = sys.argv, ["bench", "--out", self.out, *args]
        sys.argv += [f"--kernel={name}={self.image}" for name in kernels]
        try:
            bench = boots.Bench("test", "A test.", 3)
        finally:
            sys.argv = old
        self.addCleanup(bench.out.close)
        return bench

    def samples(self):
        with open(self.out, encoding="utf-8") as file:
            found = [json.loads(line) for line in file]
        return {(sample["case"], sample["metric"]): sample["value"] for sample in found}

    def boot(self, console, cause=None):
        return boots.Boot(cause, console, self.dir)

    def test_arguments(self):
        for args in (["--kernel", "x"], ["--kernel", "=x"], ["--kernel", "x=/none"],
                     ["--cases", "("], ["--boots", "0"]):
            with self.assertRaises(SystemExit):
                self.bench(*args)

    def test_in_turn(self):
        self.assertEqual(list(self.bench("--boots=2").in_turn("it")),
                         [(0, "base"), (0, "patched"), (1, "base"), (1, "patched")])
        self.assertEqual(len(list(self.bench("--quick").in_turn("it"))), 2)

    def test_swiotlb(self):
        self.assertEqual(boots.swiotlb("base", 512, "1G"), "swiotlb=512,force")
        self.assertEqual(boots.swiotlb("patched", 512, "1G"), "swiotlb=512,,1G,force")
        self.assertEqual(boots.swiotlb("patched", 512, ""), "swiotlb=512,force")

    def test_no_end(self):
        boot = self.boot("[    1.0] @@ begin\n")
        self.assertIn("no end marker", boot.cause)
        bench = self.bench()
        bench.failure("it", boot)
        self.assertEqual(bench.end(), 1)
        self.assertIn(f"no end marker ({self.dir}/console.log)", self.stderr.getvalue())

    def mapped(self, console, name="patched"):
        bench = self.bench()
        kernel.tell(bench, self.boot(console), "xen", name, 0, (64, 1, 1))
        return bench.end()

    def test_mapped(self):
        self.assertEqual(self.mapped(MAPPED), 0)
        case = "map_benchmark as dom0, 4 KiB, 64-bit device"
        found = self.samples()
        self.assertEqual(found[case, "map"], 3012.5)
        self.assertEqual(found[case, "map + unmap"], 5775.0)

    def test_mapped_wrongly(self):
        for console in (MAPPED.replace("lo=0", "lo=60"), MAPPED.replace("slots=2", "slots=1"),
                        MAPPED.replace("hi=5000", "hi=0"), MAPPED.replace("unmap_dev=7.5", ""),
                        MAPPED.replace("threads=1", "threads=2")):
            self.assertEqual(self.mapped(console), 1, console)
            self.assertEqual(self.samples(), {})
        # One pool is all that it has.
        self.assertEqual(self.mapped(MAPPED.replace("hi=5000", "hi=0"), "base"), 0)

    def test_flood(self):
        bench = self.bench()
        dom0.disk_samples(bench, self.boot(FLOOD), "fio", "base", 0)
        self.assertEqual(bench.end(), 0)
        self.assertEqual(self.samples(), {
            ("fio, nvme 0", "throughput"): 90.0, ("fio, nvme 0", "I/O errors seen by fio"): 0,
            ("fio, nvme 0", "I/O errors in the log"): 0,
            ("fio, am53c974", "throughput"): 8.0, ("fio, am53c974", "I/O errors seen by fio"): 3,
            ("fio, am53c974", "I/O errors in the log"): 2,
            ("fio", '"full" events in the log, at least'): 2002,
            ("fio", "kernel warnings"): 1, ("fio", "commands aborted"): 1,
            ("fio", "low memory used at most"): 1024})

    def test_flood_without_disks(self):
        bench = self.bench()
        dom0.disk_samples(bench, self.boot("[    1.0] @@ end\n"), "fio", "base", 0)
        self.assertEqual(bench.end(), 1)

    def test_wrong_is_allowed(self):
        """What is counted does not end the run, and a crash does."""
        allow = [line.partition("=")[2] for line in dom0.WRONG.splitlines()]
        rules = watch.Rules(watch.load_rules(), allow)
        for line in FLOOD.splitlines():
            self.assertIsNone(rules.check("console", line))
        for line in ("Kernel panic - not syncing: it", "BUG: unable to handle page fault", "Oops: 0"):
            self.assertIsNotNone(rules.check("console", line))

    def pools(self, console, log):
        with open(os.path.join(self.dir, "qemu.log"), "w", encoding="utf-8") as file:
            file.write(log)
        bench = self.bench()
        dom0.pool_samples(bench, self.boot(console), "boot", "base", WHERE)
        return bench.end(), {metric: value for (_, metric), value in self.samples().items()}

    def test_pools(self):
        enter = f"Trace 0: 0x7f84 [0000000000000000/{WHERE[dom0.EXCHANGE]}/0050cab3/ff020000] \n"
        after = enter.replace(WHERE[dom0.EXCHANGE], WHERE[dom0.AFTER])
        stopped = enter.replace("Trace 0:", "Stopped execution of TB chain before")
        log = "Linking TBs\n" + enter * 3 + enter + stopped + after + enter * 7
        self.assertEqual(self.pools(POOLS, log), (0, {
            "making the pools": 12.5, "size": 64, "segments": 256, "exchanges": 3}))
        self.assertEqual(self.pools(POOLS, enter)[0], 1)
        self.assertEqual(self.pools(POOLS.replace("SLUB", "SLAB"), log)[0], 1)
        none = "[    3.0] software IO TLB: No low mem\n"
        self.assertEqual(self.pools(re.sub(".*@@ all.*\n", none, POOLS), log)[1]["size"], 0)

    def test_addresses(self):
        deep = os.path.join(self.dir, "arch/x86/boot")
        os.makedirs(deep)
        image = os.path.join(deep, "bzImage")
        self.assertIsNone(dom0.addresses(image))
        with open(os.path.join(self.dir, "System.map"), "w", encoding="utf-8") as file:
            for name, address in WHERE.items():
                file.write(f"{address} T {name}\n{address} t {name}.part.0\n")
        self.assertEqual(dom0.addresses(image), WHERE)


if __name__ == "__main__":
    unittest.main()
