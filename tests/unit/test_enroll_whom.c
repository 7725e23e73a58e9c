/* Whom a certificate is for, and the subject that a rollout's template makes
 * of it. */
#include "certs/cert_template_set.h"
#include "core/json.h"
#include "enroll-profiles/enroll_whom.h"
#include "tests/unit/enroll_payload.h"

static int
setup(void **state)
{
	struct site *s = site_open();
	struct store_tx *tx = site_write(s);
	struct mdm_device d;
	char id[UUID_SIZE];

	OK(enroll_user_put(tx,
	    &(struct enroll_user){ "sato", "佐藤", "sato@example.com" }, "test",
	    id, &e));
	OK(enroll_user_put(
	    tx, &(struct enroll_user){ "ito", NULL, NULL }, "test", id, &e));
	site_commit(tx);
	site_mac(s,
	    (struct mac){ .id = "D1", .serial = "C02A", .name = "sato's mac" });
	tx = site_write(s);
	d = site_find(tx, "D1");
	OK(enroll_user_assign(tx, s->seal, &d, "sato", "test", &e));
	site_commit(tx);
	*state = s;
	return 0;
}

static void
found_by_what_is_known(void **state)
{
	static const struct {
		struct enroll_whom_wish wish;
		const char *serial, *user;
	} rows[] = {
		{ { "C02A", NULL }, "C02A", "sato" },
		{ { "D1", "ito" }, "C02A", "ito" },
		{ { NULL, "sato" }, NULL, "sato" },
		{ { NULL, NULL }, NULL, NULL },
	};
	struct site *s = *state;
	struct store_tx *tx = site_write(s);
	struct enroll_whom w;
	struct err why = { 0 };

	for (size_t i = 0; i < COUNT(rows); i++) {
		struct cert_variables v;

		OK(enroll_whom_find(tx, &rows[i].wish, &w, &e));
		v = enroll_whom_variables(&w);
		assert_true(str_eq(v.serial, rows[i].serial));
		assert_true(str_eq(v.user, rows[i].user));
	}
	assert_false(enroll_whom_find(
	    tx, &(struct enroll_whom_wish){ .user = "kato" }, &w, &why));
	assert_int_equal(why.code, ERR_NOT_FOUND);
	store_rollback(&tx);
}

static void
change_template(struct site *s, const char *subject)
{
	AUTO(json_free) json_t *fields = NULL;
	AUTO(str_free) char *text = str_printf("{\"subject\":%s}", subject);
	struct store_tx *tx = site_write(s);

	OK(json_parse(slice_str(text), &fields, &e));
	OK(cert_template_put(tx, CERT_TEMPLATE_USER, fields, "test", &e));
	site_commit(tx);
}

/* Delivers the one rollout that there is. */
static bool
deliver(struct site *s, struct err *why)
{
	struct mdm_renderer m = enroll_rollout_renderer(s->enroll);
	AUTO(buf_free) struct buf *dict = buf_new(1 << 20);
	AUTO(str_free)
	char *id = str_dup(
	    site_text(s, "SELECT id FROM rollout WHERE device_id = $1", "D1"));
	AUTO(str_free)
	char *command = str_dup(site_text(
	    s, "SELECT command_id FROM rollout WHERE device_id = $1", "D1"));
	AUTO(store_rollback) struct store_tx *tx = site_write(s);

	return m.render(tx, id, command, dict, m.arg, why) &&
	       store_commit(&tx, why);
}

static void
rollouts_follow_their_template(void **state)
{
	struct site *s = *state;
	struct err why = { 0 };

	change_template(s,
	    "{\"cn\":\"$FULLNAME\",\"uid\":\"$USER\",\"ou\":\"$NAME\","
	    "\"dns\":\"$SERIAL.mac.example.com\",\"email\":\"$EMAIL\"}");
	OK(deliver(s, &e));
	assert_string_equal(
	    site_text(
	        s, "SELECT subject FROM challenge WHERE device_id = $1", "D1"),
	    "{\"cn\":\"佐藤\",\"ou\":\"sato's mac\",\"uid\":\"sato\","
	    "\"email\":\"sato@example.com\","
	    "\"dns\":\"C02A.mac.example.com\"}");
	/* mdm/ ends a command that cannot be written, with this reason. */
	change_template(s, "{\"cn\":\"$MODEL\"}");
	assert_false(deliver(s, &why));
	assert_int_equal(why.code, ERR_INVALID);
	assert_non_null(strstr(why.text, "$MODEL"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(found_by_what_is_known),
		cmocka_unit_test(rollouts_follow_their_template),
	};

	return cmocka_run_group_tests(tests, setup, site_teardown);
}
