# mutsu scep: names, kinds of keys, and what it finds wrong before it asks.
. "$(dirname "$0")/scep.sh"
ends() { # ends EXIT-CODE TEXT VERB [OPTIONS...]: of mutsu scep VERB $SCEP
	local want=$1 text=$2 verb=$3 code=0; shift 3
	m scep "$verb" "$SCEP" "$@" >"$T/said" 2>&1 </dev/null || code=$?
	[ $code -eq "$want" ] && grep -q -e "$text" "$T/said" || fail "$verb $*: $code, $(cat "$T/said")"
}
bits() { openssl x509 -in "$1" -noout -text | sed -n 's/.*Public-Key: (\([0-9]*\) bit)/\1/p'; }
pending() { m scep requests --state pending --json | jq -e 'length == 1' >/dev/null; }

scep_server
SCEP=$SCEP/by-hand
m template set by-hand --fields '{"challenge": "none", "approval": true, "renew_days": 0}' >/dev/null
pin=$(openssl x509 -in "$T/root.pem" -noout -fingerprint -sha256 | cut -d= -f2)
background client "$TOOL" scep enroll "$SCEP" --cn gate --dns gate.example.com --dns gate.example.net \
	--ip 192.0.2.1 --email it@example.com --uri urn:x:1 --new-key rsa3072 --ca-fingerprint "$pin" \
	--key "$T/gate.key" --out "$T/gate.pem" --wait 60
until_ok 30 pending
m scep requests | grep -q "$(openssl pkey -in "$T/gate.key" -pubout -outform DER | sha256sum | cut -d' ' -f1)" ||
	fail "a cut key"
m scep approve "$(m scep requests --json | jq -r '.[0].id')" >/dev/null
wait "$PID" || fail "no certificate"
named() { openssl x509 -in "$1" -noout -ext subjectAltName | tail -1 | tr ',' '\n' | sed 's/^ *//' | sort | tr '\n' ' '; }
names="DNS:gate.example.com DNS:gate.example.net IP Address:192.0.2.1 URI:urn:x:1 email:it@example.com "
[ "$(named "$T/gate.pem")" = "$names" ] || fail "its names: $(named "$T/gate.pem")"
[ "$(bits "$T/gate.pem")" = 3072 ] || fail "a key of $(bits "$T/gate.pem") bits"

# A renewal: the kind of key that it was, and another only when it is meant.
old=(--old-cert "$T/gate.pem" --old-key "$T/gate.key")
ends 0 success renew "${old[@]}" --key "$T/next.key" --out "$T/next.pem"
[ "$(bits "$T/next.pem")" = 3072 ] && [ "$(named "$T/next.pem")" = "$names" ] || fail "another kind"
(umask 77; openssl genpkey -quiet -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$T/ec.key")
ends 2 'never renew' renew "${old[@]}" --key "$T/ec.key" --out "$T/ec.pem"
ends 2 'is there already' renew "${old[@]}" --key "$T/ec.key" --out "$T/ec.pem" --new-key p384
ends 0 success renew "${old[@]}" --key "$T/ec.key" --out "$T/ec.pem" --new-key p256
ends 2 'RSA keys alone' renew --old-cert "$T/ec.pem" --old-key "$T/ec.key" --key "$T/x.key" --out "$T/x.pem"
ends 2 'another key' renew --old-cert "$T/ec.pem" --old-key "$T/gate.key" --key "$T/x.key" --out "$T/x.pem"

# What is wrong here is 2, and found before anything is made or sent.
new=(--cn x --key "$T/x.key" --out "$T/x.pem")
ends 2 'cannot be written' enroll --cn x --key "$T/x.key" --out /nonexistent/x
ends 2 'cannot be written' enroll "${new[@]}" --ca-out /nonexistent/x
ends 2 'has to be RSA' enroll "${new[@]}" --new-key p256
ends 2 'new-key takes' enroll "${new[@]}" --new-key dsa
ends 2 'ip is not' enroll "${new[@]}" --ip 192.0.2
ends 2 '/nonexistent' enroll "${new[@]}" --challenge-file /nonexistent
ends 2 'there twice' enroll "${new[@]}" --o a --o b
[ ! -e "$T/x.key" ] || fail "a key was made"
install -m 644 "$T/gate.key" "$T/open.key"
ends 2 'mode 0644' enroll --cn x --key "$T/open.key" --out "$T/x.pem"
for pin in zz AA:BB "${pin}0" ''; do ends 2 '64 hex digits' getca --ca-fingerprint "$pin"; done
ends 0 'SHA-384' getca
ends 1 'there is no next CA' getnextca
stop_server
code=0; m ca backup "$T/ca.backup" --passphrase "file:$T/open.key" 2>/dev/null || code=$?
[ $code = 2 ] || fail "a passphrase for all to see: $code"
m ca rollover >/dev/null
scep_server
ends 0 'takes requests' getnextca
stop_server
