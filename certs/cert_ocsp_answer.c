/*
 * The responder: who is asked about, what the ledger says, and the signed
 * answer, kept when others may be given the same.  Any thread.
 */
#include <openssl/err.h>
#include <string.h>

#include "certs/cert_ocsp_priv.h"

#define ANSWER_LIFE_MS MS_H

static void
response_free(OCSP_RESPONSE **r)
{
	OCSP_RESPONSE_free(*r);
	*r = NULL;
}

static void
basic_free(OCSP_BASICRESP **b)
{
	OCSP_BASICRESP_free(*b);
	*b = NULL;
}

/* ---- the service ---- */

struct cert_ocsp *
cert_ocsp_new(const struct cert_ocsp_options *options)
{
	struct cert_ocsp *o = mem_zalloc(1, sizeof(*o));

	o->o = *options;
	o->kept = mem_zalloc(OCSP_CACHE, sizeof(*o->kept));
	pthread_mutex_init(&o->lock, NULL);
	pthread_mutex_init(&o->kept_lock, NULL);
	return o;
}

void
cert_ocsp_free(struct cert_ocsp **op)
{
	struct cert_ocsp *o = *op;

	if (o == NULL)
		return;
	for (size_t i = 0; i < o->responder_count; i++)
		cert_ocsp_responder_clear(&o->responders[i]);
	for (size_t i = 0; i < OCSP_CACHE; i++)
		buf_free(&o->kept[i].der);
	mem_free(&o->kept);
	pthread_mutex_destroy(&o->lock);
	pthread_mutex_destroy(&o->kept_lock);
	mem_free(op);
}

void
cert_ocsp_stats(struct cert_ocsp *o, struct cert_ocsp_stats *out)
{
	out->answers = o->answers;
	out->cached = o->cached;
	out->refused = o->refused;
}

void
cert_ocsp_reply_clear(struct cert_ocsp_reply *r)
{
	buf_free(&r->der);
}

/* ---- answers ---- */

void
cert_ocsp_refusal(enum cert_ocsp_status status, struct cert_ocsp_reply *out)
{
	/* OCSPResponse { responseStatus } and nothing else. */
	uint8_t der[] = { 0x30, 0x03, 0x0a, 0x01, (uint8_t)status };

	*out = (struct cert_ocsp_reply){ .der = buf_new(sizeof(der)),
		.status = status };
	buf_add(out->der, der, sizeof(der));
}

/* A piece of work: one request. */
struct job {
	struct cert_ocsp_query q;
	const struct cert_member *issuer;
	struct cert_ocsp_found found[OCSP_SINGLES_MAX];
	int64_t this_update, next_update;
};

static const struct cert_member *
issuer_of(const struct cert_authority *a, OCSP_CERTID *id)
{
	const struct cert_member *const *members = NULL;
	size_t n = cert_authority_members(a, &members);

	for (size_t i = 0; i < n; i++)
		if (str_eq(members[i]->role, CERT_ROLE_ISSUING) &&
		    cert_ocsp_names(id, members[i]->certificate))
			return members[i];
	return NULL;
}

/* A responder speaks for one authority: all that is asked has to be of it. */
static bool
find_issuer(const struct cert_authority *a, struct job *j)
{
	j->issuer = issuer_of(a, cert_ocsp_single(&j->q, 0));
	for (int i = 1; i < j->q.count; i++)
		if (j->issuer != issuer_of(a, cert_ocsp_single(&j->q, i)))
			return false;
	return j->issuer != NULL;
}

static bool
look_up(struct cert_ocsp *o, struct job *j, struct err *e)
{
	AUTO(store_rollback) struct store_tx *tx = NULL;
	char serial[OCSP_SERIAL_SIZE];

	if (!store_begin(o->o.store, STORE_READ, &tx, e))
		return false;
	for (int i = 0; i < j->q.count; i++) {
		j->found[i] = (struct cert_ocsp_found){ 0 };
		if (cert_ocsp_serial(cert_ocsp_single(&j->q, i), serial) &&
		    !cert_ocsp_db_status(
		        tx, j->issuer->id, serial, &j->found[i], e))
			return false;
	}
	return true;
}

