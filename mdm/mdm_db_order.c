/*
 * Rows of orders.  No state; runs in the caller's transaction, on its thread.
 */
#include "core/clock.h"
#include "core/json.h"
#include "mdm/mdm_db_priv.h"

#define ORDER_COLUMNS                                                          \
	"o.id, o.device_id, o.kind, o.state, o.command_id, o.reason_code, "    \
	"o.reason, o.message, o.phone, o.note, o.expires_at, o.pin, "          \
	"o.obliteration"

void
mdm_db_order_clear(struct mdm_db_order *o)
{
	buf_free(&o->pin);
}

static bool
read_one(struct store_tx *tx, const char *sql, const struct store_value *args,
    struct mdm_db_order *out, struct err *e)
{
	AUTO(store_rows_free) struct store_rows *r = NULL;
	struct slice pin;
	bool found;

	if (!mdm_db_one(tx, sql, args, &r, &found, e))
		return false;
	*out = (struct mdm_db_order){ 0 };
	if (!found)
		return true;
	store_text_copy(r, 0, out->id, sizeof(out->id));
	store_text_copy(r, 1, out->device_id, sizeof(out->device_id));
	store_text_copy(r, 2, out->kind, sizeof(out->kind));
	store_text_copy(r, 3, out->state, sizeof(out->state));
	store_text_copy(r, 4, out->command_id, sizeof(out->command_id));
	store_text_copy(r, 5, out->reason_code, sizeof(out->reason_code));
	store_text_copy(r, 6, out->reason, sizeof(out->reason));
	store_text_copy(r, 7, out->message, sizeof(out->message));
	store_text_copy(r, 8, out->phone, sizeof(out->phone));
	store_text_copy(r, 9, out->note, sizeof(out->note));
	out->expires_at = store_int(r, 10);
	store_text_copy(r, 12, out->obliteration, sizeof(out->obliteration));
	pin = store_blob(r, 11);
	if (pin.len > 0) {
		out->pin = buf_new(pin.len + 1);
		buf_add(out->pin, pin.p, pin.len);
	}
	return true;
}

bool
mdm_db_order_get(struct store_tx *tx, const char *id, struct mdm_db_order *out,
    struct err *e)
{
	return read_one(tx,
	    "SELECT " ORDER_COLUMNS " FROM orders o WHERE o.id = $1",
	    S_ARGS(S_TEXT(id)), out, e);
}

bool
mdm_db_order_by_key(struct store_tx *tx, const char *by, const char *key,
    struct mdm_db_order *out, struct err *e)
{
	return read_one(tx,
	    "SELECT " ORDER_COLUMNS " FROM orders o WHERE "
	    "o.requested_by = $1 AND o.idempotency_key = $2",
	    S_ARGS(S_TEXT(by), S_TEXT(key)), out, e);
}

bool
mdm_db_order_open(struct store_tx *tx, const char *device_id, const char *kind,
    struct mdm_db_order *out, struct err *e)
{
	return read_one(tx,
	    "SELECT " ORDER_COLUMNS " FROM orders o WHERE o.device_id = $1 "
	    "AND (CAST($2 AS TEXT) IS NULL OR o.kind = $2) AND "
	    "o.state IN ('queued', 'delivered') LIMIT 1",
	    S_ARGS(S_TEXT(device_id), S_TEXT(kind)), out, e);
}

bool
mdm_db_order_add(
    struct store_tx *tx, const struct mdm_order_row *row, struct err *e)
{
	const struct mdm_order *a = row->asked;

	return store_exec(tx,
	    "INSERT INTO orders (id, device_id, kind, state, reason_code, "
	    "reason, pin, message, phone, note, requested_by, "
	    "idempotency_key, created_at, updated_at, expires_at, "
	    "obliteration) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, "
	    "$11, $12, $13, $13, $14, $15)",
	    S_ARGS(S_TEXT(row->id), S_TEXT(row->device_id), S_TEXT(a->kind),
	        S_TEXT(row->state), S_TEXT(row->reason_code),
	        S_TEXT(row->reason), S_BLOB(row->pin), S_TEXT(a->message),
	        S_TEXT(a->phone), S_TEXT(a->note), S_TEXT(a->by),
	        S_TEXT(a->idempotency_key), S_INT(row->now),
	        S_TIME(row->expires_at), S_TEXT(a->obliteration)),
	    NULL, e);
}

