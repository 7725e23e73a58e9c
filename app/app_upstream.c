/* mutsu upstream ...: authorities outside that templates may name.  Secrets
 * come from files, never from arguments.  One thread. */
#include <stdio.h>
#include <string.h>

#include "app/app_cli.h"
#include "core/file.h"
#include "core/json.h"

enum { FILE_MAX = 64 << 10 };

static const struct app_column columns[] = {
	{ "NAME", "name" },
	{ "KIND", "kind" },
	{ "URL", "url" },
	{ "QUEUED", "queued" },
	{ "FAULTS", "faults" },
	{ "LAST FAULT", "fault" },
	{ "LAST GOOD", "good_at" },
	{ NULL, NULL },
};

static const struct app_column fields[] = {
	{ "Name", "name" },
	{ "Kind", "kind" },
	{ "URL", "url" },
	{ "CA name", "ca_name" },
	{ "User", "user" },
	{ "Has a secret", "secret" },
	{ "A minute", "rate_per_min" },
	{ "Time-out, s", "timeout_s" },
	{ "Tries", "tries" },
	{ "Days", "days" },
	{ "Renewals as such", "renew" },
	{ "Single DES", "allow_des" },
	{ "Requests that wait", "queued" },
	{ "Faults in a row", "faults" },
	{ "Last fault", "fault" },
	{ "At", "fault_at" },
	{ "Last good answer", "good_at" },
	{ "Rests until", "rests_until" },
	{ NULL, NULL },
};

static const struct app_column ca_columns[] = {
	{ "SUBJECT", "subject" },
	{ "NOT AFTER", "not_after" },
	{ "SHA-256", "sha256" },
	{ NULL, NULL },
};

/* Only of what a test found is there anything to tell. */
static const struct app_column found_columns[] = {
	{ "SUBJECT", "subject" },
	{ "NOT AFTER", "not_after" },
	{ "CONFIGURED", "configured" },
	{ "SHA-256", "sha256" },
	{ NULL, NULL },
};

/* How the value of an option becomes one of a field. */
enum kind { TEXT, NUMBER, FLAG, FROM_FILE, SECRET_FILE };

static const struct row {
	const char *option, *field;
	enum kind kind;
} rows[] = {
	{ "ca", "ca", FROM_FILE },
	{ "tls-ca", "tls_ca", FROM_FILE },
	{ "ca-name", "ca_name", TEXT },
	{ "user", "user", TEXT },
	{ "password-file", "password", SECRET_FILE },
	{ "client-cert", "client_certificate", FROM_FILE },
	{ "client-key", "client_key", SECRET_FILE },
	{ "rate", "rate_per_min", NUMBER },
	{ "timeout", "timeout_s", NUMBER },
	{ "tries", "tries", NUMBER },
	{ "days", "days", NUMBER },
	{ "renew", "renew", FLAG },
	{ "allow-des", "allow_des", FLAG },
};

static const struct app_option add_options[] = {
	{ "ca", "FILE",
	    "PEM of the CAs that certificates have to lead to; needed" },
	{ "tls-ca", "FILE", "PEM trust anchors for https (the system's)" },
	{ "ca-name", "NAME", "SCEP: message of GetCACert (none)" },
	{ "user", "NAME", "EST: user of HTTP Basic" },
	{ "password-file", "FILE", "EST: file with the password" },
	{ "client-cert", "FILE",
	    "PEM of the certificate by which we are known there" },
	{ "client-key", "FILE", "its key, PEM, unencrypted" },
	{ "rate", "N", "requests a minute, 1 to 6000 (60)" },
	{ "timeout", "SECONDS", "for each exchange, 1 to 120 (20)" },
	{ "tries", "N", "that may fail in a row, 1 to 100 (10)" },
	{ "days", "N", "that a request waits at most, 1 to 30 (3)" },
	{ "renew", NULL, "send renewals as such, not as new requests" },
	{ "allow-des", NULL, "SCEP: take answers in single DES" },
	{ NULL, NULL, NULL },
};

static char *
path_of(const struct app_args *a, const char *verb)
{
	AUTO(str_free) char *name = app_escape(a->words[0]);

	return str_printf("/api/v1/upstreams/%s%s", name, verb);
}

