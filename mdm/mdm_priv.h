/* What the files of this directory share beyond the public headers. */
#pragma once

#include <pthread.h>

#include "core/clock.h"
#include "core/encode.h"
#include "core/json.h"
#include "core/limits.h"
#include "core/log.h"
#include "core/pl.h"
#include "mdm/mdm_catalogue.h"
#include "mdm/mdm_db_priv.h"
#include "mdm/mdm_service.h"
#include "store/store_event.h"

enum mdm_counter {
	MDM_COUNT_IDLE,
	MDM_COUNT_ACKNOWLEDGED,
	MDM_COUNT_ERROR,
	MDM_COUNT_FORMAT_ERROR,
	MDM_COUNT_NOT_NOW,
	MDM_COUNT_AUTHENTICATE,
	MDM_COUNT_TOKEN_UPDATE,
	MDM_COUNT_CHECK_OUT,
	MDM_COUNT_REJECTED,
	MDM_COUNTERS
};

/* Refusals already told in the event feed: MDM_HEARD_WAYS slots a bucket. */
enum { MDM_HEARD_BUCKETS = 256, MDM_HEARD_WAYS = 4 };
struct mdm_heard {
	uint64_t key;
	int64_t at;
};

enum { MDM_MARKS = 4096 };
struct mdm_marks {
	_Atomic uint64_t slot[MDM_MARKS];
};

struct mdm_service {
	pthread_mutex_t mutex; /* guards topics and heard */
	char **topics;         /* NULL ends; none, or NULL: any */
	struct mdm_heard heard[MDM_HEARD_BUCKETS][MDM_HEARD_WAYS];

	struct mdm_options o;
	struct cert_verifier *verifier;
	_Atomic int64_t counters[MDM_COUNTERS];
	/*
	 * Certificates that the ledger accepted lately: so strangers are told
	 * from devices without a transaction.  It decides nothing: who is
	 * admitted may ask for the writer's turn, and is looked up there.
	 */
	struct mdm_marks admitted;
	/*
	 * Enrolments that will come soon.  An Idle of theirs goes straight to
	 * the writer, without the look of a reader whether that is worth
	 * while: with PostgreSQL it would be a round trip more.  Whoever is
	 * wrongly expected costs a turn of the writer, whoever is forgotten a
	 * look.
	 */
	struct mdm_marks expected;
};

/* A message, parsed; borrows from doc. */
struct mdm_message {
	struct slice body;
	struct pl *doc;
	char fingerprint[65]; /* of the certificate that proves it */
	const char *udid, *user_id;
	char enrollment_id[MDM_ENROLLMENT_ID];
};
void mdm_message_clear(struct mdm_message *m);

/* ---- mdm_service.c ---- */

void mdm_count(struct mdm_service *s, enum mdm_counter c);
/* True if Macs may report this topic. */
bool mdm_topic_fits(struct mdm_service *s, const char *topic);
const struct mdm_renderer *mdm_renderer_find(
    const struct mdm_service *s, const char *name);
/* An event with facts; data is taken (may be NULL). */
MUST_CHECK bool mdm_event(struct store_tx *tx, const struct store_event *ev,
    json_t *data, struct err *e);

/* ---- mdm_mark.c ---- */

void mdm_mark(struct mdm_marks *m, const char *id);
bool mdm_marked(const struct mdm_marks *m, const char *id);
/* True if it was marked until now. */
bool mdm_unmark(struct mdm_marks *m, const char *id);

/* ---- mdm_auth.c ---- */

enum mdm_refusal {
	MDM_ACCEPTED,
	MDM_NO_PROOF,
	MDM_BAD_SIGNATURE,
	MDM_TWO_PROOFS,
	MDM_UNKNOWN_CERTIFICATE,
	MDM_REVOKED,
	MDM_EXPIRED,
	MDM_NOT_YET_VALID,
	MDM_WRONG_PURPOSE,
	MDM_OTHER_DEVICE,
	MDM_UNKNOWN_DEVICE,
	MDM_NOT_ENROLLED
};
/*
 * The certificate that signed or carries the request: MDM_ACCEPTED and its
 * fingerprint, or one of the next three and a text for the log.
 */
