/*
 * Alarms before the end of a certificate, whoever's it is: the steps at which
 * somebody is told, the event and the log line.  No state; any thread, in the
 * caller's transaction.
 */
#pragma once

#include "store/store.h"

/* What there is to say of it besides its end; a NULL key: nothing more. */
struct cert_alarm_fact {
	const char *key, *value;
};
enum { CERT_ALARM_FACTS = 3 };

struct cert_alarm {
	const char *what; /* "identity": identity.expiring, identity.expired */
	const char *subject_id, *device_id; /* device_id: NULL: no Mac's */
	int64_t not_after, step;
	struct cert_alarm_fact facts[CERT_ALARM_FACTS];
};

/* Days left at which somebody is told: 60, 30, 14, 7 or 1; 0: it has ended;
 * -1: no step is reached. */
int64_t cert_alarm_step(int64_t left_ms);
/* The event, with facts, not_after and days in its data. */
MUST_CHECK bool cert_alarm_tell(
    struct store_tx *tx, const struct cert_alarm *a, struct err *e);
/* The same as a log line; an error in the last 7 days. */
void cert_alarm_log(const struct cert_alarm *a);
