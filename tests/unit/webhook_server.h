/*
 * The other side of a webhook, for tests: loopback, one question a connection,
 * answers signed as they should be, or not.
 */
#pragma once

#include "core/encode.h"
#include "core/json.h"
#include "tests/unit/fetch_server.h"

struct webhook_server {
	/* What it answers; set between questions. */
	const char *answer; /* JSON; NULL: never answers */
	int status;
	const char *key;         /* it signs with; NULL: not at all */
	const char *other_id;    /* and for another question */
	void (*hook)(void *arg); /* runs while the question is open */
	void *hook_arg;

	int listener, port;
	pthread_t thread;
	atomic_int questions;
	struct fetch_seen seen; /* the last one */
	bool signature_good;    /* of the question, by key */
};

static inline void
webhook_hmac(const char *key, const char *id, const char *body, char out[65])
{
	AUTO(str_free) char *in = str_printf("%s.%s", id, body);
	uint8_t mac[SHA256_SIZE];

	hmac_sha256(mac, slice_str(key), slice_str(in));
	hex_to(out, mac, sizeof(mac));
}

static inline void
webhook_reply(struct webhook_server *s, int fd, const char *body)
{
	AUTO(json_free) json_t *q = NULL;
	AUTO(str_free) char *text = NULL;
	char mac[65] = "", line[100] = "";
	const char *id;
	struct err e;

	assert_true(json_parse(slice_str(body), &q, &e));
	id = json_string_value(json_object_get(q, "id"));
	if (s->key != NULL) {
		webhook_hmac(s->key, id, body, mac);
		s->signature_good = strstr(s->seen.text, mac) != NULL;
		webhook_hmac(
		    s->key, s->other_id ? s->other_id : id, s->answer, mac);
		snprintf(line, sizeof(line), "Mutsu-Signature: %s\r\n", mac);
	}
	text = str_printf("HTTP/1.1 %d X\r\n%sContent-Length: %zu\r\n"
	                  "Connection: close\r\n\r\n%s",
	    s->status ? s->status : 200, line, strlen(s->answer), s->answer);
	if (send(fd, text, strlen(text), MSG_NOSIGNAL) < 0)
		return;
}

static inline void
webhook_talk(struct webhook_server *s, int fd)
{
	struct fetch_seen *r = &s->seen;

	r->len = 0;
	r->text[0] = '\0';
	while (!fetch_seen_whole(r)) {
		ssize_t n =
		    read(fd, r->text + r->len, sizeof(r->text) - 1 - r->len);

		if (n <= 0)
			return;
		r->len += (size_t)n;
		r->text[r->len] = '\0';
	}
	s->questions++;
	if (s->hook != NULL)
		s->hook(s->hook_arg);
	if (s->answer != NULL) {
		webhook_reply(s, fd, strstr(r->text, "\r\n\r\n") + 4);
		return;
	}
	/* Until the client gives up. */
	while (read(fd, r->text, 1) > 0)
		;
}

static inline void *
webhook_run(void *arg)
{
	struct webhook_server *s = arg;
	int fd;

	while ((fd = accept(s->listener, NULL, NULL)) >= 0) {
		webhook_talk(s, fd);
		close(fd);
	}
	return NULL;
}

static inline void
webhook_start(struct webhook_server *s)
{
	struct sockaddr_in at = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(at);

	s->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(
	    bind(s->listener, (struct sockaddr *)&at, sizeof(at)), 0);
	assert_int_equal(listen(s->listener, 8), 0);
	assert_int_equal(
	    getsockname(s->listener, (struct sockaddr *)&at, &len), 0);
	s->port = ntohs(at.sin_port);
	assert_int_equal(pthread_create(&s->thread, NULL, webhook_run, s), 0);
}

static inline void
webhook_stop(struct webhook_server *s)
{
	shutdown(s->listener, SHUT_RDWR);
	pthread_join(s->thread, NULL);
	close(s->listener);
}
