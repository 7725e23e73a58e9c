#!/usr/bin/env bash
# Runs a command beside a PostgreSQL server of its own, which lives in a new
# temporary directory, listens on a socket there and is stopped at the end.
#     with-pgsql.sh COMMAND...
# COMMAND gets MUTSU_TEST_DATABASE, the directory of the socket, and
# MUTSU_TEST_PG_CTL, a command that can stop and start that server.
set -euo pipefail
bin=$(ls -d /usr/lib/postgresql/*/bin | sort -V | tail -1)
dir=$(mktemp -d)
chmod 711 "$dir"
as=()
if [ "$(id -u)" -eq 0 ]; then # the server refuses to run as root
	chown postgres "$dir"
	as=(runuser -u postgres --)
fi
cd "$dir" # where that user may be too
stop() {
	"${as[@]}" "$bin/pg_ctl" -D "$dir/data" -m immediate stop >/dev/null 2>&1 || :
	rm -rf "$dir"
}
trap stop EXIT
# Somebody who is killed traps nothing.
watch() {
	while kill -0 $$ 2>/dev/null; do sleep 1; done
	if [ -e "$dir" ]; then stop; fi
}
(watch &) </dev/null >/dev/null 2>&1 # nobody's child: not killed with us
"${as[@]}" "$bin/initdb" -D "$dir/data" -U mutsu -A trust -E UTF8 \
	--locale=C --no-sync >"$dir/log" 2>&1 || { cat "$dir/log"; exit 1; }
cat >>"$dir/data/postgresql.conf" <<END
unix_socket_directories = '$dir'
listen_addresses = ''
shared_buffers = 32MB
max_connections = 200
END
"${as[@]}" "$bin/pg_ctl" -D "$dir/data" -w -l "$dir/server.log" start \
	-o "${PGSQL_OPTIONS:-}" >"$dir/log" 2>&1 ||
	{ cat "$dir/log" "$dir/server.log"; exit 1; }
cd "$OLDPWD"
export MUTSU_TEST_DATABASE=$dir PATH=$bin:$PATH
export MUTSU_TEST_PG_CTL="${as[*]} $bin/pg_ctl -w -D $dir/data -l $dir/server.log"
"$@"
