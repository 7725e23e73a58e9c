#!/bin/sh
# Fails when clang-tidy (.clang-tidy at the root) finds something in the
# tracked sources.  Run from the root with the build directory as $1, whose
# compile_commands.json says how each is compiled.  Without clang-tidy nothing
# is checked.  A file that has passed is not looked at again until it, any
# header, the checks or the way it is compiled change.
# The analyzer is shallow and many files share a process, since starting one
# takes as long as checking a file: a tenth of the time.  With
# MUTSU_TIDY_DEEP=1 it is deep, with a process for each file.
set -eu

command -v clang-tidy >/dev/null || exit 0
build=$1
# The check of va_list is wrong about every second file of a process.
depth=shallow checks=-clang-analyzer-valist.Uninitialized words=50
[ -z "${MUTSU_TIDY_DEEP:-}" ] || depth=deep checks= words=2

# What can change the verdict on any file names the directory.
cache=$build/tidy/$({
	echo "$depth"
	clang-tidy --version
	cat .clang-tidy "$build/compile_commands.json"
	git ls-files -- '*.h' | while read -r file; do
		[ ! -f "$file" ] || cat "$file"
	done
} | sha256sum | cut -c1-64)
mkdir -p "$cache"

git ls-files -- '*.c' | grep -v '^tests/' | while read -r file; do
	[ ! -f "$file" ] || printf '%s\n' "$file"
done | xargs sha256sum | while read -r sum file; do
	# The build may not know a file: not of this configuration.
	[ -e "$cache/$sum" ] || ! grep -q "/$file\"" "$build/compile_commands.json" ||
		printf '%s %s\n' "$sum" "$file"
done | xargs -P2 -n$words sh -c '
	build=$0 cache=$1 depth=$2 checks=$3
	shift 3
	sums= files=
	while [ $# -gt 0 ]; do
		sums="$sums $cache/$1" files="$files $2"
		shift 2
	done
	# Lists of names without spaces.
	if output=$(clang-tidy --quiet -p "$build" --checks="$checks" --extra-arg=-Xclang \
	    --extra-arg=-analyzer-config --extra-arg=-Xclang \
	    --extra-arg="mode=$depth" $files 2>/dev/null); then
		touch $sums
	else
		printf "%s\n" "$output"
		exit 1
	fi' "$build" "$cache" "$depth" "$checks"
