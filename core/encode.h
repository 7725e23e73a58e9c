/* Base64, hexadecimal, UUIDs and XML/JSON-safe text. */
#pragma once

#include "core/str.h"

/* RFC 4648 section 4, with padding, no line breaks. */
void b64_encode(struct buf *out, struct slice in);

/* What b64_decode() tolerates beyond RFC 4648 section 4. */
enum b64_flags {
	B64_STRICT = 0,    /* padded, no white space */
	B64_SPACES = 1,    /* white space between characters is skipped */
	B64_URL = 2,       /* '-' and '_' are accepted for '+' and '/' */
	B64_NO_PAD = 4,    /* padding may be missing */
	B64_SPACE_PLUS = 8 /* a blank stands for '+' (broken query decoding) */
};

/*
 * Appends the decoded bytes.  Non-zero unused bits, a length of 1 mod 4, data
 * after padding and characters outside the alphabet are ERR_INVALID.
 */
MUST_CHECK bool b64_decode(
    struct buf *out, struct slice in, unsigned flags, struct err *e);

/* True if b64_decode() would take it. */
bool b64_valid(struct slice in, unsigned flags);

/* Lower case. */
void hex_encode(struct buf *out, struct slice in);
/* out has room for 2 * len + 1 bytes. */
void hex_to(char *out, const void *p, size_t len);
/* The value of a digit of either case; -1 for what is none. */
int hex_digit(char c);
/* Either case; an odd length or another character is ERR_INVALID. */
MUST_CHECK bool hex_decode(struct buf *out, struct slice in, struct err *e);

enum { UUID_SIZE = 37 };
/* Random UUID (RFC 9562 version 4), upper case as Apple's tools write them. */
void uuid_new(char out[UUID_SIZE]);
/* The same in lower case, as APNs wants apns-id. */
void uuid_new_lower(char out[UUID_SIZE]);
/* The same from random bytes that the caller has, for many at once. */
void uuid_lower_of(const uint8_t random[16], char out[UUID_SIZE]);
bool uuid_valid(const char *s);

/*
 * Appends text with & < > " ' escaped.  What XML cannot hold is dropped:
 * control characters other than tab and line ends, and bytes that are not
 * UTF-8.
 */
void xml_escape(struct buf *out, const char *s);
/* Appends UTF-8 text as a JSON string, with its quotes. */
void json_escape(struct buf *out, struct slice text);

enum { SHA256_SIZE = 32, SHA256_HEX_SIZE = 65 };
void sha256(uint8_t out[SHA256_SIZE], struct slice in);
/* Lower-case hex. */
void sha256_hex(char out[SHA256_HEX_SIZE], struct slice in);
void hmac_sha256(uint8_t out[SHA256_SIZE], struct slice key, struct slice in);
