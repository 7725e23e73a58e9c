/*
 * The settings of the server, one row each, and what a row cannot say of
 * them.  Constant data; any thread.
 */
#include <string.h>

#include "app/app_settings.h"

#include "app/app_cli.h"
#include "core/file.h"

enum { CREDENTIALS_MAX = 1024 };

const struct setting_row app_settings[] = {
	{ "data", SETTING_STR, "data", 0, 0,
	    "directory of database, keys and tokens" },
	{ "database", SETTING_STR, NULL, 0, 0,
	    "postgresql:// address of the database (SQLite, mutsu.db in the "
	    "data directory)" },
	{ "device-address", SETTING_STR, "127.0.0.1", 0, 0,
	    "address that Macs connect to (0.0.0.0: all)" },
	{ "device-port", SETTING_INT, "8443", 0, 65535,
	    "port of the device side (TLS); 0: any free one" },
	{ "admin-address", SETTING_STR, "127.0.0.1", 0, 0,
	    "address of the admin side: API and metrics" },
	{ "admin-port", SETTING_INT, "8444", 0, 65535,
	    "port of the admin side; 0: any free one" },
	{ "http-address", SETTING_STR, "127.0.0.1", 0, 0,
	    "address of the plain listener: SCEP, CRL and OCSP only" },
	{ "http-port", SETTING_INT, "-1", -1, 65535,
	    "port of the plain listener; -1: none" },
	{ "http-url", SETTING_STR, NULL, 0, 0,
	    "http URL of the plain listener as others reach it, for the "
	    "addresses of CRL and OCSP in certificates (host of public-url "
	    "and http-port, unless http-address is a loopback one)" },
	{ "public-url", SETTING_STR, NULL, 0, 0,
	    "https URL by which Macs reach the device side; for ever "
	    "(https://localhost:PORT)" },
	{ "organization", SETTING_STR, "Mutsu", 0, 0,
	    "name on the enrolment page and in certificates; an authority "
	    "that there is keeps its own where this is not given" },
	{ "tls-cert", SETTING_STR, NULL, 0, 0,
	    "PEM file with the server's certificate and chain (made by "
	    "itself)" },
	{ "tls-key", SETTING_STR, NULL, 0, 0, "PEM file with its key" },
	{ "tls", SETTING_BOOL, "yes", 0, 0,
	    "no: a proxy in front ends TLS; loopback only" },
	{ "proxy-header", SETTING_STR, NULL, 0, 0,
	    "header with the client certificate, from such a proxy" },
	{ "proxy-addresses", SETTING_STR, NULL, 0, 0,
	    "addresses of proxies, comma-separated: that header counts from "
	    "them, and X-Forwarded-For, on the plain listener too" },
	{ "apns-hosts", SETTING_STR,
	    "api.push.apple.com:443,api.push.apple.com:2197", 0, 0,
	    "APNs, in order of preference" },
	{ "apns-device-hosts", SETTING_STR,
	    "1-courier.push.apple.com:5223,1-courier.push.apple.com:443", 0, 0,
	    "APNs, or a relay of it, as Macs reach it; for mutsu doctor" },
	{ "apns-ca", SETTING_STR, NULL, 0, 0,
	    "PEM file of APNs' trust anchors (the system's)" },
	{ "apns-proxy", SETTING_STR, NULL, 0, 0,
	    "HTTP proxy on the way to APNs, host:port" },
	{ "apns-proxy-credentials", SETTING_STR, NULL, 0, 0,
	    "file with its user:password, for nobody else to read" },
	{ "apns-per-second", SETTING_INT, "0", 0, 1000000,
	    "most pushes a second; 0: no limit" },
	{ "apns-expiration-days", SETTING_INT, "7", 1, 30,
	    "that APNs keeps a push for a sleeping Mac" },
	{ "workers", SETTING_INT, "32", 1, 512, "threads that serve requests" },
	{ "request-seconds", SETTING_INT, "30", 1, 600,
	    "in which a request, header and body, has to arrive" },
	{ "log-level", SETTING_STR, "info", 0, 0,
	    "debug, info, warn or error" },
	{ "log-file", SETTING_STR, NULL, 0, 0,
	    "file that log lines are appended to, opened again at SIGHUP "
	    "(standard error)" },
	{ "challenge-minutes", SETTING_INT, "60", 5, 10080,
	    "life of a downloaded enrolment profile's challenge" },
	{ "scep-failures-per-minute", SETTING_INT, "10", 1, 1000000,
	    "failed challenges of one address before it is put off" },
	{ "scep-approval", SETTING_BOOL, "no", 0, 0,
	    "let SCEP requests without a challenge wait for an "
	    "administrator" },
	{ "scep-approval-days", SETTING_INT, "7", 1, 90,
	    "how long such a request waits, and one of a template with "
	    "approval" },
	{ "scep-approval-per-address", SETTING_INT, "500", 1, 5000,
	    "such requests of one address (of IPv6, one /64) that may wait at "
	    "once; of all, 5000 may; with a good challenge as many again" },
	{ "scep-webhook-ca", SETTING_STR, NULL, 0, 0,
	    "PEM file with the CA that certificates of webhooks lead to (the "
	    "system's)" },
	{ "enroll-per-minute", SETTING_INT, "60", 1, 1000000,
	    "enrolment profiles one address may download" },
	{ "scep-legacy-des", SETTING_BOOL, "no", 0, 0,
	    "accept single DES; for tests with old SCEP clients only" },
	{ "root-key", SETTING_STR, "rsa3072", 0, 0,
	    "key of the root, when it is made: rsa2048, rsa3072, rsa4096, "
	    "p256, or the pkcs11: URI of one in a token" },
	{ "issuing-key", SETTING_STR, "rsa2048", 0, 0,
	    "the same of the issuing CA; where it is not given, that of the "
	    "next is like the one before" },
	{ "ra-key", SETTING_STR, "rsa2048", 0, 0,
	    "the same of the SCEP RA; not p256" },
	{ "ca-single", SETTING_BOOL, "no", 0, 0,
	    "at first start, make one CA that is root, issuing CA and RA" },
	{ "ca-keys", SETTING_STR, "sealed", 0, 0,
	    "where new keys of the authority go: sealed (into the database, "
	    "under master.key) or files (DATA/keys, under ca-passphrase)" },
	{ "ca-passphrase", SETTING_STR, NULL, 0, 0,
	    "passphrase of key files: file:PATH or env:NAME" },
	{ "pkcs11-module", SETTING_STR, NULL, 0, 0,
	    "library of the token that holds keys" },
	{ "pkcs11-pin", SETTING_STR, NULL, 0, 0,
	    "PIN of the token: file:PATH or env:NAME" },
	{ "core-dumps", SETTING_BOOL, "no", 0, 0,
	    "leave the memory of the server, with its keys, to core dumps and "
	    "to debuggers of its user" },
	{ "trial", SETTING_BOOL, "no", 0, 0,
	    "without a push certificate: simulate APNs and three Macs" },
};

