/* What the files of api/ share. */
#pragma once

#include <jansson.h>
#include <pthread.h>

#include "api/api_service.h"
#include "core/clock.h"
#include "core/encode.h"
#include "core/json.h"
#include "core/limits.h"
#include "mdm/mdm_device.h"

struct api_auth_cache;

struct api_service {
	struct api_options o; /* read-only */
	struct api_auth_cache *cache;

	pthread_mutex_t metrics_lock; /* guards the two below */
	struct buf *counts;           /* gauges from the database, as text */
	int64_t counts_at_ms;         /* monotonic; 0: never */
};

/* ---- api_request.c: decoding and encoding ---- */

/* The body as a JSON object that has no keys but these (NULL-ended). */
MUST_CHECK bool api_body(const struct http_request *rq, const char *const *keys,
    json_t **out, struct err *e);
/* A request that takes none: there is none, or it has no keys. */
MUST_CHECK bool api_no_body(const struct http_request *rq, struct err *e);
/* Begins every list: ?limit=, 1 to LIMIT_PAGE, 100 when absent; and no query
 * argument but limit, after and the filters (NULL-ended, or NULL). */
MUST_CHECK bool api_limit(const struct http_request *rq,
    const char *const *filters, int64_t *out, struct err *e);
/* The arguments alone, for a list with pages of another size. */
MUST_CHECK bool api_only_queries(
    const struct http_request *rq, const char *const *filters, struct err *e);
/* A list that has neither pages nor filters. */
MUST_CHECK bool api_no_queries(const struct http_request *rq, struct err *e);
/* ERR_INVALID "<what> is none of ..." unless value is NULL or one of them. */
MUST_CHECK bool api_one_of(const char *what, const char *value,
    const char *const *names, struct err *e);
/* A number in the query, or absent. */
MUST_CHECK bool api_number(const struct http_request *rq, const char *name,
    int64_t absent, int64_t *out, struct err *e);
/* Value of a query argument; NULL when absent or empty. */
const char *api_filter(const struct http_request *rq, const char *name);
/* "<time>:<id>" of a page key; ERR_INVALID.  id_out is borrowed from key. */
MUST_CHECK bool api_page_key(
    const char *key, int64_t *at_out, const char **id_out, struct err *e);
/* Who asks, for audit. */
const char *api_by(const struct http_request *rq);
bool api_holds(const struct http_request *rq, unsigned rights);
/* ERR_FORBIDDEN unless the caller holds all these rights. */
MUST_CHECK bool api_need(
    const struct http_request *rq, unsigned rights, struct err *e);
/* Id of the device named by the query argument "device"; "" when absent. */
MUST_CHECK bool api_device_filter(struct store_tx *tx,
    const struct http_request *rq, char out[37], struct err *e);

/* Answers with the object and takes it. */
void api_reply(struct http_reply *rp, int status, json_t **j);
/* {"<name>": array, "next": next or null}; takes both. */
void api_reply_list(
    struct http_reply *rp, const char *name, json_t **array, char **next);
/* The header Location: <collection>/<id>. */
void api_location(
    struct http_reply *rp, const char *collection, const char *id);

/* ---- api_order.c ---- */

/* One order asked for, by whatever path. */
struct api_order_ask {
	const char *device; /* id, serial, UDID or name */
	const char *kind, *message, *phone, *note, *obliteration;
	const char *idempotency_key; /* NULL: none */
	bool key_per_device; /* bulk: the key is made one for each device */
};
struct api_order_made {
	json_t *order; /* as the API shows it, with "pin" if it may be seen */
	char id[37];
	bool repeated;      /* it was there already, by its key */
	struct err refused; /* ERR_REFUSED, or ERR_NONE */
};
void api_order_made_clear(struct api_order_made *m);
/* Makes the order in a transaction of its own. */
MUST_CHECK bool api_order_make(struct api_service *s,
    const struct http_request *rq, const struct api_order_ask *ask,
    struct api_order_made *out, struct err *e);
/* The same and answers it: 201, 200 for a repetition, 422 refused. */
MUST_CHECK bool api_order_answer(struct api_service *s,
    const struct http_request *rq, const struct api_order_ask *ask,
    struct http_reply *rp, struct err *e);
/* The header Idempotency-Key; *out NULL if there is none. */
MUST_CHECK bool api_order_key(
    const struct http_request *rq, const char **out, struct err *e);

/* ---- api_auth.c ---- */

struct api_auth_cache *api_auth_cache_new(void);
void api_auth_cache_free(struct api_auth_cache **c);
/* Forgets all, after a token was revoked. */
void api_auth_cache_clear(struct api_auth_cache *c);
/* Rights of a role; false when there is no such role. */
bool api_role_rights(const char *role, unsigned *out);
/* MAC under which a token is stored. */
void api_token_mac(const struct seal *seal, const char *token, char out[65]);

/* ---- api_metrics.c ---- */

void api_metrics_write(struct api_service *s, struct buf *out);

/* ---- routes of each file ---- */

void api_device_add(struct http_server *h, struct api_service *s);
void api_order_add(struct http_server *h, struct api_service *s);
void api_command_add(struct http_server *h, struct api_service *s);
void api_user_add(struct http_server *h, struct api_service *s);
void api_event_add(struct http_server *h, struct api_service *s);
void api_certificate_add(struct http_server *h, struct api_service *s);
void api_push_add(struct http_server *h, struct api_service *s);
void api_challenge_add(struct http_server *h, struct api_service *s);
void api_scep_request_add(struct http_server *h, struct api_service *s);
void api_template_add(struct http_server *h, struct api_service *s);
void api_authority_add(struct http_server *h, struct api_service *s);
void api_upstream_add(struct http_server *h, struct api_service *s);
void api_token_add(struct http_server *h, struct api_service *s);
void api_health_add(struct http_server *h, struct api_service *s);

