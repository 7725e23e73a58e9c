# An upgrade without downtime: three nodes of an earlier program, MUTSU_OLD, are
# replaced one after the other under load, while both programs work on one
# database.  By hand: MUTSU_OLD=PROGRAM bash tests/scenario/upgrade.sh
here=$(dirname "$0")
: "${MUTSU_OLD:?the program of an earlier version}"
[ -n "${MUTSU_TEST_PG_CTL:-}" ] || exec bash "$here/../store/with-pgsql.sh" bash "$0"
. "$here/lib.sh"
. "$here/crash-load.sh"
. "$here/nodes.sh"
. "$here/nodes-load.sh"
MACS_COUNT=${MACS_COUNT:-24}
server 'CREATE DATABASE main' >/dev/null
export MUTSU_DATABASE="postgresql://mutsu@/main?host=$PRIMARY"
start_apns
NEW=$MUTSU
node_program() { MUTSU=$1; shift; "$@"; MUTSU=$NEW; }
node_program "$MUTSU_OLD" start_nodes
import_push_cert
schema() { db 'SELECT MAX(version) FROM schema_version'; }
before=$(schema)
start_load

acked() { cat "$T"/acked-commands-* 2>/dev/null | wc -l; }
more() { [ "$(acked)" -gt $(($1 + 20)) ]; }
works() { until_ok 60 more "$(acked)"; } # 20 commands more
works
for n in 3 2 1; do
	stop_node $n
	start_node $n
	until_ok 20 node_ready $n
	until_ok 20 living_is 3
	works
	# One of the others dies while both are at work.
	[ $n != 2 ] || { kill_node 1; works; node_program "$MUTSU_OLD" start_node 1; until_ok 40 living_is 3; }
done
echo "schema $before, then $(schema); $(acked) commands acknowledged"
end_load
