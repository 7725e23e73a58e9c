/* MDM push certificates (Apple, "Setting up push notifications"). */
#pragma once

#include "certs/cert_x509.h"
#include "core/seal.h"
#include "store/store.h"

struct apns_cert {
	struct apns_cert *next; /* of a list, or NULL */
	char id[37];
	char topic[257]; /* UID of the subject, com.apple.mgmt.External.... */
	char *cert_pem;  /* with its chain */
	char *key_pem;
	int64_t not_after;
};
/* And those behind it. */
void apns_cert_free(struct apns_cert **c);

/*
 * Checks what an administrator gave: UID topic present and of Apple's form,
 * key fits, not expired.  ERR_INVALID names the rule.
 */
MUST_CHECK bool apns_cert_parse(struct slice cert_pem, struct slice key_pem,
    struct apns_cert **out, struct err *e);

/* The forms in which other servers and Apple's portal give certificates. */
struct apns_cert_input {
	struct slice cert;      /* PEM, perhaps with the key in the same text */
	struct slice key;       /* PEM, perhaps encrypted; empty: see cert */
	struct slice pkcs12;    /* DER, instead of both */
	const char *passphrase; /* of the key or the PKCS #12, or NULL */
};
/*
 * Both as PEM texts for apns_cert_parse(), the key in the clear; *key_out is
 * NULL when there is none in it.  Free with buf_free() and buf_wipe().
 */
MUST_CHECK bool apns_cert_read(const struct apns_cert_input *in,
    struct buf **cert_out, struct buf **key_out, struct err *e);

struct apns_cert_import {
	const char *owner; /* the Apple account */
	/* The new topic as the administrator typed it, or NULL. */
	const char *typed_topic;
	const char *actor;
};
/*
 * Stores it (key sealed) as the active one of its topic.  ERR_CONFLICT
 * "push_topic_change" when enrolments depend on another topic and the new one
 * was not typed out.  Writes the event push_certificate.imported.
 */
MUST_CHECK bool apns_cert_save(struct store_tx *tx, const struct seal *seal,
    const struct apns_cert *c, const struct apns_cert_import *how,
    struct err *e);
/* The active certificate that new enrolments get: the one that took over
 * last; *out NULL when there is none. */
MUST_CHECK bool apns_cert_load(struct store_tx *tx, const struct seal *seal,
    struct apns_cert **out, struct err *e);
/* All active ones, one a topic, that one first. */
MUST_CHECK bool apns_cert_load_all(struct store_tx *tx, const struct seal *seal,
    struct apns_cert **out, struct err *e);

/*
 * An earlier certificate, to go back to: this one, or with id NULL the latest
 * of the topic of new enrolments.  ERR_NOT_FOUND; ERR_CONFLICT "expired".
 */
MUST_CHECK bool apns_cert_load_old(struct store_tx *tx, const struct seal *seal,
    const char *id, struct apns_cert **out, struct err *e);
/* Makes it the active one of its topic again. */
MUST_CHECK bool apns_cert_restore(struct store_tx *tx,
    const struct apns_cert *c, const char *actor, struct err *e);
