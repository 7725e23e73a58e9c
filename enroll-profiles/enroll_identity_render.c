/*
 * The profile that renews an identity, written in the transaction that
 * delivers it, with a challenge made in this moment; and the Mac's answer.
 * Called by mdm/ on any thread; of the service only the settings are read.
 */
#include "core/pl.h"
#include "enroll-profiles/enroll_identity_priv.h"

enum { PROFILE_TTL_MS = 60 * 60 * 1000 };

/* A Mac that installed the profile speaks with its new identity by then. */
#define USE_MS (3 * MS_DAY)

/* Good for the identity of this device only. */
static bool
make_challenge(struct enroll_service *s, struct store_tx *tx,
    const struct enroll_renewal *r, const char *ref,
    char out[SCEP_CHALLENGE_SIZE], struct err *e)
{
	const struct cert_subject subject = { .cn = ref, .o = s->organization };
	char id[UUID_SIZE];

	return scep_challenge_new(tx, s->seal,
	    &(struct scep_grant){ .template = CERT_TEMPLATE_DEVICE,
	        .purpose = "renew",
	        .enrollment_ref = ref,
	        .device_id = r->device_id,
	        .subject = &subject,
	        .ttl_ms = PROFILE_TTL_MS },
	    out, id, e);
}

/* Identifiers, topic, URLs and rights are those of the enrolment, so that it
 * takes the place of that profile. */
static bool
put_install(struct enroll_service *s, struct store_tx *tx,
    const struct enroll_renewal *r, struct buf *out, struct err *e)
{
	AUTO(buf_wipe) struct buf *profile = NULL;
	char challenge[SCEP_CHALLENGE_SIZE];
	char topic[LIMIT_TOPIC + 1], ref[UUID_SIZE];
	bool ok;

	uuid_new_lower(ref);
	if (!enroll_db_topic(tx, r->device_id, topic, e) ||
	    !make_challenge(s, tx, r, ref, challenge, e))
		return false;
	ok = enroll_service_sign(s,
	    &(struct enroll_wish){
	        .topic = topic, .challenge = challenge, .ref = ref },
	    &profile, e);
	mem_wipe(challenge, sizeof(challenge));
	if (!ok)
		return false;
	enroll_render_install(buf_slice(profile), out);
	return true;
}

static bool
render(struct store_tx *tx, const char *ref, const char *command_id,
    struct buf *out, void *arg, struct err *e)
{
	struct enroll_service *s = arg;
	struct enroll_renewal r;
	bool found;

	if (!enroll_db_renewal(tx, ref, &r, &found, e))
		return false;
	if (!found)
		return err_set(e, ERR_NOT_FOUND, "no renewal of %s", ref);
	if (!str_eq(r.command_id, command_id))
		return err_set(e, ERR_CONFLICT,
		    "command %s is no longer the one of this renewal",
		    command_id);
	if (!put_install(s, tx, &r, out, e))
		return false;
	/* After NotNow the same command is delivered again. */
	return str_eq(r.state, "sent") ||
	       enroll_identity_move(tx, &r, "sent", NULL, "device", e);
}

static bool
done(struct store_tx *tx, const struct mdm_done *what, void *arg, struct err *e)
{
	struct enroll_renewal r;
	bool found;

	(void)arg;
	if (!enroll_db_renewal(tx, what->ref, &r, &found, e))
		return false;
	/* An answer to a command that was taken back meanwhile. */
	if (!found || !str_eq(r.command_id, what->command_id))
		return true;
	if (!str_eq(what->state, "acknowledged"))
		return enroll_identity_failed(
		    tx, &r, enroll_rollout_why(what), e);
	if (r.fingerprint[0] == '\0')
		return enroll_identity_failed(tx, &r,
		    "the Mac installed the profile but no certificate was "
		    "issued for it",
		    e);
	r.command_id[0] = '\0';
	r.retry_at = clock_now_ms() + USE_MS;
	return enroll_identity_move(tx, &r, "installed", NULL, "device", e);
}

struct mdm_renderer
enroll_identity_renderer(struct enroll_service *s)
{
	return (
	    struct mdm_renderer){ ENROLL_IDENTITY_RENDERER, render, done, s };
}
