/*
 * mutsu scep getca|getnextca|enroll|renew: a client for any SCEP server; our
 * own is asked as others are.  One thread.
 */
#include <stdio.h>

#include <openssl/x509v3.h>

#include "app/app_scep_priv.h"
#include "core/clock.h"
#include "core/file.h"
#include "core/json.h"
#include "core/limits.h"
#include "scep/scep_client.h"

enum { POLL_FIRST_MS = 1000, POLL_MOST_MS = 60 * 1000 };

/* clang-format off */
#define SERVER_OPTIONS                                                         \
	{ "ca-name", "NAME", "message of GetCACert (none)" },                  \
	{ "ca-fingerprint", "HEX",                                             \
	    "SHA-256 of the certificate that the server has to lead to" },     \
	{ "tls-ca", "FILE", "PEM trust anchors for https (the system's)" },    \
	{ "ca-out", "FILE", "write the certificates, PEM" }
#define REQUEST_OPTIONS                                                        \
	{ "key", "FILE",                                                       \
	    "key to be certified; made (RSA 2048) when not there; needed" },   \
	{ "out", "FILE", "write the certificate, PEM; needed" },               \
	{ "challenge-file", "FILE",                                            \
	    "file with the challenge (MUTSU_SCEP_CHALLENGE, else asked)" },    \
	{ "get", NULL, "PKIOperation by GET" },                                \
	{ "digest", "NAME", "sha1, sha256 or sha512 (by GetCACaps)" },         \
	{ "cipher", "NAME", "aes128, aes256 or 3des (by GetCACaps)" },         \
	{ "allow-des", NULL, "take an answer in single DES, which is broken" },\
	{ "wait", "SECONDS", "poll while the request is pending (0)" }
/* clang-format on */

static const struct app_option ca_options[] = {
	SERVER_OPTIONS,
	{ NULL, NULL, NULL },
};
static const struct app_option enroll_options[] = {
	SERVER_OPTIONS,
	REQUEST_OPTIONS,
	{ "cn", "NAME", "common name of the request; needed" },
	{ "o", "NAME", "organization" },
	{ "ou", "NAME", "organizational unit" },
	{ "uid", "NAME", "user id" },
	{ NULL, NULL, NULL },
};
static const struct app_option renew_options[] = {
	SERVER_OPTIONS,
	REQUEST_OPTIONS,
	{ "old-cert", "FILE", "certificate to be renewed, PEM; needed" },
	{ "old-key", "FILE", "its key (that of --key)" },
	{ NULL, NULL, NULL },
};

static const struct app_column cert_columns[] = {
	{ "SUBJECT", "subject" },
	{ "USE", "use" },
	{ "NOT AFTER", "not_after" },
	{ "SHA-256", "sha256" },
	{ NULL, NULL },
};

/* What the client borrows while it runs. */
struct job {
	const struct app_args *args;
	struct scep_client_options o;
	struct cert_subject subject;
	struct scep_legacy *legacy;
	struct fetch *fetch;
	struct scep_client *client;
	EVP_PKEY *key, *old_key;
	X509 *old;
	char *challenge;
	char names[4][256]; /* of the old certificate's subject */
	int64_t wait_ms;
};

static void
job_clear(struct job *j)
{
	scep_client_free(&j->client);
	fetch_free(&j->fetch);
	cert_key_free(&j->key);
	cert_key_free(&j->old_key);
	cert_x509_free(&j->old);
	str_wipe(&j->challenge);
	scep_legacy_free(&j->legacy);
}

static int
failed(const struct err *e)
{
	fprintf(stderr, "mutsu: ");
	app_print_safe(stderr, e->text, 400);
	fprintf(stderr, "\n");
	switch (e->code) {
	case ERR_NOT_FOUND:
		return APP_NOT_FOUND;
	case ERR_FORBIDDEN:
		return APP_NOT_ALLOWED;
	default:
		return APP_FAILED;
	}
}

static int
usage(const char *what)
{
	fprintf(stderr, "mutsu: %s\n", what);
	return APP_USAGE;
}

static bool
connect_to(struct job *j, struct err *e)
{
	struct fetch_options fo = { .ca_file = app_arg(j->args, "tls-ca") };

	j->o.url = j->args->words[0];
	j->o.challenge = j->challenge;
	j->o.ca_name = app_arg(j->args, "ca-name");
	j->o.ca_fingerprint = app_arg(j->args, "ca-fingerprint");
	return fetch_new(&fo, &j->fetch, e) &&
	       scep_client_new(j->fetch, &j->o, &j->client, e);
}

static bool
write_chain(const char *path, STACK_OF(X509) * chain, struct err *e)
{
	AUTO(buf_free) struct buf *pem = buf_new(1 << 20);

	for (int i = 0; path != NULL && i < sk_X509_num(chain); i++)
		if (!cert_pem(sk_X509_value(chain, i), pem, e))
			return false;
	return path == NULL ||
	       (buf_ok(pem, e) && file_write(path, buf_slice(pem), 0644, e));
}

