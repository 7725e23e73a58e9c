# The simulated APNs by itself: it gives the answer that it was told to, so
# often, and refuses what is no answer.
. "$(dirname "$0")/lib.sh"
got=0; "$TOOL" sim apns --dir "$T/bad" --answer never 2>"$T/err" || got=$?
[ $got = 2 ] || fail "an answer that is none ends with $got"
start_apns --answer 410:Unregistered --answers 1
push() {
	curl -sS --http2 --cacert "$T/apns/server.pem" --cert "$T/apns/push.pem" --key "$T/apns/push.key" -w ' %{http_code}' \
		-H "apns-topic: com.apple.mgmt.External.11111111-2222-4333-8444-555555555555" -H 'apns-push-type: mdm' \
		-d '{"mdm":"magic"}' "https://127.0.0.1:$APNS_PORT/3/device/$(printf 'ab%.0s' {1..32})"
}
is() { local answer; answer=$(push); [[ "$answer" == $1 ]] || fail "not $1 but $answer"; }
is '{"reason":"Unregistered"*} 410'
is ' 200' # once only
