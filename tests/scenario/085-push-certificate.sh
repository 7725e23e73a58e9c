# The push certificate's life from the command line: request, vendor's signed
# request, Apple's answer, renewal proved by a canary, a bad one refused, the
# way back.
. "$(dirname "$0")/lib.sh"
start_apns
start_server
P=$T/pki; mkdir "$P"
ca() { # ca NAME ISSUER: a certificate in $P, self-signed without issuer
	rsa_key "$P/$1.key"
	openssl req -x509 -key "$P/$1.key" -days 9 -subj "/CN=$1" ${2:+-CA "$P/$2.pem" -CAkey "$P/$2.key"} -out "$P/$1.pem" 2>/dev/null
}
ca root; ca wwdr root; ca vendor wwdr
cat "$P/vendor.pem" "$P/wwdr.pem" "$P/root.pem" >"$P/chain.pem"

m push-cert request --organization "Example KK" --country JP --email it@example.com \
	--out "$P/csr.pem" >/dev/null
openssl req -in "$P/csr.pem" -verify -noout 2>/dev/null || fail "the request"
m push-cert sign "$P/csr.pem" --vendor-key "$P/vendor.key" --vendor-chain "$P/chain.pem" \
	--out "$P/signed.b64" >/dev/null
# As the portal reads it, with other people's tools.
base64 -d "$P/signed.b64" >"$P/signed.plist" || fail "no base64"
plistutil -i "$P/signed.plist" -f bin -o "$P/signed.bin" || fail "no property list"
field() { plistutil -i "$P/signed.bin" | tr -d '\n' | sed "s:.*<key>$1</key>[^<]*<string>\([^<]*\)<.*:\1:"; }
field PushCertRequestCSR | base64 -d >"$P/csr.der"
field PushCertSignature | base64 -d >"$P/signature"
openssl x509 -in "$P/vendor.pem" -pubkey -noout >"$P/vendor.pub"
openssl dgst -sha256 -verify "$P/vendor.pub" -signature "$P/signature" "$P/csr.der" >/dev/null ||
	fail "the vendor's signature"
code=0; m push-cert sign "$P/csr.pem" --vendor-key "$P/root.key" \
	--vendor-chain "$P/chain.pem" --out "$P/no" 2>/dev/null || code=$?
[ $code -eq 2 ] && [ ! -e "$P/no" ] || fail "another's key signed"

# Apple's answer carries no key: it waits here.
TOPIC=$(openssl x509 -in "$T/apns/push.pem" -noout -subject -nameopt multiline |
	sed -n 's/.*userId *= //p')
openssl req -in "$P/csr.pem" -pubkey -noout >"$P/csr.pub"
openssl x509 -new -subj "/UID=$TOPIC/CN=APSP:new" -force_pubkey "$P/csr.pub" -days 9 \
	-CA "$P/root.pem" -CAkey "$P/root.key" -out "$P/foreign.pem" 2>/dev/null
import_push_cert
start_macs macs --model apple-silicon --state "$T/state"
until_ok 60 device_is SIM000001 0 .open_commands
FIRST=$(m push-cert show --json | jq -r .id)
# This one is of no authority that the simulated APNs trusts.
code=0; m push-cert import "$P/foreign.pem" --owner it@example.com 2>"$T/refused" || code=$?
[ $code -eq 5 ] && grep -q "SIM000001" "$T/refused" || fail "the canary: $(cat "$T/refused")"
[ "$(m push-cert show --json | jq -r .id)" = "$FIRST" ] || fail "the old one is gone"
# A renewal in one file, as PKCS #12; then back.
openssl pkcs12 -export -in "$T/apns/push.pem" -inkey "$T/apns/push.key" -passout pass:word -out "$P/push.p12"
echo word >"$P/word"
m push-cert import "$P/push.p12" --passphrase-file "$P/word" --owner it@example.com --json |
	jq -e '.canary.serial == "SIM000001" and .enrollments == 1' >/dev/null || fail "the renewal"
m push-cert rollback --json | jq -e --arg id "$FIRST" '.id == $id' >/dev/null || fail "the rollback"
[ "$(m push-cert history --json | jq length)" = 2 ] || fail "the history"
id=$(m lock SIM000001 --json | jq -r .id)
until_ok 60 order_is "$id" acknowledged
kill "$PID"; wait "$PID" || fail "a simulated Mac complains"
stop_server
! grep -q "PRIVATE\|word" "$T/server.log" || fail "a secret in the log"
