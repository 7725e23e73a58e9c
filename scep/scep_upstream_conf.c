/*
 * What an upstream is, from JSON and to JSON, the rules about it, and its
 * secrets.  No state of its own; any thread.
 */
#include <stddef.h>
#include <string.h>

#include "core/json.h"
#include "core/limits.h"
#include "scep/scep_upstream_conf_priv.h"
#include "store/store_event.h"

enum { URL_MAX = 1000, PEM_MAX = 64 << 10, SECRETS_MAX = 128 << 10 };

static const char *const keys[] = { "kind", "url", "ca", "tls_ca", "ca_name",
	"user", "password", "client_certificate", "client_key", "rate_per_min",
	"timeout_s", "tries", "days", "renew", "allow_des", NULL };

static const struct text {
	const char *key;
	size_t offset;
	size_t max;
} texts[] = {
	{ "kind", offsetof(struct scep_upstream_conf, kind), 8 },
	{ "url", offsetof(struct scep_upstream_conf, url), URL_MAX },
	{ "ca", offsetof(struct scep_upstream_conf, ca), PEM_MAX },
	{ "tls_ca", offsetof(struct scep_upstream_conf, tls_ca), PEM_MAX },
	{ "ca_name", offsetof(struct scep_upstream_conf, ca_name), LIMIT_NAME },
	{ "user", offsetof(struct scep_upstream_conf, user), LIMIT_NAME },
	{ "client_certificate",
	    offsetof(struct scep_upstream_conf, client_cert), PEM_MAX },
};

static const struct secret {
	const char *key;
	size_t offset;
	size_t max;
} secrets[] = {
	{ "password", offsetof(struct scep_upstream_conf, password),
	    LIMIT_NAME },
	{ "client_key", offsetof(struct scep_upstream_conf, client_key),
	    PEM_MAX },
};

static const struct number {
	const char *key;
	size_t offset;
	int64_t absent, min, max;
} numbers[] = {
	{ "rate_per_min", offsetof(struct scep_upstream_conf, rate_per_min), 60,
	    1, 6000 },
	{ "timeout_s", offsetof(struct scep_upstream_conf, timeout_s), 20, 1,
	    120 },
	{ "tries", offsetof(struct scep_upstream_conf, tries), 10, 1, 100 },
	{ "days", offsetof(struct scep_upstream_conf, days), 3, 1, 30 },
};

static const struct flag {
	const char *key;
	size_t offset;
} flags[] = {
	{ "renew", offsetof(struct scep_upstream_conf, renew) },
	{ "allow_des", offsetof(struct scep_upstream_conf, allow_des) },
};

const char *const *
scep_upstream_conf_keys(void)
{
	return keys;
}

/* Kept apart from its type: members of several. */
static void *
member(const struct scep_upstream_conf *c, size_t offset)
{
	return (char *)(uintptr_t)c + offset;
}

void
scep_upstream_conf_clear(struct scep_upstream_conf *c)
{
	json_free(&c->fields);
	str_wipe(&c->password);
	str_wipe(&c->client_key);
	cert_stack_free(&c->anchors);
	cert_x509_free(&c->client);
	cert_key_free(&c->client_private);
	cert_x509_free(&c->signer);
	cert_key_free(&c->signer_key);
	*c = (struct scep_upstream_conf){ 0 };
}

/* ---- reading ---- */

static bool
read_fields(struct scep_upstream_conf *c, struct err *e)
{
	for (size_t i = 0; i < COUNT(texts); i++)
		if (!json_get_str(c->fields, texts[i].key, texts[i].max,
		        (const char **)member(c, texts[i].offset), e))
			return false;
	for (size_t i = 0; i < COUNT(numbers); i++) {
		const struct number *n = &numbers[i];
		int64_t *to = member(c, n->offset);

		if (!json_get_int(c->fields, n->key, n->absent, to, e))
			return false;
		if (*to < n->min || *to > n->max)
			return err_set(e, ERR_INVALID,
			    "%s lies between %d and %d", n->key, (int)n->min,
			    (int)n->max);
	}
	for (size_t i = 0; i < COUNT(flags); i++)
		if (!json_get_bool(c->fields, flags[i].key, false,
		        member(c, flags[i].offset), e))
			return false;
	c->est = str_eq(c->kind, "est");
	return true;
}

