/*
 * Orders: lock and wipe, asked for by somebody, on top of the queue.  The PIN
 * is made, sealed and stored before anything leaves; the T2 rule is asked
 * when ordered and again at delivery.
 */
#pragma once

#include <jansson.h>

#include "core/seal.h"
#include "mdm/mdm_device.h"

struct mdm_order {
	const char *kind;                   /* lock, wipe */
	const char *message, *phone, *note; /* may be NULL */
	const char *idempotency_key;        /* may be NULL */
	/* wipe on macOS 12+: ObliterationBehavior; NULL: DoNotObliterate */
	const char *obliteration;
	const char *by;
};

struct mdm_order_made {
	char id[37];
	struct err refused; /* ERR_NONE, or ERR_REFUSED and a slug */
};

/*
 * Makes an order for the device and commits nothing: the caller does.  A
 * refusal is also a result worth keeping: out->refused gets it, the order's
 * row is written with state refused, the event order.refused, and true is
 * returned; the caller commits and then answers the refusal.  chip_unknown
 * also queues DeviceInformation.  The same idempotency key gives the same
 * order again (ERR_CONFLICT "idempotency_mismatch" if it asks for something
 * else).  An open order of the same kind: ERR_CONFLICT "order_open".
 */
MUST_CHECK bool mdm_order_create(struct store_tx *tx, const struct seal *seal,
    const struct mdm_device *d, const struct mdm_order *o,
    struct mdm_order_made *out, struct err *e);
MUST_CHECK bool mdm_order_cancel(
    struct store_tx *tx, const char *id, const char *by, struct err *e);
/* with_pin: the caller holds the right to secrets; reading it writes the
 * event order.pin_read by by. */
MUST_CHECK bool mdm_order_json(
    struct store_tx *tx, const char *id, json_t **out, struct err *e);
MUST_CHECK bool mdm_order_pin(struct store_tx *tx, const struct seal *seal,
    const char *id, const char *by, char pin_out[16], struct err *e);

struct mdm_order_page {
	const char *device_id; /* NULL: all */
	const char *state;     /* NULL: all */
	const char *after;     /* "<created_at>:<id>"; NULL */
	int64_t limit;
};
MUST_CHECK bool mdm_order_list(struct store_tx *tx,
    const struct mdm_order_page *page, json_t *array, char **next_out,
    struct err *e);
