#!/usr/bin/env bash
# Makes the RSA keys that the unit tests use, once for all builds: finding
# primes would otherwise be most of what those tests do.
#     make.sh DIR
set -euo pipefail
dir=$1
one() { # one BITS NUMBER; openssl as its own process, so that make is parallel
	openssl genpkey -quiet -algorithm RSA -pkeyopt "rsa_keygen_bits:$1" \
		-out "$2.tmp" && mv "$2.tmp" "$2"
}
export -f one
mkdir -p -m 700 "$dir"
for n in {0..31}; do
	echo "2048 $dir/2048-$n.pem"
	[ "$n" -ge 8 ] || echo "3072 $dir/3072-$n.pem"
done | while read -r bits file; do
	[ -s "$file" ] || echo "$bits $file"
done | xargs -r -P "$(nproc)" -L 1 bash -c 'one "$@"' one
