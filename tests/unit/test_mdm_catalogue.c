/* Every command of the catalogue, and what is refused about their keys. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "core/json.h"
#include "core/limits.h"
#include "core/pl.h"
#include "mdm/mdm_catalogue_priv.h"

static const struct mdm_key *
keys_of(const char *name)
{
	const struct mdm_catalogue_row *const tables[] = { mdm_catalogue_a,
		mdm_catalogue_m };

	for (size_t t = 0; t < COUNT(tables); t++)
		for (const struct mdm_catalogue_row *r = tables[t];
		     r->name != NULL; r++)
			if (str_eq(r->name, name))
				return r->keys;
	return NULL;
}

static const struct mdm_key *
key_of(const char *name, const char *path)
{
	const struct mdm_key *k = keys_of(name);

	for (; k != NULL && k->path != NULL; k++)
		if (str_eq(k->path, path))
			return k;
	return NULL;
}

static json_t *minimal(const char *name, const char *path, int depth);

static json_t *
value_for(const char *name, const struct mdm_key *k, int depth)
{
	char item[256], first[64] = "x";

	if (k->allowed != NULL)
		snprintf(first, sizeof(first), "%.*s",
		    (int)strcspn(k->allowed, "|"), k->allowed);
	switch (k->type) {
	case MDM_TYPE_STRING:
	case MDM_TYPE_ANY:
		return json_string(first);
	case MDM_TYPE_INTEGER:
		return json_integer(k->allowed != NULL ? first[0] - '0' : 7);
	case MDM_TYPE_BOOLEAN:
		return json_true();
	case MDM_TYPE_DATA:
		return json_string("QUJD");
	case MDM_TYPE_DICT:
		return minimal(name, k->path, depth + 1);
	case MDM_TYPE_ARRAY:
		break;
	}
	snprintf(item, sizeof(item), "%s[]", k->path);
	return key_of(name, item) == NULL
	           ? json_array()
	           : json_pack(
	                 "[o]", value_for(name, key_of(name, item), depth + 1));
}

/* An object with the required keys below path. */
static json_t *
minimal(const char *name, const char *path, int depth)
{
	json_t *o = json_object();
	size_t len = strlen(path);

	assert_true(depth < 8);
	for (const struct mdm_key *k = keys_of(name);
	     k != NULL && k->path != NULL; k++) {
		const char *rest = k->path + len + (len > 0);

		if (!k->required || strncmp(k->path, path, len) != 0 ||
		    (len > 0 && k->path[len] != '.') ||
		    strpbrk(rest, ".[<") != NULL)
			continue;
		json_object_set_new(o, rest, value_for(name, k, depth));
	}
	return o;
}

static bool
build(const char *name, const char *args, struct buf *out, struct err *e)
{
	AUTO(json_free) json_t *j = NULL;
	struct err why = { 0 };

	if (args != NULL && !json_parse_any(slice_str(args), &j, &why))
		fail_msg("%s", why.text);
	buf_reset(out);
	return mdm_catalogue_build(name, j, out, e);
}

static struct buf *xml;

static void
refused(const char *name, const char *args, const char *path)
{
	struct err e = { 0 };

	assert_false(build(name, args, xml, &e));
	assert_int_equal(e.code, ERR_INVALID);
	if (strstr(e.text, path) == NULL)
		fail_msg("\"%s\" does not name %s", e.text, path);
}

static void
accepted(const char *name, const char *args, const char *part)
{
	struct err e = { 0 };

	if (!build(name, args, xml, &e))
		fail_msg("%s", e.text);
	if (strstr(buf_str(xml), part) == NULL)
		fail_msg("no %s in %s", part, buf_str(xml));
}

static void
every_command_builds_with_the_least(void **state)
{
	const char *const *names = mdm_catalogue_names();
	size_t n = 0;

	(void)state;
	for (; names[n] != NULL; n++) {
		AUTO(json_free) json_t *args = minimal(names[n], "", 0);
		AUTO(buf_free) struct buf *document = buf_new(1 << 20);
		AUTO(pl_free) struct pl *p = NULL;
		const char *type = NULL;
		enum mdm_danger danger;
		struct err e = { 0 };

		buf_reset(xml);
		if (!mdm_catalogue_build(names[n], args, xml, &e))
			fail_msg("%s", e.text);
		pl_begin(document);
		buf_adds(document, buf_str(xml));
		pl_end(document);
		assert_true(pl_parse(buf_slice(document), &p, &e));
		assert_true(pl_need_str(p, "RequestType", 64, &type, &e));
		assert_string_equal(type, names[n]);
		assert_true(mdm_catalogue_danger(names[n], &danger, &e));
	}
	assert_int_equal(n, 52);
}

static void
required_keys_are_required(void **state)
{
	(void)state;
	refused("InstallProfile", NULL, "Payload");
	refused("InstallProfile", "{}", "Payload");
	refused("DeviceInformation", "{}", "Queries");
	refused("ScheduleOSUpdate", "{\"Updates\":[]}", "Updates");
	refused("ScheduleOSUpdate", "{\"Updates\":[{}]}",
	    "Updates[].InstallAction");
	refused(
	    "Settings", "{\"Settings\":[{\"Item\":\"Bluetooth\"}]}", "Enabled");
}

