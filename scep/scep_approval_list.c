/* Requests that wait for a person, as lists show them.  No state. */
#include "core/json.h"
#include "scep/scep_approval_priv.h"

static json_t *
shown(const struct store_rows *r)
{
	AUTO(json_free) json_t *subject = NULL;
	json_t *o = json_object();
	struct err e;

	json_put_str(o, "id", store_text(r, 0));
	json_put_str(o, "transaction", store_text(r, 1));
	if (json_parse(slice_str(store_text(r, 2)), &subject, &e))
		json_object_set(o, "subject", subject);
	json_put_str(o, "template", store_text(r, 3));
	json_put_str(o, "key", store_text(r, 4));
	json_put_str(o, "peer", store_text(r, 5));
	json_put_str(o, "state", store_text(r, 6));
	json_put_str(o, "reason", store_text(r, 7));
	json_put_str(o, "decided_by", store_text(r, 8));
	json_put_str(o, "certificate", store_text(r, 9));
	json_put_time(o, "created_at", store_int(r, 10));
	json_put_time(o, "expires_at", store_int(r, 11));
	json_put_time(o, "decided_at", store_int(r, 12));
	json_put_str(o, "upstream", store_text(r, 13));
	json_put_int(o, "tries", store_int(r, 14));
	json_put_int(o, "polls", store_int(r, 15));
	json_put_time(o, "next_at", store_int(r, 16));
	json_put_bool(o, "upstream_waits", store_int(r, 17) == 2);
	return o;
}

bool
scep_approval_list(struct store_tx *tx, const struct scep_request_page *page,
    json_t *array, char **next_out, struct err *e)
{
	AUTO(store_rows_free) struct store_rows *r = NULL;
	AUTO(str_free) char *last = NULL;
	bool more;

	if (!scep_db_waiting_page(tx, page, &r, e))
		return false;
	for (;;) {
		if (!store_next(r, &more, e))
			return false;
		if (!more || json_array_size(array) == (size_t)page->limit)
			break;
		json_array_append_new(array, shown(r));
		str_free(&last);
		last = str_printf(
		    "%lld:%s", (long long)store_int(r, 10), store_text(r, 0));
	}
	*next_out = more ? TAKE(last) : NULL;
	return true;
}

bool
scep_approval_json(
    struct store_tx *tx, const char *id, json_t **out, struct err *e)
{
	AUTO(store_rows_free) struct store_rows *r = NULL;
	bool found;

	if (!scep_db_waiting_row(tx, id, &r, e) || !store_next(r, &found, e))
		return false;
	if (!found)
		return err_set(e, ERR_NOT_FOUND, "no such SCEP request");
	*out = shown(r);
	return true;
}
