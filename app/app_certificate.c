/* mutsu certificate ...  One thread. */
#include <stdio.h>

#include "app/app_cli.h"
#include "certs/cert_template.h"
#include "core/csv.h"
#include "core/json.h"

static const struct app_column columns[] = {
	{ "FINGERPRINT", "fingerprint" },
	{ "SUBJECT", "subject" },
	{ "PURPOSE", "purpose" },
	{ "DEVICE", "device" },
	{ "STATE", "state" },
	{ "NOT AFTER", "not_after" },
	{ NULL, NULL },
};

static const struct app_column fields[] = {
	{ "Fingerprint", "fingerprint" },
	{ "Serial number", "serial" },
	{ "Subject", "subject" },
	{ "State", "state" },
	{ "Template", "template" },
	{ "Purpose", "purpose" },
	{ "Device", "device" },
	{ "User", "user" },
	{ "Rollout", "rollout" },
	{ "Authority", "authority" },
	{ "Challenge", "challenge" },
	{ "Transaction", "transaction" },
	{ "Issued", "created_at" },
	{ "Not before", "not_before" },
	{ "Not after", "not_after" },
	{ "Revoked", "revoked_at" },
	{ "Reason", "revoke_reason" },
	{ "Revoked by", "revoked_by" },
	{ NULL, NULL },
};

/* The options are the filters of the API, by the same names. */
static const struct app_option filters[] = {
	{ "subject", "TEXT", "with this in the subject, in either case" },
	{ "device", "DEVICE", "only of this Mac" },
	{ "user", "USER", "only of this user" },
	{ "state", "STATE", "valid, expiring, expired, held or revoked" },
	{ "purpose", "WHY", "enroll, renew, rollout, scep or service" },
	{ "template", "NAME", "only of this template" },
	{ "authority", "ID", "only of this CA, as certificate show names it" },
	{ "serial", "HEX", "with this serial number" },
	{ "fingerprint", "HEX", "with this SHA-256" },
	{ "transaction", "ID", "of this SCEP transaction" },
	{ NULL, NULL, NULL },
};

static const struct app_option revoke_options[] = {
	{ "reason", "REASON",
	    "unspecified, key_compromise, affiliation_changed, superseded, "
	    "cessation_of_operation, certificate_hold or "
	    "privilege_withdrawn (unspecified)" },
	{ NULL, NULL, NULL },
};

static char *
search_path(const struct app_args *a)
{
	AUTO(buf_free) struct buf *path = buf_new(16 << 10);

	buf_adds(path, "/api/v1/certificates?limit=500");
	for (const struct app_option *o = filters; o->name != NULL; o++) {
		const char *value = app_arg(a, o->name);
		AUTO(str_free)
		char *safe = app_escape(value != NULL ? value : "");

		if (value != NULL)
			buf_addf(path, "&%s=%s", o->name, safe);
	}
	return str_dup(buf_str(path));
}

static int
list(const struct app_args *a)
{
	AUTO(str_free) char *path = search_path(a);
	AUTO(json_free) json_t *page = NULL;
	int code = app_call(
	    a, &(struct app_call){ .method = "GET", .path = path }, &page);

	if (code == APP_OK)
		app_print_page(
		    a, page, "certificates", columns, "No certificates.");
	return code;
}

static void
print_csv(const json_t *row)
{
	AUTO(buf_free) struct buf *line = buf_new(64 << 10);
	char scratch[32];

	for (size_t i = 0; fields[i].key != NULL; i++) {
		bool last = fields[i + 1].key == NULL;

		csv_cell(line,
		    row == NULL ? fields[i].key
		                : app_value(row, fields[i].key, scratch,
		                      sizeof(scratch)),
		    last);
	}
	fwrite(line->p, 1, line->len, stdout);
}