void
scep_upstream_conf_complete(json_t *fields)
{
	struct err e;
	int64_t n;
	bool set;

	for (size_t i = 0; i < COUNT(numbers); i++)
		if (json_get_int(
		        fields, numbers[i].key, numbers[i].absent, &n, &e))
			json_put_int(fields, numbers[i].key, n);
	for (size_t i = 0; i < COUNT(flags); i++)
		if (json_get_bool(fields, flags[i].key, false, &set, &e))
			json_put_bool(fields, flags[i].key, set);
}

static bool
read_secrets(struct scep_upstream_conf *c, const json_t *from, struct err *e)
{
	for (size_t i = 0; i < COUNT(secrets); i++) {
		const char *value;

		if (!json_get_str(
		        from, secrets[i].key, secrets[i].max, &value, e))
			return false;
		*(char **)member(c, secrets[i].offset) = str_dup(value);
	}
	return true;
}

static bool
check_url(const struct scep_upstream_conf *c, struct err *e)
{
	bool tls = str_starts(c->url, "https://");

	if (!str_eq(c->kind, "scep") && !c->est)
		return err_set(e, ERR_INVALID, "kind is scep or est");
	if (!tls && (c->est || !str_starts(c->url, "http://")))
		return err_set(e, ERR_INVALID, "url: %s",
		    c->est ? "EST needs https:// (RFC 7030 3.3)"
		           : "it begins with http:// or https://");
	for (const char *p = c->url; *p != '\0'; p++)
		if (*p <= ' ' || *p > '~' || strchr("?#@\"\\", *p) != NULL)
			return err_set(e, ERR_INVALID,
			    "url: it has no blank, query, fragment, user or "
			    "password");
	return true;
}

/* What is for the other kind of upstream would be a misunderstanding. */
static bool
check_kind(const struct scep_upstream_conf *c, struct err *e)
{
	if (c->est && (c->ca_name != NULL || c->allow_des))
		return err_set(
		    e, ERR_INVALID, "ca_name and allow_des are for SCEP");
	if (!c->est && (c->user != NULL || c->password != NULL))
		return err_set(e, ERR_INVALID,
		    "user and password are for EST: a SCEP server sees the "
		    "challenge in the client's own request, and who signs");
	if (c->user == NULL && c->password != NULL)
		return err_set(e, ERR_INVALID, "password without user");
	return c->user == NULL || strchr(c->user, ':') == NULL ||
	       err_set(e, ERR_INVALID, "user: no colon (RFC 7617 2)");
}

static bool
open_client(struct scep_upstream_conf *c, struct err *e)
{
	AUTO(cert_stack_free) STACK_OF(X509) *chain = NULL;

	if (c->client_cert == NULL && c->client_key == NULL)
		return true;
	if (c->client_cert == NULL || c->client_key == NULL)
		return err_set(e, ERR_INVALID,
		    "client_certificate and client_key belong together");
	if (!cert_parse_chain(slice_str(c->client_cert), &chain, e))
		return err_wrap(e, "client_certificate");
	if (!cert_key_parse(slice_str(c->client_key), &c->client_private, e) ||
	    !cert_key_acceptable(c->client_private, c->est, e))
		return err_wrap(e, "client_key");
	c->client = sk_X509_shift(chain);
	return X509_check_private_key(c->client, c->client_private) == 1 ||
	       err_openssl(e, ERR_INVALID,
	           "client_key is not that of client_certificate");
}

static bool
open_anchors(struct scep_upstream_conf *c, struct err *e)
{
	AUTO(cert_stack_free) STACK_OF(X509) *tls = NULL;

	if (c->ca == NULL)
		return err_set(e, ERR_INVALID,
		    "ca: the CA that certificates have to lead to, PEM");
	if (!cert_parse_chain(slice_str(c->ca), &c->anchors, e))
		return err_wrap(e, "ca");
	/* Who takes requests has to be the first of SCEP, or lie below it. */
	for (int i = 0; i < sk_X509_num(c->anchors); i++)
		if (X509_check_ca(sk_X509_value(c->anchors, i)) <= 0 &&
		    (c->est || i > 0 || sk_X509_num(c->anchors) == 1))
			return err_set(e, ERR_INVALID,
			    "ca: one is no certificate of a CA");
	return c->tls_ca == NULL ||
	       cert_parse_chain(slice_str(c->tls_ca), &tls, e) ||
	       err_wrap(e, "tls_ca");
}

