/*
 * Base64, hexadecimal and UUIDs.  No state; any thread may call.
 */
#include <string.h>

#include "core/encode.h"
#include "core/random.h"

static const char b64_alphabet[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/* Values of the alphabet above; -1 for everything else. */
static const int16_t b64_values[256] = {
	/* clang-format off */
	-1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1,
	-1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1,
	-1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, 62, -1, -1, -1, 63,
	52, 53, 54, 55, 56, 57, 58, 59, 60, 61, -1, -1, -1, -1, -1, -1,
	-1,  0,  1,  2,  3,  4,  5,  6,  7,  8,  9, 10, 11, 12, 13, 14,
	15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, -1, -1, -1, -1, -1,
	-1, 26, 27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 37, 38, 39, 40,
	41, 42, 43, 44, 45, 46, 47, 48, 49, 50, 51, -1, -1, -1, -1, -1,
	[128 ... 255] = -1,
	/* clang-format on */
};

/* What a character means under the flags, when it is not of the alphabet. */
enum { B64_BAD = -1, B64_SKIP = -2, B64_PAD = -3 };

struct b64_state {
	uint32_t bits;  /* of the group begun */
	unsigned count; /* characters in it */
	unsigned pads;
};

void
b64_encode(struct buf *out, struct slice in)
{
	const uint8_t *p = in.p;
	size_t left = in.len;
	uint8_t *at = buf_grow(out, (in.len + 2) / 3 * 4);

	if (at == NULL)
		return;
	for (; left >= 3; left -= 3, p += 3) {
		*at++ = (uint8_t)b64_alphabet[p[0] >> 2];
		*at++ = (uint8_t)b64_alphabet[(p[0] & 3) << 4 | p[1] >> 4];
		*at++ = (uint8_t)b64_alphabet[(p[1] & 15) << 2 | p[2] >> 6];
		*at++ = (uint8_t)b64_alphabet[p[2] & 63];
	}
	if (left == 0)
		return;
	*at++ = (uint8_t)b64_alphabet[p[0] >> 2];
	if (left == 1) {
		*at++ = (uint8_t)b64_alphabet[(p[0] & 3) << 4];
		*at++ = '=';
	} else {
		*at++ = (uint8_t)b64_alphabet[(p[0] & 3) << 4 | p[1] >> 4];
		*at++ = (uint8_t)b64_alphabet[(p[1] & 15) << 2];
	}
	*at = '=';
}

static int
b64_value(uint8_t c, unsigned flags)
{
	if (b64_values[c] >= 0)
		return b64_values[c];
	switch (c) {
	case '=':
		return B64_PAD;
	case '-':
		return flags & B64_URL ? 62 : B64_BAD;
	case '_':
		return flags & B64_URL ? 63 : B64_BAD;
	case ' ':
		if (flags & B64_SPACE_PLUS)
			return 62;
		/* fall through */
	case '\t':
	case '\r':
	case '\n':
		return flags & B64_SPACES ? B64_SKIP : B64_BAD;
	default:
		return B64_BAD;
	}
}

/* out is NULL when the text is only checked. */
static void
b64_out(struct buf *out, const void *p, size_t len)
{
	if (out != NULL)
		buf_add(out, p, len);
}

/* One character that is not part of a plain group; false if it is wrong. */
static bool
b64_step(struct b64_state *st, uint8_t c, unsigned flags, struct buf *out)
{
	int value = b64_value(c, flags);
	uint8_t three[3];

	if (value == B64_SKIP)
		return true;
	if (value == B64_PAD) {
		st->pads++;
		return st->count >= 2 && st->count + st->pads <= 4;
	}
	if (value == B64_BAD || st->pads > 0)
		return false;
	st->bits = st->bits << 6 | (uint32_t)value;
	if (++st->count < 4)
		return true;
	three[0] = (uint8_t)(st->bits >> 16);
	three[1] = (uint8_t)(st->bits >> 8);
	three[2] = (uint8_t)st->bits;
	b64_out(out, three, sizeof(three));
	*st = (struct b64_state){ 0 };
	return true;
}

/* The last, short group; false if it is malformed. */
static bool
b64_finish(const struct b64_state *st, unsigned flags, struct buf *out)
{
	uint32_t bits = st->bits;
	uint8_t two[2];

	if (st->count == 0)
		return st->pads == 0;
	if (st->count == 1)
		return false;
	if (st->count + st->pads != 4 &&
	    (st->pads > 0 || !(flags & B64_NO_PAD)))
		return false;
	if (st->count == 2) {
		two[0] = (uint8_t)(bits >> 4);
		b64_out(out, two, 1);
		return (bits & 0xf) == 0;
	}
	two[0] = (uint8_t)(bits >> 10);
	two[1] = (uint8_t)(bits >> 2);
	b64_out(out, two, 2);
	return (bits & 3) == 0;
}

/*
 * Decodes groups of four characters of the alphabet as long as there are
 * any; nearly all input is nothing else.  Returns how many were consumed.
 */
static size_t
b64_groups(struct buf *out, struct slice in)
{
	uint8_t chunk[192];
	size_t used = 0, done = 0;

	for (; in.len - done >= 4; done += 4) {
		const uint8_t *p = in.p + done;
		int a = b64_values[p[0]], b = b64_values[p[1]];
		int c = b64_values[p[2]], d = b64_values[p[3]];
		uint32_t bits;

		if ((a | b | c | d) < 0)
			break;
		bits = (uint32_t)a << 18 | (uint32_t)b << 12 |
		       (uint32_t)c << 6 | (uint32_t)d;
		chunk[used++] = (uint8_t)(bits >> 16);
		chunk[used++] = (uint8_t)(bits >> 8);
		chunk[used++] = (uint8_t)bits;
		if (used == sizeof(chunk)) {
			b64_out(out, chunk, used);
			used = 0;
		}
	}
	b64_out(out, chunk, used);
	mem_wipe(chunk, used);
	return done;
}

static bool
b64_run(struct buf *out, struct slice in, unsigned flags)
{
	struct b64_state st = { 0 };
	size_t i = 0;

	while (i < in.len) {
		if (st.count == 0 && st.pads == 0)
			i += b64_groups(out, slice_of(in.p + i, in.len - i));
		if (i < in.len && !b64_step(&st, in.p[i++], flags, out))
			return false;
	}
	return b64_finish(&st, flags, out);
}

bool
b64_decode(struct buf *out, struct slice in, unsigned flags, struct err *e)
{
	size_t before = out->len;

	if (!b64_run(out, in, flags)) {
		buf_cut(out, before);
		return err_set(e, ERR_INVALID, "malformed base64");
	}
	return buf_ok(out, e);
}

bool
b64_valid(struct slice in, unsigned flags)
{
	return b64_run(NULL, in, flags);
}

void
hex_to(char *out, const void *p, size_t len)
{
	static const char alphabet[] = "0123456789abcdef";
	const uint8_t *in = p;

	for (size_t i = 0; i < len; i++) {
		*out++ = alphabet[in[i] >> 4];
		*out++ = alphabet[in[i] & 15];
	}
	*out = '\0';
}

void
hex_encode(struct buf *out, struct slice in)
{
	uint8_t *at = buf_grow(out, 2 * in.len);

	/* A buffer has room for the NUL behind what is in it. */
	if (at != NULL)
		hex_to((char *)at, in.p, in.len);
}

int
hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

bool
hex_decode(struct buf *out, struct slice in, struct err *e)
{
	size_t before = out->len;

	if (in.len % 2 != 0)
		return err_set(e, ERR_INVALID, "odd number of hex digits");
	for (size_t i = 0; i < in.len; i += 2) {
		int high = hex_digit((char)in.p[i]);
		int low = hex_digit((char)in.p[i + 1]);

		if (high < 0 || low < 0) {
			buf_cut(out, before);
			return err_set(e, ERR_INVALID, "not a hex digit");
		}
		buf_addc(out, (char)(high << 4 | low));
	}
	return buf_ok(out, e);
}

static void
uuid_with(const uint8_t random[16], char out[UUID_SIZE], const char *alphabet)
{
	char *at = out;
	uint8_t id[16];

	memcpy(id, random, sizeof(id));
	id[6] = (id[6] & 0x0f) | 0x40; /* version 4 */
	id[8] = (id[8] & 0x3f) | 0x80; /* variant of RFC 9562 */
	for (size_t i = 0; i < sizeof(id); i++) {
		if (i == 4 || i == 6 || i == 8 || i == 10)
			*at++ = '-';
		*at++ = alphabet[id[i] >> 4];
		*at++ = alphabet[id[i] & 15];
	}
	*at = '\0';
}

void
uuid_new(char out[UUID_SIZE])
{
	uint8_t random[16];

	random_bytes(random, sizeof(random));
	uuid_with(random, out, "0123456789ABCDEF");
}

void
uuid_new_lower(char out[UUID_SIZE])
{
	uint8_t random[16];

	random_bytes(random, sizeof(random));
	uuid_lower_of(random, out);
}

void
uuid_lower_of(const uint8_t random[16], char out[UUID_SIZE])
{
	uuid_with(random, out, "0123456789abcdef");
}

bool
uuid_valid(const char *s)
{
	if (s == NULL || strlen(s) != UUID_SIZE - 1)
		return false;
	for (size_t i = 0; i < UUID_SIZE - 1; i++) {
		bool dash = i == 8 || i == 13 || i == 18 || i == 23;

		if (dash ? s[i] != '-' : hex_digit(s[i]) < 0)
			return false;
	}
	return true;
}
