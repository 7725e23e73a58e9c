/*
 * The TLS certificate: read at start, or made by our own CA, and followed
 * while the server runs, for whoever renews it (an ACME client, an
 * administrator) leaves a new file in its place.  A new one that clients would
 * not take leaves the old one in use.  It also signs enrolment profiles.
 *
 * Main thread at start and at SIGHUP, the ticker every few seconds; tls_lock
 * is taken by both.
 */
#include "app/app_server_priv.h"
#include "certs/cert_tls.h"
#include "core/clock.h"
#include "core/file.h"
#include "core/log.h"

enum { PEM_MAX = 64 << 10 };
#define TLS_RENEW_BEFORE_MS (30 * MS_DAY)

struct pair {
	struct buf *cert, *key;
};

static void
pair_clear(struct pair *p)
{
	buf_free(&p->cert);
	buf_wipe(&p->key);
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

/* True while the pair we made is whole, for this host and not near its end. */
static bool
still_good(struct app_server *s, const char *cert, const char *key)
{
	AUTO(pair_clear) struct pair p = { 0 };
	struct err ignored = { 0 };
	struct cert_tls t;

	if (!read_pair(cert, key, &p, &ignored))
		return false;
	t = as_tls(s, &p);
	return cert_tls_check(&t, &ignored) &&
	       cert_tls_not_after(t.cert) - clock_now_ms() >
	           TLS_RENEW_BEFORE_MS;
}

static bool
make_pair(struct app_server *s, const char *cert_path, const char *key_path,
    struct err *e)
{
	AUTO(buf_free) struct buf *cert = NULL;
	AUTO(buf_wipe) struct buf *key = NULL;
	AUTO(cert_authority_free)
	struct cert_authority *a = cert_live_get(s->live);

	return cert_authority_tls(a, s->host, &cert, &key, e) &&
	       file_write(key_path, buf_slice(key), 0600, e) &&
	       file_write(cert_path, buf_slice(cert), 0644, e);
}

/* That of the settings, or our own, made again when it is near its end. */
static bool
find_pair(struct app_server *s, struct pair *out, struct err *e)
{
	const char *cert = settings_str(s->settings, "tls-cert");
	const char *key = settings_str(s->settings, "tls-key");
	AUTO(str_free) char *own_cert = str_printf("%s/tls.pem", s->data);
	AUTO(str_free) char *own_key = str_printf("%s/tls.key", s->data);

	if (cert != NULL)
		return read_pair(cert, key, out, e);
	/* One that others can read is for a human to judge, not to replace. */
	if (file_exists(own_key) && !file_private(own_key, e))
		return err_wrap(e, "TLS certificate");
	if (!still_good(s, own_cert, own_key)) {
		if (!make_pair(s, own_cert, own_key, e))
			return err_wrap(e, "TLS certificate");
		log_event(
		    LOG_INFO, "tls_certificate_made", "host", s->host, NULL);
	}
	return read_pair(own_cert, own_key, out, e);
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

	if (!find_pair(s, &p, e))
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
