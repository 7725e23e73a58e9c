/* What SCEP clients have, or are to get, in the name of a device that leaves.
 */
#include "scep/scep_device.h"
#include "tests/unit/scep_upstream_fixture.h"

static const struct scep_grant for_device = {
	.template = "corp", .purpose = "scep", .device_id = "d-1"
};

static void
leave(void *arg)
{
	struct front *f = arg;
	AUTO(store_rollback) struct store_tx *tx = NULL;

	assert_ok(store_begin(f->w->store, STORE_WRITE, &tx, e));
	assert_ok(scep_device_left(tx, "d-1", e));
	assert_ok(scep_device_left(tx, "d-1", e)); /* once is enough */
	assert_ok(store_commit(&tx, e));
}

static int64_t
revoked_of(struct front *f, const char *device_id)
{
	return world_number(f->w,
	    "SELECT count(*) FROM certificate WHERE state = 'revoked'"
	    " AND revoke_reason = 5 AND device_id = $1",
	    device_id);
}

static void
certificates_are_revoked(void **state)
{
	struct front *f = *state;
	struct challenge c = world_grant(f->w, for_device);

	EXPECT_P(front_send(f, (struct front_ask){ .challenge = c.text }));
	assert_true(front_step(f, NULL));
	assert_int_equal(front_certificates(f, "issued"), 1);
	leave(f);
	assert_int_equal(front_certificates(f, "issued"), 0);
	assert_int_equal(revoked_of(f, "d-1"), 1);
	assert_int_equal(front_events(f, "certificate.revoked"), 1);
	/* Nor is it given again. */
	EXPECT_F(SCEP_BAD_REQUEST, front_send(f, front_poll));
}

static void
unused_challenges_are_void(void **state)
{
	struct front *f = *state;
	struct challenge c = world_grant(f->w, for_device);

	leave(f);
	EXPECT_F(SCEP_BAD_REQUEST,
	    front_send(f, (struct front_ask){ .challenge = c.text }));
	/* Those of others are not. */
	EXPECT_P(front_send(f, front_good));
}

/* By the clock of a node that is behind, too; and they are kept for a while. */
static void
they_are_void_by_any_clock(void **state)
{
	struct front *f = *state;
	struct challenge c = world_grant(f->w, for_device);
	const char *sql = "SELECT count(*) FROM challenge WHERE id = $1";
	struct err e;

	leave(f);
	clock_set_offset_ms(-30 * MS_MIN);
	EXPECT_F(SCEP_BAD_REQUEST,
	    front_send(f, (struct front_ask){ .challenge = c.text }));
	clock_set_offset_ms(23 * MS_H);
	assert_true(scep_service_purge(f->w->service, NULL, &e));
	assert_int_equal(world_number(f->w, sql, c.id), 1);
	clock_set_offset_ms(25 * MS_H);
	assert_true(scep_service_purge(f->w->service, NULL, &e));
	assert_int_equal(world_number(f->w, sql, c.id), 0);
	clock_set_offset_ms(0);
}

static void
queued_requests_are_closed(void **state)
{
	struct front *f = *state;
	struct challenge c = world_grant(f->w, for_device);

	EXPECT_P(front_send(f, (struct front_ask){ .challenge = c.text }));
	leave(f);
	front_request_is(f, "state", "failed");
	front_request_is(f, "reason", "has left");
	assert_int_equal(front_events(f, "scep.failed"), 1);
	assert_false(front_step(f, NULL));
	assert_int_equal(f->out.asked, 0);
	EXPECT_F(SCEP_BAD_REQUEST, front_send(f, front_poll));
}

/* It leaves while the upstream is asked. */
static void
a_certificate_that_comes_then_is_revoked(void **state)
{
	struct front *f = *state;
	struct challenge c = world_grant(f->w, for_device);

	EXPECT_P(front_send(f, (struct front_ask){ .challenge = c.text }));
	f->out.meanwhile = leave;
	assert_true(front_step(f, NULL));
	front_request_is(f, "state", "failed");
	assert_int_equal(revoked_of(f, "d-1"), 1);
	assert_int_equal(front_certificates(f, "issued"), 0);
	assert_int_equal(front_events(f, "scep.late"), 1);
}

