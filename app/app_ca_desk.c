/*
 * What the subcommands of mutsu ca work at: the database itself, the master
 * key and the settings of the authority.  One thread.
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "app/app_ca_priv.h"
#include "app/app_settings.h"
#include "core/file.h"
#include "core/log.h"
#include "store/store_master.h"

const struct app_option app_ca_options[] = {
	{ "config", "FILE", "settings (DATA/mutsu.conf)" },
	{ NULL, NULL, NULL },
};

const struct app_option app_ca_drop_options[] = {
	{ "config", "FILE", "settings (DATA/mutsu.conf)" },
	{ "yes", NULL, "do not ask to type the id" },
	{ NULL, NULL, NULL },
};

static void
desk_clear(struct app_ca_desk *d)
{
	store_close(&d->store);
	seal_free(&d->seal);
	settings_free(&d->settings);
	str_free(&d->keys);
	str_free(&d->master);
}

static bool
nothing_yet(struct err *e)
{
	return err_set(e, ERR_NOT_FOUND,
	    "there is no authority yet; mutsu serve or mutsu ca create makes "
	    "one");
}

/* Who only looks leaves nothing behind. */
static bool
open_database(
    struct app_ca_desk *d, const char *data, bool begin, struct err *e)
{
	AUTO(str_free) char *file = str_printf("%s/mutsu.db", data);
	const char *address = settings_str(d->settings, "database");
	struct store_options o = { .path = file,
		.use = d->look ? STORE_LOOK : STORE_WORK };

	if (!str_empty(address))
		o.path = address;
	else if (!begin && !file_exists(file))
		return nothing_yet(e);
	if ((begin && !file_mkdir(data, e)) || !file_private(data, e))
		return false;
	if (!store_open(&o, &d->store, e))
		return e->code != ERR_CONFLICT || o.path != file || d->look
		           ? false
		           : err_wrap(e,
		                 "stop the server first (ca show and ca export "
		                 "work meanwhile)");
	if (!cert_authority_exists(d->store, &d->any, e))
		return false;
	return d->any || begin || nothing_yet(e);
}

static bool
desk_open(
    const struct app_args *a, struct app_ca_desk *d, bool begin, struct err *e)
{
	const char *data;

	log_set_level(LOG_ERROR);
	d->settings = settings_new(app_settings, app_settings_count);
	if (!app_settings_load(d->settings, a, e) ||
	    !app_settings_authority(d->settings, &d->o, e))
		return false;
	data = settings_str(d->settings, "data");
	d->keys = str_printf("%s/keys", data);
	d->master = str_printf("%s/master.key", data);
	if (!open_database(d, data, begin, e))
		return false;
	if (d->look)
		return true;
	if (d->any && !file_exists(d->master))
		return err_set(e, ERR_NOT_FOUND, "%s is missing", d->master);
	if (!seal_open(d->master, &d->seal, e) ||
	    !store_master_check(d->store, d->seal, !d->any, e))
		return false;
	d->o.vault.seal = d->seal;
	d->o.vault.dir = d->keys;
	return true;
}

static int
finish(bool good, const struct err *e)
{
	static const struct {
		enum err_code code;
		int exit;
	} codes[] = { { ERR_INVALID, APP_USAGE },
		{ ERR_NOT_FOUND, APP_NOT_FOUND },
		{ ERR_CONFLICT, APP_CONFLICT } };

	if (good)
		return APP_OK;
	fprintf(stderr, "mutsu: %s\n", e->text);
	for (size_t i = 0; i < COUNT(codes); i++)
		if (codes[i].code == e->code)
			return codes[i].exit;
	return APP_FAILED;
}

bool
app_ca_snapshot(
    struct app_ca_desk *d, struct cert_authority **out, struct err *e)
{
	if (!d->any)
		return nothing_yet(e);
	if (!d->look)
		return cert_authority_open(d->store, &d->o, out, e);
	return cert_authority_look(d->store, out, e) &&
	       (*out != NULL || err_set(e, ERR_CONFLICT,
	                            "the issuing CA waits for its certificate "
	                            "from outside"));
}

bool
app_ca_confirm(const struct app_args *a, const char *id, struct err *e)
{
	char typed[80] = "";

	if (app_arg(a, "yes") != NULL)
		return true;
	if (!isatty(STDIN_FILENO))
		return err_set(e, ERR_INVALID,
		    "nobody to ask; give --yes to destroy the key of %s "
		    "without",
		    id);
	printf("This destroys the key of %s. Type that id to go on: ", id);
	fflush(stdout);
	if (fgets(typed, sizeof(typed), stdin) != NULL)
		typed[strcspn(typed, "\n")] = '\0';
	return str_eq(typed, id) ||
	       err_set(e, ERR_INVALID, "not the id; nothing was done");
}

int
app_ca_run(const struct app_args *a, app_ca_fn what)
{
	AUTO(desk_clear) struct app_ca_desk d = { 0 };
	struct err e = { 0 };

	return finish(desk_open(a, &d, false, &e) && what(a, &d, &e), &e);
}

int
app_ca_look(const struct app_args *a, app_ca_fn what)
{
	AUTO(desk_clear) struct app_ca_desk d = { .look = true };
	struct err e = { 0 };

	return finish(desk_open(a, &d, false, &e) && what(a, &d, &e), &e);
}

int
app_ca_begin(const struct app_args *a, app_ca_fn what)
{
	AUTO(desk_clear) struct app_ca_desk d = { 0 };
	struct err e = { 0 };

	return finish(desk_open(a, &d, true, &e) && what(a, &d, &e), &e);
}
