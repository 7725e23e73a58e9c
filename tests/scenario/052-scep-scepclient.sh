# micromdm's scepclient: single DES and SHA-1, so only behind the switch that
# exists for tests with such clients.
. "$(dirname "$0")/scep.sh"
fingerprint() { openssl x509 -in "$T/ra.pem" -outform DER | openssl sha256 -r | cut -d' ' -f1; }
enrol() { # enrol NAME CHALLENGE
	mkdir -p "$T/$1"
	(cd "$T/$1" && timeout 60 scepclient -server-url "$SCEP" -challenge "$2" \
		-private-key key.pem -certificate cert.pem -cn anything \
		-ca-fingerprint "$(fingerprint)" >>"$T/scepclient.log" 2>&1) &&
		[ -s "$T/$1/cert.pem" ]
}
scep_server
enrol off "$(challenge legacy)" && fail "single DES was taken without the switch"
stop_server
scep_server --scep-legacy-des yes
enrol bad wrong && fail "a wrong challenge was taken"
issued 0
enrol good "$(challenge legacy)" || fail "no certificate"
good "$T/good/cert.pem" "$T/good/key.pem" legacy
issued 1
stop_server
