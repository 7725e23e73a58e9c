/*
 * The SQL of this directory: mdm_db_*.c.  Functions run in the caller's
 * transaction; texts of the database are cut to the sizes here.
 */
#pragma once

#include "apns/apns_scheduler.h"
#include "certs/cert_template.h"
#include "mdm/mdm_device.h"
#include "mdm/mdm_order.h"
#include "mdm/mdm_queue.h"
#include "mdm/mdm_why.h"
#include "store/store_about.h"

enum {
	MDM_ID = 37,
	MDM_WORD = 24, /* states, kinds */
	/* Characters of an order's texts. */
	MDM_MESSAGE_MAX = 255,
	MDM_PHONE_MAX = 64,
	MDM_NOTE_MAX = 1024,
	MDM_BEHAVIOUR_MAX = 64
};

/* ---- mdm_db.c: helpers ---- */

/* Runs the query and moves to its first row; *found_out: there is one. */
MUST_CHECK bool mdm_db_one(struct store_tx *tx, const char *sql,
    const struct store_value *args, struct store_rows **out, bool *found_out,
    struct err *e);
/* True if the query has a row. */
MUST_CHECK bool mdm_db_exists(struct store_tx *tx, const char *sql,
    const struct store_value *args, bool *out, struct err *e);

/* ---- mdm_db_who.c: the hot path's one statement ---- */

/* Who speaks, and for what: certificate, enrolment, device, queue. */
struct mdm_who {
	bool certificate; /* it is in our ledger */
	bool revoked;
	char purpose[16], template[32];
	bool used;             /* it was seen before */
	char owner_id[MDM_ID]; /* the device it was bound to, or "" */
	int64_t not_before, not_after;

	bool enrollment; /* there is one of this id */
	char state[MDM_WORD], device_state[MDM_WORD], device_id[MDM_ID];
	enum mdm_chip chip;
	int64_t seen_at, device_changed_at;
	bool push_due, open; /* a push is due; a command is open */
	/* The device is to change to another identity than this; when one like
	 * this was last noted.  0: never. */
	bool outgoing;
	int64_t outgoing_at;
};
MUST_CHECK bool mdm_db_who(struct store_tx *tx, const char *fingerprint,
    const char *enrollment_id, struct mdm_who *out, struct err *e);
/* The columns it begins with, of c (certificate), e and d, and how many. */
#define MDM_DB_WHO_COLUMNS                                                     \
	"c.purpose, c.state, c.not_before, c.not_after, c.device_id, "         \
	"e.device_id, e.state, e.last_seen_at, e.push_due_at, d.state, "       \
	"d.chip, d.updated_at, c.template, c.first_seen_at, "                  \
	"(SELECT COALESCE(i.old_seen_at, 0) FROM identity_renewal i WHERE "    \
	"i.device_id = c.device_id AND i.state IN ('sent', 'installed') AND "  \
	"COALESCE(i.fingerprint, '') <> c.fingerprint)"
/* Where among them the device of the enrolment is. */
enum { MDM_DB_WHO_DEVICE = 5, MDM_DB_WHO_COUNT = 15 };
void mdm_db_who_read(const struct store_rows *r, struct mdm_who *out);
/* Telemetry: the device came; nothing is open, so no push is due. */
void mdm_db_seen(struct store *st, const char *enrollment_id,
    const char *device_id, int64_t now);
/* Telemetry: a certificate's first use by its device. */
void mdm_db_first_seen(struct store *st, const char *fingerprint, int64_t now);
/* The device speaks with an identity that it is to change. */
MUST_CHECK bool mdm_db_outgoing_seen(
    struct store_tx *tx, const char *device_id, int64_t now, struct err *e);
/* A live identity of the device other than this one, and than the one by which
 * its life began; "" when there is none. */
MUST_CHECK bool mdm_db_other_identity(struct store_tx *tx,
    const char *device_id, const char *fingerprint, char out[65],
    struct err *e);

/* ---- mdm_db_device.c ---- */

