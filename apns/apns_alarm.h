/* The push certificate's last days.  No state; the caller's transaction. */
#pragma once

#include "store/store.h"

enum { APNS_ALARMS_MAX = 64 };
/* What is to be told of: certificates at a step that nobody heard of. */
struct apns_alarms {
	struct apns_alarm_due {
		char id[37], topic[257];
		int64_t not_after, step; /* step: days left; 0: expired */
	} list[APNS_ALARMS_MAX];
	size_t count;
};
/*
 * Tells of each certificate in use that has 60, 30, 14, 7 or 1 days left, or
 * none: one event push_certificate.expiring or push_certificate.expired for
 * each of these steps, however often it is called.  *told is overwritten, and
 * goes to apns_alarm_log() after the commit.
 */
MUST_CHECK bool apns_alarm(struct store_tx *tx, int64_t now_ms,
    struct apns_alarms *told, struct err *e);
/* The same as log lines. */
void apns_alarm_log(const struct apns_alarms *told);
