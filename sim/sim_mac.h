/*
 * A simulated Mac: does what a Mac does from the enrolment URL on, over real
 * connections, and answers commands as its class of chip would.
 *
 * One struct sim_mac belongs to one thread at a time; sim_fleet.h runs many.
 */
#pragma once

#include "core/str.h"

struct sim_mac;

/* What the machine is.  Strings are borrowed and must outlive the Mac. */
struct sim_model {
	const char *name;     /* "intel", "t2", "apple-silicon" */
	const char *model_id; /* ProductName */
	const char *model_name;
	const char *os_version, *os_build;
	bool apple_silicon, t2;
};
/* NULL if there is no such model; "intel", "t2", "apple-silicon". */
const struct sim_model *sim_model_find(const char *name);

struct sim_mac_options {
	const struct sim_model *model;
	const char *serial, *udid, *name; /* copied */
	const char *ca_pem; /* anchors for TLS and the profile; copied */
	bool tls_identity;  /* prove by TLS client certificate, not by
	                     * Mdm-Signature */
	bool scep_get;      /* SCEP by GET */
	int not_now;        /* first so many commands are answered NotNow */
};

struct sim_mac *sim_mac_new(const struct sim_mac_options *o);
void sim_mac_free(struct sim_mac **m);

/*
 * Opens the enrolment URL ("https://host/enroll"), downloads the profile,
 * verifies its signature, enrols by SCEP, sends Authenticate and TokenUpdate.
 */
MUST_CHECK bool sim_mac_enroll(
    struct sim_mac *m, const char *url, struct err *e);

/* What happened in a session. */
struct sim_session {
	int commands;     /* commands received */
	bool not_now;     /* the last answer was NotNow: it comes by itself */
	bool locked;      /* DeviceLock was among them */
	bool erased;      /* EraseDevice was: the enrolment is gone */
	bool wrong_erase; /* a T2 Mac was sent EraseDevice: a failure */
};
/* Connects: Idle, then answers until the server has nothing more. */
MUST_CHECK bool sim_mac_connect(
    struct sim_mac *m, struct sim_session *out, struct err *e);
/* The profile is removed: CheckOut. */
MUST_CHECK bool sim_mac_check_out(struct sim_mac *m, struct err *e);

/* The server is at another "https://host:port" now.  No real Mac could be told
 * so.  An URL that gets too long stays. */
void sim_mac_move(struct sim_mac *m, const char *base);

bool sim_mac_enrolled(const struct sim_mac *m);
const char *sim_mac_serial(const struct sim_mac *m);
const char *sim_mac_udid(const struct sim_mac *m);
/* Hex of its push token; made with the Mac. */
const char *sim_mac_token(const struct sim_mac *m);
const char *sim_mac_magic(const struct sim_mac *m);
/* PIN of the last DeviceLock, "" if none; for tests. */
const char *sim_mac_pin(const struct sim_mac *m);
/* Identity certificates from profiles, besides the one of MDM. */
size_t sim_mac_identities(const struct sim_mac *m);
/* UUIDs of the commands it ended and whose report the server took with a
 * 2xx, one a line; for accounting. */
const char *sim_mac_journal(const struct sim_mac *m);

/* State across restarts of the simulator: one file of mode 0600. */
MUST_CHECK bool sim_mac_save(
    const struct sim_mac *m, const char *path, struct err *e);
MUST_CHECK bool sim_mac_load(
    struct sim_mac *m, const char *path, struct err *e);
/* Takes over all of another Mac's state but its UDID, as a copied disk does. */
MUST_CHECK bool sim_mac_clone(
    struct sim_mac *m, const char *path, struct err *e);
