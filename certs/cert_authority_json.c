/* Rows of table authority as JSON.  Pure functions; any thread. */
#include "certs/cert_authority_json.h"

#include "certs/cert_authority_priv.h"

enum { PEM_MAX = 32 << 10 };

void
cert_member_face(const struct cert_member *m, struct cert_member_face *out)
{
	AUTO(cert_req_free) X509_REQ *r = NULL;
	const uint8_t *p = m->request != NULL ? m->request->p : NULL;

	*out = (struct cert_member_face){ 0 };
	if (m->certificate != NULL) {
		cert_subject(
		    m->certificate, out->subject, sizeof(out->subject));
		cert_key_type(X509_get0_pubkey(m->certificate), out->key_type);
	} else if (p != NULL) {
		r = d2i_X509_REQ(NULL, &p, (long)m->request->len);
	}
	if (r != NULL) {
		cert_name_text(X509_REQ_get_subject_name(r), out->subject,
		    sizeof(out->subject));
		cert_key_type(X509_REQ_get0_pubkey(r), out->key_type);
	}
}

static void
put_certificate(json_t *o, const struct cert_member *m)
{
	AUTO(buf_free) struct buf *pem = buf_new(PEM_MAX);
	char fingerprint[SHA256_HEX_SIZE];
	struct err e = { 0 };

	cert_fingerprint(m->certificate, fingerprint);
	json_put_str(o, "fingerprint", fingerprint);
	if (cert_pem(m->certificate, pem, &e) && buf_ok(pem, &e))
		json_put_str(o, "pem", buf_str(pem));
}

json_t *
cert_member_json(const struct cert_member *m)
{
	json_t *o = json_object();
	struct cert_member_face face;
	bool there = m->certificate != NULL;

	cert_member_face(m, &face);
	json_put_str(o, "id", m->id);
	json_put_str(o, "role", m->role);
	json_put_str(o, "state", m->state);
	json_put_str(o, "issuer_id", m->parent_id);
	json_put_str(o, "key", m->place.kind);
	json_put_str(
	    o, "key_type", str_empty(face.key_type) ? NULL : face.key_type);
	json_put_time(
	    o, "not_after", there ? cert_not_after(m->certificate) : 0);
	json_put_str(
	    o, "subject", str_empty(face.subject) ? NULL : face.subject);
	if (there)
		put_certificate(o, m);
	else
		json_put_str(o, "fingerprint", NULL);
	return o;
}

json_t *
cert_authority_json(const struct cert_authority *a, const struct cert_member *r)
{
	json_t *rows = json_array();
	const struct cert_member *const *m = NULL;
	size_t count = a != NULL ? cert_authority_members(a, &m) : 0;

	for (size_t i = 0; i < count; i++)
		json_array_append_new(rows, cert_member_json(m[i]));
	if (r != NULL)
		json_array_append_new(rows, cert_member_json(r));
	return rows;
}
