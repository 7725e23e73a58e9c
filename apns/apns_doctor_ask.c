/*
 * One push over one blocking connection, for the doctor: to a token that no
 * device has, with an expiration in the past, so that it is refused or
 * forgotten.  Belongs to the calling thread.
 */
#include <nghttp2/nghttp2.h>
#include <stdio.h>
#include <string.h>

#include "apns/apns_client_priv.h"
#include "apns/apns_doctor_priv.h"
#include "core/json.h"

#define NOBODY                                                                 \
	"/3/device/"                                                           \
	"0000000000000000000000000000000000000000000000000000000000000000"
static const char payload[] = "{\"mdm\":\"doctor\"}";

enum { BODY_MAX = 4096, READ_MAX = 1 << 20 };

struct ask {
	struct apns_said *said;
	struct buf *body;
	bool done;
	size_t sent; /* of the payload */
};

static void
session_free(nghttp2_session **s)
{
	nghttp2_session_del(TAKE(*s));
}

static void
callbacks_free(nghttp2_session_callbacks **c)
{
	nghttp2_session_callbacks_del(TAKE(*c));
}

static int
on_header(nghttp2_session *s, const nghttp2_frame *frame, const uint8_t *name,
    size_t name_len, const uint8_t *value, size_t value_len, uint8_t flags,
    void *arg)
{
	struct ask *a = arg;
	struct slice field = slice_of(name, name_len);
	int64_t status = 0;

	(void)s, (void)frame, (void)flags;
	if (slice_eq_str(field, ":status") &&
	    slice_to_i64(slice_of(value, value_len), 100, 599, &status))
		a->said->status = (int)status;
	if (slice_eq_str(field, "date") && value_len < sizeof(a->said->date))
		memcpy(a->said->date, value, value_len);
	return 0;
}

static int
on_data(nghttp2_session *s, uint8_t flags, int32_t stream, const uint8_t *p,
    size_t len, void *arg)
{
	struct ask *a = arg;

	(void)s, (void)flags, (void)stream;
	buf_add(a->body, p, len);
	return 0;
}

static int
on_frame(nghttp2_session *s, const nghttp2_frame *frame, void *arg)
{
	struct ask *a = arg;

	(void)s;
	if (frame->hd.type == NGHTTP2_SETTINGS)
		a->said->settings = true;
	if (frame->hd.type == NGHTTP2_GOAWAY)
		a->done = true;
	return 0;
}

static int
on_close(nghttp2_session *s, int32_t stream, uint32_t code, void *arg)
{
	struct ask *a = arg;

	(void)s, (void)stream, (void)code;
	a->done = true;
	return 0;
}

static ssize_t
read_payload(nghttp2_session *s, int32_t stream, uint8_t *out, size_t size,
    uint32_t *flags, nghttp2_data_source *source, void *arg)
{
	struct ask *a = source->ptr;
	size_t n = strlen(payload) - a->sent;

	(void)s, (void)stream, (void)arg;
	if (n > size)
		n = size;
	memcpy(out, payload + a->sent, n);
	a->sent += n;
	if (a->sent == strlen(payload))
		*flags |= NGHTTP2_DATA_FLAG_EOF;
	return (ssize_t)n;
}

static nghttp2_nv
field(const char *name, const char *value)
{
	return (nghttp2_nv){ .name = (uint8_t *)(uintptr_t)name,
		.namelen = strlen(name),
		.value = (uint8_t *)(uintptr_t)value,
		.valuelen = strlen(value) };
}

static bool
submit(nghttp2_session *s, struct ask *a, const char *authority,
    const char *topic, struct err *e)
{
	const nghttp2_nv fields[] = { field(":method", "POST"),
		field(":scheme", "https"), field(":path", NOBODY),
		field(":authority", authority), field("apns-push-type", "mdm"),
		field("apns-topic", topic), field("apns-expiration", "0"),
		field("apns-priority", "10"),
		field("content-type", "application/json") };
	nghttp2_data_provider body = { .source.ptr = a,
		.read_callback = read_payload };

	if (nghttp2_submit_settings(s, NGHTTP2_FLAG_NONE, NULL, 0) != 0 ||
	    nghttp2_submit_request(
	        s, NULL, fields, COUNT(fields), &body, NULL) < 0)
		return err_set(e, ERR_INTERNAL, "HTTP/2");
	return true;
}

