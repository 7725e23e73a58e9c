/*
 * The enrolment service: its settings, the signer of profiles, and the
 * making of one download.  After enroll_service_new() only topic and signer
 * change, under the service's mutex; any thread may call.
 */
#include <string.h>

#include "core/encode.h"
#include "core/json.h"
#include "enroll-profiles/enroll_priv.h"

enum { DOWNLOADS_PER_MIN = 60, RETRIES_A_TICK = 100, PURGE_A_TICK = 10000 };
/* Kept that long after they expired, to recognise reuse (scep.md 3.5). */
#define CHALLENGE_KEPT_MS (30 * MS_DAY)

static void
signer_clear(struct enroll_signer *g)
{
	cert_x509_free(&g->certificate);
	cert_key_free(&g->key);
	cert_stack_free(&g->chain);
}

/* The signer, its key and the chain behind it. */
static bool
read_signer(const char *cert_pem, const char *key_pem,
    struct enroll_signer *out, struct err *e)
{
	AUTO(signer_clear) struct enroll_signer g = { 0 };

	if (!cert_parse_chain(slice_str(cert_pem), &g.chain, e) ||
	    !cert_key_parse(slice_str(key_pem), &g.key, e))
		return err_wrap(e, "signer of profiles");
	g.certificate = sk_X509_shift(g.chain);
	if (g.certificate == NULL)
		return err_set(e, ERR_INVALID,
		    "signer of profiles: there is no certificate");
	if (X509_check_private_key(g.certificate, g.key) != 1)
		return err_openssl(e, ERR_INVALID,
		    "signer of profiles: the key is not the certificate's");
	*out = g;
	g = (struct enroll_signer){ 0 };
	return true;
}

bool
enroll_service_set_signer(struct enroll_service *s, const char *cert_pem,
    const char *key_pem, struct err *e)
{
	AUTO(signer_clear) struct enroll_signer before = { 0 };
	struct enroll_signer now;

	if (!read_signer(cert_pem, key_pem, &now, e))
		return false;
	pthread_mutex_lock(&s->lock);
	before = s->signer;
	s->signer = now;
	pthread_mutex_unlock(&s->lock);
	return true;
}

/* References of its own to the present signer. */
static bool
take_signer(struct enroll_service *s, struct enroll_signer *out, struct err *e)
{
	AUTO(signer_clear) struct enroll_signer g = { 0 };

	pthread_mutex_lock(&s->lock);
	g.chain = X509_chain_up_ref(s->signer.chain);
	if (X509_up_ref(s->signer.certificate))
		g.certificate = s->signer.certificate;
	if (EVP_PKEY_up_ref(s->signer.key))
		g.key = s->signer.key;
	pthread_mutex_unlock(&s->lock);
	if (g.chain == NULL || g.certificate == NULL || g.key == NULL)
		return err_openssl(e, ERR_INTERNAL, "signer of profiles");
	*out = g;
	g = (struct enroll_signer){ 0 };
	return true;
}

bool
enroll_service_new(
    const struct enroll_options *o, struct enroll_service **out, struct err *e)
{
	AUTO(enroll_service_free)
	struct enroll_service *s = mem_zalloc(1, sizeof(*s));
	size_t len = strlen(o->public_url);

	pthread_mutex_init(&s->lock, NULL);
	s->store = o->store;
	s->seal = o->seal;
	s->live = o->live;
	s->organization = str_dup(o->organization);
	s->public_url = str_dup(o->public_url);
	while (len > 0 && s->public_url[len - 1] == '/')
		s->public_url[--len] = '\0';
	s->challenge_ttl_ms =
	    o->challenge_ttl_ms != 0 ? o->challenge_ttl_ms : MS_H;
	s->ship_anchors = o->ship_anchors;
	if (o->downloads_per_min >= 0)
		s->limiter = enroll_limit_new(o->downloads_per_min != 0
		                                  ? o->downloads_per_min
		                                  : DOWNLOADS_PER_MIN);
	if (!str_copy(s->topic, sizeof(s->topic), o->topic))
		return err_set(e, ERR_INVALID, "the topic is too long");
	if (!read_signer(o->signer_cert_pem, o->signer_key_pem, &s->signer, e))
		return false;
	*out = TAKE(s);
	return true;
}

