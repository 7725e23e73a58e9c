#!/usr/bin/env bash
# Fuzzes what SCEP reads from strangers, for 15 seconds each, with libFuzzer
# and the sanitizers, in a build of its own; longer with MUTSU_FUZZ_SECONDS.
# Exits with 77, which ctest takes for "skipped", where there is no clang.
#     smoke.sh SOURCE-DIR BUILD-DIR
set -euo pipefail
source=$1 build=$2
targets=(fuzz_scep_message fuzz_scep_csr fuzz_scep_service fuzz_scep_strict)
command -v clang >/dev/null && command -v ninja >/dev/null || exit 77
[ -n "$(clang -print-file-name=libclang_rt.fuzzer-x86_64.a | grep /)" ] ||
	[ -n "$(clang -print-file-name=libclang_rt.fuzzer-aarch64.a | grep /)" ] || exit 77
# Optimising takes longer than it saves in so short a time.
type=Debug
[ -z "${MUTSU_FUZZ_SECONDS:-}" ] || type=RelWithDebInfo
launcher=$(command -v ccache || true)
cmake -S "$source" -B "$build" -G Ninja -DCMAKE_C_COMPILER=clang \
	${launcher:+-DCMAKE_C_COMPILER_LAUNCHER="$launcher"} \
	-DCMAKE_BUILD_TYPE=$type -DMUTSU_FUZZ=ON -DMUTSU_TOGETHER=ON \
	-DMUTSU_SANITIZE=address,undefined >"$build.log"
ninja -C "$build" "${targets[@]}" >>"$build.log" || { tail -30 "$build.log"; exit 1; }
for target in "${targets[@]}"; do
	found=$build/corpus/$target
	mkdir -p "$found" "$build/found"
	# What is new goes into the first corpus, findings beside it.
	"$build/tests/$target" -max_total_time="${MUTSU_FUZZ_SECONDS:-15}" \
		-timeout=20 -rss_limit_mb=2048 -artifact_prefix="$build/found/" "$found" \
		"$source/tests/fuzz/corpus/${target#fuzz_}" >"$build/$target.log" 2>&1 ||
		{ tail -60 "$build/$target.log"; exit 1; }
	grep -E 'DONE|^Done' "$build/$target.log"
done
