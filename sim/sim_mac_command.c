/*
 * How a simulated Mac answers commands: one row a RequestType, plausible for
 * its class of chip.  One thread at a time.
 */
#include <stdio.h>
#include <string.h>

#include "core/limits.h"
#include "core/log.h"
#include "sim/sim_mac_priv.h"

/* One command under way. */
struct job {
	struct sim_mac *m;
	const struct pl *cmd;
	struct sim_session *session;
	struct buf *report;
	/* Set by a handler: the status, and for Error the top of the chain. */
	const char *status;
	int64_t error_code;
	const char *error_domain, *error_text;
};

typedef bool (*answer_fn)(struct job *j, struct err *e);

static void
fail(struct job *j, int64_t code, const char *domain, const char *text)
{
	j->status = "Error";
	j->error_code = code;
	j->error_domain = domain;
	j->error_text = text;
}

static bool
device_information(struct job *j, struct err *e)
{
	const struct sim_model *model = j->m->o.model;
	bool eacs = model->t2 || model->apple_silicon;
	struct buf *b = j->report;

	(void)e;
	pl_key(b, "QueryResponses");
	pl_dict(b);
	pl_key_str(b, "BuildVersion", model->os_build);
	pl_key_str(b, "DeviceName", j->m->name);
	pl_key_str(b, "EACSPreflight", eacs ? "success" : "not supported");
	pl_key_bool(b, "IsAppleSilicon", model->apple_silicon);
	pl_key_bool(b, "IsSupervised", true);
	pl_key_str(b, "Model", model->model_id);
	pl_key_str(b, "ModelName", model->model_name);
	pl_key_str(b, "OSVersion", model->os_version);
	pl_key_bool(b, "PINRequiredForDeviceLock", true);
	pl_key_bool(b, "PINRequiredForEraseDevice", !eacs);
	pl_key_str(b, "ProductName", model->model_id);
	pl_key_str(b, "SerialNumber", j->m->serial);
	pl_key_str(b, "UDID", j->m->udid);
	pl_dict_end(b);
	return true;
}

static bool
security_info(struct job *j, struct err *e)
{
	const struct sim_model *model = j->m->o.model;
	bool secure = model->t2 || model->apple_silicon;
	struct buf *b = j->report;

	(void)e;
	pl_key(b, "SecurityInfo");
	pl_dict(b);
	pl_key_bool(b, "FDE_Enabled", true);
	pl_key_bool(b, "FDE_HasPersonalRecoveryKey", true);
	pl_key_bool(b, "FDE_HasInstitutionalRecoveryKey", false);
	pl_key(b, "ManagementStatus");
	pl_dict(b);
	pl_key_bool(b, "EnrolledViaDEP", false);
	pl_key_bool(b, "IsUserEnrollment", false);
	pl_key_bool(b, "UserApprovedEnrollment", true);
	pl_dict_end(b);
	pl_key(b, "SecureBoot");
	pl_dict(b);
	pl_key_str(
	    b, "ExternalBootLevel", model->t2 ? "disallowed" : "not supported");
	pl_key_str(b, "SecureBootLevel", secure ? "full" : "not supported");
	pl_dict_end(b);
	pl_key_bool(b, "SystemIntegrityProtectionEnabled", true);
	pl_dict_end(b);
	return true;
}

static bool
device_lock(struct job *j, struct err *e)
{
	const char *pin = NULL, *message = NULL;

	if (!pl_get_str(j->cmd, "PIN", 6, &pin, e) ||
	    !pl_get_str(j->cmd, "Message", 4096, &message, e))
		return false;
	if (pin == NULL || strlen(pin) != 6 || strspn(pin, "0123456789") != 6) {
		fail(j, 12020, "MCMDMErrorDomain", "The PIN is not six digits");
		return true;
	}
	str_copy_cut(j->m->pin, sizeof(j->m->pin), pin);
	j->session->locked = true;
	if (message != NULL)
		pl_key_str(j->report, "MessageResult", "Success");
	return true;
}

static bool
erase_device(struct job *j, struct err *e)
{
	(void)e;
	if (j->m->o.model->t2) {
		/* The one thing the server must never let happen. */
		log_event(
		    LOG_ERROR, "sim_t2_erase", "serial", j->m->serial, NULL);
		j->session->wrong_erase = true;
	}
	j->session->erased = true;
	return true;
}

