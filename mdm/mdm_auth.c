/*
 * Who speaks: proof by Mdm-Signature or TLS client certificate, the ledger,
 * the binding of a certificate to one device, and refusals.  Never 401, and
 * never the code com.apple.unrecognized.device: both un-enrol a Mac, and a
 * refusal here may be our own mistake.  Any thread.
 */
#include <stdatomic.h>
#include <string.h>

#include "mdm/mdm_priv.h"

enum {
	SKEW_MS = 5 * 60 * 1000,
	HEARD_MS = 60 * 60 * 1000,
	OUTGOING_MS = 60 * 1000
};

/* One row a refusal; the text goes to the device and must tell a stranger
 * nothing about our records. */
static const struct {
	const char *name, *text;
} refusals[] = {
	[MDM_ACCEPTED] = { "accepted", "" },
	[MDM_NO_PROOF] = { "no_proof", "an identity certificate is needed" },
	[MDM_BAD_SIGNATURE] = { "bad_signature",
	    "the Mdm-Signature is not one of this body" },
	[MDM_TWO_PROOFS] = { "two_proofs",
	    "signature and connection name different certificates" },
	[MDM_UNKNOWN_CERTIFICATE] = { "unknown_certificate",
	    "this certificate is not accepted" },
	[MDM_REVOKED] = { "revoked", "this certificate is not accepted" },
	[MDM_EXPIRED] = { "expired", "this certificate has expired" },
	[MDM_NOT_YET_VALID] = { "not_yet_valid",
	    "this certificate is not valid yet" },
	[MDM_WRONG_PURPOSE] = { "wrong_purpose",
	    "this certificate is not accepted" },
	[MDM_OTHER_DEVICE] = { "other_device",
	    "this certificate is not accepted" },
	[MDM_UNKNOWN_DEVICE] = { "unknown_device",
	    "this device is not enrolled" },
	[MDM_NOT_ENROLLED] = { "not_enrolled", "this device is not enrolled" },
};

const char *
mdm_refusal_name(enum mdm_refusal r)
{
	return refusals[r].name;
}

/* ---- proof ---- */

static bool
check_signature(struct mdm_service *s, const struct mdm_proof *p,
    struct cert_signer *out, struct err *e)
{
	AUTO(buf_free) struct buf *der = NULL;
	size_t len = strlen(p->signature);

	if (len > LIMIT_SIGNATURE)
		return err_set(e, ERR_INVALID, "Mdm-Signature: too long");
	der = buf_new(LIMIT_SIGNATURE);
	return b64_decode(der, slice_of(p->signature, len), B64_SPACES, e) &&
	       buf_ok(der, e) &&
	       cert_verifier_check(
	           s->verifier, buf_slice(der), p->body, out, e);
}

enum mdm_refusal
mdm_auth_prove(struct mdm_service *s, struct mdm_proof *p, struct err *why)
{
	struct cert_signer signer = { 0 };
	uint8_t digest[SHA256_SIZE];
	char tls[SHA256_HEX_SIZE] = "";

	if (p->signature == NULL && p->tls_certificate.len == 0)
		return MDM_NO_PROOF;
	if (p->tls_certificate.len > 0) {
		sha256(digest, p->tls_certificate);
		hex_to(tls, digest, sizeof(digest));
	}
	if (p->signature == NULL) {
		memcpy(p->fingerprint, tls, sizeof(tls));
		return MDM_ACCEPTED;
	}
	if (!check_signature(s, p, &signer, why))
		return MDM_BAD_SIGNATURE;
	if (tls[0] != '\0' && !str_eq(tls, signer.fingerprint))
		return MDM_TWO_PROOFS;
	memcpy(p->fingerprint, signer.fingerprint, sizeof(p->fingerprint));
	return MDM_ACCEPTED;
}

/* ---- the ledger ---- */

bool
mdm_auth_outgoing_due(const struct mdm_who *w, int64_t now)
{
	return w->outgoing && now - w->outgoing_at >= OUTGOING_MS;
}

struct outgoing {
	const char *device_id;
	int64_t now;
};

/* May be run again. */
static bool
note_outgoing(struct store_tx *tx, void *arg, struct err *e)
{
	const struct outgoing *o = arg;

	return mdm_db_outgoing_seen(tx, o->device_id, o->now, e);
}

bool
mdm_auth_who(struct mdm_service *s, const char *fingerprint,
    const char *enrollment_id, struct mdm_who *out, struct err *e)
{
	AUTO(store_rollback) struct store_tx *tx = NULL;
	int64_t now = clock_now_ms();

	if (!store_begin(s->o.store, STORE_READ_ONE, &tx, e) ||
	    !mdm_db_who(tx, fingerprint, enrollment_id, out, e))
		return false;
	store_rollback(&tx);
	if ((out->used && !out->outgoing) ||
	    mdm_auth_bound(out, now) != MDM_ACCEPTED)
		return true;
	/* Whoever renews it learns so that the old one is not needed. */
	if (!out->used)
		mdm_db_first_seen(s->o.store, fingerprint, now);
	/* Or that it is: not to be lost, or a Mac would lose its last one. */
	return !mdm_auth_outgoing_due(out, now) ||
	       store_write(s->o.store, note_outgoing,
	           &(struct outgoing){ out->device_id, now }, e);
}