static void
requests_for_a_person_are_rejected(void **state)
{
	struct front *f = *state;
	struct challenge c = world_grant(f->w, for_device);

	front_template(f, "corp", "{\"approval\":true,\"upstream\":\"corp\"}");
	EXPECT_P(front_send(f, (struct front_ask){ .challenge = c.text }));
	front_request_is(f, "state", "pending");
	leave(f);
	front_request_is(f, "state", "rejected");
	assert_int_equal(front_events(f, "scep.rejected"), 1);
	EXPECT_F(SCEP_BAD_REQUEST, front_send(f, front_poll));
}

/* ---- of a user ---- */

static const struct scep_grant for_user = { .template = "corp",
	.purpose = "scep",
	.device_id = "d-1",
	.user_id = "u-1" };

static void
user_leaves(struct front *f, const char *user_id, const char *device_id)
{
	AUTO(store_rollback) struct store_tx *tx = NULL;
	struct scep_leaver l = { user_id, device_id, "test" };

	assert_ok(store_begin(f->w->store, STORE_WRITE, &tx, e));
	assert_ok(scep_user_left(tx, &l, e));
	assert_ok(store_commit(&tx, e));
}

static void
what_is_in_a_users_name_ends(void **state)
{
	struct front *f = *state;
	struct challenge c = world_grant(f->w, for_user);
	struct challenge more = world_grant(f->w, for_user);
	struct challenge mac = world_grant(
	    f->w, (struct scep_grant){ .device_id = "d-1", .user_id = "u-1" });

	EXPECT_P(front_send(f, (struct front_ask){ .challenge = c.text }));
	assert_true(front_step(f, NULL));
	user_leaves(f, "u-2", NULL);
	user_leaves(f, "u-2", "d-1");
	user_leaves(f, "u-1", "d-2");
	assert_int_equal(front_certificates(f, "issued"), 1);
	user_leaves(f, "u-1", "d-1");
	assert_int_equal(front_certificates(f, "issued"), 0);
	EXPECT_F(SCEP_BAD_REQUEST,
	    front_send(f, (struct front_ask){ .challenge = more.text }));
	EXPECT_S(answer_challenge(f->w, f->w->key2, mac.text));
	assert_int_equal(
	    world_number(f->w,
	        "SELECT count(*) FROM certificate WHERE revoke_reason = 3"
	        " AND revoked_by = 'test' AND user_id = $1",
	        "u-1"),
	    1);
	/* Of no device: when she leaves for good. */
	c = world_grant(f->w,
	    (struct scep_grant){
	        .template = "corp", .purpose = "scep", .user_id = "u-1" });
	user_leaves(f, "u-1", "d-1");
	EXPECT_P(front_send(
	    f, (struct front_ask){ .challenge = c.text, .tid = "another" }));
	user_leaves(f, "u-1", NULL);
	assert_int_equal(
	    world_number(f->w,
	        "SELECT count(*) FROM scep_request WHERE state = 'failed'"
	        " AND reason = 'it is in the name of a user who left'"
	        " AND user_id = $1",
	        "u-1"),
	    1);
	assert_false(front_step(f, NULL));
}

int
main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, front_setup, front_teardown)
	const struct CMUnitTest tests[] = {
		T(certificates_are_revoked),
		T(unused_challenges_are_void),
		T(they_are_void_by_any_clock),
		T(queued_requests_are_closed),
		T(a_certificate_that_comes_then_is_revoked),
		T(requests_for_a_person_are_rejected),
		T(what_is_in_a_users_name_ends),
	};

	return cmocka_run_group_tests(tests, front_open, front_close);
}
