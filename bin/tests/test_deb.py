# SPDX-License-Identifier: GPL-2.0-only
"""make deb and the check of its packages, with a kernel's build that only makes packages."""
import os
import shutil
import subprocess
import unittest

import test_host

# In place of the kernel's make: packages with the paths of a real build. SHARED is one that
# is the same in each build.
KBUILD = r"""#!/bin/bash
set -e
for word; do
	case $word in LOCALVERSION=*) release=6.12.1${word#*=} ;; esac
done
[ "${!#}" = bindeb-pkg ] || exit 0
dir=$(dirname "$2")
package() {
	root=$(mktemp -d)
	mkdir -p "$root/DEBIAN"
	printf 'Package: %s\nVersion: 1\nArchitecture: all\nMaintainer: x <x@x>\nDescription: x\n' "$1" >"$root/DEBIAN/control"
	for file in "${@:2}"; do
		mkdir -p "$(dirname "$root/$file")"
		touch "$root/$file"
	done
	dpkg-deb --build "$root" "$dir/$1_1_all.deb"
	rm -r "$root"
}
package "linux-image-$release" "boot/vmlinuz-$release" "lib/modules/$release/kernel/a.ko" $SHARED
package "linux-headers-$release" "usr/src/linux-headers-$release/Makefile"
package linux-libc-dev usr/include/linux/a.h
"""
SCRIPTS_CONFIG = "#!/bin/sh\n"


@unittest.skipUnless(shutil.which("dpkg-deb"), "there is no dpkg-deb")
class DebTest(test_host.HostTest):
    def setUp(self):
        super().setUp()
        self.write("top/bin/assemble", "#!/bin/sh\n", 0o755)
        self.write("top/bin/kbuild", KBUILD, 0o755)
        # Only the series itself counts here, not the new files that it names.
        series = f"top/patches/{test_host.BASE}/series"
        self.write(series, "# nothing\n")
        self.linux = os.path.join(self.build, "linux")
        self.write(os.path.join(self.build, ".swiotlb-build"))
        self.write(os.path.join(self.build, "linux.version"), "6.12.1\n")
        self.write(os.path.join(self.linux, "scripts/config"), SCRIPTS_CONFIG, 0o755)
        self.write(os.path.join(self.build, "kernel/.config"), "CONFIG_A=y\n")
        for command in (["init", "-q"], ["add", "."], ["commit", "-qm", "x"]):
            subprocess.run(["git", "-C", self.linux, "-c", "user.name=t", "-c", "user.email=t@t", *command],
                           env=self.env, check=True)
        self.config = self.write("config", "CONFIG_A=y\n")

    def names(self):
        said = self.passes("make", "-s", "deb", f"CONFIG={self.config}", "INSTALL=no",
                           PATH=self.path("fake") + ":" + self.env["PATH"])
        return [os.path.basename(line) for line in said.splitlines() if line.endswith(".deb")]

    def test_names(self):
        self.write("top/bin/install-packages", "#!/bin/sh\n", 0o755)
        first = self.names()
        series = self.passes("bin/inputs-hash")[:8]
        self.assertEqual(len(first), 2)
        for name in first:
            self.assertRegex(name, f"^linux-(image|headers)-6.12.1-swiotlb-{series}-[0-9a-f]{{6}}_")
        self.assertEqual(self.names(), first)
        seen = set(first)
        for path, text in (("config", "CONFIG_A=m\n"), (f"top/patches/{test_host.BASE}/series", "# other\n"),
                           (os.path.join(self.linux, "scripts/config"), SCRIPTS_CONFIG + "# changed\n")):
            self.write(path, text, 0o755)
            names = self.names()
            self.assertFalse(seen & set(names), path)
            seen |= set(names)

    def test_check(self):
        said = self.passes("bin/check-deb")
        self.assertEqual([line for line in said.splitlines() if line.startswith(("ok", "not"))],
                         ["ok names-1", "ok modules-1", "ok names-2", "ok modules-2", "ok side-by-side"])
        said = self.fails("bin/check-deb", SHARED="etc/shared")
        self.assertIn("not ok names-1 - /etc/shared lacks the release", said)
        self.assertIn("not ok side-by-side - /etc/shared is in packages of both builds", said)


if __name__ == "__main__":
    unittest.main()
