/*
 * What can be shown of an upstream, and asking it who it is.  No state; any
 * thread.
 */
#include "core/clock.h"
#include "core/json.h"
#include "scep/scep_client_priv.h"
#include "scep/scep_est.h"
#include "scep/scep_upstream_conf_priv.h"

/* ---- showing ---- */

static json_t *
certificate(X509 *x)
{
	char subject[512], fingerprint[SHA256_HEX_SIZE];
	json_t *o = json_object();

	cert_subject(x, subject, sizeof(subject));
	cert_fingerprint(x, fingerprint);
	json_put_str(o, "subject", subject);
	json_put_str(o, "sha256", fingerprint);
	json_put_time(o, "not_after", cert_not_after(x));
	return o;
}

/* Those of a PEM text; it was read before it was written. */
static json_t *
certificates(const char *pem)
{
	AUTO(cert_stack_free) STACK_OF(X509) *all = NULL;
	json_t *array = json_array();
	struct err e;

	if (pem != NULL && cert_parse_chain(slice_str(pem), &all, &e))
		for (int i = 0; i < sk_X509_num(all); i++)
			json_array_append_new(
			    array, certificate(sk_X509_value(all, i)));
	return array;
}

static void
put_fields(json_t *o, const json_t *fields)
{
	static const char *const plain[] = { "kind", "url", "ca_name", "user",
		"rate_per_min", "timeout_s", "tries", "days", "renew",
		"allow_des" };
	static const char *const pems[] = { "ca", "tls_ca",
		"client_certificate" };

	for (size_t i = 0; i < COUNT(plain); i++) {
		json_t *value = json_object_get(fields, plain[i]);

		json_object_set_new(o, plain[i],
		    value != NULL ? json_incref(value) : json_null());
	}
	for (size_t i = 0; i < COUNT(pems); i++)
		json_object_set_new(o, pems[i],
		    certificates(
		        json_string_value(json_object_get(fields, pems[i]))));
}

static json_t *
shown(const struct store_rows *r)
{
	AUTO(json_free) json_t *fields = NULL;
	json_t *o = json_object();
	int64_t slot = store_int(r, SCEP_UPSTREAM_SLOT_AT);
	bool rests =
	    store_int(r, SCEP_UPSTREAM_FAULTS) > 0 && slot > clock_now_ms();
	struct err e;

	json_put_str(o, "name", store_text(r, SCEP_UPSTREAM_NAME));
	if (json_parse(
	        slice_str(store_text(r, SCEP_UPSTREAM_FIELDS)), &fields, &e)) {
		scep_upstream_conf_complete(fields);
		put_fields(o, fields);
	}
	json_put_bool(o, "secret", !store_null(r, SCEP_UPSTREAM_SECRET));
	json_put_int(o, "queued", store_int(r, SCEP_UPSTREAM_QUEUED));
	json_put_int(o, "faults", store_int(r, SCEP_UPSTREAM_FAULTS));
	json_put_str(o, "fault", store_text(r, SCEP_UPSTREAM_FAULT));
	json_put_time(o, "fault_at", store_int(r, SCEP_UPSTREAM_FAULT_AT));
	json_put_time(o, "good_at", store_int(r, SCEP_UPSTREAM_GOOD_AT));
	json_put_time(o, "rests_until", rests ? slot : 0);
	json_put_time(o, "changed_at", store_int(r, SCEP_UPSTREAM_CHANGED_AT));
	return o;
}

bool
scep_upstream_conf_list(struct store_tx *tx, json_t *array, struct err *e)
{
	AUTO(store_rows_free) struct store_rows *r = NULL;

	if (!scep_db_upstreams(tx, NULL, &r, e))
		return false;
	for (;;) {
		bool more;

		if (!store_next(r, &more, e))
			return false;
		if (!more)
			return true;
		json_array_append_new(array, shown(r));
	}
}

