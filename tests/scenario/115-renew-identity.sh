# A Mac's identity is renewed: the enrolment profile comes again, the Mac
# speaks with the new certificate, the old one lives on for a day.
. "$(dirname "$0")/lib.sh"
start_all
identities() { # identities STATE: how many living identities, and what for
	m certificate list --device SIM000001 --template device-identity --json |
		jq -r '[.[] | select(.state == "valid") | .purpose] | sort | join(" ")'
}
living() { [ "$(identities)" = "$1" ]; }
told() { m event list --json | jq -e --arg k "$1" 'any(.[]; .kind == $k)'; }

start_macs macs --model apple-silicon
until_ok 120 device_is SIM000001 0 .open_commands
m assign SIM000001 hanako >/dev/null
until_ok 120 device_is SIM000001 installed .rollout.state
[ "$(m device list --json | jq '.[0].identity.days')" = 364 ] || fail "days left"
enrolled=$(m device show SIM000001 --json | jq -r .enrolled_at)

m device renew SIM000001 >/dev/null
until_ok 60 device_is SIM000001 installed .identity.renewal.state
living "enroll renew" || fail "not two identities: $(identities)"
told identity.renewing >/dev/null || fail "no event"

# It works with the new one, and is the same enrolment.
until_ok 120 order_is "$(m lock SIM000001 --json | jq -r .id)" acknowledged
device_is SIM000001 "$enrolled" .enrolled_at || fail "it enrolled anew"
device_is SIM000001 installed .rollout.state || fail "the certificate of its user is gone"

curl -sSf "$ADMIN/metrics" -o "$T/metrics"
grep -q '^mutsu_identities_ending{days="60"} 0' "$T/metrics" || fail "metric"
code=0
m device renew NOBODY >/dev/null 2>&1 || code=$?
[ $code = 4 ] || fail "of a Mac that is not there: $code"
stop_server
