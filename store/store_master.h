/*
 * The master key belongs to the database: what is sealed there opens under one
 * key only, and all nodes share it.  No state; any thread.
 */
#pragma once

#include "core/seal.h"
#include "store/store.h"

/*
 * Is this the key that the database was begun with?  begin: if there is no
 * mark it is, from now on; of nodes that begin together with keys of their own
 * one wins.  ERR_FORBIDDEN: it is another.
 */
MUST_CHECK bool store_master_check(
    struct store *st, const struct seal *seal, bool begin, struct err *e);
