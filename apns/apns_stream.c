/*
 * Pushes as HTTP/2 streams: requests written as Apple describes them
 * ("Sending notification requests to APNs"), answers gathered from nghttp2's
 * callbacks.  Belongs to the client's thread.
 */
#include <string.h>

#include "apns/apns_client_priv.h"
#include "core/clock.h"

static ssize_t
read_payload(nghttp2_session *session, int32_t id, uint8_t *out, size_t size,
    uint32_t *flags, nghttp2_data_source *source, void *user)
{
	struct apns_job *j = nghttp2_session_get_stream_user_data(session, id);
	const struct apns_connection *k = user;
	size_t len;

	(void)source;
	/* Its time was over; the RST_STREAM is on its way. */
	if (j == NULL)
		return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
	len = j->payload.len - j->payload_sent;
	if (len > size)
		len = size;
	memcpy(out, j->payload.p + j->payload_sent, len);
	j->payload_sent += len;
	if (j->payload_sent == j->payload.len) {
		*flags |= NGHTTP2_DATA_FLAG_EOF;
		j->whole = true;
		j->out_at = k->gathered;
	}
	return (ssize_t)len;
}

bool
apns_stream_unsent(const struct apns_connection *k, const struct apns_job *j)
{
	return !j->whole || k->written <= j->out_at;
}

static nghttp2_nv
field(const char *name, size_t name_len, struct slice value, uint8_t flags)
{
	return (nghttp2_nv){ .name = (uint8_t *)(uintptr_t)name,
		.namelen = name_len,
		.value = (uint8_t *)(uintptr_t)value.p,
		.valuelen = value.len,
		.flags = (uint8_t)(flags | NGHTTP2_NV_FLAG_NO_COPY_NAME) };
}
#define FIELD(name, value, flags) field(name, sizeof(name) - 1, value, flags)
#define TEXT(literal) slice_of(literal, sizeof(literal) - 1)

void
apns_stream_submit(struct apns_connection *k, struct apns_job *j)
{
	/* Token and id differ with each push: indexed they would only push
	 * the rest out of the HPACK table, and stay in the peer's memory. */
	const nghttp2_nv fields[] = {
		FIELD(":method", TEXT("POST"), 0),
		FIELD(":scheme", TEXT("https"), 0),
		FIELD(":authority", slice_str(k->host->authority), 0),
		FIELD(":path", j->path, NGHTTP2_NV_FLAG_NO_INDEX),
		FIELD("apns-topic", j->topic, 0),
		FIELD("apns-push-type", TEXT("mdm"), 0),
		FIELD("apns-id", slice_str(j->id), NGHTTP2_NV_FLAG_NO_INDEX),
		FIELD("apns-expiration", slice_str(j->expiration), 0),
		FIELD("apns-priority", TEXT("10"), 0),
		FIELD("content-type", TEXT("application/json"), 0),
	};
	const nghttp2_data_provider provider = { .read_callback =
		                                     read_payload };
	int32_t id;

	j->payload_sent = 0;
	j->whole = false;
	id = nghttp2_submit_request(
	    k->session, NULL, fields, COUNT(fields), &provider, j);
	if (id < 0) {
		/* The numbers of this connection are used up, or it is going
		 * away: another one takes the push. */
		k->state = APNS_DRAINING;
		apns_set_again(k->set, j);
		return;
	}
	j->stream = id;
	j->since_ms = clock_mono_ms();
	apns_jobs_append(&k->jobs, j);
}

void
apns_stream_timeout(struct apns_connection *k, struct apns_job *j)
{
	(void)nghttp2_session_set_stream_user_data(k->session, j->stream, NULL);
	(void)nghttp2_submit_rst_stream(
	    k->session, NGHTTP2_FLAG_NONE, j->stream, NGHTTP2_CANCEL);
	apns_jobs_remove(&k->jobs, j);
	apns_client_give_up(k->client, j, APNS_UNREACHABLE, "timeout");
}

static int
on_header(nghttp2_session *session, const nghttp2_frame *frame,
    const uint8_t *name, size_t name_len, const uint8_t *value,
    size_t value_len, uint8_t flags, void *user)
{
	struct apns_job *j =
	    nghttp2_session_get_stream_user_data(session, frame->hd.stream_id);
	struct slice n = slice_of(name, name_len);
	int64_t number;

	(void)flags, (void)user, (void)value_len;
	if (j == NULL)
		return 0;
	/* nghttp2 ends names and values with a NUL. */
	if (slice_eq_str(n, ":status")) {
		if (str_to_i64((const char *)value, 100, 599, &number))
			j->status = (int)number;
	} else if (slice_eq_str(n, "retry-after")) {
		if (str_to_i64((const char *)value, 0, 86400, &number))
			j->retry_after_s = number;
	}
	return 0;
}

static int
on_data(nghttp2_session *session, uint8_t flags, int32_t id,
    const uint8_t *data, size_t len, void *user)
{
	struct apns_job *j = nghttp2_session_get_stream_user_data(session, id);

	(void)flags, (void)user;
	if (j == NULL || j->overlong)
		return 0;
	if (j->body == NULL)
		j->body = buf_new(APNS_BODY_MAX);
	buf_add(j->body, data, len);
	if (j->body->overflow) {
		j->overlong = true;
		(void)nghttp2_submit_rst_stream(
		    session, NGHTTP2_FLAG_NONE, id, NGHTTP2_CANCEL);
	}
	return 0;
}

/*
 * Streams above the last processed one come back as refused, and are sent
 * elsewhere; unless the reason is our certificate's or topic's fault.
 */
