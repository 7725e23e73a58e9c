/*
 * The TLS certificate: read at start, or made by our own CA, and followed
 * while the server runs, for whoever renews it (an ACME client, an
 * administrator) leaves a new file in its place.  A new one that clients would
 * not take leaves the old one in use.  One of our own is made again before it
 * ends, and when it was revoked.  It also signs enrolment profiles.
 *
 * Main thread at start and at SIGHUP, the ticker every few seconds; tls_lock
 * is taken by both.
 */
#include "app/app_server_priv.h"
#include "certs/cert_tls.h"
#include "certs/cert_tls_own.h"
#include "core/clock.h"
#include "core/file.h"
#include "core/log.h"

enum { PEM_MAX = 64 << 10 };
/* One that is no better than the one before is not made with every look. */
#define MAKE_AGAIN_MS MS_H

struct pair {
	struct buf *cert, *key;
};

static void
pair_clear(struct pair *p)
{
	buf_free(&p->cert);
	buf_wipe(&p->key);
}

/* Where the one that we make lies. */
struct own_paths {
	char *cert, *key;
};

static void
own_paths_clear(struct own_paths *o)
{
	str_free(&o->cert);
	str_free(&o->key);
}

static struct own_paths
own_paths(const struct app_server *s)
{
	return (struct own_paths){ str_printf("%s/tls.pem", s->data),
		str_printf("%s/tls.key", s->data) };
}

static bool
read_pair(const char *cert, const char *key, struct pair *out, struct err *e)
{
	return (file_private(key, e) &&
	           file_read(cert, PEM_MAX, &out->cert, e) &&
	           file_read(key, PEM_MAX, &out->key, e)) ||
	       err_wrap(e, "TLS certificate");
}

static struct cert_tls
as_tls(const struct app_server *s, const struct pair *p)
{
	return (
	    struct cert_tls){ buf_slice(p->cert), buf_slice(p->key), s->host };
}

/* Why the pair that we made does not go on; NULL: it does.  What cannot be
 * asked of the database now is asked by the next look. */
static const char *
why_another(
    struct app_server *s, const struct cert_authority *a, const struct pair *p)
{
	const struct cert_tls t = as_tls(s, p);
	struct err ignored = { 0 };
	const char *why = NULL;

	(void)!cert_tls_own_note(s->store, a, t.cert, &why, &ignored);
	if (why != NULL)
		return why;
	if (!cert_tls_check(&t, &ignored))
		why = "unusable";
	else if (cert_tls_own_due(a, t.cert))
		why = "ends";
	if (s->tls_made_at != 0 &&
	    clock_mono_ms() - s->tls_made_at < MAKE_AGAIN_MS)
		return NULL;
	return why;
}

/* In the ledger before anybody sees it.  The key is written before that, for
 * where it cannot be, nothing is to be noted. */
static bool
make_pair(struct app_server *s, const struct cert_authority *a,
    const struct own_paths *own, struct err *e)
{
	AUTO(buf_free) struct buf *cert = NULL;
	AUTO(buf_wipe) struct buf *key = NULL;
	const char *ended;

	if (!cert_authority_tls(a, s->host, &cert, &key, e) ||
	    !file_write(own->key, buf_slice(key), 0600, e) ||
	    !cert_tls_own_note(s->store, a, buf_slice(cert), &ended, e))
		return false;
	s->tls_made_at = clock_mono_ms();
	return file_write(own->cert, buf_slice(cert), 0644, e);
}

/* Our own, made again when there is none to go on with. */
static bool
find_own(struct app_server *s, const struct own_paths *own, struct pair *out,
    struct err *e)
{
	AUTO(cert_authority_free)
	struct cert_authority *a = cert_live_get(s->live);
	AUTO(pair_clear) struct pair p = { 0 };
	struct err ignored = { 0 };
	const char *why = "missing";

	/* One that others can read is for a human to judge, not to replace. */
	if (file_exists(own->key) && !file_private(own->key, e))
		return err_wrap(e, "TLS certificate");
	if (read_pair(own->cert, own->key, &p, &ignored))
		why = why_another(s, a, &p);
	if (why == NULL) {
		out->cert = TAKE(p.cert);
		out->key = TAKE(p.key);
		return true;
	}
	if (!make_pair(s, a, own, e))
		return err_wrap(e, "TLS certificate (%s)", why);
	log_event(LOG_INFO, "tls_certificate_made", "host", s->host, "before",
	    why, NULL);
	return read_pair(own->cert, own->key, out, e);
}

