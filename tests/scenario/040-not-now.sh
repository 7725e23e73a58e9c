# NotNow keeps a command open; a push brings the Mac back; lock goes first.
. "$(dirname "$0")/lib.sh"
start_all
start_macs macs --model apple-silicon --not-now 2
until_ok 30 json_is 2 '[.[] | select(.state == "not-now")] | length' \
	m command list --device SIM000001 --json
id=$(m lock SIM000001 --json | jq -r .id)
until_ok 60 order_is "$id" acknowledged
m device push SIM000001 >/dev/null
until_ok 60 device_is SIM000001 0 .open_commands
device_is SIM000001 apple-silicon .chip || fail "chip"
stop_server
