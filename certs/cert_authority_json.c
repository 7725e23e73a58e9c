/* Rows of table authority as JSON.  Pure functions; any thread. */
#include "certs/cert_authority_json.h"

json_t *
cert_member_json(const struct cert_member *m)
{
	json_t *o = json_object();
	char subject[512] = "", fingerprint[SHA256_HEX_SIZE] = "";
	bool there = m->certificate != NULL;

	if (there) {
		cert_subject(m->certificate, subject, sizeof(subject));
		cert_fingerprint(m->certificate, fingerprint);
	}
	json_put_str(o, "id", m->id);
	json_put_str(o, "role", m->role);
	json_put_str(o, "state", m->state);
	json_put_str(o, "issuer_id", m->parent_id);
	json_put_str(o, "key", m->place.kind);
	json_put_time(
	    o, "not_after", there ? cert_not_after(m->certificate) : 0);
	json_put_str(o, "subject", there ? subject : NULL);
	json_put_str(o, "fingerprint", there ? fingerprint : NULL);
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
