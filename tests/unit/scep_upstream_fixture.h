/*
 * A SCEP service whose template "corp" is another authority's, and that
 * authority: an EST server over TLS of the test's own, and a SCEP service
 * beside it, which do what a test says.
 */
#pragma once

#include <stdatomic.h>

#include "core/json.h"
#include "http/http.h"
#include "scep/scep_approval.h"
#include "scep/scep_http.h"
#include "scep/scep_relay_priv.h"
#include "tests/unit/core_test.h"
#include "tests/unit/scep_answer.h"

/* What simpleenroll answers; others are statuses of HTTP. */
enum { OUTSIDE_ISSUES, OUTSIDE_GARBAGE, OUTSIDE_HUGE, OUTSIDE_HANGS };

struct outside {
	struct world *w; /* its authority and SCEP service */
	struct http_server *http;
	char est[64], scep[64];
	char locked[64];  /* the same EST server where 401 may be said */
	struct buf *root; /* PEM */
	atomic_int does;
	X509 *gives;     /* in place of what it issues */
	struct buf *cas; /* DER; in place of its own in cacerts */
	const char *cn;  /* that it certifies; NULL: "device-1" */
	/* Called once while it is asked; NULL: nothing happens meanwhile. */
	void (*meanwhile)(void *arg);
	void *meanwhile_arg;
	/* Whatever it is asked for, it gives the first one again. */
	bool repeats;
	struct buf *first; /* DER */
	atomic_int asked, reasked, hanging;
	atomic_bool let_go;
	/* Of the last request. */
	char authorization[128], client[SHA256_HEX_SIZE];
};

struct front {
	struct world *w;
	struct outside out;
	struct challenge c;
	/* Fails on_issued with this as often. */
	enum err_code refuse;
	int refusals, told;
};

/* ---- the other authority ---- */

static UNUSED void
outside_give(struct http_reply *rp, struct slice der)
{
	AUTO(buf_free) struct buf *p7 = buf_new(der.len + (1 << 16));

	scep_degenerate(der, slice_str(""), p7);
	http_set(rp, 200, "application/pkcs7-mime; smime-type=certs-only");
	b64_encode(http_out(rp), buf_slice(p7));
}

static UNUSED bool
outside_cacerts(const struct http_request *rq, struct http_reply *rp, void *arg,
    struct err *e)
{
	AUTO(buf_free) struct buf *der = NULL;
	struct outside *o = arg;

	(void)rq;
	if (!cert_der(cert_authority_issuing(o->w->authority), &der, e))
		return false;
	outside_give(rp, buf_slice(o->cas != NULL ? o->cas : der));
	return true;
}

static UNUSED bool
outside_issue(
    struct outside *o, struct slice body, struct buf **der, struct err *e)
{
	AUTO(buf_free) struct buf *csr = buf_new(1 << 14);
	AUTO(scep_csr_free) struct scep_csr *read = NULL;
	AUTO(cert_issued_clear) struct cert_issued issued = { 0 };
	struct scep_verdict v;
	struct cert_subject subject = { .cn = o->cn ? o->cn : "device-1" };
	struct cert_issue in = {
		.template = cert_template_find(CERT_TEMPLATE_SCEP),
		.subject = &subject,
		.now_ms = clock_now_ms(),
	};

	if (o->gives != NULL)
		return cert_der(o->gives, der, e);
	if (o->repeats && o->first != NULL) {
		*der = buf_new(o->first->len);
		buf_add(*der, o->first->p, o->first->len);
		return true;
	}
	if (!b64_decode(csr, body, B64_SPACES, e))
		return false;
	scep_csr_parse(buf_slice(csr), true, NULL, &read, &v);
	assert_int_equal(v.fail, -1);
	in.pub = read->pub;
	if (!cert_authority_issue(o->w->authority, &in, &issued, e))
		return false;
	*der = TAKE(issued.der);
	buf_free(&o->first);
	o->first = buf_new((*der)->len);
	buf_add(o->first, (*der)->p, (*der)->len);
	return true;
}

static UNUSED void
outside_meanwhile(struct outside *o)
{
	void (*meanwhile)(void *arg) = o->meanwhile;

	o->meanwhile = NULL;
	if (meanwhile != NULL)
		meanwhile(o->meanwhile_arg);
}

static UNUSED void
outside_hang(struct outside *o)
{
	o->hanging++;
	while (!o->let_go)
		clock_sleep_ms(5);
	o->hanging--;
}

