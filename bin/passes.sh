# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash disable=SC2034,SC2154
# What has passed is not run again while its inputs are the same. Source this after
# lib.sh.
#
# A pass is a small file, $passes/NAME.HASH, with the name, the hash, the seconds it
# took, the date, and the tests that were skipped, if any. Remove it to run NAME again.
#
# The hash covers NAME and its inputs, words that are one of
#   PATH        a file or folder of this repository, or a pattern such as boot/*
#   @tree       the kernel source with the whole series; @tree:PATH is a part of it
#   @kernel     the same without what no kernel is built from: documents, tests
#   @series     the commits of the series, with their messages
#   @xen        the version of the hypervisor
#   =TEXT       the text
# COMMIT@tree and COMMIT@kernel take another commit than the end of the series.
# The programs of the machine (compiler, QEMU) are not covered.

passes=$cache/passed
# What a boot depends on, besides its scenario.
booting="boot/* boot/guest bin/build-kernel bin/configure bin/kbuild bin/lib.sh @kernel @xen @tree:tools/testing/selftests"

no_settings

# want_scenario NAME: end unless boot/scenarios has it
want_scenario() {
	[[ $1 != *[./]* && -f $top/boot/scenarios/$1 ]] ||
		die "there is no scenario '$1'; boot/scenario --list lists them"
}

# inputs WORD...: print what each word stands for
inputs() {
	local word what commit path paths
	for word; do
		what=${word#*@} commit=${word%%@*}
		case $word in
		=*)
			echo "$word"
			continue
			;;
		@xen)
			echo "xen $(cat "$build/xen.version")"
			continue
			;;
		*@*)
			[ -d "$build/linux" ] || die "there is no $build/linux: run bin/assemble"
			# What is built is the working tree.
			[ -n "$commit" ] || git -C "$build/linux" diff --quiet series ||
				die "$build/linux holds changes that are not in its branch 'series', so no pass can be recorded"
			commit=$(git -C "$build/linux" rev-parse "${commit:-series}^{commit}") || return
			;;
		esac
		case $word in
		*@kernel)
			git -C "$build/linux" ls-tree "$commit" | grep -vE $'\t(Documentation|MAINTAINERS|tools)$'
			git -C "$build/linux" ls-tree "$commit" tools/ | grep -v $'\ttools/testing$'
			;;
		*@tree | *@tree:*)
			path=${what#tree} path=${path#:}
			echo "tree:$path $(git -C "$build/linux" rev-parse -q --verify "$commit:$path")"
			;;
		*@series) echo "series $commit" ;;
		*@*)      die "the input '$word' is of no known kind" ;;
		*)
			mapfile -td '' paths < <(cd "$top" && git --glob-pathspecs ls-files -zco --exclude-standard -- "$word" | LC_ALL=C sort -z)
			[ ${#paths[@]} -gt 0 ] || die "the input '$word' matches no file"
			(cd "$top" && for path in "${paths[@]}"; do
				[ ! -L "$path" ] || echo "$path -> $(readlink "$path")"
				[ ! -f "$path" ] || { stat -c %A "$path" && sha256sum "$path"; }
			done)
			;;
		esac
	done
}

# pass_file NAME WORD...: print the path of the pass, which need not exist
pass_file() {
	local name=$1 hash
	shift
	hash=$(set -e; inputs "$@") || return
	hash=$(printf '%s\n' "$name" "$hash" | sha256sum)
	echo "$passes/$name.${hash:0:16}"
}

# pass_says FILE KEY: the value in a pass
pass_says() {
	sed -n "s/^$2=//p" "$1"
}

# record FILE SECONDS [LINES]: write a pass; LINES is a file, of which "skip ..." is kept
record() {
	local name=${1##*/}
	mkdir -p "$passes"
	{
		printf '%s\n' "name=${name%.*}" "hash=${name##*.}" "seconds=$2" "date=$(date '+%F %H:%M')"
		[ -z "${3-}" ] || sed -n 's/^skip /skip=/p' "$3"
	} >"$1.new"
	mv "$1.new" "$1"
}

# once NAME "INPUTS" COMMAND [ARGUMENT...]: run the command, which prints lines such as
# "skip ...", and "ok ..." at least once, unless it has passed. Returns its status.
once() {
	local name=$1 words file lines=$build/tmp.once.$BASHPID start=$SECONDS status=0
	read -ra words <<<"$2"
	shift 2
	file=$(pass_file "$name" "${words[@]}") || return
	if [ -e "$file" ]; then
		echo "ok $name - passed on $(pass_says "$file" date) in $(pass_says "$file" seconds) s"
		sed -n 's/^skip=/skip /p' "$file"
		return
	fi
	"$@" | tee "$lines" || status=$((PIPESTATUS[0] | PIPESTATUS[1]))
	! grep -qE '^[[:space:]]*not ok' "$lines" || status=1
	if [ "$status" = 0 ] && ! grep -q '^ok ' "$lines"; then
		echo "not ok $name - printed no result"
		status=1
	fi
	if [ "$status" = 0 ] && [ "$file" != "$(pass_file "$name" "${words[@]}")" ]; then
		echo "not ok $name - its inputs changed while it ran"
		status=1
	fi
	[ "$status" != 0 ] || record "$file" $((SECONDS - start)) "$lines"
	rm -f "$lines"
	return "$status"
}
