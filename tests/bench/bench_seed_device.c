/*
 * Enrolled devices: rows as enrolment leaves them, and certificates that the
 * authority issued.  One thread, but for the issuing.
 */
#include <stdio.h>

#include "bench_seed.h"
#include "core/clock.h"
#include "core/random.h"

enum { TOKEN_SIZE = 32 };

static void
issue(size_t i, void *arg)
{
	struct seed *s = arg;
	struct seed_device *d = &s->devices[i];
	AUTO(str_free) char *cn = str_printf("Mac %s", d->serial);
	struct cert_subject subject = { .cn = cn, .o = "Mutsu" };
	X509_PUBKEY *pub = NULL;
	struct err e;
	bool ok;

	d->key = s->keys[i % SEED_DEVICE_KEYS];
	seed_must(X509_PUBKEY_set(&pub, d->key) == 1,
	    &(struct err){ .text = "a public key" });
	ok = cert_authority_issue(s->authority,
	         &(struct cert_issue){
	             .template = cert_template_find(CERT_TEMPLATE_DEVICE),
	             .subject = &subject,
	             .pub = pub,
	             .now_ms = clock_now_ms() },
	         &d->issued, &e) &&
	     cert_parse(buf_slice(d->issued.der), &d->certificate, &e);
	X509_PUBKEY_free(pub);
	seed_must(ok, &e);
}

static bool
insert_device(struct store_tx *tx, const struct seed_device *d, struct err *e)
{
	int64_t now = clock_now_ms();

	return store_exec(tx,
	    "INSERT INTO device (id, udid, serial, state, name, model_id, "
	    "model_name, chip, os_version, os_build, information, "
	    "information_at, enrolled_at, created_at, updated_at) VALUES "
	    "($1, $2, $3, 'enrolled', $3, 'Mac14,2', 'MacBook Air', "
	    "'apple-silicon', '15.1', '24B83', "
	    "'{\"OSVersion\":\"15.1\",\"ProductName\":\"Mac14,2\"}', "
	    "$4, $4, $4, $4)",
	    S_ARGS(
	        S_TEXT(d->id), S_TEXT(d->udid), S_TEXT(d->serial), S_INT(now)),
	    NULL, e);
}

static bool
insert_enrollment(
    struct store_tx *tx, const struct seed_device *d, struct err *e)
{
	uint8_t token[TOKEN_SIZE];
	char magic[37];

	random_bytes(token, sizeof(token));
	uuid_new(magic);
	return store_exec(tx,
	    "INSERT INTO enrollment (id, device_id, channel, state, topic, "
	    "push_token, push_magic, token_at, token_updates) VALUES "
	    "($1, $2, 'device', 'enrolled', $3, $4, $5, $6, 1)",
	    S_ARGS(S_TEXT(d->udid), S_TEXT(d->id), S_TEXT(SEED_TOPIC),
	        S_BLOB(slice_of(token, sizeof(token))), S_TEXT(magic),
	        S_INT(clock_now_ms())),
	    NULL, e);
}

static bool
insert(const struct seed *s, struct store_tx *tx, const struct seed_device *d,
    struct err *e)
{
	return insert_device(tx, d, e) && insert_enrollment(tx, d, e) &&
	       cert_ledger_add(tx,
	           &(struct cert_record){ .issued = &d->issued,
	               .authority_id = cert_authority_id(s->authority),
	               .template = CERT_TEMPLATE_DEVICE,
	               .purpose = "enroll",
	               .device_id = d->id },
	           e);
}

static bool
insert_batch(struct seed *s, size_t from, size_t to, struct err *e)
{
	AUTO(store_rollback) struct store_tx *tx = NULL;

	if (!store_begin(s->store, STORE_WRITE, &tx, e))
		return false;
	for (size_t i = from; i < to; i++)
		if (!insert(s, tx, &s->devices[i], e))
			return false;
	return store_commit(&tx, e);
}

bool
seed_devices(struct seed *s, size_t count, struct err *e)
{
	s->devices = mem_zalloc(count + 1, sizeof(*s->devices));
	s->device_count = count;
	for (size_t i = 0; i < count; i++) {
		struct seed_device *d = &s->devices[i];

		uuid_new(d->id);
		uuid_new(d->udid);
		snprintf(d->serial, sizeof(d->serial), "BENCH%07u",
		    (unsigned)i % 10000000);
	}
	seed_parallel(count, issue, s);
	for (size_t i = 0; i < count; i += SEED_BATCH)
		if (!insert_batch(s, i,
		        i + SEED_BATCH < count ? i + SEED_BATCH : count, e))
			return false;
	return true;
}
