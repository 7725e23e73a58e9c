# An upstream that is away: requests wait, tries are seen, clients get their
# certificate when it is back.  certmonger polls; the server is killed meanwhile.
. "$(dirname "$0")/scep.sh"
add() { # add NAME OPTIONS...: and a template of that name
	m upstream add "$@" --ca "$UPSTREAM_CA" --allow-des --rate 6000 >/dev/null
	m template set "$1" --fields "{\"upstream\": \"$1\"}" >/dev/null
}
request() { m scep requests --state "$1" --json | jq -r "$2"; }
is() { [ "$(request "$1" "$2")" = "$3" ]; }
upstream_ca
scep_server
add corp scep "$UPSTREAM"
add once scep "$UPSTREAM" --tries 1

# What fails for good is told to the client and shown with its reason.
challenge gate --template once >"$T/c"
! m scep enroll "$SCEP" --cn gate --key "$T/once.key" --out "$T/once.pem" \
	--challenge-file "$T/c" >"$T/once.log" 2>&1 || fail "a certificate from nobody"
grep -q 'behind this server did not issue' "$T/once.log" || fail "the client's reason"
request failed '.[0].reason' | grep -q '^1 tries: .*connect' || fail "the reason"
json_is failed .state m scep request "$(request failed '.[0].id')" --json || fail "scep request"

# certmonger is told to wait.
cat >"$T/work.sh" <<'W'
set -e
getcert add-scep-ca -s -c mutsu -u "$SCEP/corp"
until grep -qs ca_encryption_cert= "$HOME"/.config/certmonger/cas/*; do sleep 0.1; done
getcert request -s -c mutsu -I monger -k "$T/monger.key" -f "$T/monger.pem" \
	-N CN=monger -L "$(cat "$T/monger.challenge")" -G rsa -g 2048
until [ -s "$T/monger.pem" ]; do # by itself it polls after minutes
	sleep 0.5
	[ ! -e "$T/back" ] || getcert refresh -s -i monger >/dev/null
done
W
mkdir "$T/home"
challenge monger --template corp >"$T/monger.challenge"
background certmonger env HOME="$T/home" T="$T" SCEP="$SCEP" timeout -k 5 150 \
	dbus-run-session -- bash "$T/work.sh"
MONGER=$PID
until_ok 60 is queued 'map(select(.tries > 0)) | length' 1
request queued '.[0].reason' | grep -q connect || fail "why it waits"
json_is 1 '.[] | select(.name == "corp").queued' m upstream list --json || fail "upstream list"
m upstream remove corp >/dev/null 2>&1 && fail "removed while it is named"

# A crash loses nothing; the port is kept, for certmonger.
kill -9 "$SERVER"; { wait "$SERVER"; } 2>/dev/null || :
start_server --http-port "$(echo "$SCEP" | cut -d: -f3 | cut -d/ -f1)"
is queued length 1 || fail "the request is gone"
upstream_start
until_ok 90 is issued length 1
touch "$T/back"
wait "$MONGER" || fail "certmonger: $?"
openssl verify -CAfile "$UPSTREAM_CA" "$T/monger.pem" >/dev/null || fail "chain"
is issued '.[0].decided_by' upstream:corp || fail "who decided"
[ "$(grep -c '^V' "$T/depot/index.txt")" = 1 ] || fail "issued more than once"
json_is '["scep.queued","scep.failed","scep.queued","scep.issued"]' \
	'map(.kind | select(startswith("scep."))) | tojson' m event list --json || fail "events"
stop_server
