/* Users, and which user a device is assigned to. */
#pragma once

#include <jansson.h>

#include "core/seal.h"
#include "mdm/mdm_device.h"

struct enroll_user {
	const char *name, *full_name, *email; /* NULL: leave as it is */
};
/* Makes or updates the user; id_out gets its id.  Event user.created. */
MUST_CHECK bool enroll_user_put(struct store_tx *tx,
    const struct enroll_user *u, const char *by, char id_out[37],
    struct err *e);
MUST_CHECK bool enroll_user_list(struct store_tx *tx, const char *after,
    int64_t limit, json_t *array, char **next_out, struct err *e);
/* With device_count, and the first LIMIT_PAGE of its devices. */
MUST_CHECK bool enroll_user_json(
    struct store_tx *tx, const char *name_or_id, json_t **out, struct err *e);
/* Deletes the user; its devices are unassigned first. */
MUST_CHECK bool enroll_user_delete(struct store_tx *tx, const struct seal *seal,
    const char *name_or_id, const char *by, struct err *e);

/*
 * Assigns the device to the user and starts the rollout of its certificate
 * (InstallProfile with a SCEP payload whose challenge is made at delivery).
 * The same user again is no change.  Another user: unassigns first.  Event
 * device.assigned.
 */
MUST_CHECK bool enroll_user_assign(struct store_tx *tx, const struct seal *seal,
    const struct mdm_device *d, const char *user_id, const char *by,
    struct err *e);
/* Removes the profile, revokes the certificate.  Nobody assigned: no change. */
MUST_CHECK bool enroll_user_unassign(struct store_tx *tx,
    const struct seal *seal, const struct mdm_device *d, const char *by,
    struct err *e);
