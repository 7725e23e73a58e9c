/* Certificates by numbers in the ledger of a real database. */
#pragma once

#include "tests/unit/cert_fixture.h"

#include "certs/cert_ledger.h"

static inline struct store_tx *
begin(struct place *p, enum store_mode mode)
{
	struct store_tx *tx = NULL;
	struct err e = { 0 };

	must(store_begin(p->st, mode, &tx, &e), &e);
	return tx;
}

static inline void
commit(struct store_tx **tx)
{
	struct err e = { 0 };

	must(store_commit(tx, &e), &e);
}

/* A certificate by its number: fingerprint "00..0<n>". */
static inline void
name_of(int n, char out[SHA256_HEX_SIZE])
{
	snprintf(out, SHA256_HEX_SIZE, "%064x", (unsigned)n);
}

/* Its key is number n too, or that of another. */
static inline bool
add_with_key(
    struct store_tx *tx, int n, int key, const char *device, struct err *e)
{
	AUTO(cert_issued_clear)
	struct cert_issued i = { .der = buf_new(64),
		.subject = "CN=Mac,O=Example",
		.not_before = clock_now_ms() - MS_DAY,
		.not_after = clock_now_ms() + 365 * MS_DAY };
	struct cert_record r = { .issued = &i,
		.authority_id = "issuing-1",
		.template = CERT_TEMPLATE_DEVICE,
		.purpose = n % 2 == 0 ? "enroll" : "rollout",
		.device_id = device,
		.user_id = n % 2 == 0 ? NULL : "user-1" };

	buf_addf(i.der, "der %d", n);
	name_of(n, i.fingerprint);
	name_of(key, i.spki);
	snprintf(i.serial, sizeof(i.serial), "%x", (unsigned)n);
	return cert_ledger_add(tx, &r, e);
}

static inline bool
add(struct store_tx *tx, int n, const char *device, struct err *e)
{
	return add_with_key(tx, n, n, device, e);
}

static inline void
add_one(struct place *p, int n, const char *device)
{
	struct store_tx *tx = begin(p, STORE_WRITE);
	struct err e = { 0 };

	must(add(tx, n, device, &e), &e);
	commit(&tx);
}

static inline struct cert_entry
find(struct place *p, int n)
{
	AUTO(store_rollback) struct store_tx *tx = begin(p, STORE_READ);
	struct cert_entry entry = { 0 };
	char name[SHA256_HEX_SIZE];
	struct err e = { 0 };
	bool found;

	name_of(n, name);
	must(cert_ledger_find(tx, name, &entry, &found, &e), &e);
	assert_true(found);
	return entry;
}

static inline void
run_sql(struct store_tx *tx, const char *sql)
{
	struct err e = { 0 };

	must(store_exec(tx, sql, S_ARGS(), NULL, &e), &e);
}

static inline int64_t
number(struct place *p, const char *sql)
{
	AUTO(store_rollback) struct store_tx *tx = begin(p, STORE_READ);
	AUTO(store_rows_free) struct store_rows *rows = NULL;
	struct err e = { 0 };
	bool more;

	must(store_query(tx, sql, S_ARGS(), &rows, &e), &e);
	must(store_next(rows, &more, &e), &e);
	return store_int(rows, 0);
}

static inline int64_t
events(struct place *p, const char *kind)
{
	AUTO(store_rollback) struct store_tx *tx = begin(p, STORE_READ);
	AUTO(store_rows_free) struct store_rows *rows = NULL;
	struct err e = { 0 };
	bool more;

	must(store_query(tx, "SELECT COUNT(*) FROM event WHERE kind = $1",
	         S_ARGS(S_TEXT(kind)), &rows, &e),
	    &e);
	must(store_next(rows, &more, &e), &e);
	return store_int(rows, 0);
}
