#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# The swiotlb= parameter as the running kernel understood it: what the command
# line asks for is there, or the kernel's log says why it is not.

DIR=$(dirname "$(readlink -f "$0")")
# shellcheck source=/dev/null
. "$DIR/../kselftest/ktap_helpers.sh"
# shellcheck source=tools/testing/selftests/dma/swiotlb_lib.sh
. "$DIR/swiotlb_lib.sh"

SEGMENT_SLABS=128

# slabs <item>: the size that an item asks for, in slabs and in whole segments;
# nothing when it is no size
slabs() {
	digits=${1%[kKmMgG]}
	case $digits in
	0[xX]*[!0-9a-fA-F]* | 0[xX]) return ;;
	0[xX]*) ;;
	'' | *[!0-9]*) return ;;
	esac
	# More than 15 digits is more than there can be, and than a shell can count.
	[ ${#digits} -le 15 ] || return
	case $1 in
	*[kK]) bytes=$((digits << 10)) ;;
	*[mM]) bytes=$((digits << 20)) ;;
	*[gG]) bytes=$((digits << 30)) ;;
	*)     bytes=$((digits * SLAB_BYTES)) ;;
	esac
	count=$(((bytes + SLAB_BYTES - 1) / SLAB_BYTES))
	echo $(((count + SEGMENT_SLABS - 1) / SEGMENT_SLABS * SEGMENT_SLABS))
}

# What the command line asks for; the last one counts, item by item.
lo='' areas='' hi='' force='' said=''
# shellcheck disable=SC2013 # words, and not lines
for word in $(cat /proc/cmdline); do
	case $word in
	swiotlb=*) ;;
	*) continue ;;
	esac
	said=1
	rest=${word#swiotlb=},
	place=0
	while [ -n "$rest" ]; do
		item=${rest%%,*}
		rest=${rest#*,}
		case $place,$item in
		*,force | *,noforce) force=$item; break ;;
		?,) ;;
		0,*) n=$(slabs "$item"); lo=${n:-$lo} ;;
		1,*) is_number "$item" && areas=$item ;;
		2,*) n=$(slabs "$item"); hi=${n:-$hi} ;;
		esac
		place=$((place + 1))
	done
done

have_lo=$(swiotlb_value lo/nslabs)
have_hi=$(swiotlb_value hi/nslabs)
[ -d $SWIOTLB/lo ] || have_lo=$(swiotlb_value io_tlb_nslabs)
log=$(kernel_log)

# check_size <name> <asked> <there is>
check_size() {
	mb=$(($3 * SLAB_BYTES >> 20))
	said="(adjusted|rounded up) $2 -> $3 slabs|(roundup|adjusted) to ${mb}MB"
	if [ "$3" = "$2" ]; then
		ktap_test_pass "$1 has the $2 slabs that were asked for"
	elif echo "$log" | grep -Eq "$said"; then
		ktap_test_pass "$1 has $3 slabs in place of $2, and the log says so"
	else
		ktap_test_fail "$1 has $3 slabs, $2 were asked for and the log is silent"
	fi
}

# check_line <type>: its line at boot says what debugfs says
check_line() {
	mb=$(($(swiotlb_value "$1/nslabs") * SLAB_BYTES >> 20))
	want="$1: mapped [mem $(cat "$SWIOTLB/$1/phys")]"
	want="$want bus [$(cat "$SWIOTLB/$1/bus")] (${mb}MB)"
	if [ "$(echo "$log" | grep -Fc "software IO TLB: $want")" = 1 ]; then
		ktap_test_pass "$1: the line at boot says what debugfs says"
	elif ! echo "$log" | grep -q 'Linux version'; then
		ktap_test_skip "$1: the log has lost its beginning"
	else
		ktap_test_fail "$1: no line at boot says $want"
	fi
}

ktap_print_header
swiotlb_require
ktap_set_plan 6

if [ -z "$said" ]; then
	ktap_test_skip "lo: there is no swiotlb= on the command line"
elif [ -z "$lo" ]; then
	ktap_test_skip "lo: swiotlb= asks for no size of it"
else
	check_size lo "$lo" "$have_lo"
fi

if [ -n "$hi" ] && [ "$hi" != 0 ]; then
	check_size hi "$hi" "$have_hi"
elif [ "$have_hi" = 0 ]; then
	ktap_test_pass "hi: nobody asked for it and it is not there"
else
	ktap_test_fail "hi: has $have_hi slabs and nobody asked for it"
fi

# The number is rounded up to a power of two.
if [ -z "$areas" ] || [ "$areas" = 0 ]; then
	ktap_test_skip "areas: swiotlb= asks for no number of them"
else
	want=1
	while [ $want -lt "$areas" ]; do
		want=$((want * 2))
	done
	if echo "$log" | grep -q "software IO TLB: area num $want\\."; then
		ktap_test_pass "areas: $want, as asked"
	else
		ktap_test_fail "areas: the log does not say that there are $want"
	fi
fi

if [ "$force" != force ]; then
	ktap_test_skip "force: it is not on the command line"
elif [ ! -d $SWIOTLB/lo ]; then
	ktap_test_skip "force: there are no counters without HI"
elif [ $(($(swiotlb_value lo/bounces) + $(swiotlb_value hi/bounces))) = 0 ] &&
     ls /sys/bus/pci/devices/*/driver >/dev/null 2>&1; then
	ktap_test_fail "force: no mapping of any device was bounced"
else
	ktap_test_pass "force: mappings are bounced"
fi

for type in lo hi; do
	if [ -d "$SWIOTLB/$type" ]; then
		check_line $type
	else
		ktap_test_skip "$type: no line of its own at boot without HI"
	fi
done

ktap_finished
