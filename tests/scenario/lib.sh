# What the scenarios share.  Sourced; MUTSU names the program under test, and
# MUTSU_TOOL another build of it for the command line and the simulators beside
# that server: hundreds of starts under sanitizers would take long.
# Everything runs on loopback and free ports below one temporary directory,
# and stops by the ids of the processes that were started here.
set -euo pipefail
MUTSU=${MUTSU:-$(dirname "${BASH_SOURCE[0]}")/../../build/dev/mutsu}
TOOL=${MUTSU_TOOL:-$MUTSU}
T=$(mktemp -d)
PIDS=()
KEYS=$(realpath "$(dirname "${BASH_SOURCE[0]}")/../..")/build/test-keys
export MUTSU_TEST_KEYS_TAKEN=$T/keys-taken # tests/keys/test_keys.c
export ASAN_OPTIONS=${ASAN_OPTIONS:+$ASAN_OPTIONS:}abort_on_error=0:exitcode=99

cleanup() {
	local status=$? pid
	set +e
	for pid in $(jobs -pr); do kill "$pid" 2>/dev/null; done # not ids that were used again
	for pid in "${PIDS[@]}"; do
		wait "$pid" 2>/dev/null
		[ $? -eq 99 ] && { echo "sanitizer report:"; status=99; }
	done
	if [ $status -ne 0 ]; then
		for f in "$T"/*.log; do echo "--- ${f##*/}"; tail -40 "$f"; done
	fi
	rm -rf "$T"
	exit $status
}
trap cleanup EXIT

exec {NAP}<> <(:) # nobody writes
# nap SECONDS: sleep without a process.
nap() { read -rt "$1" -u "$NAP" || :; }

fail() { echo "FAILED: $*" >&2; exit 1; }

# alive PID...: what was started still runs.
alive() { kill -0 "$@" 2>/dev/null; }

# until_ok SECONDS COMMAND...: runs it until it succeeds.  The limit only ends a
# hang: on a busy machine all takes longer, so two minutes are the least.  Looking
# costs more than most of what is waited for, so it looks ever more rarely.
until_ok() {
	local end=$((SECONDS + ($1 > 120 ? $1 : 120))) gap gaps=(0.05 0.1 0.2 0.3 0.5); shift
	until "$@" >/dev/null 2>&1; do
		[ $SECONDS -lt $end ] || fail "never came true: $*"
		gap=${gaps[0]}
		[ ${#gaps[@]} -eq 1 ] || gaps=("${gaps[@]:1}")
		nap "$gap"
	done
}

# background NAME COMMAND...: starts it, log in $T/NAME.log, id in $PID.
background() {
	local name=$1; shift
	: >"$T/$name.log" # here, not in the child: a second start has to be awaited
	"$@" >"$T/$name.log" 2>&1 &
	PID=$!
	PIDS+=("$PID")
}

# says_or_ended PID PATTERN FILE: no use in waiting for what has ended.
says_or_ended() { grep -q "$2" "$3" || ! alive "$1"; }

# rsa_key FILE: a key of 2048 bits that nobody else here has; to make one takes
# longer than most of what is done with it.
rsa_key() {
	local n
	n=$(flock "$MUTSU_TEST_KEYS_TAKEN.2048" sh -c 'stat -c %s "$0"; printf . >>"$0"' "$MUTSU_TEST_KEYS_TAKEN.2048")
	if [ -e "$KEYS/2048-$n.pem" ]; then
		install -m 600 "$KEYS/2048-$n.pem" "$1"
	else
		openssl genpkey -quiet -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out "$1"
	fi
}

# Ports below those that the kernel gives out by itself.
free_port() {
	local port
	while port=$((RANDOM % 20000 + 10000)); (: <"/dev/tcp/127.0.0.1/$port") 2>/dev/null; do :; done
	echo $port
}

start_apns() {
	rm -f "$T/apns/ports" # of an earlier run
	background apns "$TOOL" sim apns --dir "$T/apns" "$@"
	until_ok 30 test -s "$T/apns/ports"
	read -r APNS_PORT APNS_DEVICE_PORT <"$T/apns/ports"
}

# start_server [SETTINGS...]: waits until it answers; sets URL, ADMIN, SERVER.
start_server() {
	background server "$MUTSU" serve --data "$T/data" --device-port 0 \
		--admin-port 0 --apns-hosts "127.0.0.1:${APNS_PORT:-9}" \
		${APNS_PORT:+--apns-ca "$T/apns/server.pem"} "$@"
	SERVER=$PID
	until_ok 60 says_or_ended "$SERVER" '^Ctrl-C' "$T/server.log"
	alive "$SERVER" || fail "the server did not start"
	URL=$(sed -n 's/^Enrolment URL *\(.*\)\/enroll$/\1/p' "$T/server.log")
	ADMIN=$(sed -n 's/^Admin side *//p' "$T/server.log")
	TOKEN=$(cat "$T/data/admin.token")
	CA=$T/data/ca.pem
}

stop_server() { kill "$SERVER"; wait "$SERVER" || fail "the server's end: $?"; }

m() { "$TOOL" "$@" --data "$T/data"; }

import_push_cert() {
	m push-cert import "$T/apns/push.pem" "$T/apns/push.key" --owner test@example.com >/dev/null
}

# start_macs NAME [OPTIONS...]: waits until all have enrolled; id in $PID.
start_macs() {
	local name=$1; shift
	background "$name" "$TOOL" sim mac --enroll-url "$URL/enroll" --ca "$CA" \
		--apns "127.0.0.1:$APNS_DEVICE_PORT" "$@"
	until_ok "${MACS_WAIT:-120}" grep -q '^ready' "$T/$name.log"
}

# api METHOD PATH [CURL OPTIONS...]: body, then the status on a line.
api() {
	local method=$1 path=$2; shift 2
	curl -sS -X "$method" -H "Authorization: Bearer $TOKEN" \
		-w '\n%{http_code}\n' "$@" "$ADMIN$path"
}

# is STATE-PATH VALUE JQ-FILTER COMMAND...: the command's JSON has this value.
json_is() {
	local want=$1 filter=$2; shift 2
	[ "$("$@" | jq -r "$filter")" = "$want" ]
}

device_is() { json_is "$2" "$3" m device show "$1" --json; }
order_is() { json_is "$2" .state m order show "$1" --json; }

# everything STARTED with a Mac, an APNs and a server.
start_all() { start_apns; start_server "$@"; import_push_cert; }
