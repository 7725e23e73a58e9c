/*
 * Rollouts whose time has come: tried again, or withdrawn because somebody
 * cancelled their command.  Periodic work of the node that has the lease; no
 * state of its own.
 */
#include "core/clock.h"
#include "enroll-profiles/enroll_priv.h"

static bool
try_again(struct store_tx *tx, const struct seal *seal,
    struct enroll_rollout *r, struct err *e)
{
	const char *state =
	    str_eq(r->state, "removing") ? "removing" : "issuing";
	bool queued;

	r->retry_at = 0;
	r->attempts++;
	r->challenge_id[0] = '\0';
	str_copy_cut(r->state, sizeof(r->state), state);
	if (!enroll_rollout_queue(tx, seal, r, "system", &queued, e))
		return false;
	if (queued)
		return enroll_rollout_move(tx, r, state, "system", e);
	str_copy_cut(
	    r->reason, sizeof(r->reason), "the Mac is no longer enrolled");
	return enroll_rollout_move(tx, r, "removed", "system", e);
}

/* Its command was cancelled: that is not tried again by itself. */
static bool
withdraw(struct store_tx *tx, struct enroll_rollout *r, struct err *e)
{
	static const char why[] = "its command was cancelled";

	r->attempts = ENROLL_ROLLOUT_TRIES;
	if (str_eq(r->state, "removing"))
		return enroll_rollout_stays(tx, r, why, e);
	return enroll_rollout_failed(tx, r, why, e);
}

/* The next rollout to be tried again, or to be withdrawn. */
struct step {
	const struct seal *seal;
	const struct store_lease *lease;
	bool orphans;
	bool found;
	struct enroll_rollout r;
};

/* May be run again. */
static bool
step_once(struct store_tx *tx, void *arg, struct err *e)
{
	struct step *t = arg;

	if (!(t->orphans ? enroll_db_rollout_orphan(tx, &t->r, &t->found, e)
	                 : enroll_db_rollout_due(
	                       tx, clock_now_ms(), &t->r, &t->found, e)))
		return false;
	if (!t->found)
		return true;
	if (!store_lease_keep(tx, t->lease, e) ||
	    !(t->orphans ? withdraw(tx, &t->r, e)
	                 : try_again(tx, t->seal, &t->r, e)))
		return err_wrap(e, "rollout %s", t->r.id);
	return true;
}

bool
enroll_rollout_retry(struct enroll_service *s, const struct store_lease *lease,
    int limit, struct err *e)
{
	for (int orphans = 0; orphans < 2; orphans++) {
		struct step t = { .seal = s->seal,
			.lease = lease,
			.orphans = orphans == 1,
			.found = true };

		for (int i = 0; i < limit && t.found; i++)
			if (!store_write(s->store, step_once, &t, e))
				return false;
	}
	return true;
}
