/* Alarms before the end of a certificate; see cert_alarm.h. */
#include "certs/cert_alarm.h"

#include "core/clock.h"
#include "core/json.h"
#include "core/log.h"
#include "store/store_event.h"

int64_t
cert_alarm_step(int64_t left_ms)
{
	static const int64_t steps[] = { 1, 7, 14, 30, 60 };

	if (left_ms <= 0)
		return 0;
	for (size_t i = 0; i < COUNT(steps); i++)
		if (left_ms <= steps[i] * MS_DAY)
			return steps[i];
	return -1;
}

static char *
name_of(const struct cert_alarm *a, char separator)
{
	return str_printf(
	    "%s%c%s", a->what, separator, a->step > 0 ? "expiring" : "expired");
}

bool
cert_alarm_tell(struct store_tx *tx, const struct cert_alarm *a, struct err *e)
{
	AUTO(json_free) json_t *o = json_object();
	AUTO(str_free) char *kind = name_of(a, '.');
	AUTO(str_free) char *data = NULL;

	for (size_t i = 0; i < CERT_ALARM_FACTS && a->facts[i].key; i++)
		json_put_str(o, a->facts[i].key, a->facts[i].value);
	json_put_time(o, "not_after", a->not_after);
	json_put_int(o, "days", a->step);
	data = json_text(o);
	return store_event_add(tx,
	    &(struct store_event){ .kind = kind,
	        .device_id = a->device_id,
	        .subject_id = a->subject_id,
	        .actor = "system",
	        .data = data },
	    e);
}

void
cert_alarm_log(const struct cert_alarm *a)
{
	AUTO(str_free) char *event = name_of(a, '_');
	const struct cert_alarm_fact *f = a->facts;

	/* The first NULL key ends the list. */
	log_event(a->step > 7 ? LOG_WARN : LOG_ERROR, event, "days",
	    LOG_NUM(a->step), "device", a->device_id, f[0].key, f[0].value,
	    f[1].key, f[1].value, f[2].key, f[2].value, NULL);
}