static bool
add_single(OCSP_BASICRESP *b, const struct job *j, int i)
{
	const struct cert_ocsp_found *f = &j->found[i];
	AUTO(cert_time_free)
	ASN1_TIME *from =
	    ASN1_TIME_adj(NULL, (time_t)(j->this_update / MS_S), 0, 0);
	AUTO(cert_time_free)
	ASN1_TIME *to =
	    ASN1_TIME_adj(NULL, (time_t)(j->next_update / MS_S), 0, 0);
	AUTO(cert_time_free) ASN1_TIME *at = NULL;
	int status = !f->known    ? V_OCSP_CERTSTATUS_UNKNOWN
	             : f->revoked ? V_OCSP_CERTSTATUS_REVOKED
	                          : V_OCSP_CERTSTATUS_GOOD;

	if (f->revoked)
		at = ASN1_TIME_adj(NULL, (time_t)(f->revoked_at / MS_S), 0, 0);
	/* Reason 0 is said by saying nothing. */
	return from != NULL && to != NULL && (at != NULL || !f->revoked) &&
	       OCSP_basic_add1_status(b, cert_ocsp_single(&j->q, i), status,
	           f->revoked && f->reason != 0 ? f->reason : -1, at, from,
	           to) != NULL;
}

static bool
encode(OCSP_BASICRESP *basic, struct buf **out, struct err *e)
{
	AUTO(response_free)
	OCSP_RESPONSE *r =
	    OCSP_response_create(OCSP_RESPONSE_STATUS_SUCCESSFUL, basic);
	AUTO(cert_openssl_free) unsigned char *der = NULL;
	int len = r != NULL ? i2d_OCSP_RESPONSE(r, &der) : -1;

	if (len <= 0)
		return err_openssl(e, ERR_INTERNAL, "OCSP answer");
	*out = buf_new((size_t)len);
	buf_add(*out, der, (size_t)len);
	return true;
}

static bool
sign(struct cert_ocsp *o, const struct job *j, struct buf **out, struct err *e)
{
	AUTO(cert_ocsp_responder_clear) struct cert_ocsp_responder r = { 0 };
	AUTO(basic_free) OCSP_BASICRESP *b = OCSP_BASICRESP_new();

	if (!cert_ocsp_responder_get(o, j->issuer, &r, e))
		return false;
	if (b == NULL)
		return err_openssl(e, ERR_INTERNAL, "OCSP answer");
	for (int i = 0; i < j->q.count; i++)
		if (!add_single(b, j, i))
			return err_openssl(e, ERR_INTERNAL, "OCSP answer");
	if ((j->q.nonce && OCSP_copy_nonce(b, j->q.rq) != 1) ||
	    OCSP_basic_sign(b, r.certificate, r.key, EVP_sha256(), NULL,
	        OCSP_RESPID_KEY) != 1)
		return err_openssl(e, ERR_INTERNAL, "signing an OCSP answer");
	return encode(b, out, e);
}

/* ---- answers that are kept ---- */

/*
 * The CertID names authority and certificate, and how the client asked, which
 * the answer repeats.  Of one certificate there are few: a digest, with NULL
 * or without, hashes that are the issuer's, and a number of the ledger.
 */
static bool
key_of(const struct job *j, uint8_t out[SHA256_SIZE])
{
	AUTO(cert_openssl_free) unsigned char *der = NULL;
	int len = i2d_OCSP_CERTID(cert_ocsp_single(&j->q, 0), &der);

	if (len <= 0) {
		ERR_clear_error();
		return false;
	}
	sha256(out, slice_of(der, (size_t)len));
	return true;
}

