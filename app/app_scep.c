/*
 * mutsu scep enroll|renew: a client for any SCEP server; our own is asked as
 * others are.  One thread.
 */
#include <stdio.h>

#include "app/app_scep_priv.h"
#include "certs/cert_x509.h"
#include "core/clock.h"
#include "core/file.h"
#include "core/json.h"
#include "core/limits.h"

enum { POLL_FIRST_MS = 1000, POLL_MOST_MS = 60 * 1000 };

/* clang-format off */
#define REQUEST_OPTIONS                                                        \
	{ "key", "FILE",                                                       \
	    "key to be certified; made when not there; needed" },              \
	{ "new-key", "KIND",                                                   \
	    "kind of a key that is made: rsa2048, rsa3072, rsa4096; renew "    \
	    "also p256, p384 (that of the old key; rsa2048)" },                \
	{ "out", "FILE", "write the certificate, PEM; needed" },               \
	{ "dns", "NAME...", "DNS name in subjectAltName" },                    \
	{ "email", "ADDRESS...", "e-mail address there" },                     \
	{ "ip", "ADDRESS...", "IP address there" },                            \
	{ "uri", "URI...", "URI there" },                                      \
	{ "challenge-file", "FILE",                                            \
	    "file with the challenge (MUTSU_SCEP_CHALLENGE, else asked)" },    \
	{ "get", NULL, "PKIOperation by GET" },                                \
	{ "digest", "NAME",                                                    \
	    "sha1, sha256, sha384 or sha512 (by GetCACaps)" },                 \
	{ "cipher", "NAME", "aes128, aes256 or 3des (by GetCACaps)" },         \
	{ "allow-des", NULL, "take an answer in single DES, which is broken" },\
	{ "wait", "SECONDS", "poll while the request is pending (0)" }
/* clang-format on */

static const struct app_option ca_options[] = {
	APP_SCEP_SERVER_OPTIONS,
	{ NULL, NULL, NULL },
};
static const struct app_option enroll_options[] = {
	APP_SCEP_SERVER_OPTIONS,
	REQUEST_OPTIONS,
	{ "cn", "NAME", "common name of the request; needed" },
	{ "o", "NAME", "organization" },
	{ "ou", "NAME", "organizational unit" },
	{ "uid", "NAME", "user id" },
	{ NULL, NULL, NULL },
};
static const struct app_option renew_options[] = {
	APP_SCEP_SERVER_OPTIONS,
	REQUEST_OPTIONS,
	{ "old-cert", "FILE", "certificate to be renewed, PEM; needed" },
	{ "old-key", "FILE", "its key (that of --key)" },
	{ NULL, NULL, NULL },
};

void
app_scep_clear(struct app_scep_job *j)
{
	scep_client_free(&j->client);
	fetch_free(&j->fetch);
	cert_key_free(&j->key);
	cert_key_free(&j->old_key);
	cert_x509_free(&j->old);
	str_wipe(&j->challenge);
	str_free(&j->fingerprint);
	buf_free(&j->tls_ca);
	scep_legacy_free(&j->legacy);
}

/* ---- what a request is made of ---- */

/* The NID of an option's name; 0 without the option, -1: unknown. */
static int
algorithm(const struct app_args *a, const char *option)
{
	static const struct {
		const char *option, *name;
		int nid;
	} rows[] = {
		{ "digest", "sha1", NID_sha1 },
		{ "digest", "sha256", NID_sha256 },
		{ "digest", "sha384", NID_sha384 },
		{ "digest", "sha512", NID_sha512 },
		{ "cipher", "aes128", NID_aes_128_cbc },
		{ "cipher", "aes256", NID_aes_256_cbc },
		{ "cipher", "3des", NID_des_ede3_cbc },
	};
	const char *name = app_arg(a, option);

	if (name == NULL)
		return 0;
	for (size_t i = 0; i < COUNT(rows); i++)
		if (str_eq(rows[i].option, option) &&
		    str_eq(rows[i].name, name))
			return rows[i].nid;
	return -1;
}

