# ./run: a bad start ends with its one line on the terminal, not in the log.
. "$(dirname "$0")/lib.sh"
RUN=$(realpath "$(dirname "$0")/../../run")
MUTSU=$(realpath "$MUTSU")
export MUTSU
# refused WANT TEXT ARGUMENTS...
refused() {
	local want=$1 text=$2 got=0; shift 2
	timeout 60 "$RUN" --data "$T/data" "$@" >"$T/out" 2>"$T/err" || got=$?
	[ $got -eq "$want" ] || fail "$*: $got, not $want: $(cat "$T/err")"
	[ "$(wc -l <"$T/err")" -eq 1 ] || fail "$*: not one line: $(cat "$T/err")"
	grep -qE "^(mutsu|run): .*$text" "$T/err" || fail "$*: $(cat "$T/err")"
}
for port in abc 65535 99999 '' -1 8x; do refused 2 --port --port "$port"; done
refused 2 '--data needs' --data
refused 2 'argument x' x
refused 2 'no-such' --no-such 1
refused 2 workers --workers none
refused 2 log-file --log-file /nowhere/at/all
refused 1 nowhere --port 0 --database 'postgresql://u@nowhere.invalid/d'

background server "$RUN" --data "$T/data" --port 0
SERVER=$PID
until_ok 60 says_or_ended "$SERVER" '^Ctrl-C' "$T/server.log"
! grep -qE ' (info|warn) ' "$T/server.log" || fail "log lines on the terminal"
grep -q ' info started' "$T/data/mutsu.log" || fail "no log"
url=$(sed -n 's/^Enrolment URL *\(.*\)\/enroll$/\1/p' "$T/server.log")
port=${url##*:}
got=0
"$RUN" --data "$T/other" --port "$port" >"$T/out" 2>"$T/err" || got=$?
[ $got -eq 1 ] && grep -q "^mutsu: device side on port $port: .*in use" "$T/err" || fail "port taken: $(cat "$T/err")"
# Rotated: SIGHUP opens the log again.
mv "$T/data/mutsu.log" "$T/data/mutsu.log.1"
kill -HUP "$SERVER"
until_ok 20 test -e "$T/data/mutsu.log"
stop_server
grep -q ' info stopping' "$T/data/mutsu.log" || fail "the log after rotation"
