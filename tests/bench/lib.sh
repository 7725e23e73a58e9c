# The rows of ./bench, which sources this file: servers on loopback, started
# and ended by id, in a temporary directory on the disk of the sources.
build=${BENCH_BUILD:-build/release}
bin=$build/tests/bench
mutsu=$build/mutsu
keys=(--keys build/bench-keys/rsa.pem)
devices=10000 trips=14000 messages=4000
busy=2000 # devices that idle_signed and tls_connect go round
pushed=200000 waited=100000 due=100000
few=1200 # messages for 4096-bit keys, of which a core answers 80 a second
ledger=1000000 revoked=100000
small() {
	devices=200 trips=3000 messages=1500 busy=100
	pushed=5000 waited=2000 due=2000
	few=150 ledger=3000 revoked=3000
}
long=6 span=4 warm=1 # seconds
# Does every row still work?  Then a moment of each is enough.
smoke() {
	small
	devices=100 trips=90 messages=60 busy=50 few=8 ledger=300 revoked=300
	pushed=500 waited=200 due=200
	long=0.3 span=0.3 warm=0
	rsa() { echo 1000; }
	syncs() { echo 1000; }
	keys=(--keys "$work/rsa.pem" --few-keys)
	nothing() { say "$@"; } # in so short a time on a busy machine
}
work='' seeded='' server='' results=()
from=seed # which directory of $work the rows begin with
device_port=0 admin_port=0

say() { echo "bench: $*" >&2; }
die() { say "$*"; exit 1; }

# What was started last and not ended yet.
children=()
finish() {
	local pid
	for pid in "${children[@]}"; do
		kill "$pid" 2>/dev/null && wait "$pid" 2>/dev/null || true
	done
	[ -z "$work" ] || rm -rf "$work"
}
stop() { # PID
	kill "$1" && wait "$1" || true
	local rest=() pid
	for pid in "${children[@]}"; do
		[ "$pid" = "$1" ] || rest+=("$pid")
	done
	children=("${rest[@]}")
}

free_port() {
	local port
	for _ in {1..100}; do
		port=$((20000 + RANDOM % 12000))
		(: <"/dev/tcp/127.0.0.1/$port") 2>/dev/null || { echo "$port"; return; }
	done
	die "no free port"
}
wait_port() { # PORT
	for _ in {1..400}; do
		(: <"/dev/tcp/127.0.0.1/$1") 2>/dev/null && return
		sleep 0.05
	done
	die "nothing listens on port $1"
}

bench_begin() {
	mkdir -p build/bench-keys
	work=$(mktemp -d "$PWD/build/bench-XXXXXX")
	trap finish EXIT
	trap 'exit 1' INT TERM
	printf '%-16s %10s %-8s %10s %7s %9s  %s\n' \
		row value unit bound ratio cpu_ms 'bound is'
}

nothing() { die "$@"; }
# NAME VALUE UNIT BOUND CPU_MS TEXT; - where there is none.
result() {
	local ratio=-
	[ "$(jq -n "$2 > 0")" = true ] || nothing "$1: nothing was measured"
	[ "$4" = - ] || ratio=$(jq -n "$2 / $4 * 1000 | round / 1000")
	printf '%-16s %10s %-8s %10s %7s %9s  %s\n' "$1" "$2" "$3" "$4" "$ratio" "$5" "$6"
	results+=("$1 $2 $3 $4 $ratio $5")
}
bench_json() {
	printf '%s\n' "${results[@]}" | jq -R 'def number:
		if . == "-" then null else tonumber end;
		split(" ") | {name: .[0], value: (.[1] | number), unit: .[2],
		bound: (.[3] | number), ratio: (.[4] | number),
		cpu_ms: (.[5] | number)}' | jq -s .
}
round() { jq -n "$1 | round"; }
field() { jq -r ".$2" <<<"$1"; } # JSON NAME
cpu() { jq -n "$(field "$1" cpu_ms) * 1000 | round / 1000"; }

# ---- servers ----

seed() {
	[ -z "$seeded" ] || return 0
	say "seeding $devices enrolled devices and signed requests"
	"$bin/bench_seed" --data "$work/seed" "${keys[@]}" \
		--devices "$devices" --trips "$trips" --scep "$messages" \
		2>"$work/seed.log" || { cat "$work/seed.log"; die "seeding failed"; }
	seeded=yes
	seed_server seed
}
# The same rows in a database of this name, that the others are copied from.
seed_server() { # DIRECTORY
	[ -n "${MUTSU_TEST_DATABASE:-}" ] || return 0
	createdb -h "$MUTSU_TEST_DATABASE" -U mutsu "$1"
	"$mutsu" store copy "$work/$1/mutsu.db" "$(address "$1")" \
		>"$work/seed.log" 2>&1 || { cat "$work/seed.log"; die "copying failed"; }
	psql -qh "$MUTSU_TEST_DATABASE" -U mutsu -d "$1" -c 'VACUUM ANALYZE' -c CHECKPOINT
}
address() { echo "postgresql://mutsu@/$1?host=$MUTSU_TEST_DATABASE"; } # DATABASE

