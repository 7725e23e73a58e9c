/*
 * A simulated Mac: its life, from the enrolment URL to check-out.  No state
 * outside struct sim_mac; one thread at a time.
 */
#include <stdio.h>
#include <string.h>

#include "certs/cert_cms.h"
#include "core/limits.h"
#include "core/random.h"
#include "sim/sim_mac_priv.h"

static const struct sim_model models[] = {
	{ "intel", "iMac18,3", "iMac", "12.7.6", "21H1320", false, false },
	{ "t2", "MacBookPro16,1", "MacBook Pro", "14.7.1", "23H222", false,
	    true },
	{ "apple-silicon", "Mac14,2", "MacBook Air", "15.1.1", "24B91", true,
	    false },
};

const struct sim_model *
sim_model_find(const char *name)
{
	for (size_t i = 0; i < COUNT(models); i++)
		if (str_eq(models[i].name, name))
			return &models[i];
	return NULL;
}

struct sim_mac *
sim_mac_new(const struct sim_mac_options *o)
{
	struct sim_mac *m = mem_zalloc(1, sizeof(*m));
	uint8_t token[32];

	m->o = *o;
	m->serial = str_dup(o->serial);
	m->udid = str_dup(o->udid);
	m->name = str_dup(o->name);
	m->ca_pem = str_dup(o->ca_pem);
	m->not_now_left = o->not_now;
	m->journal = buf_new(64 << 20);
	random_bytes(token, sizeof(token));
	hex_to(m->token, token, sizeof(token));
	uuid_new(m->magic);
	return m;
}

void
sim_profile_clear(struct sim_profile *p)
{
	cert_x509_free(&p->identity);
	cert_key_free(&p->key);
	*p = (struct sim_profile){ 0 };
}

static void
forget_enrolment(struct sim_mac *m)
{
	cert_x509_free(&m->identity);
	cert_key_free(&m->key);
	fetch_free(&m->fetch);
	for (size_t i = 0; i < m->profile_count; i++)
		sim_profile_clear(&m->profiles[i]);
	m->profile_count = 0;
	buf_free(&m->report);
	m->reports_on[0] = '\0';
	m->enrolled = false;
}

void
sim_mac_free(struct sim_mac **m)
{
	if (*m == NULL)
		return;
	forget_enrolment(*m);
	str_free(&(*m)->serial);
	str_free(&(*m)->udid);
	str_free(&(*m)->name);
	str_free(&(*m)->ca_pem);
	buf_free(&(*m)->journal);
	mem_free(m);
}

bool
sim_mac_fetch(struct sim_mac *m, struct err *e)
{
	AUTO(buf_wipe) struct buf *key = NULL;
	AUTO(buf_free) struct buf *cert = NULL;
	struct fetch_options o = { .ca_pem = m->ca_pem, .timeout_ms = 30000 };

	if (m->fetch != NULL)
		return true;
	if (m->o.tls_identity && m->identity != NULL) {
		cert = buf_new(16 << 10);
		if (!cert_pem(m->identity, cert, e) ||
		    !cert_key_pem(m->key, &key, e))
			return false;
		o.cert_pem = buf_str(cert);
		o.key_pem = buf_str(key);
	}
	return fetch_new(&o, &m->fetch, e);
}

/* What a user who presses the button gets. */
static bool
download(struct sim_mac *m, const char *url, struct buf **out, struct err *e)
{
	AUTO(str_free) char *profile = str_printf("%s/profile", url);
	AUTO(fetch_answer_clear) struct fetch_answer page = { 0 };
	AUTO(fetch_answer_clear) struct fetch_answer a = { 0 };

	if (!sim_mac_fetch(m, e) ||
	    !fetch_do(m->fetch,
	        &(struct fetch_request){ .method = "GET", .url = url }, &page,
	        e))
		return false;
	if (page.status != 200 || !str_starts(page.content_type, "text/html"))
		return err_set(e, ERR_UNAVAILABLE,
		    "the enrolment page answered %d %s", page.status,
		    page.content_type);
	if (!fetch_do(m->fetch,
	        &(struct fetch_request){ .method = "GET", .url = profile }, &a,
	        e))
		return false;
	if (a.status != 200 ||
	    !str_eq(a.content_type, "application/x-apple-aspen-config"))
		return err_set(e, ERR_UNAVAILABLE,
		    "the enrolment profile answered %d %s", a.status,
		    a.content_type);
	*out = TAKE(a.body);
	return true;
}

