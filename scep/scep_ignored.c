/*
 * Names that a request asks for and its certificate will not have: what whoever
 * approves is shown beside those that it will have, and what a request whose
 * names count is refused for.  Extensions that are no names, such as usages, do
 * not count: clients ask for those out of habit.  No state; any thread.
 */
#include <openssl/err.h>
#include <string.h>

#include "certs/cert_san.h"
#include "core/json.h"
#include "scep/scep_names_priv.h"
#include "scep/scep_service_priv.h"

enum { SHOWN_MAX = 32 };

/* Takes text. */
static void
add(json_t *all, char *text)
{
	AUTO(str_free) char *own = text;

	if (json_array_size(all) < SHOWN_MAX)
		json_array_append_new(all, json_string(own));
	else if (json_array_size(all) == SHOWN_MAX)
		json_array_append_new(all, json_string("and more"));
}

static void
add_alternatives(
    json_t *all, const X509_REQ *req, const struct scep_beyond *may)
{
	STACK_OF(X509_EXTENSION) *extensions =
	    X509_REQ_get_extensions((X509_REQ *)req);
	int critical;
	GENERAL_NAMES *names =
	    X509V3_get_d2i(extensions, NID_subject_alt_name, &critical, NULL);

	if (names == NULL && critical != -1)
		add(all, str_dup("alternative names that cannot be read"));
	for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
		const GENERAL_NAME *g = sk_GENERAL_NAME_value(names, i);

		if (scep_beyond_alternative(g, may))
			add(all, cert_san_text(g));
	}
	if (!scep_names_one_list(req))
		add(all, str_dup("a second list of extensions"));
	GENERAL_NAMES_free(names);
	sk_X509_EXTENSION_pop_free(extensions, X509_EXTENSION_free);
}

json_t *
scep_ignored(struct slice csr, const struct scep_beyond *may)
{
	const uint8_t *p = csr.p;
	AUTO(cert_req_free)
	X509_REQ *req = d2i_X509_REQ(NULL, &p, (long)csr.len);
	json_t *all = json_array();
	const X509_NAME *subject;

	if (req != NULL) {
		subject = X509_REQ_get_subject_name(req);
		for (int i = 0; i < X509_NAME_entry_count(subject); i++) {
			const X509_NAME_ENTRY *n =
			    X509_NAME_get_entry(subject, i);

			if (scep_beyond_attribute(n, may))
				add(all, cert_san_attribute(n));
		}
		add_alternatives(all, req, may);
	}
	ERR_clear_error();
	return all;
}

void
scep_ignored_kinds(const json_t *ignored, char *out, size_t size)
{
	AUTO(buf_free) struct buf *text = buf_new(8192);
	const json_t *one;
	size_t i;

	json_array_foreach(ignored, i, one)
	{
		const char *name = json_string_value(one);

		buf_addf(text, "%s%.*s", i > 0 ? ", " : "",
		    (int)strcspn(name, "=:"), name);
	}
	str_copy_cut(out, size, buf_str(text));
}
