# Clients that dribble are cut after the time of a request; others are served
# meanwhile.
. "$(dirname "$0")/lib.sh"
start_server --request-seconds 1 --workers 2
dribble() { # dribble FIRST: a beginning, then a byte now and then, for ever
	printf "$1"
	while sleep 0.2; do printf 'a' || return; done
}
# cut PORT FIRST...: this connection has to end by itself.
slow() {
	timeout 30 bash -c "$(declare -f dribble); exec 3<>/dev/tcp/127.0.0.1/$1
		trap '' PIPE
		dribble '$2' >&3 2>/dev/null & writer=\$!
		cat <&3; kill \$writer 2>/dev/null; true"
}
admin=${ADMIN##*:}
head='POST /api/v1/orders HTTP/1.1\r\nHost: a\r\n'
start=$SECONDS
for ((i = 0; i < 20; i++)); do
	background "header-$i" slow "$admin" "${head}X-Slow: "; SLOW+=("$PID")
	background "body-$i" slow "$admin" "${head}Content-Length: 100000\r\n\r\n{"; SLOW+=("$PID")
	background "hello-$i" slow "${URL##*:}" '\x16\x03\x01\x02'; SLOW+=("$PID")
done
for ((i = 0; i < 20; i++)); do
	curl -sSf -m 2 "$ADMIN/healthz" >/dev/null || fail "the admin side hangs"
	curl -s -m 2 --cacert "$CA" -o /dev/null "$URL/enroll" || fail "the device side hangs"
done
for pid in "${SLOW[@]}"; do wait "$pid" || fail "a slow sender was not cut"; done
[ $((SECONDS - start)) -lt 25 ] || fail "cut after $((SECONDS - start)) s"
# Nothing of them was taken for a request.
json_is 0 length m order list --json || fail "an order of a slow sender"
# Slow, but in time.
{ printf 'GET /healthz HTTP/1.1\r\nHo'; sleep 0.3; printf 'st: a\r\nConnection: close\r\n\r\n'; } |
	timeout 10 curl -s "telnet://127.0.0.1:$admin" | grep -q '200 OK' || fail "cut too early"
stop_server
