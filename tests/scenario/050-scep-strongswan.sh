# strongSwan's pki --scep: POST, AES, PKCSReq.
. "$(dirname "$0")/scep.sh"
scep_server
pki() { command pki "$@" 2>>"$T/pki.log"; }
pki --scepca --url "$SCEP" --caout "$T/ss-ca.pem" --raout "$T/ss-ra.pem" --outform pem
cmp -s <(openssl x509 -in "$T/ss-ca.pem" -outform DER) \
	<(openssl x509 -in "$CA" -outform DER) || fail "strongSwan's CA is not our root"
pki --gen --type rsa --size 2048 --outform pem >"$T/key.pem"

enrol() { # enrol PASSWORD: certificate on standard output
	timeout 60 "$(command -v pki)" --scep --url "$SCEP" --in "$T/key.pem" \
		--dn 'CN=I would like to be root' --password "$1" --cacert-enc "$T/ra.pem" \
		--cacert-sig "$T/ra.pem" --cacert "$T/issuing.pem" --cacert "$T/root.pem" \
		--outform pem 2>>"$T/pki.log"
}
enrol wrong >"$T/none.pem" && fail "a wrong challenge was taken"
[ ! -s "$T/none.pem" ] || fail "a certificate for a wrong challenge"
issued 0
c=$(challenge vpn-gate --dns vpn.example.com)
enrol "$c" >"$T/cert.pem" || fail "no certificate"
good "$T/cert.pem" "$T/key.pem" vpn-gate
openssl x509 -in "$T/cert.pem" -noout -ext subjectAltName | grep -q DNS:vpn.example.com ||
	fail "alternative name"
# The same key may repeat itself; another key may not use the challenge again.
pki --gen --type rsa --size 2048 --outform pem >"$T/key.pem"
enrol "$c" >"$T/none.pem" && fail "the challenge was taken again"
issued 1
json_is 1 '[.[] | select(.kind == "challenge.reused")] | length' \
	m event list --json || fail "the reuse is an event"
stop_server
