# kill -9 at any moment loses nothing that was acknowledged: to the API's
# callers, or to the Macs.  KILLS times: 46, and 4 under sanitizers.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/crash-load.sh"
KILLS=${KILLS:-46}
MACS=16
start_all
start_macs macs --count $MACS --state "$T/state" --journal "$T/journal"
FLEET=$PID
for ((i = 1; i <= 4; i++)); do
	background "load-commands-$i" load_commands "$i"; LOAD+=("$PID")
done
background load-orders load_orders; LOAD+=("$PID")
background load-users load_users; LOAD+=("$PID")

for ((i = 0; i < KILLS; i++)); do
	sleep "0.$((RANDOM % 5 + 1))$((RANDOM % 10))"
	crash_server
	start_server --device-port "${URL##*:}" --admin-port "${ADMIN##*:}"
done
touch "$T/stop"
wait "${LOAD[@]}"

# Some Mac may have given up, or the claim of a push died with its server: that
# ends after a minute.  Restarted, the Macs come by themselves.
kill "$FLEET"; wait "$FLEET" || fail "a simulated Mac complains"
start_macs macs-2 --count $MACS --state "$T/state" --journal "$T/journal-2"
idle() { json_is 0 '.commands | length' api_body '/api/v1/commands?state=open&limit=1'; }
until_ok 60 idle
kill "$PID"; wait "$PID" || fail "a simulated Mac complains"
stop_server
cat "$T"/acked-commands-* >"$T/commands"
cat "$T/journal-2" >>"$T/journal"
for f in commands acked-orders acked-users journal; do [ -s "$T/$f" ] || fail "no $f"; done

db() { sqlite3 -batch "$T/data/mutsu.db" "$@"; }
none() { # none WHAT QUERY: the rows of the query are what was lost
	db "CREATE TEMP TABLE commands (id TEXT, type TEXT);" \
		"CREATE TEMP TABLE acked (id TEXT, pin TEXT);" \
		"CREATE TEMP TABLE users_acked (serial TEXT, name TEXT);" \
		"CREATE TEMP TABLE journal (id TEXT);" \
		".separator ' '" ".import $T/commands commands" ".import $T/acked-orders acked" \
		".import $T/acked-users users_acked" ".import $T/journal journal" \
		"$2" >"$T/lost.log"
	[ ! -s "$T/lost.log" ] || fail "$1: $(head -3 "$T/lost.log")"
}
[ "$(db 'PRAGMA integrity_check')" = ok ] || fail "integrity"
none "commands answered 201" "SELECT a.id FROM commands a LEFT JOIN command c ON
	c.id = a.id AND c.request_type = a.type WHERE c.state IS NOT 'acknowledged'"
none "a command's first and last event" "SELECT a.id FROM commands a WHERE 1 <> (SELECT COUNT(*)
	FROM event WHERE subject_id = a.id AND kind = 'command.queued') OR 1 <> (SELECT COUNT(*)
	FROM event WHERE subject_id = a.id AND kind = 'command.acknowledged')"
none "reports that got their 200" "SELECT j.id, c.state, c.request_type, c.origin FROM journal j LEFT
	JOIN command c ON c.id = j.id WHERE c.state IS NULL OR NOT (c.state IN ('acknowledged',
	'error') OR c.state = 'cancelled' AND c.origin = 'rollout')"
none "orders" "SELECT a.id FROM acked a LEFT JOIN orders o ON o.id = a.id
	WHERE o.state IS NOT 'acknowledged'"
none "an order's event" "SELECT a.id FROM acked a WHERE 1 <> (SELECT COUNT(*) FROM event
	WHERE subject_id = a.id AND kind = 'order.created')"
none "assignments" "SELECT a.name FROM users_acked a WHERE NOT EXISTS (SELECT 1 FROM event e
	JOIN device d ON d.id = e.device_id WHERE d.serial = a.serial AND
	e.kind = 'device.assigned' AND e.data LIKE '%' || a.name || '%')"
none "gaps in the feed" "SELECT MAX(seq), COUNT(*) FROM event HAVING MAX(seq) <> COUNT(*)"
none "two orders for one key" "SELECT idempotency_key FROM orders GROUP BY 1 HAVING COUNT(*) > 1"

start_server
while read -r id pin; do
	printf 'url = "%s/api/v1/orders/%s/pin"\n' "$ADMIN" "$id"
done <"$T/acked-orders" >"$T/ask"
curl -sS -H "Authorization: Bearer $TOKEN" -w '\n' -K "$T/ask" | jq -r .pin >"$T/pins"
cut -d ' ' -f 2 "$T/acked-orders" | cmp - "$T/pins" || fail "a PIN"
stop_server
