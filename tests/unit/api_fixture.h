/*
 * The API over a real server and database, with one token of each role and
 * Macs of each chip; requests as text, answers as JSON.
 */
#pragma once

#include "tests/unit/http_test.h"

#include "api/api_priv.h"
#include "tests/unit/enroll_fixture.h"

enum who { NOBODY, VIEWER, OPERATOR, ADMIN };

struct admin {
	struct site *site;
	struct http_server *http;
	struct api_service *api;
	uint16_t port;
	char tokens[4][API_TOKEN_SIZE];
	const char *more; /* header lines for the next request */
	char topic[64];   /* told by on_push_certificate() */
	/* What a canary push comes to, and how many there were. */
	struct apns_answer canary;
	int canaries;
	bool not_ready;
	/* Of the last answer. */
	int status;
	char head[4096];
	json_t *body;
};

static inline void
admin_topic(const char *topic, void *arg)
{
	struct admin *a = arg;

	str_copy_cut(a->topic, sizeof(a->topic), topic);
}

static inline void
admin_warnings(json_t *list, void *arg)
{
	(void)arg;
	json_array_append_new(list, json_string("a thing to look at"));
}

static inline bool
admin_canary(const struct apns_cert *cert, const struct apns_canary *c,
    struct apns_answer *out, void *arg, struct err *e)
{
	struct admin *a = arg;

	(void)e;
	assert_non_null(cert->key_pem);
	assert_true(c->token->len > 0);
	a->canaries++;
	*out = a->canary;
	return true;
}

static inline bool
admin_ready(void *arg, struct err *e)
{
	const struct admin *a = arg;

	return !a->not_ready || err_set(e, ERR_UNAVAILABLE, "still thinking");
}

static inline void
admin_metrics(struct buf *out, void *arg)
{
	(void)arg;
	buf_adds(out, "test_metric 7\n");
}

static inline void
admin_tokens(struct admin *a)
{
	static const char *const roles[] = { NULL, "viewer", "operator",
		"admin" };
	struct store_tx *tx = site_write(a->site);

	for (int i = VIEWER; i <= ADMIN; i++)
		OK(api_token_new(tx, a->site->seal,
		    &(struct api_token_wish){ roles[i], roles[i], "test" },
		    a->tokens[i], &e));
	site_commit(tx);
}

static inline void
admin_macs(struct admin *a)
{
	site_mac(a->site, (struct mac){ .id = "M-INTEL",
	                      .serial = "C02INTEL",
	                      .name = "intel",
	                      .chip = "none",
	                      .model = "MacBookPro11,1" });
	site_mac(a->site, (struct mac){ .id = "M-T2",
	                      .serial = "C02T2",
	                      .name = "twin",
	                      .chip = "t2",
	                      .model = "MacBookPro16,1" });
	site_mac(a->site, (struct mac){ .id = "M-NEW",
	                      .serial = "C02NEW",
	                      .name = "twin",
	                      .chip = "unknown" });
	site_mac(a->site,
	    (struct mac){ .id = "M-LEFT", .serial = "C02LEFT", .left = true });
}

static inline struct admin *
admin_open(void)
{
	struct admin *a = calloc(1, sizeof(*a));
	struct http_listen l = { .side = HTTP_ADMIN_SIDE,
		.address = "127.0.0.1",
		.authorizer = api_authorize };

	a->site = site_open();
	a->http = server_new((struct http_options){ .workers = 4 });
	OK(api_service_new(&(struct api_options){ .store = a->site->store,
	                       .seal = a->site->seal,
	                       .live = a->site->live,
	                       .public_url = "https://mdm.example.com/",
	                       .http = a->http,
	                       .on_push_certificate = admin_topic,
	                       .push_canary = admin_canary,
	                       .metrics = admin_metrics,
	                       .ready = admin_ready,
	                       .warnings = admin_warnings,
	                       .arg = a },
	    &a->api, &e));
	l.authorizer_arg = a->api;
	api_http_add(a->http, a->api);
	OK(http_listen(a->http, &l, &a->port, &e));
	admin_tokens(a);
	admin_macs(a);
	return a;
}

static inline void
admin_close(struct admin *a)
{
	json_free(&a->body);
	api_service_stop(a->api);
	http_free(&a->http);
	api_service_free(&a->api);
	site_close(a->site);
	free(a);
}

static inline int
admin_setup(void **state)
{
	*state = admin_open();
	return 0;
}

static inline int
admin_teardown(void **state)
{
	admin_close(*state);
	return 0;
}

/* Sends the request; token is the text behind "Bearer ", or NULL. */
static inline int
admin_send(struct admin *a, const char *token, const char *request_line,
    const char *body)
{
	AUTO(str_free)
	char *auth = token == NULL
	                 ? str_dup("")
	                 : str_printf("Authorization: Bearer %s\r\n", token);
	AUTO(str_free)
	char *content = body == NULL
	                    ? str_dup("")
	                    : str_printf("Content-Type: application/json\r\n"
	                                 "Content-Length: %zu\r\n",
	                          strlen(body));
	AUTO(str_free)
	char *request = str_printf("%s HTTP/1.1\r\nHost: x\r\n%s%s%s\r\n%s",
	    request_line, auth, content, a->more != NULL ? a->more : "",
	    body != NULL ? body : "");
	struct answer got;
	struct err why;

	json_free(&a->body);
	ask(a->port, request, &got);
	a->status = got.status;
	str_copy_cut(a->head, sizeof(a->head), got.head);
	if (got.body != NULL && got.body->len > 0 && got.body->p[0] == '{' &&
	    !json_parse(buf_slice(got.body), &a->body, &why))
		fail_msg("answer is not JSON: %s", buf_str(got.body));
	answer_clear(&got);
	a->more = NULL;
	return a->status;
}

/* Sends with the token of a role and checks the status. */
static inline void
admin_call(struct admin *a, enum who who, const char *request_line,
    const char *body, int status)
{
	AUTO(str_free) char *text = NULL;

	admin_send(
	    a, who == NOBODY ? NULL : a->tokens[who], request_line, body);
	if (a->status == status)
		return;
	text = a->body != NULL ? json_text(a->body) : str_dup("-");
	fail_msg("%s: %d, not %d: %s", request_line, a->status, status, text);
}

#define CALL(who, line, body, status) admin_call(a, who, line, body, status)

static inline const json_t *
at(const struct admin *a, const char *key)
{
	const json_t *v = json_object_get(a->body, key);

	if (v == NULL)
		fail_msg("the answer has no %s", key);
	return v;
}

static inline const char *
text_at(const struct admin *a, const char *key)
{
	return json_string_value(at(a, key));
}

static inline const char *
text_in(const json_t *o, const char *key)
{
	return json_string_value(json_object_get(o, key));
}

/* The last answer was a problem with this code. */
static inline void
expect_code(const struct admin *a, const char *code)
{
	assert_non_null(strcasestr(a->head, "application/problem+json"));
	assert_int_equal(json_integer_value(at(a, "status")), a->status);
	assert_string_equal(text_at(a, "code"), code);
	assert_non_null(text_at(a, "title"));
	assert_non_null(text_at(a, "detail"));
	assert_non_null(text_at(a, "request_id"));
}

#define REFUSED(who, line, body, status, code)                                 \
	do {                                                                   \
		CALL(who, line, body, status);                                 \
		expect_code(a, code);                                          \
	} while (0)
