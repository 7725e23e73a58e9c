#!/usr/bin/env bash
# Does each row of ./bench still work?  A moment of each, with the programs of a
# build directory; the figures say nothing.
#     smoke.sh BUILD-DIR
set -euo pipefail
BENCH_BUILD=$(realpath "$1")
cd "$(dirname "$0")/../.."
. tests/bench/lib.sh
. tests/bench/scep.sh
bench_begin
smoke
# Keys of 4096 bits take seconds to make; scep_ledger is scep_rsa2048, and more.
for row in idle_signed idle_signed_tls roundtrip scep_p256 scep_ledger scepserver_rsa2048 \
	crl_ms push push_wait push_nghttpd push_db tls_connect rss_10k start_ms; do
	"row_$row"
done
