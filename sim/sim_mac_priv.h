/* Inside of a simulated Mac, shared by the sim_mac_*.c files. */
#pragma once

#include "certs/cert_x509.h"
#include "core/fetch.h"
#include "core/limits.h"
#include "core/pl.h"
#include "sim/sim_mac.h"

enum { SIM_PROFILES_MAX = 16, SIM_URL_MAX = 512 };

/* A profile installed by MDM. */
struct sim_profile {
	char identifier[256];
	char uuid[64];
	X509 *identity; /* from its SCEP payload, or NULL */
	EVP_PKEY *key;
};

struct sim_mac {
	struct sim_mac_options o;
	char *serial, *udid, *name, *ca_pem;
	char token[65]; /* hex */
	char magic[37];
	char server_url[SIM_URL_MAX], check_in_url[SIM_URL_MAX];
	char topic[257];
	X509 *identity;
	EVP_PKEY *key;
	struct fetch *fetch; /* kept connections */
	bool enrolled;
	int not_now_left;
	char pin[16];
	struct sim_profile profiles[SIM_PROFILES_MAX];
	size_t profile_count;
	struct buf *report;            /* not sent yet, or NULL */
	char reports_on[LIMIT_ID + 1]; /* the command it ends; "": none */
	struct buf *journal;
};

/* What an enrolment or an installed profile asks for. */
struct sim_scep {
	char url[SIM_URL_MAX], name[128];
	char challenge[1024];
	char cn[256], o[256], email[256];
};
/* The profile inside the signature, once that is verified. */
MUST_CHECK bool sim_profile_open(struct sim_mac *m, struct slice signed_profile,
    struct pl **out, struct err *e);
/* Reads the SCEP payload among the payloads of a profile; *found false if
 * there is none. */
MUST_CHECK bool sim_profile_scep(
    const struct pl *profile, struct sim_scep *out, bool *found, struct err *e);
/* Reads ServerURL, CheckInURL and Topic of the MDM payload. */
MUST_CHECK bool sim_profile_mdm(
    struct sim_mac *m, const struct pl *profile, bool *found, struct err *e);
/* New key, SCEP enrolment, certificate. */
MUST_CHECK bool sim_scep_enroll(struct sim_mac *m, const struct sim_scep *s,
    X509 **cert_out, EVP_PKEY **key_out, struct err *e);
/* PUTs a plist as the device, proved; the answer's body in *out. */
MUST_CHECK bool sim_mac_put(struct sim_mac *m, const char *url,
    const char *type, struct slice body, struct buf **out, struct err *e);
/*
 * Answers one command: appends the report.
 */
struct sim_command {
	const char *uuid, *type;
	const struct pl *dict;
};
MUST_CHECK bool sim_mac_answer(struct sim_mac *m, const struct sim_command *c,
    struct sim_session *session, struct buf *report, struct err *e);
/* A connection cache that trusts the Mac's anchors. */
MUST_CHECK bool sim_mac_fetch(struct sim_mac *m, struct err *e);
void sim_profile_clear(struct sim_profile *p);