enum mdm_db_key { MDM_BY_ID, MDM_BY_UDID, MDM_BY_SERIAL };
MUST_CHECK bool mdm_db_device_get(struct store_tx *tx, enum mdm_db_key by,
    const char *value, struct mdm_device *out, bool *found_out, struct err *e);
/* Devices of this id, serial number or UDID (in upper case, as Macs tell it)
 * or name, at most two; that of the id is the first. */
#define MDM_DB_DEVICE_ANY(any, serial)                                         \
	"d.id = " any " OR d.serial = " serial " OR "                          \
	"d.udid IN (" any ", " serial ") OR "                                  \
	"(d.name = " any " AND d.state <> 'deleted') "                         \
	"ORDER BY CASE WHEN d.id = " any " THEN 0 ELSE 1 END, d.id LIMIT 2"
MUST_CHECK bool mdm_db_device_any(struct store_tx *tx, const char *any,
    const char *serial, struct mdm_device out[2], int *count_out,
    struct err *e);
MUST_CHECK bool mdm_db_device_add(
    struct store_tx *tx, const struct mdm_device *d, struct err *e);
/* All columns of d but the user and the inventory. */
MUST_CHECK bool mdm_db_device_save(
    struct store_tx *tx, const struct mdm_device *d, struct err *e);
MUST_CHECK bool mdm_db_device_state(struct store_tx *tx, const char *id,
    const char *state, int64_t now, struct err *e);
/* Leaves the row for the history; serial number and UDID are free. */
MUST_CHECK bool mdm_db_device_delete(
    struct store_tx *tx, const char *id, int64_t now, struct err *e);
/* Gives all that belongs to one device to another and deletes its row. */
MUST_CHECK bool mdm_db_device_merge(
    struct store_tx *tx, const char *from, const char *into, struct err *e);

/* What it reported: JSON texts, NULL when it has not; the caller's. */
struct mdm_reported {
	char *information, *security;
};
void mdm_reported_clear(struct mdm_reported *r);
MUST_CHECK bool mdm_db_device_reported(struct store_tx *tx, const char *id,
    struct mdm_reported *out, struct err *e);
/* A device with what it reported, as a report on it needs it. */
struct mdm_known {
	bool found;
	struct mdm_device device;
	struct mdm_reported reported;
	/* By what it is known may be another, or somebody else's since. */
	bool renamed;
};
void mdm_known_clear(struct mdm_known *k);
MUST_CHECK bool mdm_db_device_information(struct store_tx *tx, const char *id,
    const char *json, int64_t now, struct err *e);
MUST_CHECK bool mdm_db_device_security(struct store_tx *tx, const char *id,
    const char *json, int64_t now, struct err *e);

/* ---- mdm_db_device_json.c: what the API shows ---- */

MUST_CHECK bool mdm_db_device_rows(struct store_tx *tx,
    const struct mdm_device_page *page, const char *after_serial,
    const char *after_id, struct store_rows **out, struct err *e);
/* A device's columns, of d, and how many; read from column col on. */
#define MDM_DB_DEVICE_COLUMNS                                                  \
	"d.id, d.udid, d.serial, d.state, d.name, d.model_id, d.model_name, "  \
	"d.name_too_long, d.chip, d.os_version, d.os_build, d.user_id, "       \
	"d.enrolled_at, d.last_seen_at, d.created_at, d.updated_at, "          \
	"d.information_at, d.security_at, d.chip_heard"
enum { MDM_DB_DEVICE_COUNT = 19 };
void mdm_db_device_read(
    const struct store_rows *r, int col, struct mdm_device *out);
/* Columns behind those of the device in mdm_db_device_rows(). */
extern const int mdm_db_device_user_col, mdm_db_device_open_col;
/* user name (or "") and number of open commands. */
MUST_CHECK bool mdm_db_device_more(struct store_tx *tx, const char *id,
    char user_out[256], int64_t *open_out, struct err *e);
MUST_CHECK bool mdm_db_enrollments_json(
    struct store_tx *tx, const char *device_id, json_t *array, struct err *e);
/* The last rollout, or JSON null. */
MUST_CHECK bool mdm_db_rollout_json(
    struct store_tx *tx, const char *device_id, json_t **out, struct err *e);

