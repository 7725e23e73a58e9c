/*
 * The push scheduler with a real database and the simulated APNs.  One thread
 * of the test's own.
 */
#pragma once

#include <unistd.h>

#include "apns/apns_cert.h"
#include "apns/apns_scheduler.h"
#include "apns_fixture.h"
#include "tests/store/database.h"

struct rig {
	char dir[64], host[64];
	const char *hosts[2];
	struct store *st;
	struct seal *seal;
	struct sim_apns *sim;
	struct apns_scheduler *scheduler;
	struct apns_scheduler_options options;
};

static inline void
must(bool ok, const struct err *e)
{
	if (!ok)
		fail_msg("%s", e->text);
}

static inline void
exec_all(struct rig *r, const char *const *sql, const struct store_value *args)
{
	AUTO(store_rollback) struct store_tx *tx = NULL;
	struct err e = { 0 };

	must(store_begin(r->st, STORE_WRITE, &tx, &e), &e);
	for (; *sql != NULL; sql++)
		must(store_exec(tx, *sql, args, NULL, &e), &e);
	must(store_commit(&tx, &e), &e);
}
#define EXEC(r, sql, ...)                                                      \
	exec_all(r, (const char *const[]){ sql, NULL }, S_ARGS(__VA_ARGS__))

/* The first column of the first row; sql is a literal. */
static inline int64_t
number(struct rig *r, const char *sql)
{
	AUTO(store_rollback) struct store_tx *tx = NULL;
	AUTO(store_rows_free) struct store_rows *rows = NULL;
	struct err e = { 0 };
	bool more;

	must(store_begin(r->st, STORE_READ, &tx, &e), &e);
	must(store_query(tx, sql, S_ARGS(), &rows, &e), &e);
	must(store_next(rows, &more, &e), &e);
	return more ? store_int(rows, 0) : -1;
}

static inline void
wait_number(struct rig *r, const char *sql, int64_t wanted)
{
	int64_t end_ms = clock_mono_ms() + WAIT_MS, n;

	while ((n = number(r, sql)) != wanted) {
		if (clock_mono_ms() > end_ms)
			fail_msg("%s: %lld, not %lld", sql, (long long)n,
			    (long long)wanted);
		clock_sleep_ms(2);
	}
}

/* Until so many read transactions have ended, whatever came of them. */
static inline void
wait_reads(struct rig *r, int64_t wanted)
{
	int64_t end_ms = clock_mono_ms() + WAIT_MS;
	struct store_stats st;

	for (store_stats(r->st, &st); st.reads < wanted;
	     store_stats(r->st, &st)) {
		assert_true(clock_mono_ms() < end_ms);
		clock_sleep_ms(1);
	}
}

static inline int64_t
pushes(struct rig *r)
{
	struct sim_apns_stats s;

	sim_apns_stats(r->sim, &s);
	return s.pushes;
}

static inline void
save_this(struct rig *r, const struct sim_apns_certs *made)
{
	AUTO(apns_cert_free) struct apns_cert *c = NULL;
	AUTO(store_rollback) struct store_tx *tx = NULL;
	struct err e = { 0 };

	must(apns_cert_parse(slice_str(made->push_cert_pem),
	         slice_str(made->push_key_pem), &c, &e),
	    &e);
	must(store_begin(r->st, STORE_WRITE, &tx, &e), &e);
	must(
	    apns_cert_save(tx, r->seal, c,
	        &(struct apns_cert_import){
	            .owner = "it", .typed_topic = c->topic, .actor = "system" },
	        &e),
	    &e);
	must(store_commit(&tx, &e), &e);
}

static inline void
save_cert(struct rig *r)
{
	save_this(r, certs);
}

