# How often the server waits for its database, by its own /metrics.  Sourced
# behind lib.sh.  Whatever else the server does meanwhile only adds to the
# counter, so that one undisturbed look is a proof; disturbed ones are repeated,
# and short, since a busy machine disturbs the longer ones each time.

trips() {
	curl -s -H "Authorization: Bearer $TOKEN" "$ADMIN/metrics" |
		sed -n 's/^mutsu_store_round_trips_total //p'
}
# What reading the counter costs by itself.
own_trips() {
	local before after least=99
	before=$(trips)
	for _ in {1..8}; do
		after=$(trips)
		[ $((after - before)) -ge $least ] || least=$((after - before))
		before=$after
	done
	echo $least
}

# say STATUS [COMMAND]: what a Mac says, as a transfer of curl's.
say() {
	local body=$T/say-$1-${2:-} signature
	printf '<plist version="1.0"><dict><key>Status</key><string>%s</string><key>UDID</key><string>%s</string>%s</dict></plist>' \
		"$1" "$UDID" \
		"${2:+<key>CommandUUID</key><string>$2</string>}" >"$body"
	signature=$(openssl cms -sign -binary -in "$body" -signer "$T/mac.pem" -outform DER | base64 -w0)
	cat <<-END
		url = "$URL/mdm"
		request = PUT
		cacert = "$CA"
		header = "Mdm-Signature: $signature"
		header = "Content-Type: application/x-apple-aspen-mdm"
		data-binary = "@$body"
		write-out = "\n%{http_code} %{size_download}\n"
		next
	END
}

# cost MOST ANSWER COUNT: the transfers in $T/said are answered so, each at
# the cost of one to MOST round trips.
cost() {
	local before after
	before=$(trips)
	curl -s -K "$T/said" >"$T/answers"
	after=$(($(trips) - OWN))
	echo "$3 for $((after - before)) round trips" >>"$T/cost.log"
	[ "$(grep -c "^200 $2" "$T/answers")" -eq "$3" ] &&
		[ $((after - before)) -ge "$3" ] && [ $((after - before)) -le $(($1 * $3)) ]
}

idles_cost_one() {
	cp "$T/idles" "$T/said"
	cost 1 '0$' 3
}

# The first four answers prepare statements.
reports_cost_two() {
	local ids=() i first few
	SEEN=$((SEEN + 1))
	for i in {10..20}; do
		ids+=("$(printf '%08d-0000-4000-8000-0000000000%d' "$SEEN" "$i")")
		api POST /api/v1/devices/SIM000001/commands -H 'Content-Type: application/json' \
			-d "{\"id\":\"${ids[-1]}\",\"request_type\":\"ProfileList\"}" >>"$T/queued.log"
	done
	{ say Idle; for i in {0..3}; do say Acknowledged "${ids[i]}"; done; } >"$T/said"
	curl -s -K "$T/said" >"$T/answers"
	few=1
	for first in 4 7; do # the eleventh report ends the session, and is none of these
		for i in $first $((first + 1)) $((first + 2)); do say Acknowledged "${ids[i]}"; done >"$T/said"
		cost 2 '[1-9]' 3 && few=0
	done
	say Acknowledged "${ids[10]}" >"$T/said"
	curl -s -K "$T/said" >"$T/answers"
	return $few
}

# round_trips_are_few STATE: of a Mac whose simulator has ended.
round_trips_are_few() {
	SEEN=0 OWN=$(own_trips) UDID=$(jq -r .udid "$1")
	jq -r .identity,.identity_key "$1" >"$T/mac.pem"
	for _ in {1..3}; do say Idle; done >"$T/idles"
	until_ok 40 idles_cost_one
	until_ok 40 reports_cost_two
}
