#!/bin/sh
# Fails when a source file calls a function of banned.txt elsewhere than in
# the file that wraps it.  Comments and strings do not count.  Run from the
# root.  tests/ may call anything.
#
# Write transactions are begun by store_write() alone, which runs them again
# when the database undid them; the push scheduler does that by itself, later.
set -eu

if git grep -nw STORE_WRITE -- '*.c' '*.h' ':!tests/' ':!store/' \
	':!apns/apns_scheduler_*.c'; then
	echo "STORE_WRITE: use store_write() instead" >&2
	exit 1
fi

git ls-files -- '*.c' '*.h' | grep -v '^tests/' | while read -r file; do
	[ ! -f "$file" ] || printf '%s\n' "$file"
done | xargs awk '
BEGIN {
	while ((getline line < "tests/lint/banned.txt") > 0) {
		at = index(line, ":")
		if (line ~ /^#/ || at == 0) continue
		instead[substr(line, 1, at - 1)] = substr(line, at + 2)
	}
}
FNR == 1 { comment = 0 }
{
	code = $0
	gsub(/\\./, "", code)
	gsub(/"[^"]*"/, "\"\"", code)
	if (comment) {
		if (!sub(/^.*\*\//, "", code)) next
		comment = 0
	}
	gsub(/\/\*([^*]|\*+[^*\/])*\*+\//, "", code)
	if (sub(/\/\*.*$/, "", code)) comment = 1
	sub(/\/\/.*$/, "", code)
	while (match(code, /[A-Za-z_][A-Za-z0-9_]*[ \t]*\(/)) {
		name = substr(code, RSTART, RLENGTH - 1)
		sub(/[ \t]+$/, "", name)
		code = substr(code, RSTART + RLENGTH)
		if (!(name in instead)) continue
		if (index(instead[name], "[" FILENAME "]") > 0) continue
		printf "%s:%d: %s() is banned; instead: %s\n", FILENAME, FNR,
		    name, instead[name]
		bad = 1
	}
}
END { exit bad }'