static void
types_are_checked(void **state)
{
	(void)state;
	refused("InstallProfile", "{\"Payload\":7}", "Payload");
	refused("InstallProfile", "{\"Payload\":\"no base64!\"}", "Payload");
	refused("RestartDevice", "{\"NotifyUser\":\"yes\"}", "NotifyUser");
	refused("RestartDevice", "{\"KextPaths\":\"/x\"}", "KextPaths");
	refused("RestartDevice", "{\"KextPaths\":[1]}", "KextPaths[]");
	refused("RemoveProfile", "{\"Identifier\":true}", "Identifier");
	refused("RemoveProfile", "{\"Identifier\":null}", "Identifier");
	refused(
	    "InstallApplication", "{\"iTunesStoreID\":1.5}", "iTunesStoreID");
	refused("InstallApplication", "{\"Options\":[]}", "Options");
	refused("RemoveProfile", "[]", "object");
	accepted("RestartDevice", "{\"KextPaths\":[\"/a\",\"/b\"]}",
	    "<string>/b</string>");
}

static void
unknown_keys_are_refused(void **state)
{
	(void)state;
	refused("SecurityInfo", "{\"PIN\":\"123456\"}", "PIN");
	refused(
	    "SecurityInfo", "{\"RequestType\":\"EraseDevice\"}", "RequestType");
	refused("RotateFileVaultKey",
	    "{\"KeyType\":\"personal\",\"FileVaultUnlock\":{},"
	    "\"FileVaultUnlock.Password\":\"x\"}",
	    "FileVaultUnlock.Password");
	refused("Settings", "{\"Settings\":[{\"Item\":\"VoiceRoaming\"}]}",
	    "VoiceRoaming");
	refused(
	    "Settings", "{\"Settings\":[{\"Enabled\":true}]}", "Settings[]");
	refused("Settings", "{\"Settings\":[7]}", "Settings[]");
	refused("Settings",
	    "{\"Settings\":[{\"Item\":\"Bluetooth\",\"Enabled\":true,"
	    "\"HostName\":\"x\"}]}",
	    "HostName");
	refused("EraseMac", NULL, "EraseMac");
	refused("", NULL, "");
}

static void
values_are_checked(void **state)
{
	(void)state;
	refused("EraseDevice", "{\"ObliterationBehavior\":\"Often\"}",
	    "ObliterationBehavior");
	refused("EraseDevice", "{\"ObliterationBehavior\":\"Default|Always\"}",
	    "ObliterationBehavior");
	accepted("EraseDevice", "{\"ObliterationBehavior\":\"Always\"}",
	    "<string>Always</string>");
	refused(
	    "InstallApplication", "{\"ManagementFlags\":2}", "ManagementFlags");
	accepted("InstallApplication", "{\"ManagementFlags\":5}",
	    "<integer>5</integer>");
	refused("DeviceInformation", "{\"Queries\":[\"IMEI\"]}", "Queries[]");
	accepted("DeviceInformation", "{\"Queries\":[\"EACSPreflight\"]}",
	    "EACSPreflight");
}

static void
names_have_at_most_15_characters(void **state)
{
	static const char form[] = "{\"Settings\":[{\"Item\":\"DeviceName\","
	                           "\"DeviceName\":\"%s\"}]}";
	char args[256];
	struct err e = { 0 };

	(void)state;
	/* 15 characters, not bytes */
	snprintf(args, sizeof(args), form, "経理部のマック-0123456");
	accepted("Settings", args, "DeviceName");
	snprintf(args, sizeof(args), form, "");
	refused("Settings", args, "a computer name is not empty");
	snprintf(args, sizeof(args), form, "0123456789abcdef");
	assert_false(build("Settings", args, xml, &e));
	assert_int_equal(e.code, ERR_REFUSED);
	assert_string_equal(e.slug, "name_too_long");
}

static void
free_dictionaries_take_anything(void **state)
{
	char deep[200] = "";

	(void)state;
	accepted("InstallApplication",
	    "{\"Configuration\":{\"com.example.x\":{\"a\":[1,2.5,true,\"<&\"]}"
	    "}}",
	    "&lt;&amp;");
	refused("InstallApplication", "{\"Configuration\":{\"a\":null}}",
	    "Configuration.a");
	for (int i = 0; i < 14; i++)
		snprintf(deep + strlen(deep), sizeof(deep) - strlen(deep),
		    "{\"a\":");
	snprintf(deep + strlen(deep), sizeof(deep) - strlen(deep), "1%s",
	    "}}}}}}}}}}}}}}");
	{
		AUTO(str_free)
		char *args = str_printf("{\"Configuration\":%s}", deep);

		accepted("InstallApplication", args, "<integer>1</integer>");
	}
}

static void
dangers(void **state)
{
	enum mdm_danger d;
	struct err e = { 0 };

	(void)state;
	assert_true(mdm_catalogue_danger("EraseDevice", &d, &e));
	assert_int_equal(d, MDM_ORDER_ONLY);
	assert_true(mdm_catalogue_danger("DeviceLock", &d, &e));
	assert_int_equal(d, MDM_ORDER_ONLY);
	assert_true(mdm_catalogue_danger("DeleteUser", &d, &e));
	assert_int_equal(d, MDM_DESTRUCTIVE);
	assert_true(mdm_catalogue_danger("ProfileList", &d, &e));
	assert_int_equal(d, MDM_HARMLESS);
	assert_false(mdm_catalogue_danger("Format", &d, &e));
	assert_string_equal(e.slug, "unknown_command");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_command_builds_with_the_least),
		cmocka_unit_test(required_keys_are_required),
		cmocka_unit_test(types_are_checked),
		cmocka_unit_test(unknown_keys_are_refused),
		cmocka_unit_test(values_are_checked),
		cmocka_unit_test(names_have_at_most_15_characters),
		cmocka_unit_test(free_dictionaries_take_anything),
		cmocka_unit_test(dangers),
	};
	int failed;

	xml = buf_new(1 << 20);
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	buf_free(&xml);
	return failed;
}
