/* mutsu certificate ...  One thread. */
#include <stdio.h>
#include <string.h>

#include "api/api_service.h"
#include "app/app_cli.h"
#include "certs/cert_template.h"
#include "core/csv.h"
#include "core/encode.h"
#include "core/json.h"

/* Of a fingerprint's digits: 32 bits are of one certificate, nearly always. */
enum { PREFIX_MIN = 8 };

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
	{ "Names", "san" },
	{ "Key SHA-256", "key" },
	{ "State", "state" },
	{ "Template", "template" },
	{ "Purpose", "purpose" },
	{ "Device", "device" },
	{ "User", "user" },
	{ "Rollout", "rollout" },
	{ "Authority", "authority" },
	{ "Challenge", "challenge" },
	{ "Transaction", "transaction" },
	{ "Renews", "renews" },
	{ "Approved by", "approved_by" },
	{ "Issued", "created_at" },
	{ "Not before", "not_before" },
	{ "Not after", "not_after" },
	{ "Revoked", "revoked_at" },
	{ "Reason", "revoke_reason" },
	{ "Revoked by", "revoked_by" },
	{ NULL, NULL },
};

/* clang-format off */
/* The filters of the API, by the same names. */
#define FILTERS                                                                \
	{ "subject", "TEXT", "with this in the subject, in either case" },     \
	{ "device", "DEVICE", "only of this Mac" },                            \
	{ "user", "USER", "only of this user" },                               \
	{ "state", "STATE", "valid, expiring, expired, held or revoked" },     \
	{ "purpose", "WHY", "enroll, renew, rollout, scep or service" },       \
	{ "template", "NAME", "only of this template" },                       \
	{ "authority", "ID",                                                   \
	    "only of this CA, as certificate show names it" },                 \
	{ "serial", "HEX", "with this serial number" },                        \
	{ "fingerprint", "HEX",                                                \
	    "with this SHA-256, or what it alone begins with" },               \
	{ "transaction", "ID", "of this SCEP transaction" },                   \
	{ "challenge", "ID", "issued for this challenge" },                    \
	{ "key", "HEX", "of this public key (SHA-256 of its SPKI)" }
/* clang-format on */

static const struct app_option filters[] = {
	FILTERS,
	{ NULL, NULL, NULL },
};

static const struct app_option list_options[] = {
	FILTERS,
	{ "limit", "N", "at most so many, 1 to 500 (500)" },
	{ "after", "KEY", "go on behind a list that was not whole" },
	{ NULL, NULL, NULL },
};

static const struct app_option revoke_options[] = {
	{ "reason", "REASON",
	    "unspecified, key_compromise, affiliation_changed, superseded, "
	    "cessation_of_operation, certificate_hold or "
	    "privilege_withdrawn (unspecified)" },
	{ NULL, NULL, NULL },
};

/* ---- pages of the ledger ---- */

typedef bool (*row_fn)(const json_t *row, void *arg);

/* Hands over what the filters of path leave, a page at a time, so that the
 * ledger never lies in memory, until each returns false.  An exit code. */
static int
walk(const struct app_args *a, const char *path, row_fn each, void *arg)
{
	AUTO(str_free) char *at = str_dup(path);

	while (at != NULL) {
		AUTO(json_free) json_t *page = NULL;
		AUTO(str_free) char *after = NULL;
		const json_t *rows;
		const char *next;
		int code = app_call(a,
		    &(struct app_call){ .method = "GET", .path = at }, &page);

		if (code != APP_OK)
			return code;
		rows = json_object_get(page, "certificates");
		for (size_t i = 0; i < json_array_size(rows); i++)
			if (!each(json_array_get(rows, i), arg))
				return APP_OK;
		next = json_string_value(json_object_get(page, "next"));
		str_free(&at);
		if (next == NULL)
			break;
		after = app_escape(next);
		at = str_printf("%s&after=%s", path, after);
	}
	return APP_OK;
}

/* ---- fingerprints and serial numbers as people have them ---- */

struct search {
	const char *prefix;
	char found[2][SHA256_HEX_SIZE];
	size_t count;
};

static bool
match(const json_t *row, void *arg)
{
	struct search *s = arg;
	const char *f = json_string_value(json_object_get(row, "fingerprint"));

	if (str_starts(f, s->prefix))
		str_copy_cut(s->found[s->count++], SHA256_HEX_SIZE, f);
	return s->count < COUNT(s->found);
}

/* The one whose fingerprint begins so: only the whole list can tell, for the
 * API finds whole ones alone. */
