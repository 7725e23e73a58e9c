# Three nodes behind HAProxy under load: nodes die, freeze and are replaced,
# the database is restarted and fails over to its standby; nothing that was
# acknowledged is lost.  MACS_COUNT Macs (24), which may take MACS_WAIT seconds
# (90) to enrol.
here=$(dirname "$0")
[ -n "${MUTSU_TEST_PG_CTL:-}" ] || exec bash "$here/../store/with-pgsql.sh" bash "$0"
. "$here/lib.sh"
. "$here/crash-load.sh"
. "$here/nodes.sh"
. "$here/nodes-load.sh"
MACS_COUNT=${MACS_COUNT:-24}
server 'CREATE DATABASE main' >/dev/null
start_standby
export MUTSU_DATABASE="postgresql://mutsu@/main?host=$PRIMARY,$STANDBY&target_session_attrs=read-write"
start_apns
start_nodes
import_push_cert # by node 1
start_load

# One dies, one stands still for longer than its lease: the third one sees.
kill_node 2
kill -STOP "${NODES[3]}"
until_ok 40 living_is 1
kill -CONT "${NODES[3]}"
start_node 2
until_ok 40 living_is 3
for n in 1 2 3; do stop_node $n; start_node $n; until_ok 20 node_ready $n; done

no_commit_without_standby
$MUTSU_TEST_PG_CTL restart -m fast >"$T/pg.log"
until_ok 60 all_ready
until_ok 20 standby_is sync
kill_primary
mac_is_told_503
promote_standby
until_ok 60 all_ready
sleep 1 # of work on the new primary
end_load
