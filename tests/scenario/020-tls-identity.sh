# Macs that prove themselves by TLS client certificate, and SCEP by GET;
# one of them is revoked.
. "$(dirname "$0")/lib.sh"
start_all
start_macs macs --count 2 --tls-identity --scep-get --model t2
until_ok 60 device_is SIM000001 0 .open_commands
until_ok 60 device_is SIM000002 t2 .chip
id=$(m lock SIM000002 --json | jq -r .id)
until_ok 60 order_is "$id" acknowledged

# One whose identity is revoked gets no lock: who looks at either is told.
fp=$(m certificate list --device SIM000001 --purpose enroll --json | jq -r '.[0].fingerprint')
m device show SIM000001 | grep -q '^Identity  *valid$' || fail "a valid identity is not shown"
m certificate revoke "$fp" --reason key_compromise >/dev/null
m device show SIM000001 | grep -q '^Identity  *revoked$' || fail "the revoked identity is not shown"
m lock SIM000001 | grep -q '^Warning .*identity certificate is revoked' || fail "no warning"
stop_server
