/*
 * Load files of MDM: what devices send, signed beforehand, and what the API is
 * sent.  One thread, but for the signing.
 */
#include "bench_load.h"
#include "bench_seed.h"
#include "certs/cert_cms.h"

enum { BODY_MAX = 4096, REQUEST_MAX = 16384 };

#define PLIST_HEAD                                                             \
	"<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"                         \
	"<!DOCTYPE plist PUBLIC \"-//Apple//DTD PLIST 1.0//EN\" "              \
	"\"http://www.apple.com/DTDs/PropertyList-1.0.dtd\">\n"                \
	"<plist version=\"1.0\">\n<dict>\n"
#define PLIST_TAIL "</dict>\n</plist>\n"

/* A PUT with the body's signature, as mdmclient sends it. */
static struct buf *
signed_put(const struct seed_device *d, const struct buf *body)
{
	AUTO(buf_free) struct buf *cms = NULL;
	struct buf *out = buf_new(REQUEST_MAX);
	struct err e;

	seed_must(cert_cms_sign_detached(
	              buf_slice(body), d->certificate, d->key, &cms, &e),
	    &e);
	buf_adds(out,
	    "PUT /mdm HTTP/1.1\r\nHost: localhost\r\n"
	    "User-Agent: MDM/1.0\r\nAccept: */*\r\n"
	    "Content-Type: application/x-apple-aspen-mdm\r\nMdm-Signature: ");
	b64_encode(out, buf_slice(cms));
	buf_addf(out, "\r\nContent-Length: %zu\r\n\r\n", body->len);
	buf_add(out, body->p, body->len);
	seed_must(buf_ok(out, &e), &e);
	return out;
}

static struct buf *
idle_request(const struct seed_device *d)
{
	AUTO(buf_free) struct buf *body = buf_new(BODY_MAX);

	buf_addf(body,
	    PLIST_HEAD "\t<key>Status</key>\n\t<string>Idle</string>\n"
	               "\t<key>UDID</key>\n\t<string>%s</string>\n" PLIST_TAIL,
	    d->udid);
	return signed_put(d, body);
}

static struct buf *
acknowledge_request(const struct seed_device *d, const char *command_id)
{
	AUTO(buf_free) struct buf *body = buf_new(BODY_MAX);

	buf_addf(body,
	    PLIST_HEAD
	    "\t<key>CommandUUID</key>\n\t<string>%s</string>\n"
	    "\t<key>QueryResponses</key>\n\t<dict>\n"
	    "\t\t<key>OSVersion</key>\n\t\t<string>15.1</string>\n\t</dict>\n"
	    "\t<key>Status</key>\n\t<string>Acknowledged</string>\n"
	    "\t<key>UDID</key>\n\t<string>%s</string>\n" PLIST_TAIL,
	    command_id, d->udid);
	return signed_put(d, body);
}

static struct buf *
queue_request(
    const struct seed *s, const struct seed_device *d, const char *command_id)
{
	AUTO(buf_free) struct buf *body = buf_new(BODY_MAX);
	struct buf *out = buf_new(REQUEST_MAX);

	buf_addf(body,
	    "{\"id\":\"%s\",\"request_type\":\"DeviceInformation\","
	    "\"command\":{\"Queries\":[\"OSVersion\"]}}",
	    command_id);
	buf_addf(out,
	    "POST /api/v1/devices/%s/commands HTTP/1.1\r\n"
	    "Host: localhost\r\nAuthorization: Bearer %s\r\n"
	    "Content-Type: application/json\r\nContent-Length: %zu\r\n\r\n%s",
	    d->udid, s->token, body->len, buf_str(body));
	return out;
}

/* ---- idle ---- */

struct idle_work {
	const struct seed *seed;
	struct buf **requests;
};

static void
make_idle(size_t i, void *arg)
{
	const struct idle_work *w = arg;

	w->requests[i] = idle_request(&w->seed->devices[i]);
}

bool
seed_idle(struct seed *s, const char *path, struct err *e)
{
	AUTO(load_file_free) struct load_file *f = NULL;
	struct idle_work w = { s,
		mem_zalloc(s->device_count, sizeof(struct buf *)) };
	bool ok = load_create(path, &f, e);

	seed_parallel(s->device_count, make_idle, &w);
	for (size_t i = 0; i < s->device_count; i++) {
		struct load_lane lane = { .count = 1 };

		lane.steps[0] = (struct load_step){ .side = LOAD_DEVICE,
			.status = 200,
			.expect = LOAD_EMPTY,
			.request = buf_slice(w.requests[i]) };
		ok = ok && load_add(f, &lane, e);
		buf_free(&w.requests[i]);
	}
	mem_free(&w.requests);
	return ok && load_finish(&f, e);
}

/* ---- round trips ---- */

struct trip {
	char command_id[UUID_SIZE];
	struct buf *queue, *idle, *acknowledge;
};

struct trip_work {
	const struct seed *seed;
	struct trip *trips;
};

static void
make_trip(size_t i, void *arg)
{
	const struct trip_work *w = arg;
	size_t busy = w->seed->device_count < SEED_BUSY ? w->seed->device_count
	                                                : SEED_BUSY;
	const struct seed_device *d = &w->seed->devices[i % busy];
	struct trip *t = &w->trips[i];

	uuid_new(t->command_id);
	t->queue = queue_request(w->seed, d, t->command_id);
	t->idle = idle_request(d);
	t->acknowledge = acknowledge_request(d, t->command_id);
}

static bool
add_trip(struct load_file *f, const struct trip *t, struct err *e)
{
	struct slice id = slice_str(t->command_id);
	struct load_lane lane = { .count = 3 };

	lane.steps[0] = (struct load_step){ .side = LOAD_ADMIN,
		.status = 201,
		.expect = LOAD_HAS,
		.has = id,
		.request = buf_slice(t->queue) };
	lane.steps[1] = (struct load_step){ .side = LOAD_DEVICE,
		.status = 200,
		.expect = LOAD_HAS,
		.has = id,
		.request = buf_slice(t->idle) };
	lane.steps[2] = (struct load_step){ .side = LOAD_DEVICE,
		.status = 200,
		.expect = LOAD_EMPTY,
		.request = buf_slice(t->acknowledge) };
	return load_add(f, &lane, e);
}

bool
seed_trips(struct seed *s, const char *path, size_t count, struct err *e)
{
	AUTO(load_file_free) struct load_file *f = NULL;
	struct trip_work w = { s, mem_zalloc(count, sizeof(struct trip)) };
	bool ok = load_create(path, &f, e);

	seed_parallel(count, make_trip, &w);
	for (size_t i = 0; i < count; i++) {
		ok = ok && add_trip(f, &w.trips[i], e);
		buf_free(&w.trips[i].queue);
		buf_free(&w.trips[i].idle);
		buf_free(&w.trips[i].acknowledge);
	}
	mem_free(&w.trips);
	return ok && load_finish(&f, e);
}
