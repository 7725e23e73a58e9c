# Load for the crash test: each function works until $T/stop exists and writes
# down what the API acknowledged, and nothing else.
LOAD=()
touch "$T/journal" "$T/acked-orders" "$T/acked-users"

crash_server() {
	kill -9 "$SERVER"
	wait "$SERVER" || true
	grep -v ' info ' "$T/server.log" >>"$T/crashed.log" || true # the next start begins it anew
}

api_body() { curl -sS -m 10 -H "Authorization: Bearer $TOKEN" "$ADMIN$1"; }

# ask METHOD PATH JSON [OPTIONS...]: sets STATUS (000: no answer) and ANSWER.
ask() {
	local method=$1 path=$2 json=$3 out; shift 3
	out=$(curl -s -m 10 -X "$method" -H "Authorization: Bearer $TOKEN" \
		-H 'Content-Type: application/json' -d "$json" "$@" \
		-w '\n%{http_code}' "$ADMIN$path") || true
	STATUS=${out##*$'\n'} ANSWER=${out%$'\n'*}
	case $STATUS in 000 | 503) nap 0.15 ;; esac # the server or its database is down
}

# field NAME: the first string of this name in ANSWER, in FIELD.
field() { [[ $ANSWER =~ \"$1\":\ *\"([^\"]*)\" ]] && FIELD=${BASH_REMATCH[1]}; }

mac() { printf 'SIM%06d' "$1"; }

# Six a second.  One curl asks for many: to start one costs more than what the
# server has to do.
load_commands() {
	local types=(ProfileList CertificateList SecurityInfo InstalledApplicationList) i
	until [ -e "$T/stop" ]; do
		for i in {0..15}; do
			printf 'next\nurl = "%s/api/v1/devices/SIM%06d/commands"\nsilent\nmax-time = 10\n' \
				"$ADMIN" $((RANDOM % MACS + 1))
			printf 'json = "{\\"request_type\\":\\"%s\\"}"\nheader = "Authorization: Bearer %s"\n' \
				"${types[i % 4]}" "$TOKEN"
			echo 'write-out = "\n%{http_code}\n"'
		done >"$T/load-$1"
		i=0
		while read -r ANSWER && read -r STATUS; do
			case $STATUS in
			201) field id && echo "$FIELD ${types[i % 4]}" >>"$T/acked-commands-$1" ;;
			000 | 503) ;;
			*) echo "command: $STATUS $ANSWER"; return 1 ;;
			esac
			i=$((i + 1))
		done < <(curl -s --rate 6/s -K "$T/load-$1")
	done
}

# Asks again with the same key until there is an answer: one order, not two.
load_orders() {
	local n=0 id
	until [ -e "$T/stop" ]; do
		ask POST /api/v1/orders "{\"kind\":\"lock\",\"device\":\"$(mac $((n % MACS + 1)))\"}" \
			-H "Idempotency-Key: key-$n"
		case $STATUS in
		200 | 201) field id && id=$FIELD && field pin && echo "$id $FIELD" >>"$T/acked-orders" ;;
		000 | 503) continue ;;
		409) ;; # the last one is still open
		*) echo "order: $STATUS $ANSWER"; return 1 ;;
		esac
		n=$((n + 1))
		nap 0.25
	done
}

load_users() {
	local n=0 serial
	until [ -e "$T/stop" ]; do
		n=$((n + 1)) serial=$(mac $((n % 6 + 1)))
		ask PUT "/api/v1/devices/$serial/user" "{\"user\":\"user-$n-of-load\"}"
		case $STATUS in
		200) echo "$serial user-$n-of-load" >>"$T/acked-users" ;;
		000 | 503) ;;
		*) echo "assign: $STATUS $ANSWER"; return 1 ;;
		esac
		nap 0.6 # the Mac makes a key each time
	done
}
