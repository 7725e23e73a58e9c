/*
 * Names of certificates and requests as short texts for people:
 * "dns:a.example", "ip:192.0.2.1", "upn:x@example.com", "C=JP".  No state; any
 * thread.
 */
#pragma once

#include <jansson.h>
#include <openssl/x509v3.h>

#include "certs/cert_template.h"

/* One alternative name.  UTF-8, of bounded length; the caller's.  What cannot
 * be shown is named by its kind alone. */
char *cert_san_text(const GENERAL_NAME *g);
/* One attribute of a subject: its short name, or OID, and its value. */
char *cert_san_attribute(const X509_NAME_ENTRY *n);
/* All alternative names of a certificate, in their order; an array, empty when
 * it has none, or when they cannot be read.  The caller's. */
json_t *cert_san_json(const X509 *x);
/* The same of a certificate that will say s. */
json_t *cert_san_of_subject(const struct cert_subject *s);