const size_t app_settings_count =
    sizeof(app_settings) / sizeof(app_settings[0]);

static bool
key_wish(const struct settings *s, const char *name, struct cert_key_wish *out,
    struct err *e)
{
	const char *value = settings_str(s, name);

	/* By default what is made is like what it follows. */
	if (!settings_given(s, name))
		return true;
	if (str_starts(value, "pkcs11:")) {
		out->uri = value;
		return true;
	}
	if (cert_key_kind_parse(value, &out->kind, e))
		return true;
	if (str_eq(name, "ra-key"))
		return err_set(e, ERR_INVALID,
		    "ra-key: \"%s\" is none of rsa2048, rsa3072, rsa4096",
		    value);
	return err_wrap(e, "%s", name);
}

bool
app_settings_authority_key(
    const struct cert_authority_options *o, struct err *e)
{
	if (o->ra_key.kind == CERT_P256 ||
	    (o->single && o->issuing_key.kind == CERT_P256))
		return err_set(e, ERR_INVALID,
		    "the key that decrypts SCEP messages has to be RSA");
	return true;
}

bool
app_settings_authority(
    const struct settings *s, struct cert_authority_options *out, struct err *e)
{
	const char *keys = settings_str(s, "ca-keys");
	struct cert_authority_options o = {
		.vault = { .passphrase = settings_str(s, "ca-passphrase"),
		    .pkcs11_module = settings_str(s, "pkcs11-module"),
		    .pkcs11_pin = settings_str(s, "pkcs11-pin") },
		.organization = settings_given(s, "organization")
		                    ? settings_str(s, "organization")
		                    : NULL,
		.single = settings_bool(s, "ca-single"),
	};

	o.vault.files = str_eq(keys, "files");
	if (!o.vault.files && !str_eq(keys, "sealed"))
		return err_set(e, ERR_INVALID,
		    "ca-keys: \"%s\" is none of sealed, files", keys);
	if (o.vault.files && str_empty(o.vault.passphrase))
		return err_set(
		    e, ERR_INVALID, "ca-keys files needs ca-passphrase");
	if (!key_wish(s, "root-key", &o.root_key, e) ||
	    !key_wish(s, "issuing-key", &o.issuing_key, e) ||
	    !key_wish(s, "ra-key", &o.ra_key, e))
		return false;
	if (!app_settings_authority_key(&o, e))
		return false;
	*out = o;
	return true;
}

bool
app_settings_loopback(const char *address)
{
	return str_starts(address, "127.") || str_eq(address, "::1");
}