/* The first of a kind into its field, others behind all. */
static bool
take_names(struct app_scep_job *j, struct err *e)
{
	struct cert_subject *s = &j->subject;
	const struct {
		const char *kind, **first;
	} rows[] = {
		{ "dns", &s->dns },
		{ "email", &s->email },
		{ "ip", &s->ip },
		{ "uri", &s->uri },
	};
	size_t more = 0;

	for (size_t i = 0; i < COUNT(rows); i++) {
		const char *value;

		*rows[i].first = app_arg(j->args, rows[i].kind);
		for (size_t n = 1;
		     (value = app_arg_nth(j->args, rows[i].kind, n)) != NULL;
		     n++) {
			if (more == COUNT(s->more))
				return err_set(e, ERR_INVALID,
				    "too many alternative names: of each kind "
				    "one, and %zu more",
				    COUNT(s->more));
			s->more[more].kind = rows[i].kind;
			s->more[more++].value = value;
		}
	}
	return true;
}

/* What can be known to be wrong before anything is made or sent. */
static bool
read_options(struct app_scep_job *j, struct err *e)
{
	const struct app_args *a = j->args;
	const char *wait = app_arg(a, "wait");
	int64_t seconds = 0;

	if (app_arg(a, "key") == NULL || app_arg(a, "out") == NULL)
		return err_set(
		    e, ERR_INVALID, "--key FILE and --out FILE are needed");
	if (wait != NULL && !str_to_i64(wait, 0, 30 * 86400, &seconds))
		return err_set(e, ERR_INVALID, "--wait takes seconds");
	j->wait_ms = seconds * MS_S;
	j->o.get = app_arg(a, "get") != NULL;
	j->o.allow_des = app_arg(a, "allow-des") != NULL;
	j->o.digest_nid = algorithm(a, "digest");
	j->o.cipher_nid = algorithm(a, "cipher");
	if (j->o.digest_nid < 0 || j->o.cipher_nid < 0)
		return err_set(e, ERR_INVALID,
		    "unknown --digest or --cipher; --help lists them");
	return app_scep_read_server(j, e) &&
	       file_may_write(app_arg(a, "out"), e) && take_names(j, e);
}

/* ---- the request ---- */

static bool
ask_server(struct app_scep_job *j, struct scep_client_result *r, struct err *e)
{
	int64_t until = clock_mono_ms() + j->wait_ms;
	int64_t pause = POLL_FIRST_MS;

	if (!scep_client_send(j->client, r, e))
		return false;
	while (r->status == SCEP_PENDING && clock_mono_ms() + pause <= until) {
		app_say(j->args, "Pending; asking again in %d s.",
		    (int)(pause / MS_S));
		clock_sleep_ms(pause);
		pause = pause * 2 < POLL_MOST_MS ? pause * 2 : POLL_MOST_MS;
		scep_client_result_clear(r);
		if (!scep_client_poll(j->client, r, e))
			return false;
	}
	return true;
}

static json_t *
result_json(const struct scep_client_result *r)
{
	static const char *const states[] = { "success", "", "failure",
		"pending" };
	json_t *o = json_object();
	char text[512];

	json_put_str(o, "status", states[r->status]);
	if (r->status == SCEP_FAILURE) {
		json_put_str(o, "fail_info", scep_fail_name(r->fail_info));
		json_put_str(o, "fail_text", r->fail_text);
	}
	if (r->cert == NULL)
		return o;
	cert_subject(r->cert, text, sizeof(text));
	json_put_str(o, "subject", text);
	cert_serial(r->cert, text, sizeof(text));
	json_put_str(o, "serial", text);
	clock_format_s(text, cert_not_after(r->cert));
	json_put_str(o, "not_after", text);
	cert_fingerprint(r->cert, text);
	json_put_str(o, "sha256", text);
	return o;
}