static UNUSED bool
outside_enroll(const struct http_request *rq, struct http_reply *rp, void *arg,
    struct err *e)
{
	AUTO(buf_free) struct buf *der = NULL;
	struct outside *o = arg;
	const char *authorization = http_header(rq, "Authorization");
	int does = o->does;

	o->asked++;
	o->reasked += strstr(http_path(rq), "simplereenroll") != NULL;
	str_copy_cut(o->authorization, sizeof(o->authorization),
	    authorization != NULL ? authorization : "");
	sha256_hex(o->client, http_client_cert(rq));
	outside_meanwhile(o);
	if (does == OUTSIDE_HANGS)
		outside_hang(o);
	if (does == OUTSIDE_GARBAGE || does == OUTSIDE_HUGE) {
		http_set(rp, 200, "application/pkcs7-mime");
		for (int i = does == OUTSIDE_HUGE ? 40000 : 1; i > 0; i--)
			buf_adds(http_out(rp), "bm90aGluZyBsaWtlIGl0");
		return true;
	}
	if (does >= 100) {
		http_set(rp, does, "text/plain");
		http_set_header(rp, "Retry-After", "90");
		return true;
	}
	if (!outside_issue(o, http_body(rq), &der, e))
		return false;
	outside_give(rp, buf_slice(der));
	return true;
}

static UNUSED void
outside_open(struct outside *o)
{
	static const struct http_route routes[] = {
		{ "GET", "/.well-known/est/cacerts", HTTP_ANYONE, 0,
		    outside_cacerts },
		{ "POST", "/.well-known/est/simpleenroll", HTTP_ANYONE, 65536,
		    outside_enroll },
		{ "POST", "/.well-known/est/simplereenroll", HTTP_ANYONE, 65536,
		    outside_enroll },
	};
	AUTO(buf_free) struct buf *cert = NULL;
	AUTO(buf_wipe) struct buf *key = NULL;
	struct http_options ho = { .workers = 4 };
	uint16_t port, locked;

	o->w = world_open();
	world_service(o->w, (struct scep_options){ .failures_per_min = 1000,
	                        .approval_ms = 30 * MS_DAY });
	o->root = buf_new(8192);
	assert_ok(
	    cert_authority_tls(o->w->authority, "127.0.0.1", &cert, &key, e));
	assert_ok(cert_pem(cert_authority_root(o->w->authority), o->root, e));
	struct http_listen hl = { .side = HTTP_DEVICE_SIDE,
		.address = "127.0.0.1",
		.cert_pem = buf_str(cert),
		.key_pem = buf_str(key) };
	assert_ok(http_new(&ho, &o->http, e));
	http_add(o->http, HTTP_DEVICE_SIDE, routes, COUNT(routes), o);
	scep_http_add(o->http, o->w->service);
	http_add(o->http, HTTP_ADMIN_SIDE, routes, COUNT(routes), o);
	assert_ok(http_listen(o->http, &hl, &port, e));
	hl.side = HTTP_ADMIN_SIDE;
	assert_ok(http_listen(o->http, &hl, &locked, e));
	snprintf(o->locked, sizeof(o->locked),
	    "https://127.0.0.1:%u/.well-known/est", locked);
	snprintf(o->est, sizeof(o->est), "https://127.0.0.1:%u/.well-known/est",
	    port);
	snprintf(o->scep, sizeof(o->scep), "https://127.0.0.1:%u/scep", port);
}

static UNUSED void
outside_close(struct outside *o)
{
	o->let_go = true;
	http_free(&o->http);
	buf_free(&o->root);
	buf_free(&o->first);
	world_close(o->w);
}

/* The other authority takes a challenge with the text of ours: that is in the
 * client's own request. */
static UNUSED void
outside_grant(struct outside *o, const char *text)
{
	AUTO(store_rollback) struct store_tx *tx = NULL;
	struct scep_challenge c = { .template = CERT_TEMPLATE_SCEP,
		.purpose = "scep",
		.expires_at = clock_now_ms() + MS_DAY };

	scep_challenge_mac(o->w->seal, text, c.mac);
	uuid_new_lower(c.id);
	c.subject = str_dup("{\"cn\":\"device-1\"}");
	assert_ok(store_begin(o->w->store, STORE_WRITE, &tx, e));
	assert_ok(scep_db_challenge_add(tx, &c, e));
	assert_ok(store_commit(&tx, e));
	scep_challenge_clear(&c);
}

/* ---- ours ---- */

static UNUSED bool
front_issued(
    struct store_tx *tx, const struct cert_record *r, void *arg, struct err *e)
{
	struct front *f = arg;

