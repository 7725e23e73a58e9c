/* Reading a profile back. */
#pragma once

#include "tests/unit/enroll_fixture.h"

static inline const char *
text_of(const struct pl *p, const char *key)
{
	const char *s = NULL;

	OK(pl_get_str(p, key, 4096, &s, &e));
	return s;
}

static inline int64_t
int_of(const struct pl *p, const char *key)
{
	int64_t n = 0;

	OK(pl_get_int(p, key, -1, &n, &e));
	return n;
}

static inline bool
bool_of(const struct pl *p, const char *key)
{
	bool v = false;

	assert_true(pl_has(p, key));
	OK(pl_get_bool(p, key, false, &v, &e));
	return v;
}

static inline struct slice
data_of(const struct pl *p, const char *key)
{
	struct slice s = { 0 };

	OK(pl_get_data(p, key, 1 << 20, &s, &e));
	return s;
}

/* The payload of a type, or NULL. */
static inline const struct pl *
payload_of(const struct pl *profile, const char *type)
{
	const struct pl *content = NULL;

	OK(pl_get_array(profile, "PayloadContent", &content, &e));
	assert_non_null(content);
	for (size_t i = 0; i < pl_array_len(content); i++) {
		const struct pl *p = pl_array_item(content, i);

		if (str_eq(text_of(p, "PayloadType"), type))
			return p;
	}
	return NULL;
}

static inline const struct pl *
scep_of(const struct pl *profile)
{
	const struct pl *content = NULL;

	OK(pl_get_dict(payload_of(profile, "com.apple.security.scep"),
	    "PayloadContent", &content, &e));
	assert_non_null(content);
	return content;
}