void
enroll_service_free(struct enroll_service **sp)
{
	struct enroll_service *s = *sp;

	if (s == NULL)
		return;
	enroll_limit_free(&s->limiter);
	signer_clear(&s->signer);
	str_free(&s->organization);
	str_free(&s->public_url);
	pthread_mutex_destroy(&s->lock);
	mem_free(sp);
}

void
enroll_service_set_topic(struct enroll_service *s, const char *topic)
{
	pthread_mutex_lock(&s->lock);
	str_copy_cut(s->topic, sizeof(s->topic), topic);
	pthread_mutex_unlock(&s->lock);
}

void
enroll_service_topic(struct enroll_service *s, char out[LIMIT_TOPIC + 1])
{
	pthread_mutex_lock(&s->lock);
	memcpy(out, s->topic, sizeof(s->topic));
	pthread_mutex_unlock(&s->lock);
}

struct download {
	struct enroll_service *s;
	const char *ref;
	char *challenge;
};

static bool
make_challenge_once(struct store_tx *tx, void *arg, struct err *e)
{
	const struct download *d = arg;
	const struct cert_subject subject = { .cn = d->ref,
		.o = d->s->organization };
	char id[UUID_SIZE];

	return scep_challenge_new(tx, d->s->seal,
	    &(struct scep_grant){ .template = CERT_TEMPLATE_DEVICE,
	        .purpose = "enroll",
	        .enrollment_ref = d->ref,
	        .subject = &subject,
	        .ttl_ms = d->s->challenge_ttl_ms },
	    d->challenge, id, e);
}

/* The challenge of one download; ref names the identity it will become. */
static bool
make_challenge(struct enroll_service *s, const char *ref,
    char out[SCEP_CHALLENGE_SIZE], struct err *e)
{
	return store_write(s->store, make_challenge_once,
	    &(struct download){ s, ref, out }, e);
}

bool
enroll_service_sign(struct enroll_service *s, const struct enroll_wish *w,
    struct buf **out, struct err *e)
{
	AUTO(buf_wipe) struct buf *xml = buf_new(ENROLL_PROFILE_MAX);
	AUTO(signer_clear) struct enroll_signer signer = { 0 };
	AUTO(cert_authority_free)
	struct cert_authority *a = cert_live_get(s->live);

	return take_signer(s, &signer, e) &&
	       enroll_profile_enrolment(
	           &(struct enroll_profile){ .organization = s->organization,
	               .public_url = s->public_url,
	               .topic = w->topic,
	               .challenge = w->challenge,
	               .ref = w->ref,
	               .root = cert_authority_root(a),
	               .anchors =
	                   s->ship_anchors ? cert_authority_anchors(a) : NULL },
	           xml, e) &&
	       cert_cms_sign(buf_slice(xml), signer.certificate, signer.key,
	           signer.chain, out, e);
}

bool
enroll_service_profile(struct enroll_service *s, const char *topic,
    struct buf **out, struct err *e)
{
	char challenge[SCEP_CHALLENGE_SIZE] = "";
	char ref[UUID_SIZE];
	bool good;

	uuid_new_lower(ref);
	good = make_challenge(s, ref, challenge, e) &&
	       enroll_service_sign(s,
	           &(struct enroll_wish){
	               .topic = topic, .challenge = challenge, .ref = ref },
	           out, e);
	mem_wipe(challenge, sizeof(challenge));
	return good;
}

static bool
purge_once(struct store_tx *tx, void *arg, struct err *e)
{
	const struct store_lease *const *lease = arg;

	return store_lease_keep(tx, *lease, e) &&
	       enroll_db_purge_challenges(
	           tx, clock_now_ms() - CHALLENGE_KEPT_MS, PURGE_A_TICK, e);
}

bool
enroll_service_tick(
    struct enroll_service *s, const struct store_lease *lease, struct err *e)
{
	return enroll_rollout_retry(s, lease, RETRIES_A_TICK, e) &&
	       store_write(s->store, purge_once, &lease, e);
}
