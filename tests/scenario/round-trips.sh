# How often the server waits for its database, by its own /metrics.  Sourced
# behind lib.sh.  Whatever else the server does meanwhile only adds to the
# counter, so that one undisturbed look is a proof; disturbed ones are repeated.

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
		"$1" "$(jq -r .udid "$MAC")" \
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
	for _ in {1..10}; do say Idle; done >"$T/said"
	cost 1 '0$' 10
}

# The first four answers prepare statements.
reports_cost_two() {
	local ids=() i
	SEEN=$((SEEN + 1))
	for i in {10..19}; do
		ids+=("$(printf '%08d-0000-4000-8000-0000000000%d' "$SEEN" "$i")")
		api POST /api/v1/devices/SIM000001/commands -H 'Content-Type: application/json' \
			-d "{\"id\":\"${ids[-1]}\",\"request_type\":\"ProfileList\"}" >>"$T/queued.log"
	done
	{ say Idle; for i in {0..3}; do say Acknowledged "${ids[i]}"; done; } >"$T/said"
	curl -s -K "$T/said" >"$T/answers"
	for i in {4..8}; do say Acknowledged "${ids[i]}"; done >"$T/said"
	i=0
	cost 2 '[1-9]' 5 || i=1
	say Acknowledged "${ids[9]}" >"$T/said"
	curl -s -K "$T/said" >"$T/answers"
	return $i
}

# round_trips_are_few STATE: of a Mac whose simulator has ended.
round_trips_are_few() {
	MAC=$1 SEEN=0 OWN=$(own_trips)
	jq -r .identity,.identity_key "$MAC" >"$T/mac.pem"
	until_ok 40 idles_cost_one
	until_ok 40 reports_cost_two
}