static int
finish(const struct app_scep_job *j, const struct scep_client_result *r)
{
	static const struct app_column fields[] = {
		{ "Status", "status" },
		{ "Reason", "fail_info" },
		{ "Text", "fail_text" },
		{ "Subject", "subject" },
		{ "Serial", "serial" },
		{ "Not after", "not_after" },
		{ "SHA-256", "sha256" },
		{ NULL, NULL },
	};
	AUTO(buf_free) struct buf *pem = buf_new(4 * LIMIT_CERT);
	AUTO(json_free) json_t *o = result_json(r);
	struct err e = { 0 };

	if (r->cert != NULL &&
	    (!cert_pem(r->cert, pem, &e) || !buf_ok(pem, &e) ||
	        !file_write(
	            app_arg(j->args, "out"), buf_slice(pem), 0644, &e) ||
	        !app_scep_write_chain(j, r->chain, &e)))
		return app_scep_failed(&e);
	app_print_one(j->args, o, fields);
	if (r->status == SCEP_PENDING)
		app_say(j->args, "The same command asks again.");
	return r->status == SCEP_SUCCESS   ? APP_OK
	       : r->status == SCEP_PENDING ? APP_CONFLICT
	                                   : APP_REFUSED;
}

static int
request(struct app_scep_job *j)
{
	AUTO(scep_client_result_clear) struct scep_client_result r = { 0 };
	struct err e = { 0 };

	if (!app_scep_connect(j, &e) || !ask_server(j, &r, &e))
		return app_scep_failed(&e);
	return finish(j, &r);
}

static bool
prepare_enroll(struct app_scep_job *j, struct err *e)
{
	const struct app_args *a = j->args;

	if (app_arg(a, "cn") == NULL)
		return err_set(e, ERR_INVALID, "--cn NAME is needed");
	j->subject = (struct cert_subject){ .cn = app_arg(a, "cn"),
		.o = app_arg(a, "o"),
		.ou = app_arg(a, "ou"),
		.uid = app_arg(a, "uid") };
	return read_options(j, e) && cert_subject_check(&j->subject, e) &&
	       app_scep_challenge(
	           app_arg(a, "challenge-file"), true, &j->challenge, e) &&
	       app_scep_load_key(j, e) &&
	       (!j->o.allow_des || scep_legacy_load(&j->legacy, e));
}

static int
enroll(const struct app_args *a)
{
	AUTO(app_scep_clear) struct app_scep_job j = { .args = a };
	struct err e = { 0 };

	return prepare_enroll(&j, &e) ? request(&j) : app_wrong(e.text);
}

/* The old certificate says the subject, which may be one of another kind. */
static bool
check_names(const struct app_scep_job *j, struct err *e)
{
	struct cert_subject names = j->subject;

	names.cn = "any";
	names.o = names.ou = names.uid = NULL;
	return cert_subject_check(&names, e);
}

static bool
prepare_renew(struct app_scep_job *j, struct err *e)
{
	const struct app_args *a = j->args;

	if (app_arg(a, "old-cert") == NULL)
		return err_set(e, ERR_INVALID, "--old-cert FILE is needed");
	if (!read_options(j, e))
		return false;
	if (app_arg(a, "old-key") == NULL && !file_exists(app_arg(a, "key")))
		return err_set(
		    e, ERR_INVALID, "--old-key FILE is needed for a new --key");
	return check_names(j, e) &&
	       app_scep_challenge(
	           app_arg(a, "challenge-file"), false, &j->challenge, e) &&
	       app_scep_load_old(j, e) && app_scep_load_key(j, e) &&
	       (!j->o.allow_des || scep_legacy_load(&j->legacy, e));
}

static int
renew(const struct app_args *a)
{
	AUTO(app_scep_clear) struct app_scep_job j = { .args = a };
	struct err e = { 0 };

	return prepare_renew(&j, &e) ? request(&j) : app_wrong(e.text);
}

const struct app_subcommand app_scep_commands[] = {
	{ "scep", "getca", "URL", 1, 1, ca_options,
	    "what a SCEP server offers, and its certificates", app_scep_getca,
	    false },
	{ "scep", "getnextca", "URL", 1, 1, ca_options,
	    "certificates of its next CA", app_scep_getnextca, false },
	{ "scep", "enroll", "URL", 1, 1, enroll_options,
	    "get a certificate from any SCEP server", enroll, false },
	{ "scep", "renew", "URL", 1, 1, renew_options,
	    "the same, signed by the certificate that ends", renew, false },
	{ 0 },
};
