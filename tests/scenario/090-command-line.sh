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

# made WHAT [JSON]: one for each name on standard input.
made() {
	while read -r name; do
		printf 'next\nurl = "%s/api/v1/%s"\nheader = "Authorization: Bearer %s"\n' "$ADMIN" "$1" "$TOKEN"
		printf 'json = "{\\"name\\":\\"%s\\"%s}"\noutput = "/dev/null"\n' "$name" "${2:-}"
	done >"$T/made"
	curl -sS -K "$T/made"
}
seq -f 't%g' 101 | made tokens ',\"role\":\"viewer\"'
[ "$(m token list --json | jq length)" = 102 ] || fail "the list of tokens was cut"
seq -f 'u%03g' 501 | made users
[ "$(m user list --json | jq length)" = 501 ] || fail "the list of users was cut"

# Events, oldest first: that there are more, and the way to them.
all=$(api GET '/api/v1/events?limit=500&after=500' | head -1 | jq '.events[-1].seq')
[ "$all" -gt 500 ] || fail "only $all events"
json_is 500 length m event list --json 2>"$T/err"
grep -q 'there may be more.*--after 500' "$T/err" || fail "events: $(cat "$T/err")"
json_is "$((all - 500))" length m event list --json --after 500 2>"$T/err"
[ ! -s "$T/err" ] || fail "no more, but: $(cat "$T/err")"
for n in 1 3 500; do
	json_is "$((all - n + 1)) $all" '"\(.[0].seq) \(.[-1].seq)"' m event list --last "$n" --json || fail "the last $n"
done
code=0; m event list --last 501 2>/dev/null || code=$?
[ $code -eq 2 ] || fail "--last 501: $code"

# What is said is so.
says() { #  EXIT-CODE TEXT COMMAND...
	local want=$1 text=$2 code=0; shift 2
	"$@" >"$T/said" 2>&1 || code=$?
	[ $code -eq "$want" ] && grep -q -e "$text" "$T/said" || fail "$*: $code, $(cat "$T/said")"
}
says 0 'No Mac with this text' m device list --search NOTHING
says 0 'had no user' m unassign SIM000001
says 6 '--token-file: /nonexistent: ' m device list --token-file /nonexistent
says 2 '--count' "$TOOL" sim mac --count 0 --ca "$CA" --apns 127.0.0.1:1
says 2 '--model' "$TOOL" sim mac --model nosuch --ca "$CA" --apns 127.0.0.1:1
kill "$PID"; wait "$PID" || fail "a simulated Mac complains"

for filter in subject device user state purpose template authority serial fingerprint transaction; do
	m certificate list --help | grep -q -- "--$filter " || fail "certificate list cannot filter by $filter"
	[ "$(curl -sS -H "Authorization: Bearer $TOKEN" "$ADMIN/api/v1/certificates?$filter=-" | jq -r .code)" != unknown_filter ] ||
		fail "the API does not know $filter"
done

code=0; m device delete sim-1 </dev/null 2>"$T/err" || code=$?
[ $code -eq 2 ] || fail "deleted without a question: $code"
m device delete sim-1 --yes >/dev/null
code=0; m device show SIM000001 >/dev/null 2>&1 || code=$?
[ $code -eq 4 ] || fail "a deleted Mac is shown: $code"
[ "$(m order list --json | jq -r '.[0].device')" = SIM000001 ] || fail "the history is gone"
stop_server
