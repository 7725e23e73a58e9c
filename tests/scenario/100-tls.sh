# TLS of the device side, the enrolment page and the enrolment profile, as
# other programs see them.
. "$(dirname "$0")/lib.sh"
start_apns
start_server
get() { curl -sS --cacert "$CA" -D "$T/head" -o "$T/body" -w '%{http_code}' "$@"; }
header() { grep -qi "^$1" "$T/head" || fail "no header $1: $(cat "$T/head")"; }
[ "$(get "$URL/enroll")" = 503 ] || fail "no push certificate: not 503"
[ "$(get "$URL/enroll/profile")" = 503 ] || fail "a profile without a push certificate"
import_push_cert

s_client() { # s_client OPTIONS...: handshake and one request
	printf 'GET /enroll HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n' |
		timeout 20 openssl s_client -connect "${URL#https://}" -servername localhost \
			-CAfile "$CA" -verify_hostname localhost -verify_return_error -ign_eof \
			"$@" >"$T/tls.log" 2>&1
}
for v in 2 3; do
	s_client -tls1_$v || fail "TLS 1.$v"
	grep -q "Verify return code: 0 (ok)" "$T/tls.log" || fail "TLS 1.$v: chain"
	grep -q "HTTP/1.1 200" "$T/tls.log" || fail "works without a client certificate"
	grep -qE 'Client Certificate Types|Requested Signature Algorithms' "$T/tls.log" ||
		fail "no client certificate is asked for"
done
s_client -tls1_1 -cipher DEFAULT:@SECLEVEL=0 && fail "TLS 1.1 is on"
! grep -q "HTTP/1.1" "$T/tls.log" || fail "TLS 1.1 answers"
s_client -tls1_2 -cipher 'RC4:3DES:NULL:EXPORT:@SECLEVEL=0' && fail "an old cipher is on"
s_client -tls1_3 -verify_hostname other.example && fail "any host name verifies"

page() { # page LANG ACCEPT-LANGUAGE [QUERY]
	[ "$(get "$URL/enroll${3:-}" -H "Accept-Language: $2")" = 200 ] || fail "page $2"
	grep -q "lang=\"$1\"" "$T/body" || fail "$2 ${3:-}: not in $1"
	header 'content-type: text/html; *charset=utf-8'
	header 'cache-control: no-store'
	header "content-security-policy: default-src 'none'"
}
page ja 'ja-JP,ja;q=0.9,en;q=0.8'
page en 'en-US,en;q=0.9,ja;q=0.5'
page en 'fr-FR'
page ja 'en-US' '?lang=ja'

[ "$(get "$URL/enroll/profile")" = 200 ] || fail "profile"
header 'content-type: application/x-apple-aspen-config'
header 'cache-control: no-store'
openssl cms -verify -inform DER -in "$T/body" -CAfile "$CA" -purpose any \
	-out "$T/profile.plist" 2>/dev/null || fail "the profile's signature"
plistutil -i "$T/profile.plist" -f bin -o "$T/profile.bin" || fail "plistutil reads it"
plistutil -i "$T/profile.bin" -f xml -o "$T/profile.xml" || fail "plistutil writes it"
value() { # value KEY: the element behind it, without its tags
	grep -A1 "<key>$1</key>" "$T/profile.xml" | sed -n '2s/^\s*\(<[a-z]*>\)\?\([^<]*\).*/\2/p'
}
[ "$(value Keysize)" = 2048 ] || fail "Keysize"
[ "$(value URL)" = "$URL/scep" ] || fail "SCEP URL"
[ "$(value ServerURL)" = "$URL/mdm" ] || fail "ServerURL"
[[ $(value Topic) == com.apple.mgmt.* ]] || fail "Topic"
grep -A1 '<key>SignMessage</key>' "$T/profile.xml" | grep -q '<true/>' || fail "SignMessage"
[ "$(grep -c "<string>$(value IdentityCertificateUUID)</string>" "$T/profile.xml")" = 2 ] ||
	fail "the identity is not that of the SCEP payload"
c=$(value Challenge)
[ ${#c} -eq 32 ] || fail "challenge"
get "$URL/enroll/profile" >/dev/null
openssl cms -verify -inform DER -in "$T/body" -CAfile "$CA" -purpose any 2>/dev/null |
	grep -q "$c" && fail "two downloads, one challenge"
stop_server
