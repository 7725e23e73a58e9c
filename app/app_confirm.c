/* Asking before what cannot be undone.  One thread. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "app/app_cli.h"
#include "core/json.h"

/* The serial number, or what else tells this Mac from all others, typed by the
 * administrator. */
static int
ask_for(const json_t *device, const struct app_question *q)
{
	char typed[160] = "", scratch[32];
	const char *word =
	    app_value(device, "serial", scratch, sizeof(scratch));
	const char *what = "serial number";

	if (str_empty(word)) {
		word = app_value(device, "udid", scratch, sizeof(scratch));
		what = "UDID";
	}
	printf("This %s ", q->does);
	app_print_safe(stdout,
	    app_value(device, "name", scratch, sizeof(scratch)), SIZE_MAX);
	fputs(" (", stdout);
	app_print_safe(stdout, word, SIZE_MAX);
	printf("). Type the %s to go on: ", what);
	fflush(stdout);
	if (fgets(typed, sizeof(typed), stdin) == NULL)
		return APP_USAGE;
	typed[strcspn(typed, "\n")] = '\0';
	if (!str_empty(word) && str_ieq(typed, word))
		return APP_OK;
	fprintf(stderr, "mutsu: not the %s; nothing was done\n", what);
	return APP_USAGE;
}

int
app_confirm(
    const struct app_args *a, const struct app_question *q, char id_out[64])
{
	AUTO(str_free) char *name = app_escape(a->words[0]);
	AUTO(str_free) char *path = str_printf("/api/v1/devices/%s", name);
	AUTO(json_free) json_t *d = NULL;
	char scratch[32];
	int code;

	if (!isatty(STDIN_FILENO)) {
		fprintf(stderr,
		    "mutsu: nobody to ask; give --yes to %s without\n",
		    q->verb);
		return APP_USAGE;
	}
	code = app_call(
	    a, &(struct app_call){ .method = "GET", .path = path }, &d);
	if (code != APP_OK)
		return code;
	str_copy_cut(id_out, 64, app_value(d, "id", scratch, sizeof(scratch)));
	return ask_for(d, q);
}
