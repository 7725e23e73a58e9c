/* Alarms before the push certificate's end; see apns_alarm.h. */
#include "apns/apns_alarm.h"

#include "certs/cert_alarm.h"
#include "core/clock.h"

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
		d->step = cert_alarm_step(d->not_after - now);
		if (d->step < 0 ||
		    (!store_null(r, 3) && store_int(r, 3) <= d->step))
			continue;
		store_text_copy(r, 0, d->id, sizeof(d->id));
		store_text_copy(r, 1, d->topic, sizeof(d->topic));
		out->count++;
	}
	return true;
}

static struct cert_alarm
alarm_of(const struct apns_alarm_due *d)
{
	return (struct cert_alarm){ .what = "push_certificate",
		.subject_id = d->id,
		.not_after = d->not_after,
		.step = d->step,
		.facts = { { "topic", d->topic } } };
}

static bool
tell(struct store_tx *tx, const struct apns_alarm_due *d, struct err *e)
{
	const struct cert_alarm a = alarm_of(d);

	return store_exec(tx,
	           "UPDATE push_certificate SET alarmed_days = $2 WHERE id = "
	           "$1",
	           S_ARGS(S_TEXT(d->id), S_INT(d->step)), NULL, e) &&
	       cert_alarm_tell(tx, &a, e);
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
		const struct cert_alarm a = alarm_of(&told->list[i]);

		cert_alarm_log(&a);
	}
}