bool
mdm_db_order_command(
    struct store_tx *tx, const char *id, const char *command_id, struct err *e)
{
	return store_exec(tx, "UPDATE orders SET command_id = $2 WHERE id = $1",
	    S_ARGS(S_TEXT(id), S_TEXT(command_id)), NULL, e);
}

bool
mdm_db_order_change(struct store_tx *tx, const char *id,
    const struct mdm_order_change *to, int64_t now, struct err *e)
{
	return store_exec(tx,
	    "UPDATE orders SET state = $2, reason_code = $3, reason = $4, "
	    "ended_by = $5, updated_at = $6 WHERE id = $1",
	    S_ARGS(S_TEXT(id), S_TEXT(to->state), S_TEXT(to->reason_code),
	        S_TEXT(to->reason), S_TEXT(to->ended_by), S_INT(now)),
	    NULL, e);
}

/* ---- as the API shows them ---- */

#define SHOWN_COLUMNS                                                          \
	"o.id, COALESCE(d.serial, d.deleted_serial), o.device_id, o.kind, "    \
	"o.state, o.reason_code, "                                             \
	"o.reason, o.message, o.phone, o.note, o.requested_by, "               \
	"o.command_id, o.pin IS NOT NULL, o.created_at, o.updated_at, "        \
	"o.expires_at, o.ended_by, d.name, "                                   \
	"o.idempotency_key, o.obliteration, "                                  \
	"CASE WHEN o.state IN ('queued', 'delivered') "                        \
	"THEN " MDM_DB_IDENTITY("d.id") " END"
#define FROM_SHOWN " FROM orders o JOIN device d ON d.id = o.device_id "

/* What happens next: one row a state and kind. */
static const struct {
	const char *state, *lock, *wipe;
} next_steps[] = {
	{ "queued", "the Mac is pushed until it fetches the lock",
	    "the Mac is pushed until it fetches the wipe" },
	{ "delivered", "the Mac has the lock; its answer is awaited",
	    "the Mac has the wipe; its answer is awaited, but it may be "
	    "erased without one" },
	{ "acknowledged", "the Mac is locked; the PIN opens it",
	    "the Mac is being erased; it has to be enrolled again" },
	{ "error", "the Mac is not locked: see the reason",
	    "see the reason; the Mac says whether it was erased by whether "
	    "it connects again" },
	{ "unconfirmed",
	    "the lock was delivered, but no answer came: it may be locked",
	    "the wipe was delivered, but no answer came: it may be erased" },
	{ "expired", "nothing: order again if it is still wanted",
	    "nothing: order again if it is still wanted" },
	{ "cancelled", "nothing: it was withdrawn",
	    "nothing: it was withdrawn" },
	{ "refused", "nothing: see the reason", "nothing: see the reason" },
};

static const char *
next_step(const char *state, bool wipe)
{
	for (size_t i = 0; i < COUNT(next_steps); i++)
		if (str_eq(state, next_steps[i].state))
			return wipe ? next_steps[i].wipe : next_steps[i].lock;
	return "";
}

static json_t *
order_json(const struct store_rows *r)
{
	/* Only of one that is open. */
	AUTO(str_free)
	char *warning = mdm_why_identity(store_int(r, 20), clock_now_ms());
	json_t *o = json_object();

	json_put_str(o, "id", store_text(r, 0));
	json_put_str(o, "device", store_text(r, 1));
	json_put_str(o, "device_id", store_text(r, 2));
	json_put_str(o, "device_name", store_text(r, 17));
	json_put_str(o, "kind", store_text(r, 3));
	json_put_str(o, "state", store_text(r, 4));
	json_put_str(o, "reason_code", store_text(r, 5));
	json_put_str(o, "reason", store_text(r, 6));
	json_put_str(o, "next",
	    warning != NULL && str_eq(store_text(r, 4), "queued")
	        ? "nothing while the Mac is refused: see the warning"
	        : next_step(
	              store_text(r, 4), str_eq(store_text(r, 3), "wipe")));
	json_put_str(o, "warning", warning);
	json_put_str(o, "message", store_text(r, 7));
	json_put_str(o, "phone", store_text(r, 8));
	json_put_str(o, "note", store_text(r, 9));
	json_put_str(o, "obliteration", store_text(r, 19));
	json_put_str(o, "requested_by", store_text(r, 10));
	json_put_str(o, "ended_by", store_text(r, 16));
	json_put_str(o, "command_id", store_text(r, 11));
	json_put_bool(o, "has_pin", store_int(r, 12) != 0);
	json_put_time(o, "created_at", store_int(r, 13));
	json_put_time(o, "updated_at", store_int(r, 14));
	json_put_time(o, "expires_at", store_int(r, 15));
	return o;
}

