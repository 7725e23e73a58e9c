/*
 * mutsu ca ...: the certificate authority, by its database.  Servers may run;
 * they notice.  One thread.
 */
#include <stdio.h>

#include "app/app_ca_priv.h"
#include "app/app_settings.h"
#include "certs/cert_authority_json.h"
#include "certs/cert_ledger.h"
#include "certs/cert_outside.h"
#include "certs/cert_roll.h"
#include "core/clock.h"
#include "core/file.h"
#include "core/json.h"

enum { BACKUP_MAX = 4 << 20, KEY_MAX = 16 << 10 };

static const struct app_option create_options[] = {
	{ "config", "FILE", "settings (DATA/mutsu.conf)" },
	{ "single", NULL, "one CA that is root, issuing CA and RA" },
	{ NULL, NULL, NULL },
};

static const struct app_option secret_options[] = {
	{ "config", "FILE", "settings (DATA/mutsu.conf)" },
	{ "passphrase", "WHERE", "file:PATH or env:NAME; needed" },
	{ NULL, NULL, NULL },
};

static const struct app_option restore_options[] = {
	{ "config", "FILE", "settings (DATA/mutsu.conf)" },
	{ "passphrase", "WHERE", "file:PATH or env:NAME; needed" },
	{ "unchecked", NULL,
	    "take a backup of an older program, which anybody may have "
	    "changed" },
	{ NULL, NULL, NULL },
};

static const struct app_option rollover_options[] = {
	{ "config", "FILE", "settings (DATA/mutsu.conf)" },
	{ "passphrase", "WHERE", "of the root's key: file:PATH or env:NAME" },
	{ "root-key-file", "FILE", "the root's key, of mutsu ca take-root" },
	{ NULL, NULL, NULL },
};

static const struct app_option renew_options[] = {
	{ "config", "FILE", "settings (DATA/mutsu.conf)" },
	{ "revoke", "REASON",
	    "end the one before: key_compromise, superseded, ..." },
	{ NULL, NULL, NULL },
};

static const struct app_option export_options[] = {
	{ "config", "FILE", "settings (DATA/mutsu.conf)" },
	{ "der", NULL, "DER instead of PEM; one certificate" },
	{ NULL, NULL, NULL },
};

static const struct app_column columns[] = {
	{ "ID", "id" },
	{ "ROLE", "role" },
	{ "STATE", "state" },
	{ "TYPE", "key_type" },
	{ "KEY", "key" },
	{ "NOT AFTER", "not_after" },
	{ "SUBJECT", "subject" },
	{ NULL, NULL },
};

/* They would make the lines of the first table too long. */
static const struct app_column fingerprint_columns[] = {
	{ "ID", "id" },
	{ "SHA-256 FINGERPRINT", "fingerprint" },
	{ NULL, NULL },
};

static void
show_fingerprints(const struct app_args *a, const json_t *rows)
{
	AUTO(json_free) json_t *certificates = json_array();
	const json_t *row;
	size_t i;

	json_array_foreach(rows, i,
	    row) if (json_is_string(json_object_get(row, "fingerprint")))
	    json_array_append(certificates, (json_t *)row);
	if (a->json || json_array_size(certificates) == 0)
		return;
	app_say(a, "%s", "");
	app_print_list(a, certificates, fingerprint_columns, "");
}

bool
app_ca_show(const struct app_args *a, struct app_ca_desk *d, struct err *e)
{
	AUTO(cert_authority_free) struct cert_authority *ca = NULL;
	AUTO(cert_member_free) struct cert_member *request = NULL;
	AUTO(json_free) json_t *rows = NULL;
	struct err why = { 0 };

	if (!cert_outside_open(d->store, &request, e))
		return false;
	/* With a request there need not be anything else yet. */
	if (!app_ca_snapshot(d, &ca, &why) &&
	    (request == NULL || why.code != ERR_CONFLICT)) {
		*e = why;
		return false;
	}
	rows = cert_authority_json(ca, request);
	app_print_list(a, rows, columns, "No authority.");
	show_fingerprints(a, rows);
	return true;
}

