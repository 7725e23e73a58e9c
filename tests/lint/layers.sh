#!/bin/sh
# Fails when a source file includes
# - a project header that layers.txt does not allow its directory, that is not
#   named from the root, or that is another directory's *_priv.h;
# - a header of a foreign library outside its home (foreign.txt).
# Run from the root.  tests/ may include anything.
set -eu

# "file:line:#include ..." of everything that is tracked and there.
git ls-files -- '*.c' '*.h' | grep -v '^tests/' |
	xargs grep -sHnE '^[[:space:]]*#[[:space:]]*include' |
	awk -F: '
function read_table(path, keys,    line, at) {
	while ((getline line < path) > 0) {
		at = index(line, ":")
		if (line ~ /^#/ || at == 0) continue
		keys[substr(line, 1, at - 1)] = substr(line, at + 1) " "
	}
	close(path)
}
BEGIN {
	read_table("tests/lint/layers.txt", may)
	read_table("tests/lint/foreign.txt", home)
}
function complain(why) {
	printf "%s:%s: %s %s\n", $1, $2, header, why
	bad = 1
}
function check_own(    from, to) {
	from = $1; sub(/\/.*/, "", from)
	to = header; sub(/\/.*/, "", to)
	if (header !~ /\//) complain("is not named from the root")
	else if (!(from in may)) complain("is included from no layer")
	else if (from == to) return
	else if (index(may[from], " " to " ") == 0) complain("is not below " from)
	else if (header ~ /_priv\.h$/) complain("is private to " to)
}
function check_foreign(    prefix, n, i, files) {
	for (prefix in home) {
		if (index(header, prefix) != 1) continue
		n = split(home[prefix], files, " ")
		for (i = 1; i <= n; i++) if (index($1, files[i]) == 1) return
		complain("has its home in" home[prefix])
	}
}
{
	own = ($0 ~ /include[ \t]*"/)
	split($0, part, own ? "\"" : "[<>]")
	header = part[2]
	if (own) check_own(); else check_foreign()
}
END { exit bad }'
