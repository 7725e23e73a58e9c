/*
 * The check that an XML plist passes before libplist reads it: one pass, no
 * recursion, no allocation.  No state; any thread may call.
 *
 * It takes what CFPropertyList and the usual plist libraries write, and no
 * more: elements without attributes (but for the version of <plist>), no
 * CDATA, comments only between elements, integers that fit 64 bits with a
 * sign.  One liberty is theirs: control characters other than NUL may stand
 * in strings, since CFPropertyList writes names of applications as they are.
 */
#include <string.h>

#include "core/clock.h"
#include "core/encode.h"
#include "core/limits.h"
#include "core/pl_priv.h"

enum element {
	EL_PLIST,
	EL_DICT,
	EL_ARRAY,
	EL_KEY,
	EL_STRING,
	EL_DATA,
	EL_INTEGER,
	EL_REAL,
	EL_DATE,
	EL_TRUE,
	EL_FALSE,
	EL_COUNT
};

static const struct element_row {
	const char *name;
	size_t len;
	bool container; /* holds elements, not text */
	bool empty;     /* may be written <name/> */
	bool full;      /* may be written <name>...</name> */
} elements[EL_COUNT] = {
	[EL_PLIST] = { "plist", 5, .container = true, .full = true },
	[EL_DICT] = { "dict", 4, .container = true, true, true },
	[EL_ARRAY] = { "array", 5, .container = true, true, true },
	[EL_KEY] = { "key", 3, .full = true },
	[EL_STRING] = { "string", 6, .empty = true, .full = true },
	[EL_DATA] = { "data", 4, .empty = true, .full = true },
	[EL_INTEGER] = { "integer", 7, .full = true },
	[EL_REAL] = { "real", 4, .full = true },
	[EL_DATE] = { "date", 4, .full = true },
	[EL_TRUE] = { "true", 4, .empty = true },
	[EL_FALSE] = { "false", 5, .empty = true },
};

struct tag {
	enum element el;
	bool closing; /* </name> */
	bool empty;   /* <name/> */
};

/*
 * libplist moves the rest of a text for every reference in it: 12 MB of "&lt;"
 * would keep it busy for four minutes.  References times length is what it
 * moves at most; this many bytes take some 20 ms.
 */
enum { MOVED_MAX = 256 << 20 };

struct scan {
	const uint8_t *p, *start, *end;
	size_t values, nodes, moved;
	/* open[0] is the <plist> element. */
	struct open {
		enum element el;
		bool after_key;   /* of a dictionary: its value is due */
		bool has_content; /* of the plist: its one value was there */
	} open[LIMIT_PLIST_DEPTH + 1];
	size_t depth;
	struct err *e;
};

static bool
bad(struct scan *s, const char *why)
{
	return err_set(s->e, ERR_INVALID, "plist: %s at byte %zu", why,
	    (size_t)(s->p - s->start));
}

static bool
is_space(uint8_t c)
{
	return c == ' ' || c == '\n' || c == '\t' || c == '\r';
}

static void
skip_space(struct scan *s)
{
	while (s->p < s->end && is_space(*s->p))
		s->p++;
}

/* True, and past it, if the text goes on with word. */
static bool
take_text(struct scan *s, const char *word, size_t len)
{
	if ((size_t)(s->end - s->p) < len || memcmp(s->p, word, len) != 0)
		return false;
	s->p += len;
	return true;
}

#define ACCEPT(s, literal) take_text(s, literal, sizeof(literal) - 1)

/* Moves behind the next occurrence of word; false if there is none. */
static bool
skip_past(struct scan *s, const char *word)
{
	size_t len = strlen(word);
	const uint8_t *at = memmem(s->p, (size_t)(s->end - s->p), word, len);

	if (at == NULL)
		return bad(s, "unfinished comment");
	s->p = at + len;
	return true;
}

/*
 * <?xml ...> or <!DOCTYPE ...>, from behind its name to behind its '>'; it may
 * not bring a DTD along.  libplist does not see an end within double
 * quotes: with a quote left open it would go on to look for one in what is
 * here checked as something else, say in a comment full of elements.  So
 * quotes come in pairs, and neither '<' nor '>' is in them.
 */
static bool
scan_declaration(struct scan *s)
{
	bool quoted = false;

	for (; s->p < s->end; s->p++) {
		if (*s->p == '>' && !quoted) {
			s->p++;
			return true;
		}
		if (*s->p == '"')
			quoted = !quoted;
		if (*s->p == '[' || *s->p == '<' || *s->p == '>' ||
		    *s->p == '\0')
			break;
	}
	return bad(s, "malformed declaration");
}

/* What may stand between elements: white space and comments. */
static bool
scan_gap(struct scan *s)
{
	skip_space(s);
	while (ACCEPT(s, "<!--")) {
		if (!skip_past(s, "-->"))
			return false;
		skip_space(s);
	}
	return true;
}