struct mdm_proof {
	struct slice body, tls_certificate;
	const char *signature; /* header, or NULL */
	char fingerprint[65];
};
enum mdm_refusal mdm_auth_prove(
    struct mdm_service *s, struct mdm_proof *p, struct err *why);
/* Is the certificate in the ledger?  Large bodies of strangers are not worth
 * parsing. */
MUST_CHECK bool mdm_auth_known(struct mdm_service *s, const char *fingerprint,
    bool *known_out, struct err *e);
/* Reads who speaks, in a read transaction of its own.  Writes down that a
 * device speaks with an identity that it is to change, if that is due. */
MUST_CHECK bool mdm_auth_who(struct mdm_service *s, const char *fingerprint,
    const char *enrollment_id, struct mdm_who *out, struct err *e);
/* The certificate alone: in the ledger, alive, for this purpose. */
enum mdm_refusal mdm_auth_certificate(const struct mdm_who *w, int64_t now);
/* And bound to the device of the enrolment. */
enum mdm_refusal mdm_auth_bound(const struct mdm_who *w, int64_t now);
/* Whether it has to be written down that an identity which is to be changed
 * still speaks: it is not ended before it was silent for a day. */
bool mdm_auth_outgoing_due(const struct mdm_who *w, int64_t now);
/*
 * True if the feed has not been told of this refusal of whom (an id) within
 * the hour; it counts as told from now on.  When it cannot be remembered
 * nothing is news: the log has it.
 */
bool mdm_auth_is_news(
    struct mdm_service *s, const char *whom, enum mdm_refusal why);
/*
 * Logs the refusal, tells it in the event feed (at most once an hour for a
 * device and reason), counts it, and sets e to ERR_FORBIDDEN; always false.
 * No transaction may be open.
 */
bool mdm_auth_refuse(struct mdm_service *s, const struct mdm_message *m,
    const struct mdm_who *w, enum mdm_refusal why, struct err *e);
const char *mdm_refusal_name(enum mdm_refusal r);

/* ---- mdm_checkin.c, mdm_connect.c ---- */

/* *status_out: the HTTP status of an answer without a body. */
MUST_CHECK bool mdm_checkin(struct mdm_service *s, struct mdm_message *m,
    int *status_out, struct err *e);
/* Appends the next command to out, or nothing. */
MUST_CHECK bool mdm_connect(struct mdm_service *s, struct mdm_message *m,
    struct buf *out, struct err *e);
/* Authenticate has a file of its own: mdm_authenticate.c. */
MUST_CHECK bool mdm_authenticate(
    struct mdm_service *s, struct mdm_message *m, struct err *e);

/* ---- mdm_life.c ---- */

/* A serial number that another machine holds. */
struct mdm_serial_claim {
	struct mdm_device *device; /* id "": not there yet; gets the serial */
	const char *told;          /* as the Mac said it, or NULL */
};
/*
 * Lets the device take the serial number: from nobody, or from a device that
 * is not enrolled any more, whose history it inherits.  *refused_out: an
 * enrolled device holds it (event device.serial_conflict), or this device had
 * another one (device.identity_conflict), or it is no serial number
 * (device.serial_refused).
 */
MUST_CHECK bool mdm_life_serial(struct store_tx *tx,
    const struct mdm_serial_claim *c, bool *refused_out, struct err *e);
/*
 * Ends the life of a device: open orders (delivered ones become unconfirmed,
 * others cancelled), open commands, all its enrolments; tells on_left if it
 * was enrolled (s may be NULL: nobody).  The device's own state is set.
 */
struct mdm_farewell {
	const char *device_id;
	const char *state; /* enrolling, left, wiped, deleted */
	const char *why;   /* for on_left and events */
};
MUST_CHECK bool mdm_life_end(struct mdm_service *s, struct store_tx *tx,
    const struct mdm_farewell *f, struct err *e);
