# Clients that dribble are cut after the time of a request; others are served
# meanwhile.
. "$(dirname "$0")/lib.sh"
start_server --request-seconds 1 --workers 2
start=$SECONDS
# 20 of each kind: a beginning, then a byte now and then, until it is cut.
cat >"$T/dribble.py" <<'END'
import select, socket, sys, time
admin, device = int(sys.argv[1]), int(sys.argv[2])
head = b"POST /api/v1/orders HTTP/1.1\r\nHost: a\r\n"
open_ = []
for port, first in 20 * [(admin, head + b"X-Slow: "), (admin, head + b"Content-Length: 100000\r\n\r\n{"),
                         (device, b"\x16\x03\x01\x02")]:
    s = socket.create_connection(("127.0.0.1", port))
    s.sendall(first)
    open_.append(s)
end = time.monotonic() + 30
while open_ and time.monotonic() < end:
    time.sleep(0.2)
    for s in list(open_):
        try:
            ended = select.select([s], [], [], 0)[0] and not s.recv(4096)
            s.sendall(b"a")
        except OSError:
            ended = True
        if ended:
            open_.remove(s)
sys.exit("%d were not cut" % len(open_) if open_ else 0)
END
background senders python3 "$T/dribble.py" "${ADMIN##*:}" "${URL##*:}"
SENDERS=$PID
for ((i = 0; i < 20; i++)); do
	curl -sSf -m 2 "$ADMIN/healthz" >/dev/null || fail "the admin side hangs"
	curl -s -m 2 --cacert "$CA" -o /dev/null "$URL/enroll" || fail "the device side hangs"
done
wait "$SENDERS" || fail "a slow sender was not cut"
[ $((SECONDS - start)) -lt 25 ] || fail "cut after $((SECONDS - start)) s"
# Nothing of them was taken for a request.
json_is 0 length m order list --json || fail "an order of a slow sender"
# Slow, but in time.
{ printf 'GET /healthz HTTP/1.1\r\nHo'; sleep 0.3; printf 'st: a\r\nConnection: close\r\n\r\n'; } |
	timeout 10 curl -s "telnet://127.0.0.1:${ADMIN##*:}" | grep -q '200 OK' || fail "cut too early"
stop_server