static struct cert_ocsp_kept *
slot_of(struct cert_ocsp *o, const uint8_t key[SHA256_SIZE])
{
	return &o->kept[((size_t)key[0] << 8 | key[1]) % OCSP_CACHE];
}

static bool
same(const struct cert_ocsp_found *a, const struct cert_ocsp_found *b)
{
	return a->known == b->known && a->revoked == b->revoked &&
	       a->revoked_at == b->revoked_at && a->reason == b->reason;
}

static bool
recall(struct cert_ocsp *o, const struct job *j, const uint8_t key[SHA256_SIZE],
    struct cert_ocsp_reply *out)
{
	struct cert_ocsp_kept *k = slot_of(o, key);
	bool good;

	pthread_mutex_lock(&o->kept_lock);
	/* Half of its life has to lie ahead. */
	good = k->der != NULL && memcmp(k->key, key, SHA256_SIZE) == 0 &&
	       same(&k->found, &j->found[0]) &&
	       j->this_update >= k->this_update &&
	       j->this_update < k->this_update + ANSWER_LIFE_MS / 2;
	if (good) {
		*out = (struct cert_ocsp_reply){ .der = buf_new(k->der->len),
			.this_update = k->this_update,
			.next_update = k->next_update };
		buf_add(out->der, k->der->p, k->der->len);
	}
	pthread_mutex_unlock(&o->kept_lock);
	return good;
}

static void
keep(struct cert_ocsp *o, const struct job *j, const uint8_t key[SHA256_SIZE],
    const struct buf *der)
{
	struct cert_ocsp_kept *k = slot_of(o, key);

	if (der->len > OCSP_KEPT_MAX)
		return;
	pthread_mutex_lock(&o->kept_lock);
	buf_free(&k->der);
	memcpy(k->key, key, SHA256_SIZE);
	k->found = j->found[0];
	k->this_update = j->this_update;
	k->next_update = j->next_update;
	k->der = buf_new(der->len);
	buf_add(k->der, der->p, der->len);
	pthread_mutex_unlock(&o->kept_lock);
}

static bool
answer(struct cert_ocsp *o, struct job *j, struct cert_ocsp_reply *out,
    struct err *e)
{
	uint8_t key[SHA256_SIZE];
	bool keeps;

	if (!look_up(o, j, e))
		return false;
	/* What strangers make up does not push out what is real. */
	keeps = j->q.count == 1 && !j->q.nonce && j->found[0].known &&
	        key_of(j, key);
	if (keeps && recall(o, j, key, out)) {
		o->cached++;
		return true;
	}
	*out = (struct cert_ocsp_reply){ 0 };
	if (!sign(o, j, &out->der, e))
		return false;
	if (keeps) {
		out->this_update = j->this_update;
		out->next_update = j->next_update;
		keep(o, j, key, out->der);
	}
	return true;
}

static void
job_clear(struct job *j)
{
	cert_ocsp_query_clear(&j->q);
}

bool
cert_ocsp_answer(struct cert_ocsp *o, struct slice request,
    struct cert_ocsp_reply *out, struct err *e)
{
	AUTO(cert_authority_free) struct cert_authority *a = NULL;
	AUTO(job_clear) struct job j = { 0 };
	enum cert_ocsp_status refusal = CERT_OCSP_SUCCESSFUL;

	o->answers++;
	j.this_update = clock_now_ms() / MS_S * MS_S;
	j.next_update = j.this_update + ANSWER_LIFE_MS;
	a = cert_live_get(o->o.live);
	if (!cert_ocsp_parse(request, &j.q))
		refusal = CERT_OCSP_MALFORMED;
	else if (!find_issuer(a, &j))
		refusal = CERT_OCSP_UNAUTHORIZED; /* RFC 5019 2.2.3 */
	if (refusal == CERT_OCSP_SUCCESSFUL)
		return answer(o, &j, out, e);
	o->refused++;
	cert_ocsp_refusal(refusal, out);
	return true;
}
