/*
 * mutsu scep getca|getnextca: who a SCEP server is, and the beginning of every
 * other conversation with one.  One thread.
 */
#include <stdio.h>
#include <string.h>

#include <openssl/x509v3.h>

#include "app/app_scep_priv.h"
#include "certs/cert_x509.h"
#include "core/clock.h"
#include "core/file.h"
#include "core/json.h"
#include "core/limits.h"

enum { TLS_CA_MAX = 1 << 20 };

static const struct app_column cert_columns[] = {
	{ "SUBJECT", "subject" },
	{ "USE", "use" },
	{ "NOT AFTER", "not_after" },
	{ "SHA-256", "sha256" },
	{ NULL, NULL },
};

int
app_scep_failed(const struct err *e)
{
	fprintf(stderr, "mutsu: ");
	app_print_safe(stderr, e->text, 400);
	fprintf(stderr, "\n");
	return e->code == ERR_FORBIDDEN ? APP_NOT_ALLOWED : APP_FAILED;
}

/* ---- options ---- */

/* One that nobody can have must not be told as that of another server. */
static bool
read_fingerprint(struct app_scep_job *j, struct err *e)
{
	const char *text = app_arg(j->args, "ca-fingerprint");

	if (text == NULL)
		return true;
	j->fingerprint = app_hex(text);
	if (j->fingerprint == NULL ||
	    strlen(j->fingerprint) != SHA256_HEX_SIZE - 1)
		return err_set(e, ERR_INVALID,
		    "--ca-fingerprint takes a SHA-256: 64 hex digits");
	return true;
}

static bool
read_tls_ca(struct app_scep_job *j, struct err *e)
{
	const char *path = app_arg(j->args, "tls-ca");
	AUTO(cert_x509_free) X509 *first = NULL;

	if (path == NULL)
		return true;
	if (!file_read(path, TLS_CA_MAX, &j->tls_ca, e))
		return false;
	return cert_parse_pem(buf_slice(j->tls_ca), &first, e) ||
	       err_wrap(e, "%s", path);
}

bool
app_scep_read_server(struct app_scep_job *j, struct err *e)
{
	const char *url = j->args->words[0];
	const char *out = app_arg(j->args, "ca-out");

	if (!str_starts(url, "http://") && !str_starts(url, "https://"))
		return err_set(e, ERR_INVALID,
		    "a URL begins with http:// or https://, not as %s", url);
	return read_fingerprint(j, e) && read_tls_ca(j, e) &&
	       (out == NULL || file_may_write(out, e));
}

/* ---- asking ---- */

bool
app_scep_connect(struct app_scep_job *j, struct err *e)
{
	struct fetch_options fo = {
		.ca_pem = j->tls_ca != NULL ? buf_str(j->tls_ca) : NULL
	};

	j->o.url = j->args->words[0];
	j->o.challenge = j->challenge;
	j->o.ca_name = app_arg(j->args, "ca-name");
	j->o.ca_fingerprint = j->fingerprint;
	return fetch_new(&fo, &j->fetch, e) &&
	       scep_client_new(j->fetch, &j->o, &j->client, e);
}

bool
app_scep_write_chain(
    const struct app_scep_job *j, STACK_OF(X509) * chain, struct err *e)
{
	const char *path = app_arg(j->args, "ca-out");
	AUTO(buf_free) struct buf *pem = buf_new(1 << 20);

	for (int i = 0; path != NULL && i < sk_X509_num(chain); i++)
		if (!cert_pem(sk_X509_value(chain, i), pem, e))
			return false;
	return path == NULL ||
	       (buf_ok(pem, e) && file_write(path, buf_slice(pem), 0644, e));
}

/* ---- what is shown ---- */

static json_t *
certificate_row(X509 *x, const X509 *recipient)
{
	char subject[512], fingerprint[SHA256_HEX_SIZE], when[CLOCK_TEXT_SIZE];
	json_t *row = json_object();

	cert_subject(x, subject, sizeof(subject));
	cert_fingerprint(x, fingerprint);
	clock_format_s(when, cert_not_after(x));
	json_put_str(row, "subject", subject);
	json_put_str(row, "use",
	    x == recipient         ? "takes requests"
	    : X509_check_ca(x) > 0 ? "CA"
	                           : "other");
	json_put_str(row, "not_after", when);
	json_put_str(row, "sha256", fingerprint);
	return row;
}

static json_t *
certificate_rows(STACK_OF(X509) * chain, const char *pin)
{
	X509 *recipient = scep_client_recipient(chain, pin);
	json_t *rows = json_array();

	for (int i = 0; i < sk_X509_num(chain); i++)
		json_array_append_new(
		    rows, certificate_row(sk_X509_value(chain, i), recipient));
	return rows;
}

static void
print_ca(const struct app_scep_job *j, STACK_OF(X509) * chain)
{
	unsigned offered = scep_client_ca(j->client)->caps;
	AUTO(json_free) json_t *all = json_object();
	json_t *caps = json_array();
	json_t *rows = certificate_rows(chain, j->o.ca_fingerprint);

	json_object_set_new(all, "capabilities", caps);
	json_object_set_new(all, "certificates", rows);
	for (unsigned bit = 1; scep_client_cap_name(bit) != NULL; bit <<= 1)
		if ((offered & bit) != 0)
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
show(struct app_scep_job *j, STACK_OF(X509) * chain)
{
	struct err e = { 0 };

	if (!app_scep_write_chain(j, chain, &e))
		return app_scep_failed(&e);
	print_ca(j, chain);
	return APP_OK;
}

int
app_scep_getca(const struct app_args *a)
{
	AUTO(app_scep_clear) struct app_scep_job j = { .args = a };
	struct err e = { 0 };

	if (!app_scep_read_server(&j, &e))
		return app_wrong(e.text);
	if (!app_scep_connect(&j, &e))
		return app_scep_failed(&e);
	return show(&j, scep_client_ca(j.client)->chain);
}

int
app_scep_getnextca(const struct app_args *a)
{
	AUTO(app_scep_clear) struct app_scep_job j = { .args = a };
	AUTO(cert_stack_free) STACK_OF(X509) *chain = NULL;
	struct err e = { 0 };

	if (!app_scep_read_server(&j, &e))
		return app_wrong(e.text);
	if (!app_scep_connect(&j, &e) ||
	    !scep_client_next_ca(j.client, &chain, &e))
		return app_scep_failed(&e);
	return show(&j, chain);
}
