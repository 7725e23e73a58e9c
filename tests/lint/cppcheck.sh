#!/bin/sh
# Fails when cppcheck finds something in the tracked sources.  Run from the
# root with the build directory as $1; what did not change since the last run
# is not looked at again.  Without cppcheck nothing is checked.
set -eu

command -v cppcheck >/dev/null || exit 0
cache=$1/cppcheck
mkdir -p "$cache"
list=$(mktemp "$cache/files.XXXXXX")
trap 'rm -f "$list"' EXIT
git ls-files -- '*.c' | grep -v '^tests/' | while read -r file; do
	[ ! -f "$file" ] || printf '%s\n' "$file"
done >"$list"

# System headers are not read: missingIncludeSystem says so, and their macros
# would only cost time.
# - varFuncNullUB: NULL is a pointer in glibc, and attribute sentinel checks it.
exec cppcheck -j2 --quiet --error-exitcode=1 --std=c11 \
	--enable=warning,performance,portability \
	--inline-suppr --suppress=missingIncludeSystem --suppress=varFuncNullUB \
	-I. -I"$1/generated" -DMUTSU_VERSION='"0"' \
	--cppcheck-build-dir="$cache" --template=gcc \
	--file-list="$list"
