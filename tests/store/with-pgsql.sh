#!/usr/bin/env bash
# Runs a command beside a PostgreSQL server, which lives in a new temporary
# directory, listens on a socket there and stops by itself.
#     with-pgsql.sh COMMAND...               a server of its own
#     with-pgsql.sh --shared DIR COMMAND...  one for all who say DIR, stopped
#                                            when nobody has used it for a while
# COMMAND gets MUTSU_TEST_DATABASE, the directory of the socket,
# MUTSU_TEST_PREFIX for the names of its databases, and MUTSU_TEST_PG_CTL, a
# command that can stop and start a server of its own.
set -euo pipefail
here=$(realpath "$(dirname "$0")")
bin=$(ls -d /usr/lib/postgresql/*/bin | sort -V | tail -1)
export PATH=$bin:$PATH MUTSU_TEST_PREFIX=t$$
shared= as=() settings=()
if [ "$1" = --shared ]; then
	shared=$2; shift 2
	settings=(-c fsync=off) # nobody takes the power away
fi
[ "$(id -u)" -ne 0 ] || as=(runuser -u postgres --) # the server refuses to run as root

# make_data: what initdb makes in $dir/data, which it does once; a copy takes a
# tenth of that.
make_data() {
	local seed
	seed=$(realpath "$here/../..")/build/test-pgsql/seed-$(basename "$(dirname "$bin")")
	mkdir -p "${seed%/*}"
	(
		flock 7
		[ ! -e "$seed/PG_VERSION" ] || exec cp -a "$seed" "$dir/data"
		rm -rf "$seed.new"
		"${as[@]}" initdb -D "$dir/data" -U mutsu -A trust -E UTF8 --locale=C --no-sync &&
			cp -a "$dir/data" "$seed.new" && mv "$seed.new" "$seed"
	) 7>"$seed.lock"
}
# in_memory: where the shared server's files may be, if there is room.  Tests
# make and drop databases of hundreds of files by the dozen a second, and ext4
# looks long for a new inode when many were freed in the last five seconds.
in_memory() {
	local free
	[ -w /dev/shm ] && free=$(df --output=avail /dev/shm | tail -1) && [ "$free" -gt 2000000 ] && echo /dev/shm
}
# make_server: in a new directory, its name in $dir.
make_server() {
	dir=${TMPDIR:-/tmp}
	[ -z "$shared" ] || dir=$(in_memory || echo "$dir")
	dir=$(mktemp -d -p "$dir")
	chmod 711 "$dir"
	[ ${#as[@]} -eq 0 ] || chown postgres "$dir"
	cd "$dir" # where that user may be too
	make_data >"$dir/log" 2>&1 || { cat "$dir/log"; exit 1; }
	cat >>"$dir/data/postgresql.conf" <<-END
		unix_socket_directories = '$dir'
		listen_addresses = ''
		shared_buffers = 32MB
		max_connections = 200
	END
	"${as[@]}" pg_ctl -D "$dir/data" -w -l "$dir/server.log" start \
		-o "${settings[*]} ${PGSQL_OPTIONS:-}" >"$dir/log" 2>&1 ||
		{ cat "$dir/log" "$dir/server.log"; exit 1; }
	cd "$OLDPWD"
}
stop() {
	cd /
	"${as[@]}" "$bin/pg_ctl" -D "$dir/data" -m immediate stop >/dev/null 2>&1 || :
	rm -rf "$dir"
}
# Somebody who is killed traps nothing.
watch_owner() {
	while kill -0 $$ 2>/dev/null; do sleep 1; done
	[ ! -e "$dir" ] || stop
}
# Users hold a shared lock; whoever gets it alone often enough finds nobody.
watch_users() {
	local idle=0
	while [ $idle -lt 10 ]; do
		sleep 1
		idle=$((idle + 1))
		flock -n -x "$shared/users" true || idle=0
	done
	exec 8>"$shared/start"
	flock 8
	if flock -n -x "$shared/users" true; then
		rm -f "$shared/dir"
		stop
	else
		exec 8>&-
		watch_users
	fi
}

if [ -n "$shared" ]; then
	mkdir -p "$shared"
	exec 8>"$shared/start" 9>"$shared/users"
	flock 8 # one at a time starts it, and nobody while it is stopped
	flock -s 9
	dir=$(cat "$shared/dir" 2>/dev/null || :)
	if [ ! -S "$dir/.s.PGSQL.5432" ]; then
		make_server 8>&- 9>&-
		echo "$dir" >"$shared/dir"
		(watch_users &) </dev/null >/dev/null 2>&1 8>&- 9>&-
	fi
	exec 8>&-
	drop() {
		psql -h "$dir" -U mutsu -d postgres -q <<-END
			SELECT format('DROP DATABASE %I WITH (FORCE)', datname) FROM pg_database
			WHERE datname LIKE '${MUTSU_TEST_PREFIX}\\_%' \\gexec
		END
	}
	trap "drop || :" EXIT
else
	make_server
	trap stop EXIT
	(watch_owner &) </dev/null >/dev/null 2>&1 # nobody's child: not killed with us
	export MUTSU_TEST_PG_CTL="${as[*]} $bin/pg_ctl -w -D $dir/data -l $dir/server.log"
fi
export MUTSU_TEST_DATABASE=$dir
"$@" 9>&-
