/*
 * Devices: finding, naming and showing them.  No state of its own: everything
 * is in the caller's transaction and on its thread.
 */
#include <ctype.h>
#include <string.h>

#include "certs/cert_ledger.h"
#include "mdm/mdm_priv.h"

enum { LAST_ORDERS = 10 };

/* ---- finding ---- */

void
mdm_device_serial(char out[129], const char *told)
{
	str_copy_cut(out, 129, told != NULL ? told : "");
	for (char *c = out; *c != '\0'; c++)
		*c = (char)toupper((unsigned char)*c);
}

bool
mdm_device_serial_ok(const char *told)
{
	size_t len = 0;

	if (str_empty(told))
		return true;
	for (; len <= LIMIT_SERIAL && told[len] != '\0'; len++)
		if (!isalnum((unsigned char)told[len]) && told[len] != '+' &&
		    told[len] != '/')
			return false;
	return len >= LIMIT_SERIAL_MIN && len <= LIMIT_SERIAL;
}

bool
mdm_device_find(
    struct store_tx *tx, const char *any, struct mdm_device *out, struct err *e)
{
	struct mdm_device found[2];
	char serial[129];
	int count;

	if (str_empty(any) || strlen(any) > LIMIT_NAME)
		return err_set(e, ERR_NOT_FOUND, "there is no such device");
	mdm_device_serial(serial, any);
	if (!mdm_db_device_any(tx, any, serial, found, &count, e))
		return false;
	if (count == 0)
		return err_set(e, ERR_NOT_FOUND,
		    "no device has this serial number, UDID or name");
	/* Ids are ours; all else is what Macs tell of themselves. */
	if (count > 1 && !str_eq(found[0].id, any))
		return err_slug(e, ERR_CONFLICT, "ambiguous_device",
		    "this is the serial number, UDID or name of several "
		    "devices, %s and %s among them: use the id",
		    found[0].id, found[1].id);
	*out = found[0];
	return true;
}

bool
mdm_device_channel(struct store_tx *tx, const char *device_id,
    char out[MDM_ENROLLMENT_ID], struct err *e)
{
	return mdm_db_enrollment_of(tx, device_id, out, e);
}

bool
mdm_device_name_ok(const char *name, struct err *e)
{
	if (str_empty(name))
		return err_set(e, ERR_INVALID, "a computer name is not empty");
	if (str_utf8_len(name) <= LIMIT_COMPUTER_NAME)
		return true;
	return err_slug(e, ERR_REFUSED, "name_too_long",
	    "a computer name has at most %d characters", LIMIT_COMPUTER_NAME);
}

/* ---- what a Mac tells ---- */

/* "MacBookPro16,1": letters, digits, a comma, digits. */
static bool
is_model_id(const char *s)
{
	size_t letters = 0, major = 0, minor = 0;

	if (s == NULL)
		return false;
	for (; isalpha((unsigned char)*s); s++)
		letters++;
	for (; isdigit((unsigned char)*s); s++)
		major++;
	if (*s++ != ',')
		return false;
	for (; isdigit((unsigned char)*s); s++)
		minor++;
	return letters > 0 && major > 0 && minor > 0 && *s == '\0';
}

static void
take_text(char *dst, size_t size, const char *told)
{
	if (!str_empty(told))
		str_copy_cut(dst, size, told);
}

static void
hear_model(struct mdm_device *d)
{
	d->chip_heard =
	    mdm_chip_hear(&(struct mdm_chip_facts){ .model_id = d->model_id,
	        .is_apple_silicon = -1,
	        .heard = d->chip_heard });
}

void
mdm_device_forget(struct mdm_device *d)
{
	hear_model(d);
	d->model_id[0] = d->model_name[0] = '\0';
	d->name_too_long = false;
}

void
mdm_device_take(struct mdm_device *d, const struct mdm_told *t, bool *named_out)
{
	const char *known;
	bool was_long = d->name_too_long;
	char old_name[sizeof(d->name)];

	str_copy_cut(old_name, sizeof(old_name), d->name);
	take_text(d->name, sizeof(d->name), t->name);
	d->name_too_long = str_utf8_len(d->name) > LIMIT_COMPUTER_NAME;
	*named_out =
	    d->name_too_long && (!was_long || !str_eq(old_name, d->name));

	hear_model(d);
	if (is_model_id(t->product_name))
		take_text(d->model_id, sizeof(d->model_id), t->product_name);
	else if (is_model_id(t->model))
		take_text(d->model_id, sizeof(d->model_id), t->model);
	known = mdm_chip_model_name(d->model_id);
	take_text(d->model_name, sizeof(d->model_name),
	    known != NULL ? known : t->model_name);
	take_text(d->os_version, sizeof(d->os_version), t->os_version);
	take_text(d->os_build, sizeof(d->os_build), t->os_build);
}

bool
mdm_device_named(struct store_tx *tx, const struct mdm_device *d, struct err *e)
{
	json_t *data = json_object();

	json_put_str(data, "name", d->name);
	json_put_int(data, "most", LIMIT_COMPUTER_NAME);
	return mdm_event(tx,
	    &(struct store_event){ .kind = "device.name_too_long",
	        .device_id = d->id,
	        .actor = "device" },
	    data, e);
}

/* ---- deleting ---- */

static bool
deleted_event(struct store_tx *tx, const struct mdm_device *d, const char *by,
    struct err *e)
{
	json_t *data = json_object();

	json_put_str(data, "serial", d->serial[0] != '\0' ? d->serial : NULL);
	json_put_str(data, "udid", d->udid);
	return mdm_event(tx,
	    &(struct store_event){
	        .kind = "device.deleted", .device_id = d->id, .actor = by },
	    data, e);
}

