# Trial mode prints its result, and a second start keeps everything.
. "$(dirname "$0")/lib.sh"
start_server --trial yes
until_ok 90 grep -q 'Go on by hand' "$T/server.log"
grep -qE 'LOCK +TRIALINTEL01 +acknowledged.*PIN [0-9]{6}' "$T/server.log" || fail lock
grep -qE 'WIPE +TRIALT200001 +refused \(wipe_refused_t2\)' "$T/server.log" || fail T2
grep -qE 'WIPE +TRIALARM0001 +acknowledged' "$T/server.log" || fail wipe
grep -qE 'ASSIGN +TRIALT200001 +to hanako' "$T/server.log" || fail assign
m device list --json | jq 'map({serial, chip, user, udid})' >"$T/before.json"
events=$(m event list --json | jq length)
stop_server
# The Macs know the URL with its port.
start_server --trial yes --device-port "${URL##*:}"
until_ok 60 grep -q 'Go on by hand' "$T/server.log"
m device list --json | jq 'map({serial, chip, user, udid})' >"$T/after.json"
cmp "$T/before.json" "$T/after.json" || fail "devices changed"
[ "$(m event list --json | jq length)" -ge "$events" ] || fail "events lost"
# The Macs that are left still work.
id=$(m lock TRIALT200001 --json | jq -r .id)
until_ok 60 order_is "$id" acknowledged
stop_server