static bool
show_all(const struct app_args *a, struct app_ca_desk *d, struct err *e)
{
	return app_ca_show(a, d, e);
}

static bool
create(const struct app_args *a, struct app_ca_desk *d, struct err *e)
{
	AUTO(cert_authority_free) struct cert_authority *ca = NULL;

	/* An open request has words of its own. */
	if (d->any)
		return app_ca_snapshot(d, &ca, e) &&
		       err_set(
		           e, ERR_CONFLICT, "there is an authority already");
	d->any = true;
	d->o.single = d->o.single || app_arg(a, "single") != NULL;
	if (!app_settings_authority_key(&d->o, e) || !app_ca_show(a, d, e))
		return false;
	if (d->o.single && (settings_given(d->settings, "root-key") ||
	                       settings_given(d->settings, "ra-key")))
		app_say(a,
		    "root-key and ra-key do not count here: the key of the one "
		    "CA is issuing-key.");
	app_say(a, "Next: mutsu serve");
	return true;
}

/* The certificate with this id, or the active one in this role. */
static const struct cert_member *
pick(const struct cert_authority *ca, const char *what)
{
	const struct cert_member *const *m;
	size_t count = cert_authority_members(ca, &m);

	for (size_t i = 0; i < count; i++)
		if (str_eq(m[i]->id, what) ||
		    (str_eq(m[i]->role, what) &&
		        str_eq(m[i]->state, CERT_STATE_ACTIVE)))
			return m[i];
	if (!cert_authority_single(ca))
		return NULL;
	/* The one certificate is all of them. */
	return str_eq(what, CERT_ROLE_ROOT) || str_eq(what, CERT_ROLE_RA)
	           ? cert_authority_find(ca, cert_authority_id(ca))
	           : NULL;
}

static bool
export_upwards(const struct cert_authority *ca, const struct cert_member *m,
    bool chain, struct buf *out, struct err *e)
{
	do {
		if (!cert_pem(m->certificate, out, e))
			return false;
		m = cert_authority_find(ca, m->parent_id);
	} while (chain && m != NULL);
	return true;
}

static bool export(
    const struct app_args *a, struct app_ca_desk *d, struct err *e)
{
	AUTO(cert_authority_free) struct cert_authority *ca = NULL;
	AUTO(buf_free) struct buf *out = NULL;
	bool chain = str_eq(a->words[0], "chain");
	const struct cert_member *m;

	if (!app_ca_snapshot(d, &ca, e))
		return false;
	m = pick(ca, chain ? CERT_ROLE_ISSUING : a->words[0]);
	if (m == NULL)
		return err_set(
		    e, ERR_NOT_FOUND, "no certificate %s", a->words[0]);
	if (app_arg(a, "der") != NULL) {
		if (chain)
			return err_set(
			    e, ERR_INVALID, "--der is for one certificate");
		if (!cert_der(m->certificate, &out, e))
			return false;
	} else {
		out = buf_new(BACKUP_MAX);
		if (!export_upwards(ca, m, chain, out, e) || !buf_ok(out, e))
			return false;
	}
	fwrite(buf_slice(out).p, 1, buf_slice(out).len, stdout);
	return true;
}

static bool
passphrase(const struct app_args *a, struct buf **out, struct err *e)
{
	return cert_vault_secret(
	    app_arg(a, "passphrase"), "passphrase (--passphrase)", out, e);
}

static bool
root_key(const struct app_args *a, EVP_PKEY **out, struct err *e)
{
	const char *file = app_arg(a, "root-key-file");
	AUTO(buf_wipe) struct buf *phrase = NULL;
	AUTO(buf_wipe) struct buf *pem = NULL;

	return file == NULL ||
	       (passphrase(a, &phrase, e) &&
	           file_read(file, KEY_MAX, &pem, e) &&
	           cert_key_decrypt(buf_slice(pem), buf_slice(phrase), out, e));
}

