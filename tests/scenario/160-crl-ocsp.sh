# Revocation as others see it: OpenSSL's CRL check and OCSP client, curl with
# conditional requests and OCSP by GET; hold, release, revoke; export as CSV.
. "$(dirname "$0")/scep.sh"
scep_server
PLAIN=${SCEP%/scep}
enrol() {
	rsa_key "$T/$1.key"
	timeout 60 pki --scep --url "$SCEP" --in "$T/$1.key" --dn CN=x \
		--password "$(challenge "$1")" --cacert-enc "$T/ra.pem" --cacert-sig "$T/ra.pem" \
		--cacert "$T/issuing.pem" --cacert "$T/root.pem" --outform pem >"$T/$1.pem" 2>>"$T/pki.log"
}
enrol one && enrol two || fail "no certificate"
fp() { openssl x509 -in "$T/$1.pem" -outform DER | sha256sum | cut -d' ' -f1; }
id=$(m certificate show "$(fp one)" --json | jq -r .authority)
# What only reads works beside the server.
json_is "$id" '.[] | select(.role == "issuing") | .id' m ca show --json --data "$T/data" || fail "ca show"
cmp <(m ca export issuing --data "$T/data") <(openssl x509 -in "$T/issuing.pem") || fail "ca export"
m ca rollover --data "$T/data" >/dev/null 2>&1 && fail "a rollover beside the server"
CRL=$PLAIN/crl/$id.crl
curl -sSf "$PLAIN/ca/$id.cer" | cmp - <(openssl x509 -in "$T/issuing.pem" -outform DER) ||
	fail "caIssuers"

ocsp() { # ocsp CERT WORD [OPTIONS]: the answer verifies and says WORD
	local cert=$1 word=$2; shift 2
	openssl ocsp ${DIGEST:-} -issuer "$T/issuing.pem" -cert "$T/$cert.pem" -url "$PLAIN/ocsp" \
		-CAfile "$T/root.pem" -verify_other "$T/issuing.pem" "$@" >"$T/ocsp.log" 2>&1 &&
		grep -q 'Response verify OK' "$T/ocsp.log" && grep -q ": $word" "$T/ocsp.log"
}
check_crl() { # check_crl CERT: with the CRL that the certificate itself names
	openssl verify -crl_check -crl_download -CAfile "$T/root.pem" \
		-untrusted "$T/issuing.pem" "$T/$1.pem"
}
where=$(openssl x509 -in "$T/one.pem" -noout -ext crlDistributionPoints,authorityInfoAccess)
for at in "URI:${CRL/127.0.0.1/localhost}" "OCSP - URI:${PLAIN/127.0.0.1/localhost}/ocsp" \
	"CA Issuers - URI:${PLAIN/127.0.0.1/localhost}/ca/$id.cer"; do
	grep -qF "$at" <<<"$where" || fail "$at: $where"
done
ocsp one good || fail "OCSP with a nonce"
DIGEST=-sha256 ocsp one good -no_nonce || fail "OCSP, CertID by SHA-256"
check_crl one >/dev/null || fail "CRL check of a good one"
curl -sSf "$CRL" | openssl crl -inform DER -CAfile "$T/issuing.pem" -noout 2>&1 | grep -q 'verify OK' ||
	fail "signature of the CRL"

# Nobody has to fetch twice what is the same.
head=$(curl -sSI "$CRL")
tag=$(sed -n 's/^etag: *\([^\r]*\).*/\1/Ip' <<<"$head")
grep -qi '^content-type: application/pkix-crl' <<<"$head" || fail "type: $head"
[ "$(curl -s -o "$T/none" -w '%{http_code}' -H "If-None-Match: $tag" "$CRL")" = 304 ] ||
	fail "the CRL is not conditional"
openssl ocsp -issuer "$T/issuing.pem" -cert "$T/two.pem" -no_nonce -reqout "$T/rq" >/dev/null 2>&1
path=$(base64 -w0 "$T/rq" | sed 's/+/%2B/g; s/=/%3D/g')
curl -sSf -D "$T/head" "$PLAIN/ocsp/$path" -o "$T/answer"
grep -qi '^cache-control: public, max-age=60,' "$T/head" && grep -qi '^expires:' "$T/head" ||
	fail "RFC 5019: $(cat "$T/head")"