/* That of the settings, or our own. */
static bool
find_pair(struct app_server *s, struct pair *out, struct err *e)
{
	const char *cert = settings_str(s->settings, "tls-cert");
	AUTO(own_paths_clear) struct own_paths own = own_paths(s);

	return cert != NULL ? read_pair(cert,
	                          settings_str(s->settings, "tls-key"), out, e)
	                    : find_own(s, &own, out, e);
}

/* A CA that has ended makes none.  The server starts with what is there all
 * the same: whoever is to mend it has to reach it. */
static bool
find_first(struct app_server *s, struct pair *out, struct err *e)
{
	AUTO(own_paths_clear) struct own_paths own = own_paths(s);
	struct err ignored = { 0 };

	if (find_pair(s, out, e))
		return true;
	if (settings_str(s->settings, "tls-cert") != NULL ||
	    !read_pair(own.cert, own.key, out, &ignored))
		return false;
	log_event(LOG_ERROR, "tls_certificate_kept", "why", e->text, NULL);
	return true;
}

static void
keep(struct app_server *s, struct pair *p)
{
	buf_free(&s->tls_cert);
	buf_wipe(&s->tls_key);
	s->tls_cert = TAKE(p->cert);
	s->tls_key = TAKE(p->key);
	atomic_store(
	    &s->tls_not_after, cert_tls_not_after(buf_slice(s->tls_cert)));
}

bool
app_server_tls(struct app_server *s, struct err *e)
{
	AUTO(pair_clear) struct pair p = { 0 };
	struct cert_tls t;
	struct err why = { 0 };

	if (!find_first(s, &p, e))
		return false;
	t = as_tls(s, &p);
	/* A proxy in front may have another one; whoever comes directly will
	 * see. */
	if (!cert_tls_check(&t, &why))
		log_event(LOG_WARN, "tls_certificate_doubtful", "why", why.text,
		    NULL);
	keep(s, &p);
	return true;
}

/* Another one than is in use goes into use; *changed: it did. */
static bool
follow(struct app_server *s, bool *changed, struct err *e)
{
	AUTO(pair_clear) struct pair p = { 0 };
	struct cert_tls t;

	*changed = false;
	if (!find_pair(s, &p, e))
		return false;
	t = as_tls(s, &p);
	if (slice_eq(t.cert, buf_slice(s->tls_cert)) &&
	    slice_eq(t.key, buf_slice(s->tls_key)))
		return true;
	if (!cert_tls_check(&t, e) ||
	    !http_set_certificate(
	        s->http, buf_str(p.cert), buf_str(p.key), e) ||
	    !enroll_service_set_signer(
	        s->enroll, buf_str(p.cert), buf_str(p.key), e))
		return err_wrap(e, "TLS certificate");
	keep(s, &p);
	*changed = true;
	return true;
}

/*
 * Files that are just being written are read again a little later: only what
 * is still wrong then is told, and once.  Under tls_lock.
 */
static bool
worth_telling(struct app_server *s, bool asked, const char *why)
{
	if (!str_eq(s->tls_why, why)) {
		str_copy_cut(s->tls_why, sizeof(s->tls_why), why);
		s->tls_seen = 0;
	}
	if (s->tls_seen < 3)
		s->tls_seen++;
	return asked || s->tls_seen == 2;
}

void
app_server_tls_look(struct app_server *s, bool asked)
{
	bool changed;
	struct err e = { 0 };

	pthread_mutex_lock(&s->tls_lock);
	if (!follow(s, &changed, &e)) {
		if (worth_telling(s, asked, e.text))
			log_event(LOG_ERROR, "tls_certificate_kept", "why",
			    e.text, NULL);
	} else {
		s->tls_why[0] = '\0';
		if (changed || asked)
			log_event(LOG_INFO,
			    changed ? "tls_certificate_changed"
			            : "tls_certificate_unchanged",
			    "days",
			    LOG_NUM((atomic_load(&s->tls_not_after) -
			                clock_now_ms()) /
			            MS_DAY),
			    NULL);
	}
	pthread_mutex_unlock(&s->tls_lock);
}
