# SPDX-License-Identifier: GPL-2.0-only
"""The watching of a run, with a shell script in the place of QEMU."""
import hashlib
import os
import subprocess
import sys
import tempfile
import time
import unittest

BOOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, BOOT)

# pylint: disable=wrong-import-position
import scenario as scenarios
import watch


class RunTest(unittest.TestCase):
    def run_script(self, script, limit="20", silence="20"):
        with tempfile.TemporaryDirectory() as rundir:
            with open(os.path.join(rundir, "qemu-cmd"), "w", encoding="utf-8") as file:
                file.write(f"cd {rundir}\n{script}\n")
            scenario = scenarios.parse("t", f"what=t\nlimit={limit}\nsilence={silence}\n")
            start = time.monotonic()
            self.told = []
            cause = watch.Run(rundir, scenario, self.told.append).run()
            self.seconds = time.monotonic() - start
            return cause

    def test_normal_end(self):
        self.assertIsNone(self.run_script("echo '@@ begin'; echo '@@ phase sda'; echo '@@ end'"))
        self.assertLess(self.seconds, 5)
        self.assertIn("power off", self.told[-1])

    def test_oops_ends_the_run(self):
        cause = self.run_script("echo; echo 'BUG: unable to handle page fault'; sleep 60")
        self.assertIn("kernel BUG: BUG: unable", cause)
        self.assertLess(self.seconds, 10)

    def test_oops_after_the_end(self):
        self.assertIn("kernel BUG", self.run_script("echo '@@ end'; echo 'kernel BUG at x.c:1!'"))

    def test_clamping(self):
        cause = self.run_script("echo 'EDU: clamping DMA 0x1 to 0x0!' >qemu.log; sleep 60")
        self.assertIn("clamped", cause)
        self.assertLess(self.seconds, 10)

    def test_clamping_at_the_end(self):
        cause = self.run_script("echo '@@ end'; echo 'EDU: clamping DMA 0x1 to 0x0!' >qemu.log")
        self.assertIn("clamped", cause)

    def test_clamping_printed_at_the_end(self):
        cause = self.run_script("echo '@@ end'; echo 'EDU: clamping DMA 0x1 to 0x0!'")
        self.assertIn("clamped", cause)

    def test_silence(self):
        cause = self.run_script("echo '@@ phase sda'; sleep 60", silence="1")
        self.assertEqual(cause, "silent for 1 s, in phase: sda")
        self.assertLess(self.seconds, 10)

    def test_limit(self):
        cause = self.run_script("while echo noise; do sleep 0.1; done", limit="1")
        self.assertEqual(cause, "not finished after 1 s, in phase: start")
        self.assertLess(self.seconds, 10)

    def test_machine_ends(self):
        cause = self.run_script("echo hello; echo 'no such device' >&2; exit 1")
        self.assertEqual(cause, "the machine ended without the end marker (QEMU: no such device)")

    def test_not_switched_off(self):
        watch.POWEROFF = 1
        self.assertEqual(self.run_script("echo '@@ end'; sleep 60"),
                         "the machine did not switch itself off")


class PeerTest(unittest.TestCase):
    PEER = os.path.join(BOOT, "nic-peer")

    def test_send(self):
        out = subprocess.run([self.PEER, "send"], stdout=subprocess.PIPE, check=True).stdout
        self.assertEqual(out[:64].decode(), hashlib.sha256(out[65:]).hexdigest())
        self.assertGreater(len(out), 1 << 20)

    def test_take(self):
        data = b"data" * 1000
        for sent, same in ((data, True), (data[:-1] + b"x", False), (data[:-1], False)):
            out = subprocess.run([self.PEER, "take"], input=b"4000\n" + sent,
                                 stdout=subprocess.PIPE, check=True).stdout
            self.assertEqual(out.decode().strip() == hashlib.sha256(data).hexdigest(), same)


if __name__ == "__main__":
    unittest.main()
