# What certificate list prints, and what openssl does, is what the commands take.
. "$(dirname "$0")/scep.sh"
scep_server
challenge gate >"$T/challenge"
m scep enroll "$SCEP" --cn gate --key "$T/gate.key" --out "$T/gate.pem" --challenge-file "$T/challenge" >/dev/null
m certificate list >"$T/table"
F=$(sed -n '2s/ .*//p' "$T/table")
[ ${#F} = 64 ] || fail "a cut fingerprint: $(cat "$T/table")"
m certificate show "$F" --json | jq -r .pem >"$T/it.pem"
colons=$(openssl x509 -in "$T/it.pem" -noout -fingerprint -sha256 | cut -d= -f2)
serial=$(openssl x509 -in "$T/it.pem" -noout -serial | cut -d= -f2)
is_it() { [ "$("$@" --json | jq -r 'if type == "array" then .[].fingerprint else .fingerprint end')" = "$F" ] || fail "$*"; }
for text in "$F" "${F^^}" "$colons" "${F:0:8}" "${colons:0:35}"; do
	is_it m certificate show "$text"
	is_it m certificate list --fingerprint "$text"
	is_it m certificate export --fingerprint "$text"
done
for text in "$serial" "${serial,,}" "00$serial" "$(sed 's/../&:/g; s/:$//' <<<"$serial")"; do
	is_it m certificate list --serial "$text"
done
ends() { # ends EXIT-CODE TEXT COMMAND...
	local want=$1 text=$2 code=0; shift 2
	"$@" >"$T/said" 2>&1 || code=$?
	[ $code -eq "$want" ] && grep -q -e "$text" "$T/said" || fail "$*: $code, $(cat "$T/said")"
}
ends 2 '64 hex digits' m certificate show "${F:0:7}"
ends 2 '64 hex digits' m certificate show "${F}0"
ends 2 '64 hex digits' m certificate revoke "zz${F:2}"
ends 2 'hex digits' m certificate list --serial gate
ends 4 'begins with' m certificate show "$(tr 0-9a-f 1-9a-f0 <<<"$F" | cut -c 1-40)"

# Pages.
all=$(m certificate list --json | jq length)
[ "$all" -gt 1 ] || fail "only $all certificates"
[ "$(m certificate list --limit 1 --json 2>"$T/err" | jq -r '.[].fingerprint')" = "$F" ] || fail "not the newest"
after=$(sed -n 's/.*there are more than these 1; go on with --after //p' "$T/err")
[ "$(m certificate list --after "$after" --json | jq length)" = $((all - 1)) ] || fail "not the others"
ends 2 'limit' m certificate list --limit 501
[ "$(m certificate export --json | jq length)" = "$all" ] || fail "export as JSON"
[ "$(m certificate export | wc -l)" = $((all + 1)) ] || fail "export as CSV"

# Two that begin with the same digits cannot be told apart by them.
stop_server
twin=$(sqlite3 "$T/data/mutsu.db" "SELECT fingerprint FROM certificate WHERE fingerprint <> '$F' LIMIT 1")
sqlite3 "$T/data/mutsu.db" "UPDATE certificate SET fingerprint = '${F:0:9}' || substr(fingerprint, 10) WHERE fingerprint = '$twin'"
start_server
ends 2 'more than one' m certificate revoke "${F:0:8}" --reason superseded
is_it m certificate show "$F"
stop_server
