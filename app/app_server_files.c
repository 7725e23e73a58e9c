/*
 * What the server keeps as files in its data directory: TLS certificate and
 * key, the administrator's token.  Main thread, at start, which also renews
 * a TLS certificate of our own making that is near its end.
 */
#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#include "app/app_server_priv.h"
#include "core/clock.h"
#include "core/file.h"
#include "core/log.h"

enum { PEM_MAX = 64 << 10 };
#define TLS_RENEW_BEFORE_MS (30 * MS_DAY)

static bool
read_pair(const char *cert, const char *key, struct buf **cert_out,
    struct buf **key_out, struct err *e)
{
	AUTO(buf_free) struct buf *c = NULL;
	AUTO(buf_wipe) struct buf *k = NULL;

	if (!file_private(key, e) || !file_read(cert, PEM_MAX, &c, e) ||
	    !file_read(key, PEM_MAX, &k, e))
		return false;
	*cert_out = TAKE(c);
	*key_out = TAKE(k);
	return true;
}

/* True while the certificate we made is for this host and not near its end.
 * Its name is in the file name's companion: a changed URL makes a new one. */
static bool
still_good(const char *cert_path, const char *host_path, const char *host)
{
	AUTO(buf_free) struct buf *cert = NULL;
	AUTO(buf_free) struct buf *name = NULL;
	AUTO(cert_stack_free) STACK_OF(X509) *chain = NULL;
	struct err ignored = { 0 };

	return file_read(cert_path, PEM_MAX, &cert, &ignored) &&
	       file_read(host_path, 512, &name, &ignored) &&
	       str_eq(buf_str(name), host) &&
	       cert_parse_chain(buf_slice(cert), &chain, &ignored) &&
	       cert_not_after(sk_X509_value(chain, 0)) - clock_now_ms() >
	           TLS_RENEW_BEFORE_MS;
}

static bool
make_pair(struct app_server *s, const char *host, const char *cert_path,
    const char *key_path, struct err *e)
{
	AUTO(buf_free) struct buf *cert = NULL;
	AUTO(buf_wipe) struct buf *key = NULL;
	AUTO(cert_authority_free)
	struct cert_authority *a = cert_live_get(s->live);

	return cert_authority_tls(a, host, &cert, &key, e) &&
	       file_write(key_path, buf_slice(key), 0600, e) &&
	       file_write(cert_path, buf_slice(cert), 0644, e);
}

bool
app_server_tls(struct app_server *s, const char *host, struct err *e)
{
	const char *cert = settings_str(s->settings, "tls-cert");
	const char *key = settings_str(s->settings, "tls-key");
	AUTO(str_free) char *own_cert = str_printf("%s/tls.pem", s->data);
	AUTO(str_free) char *own_key = str_printf("%s/tls.key", s->data);
	AUTO(str_free) char *own_host = str_printf("%s/tls.host", s->data);

	if (cert != NULL)
		return read_pair(cert, key, &s->tls_cert, &s->tls_key, e) ||
		       err_wrap(e, "TLS certificate");
	if (!still_good(own_cert, own_host, host)) {
		if (!make_pair(s, host, own_cert, own_key, e) ||
		    !file_write(own_host, slice_str(host), 0644, e))
			return err_wrap(e, "TLS certificate");
		log_event(LOG_INFO, "tls_certificate_made", "host", host, NULL);
	}
	return read_pair(own_cert, own_key, &s->tls_cert, &s->tls_key, e);
}

/* Name of the first token; another one if that was made before and its file
 * is lost. */
static void
token_name(char *out, size_t size, int attempt)
{
	if (attempt == 0)
		snprintf(out, size, "admin");
	else
		snprintf(out, size, "admin-%" PRId64, clock_now_ms());
}

struct first_token {
	const struct seal *seal;
	const char *path, *name;
};

/* May be run again: the file is replaced. */
static bool
make_token_once(struct store_tx *tx, void *arg, struct err *e)
{
	const struct first_token *t = arg;
	char token[API_TOKEN_SIZE] = "";
	bool ok;

	ok = api_token_new(tx, t->seal, t->name, "admin", "system", token, e) &&
	     file_write(t->path, slice_str(token), 0600, e);
	mem_wipe(token, sizeof(token));
	return ok;
}

/*
 * The file is complete before the token is committed and gets its name only
 * after: a crash in between leaves no file, and the next start makes another.
 */
static bool
make_token(
    struct app_server *s, const char *path, const char *name, struct err *e)
{
	AUTO(str_free) char *new_path = str_printf("%s.new", path);

	if (!store_write(s->store, make_token_once,
	        &(struct first_token){ s->seal, new_path, name }, e))
		return false;
	if (rename(new_path, path) != 0)
		return err_errno(e, ERR_INTERNAL, "%s", path);
	return true;
}

bool
app_server_token(struct app_server *s, struct err *e)
{
	AUTO(str_free) char *token = str_printf("%s/admin.token", s->data);
	AUTO(str_free) char *url = str_printf("%s/admin.url", s->data);
	AUTO(str_free) char *ca = str_printf("%s/ca.pem", s->data);
	AUTO(buf_free) struct buf *pem = buf_new(PEM_MAX);
	AUTO(cert_authority_free)
	struct cert_authority *a = cert_live_get(s->live);
	char name[64];
	bool made = file_exists(token);

	for (int attempt = 0; !made && attempt < 2; attempt++) {
		token_name(name, sizeof(name), attempt);
		made = make_token(s, token, name, e);
		if (!made && e->code != ERR_CONFLICT)
			return err_wrap(e, "administrator's token");
	}
	if (!made)
		return err_wrap(e, "administrator's token");
	return cert_pem(cert_authority_root(a), pem, e) &&
	       file_write(ca, buf_slice(pem), 0644, e) &&
	       file_write(url, slice_str(s->admin_url), 0644, e);
}