	(void)tx, (void)r;
	f->told++;
	if (f->refusals == 0)
		return true;
	f->refusals--;
	return err_set(e, f->refuse, "nobody waits for it");
}

/* JSON of an upstream: more is put behind what all have. */
static UNUSED bool
front_upstream_named(struct front *f, const char *name, bool est,
    const char *more, struct err *why)
{
	AUTO(json_free) json_t *fields = NULL;
	AUTO(json_free) json_t *extra = NULL;
	AUTO(store_rollback) struct store_tx *tx = NULL;
	struct scep_upstream_change c = {
		.name = name, .by = "test", .seal = f->w->seal
	};

	fields = json_pack("{s:s,s:s,s:s,s:s,s:i}", "kind",
	    est ? "est" : "scep", "url", est ? f->out.est : f->out.scep, "ca",
	    buf_str(f->out.root), "tls_ca", buf_str(f->out.root),
	    "rate_per_min", 6000);
	assert_non_null(fields);
	assert_ok(json_parse(slice_str(more), &extra, e));
	json_object_update(fields, extra);
	c.fields = fields;
	return store_begin(f->w->store, STORE_WRITE, &tx, why) &&
	       scep_upstream_conf_put(tx, &c, why) && store_commit(&tx, why);
}

static UNUSED bool
front_upstream(struct front *f, bool est, const char *more, struct err *why)
{
	return front_upstream_named(f, "corp", est, more, why);
}

static UNUSED void
front_template(struct front *f, const char *name, const char *fields)
{
	AUTO(json_free) json_t *o = NULL;
	AUTO(store_rollback) struct store_tx *tx = NULL;
	bool changed;

	assert_ok(json_parse(slice_str(fields), &o, e));
	assert_ok(store_begin(f->w->store, STORE_WRITE, &tx, e));
	assert_ok(cert_template_put(tx, name, o, "test", e));
	assert_ok(store_commit(&tx, e));
	assert_ok(cert_live_refresh(f->w->live, &changed, e));
}

static UNUSED void
front_service(struct front *f, struct scep_options o)
{
	o.failures_per_min = 1000;
	o.approval_ms = 30 * MS_DAY;
	o.on_issued = front_issued;
	o.on_issued_arg = f;
	world_service(f->w, o);
	f->w->outside = true;
}

/* Of the group: making databases takes longer than all tests in them. */
static UNUSED int
front_open(void **state)
{
	struct front *f = calloc(1, sizeof(*f));

	outside_open(&f->out);
	f->w = world_open();
	*state = f;
	return 0;
}

static UNUSED int
front_close(void **state)
{
	struct front *f = *state;

	f->out.let_go = true;
	world_close(f->w);
	outside_close(&f->out);
	free(f);
	return 0;
}

static UNUSED void
front_change(struct world *w, const char *sql)
{
	AUTO(store_rollback) struct store_tx *tx = NULL;

	assert_ok(store_begin(w->store, STORE_WRITE, &tx, e));
	assert_ok(store_exec(tx, sql, S_ARGS(), NULL, e));
	assert_ok(store_commit(&tx, e));
}

static UNUSED void
front_empty(struct world *w)
{
	front_change(w, "DELETE FROM scep_request");
	front_change(w, "DELETE FROM certificate");
	front_change(w, "DELETE FROM renewal");
	front_change(w, "DELETE FROM challenge");
	front_change(w, "DELETE FROM outside_authority");
	front_change(w, "DELETE FROM outside_grant");
	front_change(w, "DELETE FROM event");
}

/* Of each test. */
static UNUSED int
front_setup(void **state)
{
	struct front *f = *state;

	clock_set_offset_ms(0);
	front_service(f, (struct scep_options){ 0 });
	assert_ok(front_upstream_named(f, "other", true, "{}", e));
	front_template(f, "other", "{\"upstream\":\"other\"}");
	front_empty(f->w);
	front_empty(f->out.w);
	f->out.does = OUTSIDE_ISSUES;
	f->out.gives = NULL;
	f->out.cas = NULL;
	f->out.cn = NULL;
	f->out.meanwhile = NULL;
	f->out.meanwhile_arg = f;
	f->out.repeats = false;
	buf_free(&f->out.first);
	f->out.asked = f->out.reasked = 0;
	f->out.let_go = false;
	f->refusals = f->told = 0;
	front_template(f, CERT_TEMPLATE_SCEP, "{}");
	front_template(f, "corp", "{\"upstream\":\"corp\",\"renew_days\":0}");
	assert_ok(front_upstream(f, true, "{}", e));
	f->c = world_grant(
	    f->w, (struct scep_grant){ .template = "corp", .purpose = "scep" });
	return 0;
}

