/* mutsu push-cert ...: the push certificate's life.  One thread. */
#include <stdio.h>
#include <string.h>

#include "apns/apns_request.h"
#include "app/app_cli.h"
#include "core/fetch.h"
#include "core/file.h"
#include "core/json.h"

enum { PEM_MAX = 64 << 10, SIGNED_MAX = 128 << 10 };

static const struct app_column fields[] = {
	{ "Topic", "topic" },
	{ "Owner", "owner" },
	{ "Not after", "not_after" },
	{ "Days left", "days_left" },
	{ "Enrolments", "enrollments" },
	{ "Proved by", "canary.serial" },
	{ NULL, NULL },
};

static const struct app_column columns[] = {
	{ "ID", "id" },
	{ "STATE", "state" },
	{ "TOPIC", "topic" },
	{ "NOT AFTER", "not_after" },
	{ "ENROLMENTS", "enrollments" },
	{ "OWNER", "owner" },
	{ NULL, NULL },
};

static const struct app_option import_options[] = {
	{ "owner", "ACCOUNT", "Apple account it belongs to; needed" },
	{ "passphrase-file", "FILE", "of the key or the PKCS #12 file" },
	{ "change-topic-to", "TOPIC",
	    "even if enrolled Macs depend on another topic" },
	{ "canary", "DEVICE", "the Mac to prove it by (the last that came)" },
	{ "no-canary", NULL, "take it unproved" },
	{ NULL, NULL, NULL },
};

static const struct app_option rollback_options[] = {
	{ "canary", "DEVICE", "the Mac to prove it by (the last that came)" },
	{ "no-canary", NULL, "take it unproved" },
	{ NULL, NULL, NULL },
};

static const struct app_option request_options[] = {
	{ "organization", "NAME", "whose Macs these are; needed" },
	{ "country", "XX", "two letters; needed" },
	{ "email", "ADDRESS", "of the Apple account; needed" },
	{ "out", "FILE", "where the request (CSR) goes (push-request.pem)" },
	{ "vendor-url", "URL", "post it there to be signed" },
	{ "signed-out", "FILE",
	    "what the vendor gave back (push-request.b64)" },
	{ NULL, NULL, NULL },
};

static const struct app_option sign_options[] = {
	{ "vendor-key", "FILE", "of your MDM vendor certificate; needed" },
	{ "passphrase-file", "FILE", "of that key" },
	{ "vendor-chain", "FILE",
	    "vendor certificate, Apple's WWDR and root, PEM; needed" },
	{ "out", "FILE", "for Apple's portal (push-request.b64)" },
	{ NULL, NULL, NULL },
};

static bool
complain(const struct err *e)
{
	fprintf(stderr, "mutsu: %s\n", e->text);
	return false;
}

static bool
read_text(const char *path, struct buf **out)
{
	struct err e = { 0 };

	return file_read(path, PEM_MAX, out, &e) || complain(&e);
}

/* A file's first line; *out NULL without a file. */
static bool
read_passphrase(const char *path, char **out)
{
	AUTO(buf_wipe) struct buf *b = NULL;

	*out = NULL;
	if (path == NULL)
		return true;
	if (!read_text(path, &b))
		return false;
	*out = str_printf("%.*s", (int)strcspn(buf_str(b), "\r\n"), buf_str(b));
	return true;
}

static bool
need(const struct app_args *a, const char *const *names)
{
	for (; *names != NULL; names++) {
		if (app_arg(a, *names) == NULL) {
			fprintf(stderr, "mutsu: --%s is needed\n", *names);
			return false;
		}
	}
	return true;
}

static int
show(const struct app_args *a)
{
	AUTO(json_free) json_t *c = NULL;
	int code = app_call(a,
	    &(struct app_call){
	        .method = "GET", .path = "/api/v1/push-certificate" },
	    &c);

	if (code == APP_OK)
		app_print_one(a, c, fields);
	return code;
}

static int
history(const struct app_args *a)
{
	AUTO(json_free) json_t *page = NULL;
	int code = app_call(a,
	    &(struct app_call){
	        .method = "GET", .path = "/api/v1/push-certificates" },
	    &page);

	if (code == APP_OK)
		app_print_page(a, page, "push_certificates", columns,
		    "No push certificate was imported yet.");
	return code;
}

