/* Requests for push certificates in the database; their keys sealed. */
#include "apns/apns_request.h"
#include "core/clock.h"
#include "store/store_event.h"

enum { SEALED_MAX = 32 << 10 };

static char *
context_of(const char *id)
{
	return str_printf("push_request.key:%s", id);
}

bool
apns_request_save(struct store_tx *tx, const struct seal *seal,
    const struct apns_request *r, const char *actor, struct err *e)
{
	AUTO(buf_free) struct buf *key = buf_new(SEALED_MAX);
	AUTO(str_free) char *context = context_of(r->id);

	return seal_put(seal, context, slice_str(r->key_pem), key, e) &&
	       buf_ok(key, e) &&
	       store_exec(tx,
	           "INSERT INTO push_request (id, csr, key, spki, created_at, "
	           "created_by) VALUES ($1, $2, $3, $4, $5, $6)",
	           S_ARGS(S_TEXT(r->id), S_TEXT(r->csr_pem),
	               S_BLOB(buf_slice(key)), S_TEXT(r->spki),
	               S_INT(clock_now_ms()), S_TEXT(actor)),
	           NULL, e) &&
	       store_event_add(tx,
	           &(struct store_event){ .kind = "push_certificate.requested",
	               .subject_id = r->id,
	               .actor = actor },
	           e);
}

bool
apns_request_key(struct store_tx *tx, const struct seal *seal,
    struct slice cert_pem, char **key_out, struct err *e)
{
	AUTO(cert_stack_free) STACK_OF(X509) *chain = NULL;
	AUTO(store_rows_free) struct store_rows *r = NULL;
	AUTO(buf_wipe) struct buf *key = buf_new(SEALED_MAX);
	AUTO(str_free) char *context = NULL;
	char spki[SHA256_HEX_SIZE];
	bool there;

	*key_out = NULL;
	if (!cert_parse_chain(cert_pem, &chain, e))
		return err_wrap(e, "push certificate");
	if (!cert_spki_pub(
	        X509_get_X509_PUBKEY(sk_X509_value(chain, 0)), spki, e) ||
	    !store_query(tx, "SELECT id, key FROM push_request WHERE spki = $1",
	        S_ARGS(S_TEXT(spki)), &r, e) ||
	    !store_next(r, &there, e))
		return false;
	if (!there)
		return true;
	context = context_of(store_text(r, 0));
	if (!seal_get(seal, context, store_blob(r, 1), key, e) ||
	    !buf_ok(key, e))
		return err_wrap(e, "key of the request");
	*key_out = str_dup(buf_str(key));
	return true;
}
