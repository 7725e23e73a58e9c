# What is wrong with the database's address ends the start with one line that
# says it, and no password is in it.
here=$(dirname "$0")
[ -n "${MUTSU_TEST_PG_CTL:-}" ] || exec bash "$here/../store/with-pgsql.sh" bash "$0"
. "$here/lib.sh"
P=$MUTSU_TEST_DATABASE
server() { psql -h "$P" -U mutsu -Atqc "$1" postgres; }
pki() { openssl "$@" >>"$T/pki.log" 2>&1; }
for ca in good other; do
	pki req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "/CN=$ca" -keyout "$T/$ca.key" -out "$T/$ca.pem"
done
pki req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=db -keyout "$T/db.key" -out "$T/db.csr"
pki x509 -req -in "$T/db.csr" -CA "$T/good.pem" -CAkey "$T/good.key" -days 2 -out "$T/db.pem" \
	-extfile <(echo subjectAltName=DNS:localhost)
cp "$T/db.pem" "$T/db.key" "$P/data/"
[ "$(id -u)" -ne 0 ] || chown postgres "$P"/data/db.*
chmod 600 "$P/data/db.key"

# On TCP, with a password and TLS only.
port=$((RANDOM % 20000 + 10000))
while (: <"/dev/tcp/127.0.0.1/$port") 2>/dev/null; do port=$((RANDOM % 20000 + 10000)); done
printf '%s\n' "listen_addresses = '127.0.0.1'" "port = $port" 'ssl = on' \
	"ssl_cert_file = 'db.pem'" "ssl_key_file = 'db.key'" >>"$P/data/postgresql.conf"
$MUTSU_TEST_PG_CTL restart -m fast >"$T/pg.log" 2>&1
export PGPORT=$port
server "ALTER USER mutsu PASSWORD 'Secret-Word-1'"
server 'CREATE DATABASE good'
server "CREATE DATABASE latin TEMPLATE template0 ENCODING 'LATIN1'"
printf '%s\n' 'local all all trust' 'hostssl all all 127.0.0.1/32 scram-sha-256' >"$P/data/pg_hba.conf"
server 'SELECT pg_reload_conf()' >/dev/null
unset PGPORT

# refused PATTERN ADDRESS: one line on standard error, and the reason in it.
refused() {
	local code=0
	MUTSU_DATABASE=$2 "$MUTSU" serve --data "$T/data" --device-port 0 --admin-port 0 >"$T/out.log" 2>"$T/line.log" || code=$?
	[ $code -ne 0 ] || fail "taken: $1"
	[ "$(grep -vc ' info ' "$T/line.log")" = 1 ] || fail "not one line: $1"
	grep -Eiq "$1" "$T/line.log" || fail "does not say: $1"
	! grep -q Secret "$T/line.log" || fail "the password is in the line"
}
ok="postgresql://mutsu:Secret-Word-1@localhost:$port/good?hostaddr=127.0.0.1"
full="sslmode=verify-full&sslrootcert"
refused 'password authentication failed' "${ok/Word-1/Word-2}&sslmode=require"
refused 'database "none" does not exist' "${ok/good/none}&sslmode=require"
refused 'must have UTF8' "${ok/good/latin}&sslmode=require"
refused 'no encryption' "$ok&sslmode=disable"
refused 'certificate verify failed' "$ok&$full=$T/other.pem"
refused '"elsewhere"' "${ok/localhost/elsewhere}&$full=$T/good.pem"
refused 'no-such' "$ok&$full=$T/no-such.pem"
refused 'refused' "${ok/$port/1}"
refused 'not a valid postgresql' "postgresql://mutsu:Secret/x@localhost/good"
refused 'not a valid postgresql' "postgresql://mutsu:x@Secret@localhost/good"
refused 'not a valid postgresql' "$ok&sslmod=require"
refused 'sslmode' "$ok&sslmode=always"
refused 'postgresql:// address' "mysql://mutsu:Secret-Word-1@localhost/good"
MUTSU_DATABASE="$ok&$full=$T/good.pem" start_server
[ "$(PGPORT=$port server "SELECT COUNT(*) > 0 AND BOOL_AND(ssl) FROM pg_stat_ssl NATURAL JOIN
	pg_stat_activity WHERE application_name = 'mutsu'")" = t ] || fail "a connection without TLS"
stop_server
