#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# All variants of the tests, one after another, in KTAP; a line of failure says where
# its log is.  STEPS= of the random test.  Run by make check.
set -euo pipefail
cd "$(dirname "$0")"
kernel=${KERNEL:-../../..} out=${O:-build} steps=${STEPS:-10000000}
address='-fsanitize=address,undefined -fno-sanitize-recover=all'
files=-DCONFIG_DEBUG_FS dynamic=-DCONFIG_SWIOTLB_DYNAMIC
# The headers of 32 bits are those of 64, but for a few.
gcc32="gcc -m32 -D_FILE_OFFSET_BITS=64 -isystem /usr/include/$(gcc -print-multiarch)"
jobs=$(nproc)
n=0 failed=0
mkdir -p "$out"
out=$(cd "$out" && pwd)
# A machine that runs no 32-bit programs itself takes Debian's qemu-user, which is slow,
# and in which the address sanitizer does not find its place.
run32=() stride32=4 sanitize32=$address
echo 'int main(void) { return 0; }' | $gcc32 -x c -o "$out/try32" -
"$out/try32" 2>/dev/null ||
	run32=(qemu-i386) stride32=16 sanitize32=${address/address,/}

# passed LOG: how many tests or steps
passed() {
	sed -n 's/^# \([0-9]* passed.*\)/\1/p; s/^ok 1 [a-z]* # //p' "$1" | tail -1
}

# result NAME STATUS LOG: a line of KTAP
result() {
	n=$((n + 1))
	if [ "$2" = 0 ]; then
		echo "ok $n $1 # $(passed "$3"), $((SECONDS - began)) s"
	else
		failed=$((failed + 1))
		grep -E '^(not ok|# [^ ]|[^ok#].*error)' "$3" | head -20 | sed 's/^/# /' ||
			tail -5 "$3"
		echo "not ok $n $1 # log: $3"
	fi
}

# build NAME [VARIABLE=VALUE...]: the programs of a variant, into their own folder
build() {
	local name=$1
	shift
	mkdir -p "$out/$name"
	make -s -j"$jobs" O="$out/$name" KERNEL="$kernel" "$@" programs
}

# variant NAME STRIDE TESTS [VARIABLE=VALUE...]: TESTS are beginnings of names, or none.
# What stands in the array "run" runs it.
run=()
variant() {
	local name=$1 status=0 log=$out/$1.log
	local command=("${run[@]}" "$out/$1/swiotlb-sim" ${3:+"$3"})
	local -x SIM_STRIDE=$2
	shift 3
	began=$SECONDS
	{ build "$name" "$@" && "${command[@]}"; } >"$log" 2>&1 || status=$?
	result "$name" $status "$log"
}

# random_steps NAME VARIANT STEPS: the random test with the programs of a variant
random_steps() {
	local status=0 log=$out/$1.log
	began=$SECONDS
	(cd "$out" && "$out/$2/swiotlb-random" -j "$jobs" -n "$3") >"$log" 2>&1 || status=$?
	result "$1" $status "$log"
}

echo "KTAP version 1"
# With the optimiser and nothing else: every mask, and most of the random steps
variant plain 1 '' SANITIZE=
variant plain-dynamic 1 '' SANITIZE= CONFIG="$files $dynamic"
variant plain-no-files 4 '' SANITIZE= CONFIG=
variant plain-dynamic-no-files 4 '' SANITIZE= CONFIG="$dynamic"
random_steps random plain $((steps * 7 / 10))
random_steps random-dynamic plain-dynamic $((steps * 3 / 10))
# With sanitizers, and with both compilers; every fourth mask
variant address 4 '' SANITIZE="$address"
variant address-dynamic 4 '' SANITIZE="$address" CONFIG="$files $dynamic"
variant clang 4 '' CC=clang SANITIZE="$address"
random_steps random-address address $((steps / 20))
random_steps random-address-dynamic address-dynamic $((steps / 20))
run=("${run32[@]}")
variant 32-bit "$stride32" '' SANITIZE= CC="$gcc32"
variant 32-bit-one-cpu "$stride32" search SANITIZE= CC="$gcc32" CONFIG=-DSIM_ONE_CPU
variant 32-bit-dynamic "$stride32" '' SANITIZE="$sanitize32" CC="$gcc32" CONFIG="$files $dynamic"
run=()
variant thread 4 threads CC=clang SANITIZE=-fsanitize=thread
variant thread-dynamic 4 threads CC=clang SANITIZE=-fsanitize=thread CONFIG="$files $dynamic"
variant thread-no-files 4 threads CC=clang SANITIZE=-fsanitize=thread CONFIG=

began=$SECONDS status=0
./corpus.py unpack corpus "$out/corpus"
"$out/address/swiotlb-random" "$out"/corpus/* >"$out/corpus.log" 2>&1 || status=$?
result corpus $status "$out/corpus.log"

began=$SECONDS status=0
./coverage.py "$kernel" "$out" >"$out/coverage.log" 2>&1 || status=$?
result coverage $status "$out/coverage.log"
sed -n 's/^coverage: /# /p' "$out/coverage.log"

echo "1..$n"
echo "# $((n - failed)) passed, $failed failed"
[ $failed = 0 ]
