/*
 * What the push scheduler claims, and in which order.
 */
#include <netinet/in.h>
#include <sys/socket.h>

#include "apns_scheduler_fixture.h"

struct order {
	char first[UUID_SIZE];
};

static void
note_first(const char *id, void *arg)
{
	struct order *o = arg;

	if (o->first[0] == '\0')
		str_copy_cut(o->first, sizeof(o->first), id);
}

/* Two batches wait; the one with a lock is pushed before all others. */
static void
urgent_first(void **state)
{
	AUTO(rig_free) struct rig *r = rig_new();
	struct order o = { 0 };

	(void)state;
	for (uint32_t n = 1; n <= 520; n++) {
		enroll(r, n, TOPIC);
		queue(r, n, 1, n == 515);
	}
	/* It is not even the longest due. */
	EXEC(r, "UPDATE enrollment SET push_due_at = push_due_at + 1 "
	        "WHERE id = '515'");
	rig_start(r);
	wait_number(
	    r, "SELECT COUNT(*) FROM enrollment WHERE push_attempts = 1", 520);
	sim_apns_each_id(r->sim, note_first, &o);
	EXEC(r,
	    "UPDATE enrollment SET push_last_id = NULL WHERE id = '515' "
	    "AND push_last_id = $1",
	    S_TEXT(o.first));
	assert_int_equal(
	    number(r, "SELECT push_last_id IS NULL FROM enrollment WHERE "
	              "id = '515'"),
	    1);
}

static void
note_enrolment(const char *enrollment_id, void *arg)
{
	struct buf *list = arg;

	buf_adds(list, enrollment_id);
	buf_adds(list, " ");
}

/* Whoever wants to know hears of each before it can come. */
static void
a_push_is_announced(void **state)
{
	AUTO(rig_free) struct rig *r = rig_new();
	AUTO(buf_free) struct buf *list = buf_new(1000);

	(void)state;
	enroll(r, 1, TOPIC);
	enroll(r, 2, TOPIC);
	queue(r, 1, 1, false);
	r->options.on_push = note_enrolment;
	r->options.on_push_arg = list;
	rig_start(r);
	wait_number(
	    r, "SELECT COUNT(*) FROM enrollment WHERE push_attempts = 1", 1);
	apns_scheduler_free(&r->scheduler);
	assert_string_equal(buf_str(list), "1 ");
}

struct place {
	char id[UUID_SIZE];
	int64_t at, seen; /* from 1 */
};

static void
find_place(const char *id, void *arg)
{
	struct place *p = arg;

	p->seen++;
	if (str_eq(id, p->id))
		p->at = p->seen;
}

/* A wave fills the window, and APNs is slow: a lock that comes then goes
 * before what was claimed long ago. */
static void
a_lock_overtakes_a_wave(void **state)
{
	enum { WAVE = 40, LATER = 20 };
	AUTO(rig_free) struct rig *r = rig_new();
	AUTO(store_rollback) struct store_tx *tx = NULL;
	AUTO(store_rows_free) struct store_rows *rows = NULL;
	struct place p = { 0 };
	struct err e = { 0 };
	bool more;

	(void)state;
	/* A window of 30: half of what may leave while a claim lives. */
	r->options.per_s = 10;
	r->options.claim_ms = 6 * MS_S;
	for (uint32_t n = 1; n <= WAVE; n++) {
		enroll(r, n, TOPIC);
		queue(r, n, 1, false);
	}
	enroll(r, WAVE + 1, TOPIC);
	rig_start(r);
	while (pushes(r) == 0)
		clock_sleep_ms(1);
	queue(r, WAVE + 1, 1, true);
	wait_number(
	    r, "SELECT push_attempts FROM enrollment WHERE id = '41'", 1);
	assert_true(number(r, "SELECT COUNT(*) FROM enrollment WHERE "
	                      "push_last_id IS NULL") >= WAVE - LATER);
	must(store_begin(r->st, STORE_READ, &tx, &e), &e);
	must(store_query(tx,
	         "SELECT push_last_id FROM enrollment WHERE id = '41'",
	         S_ARGS(), &rows, &e),
	    &e);
	must(store_next(rows, &more, &e), &e);
	str_copy_cut(p.id, sizeof(p.id), store_text(rows, 0));
	sim_apns_each_id(r->sim, find_place, &p);
	assert_in_range(p.at, 1, LATER);
}

enum { NODES_TIMES = 5, NODES_MOST_MS = 3000 };

/* What one node queues another one pushes, by NOTIFY: well before it would
 * have looked by itself, after 10 s. */
static void
another_node_pushes(void **state)
{
	AUTO(rig_free) struct rig *r = rig_new();
	struct store *mine = r->st, *other = NULL;
	AUTO(str_free) char *path = str_printf("%s/db", r->dir);
	AUTO(str_free) char *database = NULL;
	int64_t worst_ms = 0;
	struct err e = { 0 };

	(void)state;
	if (!test_on_pgsql())
		return; /* a file has one node only */
	database = test_database(path);
	must(
	    store_open(&(struct store_options){ .path = database }, &other, &e),
	    &e);
	enroll(r, 1, TOPIC);
	rig_start(r);
	/* It has looked once, and sleeps. */
	queue(r, 1, 1, true);
	wait_number(r, "SELECT push_attempts FROM enrollment", 1);
	for (int i = 0; i < NODES_TIMES; i++) {
		int64_t took_ms, start_ms = clock_mono_ms();

		r->st = other;
		queue(r, 1, 1, true);
		r->st = mine;
		while (pushes(r) < i + 2)
			clock_sleep_ms(1);
		took_ms = clock_mono_ms() - start_ms;
		worst_ms = took_ms > worst_ms ? took_ms : worst_ms;
		wait_number(
		    r, "SELECT push_claim_by IS NULL FROM enrollment", 1);
	}
	print_message(
	    "from another node, at worst %lld ms\n", (long long)worst_ms);
	assert_in_range(worst_ms, 0, NODES_MOST_MS - 1);
	store_close(&other);
}

