/*
 * Certificates for SCEP clients that were made for a device or a user: they end
 * with its management, or when she has it no more.
 */
#pragma once

#include "store/store.h"

/*
 * The device is managed no more, or may be erased: revokes its living
 * certificates of purpose scep (cessation of operation), makes challenges for
 * it void that nobody has used, and closes its requests that wait for a person
 * or an upstream.  Doing it twice does no harm.
 */
MUST_CHECK bool scep_device_left(
    struct store_tx *tx, const char *device_id, struct err *e);

/* Who leaves: of that device, or NULL: for good. */
struct scep_leaver {
	const char *user_id, *device_id, *by;
};
/*
 * The same for what is in a user's name, of that device: certificates of any
 * purpose but the identities of Macs (affiliation changed), challenges and
 * requests.
 */
MUST_CHECK bool scep_user_left(
    struct store_tx *tx, const struct scep_leaver *l, struct err *e);
