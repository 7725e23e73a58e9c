/*
 * Request targets: path, query and percent-decoding.  libmicrohttpd's own
 * decoding loses the difference between "+" and "%20" and between "/" and
 * "%2F", so the target is taken apart here.  A struct http_target belongs to
 * its request.
 */
#include <string.h>

#include "core/encode.h"
#include "http/http_priv.h"

enum { KEEP_SIZE = 2048 };

bool
http_percent_decode(
    const char *p, size_t len, bool plus, char *out, size_t *len_out)
{
	size_t n = 0;
	bool plain = true;

	for (size_t i = 0; i < len; i++) {
		int hi, lo;
		char c = p[i];

		if (c == '%') {
			if (len - i < 3 || (hi = hex_digit(p[i + 1])) < 0 ||
			    (lo = hex_digit(p[i + 2])) < 0)
				return false;
			c = (char)(hi << 4 | lo);
			i += 2;
		} else if (c == '+' && plus) {
			c = ' ';
		}
		if (c == '\0')
			return false;
		plain = plain && (unsigned char)c < 0x80;
		out[n++] = c;
	}
	out[n] = '\0';
	*len_out = n;
	return plain || str_utf8_len(out) != SIZE_MAX;
}

/*
 * Writes the arguments as name NUL value NUL.  One that cannot be text (bad
 * escapes, NUL, not UTF-8) is left out and noted: SCEP clients put raw DER in
 * an argument that nobody reads, but a filter left out would show everything.
 */
static void
decode_arguments(struct http_target *t)
{
	const char *p = t->query;
	char *out = t->arguments;

	t->unread = false;
	while (p != NULL && *p != '\0') {
		size_t len = strcspn(p, "&");
		const char *eq = memchr(p, '=', len);
		size_t name_len = eq != NULL ? (size_t)(eq - p) : len;
		size_t value_at = eq != NULL ? name_len + 1 : len;
		size_t n = 0, v = 0;

		if (http_percent_decode(p, name_len, true, out, &n) &&
		    http_percent_decode(
		        p + value_at, len - value_at, true, out + n + 1, &v) &&
		    n > 0)
			out += n + 1 + v + 1;
		else
			t->unread = t->unread || len > 0;
		p += len + (p[len] == '&');
	}
	t->arguments_end = out;
}

/* RFC 9112 3.2.2: a server takes the absolute form, too. */
static const char *
skip_authority(const char *target)
{
	const char *p;

	if (strncasecmp(target, "http://", 7) == 0)
		p = target + 7;
	else if (strncasecmp(target, "https://", 8) == 0)
		p = target + 8;
	else
		return target;
	p += strcspn(p, "/?");
	return *p == '/' ? p : "/";
}

void
http_target_parse(struct http_target *t, const char *target)
{
	const char *from = skip_authority(target);
	size_t len = strlen(from), unused;
	/* Raw, decoded path, decoded parameters (each with a NUL more), and
	 * arguments (two NULs each, of which one was '&' or '='). */
	size_t need = 5 * len + HTTP_PARAMS_MAX + 8;
	char *question;

	if (t->size < need) {
		mem_free(&t->text);
		t->size = need < KEEP_SIZE / 2 ? KEEP_SIZE / 2 : need;
		t->text = mem_alloc(t->size);
	}
	t->path = t->text;
	t->decoded = t->path + len + 1;
	t->scratch = t->decoded + len + 1;
	t->arguments = t->scratch + len + HTTP_PARAMS_MAX + 1;
	t->query = NULL;
	memcpy(t->path, from, len + 1);
	question = strchr(t->path, '?');
	if (question != NULL) {
		*question = '\0';
		t->query = question + 1;
	}
	decode_arguments(t);
	t->bad =
	    t->path[0] != '/' || !http_percent_decode(t->path, strlen(t->path),
	                             false, t->decoded, &unused);
	if (t->bad)
		t->decoded[0] = '\0';
}

void
http_target_free(struct http_target *t)
{
	mem_free(&t->text);
	*t = (struct http_target){ 0 };
}
