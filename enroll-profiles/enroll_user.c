/*
 * Users, and which user a device is assigned to.  All functions work within
 * the transaction of their caller, on any thread.
 */
#include <string.h>

#include "core/encode.h"
#include "core/json.h"
#include "enroll-profiles/enroll_priv.h"
#include "scep/scep_device.h"
#include "store/store_event.h"

enum {
	/* X.520 ub-common-name: the name becomes the CN of a certificate. */
	NAME_MAX_CHARS = 64
};

static bool
has_control(const char *s)
{
	for (; *s != '\0'; s++)
		if ((unsigned char)*s < 0x20 || *s == 0x7f)
			return true;
	return false;
}

/* A name stands in paths and certificates, and beside ids. */
static bool
name_ok(const char *name, struct err *e)
{
	size_t n = str_utf8_len(name);

	if (n == 0 || n > NAME_MAX_CHARS)
		return err_slug(e, ERR_INVALID, "user_name_invalid",
		    "a user's name has 1 to %d characters", NAME_MAX_CHARS);
	if (has_control(name) || strpbrk(name, "/?#%") != NULL ||
	    name[0] == ' ' || name[strlen(name) - 1] == ' ' ||
	    str_eq(name, ".") || str_eq(name, ".."))
		return err_slug(e, ERR_INVALID, "user_name_invalid",
		    "a user's name has no control characters, none of / ? # "
		    "%%, "
		    "and no blank at its ends");
	if (uuid_valid(name))
		return err_slug(e, ERR_INVALID, "user_name_invalid",
		    "a user's name cannot look like an id");
	return true;
}

static bool
full_name_ok(const char *s, struct err *e)
{
	if (s == NULL || s[0] == '\0')
		return true;
	if (strlen(s) > LIMIT_NAME || str_utf8_len(s) == SIZE_MAX ||
	    has_control(s))
		return err_set(e, ERR_INVALID,
		    "full_name has at most %d bytes and no control characters",
		    LIMIT_NAME);
	return true;
}

/* What an rfc822Name can hold (RFC 5280 4.2.1.6): ASCII, one at sign. */
static bool
email_ok(const char *s, struct err *e)
{
	const char *at;

	if (s == NULL || s[0] == '\0')
		return true;
	at = strchr(s, '@');
	for (const char *p = s; *p != '\0'; p++)
		if ((unsigned char)*p <= 0x20 || (unsigned char)*p >= 0x7f)
			at = NULL;
	if (at == NULL || at == s || at[1] == '\0' || strchr(at + 1, '@') ||
	    strlen(s) > LIMIT_NAME)
		return err_slug(e, ERR_INVALID, "email_invalid",
		    "email is not an address of ASCII characters");
	return true;
}

static bool
tell(struct store_tx *tx, const char *kind, const struct enroll_user_row *u,
    const char *by, struct err *e)
{
	AUTO(json_free) json_t *data = json_object();
	AUTO(str_free) char *text = NULL;

	json_put_str(data, "user", u->name);
	text = json_text(data);
	return store_event_add(
	    tx, &(struct store_event){ kind, NULL, u->id, by, text }, e);
}

static bool
add(struct store_tx *tx, const struct enroll_user *u, const char *by,
    struct enroll_user_row *row, struct err *e)
{
	memset(row, 0, sizeof(*row));
	uuid_new_lower(row->id);
	str_copy_cut(row->name, sizeof(row->name), u->name);
	if (u->full_name != NULL)
		str_copy_cut(
		    row->full_name, sizeof(row->full_name), u->full_name);
	if (u->email != NULL)
		str_copy_cut(row->email, sizeof(row->email), u->email);
	row->created_at = clock_now_ms();
	return enroll_db_user_add(tx, row, e) &&
	       tell(tx, "user.created", row, by, e);
}

static bool
update(struct store_tx *tx, const struct enroll_user *u, const char *by,
    struct enroll_user_row *row, struct err *e)
{
	const char *full = u->full_name != NULL ? u->full_name : row->full_name;
	const char *email = u->email != NULL ? u->email : row->email;

	if (str_eq(full, row->full_name) && str_eq(email, row->email))
		return true;
	if (full != row->full_name)
		str_copy_cut(row->full_name, sizeof(row->full_name), full);
	if (email != row->email)
		str_copy_cut(row->email, sizeof(row->email), email);
	return enroll_db_user_update(tx, row, e) &&
	       tell(tx, "user.updated", row, by, e);
}

bool
enroll_user_put(struct store_tx *tx, const struct enroll_user *u,
    const char *by, char id_out[37], struct err *e)
{
	struct enroll_user_row row;
	bool found;

	if (!name_ok(u->name, e) || !full_name_ok(u->full_name, e) ||
	    !email_ok(u->email, e) ||
	    !enroll_db_user(tx, u->name, &row, &found, e))
		return false;
	if (!(found ? update(tx, u, by, &row, e) : add(tx, u, by, &row, e)))
		return false;
	str_copy_cut(id_out, UUID_SIZE, row.id);
	return true;
}

/* "" is shown as null. */
static void
put_text(json_t *o, const char *key, const char *s)
{
	json_put_str(o, key, str_empty(s) ? NULL : s);
}

