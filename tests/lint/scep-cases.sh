#!/bin/sh
# The list of cases of SCEP and of who holds them (scep-cases.txt): fails when a
# number from 1 to 141 is missing, when a named test is not there or not run,
# and when a case that no test holds has no reason.  Run from the root.
set -eu

awk '
function complain(why) {
	printf "tests/lint/scep-cases.txt:%d: %s\n", FNR, why
	bad = 1
}
# Defined in its file, and in the table of main().
function check_unit(test, name,    path, line, defined, listed) {
	path = "tests/unit/test_" test ".c"
	while ((getline line < path) > 0) {
		if (index(line, name "(void **state)") == 1) defined = 1
		if (line ~ "^\t\t[A-Za-z_]*\\(" name "[,)]") listed = 1
	}
	close(path)
	if (!defined) complain("no test " name " in " path)
	else if (!listed) complain(path " does not run " name)
}
function check_scenario(name,    path, line) {
	path = "tests/scenario/" name ".sh"
	if ((getline line < path) <= 0) complain("there is no " path)
	close(path)
}
/^#/ || NF == 0 { next }
{
	n = $1
	if (n !~ /^[0-9]+$/ || n < 1 || n > 141) complain("not a case: " n)
	seen[n] = 1
	if ($2 == "none") {
		if (NF < 6) complain("why does no test hold " n "?")
	} else if ($2 == "scenario") check_scenario($3)
	else if ($2 ~ /^[a-z0-9_]+$/) check_unit($2, $3)
	else complain("neither a test nor none: " $2)
}
END {
	for (n = 1; n <= 141; n++)
		if (!(n in seen)) {
			printf "tests/lint/scep-cases.txt: no case %d\n", n
			bad = 1
		}
	exit bad
}' tests/lint/scep-cases.txt
