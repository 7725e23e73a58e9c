/*
 * mutsu ca request, import and drop-request: an issuing CA that the operator's
 * own root signs.  One thread.
 */
#include <stdio.h>

#include "app/app_ca_priv.h"
#include "certs/cert_outside.h"
#include "core/file.h"

enum { CHAIN_MAX = 1 << 20 };

static const struct app_option import_options[] = {
	{ "config", "FILE", "settings (DATA/mutsu.conf)" },
	{ "root", "FILE", "the root, where the chain's file lacks it (PEM)" },
	{ NULL, NULL, NULL },
};

/* The same request again may be where it went before; all else that is there
 * stays as it is. */
static bool
put_request(const char *path, struct slice pem, struct err *e)
{
	AUTO(buf_free) struct buf *there = NULL;

	if (!file_exists(path))
		return file_create(path, pem, 0644, e);
	return (file_read(path, CHAIN_MAX, &there, e) &&
	           slice_eq(buf_slice(there), pem)) ||
	       err_set(e, ERR_CONFLICT,
	           "%s is there already, and is not this request", path);
}

static bool
request(const struct app_args *a, struct app_ca_desk *d, struct err *e)
{
	AUTO(cert_member_free) struct cert_member *open = NULL;
	AUTO(buf_free) struct buf *pem = NULL;

	if (!cert_outside_open(d->store, &open, e))
		return false;
	if (open == NULL && file_exists(a->words[0]))
		return err_set(
		    e, ERR_CONFLICT, "%s is there already", a->words[0]);
	if (!cert_outside_request(d->store, &d->o, &pem, e) ||
	    !put_request(a->words[0], buf_slice(pem), e))
		return false;
	d->any = true;
	if (!app_ca_show(a, d, e))
		return false;
	app_say(a,
	    "Have %s signed as a CA (pathlen 0). Next: mutsu ca import "
	    "CHAIN.PEM",
	    a->words[0]);
	return true;
}

static bool
import(const struct app_args *a, struct app_ca_desk *d, struct err *e)
{
	AUTO(buf_free) struct buf *chain = NULL;
	AUTO(buf_free) struct buf *root = NULL;
	const char *root_file = app_arg(a, "root");
	struct cert_outside_chain in = { 0 };
	AUTO(cert_authority_free) struct cert_authority *ca = NULL;
	bool again = false;

	if (!file_read(a->words[0], CHAIN_MAX, &chain, e) ||
	    (root_file != NULL && !file_read(root_file, CHAIN_MAX, &root, e)))
		return false;
	in.chain = buf_slice(chain);
	if (root != NULL)
		in.root = buf_slice(root);
	if (!cert_outside_import(d->store, &d->o, &in, &again, e) ||
	    !app_ca_snapshot(d, &ca, e) || !app_ca_show(a, d, e))
		return false;
	if (again)
		app_say(a, "It was imported before.");
	if (cert_authority_next(ca) != NULL)
		app_say(a,
		    "Clients get it by GetNextCACert. Next: mutsu ca switch");
	return true;
}

static bool
drop_request(const struct app_args *a, struct app_ca_desk *d, struct err *e)
{
	AUTO(cert_member_free) struct cert_member *open = NULL;

	if (!cert_outside_open(d->store, &open, e) ||
	    (open != NULL && !app_ca_confirm(a, open->id, e)) ||
	    !cert_outside_drop(d->store, &d->o, e))
		return false;
	app_say(a, "The request is given up, and its key destroyed.");
	return true;
}

APP_CA_BEGIN(request)
APP_CA_COMMAND(import)
APP_CA_COMMAND(drop_request)

const struct app_subcommand app_ca_outside_commands[] = {
	{ "ca", "request", "FILE", 1, 1, app_ca_options,
	    "write the CSR of an issuing CA for a root of your own",
	    request_command, true },
	{ "ca", "import", "CHAIN.PEM", 1, 1, import_options,
	    "take the signed certificate in, with its chain", import_command,
	    true },
	{ "ca", "drop-request", "", 0, 0, app_ca_drop_options,
	    "give an open request up", drop_request_command, true },
	{ 0 },
};