bool
sim_profile_open(struct sim_mac *m, struct slice signed_profile,
    struct pl **out, struct err *e)
{
	AUTO(cert_stack_free) STACK_OF(X509) *anchors = NULL;
	AUTO(buf_free) struct buf *xml = NULL;
	AUTO(cert_x509_free) X509 *signer = NULL;

	if (!cert_parse_chain(slice_str(m->ca_pem), &anchors, e) ||
	    !cert_cms_open(signed_profile, anchors, &xml, &signer, e))
		return err_wrap(e, "signed profile");
	return pl_parse(buf_slice(xml), out, e);
}

static void
begin_message(struct sim_mac *m, struct buf *b, const char *type)
{
	pl_begin(b);
	pl_dict(b);
	pl_key_str(b, "MessageType", type);
	pl_key_str(b, "Topic", m->topic);
	pl_key_str(b, "UDID", m->udid);
}

static bool
check_in(struct sim_mac *m, struct buf *b, struct err *e)
{
	AUTO(buf_free) struct buf *answer = NULL;

	pl_dict_end(b);
	pl_end(b);
	return sim_mac_put(m, m->check_in_url,
	    "application/x-apple-aspen-mdm-checkin", buf_slice(b), &answer, e);
}

static bool
authenticate(struct sim_mac *m, struct err *e)
{
	AUTO(buf_free) struct buf *b = buf_new(16 << 10);

	begin_message(m, b, "Authenticate");
	pl_key_str(b, "BuildVersion", m->o.model->os_build);
	pl_key_data(b, "Challenge", slice_str("apple"));
	pl_key_str(b, "DeviceName", m->name);
	pl_key_str(b, "Model", m->o.model->model_id);
	pl_key_str(b, "ModelName", m->o.model->model_name);
	pl_key_str(b, "OSVersion", m->o.model->os_version);
	pl_key_str(b, "ProductName", m->o.model->model_id);
	pl_key_str(b, "SerialNumber", m->serial);
	return check_in(m, b, e) || err_wrap(e, "Authenticate");
}

static bool
token_update(struct sim_mac *m, struct err *e)
{
	AUTO(buf_free) struct buf *b = buf_new(16 << 10);
	AUTO(buf_free) struct buf *token = buf_new(64);

	if (!hex_decode(token, slice_str(m->token), e))
		return false;
	begin_message(m, b, "TokenUpdate");
	pl_key_bool(b, "AwaitingConfiguration", false);
	pl_key_str(b, "PushMagic", m->magic);
	pl_key_data(b, "Token", buf_slice(token));
	return check_in(m, b, e) || err_wrap(e, "TokenUpdate");
}

bool
sim_mac_enroll(struct sim_mac *m, const char *url, struct err *e)
{
	AUTO(buf_free) struct buf *signed_profile = NULL;
	AUTO(pl_free) struct pl *profile = NULL;
	struct sim_scep scep = { 0 };
	bool has_scep = false, has_mdm = false;

	forget_enrolment(m);
	if (!download(m, url, &signed_profile, e) ||
	    !sim_profile_open(m, buf_slice(signed_profile), &profile, e) ||
	    !sim_profile_scep(profile, &scep, &has_scep, e) ||
	    !sim_profile_mdm(m, profile, &has_mdm, e))
		return false;
	if (!has_scep || !has_mdm)
		return err_set(e, ERR_INVALID,
		    "the enrolment profile lacks its SCEP or MDM payload");
	if (!sim_scep_enroll(m, &scep, &m->identity, &m->key, e))
		return false;
	fetch_free(&m->fetch); /* the identity may be wanted in TLS */
	if (!authenticate(m, e) || !token_update(m, e))
		return false;
	m->enrolled = true;
	return true;
}

