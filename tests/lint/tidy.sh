#!/bin/sh
# Fails when clang-tidy (.clang-tidy at the root) finds something in the
# tracked sources.  Run from the root with the build directory as $1, whose
# compile_commands.json says how each is compiled.  Without clang-tidy nothing
# is checked.  A file that has passed is not looked at again until it, any
# header, the checks or the way it is compiled change.
set -eu

command -v clang-tidy >/dev/null || exit 0
build=$1
cache=$build/tidy
mkdir -p "$cache"

# What can change the verdict on any file.
common=$({
	clang-tidy --version
	cat .clang-tidy "$build/compile_commands.json"
	git ls-files -- '*.h' | while read -r file; do
		[ ! -f "$file" ] || cat "$file"
	done
} | sha256sum | cut -c1-64)

git ls-files -- '*.c' | grep -v '^tests/' | while read -r file; do
	[ -f "$file" ] || continue
	# Not of this configuration: the build does not know the file.
	grep -q "/$file\"" "$build/compile_commands.json" || continue
	printf '%s %s\n' "$file" \
	    "$(printf '%s' "$common" | cat - "$file" | sha256sum | cut -c1-64)"
done | xargs -P2 -n2 sh -c '
	passed=$1/$3
	[ ! -e "$passed" ] || exit 0
	if output=$(clang-tidy --quiet -p "$0" "$2" 2>/dev/null); then
		: >"$passed"
	else
		printf "%s\n" "$output"
		exit 1
	fi' "$build" "$cache"
