# A CA in its last 30 days: everybody is told, the TLS certificate that ends
# with it is not made again and again, and another CA ends all that.  The TLS
# certificate is in the ledger, and revoking it makes another.
. "$(dirname "$0")/scep.sh"
openssl() { command openssl "$@" 2>>"$T/openssl.log"; }
fp() { openssl x509 -in "$1" -outform DER | sha256sum | cut -d' ' -f1; }
sign() { # sign CSR DAYS OUT
	openssl x509 -req -in "$1" -CA "$T/own.pem" -CAkey "$T/own.key" -days "$2" -out "$3" -extfile <(printf '%s\n' \
		basicConstraints=critical,CA:TRUE,pathlen:0 keyUsage=critical,keyCertSign,cRLSign subjectKeyIdentifier=hash)
}
rsa_key "$T/own.key"
openssl req -x509 -key "$T/own.key" -days 3650 -subj "/CN=own" -out "$T/own.pem" -addext keyUsage=critical,keyCertSign,cRLSign
m ca request "$T/1.csr" --issuing-key p256 >/dev/null
sign "$T/1.csr" 30 "$T/1.pem"
m ca import "$T/1.pem" --root "$T/own.pem" >/dev/null
scep_server
made() { [ "$(grep -c tls_certificate_made "$T/server.log")" = "$1" ] || fail "$1 made: $(grep tls_cert "$T/server.log")"; }
look() { kill -HUP "$SERVER"; until_ok 20 grep -q "tls_certificate_$1 " "$T/server.log"; }
grep -q 'warn authority_expiring days=30 role=issuing .*advice="mutsu ca rollover' "$T/server.log" || fail "no word at start"
warned() { curl -sSf "$ADMIN/readyz" | jq -r '.warnings[]' | grep "$1"; }
warned 'the issuing CA .* ends .*mutsu ca request' >/dev/null || fail "/readyz"
metric() { curl -sSf "$ADMIN/metrics" | sed -n "s/^mutsu_authority_not_after_seconds{role=\"$1\"} //p"; }
end() { date -d "$(openssl x509 -in "$1" -noout -enddate | cut -d= -f2)" +%s; }
[ "$(metric issuing) $(metric root)" = "$(end "$T/1.pem") $(end "$T/own.pem")" ] || fail "the metric"
m doctor --apns-hosts 127.0.0.1:9 --json >"$T/doctor.json" || :
jq -e '.checks[] | select(.check == "authority" and .finding == "warning" and (.advice | test("mutsu ca")))' \
	"$T/doctor.json" >/dev/null || fail "doctor"
# It ends with its CA, as a new one would.
[ "$(end "$T/data/tls.pem")" = "$(end "$T/1.pem")" ] || fail "the end of the TLS certificate"
look unchanged; nap 6; made 1
# In the ledger, and known to whoever asks where it says.
[ "$(m certificate list --purpose service --json | jq -r '[.[].template] | sort | join(" ")')" = "scep-ra tls-server" ] ||
	fail "the ledger"
ocsp() { # ocsp CERT WORD
	openssl ocsp -issuer "$T/issuing.pem" -cert "$1" -url "${SCEP%/scep}/ocsp" -CAfile "$T/own.pem" \
		-verify_other "$T/issuing.pem" | grep -q ": $2" || fail "OCSP: not $2"
}
cp "$T/data/tls.pem" "$T/tls.pem"
ocsp "$T/tls.pem" good
m certificate revoke "$(fp "$T/tls.pem")" --reason key_compromise >"$T/say"
grep -q 'makes another within seconds' "$T/say" || fail "$(cat "$T/say")"
look changed; made 2
grep -q 'tls_certificate_made host=localhost before=revoked' "$T/server.log" || fail "why another was made"
ocsp "$T/tls.pem" revoked; ocsp "$T/data/tls.pem" good
curl -sS --cacert "$T/own.pem" "$URL/enroll" -o /dev/null || fail "the new one"
stop_server
# A next CA that lasts, and the server's own certificate follows at once.
m ca request "$T/2.csr" >/dev/null
sign "$T/2.csr" 1825 "$T/2.pem"
m ca import "$T/2.pem" --root "$T/own.pem" >/dev/null
scep_server
warned 'mutsu ca switch' >/dev/null || fail "a next CA is there"
stop_server
m ca switch >/dev/null
scep_server
grep -q 'tls_certificate_made host=localhost before=ends' "$T/server.log" || fail "the TLS certificate was kept"
! grep -q authority_expiring "$T/server.log" && ! warned 'issuing CA' || fail "still warned"
[ "$(end "$T/data/tls.pem")" -gt "$(end "$T/1.pem")" ] || fail "no longer life"
stop_server