bool
scep_upstream_conf_json(
    struct store_tx *tx, const char *name, json_t **out, struct err *e)
{
	AUTO(store_rows_free) struct store_rows *r = NULL;
	bool found;

	if (!scep_db_upstreams(tx, name, &r, e) || !store_next(r, &found, e))
		return false;
	if (!found)
		return err_set(e, ERR_NOT_FOUND, "there is no such upstream");
	*out = shown(r);
	return true;
}

/* ---- asking ---- */

static bool
configured(const struct scep_upstream_options *o, X509 *x)
{
	for (int i = 0; i < sk_X509_num(o->anchors); i++)
		if (X509_cmp(sk_X509_value(o->anchors, i), x) == 0)
			return true;
	return false;
}

static json_t *
answer(const struct scep_upstream_options *o, STACK_OF(X509) * chain)
{
	json_t *all = json_object(), *array = json_array();

	for (int i = 0; i < sk_X509_num(chain); i++) {
		X509 *x = sk_X509_value(chain, i);
		json_t *row = certificate(x);

		json_put_bool(row, "configured", configured(o, x));
		json_array_append_new(array, row);
	}
	json_object_set_new(all, "capabilities", json_array());
	json_object_set_new(all, "certificates", array);
	return all;
}

static bool
ask_scep(const struct scep_upstream_options *o, json_t **out, struct err *e)
{
	AUTO(scep_client_free) struct scep_client *c = NULL;
	char pin[SHA256_HEX_SIZE];
	struct scep_client_options co = {
		.url = o->url, .ca_name = o->ca_name, .ca_fingerprint = pin
	};
	const struct scep_client_ca *ca;

	cert_fingerprint(sk_X509_value(o->anchors, 0), pin);
	if (!scep_client_new(o->fetch, &co, &c, e))
		return false;
	ca = scep_client_ca(c);
	if (ca->recipient == NULL)
		return scep_client_no_recipient(e);
	*out = answer(o, ca->chain);
	for (unsigned bit = 1; scep_client_cap_name(bit) != NULL; bit <<= 1)
		if ((ca->caps & bit) != 0)
			json_array_append_new(
			    json_object_get(*out, "capabilities"),
			    json_string(scep_client_cap_name(bit)));
	return true;
}

static bool
ask_est(const struct scep_upstream_options *o, json_t **out, struct err *e)
{
	AUTO(cert_stack_free) STACK_OF(X509) *chain = NULL;
	struct scep_est_options eo = { .fetch = o->fetch,
		.url = o->url,
		.user = o->user,
		.password = o->password,
		.anchors = o->anchors };

	if (!scep_est_cacerts(&eo, &chain, e))
		return false;
	*out = answer(o, chain);
	return true;
}

static bool
open_one(struct scep_service *s, const char *name,
    struct scep_upstream_conf *out, struct err *e)
{
	AUTO(store_rollback) struct store_tx *tx = NULL;
	bool found;

	if (!store_begin(s->o.store, STORE_READ, &tx, e) ||
	    !scep_upstream_conf_open(tx, s->o.seal, name, out, &found, e))
		return false;
	return found || err_set(e, ERR_NOT_FOUND, "there is no such upstream");
}

bool
scep_upstream_conf_test(
    struct scep_service *s, const char *name, json_t **out, struct err *e)
{
	AUTO(scep_upstream_conf_clear) struct scep_upstream_conf c = { 0 };
	AUTO(fetch_free) struct fetch *f = NULL;
	struct scep_upstream_options o;

	if (!open_one(s, name, &c, e) ||
	    !scep_upstream_conf_options(&c, NULL, &o, &f, e))
		return false;
	if ((o.est ? ask_est : ask_scep)(&o, out, e))
		return true;
	/* Not the caller's fault, whatever it is. */
	if (e->code != ERR_UNAVAILABLE)
		e->code = ERR_REFUSED;
	return err_wrap(e, "upstream %s", name);
}
