/*
 * What the server keeps as files in its data directory for the command line:
 * the administrator's token, where the server is, whom to trust.  Main thread,
 * at start.
 */
#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#include "app/app_server_priv.h"
#include "core/clock.h"
#include "core/file.h"
#include "core/log.h"

enum { PEM_MAX = 1 << 20 };

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

	ok = api_token_new(tx, t->seal,
	         &(struct api_token_wish){ t->name, "admin", "system" }, token,
	         e) &&
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

/* The active root first.  Our TLS certificate may be of the generation
 * before. */
static bool
put_roots(const struct cert_authority *a, struct buf *pem, struct err *e)
{
	const STACK_OF(X509) *anchors = cert_authority_anchors(a);

	for (int i = 0; i < sk_X509_num(anchors); i++) {
		X509 *x = sk_X509_value(anchors, i);

		if (X509_NAME_cmp(X509_get_subject_name(x),
		        X509_get_issuer_name(x)) == 0 &&
		    !cert_pem(x, pem, e))
			return false;
	}
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
	return put_roots(a, pem, e) &&
	       file_write(ca, buf_slice(pem), 0644, e) &&
	       file_write(url, slice_str(s->admin_url), 0644, e);
}
