/*
 * The network side of a simulated Mac: proving itself, SCEP, and reading
 * profiles.  One thread at a time.
 */
#include <stdio.h>

#include "certs/cert_cms.h"
#include "certs/cert_template.h"
#include "core/encode.h"
#include "scep/scep_client.h"
#include "sim/sim_mac_priv.h"

static bool
signature_header(
    struct sim_mac *m, struct slice body, char **out, struct err *e)
{
	AUTO(buf_free) struct buf *der = NULL;
	AUTO(buf_free) struct buf *text = buf_new(16 << 10);

	if (!cert_cms_sign_detached(body, m->identity, m->key, &der, e))
		return false;
	buf_adds(text, "Mdm-Signature: ");
	b64_encode(text, buf_slice(der));
	*out = str_dup(buf_str(text));
	return true;
}

bool
sim_mac_put(struct sim_mac *m, const char *url, const char *type,
    struct slice body, struct buf **out, struct err *e)
{
	AUTO(str_free)
	char *content_type = str_printf("Content-Type: %s", type);
	AUTO(str_free) char *signature = NULL;
	AUTO(fetch_answer_clear) struct fetch_answer a = { 0 };
	const char *headers[3] = { content_type, NULL, NULL };

	if (!m->o.tls_identity) {
		if (!signature_header(m, body, &signature, e))
			return false;
		headers[1] = signature;
	}
	if (!sim_mac_fetch(m, e) ||
	    !fetch_do(m->fetch,
	        &(struct fetch_request){ .method = "PUT",
	            .url = url,
	            .headers = headers,
	            .body = body,
	            .answer_max = 16 << 20 },
	        &a, e))
		return false;
	if (a.status == 401)
		return err_set(e, ERR_UNAUTHORIZED,
		    "401 to a device: a real Mac would drop its enrolment");
	if (a.status != 200)
		return err_set(e,
		    a.status >= 500 ? ERR_UNAVAILABLE : ERR_FORBIDDEN,
		    "the server answered %d: %.100s", a.status,
		    buf_str(a.body));
	*out = TAKE(a.body);
	return true;
}

/* The payload of this type in a profile's PayloadContent, or NULL. */
static bool
find_payload(const struct pl *profile, const char *type, const struct pl **out,
    struct err *e)
{
	const struct pl *content = NULL;

	*out = NULL;
	if (!pl_get_array(profile, "PayloadContent", &content, e))
		return false;
	for (size_t i = 0; content != NULL && i < pl_array_len(content); i++) {
		const struct pl *item = pl_array_item(content, i);
		const char *t = NULL;

		if (!pl_is_dict(item) ||
		    !pl_get_str(item, "PayloadType", 128, &t, e))
			return false;
		if (str_eq(t, type))
			*out = item;
	}
	return true;
}

/* Subject is [ [ ["CN", "x"] ], ... ]. */
static void
read_subject(const struct pl *subject, struct sim_scep *out)
{
	for (size_t i = 0; i < pl_array_len(subject); i++) {
		const struct pl *ava =
		    pl_array_item(pl_array_item(subject, i), 0);
		const char *k = pl_node_str(pl_array_item(ava, 0));
		const char *v = pl_node_str(pl_array_item(ava, 1));

		if (k == NULL || v == NULL)
			continue;
		if (str_eq(k, "CN"))
			str_copy_cut(out->cn, sizeof(out->cn), v);
		if (str_eq(k, "O"))
			str_copy_cut(out->o, sizeof(out->o), v);
		if (str_eq(k, "1.2.840.113549.1.9.1"))
			str_copy_cut(out->email, sizeof(out->email), v);
	}
}

bool
sim_profile_scep(
    const struct pl *profile, struct sim_scep *out, bool *found, struct err *e)
{
	const struct pl *payload, *c = NULL, *subject = NULL;
	const char *url, *name = NULL, *challenge = NULL;
	int64_t bits;

	if (!find_payload(profile, "com.apple.security.scep", &payload, e))
		return false;
	*found = payload != NULL;
	if (payload == NULL)
		return true;
	if (!pl_get_dict(payload, "PayloadContent", &c, e))
		return false;
	if (c == NULL)
		return err_set(
		    e, ERR_INVALID, "SCEP payload without PayloadContent");
	if (!pl_need_str(c, "URL", sizeof(out->url) - 1, &url, e) ||
	    !pl_get_str(c, "Name", sizeof(out->name) - 1, &name, e) ||
	    !pl_get_str(
	        c, "Challenge", sizeof(out->challenge) - 1, &challenge, e) ||
	    !pl_get_array(c, "Subject", &subject, e) ||
	    !pl_get_int(c, "Keysize", 1024, &bits, e))
		return err_wrap(e, "SCEP payload");
	if (bits < 2048)
		return err_set(e, ERR_INVALID,
		    "SCEP payload: Keysize %lld is too small", (long long)bits);
	str_copy_cut(out->url, sizeof(out->url), url);
	str_copy_cut(out->name, sizeof(out->name), name != NULL ? name : "");
	str_copy_cut(out->challenge, sizeof(out->challenge),
	    challenge != NULL ? challenge : "");
	if (subject != NULL)
		read_subject(subject, out);
	return true;
}

bool
sim_profile_mdm(
    struct sim_mac *m, const struct pl *profile, bool *found, struct err *e)
{
	const struct pl *p;
	const char *server, *check_in = NULL, *topic;
	bool sign;

	if (!find_payload(profile, "com.apple.mdm", &p, e))
		return false;
	*found = p != NULL;
	if (p == NULL)
		return true;
	if (!pl_need_str(p, "ServerURL", SIM_URL_MAX - 1, &server, e) ||
	    !pl_get_str(p, "CheckInURL", SIM_URL_MAX - 1, &check_in, e) ||
	    !pl_need_str(p, "Topic", sizeof(m->topic) - 1, &topic, e) ||
	    !pl_get_bool(p, "SignMessage", false, &sign, e))
		return err_wrap(e, "MDM payload");
	if (!sign)
		return err_set(
		    e, ERR_INVALID, "MDM payload: SignMessage is not set");
	str_copy_cut(m->server_url, sizeof(m->server_url), server);
	str_copy_cut(m->check_in_url, sizeof(m->check_in_url),
	    check_in != NULL ? check_in : server);
	str_copy_cut(m->topic, sizeof(m->topic), topic);
	return true;
}

bool
sim_scep_enroll(struct sim_mac *m, const struct sim_scep *s, X509 **cert_out,
    EVP_PKEY **key_out, struct err *e)
{
	AUTO(cert_key_free) EVP_PKEY *key = NULL;
	AUTO(scep_client_result_clear) struct scep_client_result r = { 0 };
	struct cert_subject subject = { .cn = s->cn,
		.o = s->o[0] != '\0' ? s->o : NULL,
		.email = s->email[0] != '\0' ? s->email : NULL };

	if (!sim_mac_fetch(m, e) || !cert_key_new(CERT_RSA_2048, &key, e))
		return false;
	if (!scep_client_enroll(m->fetch,
	        &(struct scep_client_options){ .url = s->url,
	            .ca_name = s->name[0] != '\0' ? s->name : NULL,
	            .subject = &subject,
	            .challenge = s->challenge,
	            .key = key,
	            .get = m->o.scep_get },
	        &r, e))
		return err_wrap(e, "SCEP");
	if (r.status != SCEP_SUCCESS)
		return err_set(e, ERR_FORBIDDEN,
		    "SCEP: failure, failInfo %d: %.120s", r.fail_info,
		    r.fail_text);
	*cert_out = TAKE(r.cert);
	*key_out = TAKE(key);
	return true;
}
