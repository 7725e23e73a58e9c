/*
 * How guessing challenges is slowed.  Nobody waits: who failed too often in a
 * minute is refused, unlooked at, until the next one.
 *
 * - An address: before anything is decrypted.  What cannot be read counts too,
 *   since answers to that are what an oracle is asked for.
 * - A key that is to be certified, from however many addresses: a client with
 *   a challenge that is no good asks neither the database nor a webhook again
 *   and again.
 * - A template with a static challenge or a webhook, whoever asks: here alone
 *   there is something to guess that stays the same, and many addresses could
 *   share the work.  Ten times as many failures as an address; the price is
 *   that strangers can put off its first requests (never renewals), which is
 *   one more reason to have one-time challenges.  Such challenges count only at
 *   the template's own address, so that failures elsewhere are not its own.
 * - A one-time challenge that is spent cannot be guessed any more; its reuse
 *   makes few events a minute, not one each.
 *
 * Counters are in memory, of each node by itself; any thread.
 */
#include <stdio.h>

#include "core/log.h"
#include "scep/scep_service_priv.h"

#define TOO_MANY "too many failed requests; try again in a minute"

/* Another kind than addresses, in the same table. */
struct who {
	char text[sizeof("challenge:") + SHA256_HEX_SIZE];
};

static struct who
who(const char *kind, const char *id)
{
	struct who w;

	snprintf(w.text, sizeof(w.text), "%s:%s", kind, id);
	return w;
}

static bool
guessable(const struct cert_template *t)
{
	return t != NULL && (t->challenge == CERT_CHALLENGE_STATIC ||
	                        t->challenge == CERT_CHALLENGE_WEBHOOK);
}

const char *
scep_guess_peer(struct scep_service *s, const char *peer)
{
	return scep_rate_exceeded(s->rate, peer) ? TOO_MANY : NULL;
}

const char *
scep_guess_key(struct scep_service *s, const struct scep_request *rq)
{
	return scep_rate_exceeded(s->rate, who("key", rq->csr->spki).text)
	           ? TOO_MANY
	           : NULL;
}

const char *
scep_guess_template(struct scep_service *s, const struct scep_request *rq)
{
	return guessable(rq->template) &&
	               scep_rate_exceeded(s->templates, rq->template->name)
	           ? TOO_MANY
	           : NULL;
}

void
scep_guess_unreadable(struct scep_service *s, const struct scep_request *rq)
{
	scep_rate_failed(s->rate, rq->peer);
}

void
scep_guess_failed(struct scep_service *s, const struct scep_request *rq)
{
	scep_rate_failed(s->rate, rq->peer);
	if (rq->csr != NULL)
		scep_rate_failed(s->rate, who("key", rq->csr->spki).text);
	if (!guessable(rq->template))
		return;
	scep_rate_failed(s->templates, rq->template->name);
	if (scep_rate_exceeded(s->templates, rq->template->name))
		log_event(LOG_WARN, "scep.guessed", "template",
		    rq->template->name, "what",
		    "many wrong challenges: the template's first requests are "
		    "put off for this minute",
		    NULL);
}

bool
scep_guess_report(struct scep_service *s, const char *challenge_id)
{
	struct who w = who("challenge", challenge_id);
	bool report = !scep_rate_exceeded(s->rate, w.text);

	scep_rate_failed(s->rate, w.text);
	return report;
}
