/*
 * The authority as it is now.  Nodes that share a database find each other's
 * changes by its version; whoever works with a snapshot keeps it by a
 * reference until done.  Any thread.
 */
#pragma once

#include "certs/cert_authority.h"

struct cert_live;

/* As cert_authority_open(). */
MUST_CHECK bool cert_live_open(struct store *st,
    const struct cert_authority_options *o, struct cert_live **out,
    struct err *e);
void cert_live_free(struct cert_live **l);
/* A reference to the present snapshot, to be freed with
 * cert_authority_free().  Never NULL. */
struct cert_authority *cert_live_get(struct cert_live *l);
/*
 * Looks whether authority or templates changed, here or at another node, and
 * renews the RA at half of its life, and drops the one before it when its time
 * is over; one small query when nothing did.  The snapshot stays as it was when
 * this fails.  *changed: there is a new one.
 */
MUST_CHECK bool cert_live_refresh(
    struct cert_live *l, bool *changed, struct err *e);