bool
mdm_device_delete(struct store_tx *tx, const struct mdm_device *d,
    const char *by, struct err *e)
{
	static const char *const purposes[] = { "enroll", "renew", "rollout",
		"scep" };
	struct mdm_farewell f = {
		.device_id = d->id, .state = "deleted", .why = "deleted"
	};

	if (str_eq(d->state, "deleted"))
		return true;
	if (!mdm_life_end(NULL, tx, &f, e))
		return false;
	for (size_t i = 0; i < COUNT(purposes); i++)
		if (!cert_ledger_revoke_device(
		        tx, d->id, purposes[i], CERT_REASON_CESSATION, by, e))
			return false;
	return deleted_event(tx, d, by, e) &&
	       mdm_db_device_delete(tx, d->id, clock_now_ms(), e);
}

/* ---- showing ---- */

static json_t *
short_json(const struct mdm_device *d, const char *user, int64_t open)
{
	json_t *o = json_object();

	json_put_str(o, "id", d->id);
	json_put_str(o, "serial", d->serial[0] != '\0' ? d->serial : NULL);
	json_put_str(o, "udid", d->udid);
	json_put_str(o, "name", d->name[0] != '\0' ? d->name : NULL);
	json_put_bool(o, "name_too_long", d->name_too_long);
	json_put_str(o, "state", d->state);
	json_put_str(
	    o, "model_id", d->model_id[0] != '\0' ? d->model_id : NULL);
	json_put_str(
	    o, "model_name", d->model_name[0] != '\0' ? d->model_name : NULL);
	json_put_str(o, "chip", mdm_chip_name(d->chip));
	json_put_str(
	    o, "os_version", d->os_version[0] != '\0' ? d->os_version : NULL);
	json_put_str(
	    o, "os_build", d->os_build[0] != '\0' ? d->os_build : NULL);
	json_put_str(o, "user", str_empty(user) ? NULL : user);
	json_put_time(o, "last_seen_at", d->last_seen_at);
	json_put_time(o, "enrolled_at", d->enrolled_at);
	json_put_int(o, "open_commands", open);
	return o;
}

/* "<serial>:<id>" */
static bool
split_key(const char *key, char serial[129], const char **id_out, struct err *e)
{
	const char *colon = key != NULL ? strrchr(key, ':') : NULL;

	serial[0] = '\0';
	*id_out = "";
	if (key == NULL)
		return true;
	if (colon == NULL || (size_t)(colon - key) > LIMIT_ID)
		return err_set(e, ERR_INVALID, "after: not a key of this list");
	memcpy(serial, key, (size_t)(colon - key));
	serial[colon - key] = '\0';
	*id_out = colon + 1;
	return true;
}

bool
mdm_device_list(struct store_tx *tx, const struct mdm_device_page *page,
    json_t *array, char **next_out, struct err *e)
{
	AUTO(store_rows_free) struct store_rows *r = NULL;
	AUTO(str_free) char *like = store_like(page->like);
	struct mdm_device_page asked = { .like = like, .limit = page->limit };
	struct mdm_device d = { 0 };
	char serial[129];
	const char *id;
	int64_t count = 0;
	bool more;

	if (!split_key(page->after, serial, &id, e) ||
	    !mdm_db_device_rows(tx, &asked, serial, id, &r, e) ||
	    !store_next(r, &more, e))
		return false;
	while (more && count < page->limit) {
		mdm_db_device_read(r, 0, &d);
		json_array_append_new(
		    array, short_json(&d, store_text(r, mdm_db_device_user_col),
		               store_int(r, mdm_db_device_open_col)));
		count++;
		if (!store_next(r, &more, e))
			return false;
	}
	*next_out = more ? str_printf("%s:%s", d.serial, d.id) : NULL;
	return true;
}

static void
put_document(json_t *o, const char *key, const char *text)
{
	json_t *document = NULL;
	struct err why;

	if (text != NULL && json_parse_any(slice_str(text), &document, &why))
		json_object_set_new(o, key, document);
	else
		json_put_str(o, key, NULL);
}

static bool
put_whole(
    struct store_tx *tx, const struct mdm_device *d, json_t *o, struct err *e)
{
	AUTO(mdm_reported_clear) struct mdm_reported reported = { 0 };
	AUTO(str_free) char *next = NULL;
	json_t *enrollments = json_array(), *orders = json_array();
	json_t *rollout = NULL;
	struct mdm_order_page page = { .device_id = d->id,
		.limit = LAST_ORDERS };

	json_object_set_new(o, "enrollments", enrollments);
	json_object_set_new(o, "orders", orders);
	if (!mdm_db_enrollments_json(tx, d->id, enrollments, e) ||
	    !mdm_order_list(tx, &page, orders, &next, e) ||
	    !mdm_db_rollout_json(tx, d->id, &rollout, e))
		return false;
	json_object_set_new(o, "rollout", rollout);
	if (!mdm_db_device_reported(tx, d->id, &reported, e))
		return false;
	json_put_time(o, "information_at", d->information_at);
	json_put_time(o, "security_at", d->security_at);
	put_document(o, "information", reported.information);
	put_document(o, "security", reported.security);
	return true;
}

bool
mdm_device_json(struct store_tx *tx, const struct mdm_device *d, bool whole,
    json_t **out, struct err *e)
{
	AUTO(json_free) json_t *o = NULL;
	char user[256];
	int64_t open;

	if (!mdm_db_device_more(tx, d->id, user, &open, e))
		return false;
	o = short_json(d, user, open);
	if (whole && !put_whole(tx, d, o, e))
		return false;
	*out = TAKE(o);
	return true;
}
