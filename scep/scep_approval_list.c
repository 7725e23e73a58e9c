/* Requests that wait for a person or an upstream, as lists show them.  No
 * state. */
#include <openssl/err.h>

#include "certs/cert_san.h"
#include "certs/cert_template_set.h"
#include "core/clock.h"
#include "core/json.h"
#include "scep/scep_names_priv.h"
#include "scep/scep_relay_priv.h"
#include "scep/scep_waiting_priv.h"

/* A list of requests is mostly one of one template. */
struct showing {
	const struct seal *seal;
	struct cert_template *t; /* the last one; NULL: none of that name */
	char name[CERT_TEMPLATE_NAME_SIZE];
};

static void
showing_clear(struct showing *s)
{
	cert_template_free(&s->t);
}

/* What decides is what the template says now. */
static bool
find_template(
    struct store_tx *tx, struct showing *s, const char *name, struct err *e)
{
	if (str_eq(s->name, name))
		return true;
	cert_template_free(&s->t);
	str_copy_cut(s->name, sizeof(s->name), name);
	return cert_template_for_challenges(tx, name, &s->t, e);
}

/* ---- what the request itself says ---- */

static struct scep_beyond
beyond_of(const struct showing *s, const struct store_rows *r,
    const struct cert_subject *names)
{
	const struct cert_template *t =
	    s->t != NULL ? s->t : cert_template_find(CERT_TEMPLATE_SCEP);

	return (struct scep_beyond){ names, t,
		t->upstream != NULL || !store_null(r, SCEP_SHOWN_UPSTREAM) };
}

static bool
open_csr(const struct showing *s, const struct store_rows *r, struct buf **out)
{
	AUTO(scep_waiting_clear) struct scep_waiting w = { 0 };
	struct slice sealed = store_blob(r, SCEP_SHOWN_CSR);
	struct err e;

	if (s->seal == NULL)
		return false;
	store_text_copy(r, SCEP_SHOWN_ID, w.id, sizeof(w.id));
	w.csr = buf_new(sealed.len);
	buf_add(w.csr, sealed.p, sealed.len);
	return scep_waiting_open(&w, s->seal, out, &e);
}

static void
put_key(json_t *o, struct slice csr)
{
	const uint8_t *p = csr.p;
	AUTO(cert_req_free)
	X509_REQ *req = d2i_X509_REQ(NULL, &p, (long)csr.len);
	EVP_PKEY *key = req != NULL ? X509_REQ_get0_pubkey(req) : NULL;

	if (key != NULL) {
		json_put_str(o, "key_type",
		    EVP_PKEY_get_base_id(key) == EVP_PKEY_RSA ? "RSA" : "EC");
		json_put_int(o, "key_bits", EVP_PKEY_get_bits(key));
	}
	ERR_clear_error();
}

static void
put_asked(json_t *o, const struct showing *s, const struct store_rows *r)
{
	AUTO(json_free) json_t *keep = NULL;
	AUTO(buf_wipe) struct buf *csr = NULL;
	struct cert_subject names = { 0 };
	const struct cert_subject none = { 0 };
	struct scep_beyond may = beyond_of(s, r, &names);
	struct err e;
	bool known = cert_subject_from_json(
	    store_text(r, SCEP_SHOWN_SUBJECT), &names, &keep, &e);

	json_object_set(o, "subject", keep);
	json_object_set_new(o, "san",
	    cert_san_of_subject(
	        may.outside || may.template->san ? &names : &none));
	json_object_set_new(o, "ignored", json_array());
	json_put_str(o, "key_type", NULL);
	json_object_set_new(o, "key_bits", json_null());
	if (!open_csr(s, r, &csr))
		return;
	put_key(o, buf_slice(csr));
	if (known)
		json_object_set_new(
		    o, "ignored", scep_ignored(buf_slice(csr), &may));
}

/* ---- what it waits for ---- */

/* Nobody asks for it now, although it is due. */
static bool
held(const struct store_rows *r)
{
	int64_t now = clock_now_ms();

	return str_eq(store_text(r, SCEP_SHOWN_STATE), "queued") &&
	       store_null(r, SCEP_SHOWN_CLAIM) &&
	       store_int(r, SCEP_SHOWN_SLOT_AT) > now &&
	       store_int(r, SCEP_SHOWN_NEXT_AT) <
	           store_int(r, SCEP_SHOWN_SLOT_AT);
}

