/* The chip table, the witnesses against it, and the one wipe decision. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "mdm/mdm_chip_priv.h"

static enum mdm_chip
of_model(const char *id)
{
	return mdm_chip_decide(
	    &(struct mdm_chip_facts){ .model_id = id, .is_apple_silicon = -1 });
}

static const char *const t2_models[] = { "iMacPro1,1", "MacBookPro15,1",
	"MacBookPro15,2", "MacBookPro15,3", "MacBookPro15,4", "MacBookPro16,1",
	"MacBookPro16,2", "MacBookPro16,3", "MacBookPro16,4", "MacBookAir8,1",
	"MacBookAir8,2", "MacBookAir9,1", "Macmini8,1", "MacPro7,1", "iMac20,1",
	"iMac20,2" };

static void
all_t2_models_are_refused(void **state)
{
	struct err e = { 0 };

	(void)state;
	assert_int_equal(COUNT(t2_models), 16);
	for (size_t i = 0; i < COUNT(t2_models); i++) {
		assert_int_equal(of_model(t2_models[i]), MDM_CHIP_T2);
		assert_false(
		    mdm_chip_may_wipe(of_model(t2_models[i]), NULL, &e));
		assert_int_equal(e.code, ERR_REFUSED);
		assert_string_equal(e.slug, "wipe_refused_t2");
	}
}

static void
the_table_is_sorted_and_has_16_t2(void **state)
{
	size_t t2 = 0;

	(void)state;
	for (size_t i = 0; i < mdm_chip_models_count; i++) {
		const struct mdm_chip_model *m = &mdm_chip_models[i];

		t2 += m->chip == MDM_CHIP_T2;
		assert_int_equal(of_model(m->id), m->chip);
		assert_string_equal(mdm_chip_model_name(m->id), m->name);
		if (i > 0)
			assert_true(
			    strcmp(mdm_chip_models[i - 1].id, m->id) < 0);
	}
	assert_int_equal(t2, 16);
}

static void
similar_names_are_told_apart(void **state)
{
	static const struct {
		const char *id;
		enum mdm_chip chip;
	} rows[] = {
		{ "MacBookPro7,1", MDM_CHIP_NONE },
		{ "Mac14,7", MDM_CHIP_APPLE_SILICON },
		{ "Mac99,1", MDM_CHIP_APPLE_SILICON },
		{ "Mac12,1", MDM_CHIP_UNKNOWN },
		{ "Mac14", MDM_CHIP_UNKNOWN },
		{ "Mac14,", MDM_CHIP_UNKNOWN },
		{ "Mac14,7x", MDM_CHIP_UNKNOWN },
		{ "Mac99999,1", MDM_CHIP_UNKNOWN },
		{ "MacPro7,1 ", MDM_CHIP_UNKNOWN },
		{ "MacPro7,11", MDM_CHIP_UNKNOWN },
		{ "macpro7,1", MDM_CHIP_UNKNOWN },
		{ "MacPro7", MDM_CHIP_UNKNOWN },
		{ "MacBookPro13,1", MDM_CHIP_NONE },
		{ "MacBookPro13,2", MDM_CHIP_T1 },
		{ "MacBookPro14,3", MDM_CHIP_T1 },
		{ "MacBookAir10,1", MDM_CHIP_APPLE_SILICON },
		{ "MacBookPro18,3", MDM_CHIP_APPLE_SILICON },
		{ "iMac19,1", MDM_CHIP_NONE },
		{ "iMac21,1", MDM_CHIP_APPLE_SILICON },
		{ "VirtualMac2,1", MDM_CHIP_VIRTUAL },
		{ "VMware99,9", MDM_CHIP_VIRTUAL },
		{ "", MDM_CHIP_UNKNOWN },
		{ NULL, MDM_CHIP_UNKNOWN },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++)
		assert_int_equal(of_model(rows[i].id), rows[i].chip);
}

static void
witnesses_can_only_contradict(void **state)
{
	static const struct {
		struct mdm_chip_facts facts;
		enum mdm_chip chip;
	} rows[] = {
		{ { "iMac14,2", 1, NULL, NULL, 0 }, MDM_CHIP_UNKNOWN },
		{ { "iMac14,2", 0, "not supported", "not supported", 0 },
		    MDM_CHIP_NONE },
		{ { "iMac14,2", 0, "full", NULL, 0 }, MDM_CHIP_UNKNOWN },
		{ { "iMac14,2", -1, NULL, "success", 0 }, MDM_CHIP_UNKNOWN },
		{ { "MacBookPro13,2", -1, "medium", NULL, 0 },
		    MDM_CHIP_UNKNOWN },
		{ { "MacPro7,1", 1, NULL, NULL, 0 }, MDM_CHIP_UNKNOWN },
		{ { "MacPro7,1", 0, "full", "success", 0 }, MDM_CHIP_T2 },
		{ { "MacPro7,1", 0, "not supported", NULL, 0 },
		    MDM_CHIP_UNKNOWN },
		{ { "MacPro7,1", 0, NULL, "not supported", 0 },
		    MDM_CHIP_UNKNOWN },
		{ { "Mac14,2", 0, NULL, NULL, 0 }, MDM_CHIP_UNKNOWN },
		{ { "Mac14,2", 1, "full", "success", 0 },
		    MDM_CHIP_APPLE_SILICON },
		{ { "Mac14,2", 1, NULL, "System is not sealed", 0 },
		    MDM_CHIP_APPLE_SILICON },
		{ { "Mac14,2", 1, "not supported", NULL, 0 },
		    MDM_CHIP_UNKNOWN },
		{ { "Apple99,1", 1, NULL, NULL, 0 }, MDM_CHIP_APPLE_SILICON },
		{ { "Apple99,1", 0, "full", NULL, 0 }, MDM_CHIP_UNKNOWN },
		{ { "VirtualMac2,1", 1, "not supported", NULL, 0 },
		    MDM_CHIP_VIRTUAL },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++)
		assert_int_equal(mdm_chip_decide(&rows[i].facts), rows[i].chip);
}

static void
the_decision(void **state)
{
	struct err e = { 0 };

	(void)state;
	assert_true(mdm_chip_may_wipe(MDM_CHIP_NONE, NULL, &e));
	assert_true(mdm_chip_may_wipe(MDM_CHIP_T1, NULL, &e));
	assert_true(mdm_chip_may_wipe(MDM_CHIP_APPLE_SILICON, NULL, &e));
	assert_true(mdm_chip_may_wipe(MDM_CHIP_VIRTUAL, NULL, &e));
	assert_false(mdm_chip_may_wipe(MDM_CHIP_UNKNOWN, NULL, &e));
	assert_string_equal(e.slug, "chip_unknown");
	assert_false(mdm_chip_may_wipe((enum mdm_chip)77, NULL, &e));
	assert_true(mdm_chip_erases("EraseDevice"));
	assert_false(mdm_chip_erases("DeviceLock"));
	assert_false(mdm_chip_erases(NULL));
}

static void
names_go_both_ways(void **state)
{
	(void)state;
	for (int c = MDM_CHIP_UNKNOWN; c <= MDM_CHIP_VIRTUAL; c++)
		assert_int_equal(
		    mdm_chip_from_name(mdm_chip_name((enum mdm_chip)c)), c);
	assert_int_equal(mdm_chip_from_name("T2"), MDM_CHIP_UNKNOWN);
	assert_int_equal(mdm_chip_from_name(NULL), MDM_CHIP_UNKNOWN);
	assert_string_equal(mdm_chip_name((enum mdm_chip)77), "unknown");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_t2_models_are_refused),
		cmocka_unit_test(the_table_is_sorted_and_has_16_t2),
		cmocka_unit_test(similar_names_are_told_apart),
		cmocka_unit_test(witnesses_can_only_contradict),
		cmocka_unit_test(the_decision),
		cmocka_unit_test(names_go_both_ways),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
