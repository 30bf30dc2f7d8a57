# SPDX-License-Identifier: GPL-2.0-only
# Every command, a line of help each; the work is done by bin/ and boot/.

# Variables count on make's command line only, since anybody's environment may hold
# names as general as these. The scripts get them as SWIOTLB_<NAME>, not expanded.
VARIABLES := BASE BOUNDS BUILD CMDLINE CONFIG CPUS DEBUG INSTALL KERNEL LEVELS LINUX MEM MINUTES PARTS \
	PUBLISH QEMU_EXTRA QUICK SECONDS SIGNOFF TIME_SCALE XEN_CMDLINE
given = $(filter command,$(origin $(1)))
# V is a habit from the kernel's make. A make that calls this one passes its own on.
unknown := $(strip $(foreach v,$(filter-out V $(VARIABLES),$(.VARIABLES)),$(if $(call given,$v),$v)))
$(if $(MAKELEVEL:0=),,$(if $(unknown),$(error there is no variable $(unknown); make help lists all)))
$(foreach v,$(VARIABLES),$(if $(call given,$v),$(eval export SWIOTLB_$v = $$(value $v))))
ignored := $(strip $(foreach v,$(VARIABLES),$(if $(filter environment,$(origin $v)),$v)))
$(if $(ignored),$(warning ignored since they come from the environment, not as arguments of make: $(ignored)))

# The scripts use all processors themselves. One target after the other, so that two
# don't fetch into the same folder, and the reason of a failure is printed last.
.NOTPARALLEL:

.PHONY: help dom0 shell soak debug dynamic check check-long bench kunit mutants fuzz kernel tree refresh \
	series deb clean packages check-packages fetch settings

help:	## this list
	@echo "Commands:"
	@sed -n 's/^\([a-z0-9-]*\):.*## \(.*\)/  make \1|\2/p' Makefile | \
		awk -F'|' '{ printf "%-20s%s\n", $$1, $$2 }'
	@echo "Variables, as arguments of make (those of the environment have no effect):"
	@sed -n 's/^## //p' Makefile

## BASE=...          which folder of patches/ (the default is in patches/default)
## LINUX=DIR         a kernel tree of your own in place of the download; it is not modified
## BUILD=DIR         build there, in place of build/<base>; a new or empty folder
## INSTALL=no        print the Debian packages that are missing and install nothing
## CMDLINE=...       added to dom0's command line; XEN_CMDLINE=... to Xen's
## MEM=6G CPUS=2     the machine; QEMU_EXTRA=... further arguments for QEMU
## KERNEL=FILE       boot this bzImage, which needs the options of boot/kernel.config
## TIME_SCALE=2      allow twice the time
## QUICK=1 PUBLISH=1 bench: few cases; a copy of the report in bench/results/;
##                   BOUNDS=1 a bound that is missed is an error

dom0: settings kernel fetch	## build the kernel, boot it as Xen dom0 in QEMU, drive real devices, report
	@boot/dom0

shell: settings kernel fetch	## the same dom0, with a prompt
	@boot/shell

soak: settings kernel fetch	## all devices at once, verified, for MINUTES=3, in that dom0
	@boot/scenario --show soak

debug: settings fetch	## the main scenarios on a kernel with checkers of locks, DMA and memory
	@boot/on-kernel debug

dynamic: settings fetch	## the same on a kernel whose pools grow (CONFIG_SWIOTLB_DYNAMIC)
	@boot/on-kernel dynamic

check:	## the tests that fit into 50 minutes on 2 cores
	@bin/check

check-long:	## all tests, but for what has passed; PARTS="kunit boots" or PARTS=list
	@bin/check-long $$SWIOTLB_PARTS

bench:	## measure against the unpatched kernel; LEVELS="allocator kernel dom0"
	@bench/run $$SWIOTLB_LEVELS

mutants: check-packages kernel fetch	## break the allocator on purpose: a test or a boot has to notice each time
	@status=0; bin/simulator mutants || status=1; boot/mutate || status=1; exit $$status

fuzz: check-packages	## libFuzzer on the allocator, for SECONDS=60; its corpus is kept
	@bin/simulator fuzz

kunit: packages fetch	## the KUnit suites by kunit.py, on the bare machine and as Xen dom0
	@bin/kunit

kernel: packages	## build the patched kernel for the boots
	@bin/build-kernel

tree: packages	## build/<base>/linux: a git branch with one commit per patch, to work in
	@bin/assemble

refresh:	## write that branch back to patches/ and the new files
	@bin/refresh

series: tree	## the series as mails, with cover letter; SIGNOFF=1 signs it off
	@bin/export

deb:	## Debian packages of the patched kernel; CONFIG=/boot/config-... DEBUG=1
	@bin/install-packages build deb
	@bin/deb

clean:	## remove what was built, but for the tree to work in
	@bin/clean

# Before anything is fetched or built for a boot
settings:
	@boot/settings

packages:
	@bin/install-packages build boot

check-packages:
	@bin/install-packages build check

fetch: packages
	@bin/fetch-xen
