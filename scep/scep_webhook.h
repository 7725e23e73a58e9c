/*
 * Asking somebody else whether a request for a certificate may be granted:
 * one POST of JSON to the URL of the template, signed both ways.  docs/api.md
 * has the form of question and answer.  No state; takes as long as the
 * template allows, so never within a transaction.
 */
#pragma once

#include <jansson.h>

#include "certs/cert_pattern.h"
#include "core/str.h"

struct scep_webhook_question {
	const char *url;
	const char *ca_file; /* PEM anchors; NULL: the system's */
	int64_t timeout_ms;
	struct slice key;    /* of both signatures */
	const json_t *facts; /* the question; "id" is added to a copy */
};
struct scep_webhook_answer {
	bool allow;
	struct cert_variables variables; /* borrowed from json */
	json_t *json;
	/* Why not, or "": for the log, as the other side wrote it. */
	char reason[256];
};
/*
 * *out is cleared with scep_webhook_answer_clear().  ERR_UNAVAILABLE: no
 * connection, a time-out, a status but 200; ERR_TOO_LARGE; ERR_INVALID: not
 * signed with our key for this question, or not an answer.  Nobody may take a
 * failure for a yes.
 */
MUST_CHECK bool scep_webhook_ask(const struct scep_webhook_question *q,
    struct scep_webhook_answer *out, struct err *e);
void scep_webhook_answer_clear(struct scep_webhook_answer *a);
