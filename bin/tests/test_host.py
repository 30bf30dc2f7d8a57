# SPDX-License-Identifier: GPL-2.0-only
"""What the commands do to the machine that they run on: in a copy of the repository, with
a home of its own, without the network and without a kernel."""
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
import unittest

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
with open(os.path.join(TOP, "patches", "default"), encoding="utf-8") as default:
    BASE = default.read().strip()
NO_ROOM = "(?m)^error: not enough free disk for .*: it takes [0-9]+ MiB, and .* has 99 MiB left\n\\Z"
YES_OR_NO = ("SIGNOFF", "QUICK", "PUBLISH", "DEBUG", "BOUNDS")
ODD = """a "b" $c $(date) 'd' `e` # \\f %s  ; é"""


def alive(session):
    """The processes of a session."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/stat", encoding="utf-8") as file:
                fields = file.read().rsplit(")", 1)[1].split()
        except OSError:
            continue
        if int(fields[3]) == session and fields[0] != "Z":
            found.append(int(pid))
    return found


def wait_for(condition):
    for _ in range(100):
        if condition():
            return True
        time.sleep(0.1)
    return False


class HostTest(unittest.TestCase):
    def setUp(self):
        self.tmp = os.path.realpath(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, self.tmp)
        self.top = os.path.join(self.tmp, "top")
        for name in ("bin", "boot", "bench", "patches"):
            shutil.copytree(os.path.join(TOP, name), os.path.join(self.top, name), symlinks=True)
        shutil.copy(os.path.join(TOP, "Makefile"), self.top)
        self.build = os.path.join(self.top, "build", BASE)
        self.env = {"PATH": os.environ["PATH"], "HOME": self.path("home"), "LC_ALL": "C.UTF-8"}
        os.mkdir(self.env["HOME"])

    def path(self, *names):
        return os.path.join(self.tmp, *names)

    def write(self, name, text="x\n", mode=0o644):
        path = self.path(name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        os.chmod(path, mode)
        return path

    def run_it(self, *command, **env):
        return subprocess.run(command, cwd=self.top, env=self.env | env, text=True, check=False,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, timeout=120)

    def bash(self, script, **env):
        return self.run_it("bash", "-c", '. bin/lib.sh; ' + script, **env)

    def passes(self, *command, **env):
        done = self.run_it(*command, **env)
        self.assertEqual(done.returncode, 0, done.stdout)
        return done.stdout

    def fails(self, *command, **env):
        done = self.run_it(*command, **env)
        self.assertNotEqual(done.returncode, 0, done.stdout)
        return done.stdout


class CleanTest(HostTest):
    def setUp(self):
        super().setUp()
        self.victim = self.path("victim")
        self.kept = self.write("victim/kept")

    def test_environment(self):
        self.passes("make", "clean", BUILD=self.victim)
        self.assertTrue(os.path.exists(self.kept))
        self.passes("bin/clean", BUILD=self.victim)
        self.assertTrue(os.path.exists(self.kept))

    def test_argument(self):
        for env in ({}, {"SWIOTLB_BUILD": self.victim}):
            said = self.fails("make", "clean", *([] if env else [f"BUILD={self.victim}"]), **env)
            self.assertIn(f"{self.victim} holds files that were not built here", said)
            self.assertEqual(os.listdir(self.victim), ["kept"])

    def test_own(self):
        self.passes("make", "clean")
        for name in ("linux/work", "linux.stamp", "own.git/HEAD", "kernel/vmlinux", "xen", ".x/y"):
            self.write(os.path.join(self.build, name))
        os.symlink(self.victim, os.path.join(self.build, "link"))
        os.symlink(self.victim, os.path.join(self.build, "kernel", "link"))
        said = self.passes("make", "clean")
        self.assertEqual(sorted(os.listdir(self.build)),
                         [".swiotlb-build", "linux", "linux.stamp", "own.git"])
        self.assertTrue(os.path.exists(self.kept))
        self.assertIn(f"kept: {self.build}/linux, since", said)

    def test_no_such_folder(self):
        new = self.path("new")
        self.assertEqual(self.fails("make", "-s", "clean", f"BUILD={new}").splitlines()[0],
                         f"error: BUILD={new}: there is no such folder")
        self.assertFalse(os.path.exists(new))

    def test_links(self):
        """A build folder that leads elsewhere, with our file in it or without."""
        for link in (self.build, os.path.dirname(self.build)):
            target = self.victim
            if link != self.build:
                target = os.path.join(self.victim, BASE)
                shutil.rmtree(os.path.dirname(self.build))
                self.write(f"victim/{BASE}/kept")
            os.makedirs(os.path.dirname(link), exist_ok=True)
            os.symlink(self.victim, link)
            self.assertIn("were not built here", self.fails("make", "clean"))
            self.write(os.path.join(target, ".swiotlb-build"))
            self.assertIn(f"symbolic link to {target}", self.fails("make", "clean"))
            self.assertTrue(os.path.exists(os.path.join(target, "kept")))
            os.remove(os.path.join(target, ".swiotlb-build"))
            os.remove(link)
            os.makedirs(os.path.dirname(self.build), exist_ok=True)


class SettingsTest(HostTest):
    def setUp(self):
        super().setUp()
        with open(os.path.join(TOP, "Makefile"), encoding="utf-8") as file:
            text = re.search(r"(?m)^VARIABLES := ((?:.*\\\n)*.*)$", file.read())[1]
        self.names = re.findall("[A-Z_]+", text)
        # In place of the checks, a program that says what it was told.
        self.write("top/bin/check", '#!/bin/bash\n. "$(dirname "$0")/../bin/lib.sh"\nenv -0 >"$top/env"\n', 0o755)

    def told(self):
        with open(os.path.join(self.top, "env"), encoding="utf-8") as file:
            return dict(item.split("=", 1) for item in file.read().split("\0") if item)

    def test_arguments(self):
        values = {name: "1" if name in YES_OR_NO else f"{name} {ODD}" for name in self.names
                  if name not in ("BASE", "BUILD")}
        self.passes("make", "check", *(f"{name}={value}" for name, value in values.items()))
        told = self.told()
        for name, value in values.items():
            self.assertEqual(told["SWIOTLB_" + name], value)
            self.assertNotIn(name, told)
        self.assertFalse({"MAKEFLAGS", "MAKEOVERRIDES"} & set(told))

    def test_unknown(self):
        """A variable that does not exist is an error, not V=1 or those of a make that calls this."""
        said = self.fails("make", "-s", "check", "PART=kunit", "MEM=8G", "CMD=x=y z")
        self.assertRegex(said, r"\*\*\* there is no variable (PART CMD|CMD PART); make help lists all\.")
        self.assertFalse(os.path.exists(os.path.join(self.top, "env")))
        self.passes("make", "-j2", "check", "V=1", "CMDLINE=a PART=b")
        self.write("outer.mk", f"all:\n\t$(MAKE) -C {self.top} check\n")
        self.passes("make", "-f", self.path("outer.mk"), "O=x", "MEM=8G")
        self.assertEqual(self.told()["SWIOTLB_MEM"], "8G")

    def test_help(self):
        said = self.passes("make", "-s")
        for name in self.names:
            self.assertRegex(said, rf"\b{name}=")

    def test_first(self):
        """What a boot cannot use is an error before anything is fetched or built for it."""
        self.write("top/bin/install-packages", "#!/bin/sh\necho began\nfalse\n", 0o755)
        for name, value, said in (
                ("MEM", "6", "want a size such as 6G or 4096M"), ("CPUS", "two", "want a number"),
                ("TIME_SCALE", "0", "want a number above 0"),
                ("MINUTES", "x", "want a number of minutes"),
                ("KERNEL", "nosuch", "there is no such file, or it cannot be read"),
                ("QEMU_EXTRA", "-device 'edu", "a quote is not closed")):
            for target in ("dom0", "shell", "soak", "debug", "dynamic"):
                self.assertEqual(self.fails("make", "-s", target, f"{name}={value}").splitlines()[0],
                                 f"error: {name}={value}: {said}")
        self.write("top/image")
        self.assertEqual(self.fails("make", "-s", "dom0", "KERNEL=image", "MEM=4096M").splitlines()[0],
                         "began")

    def test_tests_take_none(self):
        """A test with another command line or machine would prove something else."""
        given = {"SWIOTLB_" + name: "1" for name in (
            "CMDLINE", "XEN_CMDLINE", "MEM", "CPUS", "QEMU_EXTRA", "MINUTES", "KERNEL", "CONFIG")}
        kept = {"SWIOTLB_" + name: "1" for name in ("TIME_SCALE", "INSTALL", "LINUX")}
        shutil.copy(os.path.join(TOP, "bin", "check"), os.path.join(self.top, "bin"))
        self.write("top/bin/install-packages", '#!/bin/sh\nenv -0 >env\nfalse\n', 0o755)
        said = self.fails("bin/check", **given, **kept)
        self.assertIn("warning: tests have settings of their own, so these are ignored: "
                      "CMDLINE CONFIG CPUS KERNEL MEM MINUTES QEMU_EXTRA XEN_CMDLINE\n", said)
        self.assertFalse(set(given) & set(self.told()))
        for name, value in kept.items():
            self.assertEqual(self.told()[name], value)

    def test_relative_build(self):
        """It stays the same folder for a script that another has started elsewhere."""
        self.write("top/bin/inner", '#!/bin/bash\n. "$(dirname "$0")/../bin/lib.sh"\necho "$build"\n',
                   0o755)
        done = self.bash('cd "$cache"; "$top/bin/inner"', SWIOTLB_BUILD="../rel")
        self.assertEqual(done.stdout, self.path("rel") + "\n")
        done = self.bash('cd "$cache"; "$top/bin/inner"; env')
        self.assertEqual(done.stdout.splitlines()[0], self.build)
        self.assertNotIn("SWIOTLB_BUILD", done.stdout)

    def test_environment(self):
        for flags in ([], ["-e"]):
            said = self.passes("make", *flags, "check", **{name: "/nonsense" for name in self.names})
            self.assertIn("ignored", said)
            told = self.told()
            for name in self.names:
                self.assertNotIn("SWIOTLB_" + name, told)
                self.assertNotIn(name, told)
        self.assertEqual(self.passes("make", "check"), "")

    def test_prefixed(self):
        """Of the environment, so that scripts can be told without make."""
        self.passes("bin/check", SWIOTLB_MEM="7G")
        self.assertEqual(self.told()["SWIOTLB_MEM"], "7G")
        self.passes("make", "check", "MEM=8G", SWIOTLB_MEM="7G")
        self.assertEqual(self.told()["SWIOTLB_MEM"], "8G")

    def test_clock(self):
        """SECONDS= of make and of the environment is not the shell's own."""
        done = self.bash("echo $SECONDS; env", SECONDS="1000")
        self.assertLess(int(done.stdout.splitlines()[0]), 100, done.stdout)
        self.assertNotIn("\nSECONDS=", done.stdout)

    def test_machine(self):
        """The machine that a run gets."""
        self.write(os.path.join(self.build, ".swiotlb-build"))
        for name in ("kernel/arch/x86/boot/bzImage", "initramfs.cpio", "xen"):
            self.write(os.path.join(self.build, name))
        self.write("top/build/other")
        program = ("import sys; sys.path.insert(0, 'boot'); import run, scenario; "
                   "print(run.prepare(scenario.apply_user(scenario.load('forced'), run.setting))[1], "
                   "run.kernel_of(scenario.load('forced')), run.time_scale())")
        values = {"MEM": "7G", "CPUS": "3", "CMDLINE": 'x="$y z"', "XEN_CMDLINE": "sync_console",
                  "QEMU_EXTRA": "-device 'a b'", "KERNEL": "build/other", "TIME_SCALE": "2"}
        env = {"SWIOTLB_BUILD": self.build}
        said = self.passes("python3", "-B", "-c", program, **env, **values)
        for text in ("7G", "-smp 3", "$y", "sync_console", "a b", "build/other", " 2.0"):
            self.assertNotIn(text, said)
        env |= {"SWIOTLB_" + name: value for name, value in values.items()}
        said = self.passes("python3", "-B", "-c", program, **env)
        for text in ("-m 7G", "-smp 3", 'x="$y z"', "sync_console", "-device 'a b'",
                     f"{self.top}/build/other 2.0"):
            self.assertIn(text, said)


    def test_yes_or_no(self):
        for value, told in (("1", "1"), ("0", None), ("no", None), ("", None)):
            self.passes("make", "check", *(f"{name}={value}" for name in YES_OR_NO))
            for name in YES_OR_NO:
                self.assertEqual(self.told().get("SWIOTLB_" + name), told)
        for name in YES_OR_NO:
            for value in ("yes", "2", "1 0"):
                self.assertEqual(self.fails("make", "-s", "check", f"{name}={value}").splitlines()[0],
                                 f"error: {name}={value}: want 1 for yes; 0, no or nothing for no")

    def test_bench(self):
        said = self.fails("make", "bench", "QUICK=1", "PUBLISH=1")
        self.assertIn("figures of --quick are not to be published", said)
        # With neither it gets as far as the levels.
        said = self.fails("make", "bench", "QUICK=0", "PUBLISH=no", "BOUNDS=", "LEVELS=x")
        self.assertIn("error: x: want", said)
        # Where it builds is not for it to say.
        self.assertEqual(self.fails("python3", "-B", "bench/allocator.py"),
                         "error: start this through bench/allocator\n")

    def test_static(self):
        for words in ([], ["slow"], ["quick", "1/3"], ["long", "4/3"], ["long", "1/3", "1/3"],
                      ["long", "W=1", "1/3"], ["quick", "lint"]):
            self.assertRegex(self.fails("bin/check-static", *words),
                             r"^error: (no check '.*'; )?usage: check-static long .*\n$")

    def test_usage(self):
        """What a script does not know is an error in its own words, before it does anything."""
        for words in (["bin/assemble", "--exakt"], ["bin/assemble", "--exact", "x"],
                      ["bin/check-series", "x"], ["bin/unit-tests", "x"], ["bin/clean", "x"],
                      ["bin/deb", "x"], ["bin/fetch-deb"], ["bin/fetch-deb", "a", "b"],
                      ["bin/commit-series"], ["boot/patched-kernel"], ["boot/on-kernel"],
                      ["boot/on-kernel", "nosuch"], ["boot/on-kernel", "--list"],
                      ["boot/on-kernel", "debug", "x"], ["boot/settings", "x"],
                      ["bin/export", "a", "b", "c"], ["bin/boot-patches", "1/1", "no-hi", "x"]):
            name = os.path.basename(words[0])
            self.assertRegex(self.fails(*words), rf"\Aerror: usage: {name}\b.*\n\Z")
        self.assertEqual(self.passes("boot/on-kernel", "--list", "dynamic"),
                         "kunit-bare kunit bare forced\n")

    def test_no_such_scenario(self):
        """Before a kernel is built for it"""
        self.write("top/bin/build-kernel", "#!/bin/sh\necho built\nfalse\n", 0o755)
        for words in (["bin/boots"], ["bin/boots", "forced"], ["bin/boots", "quick"],
                      ["bin/boot-patches", "1/1"]):
            self.assertEqual(self.fails(*words, "nosuch"), "error: there is no scenario "
                             f"'{'quick' if 'quick' in words else 'nosuch'}'; "
                             "boot/scenario --list lists them\n")
        self.assertIn("'must-fail.patch'", self.fails("bin/boots", "must-fail.patch"))
        for words in (["bin/boots", "forced"], ["bin/boots", "quick"], ["bin/boots", "debug"],
                      ["bin/boot-patches", "1/1"]):
            self.assertEqual(self.fails(*words), "built\n")

    def test_no_home(self):
        del self.env["HOME"]
        self.assertEqual(self.fails("bin/check"), "error: neither HOME nor XDG_CACHE_HOME is set, so "
                         "there is no place for what is downloaded\n")
        self.passes("bin/check", XDG_CACHE_HOME=self.path("cache"))


