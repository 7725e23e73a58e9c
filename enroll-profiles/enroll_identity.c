/*
 * The renewal of a Mac's identity; see enroll_identity.h.  Functions work
 * within the transaction of their caller, on any thread; the tick makes its
 * own, one for each step.
 */
#include <stdlib.h>

#include "core/json.h"
#include "enroll-profiles/enroll_identity_priv.h"
#include "store/store_event.h"

enum { STEPS_A_TICK = 50, BEGIN_A_TICK = 500 };

/* Before the next try, by tries that failed; the last one from then on. */
static const int64_t gaps_ms[] = { MS_H, 6 * MS_H, MS_DAY, 2 * MS_DAY };

/* The old identity may still sign what was on its way, and a Mac that was put
 * back to an earlier state has no other one. */
#define GRACE_MS MS_DAY

bool
enroll_identity_move(struct store_tx *tx, struct enroll_renewal *r,
    const char *state, const char *kind, const char *actor, struct err *e)
{
	AUTO(json_free) json_t *data = NULL;
	AUTO(str_free) char *text = NULL;

	str_copy_cut(r->state, sizeof(r->state), state);
	if (!enroll_db_renewal_save(tx, r, e))
		return false;
	if (kind == NULL)
		return true;
	data = json_object();
	json_put_int(data, "attempt", r->attempts);
	json_put_time(data, "not_after", r->not_after);
	if (r->reason[0] != '\0')
		json_put_str(data, "reason", r->reason);
	if (r->retry_at != 0)
		json_put_time(data, "retry_at", r->retry_at);
	if (r->fingerprint[0] != '\0')
		json_put_str(data, "fingerprint", r->fingerprint);
	text = json_text(data);
	return store_event_add(tx,
	    &(struct store_event){
	        kind, r->device_id, r->device_id, actor, text },
	    e);
}

bool
enroll_identity_failed(struct store_tx *tx, struct enroll_renewal *r,
    const char *reason, struct err *e)
{
	size_t i = r->attempts > 0 ? (size_t)r->attempts - 1 : 0;

	if (i >= COUNT(gaps_ms))
		i = COUNT(gaps_ms) - 1;
	str_copy_cut(r->reason, sizeof(r->reason), reason);
	r->command_id[0] = '\0';
	r->retry_at = clock_now_ms() + gaps_ms[i];
	return enroll_identity_move(
	    tx, r, "failed", "identity.renewal_failed", "device", e);
}

bool
enroll_identity_send(struct store_tx *tx, const struct seal *seal,
    struct enroll_renewal *r, const char *by, struct err *e)
{
	char channel[MDM_ENROLLMENT_ID];

	if (!mdm_device_channel(tx, r->device_id, channel, e))
		return false;
	if (channel[0] == '\0')
		return enroll_db_renewal_drop(tx, r->device_id, e);
	r->attempts++;
	r->retry_at = 0;
	/* What an earlier try was issued says nothing about this one. */
	r->reason[0] = r->fingerprint[0] = '\0';
	return mdm_queue_add(tx, seal,
	           &(struct mdm_command){ .enrollment_id = channel,
	               .request_type = "InstallProfile",
	               .renderer = ENROLL_IDENTITY_RENDERER,
	               .renderer_ref = r->device_id,
	               .origin = "system",
	               .by = by },
	           r->command_id, e) &&
	       enroll_identity_move(
	           tx, r, "queued", "identity.renewing", by, e);
}

/* ---- by an administrator ---- */

static bool
under_way(const struct enroll_renewal *r)
{
	return str_eq(r->state, "queued") || str_eq(r->state, "sent");
}

