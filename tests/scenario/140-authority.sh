# The authority: keys in a PKCS #11 token, an offline root, rollover, backup and
# restore.
. "$(dirname "$0")/scep.sh"
export SOFTHSM2_CONF=$T/softhsm.conf PHRASE='correct horse'
mkdir "$T/tokens"
echo "directories.tokendir = $T/tokens" >"$SOFTHSM2_CONF"
(umask 077; echo 4711 >"$T/pin")
softhsm2-util --init-token --free --label t --so-pin 1234 --pin 4711 >/dev/null
for key in issuing ra; do
	rsa_key "$T/$key.key"
	softhsm2-util --import "$T/$key.key" --token t --pin 4711 --label $key \
		--id $(printf $key | xxd -p) >/dev/null
done
token=(--pkcs11-module "$(find /usr/lib -name libsofthsm2.so | head -1)" --pkcs11-pin "file:$T/pin"
	--issuing-key 'pkcs11:token=t;object=issuing;type=private' --ra-key 'pkcs11:token=t;object=ra;type=private')
ca() { m ca "$@" "${token[@]}"; }

# enrol NAME: by an independent client; says who issued.
enrol() {
	pki --scep --url "$SCEP" --in "$T/$1.in" --dn "CN=$1" --password "$(challenge "$1")" \
		--cacert-enc "$T/ra.pem" --cacert-sig "$T/ra.pem" --cacert "$T/issuing.pem" \
		--cacert "$T/root.pem" --outform pem >"$T/$1.crt" 2>"$T/pki.log" || fail "$1"
	openssl x509 -in "$T/$1.crt" -noout -issuer
}
for name in one two; do rsa_key "$T/$name.in"; done

scep_server "${token[@]}"
[ ! -e "$T/data/keys" ] || fail "key files beside the token"
enrol one | grep -q 'Issuing CA G1' || fail "the issuer of one"
stop_server
json_is 'pkcs11 pkcs11 sealed' '[.[].key] | sort | join(" ")' ca show --json || fail "where keys are"
# The root goes off line; the next CA is made with its key, in the database.
ca take-root "$T/root.key" --passphrase env:PHRASE >/dev/null
grep -q 'ENCRYPTED PRIVATE KEY' "$T/root.key" || fail "the root's key"
roll() { m ca rollover "${token[@]}" --issuing-key rsa2048 --ra-key rsa2048 "$@"; }
ca rollover --root-key-file "$T/root.key" --passphrase env:PHRASE 2>"$T/err" && fail "the same key again"
grep -q 'it would have the key of' "$T/err" || fail "$(cat "$T/err")"
roll >/dev/null 2>&1 && fail "a rollover without the root's key"
roll --root-key-file "$T/root.key" --passphrase env:PHRASE >/dev/null
roll --root-key-file "$T/root.key" --passphrase env:PHRASE 2>/dev/null && fail "two rollovers"
ca switch >/dev/null
scep_server "${token[@]}"
enrol two | grep -q 'Issuing CA G2' || fail "the issuer of two"
stop_server
for name in one two; do
	ca show --json | jq -r '.[] | select(.role == "issuing") | .id' |
		while read -r id; do ca export "$id"; done >"$T/issuers.pem"
	openssl verify -x509_strict -CAfile "$T/root.pem" -untrusted "$T/issuers.pem" "$T/$name.crt" >/dev/null || fail "chain of $name"
done
# A request to an outside root, with a key of the token.
"$MUTSU" ca request "$T/csr" --data "$T/hsm" "${token[@]}" >/dev/null
cmp <(openssl req -in "$T/csr" -noout -verify -pubkey 2>/dev/null) <(openssl pkey -in "$T/issuing.key" -pubout) || fail "the CSR's key"
# Backup, and back in an empty place.
SHORT=11charsonly ca backup "$T/backup" --passphrase env:SHORT 2>/dev/null && fail "a short passphrase"
ca backup "$T/backup" --passphrase env:PHRASE >"$T/held"
grep -q 'Not in it: 2 keys in a token' "$T/held" || fail "$(cat "$T/held")"
[ "$(stat -c %a "$T/backup")" = 600 ] || fail "mode of the backup"
"$MUTSU" ca restore "$T/backup" --passphrase env:HOME --data "$T/new" "${token[@]}" 2>/dev/null && fail "a wrong passphrase"
"$MUTSU" ca restore "$T/backup" --passphrase env:PHRASE --data "$T/new" 2>/dev/null && fail "no module for the token"
"$MUTSU" ca restore "$T/backup" --passphrase env:PHRASE --data "$T/new" "${token[@]}" >/dev/null
cmp <("$MUTSU" ca export chain --data "$T/new" "${token[@]}") <(ca export chain) || fail "another chain"
ca restore "$T/backup" --passphrase env:PHRASE 2>/dev/null && fail "a restore over an authority"
true
