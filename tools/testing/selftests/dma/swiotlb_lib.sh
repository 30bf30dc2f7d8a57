# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=sh
#
# What the scripts here need to know of swiotlb's files in debugfs.

# shellcheck disable=SC2034 # for the scripts that source this
SWIOTLB=/sys/kernel/debug/swiotlb
SLAB_BYTES=2048

# Exits when the tests cannot be run at all.
swiotlb_require() {
	if [ "$(id -u)" != 0 ]; then
		ktap_skip_all "only root can read debugfs"
		exit "$KSFT_SKIP"
	fi
	if [ ! -d /sys/kernel/debug ] || ! ls /sys/kernel/debug/* >/dev/null 2>&1; then
		ktap_skip_all "debugfs is not mounted (CONFIG_DEBUG_FS)"
		exit "$KSFT_SKIP"
	fi
	if [ ! -e $SWIOTLB/io_tlb_nslabs ]; then
		ktap_skip_all "there is no pool: $SWIOTLB has no io_tlb_nslabs"
		exit "$KSFT_SKIP"
	fi
}

# swiotlb_value <file>: what it says, 0 when it is not there
swiotlb_value() {
	cat "$SWIOTLB/$1" 2>/dev/null || echo 0
}

# swiotlb_first, swiotlb_last <file>: of a range "0x<first>-0x<last>"
swiotlb_first() {
	sed -n 's/-.*//p' "$SWIOTLB/$1"
}

swiotlb_last() {
	sed -n 's/.*-//p' "$SWIOTLB/$1"
}

is_number() {
	case $1 in
	'' | *[!0-9]*) return 1 ;;
	esac
}

# mask_reaches <bits> <last>: does a mask of so many bits reach 0x<last>? The
# arithmetic of a shell is signed, so bit 63 is left alone.
mask_reaches() {
	[ "$1" -ge 63 ] || [ $(($2 >> $1)) = 0 ]
}

# The kernel's messages; nothing when they may not be read.
kernel_log() {
	dmesg 2>/dev/null | sed 's/^\(<[0-9]*>\)*\[[^]]*\] //'
}