/* "<created_at>:<id>" */
static bool
read_key(const char *key, int64_t *at, const char **id, struct err *e)
{
	char number[24] = "";
	size_t n = 0;

	*at = INT64_MAX;
	*id = "";
	if (key == NULL)
		return true;
	while (key[n] != '\0' && key[n] != ':' && n < sizeof(number) - 1) {
		number[n] = key[n];
		n++;
	}
	if (key[n] != ':' || !str_to_i64(number, 0, INT64_MAX, at))
		return err_set(e, ERR_INVALID, "after: not a key of this list");
	*id = key + n + 1;
	return true;
}

/* Of one device by its index, else by that of the time. */
static bool
query_page(struct store_tx *tx, const struct mdm_order_page *page, int64_t at,
    const char *id, struct store_rows **out, struct err *e)
{
	static const char all[] =
	    "SELECT " SHOWN_COLUMNS FROM_SHOWN
	    "WHERE (o.created_at, o.id) < ($1, $2) AND "
	    "(CAST($3 AS TEXT) IS NULL OR o.state = $3) "
	    "ORDER BY o.created_at DESC, o.id DESC LIMIT $4";
	static const char of_one[] =
	    "SELECT " SHOWN_COLUMNS FROM_SHOWN
	    "WHERE o.device_id = $5 AND (o.created_at, o.id) < ($1, $2) AND "
	    "(CAST($3 AS TEXT) IS NULL OR o.state = $3) "
	    "ORDER BY o.created_at DESC, o.id DESC LIMIT $4";

	if (page->device_id != NULL)
		return store_query(tx, of_one,
		    S_ARGS(S_INT(at), S_TEXT(id), S_TEXT(page->state),
		        S_INT(page->limit + 1), S_TEXT(page->device_id)),
		    out, e);
	return store_query(tx, all,
	    S_ARGS(S_INT(at), S_TEXT(id), S_TEXT(page->state),
	        S_INT(page->limit + 1)),
	    out, e);
}

bool
mdm_db_orders_json(struct store_tx *tx, const struct mdm_order_page *page,
    json_t *array, char **next_out, struct err *e)
{
	AUTO(store_rows_free) struct store_rows *r = NULL;
	AUTO(str_free) char *last = NULL;
	int64_t at, count = 0;
	const char *id;
	bool more;

	if (!read_key(page->after, &at, &id, e) ||
	    !query_page(tx, page, at, id, &r, e) || !store_next(r, &more, e))
		return false;
	while (more && count < page->limit) {
		json_array_append_new(array, order_json(r));
		str_free(&last);
		last = str_printf(
		    "%lld:%s", (long long)store_int(r, 13), store_text(r, 0));
		count++;
		if (!store_next(r, &more, e))
			return false;
	}
	*next_out = more ? TAKE(last) : NULL;
	return true;
}

bool
mdm_db_order_json(
    struct store_tx *tx, const char *id, json_t **out, struct err *e)
{
	AUTO(store_rows_free) struct store_rows *r = NULL;
	bool found;

	if (!mdm_db_one(tx,
	        "SELECT " SHOWN_COLUMNS FROM_SHOWN "WHERE o.id = $1",
	        S_ARGS(S_TEXT(id)), &r, &found, e))
		return false;
	if (!found)
		return err_set(e, ERR_NOT_FOUND, "there is no such order");
	*out = order_json(r);
	return true;
}