static UNUSED int
front_teardown(void **state)
{
	struct front *f = *state;

	clock_set_offset_ms(0);
	f->out.let_go = true;
	/* Its threads must not go on with the next test's rows. */
	scep_service_free(&f->w->service);
	return 0;
}

/* A message from a client: NULL and 0 are those of the good one. */
struct front_ask {
	const char *tid, *type, *challenge, *cn;
	EVP_PKEY *key; /* in the CSR */
	X509 *signer;  /* of w->key */
	bool no_challenge;
};

static UNUSED struct answer
front_send(struct front *f, struct front_ask a)
{
	struct world *w = f->w;
	AUTO(buf_free)
	struct buf *csr = forge_csr_make((struct forge_csr){
	    .key = a.key ? a.key : w->key,
	    .cn = a.cn ? a.cn : "device-1",
	    .challenge = a.no_challenge ? slice_of(NULL, 0)
	                                : slice_str(a.challenge ? a.challenge
	                                                        : f->c.text) });
	bool poll = str_eq(a.type, "20");
	AUTO(buf_free)
	struct buf *env = forge_envelope((struct forge_env){ .to = { w->ra } },
	    poll ? TEXT("\x30\x04\x30\x00\x30\x00") : buf_slice(csr));
	struct forge_message m = forge_message(
	    w->key, a.signer ? a.signer : w->signer, buf_slice(env));

	if (a.type != NULL)
		m.attrs[FORGE_MESSAGE_TYPE].value = slice_str(a.type);
	if (a.tid != NULL)
		m.attrs[FORGE_TRANSACTION].value = slice_str(a.tid);
	return answer_message(w, &m);
}

/* One step of the queue; when the next one is due, if there was nothing.  Waits
 * out the gap that the rate of these upstreams makes, some milliseconds. */
static UNUSED bool
front_step(struct front *f, int64_t *next_at)
{
	int64_t at;
	bool did = false;

	for (;;) {
		assert_ok(scep_relay_step(f->w->service, NULL, &did, &at, e));
		if (did || at - clock_now_ms() > 100)
			break;
		clock_sleep_ms(1);
	}
	if (next_at != NULL)
		*next_at = at;
	return did;
}

#define EXPECT_P(call)                                                         \
	do {                                                                   \
		AUTO(answer_clear) struct answer p_ = (call);                  \
		if (p_.http_400 || p_.status != SCEP_PENDING)                  \
			fail_msg("status %d, fail %d: %s", p_.status, p_.fail, \
			    p_.text);                                          \
	} while (0)

static UNUSED const struct front_ask front_good = { 0 };
static UNUSED const struct front_ask front_poll = { .type = "20" };

/* Asked for once, outside and in the queue. */
static UNUSED void
ask_and_step(struct front *f)
{
	EXPECT_P(front_send(f, front_good));
	assert_true(front_step(f, NULL));
}

/* The only request there is, as the list shows it; the caller's. */
static UNUSED json_t *
front_request(struct front *f)
{
	AUTO(store_rollback) struct store_tx *tx = NULL;
	AUTO(json_free) json_t *array = json_array();
	AUTO(str_free) char *next = NULL;
	struct scep_request_page page = { .seal = f->w->seal,
		.before_at = INT64_MAX,
		.before_id = "",
		.limit = 10 };

	assert_ok(store_begin(f->w->store, STORE_READ, &tx, e));
	assert_ok(scep_approval_list(tx, &page, array, &next, e));
	assert_int_equal(json_array_size(array), 1);
	return json_incref(json_array_get(array, 0));
}

static UNUSED void
front_request_is(struct front *f, const char *key, const char *value)
{
	AUTO(json_free) json_t *r = front_request(f);
	const char *s = json_string_value(json_object_get(r, key));

	if (s == NULL || strstr(s, value) == NULL)
		fail_msg("%s is %s, not %s", key, s ? s : "null", value);
}

static UNUSED int64_t
front_events(struct front *f, const char *kind)
{
	return world_number(
	    f->w, "SELECT count(*) FROM event WHERE kind = $1", kind);
}

/* Certificates of ours that came from there. */
static UNUSED int64_t
front_certificates(struct front *f, const char *state)
{
	return world_number(f->w,
	    "SELECT count(*) FROM certificate WHERE state = $1"
	    " AND authority_id LIKE 'upstream:corp:%'",
	    state);
}