static bool
put_file(json_t *to, const struct row *r, const char *path, struct err *e)
{
	AUTO(buf_wipe) struct buf *text = NULL;

	if ((r->kind == SECRET_FILE && !file_private(path, e)) ||
	    !file_read(path, FILE_MAX, &text, e))
		return false;
	/* The end of the line is an editor's, not the password's. */
	if (str_eq(r->field, "password"))
		buf_cut(text, strcspn(buf_str(text), "\r\n"));
	json_put_str(to, r->field, buf_str(text));
	return true;
}

static bool
put_row(json_t *to, const struct row *r, const char *value, struct err *e)
{
	int64_t n;

	switch (r->kind) {
	case TEXT:
		json_put_str(to, r->field, value);
		return true;
	case FLAG:
		json_put_bool(to, r->field, true);
		return true;
	case NUMBER:
		if (!str_to_i64(value, 0, INT32_MAX, &n))
			return err_set(
			    e, ERR_INVALID, "--%s takes a number", r->option);
		json_put_int(to, r->field, n);
		return true;
	default:
		return put_file(to, r, value, e);
	}
}

static int
print(const struct app_args *a, const json_t *upstream)
{
	app_print_one(a, upstream, fields);
	if (!a->json) {
		printf("\n");
		app_print_list(
		    a, json_object_get(upstream, "ca"), ca_columns, "No CA.");
	}
	return APP_OK;
}

static int
add(const struct app_args *a)
{
	AUTO(str_free) char *path = path_of(a, "");
	AUTO(json_free) json_t *body = json_object();
	AUTO(json_free) json_t *upstream = NULL;
	struct err e = { 0 };
	int code;

	json_put_str(body, "kind", a->words[1]);
	json_put_str(body, "url", a->words[2]);
	for (size_t i = 0; i < COUNT(rows); i++) {
		const char *value = app_arg(a, rows[i].option);

		if (value != NULL && !put_row(body, &rows[i], value, &e))
			return app_wrong(e.text);
	}
	code = app_call(a,
	    &(struct app_call){ .method = "PUT", .path = path, .body = body },
	    &upstream);
	return code == APP_OK ? print(a, upstream) : code;
}

static int
list(const struct app_args *a)
{
	AUTO(json_free) json_t *page = NULL;
	int code = app_call(a,
	    &(struct app_call){ .method = "GET", .path = "/api/v1/upstreams" },
	    &page);

	if (code == APP_OK)
		app_print_page(a, page, "upstreams", columns, "No upstreams.");
	return code;
}

static int
show(const struct app_args *a)
{
	AUTO(str_free) char *path = path_of(a, "");
	AUTO(json_free) json_t *upstream = NULL;
	int code = app_call(
	    a, &(struct app_call){ .method = "GET", .path = path }, &upstream);

	return code == APP_OK ? print(a, upstream) : code;
}

static int
drop(const struct app_args *a)
{
	AUTO(str_free) char *path = path_of(a, "");
	AUTO(json_free) json_t *answer = NULL;
	int code = app_call(
	    a, &(struct app_call){ .method = "DELETE", .path = path }, &answer);

	if (code == APP_OK)
		app_say(a, "Removed; certificates that came from it stay in "
		           "the ledger.");
	return code;
}

static int
test(const struct app_args *a)
{
	AUTO(str_free) char *path = path_of(a, "/test");
	AUTO(json_free) json_t *answer = NULL;
	int code = app_call(
	    a, &(struct app_call){ .method = "POST", .path = path }, &answer);

	if (code != APP_OK)
		return code;
	if (a->json) {
		app_print_one(a, answer, NULL);
		return code;
	}
	app_print_list(a, json_object_get(answer, "certificates"),
	    found_columns, "No certificates.");
	app_say(a, "It is the server that is meant. Whether it lets us enrol "
	           "shows with the first request.");
	return code;
}

const struct app_subcommand app_upstream_commands[] = {
	{ "upstream", "list", "", 0, 0, NULL,
	    "authorities outside that templates may name", list, false },
	{ "upstream", "show", "NAME", 1, 1, NULL, "one of them", show, false },
	{ "upstream", "add", "NAME scep|est URL", 3, 3, add_options,
	    "make one, or replace all of it", add, false },
	{ "upstream", "remove", "NAME", 1, 1, NULL,
	    "remove one that no template names", drop, false },
	{ "upstream", "test", "NAME", 1, 1, NULL,
	    "ask who it is; nothing is issued", test, false },
	{ 0 },
};
