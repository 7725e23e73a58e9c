# A request for several names of one kind, with strongSwan as the client: the
# administrator is shown all of them, and the certificate says all of them.
. "$(dirname "$0")/scep.sh"
scep_server
pending() { m scep requests --state pending --json | jq -e 'length == 1' >/dev/null; }

m template set by-hand --fields '{"challenge": "none", "approval": true}' >/dev/null
rsa_key "$T/key.pem"
timeout 60 pki --scep --url "$SCEP/by-hand" --in "$T/key.pem" --dn CN=gate \
	--san gate.example.com --san gate.example.net --san 192.0.2.1 --cacert-enc "$T/ra.pem" \
	--cacert-sig "$T/ra.pem" --cacert "$T/issuing.pem" --cacert "$T/root.pem" \
	--interval 1 --maxpolltime 50 --outform pem >"$T/gate.pem" 2>"$T/pki.log" &
client=$!
until_ok 30 pending
id=$(m scep requests --state pending --json | jq -r '.[0].id')
m scep request "$id" >"$T/shown"
grep -q '^DNS *gate.example.com$' "$T/shown" || fail "the first name is not shown"
grep -q '^IP *192.0.2.1$' "$T/shown" || fail "the address is not shown"
grep -q '^More names *dns gate.example.net$' "$T/shown" || fail "the second name is not shown"
m scep approve "$id" >/dev/null
wait "$client" || fail "no certificate after the approval"
good "$T/gate.pem" "$T/key.pem" gate
for name in gate.example.com gate.example.net; do
	openssl x509 -in "$T/gate.pem" -noout -checkhost "$name" | grep -q 'does match' || fail "no $name"
done
