/*
 * The rules of the issuance ledger, and its events.  Works in the caller's
 * transaction, on the caller's thread; no state of its own.
 */
#include <string.h>

#include "certs/cert_ledger_priv.h"
#include "core/clock.h"
#include "core/json.h"
#include "core/limits.h"
#include "store/store_event.h"

static const struct {
	int reason;
	const char *name;
} reasons[] = {
	{ CERT_REASON_KEY_COMPROMISE, "key_compromise" },
	{ CERT_REASON_AFFILIATION_CHANGED, "affiliation_changed" },
	{ CERT_REASON_SUPERSEDED, "superseded" },
	{ CERT_REASON_CESSATION, "cessation_of_operation" },
};

const char *
cert_reason_name(int reason)
{
	for (size_t i = 0; i < COUNT(reasons); i++)
		if (reasons[i].reason == reason)
			return reasons[i].name;
	return "unspecified";
}

static const char *
or_null(const char *s)
{
	return str_empty(s) ? NULL : s;
}

bool
cert_ledger_add(struct store_tx *tx, const struct cert_record *r, struct err *e)
{
	AUTO(json_free) json_t *data = json_object();
	AUTO(str_free) char *text = NULL;
	struct store_event ev = { .kind = "certificate.issued",
		.device_id = r->device_id,
		.subject_id = r->issued->fingerprint,
		.actor = "system" };

	json_put_str(data, "serial", r->issued->serial);
	json_put_str(data, "subject", r->issued->subject);
	json_put_str(data, "template", r->template);
	json_put_str(data, "purpose", r->purpose);
	json_put_str(data, "user_id", r->user_id);
	json_put_time(data, "not_after", r->issued->not_after);
	text = json_text(data);
	ev.data = text;
	if (!cert_ledger_db_add(tx, r, e) || !store_event_add(tx, &ev, e))
		return err_wrap(e, "ledger");
	return true;
}

bool
cert_ledger_find(struct store_tx *tx, const char *fingerprint,
    struct cert_entry *out, bool *found, struct err *e)
{
	return cert_ledger_db_find(tx, fingerprint, out, found, e) ||
	       err_wrap(e, "ledger");
}

static bool
need(struct store_tx *tx, const char *fingerprint, struct cert_entry *out,
    struct err *e)
{
	bool found;

	if (!cert_ledger_find(tx, fingerprint, out, &found, e))
		return false;
	return found || err_set(e, ERR_NOT_FOUND,
	                    "the certificate is not in the ledger");
}

bool
cert_ledger_der(struct store_tx *tx, const char *fingerprint, struct buf **out,
    struct err *e)
{
	struct buf *der;

	if (!cert_ledger_db_der(tx, fingerprint, &der, e))
		return err_wrap(e, "ledger");
	if (der == NULL)
		return err_set(
		    e, ERR_NOT_FOUND, "the certificate is not in the ledger");
	*out = der;
	return true;
}

bool
cert_ledger_bind(struct store_tx *tx, const char *fingerprint,
    const char *device_id, struct err *e)
{
	struct store_event ev = { .kind = "certificate.bound",
		.device_id = device_id,
		.subject_id = fingerprint,
		.actor = "device" };
	struct cert_entry entry;
	bool changed;

	if (!cert_ledger_db_bind(tx, fingerprint, device_id, &changed, e))
		return err_wrap(e, "ledger");
	if (changed)
		return store_event_add(tx, &ev, e);
	if (!need(tx, fingerprint, &entry, e))
		return false;
	if (!str_eq(entry.device_id, device_id))
		return err_set(e, ERR_FORBIDDEN,
		    "the certificate belongs to another device");
	return true;
}

static bool
revoked_event(struct store_tx *tx, const struct cert_entry *entry,
    const char *actor, struct err *e)
{
	AUTO(json_free) json_t *data = json_object();
	AUTO(str_free) char *text = NULL;
	struct store_event ev = { .kind = "certificate.revoked",
		.device_id = or_null(entry->device_id),
		.subject_id = entry->fingerprint,
		.actor = actor };

	json_put_str(data, "serial", entry->serial);
	json_put_str(data, "purpose", entry->purpose);
	json_put_str(data, "reason", cert_reason_name(entry->revoke_reason));
	json_put_str(data, "user_id", or_null(entry->user_id));
	text = json_text(data);
	ev.data = text;
	return store_event_add(tx, &ev, e);
}

