# What people meet: a wipe asks for the serial number, lists are whole.
. "$(dirname "$0")/lib.sh"
start_all
start_macs macs --count 1
until_ok 60 device_is SIM000001 enrolled .state
until_ok 60 device_is SIM000001 0 .open_commands

# answered TEXT: the wipe's exit code with TEXT typed on a terminal.
answered() {
	local code=0
	printf '%s\n' "$1" |
		script -qec "'$MUTSU' wipe sim-1 --data '$T/data'" /dev/null >"$T/asked" || code=$?
	echo $code
}

for wrong in "" sim-1 SIM000002 yes; do
	[ "$(answered "$wrong")" = 2 ] || fail "\"$wrong\" was taken: $(cat "$T/asked")"
	grep -q "Type the serial number" "$T/asked" || fail "nobody asked"
done
[ "$(m order list --json | jq length)" = 0 ] || fail "an order was made"
code=0; m wipe sim-1 </dev/null 2>"$T/err" || code=$?
[ $code -eq 2 ] || fail "without a terminal it ended with $code"
[ "$(answered sim000001)" = 0 ] || fail "the right answer: $(cat "$T/asked")"
until_ok 60 device_is SIM000001 wiped .state

for i in $(seq 101); do m token create "t$i" >/dev/null; done
[ "$(m token list --json | jq length)" = 102 ] || fail "the list of tokens was cut"
for i in $(seq 501); do
	printf 'next\nurl = "%s/api/v1/users"\nheader = "Authorization: Bearer %s"\n' "$ADMIN" "$TOKEN"
	printf 'json = "{\\"name\\":\\"u%03d\\"}"\noutput = "/dev/null"\n' "$i"
done >"$T/users"
curl -sS -K "$T/users"
[ "$(m user list --json | jq length)" = 501 ] || fail "the list of users was cut"
kill "$PID"; wait "$PID" || fail "a simulated Mac complains"

code=0; m device delete sim-1 </dev/null 2>"$T/err" || code=$?
[ $code -eq 2 ] || fail "deleted without a question: $code"
m device delete sim-1 --yes >/dev/null
code=0; m device show SIM000001 >/dev/null 2>&1 || code=$?
[ $code -eq 4 ] || fail "a deleted Mac is shown: $code"
[ "$(m order list --json | jq -r '.[0].device')" = SIM000001 ] || fail "the history is gone"
stop_server
