# Puts C sources into few: most of what compiling one takes is reading headers.
#     awk -v out=PREFIX -v root=DIR -v most=N [-v tests=1] -f together.awk FILES...
# writes PREFIX-1.c, PREFIX-2.c, ... that include them, at most N each, and no
# two that have a name at file scope for different things, themselves or in the
# headers of tests/; prints their names.  What defines something for the headers
# to see has a file of its own, and so has what is alone (below).  It knows the layout
# that clang-format makes, no more; a name too many costs nothing.  With tests,
# main() of test_x.c becomes test_x() (tests/each.c).

function word(s) { sub(/[^A-Za-z0-9_].*/, "", s); return s }
function name(p, s) {
	s = word(s)
	if (s == "" || s == "main" || (p, s) in has) return
	has[p, s] = 1
	names[p] = names[p] " " s
}
# The header of tests/ that a line of p includes, or "".
function header(p, line) {
	if (line !~ /^#[ \t]*include[ \t]*"/) return ""
	sub(/^[^"]*"/, "", line)
	sub(/".*/, "", line)
	if (line ~ /^tests\//) return root "/" line
	if (line ~ /\//) return ""
	sub(/[^\/]*$/, "", p)
	return p line
}
function parse(p,    line, s, i, n, part, enum, included) {
	if (p in parsed) return
	parsed[p] = 1
	while ((getline line <p) > 0) {
		if (line ~ /^#[ \t]*include/) included = 1
		s = header(p, line)
		if (s != "") headers[p] = headers[p] " " s
		if (line ~ /^[ \t]*#[ \t]*define/) {
			s = line
			sub(/^[ \t]*#[ \t]*define[ \t]+/, "", s)
			name(p, s)
			macros[p] = macros[p] "#undef " word(s) "\n"
			if (!included) lonely[p] = 1
		}
		# name(..., static bool name(..., static int name = 1, struct name {
		if (line ~ /^[A-Za-z_]/) {
			for (s = line; match(s, /[A-Za-z0-9_]+\(/); s = substr(s, RSTART + RLENGTH))
				name(p, substr(s, RSTART))
			if (line ~ /^static/ && match(line, /[A-Za-z0-9_]+(\[[^]]*\])*( =|;|,)/))
				name(p, substr(line, RSTART))
			if (match(line, /^(static |const )*(struct|enum|union) [A-Za-z0-9_]+ \{/)) {
				s = substr(line, 1, RLENGTH - 2)
				sub(/.* /, "", s)
				name(p, s)
			}
		}
		if (line ~ /^\} [A-Za-z0-9_]/) name(p, substr(line, 3)) # } name[] = {
		if (line ~ /^(static )?enum [A-Za-z0-9_]*( )?\{/) enum = 1
		if (enum) {
			s = line
			sub(/.*\{/, "", s)
			n = split(s, part, ",")
			for (i = 1; i <= n; i++) {
				sub(/^[ \t]+/, "", part[i])
				name(p, part[i])
			}
		}
		if (line ~ /\}/) enum = 0
	}
	close(p)
}
# read_all F: F and the headers of tests/ that it reads, in reads[F].
function read_all(f,    n, i, k, m, list, more, seen) {
	list[n = 1] = f
	seen[f] = 1
	for (i = 1; i <= n; i++) {
		parse(list[i])
		reads[f] = reads[f] " " list[i]
		m = split(headers[list[i]], more, " ")
		for (k = 1; k <= m; k++) if (!(more[k] in seen)) {
			seen[more[k]] = 1
			list[++n] = more[k]
		}
	}
	if (index(alone, " " base(f) " ") > 0) lonely[f] = 1
}
function base(f) { sub(/.*\//, "", f); return f }
function fits(batch, f,    n, i, k, m, part, file) {
	if (size[batch] >= most || (lonely[f] && size[batch] > 0)) return 0
	m = split(reads[f], file, " ")
	for (k = 1; k <= m; k++) {
		n = split(names[file[k]], part, " ")
		for (i = 1; i <= n; i++)
			if ((batch, part[i]) in owner && owner[batch, part[i]] != file[k])
				return 0
	}
	return 1
}
function put(batch, f,    n, i, k, m, part, file) {
	size[batch] = lonely[f] ? most : size[batch] + 1
	m = split(reads[f], file, " ")
	for (k = 1; k <= m; k++) {
		n = split(names[file[k]], part, " ")
		for (i = 1; i <= n; i++) owner[batch, part[i]] = file[k]
	}
	if (tests) {
		n = base(f)
		sub(/\.c$/, "", n)
		text[batch] = text[batch] "#define main " n "\nint main(void);\n"
		macros[f] = macros[f] "#undef main\n"
	}
	text[batch] = text[batch] "#include \"" f "\"\n" macros[f]
}
BEGIN {
	# With a name that a header of a library has for something else.
	alone = " api_certificate.c api_token.c apns_job.c app_certificate.c scep_approval.c "
	for (i = 1; i < ARGC; i++) {
		read_all(ARGV[i])
		for (b = 1; b <= batches && !fits(b, ARGV[i]); b++) continue
		if (b > batches) batches = b
		put(b, ARGV[i])
	}
	for (b = 1; b <= batches; b++) {
		printf "%s", text[b] >(out "-" b ".c")
		print out "-" b ".c"
	}
}
