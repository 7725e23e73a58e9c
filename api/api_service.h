/* The REST API of the admin side: /api/v1/..., described in docs/api.md. */
#pragma once

#include "apns/apns_canary.h"
#include "core/json.h"
#include "core/seal.h"
#include "http/http.h"
#include "store/store.h"

struct api_service;
struct cert_live;
struct mdm_service;
struct scep_service;

struct api_options {
	struct store *store;
	const struct seal *seal;
	struct cert_live *live;    /* the authority; borrowed */
	struct scep_service *scep; /* approves SCEP requests; borrowed */
	struct mdm_service *mdm;   /* expects Macs; borrowed; may be NULL */
	const char *public_url;    /* of the device side; borrowed */
	struct http_server *http;  /* woken when the event feed grows */
	/* After a push certificate was imported; may be NULL. */
	void (*on_push_certificate)(const char *topic, void *arg);
	/* Pushes with a certificate that is not in use yet: see
	 * apns_canary_push(); NULL: pushing is not running. */
	bool (*push_canary)(const struct apns_cert *cert,
	    const struct apns_canary *c, struct apns_answer *out, void *arg,
	    struct err *e);
	/* After a template was changed: works by it from now on; may be NULL.
	 */
	bool (*on_template)(void *arg, struct err *e);
	/* Text of /metrics beyond the API's own; may be NULL. */
	void (*metrics)(struct buf *out, void *arg);
	/* False and a reason while not ready; may be NULL. */
	bool (*ready)(void *arg, struct err *e);
	/* Adds sentences to a JSON list: what somebody should look at though
	 * this node serves Macs; may be NULL. */
	void (*warnings)(json_t *list, void *arg);
	void *arg;
};
MUST_CHECK bool api_service_new(
    const struct api_options *o, struct api_service **out, struct err *e);
/* Before http_free(): the feed no longer wakes the HTTP server, which the
 * store's commits may outlive. */
void api_service_stop(struct api_service *s);
/* Tokens that are remembered are looked up again; any thread. */
void api_service_forget(struct api_service *s);
/* When no transaction commits any more. */
void api_service_free(struct api_service **s);
void api_http_add(struct http_server *h, struct api_service *s);

/* Keys of a certificate in a list, which are the columns of its CSV, in their
 * order; NULL behind the last one. */
const char *api_certificate_column(size_t i);

/* For struct http_listen of the admin side; arg is the api_service. */
bool api_authorize(const struct http_request *rq, unsigned rights,
    struct http_caller *out, void *arg, struct err *e);

enum { API_TOKEN_SIZE = 47 }; /* "mutsu_" + 40 of [A-Za-z0-9] + NUL */
struct api_token_wish {
	const char *name, *role;
	const char *by; /* actor of the event */
};
/* Makes a token; its text exists only in out.  ERR_CONFLICT: name in use. */
MUST_CHECK bool api_token_new(struct store_tx *tx, const struct seal *seal,
    const struct api_token_wish *w, char out[API_TOKEN_SIZE], struct err *e);
