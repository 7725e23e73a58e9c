/* What a Mac answers about itself, and what follows from it. */
#include "mdm_fixture.h"

/* Answers the DeviceInformation and SecurityInfo that wait. */
static void
report(struct world *w, const char *information, const char *security)
{
	AUTO(store_rollback) struct store_tx *tx = NULL;
	AUTO(str_free) char *device = text(w, "SELECT id FROM device");

	OK(store_begin(w->store, STORE_WRITE, &tx, e));
	OK(mdm_inventory_ask(tx, w->seal, device, "token:test", e));
	OK(store_commit(&tx, e));
	idle(w, 'a', UDID_1);
	while (w->type[0] != '\0') {
		bool first = str_eq(w->type, "DeviceInformation");
		AUTO(str_free)
		char *more = str_printf("<key>%s</key><dict>%s</dict>",
		    first ? "QueryResponses" : "SecurityInfo",
		    first ? information : security);
		AUTO(str_free) char *id = str_dup(w->id);
		struct reply r = { UDID_1, id, "Acknowledged", more };

		if (!reply(w, 'a', &r))
			fail_msg("%s", w->e.text);
	}
}

#define INFO(model, name)                                                      \
	"<key>ProductName</key><string>" model "</string>"                     \
	"<key>DeviceName</key><string>" name "</string>"                       \
	"<key>OSVersion</key><string>14.1</string>"

static void
facts_are_taken_in(void **state)
{
	struct world *w = *state;

	enroll(w, &mac_1);
	report(w, INFO("Mac14,2", "Neu") "<key>IsAppleSilicon</key><true/>",
	    "<key>FDE_Enabled</key><true/>");
	assert_text(w, "SELECT name FROM device", "Neu");
	assert_text(w, "SELECT chip FROM device", "apple-silicon");
	assert_text(
	    w, "SELECT model_name FROM device", mdm_chip_model_name("Mac14,2"));
	assert_text(w, "SELECT os_version FROM device", "14.1");
	assert_int_equal(events(w, "device.updated"), 1);
	assert_int_equal(
	    count(w, "SELECT COUNT(*) FROM device WHERE information LIKE "
	             "'%\"IsAppleSilicon\":true%'"),
	    1);
	assert_int_equal(
	    count(w, "SELECT COUNT(*) FROM device WHERE security LIKE "
	             "'%\"FDE_Enabled\":true%'"),
	    1);
}

/* Whoever may see devices sees the documents. */
static void
secrets_are_not_in_the_documents(void **state)
{
	struct world *w = *state;

	enroll(w, &mac_1);
	report(w,
	    INFO("Mac14,2", "Neu") "<key>UnlockToken</key><data>QQ==</data>",
	    "<key>FDE_Enabled</key><true/>"
	    "<key>FDE_PersonalRecoveryKeyCMS</key><data>QQ==</data>");
	assert_int_equal(
	    count(w, "SELECT COUNT(*) FROM device WHERE information LIKE "
	             "'%UnlockToken%' OR security LIKE '%RecoveryKeyCMS%'"),
	    0);
	assert_int_equal(
	    count(w, "SELECT COUNT(*) FROM device WHERE security LIKE "
	             "'%\"FDE_Enabled\":true%'"),
	    1);
}

static void
the_time_moves_only_with_a_difference(void **state)
{
	struct world *w = *state;
	int64_t at;

	enroll(w, &mac_1);
	report(w, INFO("iMac14,2", "A"), "<key>FDE_Enabled</key><true/>");
	at = count(w, "SELECT information_at FROM device");
	assert_true(at > 0);
	clock_set_offset_ms(MS_H);
	report(w, INFO("iMac14,2", "A"), "<key>FDE_Enabled</key><false/>");
	assert_int_equal(count(w, "SELECT information_at FROM device"), at);
	assert_true(count(w, "SELECT security_at FROM device") > at);
	report(w, INFO("iMac14,2", "B"), "<key>FDE_Enabled</key><false/>");
	assert_true(count(w, "SELECT information_at FROM device") > at);
	assert_int_equal(events(w, "device.updated"), 2);
}

