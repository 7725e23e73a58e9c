# An issuing CA with a P-256 key under the RSA RA, first by a rollover, as an
# installation moves to it: clients enrol, its CRL and its OCSP answers verify.
# Debian's other clients cannot be asked: strongSwan's pki lacks ECDSA without a
# plugin, scepclient encrypts for every certificate of GetCACert, RSA or not.
. "$(dirname "$0")/scep.sh"
scep_server
stop_server
ca() { "$MUTSU" ca "$@" --data "$T/data" --json 2>>"$T/ca.log"; }
ca rollover --issuing-key rsa3072 >/dev/null || fail "rollover" # a slip
ca drop-next >/dev/null && fail "a key destroyed unasked"
ca drop-next --yes | jq -e 'all(.[]; .state == "active")' >/dev/null || fail "drop-next"
ca rollover --issuing-key p256 | jq -e '.[] | select(.state == "next" and .role == "issuing") |
	.key_type == "p256" and (.subject | contains("G3"))' >/dev/null || fail "rollover"
ca switch | jq -e '[.[] | select(.role == "issuing")] | length == 2' >/dev/null || fail "switch"
scep_server
PLAIN=${SCEP%/scep}
algorithm() { openssl x509 -in "$1" -noout -text | sed -n "s/.*$2: *//p" | head -1; }
[ "$(algorithm "$T/issuing.pem" 'Public Key Algorithm')" = id-ecPublicKey ] || fail "the issuing CA"
[ "$(algorithm "$T/ra.pem" 'Public Key Algorithm')" = rsaEncryption ] || fail "the RA"

enrol() { # enrol VERB NAME [OPTIONS...]
	local verb=$1 name=$2; shift 2
	"$MUTSU" scep "$verb" "$SCEP" --json --key "$T/$name.key" --out "$T/$name.pem" \
		--cn x "$@" >"$T/$name.json" 2>>"$T/scep.log" || fail "$verb: $(cat "$T/$name.json")"
}
challenge one >"$T/challenge"
enrol enroll one --challenge-file "$T/challenge"
good "$T/one.pem" "$T/one.key" one
[ "$(algorithm "$T/one.pem" 'Signature Algorithm')" = ecdsa-with-SHA256 ] || fail "its signature"
challenge two >"$T/challenge"
enrol enroll two --challenge-file "$T/challenge" --get --cipher 3des --digest sha1
good "$T/two.pem" "$T/two.key" two

fingerprint=$(openssl x509 -in "$T/two.pem" -outform DER | sha256sum | cut -d' ' -f1)
m certificate revoke "$fingerprint" --reason superseded >/dev/null
check_crl() {
	openssl verify -crl_check -crl_download -CAfile "$T/root.pem" \
		-untrusted "$T/issuing.pem" "$T/$1.pem" 2>&1
}
until_ok 20 bash -c "curl -sf $(openssl x509 -in "$T/two.pem" -noout -ext crlDistributionPoints |
	sed -n 's/.*URI://p') | openssl crl -inform DER -noout -text | grep -q 'Superseded'"
check_crl one >/dev/null || fail "CRL check of a good one"
grep -q 'certificate revoked' <<<"$(check_crl two)" || fail "the CRL has no entry"
for want in one:good two:revoked; do
	openssl ocsp -issuer "$T/issuing.pem" -cert "$T/${want%:*}.pem" -url "$PLAIN/ocsp" \
		-CAfile "$T/root.pem" -verify_other "$T/issuing.pem" >"$T/ocsp.log" 2>&1
	grep -q 'Response verify OK' "$T/ocsp.log" && grep -q ": ${want#*:}" "$T/ocsp.log" ||
		fail "OCSP of ${want%:*}"
done
