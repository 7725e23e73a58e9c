# The rows of ./bench about issuing certificates; sourced after lib.sh.

# A data directory beside the usual one: no devices, requests for its RA.
seed_scep() { # NAME MESSAGES ISSUING-KEY RA-KEY [LEDGER-OPTION...]
	from=$1
	[ ! -d "$work/$from" ] || return 0
	say "seeding $2 requests; keys: issuing CA $3, RA $4"
	"$bin/bench_seed" --data "$work/$from" "${keys[@]}" \
		--devices 0 --scep "$2" --issuing-key "$3" --ra-key "$4" \
		2>"$work/seed.log" || { cat "$work/seed.log"; die "seeding failed"; }
	if [ $# -gt 4 ]; then
		say "filling the ledger: ${*:5}"
		"$bin/bench_ledger" --data "$work/$from" "${@:5}"
	fi
	seed_server "$from"
}

# What two processors, and one second of a processor, could do at most when
# each issue takes so many operations of these keys.
bounds() { # KEY COUNT [KEY COUNT]; sets two and one
	local a b=0 c d=0
	a=$(rsa sign 2 "$1") c=$(rsa sign 1 "$1")
	[ $# -lt 3 ] || { b=$(rsa sign 2 "$3") d=$(rsa sign 1 "$3"); }
	two=$(jq -n "1 / ($2 / $a + if $b > 0 then ${4:-0} / $b else 0 end) | round")
	one=$(jq -n "1 / ($2 / $c + if $d > 0 then ${4:-0} / $d else 0 end) | round")
}

# Issuing by the server that has been started: what the clock says, and what
# the server's own processor time says, of which others take nothing.
scep_result() { # NAME TEXT OPTION...
	local name=$1 text=$2 r ms wrong
	shift 2
	r=$(http scep --connections 16 --warm "$warm" --seconds "$span" --once "$@")
	ms=$(cpu "$r") wrong=$(field "$r" wrong)
	[ "$wrong" = 0 ] || text="$text; $wrong requests failed, beside $(field "$r" lanes)"
	result "$name" "$(round "$(field "$r" rate)")" 1/s "$two" "$ms" \
		"openssl speed, two processes: $text"
	[ "$ms" != 0 ] || return 0 # too short to tell
	result "${name}_cpu" "$(jq -n "1000 / $ms | round")" 1/s "$one" "$ms" \
		"the same a second of processor time, the server's own"
}
scep_row() { # NAME TEXT
	start_mutsu --tls no
	scep_result "$1" "$2"
	stop "$server"
	from=seed
}
row_scep_rsa2048() {
	local one two
	seed_scep rsa2048 "$messages" rsa2048 rsa2048
	bounds rsa2048 3
	scep_row scep_rsa2048 "3 RSA-2048 each"
}
row_scep_rsa4096() {
	local one two
	seed_scep rsa4096 "$few" rsa4096 rsa4096
	bounds rsa4096 3
	scep_row scep_rsa4096 "3 RSA-4096 each"
}
# An EC issuing CA under the RSA RA.
row_scep_p256() {
	local one two
	seed_scep p256 "$messages" p256 rsa2048
	bounds rsa2048 2 ecdsap256 1
	scep_row scep_p256 "2 RSA-2048 and one P-256 each"
}

# As many certificates as a large site issues in years.
row_scep_ledger() {
	local one two
	seed_scep ledger "$messages" rsa2048 rsa2048 --rows "$ledger"
	bounds rsa2048 3
	scep_row scep_ledger "3 RSA-2048 each; $ledger certificates before"
	rm -rf "$work/ledger" "$work/data"
}

# How long the server takes for a list with so many entries, by its log.
row_crl_ms() {
	local ms='' cpu
	seed_scep crl 1 rsa2048 rsa2048 --rows "$revoked" --revoked
	start_mutsu --tls no --log-level info
	cpu=$(awk '{ print 10 * ($14 + $15) }' "/proc/$server/stat") # all since exec
	stop "$server"
	ms=$(sed -n "s/.* crl_made .* entries=$revoked ms=\([0-9]*\).*/\1/p" "$work/err" "$work/out" | tail -1)
	[ -n "$ms" ] || die "no CRL was made"
	result crl_ms "$ms" ms 500 "$cpu" "the aim, at most: a CRL of $revoked entries, until it is stored"
	from=seed
	rm -rf "$work/crl"
}

# Debian's scepserver: one CA that decrypts and signs, so as many operations.
# It answers some requests that come at the same time with a failure ("could
# not convert to serial number"); only issued certificates count.
scepserver_row() { # NAME BITS COUNT KEY
	local one two depot=$work/$1
	device_port=$(free_port) from=$1.load
	rm -rf "$depot" "$work/$from"
	scepserver ca -init -keySize "$2" -depot "$depot" >"$work/out" 2>&1
	mkdir "$work/$from"
	"$bin/bench_seed" "${keys[@]}" --scep "$3" --foreign-ca "$depot/ca.pem" \
		--challenge bench --load "$work/$from/scep.load" 2>"$work/seed.log" ||
		{ cat "$work/seed.log"; die "seeding failed"; }
	scepserver -depot "$depot" -port "$device_port" -challenge bench -allowrenew 0 \
		>"$work/out" 2>"$work/err" &
	server=$!
	children+=("$server")
	wait_port "$device_port"
	bounds "$4" 3
	scep_result "$1" "3 $4 each" --tolerate
	stop "$server"
	from=seed
}
row_scepserver_rsa2048() { scepserver_row scepserver_rsa2048 2048 "$messages" rsa2048; }
row_scepserver_rsa4096() { scepserver_row scepserver_rsa4096 4096 "$few" rsa4096; }
