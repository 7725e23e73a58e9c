/*
 * What nodes keep in memory, valid for all: who changes something that others
 * have a copy of touches its name in the same transaction; who has a copy
 * watches that name.  Other nodes hear of it by notification, and by looking
 * every second where none comes through.
 *
 * A watch has a thread, on which the hooks run.
 */
#pragma once

#include "store/store.h"

struct store_watch;

/* Names: of what there are copies. */
#define STORE_WATCH_PUSH_CERTIFICATE "push-certificate"
#define STORE_WATCH_TOKEN "token"
#define STORE_WATCH_AUTHORITY "authority" /* and templates */

/* It changed: everybody's hooks run after this transaction's commit. */
MUST_CHECK bool store_watch_touch(
    struct store_tx *tx, const char *name, struct err *e);

/*
 * Reads where all names stand.  Make it before the copies are made, so that
 * no change falls between.
 */
MUST_CHECK bool store_watch_new(
    struct store *st, struct store_watch **out, struct err *e);
/*
 * Before the start.  The hook may take transactions.  If it fails it is called
 * again, a second later.  It may be called once too often.  The name is a
 * literal.
 */
void store_watch_add(struct store_watch *w, const char *name,
    bool (*hook)(void *arg, struct err *e), void *arg);
MUST_CHECK bool store_watch_start(struct store_watch *w, struct err *e);
/* Waits for a hook that runs. */
void store_watch_free(struct store_watch **w);
