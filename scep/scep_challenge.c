/*
 * Minting of challenges (RFC 8894 section 7.3): random, single use, kept only
 * as a MAC.  No state of its own; any thread.
 */
#include <string.h>

#include "certs/cert_template_set.h"
#include "core/clock.h"
#include "core/random.h"
#include "scep/scep_service_priv.h"

void
scep_challenge_mac(
    const struct seal *seal, const char *challenge, char out[SHA256_HEX_SIZE])
{
	seal_mac(seal, "scep.challenge", slice_str(challenge), out);
}

void
scep_challenge_clear(struct scep_challenge *c)
{
	str_free(&c->subject);
}

/* What the certificate will say: by the template, where that says it. */
static bool
subject_of(const struct cert_template *t, const struct scep_grant *g,
    char **out, struct err *e)
{
	static const struct cert_variables nobody = { 0 };

	if (t->subject.cn != NULL)
		return cert_pattern_expand(&t->subject,
		           g->variables != NULL ? g->variables : &nobody, out,
		           e) ||
		       err_wrap(e, "template %s", t->name);
	if (g->subject == NULL || str_empty(g->subject->cn))
		return err_set(e, ERR_INVALID, "challenge without a subject");
	*out = cert_subject_json(g->subject);
	return true;
}

static bool
check(struct store_tx *tx, const struct scep_grant *g, char **subject_out,
    struct err *e)
{
	AUTO(cert_template_free) struct cert_template *t = NULL;

	if (!cert_template_for_challenges(tx, g->template, &t, e))
		return false;
	if (t == NULL)
		return err_set(e, ERR_INVALID,
		    "no certificate template for challenges: %s", g->template);
	if (t->challenge != CERT_CHALLENGE_ONE_TIME)
		return err_set(e, ERR_INVALID,
		    "template %s takes no one-time challenges: its kind is %s",
		    t->name, cert_challenge_name(t->challenge));
	if (g->ttl_ms <= 0)
		return err_set(e, ERR_INVALID, "challenge without a life");
	return subject_of(t, g, subject_out, e);
}

static bool
fill(struct scep_challenge *c, const struct scep_grant *g)
{
	return str_copy(c->template, sizeof(c->template), g->template) &&
	       str_copy(c->purpose, sizeof(c->purpose), g->purpose) &&
	       (g->enrollment_ref == NULL ||
	           str_copy(c->enrollment_ref, sizeof(c->enrollment_ref),
	               g->enrollment_ref)) &&
	       (g->device_id == NULL ||
	           str_copy(
	               c->device_id, sizeof(c->device_id), g->device_id)) &&
	       (g->user_id == NULL ||
	           str_copy(c->user_id, sizeof(c->user_id), g->user_id));
}

bool
scep_challenge_new(struct store_tx *tx, const struct seal *seal,
    const struct scep_grant *g, char out[SCEP_CHALLENGE_SIZE], char id_out[37],
    struct err *e)
{
	AUTO(scep_challenge_clear) struct scep_challenge c = { 0 };
	char text[SCEP_CHALLENGE_SIZE];
	bool ok;

	if (!check(tx, g, &c.subject, e))
		return false;
	if (!fill(&c, g))
		return err_set(e, ERR_INVALID, "challenge: a name is too long");
	random_alnum(text, sizeof(text) - 1);
	uuid_new_lower(c.id);
	scep_challenge_mac(seal, text, c.mac);
	c.expires_at = clock_now_ms() + g->ttl_ms;
	ok = scep_db_challenge_add(tx, &c, e);
	if (ok) {
		memcpy(out, text, sizeof(text));
		memcpy(id_out, c.id, sizeof(c.id));
	}
	mem_wipe(text, sizeof(text));
	return ok;
}
