#!/bin/sh
# Fails when clang-tidy (.clang-tidy at the root) finds something in the
# tracked sources.  Run from the root with the build directory as $1, whose
# compile_commands.json says how each is compiled.  Without clang-tidy nothing
# is checked.  A file that has passed is not looked at again until it, any
# header, the checks or the way it is compiled change.
# The analyzer is shallow, many files share a process, since starting one takes
# as long as checking a file, and a dozen are read as one (together.awk), since
# reading the headers takes longer still.  With MUTSU_TIDY_DEEP=1 it is deep,
# with a process for each file.
set -eu

command -v clang-tidy >/dev/null || exit 0
build=$1
# The check of va_list is wrong about every second file of a process.
depth=shallow checks=-clang-analyzer-valist.Uninitialized,-bugprone-suspicious-include
[ -z "${MUTSU_TIDY_DEEP:-}" ] || depth=deep checks=

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
done >"$cache/todo"

[ -s "$cache/todo" ] || exit 0
if [ $depth = deep ]; then
	xargs -P2 -n2 sh -c '
		output=$(clang-tidy --quiet -p "$0" "$3" --extra-arg=-Xclang \
		    --extra-arg=-analyzer-config --extra-arg=-Xclang \
		    --extra-arg=mode=deep 2>/dev/null) && touch "$1/$2" ||
			{ printf "%s\n" "$output"; exit 1; }' "$build" "$cache" <"$cache/todo"
	exit
fi
rm -f "$cache"/set-*
cut -d ' ' -f 2 "$cache/todo" | sed "s#^#$PWD/#" | xargs awk -v out="$cache/set" \
	-v root="$PWD" -v most=12 -f cmake/together.awk |
	xargs -P2 -n8 sh -c '
	checks=$0 generated=$1
	shift
	output=$(clang-tidy --quiet --config-file=.clang-tidy --checks="$checks" "$@" -- -std=gnu17 -I. -I"$generated" \
	    -D_GNU_SOURCE -DMUTSU_CHECKS -DMUTSU_VERSION=\"0\" \
	    $(pkg-config --cflags libpq gnutls libplist-2.0) -Xclang -analyzer-opt-analyze-headers \
	    -Xclang -analyzer-config -Xclang mode=shallow 2>/dev/null) ||
		{ printf "%s\n" "$output"; exit 1; }' "$checks" "$build/generated"
cut -d ' ' -f 1 "$cache/todo" | (cd "$cache" && xargs touch)
