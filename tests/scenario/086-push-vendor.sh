# A push certificate request goes to an outside signer by one command; what it
# answers is checked before it is handed out.
. "$(dirname "$0")/lib.sh"
start_server
P=$T/pki; mkdir "$P"
ca() { # ca NAME ISSUER: a certificate in $P, self-signed without issuer
	rsa_key "$P/$1.key"
	openssl req -x509 -key "$P/$1.key" -days 9 -subj "/CN=$1" ${2:+-CA "$P/$2.pem" -CAkey "$P/$2.key"} -out "$P/$1.pem" 2>/dev/null
}
ca root; ca wwdr root; ca vendor wwdr
cat "$P/vendor.pem" "$P/wwdr.pem" "$P/root.pem" >"$P/chain.pem"

# The vendor: what is posted goes through a command, whose output is the answer.
cat >"$P/vendor.pl" <<-'PERL'
	use IO::Socket::INET;
	my ($port, $status, @command) = @ARGV;
	my $listener = IO::Socket::INET->new(LocalAddr => "127.0.0.1",
	    LocalPort => $port, Listen => 5, ReuseAddr => 1) or die "$!";
	print STDERR "listening\n";
	while (my $peer = $listener->accept) {
		my ($length, $type) = (0, "");
		while (my $line = <$peer>) {
			$length = $1 if $line =~ /^content-length: *(\d+)/i;
			$type = $1 if $line =~ /^content-type: *(\S+)/i;
			last if $line =~ /^\r?$/;
		}
		read($peer, my $body, $length);
		open(my $in, ">", "$ENV{DIR}/posted.pem"); print $in $body; close $in;
		system(@command) == 0 or die "the command";
		open(my $out, "<", "$ENV{DIR}/answer") or die "$!";
		print $peer "HTTP/1.1 $status\r\nConnection: close\r\n\r\n", <$out>;
		print STDERR "$type\n";
	}
PERL
vendor() { # vendor NAME STATUS COMMAND...: sets VENDOR, its address
	local port
	port=$(free_port); VENDOR=http://127.0.0.1:$port/sign
	DIR=$P background "$1" perl "$P/vendor.pl" "$port" "${@:2}"
	until_ok 30 grep -q listening "$T/$1.log"
}
ask() {
	rm -f "$P/signed.b64"
	m push-cert request --organization "Example KK" --country JP --email it@example.com \
		--vendor-url "$VENDOR" --out "$P/csr.pem" --signed-out "$P/signed.b64" "$@"
}
refused() { # WHAT PATTERN
	! ask >/dev/null 2>"$T/refused" || fail "$1 is taken"
	[ ! -e "$P/signed.b64" ] && grep -q "$2" "$T/refused" || fail "$1: $(cat "$T/refused")"
}
vendor good "200 OK" "$MUTSU" push-cert sign "$P/posted.pem" --vendor-key "$P/vendor.key" \
	--vendor-chain "$P/chain.pem" --out "$P/answer"
ask >/dev/null
cmp "$P/signed.b64" "$P/answer" && cmp "$P/csr.pem" "$P/posted.pem" || fail "what was handed out"
grep -q "application/x-pem-file" "$T/good.log" || fail "what was posted"
# The request that was signed before is another one's.
vendor stale "200 OK" true
refused "a stale answer" "request"
vendor busy "503 Busy" true
refused "no answer" "503"
