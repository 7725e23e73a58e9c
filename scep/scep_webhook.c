/* Question and answer of a webhook.  No state. */
#include <string.h>

#include "core/encode.h"
#include "core/fetch.h"
#include "core/json.h"
#include "core/limits.h"
#include "scep/scep_webhook.h"

enum { ANSWER_MAX = 64 << 10, REASON_MAX = 255 };
#define SIGNATURE_HEADER "Mutsu-Signature"

void
scep_webhook_answer_clear(struct scep_webhook_answer *a)
{
	json_free(&a->json);
	*a = (struct scep_webhook_answer){ 0 };
}

/* HMAC-SHA-256 over the question's id, a dot, and the body: an answer holds
 * for one question only. */
static void
sign(struct slice key, const char *id, struct slice body,
    char out[SHA256_HEX_SIZE])
{
	AUTO(buf_wipe) struct buf *in = buf_new(strlen(id) + 1 + body.len);
	uint8_t mac[SHA256_SIZE];

	buf_adds(in, id);
	buf_addc(in, '.');
	buf_add(in, body.p, body.len);
	hmac_sha256(mac, key, buf_slice(in));
	hex_to(out, mac, sizeof(mac));
}

static bool
post(const struct scep_webhook_question *q, const char *id, const char *body,
    struct fetch_answer *out, struct err *e)
{
	AUTO(fetch_free) struct fetch *f = NULL;
	AUTO(str_free) char *signature = NULL;
	char mac[SHA256_HEX_SIZE];
	const char *headers[] = { "Content-Type: application/json", NULL,
		NULL };

	sign(q->key, id, slice_str(body), mac);
	signature = str_printf(SIGNATURE_HEADER ": %s", mac);
	headers[1] = signature;
	return fetch_new(&(struct fetch_options){ .ca_file = q->ca_file,
	                     .timeout_ms = q->timeout_ms,
	                     .fresh = true },
	           &f, e) &&
	       fetch_do(f,
	           &(struct fetch_request){ .method = "POST",
	               .url = q->url,
	               .headers = headers,
	               .body = slice_str(body),
	               .answer_max = ANSWER_MAX,
	               .want_header = SIGNATURE_HEADER },
	           out, e);
}

static bool
check(const struct scep_webhook_question *q, const char *id,
    const struct fetch_answer *a, struct err *e)
{
	char mac[SHA256_HEX_SIZE];

	if (a->status != 200)
		return err_set(e, ERR_UNAVAILABLE, "status %d", a->status);
	sign(q->key, id, buf_slice(a->body), mac);
	return (strlen(a->header) == sizeof(mac) - 1 &&
	           mem_eq_const_time(mac, a->header, sizeof(mac) - 1)) ||
	       err_set(e, ERR_INVALID,
	           "the answer is not signed with our key for this question");
}

static bool
read_answer(struct slice body, struct scep_webhook_answer *out, struct err *e)
{
	static const char *const keys[] = { "allow", "variables", "reason",
		NULL };
	AUTO(json_free) json_t *j = NULL;
	const json_t *variables, *allow;
	const char *reason;

	if (!json_parse(body, &j, e) || !json_only_keys(j, keys, e) ||
	    !json_get_str(j, "reason", REASON_MAX, &reason, e))
		return err_wrap(e, "answer");
	allow = json_object_get(j, "allow");
	variables = json_object_get(j, "variables");
	if (!json_is_boolean(allow))
		return err_set(
		    e, ERR_INVALID, "answer: allow is true or false");
	if (variables != NULL && !json_is_null(variables)) {
		if (!json_is_object(variables))
			return err_set(
			    e, ERR_INVALID, "answer: variables is an object");
		if (!cert_variables_read(variables, &out->variables, e))
			return err_wrap(e, "answer");
	}
	out->allow = json_is_true(allow);
	str_copy_cut(
	    out->reason, sizeof(out->reason), reason != NULL ? reason : "");
	out->json = TAKE(j);
	return true;
}

bool
scep_webhook_ask(const struct scep_webhook_question *q,
    struct scep_webhook_answer *out, struct err *e)
{
	AUTO(fetch_answer_clear) struct fetch_answer a = { 0 };
	AUTO(scep_webhook_answer_clear) struct scep_webhook_answer got = { 0 };
	AUTO(json_free) json_t *facts = json_copy((json_t *)q->facts);
	AUTO(str_wipe) char *body = NULL;
	char id[UUID_SIZE];

	uuid_new_lower(id);
	json_put_str(facts, "id", id);
	body = json_text(facts);
	if (!post(q, id, body, &a, e) || !check(q, id, &a, e) ||
	    !read_answer(buf_slice(a.body), &got, e))
		return err_wrap(e, "webhook");
	*out = got;
	got = (struct scep_webhook_answer){ 0 };
	return true;
}
