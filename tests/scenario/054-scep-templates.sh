# Kinds of challenges by template, with strongSwan as the client: a static one
# with its list, a webhook (a few lines of Python, as docs/api.md shows them),
# and a person who has to agree as well.
. "$(dirname "$0")/scep.sh"
scep_server
pki() { command pki "$@" 2>>"$T/pki.log"; }
new_key() { rsa_key "$T/key.pem"; }
enrol() { # enrol TEMPLATE CN SECRET-FILE [OPTIONS...]: certificate on standard output
	local url=$SCEP/$1 cn=$2 secret=$3; shift 3
	timeout 60 "$(command -v pki)" --scep --url "$url" --in "$T/key.pem" --dn "CN=$cn" \
		--password "$(cat "$secret")" --cacert-enc "$T/ra.pem" --cacert-sig "$T/ra.pem" \
		--cacert "$T/issuing.pem" --cacert "$T/root.pem" --outform pem "$@" 2>>"$T/pki.log"
}
refused() { enrol "$@" >"$T/none.pem" && fail "granted: $*"; [ ! -s "$T/none.pem" ] || fail "a certificate: $*"; }
secret_of() { m template secret "$@" --json 2>>"$T/warnings.log" | jq -r .secret; }
pending() { m scep requests --state pending --json | jq -e 'length == 1' >/dev/null; }

m template set gates --fields '{"challenge": "static", "subject": {"cn": "$NAME", "dns": "$NAME.example.com"}}' >/dev/null 2>&1
printf 'gate-1\ngate-2\n' >"$T/names"
secret_of gates --names-file "$T/names" >"$T/gates.secret"
grep -q 'same challenge' "$T/warnings.log" || fail "no warning"
echo wrong >"$T/wrong"
new_key
refused gates gate-1 "$T/wrong"
refused gates gate-3 "$T/gates.secret"
refused scep gate-1 "$T/gates.secret"
refused no-such gate-1 "$T/gates.secret"
enrol gates gate-1 "$T/gates.secret" >"$T/gate.pem" || fail "static challenge"
good "$T/gate.pem" "$T/key.pem" gate-1
openssl x509 -in "$T/gate.pem" -noout -ext subjectAltName | grep -q DNS:gate-1.example.com || fail "alternative name"
enrol gates gate-1 "$T/gates.secret" | cmp -s - "$T/gate.pem" || fail "another certificate in the same transaction"
issued 1
# Another device on the list: the others keep what they have.
printf 'gate-1\ngate-2\ngate-4\n' >"$T/names"
m template secret gates --names-file "$T/names" 2>/dev/null | grep -q 'what it was' || fail "no word of the old secret"
new_key
enrol gates gate-4 "$T/gates.secret" >"$T/gate4.pem" || fail "the secret has changed with the list"

background hook python3 "$(dirname "$0")/webhook.py" "$T/hook.secret" "$T/hook.port"
until_ok 30 test -s "$T/hook.port"
m template set asked --fields "{\"challenge\": \"webhook\", \"webhook\": \"http://127.0.0.1:$(cat "$T/hook.port")/\",
	\"subject\": {\"cn\": \"\$NAME\"}}" >/dev/null
new_key
echo let-me-in >"$T/hook.challenge"
refused asked x "$T/hook.challenge" # nobody has set the key
secret_of asked >"$T/hook.secret"
refused asked x "$T/wrong"
enrol asked x "$T/hook.challenge" >"$T/asked.pem" || fail "the webhook allows it"
good "$T/asked.pem" "$T/key.pem" told-by-webhook
m template set asked --fields '{"subject": {"cn": "$NAME", "uid": "$USER"}}' >/dev/null
new_key
refused asked x "$T/hook.challenge"
grep -q 'no_subject .*template=asked .*uid: $USER has no value here' "$T/server.log" || fail "what the webhook did not tell is not named"

# What is not given stays, and what is shown is taken.
m template set gates --fields '{"approval": true}' 2>/dev/null | jq -e '.subject.dns == "$NAME.example.com"' >/dev/null ||
	fail "a field that was not given has changed"
m template set gates --fields "$(m template show gates --json 2>/dev/null)" 2>/dev/null | jq -e .approval >/dev/null ||
	fail "what is shown is not taken"
new_key
enrol gates gate-2 "$T/gates.secret" --interval 1 --maxpolltime 50 >"$T/polled.pem" &
polls=$!
until_ok 30 pending
m scep approve "$(m scep requests --state pending --json | jq -r '.[0].id')" >/dev/null
wait "$polls" || fail "no certificate after the approval"
good "$T/polled.pem" "$T/key.pem" gate-2
stop_server
for secret in "$T"/*.secret "$T/hook.challenge"; do
	! grep -rqF "$(cat "$secret")" "$T/server.log" "$T/data" || fail "log or database hold ${secret##*/}"
done
start_server
grep -q 'warn static_challenge .*template=gates' "$T/server.log" || fail "no warning at the start"
