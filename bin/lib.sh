# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# shellcheck disable=SC2034 # the paths are for the scripts that source this
# Where things are and how to speak.  Every script begins with
#   . "$(dirname "$0")/../bin/lib.sh"

set -euo pipefail

say()  { printf '%s\n' "$*" >&2; }
warn() { printf 'warning: %s\n' "$*" >&2; }
die()  { printf 'error: %s\n' "$*" >&2; exit 1; }

# Settings come as SWIOTLB_<NAME>, from make's arguments (see Makefile) or by hand. The
# plain names mean nothing, neither here nor to the programs that are started from here.
unset BASE BOUNDS BUILD CMDLINE CONFIG CPUS DEBUG INSTALL KERNEL LEVELS LINUX MEM MINUTES PARTS \
	PUBLISH QEMU_EXTRA QUICK SIGNOFF STEPS TIME_SCALE XEN_CMDLINE
unset MAKEFLAGS MFLAGS GNUMAKEFLAGS MAKEOVERRIDES MAKELEVEL LOCALVERSION
# 1 is yes. What is no becomes nothing.
for name in BOUNDS DEBUG PUBLISH QUICK SIGNOFF; do
	name=SWIOTLB_$name
	case ${!name-} in
	1) ;;
	"" | 0 | no) unset "$name" ;;
	*) die "${name#SWIOTLB_}=${!name}: want 1 for yes; 0, no or nothing for no" ;;
	esac
done
# A test is one with the defaults of all settings that change what is tested.
no_settings() {
	local name ignored=''
	for name in BOUNDS CMDLINE CONFIG CPUS DEBUG KERNEL MEM MINUTES PUBLISH QEMU_EXTRA QUICK \
		SIGNOFF STEPS XEN_CMDLINE; do
		name=SWIOTLB_$name
		[ -z "${!name-}" ] || ignored+=" ${name#SWIOTLB_}"
		unset "$name"
	done
	[ -z "$ignored" ] || warn "tests have settings of their own, so these are ignored:$ignored"
}
# The shell's own clock, which takes a value from the environment.
SECONDS=0
declare +x SECONDS

top=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
base=${SWIOTLB_BASE:-$(cat "$top/patches/default")}
patches=$top/patches/$base
[[ $base =~ ^[0-9A-Za-z][0-9A-Za-z.-]*$ && -d $patches ]] ||
	die "BASE=$base: no such folder in patches/, which has:$(cd "$top/patches" && printf ' %s' */)"

[ -n "${XDG_CACHE_HOME:-${HOME-}}" ] ||
	die "neither HOME nor XDG_CACHE_HOME is set, so there is no place for what is downloaded"
cache=${XDG_CACHE_HOME:-$HOME/.cache}/swiotlb
# bin/clean empties a folder only if it holds this file, which says that we made it.
marker=.swiotlb-build
build=$(realpath -ms "${SWIOTLB_BUILD:-$top/build/$base}")
# The same folder for what is started from here, in whatever folder that is.
[ -z "${SWIOTLB_BUILD-}" ] || export SWIOTLB_BUILD=$build
if [ ! -f "$build/$marker" ]; then
	# build/ of this repository is ours, unless it leads elsewhere.
	[ "$(realpath -m "$build")" = "$top/build/$base" ] || [ -z "$(ls -A "$build" 2>/dev/null)" ] ||
		die "BUILD=$build holds files that were not built here: name a new or an empty folder"
	mkdir -p "$build"
	echo "Built by $top; make clean removes most of what is in this folder." >"$build/$marker"
fi
mkdir -p "$cache"

# Started from a git hook, git would look at the hook's repository only.
unset GIT_DIR GIT_WORK_TREE GIT_INDEX_FILE GIT_PREFIX GIT_OBJECT_DIRECTORY

# Git as it comes: what the user has configured must not change what is written.
plain_git() {
	export GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_NOSYSTEM=1
	export GIT_CONFIG_COUNT=1 GIT_CONFIG_KEY_0=safe.directory GIT_CONFIG_VALUE_0='*'
}

# For the kernel's make: the compiler cache, and everything fixed that would make
# two builds of the same source differ.
kbuild_environment() {
	export CCACHE_DIR=$cache/ccache CCACHE_MAXSIZE=${CCACHE_MAXSIZE:-5G}
	# Paths below the base directory count as relative: clones elsewhere hit as well.
	export CCACHE_BASEDIR=$build CCACHE_NOHASHDIR=y
	export KBUILD_BUILD_TIMESTAMP='1970-01-01' KBUILD_BUILD_VERSION=1
	export KBUILD_BUILD_USER=build KBUILD_BUILD_HOST=localhost
	export LC_ALL=C
}

