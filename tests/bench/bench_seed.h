/*
 * What the files of bench_seed share: a data directory as the server makes it,
 * with enrolled devices, and load files of requests that are signed already.
 * One thread, but for what seed_parallel() runs.
 */
#pragma once

#include "api/api_service.h"
#include "certs/cert_ledger.h"
#include "core/seal.h"
#include "store/store.h"

enum {
	SEED_DEVICE_KEYS = 8, /* shared by the devices' certificates */
	SEED_SCEP_KEYS = 256, /* shared by SCEP requests */
	SEED_FEW_KEYS = 4,    /* in place of that, when nothing is measured */
	SEED_KEYS = SEED_DEVICE_KEYS + SEED_SCEP_KEYS,
	SEED_BATCH = 1000, /* devices in one transaction */
	SEED_BUSY = 2000   /* devices that round trips go round */
};

/* Of the push certificate and of what the devices reported. */
#define SEED_TOPIC "com.apple.mgmt.External.bench"

struct seed_device {
	char id[37], udid[37], serial[16];
	struct cert_issued issued;
	X509 *certificate;
	EVP_PKEY *key; /* borrowed */
};

struct seed {
	const char *dir;
	struct store *store;
	struct seal *seal;
	struct cert_authority *authority;
	EVP_PKEY *keys[SEED_KEYS];
	size_t scep_keys; /* of them, behind those of devices */
	struct seed_device *devices;
	size_t device_count;
	char token[API_TOKEN_SIZE];
};

/* Ends the program if ok is false. */
void seed_must(bool ok, const struct err *e);
/* Calls fn for 0 to count - 1, on as many threads as there are processors. */
void seed_parallel(size_t count, void (*fn)(size_t i, void *arg), void *arg);

/* bench_seed_keys.c: reads path, makes what is missing, and writes it back. */
MUST_CHECK bool seed_keys(const char *path, struct seed *s, struct err *e);

/* bench_seed_device.c: rows and certificates of count enrolled devices. */
MUST_CHECK bool seed_devices(struct seed *s, size_t count, struct err *e);

/* bench_seed_load.c: the load files. */
/* One Idle of each device. */
MUST_CHECK bool seed_idle(struct seed *s, const char *path, struct err *e);
/* Command by the API, Idle that is given it, Acknowledged. */
MUST_CHECK bool seed_trips(
    struct seed *s, const char *path, size_t count, struct err *e);
/* bench_seed_scep.c: PKIOperation, each with a challenge and a key. */
MUST_CHECK bool seed_scep(
    struct seed *s, const char *path, size_t count, struct err *e);
/* The same for a server with one certificate (PEM file) and one challenge,
 * which wants a new name each time. */
struct seed_foreign {
	const char *ca, *challenge, *load;
	size_t count;
};
MUST_CHECK bool seed_scep_foreign(
    struct seed *s, const struct seed_foreign *f, struct err *e);
