# Nodes whose very first start falls together on one PostgreSQL database, each
# with a master.key of its own: one begins, the other says why not, and starts
# when it has the key of the first.  Also where no key of the authority is
# sealed that could tell.
here=$(dirname "$0")
[ -n "${MUTSU_TEST_PG_CTL:-}" ] || exec bash "$here/../store/with-pgsql.sh" bash "$0"
. "$here/lib.sh"
P=$MUTSU_TEST_DATABASE
sql() { psql -h "$P" -U mutsu -Atqc "$1" "${2:-postgres}"; }
export PHRASE=phrase
node() { # node NAME DATABASE [SETTINGS...]
	local name=$1 db=$2; shift 2
	background "$name" "$MUTSU" serve --data "$T/$name" --device-port 0 --admin-port 0 --apns-hosts 127.0.0.1:9 \
		--database "postgresql://mutsu@/$db?host=$P" "$@"
}
both() { # both DATABASE [SETTINGS...]: sets UP, DOWN and the one's PID
	local db=$1 pids; shift
	rm -rf "$T/a" "$T/b"
	sql "CREATE DATABASE $db"
	node a "$db" "$@"; pids=$PID
	node b "$db" "$@"; pids="$pids $PID"
	for p in $pids; do # one starts, one ends
		[ "$p" = "$PID" ] && name=b || name=a
		until_ok 60 says_or_ended "$p" '^Ctrl-C' "$T/$name.log"
	done
	alive ${pids% *} && { UP=a DOWN=b; PID=${pids% *}; } || { UP=b DOWN=a; PID=${pids#* }; }
	alive "$PID" || fail "none of them runs"
	[ "$(grep -vc ' info ' "$T/$DOWN.log")" = 1 ] || fail "not one line"
	# A late one finds the other's mark before it makes a key of its own.
	grep -Eq '^mutsu: .*(this master.key is not the one|is missing: .*copy it from another node)' "$T/$DOWN.log" ||
		fail "what it says"
	[ "$(sql 'SELECT COUNT(*) FROM authority' "$db")" = 3 ] || fail "not one authority"
	[ "$(sql 'SELECT COUNT(*) FROM master_key' "$db")" = 1 ] || fail "not one mark"
}
stop() { kill "$1"; wait "$1" || fail "the end of a node: $?"; }

for round in 1 2 3; do
	both "first$round"
	[ $round -eq 3 ] || stop "$PID"
done
cp "$T/$UP/master.key" "$T/$DOWN/master.key"
node "$DOWN" first3
until_ok 60 grep -q '^Ctrl-C' "$T/$DOWN.log"
curl -sSf "$(cat "$T/$DOWN/admin.url")/readyz" >/dev/null || fail "the second is not ready"
cmp "$T/a/ca.pem" "$T/b/ca.pem" || fail "two roots"
for p in $(jobs -pr); do stop "$p"; done
# The authority's keys are in files, so only the mark tells.
both files --ca-keys files --ca-passphrase env:PHRASE
stop "$PID"
