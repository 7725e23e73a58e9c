/*
 * The load file of SCEP: PKIOperation messages, each with a challenge of its
 * own, as a Mac that enrols sends them.  One thread, but for the signing.
 */
#include "bench_load.h"
#include "bench_seed.h"
#include "core/clock.h"
#include "core/file.h"
#include "scep/scep_challenge.h"
#include "scep/scep_client.h"

enum { REQUEST_MAX = 64 << 10 };

/* The attribute pkiStatus (RFC 8894 3.2.1.3) with the value "0", SUCCESS. */
static const uint8_t success[] = { 0x06, 0x0a, 0x60, 0x86, 0x48, 0x01, 0x86,
	0xf8, 0x45, 0x01, 0x09, 0x03, 0x31, 0x03, 0x13, 0x01, '0' };

struct scep_work {
	const struct seed *seed;
	STACK_OF(X509) * ca;
	char (*challenges)[SCEP_CHALLENGE_SIZE];
	const char *challenge; /* or: one for all */
	struct buf **requests;
};

static bool
make_challenges(
    struct seed *s, struct scep_work *w, size_t count, struct err *e)
{
	AUTO(store_rollback) struct store_tx *tx = NULL;
	char id[37], ref[37];
	struct scep_grant grant = { .template = CERT_TEMPLATE_DEVICE,
		.purpose = "enroll",
		.enrollment_ref = ref,
		.subject = &(struct cert_subject){ .cn = ref, .o = "Mutsu" },
		.ttl_ms = MS_DAY };

	if (!store_begin(s->store, STORE_WRITE, &tx, e))
		return false;
	for (size_t i = 0; i < count; i++) {
		snprintf(ref, sizeof(ref), "bench-%zu", i);
		if (!scep_challenge_new(
		        tx, s->seal, &grant, w->challenges[i], id, e))
			return false;
	}
	return store_commit(&tx, e);
}

static void
make_request(size_t i, void *arg)
{
	struct scep_work *w = arg;
	AUTO(str_free) char *name = str_printf("Mac %zu", i);
	struct cert_subject subject = { .cn = name };
	struct scep_client_options o = {
		.subject = &subject,
		.challenge =
		    w->challenge != NULL ? w->challenge : w->challenges[i],
		.key = w->seed->keys[SEED_DEVICE_KEYS + i % w->seed->scep_keys],
	};
	AUTO(buf_free) struct buf *message = NULL;
	struct buf *out = buf_new(REQUEST_MAX);
	struct err e;

	seed_must(scep_client_request(&o, w->ca, &message, &e), &e);
	buf_addf(out,
	    "POST /scep?operation=PKIOperation HTTP/1.1\r\n"
	    "Host: localhost\r\nContent-Type: application/x-pki-message\r\n"
	    "Content-Length: %zu\r\n\r\n",
	    message->len);
	buf_add(out, message->p, message->len);
	seed_must(buf_ok(out, &e), &e);
	w->requests[i] = out;
}

static STACK_OF(X509) * chain(const struct seed *s)
{
	STACK_OF(X509) *ca = sk_X509_new_null();

	if (ca == NULL || !sk_X509_push(ca, cert_authority_ra(s->authority)) ||
	    !sk_X509_push(ca, cert_authority_issuing(s->authority)) ||
	    !sk_X509_push(ca, cert_authority_root(s->authority)))
		seed_must(false, &(struct err){ .text = "a chain" });
	return ca;
}

static bool
write_requests(
    struct scep_work *w, const char *path, size_t count, struct err *e)
{
	AUTO(load_file_free) struct load_file *f = NULL;

	if (!load_create(path, &f, e))
		return false;
	for (size_t i = 0; i < count; i++) {
		struct load_lane lane = { .count = 1 };

		lane.steps[0] = (struct load_step){ .side = LOAD_DEVICE,
			.status = 200,
			.expect = LOAD_HAS,
			.has = slice_of(success, sizeof(success)),
			.request = buf_slice(w->requests[i]) };
		if (!load_add(f, &lane, e))
			return false;
	}
	return load_finish(&f, e);
}

bool
seed_scep(struct seed *s, const char *path, size_t count, struct err *e)
{
	struct scep_work w = { .seed = s,
		.ca = chain(s),
		.challenges = mem_zalloc(count, SCEP_CHALLENGE_SIZE),
		.requests = mem_zalloc(count, sizeof(struct buf *)) };
	bool ok = make_challenges(s, &w, count, e);

	if (ok) {
		seed_parallel(count, make_request, &w);
		ok = write_requests(&w, path, count, e);
	}
	for (size_t i = 0; i < count; i++)
		buf_free(&w.requests[i]);
	sk_X509_free(w.ca); /* not what is in it: that is the authority's */
	mem_free(&w.challenges);
	mem_free(&w.requests);
	return ok;
}

static bool
foreign_chain(const char *path, STACK_OF(X509) * *out, struct err *e)
{
	AUTO(cert_x509_free) X509 *ca = NULL;
	AUTO(buf_free) struct buf *pem = NULL;

	if (!file_read(path, REQUEST_MAX, &pem, e) ||
	    !cert_parse_pem(buf_slice(pem), &ca, e))
		return false;
	*out = sk_X509_new_null();
	if (*out == NULL || !sk_X509_push(*out, ca))
		return err_set(e, ERR_INTERNAL, "a chain");
	(void)TAKE(ca);
	return true;
}

bool
seed_scep_foreign(struct seed *s, const struct seed_foreign *f, struct err *e)
{
	struct scep_work w = { .seed = s,
		.challenge = f->challenge,
		.requests = mem_zalloc(f->count, sizeof(struct buf *)) };
	bool ok = foreign_chain(f->ca, &w.ca, e);

	if (ok) {
		seed_parallel(f->count, make_request, &w);
		ok = write_requests(&w, f->load, f->count, e);
	}
	for (size_t i = 0; i < f->count; i++)
		buf_free(&w.requests[i]);
	cert_stack_free(&w.ca);
	mem_free(&w.requests);
	return ok;
}
