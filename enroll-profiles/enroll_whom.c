/* Whom a certificate is for.  No state; the transaction's thread. */
#include "enroll-profiles/enroll_whom.h"
#include "enroll-profiles/enroll_priv.h"

static bool
find_user(struct store_tx *tx, const char *name_or_id, bool has_to_be,
    struct enroll_whom *out, struct err *e)
{
	struct enroll_user_row u;
	bool found;

	if (!enroll_db_user(tx, name_or_id, &u, &found, e))
		return false;
	if (!found)
		return !has_to_be ||
		       err_set(e, ERR_NOT_FOUND, "there is no such user");
	str_copy_cut(out->user_id, sizeof(out->user_id), u.id);
	str_copy_cut(out->user, sizeof(out->user), u.name);
	str_copy_cut(out->full_name, sizeof(out->full_name), u.full_name);
	str_copy_cut(out->email, sizeof(out->email), u.email);
	return true;
}

bool
enroll_whom_find(struct store_tx *tx, const struct enroll_whom_wish *wish,
    struct enroll_whom *out, struct err *e)
{
	*out = (struct enroll_whom){ 0 };
	if (wish->device != NULL &&
	    !mdm_device_find(tx, wish->device, &out->device, e))
		return false;
	if (wish->user != NULL)
		return find_user(tx, wish->user, true, out, e);
	return out->device.user_id[0] == '\0' ||
	       find_user(tx, out->device.user_id, false, out, e);
}

static const char *
or_null(const char *s)
{
	return s[0] != '\0' ? s : NULL;
}

struct cert_variables
enroll_whom_variables(const struct enroll_whom *w)
{
	return (struct cert_variables){
		.name = or_null(w->device.name),
		.serial = or_null(w->device.serial),
		.udid = or_null(w->device.udid),
		.model = or_null(w->device.model_id),
		.user = or_null(w->user),
		.full_name = or_null(w->full_name),
		.email = or_null(w->email),
	};
}
