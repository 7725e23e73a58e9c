/*
 * The push scheduler with a real database and the simulated APNs: what is
 * pushed, how often, and what the answers do to the rows.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "apns/apns_cert.h"
#include "apns/apns_scheduler.h"
#include "core/clock.h"
#include "core/encode.h"
#include "sim/sim_apns.h"
#include "sim/sim_apns_cert.h"

#define TOPIC "com.apple.mgmt.External.11111111-2222-4333-8444-555555555555"
enum { WAIT_MS = 20000 };

static struct sim_apns_certs *certs;

struct rig {
	char dir[64], host[64];
	const char *hosts[2];
	struct store *st;
	struct seal *seal;
	struct sim_apns *sim;
	struct apns_scheduler *scheduler;
	struct apns_scheduler_options options;
};

static void
must(bool ok, const struct err *e)
{
	if (!ok)
		fail_msg("%s", e->text);
}

static void
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
static int64_t
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

static void
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

static int64_t
pushes(struct rig *r)
{
	struct sim_apns_stats s;

	sim_apns_stats(r->sim, &s);
	return s.pushes;
}

static void
save_cert(struct rig *r)
{
	AUTO(apns_cert_free) struct apns_cert *c = NULL;
	AUTO(store_rollback) struct store_tx *tx = NULL;
	struct err e = { 0 };

	must(apns_cert_parse(slice_str(certs->push_cert_pem),
	         slice_str(certs->push_key_pem), &c, &e),
	    &e);
	must(store_begin(r->st, STORE_WRITE, &tx, &e), &e);
	must(apns_cert_save(tx, r->seal, c, "it", false, "system", &e), &e);
	must(store_commit(&tx, &e), &e);
}

static struct rig *
rig_new(void)
{
	struct rig *r = mem_zalloc(1, sizeof(*r));
	struct sim_apns_options o = { .cert_pem = certs->server_cert_pem,
		.key_pem = certs->server_key_pem,
		.client_ca_pem = certs->ca_pem,
		.ids_max = 1000 };
	struct err e = { 0 };
	char path[96];

	(void)snprintf(r->dir, sizeof(r->dir), "/tmp/apns-sched-XXXXXX");
	assert_non_null(mkdtemp(r->dir));
	(void)snprintf(path, sizeof(path), "%s/db", r->dir);
	must(store_open(&(struct store_options){ .path = path }, &r->st, &e),
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

static void
rig_start(struct rig *r)
{
	struct err e = { 0 };

	must(apns_scheduler_new(&r->options, &r->scheduler, &e), &e);
}

static void
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
static void
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
static void
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

static void
ten_commands_one_push(void **state)
{
	AUTO(rig_free) struct rig *r = rig_new();

	(void)state;
	rig_start(r);
	enroll(r, 1, TOPIC);
	queue(r, 1, 10, false);
	wait_number(
	    r, "SELECT COUNT(*) FROM command WHERE state = 'pushed'", 10);
	assert_int_equal(pushes(r), 1);
	assert_int_equal(number(r, "SELECT push_attempts FROM enrollment"), 1);
	assert_int_equal(
	    number(r, "SELECT push_last_status FROM enrollment"), 200);
	assert_int_equal(number(r, "SELECT push_claim_until IS NULL AND "
	                           "push_last_reason IS NULL AND "
	                           "LENGTH(push_last_id) = 36 FROM enrollment"),
	    1);
	/* Again in half a minute. */
	assert_in_range(
	    number(r, "SELECT push_due_at - push_last_at FROM enrollment"),
	    27 * MS_S, 30 * MS_S);
	/* More commands right after: not at once, but within the second. */
	queue(r, 1, 5, false);
	assert_in_range(
	    number(r, "SELECT push_due_at - push_last_at FROM enrollment"), 1,
	    1000);
	wait_number(
	    r, "SELECT COUNT(*) FROM command WHERE state = 'pushed'", 15);
	assert_int_equal(pushes(r), 2);
}

static void
lock_goes_at_once(void **state)
{
	AUTO(rig_free) struct rig *r = rig_new();
	int64_t start_ms;

	(void)state;
	rig_start(r);
	enroll(r, 1, TOPIC);
	queue(r, 1, 1, false);
	wait_number(r, "SELECT push_attempts FROM enrollment", 1);
	start_ms = clock_mono_ms();
	queue(r, 1, 1, true);
	while (pushes(r) < 2 && clock_mono_ms() < start_ms + WAIT_MS)
		clock_sleep_ms(1);
	/* No debounce, and well before a second even on a busy machine. */
	assert_true(clock_mono_ms() - start_ms < 900);
	wait_number(r, "SELECT push_attempts FROM enrollment", 2);
}

