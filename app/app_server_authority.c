/*
 * The certificate authority of a running server: opened at start, and
 * refreshed when other nodes or `mutsu ca` changed it.
 */
#include <string.h>

#include "app/app_server_priv.h"
#include "app/app_settings.h"
#include "certs/cert_authority_end.h"
#include "core/file.h"
#include "core/log.h"
#include "store/store_master.h"

/*
 * Who checks a certificate fetches CRLs and OCSP best without TLS, for TLS
 * would ask for another certificate to be checked (RFC 5280 8).  A plain
 * listener on a loopback address is behind a proxy whose address only
 * http-url can say, or the whole server is for this machine alone.
 */
static char *
status_url(const struct app_server *s)
{
	const char *given = settings_str(s->settings, "http-url");
	bool local = settings_str(s->settings, "public-url") == NULL;
	bool loopback =
	    app_settings_loopback(settings_str(s->settings, "http-address"));

	if (given != NULL)
		return str_dup(given);
	if (s->plain_port == 0 || (loopback && !local))
		return str_dup(s->url);
	if (s->plain_port == 80 && strchr(s->host, ':') == NULL)
		return str_printf("http://%s", s->host);
	return app_settings_url("http", s->host, (int)s->plain_port);
}

static void
cut_slashes(char *s)
{
	size_t n = strlen(s);

	while (n > 0 && s[n - 1] == '/')
		s[--n] = '\0';
}

bool
app_server_authority(struct app_server *s, struct err *e)
{
	AUTO(str_free) char *master = str_printf("%s/master.key", s->data);
	struct cert_authority_options o = { 0 };
	bool any;

	/* A new one would open nothing that is there. */
	if (!cert_authority_exists(s->store, &any, e))
		return false;
	if (any && !file_exists(master))
		return err_set(e, ERR_NOT_FOUND,
		    "%s is missing: restore it, or copy it from another node; "
		    "nothing sealed opens without",
		    master);
	s->keys = str_printf("%s/keys", s->data);
	if (!seal_open(master, &s->seal, e) ||
	    !app_settings_authority(s->settings, &o, e))
		return false;
	/* Of nodes that start together with keys of their own, all but one end
	 * here, before they made anything. */
	if (!store_master_check(s->store, s->seal, !any, e))
		return false;
	o.vault.seal = s->seal;
	o.vault.dir = s->keys;
	s->status_url = status_url(s);
	cut_slashes(s->status_url);
	o.status_url = s->status_url;
	/* A database from before there was a mark gets that of a key which
	 * opens what is in it. */
	return cert_live_open(s->store, &o, &s->live, e) &&
	       store_master_check(s->store, s->seal, true, e);
}

bool
app_server_authority_refresh(void *arg, struct err *e)
{
	struct app_server *s = arg;
	bool changed;

	if (!cert_live_refresh(s->live, &changed, e))
		return err_wrap(e, "certificate authority");
	if (changed)
		log_event(LOG_INFO, "authority_changed", NULL);
	return true;
}

/* ---- its end ---- */

/* ends borrows of the snapshot, which is the caller's. */
static struct cert_authority *
look_for_ends(struct app_server *s, struct cert_authority_ends *ends)
{
	struct cert_authority *a = cert_live_get(s->live);

	cert_authority_ends(a, ends);
	return a;
}

void
app_server_authority_ends(struct app_server *s)
{
	struct cert_authority_ends ends;
	AUTO(cert_authority_free)
	struct cert_authority *a = look_for_ends(s, &ends);

	cert_authority_end_log(&ends);
}

struct alarm {
	const struct store_lease *lease;
	struct cert_authority_ends ends, told;
};

static bool
alarm_once(struct store_tx *tx, void *arg, struct err *e)
{
	struct alarm *x = arg;

	return store_lease_keep(tx, x->lease, e) &&
	       cert_authority_alarm(tx, &x->ends, &x->told, e);
}

bool
app_server_authority_alarm(
    struct app_server *s, const struct store_lease *l, struct err *e)
{
	struct alarm x = { .lease = l };
	AUTO(cert_authority_free)
	struct cert_authority *a = look_for_ends(s, &x.ends);

	if (x.ends.count == 0)
		return true;
	if (!store_write(s->store, alarm_once, &x, e))
		return false;
	cert_authority_end_log(&x.told);
	return true;
}

bool
app_server_revocation(struct app_server *s, struct err *e)
{
	s->revocation.store = s->store;
	s->revocation.ocsp = cert_ocsp_new(&(struct cert_ocsp_options){
	    .store = s->store, .live = s->live, .seal = s->seal });
	return cert_crl_new(&(struct cert_crl_options){ .store = s->store,
	                        .live = s->live,
	                        .node = store_node_id(s->node) },
	    &s->revocation.crl, e);
}

void
app_server_revocation_end(struct app_server *s)
{
	cert_crl_free(&s->revocation.crl);
	cert_ocsp_free(&s->revocation.ocsp);
}