openssl ocsp -respin "$T/answer" -issuer "$T/issuing.pem" -cert "$T/two.pem" \
	-CAfile "$T/root.pem" -verify_other "$T/issuing.pem" 2>&1 | grep -q ': good' || fail "OCSP by GET"

m certificate revoke "$(fp one)" --reason certificate_hold >/dev/null
ocsp one revoked -no_nonce || fail "held: $(cat "$T/ocsp.log")"
until_ok 20 bash -c "! cmp -s <(curl -s -H 'If-None-Match: $tag' -w '%{http_code}' $CRL) <(echo -n 304)"
! check_crl one >"$T/verify.log" 2>&1 && grep -q 'certificate revoked' "$T/verify.log" ||
	fail "the CRL has no hold"
check_crl two >/dev/null || fail "the other is on the CRL"
# A date is no proof that nothing changed: two lists may be of one second.
curl -sSf "$CRL" -o "$T/crl"
date=$(openssl crl -inform DER -in "$T/crl" -noout -lastupdate)
date=$(date -ud "${date#*=}" '+%a, %d %b %Y %H:%M:%S GMT')
curl -sSf -H "If-Modified-Since: $date" "$CRL" | cmp - "$T/crl" || fail "304 by date alone"
curl -sSf -z "$T/crl" "$CRL" | cmp - "$T/crl" || fail "curl -z"
m certificate release "$(fp one)" >/dev/null
ocsp one good -no_nonce || fail "released"
m certificate revoke "$(fp one)" --reason key_compromise >/dev/null
ocsp one revoked && grep -qi 'reason: keyCompromise' "$T/ocsp.log" || fail "$(cat "$T/ocsp.log")"
m certificate revoke "$(fp one)" --reason superseded | grep -q 'revoked before, for the reason key_compromise' ||
	fail "no word that it was revoked before"
m certificate export --state revoked | grep -q ',revoked,.*,key_compromise,token:admin' || fail "CSV"
cmp <(m certificate export) <(curl -sSf -H "Authorization: Bearer $TOKEN" "$ADMIN/api/v1/certificates?format=csv") ||
	fail "the API has another CSV"

# The RA is in the ledger too; by order it gets a new key.
cp "$T/ra.pem" "$T/ra1.pem"
ocsp ra1 good -no_nonce || fail "OCSP of the RA: $(cat "$T/ocsp.log")"
m certificate revoke "$(fp ra1)" --reason key_compromise >/dev/null 2>"$T/err" &&
	fail "an RA revoked without another"
grep -q 'renew-ra' "$T/err" || fail "$(cat "$T/err")"
stop_server
renew() { m ca renew-ra --data "$T/data" "$@"; }
renew --revoke certificate_hold >/dev/null 2>&1 && fail "an RA on hold"
renew --revoke key_compromise >"$T/show" 2>&1 && grep -q 'ra .*revoked' "$T/show" || fail "$(cat "$T/show")"
scep_server --proxy-addresses 127.0.0.1
PLAIN=${SCEP%/scep}
curl -s -o "$T/none" -H 'X-Forwarded-For: ::ffff:203.0.113.9' "$PLAIN/crl/none.crl"
until_ok 10 grep -q 'path=/crl/none.crl .*peer=203.0.113.9 ' "$T/server.log"
cp "$T/ra.pem" "$T/ra2.pem" && cp "$T/ra1.pem" "$T/ra.pem"
enrol three && fail "a request for the revoked RA was answered"
cp "$T/ra2.pem" "$T/ra.pem"
enrol three && check_crl three >/dev/null || fail "a request for the new RA"
ocsp ra1 revoked && ocsp ra2 good || fail "OCSP of the RAs: $(cat "$T/ocsp.log")"
curl -sSf "$ADMIN/metrics" -o "$T/metrics"
grep -q '^mutsu_scep_answers_total{answer="issued"} 1' "$T/metrics" &&
	grep '^mutsu_scep_answers_total{answer="bad_' "$T/metrics" | grep -qv ' 0$' ||
	fail "counters: $(grep scep_answers "$T/metrics")"
