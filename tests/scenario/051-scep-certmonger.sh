# certmonger with its scep-submit: PKIOperation by GET, AES-256, version 1
# signers; with one-time challenges, and with the static one of a template.
. "$(dirname "$0")/scep.sh"
scep_server
m template set gates --fields '{"challenge": "static", "renew_days": 0}' >/dev/null 2>&1
echo gate-1 >"$T/names"
m template secret gates --names-file "$T/names" --json 2>/dev/null | jq -r .secret >"$T/listed.challenge"
challenge monger --email it@example.com >"$T/good.challenge"
echo wrong >"$T/bad.challenge"
certmonger_does <<'W'
ca mutsu "$SCEP"
ca gates "$SCEP/gates"
request mutsu good anything
request mutsu bad anything
request gates listed gate-1
wait_for is good MONITORING
wait_for is bad CA_REJECTED
wait_for is listed MONITORING
# A renewal is a PKCSReq signed with the old certificate.
cp "$T/listed.pem" "$T/first.pem"
getcert resubmit -s -i listed
renewed() { ! cmp -s "$T/first.pem" "$T/listed.pem"; }
wait_for renewed
W
good "$T/good.pem" "$T/good.key" monger
good "$T/listed.pem" "$T/listed.key" gate-1
[ ! -s "$T/bad.pem" ] || fail "a certificate for a wrong challenge"
issued 3
stop_server
