/* A SCEP service on a loopback port, for tests of both ends of HTTP. */
#pragma once

#include "core/fetch.h"
#include "http/http.h"
#include "scep/scep_http.h"
#include "tests/unit/scep_answer.h"

struct served {
	struct world *w;
	struct http_server *http;
	struct fetch *fetch;
	char base[64]; /* "http://127.0.0.1:NNN" */
};

static UNUSED int
served_setup(void **state)
{
	struct served *s = calloc(1, sizeof(*s));
	struct http_options ho = { .workers = 2 };
	struct http_listen hl = { .side = HTTP_DEVICE_SIDE,
		.address = "127.0.0.1" };
	struct fetch_options fo = { 0 };
	struct err e = { 0 };
	uint16_t port;

	s->w = world_open();
	if (!http_new(&ho, &s->http, &e))
		fail_msg("%s", e.text);
	scep_http_add(s->http, s->w->service);
	if (!http_listen(s->http, &hl, &port, &e) ||
	    !fetch_new(&fo, &s->fetch, &e))
		fail_msg("%s", e.text);
	snprintf(s->base, sizeof(s->base), "http://127.0.0.1:%u", port);
	*state = s;
	return 0;
}

static UNUSED int
served_teardown(void **state)
{
	struct served *s = *state;

	fetch_free(&s->fetch);
	http_free(&s->http);
	world_close(s->w);
	free(s);
	return 0;
}
