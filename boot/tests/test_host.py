# SPDX-License-Identifier: GPL-2.0-only
"""What a boot takes of the host, and that it gives it back, with a script as QEMU."""
import os
import signal
import subprocess
import sys
import tempfile
import time
import unittest
import unittest.mock

BOOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, BOOT)

# pylint: disable=wrong-import-position
import host
import run
import scenario as scenarios

GIB = 1 << 30


class ShortageTest(unittest.TestCase):
    def shortage(self, text, memory=64 * GIB, disk=GIB):
        return host.shortage(scenarios.parse("t", text), "/build", lambda: memory, lambda _: disk)

    def test_memory(self):
        self.assertIsNone(self.shortage("MEM=6G"))
        self.assertEqual(self.shortage("MEM=6G", memory=4 * GIB),
                         "MEM=6G needs 4864 MiB of the host's memory, 4096 MiB are available")
        self.assertIsNone(self.shortage("MEM=3G", memory=4 * GIB))
        self.assertIn("needs 3072 MiB", self.shortage("MEM=80G\nhost=3G", memory=2 * GIB))
        self.assertIsNone(self.shortage("MEM=80G\nhost=3G", memory=4 * GIB))
        # A kernel that does not tell
        self.assertIsNone(self.shortage("MEM=6G", memory=None))

    def test_disk(self):
        self.assertEqual(self.shortage("", disk=100 << 20),
                         "a boot needs 320 MiB of disk, /build has 100 MiB free")

    def test_this_host(self):
        self.assertGreater(host.memory_free(), 0)
        self.assertGreater(host.disk_free("/"), 0)
        self.assertIsNone(host.memory_free("/no/such/file"))


class QemuTest(unittest.TestCase):
    """boot/run.py with a QEMU that writes its number and waits."""

    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.build = directory.name
        for path in ("kernel/arch/x86/boot/bzImage", "initramfs.cpio", "bin/qemu-system-x86_64"):
            path = os.path.join(self.build, path)
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, "w", encoding="ascii") as file:
                file.write("#!/bin/sh\necho $$ >pid.tmp\nmv pid.tmp pid\nexec sleep 600\n")
            os.chmod(path, 0o755)

    def start(self, *before, **variables):
        path = os.path.join(self.build, "bin") + ":" + os.environ["PATH"]
        environment = os.environ | {"SWIOTLB_BUILD": self.build, "PATH": path} | variables
        process = subprocess.Popen(
            [*before, sys.executable, "-B", os.path.join(BOOT, "run.py"), "bare-no-hi"],
            env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self.addCleanup(process.stdout.close)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        return process

    def wait_for(self, what):
        end = time.monotonic() + 20
        while time.monotonic() < end:
            if found := what():
                return found
            time.sleep(0.05)
        self.fail("waited for 20 s in vain")

    def qemu(self):
        """Its number, once it runs."""
        try:
            with open(os.path.join(self.build, "runs/latest/pid"), encoding="ascii") as file:
                return int(file.read())
        except FileNotFoundError:
            return None

    @staticmethod
    def is_gone(pid):
        """Ended, if not yet waited for."""
        try:
            with open(f"/proc/{pid}/stat", encoding="ascii") as file:
                return file.read().rpartition(")")[2].split()[0] == "Z"
        except (FileNotFoundError, ProcessLookupError):
            return True

    def test_signals(self):
        for number in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM, signal.SIGKILL):
            with self.subTest(number.name):
                process = self.start("env", "--default-signal=HUP,INT")
                pid = self.wait_for(self.qemu)
                self.assertFalse(self.is_gone(pid))
                process.send_signal(number)
                process.wait(20)
                self.wait_for(lambda pid=pid: self.is_gone(pid))
                if number != signal.SIGKILL:
                    self.assertEqual(process.returncode, 130)
                    self.assertIn("interrupted", process.stdout.read())
                os.remove(os.path.join(self.build, "runs/latest/pid"))

    def test_nohup(self):
        process = self.start("env", "--ignore-signal=HUP")
        pid = self.wait_for(self.qemu)
        process.send_signal(signal.SIGHUP)
        time.sleep(1)
        self.assertIsNone(process.poll())
        self.assertFalse(self.is_gone(pid))

    def test_another_kernel(self):
        """qemu-cmd says when it does not boot what was booted at first."""
        kernel = os.path.join(self.build, "kernel/arch/x86/boot/bzImage")
        link = os.path.join(self.build, "link")
        os.symlink(kernel, link)
        scenario = scenarios.parse("t", "mode=bare\n")
        with unittest.mock.patch.object(run, "BUILD", self.build), \
             unittest.mock.patch.dict(os.environ, SWIOTLB_KERNEL=link):
            rundir, _ = run.prepare(scenario)
        self.assertEqual(os.readlink(os.path.join(rundir, "kernel")), os.path.realpath(kernel))

        def said():
            path = os.path.join(self.build, "bin") + ":" + os.environ["PATH"]
            with open(os.path.join(self.build, "bin/qemu-system-x86_64"), "w", encoding="ascii") as file:
                file.write("#!/bin/sh\n")
            return subprocess.run([os.path.join(rundir, "qemu-cmd")], env=os.environ | {"PATH": path},
                                  stderr=subprocess.PIPE, text=True, check=True).stderr

        self.assertEqual(said(), "")
        with open(kernel, "a", encoding="ascii") as file:
            file.write("# another\n")
        self.assertRegex(said(), "(?m)^Not the files of the first boot$")

    def test_time_scale(self):
        process = self.start(SWIOTLB_TIME_SCALE="nan")
        self.assertEqual(process.wait(20), 2)
        self.assertEqual(process.stdout.read(), "error: TIME_SCALE=nan: want a number above 0\n")

    def test_shortage(self):
        process = self.start(SWIOTLB_MEM="900000G")
        self.assertEqual(process.wait(20), 1)
        said = process.stdout.read()
        self.assertRegex(said, r"^not ok bare-no-hi - MEM=900000G needs \d+ MiB of the host's memory, "
                               r"\d+ MiB are available\n$")
        self.assertFalse(os.path.exists(os.path.join(self.build, "runs")))
        shell = subprocess.run([sys.executable, "-B", os.path.join(BOOT, "run.py"), "--shell"],
                               env=os.environ | {"SWIOTLB_BUILD": self.build, "SWIOTLB_MEM": "900000G"},
                               stderr=subprocess.PIPE, text=True, check=False)
        self.assertEqual(shell.returncode, 2)
        self.assertRegex(shell.stderr, r"^error: MEM=900000G needs \d+ MiB")


if __name__ == "__main__":
    unittest.main()