/* ---- api_certificate_db.c ---- */

/* What certificates to list; "" or NULL: no condition. */
struct api_certificate_search {
	const char *fingerprint, *serial, *transaction, *state, *template,
	    *purpose, *authority, *challenge;
	const char *key;     /* SHA-256 of its SPKI */
	const char *subject; /* a part of it */
	char device_id[UUID_SIZE], user_id[UUID_SIZE];
	int64_t now;
	int64_t before; /* page key: from the start INT64_MAX and "" */
	const char *before_id;
	int64_t limit;
};
/* Reads and checks what needs no database; most: rows of an answer, with which
 * LIMIT_PAGE is a list like others.  Strings are borrowed from rq. */
MUST_CHECK bool api_certificate_search_read(const struct http_request *rq,
    int64_t most, struct api_certificate_search *q, struct err *e);
/* The rest of it.  ERR_NOT_FOUND, ERR_INVALID: there is no such device, user,
 * template or authority. */
MUST_CHECK bool api_certificate_search_names(struct store_tx *tx,
    const struct http_request *rq, struct api_certificate_search *q,
    struct err *e);
/* Columns of the rows, in this order. */
enum api_certificate_column {
	API_CERT_FINGERPRINT,
	API_CERT_SERIAL,
	API_CERT_SUBJECT,
	API_CERT_TEMPLATE,
	API_CERT_PURPOSE,
	API_CERT_DEVICE, /* serial number */
	API_CERT_DEVICE_ID,
	API_CERT_USER, /* name */
	API_CERT_STATE,
	API_CERT_NOT_BEFORE,
	API_CERT_NOT_AFTER,
	API_CERT_REVOKED_AT,
	API_CERT_REASON,
	API_CERT_REVOKED_BY,
	API_CERT_CREATED_AT,
	API_CERT_AUTHORITY,
	API_CERT_CHALLENGE,
	API_CERT_TRANSACTION,
	API_CERT_SPKI,
	API_CERT_ROLLOUT, /* state of the rollout it was made for */
	API_CERT_KEY      /* for the page key */
};
/* States by name, NULL-ended: valid, expiring, expired, held, revoked. */
const char *const *api_db_certificate_states(void);
/* Newest first; expired and expiring ones by their end, latest first. */
MUST_CHECK bool api_db_certificates(struct store_tx *tx,
    const struct api_certificate_search *q, struct store_rows **out,
    struct err *e);
/* Adds to an object what else is known of a certificate: renews (fingerprint of
 * the one that it followed) and approved_by (who approved its request), or
 * null. */
MUST_CHECK bool api_db_certificate_origin(
    struct store_tx *tx, const char *fingerprint, json_t *o, struct err *e);
/* Is there such a CA, ours or one outside that issued for an upstream? */
MUST_CHECK bool api_db_authority_known(
    struct store_tx *tx, const char *id, bool *out, struct err *e);
/* Id of a user by name; "": there is none. */
MUST_CHECK bool api_db_user_id(
    struct store_tx *tx, const char *name, char out[UUID_SIZE], struct err *e);

/* ---- api_db.c: the other SQL of this directory ---- */

struct api_token_row {
	char name[65], role[16];
	bool revoked;
};
MUST_CHECK bool api_db_token_by_mac(struct store_tx *tx, const char *mac,
    struct api_token_row *out, bool *found, struct err *e);
MUST_CHECK bool api_db_token_by_name(struct store_tx *tx, const char *name,
    struct api_token_row *out, bool *found, struct err *e);
MUST_CHECK bool api_db_token_add(struct store_tx *tx, const char *id,
    const char *name, const char *mac, const char *role, struct err *e);
MUST_CHECK bool api_db_token_revoke(
    struct store_tx *tx, const char *name, struct err *e);
/* Tokens of role admin that are alive. */
MUST_CHECK bool api_db_token_admins(
    struct store_tx *tx, int64_t *out, struct err *e);
/* name, role, created_at, revoked_at; by name, behind after. */
MUST_CHECK bool api_db_tokens(struct store_tx *tx, const char *after,
    int64_t limit, struct store_rows **out, struct err *e);

/* Order made before by this caller under this key; "" : none. */
MUST_CHECK bool api_db_order_by_key(struct store_tx *tx, const char *by,
    const char *key, char out[37], struct err *e);
/* seq, at, kind, serial, device_id, subject_id, actor, data */
MUST_CHECK bool api_db_events(struct store_tx *tx, int64_t after, int64_t limit,
    struct store_rows **out, struct err *e);

/* id, topic, owner, not_after, created_at of the active one. */
MUST_CHECK bool api_db_push_certificates(
    struct store_tx *tx, struct store_rows **out, struct err *e);
/* state, chip, count */
MUST_CHECK bool api_db_count_devices(
    struct store_tx *tx, struct store_rows **out, struct err *e);
/* state, count */
MUST_CHECK bool api_db_count_rollouts(
    struct store_tx *tx, struct store_rows **out, struct err *e);
/* state, count; of those that are open */
MUST_CHECK bool api_db_count_commands(
    struct store_tx *tx, struct store_rows **out, struct err *e);
/* state, count; of those that are open */
MUST_CHECK bool api_db_count_scep_requests(
    struct store_tx *tx, struct store_rows **out, struct err *e);
MUST_CHECK bool api_db_last_event(
    struct store_tx *tx, int64_t *out, struct err *e);