static bool
failed(SSL *ssl, int rc, const char *what, struct err *e)
{
	int code = SSL_get_error(ssl, rc);
	bool ignored;

	if (code == SSL_ERROR_WANT_READ || code == SSL_ERROR_WANT_WRITE)
		return err_set(e, ERR_UNAVAILABLE, "%s: timed out", what);
	apns_tls_error(e, &ignored, what);
	return false;
}

static bool
write_out(nghttp2_session *s, SSL *ssl, struct err *e)
{
	const uint8_t *p;
	ssize_t n;

	while ((n = nghttp2_session_mem_send(s, &p)) > 0) {
		int written = SSL_write(ssl, p, (int)n);

		if (written != n)
			return failed(ssl, written, "write", e);
	}
	return n == 0 || err_set(e, ERR_UNAVAILABLE, "HTTP/2: %s",
	                     nghttp2_strerror((int)n));
}

/*
 * APNs speaks first, and who does not like our certificate says so only
 * here, in TLS 1.3: a write might lose that.  Silence is for later.
 */
static bool
hear(nghttp2_session *s, SSL *ssl, bool first, size_t *total, struct err *e)
{
	uint8_t in[16 << 10];
	int got = SSL_read(ssl, in, sizeof(in));
	ssize_t used;

	if (got <= 0 && first && SSL_get_error(ssl, got) == SSL_ERROR_WANT_READ)
		return true;
	if (got <= 0)
		return failed(ssl, got, "read", e);
	*total += (size_t)got;
	used = nghttp2_session_mem_recv(s, in, (size_t)got);
	if (used < 0)
		return err_set(e, ERR_UNAVAILABLE, "HTTP/2: %s",
		    nghttp2_strerror((int)used));
	return *total <= READ_MAX ||
	       err_set(e, ERR_UNAVAILABLE, "an endless answer");
}

static bool
converse(nghttp2_session *s, SSL *ssl, const struct ask *a, struct err *e)
{
	size_t total = 0;

	for (bool first = true; !a->done; first = false) {
		if (!hear(s, ssl, first, &total, e) || !write_out(s, ssl, e))
			return false;
	}
	return true;
}

static void
read_reason(const struct ask *a)
{
	AUTO(json_free) json_t *o = NULL;
	const char *reason = NULL;
	struct err ignored = { 0 };

	if (json_parse(buf_slice(a->body), &o, &ignored) &&
	    json_get_str(
	        o, "reason", sizeof(a->said->reason) - 1, &reason, &ignored) &&
	    reason != NULL)
		str_copy_cut(a->said->reason, sizeof(a->said->reason), reason);
}

static bool
new_session(struct ask *a, nghttp2_session **out, struct err *e)
{
	AUTO(callbacks_free) nghttp2_session_callbacks *c = NULL;

	if (nghttp2_session_callbacks_new(&c) != 0)
		return err_set(e, ERR_INTERNAL, "HTTP/2");
	nghttp2_session_callbacks_set_on_header_callback(c, on_header);
	nghttp2_session_callbacks_set_on_data_chunk_recv_callback(c, on_data);
	nghttp2_session_callbacks_set_on_frame_recv_callback(c, on_frame);
	nghttp2_session_callbacks_set_on_stream_close_callback(c, on_close);
	if (nghttp2_session_client_new(out, c, a) != 0)
		return err_set(e, ERR_INTERNAL, "HTTP/2");
	return true;
}

bool
apns_doctor_ask(SSL *ssl, const char *authority, const char *topic,
    struct apns_said *out, struct err *e)
{
	AUTO(buf_free) struct buf *body = buf_new(BODY_MAX);
	AUTO(session_free) nghttp2_session *s = NULL;
	struct ask a = { .said = out, .body = body };

	*out = (struct apns_said){ 0 };
	if (!new_session(&a, &s, e) || !submit(s, &a, authority, topic, e) ||
	    !converse(s, ssl, &a, e))
		return false;
	read_reason(&a);
	if (out->status == 0)
		return err_set(e, ERR_UNAVAILABLE, "the push was not answered");
	return true;
}
