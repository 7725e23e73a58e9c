/*
 * Any bytes as a request target, and as a proxy's certificate header: text in
 * both cases, as libmicrohttpd hands it over.  What is taken apart stays
 * within the request's one allocation and is text; no escape opens a path that
 * is not the route's.
 */
#include <assert.h>
#include <string.h>

#include "core/limits.h"
#include "http/http_priv.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool
handler(const struct http_request *rq, struct http_reply *rp, void *service,
    struct err *e)
{
	(void)rq, (void)rp, (void)service, (void)e;
	return true;
}

static const struct http_route routes[] = {
	{ "GET", "/enroll", HTTP_ANYONE, 0, handler },
	{ "POST", "/things/{id}", HTTP_ANYONE, 0, handler },
	{ "GET", "/things/{id}/parts/{part}", HTTP_ANYONE, 0, handler },
	{ "GET", "/files/{path...}", HTTP_ANYONE, 0, handler },
};

/* Each lies in the text and ends there. */
static void
check_text(const struct http_target *t, const char *s)
{
	assert(s >= t->text && s < t->text + t->size);
	assert(memchr(s, '\0', (size_t)(t->text + t->size - s)) != NULL);
	assert(str_utf8_len(s) != SIZE_MAX);
}

static void
try_match(struct http_target *t)
{
	struct http_routes r = { 0 };
	struct http_match m = { 0 };

	for (size_t i = 0; i < COUNT(routes); i++)
		http_routes_add(&r, &routes[i], NULL);
	http_routes_match(&r, "GET", t, &m);
	assert(m.param_count <= 2);
	for (size_t i = 0; m.rule != NULL && i < m.param_count; i++) {
		check_text(t, m.params[i].value);
		assert(m.params[i].value[0] != '\0');
	}
	if (m.rule != NULL && m.rule->route == &routes[0])
		assert(str_eq(t->decoded, routes[0].path));
	http_routes_clear(&r);
}

static void
try_target(const char *text)
{
	/* What an earlier request left must not matter. */
	static struct http_target t;

	http_target_parse(&t, text);
	check_text(&t, t.decoded);
	for (const char *p = t.arguments; p < t.arguments_end;
	     p += strlen(p) + 1)
		check_text(&t, p);
	assert(t.arguments_end <= t.text + t.size);
	if (!t.bad)
		try_match(&t);
	if (t.size > LIMIT_HEADERS)
		http_target_free(&t);
}

static void
try_header(const char *text)
{
	AUTO(buf_free) struct buf *der = buf_new(LIMIT_HEADERS);
	struct err e = { 0 };

	if (!http_cert_from_header(text, der, &e))
		assert(e.code == ERR_INVALID || e.code == ERR_TOO_LARGE);
	else
		assert(der->len <= strlen(text));
	if (http_cert_trusted(text, "192.0.2.1"))
		assert(strstr(text, "192.0.2.1") != NULL);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO(str_free) char *text = mem_alloc(size + 1);

	if (size > 0)
		memcpy(text, data, size);
	text[size] = '\0';
	try_target(text);
	try_header(text);
	return 0;
}
