/*
 * Requests to the simulated APNs: gathered from nghttp2's callbacks, decided,
 * answered now or after the latency.  Belongs to the simulator's thread.
 */
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "core/clock.h"
#include "sim/sim_apns_priv.h"

static struct sim_apns_request *
request_new(struct sim_apns_connection *k, int32_t stream)
{
	struct sim_apns *s = k->sim;
	struct sim_apns_request *r = s->unused;

	if (r != NULL)
		s->unused = r->next;
	else
		r = mem_alloc(sizeof(*r));
	/* The large arrays are written before they are read. */
	memset(r, 0, offsetof(struct sim_apns_request, id));
	r->connection = k;
	r->stream = stream;
	r->id[0] = r->token[0] = '\0';
	r->token_len = r->payload_len = 0;
	r->answer_len = r->answer_sent = 0;
	r->retry_after_s = 0;
	r->all_next = k->all;
	if (k->all != NULL)
		k->all->all_prev = r;
	k->all = r;
	return r;
}

void
sim_apns_request_undelay(struct sim_apns_request *r)
{
	struct sim_apns_connection *k = r->connection;

	if (!r->delayed)
		return;
	if (r->prev != NULL)
		r->prev->next = r->next;
	else
		k->delayed = r->next;
	if (r->next != NULL)
		r->next->prev = r->prev;
	else
		k->delayed_last = r->prev;
	r->delayed = false;
}

void
sim_apns_request_free(struct sim_apns_request *r)
{
	struct sim_apns *s = r->connection->sim;

	sim_apns_request_undelay(r);
	if (r->all_prev != NULL)
		r->all_prev->all_next = r->all_next;
	else
		r->connection->all = r->all_next;
	if (r->all_next != NULL)
		r->all_next->all_prev = r->all_prev;
	r->next = s->unused;
	s->unused = r;
}

static void
delay(struct sim_apns_request *r)
{
	struct sim_apns_connection *k = r->connection;

	r->delayed = true;
	r->due_ms = clock_mono_ms() + k->sim->latency_ms;
	r->next = NULL;
	r->prev = k->delayed_last;
	if (k->delayed_last != NULL)
		k->delayed_last->next = r;
	else
		k->delayed = r;
	k->delayed_last = r;
}

static ssize_t
read_answer(nghttp2_session *session, int32_t id, uint8_t *out, size_t size,
    uint32_t *flags, nghttp2_data_source *source, void *user)
{
	struct sim_apns_request *r = source->ptr;
	size_t total =
	    r->action == SIM_APNS_BIG_BODY ? SIM_APNS_BIG : r->answer_len;
	size_t len = total - r->answer_sent;

	(void)session, (void)id, (void)user;
	if (r->action == SIM_APNS_BYTEWISE && len > 1)
		len = 1;
	len = len < size ? len : size;
	if (r->action == SIM_APNS_BIG_BODY)
		memset(out, 'x', len);
	else
		memcpy(out, r->answer + r->answer_sent, len);
	r->answer_sent += len;
	if (r->answer_sent == total)
		*flags |= NGHTTP2_DATA_FLAG_EOF;
	return (ssize_t)len;
}

static void
remember_id(struct sim_apns *s, const char *id)
{
	if (s->ids_max == 0)
		return;
	pthread_mutex_lock(&s->lock);
	if (s->ids_count < s->ids_max)
		memcpy(s->ids[s->ids_count++], id, sizeof(s->ids[0]));
	pthread_mutex_unlock(&s->lock);
}

static nghttp2_nv
field(const char *name, const char *value, uint8_t flags)
{
	return (nghttp2_nv){ .name = (uint8_t *)(uintptr_t)name,
		.namelen = strlen(name),
		.value = (uint8_t *)(uintptr_t)value,
		.valuelen = strlen(value),
		.flags = (uint8_t)(flags | NGHTTP2_NV_FLAG_NO_COPY_NAME) };
}

void
sim_apns_answer(struct sim_apns_request *r)
{
	struct sim_apns_connection *k = r->connection;
	nghttp2_data_provider body = { .source.ptr = r,
		.read_callback = read_answer };
	bool has_body = r->answer_len > 0 || r->action == SIM_APNS_BIG_BODY;
	char status[16], retry[24];
	nghttp2_nv fields[4];
	size_t n = 0;

	(void)snprintf(status, sizeof(status), "%d", r->status);
	(void)snprintf(retry, sizeof(retry), "%" PRId64, r->retry_after_s);
	fields[n++] = field(":status", status, 0);
	if (r->id[0] != '\0')
		fields[n++] = field("apns-id", r->id, NGHTTP2_NV_FLAG_NO_INDEX);
	if (r->retry_after_s != 0)
		fields[n++] = field("retry-after", retry, 0);
	if (k->sim->date != NULL)
		fields[n++] = field("date", k->sim->date, 0);
	if (r->status == 200) {
		atomic_fetch_add(&k->sim->accepted, 1);
		remember_id(k->sim, r->id);
		sim_apns_deliver(k->sim, r);
	} else {
		atomic_fetch_add(&k->sim->refused, 1);
	}
	(void)nghttp2_submit_response(
	    k->session, r->stream, fields, n, has_body ? &body : NULL);
}

