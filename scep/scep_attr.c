/*
 * The signed attributes of SCEP messages (RFC 8894 section 3.2.1): one table
 * of object identifiers, read in one pass over a message and written in one.
 * No state; any thread.
 */
#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "core/der.h"
#include "core/limits.h"
#include "scep/scep_priv.h"

/* Contents octets of the object identifiers, by enum scep_attr. */
static const struct {
	const char *name;
	size_t len;
	uint8_t oid[10];
} known[SCEP_ATTRS] = {
	[SCEP_ATTR_TYPE] = { "messageType", 10,
	    { 0x60, 0x86, 0x48, 0x01, 0x86, 0xf8, 0x45, 0x01, 0x09, 0x02 } },
	[SCEP_ATTR_STATUS] = { "pkiStatus", 10,
	    { 0x60, 0x86, 0x48, 0x01, 0x86, 0xf8, 0x45, 0x01, 0x09, 0x03 } },
	[SCEP_ATTR_FAIL_INFO] = { "failInfo", 10,
	    { 0x60, 0x86, 0x48, 0x01, 0x86, 0xf8, 0x45, 0x01, 0x09, 0x04 } },
	[SCEP_ATTR_SENDER_NONCE] = { "senderNonce", 10,
	    { 0x60, 0x86, 0x48, 0x01, 0x86, 0xf8, 0x45, 0x01, 0x09, 0x05 } },
	[SCEP_ATTR_RECIPIENT_NONCE] = { "recipientNonce", 10,
	    { 0x60, 0x86, 0x48, 0x01, 0x86, 0xf8, 0x45, 0x01, 0x09, 0x06 } },
	[SCEP_ATTR_TRANSACTION] = { "transactionID", 10,
	    { 0x60, 0x86, 0x48, 0x01, 0x86, 0xf8, 0x45, 0x01, 0x09, 0x07 } },
	[SCEP_ATTR_FAIL_TEXT] = { "failInfoText", 8,
	    { 0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x18, 0x01 } },
	[SCEP_ATTR_CONTENT_TYPE] = { "contentType", 9,
	    { 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x03 } },
	[SCEP_ATTR_DIGEST] = { "messageDigest", 9,
	    { 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x04 } },
};

const char *
scep_fail_name(int fail)
{
	static const char *const names[] = {
		[SCEP_BAD_ALG] = "badAlg",
		[SCEP_BAD_MESSAGE_CHECK] = "badMessageCheck",
		[SCEP_BAD_REQUEST] = "badRequest",
		[SCEP_BAD_TIME] = "badTime",
		[SCEP_BAD_CERT_ID] = "badCertId",
	};

	return fail >= 0 && fail < (int)COUNT(names) ? names[fail]
	                                             : "no failInfo";
}

static int
find(const ASN1_OBJECT *o)
{
	struct slice oid = slice_of(OBJ_get0_data(o), OBJ_length(o));

	for (int i = 0; i < SCEP_ATTRS; i++)
		if (slice_eq(oid, slice_of(known[i].oid, known[i].len)))
			return i;
	return -1;
}

static struct scep_attr_value
value_of(X509_ATTRIBUTE *attr)
{
	struct scep_attr_value none = { 0 };
	ASN1_TYPE *t;

	if (X509_ATTRIBUTE_count(attr) != 1)
		return none;
	t = X509_ATTRIBUTE_get0_type(attr, 0);
	if (t == NULL)
		return none;
	switch (t->type) {
	case V_ASN1_OBJECT:
		return (struct scep_attr_value){ t->type,
			slice_of(OBJ_get0_data(t->value.object),
			    OBJ_length(t->value.object)) };
	case V_ASN1_OCTET_STRING:
	case V_ASN1_PRINTABLESTRING:
	case V_ASN1_UTF8STRING:
	case V_ASN1_IA5STRING:
		return (struct scep_attr_value){ t->type,
			slice_of(ASN1_STRING_get0_data(t->value.asn1_string),
			    (size_t)ASN1_STRING_length(t->value.asn1_string)) };
	default:
		return none;
	}
}

void
scep_attr_read(
    CMS_SignerInfo *si, struct scep_attr_value out[static SCEP_ATTRS])
{
	bool seen[SCEP_ATTRS] = { false };
	int count = CMS_signed_get_attr_count(si);

	memset(out, 0, SCEP_ATTRS * sizeof(*out));
	for (int i = 0; i < count; i++) {
		X509_ATTRIBUTE *attr = CMS_signed_get_attr(si, i);
		int which = find(X509_ATTRIBUTE_get0_object(attr));

		if (which < 0)
			continue;
		if (seen[which])
			out[which] = (struct scep_attr_value){ 0 };
		else
			out[which] = value_of(attr);
		seen[which] = true;
	}
}

static bool
is_text(struct scep_attr_value v)
{
	return v.tag == V_ASN1_PRINTABLESTRING || v.tag == V_ASN1_UTF8STRING ||
	       v.tag == V_ASN1_IA5STRING;
}

/* "0" to "999", no sign, no leading zero; -1 for anything else. */
static int
small_number(struct scep_attr_value v)
{
	int n = 0;

	if (!is_text(v) || v.s.len < 1 || v.s.len > 3 ||
	    (v.s.len > 1 && v.s.p[0] == '0'))
		return -1;
	for (size_t i = 0; i < v.s.len; i++) {
		if (v.s.p[i] < '0' || v.s.p[i] > '9')
			return -1;
		n = n * 10 + (v.s.p[i] - '0');
	}
	return n;
}

