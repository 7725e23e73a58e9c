# Roles through the command line, with its exit codes; tokens end at once.
. "$(dirname "$0")/lib.sh"
start_all
start_macs macs --count 2 --model intel --silent # orders stay open
for role in viewer operator; do
	m token create "$role" --role "$role" --json | jq -r .token >"$T/$role"
done
cp "$T/data/admin.token" "$T/admin"

# as ROLE WANT COMMAND...: its exit code; 6 not allowed, 4 not found, 5 conflict,
# 3 refused by a rule, 2 usage.
as() {
	local role=$1 want=$2 got=0; shift 2
	m "$@" --token-file "$T/$role" >"$T/out" 2>"$T/err" || got=$?
	[ $got -eq "$want" ] || fail "$role: $*: $got, not $want: $(cat "$T/err")"
	[ "$want" -eq 0 ] || [ "$(cat "$T/err" "$T/out" | wc -l)" -eq 1 ] || fail "$*: not one clear line"
}
matrix() { # matrix VIEWER OPERATOR ADMIN COMMAND...
	local v=$1 o=$2 a=$3; shift 3
	as viewer "$v" "$@"; as operator "$o" "$@"; as admin "$a" "$@"
}
for list in device user order command event certificate; do matrix 0 0 0 $list list; done
matrix 0 0 0 device show SIM000001
matrix 0 0 0 push-cert show
matrix 6 0 0 device refresh SIM000002
matrix 6 0 0 device push SIM000002
matrix 6 0 0 assign SIM000002 sato
matrix 6 0 0 unassign SIM000002
matrix 6 0 4 user delete sato
matrix 6 0 0 command send SIM000002 ProfileList
matrix 6 0 5 lock SIM000001
matrix 6 6 0 token list
matrix 6 6 0 scep challenge printer
matrix 6 6 5 token create viewer
order=$(m order list --json | jq -r '.[0].id')
matrix 0 0 0 order show "$order"
matrix 6 0 0 order pin "$order"
matrix 6 4 4 order pin NOSUCH
matrix 4 4 4 device show NOSUCH
matrix 6 4 4 command send NOSUCH ProfileList
matrix 6 2 2 command send SIM000002 NoSuchCommand
matrix 6 6 2 token create 'a b'
matrix 6 6 2 token create king --role king
matrix 2 2 2 device list --no-such-option
matrix 6 3 3 command send SIM000002 Settings \
	--args '{"Settings":[{"Item":"DeviceName","DeviceName":"sixteen-letters-"}]}'
echo nonsense >"$T/stranger"
as stranger 6 device list
as admin 5 token revoke admin
as admin 4 token revoke nobody

# Everything that is JSON parses as JSON.
for list in device user order command event certificate token; do
	m $list list --json | jq -e 'type == "array"' >/dev/null || fail "$list --json"
done
for show in 'device show SIM000001' "order show $order" 'push-cert show'; do
	m $show --json | jq -e 'type == "object"' >/dev/null || fail "$show --json"
done
as admin 4 device show NOSUCH --json
jq -e '.code == "not_found"' "$T/out" >/dev/null || fail "a problem as JSON: $(cat "$T/out")"

# Revoked: within a second.
m token revoke operator >/dev/null
sleep 1
as operator 6 device list
as viewer 0 device list
stop_server
