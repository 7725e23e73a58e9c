# Bad input gets a clear answer, never 401 on the device side, and loses
# nothing.
. "$(dirname "$0")/lib.sh"
start_all
start_macs macs --model intel
until_ok 60 device_is SIM000001 0 .open_commands
count() { m event list --json | jq '[.[] | select(.kind != "token.created")] | length'; }
before=$(count)

# put WANT NAME CURL-OPTIONS...: PUT /mdm without proof or with bad bodies.
put() {
	local want=$1 name=$2 got; shift 2
	got=$(curl -sS --cacert "$CA" -o "$T/body" -w '%{http_code}' -X PUT "$@" "$URL/mdm")
	[ "$got" = "$want" ] || fail "$name: $got instead of $want: $(cat "$T/body")"
}
connect='Content-Type: application/x-apple-aspen-mdm; charset=UTF-8'
checkin='Content-Type: application/x-apple-aspen-mdm-checkin'
plist() { printf '<?xml version="1.0" encoding="UTF-8"?><plist version="1.0">%s</plist>' "$1"; }
plist '<dict><key>Status</key><string>Idle</string><key>UDID</key><string>x</string></dict>' >"$T/idle"
plist "$(printf '<array>%.0s' {1..200})$(printf '</array>%.0s' {1..200})" >"$T/deep"
printf 'bplist00\xd0\x08' >"$T/binary"
head -c 60 "$T/idle" >"$T/truncated"
head -c 20000000 /dev/zero >"$T/huge"
put 403 "no proof" -H "$connect" --data-binary @"$T/idle"
put 403 "bad signature" -H "$connect" -H 'Mdm-Signature: AAAA' --data-binary @"$T/idle"
put 400 "content type" -H 'Content-Type: text/plain' --data-binary @"$T/idle"
put 413 "oversize" -H "$connect" --data-binary @"$T/huge"
# Proved, by the identity of the Mac, but malformed.
rsa_key "$T/k.pem"
openssl req -x509 -key "$T/k.pem" -out "$T/c.pem" -subj /CN=stranger -days 2
sign() { openssl cms -sign -binary -outform DER -signer "$T/c.pem" -inkey "$T/k.pem" \
	-in "$1" | base64 -w0; }
put 403 "unknown certificate" -H "$connect" -H "Mdm-Signature: $(sign "$T/idle")" \
	--data-binary @"$T/idle"
for f in deep binary truncated; do
	put 400 "$f" -H "$checkin" -H "Mdm-Signature: $(sign "$T/$f")" --data-binary @"$T/$f"
done

api_is() { # api_is WANT CODE METHOD PATH OPTIONS...
	local want=$1 code=$2; shift 2
	api "$@" >"$T/answer"
	[ "$(tail -1 "$T/answer")" = "$want" ] || fail "$*: $(cat "$T/answer")"
	[ "$(head -1 "$T/answer" | jq -r .code)" = "$code" ] || fail "$*: $(cat "$T/answer")"
}
json='Content-Type: application/json'
good=$TOKEN
TOKEN=wrong api_is 401 unauthorized GET /api/v1/devices
viewer=$(m token create seer --role viewer --json | jq -r .token)
TOKEN=$viewer
api_is 403 forbidden POST /api/v1/orders -H "$json" -d '{"kind":"lock","device":"SIM000001"}'
TOKEN=$good
api_is 404 not_found GET /api/v1/devices/NOSUCH
for bad in %ff %00 %zz; do
	api_is 400 invalid GET "/api/v1/devices?q=$bad"
	api_is 400 invalid GET "/api/v1/commands?state=$bad"
done
api_is 400 order_kind_unknown POST /api/v1/orders -H "$json" -d '{"kind":"burn","device":"SIM000001"}'
api_is 400 invalid POST /api/v1/orders -H "$json" -d '{"kind":'
api_is 422 name_too_long POST /api/v1/devices/SIM000001/commands -H "$json" \
	-d '{"request_type":"Settings","command":{"Settings":[{"Item":"DeviceName","DeviceName":"sixteen-letters-"}]}}'

# Framing that proxies and servers read differently.
raw() { # raw WANT TEXT: over a plain socket to the admin side
	local port=${ADMIN##*:} got
	got=$(printf "$2" | timeout 10 curl -s "telnet://127.0.0.1:$port" | head -1)
	[[ $got == *" $1 "* ]] || fail "framing: $got instead of $1"
}
raw 400 'POST /api/v1/orders HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}'
raw 400 'POST /api/v1/orders HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n{}'

[ "$(count)" = "$before" ] || fail "strangers wrote events"
device_is SIM000001 enrolled .state || fail "the Mac is still enrolled"
id=$(m lock SIM000001 --json | jq -r .id)
until_ok 60 order_is "$id" acknowledged
stop_server