static bool
scan_prolog(struct scan *s)
{
	if (ACCEPT(s, "bplist"))
		return bad(s, "binary form is not accepted");
	if (!scan_gap(s))
		return false;
	if (ACCEPT(s, "<?xml ") && (!scan_declaration(s) || s->p[-2] != '?'))
		return bad(s, "malformed declaration");
	if (!scan_gap(s))
		return false;
	if (ACCEPT(s, "<!DOCTYPE plist") && !scan_declaration(s))
		return false;
	return true;
}

/* The longest name of an element is 7 characters: the table is short. */
static bool
scan_name(struct scan *s, enum element *out)
{
	const uint8_t *at = s->p;
	size_t len;

	while (s->p < s->end && *s->p >= 'a' && *s->p <= 'z')
		s->p++;
	len = (size_t)(s->p - at);
	for (size_t i = 0; i < EL_COUNT; i++) {
		if (elements[i].len == len &&
		    memcmp(elements[i].name, at, len) == 0) {
			*out = (enum element)i;
			return true;
		}
	}
	return bad(s, "unknown element");
}

static bool
scan_tag(struct scan *s, struct tag *out)
{
	struct tag t = { 0 };

	if (!ACCEPT(s, "<"))
		return bad(s, "element expected");
	t.closing = ACCEPT(s, "/");
	if (!scan_name(s, &t.el))
		return false;
	skip_space(s);
	if (t.el == EL_PLIST && !t.closing && !ACCEPT(s, "version=\"1.0\"") &&
	    s->p < s->end && *s->p != '>')
		return bad(s, "not version 1.0");
	skip_space(s);
	t.empty = !t.closing && ACCEPT(s, "/");
	if (!ACCEPT(s, ">"))
		return bad(s, "malformed element");
	if (t.empty ? !elements[t.el].empty : !elements[t.el].full)
		return bad(s, "wrong form of this element");
	*out = t;
	return true;
}

/* &#N; or &#xN;, p behind "&#".  NUL and surrogates have no place. */
static bool
scan_number_reference(struct scan *s)
{
	int base = ACCEPT(s, "x") ? 16 : 10;
	int code = 0;
	const uint8_t *at = s->p;

	for (; s->p < s->end && code <= 0x10ffff; s->p++) {
		int digit = hex_digit((char)*s->p);

		if (digit < 0 || digit >= base)
			break;
		code = code * base + digit;
	}
	return s->p > at && ACCEPT(s, ";") && code > 0 && code <= 0x10ffff &&
	       (code < 0xd800 || code > 0xdfff);
}

static bool
scan_reference(struct scan *s)
{
	if (ACCEPT(s, "&lt;") || ACCEPT(s, "&gt;") || ACCEPT(s, "&amp;") ||
	    ACCEPT(s, "&quot;") || ACCEPT(s, "&apos;"))
		return true;
	if (ACCEPT(s, "&#") && scan_number_reference(s))
		return true;
	return bad(s, "unknown reference");
}

/* ASCII that needs no second look in a text. */
static bool
is_plain(uint8_t c)
{
	return c > 0 && c < 0x80 && c != '<' && c != '&';
}

/* Text up to the next '<'. */
static bool
scan_text(struct scan *s, struct slice *out)
{
	const uint8_t *at = s->p;
	size_t references = 0;

	for (;;) {
		size_t step;

		while (s->p < s->end && is_plain(*s->p))
			s->p++;
		if (s->p == s->end || *s->p == '<')
			break;
		if (*s->p == '&') {
			if (!scan_reference(s))
				return false;
			references++;
			continue;
		}
		if (*s->p == '\0')
			return bad(s, "NUL");
		step = slice_utf8_step(slice_of(s->p, (size_t)(s->end - s->p)));
		if (step == 0)
			return bad(s, "invalid UTF-8");
		s->p += step;
	}
	*out = slice_of(at, (size_t)(s->p - at));
	s->moved += references * out->len;
	if (s->moved > MOVED_MAX)
		return err_set(s->e, ERR_TOO_LARGE,
		    "plist: too many references in long texts");
	return true;
}

/* In 64 bits with a sign; libplist takes a leading zero for octal. */
static bool
is_integer(struct slice text)
{
	size_t sign = text.len > 0 && text.p[0] == '-';
	int64_t n;

	if (text.len > sign + 1 && text.p[sign] == '0')
		return false;
	return slice_to_i64(text, INT64_MIN, INT64_MAX, &n);
}

static size_t
count_digits(struct slice text, size_t from)
{
	size_t i = from;

	while (i < text.len && text.p[i] >= '0' && text.p[i] <= '9')
		i++;
	return i - from;
}