bool
mdm_auth_known(struct mdm_service *s, const char *fingerprint, bool *known_out,
    struct err *e)
{
	struct mdm_who w;

	if (!mdm_auth_who(s, fingerprint, "", &w, e))
		return false;
	*known_out = w.certificate;
	return true;
}

enum mdm_refusal
mdm_auth_certificate(const struct mdm_who *w, int64_t now)
{
	if (!w->certificate)
		return MDM_UNKNOWN_CERTIFICATE;
	/* Two doors: what another SCEP client holds is the identity of no Mac,
	 * whatever it was issued for. */
	if (!str_eq(w->template, CERT_TEMPLATE_DEVICE) ||
	    (!str_eq(w->purpose, "enroll") && !str_eq(w->purpose, "renew")))
		return MDM_WRONG_PURPOSE;
	if (w->revoked)
		return MDM_REVOKED;
	if (now > w->not_after + SKEW_MS)
		return MDM_EXPIRED;
	if (now < w->not_before - SKEW_MS)
		return MDM_NOT_YET_VALID;
	return MDM_ACCEPTED;
}

enum mdm_refusal
mdm_auth_bound(const struct mdm_who *w, int64_t now)
{
	enum mdm_refusal why = mdm_auth_certificate(w, now);

	if (why != MDM_ACCEPTED)
		return why;
	if (!w->enrollment)
		return w->owner_id[0] != '\0' ? MDM_OTHER_DEVICE
		                              : MDM_UNKNOWN_DEVICE;
	if (!str_eq(w->owner_id, w->device_id))
		return MDM_OTHER_DEVICE;
	/* A wiped Mac that speaks was not erased: it is heard. */
	if (str_eq(w->state, "left") && !str_eq(w->device_state, "wiped"))
		return MDM_NOT_ENROLLED;
	return MDM_ACCEPTED;
}

/* ---- refusing ---- */

static uint64_t
heard_key(const char *whom, enum mdm_refusal why)
{
	return slice_hash(slice_str(whom)) + (uint64_t)why;
}

bool
mdm_auth_is_news(struct mdm_service *s, const char *whom, enum mdm_refusal why)
{
	uint64_t key = heard_key(whom, why);
	struct mdm_heard *bucket = s->heard[(key >> 32) % MDM_HEARD_BUCKETS];
	struct mdm_heard *oldest = bucket;
	int64_t now = clock_now_ms();
	bool news;

	pthread_mutex_lock(&s->mutex);
	for (size_t i = 0; i < MDM_HEARD_WAYS; i++) {
		if (bucket[i].key == key && bucket[i].at != 0) {
			oldest = &bucket[i];
			break;
		}
		if (bucket[i].at < oldest->at)
			oldest = &bucket[i];
	}
	news = oldest->at == 0 || now - oldest->at >= HEARD_MS;
	if (news)
		*oldest = (struct mdm_heard){ .key = key, .at = now };
	pthread_mutex_unlock(&s->mutex);
	return news;
}

struct refused {
	const struct mdm_message *m;
	const char *device_id;
	enum mdm_refusal why;
};

static bool
add_refusal(struct store_tx *tx, void *arg, struct err *e)
{
	const struct refused *r = arg;
	json_t *data = json_object();

	json_put_str(data, "reason", refusals[r->why].name);
	json_put_str(data, "udid", r->m->udid);
	json_put_str(data, "fingerprint", r->m->fingerprint);
	return mdm_event(tx,
	    &(struct store_event){ .kind = r->why == MDM_OTHER_DEVICE
	                                       ? "device.identity_conflict"
	                                       : "device.rejected",
	        .device_id = r->device_id,
	        .actor = "device" },
	    data, e);
}

bool
mdm_auth_refuse(struct mdm_service *s, const struct mdm_message *m,
    const struct mdm_who *w, enum mdm_refusal why, struct err *e)
{
	const char *device_id = NULL;
	struct err problem = { 0 };

	mdm_count(s, MDM_COUNT_REJECTED);
	log_event(LOG_WARN, "mdm_rejected", "reason", refusals[why].name,
	    "udid", m->udid, "user", m->user_id, "fingerprint",
	    m->fingerprint[0] != '\0' ? m->fingerprint : NULL, NULL);
	/* Strangers write no rows, whatever UDID they claim. */
	if (w != NULL && w->certificate && w->owner_id[0] != '\0')
		device_id = w->owner_id;
	if (device_id != NULL && mdm_auth_is_news(s, device_id, why) &&
	    !store_write(s->o.store, add_refusal,
	        &(struct refused){ m, device_id, why }, &problem))
		log_event(
		    LOG_ERROR, "mdm_event_lost", "error", problem.text, NULL);
	return err_set(e, ERR_FORBIDDEN, "%s", refusals[why].text);
}
