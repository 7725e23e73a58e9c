# The TLS certificate is renewed under a running server: by SIGHUP, by the file
# alone, and not at all when clients would not take the new one.
. "$(dirname "$0")/lib.sh"
start_apns
openssl() { command openssl "$@" 2>>"$T/openssl.log"; }
rsa_key "$T/ca.key"
openssl req -x509 -key "$T/ca.key" -subj /CN=Public -out "$T/public.pem" -days 30
make() { # make NAME [HOST] [DAYS]: a certificate and its key in $T/new.*
	rsa_key "$T/new.key"
	openssl req -new -key "$T/new.key" -subj "/CN=$1" -out "$T/new.csr"
	openssl x509 -req -in "$T/new.csr" -CA "$T/public.pem" -CAkey "$T/ca.key" -days "${3:-20}" -out "$T/new.pem" \
		-extfile <(echo "subjectAltName=DNS:${2:-localhost}")
	chmod 600 "$T/new.key"
}
put() { mv "$T/new.key" "$T/tls.key"; mv "$T/new.pem" "$T/tls.pem"; }
subject() { # of new connections
	timeout 20 openssl s_client -connect "${URL#https://}" -servername localhost -CAfile "$T/public.pem" \
		-verify_hostname localhost -verify_return_error </dev/null 2>>"$T/openssl.log" | sed -n 's/^subject=//p'
}
signer() {
	curl -sSf --cacert "$T/public.pem" "$URL/enroll/profile" -o "$T/profile"
	openssl cms -verify -inform DER -in "$T/profile" -CAfile "$T/public.pem" -purpose any -signer "$T/signer.pem" -out /dev/null
	openssl x509 -in "$T/signer.pem" -noout -subject
}
hup() { kill -HUP "$SERVER"; until_ok 20 grep -q "$1" "$T/server.log"; }
make one; put
start_server --tls-cert "$T/tls.pem" --tls-key "$T/tls.key"
import_push_cert
[ "$(subject)" = 'CN = one' ] || fail "the first certificate"
# A connection that stays.
mkfifo "$T/say"
openssl s_client -quiet -connect "${URL#https://}" <"$T/say" >"$T/kept.log" &
exec 7>"$T/say"
page() { printf 'GET /enroll HTTP/1.1\r\nHost: localhost\r\n\r\n' >&7; }
pages() { [ "$(grep -c '^HTTP/1.1 200' "$T/kept.log")" = "$1" ]; }
page; until_ok 20 pages 1
make two; put
hup 'tls_certificate_changed days=19'
[ "$(subject)" = 'CN = two' ] || fail "not the second certificate"
signer | grep -q 'CN = two' || fail "profiles are signed by the first still"
page; until_ok 20 pages 2
hup tls_certificate_unchanged
# Another's key, another's name, one that has ended, none.
make bad; mv "$T/new.pem" "$T/tls.pem"; hup 'tls_certificate_kept why=.*the key is not'
make bad elsewhere.example; put; hup 'tls_certificate_kept why=.*is not for localhost'
make bad localhost -1; put; hup 'tls_certificate_kept why=.*expired'
rm "$T/tls.pem"; hup 'tls_certificate_kept why=.*tls.pem'
[ "$(subject)" = 'CN = two' ] || fail "a bad certificate was taken"
# The file alone.
make three localhost 7; put
became() { [ "$(subject)" = "CN = $1" ]; }
until_ok 60 became three
curl -sS "$ADMIN/metrics" -H "Authorization: Bearer $TOKEN" |
	grep -q "^mutsu_tls_certificate_not_after_seconds $(date -d "$(openssl x509 -in "$T/tls.pem" -noout -enddate | cut -d= -f2)" +%s)" ||
	fail "the metric"
m doctor --tls-cert "$T/tls.pem" --tls-key "$T/tls.key" --apns-hosts 127.0.0.1:9 --json >"$T/doctor.json" || :
jq -e '.checks[] | select(.check == "listener" and .finding == "warning" and (.text | test("valid for 6 days")))' \
	"$T/doctor.json" >/dev/null || fail "doctor does not warn"
page; until_ok 20 pages 3
exec 7>&-
stop_server
