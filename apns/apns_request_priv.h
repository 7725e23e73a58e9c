/* What the files of apns_request.h share. */
#pragma once

#include "apns/apns_request.h"

enum { APNS_REQUEST_MAX = 64 << 10 }; /* bytes, of any text here */

/* One PEM request with a good signature and a key that Apple takes. */
MUST_CHECK bool apns_request_csr(
    struct slice pem, X509_REQ **out, struct err *e);