/* A hundred wait; the one with a lock is pushed first. */
static void
urgent_first(void **state)
{
	AUTO(rig_free) struct rig *r = rig_new();

	(void)state;
	for (uint32_t n = 1; n <= 700; n++) {
		enroll(r, n, TOPIC);
		queue(r, n, 1, n == 690);
	}
	/* It is not even the longest due. */
	EXEC(r, "UPDATE enrollment SET push_due_at = push_due_at + 1 "
	        "WHERE id = '690'");
	/* Nothing is answered: the claims stay visible. */
	sim_apns_rule(r->sim,
	    &(struct sim_apns_rule){ .token = "", .action = SIM_APNS_SILENCE });
	rig_start(r);
	wait_number(r,
	    "SELECT COUNT(*) FROM enrollment WHERE push_claim_by IS NOT NULL",
	    700);
	assert_int_equal(number(r, "SELECT push_claim_until = (SELECT "
	                           "MIN(push_claim_until) FROM enrollment) "
	                           "FROM enrollment WHERE id = '690'"),
	    1);
	sim_apns_free(&r->sim);
}

static void
nothing_open_no_push(void **state)
{
	AUTO(rig_free) struct rig *r = rig_new();

	(void)state;
	enroll(r, 1, TOPIC);
	enroll(r, 2, TOPIC);
	queue(r, 1, 2, false);
	queue(r, 2, 1, false);
	EXEC(r, "UPDATE command SET done_at = 5, state = 'acknowledged' "
	        "WHERE enrollment_id = '1'");
	rig_start(r);
	wait_number(
	    r, "SELECT push_attempts FROM enrollment WHERE id = '2'", 1);
	wait_number(r,
	    "SELECT push_due_at IS NULL AND push_claim_by IS NULL FROM "
	    "enrollment WHERE id = '1'",
	    1);
	assert_int_equal(pushes(r), 1);
}

static void
gone(void **state)
{
	AUTO(rig_free) struct rig *r = rig_new();

	(void)state;
	enroll(r, 1, TOPIC);
	enroll(r, 2, TOPIC);
	sim_apns_rule(r->sim, &(struct sim_apns_rule){ .token = "00000001",
	                          .status = 410,
	                          .reason = "Unregistered",
	                          .timestamp_ms = 1000001 });
	sim_apns_rule(r->sim, &(struct sim_apns_rule){ .token = "00000002",
	                          .status = 410,
	                          .reason = "Unregistered",
	                          .timestamp_ms = 999999 });
	queue(r, 1, 1, false);
	queue(r, 2, 1, false);
	rig_start(r);
	wait_number(r,
	    "SELECT COUNT(*) FROM enrollment WHERE push_last_status = 410", 2);
	assert_int_equal(number(r, "SELECT push_state = 'dead' AND push_due_at "
	                           "IS NULL FROM enrollment WHERE id = '1'"),
	    1);
	/* Older than the last TokenUpdate: the token is good. */
	assert_int_equal(number(r, "SELECT push_state = 'ok' AND push_due_at "
	                           "> 0 FROM enrollment WHERE id = '2'"),
	    1);
	assert_int_equal(number(r, "SELECT COUNT(*) FROM event WHERE kind = "
	                           "'push.dead' AND subject_id = '1'"),
	    1);
	assert_int_equal(
	    number(r, "SELECT COUNT(*) FROM command WHERE state = 'queued'"),
	    2);
	/* Dead: another command makes nothing due. */
	queue(r, 1, 1, false);
	assert_int_equal(number(r, "SELECT push_due_at IS NULL FROM "
	                           "enrollment WHERE id = '1'"),
	    1);
}

