# NotNow keeps a command open; the Mac is woken again; lock goes first.
. "$(dirname "$0")/lib.sh"
start_all
start_macs macs --model apple-silicon --not-now 2
until_ok 60 device_is SIM000001 0 .open_commands
json_is 2 '[.[] | select(.kind == "command.not_now")] | length' \
	m event list --json || fail "two NotNow in the feed"
json_is 2 '[.[] | select(.state == "acknowledged")] | length' \
	m command list --device SIM000001 --json || fail "both were done later"
device_is SIM000001 apple-silicon .chip || fail "chip"
# A Mac that says NotNow to all else still locks at once.
kill "$PID"; wait "$PID" || fail "the Mac's end"
start_macs sleepy --model apple-silicon --prefix NAP --not-now 1000
id=$(m lock NAP000001 --json | jq -r .id)
until_ok 60 order_is "$id" acknowledged
m command list --device NAP000001 --state open --json |
	jq -e 'length == 2 and all(.[]; .why | length > 0)' >/dev/null ||
	fail "the others wait, and say why"
stop_server