static bool
take_transaction(struct scep_attr_value v, struct scep_message *m)
{
	if (!is_text(v) || v.s.len < 1 || v.s.len > LIMIT_TRANSACTION_ID)
		return false;
	for (size_t i = 0; i < v.s.len; i++)
		if (v.s.p[i] < 0x20 || v.s.p[i] > 0x7e)
			return false;
	memcpy(m->transaction_id, v.s.p, v.s.len);
	m->transaction_id[v.s.len] = '\0';
	m->transaction_tag = v.tag;
	return true;
}

static bool
take_nonce(struct scep_attr_value v, uint8_t out[LIMIT_NONCE], size_t *len_out)
{
	if (v.tag != V_ASN1_OCTET_STRING || v.s.len < 1 ||
	    v.s.len > LIMIT_NONCE)
		return false;
	memcpy(out, v.s.p, v.s.len);
	*len_out = v.s.len;
	return true;
}

static void
take_fail_text(struct scep_attr_value v, struct scep_message *m)
{
	size_t len = v.s.len;

	if (!is_text(v))
		return;
	if (len > sizeof(m->fail_text) - 1)
		len = sizeof(m->fail_text) - 1;
	memcpy(m->fail_text, v.s.p, len);
	m->fail_text[len] = '\0';
}

bool
scep_attr_take(const struct scep_attr_value a[static SCEP_ATTRS],
    struct scep_message *m, struct err *e)
{
	if (!take_transaction(a[SCEP_ATTR_TRANSACTION], m))
		return err_set(e, ERR_INVALID,
		    "RFC 8894 3.2.1.1: no usable transactionID");
	m->type = small_number(a[SCEP_ATTR_TYPE]);
	if (m->type < 0)
		return err_set(
		    e, ERR_INVALID, "RFC 8894 3.2.1.2: no usable messageType");
	if (!take_nonce(a[SCEP_ATTR_SENDER_NONCE], m->sender_nonce,
	        &m->sender_nonce_len))
		return err_set(
		    e, ERR_INVALID, "RFC 8894 3.2.1.5: no usable senderNonce");

	/* Of replies; whether they have to be there is the client's matter. */
	if (!take_nonce(a[SCEP_ATTR_RECIPIENT_NONCE], m->recipient_nonce,
	        &m->recipient_nonce_len))
		m->recipient_nonce_len = 0;
	m->status = small_number(a[SCEP_ATTR_STATUS]);
	m->fail_info = small_number(a[SCEP_ATTR_FAIL_INFO]);
	take_fail_text(a[SCEP_ATTR_FAIL_TEXT], m);
	return true;
}

void
scep_attr_list_clear(struct scep_attr_list *a)
{
	buf_free(&a->bytes);
}

void
scep_attr_add(
    struct scep_attr_list *a, struct slice type, int tag, struct slice value)
{
	size_t at = a->bytes->len, values;

	assert(a->count < COUNT(a->list));
	der_put(a->bytes, DER_OID, type);
	values = a->bytes->len;
	der_put(a->bytes, (uint8_t)tag, value);
	der_wrap(a->bytes, values, DER_SET);
	der_wrap(a->bytes, at, DER_SEQUENCE);
	a->list[a->count].at = at;
	a->list[a->count++].len = a->bytes->len - at;
}

static void
add(struct scep_attr_list *a, enum scep_attr which, int tag, struct slice s)
{
	scep_attr_add(a, slice_of(known[which].oid, known[which].len), tag, s);
}

static void
add_number(struct scep_attr_list *a, enum scep_attr which, int n)
{
	char text[12];

	if (n < 0)
		return;
	snprintf(text, sizeof(text), "%d", n);
	add(a, which, V_ASN1_PRINTABLESTRING, slice_str(text));
}

void
scep_attr_add_set(struct scep_attr_list *a, const struct scep_attr_set *set)
{
	add_number(a, SCEP_ATTR_TYPE, set->type);
	add_number(a, SCEP_ATTR_STATUS, set->status);
	add_number(a, SCEP_ATTR_FAIL_INFO, set->fail_info);
	add(a, SCEP_ATTR_TRANSACTION, set->transaction_tag,
	    slice_str(set->transaction_id));
	add(a, SCEP_ATTR_SENDER_NONCE, V_ASN1_OCTET_STRING, set->sender_nonce);
	if (set->recipient_nonce.len > 0)
		add(a, SCEP_ATTR_RECIPIENT_NONCE, V_ASN1_OCTET_STRING,
		    set->recipient_nonce);
	if (set->fail_text != NULL)
		add(a, SCEP_ATTR_FAIL_TEXT, V_ASN1_UTF8STRING,
		    slice_str(set->fail_text));
}

/* Of those not done yet; no encoding begins with another one. */
static size_t
least(const struct scep_attr_list *a, const bool *done)
{
	size_t which = COUNT(a->list);

	for (size_t i = 0; i < a->count; i++) {
		size_t len = a->list[i].len;

		if (done[i])
			continue;
		if (which < a->count && a->list[which].len < len)
			len = a->list[which].len;
		if (which >= a->count ||
		    memcmp(a->bytes->p + a->list[i].at,
		        a->bytes->p + a->list[which].at, len) < 0)
			which = i;
	}
	return which;
}

void
scep_attr_put(const struct scep_attr_list *a, struct buf *out)
{
	bool done[COUNT(a->list)] = { false };

	for (size_t n = 0; n < a->count; n++) {
		size_t which = least(a, done);

		done[which] = true;
		buf_add(
		    out, a->bytes->p + a->list[which].at, a->list[which].len);
	}
}
