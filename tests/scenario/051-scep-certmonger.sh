# certmonger with its scep-submit: PKIOperation by GET, AES-256, version 1
# signers.
. "$(dirname "$0")/scep.sh"
scep_server
certmonger_tries
good "$T/good.pem" "$T/good.key" monger
[ ! -s "$T/bad.pem" ] || fail "a certificate for a wrong challenge"
issued 1
stop_server
