#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# The files in /sys/kernel/debug/swiotlb, as Documentation/ABI/testing/
# debugfs-swiotlb describes them: which there are, what they say, that their
# numbers go together, and that nothing but zero can be written.

# shellcheck disable=SC2317 # functions that are called by check()

DIR=$(dirname "$(readlink -f "$0")")
# shellcheck source=/dev/null
. "$DIR/../kselftest/ktap_helpers.sh"
# shellcheck source=tools/testing/selftests/dma/swiotlb_lib.sh
. "$DIR/swiotlb_lib.sh"

WHOLE="io_tlb_nslabs io_tlb_used io_tlb_used_hiwater"
NUMBERS="nslabs used used_hiwater bounces bounced_bytes failures"

# check <what> <command ...>: a test that passes when the command does
check() {
	what=$1
	shift
	if "$@"; then
		ktap_test_pass "$what"
	else
		ktap_test_fail "$what"
	fi
}

number_file() {
	[ -f "$SWIOTLB/$1" ] && is_number "$(cat "$SWIOTLB/$1")"
}

range_file() {
	grep -Eqx '0x[0-9a-f]{16}-0x[0-9a-f]{16}' "$SWIOTLB/$1" &&
		[ $(($(swiotlb_first "$1"))) -lt $(($(swiotlb_last "$1"))) ]
}

# Root passes the permissions, so the file itself has to refuse.
read_only() {
	if echo 0 2>/dev/null >"$SWIOTLB/$1"; then
		return 1
	fi
}

hiwater_refuses() {
	before=$(swiotlb_value "$1")
	if echo 1 2>/dev/null >"$SWIOTLB/$1"; then
		return 1
	fi
	[ "$(swiotlb_value "$1")" -ge "$before" ]
}

# Mappings that are made in between may raise it, but not above what it was.
hiwater_resets() {
	before=$(swiotlb_value "$1")
	echo 0 2>/dev/null >"$SWIOTLB/$1" && [ "$(swiotlb_value "$1")" -le "$before" ]
}

used_is_the_sum() {
	# Mappings may come and go between one read and the next.
	for _ in 1 2 3 4 5; do
		lo=$(swiotlb_value lo/used)
		hi=$(swiotlb_value hi/used)
		[ "$(swiotlb_value io_tlb_used)" = $((lo + hi)) ] && return
	done
	return 1
}

in_order() {
	[ "$(swiotlb_value "$1/used_hiwater")" -le "$(swiotlb_value "$1/nslabs")" ]
}

size_is_range() {
	[ $(($(swiotlb_last "$1/phys") - $(swiotlb_first "$1/phys") + 1)) = \
	  $(($(swiotlb_value "$1/nslabs") * SLAB_BYTES)) ]
}

# Where HI begins and LO ends
below_4g() { [ $(($(swiotlb_last "$1/bus") >> 32)) = 0 ]; }
above_4g() { [ $(($(swiotlb_first "$1/bus") >> 32)) != 0 ]; }

no_directory() { [ ! -e "$SWIOTLB/$1" ]; }

swiotlb_sum() { echo $(($(swiotlb_value lo/nslabs) + $(swiotlb_value hi/nslabs))); }
nslabs_is_the_sum() { [ "$(swiotlb_value io_tlb_nslabs)" = "$(swiotlb_sum)" ]; }

# One type that there is: 20 tests
check_type() {
	for name in $NUMBERS; do
		check "$1/$name is a number" number_file "$1/$name"
	done
	check "$1/phys is a range" range_file "$1/phys"
	check "$1/bus is a range" range_file "$1/bus"
	for name in nslabs used bounces bounced_bytes failures phys bus; do
		check "$1/$name cannot be written" read_only "$1/$name"
	done
	check "$1: high water at most the size" in_order "$1"
	check "$1: size is that of the range" size_is_range "$1"
	check "$1/used_hiwater refuses a one" hiwater_refuses "$1/used_hiwater"
	check "$1/used_hiwater takes a zero" hiwater_resets "$1/used_hiwater"
	if [ "$1" = lo ]; then
		check "lo: below 4 GiB on the bus" below_4g lo
	else
		check "hi: above 4 GiB on the bus" above_4g hi
	fi
}

ktap_print_header
swiotlb_require
if [ -d "$SWIOTLB/hi" ]; then
	ktap_set_plan 51
else
	ktap_set_plan 10
fi

for name in $WHOLE; do
	check "$name is a number" number_file "$name"
done
for name in io_tlb_nslabs io_tlb_used; do
	check "$name cannot be written" read_only $name
done
check "io_tlb_used_hiwater refuses a one" hiwater_refuses io_tlb_used_hiwater
check "io_tlb_used_hiwater takes a zero" hiwater_resets io_tlb_used_hiwater

if [ -d "$SWIOTLB/hi" ]; then
	check_type lo
	check_type hi
	check "hi/fallbacks is a number" number_file hi/fallbacks
	check "hi/fallbacks cannot be written" read_only hi/fallbacks
	check "io_tlb_nslabs is the sum of the types" nslabs_is_the_sum
	check "io_tlb_used is the sum of the types" used_is_the_sum
else
	# There is one type then, and today's files tell of it.
	check "no lo/ without HI" no_directory lo
	check "no hi/ without HI" no_directory hi
	ktap_test_skip "files of each type: there is no HI (swiotlb=,,<size>)"
fi

ktap_finished