static void
witnesses_that_contradict_make_it_unknown(void **state)
{
	struct world *w = *state;

	enroll(w, &mac_1);
	report(w, INFO("iMac14,2", "A"),
	    "<key>SecureBoot</key><dict><key>SecureBootLevel</key>"
	    "<string>full</string></dict>");
	assert_text(w, "SELECT chip FROM device", "unknown");
	report(w, INFO("iMac14,2", "A"),
	    "<key>SecureBoot</key><dict><key>SecureBootLevel</key>"
	    "<string>not supported</string></dict>");
	assert_text(w, "SELECT chip FROM device", "none");
	/* The two answers speak against each other too. */
	report(w,
	    INFO("MacPro7,1", "A") "<key>EACSPreflight</key>"
	                           "<string>success</string>",
	    "<key>SecureBoot</key><dict><key>SecureBootLevel</key>"
	    "<string>full</string></dict>");
	assert_text(w, "SELECT chip FROM device", "t2");
}

/* An answer to a command that asked for less than all. */
static void
report_part(struct world *w, const char *information)
{
	AUTO(str_free)
	char *more =
	    str_printf("<key>QueryResponses</key><dict>%s</dict>", information);
	char id[37];

	queue(w, "DeviceInformation", id);
	idle(w, 'a', UDID_1);
	assert_string_equal(w->id, id);
	if (!reply(w, 'a', &(struct reply){ UDID_1, id, "Acknowledged", more }))
		fail_msg("%s", w->e.text);
}

static void
a_partial_answer_takes_nothing_away(void **state)
{
	struct world *w = *state;

	enroll(w, &mac_1);
	report(w,
	    INFO("iMac14,2", "A") "<key>IsAppleSilicon</key><true/>"
	                          "<key>BatteryLevel</key><real>0.5</real>",
	    "");
	assert_text(w, "SELECT chip FROM device", "unknown");
	report_part(w, "<key>BatteryLevel</key><real>0.25</real>");
	assert_text(w, "SELECT chip FROM device", "unknown");
	assert_int_equal(count(w, "SELECT COUNT(*) FROM device WHERE "
	                          "information LIKE '%IsAppleSilicon\":true%' "
	                          "AND information LIKE '%\":0.25%'"),
	    1);
}

/* A word that tells nothing does not replace one that did. */
static void
a_witness_is_remembered(void **state)
{
	struct world *w = *state;

	enroll(w, &mac_1);
	report(w,
	    INFO("iMac14,2", "A") "<key>EACSPreflight</key>"
	                          "<string>success</string>",
	    "");
	assert_text(w, "SELECT chip FROM device", "unknown");
	report_part(w, "<key>EACSPreflight</key><string>failed</string>");
	assert_text(w, "SELECT chip FROM device", "unknown");
	/* Nor does a document that is gone. */
	execute(w, "UPDATE device SET information = NULL, security = NULL");
	report_part(w, "<key>BatteryLevel</key><real>0.25</real>");
	assert_text(w, "SELECT chip FROM device", "unknown");
	report_part(
	    w, "<key>EACSPreflight</key><string>not supported</string>");
	assert_text(w, "SELECT chip FROM device", "none");
}

static void
a_model_with_the_t2_is_never_forgotten(void **state)
{
	struct world *w = *state;

	enroll(w, &mac_1);
	report(w, INFO("MacPro7,1", "A"), "");
	assert_text(w, "SELECT chip FROM device", "t2");
	report(w, INFO("iMac14,2", "A"), "");
	assert_text(w, "SELECT chip FROM device", "unknown");
	report(w, INFO("MacPro7,1", "A"), "");
	assert_text(w, "SELECT chip FROM device", "t2");
}

/* Nobody fills the database with keys of his own. */
static void
an_endless_document_is_replaced(void **state)
{
	struct world *w = *state;
	AUTO(store_rollback) struct store_tx *tx = NULL;
	struct mdm_device d;
	int64_t size;

	enroll(w, &mac_1);
	OK(store_begin(w->store, STORE_WRITE, &tx, e));
	OK(mdm_device_find(tx, UDID_1, &d, e));
	for (char key = 'a'; key < 'e'; key++) {
		AUTO(str_free) char *filler = mem_zalloc(2000001, 1);
		struct mdm_findings f = { 0 };

		memset(filler, 'x', 2000000);
		f.information = str_printf("{\"%c\":\"%s\"}", key, filler);
		OK(mdm_inventory_apply(tx, d.id, &f, e));
		mdm_findings_clear(&f);
	}
	OK(store_commit(&tx, e));
	size = count(w, "SELECT LENGTH(information) FROM device");
	assert_in_range(size, 2000000, 4 << 20);
}

