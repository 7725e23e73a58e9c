/*
 * The MDM protocol service: check-in and connect.  mdm_http.c puts it on the
 * device side (PUT /mdm, PUT /checkin).
 */
#pragma once

#include "certs/cert_cms.h"
#include "core/seal.h"
#include "http/http.h"
#include "mdm/mdm_queue.h"
#include "store/store_lease.h"

struct mdm_service;

/* What became of a command: "acknowledged", or "error" with a text; domain and
 * code are the top of the Mac's ErrorChain, domain NULL if it sent none. */
struct mdm_done {
	const char *ref, *command_id;
	const char *state, *text, *domain;
	int64_t code;
};

/*
 * Writes the Command dictionary of a command at delivery, in the delivering
 * transaction (how an InstallProfile gets a fresh challenge).  Appends
 * <dict>...</dict>.
 */
struct mdm_renderer {
	const char *name;
	bool (*render)(struct store_tx *tx, const char *ref,
	    const char *command_id, struct buf *out, void *arg, struct err *e);
	/* In the transaction that records the answer. */
	bool (*done)(struct store_tx *tx, const struct mdm_done *what,
	    void *arg, struct err *e);
	void *arg;
};

struct mdm_options {
	struct store *store;
	const struct seal *seal;
	const struct mdm_renderer *renderers; /* name NULL ends; borrowed */
	/* Who issues the identities of Macs, so that strangers cannot push them
	 * out of what is remembered; NULL: anybody may.  */
	struct cert_live *issuers;
	/*
	 * In the transaction that ends an enrolment (checked out, wiped,
	 * re-enrolled): how certificates of the user are revoked.
	 */
	bool (*on_left)(struct store_tx *tx, const char *device_id,
	    const char *why, void *arg, struct err *e);
	/* In the transaction of the first TokenUpdate of a life. */
	bool (*on_enrolled)(struct store_tx *tx, const char *device_id,
	    void *arg, struct err *e);
	/*
	 * In the transaction in which a Mac that acknowledged a wipe speaks
	 * again: it was not erased, and all that was installed is still there.
	 */
	bool (*on_returned)(struct store_tx *tx, const char *device_id,
	    void *arg, struct err *e);
	/* In the transaction that gives up waiting for the answer to a wipe
	 * that was delivered: the Mac may be erased. */
	bool (*on_wipe_unconfirmed)(struct store_tx *tx, const char *device_id,
	    void *arg, struct err *e);
	void *hook_arg;
};
MUST_CHECK bool mdm_service_new(
    const struct mdm_options *o, struct mdm_service **out, struct err *e);
void mdm_service_free(struct mdm_service **s);
/* The topics that Macs may report: those with a push certificate, NULL ends;
 * none: any.  Copied; any thread. */
void mdm_service_set_topics(struct mdm_service *s, const char *const *topics);
void mdm_http_add(struct http_server *h, struct mdm_service *s);
/*
 * Says that an enrolment will come soon and find a command: one was queued for
 * it, or it was pushed.  Spares its visit a look whether there is anything for
 * it; nothing depends on it.  Any thread.
 */
void mdm_service_expect(struct mdm_service *s, const char *enrollment_id);
/* Periodic work: expire commands and orders.  Called every minute by who has
 * the lease; NULL: nobody else does. */
MUST_CHECK bool mdm_service_tick(
    struct mdm_service *s, const struct store_lease *lease, struct err *e);
/* Queues DeviceInformation and SecurityInfo unless they wait already. */
MUST_CHECK bool mdm_inventory_ask(struct store_tx *tx, const struct seal *seal,
    const char *device_id, const char *by, struct err *e);

struct mdm_stats {
	int64_t idle, acknowledged, error, format_error, not_now, authenticate,
	    token_update, check_out, rejected;
};
void mdm_service_stats(const struct mdm_service *s, struct mdm_stats *out);