static bool
check(struct scep_upstream_conf *c, struct err *e)
{
	return check_url(c, e) && check_kind(c, e) && open_anchors(c, e) &&
	       open_client(c, e);
}

/* ---- secrets at rest ---- */

static char *
context_of(const char *name)
{
	return str_printf("upstream:%s", name);
}

static bool
seal_secrets(const struct scep_upstream_conf *c, const struct seal *seal,
    struct buf *out, struct err *e)
{
	AUTO(str_free) char *context = context_of(c->name);
	AUTO(json_free) json_t *o = json_object();
	AUTO(str_wipe) char *text = NULL;

	if (c->password == NULL && c->client_key == NULL)
		return true;
	for (size_t i = 0; i < COUNT(secrets); i++)
		json_put_str(
		    o, secrets[i].key, *(char **)member(c, secrets[i].offset));
	text = json_text(o);
	return seal_put(seal, context, slice_str(text), out, e) &&
	       buf_ok(out, e);
}

static bool
unseal_secrets(struct scep_upstream_conf *c, const struct seal *seal,
    struct slice sealed, struct err *e)
{
	AUTO(str_free) char *context = context_of(c->name);
	AUTO(buf_wipe) struct buf *text = buf_new(SECRETS_MAX);
	AUTO(json_free) json_t *o = NULL;

	if (sealed.len == 0)
		return true;
	return seal_get(seal, context, sealed, text, e) &&
	       json_parse(buf_slice(text), &o, e) && read_secrets(c, o, e);
}

bool
scep_upstream_conf_open(struct store_tx *tx, const struct seal *seal,
    const char *name, struct scep_upstream_conf *out, bool *found,
    struct err *e)
{
	AUTO(store_rows_free) struct store_rows *r = NULL;

	*out = (struct scep_upstream_conf){ 0 };
	if (!scep_db_upstreams(tx, name, &r, e) || !store_next(r, found, e))
		return false;
	if (!*found)
		return true;
	str_copy_cut(out->name, sizeof(out->name), name);
	out->faults = store_int(r, SCEP_UPSTREAM_FAULTS);
	if (json_parse(slice_str(store_text(r, SCEP_UPSTREAM_FIELDS)),
	        &out->fields, e) &&
	    read_fields(out, e) &&
	    unseal_secrets(out, seal, store_blob(r, SCEP_UPSTREAM_SECRET), e) &&
	    check(out, e))
		return true;
	scep_upstream_conf_clear(out);
	return err_wrap(e, "upstream %s", name);
}

bool
scep_upstream_conf_options(const struct scep_upstream_conf *c,
    const atomic_bool *stop, struct scep_upstream_options *o,
    struct fetch **f_out, struct err *e)
{
	struct fetch_options fo = { .ca_pem = c->tls_ca,
		.cert_pem = c->client_cert,
		.key_pem = c->client_key,
		.timeout_ms = c->timeout_s * 1000,
		.stop = stop };

	if (!fetch_new(&fo, f_out, e))
		return false;
	*o = (struct scep_upstream_options){ .est = c->est,
		.url = c->url,
		.fetch = *f_out,
		.anchors = c->anchors,
		.user = c->user,
		.password = c->password,
		.ca_name = c->ca_name,
		.ra = c->client != NULL ? c->client : c->signer,
		.ra_key = c->client != NULL ? c->client_private : c->signer_key,
		.allow_des = c->allow_des,
		/* RFC 8894 3.3.1.2: no RenewalReq without a certificate. */
		.renew = c->renew && (c->est || c->client != NULL) };
	return true;
}

/* ---- changing ---- */