/* All of them: a page at a time, so that the ledger never lies in memory. */
static int export(const struct app_args *a)
{
	AUTO(str_free) char *base = search_path(a);
	AUTO(str_free) char *path = str_dup(base);

	print_csv(NULL);
	while (path != NULL) {
		AUTO(json_free) json_t *page = NULL;
		AUTO(str_free) char *after = NULL;
		const json_t *rows;
		const char *next;
		int code = app_call(a,
		    &(struct app_call){ .method = "GET", .path = path }, &page);

		if (code != APP_OK)
			return code;
		rows = json_object_get(page, "certificates");
		for (size_t i = 0; i < json_array_size(rows); i++)
			print_csv(json_array_get(rows, i));
		next = json_string_value(json_object_get(page, "next"));
		str_free(&path);
		if (next == NULL)
			break;
		after = app_escape(next);
		path = str_printf("%s&after=%s", base, after);
	}
	return fflush(stdout) == 0 ? APP_OK : APP_FAILED;
}

static int
show(const struct app_args *a)
{
	AUTO(str_free) char *id = app_escape(a->words[0]);
	AUTO(str_free) char *path = str_printf("/api/v1/certificates/%s", id);
	AUTO(json_free) json_t *c = NULL;
	int code = app_call(
	    a, &(struct app_call){ .method = "GET", .path = path }, &c);

	if (code == APP_OK)
		app_print_one(a, c, fields);
	return code;
}

static int
act(const struct app_args *a, const char *verb, const json_t *body, json_t **c)
{
	AUTO(str_free) char *id = app_escape(a->words[0]);
	AUTO(str_free)
	char *path = str_printf("/api/v1/certificates/%s/%s", id, verb);
	int code = app_call(a,
	    &(struct app_call){ .method = "POST", .path = path, .body = body },
	    c);

	if (code == APP_OK)
		app_print_one(a, *c, fields);
	return code;
}

/* Who issued it is not this server. */
static bool
outside(const json_t *c)
{
	return str_starts(
	    json_string_value(json_object_get(c, "authority")), "upstream:");
}

/* What the server itself uses. */
static void
say_of_service(const struct app_args *a, const json_t *c)
{
	const char *template =
	    json_string_value(json_object_get(c, "template"));

	if (str_eq(template, CERT_TEMPLATE_TLS))
		app_say(
		    a, "A server that has it makes another within seconds.");
	else if (str_eq(template, CERT_TEMPLATE_RA))
		app_say(a, "The RA goes on with it until mutsu ca renew-ra "
		           "--revoke REASON.");
}

static int
revoke(const struct app_args *a)
{
	const char *reason = app_arg(a, "reason");
	AUTO(json_free) json_t *body = json_object();
	AUTO(json_free) json_t *c = NULL;
	int code;

	json_put_str(body, "reason", reason != NULL ? reason : "unspecified");
	code = act(a, "revoke", body, &c);
	if (code == APP_OK && str_eq(reason, "certificate_hold"))
		app_say(a, "On hold. mutsu certificate release %s ends it.",
		    a->words[0]);
	else if (code == APP_OK)
		app_say(a, "Revoked for good.");
	if (code == APP_OK)
		say_of_service(a, c);
	if (code == APP_OK && outside(c))
		app_say(a, "Here only: its authority was not told, and others "
		           "will trust the certificate\nuntil it is revoked "
		           "there too.");
	return code;
}

static int
release(const struct app_args *a)
{
	AUTO(json_free) json_t *c = NULL;
	int code = act(a, "release", NULL, &c);

	if (code == APP_OK)
		app_say(a, "Good again.");
	return code;
}

const struct app_subcommand app_certificate_commands[] = {
	{ "certificate", "list", "", 0, 0, filters,
	    "the issuance ledger, newest first", list, false },
	{ "certificate", "export", "", 0, 0, filters,
	    "all of it, or what the filters leave, as CSV", export, false },
	{ "certificate", "show", "FINGERPRINT", 1, 1, NULL,
	    "one certificate (--json: with its PEM)", show, false },
	{ "certificate", "revoke", "FINGERPRINT", 1, 1, revoke_options,
	    "end it, or put it on hold", revoke, false },
	{ "certificate", "release", "FINGERPRINT", 1, 1, NULL, "end a hold",
	    release, false },
	{ 0 },
};
