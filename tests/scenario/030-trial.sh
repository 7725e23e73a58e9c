# Trial mode prints its result, also when earlier starts were interrupted, and
# a start after that keeps everything, on another port too.
. "$(dirname "$0")/lib.sh"
for at in 'Macs enrol by' TRIALT200001 'LOCK ' 'TRIALARM0001  ack'; do
	start_server --trial yes
	until_ok 60 grep -q "$at" "$T/server.log"
	stop_server
	! grep -q 'Trial failed' "$T/server.log" || fail "interrupted at $at"
	rm -f "$T/data/trial/shown" # where the tour was too fast
done
start_server --trial yes
until_ok 60 grep -q 'Go on by hand' "$T/server.log"
grep -qE 'LOCK +TRIALINTEL01 +acknowledged.*PIN [0-9]{6}' "$T/server.log" || fail lock
grep -qE 'WIPE +TRIALT200001 +refused \(wipe_refused_t2\)' "$T/server.log" || fail T2
grep -qE 'WIPE +TRIALARM0001 +acknowledged' "$T/server.log" || fail wipe
grep -qE 'ASSIGN +TRIALT200001 +to hanako' "$T/server.log" || fail assign
m device list --json | jq 'map({serial, chip, user, udid})' >"$T/before.json"
grep -q 'Trial:.*simulated' "$T/server.log" || fail "the beginning"
events=$(m event list --json | jq length)
stop_server
before=$URL
start_server --trial yes
[ "$URL" != "$before" ] || fail "the same port"
until_ok 60 grep -q 'Go on by hand' "$T/server.log"
grep -q 'Trial, continued' "$T/server.log" || fail "the tour was made again"
m device list --json | jq 'map({serial, chip, user, udid})' >"$T/after.json"
cmp "$T/before.json" "$T/after.json" || fail "devices changed"
[ "$(m event list --json | jq length)" -ge "$events" ] || fail "events lost"
# The Macs that are left still work.
id=$(m lock TRIALT200001 --json | jq -r .id)
until_ok 60 order_is "$id" acknowledged
stop_server
