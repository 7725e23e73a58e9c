# Certificates from another authority: micromdm's scepserver behind us, and in
# front our own client and strongSwan.
. "$(dirname "$0")/scep.sh"
upstream_ca
upstream_start
scep_server
m template set corp --fields '{"upstream": "corp"}' 2>/dev/null && fail "a template without its upstream"
m upstream add corp scep "$UPSTREAM" --ca "$CA" >/dev/null
m upstream test corp >/dev/null 2>&1 && fail "another CA was taken for the upstream"
m upstream add corp scep "$UPSTREAM" --ca "$UPSTREAM_CA" --allow-des >/dev/null
m upstream test corp --json | jq -e '.certificates[0].configured' >/dev/null || fail "upstream test"
m upstream show corp | grep -q CONFIGURED && fail "an empty column"
m template set corp --fields '{"upstream": "corp", "renew_days": 0}' >/dev/null

enrol() { # enrol NAME CN CHALLENGE-CN
	challenge "$3" --template corp >"$T/$1.challenge"
	m scep enroll "$SCEP" --ca-name corp --cn "$2" --key "$T/$1.key" --out "$T/$1.pem" \
		--challenge-file "$T/$1.challenge" --wait 60 >"$T/$1.log" 2>&1
}
theirs() { # theirs CERT KEY CN: theirs, of that key and name, and in our ledger
	openssl verify -CAfile "$UPSTREAM_CA" "$1" >/dev/null || fail "chain of $1"
	[ "$(openssl x509 -in "$1" -noout -pubkey)" = "$(openssl pkey -in "$2" -pubout)" ] || fail "key of $1"
	openssl x509 -in "$1" -noout -subject | grep -q "CN = $3" || fail "name of $1"
	F=$(openssl x509 -in "$1" -outform DER | openssl sha256 -r | cut -d' ' -f1)
	json_is valid .state m certificate show "$F" --json || fail "$1 is not in the ledger"
	m certificate show "$F" --json | jq -e '.authority | startswith("upstream:corp:")' >/dev/null ||
		fail "authority of $1"
}
enrol printer printer printer || fail "no certificate from the upstream"
theirs "$T/printer.pem" "$T/printer.key" printer
enrol thief president printer && fail "another name than the challenge's"
renew() { # renew OLD NEW TYPE: what the upstream is asked by
	m scep renew "$SCEP" --ca-name corp --old-cert "$T/$1.pem" --old-key "$T/$1.key" \
		--key "$T/$2.key" --out "$T/$2.pem" --wait 60 >"$T/renew.log" 2>&1 || fail "$1 is not renewed"
	theirs "$T/$2.pem" "$T/$2.key" printer
	grep -o 'message_type="[A-Za-z]*' "$T/scepserver.log" | tail -1 | grep -q "\"$3$" || fail "not by a $3"
}
renew printer next PKCSReq
m certificate revoke "$F" | grep -q 'was not told' || fail "no word that the other CA knows nothing"
openssl req -x509 -newkey rsa:2048 -nodes -keyout "$T/our.key" -out "$T/our.pem" -subj /CN=our -days 2 2>/dev/null
chmod 600 "$T/our.key"
m upstream add corp scep "$UPSTREAM" --ca "$UPSTREAM_CA" --allow-des --renew \
	--client-cert "$T/our.pem" --client-key "$T/our.key" >/dev/null
renew printer last RenewalReq

# strongSwan names the authority in its URL, as whoever made the challenge was told.
m scep challenge gate --template corp --json | jq -r .url | grep -q '/scep/corp$' || fail "the URL of a challenge"
curl -sSf "$SCEP/corp?operation=GetCACert" | openssl pkcs7 -inform DER -print_certs >"$T/both.pem"
[ "$(grep -c BEGIN "$T/both.pem")" = 4 ] || fail "GetCACert by the upstream's name"
rsa_key "$T/swan.key"
timeout 60 pki --scep --url "$SCEP/corp" --in "$T/swan.key" --dn 'CN=gate' --outform pem \
	--password "$(challenge gate --template corp)" --cacert-enc "$T/ra.pem" --cacert-sig "$T/ra.pem" \
	--cacert "$T/issuing.pem" --cacert "$T/root.pem" --cacert "$UPSTREAM_CA" \
	>"$T/swan.pem" 2>"$T/pki.log" || fail "strongSwan: no certificate"
theirs "$T/swan.pem" "$T/swan.key" gate
stop_server
