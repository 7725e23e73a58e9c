/* The parts of the doctor: apns_doctor.c, apns_doctor_ask.c. */
#pragma once

#include <openssl/ssl.h>

#include "apns/apns_doctor.h"

/* What APNs said to a push. */
struct apns_said {
	int status;      /* 0: nothing */
	char reason[64]; /* "" or of the JSON in the answer */
	char date[40];   /* header, "" when there was none */
	bool settings;   /* HTTP/2 runs */
};

/*
 * Sends one push over a TLS connection whose socket has timeouts, and reads
 * the answer to it.
 */
MUST_CHECK bool apns_doctor_ask(SSL *ssl, const char *authority,
    const char *topic, struct apns_said *out, struct err *e);
