# APNs away: what is due stays due, and reaches the Mac when APNs is back, also
# through a restart of the server.
. "$(dirname "$0")/lib.sh"
start_all
start_macs macs --model apple-silicon --state "$T/state"
until_ok 60 device_is SIM000001 0 .open_commands

# Down: a lock waits, and nothing of it is lost.
APNS=${PIDS[0]}
kill "$APNS"; wait "$APNS" || fail "the simulated APNs' end"
kill "$PID"; wait "$PID" || fail "the Mac's end"
id=$(m lock SIM000001 --json | jq -r .id)
order_is "$id" queued || fail "nobody can have fetched it"
until_ok 60 grep -qE push_unreachable "$T/server.log"

# Up again on the same ports, then the Mac, which only listens: the push is
# what brings it.
start_apns --port "$APNS_PORT" --device-port "$APNS_DEVICE_PORT"
background macs "$TOOL" sim mac --ca "$CA" --apns "127.0.0.1:$APNS_DEVICE_PORT" \
	--model apple-silicon --state "$T/state" --asleep
until_ok 60 grep -q '^ready' "$T/macs.log"
until_ok 90 order_is "$id" acknowledged

# The server restarts while commands wait for a Mac that does not listen.
kill "$PID"; wait "$PID" || fail "the Mac's end"
command=$(m command send SIM000001 ProfileList --json | jq -r .id)
stop_server
start_server --device-port "${URL##*:}"
json_is true '.state == "queued" or .state == "pushed"' m command show "$command" --json ||
	fail "the command was lost"
background macs "$TOOL" sim mac --ca "$CA" --apns "127.0.0.1:$APNS_DEVICE_PORT" \
	--model apple-silicon --state "$T/state" --asleep
until_ok 60 grep -q '^ready' "$T/macs.log"
m device push SIM000001 >/dev/null
until_ok 60 json_is acknowledged .state m command show "$command" --json
stop_server
