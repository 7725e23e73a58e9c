# A request for several names of one kind, with strongSwan as the client: the
# administrator is shown all of them, and the certificate says all of them.  One
# for names that are not certified here is refused, and the client is told which.
. "$(dirname "$0")/scep.sh"
scep_server
pending() { m scep requests --state pending --json | jq -e 'length == 1' >/dev/null; }

m template set by-hand --fields '{"challenge": "none", "approval": true}' >/dev/null
rsa_key "$T/key.pem"
pki --scep --url "$SCEP/by-hand" --in "$T/key.pem" --dn 'C=JP, ST=Tokyo, CN=gate' --cacert-enc "$T/ra.pem" \
	--cacert-sig "$T/ra.pem" --cacert "$T/issuing.pem" --cacert "$T/root.pem" \
	--interval 1 --maxpolltime 5 >"$T/none" 2>"$T/pki.log" && fail "a certificate without its country"
grep -q 'not certified here: C, ST' "$T/server.log" || fail "the names are not in the log"
[ "$(m scep requests --json)" = '[]' ] || fail "a request waits that cannot be certified as it is"
timeout 60 pki --scep --url "$SCEP/by-hand" --in "$T/key.pem" --dn CN=gate \
	--san gate.example.com --san gate.example.net --san 192.0.2.1 --cacert-enc "$T/ra.pem" \
	--cacert-sig "$T/ra.pem" --cacert "$T/issuing.pem" --cacert "$T/root.pem" \
	--interval 1 --maxpolltime 50 --outform pem >"$T/gate.pem" 2>"$T/pki.log" &
client=$!
until_ok 30 pending
id=$(m scep requests --state pending --json | jq -r '.[0].id')
m scep request "$id" >"$T/shown"
grep -q '^Names *dns:gate.example.com, ip:192.0.2.1, dns:gate.example.net$' "$T/shown" || fail "the names are not shown"
grep -q '^Key *RSA 2048$' "$T/shown" || fail "the kind of key is not shown"
spki=$(openssl pkey -in "$T/key.pem" -pubout -outform DER | openssl sha256 -r | cut -d' ' -f1)
grep -q "^Key SHA-256 *$spki$" "$T/shown" || fail "the key is not shown"
m scep requests --state pending | grep -q "dns:gate.example.com, ip:192.0.2.1.* RSA 2048 .* $spki" || fail "the list"
m scep approve "$id" >/dev/null
wait "$client" || fail "no certificate after the approval"
good "$T/gate.pem" "$T/key.pem" gate
for name in gate.example.com gate.example.net; do
	openssl x509 -in "$T/gate.pem" -noout -checkhost "$name" | grep -q 'does match' || fail "no $name"
done