static json_t *
certificate_row(X509 *x, const struct scep_client_ca *ca)
{
	char subject[512], fingerprint[SHA256_HEX_SIZE], when[CLOCK_TEXT_SIZE];
	json_t *row = json_object();

	cert_subject(x, subject, sizeof(subject));
	cert_fingerprint(x, fingerprint);
	clock_format_s(when, cert_not_after(x));
	json_put_str(row, "subject", subject);
	json_put_str(row, "use",
	    x == ca->recipient     ? "takes requests"
	    : X509_check_ca(x) > 0 ? "CA"
	                           : "other");
	json_put_str(row, "not_after", when);
	json_put_str(row, "sha256", fingerprint);
	return row;
}

static json_t *
certificate_rows(STACK_OF(X509) * chain, const struct scep_client_ca *ca)
{
	json_t *rows = json_array();

	for (int i = 0; i < sk_X509_num(chain); i++)
		json_array_append_new(
		    rows, certificate_row(sk_X509_value(chain, i), ca));
	return rows;
}

static void
print_ca(const struct job *j, STACK_OF(X509) * chain)
{
	const struct scep_client_ca *ca = scep_client_ca(j->client);
	AUTO(json_free) json_t *all = json_object();
	json_t *caps = json_array();
	json_t *rows = certificate_rows(chain, ca);

	json_object_set_new(all, "capabilities", caps);
	json_object_set_new(all, "certificates", rows);
	for (unsigned bit = 1; scep_client_cap_name(bit) != NULL; bit <<= 1)
		if ((ca->caps & bit) != 0)
			json_array_append_new(
			    caps, json_string(scep_client_cap_name(bit)));
	if (j->args->json) {
		app_print_one(j->args, all, NULL);
		return;
	}
	printf("Capabilities:");
	for (size_t i = 0; i < json_array_size(caps); i++)
		printf(" %s", json_string_value(json_array_get(caps, i)));
	printf("%s\n\n", json_array_size(caps) == 0 ? " none" : "");
	app_print_list(j->args, rows, cert_columns, "No certificates.");
	if (j->o.ca_fingerprint == NULL)
		printf("\nNothing proves yet that this is the server you mean: "
		       "compare a fingerprint\nwith one from its "
		       "administrator, and give it as --ca-fingerprint.\n");
}

static int
getca(const struct app_args *a)
{
	AUTO(job_clear) struct job j = { .args = a };
	STACK_OF(X509) * chain;
	struct err e = { 0 };

	if (!connect_to(&j, &e))
		return failed(&e);
	chain = scep_client_ca(j.client)->chain;
	if (!write_chain(app_arg(a, "ca-out"), chain, &e))
		return failed(&e);
	print_ca(&j, chain);
	return APP_OK;
}

