/*
 * Many simulated Macs in one process: one connection to the simulated APNs,
 * and a pool of threads in which woken Macs connect.
 */
#pragma once

#include "sim/sim_mac.h"

struct sim_fleet;

struct sim_fleet_options {
	const char *apns_address; /* of the simulated APNs' device channel */
	uint16_t apns_port;
	int threads; /* 0: 4 */
	/* A session that failed is tried again so often, at growing gaps, as
	 * a Mac does that holds a report; 0: 20. */
	int retries;
	/* Called in the Mac's thread after each session; may be NULL. */
	void (*on_session)(
	    struct sim_mac *m, const struct sim_session *s, void *arg);
	void *arg;
};

/* The Macs stay the caller's, who leaves them alone until the fleet is
 * freed.  Those that are enrolled are known to the APNs at once. */
MUST_CHECK bool sim_fleet_start(const struct sim_fleet_options *o,
    struct sim_mac *const *macs, size_t count, struct sim_fleet **out,
    struct err *e);
void sim_fleet_free(struct sim_fleet **f);

/* A Mac connects without a push, as after a restart. */
void sim_fleet_wake(struct sim_fleet *f, size_t index);
/* A silent Mac ignores pushes. */
void sim_fleet_silence(struct sim_fleet *f, size_t index, bool silent);

struct sim_fleet_stats {
	int64_t pushes, sessions, failed_sessions, commands, wrong_erases;
	int64_t bad_pushes; /* token or magic of no Mac here */
};
void sim_fleet_stats(struct sim_fleet *f, struct sim_fleet_stats *out);
