/*
 * What a rollout's commands say, written in the transaction that delivers
 * them: InstallProfile with a challenge made in this moment, RemoveProfile.
 * Called by mdm/ on any thread; the service is read only.
 */
#include "core/pl.h"
#include "enroll-profiles/enroll_priv.h"
#include "enroll-profiles/enroll_whom.h"

enum { PROFILE_TTL_MS = 60 * 60 * 1000 };

void
enroll_render_install(struct slice profile, struct buf *out)
{
	pl_dict(out);
	pl_key_str(out, "RequestType", "InstallProfile");
	pl_key_data(out, "Payload", profile);
	pl_dict_end(out);
}

static void
put_remove(const struct enroll_rollout *r, struct buf *out)
{
	pl_dict(out);
	pl_key_str(out, "RequestType", "RemoveProfile");
	pl_key_str(out, "Identifier", r->profile_identifier);
	pl_dict_end(out);
}

/* A challenge that is good for this device, user and rollout only, and takes
 * the place of those before. */
static bool
make_challenge(struct enroll_service *s, struct store_tx *tx,
    struct enroll_rollout *r, const struct enroll_whom *whom,
    char out[SCEP_CHALLENGE_SIZE], struct err *e)
{
	const struct cert_variables v = enroll_whom_variables(whom);
	const struct cert_subject subject = {
		.cn = whom->user, .o = s->organization, .email = v.email
	};

	return scep_challenge_new(tx, s->seal,
	    &(struct scep_grant){ .template = CERT_TEMPLATE_USER,
	        .purpose = "rollout",
	        .enrollment_ref = r->id,
	        .device_id = r->device_id,
	        .user_id = r->user_id,
	        .subject = &subject,
	        .variables = &v,
	        .ttl_ms = PROFILE_TTL_MS },
	    out, r->challenge_id, e);
}

static bool
put_install(struct enroll_service *s, struct store_tx *tx,
    struct enroll_rollout *r, struct buf *out, struct err *e)
{
	AUTO(buf_wipe) struct buf *xml = buf_new(ENROLL_PROFILE_MAX);
	AUTO(cert_authority_free)
	struct cert_authority *a = cert_live_get(s->live);
	char challenge[SCEP_CHALLENGE_SIZE];
	struct enroll_whom whom;

	if (!enroll_whom_find(tx,
	        &(struct enroll_whom_wish){ r->device_id, r->user_id }, &whom,
	        e))
		return err_wrap(e, "rollout %s", r->id);
	if (!make_challenge(s, tx, r, &whom, challenge, e) ||
	    !enroll_profile_user(
	        &(struct enroll_user_profile){ .organization = s->organization,
	            .public_url = s->public_url,
	            .challenge = challenge,
	            .identifier = r->profile_identifier,
	            .user_name = whom.user,
	            .email = whom.email,
	            .root = cert_authority_root(a) },
	        xml, e))
		return false;
	mem_wipe(challenge, sizeof(challenge));

	enroll_render_install(buf_slice(xml), out);
	return true;
}

static bool
render(struct store_tx *tx, const char *ref, const char *command_id,
    struct buf *out, void *arg, struct err *e)
{
	struct enroll_service *s = arg;
	struct enroll_rollout r;
	bool found;

	if (!enroll_db_rollout(tx, ref, &r, &found, e))
		return false;
	if (!found)
		return err_set(e, ERR_NOT_FOUND, "no rollout %s", ref);
	if (!str_eq(r.command_id, command_id))
		return err_set(e, ERR_CONFLICT,
		    "command %s is no longer the one of rollout %s", command_id,
		    ref);
	if (str_eq(r.state, "removing")) {
		put_remove(&r, out);
		return true;
	}
	if (!str_eq(r.state, "issuing") && !str_eq(r.state, "sent"))
		return err_set(
		    e, ERR_CONFLICT, "rollout %s is %s", ref, r.state);
	if (!put_install(s, tx, &r, out, e))
		return false;
	/* After NotNow the same command is delivered again. */
	return str_eq(r.state, "sent")
	           ? enroll_db_rollout_save(tx, &r, e)
	           : enroll_rollout_move(tx, &r, "sent", "device", e);
}

struct mdm_renderer
enroll_rollout_renderer(struct enroll_service *s)
{
	return (struct mdm_renderer){ ENROLL_RENDERER, render,
		enroll_rollout_done, s };
}
