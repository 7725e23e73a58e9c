/*
 * Detached signatures by devices.  A verifier keeps the decoded keys of
 * recent signers, because decoding a public key costs more than checking a
 * signature with it.  It answers only "who signed these bytes": whether that
 * certificate is ours, alive and bound to the device is the ledger's matter.
 *
 * A verifier may be used by any number of threads at once.
 */
#pragma once

#include "certs/cert_live.h"

struct cert_verifier;

/*
 * remembered: how many signers are kept; the least recently seen go first. Each
 * takes some 1.5 kB.  0 remembers nobody.
 */
struct cert_verifier *cert_verifier_new(size_t remembered);
void cert_verifier_free(struct cert_verifier **v);
/*
 * From now on remember only signers that an issuing CA of this authority
 * certified, so that strangers cannot push devices out.  Call before the
 * threads start; issuers outlives v.
 */
void cert_verifier_prefer(struct cert_verifier *v, struct cert_live *issuers);

/* How often the signer was remembered, and how often not; for /metrics. */
struct cert_verifier_stats {
	int64_t known, unknown;
};
void cert_verifier_stats(
    const struct cert_verifier *v, struct cert_verifier_stats *out);

struct cert_signer {
	char fingerprint[SHA256_HEX_SIZE];
	int64_t not_before, not_after; /* ms */
};
/*
 * Verifies a detached SignedData over body with exactly one signer, whose
 * certificate is included.  Digest SHA-1 (old systems) or SHA-2; no MD5.  Keys
 * as cert_key_acceptable() has them.
 * ERR_INVALID: does not parse; ERR_FORBIDDEN: does not verify.
 */
MUST_CHECK bool cert_verifier_check(struct cert_verifier *v, struct slice der,
    struct slice body, struct cert_signer *out, struct err *e);
