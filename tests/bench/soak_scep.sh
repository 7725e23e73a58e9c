#!/usr/bin/env bash
# Sends good and hostile SCEP requests to a server for a while and watches its
# memory.  Fails when an answer is not the one that is wanted, when memory
# grows in the second half of the time, or when a sanitizer finds something.
#     tests/bench/soak_scep.sh SECONDS [MUTSU [DATA]]
# The tools are those of the release build; MUTSU may be that of another.  DATA
# is a directory that bench_seed made; else it makes one with 4,000 requests.
set -euo pipefail
cd "$(dirname "$0")/../.."
. tests/bench/lib.sh
seconds=$1 mutsu=${2:-$mutsu} data=${3:-}
grown_max=${SOAK_GROWN_KB:-4096} warm_up=2000
# What is freed is kept by asan for a while; little of it, or it hides growth.
export ASAN_OPTIONS=${ASAN_OPTIONS:-quarantine_size_mb=1:thread_local_quarantine_size_kb=16}

rss() { awk '/^VmRSS/ { print $2 }' "/proc/$server/status"; }
bench_begin >/dev/null
if [ -n "$data" ]; then
	cp -a "$data" "$work/seed"
else
	"$bin/bench_seed" --data "$work/seed" "${keys[@]}" \
		--devices 0 --scep 4000 2>/dev/null
fi
"$bin/soak_scep" --data "$work/seed" --load "$work/seed/mix.load"
seeded=yes
start_mutsu --tls no --log-level error --scep-failures-per-minute 1000000
begun=$SECONDS answered=0 early=0 step=$((seconds / 20 + 1))
while [ $((SECONDS - begun)) -lt "$seconds" ]; do
	r=$(http mix --connections 8 --seconds "$step")
	answered=$((answered + $(field "$r" lanes)))
	now=$(rss)
	[ "$early" != 0 ] || [ $(((SECONDS - begun) * 2)) -lt "$seconds" ] ||
		[ "$answered" -lt "$warm_up" ] || early=$now
	echo "$((SECONDS - begun)) s: $answered answered, $now kB, $(ls "/proc/$server/fd" | wc -l) descriptors"
done
kill "$server"
status=0
wait "$server" || status=$?
children=()
[ "$status" = 0 ] || { tail -40 "$work/err"; die "the server ended with $status"; }
[ "$early" != 0 ] || die "too few answers to tell whether memory grows"
echo "grown by $((now - early)) kB"
[ $((now - early)) -le "$grown_max" ] || die "memory grows"