bool
enroll_user_list(struct store_tx *tx, const char *after, int64_t limit,
    json_t *array, char **next_out, struct err *e)
{
	AUTO(store_rows_free) struct store_rows *r = NULL;
	AUTO(str_free) char *last = NULL;
	bool more;
	int64_t n = 0;

	/* One more than asked for tells whether there is a next page. */
	if (!enroll_db_users(tx, after, limit + 1, &r, e))
		return false;
	for (;;) {
		json_t *o;

		if (!store_next(r, &more, e))
			return false;
		if (!more || n == limit)
			break;
		o = json_object();
		json_put_str(o, "id", store_text(r, 0));
		json_put_str(o, "name", store_text(r, 1));
		put_text(o, "full_name", store_text(r, 2));
		put_text(o, "email", store_text(r, 3));
		json_put_time(o, "created_at", store_int(r, 4));
		json_put_int(o, "device_count", store_int(r, 5));
		json_array_append_new(array, o);
		str_free(&last);
		last = str_dup(store_text(r, 1));
		n++;
	}
	*next_out = more ? TAKE(last) : NULL;
	return true;
}

static bool
need_user(struct store_tx *tx, const char *name_or_id,
    struct enroll_user_row *u, struct err *e)
{
	bool found;

	if (!enroll_db_user(tx, name_or_id, u, &found, e))
		return false;
	return found ||
	       err_slug(e, ERR_NOT_FOUND, "no_such_user", "no such user");
}

bool
enroll_user_json(
    struct store_tx *tx, const char *name_or_id, json_t **out, struct err *e)
{
	AUTO(store_rows_free) struct store_rows *r = NULL;
	AUTO(json_free) json_t *o = json_object();
	struct enroll_user_row u;
	json_t *devices;
	int64_t count;
	bool more;

	if (!need_user(tx, name_or_id, &u, e) ||
	    !enroll_db_user_count(tx, u.id, &count, e) ||
	    !enroll_db_user_devices(tx, u.id, LIMIT_PAGE, &r, e))
		return false;
	json_put_str(o, "id", u.id);
	json_put_str(o, "name", u.name);
	put_text(o, "full_name", u.full_name);
	put_text(o, "email", u.email);
	json_put_time(o, "created_at", u.created_at);
	json_put_int(o, "device_count", count);
	devices = json_array();
	json_object_set_new(o, "devices", devices);
	for (;;) {
		json_t *d;

		if (!store_next(r, &more, e))
			return false;
		if (!more)
			break;
		d = json_object();
		json_put_str(d, "id", store_text(r, 0));
		json_put_str(d, "serial", store_text(r, 1));
		json_put_str(d, "name", store_text(r, 2));
		json_array_append_new(devices, d);
	}
	*out = TAKE(o);
	return true;
}

bool
enroll_user_delete(struct store_tx *tx, const struct seal *seal,
    const char *name_or_id, const char *by, struct err *e)
{
	struct enroll_user_row u;

	if (!need_user(tx, name_or_id, &u, e))
		return false;
	for (;;) {
		struct mdm_device d;
		char id[UUID_SIZE];
		bool found;

		if (!enroll_db_user_device(tx, u.id, id, &found, e))
			return false;
		if (!found)
			break;
		if (!mdm_device_find(tx, id, &d, e) ||
		    !enroll_user_unassign(tx, seal, &d, by, e))
			return false;
	}
	return scep_user_left(tx, &(struct scep_leaver){ u.id, NULL, by }, e) &&
	       enroll_db_user_delete(tx, u.id, e) &&
	       tell(tx, "user.deleted", &u, by, e);
}

static bool
tell_device(struct store_tx *tx, const char *kind, const char *device_id,
    const struct enroll_user_row *u, const char *by, struct err *e)
{
	AUTO(json_free) json_t *data = json_object();
	AUTO(str_free) char *text = NULL;

	json_put_str(data, "user", u->name);
	text = json_text(data);
	return store_event_add(
	    tx, &(struct store_event){ kind, device_id, u->id, by, text }, e);
}

bool
enroll_user_assign(struct store_tx *tx, const struct seal *seal,
    const struct mdm_device *d, const char *user_id, const char *by,
    struct err *e)
{
	struct enroll_user_row u;

	if (str_eq(d->state, "deleted"))
		return err_slug(e, ERR_CONFLICT, "device_deleted",
		    "the device was deleted: it is given to nobody");
	if (!need_user(tx, user_id, &u, e))
		return false;
	if (str_eq(d->user_id, u.id))
		return enroll_rollout_start(tx, seal, d, u.id, by, e);
	return enroll_user_unassign(tx, seal, d, by, e) &&
	       enroll_db_assign(tx, d->id, u.id, e) &&
	       tell_device(tx, "device.assigned", d->id, &u, by, e) &&
	       enroll_rollout_start(tx, seal, d, u.id, by, e);
}

bool
enroll_user_unassign(struct store_tx *tx, const struct seal *seal,
    const struct mdm_device *d, const char *by, struct err *e)
{
	const struct scep_leaver l = { d->user_id, d->id, by };
	struct enroll_user_row u = { 0 };
	bool found;

	if (d->user_id[0] == '\0')
		return true;
	if (!enroll_db_user(tx, d->user_id, &u, &found, e))
		return false;
	return enroll_rollout_stop(tx, seal, d->id, by, e) &&
	       scep_user_left(tx, &l, e) &&
	       enroll_db_assign(tx, d->id, NULL, e) &&
	       tell_device(tx, "device.unassigned", d->id, &u, by, e);
}

bool
enroll_user_wiped(struct store_tx *tx, const char *device_id, struct err *e)
{
	struct enroll_user_row u = { 0 };
	struct mdm_device d;
	bool found;

	if (!mdm_device_find(tx, device_id, &d, e))
		return false;
	if (d.user_id[0] == '\0')
		return true;
	return enroll_db_user(tx, d.user_id, &u, &found, e) &&
	       enroll_db_assign(tx, d.id, NULL, e) &&
	       tell_device(tx, "device.unassigned", d.id, &u, "system", e);
}
