/*
 * Making CRLs and keeping them at hand.  One thread makes; any thread reads.
 */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <time.h>

#include "certs/cert_crl_priv.h"
#include "core/log.h"
#include "store/store_lease.h"

/* What is revoked together comes in one list. */
enum { GATHER_MS = 150 };
#define LOOK_MS MS_MIN /* even if nobody calls */
#define LEASE_MS (2 * MS_MIN)
/* Of nodes.  A list that begins later was made before the clock was set back:
 * nobody who checks certificates takes it yet. */
#define CLOCKS_DIFFER_MS (5 * MS_S)

/* A CRL as it is served; in a list, one for each authority. */
struct copy {
	char id[64];
	int64_t number;
	struct buf *der;
	struct copy *next;
};

struct cert_crl {
	struct cert_crl_options o;
	pthread_t thread;
	bool running;

	pthread_mutex_t lock; /* guards stopping and due */
	pthread_cond_t wake;
	bool stopping, due;

	pthread_mutex_t copies_lock; /* guards copies */
	struct copy *copies;
};

/* ---- making ---- */

static bool
begin_read(struct cert_crl *c, struct store_tx **tx, struct err *e)
{
	return store_begin(c->o.store, STORE_READ, tx, e);
}

static bool
is_due(const struct cert_crl_row *row, bool found, int64_t now)
{
	return !found || row->head.number == 0 ||
	       row->changes != row->made_of ||
	       now - row->head.this_update >= CRL_PERIOD_MS ||
	       now < row->head.this_update - CLOCKS_DIFFER_MS;
}

static struct store_lease
lease_of(const struct cert_crl *c, char name[STORE_LEASE_NAME_SIZE],
    const struct cert_member *m)
{
	snprintf(name, STORE_LEASE_NAME_SIZE, "crl:%.48s", m->id);
	return (struct store_lease){ name, c->o.node, LEASE_MS };
}

struct claim {
	const struct store_lease *lease;
	const char *id;
	bool mine;
};

/* The lease, and the row of a first CRL. */
static bool
claim_once(struct store_tx *tx, void *arg, struct err *e)
{
	struct claim *k = arg;

	return store_lease_take(tx, k->lease, &k->mine, e) &&
	       cert_crl_db_add(tx, k->id, e);
}

/*
 * The number follows the clock, so that it grows even when the database was
 * restored from a backup that knows less.  RFC 5280 3.3: an entry stays until
 * one list that was due anyway has had it after its certificate's end.
 */
static bool
draft(struct cert_crl *c, struct cert_crl_draft *d, struct cert_crl_row *row,
    struct buf **der_out, struct err *e)
{
	AUTO(store_rollback) struct store_tx *tx = NULL;
	int64_t now = clock_now_ms() / MS_S * MS_S;
	bool found;

	if (!begin_read(c, &tx, e) ||
	    !cert_crl_db_row(tx, d->issuer->id, row, &found, e))
		return false;
	if (!found)
		return err_set(e, ERR_INTERNAL, "the row of a CRL is gone");
	d->number = row->head.number + 1;
	if (d->number < now / MS_S)
		d->number = now / MS_S;
	d->this_update = now;
	d->next_update = now + CRL_LIFE_MS;
	if (!cert_crl_begin(d, e) ||
	    !cert_crl_db_entries(tx, now - CRL_LIFE_MS, d, e))
		return false;
	store_rollback(&tx);
	return cert_crl_finish(d, der_out, e);
}

struct made {
	const struct store_lease *lease;
	const struct cert_crl_draft *draft;
	const struct cert_crl_row *row;
	struct slice der;
};

static bool
save_once(struct store_tx *tx, void *arg, struct err *e)
{
	const struct made *m = arg;

	return store_lease_keep(tx, m->lease, e) &&
	       cert_crl_db_save(tx, m->draft, m->row, m->der, e);
}