static void
goaway(struct apns_connection *k, const nghttp2_goaway *frame)
{
	int64_t timestamp;

	atomic_fetch_add(&k->client->goaways, 1);
	apns_answer_reason(slice_of(frame->opaque_data, frame->opaque_data_len),
	    k->blame, sizeof(k->blame), &timestamp);
	/* Of a certificate that was replaced since: nobody's any more. */
	k->our_fault = apns_answer_our_fault(k->blame) && !k->retired;
	if (k->state == APNS_OPEN)
		k->state = APNS_DRAINING;
	if (k->state == APNS_DRAINING) {
		/* What it covers is answered still. */
		if (k->our_fault)
			apns_set_failed(k->set, k->blame, true);
		k->retired |= k->our_fault;
		return;
	}
	k->broken = true;
	err_set(&k->why, ERR_UNAVAILABLE, "%s: GOAWAY %s", k->host->authority,
	    k->blame);
}

static void
settled(struct apns_connection *k)
{
	struct apns_client *c = k->client;
	struct apns_set *s = k->set;

	k->state = APNS_OPEN;
	s->host_good = (unsigned)(k->host - c->hosts);
	s->host_good_until_ms = clock_mono_ms() + MS_H;
	s->open++;
	apns_dial_clear(k);
	atomic_fetch_add(&c->connects, 1);
	atomic_fetch_add(&c->open, 1);
}

static int
on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *user)
{
	struct apns_connection *k = user;
	struct apns_job *j;

	switch (frame->hd.type) {
	case NGHTTP2_SETTINGS:
		if (k->state == APNS_SETTLING &&
		    (frame->hd.flags & NGHTTP2_FLAG_ACK) == 0)
			settled(k);
		break;
	case NGHTTP2_PING:
		if ((frame->hd.flags & NGHTTP2_FLAG_ACK) != 0) {
			k->ping_ms = 0;
			k->probing = false;
		}
		break;
	case NGHTTP2_GOAWAY:
		goaway(k, &frame->goaway);
		break;
	case NGHTTP2_HEADERS:
	case NGHTTP2_DATA:
		if ((frame->hd.flags & NGHTTP2_FLAG_END_STREAM) == 0)
			break;
		j = nghttp2_session_get_stream_user_data(
		    session, frame->hd.stream_id);
		if (j != NULL)
			j->ended = true;
		break;
	default:
		break;
	}
	return 0;
}

/* The peer answered j in full. */
static void
answered(struct apns_connection *k, struct apns_job *j)
{
	struct apns_set *s = k->set;
	struct apns_answer a;

	k->answers++;
	s->failures = 0;
	s->answered_ms = clock_mono_ms();
	apns_answer_read(j, &a);
	if (str_eq(a.reason, "IdleTimeout") || str_eq(a.reason, "Shutdown"))
		k->state = APNS_DRAINING;
	if (str_eq(a.reason, "IdleTimeout") && ++j->sends < APNS_SENDS_MAX)
		apns_set_again(s, j);
	else
		apns_client_finish(k->client, j, &a);
}

static int
on_close(nghttp2_session *session, int32_t id, uint32_t code, void *user)
{
	struct apns_connection *k = user;
	struct apns_job *j = nghttp2_session_get_stream_user_data(session, id);
	bool processed = code != NGHTTP2_REFUSED_STREAM;

	if (j == NULL)
		return 0;
	/* What nghttp2 had only queued when GOAWAY came. */
	if (k->state == APNS_DRAINING && apns_stream_unsent(k, j))
		processed = false;
	(void)nghttp2_session_set_stream_user_data(session, id, NULL);
	apns_jobs_remove(&k->jobs, j);
	if (j->status >= 200 && (j->ended || j->overlong))
		answered(k, j);
	else if (processed)
		apns_client_give_up(
		    k->client, j, APNS_UNREACHABLE, "stream reset");
	else if (k->our_fault)
		apns_client_give_up(k->client, j, APNS_OUR_FAULT, k->blame);
	else if (++j->sends < APNS_SENDS_MAX)
		apns_set_again(k->set, j);
	else
		apns_client_give_up(
		    k->client, j, APNS_BACK_OFF, "stream refused");
	return 0;
}

bool
apns_stream_session(struct apns_connection *k, struct err *e)
{
	/* We take no pushes, and our answers are small. */
	static const nghttp2_settings_entry settings[] = {
		{ NGHTTP2_SETTINGS_ENABLE_PUSH, 0 },
		{ NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, 16 << 10 },
		{ NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, 16 << 10 },
	};
	nghttp2_session_callbacks *calls = NULL;
	int rv = nghttp2_session_callbacks_new(&calls);

	if (rv != 0)
		return err_set(
		    e, ERR_INTERNAL, "HTTP/2: %s", nghttp2_strerror(rv));
	nghttp2_session_callbacks_set_on_header_callback(calls, on_header);
	nghttp2_session_callbacks_set_on_data_chunk_recv_callback(
	    calls, on_data);
	nghttp2_session_callbacks_set_on_frame_recv_callback(calls, on_frame);
	nghttp2_session_callbacks_set_on_stream_close_callback(calls, on_close);
	rv = nghttp2_session_client_new(&k->session, calls, k);
	nghttp2_session_callbacks_del(calls);
	if (rv == 0)
		rv = nghttp2_submit_settings(
		    k->session, NGHTTP2_FLAG_NONE, settings, COUNT(settings));
	if (rv != 0)
		return err_set(
		    e, ERR_INTERNAL, "HTTP/2: %s", nghttp2_strerror(rv));
	return true;
}
