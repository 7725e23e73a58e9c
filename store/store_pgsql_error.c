/*
 * What an error of libpq or of the server means to the program.  No state.
 */
#include <string.h>

#include "store/store_pgsql_priv.h"

enum { CLASS_LEN = 2 };

/* SQLSTATEs, or their first two characters; the first that fits counts. */
static const struct {
	const char *state;
	enum err_code code;
	const char *slug;
} codes[] = {
	{ "23505", ERR_CONFLICT, NULL },    /* unique */
	{ "23503", ERR_CONFLICT, NULL },    /* foreign key */
	{ "22021", ERR_INVALID, NULL },     /* text that is not UTF-8 */
	{ "25006", ERR_UNAVAILABLE, NULL }, /* a standby: writes nothing */
	{ "25P03", ERR_UNAVAILABLE, NULL }, /* held up a transaction too long */
	{ "55P03", ERR_UNAVAILABLE, NULL }, /* waited for a lock too long */
	{ "XX001", ERR_UNAVAILABLE, NULL }, /* damaged data */
	{ "XX002", ERR_UNAVAILABLE, NULL }, /* damaged index */
	{ "08", ERR_UNAVAILABLE, NULL },    /* connection */
	{ "28", ERR_UNAVAILABLE, NULL },    /* credentials */
	{ "3D", ERR_UNAVAILABLE, NULL },    /* no such database */
	/* Serialization failure, deadlock. */
	{ "40001", ERR_UNAVAILABLE, STORE_AGAIN },
	{ "40P01", ERR_UNAVAILABLE, STORE_AGAIN },
	{ "40", ERR_UNAVAILABLE, NULL }, /* undone, for other reasons */
	{ "53", ERR_UNAVAILABLE, NULL }, /* disk full, too many connections */
	{ "57", ERR_UNAVAILABLE, NULL }, /* shutdown, cancelled */
	{ "58", ERR_UNAVAILABLE, NULL }, /* I/O */
};

/* Sets code and slug; the text is the caller's. */
static bool
set_by_state(struct err *e, const char *state, const char *text)
{
	for (size_t i = 0; i < COUNT(codes); i++) {
		if (strncmp(state, codes[i].state, strlen(codes[i].state)) == 0)
			return err_slug(e, codes[i].code, codes[i].slug,
			    "%s (%s)", text, state);
	}
	return err_set(e, ERR_INTERNAL, "%s (%s)", text, state);
}

/* libpq ends its messages with a newline and has several lines in some. */
static void
one_line(char *dst, size_t size, const char *text)
{
	size_t n = 0;

	str_copy_cut(dst, size, text);
	for (const char *p = dst; *p != '\0'; p++) {
		bool space = *p == '\n' || *p == '\t' || *p == ' ';

		if (!space)
			dst[n++] = *p;
		else if (n > 0 && dst[n - 1] != ' ')
			dst[n++] = ' ';
	}
	while (n > 0 && dst[n - 1] == ' ')
		n--;
	dst[n] = '\0';
}

bool
store_pgsql_err(PGconn *h, const PGresult *res, struct err *e)
{
	const char *state =
	    res != NULL ? PQresultErrorField(res, PG_DIAG_SQLSTATE) : NULL;
	const char *text = NULL;
	char line[sizeof(e->text)];

	if (state == NULL) {
		one_line(line, sizeof(line), PQerrorMessage(h));
		return err_slug(e, ERR_UNAVAILABLE, STORE_AGAIN,
		    "PostgreSQL: %s",
		    line[0] != '\0' ? line : "the connection is lost");
	}
	/* The primary message names tables and columns; only messages about
	 * data show values. */
	if (strncmp(state, "22", CLASS_LEN) != 0)
		text = PQresultErrorField(res, PG_DIAG_MESSAGE_PRIMARY);
	one_line(line, sizeof(line), text != NULL ? text : "unfit value");
	return set_by_state(e, state, line);
}

static void
note(void *warned, const PGresult *res)
{
	if (str_eq(PQresultErrorField(res, PG_DIAG_SEVERITY_NONLOCALIZED),
	        "WARNING"))
		*(bool *)warned = true;
}

void
store_pgsql_watch_warnings(PGconn *h, bool *warned)
{
	*warned = false;
	PQsetNoticeReceiver(h, note, warned);
}

void
store_pgsql_result_free(PGresult **res)
{
	PQclear(*res);
	*res = NULL;
}