/* "PUSH <token> <payload>" as the Mac with this token hears it. */
static void
hear(struct rig *r, const char *token, char *line, size_t size)
{
	AUTO(str_free) char *hello = str_printf("HELLO %s\n", token);
	struct sockaddr_in to = { .sin_family = AF_INET,
		.sin_port = htons(sim_apns_device_port(r->sim)),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	size_t n = 0;

	assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
	assert_int_equal(
	    write(fd, hello, strlen(hello)), (ssize_t)strlen(hello));
	while (n + 1 < size && read(fd, &line[n], 1) == 1 && line[n] != '\n')
		n++;
	line[n] = '\0';
	close(fd);
}

/* A user's channel has a token and a magic of its own. */
static void
a_user_is_pushed_as_itself(void **state)
{
	AUTO(rig_free) struct rig *r = rig_new();
	char line[256];

	(void)state;
	enroll(r, 1, TOPIC);
	enroll(r, 2, TOPIC);
	EXEC(r, "UPDATE enrollment SET device_id = '1', channel = 'user', "
	        "user_short_name = 'anna', push_magic = 'of the user' "
	        "WHERE id = '2'");
	rig_start(r);
	queue(r, 2, 1, false);
	hear(r, "00000002", line, sizeof(line));
	assert_string_equal(line, "PUSH 00000002 {\"mdm\":\"of the user\"}");
	wait_number(
	    r, "SELECT push_attempts FROM enrollment WHERE id = '2'", 1);
	assert_int_equal(pushes(r), 1);
	assert_int_equal(
	    number(r, "SELECT push_last_at IS NULL FROM enrollment WHERE "
	              "id = '1'"),
	    1);
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

/* It is known to be dead: its claims are free before they run out. */
static void
claims_of_the_dead_are_free(void **state)
{
	AUTO(rig_free) struct rig *r = rig_new();
	AUTO(store_rollback) struct store_tx *tx = NULL;
	struct err e = { 0 };

	(void)state;
	for (uint32_t n = 1; n <= 3; n++) {
		enroll(r, n, TOPIC);
		queue(r, n, 1, false);
	}
	EXEC(r,
	    "UPDATE enrollment SET push_claim_by = CASE id WHEN '3' THEN "
	    "'another' ELSE 'the dead one' END, push_claim_until = $1, "
	    "push_due_at = $1",
	    S_INT(clock_now_ms() + MS_H));
	/* Its device came meanwhile, and a command was queued since. */
	EXEC(r, "UPDATE enrollment SET push_due_at = 1 WHERE id = '2'");
	rig_start(r);
	must(store_begin(r->st, STORE_WRITE, &tx, &e), &e);
	must(apns_push_abandon(tx, "the dead one", &e), &e);
	must(store_commit(&tx, &e), &e);
	wait_number(
	    r, "SELECT COUNT(*) FROM enrollment WHERE push_attempts = 1", 2);
	assert_int_equal(pushes(r), 2);
	assert_int_equal(
	    number(r, "SELECT push_attempts FROM enrollment WHERE id = '3'"),
	    0);
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
	/* As a check-in leaves one whose topic has no certificate yet; then
	 * that comes. */
	enroll(r, 2, TOPIC);
	EXEC(r, "UPDATE enrollment SET push_state = 'refused', "
	        "push_last_reason = 'topic_mismatch' WHERE id = '2'");
	queue(r, 2, 1, false);
	save_cert(r);
	wait_number(
	    r, "SELECT push_attempts FROM enrollment WHERE id = '2'", 1);
}

/* The database is away for a moment: that costs seconds, not the minute until
 * the next look. */
static void
goes_on_after_a_failed_look(void **state)
{
	AUTO(rig_free) struct rig *r = rig_new();
	struct store_stats st;

	(void)state;
	enroll(r, 1, TOPIC);
	queue(r, 1, 1, true);
	store_stats(r->st, &st);
	EXEC(r, "ALTER TABLE enrollment RENAME COLUMN push_due_at TO away");
	rig_start(r);
	/* The certificate, and its first look. */
	wait_reads(r, st.reads + 2);
	EXEC(r, "ALTER TABLE enrollment RENAME COLUMN away TO push_due_at");
	wait_number(r, "SELECT push_attempts FROM enrollment", 1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(urgent_first),
		cmocka_unit_test(a_push_is_announced),
		cmocka_unit_test(a_lock_overtakes_a_wave),
		cmocka_unit_test(another_node_pushes),
		cmocka_unit_test(a_user_is_pushed_as_itself),
		cmocka_unit_test(nothing_open_no_push),
		cmocka_unit_test(crash),
		cmocka_unit_test(claims_of_the_dead_are_free),
		cmocka_unit_test(other_topic),
		cmocka_unit_test(goes_on_after_a_failed_look),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
