# Starting again keeps everything; a bad start says why in one line; stopping
# does not wait for long polls.
. "$(dirname "$0")/lib.sh"
start_server
fingerprint() { openssl x509 -in "$1" -noout -fingerprint -sha256; }
m token create robot --role viewer --json | jq -r .token >"$T/robot"
ca=$(fingerprint "$CA") tls=$(fingerprint "$T/data/tls.pem") token=$TOKEN

# refused WANT TEXT SETTINGS...: one line on standard error with this text.
refused() {
	local want=$1 text=$2 got=0; shift 2
	timeout 20 "$MUTSU" serve --device-port 0 --admin-port 0 "$@" >"$T/out" 2>"$T/err" || got=$?
	[ $got -eq "$want" ] || fail "$*: $got, not $want: $(cat "$T/err")"
	grep -q '^mutsu: ' "$T/err" && [ "$(grep -c '^mutsu: ' "$T/err")" -eq 1 ] ||
		fail "$*: not one line: $(cat "$T/err")"
	grep -q "^mutsu: .*$text" "$T/err" || fail "$*: $(cat "$T/err")"
}
refused 1 'in use' --data "$T/data"

# A long poll is under way when the server stops.
curl -sS -m 60 -H "Authorization: Bearer $TOKEN" -o "$T/poll" -w '%{http_code}' \
	"$ADMIN/api/v1/events?after=1000&wait=60" >"$T/poll.status" &
POLL=$!
waits() { curl -sS "$ADMIN/metrics" | grep -E '^mutsu_http_(parked|waiting)[^ ]* 1$'; }
until_ok 20 waits
start=$SECONDS
stop_server
[ $((SECONDS - start)) -lt 10 ] || fail "stopping took $((SECONDS - start)) s"
wait $POLL || true
[ "$(cat "$T/poll.status")" = 503 ] || fail "the long poll: $(cat "$T/poll.status")"

start_server
[ "$(fingerprint "$CA")" = "$ca" ] || fail "another CA"
[ "$(fingerprint "$T/data/tls.pem")" = "$tls" ] || fail "another TLS certificate"
[ "$(cat "$T/data/admin.token")" = "$token" ] || fail "another token"
m device list --token-file "$T/robot" >/dev/null || fail "a token was lost"
json_is 2 length m token list --json || fail "tokens"

# A backup, restored: database, master key and CA keys are enough.
mkdir -m 700 "$T/restored"
sqlite3 "$T/data/mutsu.db" ".backup $T/restored/mutsu.db"
cp "$T/data/master.key" "$T/restored/"
stop_server
mv "$T/data" "$T/was"
mv "$T/restored" "$T/data"
start_server
[ "$(fingerprint "$CA")" = "$ca" ] || fail "another CA after the restore"
m device list --token-file "$T/robot" >/dev/null || fail "a token was lost in the restore"
json_is 3 length m token list --json || fail "the administrator's new token"
stop_server

# Files with secrets that others can read, or that cannot be read.
for file in master.key tls.key; do
	chmod 644 "$T/data/$file"
	refused 1 "${file##*/}" --data "$T/data"
	chmod 600 "$T/data/$file"
done
cp "$T/data/master.key" "$T/keep"
head -c 7 "$T/keep" >"$T/data/master.key"
refused 1 master.key --data "$T/data"
rm "$T/data/master.key"
refused 1 'master.key is missing' --data "$T/data"
[ ! -e "$T/data/master.key" ] || fail "a new master key was made"
cp "$T/keep" "$T/data/master.key"
mkdir "$T/x"; chmod 600 "$T/keep"; : >"$T/file"
refused 1 file --data "$T/file"

# Settings: 2, and the name of what is wrong.
refused 2 device-port --data "$T/x" --device-port 70000
refused 2 workers --data "$T/x" --workers none
refused 2 tls --data "$T/x" --tls maybe
refused 2 no-such --data "$T/x" --no-such thing
refused 2 log-level --data "$T/x" --log-level loud
refused 2 issuing-key --data "$T/x" --issuing-key dsa
refused 2 tls-key --data "$T/x" --tls-cert "$T/data/tls.pem"
refused 2 loopback --data "$T/x" --tls no --device-address 0.0.0.0
for url in http://localhost localhost:19771 https://localhost/mdm; do
	refused 2 public-url --data "$T/x" --public-url "$url"
done
echo 'device-prot = 1' >"$T/conf"
refused 2 'device-prot' --data "$T/x" --config "$T/conf"
refused 2 conf --data "$T/x" --config "$T/none.conf"

# What stands in the way of pushing is said at start, too.
refused 1 'proxy: .*"nowhere"' --data "$T/data" --apns-proxy nowhere
echo user:password >"$T/login"; chmod 644 "$T/login"
refused 1 "$T/login" --data "$T/data" --apns-proxy p:1 --apns-proxy-credentials "$T/login"
echo hunter2 >"$T/login"; chmod 600 "$T/login"
refused 1 'user:password' --data "$T/data" --apns-proxy p:1 --apns-proxy-credentials "$T/login"
! grep -q hunter2 "$T/err" "$T/out" || fail "the password was printed"
port=$(free_port)
start_server --device-port "$port" --public-url "https://localhost:$port/"
[ "$URL" = "https://localhost:$port" ] || fail "a slash too many: $URL"
stop_server
