/*
 * Subjects with variables: what a template says before it is known for whom.
 *
 * $NAME or ${NAME} stands for a value, $$ for a dollar.  Values come from
 * whom the certificate is for, as we know him, and never from a request; they
 * may still be hostile, since devices and people choose their names.  No
 * state; any thread.
 */
#pragma once

#include <jansson.h>

#include "certs/cert_template.h"

/* NULL or "": there is none.  Strings are borrowed. */
struct cert_variables {
	const char *name;      /* $NAME: of the device */
	const char *serial;    /* $SERIAL */
	const char *udid;      /* $UDID */
	const char *model;     /* $MODEL */
	const char *user;      /* $USER: short name */
	const char *full_name; /* $FULLNAME */
	const char *email;     /* $EMAIL */
};

/* Sets of variables. */
enum {
	CERT_VARIABLES_NONE = 0,
	CERT_VARIABLE_NAME = 1,
	CERT_VARIABLES_USER = 0x70 /* USER, FULLNAME, EMAIL */
};
#define CERT_VARIABLES_ALL (~0u)

/* Reads {"NAME": "...", "SERIAL": "..."}; absent keys leave what is in out.
 * Strings are borrowed from o.  ERR_INVALID names what is wrong. */
MUST_CHECK bool cert_variables_read(
    const json_t *o, struct cert_variables *out, struct err *e);

/* ERR_INVALID: there is no such variable, it is none of these, or text without
 * variables is not what a certificate can say. */
MUST_CHECK bool cert_pattern_check(
    const struct cert_subject *pattern, unsigned allowed, struct err *e);

/*
 * *json_out: the subject, checked, as cert_subject_json() writes it; the
 * caller's.  ERR_INVALID names the variable that has no value, or one that
 * does not fit where it stands: in a name of a host no dots and no '*' unless
 * it is the whole name, in a mail address no second '@'; in a URI values are
 * percent-encoded.
 */
MUST_CHECK bool cert_pattern_expand(const struct cert_subject *pattern,
    const struct cert_variables *v, char **json_out, struct err *e);
