/*
 * Fills the ledger of a data directory that bench_seed made, as if so many
 * certificates had been issued by SCEP: the row, its event and its spent
 * challenge, through the store, without the signatures.  One thread.
 *
 *	bench_ledger --data DIR --rows N [--revoked]
 *
 * With --revoked each has been revoked, so that the next CRL has all of them.
 */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

#include "certs/cert_ledger.h"
#include "certs/cert_live.h"
#include "core/clock.h"
#include "core/encode.h"
#include "core/random.h"
#include "store/store.h"

enum { BATCH = 5000, ROWS_MAX = 100000000, SERIAL_OCTETS = 16 };

struct ledger {
	struct store *store;
	struct seal *seal;
	struct cert_authority *authority;
	struct cert_issued like; /* what each row is, but for its numbers */
	bool revoked;
};

static void
must(bool ok, const struct err *e)
{
	if (ok)
		return;
	fprintf(stderr, "bench_ledger: %s\n", e->text);
	exit(1);
}

static bool
open_data(struct ledger *l, const char *dir, struct err *e)
{
	AUTO(str_free) char *db = str_printf("%s/mutsu.db", dir);
	AUTO(str_free) char *master = str_printf("%s/master.key", dir);

	return seal_open(master, &l->seal, e) &&
	       store_open(
	           &(struct store_options){ .path = db }, &l->store, e) &&
	       cert_authority_open(l->store,
	           &(struct cert_authority_options){
	               .vault = { .seal = l->seal }, .organization = "Mutsu" },
	           &l->authority, e);
}

static bool
issue_one(struct ledger *l, struct err *e)
{
	EVP_PKEY *key = NULL;
	struct cert_issue in = {
		.template =
		    cert_authority_template(l->authority, CERT_TEMPLATE_DEVICE),
		.subject = &(struct cert_subject){ .cn = "Mac", .o = "Mutsu" },
		.now_ms = clock_now_ms(),
	};
	bool ok = cert_key_new(CERT_RSA_2048, &key, e);

	if (ok && !X509_PUBKEY_set(&in.pub, key))
		ok = err_openssl(e, ERR_INTERNAL, "public key");
	ok = ok && cert_authority_issue(l->authority, &in, &l->like, e);
	X509_PUBKEY_free(in.pub);
	EVP_PKEY_free(key);
	return ok;
}

static void
random_hex(char *out, size_t octets)
{
	uint8_t bytes[32];

	random_bytes(bytes, octets);
	bytes[0] &= 0x7f;
	bytes[0] |= 1; /* as a serial number: positive, no shorter */
	hex_to(out, bytes, octets);
}

static bool
add_challenge(struct store_tx *tx, const char *id, const struct cert_issued *i,
    struct err *e)
{
	char mac[SHA256_HEX_SIZE];

	random_hex(mac, 32);
	return store_exec(tx,
	    "INSERT INTO challenge (mac, id, template, purpose, subject,"
	    " created_at, expires_at, used_at, used_spki, fingerprint)"
	    " VALUES ($1, $2, 'device', 'enroll', '{\"cn\":\"Mac\"}', $3, $4,"
	    " $3, $5, $6)",
	    S_ARGS(S_TEXT(mac), S_TEXT(id), S_INT(i->not_before),
	        S_INT(i->not_before + MS_DAY), S_TEXT(i->spki),
	        S_TEXT(i->fingerprint)),
	    NULL, e);
}

static bool
add(struct ledger *l, struct store_tx *tx, struct err *e)
{
	char id[UUID_SIZE], transaction[SHA256_HEX_SIZE];
	struct cert_issued i = l->like;

	uuid_new(id);
	random_hex(transaction, 20);
	random_hex(i.fingerprint, 32);
	random_hex(i.spki, 32);
	random_hex(i.serial, SERIAL_OCTETS);
	return add_challenge(tx, id, &i, e) &&
	       cert_ledger_add(tx,
	           &(struct cert_record){ .issued = &i,
	               .authority_id = i.authority_id,
	               .template = CERT_TEMPLATE_DEVICE,
	               .purpose = "enroll",
	               .challenge_id = id,
	               .transaction_id = transaction },
	           e) &&
	       (!l->revoked || cert_ledger_revoke(tx, i.fingerprint,
	                           CERT_REASON_SUPERSEDED, "system", e));
}

static bool
add_batch(struct ledger *l, int64_t count, struct err *e)
{
	AUTO(store_rollback) struct store_tx *tx = NULL;

	if (!store_begin(l->store, STORE_WRITE, &tx, e))
		return false;
	for (int64_t i = 0; i < count; i++)
		if (!add(l, tx, e))
			return false;
	return store_commit(&tx, e);
}

int
main(int argc, char **argv)
{
	static const struct option names[] = {
		{ "data", required_argument, NULL, 'd' },
		{ "rows", required_argument, NULL, 'n' },
		{ "revoked", no_argument, NULL, 'r' },
		{ 0 },
	};
	struct ledger l = { 0 };
	const char *dir = NULL;
	int64_t rows = 0;
	struct err e;
	int c;

	while ((c = getopt_long(argc, argv, "", names, NULL)) != -1) {
		if (c == 'd')
			dir = optarg;
		else if (c == 'r')
			l.revoked = true;
		else if (c != 'n' || !str_to_i64(optarg, 0, ROWS_MAX, &rows))
			return 2;
	}
	if (dir == NULL)
		return 2;
	must(open_data(&l, dir, &e) && issue_one(&l, &e), &e);
	for (int64_t left = rows; left > 0; left -= BATCH)
		must(add_batch(&l, left < BATCH ? left : BATCH, &e), &e);
	cert_issued_clear(&l.like);
	cert_authority_free(&l.authority);
	store_close(&l.store);
	seal_free(&l.seal);
	return 0;
}