static int
getnextca(const struct app_args *a)
{
	AUTO(job_clear) struct job j = { .args = a };
	AUTO(cert_stack_free) STACK_OF(X509) *chain = NULL;
	struct err e = { 0 };

	if (!connect_to(&j, &e) || !scep_client_next_ca(j.client, &chain, &e) ||
	    !write_chain(app_arg(a, "ca-out"), chain, &e))
		return failed(&e);
	print_ca(&j, chain);
	return APP_OK;
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

static int
read_options(struct job *j)
{
	const struct app_args *a = j->args;
	const char *wait = app_arg(a, "wait");
	int64_t seconds = 0;

	if (app_arg(a, "key") == NULL || app_arg(a, "out") == NULL)
		return usage("--key FILE and --out FILE are needed");
	if (wait != NULL && !str_to_i64(wait, 0, 30 * 86400, &seconds))
		return usage("--wait takes seconds");
	j->wait_ms = seconds * MS_S;
	j->o.get = app_arg(a, "get") != NULL;
	j->o.allow_des = app_arg(a, "allow-des") != NULL;
	j->o.digest_nid = algorithm(a, "digest");
	j->o.cipher_nid = algorithm(a, "cipher");
	if (j->o.digest_nid < 0 || j->o.cipher_nid < 0)
		return usage("unknown --digest or --cipher; --help lists them");
	return APP_OK;
}

static bool
read_key(const char *path, EVP_PKEY **out, struct err *e)
{
	AUTO(buf_wipe) struct buf *pem = NULL;

	return file_private(path, e) && file_read(path, LIMIT_CERT, &pem, e) &&
	       (cert_key_parse(buf_slice(pem), out, e) ||
	           err_wrap(e, "%s", path));
}

static bool
write_key(const char *path, EVP_PKEY *k, struct err *e)
{
	AUTO(buf_wipe) struct buf *pem = NULL;

	return cert_key_pem(k, &pem, e) &&
	       file_create(path, buf_slice(pem), 0600, e);
}

static bool
load_key(struct job *j, struct err *e)
{
	const char *path = app_arg(j->args, "key");

	if (file_exists(path) ? !read_key(path, &j->key, e)
	                      : !cert_key_new(CERT_RSA_2048, &j->key, e) ||
	                            !write_key(path, j->key, e))
		return false;
	j->o.key = j->key;
	j->o.subject = &j->subject;
	return true;
}

static bool
load_old(struct job *j, struct err *e)
{
	static const int nids[] = { NID_commonName, NID_organizationName,
		NID_organizationalUnitName, NID_userId };
	const char **fields[] = { &j->subject.cn, &j->subject.o, &j->subject.ou,
		&j->subject.uid };
	AUTO(buf_free) struct buf *pem = NULL;
	const char *key = app_arg(j->args, "old-key");

	if (!file_read(app_arg(j->args, "old-cert"), 4 * LIMIT_CERT, &pem, e) ||
	    !cert_parse_pem(buf_slice(pem), &j->old, e) ||
	    !read_key(
	        key != NULL ? key : app_arg(j->args, "key"), &j->old_key, e))
		return false;
	j->o.signer = j->old;
	j->o.signer_key = j->old_key;
	for (size_t i = 0; i < COUNT(nids); i++) {
		cert_subject_value(
		    j->old, nids[i], j->names[i], sizeof(j->names[i]));
		*fields[i] = j->names[i][0] != '\0' ? j->names[i] : NULL;
	}
	return true;
}

/* ---- the request ---- */

static bool
ask_server(struct job *j, struct scep_client_result *r, struct err *e)
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

static const char *
fail_name(int fail)
{
	static const char *const names[] = { "badAlg", "badMessageCheck",
		"badRequest", "badTime", "badCertId" };

	return fail >= 0 && fail < (int)COUNT(names) ? names[fail] : "unknown";
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
		json_put_str(o, "fail_info", fail_name(r->fail_info));
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
finish(const struct job *j, const struct scep_client_result *r)
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
	        !write_chain(app_arg(j->args, "ca-out"), r->chain, &e)))
		return failed(&e);
	app_print_one(j->args, o, fields);
	if (r->status == SCEP_PENDING)
		app_say(j->args, "The same command asks again.");
	return r->status == SCEP_SUCCESS   ? APP_OK
	       : r->status == SCEP_PENDING ? APP_CONFLICT
	                                   : APP_REFUSED;
}

static int
request(struct job *j, bool ask)
{
	AUTO(scep_client_result_clear) struct scep_client_result r = { 0 };
	struct err e = { 0 };

	if ((j->o.allow_des && !scep_legacy_load(&j->legacy, &e)) ||
	    !app_scep_challenge(
	        app_arg(j->args, "challenge-file"), ask, &j->challenge, &e) ||
	    !connect_to(j, &e) || !ask_server(j, &r, &e))
		return failed(&e);
	return finish(j, &r);
}

static int
enroll(const struct app_args *a)
{
	AUTO(job_clear)
	struct job j = { .args = a,
		.subject = { .cn = app_arg(a, "cn"),
		    .o = app_arg(a, "o"),
		    .ou = app_arg(a, "ou"),
		    .uid = app_arg(a, "uid") } };
	struct err e = { 0 };
	int code = read_options(&j);

	if (code != APP_OK)
		return code;
	if (j.subject.cn == NULL)
		return usage("--cn NAME is needed");
	if (!cert_subject_check(&j.subject, &e))
		return usage(e.text);
	return load_key(&j, &e) ? request(&j, true) : failed(&e);
}

static int
renew(const struct app_args *a)
{
	AUTO(job_clear) struct job j = { .args = a };
	struct err e = { 0 };
	int code = read_options(&j);

	if (code != APP_OK)
		return code;
	if (app_arg(a, "old-cert") == NULL)
		return usage("--old-cert FILE is needed");
	if (app_arg(a, "old-key") == NULL && !file_exists(app_arg(a, "key")))
		return usage("--old-key FILE is needed for a new --key");
	return load_key(&j, &e) && load_old(&j, &e) ? request(&j, false)
	                                            : failed(&e);
}

const struct app_subcommand app_scep_commands[] = {
	{ "scep", "getca", "URL", 1, 1, ca_options,
	    "what a SCEP server offers, and its certificates", getca, false },
	{ "scep", "getnextca", "URL", 1, 1, ca_options,
	    "certificates of its next CA", getnextca, false },
	{ "scep", "enroll", "URL", 1, 1, enroll_options,
	    "get a certificate from any SCEP server", enroll, false },
	{ "scep", "renew", "URL", 1, 1, renew_options,
	    "the same, signed by the certificate that ends", renew, false },
	{ 0 },
};
