/*
 * The identity by which a Mac speaks to us ends a year after its enrolment,
 * and with it the management: so it is renewed from half of its life on, and
 * whoever watches is told while it is not.
 *
 *	waiting -> queued -> sent -> installed -> done
 *	             ^        |          |
 *	             +-failed-+          |
 *	             +-------------------+ not used within days, or the old
 *	                                   one is used after days
 *
 * The enrolment profile is sent again with a challenge for this one device and
 * the purpose "renew".  The old identity lives on until the Mac has
 * acknowledged the profile, spoken with the new one and, for a day, with no
 *other one; nothing that failed keeps the next try back.
 */
#pragma once

#include <jansson.h>

#include "enroll-profiles/enroll_service.h"
#include "mdm/mdm_device.h"

/* The renderer that mdm/ calls at delivery of the profile. */
struct mdm_renderer enroll_identity_renderer(struct enroll_service *s);
/* Renews the identity of an enrolled device now; one whose renewal is under
 * way keeps it.  ERR_CONFLICT "not_enrolled", "no_identity". */
MUST_CHECK bool enroll_identity_renew(struct store_tx *tx,
    const struct seal *seal, const struct mdm_device *d, const char *by,
    struct err *e);
/* Hook for scep/: a certificate with purpose renew was issued. */
bool enroll_identity_issued(struct store_tx *tx, const struct cert_record *r,
    void *service, struct err *e);
/* Hook for mdm/: the enrolment ended, and its renewal with it. */
bool enroll_identity_left(
    struct store_tx *tx, const char *device_id, struct err *e);
/*
 * Periodic: begins and repeats renewals, retires what was renewed, and tells
 * of identities that end (events identity.expiring at 60, 30, 14, 7 and 1 days,
 * identity.expired).  lease NULL: nobody else does it.
 */
MUST_CHECK bool enroll_identity_tick(
    struct enroll_service *s, const struct store_lease *lease, struct err *e);

/* Adds "identity" to each device of the array (api.md): how it stands, when
 * the one in use ends, and its renewal. */
MUST_CHECK bool enroll_identity_json(
    struct store_tx *tx, json_t *devices, struct err *e);

/* Enrolled Macs by the end of their identity. */
struct enroll_identity_ends {
	int64_t within_30, within_60; /* days; 60 has those of 30 too */
	int64_t ended;
	int64_t first; /* the next end within 60 days; 0: none */
};
MUST_CHECK bool enroll_identity_count(
    struct store_tx *tx, struct enroll_identity_ends *out, struct err *e);