static bool
rollover(const struct app_args *a, struct app_ca_desk *d, struct err *e)
{
	AUTO(cert_key_free) EVP_PKEY *key = NULL;

	if (!root_key(a, &key, e) ||
	    !cert_roll_prepare(d->store, &d->o, key, e) ||
	    !app_ca_show(a, d, e))
		return false;
	app_say(a, "Clients get it by GetNextCACert. Next: mutsu ca switch");
	return true;
}

static bool
switch_over(const struct app_args *a, struct app_ca_desk *d, struct err *e)
{
	if (!cert_roll_switch(d->store, &d->o, e) || !app_ca_show(a, d, e))
		return false;
	app_say(a,
	    "Servers that run notice. What the CA before issued stays valid.");
	return true;
}

static bool
retire(const struct app_args *a, struct app_ca_desk *d, struct err *e)
{
	if (!cert_roll_retire(d->store, &d->o, a->words[0], e) ||
	    !app_ca_show(a, d, e))
		return false;
	app_say(a,
	    "It answers nothing any more, and new Macs do not get what stands "
	    "above it alone. Those that have it\nkeep it, and what it issued "
	    "stays valid: revoke what is in doubt.");
	return true;
}

static bool
drop_next(const struct app_args *a, struct app_ca_desk *d, struct err *e)
{
	AUTO(cert_authority_free) struct cert_authority *ca = NULL;
	const struct cert_member *next;

	if (!app_ca_snapshot(d, &ca, e))
		return false;
	next = cert_authority_next(ca);
	if ((next != NULL && !app_ca_confirm(a, next->id, e)) ||
	    !cert_roll_drop_next(d->store, &d->o, e) || !app_ca_show(a, d, e))
		return false;
	app_say(a,
	    "Servers that run notice. Clients that asked GetNextCACert have to "
	    "ask again after the next rollover.");
	return true;
}

static bool
renew_ra(const struct app_args *a, struct app_ca_desk *d, struct err *e)
{
	const char *why = app_arg(a, "revoke");
	int reason = -1;

	if (why != NULL && !cert_reason_parse(why, &reason, e))
		return false;
	if (reason == CERT_REASON_HOLD)
		return err_set(e, ERR_INVALID, "an RA cannot be put on hold");
	if (!cert_roll_renew_ra(d->store, &d->o, reason, e) ||
	    !app_ca_show(a, d, e))
		return false;
	app_say(a,
	    why == NULL
	        ? "Servers that run notice. The RA before serves for 30 days "
	          "more."
	        : "Servers that run notice. Clients that keep the RA before "
	          "have to ask GetCACert again.");
	return true;
}

static bool
keep_file(struct slice pem, void *arg, struct err *e)
{
	return file_create(arg, pem, 0600, e);
}

static bool
take_root(const struct app_args *a, struct app_ca_desk *d, struct err *e)
{
	AUTO(buf_wipe) struct buf *phrase = NULL;
	struct cert_roll_keep k = { .keep = keep_file,
		.arg = (void *)(uintptr_t)a->words[0] };

	if (!passphrase(a, &phrase, e))
		return false;
	k.passphrase = buf_slice(phrase);
	if (!cert_roll_take_root(d->store, &d->o, &k, e))
		return false;
	app_say(a,
	    "The root's key is in %s only. Backups from before still "
	    "hold it.",
	    a->words[0]);
	return true;
}

static void
say_held(const struct app_args *a, const struct cert_roll_held *h)
{
	if (h->keys > 0)
		app_say(a,
		    "%s holds %zu certificates and, under the passphrase, %zu "
		    "of their keys.",
		    a->words[0], h->certificates, h->keys);
	else
		app_say(a, "%s holds %zu certificates and no key.", a->words[0],
		    h->certificates);
	if (h->tokens > 0)
		app_say(a,
		    "Not in it: %zu keys in a token, which has to be backed up "
		    "by its own means.",
		    h->tokens);
	if (h->away > 0)
		app_say(a,
		    "Not in it: %zu keys that are not here (a root that was "
		    "taken away, or is not ours).",
		    h->away);
	app_say(a,
	    "Not in it: the ledger. What was issued and revoked is in the "
	    "database alone; back that up as well.");
}