static struct sim_profile *
profile_find(struct sim_mac *m, const char *identifier)
{
	for (size_t i = 0; i < m->profile_count; i++)
		if (str_eq(m->profiles[i].identifier, identifier))
			return &m->profiles[i];
	return NULL;
}

/* A renewed enrolment: new identity, same Mac. */
static bool
replace_identity(struct job *j, X509 **cert, EVP_PKEY **key)
{
	cert_x509_free(&j->m->identity);
	cert_key_free(&j->m->key);
	j->m->identity = TAKE(*cert);
	j->m->key = TAKE(*key);
	fetch_free(&j->m->fetch);
	return true;
}

static bool
install_parsed(struct job *j, const struct pl *profile, struct err *e)
{
	AUTO(cert_x509_free) X509 *cert = NULL;
	AUTO(cert_key_free) EVP_PKEY *key = NULL;
	struct sim_scep scep = { 0 };
	bool has_scep = false, has_mdm = false;
	const char *identifier, *uuid;
	struct sim_profile *p;

	if (!pl_need_str(profile, "PayloadIdentifier", 255, &identifier, e) ||
	    !pl_need_str(profile, "PayloadUUID", 63, &uuid, e) ||
	    !sim_profile_scep(profile, &scep, &has_scep, e) ||
	    !sim_profile_mdm(j->m, profile, &has_mdm, e))
		return false;
	if (has_scep && !sim_scep_enroll(j->m, &scep, &cert, &key, e))
		return false;
	if (has_mdm && has_scep)
		return replace_identity(j, &cert, &key);
	p = profile_find(j->m, identifier);
	if (p == NULL && j->m->profile_count == SIM_PROFILES_MAX)
		return err_set(e, ERR_TOO_LARGE, "too many profiles");
	if (p == NULL)
		p = &j->m->profiles[j->m->profile_count++];
	sim_profile_clear(p);
	str_copy_cut(p->identifier, sizeof(p->identifier), identifier);
	str_copy_cut(p->uuid, sizeof(p->uuid), uuid);
	p->identity = TAKE(cert);
	p->key = TAKE(key);
	return true;
}

/* Signed, or plain XML. */
static bool
parse_profile(
    struct job *j, struct slice payload, struct pl **out, struct err *e)
{
	if (payload.len > 0 && payload.p[0] == 0x30) /* a DER SEQUENCE */
		return sim_profile_open(j->m, payload, out, e);
	return pl_parse(payload, out, e);
}

/* A profile that does not install is an answer, not a failure of ours. */
static bool
install_profile(struct job *j, struct err *e)
{
	AUTO(pl_free) struct pl *profile = NULL;
	struct err why = { 0 };
	struct slice payload;

	if (!pl_get_data(j->cmd, "Payload", 4 << 20, &payload, e))
		return false;
	if (!parse_profile(j, payload, &profile, &why) ||
	    !install_parsed(j, profile, &why)) {
		log_event(LOG_WARN, "sim_profile_refused", "serial",
		    j->m->serial, "why", why.text, NULL);
		fail(j, 4001, "MCInstallationErrorDomain",
		    "Profile Installation Failed");
	}
	return true;
}

static bool
remove_profile(struct job *j, struct err *e)
{
	const char *identifier;
	struct sim_profile *p;

	if (!pl_need_str(j->cmd, "Identifier", 255, &identifier, e))
		return false;
	p = profile_find(j->m, identifier);
	if (p == NULL) {
		fail(j, 89, "MDMClientError",
		    "Profile with this identifier not found.");
		return true;
	}
	sim_profile_clear(p);
	*p = j->m->profiles[--j->m->profile_count];
	j->m->profiles[j->m->profile_count] = (struct sim_profile){ 0 };
	return true;
}

static bool
profile_list(struct job *j, struct err *e)
{
	struct buf *b = j->report;

	(void)e;
	pl_key(b, "ProfileList");
	pl_array(b);
	for (size_t i = 0; i < j->m->profile_count; i++) {
		pl_dict(b);
		pl_key_str(
		    b, "PayloadIdentifier", j->m->profiles[i].identifier);
		pl_key_str(b, "PayloadUUID", j->m->profiles[i].uuid);
		pl_key_int(b, "PayloadVersion", 1);
		pl_dict_end(b);
	}
	pl_array_end(b);
	return true;
}

