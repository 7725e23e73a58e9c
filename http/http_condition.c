/*
 * Conditional requests (RFC 9110 section 13): whether a client has already what
 * it asks for.  No state; any thread.
 *
 * Only a date that we gave tells.  That of a client's file may be later than
 * the date of a list that the client does not have: a list is dated when it is
 * begun, by the clock of whichever node makes it.
 */
#include <string.h>
#include <time.h>

#include "core/clock.h"
#include "http/http.h"

void
http_date(char out[HTTP_DATE_SIZE], int64_t at_ms)
{
	time_t t = (time_t)(at_ms / MS_S);
	struct tm tm;

	out[0] = '\0';
	if (gmtime_r(&t, &tm) != NULL)
		(void)strftime(
		    out, HTTP_DATE_SIZE, "%a, %d %b %Y %H:%M:%S GMT", &tm);
}

bool
http_date_read(const char *text, int64_t *at_ms_out)
{
	/* The two behind the first are obsolete, and are to be read. */
	static const char *const forms[] = { "%a, %d %b %Y %H:%M:%S GMT",
		"%A, %d-%b-%y %H:%M:%S GMT", "%a %b %e %H:%M:%S %Y" };

	for (size_t i = 0; i < COUNT(forms); i++) {
		struct tm tm = { 0 };
		const char *end = strptime(text, forms[i], &tm);
		int day = tm.tm_mday;

		if (end == NULL || *end != '\0')
			continue;
		*at_ms_out = (int64_t)timegm(&tm) * MS_S;
		return tm.tm_mday == day; /* else there is no such day */
	}
	return false;
}

bool
http_condition_same(
    const struct http_condition *c, const struct http_validators *v)
{
	int64_t modified = v->modified_ms / MS_S * MS_S, since;

	if (c->none_match != NULL)
		return strstr(c->none_match, v->etag) != NULL ||
		       str_eq(c->none_match, "*");
	if (c->modified_since == NULL ||
	    !http_date_read(c->modified_since, &since))
		return false;
	return since == modified;
}

bool
http_unchanged(const struct http_request *rq, struct http_reply *rp,
    const struct http_validators *v)
{
	const struct http_condition c = { http_header(rq, "If-None-Match"),
		http_header(rq, "If-Modified-Since") };
	char date[HTTP_DATE_SIZE];
	bool same = http_condition_same(&c, v);

	http_date(date, v->modified_ms);
	http_set_header(rp, "ETag", v->etag);
	http_set_header(rp, "Last-Modified", date);
	if (same)
		http_set(rp, 304, NULL);
	return same;
}