/* anchors: of push certificates; NULL: those of certs. */
static inline struct rig *
rig_with(const char *anchors)
{
	struct rig *r = mem_zalloc(1, sizeof(*r));
	struct sim_apns_options o = { .cert_pem = certs->server_cert_pem,
		.key_pem = certs->server_key_pem,
		.client_ca_pem = anchors != NULL ? anchors : certs->ca_pem,
		.ids_max = 1000 };
	struct err e = { 0 };
	AUTO(str_free) char *database = NULL;
	char path[96];

	(void)snprintf(r->dir, sizeof(r->dir), "/tmp/apns-sched-XXXXXX");
	assert_non_null(mkdtemp(r->dir));
	(void)snprintf(path, sizeof(path), "%s/db", r->dir);
	database = test_database(path);
	must(
	    store_open(&(struct store_options){ .path = database }, &r->st, &e),
	    &e);
	(void)snprintf(path, sizeof(path), "%s/master", r->dir);
	must(seal_open(path, &r->seal, &e), &e);
	must(sim_apns_new(&o, &r->sim, &e), &e);
	(void)snprintf(r->host, sizeof(r->host), "127.0.0.1:%d",
	    (int)sim_apns_port(r->sim));
	r->hosts[0] = r->host;
	r->options = (struct apns_scheduler_options){ .store = r->st,
		.seal = r->seal,
		.hosts = r->hosts,
		.ca_pem = certs->ca_pem };
	save_cert(r);
	return r;
}

static inline struct rig *
rig_new(void)
{
	return rig_with(NULL);
}

static inline void
rig_start(struct rig *r)
{
	struct err e = { 0 };

	must(apns_scheduler_new(&r->options, &r->scheduler, &e), &e);
}

static inline void
rig_free(struct rig **rig)
{
	static const char *const names[] = { "db", "db-wal", "db-shm",
		"db.lock", "master" };
	struct rig *r = *rig;

	clock_set_offset_ms(0);
	apns_scheduler_free(&r->scheduler);
	store_close(&r->st);
	seal_free(&r->seal);
	sim_apns_free(&r->sim);
	for (size_t i = 0; i < COUNT(names); i++) {
		char path[96];

		(void)snprintf(path, sizeof(path), "%s/%s", r->dir, names[i]);
		(void)unlink(path);
	}
	(void)rmdir(r->dir);
	mem_free(&r);
	*rig = NULL;
}

/* Enrolment and device "n"; its token is the four bytes of n. */
static inline void
enroll(struct rig *r, uint32_t n, const char *topic)
{
	uint8_t token[4] = { (uint8_t)(n >> 24), (uint8_t)(n >> 16),
		(uint8_t)(n >> 8), (uint8_t)n };
	char id[16];

	(void)snprintf(id, sizeof(id), "%u", n);
	EXEC(r,
	    "INSERT INTO device (id, udid, state, created_at, updated_at) "
	    "VALUES ($1, $1, 'enrolled', 1, 1)",
	    S_TEXT(id));
	EXEC(r,
	    "INSERT INTO enrollment (id, device_id, channel, state, topic, "
	    "push_token, push_magic, token_at) VALUES ($1, $1, 'device', "
	    "'enrolled', $2, $3, 'magic', 1000000)",
	    S_TEXT(id), S_TEXT(topic), S_BLOB(slice_of(token, 4)));
}

/* What mdm/ does: a command and the due mark in one transaction. */
static inline void
queue(struct rig *r, uint32_t n, int commands, bool urgent)
{
	AUTO(store_rollback) struct store_tx *tx = NULL;
	struct err e = { 0 };
	char id[16], command[UUID_SIZE];

	(void)snprintf(id, sizeof(id), "%u", n);
	must(store_begin(r->st, STORE_WRITE, &tx, &e), &e);
	for (int i = 0; i < commands; i++) {
		uuid_new(command);
		must(store_exec(tx,
		         "INSERT INTO command (id, enrollment_id, "
		         "request_type, state, urgent, sort_key, origin, "
		         "queued_at, queued_by) VALUES ($1, $2, 'x', "
		         "'queued', $3, 1, 'api', $4, 'test')",
		         S_ARGS(S_TEXT(command), S_TEXT(id),
		             S_INT(urgent ? 1 : 0), S_INT(clock_now_ms())),
		         NULL, &e),
		    &e);
		must(apns_push_due(tx, id, clock_now_ms(), &e), &e);
	}
	must(store_commit(&tx, &e), &e);
}