/*
 * Takes back the end of a life by a wipe that did not happen: the channel that
 * spoke and that of the device go on, whichever came first, the Mac is asked
 * about itself, and on_returned is told.
 */
struct mdm_return {
	const char *device_id, *device_channel, *channel;
};
MUST_CHECK bool mdm_life_resume(struct mdm_service *s, struct store_tx *tx,
    const struct mdm_return *r, struct err *e);

/* ---- mdm_queue.c ---- */

/* Ends a command, tells its renderer (s may be NULL) and the feed. */
MUST_CHECK bool mdm_queue_end(struct mdm_service *s, struct store_tx *tx,
    const struct mdm_db_command *c, const struct mdm_ending *how,
    struct err *e);
/* Ends an expired command and its order. */
MUST_CHECK bool mdm_queue_expire(struct mdm_service *s, struct store_tx *tx,
    const struct mdm_db_command *c, struct err *e);
/* True if the XML is one Command dictionary of this type. */
MUST_CHECK bool mdm_queue_check_xml(
    const char *request_type, const char *dict_xml, struct err *e);
/* Takes the keys that hold secrets out of a dictionary a Mac sent; o may be
 * NULL or something else. */
void mdm_queue_drop_secrets(json_t *o);
/* Context of a command's sealed body or result. */
struct mdm_context {
	char text[80];
};
struct mdm_context mdm_context(const char *what, const char *id);

/* ---- mdm_order.c ---- */

/* Changes the state of an order and tells the feed. */
MUST_CHECK bool mdm_order_change(struct store_tx *tx, const char *order_id,
    const struct mdm_order_change *to, const char *actor, struct err *e);

/* ---- mdm_inventory.c ---- */

/* What an answer says about the device, ready before the transaction. */
struct mdm_findings {
	char *information, *security; /* JSON, or NULL */
	struct err problem;           /* ERR_NONE, or why it was not read */
};
void mdm_findings_clear(struct mdm_findings *f);
void mdm_findings_read(const struct pl *doc, struct mdm_findings *out);
/* There is something about the device in them. */
bool mdm_findings_any(const struct mdm_findings *f);
/* Stores findings of a DeviceInformation or SecurityInfo; known changes. */
MUST_CHECK bool mdm_inventory_take(struct store_tx *tx, struct mdm_known *known,
    const struct mdm_findings *f, struct err *e);
/* The same, looking the device up. */
MUST_CHECK bool mdm_inventory_apply(struct store_tx *tx, const char *device_id,
    const struct mdm_findings *f, struct err *e);

/* mdm_chip_may_wipe(), with what is known of its answers.  When it refuses for
 * an unknown chip, the caller asks the Mac: mdm_inventory_ask(). */
MUST_CHECK bool mdm_inventory_may_wipe(struct store_tx *tx,
    const struct mdm_device *d, bool *may_out, struct err *refusal,
    struct err *e);
/* Decides the chip again from all that is kept of the machine; d changes. */
MUST_CHECK bool mdm_inventory_chip(
    struct store_tx *tx, struct mdm_device *d, struct err *e);

/* ---- mdm_device.c ---- */

/* Facts a Mac tells at Authenticate and in DeviceInformation; NULL: not. */
struct mdm_told {
	const char *name, *product_name, *model, *model_name, *os_version,
	    *os_build;
};
/* Takes them over; *named_out: the name became too long. */
void mdm_device_take(
    struct mdm_device *d, const struct mdm_told *t, bool *named_out);
/* A new life tells its model and name anew; what was heard of the chip stays.
 */
void mdm_device_forget(struct mdm_device *d);
/* The event device.name_too_long. */
MUST_CHECK bool mdm_device_named(
    struct store_tx *tx, const struct mdm_device *d, struct err *e);
/* True for none, and for what may be the serial number of a Mac; no UDID and
 * few names are of this form. */
bool mdm_device_serial_ok(const char *told);
/* Upper-case copy of a serial number. */
void mdm_device_serial(char out[129], const char *told);
