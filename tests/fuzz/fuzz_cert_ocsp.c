/* OCSP requests, which anybody may send. */
#include <assert.h>
#include <string.h>

#include "certs/cert_ocsp_priv.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO(cert_ocsp_query_clear) struct cert_ocsp_query q = { 0 };
	char serial[OCSP_SERIAL_SIZE];

	if (!cert_ocsp_parse(slice_of(data, size), &q)) {
		assert(q.rq == NULL);
		return 0;
	}
	assert(q.count >= 1 && q.count <= OCSP_SINGLES_MAX);
	for (int i = 0; i < q.count; i++)
		if (cert_ocsp_serial(cert_ocsp_single(&q, i), serial))
			assert(strlen(serial) % 2 == 0);
	return 0;
}