static bool
tell(struct store_tx *tx, const struct scep_upstream_change *c,
    const char *kind, const struct scep_upstream_conf *conf, struct err *e)
{
	AUTO(json_free) json_t *data = json_object();
	AUTO(str_free) char *text = NULL;

	json_put_str(data, "upstream", c->name);
	if (conf != NULL) {
		json_put_str(data, "kind", conf->kind);
		json_put_str(data, "url", conf->url);
	}
	text = json_text(data);
	return store_event_add(
	    tx, &(struct store_event){ kind, NULL, c->name, c->by, text }, e);
}

static bool
room_for(struct store_tx *tx, const char *name, struct err *e)
{
	int64_t count;
	bool known;

	if (!scep_upstream_conf_known(tx, name, &known, e) ||
	    !scep_db_upstream_count(tx, &count, e))
		return false;
	return known || count < SCEP_UPSTREAMS_MAX ||
	       err_set(e, ERR_CONFLICT, "there are too many upstreams");
}

bool
scep_upstream_conf_put(
    struct store_tx *tx, const struct scep_upstream_change *c, struct err *e)
{
	AUTO(scep_upstream_conf_clear) struct scep_upstream_conf conf = { 0 };
	AUTO(buf_free) struct buf *sealed = buf_new(SECRETS_MAX);
	AUTO(str_free) char *text = NULL;
	struct scep_upstream_row row = { .name = c->name, .by = c->by };

	if (!cert_template_name_good(c->name))
		return err_set(e, ERR_INVALID,
		    "an upstream's name has 1 to %d of a-z, 0-9 and '-', a "
		    "letter first",
		    CERT_TEMPLATE_NAME_SIZE - 1);
	str_copy_cut(conf.name, sizeof(conf.name), c->name);
	conf.fields = json_copy((json_t *)(uintptr_t)c->fields);
	for (size_t i = 0; i < COUNT(secrets); i++)
		json_object_del(conf.fields, secrets[i].key);
	if (!json_only_keys(c->fields, keys, e) || !read_fields(&conf, e) ||
	    !read_secrets(&conf, c->fields, e) || !check(&conf, e) ||
	    !room_for(tx, c->name, e) ||
	    !seal_secrets(&conf, c->seal, sealed, e))
		return err_wrap(e, "upstream %s", c->name);
	text = json_text(conf.fields);
	row.fields = text;
	if (sealed->len > 0)
		row.secret = buf_slice(sealed);
	return scep_db_upstream_put(tx, &row, e) &&
	       tell(tx, c, "upstream.changed", &conf, e);
}

static bool
not_in_use(struct store_tx *tx, const char *name, struct err *e)
{
	AUTO(cert_template_set_free) struct cert_template_set *set = NULL;

	if (!cert_template_set_load(tx, &set, e))
		return false;
	for (const struct cert_template *t = cert_template_set_all(set);
	     t->name != NULL; t++)
		if (str_eq(t->upstream, name))
			return err_set(
			    e, ERR_CONFLICT, "template %s names it", t->name);
	return true;
}

bool
scep_upstream_conf_remove(
    struct store_tx *tx, const struct scep_upstream_change *c, struct err *e)
{
	AUTO(store_rows_free) struct store_rows *r = NULL;
	bool found;

	if (!scep_db_upstreams(tx, c->name, &r, e) || !store_next(r, &found, e))
		return false;
	if (!found)
		return err_set(e, ERR_NOT_FOUND, "there is no such upstream");
	if (store_int(r, SCEP_UPSTREAM_QUEUED) > 0)
		return err_set(e, ERR_CONFLICT, "%lld requests wait for it",
		    (long long)store_int(r, SCEP_UPSTREAM_QUEUED));
	store_rows_free(&r);
	return not_in_use(tx, c->name, e) &&
	       scep_db_upstream_delete(tx, c->name, e) &&
	       tell(tx, c, "upstream.removed", NULL, e);
}

bool
scep_upstream_conf_known(
    struct store_tx *tx, const char *name, bool *out, struct err *e)
{
	AUTO(store_rows_free) struct store_rows *r = NULL;

	return scep_db_upstreams(tx, name, &r, e) && store_next(r, out, e);
}
