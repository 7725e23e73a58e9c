/*
 * The present snapshot of the authority.  The lock guards the pointer alone
 * and is held for moments; refreshes take turns under a second one, which also
 * keeps them from opening keys of a token at the same time.
 */
#include <pthread.h>

#include "certs/cert_authority_priv.h"
#include "certs/cert_live.h"

struct cert_live {
	pthread_mutex_t lock;    /* guards now */
	pthread_mutex_t refresh; /* one refresh at a time */
	struct cert_authority *now;
	struct store *store;
	struct cert_authority_options o;
};

bool
cert_live_open(struct store *st, const struct cert_authority_options *o,
    struct cert_live **out, struct err *e)
{
	struct cert_authority *now = NULL;
	struct cert_live *l;

	if (!cert_authority_open(st, o, &now, e))
		return false;
	l = mem_zalloc(1, sizeof(*l));
	pthread_mutex_init(&l->lock, NULL);
	pthread_mutex_init(&l->refresh, NULL);
	l->now = now;
	l->store = st;
	l->o = *o;
	*out = l;
	return true;
}

void
cert_live_free(struct cert_live **l)
{
	if (*l == NULL)
		return;
	cert_authority_free(&(*l)->now);
	pthread_mutex_destroy(&(*l)->lock);
	pthread_mutex_destroy(&(*l)->refresh);
	mem_free(l);
}

struct cert_authority *
cert_live_get(struct cert_live *l)
{
	struct cert_authority *a;

	pthread_mutex_lock(&l->lock);
	a = cert_authority_ref(l->now);
	pthread_mutex_unlock(&l->lock);
	return a;
}

static bool
read_version(struct cert_live *l, int64_t *out, struct err *e)
{
	AUTO(store_rollback) struct store_tx *tx = NULL;

	return store_begin(l->store, STORE_READ, &tx, e) &&
	       cert_authority_db_version(tx, out, e);
}

static bool
refresh(struct cert_live *l, bool *changed, struct err *e)
{
	AUTO(cert_authority_free) struct cert_authority *old = cert_live_get(l);
	AUTO(cert_authority_free) struct cert_authority *fresh = NULL;
	int64_t version;

	*changed = false;
	if (!read_version(l, &version, e))
		return false;
	if (version == old->version && !cert_authority_ra_due(old) &&
	    !cert_authority_overlap_ended(old))
		return true;
	if (!cert_authority_open(l->store, &l->o, &fresh, e))
		return false;
	/* Not by an RA that is due and could not be renewed. */
	*changed =
	    fresh->version != old->version || cert_authority_overlap_ended(old);
	pthread_mutex_lock(&l->lock);
	cert_authority_free(&l->now);
	l->now = TAKE(fresh);
	pthread_mutex_unlock(&l->lock);
	return true;
}

bool
cert_live_refresh(struct cert_live *l, bool *changed, struct err *e)
{
	bool good;

	pthread_mutex_lock(&l->refresh);
	good = refresh(l, changed, e);
	pthread_mutex_unlock(&l->refresh);
	return good;
}
