/*
 * What APNs answered: status and body read, and the table of reactions
 * (Apple, "Handling notification responses from APNs").  No state.
 */
#include <stdio.h>

#include "apns/apns_client_priv.h"
#include "core/json.h"

/* A row without a reason is for all other reasons of its status. */
static const struct {
	int status;
	const char *reason;
	enum apns_outcome outcome;
} reactions[] = {
	{ 200, NULL, APNS_ACCEPTED },
	/* Idle for too long: another connection takes it. */
	{ 400, "IdleTimeout", APNS_BACK_OFF },
	{ 400, "BadDeviceToken", APNS_REFUSED },
	{ 400, "DeviceTokenNotForTopic", APNS_REFUSED },
	{ 400, "BadTopic", APNS_OUR_FAULT },
	{ 400, "MissingTopic", APNS_OUR_FAULT },
	{ 400, "TopicDisallowed", APNS_OUR_FAULT },
	{ 400, "InvalidPushType", APNS_OUR_FAULT },
	{ 400, "BadCertificate", APNS_OUR_FAULT },
	{ 400, "BadCertificateEnvironment", APNS_OUR_FAULT },
	{ 400, "BadCollapseId", APNS_BUG },
	{ 400, "BadExpirationDate", APNS_BUG },
	{ 400, "BadMessageId", APNS_BUG },
	{ 400, "BadPriority", APNS_BUG },
	{ 400, "DuplicateHeaders", APNS_BUG },
	{ 400, "MissingDeviceToken", APNS_BUG },
	{ 400, "PayloadEmpty", APNS_BUG },
	{ 400, NULL, APNS_BUG },
	{ 403, "BadCertificate", APNS_OUR_FAULT },
	{ 403, "BadCertificateEnvironment", APNS_OUR_FAULT },
	{ 403, "Forbidden", APNS_OUR_FAULT },
	{ 403, "ExpiredProviderToken", APNS_OUR_FAULT },
	{ 403, "InvalidProviderToken", APNS_OUR_FAULT },
	{ 403, "MissingProviderToken", APNS_OUR_FAULT },
	{ 403, NULL, APNS_OUR_FAULT },
	{ 404, "BadPath", APNS_BUG },
	{ 405, "MethodNotAllowed", APNS_BUG },
	{ 410, "Unregistered", APNS_DEAD },
	{ 410, "ExpiredToken", APNS_DEAD },
	{ 410, NULL, APNS_DEAD },
	{ 413, "PayloadTooLarge", APNS_BUG },
	{ 429, "TooManyRequests", APNS_BACK_OFF },
	{ 429, "TooManyProviderTokenUpdates", APNS_BACK_OFF },
	{ 429, NULL, APNS_BACK_OFF },
	{ 500, "InternalServerError", APNS_BACK_OFF },
	{ 503, "ServiceUnavailable", APNS_BACK_OFF },
	{ 503, "Shutdown", APNS_BACK_OFF },
};

enum apns_outcome
apns_classify(int status, const char *reason)
{
	for (size_t i = 0; i < COUNT(reactions); i++) {
		if (reactions[i].status != status)
			continue;
		if (reactions[i].reason == NULL ||
		    str_eq(reactions[i].reason, reason))
			return reactions[i].outcome;
	}
	if (status == 0)
		return APNS_UNREACHABLE;
	if (status >= 400 && status < 500)
		return APNS_BUG;
	/* Also what only a proxy or a wrong host would say. */
	return APNS_BACK_OFF;
}

bool
apns_answer_our_fault(const char *reason)
{
	for (size_t i = 0; i < COUNT(reactions); i++) {
		if (reactions[i].reason != NULL &&
		    reactions[i].outcome == APNS_OUR_FAULT &&
		    str_eq(reactions[i].reason, reason))
			return true;
	}
	return false;
}

void
apns_answer_reason(
    struct slice body, char *reason, size_t size, int64_t *timestamp_ms)
{
	AUTO(json_free) json_t *o = NULL;
	struct err e = { 0 };
	const char *text = NULL;
	int64_t at = 0;

	reason[0] = '\0';
	*timestamp_ms = 0;
	if (body.len == 0 || !json_parse(body, &o, &e) ||
	    !json_get_str(o, "reason", size - 1, &text, &e))
		return;
	if (text != NULL)
		str_copy_cut(reason, size, text);
	if (json_get_int(o, "timestamp", 0, &at, &e))
		*timestamp_ms = at;
}

void
apns_answer_read(const struct apns_job *j, struct apns_answer *out)
{
	struct apns_answer a = { .ref = j->ref,
		.status = j->status,
		.retry_after_s = j->retry_after_s };

	str_copy_cut(a.id, sizeof(a.id), j->id);
	if (j->status != 200 && j->body != NULL)
		apns_answer_reason(buf_slice(j->body), a.reason,
		    sizeof(a.reason), &a.timestamp_ms);
	if (j->status != 200 && a.reason[0] == '\0')
		(void)snprintf(
		    a.reason, sizeof(a.reason), "status %d", j->status);
	a.outcome = apns_classify(j->status, a.reason);
	*out = a;
}
