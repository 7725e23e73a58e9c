/* MDM push certificates (Apple, "Setting up push notifications"). */
#pragma once

#include "certs/cert_x509.h"
#include "core/seal.h"
#include "store/store.h"

struct apns_cert {
	char id[37];
	char topic[257]; /* UID of the subject, com.apple.mgmt.External.... */
	char *cert_pem;  /* with its chain */
	char *key_pem;
	int64_t not_after;
};
void apns_cert_free(struct apns_cert **c);

/*
 * Checks what an administrator gave: UID topic present and of Apple's form,
 * key fits, not expired.  ERR_INVALID names the rule.
 */
MUST_CHECK bool apns_cert_parse(struct slice cert_pem, struct slice key_pem,
    struct apns_cert **out, struct err *e);
/*
 * Stores it (key sealed) as the active one of its topic.  ERR_CONFLICT
 * "push_topic_change" when enrolments depend on another topic and
 * allow_topic_change is false.  Writes the event push_certificate.imported.
 */
MUST_CHECK bool apns_cert_save(struct store_tx *tx, const struct seal *seal,
    const struct apns_cert *c, const char *owner, bool allow_topic_change,
    const char *actor, struct err *e);
/* The newest active certificate; *out NULL when there is none. */
MUST_CHECK bool apns_cert_load(struct store_tx *tx, const struct seal *seal,
    struct apns_cert **out, struct err *e);
