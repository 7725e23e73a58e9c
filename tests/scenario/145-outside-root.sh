# An operator's own root, made and used by openssl alone: the first authority
# below it, then a rollover to another root; killed in between, refused chains.
. "$(dirname "$0")/scep.sh"
openssl() { command openssl "$@" 2>"$T/openssl.log"; }
sha() { openssl x509 -in "$1" -outform DER | sha256sum | cut -d' ' -f1; }
sign() { # sign ROOT CSR OUT [EXTENSION]
	openssl x509 -req -in "$2" -CA "$T/$1.pem" -CAkey "$T/$1.key" -days 1825 -out "$3" -extfile <(printf '%s\n' \
		"${4:-basicConstraints=critical,CA:TRUE,pathlen:0}" keyUsage=critical,keyCertSign,cRLSign subjectKeyIdentifier=hash)
}
ends() { local want=$1 c=0; shift; "$@" >"$T/out.log" 2>&1 || c=$?; [ $c = "$want" ] || fail "not $want but $c: $*"; }
killed() { # killed WORDS...: ended at some moment, again and again, and then not
	# In the foreground timeout waits for what it killed; else it ends with it,
	# and the next one may find the database still in use.
	{ for s in 02 05 10 20 40; do timeout --foreground -s KILL 0.$s "$MUTSU" "$@" --data "$T/data" || :; done; } >/dev/null 2>&1
	m "$@" >/dev/null
}
enrol() { # enrol NAME ROOT: the root that it chains to
	pki_enrol "$1"
	openssl verify -purpose sslclient -x509_strict -CAfile "$T/$2.pem" -untrusted "$T/issuing.pem" "$T/$1.crt" >/dev/null ||
		fail "the chain of $1 to $2"
}
for name in first second; do
	rsa_key "$T/$name.key"
	openssl req -x509 -key "$T/$name.key" -days 3650 -subj "/O=Example KK/CN=$name" -out "$T/$name.pem" \
		-addext keyUsage=critical,keyCertSign,cRLSign
done
killed ca request "$T/1.csr" --organization Acme
openssl req -in "$T/1.csr" -noout -verify -text | grep -q 'CA:TRUE, pathlen:0' || fail "the request"
m ca request "$T/again.csr" >/dev/null; cmp "$T/1.csr" "$T/again.csr" || fail "another request the second time"
ends 5 m ca request "$T/first.pem" # a file of something else
ends 5 m ca request "$T/other.csr" --organization Other
ends 2 m ca drop-request # nobody to ask
m ca show | grep -q 'requested *rsa2048 .*CN=Acme Issuing CA G1' || fail "the request in the table"
ends 1 m serve --device-port 0 --admin-port 0
[ "$(grep -c 'waits for its certificate' "$T/out.log")" = 1 ] || fail "what a server says without its authority"
ends 5 m ca create
sign first "$T/1.csr" "$T/bad.pem" basicConstraints=critical,CA:FALSE
ends 2 m ca import "$T/bad.pem" --root "$T/first.pem"
sign first "$T/1.csr" "$T/1.pem"
ends 2 m ca import "$T/1.pem" # without its root
ends 2 m ca import "$T/1.pem" --root "$T/second.pem"
killed ca import "$T/1.pem" --root "$T/first.pem"
scep_server
enrol one first
crl=$(openssl x509 -in "$T/one.crt" -noout -ext crlDistributionPoints | sed -n 's/.*URI://p')
m certificate revoke "$(sha "$T/one.crt")" --reason key_compromise >/dev/null
revoked() { curl -sSf "$crl" -o "$T/crl" && openssl crl -inform DER -in "$T/crl" -CAfile "$T/issuing.pem" -text -noout | grep -q 'Key Compromise'; }
until_ok 20 revoked
openssl ocsp -issuer "$T/issuing.pem" -cert "$T/one.crt" -url "${SCEP%/scep}/ocsp" -CAfile "$T/first.pem" \
	-verify_other "$T/issuing.pem" | grep -q 'one.crt: revoked' || fail "OCSP"
curl -sS --cacert "$T/first.pem" "$URL/enroll" -o /dev/null || fail "the listener's chain does not reach the root"
api GET /api/v1/authority | head -1 | jq -e '[.authority[] | select(.role != "root")] | all(.key_type == "rsa2048" and
	(.subject | endswith("O=Acme")) and (.pem | startswith("-----BEGIN CERTIFICATE")))' >/dev/null || fail "the API"
stop_server
# Over to another root: both are known, then the second issues.
ends 4 m ca rollover
killed ca request "$T/2.csr"
sign second "$T/2.csr" "$T/2.pem"
killed ca import "$T/2.pem" --root "$T/second.pem"
scep_server
enrol two first
m scep getnextca "$SCEP" --ca-fingerprint "$(sha "$T/first.pem")" --json | grep -q "$(sha "$T/second.pem")" || fail "GetNextCACert"
stop_server
m ca show | grep -q "issuing.*next.*CN=Acme Issuing CA G2" || fail "the name of the next"
m ca switch >/dev/null
scep_server
enrol three second
curl -sS --cacert "$CA" "$URL/enroll" -o /dev/null || fail "ca.pem lacks the root of the TLS certificate"
json_is 5 '[.[] | select(.kind | startswith("authority."))] | length' m event list --json || fail "events"
stop_server