# lock NAME WHAT: one at a time; held until the script ends.
lock() {
	exec 9>"$cache/$1.lock"
	flock -n 9 && return
	say "Waiting for another $2 (at most 30 minutes)"
	flock -w 1800 9 || die "another $2 has held $cache/$1.lock for 30 minutes"
}

# room DIR DISK MEMORY WHAT: end, with both figures, unless DISK MiB are free where DIR is
# or will be, and MEMORY MiB of memory.
room() {
	local dir=$1 disk=$2 memory=$3 what=$4 free
	while [ ! -e "$dir" ]; do dir=$(dirname "$dir"); done
	free=$(df --output=avail -B1M "$dir" | tail -1)
	[ "$((free))" -ge "$disk" ] ||
		die "not enough free disk for $what: it takes $disk MiB, and the file system of $dir has $((free)) MiB left"
	free=$(awk '$1 == "MemAvailable:" || $1 == "SwapFree:" { kib += $2 } END { print int(kib / 1024) }' /proc/meminfo)
	[ "$free" -ge "$memory" ] ||
		die "not enough free memory for $what: it takes $memory MiB, and this machine has $free MiB left"
}

# room_to_build WHAT OUT...: room for kernels that are built in these folders, and their tree
room_to_build() {
	local disk=0 out
	[ -d "$build/linux" ] || disk=2000
	for out in "${@:2}"; do
		disk=$((disk + 200))
		[ -e "$out/arch/x86/boot/bzImage" ] || disk=$((disk + 1300))
	done
	room "$build" $disk $((300 + 200 * $(nproc))) "$1"
}

# attend GROUP [COMMAND...]: wait for the process group GROUP and return its status; COMMAND
# says every 15 seconds how far it is. A signal that ends this script, whichever, ends the
# group as well.
attend() {
	local group=$1 status=0 signal watcher
	shift
	{
		# Not one second longer than the group: its end interrupts the sleep.
		trap 'kill $! 2>/dev/null; exit' HUP TERM
		while sleep 15 & wait $!; do
			# The script was killed, so that it could not end the group.
			kill -0 $$ 2>/dev/null || { kill -- "-$group"; exit; }
			"${@:-:}"
		done
	} &
	watcher=$!
	for signal in HUP INT TERM; do
		# shellcheck disable=SC2064 # as these are now
		trap "trap - $signal; kill -- $watcher -$group 2>/dev/null || :; wait
			say \"\${0##*/} was interrupted by SIG$signal\"; kill -$signal $BASHPID" $signal
	done
	wait "$group" || status=$?
	trap - HUP INT TERM
	kill $watcher 2>/dev/null || true
	wait $watcher 2>/dev/null || true
	return $status
}

# in_group COMMAND...: run it so that what it has started ends, too, when a signal ends this
# script. It cannot ask anything, and Ctrl-Z does not stop it.
in_group() {
	set -m
	"$@" </dev/null &
	set +m
	attend $!
}

# how_far LOG WHAT START: a line on a command that began at START
how_far() {
	say "  $2: $((SECONDS - $3)) s, $(grep -cE '^  [A-Z]' "$1" || true) steps"
}

# with_progress LOG WHAT COMMAND...: run a long command into LOG, with a line on how
# far it is every 15 seconds; when it fails, its errors and last the reason and LOG's
# name. A signal that ends this script ends the command as well.
with_progress() {
	local log=$1 what=$2 start=$SECONDS status=0
	shift 2
	: >"$log"
	# A process group of its own, so that what the command has started ends, too.
	set -m
	"$@" >"$log" 2>&1 </dev/null &
	set +m
	attend $! how_far "$log" "$what" "$start" || status=$?
	if [ $status != 0 ]; then
		say "--- $what failed; the first lines with an error, of $(wc -l <"$log"):"
		grep -nE '(^|[^a-z_])[Ee]rror( [0-9]+|:)|\*\*\*|undefined reference|No space' "$log" | head -20 >&2 || tail -20 "$log" >&2
		die "$what failed with status $status after $((SECONDS - start)) s; log: $log"
	fi
}