static bool
certificate_list(struct job *j, struct err *e)
{
	struct buf *b = j->report;

	pl_key(b, "CertificateList");
	pl_array(b);
	for (size_t i = 0; i < j->m->profile_count; i++) {
		AUTO(buf_free) struct buf *der = NULL;
		X509 *x = j->m->profiles[i].identity;
		char cn[256];

		if (x == NULL)
			continue;
		if (!cert_der(x, &der, e))
			return false;
		cert_subject_value(x, NID_commonName, cn, sizeof(cn));
		pl_dict(b);
		pl_key_str(b, "CommonName", cn);
		pl_key_data(b, "Data", buf_slice(der));
		pl_key_bool(b, "IsIdentity", true);
		pl_dict_end(b);
	}
	pl_array_end(b);
	return true;
}

static bool
installed_applications(struct job *j, struct err *e)
{
	struct buf *b = j->report;

	(void)e;
	pl_key(b, "InstalledApplicationList");
	pl_array(b);
	pl_dict(b);
	pl_key_int(b, "BundleSize", 12582912);
	pl_key_str(b, "Identifier", "com.apple.Safari");
	pl_key_str(b, "Name", "Safari");
	pl_key_str(b, "ShortVersion", j->m->o.model->os_version);
	pl_dict_end(b);
	pl_array_end(b);
	return true;
}

static bool
nothing(struct job *j, struct err *e)
{
	(void)j;
	(void)e;
	return true;
}

static const struct {
	const char *type;
	answer_fn answer;
	bool never_not_now; /* mdm: DeviceLock and EraseDevice answer at once */
} rows[] = {
	{ "DeviceInformation", device_information, false },
	{ "SecurityInfo", security_info, false },
	{ "DeviceLock", device_lock, true },
	{ "EraseDevice", erase_device, true },
	{ "InstallProfile", install_profile, false },
	{ "RemoveProfile", remove_profile, false },
	{ "ProfileList", profile_list, false },
	{ "CertificateList", certificate_list, false },
	{ "InstalledApplicationList", installed_applications, false },
	{ "RestartDevice", nothing, false },
	{ "ShutDownDevice", nothing, false },
	{ "Settings", nothing, false },
};

static void
error_chain(struct job *j)
{
	struct buf *b = j->report;

	pl_key(b, "ErrorChain");
	pl_array(b);
	pl_dict(b);
	pl_key_int(b, "ErrorCode", j->error_code);
	pl_key_str(b, "ErrorDomain", j->error_domain);
	pl_key_str(b, "LocalizedDescription", j->error_text);
	pl_key_str(b, "USEnglishDescription", j->error_text);
	pl_dict_end(b);
	pl_array_end(b);
}

/* The row's index, or COUNT(rows). */
static size_t
row_of(const char *type)
{
	size_t i = 0;

	while (i < COUNT(rows) && !str_eq(rows[i].type, type))
		i++;
	return i;
}

bool
sim_mac_answer(struct sim_mac *m, const struct sim_command *c,
    struct sim_session *session, struct buf *report, struct err *e)
{
	struct job j = { .m = m,
		.cmd = c->dict,
		.session = session,
		.report = report,
		.status = "Acknowledged" };
	size_t row = row_of(c->type);

	pl_begin(report);
	pl_dict(report);
	pl_key_str(report, "CommandUUID", c->uuid);
	if (row == COUNT(rows)) {
		fail(&j, 12021, "MCMDMErrorDomain", "Unknown command");
	} else if (m->not_now_left > 0 && !rows[row].never_not_now) {
		m->not_now_left--;
		j.status = "NotNow";
	} else if (!rows[row].answer(&j, e)) {
		return err_wrap(e, "%s", c->type);
	}
	if (j.error_text != NULL)
		error_chain(&j);
	session->not_now = str_eq(j.status, "NotNow");
	str_copy_cut(m->reports_on, sizeof(m->reports_on),
	    session->not_now ? "" : c->uuid);
	pl_key_str(report, "Status", j.status);
	pl_key_str(report, "UDID", m->udid);
	pl_dict_end(report);
	pl_end(report);
	return buf_ok(report, e);
}
