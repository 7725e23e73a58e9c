# On PostgreSQL: the main path, and a database that goes away and comes back.
here=$(dirname "$0")
[ -n "${MUTSU_TEST_DATABASE:-}" ] ||
	exec bash "$here/../store/with-pgsql.sh" bash "$0"
export MUTSU_DATABASE="postgresql://mutsu@/main?host=$MUTSU_TEST_DATABASE"
createdb -h "$MUTSU_TEST_DATABASE" -U mutsu main
bash "$here/010-main-path.sh" || exit 1

. "$here/lib.sh"
. "$here/round-trips.sh"
createdb -h "$MUTSU_TEST_DATABASE" -U mutsu outage
export MUTSU_DATABASE="postgresql://mutsu@/outage?host=$MUTSU_TEST_DATABASE"
db() { psql -h "$MUTSU_TEST_DATABASE" -U mutsu -Atc "$1" outage; }
status() { [ "$(curl -s -o /dev/null -w '%{http_code}' "$ADMIN$1")" = "$2" ]; }
start_all
start_macs macs --count 2 --state "$T/state"
for s in SIM000001 SIM000002; do
	until_ok 60 device_is "$s" enrolled .state
	until_ok 60 device_is "$s" 0 .open_commands
done
[ ! -e "$T/data/mutsu.db" ] || fail "there is a file as well"
status /readyz 200 || fail "ready at first"

$MUTSU_TEST_PG_CTL stop -m fast >"$T/pg.log"
until_ok 20 status /readyz 503
status /healthz 200 || fail "the process lives on"
alive "$SERVER" "$PID" || fail "the outage ended somebody"
code=$(curl -s -o /dev/null -w '%{http_code}' --cacert "$CA" -X PUT -d x "$URL/mdm")
[ "$code" != 401 ] || fail "401 to a device"
$MUTSU_TEST_PG_CTL start >"$T/pg.log"
until_ok 20 status /readyz 200

# Nothing was forgotten, and work goes on where it was.
device_is SIM000001 enrolled .state || fail "a Mac was lost"
id=$(m lock SIM000001 --note outage --json | jq -r .id)
until_ok 60 order_is "$id" acknowledged
[ "$(db 'SELECT COUNT(*) = MAX(seq) FROM event')" = t ] || fail "gap in the feed"
until_ok 60 device_is SIM000001 0 .open_commands
kill "$PID"; wait "$PID" || fail "a simulated Mac complains"
round_trips_are_few "$T/state/SIM000001.json"

# Bad settings end the start with one line.
code=0
MUTSU_DATABASE=mysql://x "$MUTSU" serve --data "$T/other" >"$T/bad.log" 2>&1 || code=$?
[ $code -ne 0 ] || fail "a foreign address was taken"
grep -q 'postgresql:// address' "$T/bad.log" || fail "no reason"
stop_server
