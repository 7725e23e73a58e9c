/*
 * The XML of the profiles we make: the enrolment profile and the one that
 * gives a Mac the certificate of its user (Apple, "TopLevel",
 * "com.apple.security.scep", "com.apple.mdm").  Pure functions; any thread.
 *
 * The enrolment profile has no PayloadScope.  Apple's schema would allow
 * "System", but a Mac that installs an enrolment profile by hand with that
 * key opens no user channel (micromdm/micromdm issue 766), while the identity
 * and the MDM payload belong to the system in either case.  The profile of
 * the user's certificate comes over the device channel and says "System", so
 * that the key goes to the system keychain, which is never locked.
 *
 * CAFingerprint is the SHA-256 of the root.  Apple's client takes the hash
 * function from the length (32: SHA-256), finds the certificate in the answer
 * to GetCACert and wants the RA's chain to end there: so the SCEP exchange is
 * pinned by the signed profile, whatever stands between the Mac and us.
 */
#include "core/encode.h"
#include "core/pl.h"
#include "enroll-profiles/enroll_priv.h"

enum { ACCESS_RIGHTS_ALL = 8191, KEY_USAGE_BOTH = 5 };

/* What every payload says of itself. */
struct payload {
	const char *type, *identifier, *uuid, *name, *organization;
};

static void
payload_keys(struct buf *b, const struct payload *p)
{
	pl_key_str(b, "PayloadType", p->type);
	pl_key_int(b, "PayloadVersion", 1);
	pl_key_str(b, "PayloadIdentifier", p->identifier);
	pl_key_str(b, "PayloadUUID", p->uuid);
	pl_key_str(b, "PayloadDisplayName", p->name);
	pl_key_str(b, "PayloadOrganization", p->organization);
}

static bool
is_root(X509 *x)
{
	return X509_NAME_cmp(
	           X509_get_subject_name(x), X509_get_issuer_name(x)) == 0;
}

/* What each kind of certificate is called: a root is one that signed itself. */
static const struct anchor {
	const char *type, *identifier, *name;
} anchors[] = {
	{ "com.apple.security.pkcs1", ENROLL_IDENTIFIER ".issuing",
	    "Issuing certificate" },
	{ "com.apple.security.root", ENROLL_IDENTIFIER ".root",
	    "Root certificate" },
};

/* number: how many of its kind there were before. */
static bool
put_anchor(struct buf *b, const struct enroll_profile *p, X509 *cert,
    int number, struct err *e)
{
	const struct anchor *k = &anchors[is_root(cert)];
	AUTO(buf_free) struct buf *der = NULL;
	AUTO(str_free)
	char *identifier = number == 0
	                       ? str_dup(k->identifier)
	                       : str_printf("%s.%d", k->identifier, number + 1);
	char uuid[UUID_SIZE];

	if (!cert_der(cert, &der, e))
		return false;
	uuid_new(uuid);
	pl_dict(b);
	payload_keys(b, &(struct payload){ k->type, identifier, uuid, k->name,
	                    p->organization });
	pl_key_data(b, "PayloadContent", buf_slice(der));
	pl_dict_end(b);
	return true;
}

/* One relative distinguished name with one value. */
static void
put_rdn(struct buf *b, const char *type, const char *value)
{
	pl_array(b);
	pl_array(b);
	pl_str(b, type);
	pl_str(b, value);
	pl_array_end(b);
	pl_array_end(b);
}

struct scep_payload {
	struct payload head;
	const char *public_url, *challenge, *cn;
	const char *email; /* NULL or "": none */
	X509 *root;
};

static void
put_scep_content(
    struct buf *b, const struct scep_payload *p, struct slice fingerprint)
{
	AUTO(str_free) char *url = str_printf("%s/scep", p->public_url);

	pl_key(b, "PayloadContent");
	pl_dict(b);
	pl_key_str(b, "URL", url);
	pl_key_str(b, "Name", p->head.organization);
	pl_key(b, "Subject");
	pl_array(b);
	put_rdn(b, "O", p->head.organization);
	put_rdn(b, "CN", p->cn);
	pl_array_end(b);
	if (!str_empty(p->email)) {
		pl_key(b, "SubjectAltName");
		pl_dict(b);
		pl_key_str(b, "rfc822Name", p->email);
		pl_dict_end(b);
	}
	pl_key_str(b, "Challenge", p->challenge);
	pl_key_int(b, "Keysize", 2048); /* the default is 1024 */
	pl_key_str(b, "Key Type", "RSA");
	pl_key_int(b, "Key Usage", KEY_USAGE_BOTH);
	pl_key_bool(b, "KeyIsExtractable", false);
	pl_key_bool(b, "AllowAllAppsAccess", false);
	pl_key_int(b, "Retries", 3);
	pl_key_int(b, "RetryDelay", 10);
	pl_key_data(b, "CAFingerprint", fingerprint);
	pl_dict_end(b);
}