static bool
backup(const struct app_args *a, struct app_ca_desk *d, struct err *e)
{
	AUTO(buf_wipe) struct buf *phrase = NULL;
	AUTO(buf_free) struct buf *text = NULL;
	struct cert_roll_held held = { 0 };

	if (!passphrase(a, &phrase, e) ||
	    !cert_roll_backup(
	        d->store, &d->o.vault, buf_slice(phrase), &text, &held, e) ||
	    !file_create(a->words[0], buf_slice(text), 0600, e))
		return false;
	say_held(a, &held);
	return true;
}

static bool
restore(const struct app_args *a, struct app_ca_desk *d, struct err *e)
{
	AUTO(buf_wipe) struct buf *phrase = NULL;
	AUTO(buf_free) struct buf *text = NULL;

	if (!passphrase(a, &phrase, e) ||
	    !file_read(a->words[0], BACKUP_MAX, &text, e) ||
	    !cert_roll_restore(d->store, &d->o.vault,
	        &(struct cert_roll_restore){ .text = buf_slice(text),
	            .passphrase = buf_slice(phrase),
	            .unchecked = app_arg(a, "unchecked") != NULL },
	        e))
		return false;
	d->any = true;
	if (!app_ca_show(a, d, e))
		return false;
	app_say(a,
	    "The ledger was not in it: certificates from before are not known "
	    "here. The CRL is empty, so\nthose that were revoked pass for good "
	    "again; OCSP says unknown of all; Macs have to enrol again.\nIf "
	    "there is a backup of the database, use that instead.");
	return true;
}

APP_CA_LOOK(show_all)
APP_CA_BEGIN(create)
APP_CA_LOOK(export)
APP_CA_COMMAND(rollover)
APP_CA_COMMAND(switch_over)
APP_CA_COMMAND(retire)
APP_CA_COMMAND(drop_next)
APP_CA_COMMAND(renew_ra)
APP_CA_COMMAND(take_root)
APP_CA_COMMAND(backup)
APP_CA_BEGIN(restore)

const struct app_subcommand app_ca_commands[] = {
	{ "ca", "show", "", 0, 0, app_ca_options,
	    "the authority's certificates and where their keys are",
	    show_all_command, true },
	{ "ca", "create", "", 0, 0, create_options,
	    "make the authority before the first start", create_command, true },
	{ "ca", "export", "root|issuing|ra|chain|ID", 1, 1, export_options,
	    "write a certificate to standard output", export_command, true },
	{ "ca", "rollover", "", 0, 0, rollover_options,
	    "prepare the next issuing CA", rollover_command, true },
	{ "ca", "switch", "", 0, 0, app_ca_options,
	    "make the next issuing CA the active one", switch_over_command,
	    true },
	{ "ca", "retire", "ID", 1, 1, app_ca_options,
	    "let no new Mac trust an old issuing CA", retire_command, true },
	{ "ca", "drop-next", "", 0, 0, app_ca_drop_options,
	    "give the next issuing CA up, while it has issued nothing",
	    drop_next_command, true },
	{ "ca", "renew-ra", "", 0, 0, renew_options,
	    "give the SCEP RA a new key and certificate", renew_ra_command,
	    true },
	{ "ca", "take-root", "FILE", 1, 1, secret_options,
	    "move the root's key out of the installation", take_root_command,
	    true },
	{ "ca", "backup", "FILE", 1, 1, secret_options,
	    "write certificates and encrypted keys", backup_command, true },
	{ "ca", "restore", "FILE", 1, 1, restore_options,
	    "bring them into an empty installation", restore_command, true },
	{ 0 },
};