class GitTest(HostTest):
    """LINUX= names a tree whose git configuration would run programs."""

    def git(self, *arguments):
        subprocess.run(["git", "-C", self.path("linux"), "-c", "user.name=t", "-c", "user.email=t@t",
                        "-c", "core.fsmonitor=false", "-c", "filter.evil.process=",
                        "-c", "filter.evil.clean=", "-c", "filter.evil.smudge=", *arguments], env=self.env, check=True,
                       stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)

    def setUp(self):
        super().setUp()
        self.write("linux/Makefile", "VERSION = 6\nPATCHLEVEL = 12\nSUBLEVEL = 1\nEXTRAVERSION =\n")
        self.write("linux/kernel/dma/swiotlb.c")
        self.write("linux/.gitignore", "*.o\n")
        self.write("linux/.gitattributes", "*.c filter=evil diff=evil merge=evil export-subst\n")
        self.git("init", "-q")
        self.git("add", ".")
        self.git("commit", "-qm", "x")
        self.proof = self.path("proof")
        evil = self.write("evil", f'#!/bin/sh\necho "$0 $*" >>{self.proof}\ncat\n', 0o755)
        for key in ("core.fsmonitor", "core.sshCommand", "core.pager", "core.editor", "core.alternateRefsCommand",
                    "diff.external", "diff.evil.command", "diff.evil.textconv", "filter.evil.clean",
                    "filter.evil.smudge", "filter.evil.process", "merge.evil.driver", "gpg.program",
                    "tar.tar.command", "uploadpack.packObjectsHook", "credential.helper"):
            self.git("config", key, evil)
        for key in ("alias.rev-parse", "alias.archive", "alias.status"):
            self.git("config", key, "!" + evil)
        self.git("config", "core.hooksPath", self.path("hooks"))
        for hook in ("post-index-change", "reference-transaction", "post-checkout", "pre-commit"):
            self.write(f"hooks/{hook}", f"#!/bin/sh\necho {hook} >>{self.proof}\n", 0o755)
            shutil.copy(self.path(f"hooks/{hook}"), self.path("linux/.git/hooks"))

    def fetch(self):
        return self.passes("bin/fetch-linux", SWIOTLB_LINUX=self.path("linux"))

    def files(self):
        return subprocess.run(["git", "--git-dir", os.path.join(self.build, "base.git"), "ls-tree", "-r",
                               "--name-only", "base"], env=self.env, check=True, text=True,
                              stdout=subprocess.PIPE).stdout.split()

    def test_victim_works(self):
        """Otherwise the tests below would prove nothing."""
        subprocess.run(["git", "-C", self.path("linux"), "status"], env=self.env, check=False,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.assertTrue(os.path.exists(self.proof))

    def test_nothing_runs(self):
        index = self.path("linux/.git/index")
        self.assertNotIn("uncommitted", self.fetch())
        self.assertIn("kernel/dma/swiotlb.c", self.files())
        self.write("linux/kernel/dma/swiotlb.c", "changed\n")
        self.assertIn("uncommitted", self.fetch())
        self.assertFalse(os.path.exists(self.proof))
        self.git("commit", "-qam", "y", "--no-verify")
        if os.path.exists(self.proof):  # hooks of the commit
            os.remove(self.proof)
        with open(index, "rb") as file:
            before = file.read()
        self.assertNotIn("uncommitted", self.fetch())
        self.assertFalse(os.path.exists(self.proof))
        with open(index, "rb") as file:
            self.assertEqual(file.read(), before)

    def test_copied(self):
        """What was read stays when the tree is gone."""
        self.fetch()
        shutil.rmtree(self.path("linux"))
        said = subprocess.run(["git", "--git-dir", os.path.join(self.build, "base.git"), "cat-file", "-p",
                               "base:kernel/dma/swiotlb.c"], env=self.env, check=True, text=True,
                              stdout=subprocess.PIPE).stdout
        self.assertEqual(said, "x\n")

    def test_worktree(self):
        self.git("worktree", "add", "-q", self.path("other"), "HEAD")
        if os.path.exists(self.proof):
            os.remove(self.proof)
        self.assertIn("Copying", self.passes("bin/fetch-linux", SWIOTLB_LINUX=self.path("other")))
        self.assertFalse(os.path.exists(self.proof))

    def test_nested(self):
        shutil.move(self.path("linux/.git"), self.path("linux/kernel/.git"))
        for _ in range(2):
            said = self.fails("bin/fetch-linux", SWIOTLB_LINUX=self.path("linux"))
            self.assertIn("linux/kernel is a git repository inside", said)
        self.assertFalse(os.path.exists(self.proof))

    def test_plain(self):
        shutil.rmtree(self.path("linux/.git"))
        self.assertIn("Reading", self.fetch())
        self.assertIn("Makefile", self.files())


class MachineTest(HostTest):
    def without(self, *names):
        """A PATH with all programs but these."""
        folder = self.path("path")
        os.mkdir(folder)
        for place in reversed(os.environ["PATH"].split(":")):
            for name in os.listdir(place) if os.path.isdir(place) else ():
                link = os.path.join(folder, name)
                if os.path.lexists(link):
                    os.remove(link)
                if not re.fullmatch("|".join(names), name):
                    os.symlink(os.path.join(place, name), link)
        return folder

    def test_packages_listed(self):
        with open(os.path.join(TOP, "bin", "packages"), encoding="utf-8") as file:
            for line in file:
                if line.strip() and line[0] != "#":
                    self.assertEqual(len(re.split("\t+", line.strip())), 4, line)

    def test_install_no(self):
        self.write("fake/dpkg-query", "#!/bin/sh\n[ $3 = git ] || echo installed\n", 0o755)
        self.write("fake/apt-get", f"#!/bin/sh\necho $* >{self.path('called')}\n", 0o755)
        self.write("fake/apt-cache", "#!/bin/sh\necho ' Depends: gcc-12'\n", 0o755)
        self.write("fake/sudo", "#!/bin/sh\nexec \"$@\"\n", 0o755)
        path = self.path("fake") + ":" + self.env["PATH"]
        said = self.fails("make", "packages", "INSTALL=no", PATH=path)
        self.assertRegex(said, r"missing and are not installed \(INSTALL=no\): git; as root, run:\n"
                               r" *apt-get update && apt-get install .* git\n")
        self.assertFalse(os.path.exists(self.path("called")))
        self.passes("make", "packages", INSTALL="no", PATH=path)
        self.assertTrue(os.path.exists(self.path("called")))
        self.assertIn("want no, or nothing", self.fails("make", "packages", "INSTALL=maybe", PATH=path))

    def test_not_debian(self):
        self.write("top/bin/packages", "bash\tbuild\tbash\tx\nlibc\tbuild\tstdio.h\tx\n"
                   "p1\tother\tno-such-command\tx\np2\tother\tno/such.h\tx\np3\tother\t-\tx\n")
        path = self.without("apt.*", "dpkg.*")
        self.assertEqual(self.passes("bin/install-packages", "build", PATH=path), "")
        said = self.fails("bin/install-packages", "build", "other", PATH=path)
        self.assertIn("no-such-command (p1), no/such.h (p2)\n", said)
        self.assertNotIn("not found", said)
        said = self.fails("bin/fetch-xen", PATH=path)
        self.assertIn("this machine has no apt-get", said)
        self.assertNotIn("not found", said)
        # What is in the cache needs no apt.
        for name in ("xen", "version"):
            self.write(f"home/.cache/swiotlb/xen-hypervisor-4.20-amd64/{name}")
        self.passes("bin/fetch-xen", PATH=path)

    def test_room(self):
        self.assertEqual(self.bash("room /no/such/folder 1 1 'a test'").stdout, "")
        self.assertRegex(self.bash("room /no/such/folder 1000000000 1 'a test'").stdout,
                         "^error: not enough free disk for a test: it takes 1000000000 MiB, and the file "
                         "system of / has [0-9]+ MiB left\n$")
        self.assertRegex(self.bash("room / 1 1000000000 'a test'").stdout,
                         "^error: not enough free memory for a test: it takes 1000000000 MiB, and this "
                         "machine has [0-9]+ MiB left\n$")

    def test_room_first(self):
        """Before anything is fetched."""
        self.write("fake/df", "#!/bin/sh\necho Avail\necho 99\n", 0o755)
        path = self.path("fake") + ":" + self.env["PATH"]
        config = self.write("config")
        for command, env in (("bin/build-kernel", {}), ("bin/deb", {"SWIOTLB_CONFIG": config}), ("bin/kunit", {}),
                             ("bin/fetch-linux", {}), ("bin/fetch-xen", {}), ("bin/patch-tree", {})):
            said = self.fails(command, PATH=path, **env)
            self.assertRegex(said, NO_ROOM)
        self.write(f"{self.build}/kernel/arch/x86/boot/bzImage")
        self.write(f"{self.build}/kernel/vmlinux")
        self.assertRegex(self.fails("boot/patched-kernel", "x", config, PATH=path), NO_ROOM)
        self.assertIn("takes 3500 MiB", self.fails("bin/kunit", "bare", PATH=path))
        self.assertIn("takes 5000 MiB", self.fails("bin/kunit", PATH=path))

    def test_fetches_take_turns(self):
        """Two apt-get on one folder disturb each other."""
        busy = self.path("busy")
        self.write("fake/apt-get", f"""#!/bin/bash
case "$*" in
indextargets*) echo 'Debian|x|http://localhost/' ;;
*update*) mkdir {busy} || exit; sleep 0.5; rmdir {busy} ;;
*) touch "$(sed 's/=.*//' <<<"${{!#}}")_1_all.deb" ;;
esac
""", 0o755)
        self.write("fake/apt-cache", "#!/bin/sh\necho 'Version: 1'\n", 0o755)
        self.write("fake/dpkg-deb", "#!/bin/sh\necho 1\n", 0o755)
        done = self.bash("for p in a b c; do bin/fetch-deb $p trixie $cache/deb & done; wait; ls $cache/deb",
                         PATH=self.path("fake") + ":" + self.env["PATH"])
        self.assertNotIn("cannot create", done.stdout)
        self.assertTrue(done.stdout.endswith("a_1_all.deb\nb_1_all.deb\nc_1_all.deb\n"), done.stdout)

    def test_targets_take_turns(self):
        """With -j, too."""
        self.write("top/bin/install-packages", "#!/bin/sh\n", 0o755)
        for name in ("bin/build-kernel", "bin/fetch-xen", "boot/dom0"):
            self.write(f"top/{name}", f"#!/bin/sh\necho begin {name}\nsleep 0.2\necho end {name}\n", 0o755)
        self.assertEqual(self.passes("make", "-j4", "dom0").split(),
                         [word for name in ("bin/build-kernel", "bin/fetch-xen", "boot/dom0")
                          for word in ("begin", name, "end", name)])


class ProgressTest(HostTest):
    def setUp(self):
        super().setUp()
        # A shell cannot catch what is ignored when it starts, under nohup for instance.
        for name in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM):
            self.addCleanup(signal.signal, name, signal.signal(name, signal.SIG_DFL))

    def alive(self):
        return alive(self.script.pid)

    def end(self):
        for pid in self.alive():
            os.kill(pid, signal.SIGKILL)

    def interrupted(self, name, *command):
        """What a command that makes "started" says when this signal has ended it."""
        with open(self.path("out"), "w+", encoding="utf-8") as out:
            # pylint: disable=consider-using-with
            self.script = subprocess.Popen(command, cwd=self.top, env=self.env,
                                           start_new_session=True, stdout=out, stderr=out,
                                           stdin=subprocess.DEVNULL)
            self.addCleanup(self.end)
            started = os.path.join(self.top, "started")
            self.assertTrue(wait_for(lambda: os.path.exists(started) and os.path.getsize(started)))
            self.assertGreaterEqual(len(self.alive()), 4)
            self.script.send_signal(name)
            self.assertEqual(self.script.wait(10), -name)
            self.assertTrue(wait_for(lambda: not self.alive()), self.alive())
            os.remove(started)
            out.seek(0)
            return out.read()

    def test_signals(self):
        """The script, its watcher, the command and what that has started end together."""
        for name in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM):
            script = (". bin/lib.sh; trap 'echo cleaned up' EXIT; "
                      "with_progress log test bash -c 'sleep 300 & echo $! >started; wait'; echo went on")
            self.assertEqual(self.interrupted(name, "bash", "-c", script),
                             f"bash was interrupted by {name.name}\ncleaned up\n")

    def test_check(self):
        """So does the step that make check is at."""
        self.write("top/bin/install-packages", "#!/bin/sh\n", 0o755)
        self.write("top/bin/check-series", "#!/bin/sh\nsleep 300 & echo $! >started; wait\n", 0o755)
        for name in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM):
            self.assertEqual(self.interrupted(name, "bin/check").splitlines()[-2:],
                             ["== series", f"check was interrupted by {name.name}"])

    def test_killed(self):
        """Even by a signal that it cannot catch; the watcher's sleep is shortened."""
        self.write("fake/sleep", '#!/bin/sh\n[ "$1" != 15 ] || set 0.5\nexec /bin/sleep "$@"\n', 0o755)
        self.env["PATH"] = self.path("fake") + ":" + self.env["PATH"]
        for way in ("with_progress log test", "in_group"):
            script = (f". bin/lib.sh; ({way} bash -c 'sleep 300 & echo $! >started; wait'); "
                      "echo went on")
            self.assertNotIn("went on", self.interrupted(signal.SIGKILL, "bash", "-c", script))

    def test_last_line(self):
        """Why, and where the log is."""
        done = self.bash("with_progress log 'a build' bash -c 'echo error: x; echo y; exit 3'")
        self.assertRegex(done.stdout.splitlines()[-1],
                         "^error: a build failed with status 3 after [0-9]+ s; log: log$")
        self.assertIn("1:error: x\n", done.stdout)


if __name__ == "__main__":
    unittest.main()
