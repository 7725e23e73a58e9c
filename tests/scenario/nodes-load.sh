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
