/* What certificates somebody asks for: the query arguments of the ledger's
 * list, checked.  No state. */
#include <string.h>

#include "api/api_priv.h"
#include "certs/cert_template_set.h"

enum { TEXT_MAX = 256 };

static bool
is_hex(const char *s, size_t min, size_t max)
{
	size_t n = strspn(s, "0123456789abcdef");

	return s[n] == '\0' && n >= min && n <= max;
}

static bool
check_length(const char *what, const char *value, struct err *e)
{
	return value == NULL || strlen(value) <= TEXT_MAX ||
	       err_set(e, ERR_INVALID, "%s is too long", what);
}

static bool
check_values(const struct api_certificate_search *q, struct err *e)
{
	static const char *const purposes[] = { "enroll", "renew", "rollout",
		"scep", "service", NULL };

	if (!api_one_of("state", q->state, api_db_certificate_states(), e) ||
	    !api_one_of("purpose", q->purpose, purposes, e))
		return false;
	if (q->fingerprint != NULL &&
	    !is_hex(q->fingerprint, SHA256_HEX_SIZE - 1, SHA256_HEX_SIZE - 1))
		return err_set(e, ERR_INVALID,
		    "fingerprint is a SHA-256 in lower-case hex");
	if (q->serial != NULL && !is_hex(q->serial, 2, 40))
		return err_set(e, ERR_INVALID,
		    "serial is a certificate's number in lower-case hex");
	if (q->key != NULL &&
	    !is_hex(q->key, SHA256_HEX_SIZE - 1, SHA256_HEX_SIZE - 1))
		return err_set(e, ERR_INVALID,
		    "key is the SHA-256 of a public key (SPKI) in lower-case "
		    "hex");
	return check_length("transaction", q->transaction, e) &&
	       check_length("challenge", q->challenge, e) &&
	       check_length("subject", q->subject, e);
}

/* Certificates of a removed template are still found. */
static bool
check_template(struct store_tx *tx, const char *name, struct err *e)
{
	bool known;

	if (name == NULL)
		return true;
	if (!cert_template_known(tx, name, &known, e))
		return false;
	return known || err_set(e, ERR_INVALID, "there is no such template");
}

static bool
check_authority(struct store_tx *tx, const char *id, struct err *e)
{
	bool known;

	if (id == NULL)
		return true;
	if (!api_db_authority_known(tx, id, &known, e))
		return false;
	return known || err_set(e, ERR_INVALID, "there is no such authority");
}

static bool
find_user(struct store_tx *tx, const struct http_request *rq,
    struct api_certificate_search *q, struct err *e)
{
	const char *name = api_filter(rq, "user");

	if (name == NULL)
		return true;
	return api_db_user_id(tx, name, q->user_id, e) &&
	       (q->user_id[0] != '\0' ||
	           err_set(e, ERR_NOT_FOUND, "there is no such user"));
}

static bool
read_limit(
    const struct http_request *rq, int64_t most, int64_t *out, struct err *e)
{
	static const char *const filters[] = { "fingerprint", "serial",
		"transaction", "subject", "state", "template", "purpose",
		"authority", "challenge", "key", "device", "user", "format",
		NULL };

	if (most == LIMIT_PAGE)
		return api_limit(rq, filters, out, e);
	if (!api_only_queries(rq, filters, e) ||
	    !api_number(rq, "limit", most, out, e))
		return false;
	return (*out >= 1 && *out <= most) ||
	       err_set(e, ERR_INVALID, "limit lies between 1 and %d as CSV",
	           (int)most);
}

bool
api_certificate_search_read(const struct http_request *rq, int64_t most,
    struct api_certificate_search *q, struct err *e)
{
	const char *after = api_filter(rq, "after");

	*q = (struct api_certificate_search){
		.fingerprint = api_filter(rq, "fingerprint"),
		.serial = api_filter(rq, "serial"),
		.transaction = api_filter(rq, "transaction"),
		.subject = api_filter(rq, "subject"),
		.state = api_filter(rq, "state"),
		.template = api_filter(rq, "template"),
		.purpose = api_filter(rq, "purpose"),
		.authority = api_filter(rq, "authority"),
		.challenge = api_filter(rq, "challenge"),
		.key = api_filter(rq, "key"),
		.now = clock_now_ms(),
		.before = INT64_MAX,
		.before_id = "",
	};
	return read_limit(rq, most, &q->limit, e) && check_values(q, e) &&
	       (after == NULL ||
	           api_page_key(after, &q->before, &q->before_id, e));
}

bool
api_certificate_search_names(struct store_tx *tx, const struct http_request *rq,
    struct api_certificate_search *q, struct err *e)
{
	return api_device_filter(tx, rq, q->device_id, e) &&
	       check_template(tx, q->template, e) &&
	       check_authority(tx, q->authority, e) && find_user(tx, rq, q, e);
}
