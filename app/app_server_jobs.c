/*
 * Periodic work.  Each job belongs to one node at a time, by a lease; the
 * node that has it prolongs it every minute, and loses it when it dies.  One
 * thread.
 */
#include "apns/apns_alarm.h"
#include "app/app_server_priv.h"
#include "core/clock.h"
#include "core/log.h"
#include "enroll-profiles/enroll_identity.h"

/* Longer than the slowest job goes without writing. */
#define JOB_LEASE_MS (3 * MS_MIN)
enum { LOOK_S = 5 }; /* between two looks at files */

static bool
expire(struct app_server *s, const struct store_lease *l, struct err *e)
{
	return mdm_service_tick(s->mdm, l, e);
}

static bool
rollout(struct app_server *s, const struct store_lease *l, struct err *e)
{
	return enroll_service_tick(s->enroll, l, e);
}

static bool
purge(struct app_server *s, const struct store_lease *l, struct err *e)
{
	return scep_service_purge(s->scep, l, e);
}

static bool
renew_ra(struct app_server *s, const struct store_lease *l, struct err *e)
{
	(void)l; /* the RA's row is taken by whoever is first */
	return app_server_authority_refresh(s, e);
}

struct alarm {
	const struct store_lease *lease;
	struct apns_alarms told;
};

static bool
alarm_once(struct store_tx *tx, void *arg, struct err *e)
{
	struct alarm *a = arg;

	return store_lease_keep(tx, a->lease, e) &&
	       apns_alarm(tx, clock_now_ms(), &a->told, e);
}

static bool
alarm_push(struct app_server *s, const struct store_lease *l, struct err *e)
{
	struct alarm a = { .lease = l };

	if (!store_write(s->store, alarm_once, &a, e))
		return false;
	apns_alarm_log(&a.told);
	return true;
}

static bool
renew_identities(
    struct app_server *s, const struct store_lease *l, struct err *e)
{
	return enroll_identity_tick(s->enroll, l, e);
}

static const struct job {
	const char *name;
	bool (*run)(
	    struct app_server *s, const struct store_lease *l, struct err *e);
} jobs[] = {
	{ "job:expire-commands", expire },
	{ "job:retry-rollouts", rollout },
	{ "job:purge-challenges", purge },
	{ "job:renew-ra", renew_ra },
	{ "job:push-certificate-alarm", alarm_push },
	{ "job:authority-alarm", app_server_authority_alarm },
	{ "job:renew-identities", renew_identities },
};

/* Some seconds, or until what a dead node had is free: *freed.  False when
 * stopping. */
static bool
wait_a_while(struct app_server *s, bool *freed)
{
	struct timespec until;
	int timed_out = 0;
	bool go_on;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += LOOK_S;
	pthread_mutex_lock(&s->lock);
	while (!s->stopping && !s->jobs_freed && timed_out == 0)
		timed_out = pthread_cond_timedwait(&s->wake, &s->lock, &until);
	*freed = s->jobs_freed;
	s->jobs_freed = false;
	go_on = !s->stopping;
	pthread_mutex_unlock(&s->lock);
	return go_on;
}

struct taking {
	const struct store_lease *lease;
	bool mine;
};

static bool
take_once(struct store_tx *tx, void *arg, struct err *e)
{
	struct taking *t = arg;

	return store_lease_take(tx, t->lease, &t->mine, e);
}

static void
run_job(struct app_server *s, const struct job *j)
{
	struct store_lease l = { .name = j->name,
		.holder = store_node_id(s->node),
		.ttl_ms = JOB_LEASE_MS };
	struct taking t = { &l, false };
	struct err e = { 0 };

	if (!store_write(s->store, take_once, &t, &e) ||
	    (t.mine && !j->run(s, &l, &e)))
		log_event(LOG_ERROR, "periodic_work", "job", j->name, "why",
		    e.text, NULL);
}

void *
app_server_tick(void *arg)
{
	struct app_server *s = arg;
	int64_t due_ms = clock_mono_ms() + MS_MIN;
	bool freed;

	while (wait_a_while(s, &freed)) {
		app_server_tls_look(s, false);
		if (!freed && clock_mono_ms() < due_ms)
			continue;
		due_ms = clock_mono_ms() + MS_MIN;
		/* One that fails for ever does not keep the others back. */
		for (size_t i = 0; i < COUNT(jobs); i++)
			run_job(s, &jobs[i]);
	}
	return NULL;
}

void
app_server_jobs_freed(void *arg)
{
	struct app_server *s = arg;

	pthread_mutex_lock(&s->lock);
	s->jobs_freed = true;
	pthread_cond_broadcast(&s->wake);
	pthread_mutex_unlock(&s->lock);
}
