# The main job: enrol by the Safari URL, inventory, lock, wipe, T2 refused in
# every path, a certificate rolled out and taken back.
. "$(dirname "$0")/lib.sh"
start_all
start_macs macs --count 3
for s in SIM000001 SIM000002 SIM000003; do
	until_ok 60 device_is "$s" enrolled .state
	until_ok 60 device_is "$s" 0 .open_commands
done
device_is SIM000001 none .chip || fail "chip of the Intel Mac"
device_is SIM000002 t2 .chip || fail "chip of the T2 Mac"
device_is sim-3 apple-silicon .chip || fail "a device is found by its name"

order=$(m lock SIM000001 --message "Call us" --note test --json)
pin=$(jq -r .pin <<<"$order"); id=$(jq -r .id <<<"$order")
[[ $pin =~ ^[0-9]{6}$ ]] || fail "no PIN of six digits"
until_ok 60 order_is "$id" acknowledged
[ "$(m order pin "$id" --json | jq -r .pin)" = "$pin" ] || fail "the PIN is kept"

# T2: as an order, as a raw command, in bulk.  3 is "refused by a rule".
code=0; m wipe SIM000002 --yes 2>"$T/err" || code=$?
[ $code -eq 3 ] || fail "wipe of T2 ended with $code"
grep -q wipe_refused_t2 "$T/err" || fail "no reason"
code=0; m command send SIM000002 EraseDevice 2>"$T/err" || code=$?
[ $code -eq 3 ] || fail "raw EraseDevice for T2 ended with $code"
api POST /api/v1/orders/bulk -H 'Content-Type: application/json' \
	-d '{"kind":"wipe","devices":["SIM000002","SIM000003"]}' >"$T/bulk"
head -1 "$T/bulk" | jq -e '.results[0].problem.code == "wipe_refused_t2" and
	.results[1].order.kind == "wipe"' >/dev/null || fail "bulk: $(cat "$T/bulk")"
id=$(head -1 "$T/bulk" | jq -r '.results[1].order.id')
until_ok 60 order_is "$id" acknowledged

m assign SIM000002 hanako --email hanako@example.com >/dev/null
until_ok 60 device_is SIM000002 installed .rollout.state
m certificate list --device SIM000002 --json | jq -e \
	'[.[] | select(.purpose == "rollout" and .state == "valid")] | length == 1' \
	>/dev/null || fail "one live certificate"
m unassign SIM000002 >/dev/null
until_ok 60 device_is SIM000002 removed .rollout.state
m certificate list --device SIM000002 --json | jq -e \
	'[.[] | select(.purpose == "rollout" and .state == "valid")] | length == 0' \
	>/dev/null || fail "revoked"

# The feed has no gaps, and nothing secret.
m event list --json | jq -e '[.[].seq] == [range(1; length + 1)]' >/dev/null || fail "gap"
! m event list --json | grep -q "$pin" || fail "the PIN is in the feed"
! grep -q "$pin" "$T/server.log" || fail "the PIN is in the log"
kill "$PID"; wait "$PID" || fail "a simulated Mac complains"
stop_server
