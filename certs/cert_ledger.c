/*
 * The rules of the issuance ledger, and its events.  Works in the caller's
 * transaction, on the caller's thread; no state of its own.
 */
#include "certs/cert_ledger_priv.h"
#include "core/clock.h"
#include "core/json.h"
#include "store/store_event.h"

static const struct {
	int reason;
	const char *name;
} reasons[] = {
	{ CERT_REASON_UNSPECIFIED, "unspecified" },
	{ CERT_REASON_KEY_COMPROMISE, "key_compromise" },
	{ CERT_REASON_AFFILIATION_CHANGED, "affiliation_changed" },
	{ CERT_REASON_SUPERSEDED, "superseded" },
	{ CERT_REASON_CESSATION, "cessation_of_operation" },
	{ CERT_REASON_HOLD, "certificate_hold" },
	{ CERT_REASON_PRIVILEGE_WITHDRAWN, "privilege_withdrawn" },
};

const char *
cert_reason_name(int reason)
{
	for (size_t i = 0; i < COUNT(reasons); i++)
		if (reasons[i].reason == reason)
			return reasons[i].name;
	return "unspecified";
}

bool
cert_reason_parse(const char *name, int *reason_out, struct err *e)
{
	AUTO(buf_free) struct buf *all = buf_new(256);

	for (size_t i = 0; i < COUNT(reasons); i++) {
		if (str_eq(reasons[i].name, name)) {
			*reason_out = reasons[i].reason;
			return true;
		}
		buf_addf(all, "%s%s", i > 0 ? ", " : "", reasons[i].name);
	}
	return err_set(e, ERR_INVALID, "reason is none of %s", buf_str(all));
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
cert_ledger_read(const X509 *x, struct cert_issued *out, struct err *e)
{
	AUTO(cert_issued_clear) struct cert_issued i = { 0 };

	cert_fingerprint(x, i.fingerprint);
	cert_serial(x, i.serial, sizeof(i.serial));
	cert_subject(x, i.subject, sizeof(i.subject));
	i.not_before = cert_not_before(x);
	i.not_after = cert_not_after(x);
	if (!cert_spki_pub(X509_get_X509_PUBKEY(x), i.spki, e) ||
	    !cert_der(x, &i.der, e))
		return false;
	*out = i;
	i.der = NULL;
	return true;
}

bool
cert_ledger_find(struct store_tx *tx, const char *fingerprint,
    struct cert_entry *out, bool *found, struct err *e)
{
	return cert_ledger_db_find(tx, fingerprint, out, found, e) ||
	       err_wrap(e, "ledger");
}

bool
cert_ledger_need(struct store_tx *tx, const char *fingerprint,
    struct cert_entry *out, struct err *e)
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
	if (!cert_ledger_need(tx, fingerprint, &entry, e))
		return false;
	if (entry.device_id[0] == '\0')
		return err_set(e, ERR_FORBIDDEN,
		    "the certificate's key belongs to another device");
	if (!str_eq(entry.device_id, device_id))
		return err_set(e, ERR_FORBIDDEN,
		    "the certificate belongs to another device");
	return true;
}
