# More load, and the accounts of it.  Sourced behind crash-load.sh and nodes.sh.

# Wipes of Macs with the T2 chip: each is refused, whichever node is asked.
load_wipes() {
	local n=0 serial
	until [ -e "$T/stop" ]; do
		n=$((n + 1)) serial=$(mac $((n % MACS + 1)))
		ask POST /api/v1/orders "{\"kind\":\"wipe\",\"device\":\"$serial\"}"
		[ "$STATUS" != 201 ] || { echo "wipe of a T2: $ANSWER"; return 1; }
		sleep 0.1
	done
}

# A request as a Mac makes it, signed with its identity, while no database is
# there: never 401, nor an answer that looks like "nothing to do".
mac_is_told_503() {
	local identity=$T/mac.pem body=$T/idle.plist head=$T/told.head signature
	[ -s "$identity" ] || jq -r .identity,.identity_key "$(ls "$T"/state/* | head -1)" >"$identity"
	printf '<plist version="1.0"><dict><key>Status</key><string>Idle</string><key>UDID</key><string>%s</string></dict></plist>' \
		"$(jq -r .udid "$(ls "$T"/state/* | head -1)")" >"$body"
	signature=$(openssl cms -sign -binary -in "$body" -signer "$identity" -outform DER | base64 -w0)
	curl -s -o "$T/told" -D "$head" --cacert "$CA" -X PUT -H "Mdm-Signature: $signature" \
		-H 'Content-Type: application/x-apple-aspen-mdm' --data-binary "@$body" "$URL/mdm"
	head -1 "$head" | grep -q ' 503' || fail "a Mac was told $(head -1 "$head")"
	grep -qi '^retry-after: [1-9]' "$head" || fail "503 without Retry-After"
}

# MACS_COUNT Macs enrol by way of all nodes, and the load begins.
start_load() {
	local n macs
	for n in 2 3; do
		macs=NODE${n}_MACS
		until_ok 20 curl -sf --cacert "$CA" "https://localhost:${!macs##*:}/enroll"
	done
	start_macs macs --count "$MACS_COUNT" --model t2 --state "$T/state" --journal "$T/journal"
	FLEET=$PID MACS=$MACS_COUNT
	for n in 1 2 3; do background "load-commands-$n" load_commands "$n"; LOAD+=("$PID"); done
	background load-orders load_orders; LOAD+=("$PID")
	background load-wipes load_wipes; LOAD+=("$PID")
}

# Macs that gave up meanwhile come by themselves when restarted.
end_load() {
	local n
	touch "$T/stop"
	wait "${LOAD[@]}"
	kill "$FLEET"; wait "$FLEET" || fail "a simulated Mac complains"
	start_macs macs-2 --count "$MACS_COUNT" --state "$T/state" --journal "$T/journal-2"
	until_ok 120 db_is 0 'SELECT COUNT(*) FROM command WHERE done_at IS NULL'
	kill "$PID"; wait "$PID" || fail "a simulated Mac complains"
	for n in 1 2 3; do stop_node $n; done
	account
}

account() {
	local lost
	cat "$T"/acked-commands-* >"$T/commands"
	cat "$T/journal-2" >>"$T/journal"
	for f in commands acked-orders journal; do [ -s "$T/$f" ] || fail "no $f"; done
	lost=$(psql "$MUTSU_DATABASE" -Atq -v ON_ERROR_STOP=1 \
		-c 'CREATE TEMP TABLE commands (id TEXT, type TEXT)' -c "\\copy commands FROM '$T/commands' (DELIMITER ' ')" \
		-c 'CREATE TEMP TABLE orders_acked (id TEXT, pin TEXT)' -c "\\copy orders_acked FROM '$T/acked-orders' (DELIMITER ' ')" \
		-c 'CREATE TEMP TABLE journal (id TEXT)' -c "\\copy journal FROM '$T/journal'" \
		-f "$(dirname "$0")/nodes-account.sql")
	[ -z "$lost" ] || fail "$lost"
	echo "accounted for: $(wc -l <"$T/commands") commands, $(wc -l <"$T/acked-orders") orders," \
		"$(wc -l <"$T/journal") reports, $(db 'SELECT MAX(seq) FROM event') events," \
		"$(db 'SELECT COUNT(*) FROM command WHERE deliveries > 1') delivered again while unanswered"
}