bool
enroll_identity_renew(struct store_tx *tx, const struct seal *seal,
    const struct mdm_device *d, const char *by, struct err *e)
{
	struct enroll_renewal r = { .created_at = clock_now_ms() };
	struct enroll_identity now;
	bool found;

	if (!str_eq(d->state, "enrolled"))
		return err_slug(e, ERR_CONFLICT, "not_enrolled",
		    "the device is not enrolled at present");
	if (!enroll_db_renewal(tx, d->id, &r, &found, e))
		return false;
	if (found && under_way(&r))
		return true;
	if (!enroll_db_identity(tx, d->id, &now, &found, e))
		return false;
	if (!found)
		return err_slug(e, ERR_CONFLICT, "no_identity",
		    "the device has no living identity: it has to enrol anew");
	r = (struct enroll_renewal){ .created_at = clock_now_ms(),
		.not_before = now.not_before,
		.not_after = now.not_after };
	str_copy_cut(r.device_id, sizeof(r.device_id), d->id);
	str_copy_cut(
	    r.old_fingerprint, sizeof(r.old_fingerprint), now.fingerprint);
	str_copy_cut(r.state, sizeof(r.state), "waiting");
	return enroll_db_renewal_add(tx, &r, e) &&
	       enroll_identity_send(tx, seal, &r, by, e);
}

/* ---- hooks ---- */

bool
enroll_identity_issued(struct store_tx *tx, const struct cert_record *c,
    void *service, struct err *e)
{
	struct enroll_renewal r;
	bool found;

	(void)service;
	if (!str_eq(c->purpose, "renew") || c->device_id == NULL)
		return true;
	if (!enroll_db_renewal(tx, c->device_id, &r, &found, e))
		return false;
	/* A late Mac may spend the challenge of a try that was given up. */
	if (!found || (!under_way(&r) && !str_eq(r.state, "failed")))
		return err_set(e, ERR_REFUSED,
		    "the renewal this certificate was for has ended");
	str_copy_cut(
	    r.fingerprint, sizeof(r.fingerprint), c->issued->fingerprint);
	return enroll_db_renewal_save(tx, &r, e);
}

bool
enroll_identity_left(struct store_tx *tx, const char *device_id, struct err *e)
{
	return enroll_db_renewal_drop(tx, device_id, e);
}

/* ---- periodic ---- */

/*
 * Macs that enrolled on one day are not renewed on one day: the beginning is
 * spread over an eighth of the life, or of what is left of it.
 */
static int64_t
begin_at(const struct enroll_identity *i, int64_t now)
{
	int64_t span = (i->not_after - i->not_before) / 8;
	char head[9];

	if (span > (i->not_after - now) / 8)
		span = (i->not_after - now) / 8;
	str_copy_cut(head, sizeof(head), i->fingerprint);
	return now + (int64_t)(strtoull(head, NULL, 16) % (uint64_t)(span + 1));
}

struct step {
	const struct seal *seal;
	const struct store_lease *lease;
	int64_t last; /* when the issuing CA ends */
	enum enroll_renewal_due what;
	bool found;
};

static bool
begin_once(struct store_tx *tx, void *arg, struct err *e)
{
	const struct step *t = arg;
	struct enroll_identity *list = mem_zalloc(BEGIN_A_TICK, sizeof(*list));
	int64_t now = clock_now_ms();
	const struct enroll_identity_half half = { now, t->last - MS_H,
		BEGIN_A_TICK };
	size_t n = 0;
	bool ok = store_lease_keep(tx, t->lease, e) &&
	          enroll_db_identity_half(tx, &half, list, &n, e);

	for (size_t i = 0; ok && i < n; i++) {
		struct enroll_renewal r = { .state = "waiting",
			.retry_at = begin_at(&list[i], now),
			.created_at = now };

		str_copy_cut(
		    r.device_id, sizeof(r.device_id), list[i].device_id);
		str_copy_cut(r.old_fingerprint, sizeof(r.old_fingerprint),
		    list[i].fingerprint);
		ok = enroll_db_renewal_add(tx, &r, e);
	}
	mem_free(&list);
	return ok && enroll_identity_alarm(tx, now, e);
}

