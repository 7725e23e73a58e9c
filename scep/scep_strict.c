/*
 * Templates that refuse a request which asks for more than its certificate
 * would say; for the others it does not matter what is in a request.  No state;
 * any thread.
 */
#include "scep/scep_service_priv.h"

bool
scep_strict(const struct scep_request *rq, const struct cert_template *t,
    const struct cert_subject *will, struct scep_verdict *v)
{
	const char *problem;

	if (!t->strict)
		return true;
	problem = scep_beyond_problem(
	    rq->csr_der, &(struct scep_beyond){ will, t, false });
	if (problem != NULL)
		scep_refuse(v, SCEP_BAD_REQUEST, problem);
	return problem == NULL;
}
