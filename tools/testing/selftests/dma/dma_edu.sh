#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Streaming DMA with QEMU's edu device and the driver of CONFIG_DMA_EDU_TEST: for
# DMA masks of 28 to 64 bits, what went through each kind of mapping is compared,
# and the counters of swiotlb tell which pool served it. The machine must be idle:
# the counters do not tell which device a mapping was for, so a mapping made for
# another device in between fails a test.
#
# How far a device reaches is known to QEMU only (-device edu,dma_mask=...), so
# DMA_EDU says it, for devices that reach more than the 28 bits that edu has when
# nothing is said:
#
#	DMA_EDU="0000:00:10.0=32 0000:00:11.0=64" ./dma_edu.sh
#
# A mask is tested on the device whose reach is nearest above, so that a wrong
# address is one that the device cannot reach: QEMU clamps it and says
# "clamping" in its log (-d guest_errors), which no test in here can see.

DIR=$(dirname "$(readlink -f "$0")")
# shellcheck source=/dev/null
. "$DIR/../kselftest/ktap_helpers.sh"
# shellcheck source=tools/testing/selftests/dma/swiotlb_lib.sh
. "$DIR/swiotlb_lib.sh"

MASKS="28 30 32 36 40 64"
EDU=/sys/kernel/debug/dma_edu_test
CASES="single large sg sync bidirectional many"
EDU_DEFAULT_BITS=28

# reach_of <device>: in bits
reach_of() {
	for word in $DMA_EDU; do
		if [ "${word%%=*}" = "$1" ]; then
			echo "${word#*=}"
			return
		fi
	done
	echo $EDU_DEFAULT_BITS
}

# device_for <bits>: the one that reaches so far and least further
device_for() {
	best=''
	best_reach=65
	for dir in "$EDU"/*; do
		device=${dir##*/}
		reach=$(reach_of "$device")
		if [ "$reach" -ge "$1" ] && [ "$reach" -lt "$best_reach" ]; then
			best=$device
			best_reach=$reach
		fi
	done
	echo "$best"
}

# pool_for <bits>: which pool must serve a device with such a mask, "none" if it
# reaches the whole of none, nothing when the kernel does not tell
pool_for() {
	[ -d $SWIOTLB/lo ] || return
	if [ -d $SWIOTLB/hi ] && mask_reaches "$1" "$(swiotlb_last hi/bus)"; then
		echo hi
	elif mask_reaches "$1" "$(swiotlb_last lo/bus)"; then
		echo lo
	else
		echo none
	fi
}

# A dom0 can always bounce, so there the pools alone say which mask will do.
# Elsewhere a mask may also do because memory ends below it; 32 bits always do.
mask_is_right() {
	bits=$1 pool=$2 accepted=$3
	case $(cat /sys/hypervisor/type 2>/dev/null),$pool,$accepted in
	xen,none,no | xen,[lh][oi],yes | xen,,*) return 0 ;;
	xen,*) return 1 ;;
	esac
	[ "$accepted" = yes ] || [ "$bits" -lt 32 ]
}

counters() {
	for type in lo hi; do
		for name in bounces bounced_bytes failures used; do
			swiotlb_value $type/$name
		done
	done
}

# delta <before> <after>: of the counters
delta() {
	# shellcheck disable=SC2086 # eight numbers each
	set -- $1 $2
	echo "$((${9} - $1)) $((${10} - $2)) $((${11} - $3)) $((${12} - $4))" \
	     "$((${13} - $5)) $((${14} - $6)) $((${15} - $7)) $((${16} - $8))"
}

# served_right <pool> <mappings> <bytes> <delta>: the pool and no other served
# just that, refused nothing, and has everything back
served_right() {
	pool=$1 mappings=$2 bytes=$3
	# shellcheck disable=SC2086
	set -- $4
	if [ "$pool" = hi ]; then
		set -- "$5" "$6" "$7" "$8" "$1" "$2" "$3" "$4"
	fi
	[ "$3$4$5$6$7$8" = 000000 ] || return 1
	[ "$forced" = 1 ] || [ "$1" != 0 ] || return 0
	if [ "$forced" = 1 ]; then
		[ "$1" = "$mappings" ] && [ "$2" = "$bytes" ]
	else
		[ "$1" -le "$mappings" ] && [ "$2" -le "$bytes" ]
	fi
}

result_of() { sed -n "s/.*$2=\\([^ ]*\\).*/\\1/p" "$EDU/$1/result"; }

# run_case <bits> <device> <pool> <case>
run_case() {
	what="$1 bits: $4"
	before=$(counters)
	if ! echo "$4" 2>/dev/null >"$EDU/$2/run"; then
		ktap_test_fail "$what: $(cat "$EDU/$2/result")"
		return
	fi
	changed=$(delta "$before" "$(counters)")
	mappings=$(result_of "$2" mappings)
	bytes=$(result_of "$2" bytes)
	what="$what: $mappings mappings, $bytes bytes"
	if [ -z "$3" ]; then
		ktap_test_pass "$what, counters unknown"
	elif served_right "$3" "$mappings" "$bytes" "$changed"; then
		ktap_test_pass "$what, pool $3"
	else
		ktap_test_fail "$what, should be in $3 but lo and hi count $changed"
	fi
}

skip_cases() {
	for name in $CASES; do
		ktap_test_skip "$1 bits: $name: $2"
	done
}

ktap_print_header
swiotlb_require
if [ ! -d $EDU ]; then
	modprobe -q dma_edu_test 2>/dev/null
fi
if [ ! -d $EDU ]; then
	ktap_skip_all "there is no driver (CONFIG_DMA_EDU_TEST)"
	exit "$KSFT_SKIP"
fi
if ! ls $EDU/* >/dev/null 2>&1; then
	ktap_skip_all "there is no edu device (QEMU: -device edu,dma_mask=...)"
	exit "$KSFT_SKIP"
fi

ktap_set_plan 42
forced=0
grep -Eq '(^| )swiotlb=([^ ]*,)?force( |$|,)' /proc/cmdline && forced=1

for bits in $MASKS; do
	device=$(device_for "$bits")
	if [ -z "$device" ]; then
		ktap_test_skip "$bits bits: mask: no edu device reaches that far"
		skip_cases "$bits" "no edu device reaches that far"
		continue
	fi
	pool=$(pool_for "$bits")
	if echo "$bits" 2>/dev/null >"$EDU/$device/mask_bits"; then
		accepted=yes
	else
		accepted=no
	fi
	if mask_is_right "$bits" "$pool" "$accepted"; then
		ktap_test_pass "$bits bits: mask: accepted $accepted, pool ${pool:-unknown}"
	else
		ktap_test_fail "$bits bits: mask: accepted $accepted, but the pool is $pool"
	fi
	if [ "$accepted" = no ] && [ "$pool" != none ]; then
		skip_cases "$bits" "the mask is refused, it is too short for this kernel"
	elif [ "$accepted" = no ]; then
		skip_cases "$bits" "the mask is refused, no pool lies within it"
	elif [ "$pool" = none ]; then
		skip_cases "$bits" "no pool lies within the mask"
	else
		for name in $CASES; do
			run_case "$bits" "$device" "$pool" "$name"
		done
	fi
done

ktap_finished
