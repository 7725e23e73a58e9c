/* Alarms before the push certificate's end; see apns_alarm.h. */
#include "apns/apns_alarm.h"

#include <stdio.h>

#include "core/clock.h"
#include "core/json.h"
#include "core/log.h"
#include "store/store_event.h"

int64_t
apns_alarm_step(int64_t left_ms)
{
	static const int64_t steps[] = { 1, 7, 14, 30, 60 };

	if (left_ms <= 0)
		return 0;
	for (size_t i = 0; i < COUNT(steps); i++)
		if (left_ms <= steps[i] * MS_DAY)
			return steps[i];
	return -1;
}

/* Those that reached a step that nobody was told of. */
static bool
find_due(
    struct store_tx *tx, int64_t now, struct apns_alarms *out, struct err *e)
{
	AUTO(store_rows_free) struct store_rows *r = NULL;
	bool more;

	out->count = 0;
	if (!store_query(tx,
	        "SELECT id, topic, not_after, alarmed_days FROM "
	        "push_certificate WHERE state = 'active' AND not_after < $1 "
	        "ORDER BY not_after",
	        S_ARGS(S_INT(now + 61 * MS_DAY)), &r, e))
		return false;
	while (out->count < APNS_ALARMS_MAX) {
		struct apns_alarm_due *d = &out->list[out->count];

		if (!store_next(r, &more, e))
			return false;
		if (!more)
			return true;
		d->not_after = store_int(r, 2);
		d->step = apns_alarm_step(d->not_after - now);
		if (d->step < 0 ||
		    (!store_null(r, 3) && store_int(r, 3) <= d->step))
			continue;
		store_text_copy(r, 0, d->id, sizeof(d->id));
		store_text_copy(r, 1, d->topic, sizeof(d->topic));
		out->count++;
	}
	return true;
}

static bool
tell(struct store_tx *tx, const struct apns_alarm_due *d, struct err *e)
{
	AUTO(json_free) json_t *o = json_object();
	AUTO(str_free) char *data = NULL;
	const char *kind = d->step > 0 ? "push_certificate.expiring"
	                               : "push_certificate.expired";

	json_put_str(o, "topic", d->topic);
	json_put_time(o, "not_after", d->not_after);
	json_put_int(o, "days", d->step);
	data = json_text(o);
	return store_exec(tx,
	           "UPDATE push_certificate SET alarmed_days = $2 WHERE id = "
	           "$1",
	           S_ARGS(S_TEXT(d->id), S_INT(d->step)), NULL, e) &&
	       store_event_add(tx,
	           &(struct store_event){ .kind = kind,
	               .subject_id = d->id,
	               .actor = "system",
	               .data = data },
	           e);
}

bool
apns_alarm(struct store_tx *tx, int64_t now_ms, struct apns_alarms *told,
    struct err *e)
{
	if (!find_due(tx, now_ms, told, e))
		return err_wrap(e, "push certificate alarm");
	for (size_t i = 0; i < told->count; i++)
		if (!tell(tx, &told->list[i], e))
			return err_wrap(e, "push certificate alarm");
	return true;
}

void
apns_alarm_log(const struct apns_alarms *told)
{
	for (size_t i = 0; i < told->count; i++) {
		const struct apns_alarm_due *d = &told->list[i];
		char days[24];

		(void)snprintf(days, sizeof(days), "%lld", (long long)d->step);
		log_event(d->step > 7 ? LOG_WARN : LOG_ERROR,
		    d->step > 0 ? "push_certificate_expiring"
		                : "push_certificate_expired",
		    "days", days, "topic", d->topic, NULL);
	}
}