static void
act(struct sim_apns_request *r)
{
	struct sim_apns_connection *k = r->connection;

	switch (r->action) {
	case SIM_APNS_SILENCE:
	case SIM_APNS_GOAWAY:
		break;
	case SIM_APNS_DEAF:
		k->deaf = true;
		break;
	case SIM_APNS_CLOSE:
		k->broken = true;
		break;
	case SIM_APNS_REFUSE:
		(void)nghttp2_submit_rst_stream(k->session, NGHTTP2_FLAG_NONE,
		    r->stream, NGHTTP2_REFUSED_STREAM);
		break;
	default:
		if (k->sim->latency_ms > 0)
			delay(r);
		else
			sim_apns_answer(r);
	}
}

static int
on_begin(nghttp2_session *session, const nghttp2_frame *frame, void *user)
{
	if (frame->hd.type == NGHTTP2_HEADERS &&
	    frame->headers.cat == NGHTTP2_HCAT_REQUEST)
		(void)nghttp2_session_set_stream_user_data(session,
		    frame->hd.stream_id,
		    request_new(user, frame->hd.stream_id));
	return 0;
}

static int
on_header(nghttp2_session *session, const nghttp2_frame *frame,
    const uint8_t *name, size_t name_len, const uint8_t *value,
    size_t value_len, uint8_t flags, void *user)
{
	struct sim_apns_request *r =
	    nghttp2_session_get_stream_user_data(session, frame->hd.stream_id);

	(void)flags, (void)user;
	if (r != NULL)
		sim_apns_check_field(
		    r, slice_of(name, name_len), slice_of(value, value_len));
	return 0;
}

static int
on_data(nghttp2_session *session, uint8_t flags, int32_t id,
    const uint8_t *data, size_t len, void *user)
{
	struct sim_apns_request *r =
	    nghttp2_session_get_stream_user_data(session, id);

	(void)flags, (void)user;
	if (r == NULL || r->too_large)
		return 0;
	if (len > SIM_APNS_PAYLOAD - r->payload_len) {
		r->too_large = true;
		return 0;
	}
	memcpy(r->payload + r->payload_len, data, len);
	r->payload_len += len;
	return 0;
}

static int
on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *user)
{
	struct sim_apns_connection *k = user;
	struct sim_apns_request *r;

	if (frame->hd.type == NGHTTP2_PING &&
	    (frame->hd.flags & NGHTTP2_FLAG_ACK) == 0)
		atomic_fetch_add(&k->sim->pings, 1);
	if ((frame->hd.type != NGHTTP2_DATA &&
	        frame->hd.type != NGHTTP2_HEADERS) ||
	    (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) == 0)
		return 0;
	r = nghttp2_session_get_stream_user_data(session, frame->hd.stream_id);
	if (r == NULL)
		return 0;
	r->payload[r->payload_len] = '\0';
	sim_apns_decide(r);
	act(r);
	return 0;
}

static int
on_close(nghttp2_session *session, int32_t id, uint32_t code, void *user)
{
	struct sim_apns_request *r =
	    nghttp2_session_get_stream_user_data(session, id);

	(void)code, (void)user;
	if (r != NULL)
		sim_apns_request_free(r);
	(void)nghttp2_session_set_stream_user_data(session, id, NULL);
	return 0;
}

bool
sim_apns_session(struct sim_apns_connection *k, struct err *e)
{
	/* Large windows: small bodies need no WINDOW_UPDATE each. */
	const nghttp2_settings_entry settings[] = {
		{ NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS,
		    k->sim->streams_max },
		{ NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, k->sim->window },
	};
	nghttp2_session_callbacks *calls = NULL;
	int rv = nghttp2_session_callbacks_new(&calls);

	if (rv != 0)
		return err_set(e, ERR_INTERNAL, "%s", nghttp2_strerror(rv));
	nghttp2_session_callbacks_set_on_begin_headers_callback(
	    calls, on_begin);
	nghttp2_session_callbacks_set_on_header_callback(calls, on_header);
	nghttp2_session_callbacks_set_on_data_chunk_recv_callback(
	    calls, on_data);
	nghttp2_session_callbacks_set_on_frame_recv_callback(calls, on_frame);
	nghttp2_session_callbacks_set_on_stream_close_callback(calls, on_close);
	rv = nghttp2_session_server_new(&k->session, calls, k);
	nghttp2_session_callbacks_del(calls);
	if (rv == 0)
		rv = nghttp2_submit_settings(
		    k->session, NGHTTP2_FLAG_NONE, settings, COUNT(settings));
	if (rv == 0)
		rv = nghttp2_session_set_local_window_size(
		    k->session, NGHTTP2_FLAG_NONE, 0, 8 << 20);
	if (rv != 0)
		return err_set(e, ERR_INTERNAL, "%s", nghttp2_strerror(rv));
	return true;
}