# A copy, so that every row begins with the same database.
fresh_data() {
	[ "$from" != seed ] || seed
	rm -rf "$work/data"
	mkdir -m 700 "$work/data"
	cp -a "$work/$from"/{master.key,mutsu.db,push-ca.pem} "$work/data/"
	if [ -n "${MUTSU_TEST_DATABASE:-}" ]; then
		PGOPTIONS='-c client_min_messages=warning' \
			dropdb -h "$MUTSU_TEST_DATABASE" -U mutsu --if-exists --force run
		createdb -h "$MUTSU_TEST_DATABASE" -U mutsu -T "$from" run
		rm "$work/data/mutsu.db"
	fi
	sync -f "$work/data"
}
serve_args() { # sets args
	device_port=$(free_port) admin_port=$(free_port)
	args=(serve --data "$work/data" --device-port "$device_port"
		--admin-port "$admin_port" --log-level warn
		--apns-hosts 127.0.0.1:9 "$@")
	[ -z "${MUTSU_TEST_DATABASE:-}" ] || args+=(--database "$(address run)")
}
start_mutsu() { # SETTING VALUE...
	local args
	fresh_data
	serve_args "$@"
	"$mutsu" "${args[@]}" >"$work/out" 2>"$work/err" &
	server=$!
	children+=("$server")
	wait_port "$device_port"
}
http() { # LOAD OPTION...
	local load=$1
	shift
	"$bin/bench_http" --load "$work/$from/$load.load" --device "$device_port" \
		--pid "$server" "$@" || { tail -5 "$work/err" >&2; die "load failed"; }
}

# ---- bounds ----

# Operations a second of a key, "rsa2048" say, with so many processes; with one,
# a second of its processor time.
rsa() { # sign|verify PROCESSES [KEY]
	local column=4 key=${3:-rsa2048} multi=()
	[ "$1" = sign ] || column=5
	[ "$2" = 1 ] || multi=(-multi "$2")
	openssl speed -mr -seconds 2 "${multi[@]}" "$key" 2>/dev/null |
		sed -n '/^+F[24]:/p' | tail -1 | rsa_rate "$column"
}
# openssl gives seconds an operation, or operations a second with -multi,
# depending on its version.
rsa_rate() { # COLUMN
	awk -F: -v c="$1" '{ v = $c; if (v < 1) v = 1 / v; printf "%.0f\n", v }'
}
# Of the disk of the database.
syncs() { "$bin/bench_disk" "${MUTSU_TEST_DATABASE:-$work}" 2; }

# ---- rows ----

idle_row() { # NAME OPTION...
	local name=$1 r bound
	shift
	bound=$(rsa verify 1)
	http idle --lanes "$busy" --seconds 0.1 --warm $((2 * warm)) "$@" >/dev/null
	r=$(http idle --lanes "$busy" --seconds "$long" --warm "$warm" "$@")
	stop "$server"
	result "$name" "$(round "$(field "$r" rate)")" 1/s "$bound" "$(cpu "$r")" \
		"RSA-2048 verifications/s of one core"
}
row_idle_signed() {
	start_mutsu --tls no
	idle_row idle_signed
}
row_idle_signed_tls() {
	start_mutsu
	idle_row idle_signed_tls --tls
}

# Every device has been here before, as in a fleet in service.
row_roundtrip() {
	local r disk
	start_mutsu --tls no
	http idle --lanes "$busy" --seconds "$warm" >/dev/null
	disk=$(syncs)
	r=$(http trip --admin "$admin_port" --connections 64 --warm "$warm" --seconds "$span" --once)
	stop "$server"
	result roundtrip "$(round "$(field "$r" rate)")" 1/s "$disk" "$(cpu "$r")" \
		"fdatasync/s of the disk; three commits each trip"
}

