# SCEP with clients that others wrote: each gets a certificate of our CA.
. "$(dirname "$0")/lib.sh"
start_server --http-port 0 --scep-legacy-des yes
until_ok 20 grep -q plain_listener "$T/server.log"
plain=http://127.0.0.1:$(sed -n 's/.*plain_listener port=\([0-9]*\).*/\1/p' "$T/server.log")
challenge() {
	api POST /api/v1/scep-challenges -H 'Content-Type: application/json' \
		-d "{\"cn\":\"$1\"}" | head -1 | jq -r .challenge
}
good() { # good FILE: chains to our root through the issuing CA, for TLS clients
	openssl verify -purpose sslclient -x509_strict -CAfile "$T/root.pem" \
		-untrusted "$T/issuing.pem" "$1" || fail "chain of $1"
}
curl -sSf "$plain/scep?operation=GetCACert" -o "$T/ca.p7"
openssl pkcs7 -inform DER -in "$T/ca.p7" -print_certs -out "$T/chain.pem"
csplit -s -z -f "$T/ca-" "$T/chain.pem" '/^subject/' '{*}'
openssl x509 -in "$T/ca-00" -out "$T/ra.pem"
openssl x509 -in "$T/ca-01" -out "$T/issuing.pem"
openssl x509 -in "$T/ca-02" -out "$T/root.pem"
openssl genrsa -out "$T/key.pem" 2048 2>/dev/null

. "$(dirname "$0")/scep-clients.sh"