static bool
put_scep(struct buf *b, const struct scep_payload *p, struct err *e)
{
	AUTO(buf_free) struct buf *der = NULL;
	uint8_t hash[SHA256_SIZE];

	if (!cert_der(p->root, &der, e))
		return false;
	sha256(hash, buf_slice(der));
	pl_dict(b);
	payload_keys(b, &p->head);
	put_scep_content(b, p, slice_of(hash, sizeof(hash)));
	pl_dict_end(b);
	return true;
}

static void
put_mdm(
    struct buf *b, const struct enroll_profile *p, const char *identity_uuid)
{
	AUTO(str_free) char *server = str_printf("%s/mdm", p->public_url);
	AUTO(str_free) char *checkin = str_printf("%s/checkin", p->public_url);
	char uuid[UUID_SIZE];

	uuid_new(uuid);
	pl_dict(b);
	payload_keys(
	    b, &(struct payload){ "com.apple.mdm", ENROLL_IDENTIFIER ".mdm",
	           uuid, "Device management", p->organization });
	pl_key_str(b, "IdentityCertificateUUID", identity_uuid);
	pl_key_str(b, "ServerURL", server);
	pl_key_str(b, "CheckInURL", checkin);
	pl_key_str(b, "Topic", p->topic);
	/* A later profile may take rights away but never add one. */
	pl_key_int(b, "AccessRights", ACCESS_RIGHTS_ALL);
	pl_key_bool(b, "SignMessage", true);
	pl_key_bool(b, "CheckOutWhenRemoved", true);
	pl_key(b, "ServerCapabilities");
	pl_array(b);
	pl_str(b, "com.apple.mdm.per-user-connections");
	pl_array_end(b);
	pl_dict_end(b);
}

/* Anchors go first: macOS installs payloads in their order, and the MDM
 * payload needs the chain. */
static bool
put_anchors(struct buf *b, const struct enroll_profile *p, struct err *e)
{
	int count = p->anchors != NULL ? sk_X509_num(p->anchors) : 0;
	int seen[COUNT(anchors)] = { 0 };

	for (int i = 0; i < count; i++) {
		X509 *x = sk_X509_value(p->anchors, i);

		if (!put_anchor(b, p, x, seen[is_root(x)]++, e))
			return false;
	}
	return true;
}

bool
enroll_profile_enrolment(
    const struct enroll_profile *p, struct buf *out, struct err *e)
{
	AUTO(str_free) char *name = str_printf("%s: Mac", p->organization);
	char top_uuid[UUID_SIZE], scep_uuid[UUID_SIZE];
	const struct scep_payload scep = {
		.head = { "com.apple.security.scep", ENROLL_IDENTIFIER ".scep",
		    scep_uuid, "Device identity", p->organization },
		.public_url = p->public_url,
		.challenge = p->challenge,
		.cn = p->ref,
		.root = p->root,
	};

	uuid_new(top_uuid);
	uuid_new(scep_uuid);
	pl_begin(out);
	pl_dict(out);
	payload_keys(out, &(struct payload){ "Configuration", ENROLL_IDENTIFIER,
	                      top_uuid, name, p->organization });
	pl_key_str(out, "PayloadDescription",
	    "Lets the organisation manage this Mac: see its state, install "
	    "settings and certificates, lock it, and erase it.");
	pl_key(out, "PayloadContent");
	pl_array(out);
	if (!put_anchors(out, p, e) || !put_scep(out, &scep, e))
		return err_wrap(e, "enrolment profile");
	put_mdm(out, p, scep_uuid);
	pl_array_end(out);
	pl_dict_end(out);
	pl_end(out);
	return buf_ok(out, e);
}

bool
enroll_profile_user(
    const struct enroll_user_profile *p, struct buf *out, struct err *e)
{
	AUTO(str_free)
	char *name = str_printf("Certificate of %s", p->user_name);
	AUTO(str_free) char *inner = str_printf("%s.scep", p->identifier);
	char top_uuid[UUID_SIZE], scep_uuid[UUID_SIZE];
	const struct scep_payload scep = {
		.head = { "com.apple.security.scep", inner, scep_uuid, name,
		    p->organization },
		.public_url = p->public_url,
		.challenge = p->challenge,
		.cn = p->user_name,
		.email = p->email,
		.root = p->root,
	};

	uuid_new(top_uuid);
	uuid_new(scep_uuid);
	pl_begin(out);
	pl_dict(out);
	payload_keys(out, &(struct payload){ "Configuration", p->identifier,
	                      top_uuid, name, p->organization });
	pl_key_str(out, "PayloadScope", "System");
	pl_key(out, "PayloadContent");
	pl_array(out);
	if (!put_scep(out, &scep, e))
		return err_wrap(e, "profile of a user's certificate");
	pl_array_end(out);
	pl_dict_end(out);
	pl_end(out);
	return buf_ok(out, e);
}