/* The Mac speaks with the new one, and with the old one no more. */
static bool
finish(struct store_tx *tx, struct enroll_renewal *r, struct err *e)
{
	char other[SHA256_HEX_SIZE];
	bool found;

	for (;;) {
		if (!enroll_db_identity_other(
		        tx, r->device_id, r->fingerprint, other, &found, e))
			return false;
		if (!found)
			break;
		if (!cert_ledger_revoke(
		        tx, other, CERT_REASON_SUPERSEDED, "system", e))
			return false;
	}
	r->reason[0] = '\0';
	r->retry_at = 0;
	return enroll_identity_move(
	    tx, r, "done", "identity.renewed", "system", e);
}

/* The old one has ended: which other one does the Mac use, if any? */
static bool
outlived(struct store_tx *tx, struct enroll_renewal *r, struct err *e)
{
	char used[SHA256_HEX_SIZE];
	bool found;

	r->retry_at = 0;
	if (!enroll_db_identity_used(tx, r->device_id, used, &found, e))
		return false;
	if (found) {
		/* One of a try that was given up counts, too. */
		memcpy(r->fingerprint, used, sizeof(used));
		r->reason[0] = '\0';
		return enroll_identity_move(
		    tx, r, "done", "identity.renewed", "system", e);
	}
	if (str_eq(r->state, "installed"))
		return enroll_db_renewal_save(tx, r, e);
	str_copy_cut(r->reason, sizeof(r->reason),
	    "the identity has ended: the Mac has to enrol anew");
	return enroll_identity_move(
	    tx, r, "failed", "identity.renewal_failed", "system", e);
}

static bool
try_again(struct store_tx *tx, const struct seal *seal,
    struct enroll_renewal *r, struct err *e)
{
	if (r->not_after > clock_now_ms())
		return enroll_identity_send(tx, seal, r, "system", e);
	return outlived(tx, r, e);
}

/* May be run again. */
static bool
step_once(struct store_tx *tx, void *arg, struct err *e)
{
	struct step *t = arg;
	struct enroll_renewal r;
	int64_t by = clock_now_ms();
	bool ok;

	if (t->what == ENROLL_RENEWAL_USED)
		by -= GRACE_MS;
	if (!enroll_db_renewal_due(tx, t->what, by, &r, &t->found, e))
		return false;
	if (!t->found)
		return true;
	if (!store_lease_keep(tx, t->lease, e))
		return false;
	if (t->what == ENROLL_RENEWAL_USED)
		ok = finish(tx, &r, e);
	else if (t->what == ENROLL_RENEWAL_ORPHAN)
		ok = enroll_identity_failed(
		    tx, &r, "its command was cancelled", e);
	else
		ok = try_again(tx, t->seal, &r, e);
	return ok || err_wrap(e, "renewal of %s", r.device_id);
}

bool
enroll_identity_tick(
    struct enroll_service *s, const struct store_lease *lease, struct err *e)
{
	static const enum enroll_renewal_due order[] = { ENROLL_RENEWAL_USED,
		ENROLL_RENEWAL_ORPHAN, ENROLL_RENEWAL_RETRY };
	AUTO(cert_authority_free)
	struct cert_authority *a = cert_live_get(s->live);
	struct step t = { .seal = s->seal,
		.lease = lease,
		.last = cert_not_after(cert_authority_issuing(a)) };
	int64_t now = clock_now_ms();

	/* It reads all identities, which do not change within the hour. */
	if (now - s->identities_at >= MS_H || now < s->identities_at) {
		if (!store_write(s->store, begin_once, &t, e))
			return false;
		s->identities_at = now;
	}
	for (size_t k = 0; k < COUNT(order); k++) {
		t.what = order[k];
		t.found = true;
		for (int i = 0; i < STEPS_A_TICK && t.found; i++)
			if (!store_write(s->store, step_once, &t, e))
				return false;
	}
	return true;
}