static void
refused_and_busy(void **state)
{
	AUTO(rig_free) struct rig *r = rig_new();
	struct apns_scheduler_stats st;

	(void)state;
	enroll(r, 1, TOPIC);
	enroll(r, 2, TOPIC);
	enroll(r, 3, TOPIC);
	sim_apns_rule(r->sim, &(struct sim_apns_rule){ .token = "00000001",
	                          .status = 400,
	                          .reason = "BadDeviceToken" });
	sim_apns_rule(r->sim, &(struct sim_apns_rule){ .token = "00000002",
	                          .status = 429,
	                          .reason = "TooManyRequests",
	                          .retry_after_s = 300 });
	sim_apns_rule(r->sim, &(struct sim_apns_rule){ .token = "00000003",
	                          .status = 503,
	                          .reason = "ServiceUnavailable" });
	for (uint32_t n = 1; n <= 3; n++)
		queue(r, n, 1, false);
	rig_start(r);
	wait_number(r,
	    "SELECT COUNT(*) FROM enrollment WHERE push_last_status >= 400", 3);
	assert_int_equal(number(r, "SELECT push_state = 'refused' AND "
	                           "push_due_at IS NULL AND push_last_reason = "
	                           "'BadDeviceToken' FROM enrollment WHERE "
	                           "id = '1'"),
	    1);
	assert_int_equal(number(r, "SELECT COUNT(*) FROM event WHERE kind = "
	                           "'push.refused'"),
	    1);
	assert_int_equal(number(r, "SELECT push_due_at - push_last_at FROM "
	                           "enrollment WHERE id = '2'"),
	    300 * MS_S);
	assert_in_range(number(r, "SELECT push_due_at - push_last_at FROM "
	                          "enrollment WHERE id = '3'"),
	    9 * MS_S, 10 * MS_S);
	apns_scheduler_stats(r->scheduler, &st);
	assert_int_equal(st.pushes[APNS_REFUSED], 1);
	assert_int_equal(st.pushes[APNS_BACK_OFF], 2);
	assert_int_equal(st.due, 0);
	assert_false(st.stopped);
}

/* One event, one stop; what is due stays due, and goes on later. */
static void
stopped_by_certificate(void **state)
{
	AUTO(rig_free) struct rig *r = rig_new();
	struct apns_scheduler_stats st;

	(void)state;
	r->options.stop_ms = 300;
	for (uint32_t n = 1; n <= 50; n++) {
		enroll(r, n, TOPIC);
		queue(r, n, 1, false);
	}
	sim_apns_rule(r->sim,
	    &(struct sim_apns_rule){
	        .token = "", .status = 403, .reason = "BadCertificate" });
	rig_start(r);
	wait_number(
	    r, "SELECT COUNT(*) FROM event WHERE kind = 'push.stopped'", 1);
	wait_number(r,
	    "SELECT COUNT(*) FROM enrollment WHERE push_claim_by IS NULL AND "
	    "push_due_at IS NOT NULL AND push_state = 'ok' AND "
	    "push_attempts = 0",
	    50);
	apns_scheduler_stats(r->scheduler, &st);
	assert_true(st.stopped);
	assert_string_equal(st.stop_reason, "BadCertificate");
	assert_int_equal(pushes(r), 50);
	/* The next try is one push, and no further event. */
	while (pushes(r) < 51)
		clock_sleep_ms(2);
	sim_apns_clear_rules(r->sim);
	wait_number(
	    r, "SELECT COUNT(*) FROM enrollment WHERE push_attempts = 1", 50);
	assert_int_equal(
	    number(r, "SELECT COUNT(*) FROM event WHERE kind = 'push.stopped'"),
	    1);
	assert_int_equal(
	    number(r, "SELECT COUNT(*) FROM event WHERE kind = 'push.resumed'"),
	    1);
	apns_scheduler_stats(r->scheduler, &st);
	assert_false(st.stopped);
}

static void
reload_ends_a_stop(void **state)
{
	AUTO(rig_free) struct rig *r = rig_new();

	(void)state;
	enroll(r, 1, TOPIC);
	queue(r, 1, 1, true);
	sim_apns_rule(r->sim, &(struct sim_apns_rule){ .token = "",
	                          .status = 400,
	                          .reason = "TopicDisallowed",
	                          .count = 1 });
	rig_start(r);
	wait_number(
	    r, "SELECT COUNT(*) FROM event WHERE kind = 'push.stopped'", 1);
	apns_scheduler_reload(r->scheduler);
	wait_number(r, "SELECT push_attempts FROM enrollment", 1);
}

/* Claimed by a scheduler that died: due again when the claim runs out. */
static void
crash(void **state)
{
	AUTO(rig_free) struct rig *r = rig_new();

	(void)state;
	enroll(r, 1, TOPIC);
	queue(r, 1, 1, false);
	EXEC(r,
	    "UPDATE enrollment SET push_claim_by = 'the dead one', "
	    "push_claim_until = $1, push_due_at = $1",
	    S_INT(clock_now_ms() + 500));
	rig_start(r);
	wait_number(r, "SELECT push_attempts FROM enrollment", 1);
	assert_int_equal(pushes(r), 1);
	assert_true(number(r, "SELECT push_claim_by IS NULL FROM enrollment"));
}

