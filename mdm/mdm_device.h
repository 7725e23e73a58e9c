/* Devices: Macs, one row for the life of the machine. */
#pragma once

#include <jansson.h>

#include "mdm/mdm_chip.h"
#include "store/store.h"

enum { MDM_ENROLLMENT_ID = 258 }; /* UDID or UDID:UserID */

struct mdm_device {
	char id[37], udid[129], serial[129]; /* serial "" : not told yet */
	char state[16]; /* enrolling, enrolled, left, wiped, deleted */
	char name[256], model_id[65], model_name[129];
	bool name_too_long; /* more than 15 characters: DOMAIN rule 3 */
	enum mdm_chip chip;
	unsigned chip_heard; /* mdm_chip_hear() */
	char os_version[33], os_build[33];
	char user_id[37]; /* "" : nobody */
	int64_t enrolled_at, last_seen_at, created_at, updated_at;
	int64_t information_at, security_at;
};

/*
 * By our id, or else by serial or UDID (any case) or name, which must all fit
 * the same device: Macs choose them, and an order for one must not reach
 * another.  ERR_NOT_FOUND; ERR_CONFLICT "ambiguous_device".
 */
MUST_CHECK bool mdm_device_find(struct store_tx *tx, const char *any,
    struct mdm_device *out, struct err *e);
/* Id of its enrolled device channel; "" : there is none. */
MUST_CHECK bool mdm_device_channel(struct store_tx *tx, const char *device_id,
    char out[MDM_ENROLLMENT_ID], struct err *e);
/* Keyset paging by serial then id.  Objects as the API shows them are
 * appended to the array; *next_out is the key for the next page (caller's) or
 * NULL. */
struct mdm_device_page {
	const char *after; /* NULL: from the start */
	const char *like;  /* part of name, serial, UDID or user; NULL: all */
	int64_t limit;
};
MUST_CHECK bool mdm_device_list(struct store_tx *tx,
    const struct mdm_device_page *page, json_t *array, char **next_out,
    struct err *e);
/* The object the API shows: device, enrolment, open commands, last order,
 * rollout state.  Caller's. */
MUST_CHECK bool mdm_device_json(struct store_tx *tx, const struct mdm_device *d,
    bool whole, json_t **out, struct err *e);
/*
 * Ends the management of a Mac: its enrolments, open orders and commands, and
 * its certificates.  The row stays as "deleted" for the history, and is found
 * by its id alone; serial number and UDID are free.  Deleted before: nothing.
 * The caller takes the user away.
 */
MUST_CHECK bool mdm_device_delete(struct store_tx *tx,
    const struct mdm_device *d, const char *by, struct err *e);
/* ERR_REFUSED "name_too_long" above 15 characters; ERR_INVALID for none. */
MUST_CHECK bool mdm_device_name_ok(const char *name, struct err *e);