char *
app_settings_url(const char *scheme, const char *host, int port)
{
	bool v6 = strchr(host, ':') != NULL;

	if (str_eq(host, "0.0.0.0"))
		host = "127.0.0.1";
	else if (str_eq(host, "::"))
		host = "::1";
	return str_printf(
	    "%s://%s%s%s:%d", scheme, v6 ? "[" : "", host, v6 ? "]" : "", port);
}

/* "host" or "[address]", then ":port" or nothing, then "/" or nothing. */
static bool
is_authority(const char *p)
{
	static const char name[] = "abcdefghijklmnopqrstuvwxyz"
	                           "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_";
	bool v6 = *p == '[';
	size_t n = strspn(p + v6, v6 ? "0123456789abcdefABCDEF:." : name);
	AUTO(str_free) char *port = NULL;
	int64_t number;

	p += v6 + n;
	if (n == 0 || (v6 && *p++ != ']'))
		return false;
	if (*p == ':') {
		n = strcspn(p + 1, "/");
		port = str_printf("%.*s", (int)n, p + 1);
		if (!str_to_i64(port, 1, 65535, &number))
			return false;
		p += 1 + n;
	}
	return *p == '\0' || str_eq(p, "/");
}

/* Macs keep it for ever, and talk to nothing but https. */
static bool
check_public_url(const char *url, struct err *e)
{
	static const char scheme[] = "https://";

	if (url == NULL ||
	    (str_starts(url, scheme) && is_authority(url + sizeof(scheme) - 1)))
		return true;
	return err_set(e, ERR_INVALID,
	    "public-url: \"%s\" is not of the form https://HOST or "
	    "https://HOST:PORT",
	    url);
}

char *
app_settings_host(const char *url)
{
	const char *p = strstr(url, "://");

	p = p != NULL ? p + 3 : url;
	if (*p == '[')
		return str_printf("%.*s", (int)strcspn(p + 1, "]"), p + 1);
	return str_printf("%.*s", (int)strcspn(p, ":/"), p);
}

char *
app_settings_public_url(const struct settings *s)
{
	const char *url = settings_str(s, "public-url");
	size_t n = url != NULL ? strlen(url) : 0;

	while (n > 0 && url[n - 1] == '/')
		n--;
	return url != NULL ? str_printf("%.*s", (int)n, url) : NULL;
}

bool
app_settings_check(const struct settings *s, struct err *e)
{
	struct cert_authority_options o;

	if (!check_public_url(settings_str(s, "public-url"), e))
		return false;
	if ((settings_str(s, "tls-cert") == NULL) !=
	    (settings_str(s, "tls-key") == NULL))
		return err_set(
		    e, ERR_INVALID, "tls-cert and tls-key belong together");
	if (settings_str(s, "http-url") != NULL &&
	    !str_starts(settings_str(s, "http-url"), "http://"))
		return err_set(e, ERR_INVALID, "http-url begins with http://");
	if (!settings_bool(s, "tls") &&
	    !app_settings_loopback(settings_str(s, "device-address")))
		return err_set(e, ERR_INVALID,
		    "tls no is for a proxy on this machine: device-address "
		    "must be a loopback address");
	return app_settings_authority(s, &o, e);
}

/* The data directory has to be known before the file in it is read. */
static bool
set_given(struct settings *s, const struct app_args *a, struct err *e)
{
	if (app_arg(a, "data") != NULL &&
	    !settings_set(s, "data", app_arg(a, "data"), e))
		return false;
	for (size_t i = 0; i < a->setting_count; i++)
		if (!settings_set(
		        s, a->settings[i].name, a->settings[i].value, e))
			return false;
	return true;
}

bool
app_settings_load(struct settings *s, const struct app_args *a, struct err *e)
{
	AUTO(str_free) char *path = NULL;
	const char *config = app_arg(a, "config");

	if (!settings_env(s, e) || !set_given(s, a, e))
		return false;
	path = str_printf("%s/mutsu.conf", settings_str(s, "data"));
	if (config != NULL || file_exists(path)) {
		if (!settings_load(s, config != NULL ? config : path, e) ||
		    !settings_env(s, e) || !set_given(s, a, e))
			return false;
	}
	return true;
}

bool
app_settings_proxy_credentials(
    const struct settings *set, char **out, struct err *e)
{
	AUTO(buf_wipe) struct buf *text = NULL;
	const char *path = settings_str(set, "apns-proxy-credentials");
	const char *line;

	if (path == NULL)
		return true;
	if (!file_private(path, e) ||
	    !file_read(path, CREDENTIALS_MAX, &text, e))
		return err_wrap(e, "apns-proxy-credentials");
	line = buf_str(text);
	*out = str_printf("%.*s", (int)strcspn(line, "\r\n"), line);
	return true;
}