static void
put_canary(const struct app_args *a, json_t *body)
{
	if (app_arg(a, "canary") != NULL)
		json_put_str(body, "canary", app_arg(a, "canary"));
	if (app_arg(a, "no-canary") != NULL)
		json_put_bool(body, "skip_canary", true);
}

/* PEM, or PKCS #12 by its first byte (a SEQUENCE). */
static void
put_certificate(json_t *body, const struct buf *file)
{
	AUTO(buf_wipe) struct buf *text = buf_new(2 * PEM_MAX);

	if (file->len == 0 || file->p[0] != 0x30) {
		json_put_str(body, "certificate", buf_str(file));
		return;
	}
	b64_encode(text, buf_slice(file));
	json_put_str(body, "pkcs12", buf_str(text));
}

static int
import(const struct app_args *a)
{
	AUTO(buf_wipe) struct buf *cert = NULL;
	AUTO(buf_wipe) struct buf *key = NULL;
	AUTO(str_wipe) char *passphrase = NULL;
	AUTO(json_free) json_t *body = json_object();
	AUTO(json_free) json_t *c = NULL;
	int code;

	if (app_arg(a, "owner") == NULL) {
		fprintf(stderr,
		    "mutsu: --owner ACCOUNT is needed: only that Apple account "
		    "can renew the certificate with the same topic\n");
		return APP_USAGE;
	}
	if (!read_text(a->words[0], &cert) ||
	    (a->count > 1 && !read_text(a->words[1], &key)) ||
	    !read_passphrase(app_arg(a, "passphrase-file"), &passphrase))
		return APP_USAGE;
	put_certificate(body, cert);
	if (key != NULL)
		json_put_str(body, "key", buf_str(key));
	if (passphrase != NULL)
		json_put_str(body, "passphrase", passphrase);
	if (app_arg(a, "change-topic-to") != NULL)
		json_put_str(
		    body, "change_topic_to", app_arg(a, "change-topic-to"));
	json_put_str(body, "owner", app_arg(a, "owner"));
	put_canary(a, body);
	code = app_call(a,
	    &(struct app_call){ .method = "PUT",
	        .path = "/api/v1/push-certificate",
	        .body = body },
	    &c);
	if (code == APP_OK) {
		app_print_one(a, c, fields);
		app_say(a, "Macs can enrol now: open the enrolment URL.");
	}
	return code;
}

static int
rollback(const struct app_args *a)
{
	AUTO(json_free) json_t *body = json_object();
	AUTO(json_free) json_t *c = NULL;
	int code;

	if (a->count > 0)
		json_put_str(body, "id", a->words[0]);
	put_canary(a, body);
	code = app_call(a,
	    &(struct app_call){ .method = "POST",
	        .path = "/api/v1/push-certificate/restore",
	        .body = body },
	    &c);
	if (code == APP_OK)
		app_print_one(a, c, fields);
	return code;
}

/* Hands the CSR to an outside signer, and checks what comes back. */
static bool
have_signed(const char *url, struct slice csr, const char *out, struct err *e)
{
	static const char *const headers[] = {
		"Content-Type: application/x-pem-file", NULL
	};
	AUTO(fetch_free) struct fetch *f = NULL;
	AUTO(fetch_answer_clear) struct fetch_answer answer = { 0 };

	if (!fetch_new(&(struct fetch_options){ 0 }, &f, e) ||
	    !fetch_do(f,
	        &(struct fetch_request){ .method = "POST",
	            .url = url,
	            .headers = headers,
	            .body = csr,
	            .answer_max = SIGNED_MAX },
	        &answer, e))
		return false;
	if (answer.status != 200)
		return err_set(e, ERR_UNAVAILABLE, "the vendor answered %d",
		    answer.status);
	return apns_request_check(buf_slice(answer.body), csr, e) &&
	       file_write(out, buf_slice(answer.body), 0644, e);
}

static const char *
or_else(const char *value, const char *fallback)
{
	return value != NULL ? value : fallback;
}

