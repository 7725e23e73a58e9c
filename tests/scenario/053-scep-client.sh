# mutsu scep: against our own server, and against micromdm's scepserver, which
# wants the challenge for renewals too, and answers in single DES.
. "$(dirname "$0")/scep.sh"
ask() { # ask VERB URL NAME [OPTIONS...]: its exit code; JSON in $T/NAME.json
	local verb=$1 url=$2 name=$3; shift 3
	CODE=0
	"$MUTSU" scep "$verb" "$url" --json --key "$T/$name.key" --out "$T/$name.pem" \
		"$@" >"$T/$name.json" 2>>"$T/scep.log" </dev/null || CODE=$?
}
sha256() { openssl x509 -in "$1" -outform DER | sha256sum | cut -d' ' -f1; }
same_key() {
	[ "$(openssl x509 -in "$1" -noout -pubkey)" = "$(openssl pkey -in "$2" -pubout)" ] ||
		fail "$1 has another key"
}

scep_server
"$MUTSU" scep getca "$SCEP" --ca-fingerprint "$(sha256 "$T/root.pem")" --json --ca-out "$T/all.pem" |
	jq -e '(.capabilities | index("SCEPStandard")) and (.certificates | length == 3)' >/dev/null ||
	fail "getca"
[ "$(sha256 "$T/all.pem")" = "$(sha256 "$T/ra.pem")" ] || fail "the chain's file"
challenge client >"$T/challenge"
ask enroll "$SCEP" ours --cn x --ca-fingerprint "$(printf '0%.0s' {1..64})" --challenge-file "$T/challenge"
[ $CODE = 6 ] || fail "a wrong fingerprint: $CODE"
ask enroll "$SCEP" ours --cn x --challenge-file "$T/challenge" --ca-fingerprint "$(sha256 "$T/root.pem")"
[ $CODE = 0 ] || fail "enroll: $CODE"
good "$T/ours.pem" "$T/ours.key" client
[ "$(stat -c %a "$T/ours.key")" = 600 ] || fail "others may read the key"
cp -p "$T/ours.key" "$T/bad.key" # finding primes takes time
MUTSU_SCEP_CHALLENGE=wrong ask enroll "$SCEP" bad --cn x --get --digest sha512 --cipher 3des
[ $CODE = 3 ] && jq -e '.status == "failure" and .fail_info == "badRequest"' "$T/bad.json" >/dev/null ||
	fail "a wrong challenge: $CODE"
[ ! -e "$T/bad.pem" ] || fail "a certificate for a wrong challenge"
found() { [ "$(m certificate list "$@" --json | jq -r '.[].fingerprint')" = "$(sha256 "$T/ours.pem")" ]; }
found --subject "cn=CLIENT" || fail "not found by its subject"
found --authority "$(m certificate list --subject client --json | jq -r '.[0].authority')" --purpose scep ||
	fail "not found by its authority"
found --key "$(openssl pkey -in "$T/ours.key" -pubout -outform DER | sha256sum | cut -d' ' -f1)" || fail "not found by its key"
found --challenge "$(m certificate list --subject client --json | jq -r '.[0].challenge')" || fail "not found by its challenge"
[ "$(m certificate export --subject 'cli%' | wc -l)" = 1 ] || fail "LIKE's characters are its own"
stop_server

(cd "$T" && scepserver ca -init -keySize 2048 >/dev/null)
PORT=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
background scepserver scepserver -depot "$T/depot" -port "$PORT" -challenge secret -allowrenew 0
OTHER=http://127.0.0.1:$PORT/scep
until_ok 30 curl -sf "$OTHER?operation=GetCACaps"
PIN=$(sha256 "$T/depot/ca.pem")
MUTSU_SCEP_CHALLENGE=secret ask enroll "$OTHER" first --cn one --ca-fingerprint "$PIN" --allow-des
[ $CODE = 0 ] || fail "enroll at scepserver: $CODE"
openssl verify -CAfile "$T/depot/ca.pem" "$T/first.pem" >/dev/null || fail "its chain"
same_key "$T/first.pem" "$T/first.key"
cp -p "$T/first.key" "$T/des.key"
MUTSU_SCEP_CHALLENGE=secret ask enroll "$OTHER" des --cn one
[ $CODE = 1 ] && tail -1 "$T/scep.log" | grep -q -- --allow-des || fail "single DES: $CODE, $(tail -1 "$T/scep.log")"
MUTSU_SCEP_CHALLENGE=secret ask renew "$OTHER" second --old-cert "$T/first.pem" --old-key "$T/first.key" \
	--ca-fingerprint "$PIN" --allow-des
[ $CODE = 0 ] || fail "renew at scepserver: $CODE"
same_key "$T/second.pem" "$T/second.key"
[ "$(openssl x509 -in "$T/second.pem" -noout -subject)" = "$(openssl x509 -in "$T/first.pem" -noout -subject)" ] ||
	fail "the renewed certificate has another name"