/* By the upstream's rate, or because it rests after a fault of another. */
static char *
why_held(const struct store_rows *r)
{
	AUTO(json_free) json_t *fields = NULL;
	int64_t rate = 0;
	struct err e;

	if (store_int(r, SCEP_SHOWN_FAULTS) > 0)
		return str_dup("the upstream failed last, and rests until the "
		               "next try");
	if (json_parse(
	        slice_str(store_text(r, SCEP_SHOWN_FIELDS)), &fields, &e)) {
		scep_upstream_conf_complete(fields);
		rate =
		    json_integer_value(json_object_get(fields, "rate_per_min"));
	}
	return str_printf("waits for its turn: the upstream is asked at most "
	                  "%lld times a minute",
	    (long long)rate);
}

static void
put_wait(json_t *o, const struct store_rows *r)
{
	bool is_held = held(r);
	AUTO(str_free)
	char *why =
	    is_held && store_null(r, SCEP_SHOWN_REASON) ? why_held(r) : NULL;

	json_put_str(
	    o, "reason", why != NULL ? why : store_text(r, SCEP_SHOWN_REASON));
	json_put_time(o, "next_at",
	    store_int(r, is_held ? SCEP_SHOWN_SLOT_AT : SCEP_SHOWN_NEXT_AT));
}

static json_t *
shown(const struct showing *s, const struct store_rows *r)
{
	json_t *o = json_object();

	json_put_str(o, "id", store_text(r, SCEP_SHOWN_ID));
	json_put_str(o, "transaction", store_text(r, SCEP_SHOWN_TRANSACTION));
	put_asked(o, s, r);
	json_put_str(o, "template", store_text(r, SCEP_SHOWN_TEMPLATE));
	json_put_str(o, "key", store_text(r, SCEP_SHOWN_KEY));
	json_put_str(o, "peer", store_text(r, SCEP_SHOWN_PEER));
	json_put_str(o, "state", store_text(r, SCEP_SHOWN_STATE));
	put_wait(o, r);
	json_put_str(o, "decided_by", store_text(r, SCEP_SHOWN_BY));
	json_put_str(o, "certificate", store_text(r, SCEP_SHOWN_CERTIFICATE));
	json_put_time(o, "created_at", store_int(r, SCEP_SHOWN_CREATED_AT));
	json_put_time(o, "expires_at", store_int(r, SCEP_SHOWN_EXPIRES_AT));
	json_put_time(o, "decided_at", store_int(r, SCEP_SHOWN_DECIDED_AT));
	json_put_str(o, "upstream", store_text(r, SCEP_SHOWN_UPSTREAM));
	json_put_int(o, "tries", store_int(r, SCEP_SHOWN_TRIES));
	json_put_int(o, "polls", store_int(r, SCEP_SHOWN_POLLS));
	json_put_bool(o, "upstream_waits", store_int(r, SCEP_SHOWN_SEEN) == 2);
	return o;
}

static bool
show_next(struct store_tx *tx, struct showing *s, struct store_rows *r,
    json_t **out, struct err *e)
{
	if (!find_template(tx, s, store_text(r, SCEP_SHOWN_TEMPLATE), e))
		return false;
	*out = shown(s, r);
	return true;
}

bool
scep_approval_list(struct store_tx *tx, const struct scep_request_page *page,
    json_t *array, char **next_out, struct err *e)
{
	AUTO(store_rows_free) struct store_rows *r = NULL;
	AUTO(showing_clear) struct showing s = { .seal = page->seal };
	AUTO(str_free) char *last = NULL;
	bool more;

	if (!scep_db_waiting_page(tx, page, &r, e))
		return false;
	for (;;) {
		json_t *one;

		if (!store_next(r, &more, e))
			return false;
		if (!more || json_array_size(array) == (size_t)page->limit)
			break;
		if (!show_next(tx, &s, r, &one, e))
			return false;
		json_array_append_new(array, one);
		str_free(&last);
		last = str_printf("%lld:%s",
		    (long long)store_int(r, SCEP_SHOWN_CREATED_AT),
		    store_text(r, SCEP_SHOWN_ID));
	}
	*next_out = more ? TAKE(last) : NULL;
	return true;
}

bool
scep_approval_json(struct store_tx *tx, const struct seal *seal, const char *id,
    json_t **out, struct err *e)
{
	AUTO(store_rows_free) struct store_rows *r = NULL;
	AUTO(showing_clear) struct showing s = { .seal = seal };
	bool found;

	if (!scep_db_waiting_row(tx, id, &r, e) || !store_next(r, &found, e))
		return false;
	if (!found)
		return err_set(e, ERR_NOT_FOUND, "no such SCEP request");
	return show_next(tx, &s, r, out, e);
}
