/*
 * Is APNs reachable, and does it know us?  Name, TCP, TLS, HTTP/2, the answer
 * to one push to nobody, and the time, each host by itself; what a firewall
 * has to let through when something fails.  mutsu doctor.
 */
#pragma once

#include "core/str.h"

enum apns_finding {
	APNS_GOOD,
	APNS_WARNING, /* works, but somebody should look */
	APNS_FAULT
};

struct apns_check {
	const char *name; /* "name", "tcp", "proxy", "tls", "http2", "answer",
	                   * "clock"
	                   */
	const char *subject; /* host:port */
	enum apns_finding finding;
	char text[240];     /* what was seen */
	const char *advice; /* what to do, or NULL; a literal */
};
/* The check is borrowed for the call. */
typedef void (*apns_check_fn)(const struct apns_check *check, void *arg);

struct apns_doctor_options {
	const char *ca_file; /* trust anchors; NULL: the system's */
	/* NULL: without a certificate, and no push. */
	const char *cert_pem, *key_pem;
	const char *topic;
	/* HTTP proxy of the providers' hosts, as in apns_client.h. */
	const char *proxy, *proxy_credentials;
	int64_t timeout_ms; /* for each step; 0: 10 s */
};
/*
 * Examines one host of APNs for providers, "host:port", and reports each step
 * to fn until one fails.  Blocks for a timeout at most in each step, the
 * look-up of the name apart.  The push goes to a token that no device has
 * and is not kept.
 */
void apns_doctor_host(const struct apns_doctor_options *o, const char *host,
    apns_check_fn fn, void *arg);
/* As apns_doctor_host() for a host of the devices: name and TCP only. */
void apns_doctor_device_host(const struct apns_doctor_options *o,
    const char *host, apns_check_fn fn, void *arg);
