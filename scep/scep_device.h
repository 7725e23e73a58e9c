/*
 * Certificates for SCEP clients that were made for a device: they end with its
 * management, as those of its user do.
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
