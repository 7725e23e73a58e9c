/*
 * What was answered: one line in the log, one more in the counters, which any
 * thread may change and read.
 */
#include "core/log.h"
#include "scep/scep_service_priv.h"

static enum scep_answer
answer_of(const struct scep_outcome *out)
{
	if (out->verdict.fail >= 0)
		return (enum scep_answer)out->verdict.fail;
	if (out->pending)
		return SCEP_ANSWER_PENDING;
	if (out->crl_der != NULL)
		return SCEP_ANSWER_CRL;
	return out->again ? SCEP_ANSWER_REPEATED : SCEP_ANSWER_ISSUED;
}

void
scep_answered(struct scep_service *s, const struct scep_message *m,
    const char *peer, const struct scep_outcome *out)
{
	static const char *const events[SCEP_ANSWERS] = {
		[SCEP_ANSWER_ISSUED] = "scep.issued",
		[SCEP_ANSWER_REPEATED] = "scep.repeated",
		[SCEP_ANSWER_PENDING] = "scep.pending",
		[SCEP_ANSWER_CRL] = "scep.crl",
	};
	enum scep_answer a = answer_of(out);

	atomic_fetch_add_explicit(&s->answers[a], 1, memory_order_relaxed);
	if (out->verdict.fail >= 0)
		log_event(LOG_WARN, "scep.refused", "peer", peer, "transaction",
		    m->transaction_id, "type", LOG_NUM(m->type), "fail",
		    LOG_NUM(out->verdict.fail), "reason", out->verdict.text,
		    NULL);
	else if (a == SCEP_ANSWER_ISSUED || a == SCEP_ANSWER_REPEATED)
		log_event(LOG_INFO, events[a], "peer", peer, "transaction",
		    m->transaction_id, "certificate", out->fingerprint, NULL);
	else
		log_event(LOG_INFO, events[a], "peer", peer, "transaction",
		    m->transaction_id, NULL);
}

void
scep_service_stats(struct scep_service *s, int64_t out[static SCEP_ANSWERS])
{
	for (int i = 0; i < SCEP_ANSWERS; i++)
		out[i] =
		    atomic_load_explicit(&s->answers[i], memory_order_relaxed);
}