static bool
make_one(struct cert_crl *c, const struct cert_member *m, struct err *e)
{
	AUTO(cert_crl_draft_clear) struct cert_crl_draft d = { .issuer = m };
	AUTO(store_rollback) struct store_tx *tx = NULL;
	AUTO(buf_free) struct buf *der = NULL;
	char name[STORE_LEASE_NAME_SIZE];
	struct store_lease l = lease_of(c, name, m);
	struct cert_crl_row row = { 0 };
	int64_t began = clock_mono_ms();
	struct claim k = { &l, m->id, false };
	bool found;

	if (!begin_read(c, &tx, e) ||
	    !cert_crl_db_row(tx, m->id, &row, &found, e))
		return false;
	store_rollback(&tx);
	if (!is_due(&row, found, clock_now_ms()))
		return true;
	if (!store_write(c->o.store, claim_once, &k, e))
		return err_wrap(e, "CRL of %s", m->id);
	if (!k.mine)
		return true;
	if (!draft(c, &d, &row, &der, e) ||
	    !store_write(c->o.store, save_once,
	        &(struct made){ &l, &d, &row, buf_slice(der) }, e))
		return err_wrap(e, "CRL of %s", m->id);
	log_event(LOG_INFO, "crl_made", "authority", m->id, "number",
	    LOG_NUM(d.number), "entries", LOG_NUM(d.entries), "ms",
	    LOG_NUM(clock_mono_ms() - began), NULL);
	return true;
}

static bool
speaks(const struct cert_member *m)
{
	return str_eq(m->role, CERT_ROLE_ISSUING) &&
	       cert_not_after(m->certificate) > clock_now_ms();
}

bool
cert_crl_lacks_key(const struct cert_member *m)
{
	return speaks(m) && m->key == NULL;
}

bool
cert_crl_make(struct cert_crl *c, struct err *e)
{
	AUTO(cert_authority_free)
	struct cert_authority *a = cert_live_get(c->o.live);
	const struct cert_member *const *members = NULL;
	size_t n = cert_authority_members(a, &members);
	struct err first = { 0 };

	/* One that fails does not keep the others back. */
	for (size_t i = 0; i < n; i++) {
		const struct cert_member *m = members[i];
		struct err why = { 0 };

		if (speaks(m) && m->key != NULL && !make_one(c, m, &why) &&
		    first.code == ERR_NONE)
			first = why;
	}
	if (first.code != ERR_NONE)
		*e = first;
	return first.code == ERR_NONE;
}

/* ---- the thread ---- */

/* Until it is due or the time is over; false when stopping. */
static bool
wait_due(struct cert_crl *c, int64_t ms, bool for_due)
{
	struct timespec until;
	int timed_out = 0;
	bool go_on;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_nsec += ms % MS_S * 1000000;
	until.tv_sec += ms / MS_S + until.tv_nsec / 1000000000;
	until.tv_nsec %= 1000000000;
	pthread_mutex_lock(&c->lock);
	while (!c->stopping && !(for_due && c->due) && timed_out != ETIMEDOUT)
		timed_out = pthread_cond_timedwait(&c->wake, &c->lock, &until);
	go_on = !c->stopping;
	pthread_mutex_unlock(&c->lock);
	return go_on;
}

/* As long as the last round took, it does nothing: half a core at most. */
static void *
work(void *arg)
{
	struct cert_crl *c = arg;
	int64_t took = 0;

	while (wait_due(c, LOOK_MS, true) &&
	       wait_due(c, GATHER_MS + took, false)) {
		int64_t began = clock_mono_ms();
		struct err e = { 0 };

		pthread_mutex_lock(&c->lock);
		c->due = false;
		pthread_mutex_unlock(&c->lock);
		if (!cert_crl_make(c, &e))
			log_event(LOG_ERROR, "crl_failed", "why", e.text, NULL);
		took = clock_mono_ms() - began;
	}
	return NULL;
}

/* Something was revoked.  Runs on the committing thread. */
static void
revoked(void *arg)
{
	struct cert_crl *c = arg;

	pthread_mutex_lock(&c->lock);
	c->due = true;
	pthread_cond_broadcast(&c->wake);
	pthread_mutex_unlock(&c->lock);
}

