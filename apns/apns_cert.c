/*
 * MDM push certificates: what an administrator gave, checked.  A struct
 * apns_cert belongs to its caller; no other state; any thread.
 */
#include <openssl/x509.h>
#include <string.h>

#include "apns/apns_cert.h"
#include "core/clock.h"
#include "core/limits.h"

enum { CHAIN_PEM_MAX = 64 << 10 };

static const char topic_start[] = "com.apple.mgmt.";

void
apns_cert_free(struct apns_cert **cert)
{
	while (*cert != NULL) {
		struct apns_cert *c = *cert;

		*cert = c->next;
		str_free(&c->cert_pem);
		str_wipe(&c->key_pem);
		mem_free(&c);
	}
}

/* Apple's form: com.apple.mgmt.External.<uuid>; older portals gave others
 * below com.apple.mgmt. */
static bool
read_topic(const X509 *leaf, char *topic, size_t size, struct err *e)
{
	size_t len;

	cert_subject_value(leaf, NID_userId, topic, size);
	if (topic[0] == '\0')
		return err_set(e, ERR_INVALID,
		    "not a push certificate: its subject has no UID");
	len = strspn(topic, "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	                    "abcdefghijklmnopqrstuvwxyz0123456789.-");
	if (!str_starts(topic, topic_start) ||
	    topic[sizeof(topic_start) - 1] == '\0' || topic[len] != '\0')
		return err_set(e, ERR_INVALID,
		    "not an MDM push certificate: its UID does not begin "
		    "with %s",
		    topic_start);
	if (len > LIMIT_TOPIC - 1)
		return err_set(e, ERR_INVALID,
		    "the topic (UID) is longer than %d bytes", LIMIT_TOPIC - 1);
	return true;
}

static bool
check_dates(const X509 *leaf, struct err *e)
{
	char at[CLOCK_TEXT_SIZE];
	int64_t now = clock_now_ms();

	if (cert_not_after(leaf) <= now) {
		clock_format_s(at, cert_not_after(leaf));
		return err_set(
		    e, ERR_INVALID, "the push certificate expired at %s", at);
	}
	if (cert_not_before(leaf) > now + MS_DAY) {
		clock_format_s(at, cert_not_before(leaf));
		return err_set(e, ERR_INVALID,
		    "the push certificate is not valid before %s", at);
	}
	return true;
}

static bool
write_chain(STACK_OF(X509) * chain, char **out, struct err *e)
{
	AUTO(buf_free) struct buf *pem = buf_new(CHAIN_PEM_MAX);

	for (int i = 0; i < sk_X509_num(chain); i++) {
		if (!cert_pem(sk_X509_value(chain, i), pem, e))
			return false;
	}
	if (!buf_ok(pem, e))
		return false;
	*out = str_dup(buf_str(pem));
	return true;
}

bool
apns_cert_parse(struct slice cert_text, struct slice key_text,
    struct apns_cert **out, struct err *e)
{
	AUTO(apns_cert_free) struct apns_cert *c = mem_zalloc(1, sizeof(*c));
	AUTO(cert_stack_free) STACK_OF(X509) *chain = NULL;
	AUTO(cert_key_free) EVP_PKEY *key = NULL;
	AUTO(buf_wipe) struct buf *key_pem = NULL;
	X509 *leaf;

	if (!cert_parse_chain(cert_text, &chain, e))
		return err_wrap(e, "push certificate");
	if (!cert_key_parse(key_text, &key, e))
		return err_wrap(e, "key of the push certificate");
	leaf = sk_X509_value(chain, 0);
	if (!read_topic(leaf, c->topic, sizeof(c->topic), e) ||
	    !check_dates(leaf, e))
		return false;
	if (X509_check_private_key(leaf, key) != 1)
		return err_openssl(e, ERR_INVALID,
		    "the key does not belong to the push certificate");
	if (!write_chain(chain, &c->cert_pem, e) ||
	    !cert_key_pem(key, &key_pem, e))
		return false;
	c->key_pem = str_dup(buf_str(key_pem));
	c->not_after = cert_not_after(leaf);
	uuid_new_lower(c->id);
	*out = TAKE(c);
	return true;
}
