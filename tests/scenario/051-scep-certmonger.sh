# certmonger with its scep-submit: PKIOperation by GET, AES-256, version 1
# signers.  Its daemon runs on a session bus of its own, started by the bus,
# and keeps everything below $T.
. "$(dirname "$0")/scep.sh"
scep_server
mkdir "$T/home"
cat >"$T/work.sh" <<'W'
set -e
status() { getcert list -s -i "$1" | sed -n 's/^\tstatus: //p'; }
getcert add-scep-ca -s -c mutsu -u "$SCEP"
# Asked before it knows the RA, certmonger would try again only after hours.
for ((i = 0; i < 300; i++)); do
	grep -qs ca_encryption_cert= "$HOME"/.config/certmonger/cas/* && break
	sleep 0.1
done
for name in good bad; do
	getcert request -s -c mutsu -I $name -k "$T/$name.key" -f "$T/$name.pem" \
		-N CN=anything -L "$(cat "$T/$name.challenge")" -G rsa -g 2048
done
for ((i = 0; i < 300; i++)); do
	echo "$(status good) $(status bad)" >"$T/states.log"
	[ "$(cat "$T/states.log")" = 'MONITORING CA_REJECTED' ] && break
	sleep 0.1
done
W
challenge monger --email it@example.com >"$T/good.challenge"
echo wrong >"$T/bad.challenge"
env HOME="$T/home" T="$T" SCEP="$SCEP" timeout -k 5 120 \
	dbus-run-session -- bash "$T/work.sh" >"$T/certmonger.log" 2>&1 ||
	fail "certmonger: $?"
[ "$(cat "$T/states.log")" = 'MONITORING CA_REJECTED' ] || fail "$(cat "$T/states.log")"
good "$T/good.pem" "$T/good.key" monger
[ ! -s "$T/bad.pem" ] || fail "a certificate for a wrong challenge"
issued 1
stop_server
