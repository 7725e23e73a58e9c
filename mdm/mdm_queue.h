/*
 * The command queue.  One row a command, from birth to end.  A command is
 * open until the device reports Acknowledged, Error or CommandFormatError, or
 * until it expires or is cancelled; NotNow keeps it open but it is not
 * offered again on the same connection (Apple, "Handling NotNow status
 * responses").
 */
#pragma once

#include <jansson.h>

#include "core/seal.h"
#include "store/store.h"

struct mdm_command {
	const char *id; /* CommandUUID, upper case; NULL: a new one */
	const char *enrollment_id;
	const char *request_type;
	/* XML text of the Command dictionary (<dict>...</dict>), or NULL when
	 * a renderer writes it at delivery. */
	const char *dict_xml;
	const char *renderer, *renderer_ref;
	const char *origin;   /* system, api, order, rollout */
	const char *by;       /* who queued it */
	const char *order_id; /* or NULL */
	bool urgent;
	int64_t expires_at; /* 0: never */
};

/*
 * Queues a command, marks its enrolment push due and writes the event
 * command.queued, all in tx.  EraseDevice asks mdm_chip_may_wipe() here, so
 * no caller can forget.  ERR_CONFLICT "not_enrolled" if the enrolment is gone,
 * "command_exists" if there is a command of this id, whatever it says.
 */
MUST_CHECK bool mdm_queue_add(struct store_tx *tx, const struct seal *seal,
    const struct mdm_command *c, char id_out[37], struct err *e);

/*
 * The same in two steps, for who has a device's name and shows the command:
 * what needs no database is done before the transaction.  c is borrowed until
 * the end, and its enrollment_id ignored.  ERR_INVALID: the id, the document.
 */
struct mdm_queued;
MUST_CHECK bool mdm_queued_new(const struct seal *seal,
    const struct mdm_command *c, struct mdm_queued **out, struct err *e);
void mdm_queued_free(struct mdm_queued **q);
/* Queues it on the device channel of the device that mdm_device_find() would
 * find, in a transaction of its own.  Fails as that and mdm_queue_add() do. */
MUST_CHECK bool mdm_queue_put(
    struct store *st, struct mdm_queued *q, const char *any, struct err *e);
const char *mdm_queued_id(const struct mdm_queued *q);
/* Once it was put there. */
const char *mdm_queued_enrollment(const struct mdm_queued *q);
/* What mdm_queue_json() would show of it when it was put there. */
json_t *mdm_queued_json(const struct mdm_queued *q);

/* As mdm_queue_add() for system inventory: does nothing when an open command
 * of this type waits already. */
MUST_CHECK bool mdm_queue_add_once(struct store_tx *tx, const struct seal *seal,
    const struct mdm_command *c, struct err *e);

/* Ends an open command; ERR_CONFLICT "already_done"; one that belongs to an
 * order is cancelled through the order. */
MUST_CHECK bool mdm_queue_cancel(
    struct store_tx *tx, const char *id, const char *by, struct err *e);
/* Ends all open commands of an enrolment (new life, check-out). */
MUST_CHECK bool mdm_queue_clear(struct store_tx *tx, const char *enrollment_id,
    const char *state, struct err *e);

struct mdm_command_page {
	const char *device_id; /* NULL: all */
	const char *state;     /* NULL: all; "open" */
	int64_t after;         /* sort_key; 0: from the newest */
	int64_t limit;
};
/* Newest first; next_out 0: no more. */
MUST_CHECK bool mdm_queue_list(struct store_tx *tx,
    const struct mdm_command_page *page, json_t *array, int64_t *next_out,
    struct err *e);
/* One command with its result as JSON (secrets of commands never shown). */
MUST_CHECK bool mdm_queue_json(struct store_tx *tx, const struct seal *seal,
    const char *id, json_t **out, struct err *e);
