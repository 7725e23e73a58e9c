/*
 * Certificates for trial mode and tests: a little authority, the simulated
 * APNs' TLS certificate and an MDM push certificate such as Apple's portal
 * gives.  Worth nothing to anybody else.
 */
#pragma once

#include "core/str.h"

struct sim_apns_cert_options {
	const char *topic;     /* UID of the push certificate; NULL: none */
	const char *host;      /* the server's name; NULL: 127.0.0.1 */
	int64_t not_before_ms; /* of the push certificate; 0: an hour ago */
	int64_t not_after_ms;  /* 0: in a year */
};

struct sim_apns_certs {
	char *ca_pem; /* both others end here */
	char *server_cert_pem, *server_key_pem;
	char *push_cert_pem, *push_key_pem;
};
MUST_CHECK bool sim_apns_certs_new(const struct sim_apns_cert_options *o,
    struct sim_apns_certs **out, struct err *e);
void sim_apns_certs_free(struct sim_apns_certs **c);

/* A TLS certificate for host, followed by the authority it ends at: what a
 * server shows and, as a file, what its clients trust. */
MUST_CHECK bool sim_apns_server_cert(const char *host, struct buf **cert_out,
    struct buf **key_out, struct err *e);
/* A push certificate; ca_out is what sim_apns_options.client_ca_pem takes. */
MUST_CHECK bool sim_apns_push_cert(const char *topic, struct buf **cert_out,
    struct buf **key_out, struct buf **ca_out, struct err *e);
