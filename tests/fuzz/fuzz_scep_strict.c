/* Requests that ask for more than a template gives: names and extensions of
 * strangers, read only where a template wants to know. */
#include <assert.h>

#include "scep/scep_service_priv.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static EVP_PKEY *key;

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct cert_subject will = { .cn = "gate",
		.o = "Acme",
		.email = "gate@example.com",
		.dns = "gate.example.com",
		.ip = "192.0.2.7",
		.uri = "urn:gate" };
	struct cert_template t = *cert_template_find(CERT_TEMPLATE_SCEP);
	struct scep_csr csr = { 0 };
	struct scep_request rq = { .csr = &csr,
		.csr_der = slice_of(data, size) };
	struct scep_verdict v = { -1, NULL };

	if (key == NULL)
		key = EVP_EC_gen("P-256");
	csr.key = key;
	t.strict = true;
	assert(scep_strict(&rq, &t, &will, &v) == (v.fail < 0));
	assert((v.fail < 0) == (v.text == NULL));
	(void)scep_beyond_problem(
	    rq.csr_der, &(struct scep_beyond){ &will, &t, true });
	t.strict = false;
	v = (struct scep_verdict){ -1, NULL };
	assert(scep_strict(&rq, &t, &will, &v));
	return 0;
}