/* ---- mdm_db_enrollment.c ---- */

struct mdm_token {
	const char *enrollment_id, *device_id, *channel, *short_name, *topic,
	    *magic, *push_state;
	struct slice token;
	int64_t now;
};
/* A new life: authenticated with this certificate, no token yet. */
MUST_CHECK bool mdm_db_enrollment_begin(struct store_tx *tx, const char *id,
    const char *device_id, const char *identity, struct err *e);
/* Fingerprint of the certificate of the last Authenticate, or "". */
MUST_CHECK bool mdm_db_enrollment_identity(
    struct store_tx *tx, const char *id, char out[65], struct err *e);
/* Stores the token, state enrolled; *updates_out: how many in this life. */
MUST_CHECK bool mdm_db_enrollment_token(struct store_tx *tx,
    const struct mdm_token *t, int64_t *updates_out, struct err *e);
/* There is such an enrolment, or room for one more user of the device. */
MUST_CHECK bool mdm_db_enrollment_user_room(struct store_tx *tx,
    const char *device_id, const char *id, bool *room_out, struct err *e);
/* An enrolment of the device that has not left; "" when there is none. */
MUST_CHECK bool mdm_db_enrollment_live(struct store_tx *tx,
    const char *device_id, char out[MDM_ENROLLMENT_ID], struct err *e);
MUST_CHECK bool mdm_db_enrollment_left(
    struct store_tx *tx, const char *id, struct err *e);
MUST_CHECK bool mdm_db_enrollment_back(
    struct store_tx *tx, const char *id, struct err *e);
/* The device channel that can be sent commands; "" when there is none. */
MUST_CHECK bool mdm_db_enrollment_of(struct store_tx *tx, const char *device_id,
    char out[MDM_ENROLLMENT_ID], struct err *e);
/* The device came: push attempts start afresh. */
struct mdm_came {
	int64_t push_due_at; /* 0: no push is due */
	int64_t now;
	bool idle; /* a visit begins */
};
MUST_CHECK bool mdm_db_enrollment_came(struct store_tx *tx, const char *id,
    const struct mdm_came *c, struct err *e);
/* No push is due when no command is open. */
MUST_CHECK bool mdm_db_enrollment_calm(
    struct store_tx *tx, const char *id, struct err *e);

/* ---- mdm_db_command.c ---- */

struct mdm_db_command {
	char id[MDM_ID], enrollment_id[MDM_ENROLLMENT_ID], device_id[MDM_ID];
	char request_type[65], state[MDM_WORD], order_id[MDM_ID];
	char renderer[65], renderer_ref[129];
	struct buf *body; /* sealed; NULL when a renderer writes it */
	bool urgent, done, answered;
	int64_t deliveries, not_now, expires_at, queued_at;
};
void mdm_db_command_clear(struct mdm_db_command *c);
/* Empty id: not there. */
MUST_CHECK bool mdm_db_command_get(struct store_tx *tx, const char *id,
    struct mdm_db_command *out, struct err *e);
/* The open command to offer next; not_now: also those put off in the present
 * visit. */
MUST_CHECK bool mdm_db_command_next(struct store_tx *tx,
    const char *enrollment_id, bool not_now, struct mdm_db_command *out,
    struct err *e);
/* The columns of a command, of the table q and of e, and how many; read from
 * column col on, and its body. */
#define MDM_DB_COMMAND_COLUMNS(q)                                              \
	q ".id, " q ".enrollment_id, " q ".request_type, " q ".state, " q      \
	  ".order_id, " q ".renderer, " q ".renderer_ref, " q ".urgent, " q    \
	  ".done_at, " q ".deliveries, " q ".not_now, " q ".expires_at, " q    \
	  ".queued_at, e.device_id, " q ".result IS NOT NULL"
enum { MDM_DB_COMMAND_COUNT = 15 };
void mdm_db_command_read(
    const struct store_rows *r, int col, struct mdm_db_command *out);
void mdm_db_command_read_body(
    const struct store_rows *r, int col, struct mdm_db_command *out);
