/* Certification requests out of envelopes. */
#include <assert.h>
#include <string.h>

#include "core/limits.h"
#include "scep/scep_message.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO(scep_csr_free) struct scep_csr *c = NULL;
	struct scep_verdict v;

	scep_csr_parse(slice_of(data, size), true, NULL, &c, &v);
	assert((v.fail < 0) == (c != NULL));
	assert((v.fail < 0) == (v.text == NULL));
	if (c != NULL && c->challenge != NULL)
		assert(strlen(c->challenge) <= LIMIT_CHALLENGE);
	return 0;
}
