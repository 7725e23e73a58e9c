# What the scenarios with other people's SCEP clients share: a server with the
# plain listener, its chain in files, challenges and the check of what came.
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

# scep_server [SETTINGS...]: sets SCEP; ra.pem, issuing.pem, root.pem in $T.
scep_server() {
	start_server --http-port 0 "$@"
	SCEP=http://127.0.0.1:$(sed -n 's/.*plain_listener port=\([0-9]*\).*/\1/p' \
		"$T/server.log")/scep
	if [ "$(curl -sSf "$SCEP?operation=GetCACert" -o "$T/ca.p7" -w '%{content_type}')" = application/x-x509-ca-cert ]; then
		openssl x509 -inform DER -in "$T/ca.p7" | tee "$T/ra.pem" "$T/issuing.pem" >"$T/root.pem" # single mode
	else
		openssl pkcs7 -inform DER -in "$T/ca.p7" -print_certs -out "$T/chain.pem"
		csplit -s -z -f "$T/ca-" "$T/chain.pem" '/^subject/' '{*}'
		openssl x509 -in "$T/ca-00" -out "$T/ra.pem"
		openssl x509 -in "$T/ca-01" -out "$T/issuing.pem"
		openssl x509 -in "$T/ca-02" -out "$T/root.pem"
	fi
	cmp -s <(openssl x509 -in "$CA" -outform DER) \
		<(openssl x509 -in "$T/root.pem" -outform DER) || fail "the root in GetCACert"
}

challenge() { m scep challenge "$@" --json | jq -r .challenge; }

# good CERT KEY CN: chains to our root, is for TLS clients, has the client's
# key and the names that the administrator gave.
good() {
	openssl verify -purpose sslclient -x509_strict -CAfile "$CA" \
		-untrusted "$T/issuing.pem" "$1" >/dev/null || fail "chain of $1"
	[ "$(openssl x509 -in "$1" -noout -pubkey)" = "$(openssl pkey -in "$2" -pubout)" ] ||
		fail "$1 has another key"
	[ "$(openssl x509 -in "$1" -noout -subject)" = "subject=CN = $3" ] ||
		fail "$1: $(openssl x509 -in "$1" -noout -subject)"
}

# issued N: so many certificates of the template for SCEP clients, no more.
issued() {
	m certificate list --json | jq -e --argjson n "$1" \
		'[.[] | select(.purpose == "scep" and .state == "valid")] | length == $n' \
		>/dev/null || fail "not $1 certificates"
}

# pki_enrol NAME: a key and a certificate by strongSwan, in NAME.in and NAME.crt.
pki_enrol() {
	rsa_key "$T/$1.in"
	pki --scep --url "$SCEP" --in "$T/$1.in" --dn "CN=$1" --password "$(challenge "$1")" \
		--cacert-enc "$T/ra.pem" --cacert-sig "$T/ra.pem" --cacert "$T/issuing.pem" \
		--cacert "$T/root.pem" --outform pem >"$T/$1.crt" 2>"$T/pki.log" || fail "$1"
}

# certmonger_does [ARGS...] <SCRIPT: runs it, behind the functions here, beside a
# daemon on a session bus of its own, started by the bus, that keeps everything
# below $T.
certmonger_does() {
	mkdir "$T/home"
	{ cat <<'W'
set -e
wait_for() { for ((i = 0; i < 150; i++)); do "$@" && return; sleep 0.4; done; echo "not: $*"; exit 1; }
CAS=0
known() { [ "$(grep -ls ca_encryption_cert= "$HOME"/.config/certmonger/cas/* | wc -l)" = $CAS ]; }
# ca NAME URL [OPTIONS of add-scep-ca]: asked before it knows the RA, certmonger
# would try again only after hours.
ca() { getcert add-scep-ca -s -c "$1" -u "$2" "${@:3}"; CAS=$((CAS + 1)); wait_for known; }
request() { # request CA NAME CN: with NAME.challenge
	getcert request -s -c "$1" -I "$2" -k "$T/$2.key" -f "$T/$2.pem" \
		-N "CN=$3" -L "$(cat "$T/$2.challenge")" -G rsa -g 2048
}
status() { getcert list -s -i "$1" | sed -n 's/^\tstatus: //p'; }
is() { [ "$(status "$1")" = "$2" ]; }
W
	cat; } >"$T/work.sh"
	env HOME="$T/home" T="$T" SCEP="$SCEP" timeout -k 5 150 \
		dbus-run-session -- bash "$T/work.sh" "$@" >"$T/certmonger.log" 2>&1 ||
		fail "certmonger: $?"
}

# certmonger_tries [OPTIONS of add-scep-ca]: a certificate for a good challenge in good.pem, none for a bad one.
certmonger_tries() {
	challenge monger --email it@example.com >"$T/good.challenge"
	echo wrong >"$T/bad.challenge"
	certmonger_does "$@" <<'W'
ca mutsu "$SCEP" "$@"
request mutsu good anything
request mutsu bad anything
wait_for is good MONITORING
wait_for is bad CA_REJECTED
W
	[ ! -s "$T/bad.pem" ] || fail "a certificate for a wrong challenge"
}

# upstream_ca: another authority below $T, that of micromdm's scepserver; sets
# UPSTREAM (its URL) and UPSTREAM_CA.  upstream_start: it takes requests, and
# without a challenge, since it is for us alone; its log tells what it is asked.
upstream_ca() {
	UPSTREAM_PORT=$(free_port)
	UPSTREAM=http://127.0.0.1:$UPSTREAM_PORT/scep
	UPSTREAM_CA=$T/depot/ca.pem
	scepserver ca -init -keySize 2048 -depot "$T/depot" >"$T/depot.log" 2>&1
}
upstream_start() {
	background scepserver scepserver -debug -depot "$T/depot" -port "$UPSTREAM_PORT" -allowrenew 0
	until_ok 30 curl -sf "$UPSTREAM?operation=GetCACaps"
}
