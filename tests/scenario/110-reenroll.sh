# One row for one Mac: wiped and enrolled again, copied to another machine, and
# a second machine with the serial number of the first.
. "$(dirname "$0")/lib.sh"
start_all
certificates() { # certificates PURPOSE STATE: how many of the Mac
	m certificate list --device SIM000001 --json | jq --arg p "$1" --arg s "$2" \
		'[.[] | select(.purpose == $p and .state == $s)] | length'
}
have() { [ "$(certificates "$1" "$2")" = "$3" ]; }
told() { # told KIND N: so many events of this kind
	[ "$(m event list --json | jq --arg k "$1" '[.[] | select(.kind == $k)] | length')" = "$2" ]
}
devices() { m device list --json | jq length; }

start_macs first --model apple-silicon --state "$T/state"
until_ok 60 device_is SIM000001 0 .open_commands
m assign SIM000001 hanako >/dev/null
until_ok 60 device_is SIM000001 installed .rollout.state
id=$(m device show SIM000001 --json | jq -r .id)
stop_mac() { kill "$PID"; wait "$PID" || fail "the Mac's end"; }

# A clone: the same identity, another UDID.  Refused, told, and the original
# still works.
stop_mac
background clone "$TOOL" sim mac --ca "$CA" --apns "127.0.0.1:$APNS_DEVICE_PORT" \
	--model apple-silicon --serial COPY00001 --udid 11111111-0000-5000-8000-000000000009 \
	--clone-of "$T/state/SIM000001.json"
until_ok 60 told device.identity_conflict 1
stop_mac
[ "$(devices)" = 1 ] || fail "the clone has a row"

# Another machine says it has this serial number, while the Mac is enrolled.
if "$TOOL" sim mac --enroll-url "$URL/enroll" --ca "$CA" --seconds 1 \
	--apns "127.0.0.1:$APNS_DEVICE_PORT" --serial SIM000001 \
	--udid 22222222-0000-5000-8000-000000000009 >"$T/twin.log" 2>&1; then
	fail "the serial number was given away"
fi
until_ok 10 told device.serial_conflict 1
[ "$(devices)" = 1 ] || fail "a second row for one serial number"
start_macs first --model apple-silicon --state "$T/state"
until_ok 60 order_is "$(m lock SIM000001 --json | jq -r .id)" acknowledged

# Wiped: its user's certificate ends; its identity stays, to be heard if it was
# not erased after all.  Enrolled again: the same row, a new identity, no user,
# since nobody knows who holds it.
order=$(m wipe SIM000001 --yes --json | jq -r .id)
until_ok 60 order_is "$order" acknowledged
device_is SIM000001 wiped .state || fail "wiped"
have rollout valid 0 || fail "the user's certificate lives"
stop_mac
rm -r "$T/state"
start_macs again --model apple-silicon
until_ok 60 device_is SIM000001 enrolled .state
until_ok 60 device_is SIM000001 0 .open_commands
[ "$(devices)" = 1 ] || fail "a second row for one Mac"
device_is SIM000001 "$id" .id || fail "another row"
have enroll valid 1 || fail "one live identity"
have enroll revoked 1 || fail "the old identity is revoked"
device_is SIM000001 null .user || fail "the next one gets this user's certificate"
m assign SIM000001 hanako >/dev/null
until_ok 60 device_is SIM000001 installed .rollout.state
have rollout valid 1 || fail "the user's certificate again"

# Without a wipe it enrols anew: the user stays, the certificate is revoked and
# waits until an administrator vouches for the Mac by assigning the user again.
stop_mac
start_macs third --model apple-silicon
until_ok 60 device_is SIM000001 0 .open_commands
device_is SIM000001 hanako .user || fail "the user is gone"
device_is SIM000001 failed .rollout.state || fail "a certificate for whoever enrols"
have rollout valid 0 || fail "the certificate of the earlier life is alive"
m assign SIM000001 hanako >/dev/null
until_ok 60 device_is SIM000001 installed .rollout.state
have rollout valid 1 || fail "one live certificate of the user"
have rollout revoked 2 || fail "the earlier ones are revoked"
have enroll valid 1 || fail "one live identity after the third enrolment"
[ "$(devices)" = 1 ] || fail "a row each time"
stop_server