static int
complete(
    const struct app_args *a, const char *prefix, char out[SHA256_HEX_SIZE])
{
	struct search s = { .prefix = prefix };
	int code = walk(a, "/api/v1/certificates?limit=500", match, &s);

	if (code != APP_OK)
		return code;
	if (s.count == 0) {
		fprintf(stderr,
		    "mutsu: no certificate has a SHA-256 fingerprint that "
		    "begins with %s\n",
		    prefix);
		return APP_NOT_FOUND;
	}
	if (s.count > 1) {
		fprintf(stderr,
		    "mutsu: more than one fingerprint begins with %s:\n"
		    "  %s\n  %s\n",
		    prefix, s.found[0], s.found[1]);
		return APP_USAGE;
	}
	str_copy_cut(out, SHA256_HEX_SIZE, s.found[0]);
	return APP_OK;
}

static int
find_fingerprint(
    const struct app_args *a, const char *text, char out[SHA256_HEX_SIZE])
{
	AUTO(str_free) char *hex = app_hex(text);
	size_t len = hex != NULL ? strlen(hex) : 0;

	if (len < PREFIX_MIN || len >= SHA256_HEX_SIZE) {
		fprintf(stderr,
		    "mutsu: a fingerprint is the SHA-256 of a certificate, 64 "
		    "hex digits, of which the first %d may do\n",
		    PREFIX_MIN);
		return APP_USAGE;
	}
	if (len < SHA256_HEX_SIZE - 1)
		return complete(a, hex, out);
	str_copy_cut(out, SHA256_HEX_SIZE, hex);
	return APP_OK;
}

/* As the ledger has it: whole bytes, and none of them a sign. */
static int
find_serial(const char *text, char **out)
{
	AUTO(str_free) char *hex = app_hex(text);
	const char *s = hex;

	if (hex == NULL) {
		fprintf(stderr, "mutsu: --serial takes hex digits\n");
		return APP_USAGE;
	}
	while (s[0] == '0' && s[1] != '\0')
		s++;
	*out = str_printf("%s%s", strlen(s) % 2 != 0 ? "0" : "", s);
	return APP_OK;
}

/* The value of a filter as the API wants it, the caller's; NULL without. */
static int
filter_value(const struct app_args *a, const char *name, char **out)
{
	const char *text = app_arg(a, name);
	char fingerprint[SHA256_HEX_SIZE];
	int code;

	if (text == NULL)
		return APP_OK;
	if (str_eq(name, "serial"))
		return find_serial(text, out);
	if (!str_eq(name, "fingerprint")) {
		*out = str_dup(text);
		return APP_OK;
	}
	code = find_fingerprint(a, text, fingerprint);
	if (code == APP_OK)
		*out = str_dup(fingerprint);
	return code;
}

/* The list that the options ask for. */
static int
search_path(const struct app_args *a, const char *limit, char **out)
{
	AUTO(buf_free) struct buf *path = buf_new(16 << 10);
	AUTO(str_free) char *safe_limit = app_escape(limit);

	buf_addf(path, "/api/v1/certificates?limit=%s", safe_limit);
	for (const struct app_option *o = filters; o->name != NULL; o++) {
		AUTO(str_free) char *value = NULL;
		AUTO(str_free) char *safe = NULL;
		int code = filter_value(a, o->name, &value);

		if (code != APP_OK)
			return code;
		safe = app_escape(value != NULL ? value : "");
		if (value != NULL)
			buf_addf(path, "&%s=%s", o->name, safe);
	}
	*out = str_dup(buf_str(path));
	return APP_OK;
}

/* ---- the commands ---- */

static int
print_page(const struct app_args *a, const char *path)
{
	AUTO(json_free) json_t *page = NULL;
	const json_t *rows;
	const char *next;
	int code = app_call(
	    a, &(struct app_call){ .method = "GET", .path = path }, &page);

	if (code != APP_OK)
		return code;
	rows = json_object_get(page, "certificates");
	app_print_list(a, rows, columns, "No certificates.");
	next = json_string_value(json_object_get(page, "next"));
	if (next != NULL)
		fprintf(stderr,
		    "mutsu: there are more than these %zu; go on with --after "
		    "%s\n",
		    json_array_size(rows), next);
	return APP_OK;
}

static int
list(const struct app_args *a)
{
	const char *limit = app_arg(a, "limit"), *after = app_arg(a, "after");
	AUTO(str_free) char *path = NULL;
	AUTO(str_free) char *whole = NULL;
	AUTO(str_free) char *key = app_escape(after != NULL ? after : "");
	int code = search_path(a, limit != NULL ? limit : "500", &path);

	if (code != APP_OK)
		return code;
	whole = str_printf("%s%s%s", path, after != NULL ? "&after=" : "", key);
	return print_page(a, whole);
}

/* The columns are those of the API's own CSV. */
static void
print_csv(const json_t *row)
{
	AUTO(buf_free) struct buf *line = buf_new(64 << 10);
	char scratch[32];
	const char *key;

	for (size_t i = 0; (key = api_certificate_column(i)) != NULL; i++)
		csv_cell(line,
		    row == NULL ? key
		                : app_value(row, key, scratch, sizeof(scratch)),
		    api_certificate_column(i + 1) == NULL);
	fwrite(line->p, 1, line->len, stdout);
}