static int
request(const struct app_args *a)
{
	static const char *const needed[] = { "organization", "country",
		"email", NULL };
	const char *out = or_else(app_arg(a, "out"), "push-request.pem");
	const char *url = app_arg(a, "vendor-url");
	const char *got = or_else(app_arg(a, "signed-out"), "push-request.b64");
	AUTO(json_free) json_t *body = json_object();
	AUTO(json_free) json_t *r = NULL;
	const char *csr;
	struct err e = { 0 };
	int code;

	if (!need(a, needed))
		return APP_USAGE;
	if (!file_may_write(out, &e) ||
	    (url != NULL && !file_may_write(got, &e)))
		return app_wrong(e.text);
	for (size_t i = 0; needed[i] != NULL; i++)
		json_put_str(body, needed[i], app_arg(a, needed[i]));
	code = app_call(a,
	    &(struct app_call){ .method = "POST",
	        .path = "/api/v1/push-certificate-requests",
	        .body = body },
	    &r);
	if (code != APP_OK)
		return code;
	csr = json_string_value(json_object_get(r, "csr"));
	if (!file_write(out, slice_str(csr), 0644, &e) ||
	    (url != NULL && !have_signed(url, slice_str(csr), got, &e))) {
		complain(&e);
		return APP_FAILED;
	}
	app_say(a, "%s: the request; its key stays sealed on the server.", out);
	if (url != NULL)
		app_say(a,
		    "%s: upload it at identity.apple.com/pushcert, "
		    "then: mutsu push-cert import CERT.PEM --owner "
		    "ACCOUNT",
		    got);
	else
		app_say(a,
		    "Have it signed: mutsu push-cert sign %s "
		    "--vendor-key FILE --vendor-chain FILE",
		    out);
	return APP_OK;
}

/* Here, not on the server: the vendor's key is nobody else's. */
static int
sign(const struct app_args *a)
{
	static const char *const needed[] = { "vendor-key", "vendor-chain",
		NULL };
	const char *out = or_else(app_arg(a, "out"), "push-request.b64");
	AUTO(buf_free) struct buf *csr = NULL;
	AUTO(buf_wipe) struct buf *key = NULL;
	AUTO(buf_free) struct buf *chain = NULL;
	AUTO(buf_free) struct buf *text = NULL;
	AUTO(str_wipe) char *passphrase = NULL;
	struct err e = { 0 };

	if (!need(a, needed) || !read_text(a->words[0], &csr) ||
	    !read_text(app_arg(a, "vendor-key"), &key) ||
	    !read_text(app_arg(a, "vendor-chain"), &chain) ||
	    !read_passphrase(app_arg(a, "passphrase-file"), &passphrase))
		return APP_USAGE;
	if (!apns_request_sign(buf_slice(csr),
	        &(struct apns_vendor){ .key = buf_slice(key),
	            .passphrase = passphrase,
	            .chain = buf_slice(chain) },
	        &text, &e) ||
	    !file_write(out, buf_slice(text), 0644, &e))
		return app_wrong(e.text);
	app_say(a,
	    "%s: upload it at identity.apple.com/pushcert, then: mutsu "
	    "push-cert import CERT.PEM --owner ACCOUNT",
	    out);
	return APP_OK;
}

const struct app_subcommand app_push_cert_commands[] = {
	{ "push-cert", "show", "", 0, 0, NULL, "the MDM push certificate", show,
	    false },
	{ "push-cert", "request", "", 0, 0, request_options,
	    "make key and request (CSR) for one", request, false },
	{ "push-cert", "import", "CERT.PEM [KEY.PEM]", 1, 2, import_options,
	    "use Apple's MDM push certificate", import, false },
	{ "push-cert", "history", "", 0, 0, NULL, "all there were", history,
	    false },
	{ "push-cert", "rollback", "[ID]", 0, 1, rollback_options,
	    "use an earlier one again", rollback, false },
	{ 0 },
};

const struct app_subcommand app_push_sign_commands[] = {
	{ "push-cert", "sign", "CSR.PEM", 1, 1, sign_options,
	    "sign a request as MDM vendor, for Apple's portal", sign, false },
	{ 0 },
};
