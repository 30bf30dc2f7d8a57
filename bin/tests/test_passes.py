# SPDX-License-Identifier: GPL-2.0-only
"""bin/passes.sh and bin/check-long, in a small repository with parts that say when they run."""
import os
import signal
import subprocess
import tempfile
import unittest

import test_host

BIN = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
NOTHING = "#!/bin/sh\n"
UNITS = """#!/bin/bash
. "$(dirname "$0")/../bin/lib.sh"
. "$top/bin/passes.sh"
unit() {
	echo "$1" >>"$top/ran"
	[ ! -e "$top/stop-$1" ] || sleep 60
	echo "ok $1"
}
for name in one two three; do once "units.$name" data unit "$name" || exit; done
"""


class Repository(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.top = folder.name + "/top"
        self.passed = folder.name + "/cache/swiotlb/passed"
        self.env = {"PATH": os.environ["PATH"], "HOME": folder.name, "GIT_CONFIG_GLOBAL": "/dev/null",
                    "XDG_CACHE_HOME": folder.name + "/cache"}
        self.write("patches/default", "1.0")
        self.write("patches/1.0/series", "")
        self.write(".gitignore", "/build/\n/ran\n/stop-*\n")
        for name in ("lib.sh", "passes.sh", "check-long"):
            self.write("bin/" + name, self.read(f"{BIN}/{name}"))
        for name in ("install-packages", "assemble", "fetch-xen"):
            self.write("bin/" + name, NOTHING)
        self.write("bin/work", '#!/bin/sh\necho "$*" >>ran\ncat say\ngrep -q good data\n')
        self.write("data", "good\n")
        self.write("say", "ok work\n")
        self.parts("part a 'the first' data bin/work a", "part b 'the second' say bin/work b")
        self.git(self.top, "init", "-q")

    @staticmethod
    def read(path):
        with open(path, encoding="utf-8") as file:
            return file.read()

    def write(self, path, text):
        path = os.path.join(self.top, path)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        os.chmod(path, 0o755)

    def parts(self, *lines):
        self.write("bin/parts", "\n".join(lines) + "\n")

    def git(self, folder, *words):
        subprocess.run(["git", "-C", folder, "-c", "user.name=t", "-c", "user.email=t@t", *words],
                       check=True, env=self.env, stdout=subprocess.DEVNULL)

    def check_long(self, *names):
        """Sets what ran, what it said and its last line; returns the status."""
        self.write("ran", "")
        done = subprocess.run([self.top + "/bin/check-long", *names], env=self.env, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
        self.ran = self.read(self.top + "/ran").split()
        self.said = done.stdout
        self.last = done.stdout.splitlines()[-1]
        return done.returncode


class CheckLongTest(Repository):
    def test_a_pass_is_recorded_and_not_run_again(self):
        self.assertEqual(self.check_long(), 0, "the first run")
        self.assertEqual((self.ran, self.last), (["a", "b"], "2 passed, 0 failed, 0 missing"))
        self.assertEqual(self.check_long(), 0)
        self.assertEqual((self.ran, self.last), ([], "2 passed, 0 failed, 0 missing"))
        names = sorted(os.listdir(self.passed))
        self.assertEqual([name.split(".")[0] for name in names], ["a", "b"])
        self.assertRegex(self.read(f"{self.passed}/{names[0]}"),
                         r"^name=a\nhash=[0-9a-f]{16}\nseconds=\d+\ndate=\d{4}-\d\d-\d\d \d\d:\d\d\n$")

    def test_a_changed_input_is_run_again(self):
        self.check_long()
        self.write("data", "good, but different\n")
        self.assertEqual(self.check_long(), 0)
        self.assertEqual(self.ran, ["a"])
        self.write("data", "good\n")
        self.assertEqual(self.check_long(), 0)
        self.assertEqual(self.ran, [], "what passed earlier still counts")

    def test_a_changed_program_or_command_is_run_again(self):
        self.check_long()
        self.write("bin/work", self.read(self.top + "/bin/work") + "# other\n")
        self.check_long()
        self.assertEqual(self.ran, ["a", "b"])
        self.parts("part a 'the first' data bin/work other", "part b 'the second' say bin/work b")
        self.check_long()
        self.assertEqual(self.ran, ["other"])

    def test_a_failure_is_not_recorded(self):
        self.write("data", "bad\n")
        self.write("say", "not ok work - it is bad\n")
        for _ in range(2):
            self.assertEqual(self.check_long("a"), 1)
            self.assertEqual((self.ran, self.last), (["a"], "0 passed, 1 failed, 1 missing"))
            self.assertIn("\n  not ok work - it is bad\n", self.said)
        self.write("data", "good\n")
        self.write("say", "ok work\n")
        self.assertEqual(self.check_long(), 0)

    def test_a_line_of_failure_counts_whatever_the_status(self):
        self.write("say", "not ok work - it is bad\n")
        self.assertEqual(self.check_long(), 1)
        self.assertEqual(self.last, "0 passed, 2 failed, 0 missing")

    def test_a_part_that_says_nothing_has_not_passed(self):
        for text in ("", "skip work - for a reason\n", "# ok\n"):
            self.write("say", text)
            self.assertEqual(self.check_long("a"), 1)
            self.assertIn("\n  not ok a - printed no result\n", self.said)

    def test_odd_names_and_links(self):
        self.write("folder/größe \"x\"", "1")
        os.symlink("nowhere", self.top + "/folder/link")
        self.parts("part a 'the first' folder bin/say")
        self.write("bin/say", "#!/bin/sh\necho a >>ran\necho ok a\n")
        self.check_long()
        self.write("folder/größe \"x\"", "2")
        self.check_long()
        self.assertEqual(self.ran, ["a"])
        for target in ("elsewhere", "größe \"x\""):
            os.unlink(self.top + "/folder/link")
            os.symlink(target, self.top + "/folder/link")
            self.check_long()
            self.assertEqual(self.ran, ["a"], target)
        self.write("folder/größe \"x\"", "1")
        self.check_long()
        self.assertEqual(self.ran, ["a"], "with another link")
        self.check_long()
        self.assertEqual(self.ran, [])

    def test_some_parts(self):
        self.assertEqual(self.check_long("b"), 0)
        self.assertEqual((self.ran, self.last), (["b"], "1 passed, 0 failed, 1 missing"))
        self.assertEqual(self.check_long("a"), 0)
        self.assertEqual((self.ran, self.last), (["a"], "2 passed, 0 failed, 0 missing"))

    def test_list_runs_nothing(self):
        self.check_long("b")
        self.assertEqual(self.check_long("list"), 0)
        self.assertEqual((self.ran, self.last), ([], "1 passed, 0 failed, 1 missing"))
        self.assertRegex(self.said, r"(?m)^a +missing: the first$")
        self.assertRegex(self.said, r"(?m)^b +passed on .* in \d+ min: the second$")

    def test_an_unknown_part(self):
        self.assertEqual(self.check_long("a", "c"), 1)
        self.assertEqual((self.ran, self.last),
                         ([], "error: there is no part 'c'; the parts are: a b"))

    def test_an_input_that_does_not_exist(self):
        self.parts("part a 'the first' nowhere bin/work a")
        self.assertEqual(self.check_long(), 1)
        self.assertEqual((self.ran, self.last), ([], "0 passed, 1 failed, 0 missing"))
        self.assertIn("the input 'nowhere' matches no file", self.said)

    def test_inputs_that_change_while_it_runs(self):
        self.write("bin/work", "#!/bin/sh\necho x >>ran\necho good, changed >>data\necho ok work\n")
        self.assertEqual(self.check_long("a"), 1)
        self.assertIn("not ok a - its inputs changed while it ran", self.said)
        self.assertEqual(self.last, "0 passed, 1 failed, 1 missing")

    def test_skipped_tests_stay_counted(self):
        self.write("say", "ok work\nskip other - for a reason\n")
        for _ in range(2):
            self.assertEqual(self.check_long("a"), 0)
            self.assertEqual(self.last, "1 passed, 0 failed, 1 missing, 1 skipped")

    def test_an_interrupted_part_goes_on(self):
        self.write("bin/units", UNITS)
        self.parts("part units 'three units' data bin/units")
        self.write("stop-two", "")
        with subprocess.Popen([self.top + "/bin/check-long"], env=self.env, start_new_session=True,
                              stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as run:
            self.assertTrue(test_host.wait_for(lambda: os.path.exists(self.top + "/ran")
                                               and "two" in self.read(self.top + "/ran")))
            run.terminate()
            self.assertEqual(run.wait(10), -signal.SIGTERM)
            self.assertTrue(test_host.wait_for(lambda: not test_host.alive(run.pid)))
            self.assertIn("check-long was interrupted by SIGTERM\n", run.stderr.read())
        os.unlink(self.top + "/stop-two")
        self.assertEqual(self.check_long("list"), 0)
        self.assertEqual(self.last, "0 passed, 0 failed, 1 missing")
        self.assertEqual(self.check_long(), 0)
        self.assertEqual(self.ran, ["two", "three"])
        self.assertIn("ok units.one - passed on", self.said)


class KernelTest(Repository):
    """The inputs that stand for the assembled tree."""

    def setUp(self):
        super().setUp()
        self.linux = self.top + "/build/1.0/linux"
        for path in ("kernel/dma/swiotlb.c", "Documentation/swiotlb.rst", "tools/objtool/main.c",
                     "tools/testing/test.c"):
            self.write("build/1.0/linux/" + path, path)
        self.git(self.linux, "init", "-q", "-b", "series")
        self.commit()

    def commit(self):
        self.git(self.linux, "add", "-A")
        self.git(self.linux, "commit", "-q", "-m", "x")

    def hash(self, word):
        script = '. bin/lib.sh; . bin/passes.sh; pass_file x "$1"'
        return subprocess.run(["bash", "-c", script, "-", word], cwd=self.top, env=self.env,
                              stdout=subprocess.PIPE, text=True, check=True).stdout

    def changes(self, path):
        """Which words notice a change of this file."""
        words = ["@tree", "@tree:kernel", "@kernel", "@series", "series~@kernel"]
        before = [self.hash(word) for word in words]
        self.write("build/1.0/linux/" + path, "changed")
        self.commit()
        return [word for word, old in zip(words, before) if self.hash(word) != old]

    def test_a_source(self):
        self.write("build/1.0/linux/kernel/dma/swiotlb.c", "first")
        self.commit()
        self.assertEqual(self.changes("kernel/dma/swiotlb.c"),
                         ["@tree", "@tree:kernel", "@kernel", "@series", "series~@kernel"])

    def test_what_a_kernel_is_built_with(self):
        self.write("build/1.0/linux/x", "x")
        self.commit()
        self.assertIn("@kernel", self.changes("tools/objtool/main.c"))

    def test_documents_and_tests(self):
        self.write("build/1.0/linux/Documentation/x", "x")
        self.commit()
        for path in ("Documentation/swiotlb.rst", "tools/testing/test.c"):
            self.assertEqual(self.changes(path), ["@tree", "@series"])


if __name__ == "__main__":
    unittest.main()
