/*
 * The end of certificates, one or many, and of a hold.  Works in the caller's
 * transaction, on the caller's thread; no state of its own.
 */
#include <assert.h>

#include "certs/cert_ledger_priv.h"
#include "core/json.h"
#include "store/store_event.h"

static const char *
or_null(const char *s)
{
	return str_empty(s) ? NULL : s;
}

static bool
tell(struct store_tx *tx, const char *kind, const struct cert_ledger_living *c,
    const char *actor, json_t *data, struct err *e)
{
	AUTO(str_free) char *text = NULL;
	struct store_event ev = { .kind = kind,
		.device_id = or_null(c->device_id),
		.subject_id = c->fingerprint,
		.actor = actor };

	json_put_str(data, "serial", c->serial);
	json_put_str(data, "purpose", c->purpose);
	json_put_str(data, "user_id", or_null(c->user_id));
	text = json_text(data);
	ev.data = text;
	return store_event_add(tx, &ev, e);
}

static void
living_of(const struct cert_entry *entry, struct cert_ledger_living *out)
{
	*out = (struct cert_ledger_living){ 0 };
	str_copy_cut(
	    out->fingerprint, sizeof(out->fingerprint), entry->fingerprint);
	str_copy_cut(out->serial, sizeof(out->serial), entry->serial);
	str_copy_cut(out->purpose, sizeof(out->purpose), entry->purpose);
	str_copy_cut(out->device_id, sizeof(out->device_id), entry->device_id);
	str_copy_cut(out->user_id, sizeof(out->user_id), entry->user_id);
}

/* The CRL is no longer the truth. */
static bool
changed_crl(struct store_tx *tx, const char *fingerprint, struct err *e)
{
	if (!cert_ledger_db_changed(tx, fingerprint, e))
		return err_wrap(e, "ledger");
	store_notify(tx, STORE_CHANNEL_REVOKED);
	return true;
}

/* ---- many at once ---- */

/* So many are in memory at a time.  Each time again the database passes over
 * those that have ended, so few rounds are what keeps the work linear. */
enum { AT_ONCE = 2048 };

struct ending {
	struct cert_ledger_which which;
	int reason;
	const char *actor;
	int64_t count;
	char authority_id[64]; /* whose CRL is known to have changed */
};

/* Everybody else's writes wait meanwhile: nothing here waits for an answer. */
static bool
end_one(struct store_tx *tx, struct ending *x,
    const struct cert_ledger_living *c, struct err *e)
{
	AUTO(json_free) json_t *data = json_object();
	struct cert_ledger_end end = { c->fingerprint, x->actor, x->reason };

	json_put_str(data, "reason", cert_reason_name(x->reason));
	if (x->which.key_of != NULL)
		json_put_str(data, "ended_with", x->which.key_of);
	if (!cert_ledger_db_end(tx, &end, e) ||
	    !tell(tx, "certificate.revoked", c, x->actor, data, e))
		return false;
	x->count++;
	if (str_eq(x->authority_id, c->authority_id))
		return true;
	str_copy_cut(x->authority_id, sizeof(x->authority_id), c->authority_id);
	store_notify(tx, STORE_CHANNEL_REVOKED);
	return cert_ledger_db_changed_authority(tx, c->authority_id, e);
}

static bool
end_all(struct store_tx *tx, struct ending *x, struct err *e)
{
	struct cert_ledger_living *list = mem_zalloc(AT_ONCE, sizeof(*list));
	size_t n = AT_ONCE;
	bool ok = true;

	assert(x->reason != CERT_REASON_HOLD);
	while (ok && n == AT_ONCE) {
		ok = cert_ledger_db_living(tx, &x->which, list, AT_ONCE, &n, e);
		for (size_t i = 0; ok && i < n; i++)
			ok = end_one(tx, x, &list[i], e);
	}
	mem_free(&list);
	return ok || err_wrap(e, "ledger");
}

bool
cert_ledger_revoke_device(struct store_tx *tx, const char *device_id,
    const char *purpose, int reason, const char *actor, struct err *e)
{
	return end_all(tx,
	    &(struct ending){
	        .which = { .device_id = device_id, .purpose = purpose },
	        .reason = reason,
	        .actor = actor },
	    e);
}

bool
cert_ledger_revoke_user(struct store_tx *tx, const char *user_id,
    const char *device_id, int reason, const char *actor, struct err *e)
{
	return end_all(tx,
	    &(struct ending){
	        .which = { .user_id = user_id, .device_id = device_id },
	        .reason = reason,
	        .actor = actor },
	    e);
}

/* ---- one ---- */

/* Who has the key has all of its certificates, and may have renewed them for
 * keys of his own: which of those that follow are his does not show. */
static bool
end_others(struct store_tx *tx, const struct cert_ledger_end *end,
    int64_t *count, struct err *e)
{
	struct ending x = { .which = { .key_of = end->fingerprint },
		.reason = end->reason,
		.actor = end->actor };

	*count = 0;
	if (end->reason != CERT_REASON_KEY_COMPROMISE)
		return true;
	if (!end_all(tx, &x, e))
		return false;
	*count = x.count;
	return true;
}

bool
cert_ledger_revoke(struct store_tx *tx, const char *fingerprint, int reason,
    const char *actor, struct err *e)
{
	AUTO(json_free) json_t *data = json_object();
	struct cert_ledger_end end = { fingerprint, actor, reason };
	struct cert_ledger_living c;
	struct cert_entry entry;
	int64_t others;
	bool changed;

	if (!cert_ledger_db_revoke(tx, &end, &changed, e))
		return err_wrap(e, "ledger");
	if (!cert_ledger_need(tx, fingerprint, &entry, e) ||
	    !end_others(tx, &end, &others, e))
		return false;
	if (!changed)
		return true;
	living_of(&entry, &c);
	json_put_str(data, "reason", cert_reason_name(entry.revoke_reason));
	if (others > 0)
		json_put_int(data, "also_ended", others);
	return tell(tx, "certificate.revoked", &c, actor, data, e) &&
	       changed_crl(tx, fingerprint, e);
}

bool
cert_ledger_release(struct store_tx *tx, const char *fingerprint,
    const char *actor, struct err *e)
{
	AUTO(json_free) json_t *data = json_object();
	struct cert_ledger_living c;
	struct cert_entry entry;

	if (!cert_ledger_need(tx, fingerprint, &entry, e))
		return false;
	if (!entry.revoked || entry.revoke_reason != CERT_REASON_HOLD)
		return err_slug(e, ERR_CONFLICT, "not_on_hold",
		    "the certificate is not on hold");
	if (!cert_ledger_db_release(tx, fingerprint, e))
		return err_wrap(e, "ledger");
	living_of(&entry, &c);
	json_put_str(data, "reason", cert_reason_name(entry.revoke_reason));
	return tell(tx, "certificate.released", &c, actor, data, e) &&
	       changed_crl(tx, fingerprint, e);
}