/* [sign] digits [. digits] [e [sign] digits], or a name of IEEE 754. */
static bool
is_real(struct slice text)
{
	size_t i = text.len > 0 && (text.p[0] == '-' || text.p[0] == '+');
	size_t digits = count_digits(text, i);

	if (slice_eq_str(text, "nan") || slice_eq_str(text, "+infinity") ||
	    slice_eq_str(text, "-infinity"))
		return true;
	i += digits;
	if (i < text.len && text.p[i] == '.') {
		size_t fraction = count_digits(text, i + 1);

		digits += fraction;
		i += 1 + fraction;
	}
	if (digits == 0 || text.len > 64)
		return false;
	if (i < text.len && (text.p[i] == 'e' || text.p[i] == 'E')) {
		i++;
		i += i < text.len && (text.p[i] == '-' || text.p[i] == '+');
		digits = count_digits(text, i);
		if (digits == 0)
			return false;
		i += digits;
	}
	return i == text.len;
}

/* "2026-11-23T16:05:00Z": no fraction. */
static bool
is_date(struct slice text)
{
	char room[21];
	struct err unused;
	int64_t at;

	if (text.len != sizeof(room) - 1)
		return false;
	memcpy(room, text.p, text.len);
	room[text.len] = '\0';
	return clock_parse(room, &at, &unused);
}

/* Text and closing tag of an element without children. */
static bool
scan_scalar(struct scan *s, enum element el)
{
	struct slice text;
	struct tag close;
	bool ok = true;

	if (!scan_text(s, &text))
		return false;
	if (el == EL_DATA)
		ok = b64_valid(text, B64_SPACES);
	else if (el == EL_INTEGER)
		ok = is_integer(text);
	else if (el == EL_REAL)
		ok = is_real(text);
	else if (el == EL_DATE)
		ok = is_date(text);
	else if (el == EL_KEY)
		ok = text.len > 0;
	if (!ok)
		return bad(s, "malformed value");
	if (!scan_tag(s, &close))
		return false;
	if (!close.closing || close.el != el)
		return bad(s, "element inside a text");
	return true;
}

/* True if an element may stand here, in what is open now. */
static bool
place(struct scan *s, enum element el)
{
	struct open *in = &s->open[s->depth];

	if (++s->nodes > LIMIT_PLIST_NODES)
		return err_set(s->e, ERR_TOO_LARGE,
		    "plist: more than %d elements", LIMIT_PLIST_NODES);
	if (in->el == EL_DICT) {
		if (in->after_key == (el == EL_KEY))
			return bad(s, "key and value do not alternate");
		in->after_key = !in->after_key;
	} else if (el == EL_KEY) {
		return bad(s, "key outside a dictionary");
	}
	if (in->el == EL_PLIST && (in->has_content || el != EL_DICT))
		return bad(s, "root is not one dictionary");
	in->has_content = true;
	s->values += el != EL_KEY;
	return true;
}

static bool
open_element(struct scan *s, struct tag t)
{
	if (!place(s, t.el))
		return false;
	if (t.empty)
		return true;
	if (!elements[t.el].container)
		return scan_scalar(s, t.el);
	if (s->depth == LIMIT_PLIST_DEPTH)
		return bad(s, "nested too deeply");
	s->open[++s->depth] = (struct open){ .el = t.el };
	return true;
}

/* The elements up to and with </plist>. */
static bool
scan_tree(struct scan *s)
{
	struct tag t;

	for (;;) {
		const struct open *in = &s->open[s->depth];

		if (!scan_gap(s) || !scan_tag(s, &t))
			return false;
		if (t.el == EL_PLIST && !t.closing)
			return bad(s, "plist in a plist");
		if (!t.closing) {
			if (!open_element(s, t))
				return false;
			continue;
		}
		if (t.el != in->el || in->after_key)
			return bad(s, "wrong closing element");
		if (t.el == EL_PLIST)
			return in->has_content || bad(s, "empty");
		s->depth--;
	}
}

bool
pl_scan(
    struct slice xml, struct slice *xml_out, size_t *values_out, struct err *e)
{
	struct scan s = { .p = xml.p, .end = xml.p + xml.len, .e = e };
	struct tag t;

	ACCEPT(&s, "\xef\xbb\xbf"); /* a byte order mark says nothing */
	s.start = s.p;
	if (!scan_prolog(&s) || !scan_gap(&s) || !scan_tag(&s, &t))
		return false;
	if (t.el != EL_PLIST || t.closing)
		return bad(&s, "root element is not <plist>");
	s.open[0] = (struct open){ .el = EL_PLIST };
	if (!scan_tree(&s) || !scan_gap(&s))
		return false;
	if (s.p != s.end)
		return bad(&s, "something behind </plist>");
	*xml_out = slice_of(s.start, (size_t)(s.end - s.start));
	*values_out = s.values;
	return true;
}
