# mutsu doctor, with the server running and not: good, and what is missing.
. "$(dirname "$0")/lib.sh"
# doctor EXIT-CODE [SETTINGS...]: its report in $T/report, as JSON.
doctor() {
	local want=$1 code=0; shift
	m doctor --json --apns-hosts "127.0.0.1:$APNS_PORT" --apns-ca "$T/apns/server.pem" \
		--apns-device-hosts "127.0.0.1:$APNS_DEVICE_PORT" "$@" >"$T/report" || code=$?
	[ $code -eq "$want" ] || fail "$want expected, $code: $(cat "$T/report")"
}
found() { # CHECK FINDING
	jq -e --arg c "$1" --arg f "$2" '[.checks[] | select(.check == $c and .finding == $f)] |
		length > 0' "$T/report" >/dev/null || fail "no $1 $2: $(cat "$T/report")"
}

start_apns
doctor 1
found certificate fault
[ ! -e "$T/data" ] || fail "it made something"
start_server
doctor 1
found certificate fault
found http2 ok
import_push_cert
for running in yes no; do
	doctor 0
	jq -e '.ok and ([.checks[].check] ==
		["certificate", "listener", "authority", "name", "tcp", "tls", "http2", "answer", "clock", "name", "tcp"])' \
		"$T/report" >/dev/null || fail "$running: $(cat "$T/report")"
	[ $running = no ] || stop_server
done
# One good host is enough, and a Mac's port is the firewall's business.
doctor 0 --apns-hosts "127.0.0.1:1,127.0.0.1:$APNS_PORT" --apns-device-hosts 127.0.0.1:1
found tcp fault
found tcp warning
doctor 1 --apns-hosts 127.0.0.1:1
doctor 1 --apns-ca "$T/data/ca.pem"
found tls fault
doctor 2 --apns-host x 2>/dev/null
m doctor --apns-hosts 127.0.0.1:1 --apns-device-hosts '' >"$T/text" && fail "well?"
grep -q 'open this TCP port in the firewall' "$T/text" || fail "$(cat "$T/text")"
! grep -qi 'private key' "$T/text" "$T/report" || fail "a key is shown"
