/*
 * The certificate of listeners, which may be another one from now on while
 * connections with the one before go on: each connection holds a reference to
 * what it began with.  Any thread.
 */
#include <string.h>

#include <gnutls/gnutls.h>

#include "http/http_priv.h"

struct http_tls {
	_Atomic int references;
	gnutls_certificate_credentials_t credentials;
};

static gnutls_datum_t
datum(const char *s)
{
	return (gnutls_datum_t){ (unsigned char *)(uintptr_t)s,
		(unsigned)strlen(s) };
}

bool
http_tls_new(const char *cert_pem, const char *key_pem, struct http_tls **out,
    struct err *e)
{
	AUTO(http_tls_unref) struct http_tls *t = mem_zalloc(1, sizeof(*t));
	const gnutls_datum_t cert = datum(cert_pem), key = datum(key_pem);
	int rc = gnutls_certificate_allocate_credentials(&t->credentials);

	atomic_init(&t->references, 1);
	if (rc == GNUTLS_E_SUCCESS)
		rc = gnutls_certificate_set_x509_key_mem(
		    t->credentials, &cert, &key, GNUTLS_X509_FMT_PEM);
	if (rc < 0)
		return err_set(e, ERR_INVALID, "TLS certificate and key: %s",
		    gnutls_strerror(rc));
	*out = TAKE(t);
	return true;
}

void
http_tls_unref(struct http_tls **tp)
{
	struct http_tls *t = *tp;

	*tp = NULL;
	if (t == NULL || atomic_fetch_sub(&t->references, 1) > 1)
		return;
	if (t->credentials != NULL)
		gnutls_certificate_free_credentials(t->credentials);
	mem_free(&t);
}

void
http_tls_put(struct http_listener *l, struct http_tls *t)
{
	struct http_tls *before;

	pthread_mutex_lock(&l->conns_lock);
	before = l->tls_now;
	atomic_fetch_add(&t->references, 1);
	l->tls_now = t;
	pthread_mutex_unlock(&l->conns_lock);
	http_tls_unref(&before);
}

void
http_tls_session(struct http_conn *c, gnutls_session_t session)
{
	struct http_listener *l = c->listener;

	pthread_mutex_lock(&l->conns_lock);
	c->tls = l->tls_now;
	atomic_fetch_add(&c->tls->references, 1);
	pthread_mutex_unlock(&l->conns_lock);
	/* In place of those that the library knows: the first ones. */
	(void)gnutls_credentials_set(
	    session, GNUTLS_CRD_CERTIFICATE, c->tls->credentials);
}

bool
http_set_certificate(struct http_server *s, const char *cert_pem,
    const char *key_pem, struct err *e)
{
	AUTO(http_tls_unref) struct http_tls *t = NULL;

	if (!http_tls_new(cert_pem, key_pem, &t, e))
		return false;
	pthread_mutex_lock(&s->janitor.lock);
	for (struct http_listener *l = s->listeners; l != NULL; l = l->next)
		if (l->tls)
			http_tls_put(l, t);
	pthread_mutex_unlock(&s->janitor.lock);
	return true;
}
