# An installation moves from SQLite to PostgreSQL and back, with its Macs.
here=$(dirname "$0")
[ -n "${MUTSU_TEST_DATABASE:-}" ] ||
	exec bash "$here/../store/with-pgsql.sh" bash "$0"
. "$here/lib.sh"
createdb -h "$MUTSU_TEST_DATABASE" -U mutsu moved
PG="postgresql://mutsu@/moved?host=$MUTSU_TEST_DATABASE"
# The Macs know the server by its port, which has to be the same again.
port=()
restart() { start_server "${port[@]}" "$@"; }
works() { # DONE ORDERS
	local id
	until_ok 60 device_is SIM000001 0 .open_commands
	id=$(m lock SIM000001 --note "$1" --json | jq -r .id)
	until_ok 60 order_is "$id" acknowledged
	[ "$(m order list --json | jq length)" = "$2" ] || fail "orders: $1"
	m event list --json | jq -e '[.[].seq] == [range(1; length + 1)]' >/dev/null || fail "gap: $1"
}
copy() { m store copy "$@" --json 2>"$T/copy.err"; }
refused() { # CODE WORDS COMMAND...
	local want=$1 words=$2 code=0; shift 2
	"$@" >/dev/null || code=$?
	[ $code -eq "$want" ] || fail "$words: $code, $(cat "$T/copy.err")"
	grep -q "$words" "$T/copy.err" || fail "no \"$words\": $(cat "$T/copy.err")"
}

start_all
port=(--device-port "${URL##*:}")
start_macs macs --count 1
MACS=$PID
works sqlite 1
refused 5 "in use" copy "$T/data" "$PG"
stop_server
copy "$T/data" "$PG" >"$T/there"
jq -e '.rows == .copied and .rows > 10' "$T/there" >/dev/null || fail "$(cat "$T/there")"
refused 5 "holds an installation already" copy "$T/data" "$PG"
mv "$T/data/mutsu.db" "$T/before.db"

restart --database "$PG"
works postgresql 2
refused 5 "in use" copy "$PG" "$T/back.db"
stop_server
copy "$PG" "$T/data" >"$T/back"
[ "$(jq .rows "$T/back")" -gt "$(jq .rows "$T/there")" ] || fail "nothing happened in between"
restart
works "sqlite again" 3
alive "$MACS" || fail "a simulated Mac ended"
kill "$MACS"; wait "$MACS" || fail "a simulated Mac complains"
stop_server

# A copy that was not finished is no database to work with.
sqlite3 "$T/data/mutsu.db" "INSERT INTO store_copy (name, total, digest) VALUES ('x', 0, '')"
code=0; "$MUTSU" serve --data "$T/data" >"$T/half.log" 2>&1 || code=$?
[ $code -eq 1 ] && grep -q 'not finished' "$T/half.log" || fail "started: $(cat "$T/half.log")"
