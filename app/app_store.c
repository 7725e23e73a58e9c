/* mutsu store ...: the database itself, with no server on it.  One thread. */
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "app/app_cli.h"
#include "core/clock.h"
#include "core/json.h"
#include "core/log.h"
#include "store/store_copy.h"

static const struct app_option copy_options[] = {
	{ "restart", NULL, "empty a target that another copy began to fill" },
	{ NULL, NULL, NULL },
};

static const struct app_column copy_columns[] = {
	{ "TABLE", "name" },
	{ "ROWS", "rows" },
	{ "DIGEST", "digest" },
	{ NULL, NULL },
};

/* A data directory stands for the file in it. */
static char *
database_of(const char *word)
{
	struct stat sb;

	if (!store_is_address(word) && stat(word, &sb) == 0 &&
	    S_ISDIR(sb.st_mode))
		return str_printf("%s/mutsu.db", word);
	return str_dup(word);
}

enum { TELL_MS = 1000 };

struct telling {
	int64_t next_ms;
	const char *what; /* literals of store_copy() */
};

/* At most one line a second, on standard error. */
static void
tell(const char *what, const char *table, int64_t rows, void *arg)
{
	struct telling *t = arg;

	if (t->what == what && clock_mono_ms() < t->next_ms)
		return;
	t->what = what;
	t->next_ms = clock_mono_ms() + TELL_MS;
	fprintf(stderr, "%s %s: %lld rows\n", what, table, (long long)rows);
}

static json_t *
report(const struct store_copy_result *r)
{
	json_t *o = json_object(), *tables = json_array();

	for (size_t i = 0; i < r->count; i++) {
		json_t *t = json_object();

		json_put_str(t, "name", r->tables[i].name);
		json_put_int(t, "rows", r->tables[i].rows);
		json_put_str(t, "digest", r->tables[i].digest);
		json_array_append_new(tables, t);
	}
	json_object_set_new(o, "tables", tables);
	json_put_int(o, "rows", r->rows);
	json_put_int(o, "copied", r->copied);
	json_put_int(o, "copy_ms", r->copy_ms);
	return o;
}

static int
failed(const struct err *e)
{
	static const struct {
		enum err_code code;
		enum app_exit exit;
	} exits[] = {
		{ ERR_INVALID, APP_USAGE },
		{ ERR_NOT_FOUND, APP_NOT_FOUND },
		{ ERR_CONFLICT, APP_CONFLICT },
	};

	fprintf(stderr, "mutsu: %s\n", e->text);
	for (size_t i = 0; i < COUNT(exits); i++) {
		if (exits[i].code == e->code)
			return exits[i].exit;
	}
	return APP_FAILED;
}

static int
store_copy_command(const struct app_args *a)
{
	AUTO(str_wipe) char *from = database_of(a->words[0]);
	AUTO(str_wipe) char *to = database_of(a->words[1]);
	AUTO(store_copy_result_free) struct store_copy_result *r = NULL;
	AUTO(json_free) json_t *o = NULL;
	struct telling telling = { 0 };
	struct store_copy_options options = { .from = from,
		.to = to,
		.restart = app_arg(a, "restart") != NULL,
		.progress = tell,
		.arg = &telling };
	struct err e = { 0 };

	log_set_level(LOG_ERROR);
	if (!store_copy(&options, &r, &e))
		return failed(&e);
	o = report(r);
	if (a->json)
		app_print_one(a, o, copy_columns);
	else
		app_print_list(
		    a, json_object_get(o, "tables"), copy_columns, "");
	app_say(a,
	    "%lld rows are the same in both, %lld of them copied now in %lld "
	    "ms.",
	    (long long)r->rows, (long long)r->copied, (long long)r->copy_ms);
	return APP_OK;
}

const struct app_subcommand app_store_commands[] = {
	{ "store", "copy", "FROM TO", 2, 2, copy_options,
	    "move an installation to another database", store_copy_command,
	    false },
	{ 0 },
};