/* Another command while the push is under way: one more push follows. */
static void
asked_again_meanwhile(void **state)
{
	AUTO(rig_free) struct rig *r = rig_new();

	(void)state;
	r->options.answer_ms = 400;
	enroll(r, 1, TOPIC);
	queue(r, 1, 1, true);
	sim_apns_rule(
	    r->sim, &(struct sim_apns_rule){
	                .token = "", .action = SIM_APNS_SILENCE, .count = 1 });
	rig_start(r);
	while (pushes(r) < 1)
		clock_sleep_ms(1);
	queue(r, 1, 1, true);
	assert_int_equal(number(r, "SELECT push_claim_by IS NOT NULL AND "
	                           "push_due_at < push_claim_until FROM "
	                           "enrollment"),
	    1);
	/* Without it the next try would be 15 s later. */
	wait_number(r, "SELECT push_attempts FROM enrollment", 1);
	assert_int_equal(pushes(r), 2);
}

static void
other_topic(void **state)
{
	AUTO(rig_free) struct rig *r = rig_new();

	(void)state;
	enroll(r, 1, "com.apple.mgmt.External.other");
	queue(r, 1, 1, false);
	rig_start(r);
	wait_number(r,
	    "SELECT push_due_at IS NULL AND push_claim_by IS NULL AND "
	    "push_last_reason = 'topic_mismatch' FROM enrollment",
	    1);
	assert_int_equal(pushes(r), 0);
	assert_int_equal(number(r, "SELECT COUNT(*) FROM event WHERE kind = "
	                           "'push.refused'"),
	    1);
}

static void
not_reachable(void **state)
{
	AUTO(rig_free) struct rig *r = rig_new();

	(void)state;
	sim_apns_free(&r->sim);
	enroll(r, 1, TOPIC);
	queue(r, 1, 1, false);
	rig_start(r);
	wait_number(r,
	    "SELECT push_last_at IS NOT NULL AND push_attempts = 0 AND "
	    "push_last_status IS NULL AND push_state = 'ok' AND "
	    "push_due_at > push_last_at FROM enrollment",
	    1);
}

static void
waits_for_a_certificate(void **state)
{
	AUTO(rig_free) struct rig *r = rig_new();
	struct apns_scheduler_stats st;

	(void)state;
	EXEC(r, "UPDATE push_certificate SET state = 'old'");
	enroll(r, 1, TOPIC);
	queue(r, 1, 1, false);
	rig_start(r);
	apns_scheduler_stats(r->scheduler, &st);
	assert_int_equal(st.due, 1);
	assert_int_equal(st.cert_not_after, 0);
	save_cert(r);
	apns_scheduler_reload(r->scheduler);
	wait_number(r, "SELECT push_attempts FROM enrollment", 1);
}

static void
due_is_the_earliest(void **state)
{
	AUTO(rig_free) struct rig *r = rig_new();
	AUTO(store_rollback) struct store_tx *tx = NULL;
	struct err e = { 0 };

	(void)state;
	enroll(r, 1, TOPIC);
	must(store_begin(r->st, STORE_WRITE, &tx, &e), &e);
	must(apns_push_due(tx, "1", 9000, &e), &e);
	must(apns_push_due(tx, "1", 5000, &e), &e);
	must(apns_push_due(tx, "1", 7000, &e), &e);
	must(apns_push_due(tx, "nobody", 7000, &e), &e);
	must(store_commit(&tx, &e), &e);
	assert_int_equal(number(r, "SELECT push_due_at FROM enrollment"), 5000);
	EXEC(r, "UPDATE enrollment SET push_due_at = NULL, push_token = NULL");
	must(store_begin(r->st, STORE_WRITE, &tx, &e), &e);
	must(apns_push_due(tx, "1", 5000, &e), &e);
	must(store_commit(&tx, &e), &e);
	assert_int_equal(
	    number(r, "SELECT push_due_at IS NULL FROM enrollment"), 1);
}

static int
set_up(void **state)
{
	struct err e = { 0 };

	(void)state;
	return sim_apns_certs_new(
	           &(struct sim_apns_cert_options){ .topic = TOPIC }, &certs,
	           &e)
	           ? 0
	           : -1;
}

static int
tear_down(void **state)
{
	(void)state;
	sim_apns_certs_free(&certs);
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ten_commands_one_push),
		cmocka_unit_test(lock_goes_at_once),
		cmocka_unit_test(urgent_first),
		cmocka_unit_test(nothing_open_no_push),
		cmocka_unit_test(gone),
		cmocka_unit_test(refused_and_busy),
		cmocka_unit_test(stopped_by_certificate),
		cmocka_unit_test(reload_ends_a_stop),
		cmocka_unit_test(crash),
		cmocka_unit_test(asked_again_meanwhile),
		cmocka_unit_test(other_topic),
		cmocka_unit_test(not_reachable),
		cmocka_unit_test(waits_for_a_certificate),
		cmocka_unit_test(due_is_the_earliest),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
