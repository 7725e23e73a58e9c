/*
 * Enrolment by Safari: GET /enroll (page), GET /enroll/profile (the signed
 * profile, made for this one download), GET /enroll/ca.crt (root).
 */
#pragma once

#include "certs/cert_ledger.h"
#include "core/seal.h"
#include "http/http.h"
#include "mdm/mdm_service.h"

struct enroll_service;

struct enroll_options {
	struct store *store;
	const struct seal *seal;
	struct cert_live *live;
	const char *organization;
	const char *public_url; /* "https://mdm.example.com" */
	/* Signs profiles: the TLS certificate and its chain, PEM. */
	const char *signer_cert_pem, *signer_key_pem;
	/* Topic of the push certificate; "" : /enroll says it is not ready
	 * (503), because a profile without topic strands the Mac. */
	const char *topic;
	int64_t challenge_ttl_ms; /* 0: 1 h */
	bool ship_anchors; /* put our root and issuing CA in the profile */
	/* Profiles one address may download in a minute, since each makes a
	 * challenge; 0: 60, below 0: no limit (tests, or behind a proxy that
	 * limits). */
	int downloads_per_min;
};
MUST_CHECK bool enroll_service_new(
    const struct enroll_options *o, struct enroll_service **out, struct err *e);
void enroll_service_free(struct enroll_service **s);
void enroll_http_add(struct http_server *h, struct enroll_service *s);
/* After an import of the push certificate. */
void enroll_service_set_topic(struct enroll_service *s, const char *topic);

/* From now on this certificate signs profiles (PEM, with its chain).
 * ERR_INVALID: it stays as it is. */
MUST_CHECK bool enroll_service_set_signer(struct enroll_service *s,
    const char *cert_pem, const char *key_pem, struct err *e);

/* The renderer that mdm/ calls at delivery of a rollout's commands. */
struct mdm_renderer enroll_rollout_renderer(struct enroll_service *s);
/* After an administrator revoked a certificate for good: if a rollout is what
 * it was for, the profile is taken off the Mac; assigning the user again sends
 * a new one. */
MUST_CHECK bool enroll_rollout_revoked(struct store_tx *tx,
    const struct seal *seal, const struct cert_entry *c, const char *by,
    struct err *e);
/* Hook for scep/: a certificate with purpose rollout was issued. */
bool enroll_rollout_issued(struct store_tx *tx, const struct cert_record *r,
    void *service, struct err *e);
/* Hook for mdm/: the enrolment ended; revokes what was rolled out, and what
 * SCEP clients have in the name of the device.  why "wiped" also unassigns the
 * user: a new certificate takes a new assignment. */
bool enroll_rollout_left(struct store_tx *tx, const char *device_id,
    const char *why, void *service, struct err *e);
/* Hook for mdm/: a Mac enrolled.  Starts the rollout of a user assigned
 * meanwhile; one whose certificate it had before waits for an administrator,
 * since nobody vouched that this is the same Mac. */
bool enroll_rollout_enrolled(
    struct store_tx *tx, const char *device_id, void *service, struct err *e);
/* Hook for mdm/: a Mac that was taken for wiped is there.  Its profiles are
 * too, with certificates that were revoked: they are removed. */
bool enroll_rollout_returned(
    struct store_tx *tx, const char *device_id, void *service, struct err *e);
/* Hook for mdm/: a Mac got a wipe and never answered.  Revokes the same
 * certificates; the user's profile is removed should the Mac come again.  The
 * user stays assigned. */
bool enroll_rollout_wipe_unconfirmed(
    struct store_tx *tx, const char *device_id, void *service, struct err *e);
/* Periodic: retries of failed rollouts; lease NULL: nobody else does it. */
MUST_CHECK bool enroll_service_tick(
    struct enroll_service *s, const struct store_lease *lease, struct err *e);
