# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# shellcheck disable=SC2034 # the paths are for the scripts that source this
# Where things are and how to speak.  Every script begins with
#   . "$(dirname "$0")/../bin/lib.sh"

set -euo pipefail

say()  { printf '%s\n' "$*" >&2; }
warn() { printf 'warning: %s\n' "$*" >&2; }
die()  { printf 'error: %s\n' "$*" >&2; exit 1; }

top=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
base=${BASE:-$(cat "$top/patches/default")}
patches=$top/patches/$base
[[ $base =~ ^[0-9A-Za-z][0-9A-Za-z.-]*$ && -d $patches ]] ||
	die "BASE=$base: no such folder in patches/, which has:$(cd "$top/patches" && printf ' %s' */)"

# BUILD= is for the checks, which work in a directory of their own.
build=${BUILD:-$top/build/$base}
cache=${XDG_CACHE_HOME:-$HOME/.cache}/swiotlb
mkdir -p "$build" "$cache"

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
	# Ours are not for that make, which would take them for its own.
	unset BASE LINUX CMDLINE XEN_CMDLINE MEM CPUS QEMU_EXTRA SIGNOFF CONFIG BUILD DEBUG
	unset MAKEFLAGS MFLAGS GNUMAKEFLAGS MAKEOVERRIDES MAKELEVEL
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

# with_progress LOG WHAT COMMAND...: run a long command into LOG, with a line on how
# far it is every 15 seconds; the errors and LOG's name when it fails.
with_progress() {
	local log=$1 what=$2 start=$SECONDS status=0 watcher
	shift 2
	: >"$log"
	{
		# Not one second longer than the command: its end interrupts the sleep.
		trap 'kill $! 2>/dev/null; exit' TERM
		while sleep 15 & wait $!; do
			say "  $what: $((SECONDS - start)) s, $(grep -cE '^  [A-Z]' "$log" || true) steps"
		done
	} &
	watcher=$!
	"$@" >"$log" 2>&1 </dev/null || status=$?
	kill $watcher 2>/dev/null || true
	wait $watcher 2>/dev/null || true
	if [ $status != 0 ]; then
		say "--- $what failed; the first lines with an error, of $(wc -l <"$log"):"
		grep -nE '(^|[^a-z_])[Ee]rror( [0-9]+|:)|\*\*\*|undefined reference|No space' "$log" | head -20 >&2 || tail -20 "$log" >&2
		die "$what failed with status $status after $((SECONDS - start)) s; log: $log"
	fi
}
