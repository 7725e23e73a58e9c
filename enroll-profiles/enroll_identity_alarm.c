/*
 * Alarms before the end of a Mac's identity.  It is renewed long before: who
 * hears of one has a Mac that is away, or does not take its profile.
 */
#include <stdio.h>

#include "core/json.h"
#include "core/log.h"
#include "enroll-profiles/enroll_identity_priv.h"
#include "store/store_event.h"

enum { ALARMS_MAX = 200 };

/* The step that is due: 60, 30, 14, 7 or 1 days before the end, 0 behind it;
 * -1: none.  A short life has fewer of them. */
static int64_t
step_of(const struct enroll_identity_end *x, int64_t now)
{
	static const int64_t steps[] = { 1, 7, 14, 30, 60 };
	int64_t left = x->not_after - now;

	if (left <= 0)
		return 0;
	for (size_t i = 0; i < COUNT(steps); i++)
		if (left <= steps[i] * MS_DAY &&
		    left <= (x->not_after - x->not_before) / 3)
			return steps[i];
	return -1;
}

static bool
find_due(struct store_tx *tx, int64_t now, struct enroll_identity_end *list,
    size_t *count, struct err *e)
{
	AUTO(store_rows_free) struct store_rows *r = NULL;
	bool more;

	if (!enroll_db_identity_ends(tx, now + 60 * MS_DAY + 1, &r, e))
		return false;
	while (*count < ALARMS_MAX) {
		struct enroll_identity_end *x = &list[*count];
		int64_t step;

		if (!enroll_db_identity_end_next(r, x, &more, e))
			return false;
		if (!more)
			return true;
		step = step_of(x, now);
		if (step < 0 ||
		    (x->alarmed_days >= 0 && x->alarmed_days <= step))
			continue;
		x->alarmed_days = step;
		(*count)++;
	}
	return true;
}

static bool
tell(struct store_tx *tx, const struct enroll_identity_end *x, struct err *e)
{
	AUTO(json_free) json_t *o = json_object();
	AUTO(str_free) char *data = NULL;
	bool ended = x->alarmed_days == 0;
	char days[24];

	json_put_time(o, "not_after", x->not_after);
	json_put_int(o, "days", x->alarmed_days);
	data = json_text(o);
	(void)snprintf(days, sizeof(days), "%lld", (long long)x->alarmed_days);
	if (!enroll_db_renewal_alarmed(tx, x->device_id, x->alarmed_days, e) ||
	    !store_event_add(tx,
	        &(struct store_event){
	            .kind = ended ? "identity.expired" : "identity.expiring",
	            .device_id = x->device_id,
	            .subject_id = x->device_id,
	            .actor = "system",
	            .data = data },
	        e))
		return false;
	log_event(x->alarmed_days > 7 ? LOG_WARN : LOG_ERROR,
	    ended ? "identity_expired" : "identity_expiring", "days", days,
	    "device", x->device_id, NULL);
	return true;
}

bool
enroll_identity_alarm(struct store_tx *tx, int64_t now_ms, struct err *e)
{
	struct enroll_identity_end *list =
	    mem_zalloc(ALARMS_MAX, sizeof(*list));
	size_t count = 0;
	bool ok = find_due(tx, now_ms, list, &count, e);

	for (size_t i = 0; ok && i < count; i++)
		ok = tell(tx, &list[i], e);
	mem_free(&list);
	return ok || err_wrap(e, "alarm of identities");
}