/* How long the open commands may wait for the next push. */
struct mdm_patience {
	int64_t not_now; /* most NotNow answers; -1: nothing is open */
	int64_t
	    urgent_at; /* when the newest lock or wipe was queued; 0: none */
};
/* The oldest open command of an enrolment. */
MUST_CHECK bool mdm_db_command_open(struct store_tx *tx,
    const char *enrollment_id, struct mdm_db_command *out, struct err *e);
/* An open command that has expired. */
MUST_CHECK bool mdm_db_command_stale(struct store_tx *tx, int64_t now,
    struct mdm_db_command *out, struct err *e);
MUST_CHECK bool mdm_db_command_waits(struct store_tx *tx,
    const char *enrollment_id, const char *request_type, bool *out,
    struct err *e);
MUST_CHECK bool mdm_db_command_add(struct store_tx *tx, const char *id,
    const struct mdm_command *c, struct slice body, int64_t now, struct err *e);
MUST_CHECK bool mdm_db_command_delivered(
    struct store_tx *tx, const char *id, int64_t now, struct err *e);
MUST_CHECK bool mdm_db_command_not_now(struct store_tx *tx, const char *id,
    const char *enrollment_id, struct err *e);
/* How a command ended. */
struct mdm_ending {
	const char *state; /* acknowledged, error, expired, ... */
	struct slice result;
	bool has_code;
	int64_t code;
	const char *domain, *text;
	const char *actor; /* NULL: the device */
};
MUST_CHECK bool mdm_db_command_end(struct store_tx *tx, const char *id,
    const struct mdm_ending *how, int64_t now, struct err *e);
MUST_CHECK bool mdm_db_command_patience(struct store_tx *tx,
    const char *enrollment_id, struct mdm_patience *out, struct err *e);

/* ---- mdm_db_brief.c ---- */

/* What is asked when a visit begins. */
struct mdm_db_brief_ask {
	const char *fingerprint, *enrollment_id;
	const char *reported;       /* the command that ends, or "" */
	bool not_now;               /* next: also those put off in this visit */
	bool known;                 /* also what the device reported before */
	struct store_value args[5]; /* of the question */
};
struct mdm_db_brief {
	struct mdm_who who;
	struct mdm_db_command reported; /* without its body; id "": none */
	struct mdm_db_command next;     /* to offer when reported has ended */
	bool others;                    /* open, besides reported */
	struct mdm_known known;
};
void mdm_db_brief_clear(struct mdm_db_brief *b);
/* All of it in one question, which is about the device; borrows from ask. */
void mdm_db_brief_question(
    struct mdm_db_brief_ask *ask, struct store_question *out);
MUST_CHECK bool mdm_db_brief(struct store_tx *tx,
    const struct mdm_db_brief_ask *ask, const struct store_question *q,
    struct mdm_db_brief *out, struct err *e);

/* ---- mdm_db_target.c ---- */

/* Where a command would go, and what decides whether, and when it is pushed. */
struct mdm_target {
	bool found;  /* there is such an enrolment */
	bool device; /* or at least its device */
	bool taken;  /* there is a command of this id already */
	char enrollment_id[MDM_ENROLLMENT_ID], state[MDM_WORD];
	char device_id[MDM_ID], serial[129];
	enum mdm_chip chip;
	struct apns_due due;
	char push_state[MDM_WORD], push_last_reason[129], push_last_id[65];
	bool has_token;
	int64_t push_last_status, push_claim_until, seen_at;
	int64_t push_cert_not_after, push_accepted_at;
	int64_t identity; /* as MDM_DB_IDENTITY */
};
/* command_id: NULL, or that of the command to be. */
MUST_CHECK bool mdm_db_target(struct store_tx *tx, const char *enrollment_id,
    const char *command_id, struct mdm_target *out, struct err *e);
/* The device channel of the Mac that mdm_device_find() would find, by a
 * question that is about the device. */
struct mdm_db_target_ask {
	const char *any;
	char serial[129];
	struct store_value args[4];
};
void mdm_db_target_question(struct mdm_db_target_ask *ask, const char *any,
    const char *command_id, struct store_question *out);
