# SPDX-License-Identifier: GPL-2.0-only
"""bin/boot-patches, build-patches, check-static and export, with programs in the place of make and
of QEMU."""
import os
import shutil
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

# pylint: disable=wrong-import-position
from test_passes import BIN, NOTHING, Repository

# kbuild TREE OUT TARGET...: the objects of folder/?.c, with the dependencies as the kernel's
# make writes them. A file with WARN brings a warning.
KBUILD = r"""#!/bin/bash
tree=$1 out=$2
[[ $* != *folder/* ]] || echo "build $(git -C "$tree" log -1 --format=%s)" >>"$(dirname "$0")/../ran"
cd "$tree"
for f in $(git ls-files 'folder/?.c'); do
	mkdir -p "$out/$(dirname "$f")"
	{ echo "source_x := ../../${tree##*/}/$f"; sed -n 's,^#include "\(.*\)",  ../../'"${tree##*/}"'/folder/\1 \\,p' "$f"; } >"$out/$(dirname "$f")/.$(basename "$f" .c).o.cmd"
	! grep -q WARN "$f" || echo "$f:1:2: warning: it says WARN [-Wx]"
done
"""

TREES = ("patch-tree", "patch-tree-second")


class PatchesTest(Repository):
    def setUp(self):
        super().setUp()
        for name in ("boot-patches", "build-patches", "check-static", "export"):
            self.write("bin/" + name, self.read(f"{BIN}/{name}"))
        for name in ("build-kernel", "configure"):
            self.write("bin/" + name, NOTHING)
        self.write("bin/configure", '#!/bin/sh\ntouch "$2/.config"\n')
        self.write("bin/patch-tree", '#!/bin/sh\necho "$(dirname "$0")/../build/1.0/patch-tree${1:+-$1}"\n')
        self.write("bin/kbuild", KBUILD)
        self.write("boot/kernel.config", "")
        self.write("boot/guest/init", "")
        self.write("boot/scenarios/no-hi", "")
        self.write("boot/scenario", "#!/bin/sh\necho boot >>ran\n")
        self.write("bin/configs/one", "# set: quick\n# start: tinyconfig\n# build: folder/\n")
        self.write("build/1.0/kernel/.config", "")
        self.write("build/1.0/xen.version", "4.20\n")
        self.linux = self.top + "/build/1.0/linux"
        self.commit("base", {"folder/a.c": "a", "tools/testing/selftests/x": "x", "tools/y": "y"})
        self.git(self.linux, "branch", "base")
        self.commit("first", {"folder/a.c": 'b\n#include "tests/t.c"\n', "folder/tests/t.c": "t"})
        self.commit("documents", {"Documentation/a.rst": "a", "tools/testing/p.c": "p"})
        self.commit("last", {"folder/b.c": "c"})
        for name in TREES:
            self.git(self.top + "/build/1.0", "clone", "-q", "linux", name)

    def commit(self, subject, files):
        for path, text in files.items():
            self.write("build/1.0/linux/" + path, text)
        if not os.path.exists(self.linux + "/.git"):
            self.git(self.linux, "init", "-q", "-b", "series")
        self.git(self.linux, "add", "-A")
        self.git(self.linux, "commit", "-q", "-m", subject)

    def run_program(self, *words):
        """The lines of results; sets what ran, the status and the errors."""
        self.write("ran", "")
        for name in TREES:
            if os.path.exists(f"{self.top}/build/1.0/{name}"):
                self.git(f"{self.top}/build/1.0/{name}", "fetch", "-q")
        done = subprocess.run(["bin/" + words[0], *words[1:]], cwd=self.top, env=self.env, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False)
        self.ran = self.read(self.top + "/ran").splitlines()
        self.errors, self.status = done.stderr, done.returncode
        return done.stdout.splitlines()

    def test_boots_once_for_each_kernel(self):
        names = [line.split(" - ")[0] for line in self.run_program("boot-patches", "1/1")]
        self.assertEqual(names, ["ok 0001-first", "ok 0002-documents", "ok 0003-last"], self.errors)
        self.assertEqual(self.ran, ["boot", "boot"], "documents make no other kernel")
        self.run_program("boot-patches", "1/1")
        self.assertEqual(self.ran, [], "what has passed is not booted again")
        self.commit("one more", {"folder/c.c": "d"})
        self.run_program("boot-patches", "1/1")
        self.assertEqual(self.ran, ["boot"])
        self.write("boot/scenarios/no-hi", "what=another")
        self.run_program("boot-patches", "1/1")
        self.assertEqual(self.ran, ["boot"] * 3)

    def test_thirds_make_a_whole(self):
        names = sum((self.run_program("boot-patches", f"{n}/2") for n in (1, 2)), [])
        self.assertEqual([name[3:7] for name in names], ["0001", "0002", "0003"])

    def test_a_failed_boot_is_booted_again(self):
        self.write("boot/scenario", '#!/bin/sh\necho boot >>ran\necho "not ok no-hi - it hung"\nfalse\n')
        for _ in range(2):
            self.assertEqual(self.run_program("boot-patches", "1/2"), ["not ok 0001-first - it hung"])
            self.assertEqual(self.ran, ["boot"])

    def test_a_boot_that_could_not_be_tried(self):
        self.write("boot/scenario", '#!/bin/sh\necho "error: TIME_SCALE=0: want more" >&2\nexit 2\n')
        (line,) = self.run_program("boot-patches", "1/2")
        self.assertRegex(line, r"^not ok 0001-first - TIME_SCALE=0: want more \(/.*/boot-patches\.1\.log\)$")

    def test_builds_each_patch_once(self):
        self.assertEqual(self.run_program("build-patches", "long"), ["ok one"], self.errors)
        self.assertEqual(self.ran, ["build base", "build first", "build last"])
        self.assertEqual(self.run_program("build-patches", "long"), ["ok one - passed before"])
        self.assertEqual(self.ran, [])
        self.commit("one more", {"folder/b.c": "d"})
        self.run_program("build-patches", "long")
        self.assertEqual(self.ran, ["build base", "build one more"])
        self.run_program("build-patches", "quick")
        self.assertEqual(len(self.ran), 4, "make check builds all of it")

    def test_a_warning(self):
        self.commit("bad", {"folder/b.c": "WARN"})
        for _ in range(2):
            (line,) = self.run_program("build-patches", "long")
            self.assertRegex(line, r"^not ok one - patch 4, 'bad', brings a warning: folder/b.c: warning")
            self.assertEqual(self.ran[-1], "build bad")

    def test_quick_builds_the_series_as_a_whole_in_a_second_tree(self):
        self.write("bin/configs/two", "# set: each\n# start: tinyconfig\n# build: folder/\n")
        self.assertEqual(sorted(self.run_program("build-patches", "quick")), ["ok one", "ok two"], self.errors)
        self.assertEqual(sorted(self.ran), ["build base"] * 2 + ["build first"] + ["build last"] * 2)
        self.assertEqual(self.status, 0)
        self.assertNotIn("no configuration", self.errors, "both trees' objects count")
        self.write("bin/configure", '#!/bin/sh\ntouch "$2/.config"\n[ $3 != wrong ]\n')
        for wrong in ("one", "two"):
            for name, kind in (("one", "quick"), ("two", "each")):
                start = "wrong" if name == wrong else "tinyconfig"
                self.write(f"bin/configs/{name}", f"# set: {kind}\n# start: {start}\n# build: folder/\n")
            self.assertIn(f"not ok {wrong} - ", self.run_program("build-patches", "quick"))
            self.assertEqual(self.status, 1)

    def test_sparse_looked_at_nothing(self):
        """The reason is said where its absence is one."""
        self.write("bin/kbuild", NOTHING)
        self.write("bin/build-patches", NOTHING)
        for name in ("folder/a.o", "series.config"):
            self.write(f"build/1.0/patch-builds/x86-xen-all/{name}", "")
        self.assertEqual(self.run_program("check-static", "quick", "W=1"), ["ok W=1"], self.errors)
        self.write("build/1.0/patch-builds/x86-xen-all/folder/a.o", "")
        self.assertEqual(self.run_program("check-static", "quick", "sparse"), [])
        self.assertRegex(self.errors,
                         r"(?m)^error: the base: sparse looked at no file \(/.*/make\.log\)$")

    def test_export(self):
        """It replaces nothing but mails."""
        self.write("patches/1.0/cover-letter", "subject\n\ntext\n")
        out = self.top + "/../mails"
        names = ["0000-cover-letter.patch", "0001-first.patch", "0002-documents.patch",
                 "0003-last.patch"]
        os.makedirs(out)
        for _ in range(2):
            self.run_program("export", "build/1.0/linux", "../mails")
            self.assertEqual((self.status, sorted(os.listdir(out))), (0, names), self.errors)
            for name in ("0009-old.patch", "0000-cover-letter.patch.new"):
                self.write(f"../mails/{name}", "old\n")
        for name in ("thesis.tex", "folder/0001.patch", ".git/config"):
            self.write("../mails/" + name, "mine\n")
            self.run_program("export", "build/1.0/linux", "../mails")
            self.assertEqual(self.status, 1)
            first = name.split("/")[0]
            self.assertRegex(self.errors, rf"\Aerror: /.*/mails holds {first}, which is no mail, "
                             "so it is not replaced: name a new or an empty folder\n\\Z")
            self.assertTrue(os.path.exists(f"{out}/0009-old.patch"))
            shutil.move(f"{out}/{first}", f"{self.top}/../away-{first}")

    def test_room(self):
        """Only for what is built"""
        self.run_program("boot-patches", "1/1")
        self.run_program("build-patches", "long")
        self.write("fake/df", "#!/bin/sh\necho Avail\necho 99\n")
        self.env["PATH"] = f"{self.top}/fake:{self.env['PATH']}"
        for words in (["boot-patches", "1/1"], ["build-patches", "long"]):
            self.run_program(*words)
            self.assertNotIn("not enough", self.errors)
        self.commit("one more", {"folder/b.c": "d"})
        for words in (["boot-patches", "1/1"], ["build-patches", "long"]):
            self.run_program(*words)
            self.assertIn("error: not enough free disk for the ", self.errors)

    def test_every_file(self):
        # folder/tests/t.c is included, tools/testing/p.c is a program.
        self.assertEqual(self.run_program("build-patches", "every-file"), ["ok every-file-compiled"])
        self.commit("alone", {"folder/tests/alone.c": "a"})
        self.assertEqual(self.run_program("build-patches", "every-file"),
                         ["not ok every-file-compiled - no configuration compiles folder/tests/alone.c"])


if __name__ == "__main__":
    unittest.main()
