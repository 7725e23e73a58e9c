/*
 * Any bytes from a peer of the APNs client: as HTTP/2 frames to a connection
 * with pushes under way, as a body, and as a proxy's reply.  Each push is
 * answered once at most, what is left waits, and nothing reads beyond.
 */
#include <assert.h>
#include <string.h>

#include "apns/apns_client_priv.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { PUSHES = 6 };

struct seen {
	int answers[PUSHES];
};

static void
take(const struct apns_answer *a, void *arg)
{
	struct seen *seen = arg;

	assert(a->ref < PUSHES);
	assert(++seen->answers[a->ref] == 1);
	assert(memchr(a->reason, '\0', sizeof(a->reason)) != NULL);
	assert(a->outcome != APNS_ACCEPTED || a->status == 200);
	assert(a->retry_after_s >= 0 && a->timestamp_ms >= 0);
}

static void
submit_all(struct apns_client *c, struct apns_connection *k)
{
	for (unsigned i = 0; i < PUSHES; i++) {
		struct apns_push p = { .token = slice_str("token"),
			.magic = "magic",
			.topic = "topic",
			.id = "0f9a3d4e-5b6c-4d7e-8f90-a1b2c3d4e5f6",
			.ref = i };

		atomic_fetch_add(&c->pending, 1);
		apns_stream_submit(k, apns_job_new(&p, 1));
	}
}

static bool
send_all(struct apns_connection *k)
{
	const uint8_t *p;
	ssize_t n;

	while ((n = nghttp2_session_mem_send(k->session, &p)) > 0) {
		k->gathered += n;
		k->written += n;
	}
	return n == 0;
}

static void
feed(struct apns_connection *k, const uint8_t *data, size_t size)
{
	static const uint8_t settings[] = { 0, 0, 0, 4, 0, 0, 0, 0, 0 };

	if (nghttp2_session_mem_recv(k->session, settings, sizeof(settings)) !=
	        (ssize_t)sizeof(settings) ||
	    !send_all(k))
		return;
	/* In two parts, as a socket gives them. */
	for (size_t part = 0; part < 2 && !k->broken; part++) {
		size_t len = part == 0 ? size / 2 : size - size / 2;
		const uint8_t *from = part == 0 ? data : data + size / 2;

		if (nghttp2_session_mem_recv(k->session, from, len) !=
		        (ssize_t)len ||
		    !send_all(k))
			return;
	}
}

static void
try_frames(const uint8_t *data, size_t size)
{
	struct seen seen = { 0 };
	struct apns_client *c = mem_zalloc(1, sizeof(*c));
	struct apns_connection *k = mem_zalloc(1, sizeof(*k));
	struct err e = { 0 };
	struct apns_set *s;

	c->answer = take;
	c->arg = &seen;
	s = apns_set_new(c, "", NULL);
	s->connections[0] = k;
	k->client = c;
	k->set = s;
	k->host = &c->hosts[0];
	k->fd = -1;
	k->state = APNS_SETTLING;
	if (!apns_stream_session(k, &e))
		assert(!"no session");
	submit_all(c, k);
	feed(k, data, size);
	assert(atomic_load(&c->pending) == s->queue.count + k->jobs.count);
	/* Frees what waits, and answers it. */
	k->broken = true;
	apns_set_free(&s);
	for (size_t i = 0; i < PUSHES; i++)
		assert(seen.answers[i] == 1);
	mem_free(&c);
}

static void
try_texts(const uint8_t *data, size_t size)
{
	char reason[16];
	struct err e = { 0 };
	int64_t timestamp_ms;
	bool done = false;

	apns_answer_reason(
	    slice_of(data, size), reason, sizeof(reason), &timestamp_ms);
	assert(strlen(reason) < sizeof(reason) && timestamp_ms >= 0);
	if (size <= APNS_REPLY_MAX &&
	    apns_tunnel_reply(slice_of(data, size), &done, &e) && done)
		assert(size >= 16 && data[9] == '2' && data[size - 1] == '\n');
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	/* memcpy() and its like want a pointer, also for nothing. */
	if (size == 0)
		return 0;
	try_frames(data, size);
	try_texts(data, size);
	return 0;
}
