/*
 * Detached signatures from strangers.  Two verifiers see each input, one that
 * remembers signers and one that never does: their answers have to be the
 * same.  The corpus starts with good signatures, so the quick path is taken
 * from then on for everything that keeps their certificates.
 */
#include <stdlib.h>

#include "certs/cert_verifier.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* tests/vectors/cms/body.plist */
static const char body[] =
    "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
    "<plist version=\"1.0\"><dict><key>Status</key><string>Idle</string>"
    "</dict></plist>\n";

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct cert_verifier *knows, *forgets;
	struct slice der = slice_of(data, size);
	struct cert_signer a = { 0 }, b = { 0 };
	struct err ea = { 0 }, eb = { 0 };
	bool good;

	if (knows == NULL) {
		knows = cert_verifier_new(64);
		forgets = cert_verifier_new(0);
	}
	good = cert_verifier_check(knows, der, slice_str(body), &a, &ea);
	if (cert_verifier_check(forgets, der, slice_str(body), &b, &eb) !=
	        good ||
	    ea.code != eb.code || !str_eq(a.fingerprint, b.fingerprint))
		abort();
	return 0;
}
