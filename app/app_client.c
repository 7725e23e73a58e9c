/*
 * The client of the admin side: one request a call over core/fetch, problems
 * printed for people and mapped to exit codes.  One thread.
 */
#include <stdio.h>
#include <stdlib.h>

#include "app/app_cli.h"
#include "core/fetch.h"
#include "core/file.h"
#include "core/json.h"

enum { SMALL_FILE = 4096 };

/* The first word of a file, the caller's. */
static bool
first_word(const char *path, char **out, struct err *e)
{
	AUTO(buf_wipe) struct buf *b = NULL;
	size_t n = 0;

	if (!file_read(path, SMALL_FILE, &b, e))
		return false;
	while (n < b->len && b->p[n] > ' ')
		n++;
	*out = str_printf("%.*s", (int)n, (const char *)b->p);
	return true;
}

/* That of a file of the data directory, or NULL. */
static char *
data_word(const struct app_args *a, const char *name)
{
	AUTO(str_free) char *path = NULL;
	const char *dir = app_arg(a, "data");
	struct err ignored = { 0 };
	char *word = NULL;

	if (dir == NULL)
		dir = getenv("MUTSU_DATA");
	path = str_printf("%s/%s", dir != NULL ? dir : "data", name);
	return first_word(path, &word, &ignored) ? word : NULL;
}

static bool
find_token(const struct app_args *a, char **out, struct err *e)
{
	const char *file = app_arg(a, "token-file");
	const char *env = getenv("MUTSU_TOKEN");

	if (file != NULL) {
		if (first_word(file, out, e))
			return true;
		e->code = ERR_UNAUTHORIZED; /* whatever kept it from us */
		return err_wrap(e, "--token-file");
	}
	*out = env != NULL ? str_dup(env) : data_word(a, "admin.token");
	if (*out == NULL)
		return err_set(e, ERR_UNAUTHORIZED,
		    "no token found: give --token-file or MUTSU_TOKEN, or "
		    "--data");
	return true;
}

static char *
find_url(const struct app_args *a)
{
	const char *url = app_arg(a, "url");
	const char *env = getenv("MUTSU_URL");

	if (url != NULL || env != NULL)
		return str_dup(url != NULL ? url : env);
	return data_word(a, "admin.url");
}

static int
exit_of(int status)
{
	static const struct {
		int status, code;
	} rows[] = {
		{ 401, APP_NOT_ALLOWED },
		{ 403, APP_NOT_ALLOWED },
		{ 404, APP_NOT_FOUND },
		{ 409, APP_CONFLICT },
		{ 422, APP_REFUSED },
		{ 400, APP_USAGE },
	};

	if (status >= 200 && status < 300)
		return APP_OK;
	for (size_t i = 0; i < COUNT(rows); i++)
		if (rows[i].status == status)
			return rows[i].code;
	return APP_FAILED;
}

/* Says what a problem document says. */
static void
print_problem(const struct app_args *a, int status, const json_t *problem)
{
	char scratch[32];

	if (a->json && problem != NULL) {
		AUTO(str_free) char *text = json_text(problem);

		printf("%s\n", text);
		return;
	}
	if (problem == NULL) {
		fprintf(stderr, "mutsu: the server answered %d\n", status);
		return;
	}
	/* It may name what a Mac told. */
	fputs("mutsu: ", stderr);
	app_print_safe(stderr,
	    app_value(problem, "detail", scratch, sizeof(scratch)), SIZE_MAX);
	fputs(" (", stderr);
	app_print_safe(stderr,
	    app_value(problem, "code", scratch, sizeof(scratch)), SIZE_MAX);
	fputs(")\n", stderr);
}

static bool
request(const struct app_args *a, const struct app_call *c,
    struct fetch_answer *out, struct err *e)
{
	AUTO(str_free) char *base = find_url(a);
	AUTO(str_wipe) char *token = NULL;
	AUTO(fetch_free) struct fetch *f = NULL;
	AUTO(str_free) char *url = NULL;
	AUTO(str_wipe) char *bearer = NULL;
	AUTO(str_free) char *key = NULL;
	AUTO(str_free) char *body = NULL;
	const char *headers[4] = { NULL };
	size_t n = 0;

	if (base == NULL)
		return err_set(e, ERR_UNAVAILABLE,
		    "no server found: start it with ./run, or give --url or "
		    "--data");
	if (!find_token(a, &token, e))
		return false;
	url = str_printf("%s%s", base, c->path);
	bearer = str_printf("Authorization: Bearer %s", token);
	headers[n++] = bearer;
	if (c->body != NULL) {
		body = json_text(c->body);
		headers[n++] = "Content-Type: application/json";
	}
	if (c->idempotency_key != NULL) {
		key = str_printf("Idempotency-Key: %s", c->idempotency_key);
		headers[n++] = key;
	}
	if (!fetch_new(&(struct fetch_options){ .timeout_ms = 90000 }, &f, e))
		return false;
	return fetch_do(f,
	    &(struct fetch_request){ .method = c->method,
	        .url = url,
	        .headers = headers,
	        .body = slice_str(body),
	        .answer_max = 64 << 20 },
	    out, e);
}

int
app_call(const struct app_args *a, const struct app_call *c, json_t **out)
{
	AUTO(fetch_answer_clear) struct fetch_answer answer = { 0 };
	AUTO(json_free) json_t *j = NULL;
	struct err e = { 0 };
	int code;

	if (!request(a, c, &answer, &e)) {
		fprintf(stderr, "mutsu: %s\n", e.text);
		return e.code == ERR_UNAUTHORIZED ? APP_NOT_ALLOWED
		                                  : APP_FAILED;
	}
	code = exit_of(answer.status);
	if (answer.body->len != 0 &&
	    !json_parse_any(buf_slice(answer.body), &j, &e))
		json_free(&j);
	if (code != APP_OK) {
		print_problem(a, answer.status, j);
		return code;
	}
	*out = j != NULL ? TAKE(j) : json_object();
	return APP_OK;
}

int
app_call_list(
    const struct app_args *a, const char *path, const char *key, json_t *rows)
{
	AUTO(str_free) char *after = NULL;

	do {
		AUTO(json_free) json_t *page = NULL;
		AUTO(str_free)
		char *k = app_escape(after != NULL ? after : "");
		AUTO(str_free)
		char *next = str_printf("%s%s%s", path, *k ? "&after=" : "", k);
		int code = app_call(a,
		    &(struct app_call){ .method = "GET", .path = next }, &page);

		if (code != APP_OK)
			return code;
		json_array_extend(rows, json_object_get(page, key));
		str_free(&after);
		after =
		    str_dup(json_string_value(json_object_get(page, "next")));
	} while (after != NULL);
	return APP_OK;
}

char *
app_escape(const char *s)
{
	static const char digits[] = "0123456789ABCDEF";
	AUTO(buf_free) struct buf *b = buf_new(4096);

	for (; *s != '\0'; s++) {
		unsigned char c = (unsigned char)*s;

		if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
		    (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.')
			buf_addc(b, (char)c);
		else
			buf_addf(b, "%%%c%c", digits[c >> 4], digits[c & 15]);
	}
	return str_dup(buf_str(b));
}
