# Debian 12 packages, and how they get installed.  Sourced by run, test, bench.
PACKAGES_RUN=(gcc cmake ninja-build pkg-config libc6-dev libplist-dev
	libssl-dev libmicrohttpd-dev libgnutls28-dev libnghttp2-dev
	libsqlite3-dev libpq-dev libjansson-dev libcurl4-openssl-dev)
PACKAGES_TEST=(libcmocka-dev clang-format clang-tidy cppcheck
	libplist-utils nghttp2-server nghttp2-client curl openssl jq xxd sqlite3 python3
	postgresql haproxy nginx-light strongswan-pki libstrongswan-extra-plugins certmonger scep
	softhsm2 libengine-pkcs11-openssl)
PACKAGES_BENCH=(libcmocka-dev nghttp2-server nghttp2-client nginx-light curl openssl jq scep)

install_missing() {
	local missing=() p
	for p in "$@"; do
		dpkg-query -W -f '${Status}' "$p" 2>/dev/null |
			grep -q 'ok installed' || missing+=("$p")
	done
	[ ${#missing[@]} -eq 0 ] && return 0
	echo "Installing Debian packages: ${missing[*]}" >&2
	local sudo=
	[ "$(id -u)" -eq 0 ] || sudo=sudo
	# Services of these packages are not wanted here, only their programs.
	$sudo apt-get update -qq >&2
	$sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq \
		--no-install-recommends "${missing[@]}" >&2
}