static void
a_long_name_is_reported_once(void **state)
{
	struct world *w = *state;

	enroll(w, &mac_1);
	report(w, INFO("iMac14,2", "0123456789abcdef"), "");
	assert_int_equal(count(w, "SELECT name_too_long FROM device"), 1);
	report(w, INFO("iMac14,2", "0123456789abcdef"), "<key>a</key><true/>");
	assert_int_equal(events(w, "device.name_too_long"), 1);
	report(w, INFO("iMac14,2", "short"), "");
	assert_int_equal(count(w, "SELECT name_too_long FROM device"), 0);
}

static void
a_foreign_serial_is_an_alarm(void **state)
{
	struct world *w = *state;
	struct mac other = { 'b', UDID_2, "OTHER1", "iMac14,2", "B", "12.0" };
	struct mac nameless = mac_1;

	nameless.serial = "";
	enroll(w, &nameless);
	enroll(w, &other);
	execute(w, "DELETE FROM command");
	{
		AUTO(store_rollback) struct store_tx *tx = NULL;
		struct mdm_findings f = {
			.information =
			    str_dup("{\"SerialNumber\":\"OTHER1\"}")
		};
		struct mdm_device d;

		OK(store_begin(w->store, STORE_WRITE, &tx, e));
		OK(mdm_device_find(tx, UDID_1, &d, e));
		OK(mdm_inventory_apply(tx, d.id, &f, e));
		mdm_findings_clear(&f);
		f.information = str_dup("{\"SerialNumber\":\"mine1\"}");
		OK(mdm_inventory_apply(tx, d.id, &f, e));
		mdm_findings_clear(&f);
		f.information = str_dup("{\"SerialNumber\":\"MINE2\"}");
		OK(mdm_inventory_apply(tx, d.id, &f, e));
		mdm_findings_clear(&f);
		f.information = str_dup("{\"SerialNumber\":\"" UDID_2 "\"}");
		OK(mdm_inventory_apply(tx, d.id, &f, e));
		mdm_findings_clear(&f);
		OK(store_commit(&tx, e));
	}
	assert_int_equal(events(w, "device.serial_conflict"), 1);
	assert_int_equal(events(w, "device.identity_conflict"), 1);
	assert_int_equal(events(w, "device.serial_refused"), 1);
	assert_text(
	    w, "SELECT serial FROM device WHERE udid = '" UDID_1 "'", "MINE1");
}

static void
an_answer_that_cannot_be_read_stops_nothing(void **state)
{
	struct world *w = *state;
	AUTO(str_free) char *id = NULL;

	enroll(w, &mac_1);
	idle(w, 'a', UDID_1);
	id = str_dup(w->id);
	assert_true(reply(w, 'a',
	    &(struct reply){ UDID_1, id, "Acknowledged",
	        "<key>QueryResponses</key><string>none</string>" }));
	assert_string_equal(w->type, "SecurityInfo");
	assert_text(w,
	    "SELECT error_text FROM command WHERE state = 'acknowledged'",
	    "its answer could not be read");
	assert_int_equal(
	    count(w, "SELECT COUNT(*) FROM command WHERE result IS NOT NULL"),
	    1);
}

#define T(name) cmocka_unit_test_setup_teardown(name, world_make, world_drop)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(facts_are_taken_in),
		T(secrets_are_not_in_the_documents),
		T(the_time_moves_only_with_a_difference),
		T(witnesses_that_contradict_make_it_unknown),
		T(a_partial_answer_takes_nothing_away),
		T(a_witness_is_remembered),
		T(a_model_with_the_t2_is_never_forgotten),
		T(an_endless_document_is_replaced),
		T(a_long_name_is_reported_once),
		T(a_foreign_serial_is_an_alarm),
		T(an_answer_that_cannot_be_read_stops_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
