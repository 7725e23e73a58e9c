# certmonger with its scep-submit: PKIOperation by GET, AES-256, version 1
# signers; with one-time challenges, and with the static one of a template.  Its daemon runs on a session bus of its own, started by the bus,
# and keeps everything below $T.
. "$(dirname "$0")/scep.sh"
scep_server
mkdir "$T/home"
cat >"$T/work.sh" <<'W'
set -e
status() { getcert list -s -i "$1" | sed -n 's/^\tstatus: //p'; }
getcert add-scep-ca -s -c mutsu -u "$SCEP"
getcert add-scep-ca -s -c gates -u "$SCEP/gates"
# Asked before it knows the RA, certmonger would try again only after hours.
for ((i = 0; i < 600; i++)); do
	[ "$(grep -ls ca_encryption_cert= "$HOME"/.config/certmonger/cas/* | wc -l)" = 2 ] && break
	sleep 0.1
done
request() { # request CA NAME CN
	getcert request -s -c "$1" -I "$2" -k "$T/$2.key" -f "$T/$2.pem" \
		-N "CN=$3" -L "$(cat "$T/$2.challenge")" -G rsa -g 2048
}
request mutsu good anything
request mutsu bad anything
request gates listed gate-1
for ((i = 0; i < 600; i++)); do
	echo "$(status good) $(status bad) $(status listed)" >"$T/states.log"
	[ "$(cat "$T/states.log")" = 'MONITORING CA_REJECTED MONITORING' ] && break
	sleep 0.1
done
# A renewal is a PKCSReq signed with the old certificate.
cp "$T/listed.pem" "$T/first.pem"
getcert resubmit -s -i listed
for ((i = 0; i < 600; i++)); do
	cmp -s "$T/first.pem" "$T/listed.pem" || break
	sleep 0.1
done
W
challenge monger --email it@example.com >"$T/good.challenge"
echo wrong >"$T/bad.challenge"
m template set gates --fields '{"challenge": "static", "renew_days": 0}' >/dev/null 2>&1
echo gate-1 >"$T/names"
m template secret gates --names-file "$T/names" --json 2>/dev/null | jq -r .secret >"$T/listed.challenge"
env HOME="$T/home" T="$T" SCEP="$SCEP" timeout -k 5 150 \
	dbus-run-session -- bash "$T/work.sh" >"$T/certmonger.log" 2>&1 ||
	fail "certmonger: $?"
[ "$(cat "$T/states.log")" = 'MONITORING CA_REJECTED MONITORING' ] || fail "$(cat "$T/states.log")"
good "$T/good.pem" "$T/good.key" monger
good "$T/listed.pem" "$T/listed.key" gate-1
[ ! -s "$T/bad.pem" ] || fail "a certificate for a wrong challenge"
! cmp -s "$T/first.pem" "$T/listed.pem" || fail "not renewed"
issued 3
stop_server