bool
cert_ledger_revoke(struct store_tx *tx, const char *fingerprint, int reason,
    const char *actor, struct err *e)
{
	struct cert_entry entry;
	bool changed;

	if (!cert_ledger_db_revoke(tx, fingerprint, reason, &changed, e))
		return err_wrap(e, "ledger");
	return need(tx, fingerprint, &entry, e) &&
	       (!changed || revoked_event(tx, &entry, actor, e));
}

bool
cert_ledger_revoke_device(struct store_tx *tx, const char *device_id,
    const char *purpose, int reason, const char *actor, struct err *e)
{
	/* Each turn takes one away from the live ones. */
	for (;;) {
		char fingerprint[SHA256_HEX_SIZE];
		bool found;

		if (!cert_ledger_db_live(
		        tx, device_id, purpose, fingerprint, &found, e))
			return err_wrap(e, "ledger");
		if (!found)
			return true;
		if (!cert_ledger_revoke(tx, fingerprint, reason, actor, e))
			return false;
	}
}

static const char *
state_of(const struct cert_entry *entry)
{
	if (entry->revoked)
		return "revoked";
	return entry->not_after <= clock_now_ms() ? "expired" : "issued";
}

static json_t *
entry_json(const struct cert_entry *entry)
{
	json_t *o = json_object();

	json_put_str(o, "fingerprint", entry->fingerprint);
	json_put_str(o, "serial", entry->serial);
	json_put_str(o, "subject", entry->subject);
	json_put_str(o, "template", entry->template);
	json_put_str(o, "purpose", entry->purpose);
	json_put_str(o, "device_id", or_null(entry->device_id));
	json_put_str(o, "user_id", or_null(entry->user_id));
	json_put_str(o, "state", state_of(entry));
	json_put_time(o, "not_before", entry->not_before);
	json_put_time(o, "not_after", entry->not_after);
	json_put_time(o, "created_at", entry->created_at);
	json_put_time(o, "revoked_at", entry->revoked_at);
	json_put_str(o, "revoke_reason",
	    entry->revoked ? cert_reason_name(entry->revoke_reason) : NULL);
	return o;
}

/* A page under way; one entry more than shown tells whether it goes on. */
struct listing {
	json_t *array;
	int64_t room;
	struct cert_ledger_key last;
	bool more;
};

static void
list_row(const struct cert_entry *entry, void *arg)
{
	struct listing *l = arg;

	if (l->room == 0) {
		l->more = true;
		return;
	}
	l->room--;
	l->last.created_at = entry->created_at;
	memcpy(l->last.fingerprint, entry->fingerprint,
	    sizeof(l->last.fingerprint));
	json_array_append_new(l->array, entry_json(entry));
}

/* "1795449900000-<fingerprint>"; NULL: before everything. */
static bool
parse_key(const char *text, struct cert_ledger_key *out, struct err *e)
{
	const char *dash = text != NULL ? strchr(text, '-') : NULL;
	char number[24] = "";

	if (text == NULL) {
		*out = (struct cert_ledger_key){ INT64_MAX, "" };
		return true;
	}
	if (dash != NULL && (size_t)(dash - text) < sizeof(number))
		memcpy(number, text, (size_t)(dash - text));
	if (dash == NULL ||
	    !str_to_i64(number, 0, INT64_MAX, &out->created_at) ||
	    strlen(dash + 1) != SHA256_HEX_SIZE - 1 ||
	    !str_copy(out->fingerprint, sizeof(out->fingerprint), dash + 1))
		return err_set(e, ERR_INVALID, "not a key to go on from");
	return true;
}

bool
cert_ledger_list(struct store_tx *tx, const struct cert_ledger_page *page,
    json_t *array, char **next_out, struct err *e)
{
	int64_t limit = page->limit < 1 || page->limit > LIMIT_PAGE
	                    ? LIMIT_PAGE
	                    : page->limit;
	struct listing l = { .array = array, .room = limit };
	struct cert_ledger_query q = { .device_id = page->device_id,
		.limit = limit + 1,
		.row = list_row,
		.arg = &l };

	if (!parse_key(page->after, &q.after, e))
		return false;
	if (!cert_ledger_db_page(tx, &q, e))
		return err_wrap(e, "ledger");
	*next_out = l.more ? str_printf("%lld-%s", (long long)l.last.created_at,
	                         l.last.fingerprint)
	                   : NULL;
	return true;
}
