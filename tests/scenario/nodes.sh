# Three nodes behind HAProxy, on a PostgreSQL with a synchronous standby.
# Sourced behind lib.sh, under tests/store/with-pgsql.sh.
PRIMARY=$MUTSU_TEST_DATABASE
STANDBY=$PRIMARY/standby
NODES=()

as=()
[ "$(id -u)" -ne 0 ] || as=(setpriv --reuid=postgres --regid=postgres --clear-groups)
server() { psql -h "$PRIMARY" -U mutsu -Atqc "$1" postgres; }
db() { psql "$MUTSU_DATABASE" -Atqc "$1"; }
db_is() { [ "$(db "$2")" = "$1" ]; }

start_standby() {
	(cd "$PRIMARY" && "${as[@]}" pg_basebackup -h "$PRIMARY" -U mutsu -D "$STANDBY" -R -X stream -c fast)
	printf '%s\n' "unix_socket_directories = '$STANDBY'" "cluster_name = 'standby'" |
		"${as[@]}" tee -a "$STANDBY/postgresql.conf" >/dev/null
	(cd "$PRIMARY" && "${as[@]}" pg_ctl -w -D "$STANDBY" -l "$STANDBY/server.log" start) >"$T/standby.log"
	server "ALTER SYSTEM SET synchronous_standby_names = 'standby'"
	server 'SELECT pg_reload_conf()' >/dev/null
	until_ok 20 standby_is sync
}
standby_is() { [ "$(server 'SELECT sync_state FROM pg_stat_replication')" = "$1" ]; }

# The standby is away, and the server is told to wait no longer: the answer is
# 503, although the primary has the commit.
no_commit_without_standby() {
	server "ALTER SYSTEM SET synchronous_standby_names = 'away'"
	server 'SELECT pg_reload_conf()' >/dev/null
	until_ok 30 end_waits
	server "ALTER SYSTEM SET synchronous_standby_names = 'standby'"
	server 'SELECT pg_reload_conf()' >/dev/null
}
end_waits() {
	server "SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE wait_event = 'SyncRep'"
	grep -q 'status=503 .*reached the standby' "$T"/node?.log
}

# The postmaster dies without a word, and its children with it.
kill_primary() { kill -9 "$(head -1 "$PRIMARY/data/postmaster.pid")"; }
promote_standby() { (cd "$PRIMARY" && "${as[@]}" pg_ctl -w -D "$STANDBY" promote) >"$T/standby.log"; }

# start_node N: the same ports each time.
start_node() {
	local macs=NODE$1_MACS admin=NODE$1_ADMIN
	background "node$1" "$MUTSU" serve --data "$T/node$1" --device-port "${!macs##*:}" \
		--admin-port "${!admin}" --public-url "$URL" --apns-hosts "127.0.0.1:$APNS_PORT" \
		--apns-ca "$T/apns/server.pem" --enroll-per-minute 100000
	NODES[$1]=$PID
	until_ok 60 says_or_ended "$PID" '^Ctrl-C' "$T/node$1.log"
	alive "$PID" || fail "node $1 did not start"
}
stop_node() { kill "${NODES[$1]}"; wait "${NODES[$1]}" || fail "the end of node $1: $?"; }
kill_node() { kill -9 "${NODES[$1]}"; wait "${NODES[$1]}" || true; }
node_ready() { local admin=NODE$1_ADMIN; curl -sf "http://127.0.0.1:${!admin}/readyz"; }
all_ready() { node_ready 1 && node_ready 2 && node_ready 3; }
living_is() { db_is "$1" "SELECT COUNT(*) FROM lease WHERE name LIKE 'node:%'"; }

# What all nodes share besides the database: what opens it.
start_nodes() {
	local n
	export MACS=127.0.0.1:$(free_port) ADMIN=127.0.0.1:$(free_port)
	for n in 1 2 3; do
		export "NODE${n}_MACS=127.0.0.1:$(free_port)" "NODE${n}_ADMIN=$(free_port)"
	done
	URL=https://localhost:${MACS##*:}
	for n in 1 2 3; do
		[ $n = 1 ] || { mkdir -m 700 "$T/node$n"; cp "$T/node1/master.key" "$T/node$n"; }
		start_node $n
	done
	ln -s node1 "$T/data"
	background haproxy haproxy -f "$(dirname "$0")/../../packaging/haproxy.cfg"
	TOKEN=$(cat "$T/node1/admin.token") CA=$T/node1/ca.pem ADMIN=http://$ADMIN
	until_ok 20 curl -sf "$ADMIN/readyz"
}