bool
sim_mac_check_out(struct sim_mac *m, struct err *e)
{
	AUTO(buf_free) struct buf *b = buf_new(16 << 10);

	begin_message(m, b, "CheckOut");
	if (!check_in(m, b, e))
		return err_wrap(e, "CheckOut");
	forget_enrolment(m);
	return true;
}

/* The report on nothing: "here I am". */
static void
idle(struct sim_mac *m, struct buf *b)
{
	buf_reset(b);
	pl_begin(b);
	pl_dict(b);
	pl_key_str(b, "Status", "Idle");
	pl_key_str(b, "UDID", m->udid);
	pl_dict_end(b);
	pl_end(b);
}

/* Reads a command and writes its answer into report. */
static bool
work(struct sim_mac *m, const struct buf *command, struct sim_session *s,
    struct buf *report, struct err *e)
{
	AUTO(pl_free) struct pl *p = NULL;
	struct sim_command c = { 0 };

	if (!pl_parse(buf_slice(command), &p, e) ||
	    !pl_need_str(p, "CommandUUID", LIMIT_ID, &c.uuid, e) ||
	    !pl_get_dict(p, "Command", &c.dict, e))
		return err_wrap(e, "command");
	if (c.dict == NULL)
		return err_set(e, ERR_INVALID, "command without Command");
	if (!pl_need_str(c.dict, "RequestType", LIMIT_ID, &c.type, e))
		return false;
	s->commands++;
	buf_reset(report);
	return sim_mac_answer(m, &c, s, report, e);
}

/*
 * What could not be sent is kept and sent first next time, as a Mac does
 * (Apple, "Sending MDM commands to a device").
 */
static bool
send_report(struct sim_mac *m, struct buf **command_out, struct err *e)
{
	if (m->report == NULL) {
		m->report = buf_new(4 << 20);
		idle(m, m->report);
	}
	if (!sim_mac_put(m, m->server_url,
	        "application/x-apple-aspen-mdm; charset=UTF-8",
	        buf_slice(m->report), command_out, e))
		return err_wrap(e, "connect");
	/* The server has acknowledged the report: it must never lose it. */
	if (m->reports_on[0] != '\0')
		buf_addf(m->journal, "%s\n", m->reports_on);
	m->reports_on[0] = '\0';
	return true;
}

bool
sim_mac_connect(struct sim_mac *m, struct sim_session *out, struct err *e)
{
	struct sim_session s = { 0 };

	if (!m->enrolled)
		return err_set(e, ERR_CONFLICT, "this Mac is not enrolled");
	for (;;) {
		AUTO(buf_free) struct buf *command = NULL;

		if (!send_report(m, &command, e))
			return false;
		if (command->len == 0)
			break;
		if (!work(m, command, &s, m->report, e)) {
			m->reports_on[0] = '\0';
			buf_free(&m->report);
			return false;
		}
		if (s.erased) /* it says so once and is gone */
			break;
	}
	if (s.erased) {
		AUTO(buf_free) struct buf *ignored = NULL;

		if (!send_report(m, &ignored, e))
			return false;
	}
	buf_free(&m->report);
	if (s.erased)
		forget_enrolment(m);
	*out = s;
	return true;
}

bool
sim_mac_enrolled(const struct sim_mac *m)
{
	return m->enrolled;
}

const char *
sim_mac_serial(const struct sim_mac *m)
{
	return m->serial;
}

const char *
sim_mac_udid(const struct sim_mac *m)
{
	return m->udid;
}

const char *
sim_mac_token(const struct sim_mac *m)
{
	return m->token;
}

const char *
sim_mac_magic(const struct sim_mac *m)
{
	return m->magic;
}

const char *
sim_mac_pin(const struct sim_mac *m)
{
	return m->pin;
}

size_t
sim_mac_identities(const struct sim_mac *m)
{
	size_t n = 0;

	for (size_t i = 0; i < m->profile_count; i++)
		n += m->profiles[i].identity != NULL;
	return n;
}

const char *
sim_mac_journal(const struct sim_mac *m)
{
	return buf_str(m->journal);
}