MUST_CHECK bool mdm_db_target_of(struct store_tx *tx,
    const struct mdm_db_target_ask *ask, const struct store_question *q,
    struct mdm_target *out, struct err *e);

/* ---- the identities of a device, in one number ---- */

/*
 * Of all it was issued: when the last that is not revoked ends, else
 * MDM_WHY_HELD or MDM_WHY_REVOKED; NULL: it has none.
 */
#define MDM_DB_IDENTITY(device)                                                \
	"(SELECT MAX(CASE WHEN i.state = 'issued' THEN i.not_after "           \
	"WHEN i.revoke_reason = 6 THEN -1 ELSE -2 END) FROM certificate i "    \
	"WHERE i.device_id = " device " AND "                                  \
	"i.template = '" CERT_TEMPLATE_DEVICE "' AND "                         \
	"i.purpose IN ('enroll', 'renew'))"

/* ---- mdm_db_command_json.c ---- */

/* A command as the API shows it; NULL and 0 for what there is not. */
struct mdm_shown {
	const char *id, *device_id, *serial, *enrollment_id, *request_type;
	const char *origin, *order_id, *queued_by, *error_domain;
	int64_t deliveries, expires_at, error_code;
	bool has_error_code;
	struct mdm_why why; /* state and times as well */
};
json_t *mdm_shown_json(const struct mdm_shown *s);
MUST_CHECK bool mdm_db_commands_json(struct store_tx *tx,
    const struct mdm_command_page *page, json_t *array, int64_t *next_out,
    struct err *e);
/* *result_out: sealed, the caller's, or NULL. */
MUST_CHECK bool mdm_db_command_json(struct store_tx *tx, const char *id,
    json_t **out, struct buf **result_out, struct err *e);

/* ---- mdm_db_order.c ---- */

struct mdm_db_order {
	char id[MDM_ID], device_id[MDM_ID], kind[MDM_WORD], state[MDM_WORD];
	char command_id[MDM_ID], reason_code[65];
	char reason[240];
	/* Whole, or a repetition would seem another order; up to 4 bytes a
	 * character. */
	char message[4 * MDM_MESSAGE_MAX + 1], phone[4 * MDM_PHONE_MAX + 1];
	char note[4 * MDM_NOTE_MAX + 1];
	char obliteration[4 * MDM_BEHAVIOUR_MAX + 1];
	struct buf *pin; /* sealed */
	int64_t expires_at;
};
void mdm_db_order_clear(struct mdm_db_order *o);
MUST_CHECK bool mdm_db_order_get(struct store_tx *tx, const char *id,
    struct mdm_db_order *out, struct err *e);
MUST_CHECK bool mdm_db_order_by_key(struct store_tx *tx, const char *by,
    const char *key, struct mdm_db_order *out, struct err *e);
/* An open order of the device; kind NULL: of any. */
MUST_CHECK bool mdm_db_order_open(struct store_tx *tx, const char *device_id,
    const char *kind, struct mdm_db_order *out, struct err *e);
struct mdm_order_row {
	const char *id, *device_id, *state, *reason_code, *reason;
	const struct mdm_order *asked;
	struct slice pin;
	int64_t now, expires_at;
};
MUST_CHECK bool mdm_db_order_add(
    struct store_tx *tx, const struct mdm_order_row *row, struct err *e);
MUST_CHECK bool mdm_db_order_command(
    struct store_tx *tx, const char *id, const char *command_id, struct err *e);
struct mdm_order_change {
	const char *state, *reason_code, *reason, *ended_by; /* may be NULL */
};
MUST_CHECK bool mdm_db_order_change(struct store_tx *tx, const char *id,
    const struct mdm_order_change *to, int64_t now, struct err *e);
MUST_CHECK bool mdm_db_orders_json(struct store_tx *tx,
    const struct mdm_order_page *page, json_t *array, char **next_out,
    struct err *e);
MUST_CHECK bool mdm_db_order_json(
    struct store_tx *tx, const char *id, json_t **out, struct err *e);
