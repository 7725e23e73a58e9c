/*
 * Writing DER (X.690) by hand, for what we produce in quantities.  No state;
 * any thread.
 */
#pragma once

#include "core/str.h"

/* Identifier octets. */
enum der_tag {
	DER_INTEGER = 0x02,
	DER_BIT_STRING = 0x03,
	DER_OCTETS = 0x04,
	DER_NULL = 0x05,
	DER_OID = 0x06,
	DER_ENUMERATED = 0x0a,
	DER_UTC_TIME = 0x17,
	DER_GENERALIZED_TIME = 0x18,
	DER_SEQUENCE = 0x30,
	DER_SET = 0x31,
	DER_0 = 0xa0
};

/* Identifier and length octets of an element whose len octets follow. */
void der_head(struct buf *out, uint8_t tag, size_t len);
/* A whole element. */
void der_put(struct buf *out, uint8_t tag, struct slice body);
/* An OBJECT IDENTIFIER, by OpenSSL's number for it (NID_...). */
void der_put_oid(struct buf *out, int nid);
enum { DER_TIME_SIZE = 15 };
/* Contents of a UTCTime through the year 2049, of a GeneralizedTime after it
 * (RFC 5280 4.1.2.5, RFC 5652 11.3); returns its identifier octet. */
uint8_t der_time(int64_t at_ms, char out[DER_TIME_SIZE], size_t *len);
/* Makes an element of all that was written since out->len was at. */
void der_wrap(struct buf *out, size_t at, uint8_t tag);
