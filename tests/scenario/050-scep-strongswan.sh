# strongSwan's pki --scep: POST, AES, PKCSReq, RenewalReq, and CertPoll while an
# administrator makes up his mind.
. "$(dirname "$0")/scep.sh"
scep_server --scep-approval yes
pki() { command pki "$@" 2>>"$T/pki.log"; }
pki --scepca --url "$SCEP" --caout "$T/ss-ca.pem" --raout "$T/ss-ra.pem" --outform pem
cmp -s <(openssl x509 -in "$T/ss-ca.pem" -outform DER) \
	<(openssl x509 -in "$CA" -outform DER) || fail "strongSwan's CA is not our root"
rsa_key "$T/key.pem"

enrol() { # enrol [OPTIONS...]: certificate on standard output
	timeout 60 "$(command -v pki)" --scep --url "$SCEP" --in "$T/key.pem" \
		--dn 'CN=I would like to be root' "$@" --cacert-enc "$T/ra.pem" \
		--cacert-sig "$T/ra.pem" --cacert "$T/issuing.pem" --cacert "$T/root.pem" \
		--outform pem 2>>"$T/pki.log"
}
pending() { m scep requests --state pending --json | jq -e 'length == 1' >/dev/null; }
enrol --password wrong >"$T/none.pem" && fail "a wrong challenge was taken"
[ ! -s "$T/none.pem" ] || fail "a certificate for a wrong challenge"
issued 0
c=$(challenge vpn-gate --dns vpn.example.com)
enrol --password "$c" >"$T/cert.pem" || fail "no certificate"
good "$T/cert.pem" "$T/key.pem" vpn-gate
openssl x509 -in "$T/cert.pem" -noout -ext subjectAltName | grep -q DNS:vpn.example.com ||
	fail "alternative name"
# The same key may repeat itself; another key may not use the challenge again.
rsa_key "$T/key.pem"
enrol --password "$c" >"$T/none.pem" && fail "the challenge was taken again"
issued 1
json_is 1 '[.[] | select(.kind == "challenge.reused")] | length' \
	m event list --json || fail "the reuse is an event"
# Without a challenge it waits for a person.
enrol --interval 1 --maxpolltime 50 >"$T/polled.pem" &
polls=$!
until_ok 30 pending || fail "no request is pending"
m scep approve "$(m scep requests --state pending --json | jq -r '.[0].id')" >/dev/null
wait "$polls" || fail "no certificate after the approval"
good "$T/polled.pem" "$T/key.pem" 'I would like to be root'
issued 2
# RenewalReq is served, when the template's time for it has come.
rsa_key "$T/next.pem"
renew() {
	timeout 60 "$(command -v pki)" --scep --url "$SCEP" --in "$T/next.pem" \
		--dn 'CN=I would like to be root' --cert "$T/polled.pem" --key "$T/key.pem" \
		--cacert-enc "$T/ra.pem" --cacert-sig "$T/ra.pem" --cacert "$T/issuing.pem" \
		--cacert "$T/root.pem" --outform pem 2>>"$T/pki.log"
}
renew >"$T/none.pem" && fail "renewed too early"
grep -q 'reason="\?renewal: too early' "$T/server.log" || fail "no word of the renewal"
issued 2
m template set scep --fields '{"renew_days": 0}' >/dev/null
renew >"$T/renewed.pem" || fail "not renewed by the changed template"
good "$T/renewed.pem" "$T/next.pem" 'I would like to be root'
# A template of our own: what it says is what the certificate says.
! m scep challenge vpn --template vpn >/dev/null 2>&1 || fail "a challenge without a template"
m template set vpn --fields '{"ext_key_usage": ["clientAuth", "ipsecIKE"], "life_days": 30}' >/dev/null
rsa_key "$T/key.pem"
enrol --password "$(challenge vpn --template vpn)" >"$T/vpn.pem" || fail "no certificate for vpn"
openssl x509 -in "$T/vpn.pem" -noout -ext extendedKeyUsage | grep -q 'ipsec Internet Key Exchange' &&
	! openssl x509 -in "$T/vpn.pem" -noout -checkend $((31 * 86400)) >/dev/null || fail "template vpn"
stop_server
