/*
 * A push with a certificate that is not in use yet, to prove that APNs takes
 * it.  Any thread; blocks.
 */
#pragma once

#include "apns/apns_cert.h"
#include "apns/apns_client.h"
#include "store/store.h"

/* A Mac to push to. */
struct apns_canary {
	char device_id[37], serial[129];
	struct buf *token;
	char *magic;
};
void apns_canary_free(struct apns_canary **c);

/*
 * The enrolment of this device under the topic, or with device_id NULL the
 * one that was in contact last; *out NULL: there is none that can be pushed.
 */
MUST_CHECK bool apns_canary_find(struct store_tx *tx, const char *topic,
    const char *device_id, struct apns_canary **out, struct err *e);
/*
 * One push over a connection of its own; waits for the answer, at most half a
 * minute.  o: hosts, trust anchors, proxy; its certificate is not used.
 */
MUST_CHECK bool apns_canary_push(const struct apns_client_options *o,
    const struct apns_cert *cert, const struct apns_canary *c,
    struct apns_answer *out, struct err *e);