bool
cert_crl_new(
    const struct cert_crl_options *o, struct cert_crl **out, struct err *e)
{
	AUTO(cert_crl_free) struct cert_crl *c = mem_zalloc(1, sizeof(*c));
	pthread_condattr_t monotonic;

	c->o = *o;
	pthread_mutex_init(&c->lock, NULL);
	pthread_mutex_init(&c->copies_lock, NULL);
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&c->wake, &monotonic);
	pthread_condattr_destroy(&monotonic);
	store_listen(o->store, STORE_CHANNEL_REVOKED, revoked, c);
	if (!cert_crl_make(c, e))
		return false;
	c->running = pthread_create(&c->thread, NULL, work, c) == 0;
	if (!c->running)
		return err_set(e, ERR_INTERNAL, "no thread for CRLs");
	*out = TAKE(c);
	return true;
}

void
cert_crl_free(struct cert_crl **cp)
{
	struct cert_crl *c = *cp;

	if (c == NULL)
		return;
	store_unlisten(c->o.store, revoked, c);
	pthread_mutex_lock(&c->lock);
	c->stopping = true;
	pthread_cond_broadcast(&c->wake);
	pthread_mutex_unlock(&c->lock);
	if (c->running)
		pthread_join(c->thread, NULL);
	while (c->copies != NULL) {
		struct copy *first = c->copies;

		c->copies = first->next;
		buf_free(&first->der);
		mem_free(&first);
	}
	pthread_mutex_destroy(&c->lock);
	pthread_mutex_destroy(&c->copies_lock);
	pthread_cond_destroy(&c->wake);
	mem_free(cp);
}

/* ---- reading ---- */

static bool
head_in(struct store_tx *tx, const char *id, struct cert_crl_head *out,
    struct err *e)
{
	struct cert_crl_row row;
	bool found;

	if (!cert_crl_db_row(tx, id, &row, &found, e))
		return false;
	if (!found)
		return err_set(e, ERR_NOT_FOUND, "there is no such CRL");
	if (row.head.number == 0)
		return err_set(e, ERR_UNAVAILABLE, "there is no CRL yet");
	*out = row.head;
	return true;
}

bool
cert_crl_head(struct cert_crl *c, const char *authority_id,
    struct cert_crl_head *out, struct err *e)
{
	AUTO(store_rollback) struct store_tx *tx = NULL;

	return begin_read(c, &tx, e) && head_in(tx, authority_id, out, e);
}

/* The copy of an authority, made empty; under copies_lock. */
static struct copy *
copy_of(struct cert_crl *c, const char *id)
{
	struct copy *k = c->copies;

	while (k != NULL && !str_eq(k->id, id))
		k = k->next;
	if (k == NULL) {
		k = mem_zalloc(1, sizeof(*k));
		str_copy_cut(k->id, sizeof(k->id), id);
		k->next = c->copies;
		c->copies = k;
	}
	return k;
}

/*
 * The row is asked each time, which is cheap, and the list fetched when its
 * number is another: so no node serves an older one than the last.
 */
bool
cert_crl_read(struct cert_crl *c, const char *authority_id, struct buf *out,
    struct err *e)
{
	AUTO(store_rollback) struct store_tx *tx = NULL;
	struct cert_crl_head head;
	struct copy *k;
	bool good = true;

	if (!begin_read(c, &tx, e) || !head_in(tx, authority_id, &head, e))
		return false;
	pthread_mutex_lock(&c->copies_lock);
	k = copy_of(c, authority_id);
	if (k->number < head.number) {
		buf_free(&k->der);
		k->number = 0;
		good =
		    cert_crl_db_der(tx, authority_id, &k->number, &k->der, e);
	}
	if (good)
		buf_add(out, k->der->p, k->der->len);
	pthread_mutex_unlock(&c->copies_lock);
	return good && buf_ok(out, e);
}