token=$(printf '%064d' 0)
push_h2load() { # PORT [COUNT STREAMS]
	printf '{"mdm":"8B3E6C9A-3B1A-4B7E-9D0E-3D0C6B0F3A11"}' >"$work/payload"
	h2load -n "${2:-$pushed}" -c 1 -m "${3:-1000}" -d "$work/payload" \
		-H 'apns-topic: com.apple.mgmt.External.11111111-2222-4333-8444-555555555555' \
		-H 'apns-push-type: mdm' -H 'apns-priority: 10' \
		-H 'apns-expiration: 2000000000' \
		"https://127.0.0.1:$1/3/device/$token" |
		awk '/^finished in/ { print $4 }' | cut -d. -f1
}
push_row() { # NAME BOUND TEXT OPTION...
	local name=$1 bound=$2 text=$3 r
	shift 3
	rm -f "$work/push.json"
	"$bin/bench_push" -n "$pushed" -j "$work/push.json" "$@" >"$work/push.log" ||
		{ cat "$work/push.log"; die "pushing failed"; }
	r=$(tail -1 "$work/push.json")
	result "$name" "$(field "$r" value)" 1/s "$bound" "$(field "$r" cpu_ms)" "$text"
}
push_bound() { # COUNT STREAMS OPTION...: h2load to the simulated APNs
	local n=$1 m=$2 pid
	shift 2
	rm -f "$work/sim.port"
	"$bin/bench_push" -s 60 "$@" >"$work/sim.port" &
	pid=$!
	children+=("$pid")
	until [ -s "$work/sim.port" ]; do sleep 0.05; done
	bound=$(push_h2load "$(cat "$work/sim.port")" "$n" "$m")
	stop "$pid"
}
row_push() {
	local bound
	push_bound "$pushed" 1000
	push_row push "$bound" "h2load to the simulated APNs, one connection"
}
# Each answer takes 20 ms, and 900 pushes are under way.
row_push_wait() {
	local bound
	push_bound "$waited" 900 -l 20
	push_row push_wait "$bound" "h2load to the same, one connection" \
		-n "$waited" -m 900 -l 20
}
row_push_db() {
	local r database=()
	rm -f "$work/push.json"
	if [ -n "${MUTSU_TEST_DATABASE:-}" ]; then
		createdb -h "$MUTSU_TEST_DATABASE" -U mutsu push
		database=("$(address push)")
	fi
	"$bin/bench_push_db" -n "$due" -j "$work/push.json" "$work/push" "${database[@]}" >"$work/push.log" 2>&1 ||
		{ cat "$work/push.log"; die "pushing failed"; }
	r=$(cat "$work/push.json")
	result push_db "$(field "$r" value)" 1/s "$(syncs)" "$(field "$r" cpu_ms)" \
		"fdatasync/s, 1,000 pushes need four; CPU of both ends; a lock took $(field "$r" lock_ms) ms at most"
}
row_push_nghttpd() {
	local port pid bound
	port=$(free_port)
	"$bin/bench_push" -r "$work/apns" >/dev/null
	mkdir -p "$work/apns/htdocs/3/device"
	: >"$work/apns/htdocs/3/device/$token"
	nghttpd -d "$work/apns/htdocs" -a 127.0.0.1 "$port" \
		"$work/apns/server.key" "$work/apns/server.pem" >/dev/null 2>&1 &
	pid=$!
	children+=("$pid")
	wait_port "$port"
	bound=$(push_h2load "$port")
	push_row push_nghttpd "$bound" "h2load to nghttpd, one connection" \
		-z -h "127.0.0.1:$port" -a "$work/apns/ca.pem"
	stop "$pid"
}

start_nginx() { # PORT
	mkdir -p "$work/nginx"
	cat >"$work/nginx/conf" <<-CONF
	daemon off;
	pid $work/nginx/pid;
	error_log $work/nginx/error warn;
	worker_processes 2;
	events { worker_connections 1024; }
	http {
		access_log off;
		client_body_temp_path $work/nginx/body;
		proxy_temp_path $work/nginx/proxy;
		fastcgi_temp_path $work/nginx/fastcgi;
		uwsgi_temp_path $work/nginx/uwsgi;
		scgi_temp_path $work/nginx/scgi;
		server {
			listen 127.0.0.1:$1 ssl backlog=1024;
			ssl_certificate $work/data/tls.pem;
			ssl_certificate_key $work/data/tls.key;
			ssl_protocols TLSv1.3;
			return 200;
		}
	}
	CONF
	nginx -c "$work/nginx/conf" 2>>"$work/nginx/start" &
	children+=("$!")
	wait_port "$1"
}
row_tls_connect() {
	local r bound port mutsu_port
	start_mutsu
	http idle --lanes "$busy" --seconds "$warm" --tls >/dev/null
	port=$(free_port)
	start_nginx "$port"
	local nginx=${children[-1]}
	mutsu_port=$device_port device_port=$port
	bound=$(http idle --lanes "$busy" --seconds "$span" --tls --fresh)
	stop "$nginx"
	device_port=$mutsu_port
	r=$(http idle --lanes "$busy" --seconds "$span" --tls --fresh)
	stop "$server"
	result tls_connect "$(round "$(field "$r" rate)")" 1/s \
		"$(round "$(field "$bound" rate)")" "$(cpu "$r")" \
		"nginx with two processes, same key, an empty 200"
}

row_rss_10k() {
	local kb
	start_mutsu --tls no
	http idle --once --seconds 60 >/dev/null
	kb=$(awk '/^VmRSS/ { print $2 }' "/proc/$server/status")
	stop "$server"
	result rss_10k "$(jq -n "$kb / 102.4 | round / 10")" MiB 40 - \
		"the aim, at most: 10,000 devices that were here once"
}
row_start_ms() {
	local args ms
	fresh_data
	serve_args --tls no
	ms=$("$bin/bench_start" 5 "$admin_port" "$mutsu" "${args[@]}")
	result start_ms "$ms" ms 100 - "the aim, at most: exec to GET /healthz"
}
