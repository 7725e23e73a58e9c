# Single mode: one certificate is root, issuing CA and RA, for clients of three
# makes; and the way from it to an authority below an outside root.
. "$(dirname "$0")/scep.sh"
openssl() { command openssl "$@" 2>"$T/openssl.log"; }
m ca create --single --issuing-key p256 >/dev/null 2>&1 && fail "a key that cannot decrypt"
m ca create --single >/dev/null
json_is 1 length m ca show --json || fail "not one certificate"
scep_server
cmp "$T/ra.pem" <(openssl x509 -in "$CA") || fail "not the CA"
openssl x509 -in "$T/root.pem" -noout -ext keyUsage,basicConstraints >"$T/ext"
grep -q 'Digital Signature, Key Encipherment, Certificate Sign, CRL Sign' "$T/ext" &&
	grep -q 'CA:TRUE, pathlen:0' "$T/ext" || fail "$(cat "$T/ext")"
sha() { openssl x509 -in "$1" -outform DER | sha256sum | cut -d' ' -f1; }

pki_enrol one
good "$T/one.crt" "$T/one.in" one
challenge two >"$T/challenge"
"$MUTSU" scep enroll "$SCEP" --cn x --challenge-file "$T/challenge" --ca-fingerprint "$(sha "$T/root.pem")" \
	--key "$T/two.key" --out "$T/two.pem" >"$T/scep.log" 2>&1 || fail "mutsu scep"
good "$T/two.pem" "$T/two.key" two
certmonger_tries -N "$T/root.pem"
good "$T/good.pem" "$T/good.key" monger
issued 3
crl=$(openssl x509 -in "$T/two.pem" -noout -ext crlDistributionPoints | sed -n 's/.*URI://p')
curl -sSf "$crl" -o "$T/crl"
openssl crl -inform DER -in "$T/crl" -CAfile "$T/root.pem" -noout || fail "the CRL is not the CA's"
openssl ocsp -issuer "$T/root.pem" -cert "$T/two.pem" -url "${SCEP%/scep}/ocsp" -CAfile "$T/root.pem" | grep -q 'two.pem: good' || fail "OCSP"
stop_server

# The next single CA, by GetNextCACert.
m ca rollover >/dev/null
scep_server
m scep getnextca "$SCEP" --ca-fingerprint "$(sha "$T/root.pem")" --json >"$T/next.json" || fail "GetNextCACert"
stop_server
m ca switch >/dev/null
old=$(sha "$T/root.pem")
scep_server
[ "$(sha "$T/root.pem")" != "$old" ] && grep -q "$(sha "$T/root.pem")" "$T/next.json" || fail "another CA than was promised"
pki_enrol three
good "$T/three.crt" "$T/three.in" three
stop_server
# Grown up: root, issuing CA and RA of their own.
rsa_key "$T/o.key"
openssl req -x509 -key "$T/o.key" -days 3650 -subj /CN=Outside -out "$T/o.pem" -addext keyUsage=critical,keyCertSign
m ca request "$T/csr" >/dev/null
openssl x509 -req -in "$T/csr" -CA "$T/o.pem" -CAkey "$T/o.key" -days 1000 -out "$T/i.pem" -extfile <(printf '%s\n' \
	basicConstraints=critical,CA:TRUE,pathlen:0 keyUsage=critical,keyCertSign,cRLSign subjectKeyIdentifier=hash)
m ca import "$T/i.pem" --root "$T/o.pem" >/dev/null
m ca switch >/dev/null
scep_server
pki_enrol four
good "$T/four.crt" "$T/four.in" four
[ "$(sha "$T/root.pem")" = "$(sha "$T/o.pem")" ] || fail "not below the outside root"
stop_server