struct exported {
	bool json;
	size_t count;
};

static bool
export_row(const json_t *row, void *arg)
{
	struct exported *x = arg;

	if (x->json) {
		AUTO(str_free) char *text = json_text(row);

		printf("%s%s", x->count > 0 ? ",\n" : "", text);
	} else {
		print_csv(row);
	}
	x->count++;
	return true;
}

static int export(const struct app_args *a)
{
	struct exported x = { .json = a->json };
	AUTO(str_free) char *path = NULL;
	int code = search_path(a, "500", &path);

	if (code != APP_OK)
		return code;
	if (x.json)
		printf("[");
	else
		print_csv(NULL);
	code = walk(a, path, export_row, &x);
	if (code != APP_OK)
		return code;
	if (x.json)
		printf("]\n");
	return fflush(stdout) == 0 ? APP_OK : APP_FAILED;
}

static void
print_whole(const struct app_args *a, json_t *c)
{
	if (!a->json)
		app_join(c, "san");
	app_print_one(a, c, fields);
}

/* As the API has it; an exit code. */
static int
fetch_whole(const struct app_args *a, json_t **out)
{
	char fingerprint[SHA256_HEX_SIZE];
	AUTO(str_free) char *path = NULL;
	int code = find_fingerprint(a, a->words[0], fingerprint);

	if (code != APP_OK)
		return code;
	path = str_printf("/api/v1/certificates/%s", fingerprint);
	return app_call(
	    a, &(struct app_call){ .method = "GET", .path = path }, out);
}

static int
show(const struct app_args *a)
{
	AUTO(json_free) json_t *c = NULL;
	int code = fetch_whole(a, &c);

	if (code == APP_OK)
		print_whole(a, c);
	return code;
}

static int
act(const struct app_args *a, const char *verb, const json_t *body, json_t **c)
{
	char fingerprint[SHA256_HEX_SIZE];
	AUTO(str_free) char *path = NULL;
	int code = find_fingerprint(a, a->words[0], fingerprint);

	if (code != APP_OK)
		return code;
	path = str_printf("/api/v1/certificates/%s/%s", fingerprint, verb);
	code = app_call(a,
	    &(struct app_call){ .method = "POST", .path = path, .body = body },
	    c);
	if (code == APP_OK)
		print_whole(a, *c);
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
}

static const char *
reason_of(const json_t *c)
{
	const char *reason =
	    json_string_value(json_object_get(c, "revoke_reason"));

	return reason != NULL ? reason : "unspecified";
}

/* was: as it was before. */
static void
say_revoked(const struct app_args *a, const json_t *c, const json_t *was)
{
	const char *reason = reason_of(c);
	bool before =
	    str_eq(json_string_value(json_object_get(was, "state")), "revoked");

	if (before && str_eq(reason, reason_of(was)))
		app_say(a,
		    "It was revoked before, for the reason %s, and that "
		    "stays.",
		    reason);
	else if (before)
		app_say(a, "It was revoked before, for the reason %s.",
		    reason_of(was));
	else if (str_eq(reason, "certificate_hold"))
		app_say(a, "On hold. mutsu certificate release %s ends it.",
		    json_string_value(json_object_get(c, "fingerprint")));
	else
		app_say(a, "Revoked for good.");
	say_of_service(a, c);
	if (outside(c))
		app_say(a, "Here only: its authority was not told, and others "
		           "will trust the certificate\nuntil it is revoked "
		           "there too.");
}

static int
revoke(const struct app_args *a)
{
	const char *reason = app_arg(a, "reason");
	AUTO(json_free) json_t *body = json_object();
	AUTO(json_free) json_t *was = NULL;
	AUTO(json_free) json_t *c = NULL;
	int code = fetch_whole(a, &was);

	if (code != APP_OK)
		return code;
	json_put_str(body, "reason", reason != NULL ? reason : "unspecified");
	code = act(a, "revoke", body, &c);
	if (code == APP_OK)
		say_revoked(a, c, was);
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
	{ "certificate", "list", "", 0, 0, list_options,
	    "the issuance ledger, newest first", list, false },
	{ "certificate", "export", "", 0, 0, filters,
	    "all of it, or what the filters leave, as CSV or (--json) JSON",
	    export, false },
	{ "certificate", "show", "FINGERPRINT", 1, 1, NULL,
	    "one certificate (--json: with its PEM)", show, false },
	{ "certificate", "revoke", "FINGERPRINT", 1, 1, revoke_options,
	    "end it, or put it on hold", revoke, false },
	{ "certificate", "release", "FINGERPRINT", 1, 1, NULL, "end a hold",
	    release, false },
	{ 0 },
};
