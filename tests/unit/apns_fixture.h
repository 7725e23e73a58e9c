/*
 * Certificates for both ends of a push, made once for all tests of a program.
 */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/clock.h"
#include "core/encode.h"
#include "sim/sim_apns.h"
#include "sim/sim_apns_cert.h"

#define TOPIC "com.apple.mgmt.External.11111111-2222-4333-8444-555555555555"
enum { WAIT_MS = 90000 };

static struct sim_apns_certs *certs;

static inline int
set_up(void **state)
{
	struct err e = { 0 };

	(void)state;
	return sim_apns_certs_new(
	           &(struct sim_apns_cert_options){ .topic = TOPIC }, &certs,
	           &e)
	           ? 0
	           : -1;
}

static inline int
tear_down(void **state)
{
	(void)state;
	sim_apns_certs_free(&certs);
	return 0;
}
