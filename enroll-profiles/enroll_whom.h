/* Whom a certificate is for: a device, a user, or both, as the variables of a
 * template's subject. */
#pragma once

#include "certs/cert_pattern.h"
#include "mdm/mdm_device.h"

struct enroll_whom {
	struct mdm_device device; /* id "": none */
	char user_id[37];         /* "": nobody */
	char user[256], full_name[256], email[256];
};
struct enroll_whom_wish {
	const char *device; /* as of mdm_device_find(); NULL: none */
	const char *user;   /* name or id; NULL: who has the device */
};
/* ERR_NOT_FOUND, ERR_CONFLICT: as of mdm_device_find(), and for users. */
MUST_CHECK bool enroll_whom_find(struct store_tx *tx,
    const struct enroll_whom_wish *wish, struct enroll_whom *out,
    struct err *e);
/* Borrowed from w; what is not known is NULL. */
struct cert_variables enroll_whom_variables(const struct enroll_whom *w);
