/*
 * A real database and MDM service in a temporary directory, and Macs made in
 * it by their messages; short forms that fail the test.  For tests of mdm/.
 */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <ftw.h>
#include <unistd.h>

#include <cmocka.h>

#include "certs/cert_ledger.h"
#include "mdm/mdm_connect_priv.h"
#include "tests/store/database.h"

#define OK(call)                                                               \
	do {                                                                   \
		struct err ok_err = { 0 };                                     \
		struct err *e = &ok_err;                                       \
		if (!(call))                                                   \
			fail_msg("%s: %s", #call, e->text);                    \
	} while (0)

#define TOPIC "com.apple.mgmt.External.e0bd1eac-1f17-4c8e-8a63-dd17d3dd35d9"
#define UDID_1 "66ADE930-5FDF-5EC4-8429-15640684C489"
#define UDID_2 "11111111-5FDF-5EC4-8429-15640684C489"

struct world {
	char dir[64];
	struct store *store;
	struct seal *seal;
	struct mdm_service *mdm;
	struct mdm_renderer renderers[2];

	int left, enrolled, returned, unconfirmed; /* calls of the hooks */
	char left_why[64];
	enum err_code render_fails; /* ERR_NONE: it does not */
	int rendered, done;
	char done_state[32], done_text[200];

	struct err e;  /* of the last refused message */
	int status;    /* of the last check-in */
	char type[65]; /* RequestType of the last command, or "" */
	char id[64];   /* its CommandUUID */
	struct buf *answer;
};

static inline bool
on_left(struct store_tx *tx, const char *device_id, const char *why, void *arg,
    struct err *e)
{
	struct world *w = arg;

	(void)tx, (void)device_id, (void)e;
	w->left++;
	str_copy_cut(w->left_why, sizeof(w->left_why), why);
	return true;
}

static inline bool
on_enrolled(
    struct store_tx *tx, const char *device_id, void *arg, struct err *e)
{
	(void)tx, (void)device_id, (void)e;
	((struct world *)arg)->enrolled++;
	return true;
}

static inline bool
on_returned(
    struct store_tx *tx, const char *device_id, void *arg, struct err *e)
{
	(void)tx, (void)device_id, (void)e;
	((struct world *)arg)->returned++;
	return true;
}

static inline bool
on_wipe_unconfirmed(
    struct store_tx *tx, const char *device_id, void *arg, struct err *e)
{
	(void)tx, (void)device_id, (void)e;
	((struct world *)arg)->unconfirmed++;
	return true;
}

static inline bool
render_profile(struct store_tx *tx, const char *ref, const char *command_id,
    struct buf *out, void *arg, struct err *e)
{
	struct world *w = arg;

	(void)tx, (void)command_id;
	w->rendered++;
	if (w->render_fails != ERR_NONE)
		return err_set(e, w->render_fails, "no challenge today");
	buf_addf(out,
	    "<dict><key>RequestType</key><string>InstallProfile</string>"
	    "<key>Payload</key><data>QQ==</data><key>Ref</key>"
	    "<string>%s</string></dict>",
	    ref);
	return true;
}

static inline bool
profile_done(
    struct store_tx *tx, const struct mdm_done *what, void *arg, struct err *e)
{
	struct world *w = arg;

	(void)tx, (void)e;
	w->done++;
	str_copy_cut(w->done_state, sizeof(w->done_state), what->state);
	str_copy_cut(w->done_text, sizeof(w->done_text),
	    what->text != NULL ? what->text : "");
	return true;
}

static inline int
world_unlink(const char *path, const struct stat *st, int type, struct FTW *f)
{
	(void)st, (void)type, (void)f;
	return remove(path);
}

static inline int
world_make(void **state)
{
	struct world *w = mem_zalloc(1, sizeof(*w));
	struct mdm_options o = { .on_left = on_left,
		.on_enrolled = on_enrolled,
		.on_returned = on_returned,
		.on_wipe_unconfirmed = on_wipe_unconfirmed,
		.hook_arg = w,
		.renderers = w->renderers };
	AUTO(str_free) char *db = NULL;
	AUTO(str_free) char *database = NULL;
	AUTO(str_free) char *key = NULL;

	snprintf(w->dir, sizeof(w->dir), "/tmp/mutsu-mdm-XXXXXX");
	assert_non_null(mkdtemp(w->dir));
	db = str_printf("%s/db", w->dir);
	database = test_database(db);
	key = str_printf("%s/master", w->dir);
	OK(store_open(
	    &(struct store_options){ .path = database }, &w->store, e));
	OK(seal_open(key, &w->seal, e));
	w->renderers[0] = (struct mdm_renderer){ .name = "rollout",
		.render = render_profile,
		.done = profile_done,
		.arg = w };
	o.store = w->store;
	o.seal = w->seal;
	OK(mdm_service_new(&o, &w->mdm, e));
	w->answer = buf_new(1 << 20);
	log_set_level(LOG_ERROR + 1);
	*state = w;
	return 0;
}

static inline int
world_drop(void **state)
{
	struct world *w = *state;

	mdm_service_free(&w->mdm);
	seal_free(&w->seal);
	store_close(&w->store);
	buf_free(&w->answer);
	nftw(w->dir, world_unlink, 8, FTW_DEPTH | FTW_PHYS);
	clock_set_offset_ms(0);
	free(w);
	return 0;
}

/* ---- the database ---- */

static inline int64_t
count(struct world *w, const char *sql)
{
	AUTO(store_rollback) struct store_tx *tx = NULL;
	AUTO(store_rows_free) struct store_rows *r = NULL;
	bool found;

	OK(store_begin(w->store, STORE_READ, &tx, e));
	OK(mdm_db_one(tx, sql, S_ARGS(), &r, &found, e));
	return found ? store_int(r, 0) : -1;
}

static inline char *
text(struct world *w, const char *sql)
{
	AUTO(store_rollback) struct store_tx *tx = NULL;
	AUTO(store_rows_free) struct store_rows *r = NULL;
	const char *s;
	bool found;

	OK(store_begin(w->store, STORE_READ, &tx, e));
	OK(mdm_db_one(tx, sql, S_ARGS(), &r, &found, e));
	s = found ? store_text(r, 0) : NULL;
	return str_dup(s != NULL ? s : "");
}

static inline void
assert_text(struct world *w, const char *sql, const char *wanted)
{
	AUTO(str_free) char *got = text(w, sql);

	assert_string_equal(got, wanted);
}

static inline void
execute(struct world *w, const char *sql)
{
	AUTO(store_rollback) struct store_tx *tx = NULL;

	OK(store_begin(w->store, STORE_WRITE, &tx, e));
	OK(store_exec(tx, sql, S_ARGS(), NULL, e));
	OK(store_commit(&tx, e));
}

static inline int64_t
events(struct world *w, const char *kind)
{
	AUTO(store_rollback) struct store_tx *tx = NULL;
	AUTO(store_rows_free) struct store_rows *r = NULL;
	bool found;

	OK(store_begin(w->store, STORE_READ, &tx, e));
	OK(mdm_db_one(tx, "SELECT COUNT(*) FROM event WHERE kind = $1",
	    S_ARGS(S_TEXT(kind)), &r, &found, e));
	return store_int(r, 0);
}

/* ---- certificates: a ledger row each, fingerprint 64 times the letter ---- */

struct paper {
	char letter;
	const char *purpose, *device_id;
};

static inline const char *
fingerprint(char letter)
{
	static char text[256][65];
	char *f = text[(unsigned char)letter];

	memset(f, letter, 64);
	return f;
}

static inline void
issue(struct world *w, const struct paper *p)
{
	AUTO(store_rollback) struct store_tx *tx = NULL;
	AUTO(cert_issued_clear)
	struct cert_issued i = { .der = buf_new(64),
		.subject = "CN=Mac",
		.not_before = clock_now_ms() - MS_DAY,
		.not_after = clock_now_ms() + 365 * MS_DAY };
	struct cert_record r = { .issued = &i,
		.authority_id = "issuing-1",
		.template = CERT_TEMPLATE_DEVICE,
		.purpose = p->purpose,
		.device_id = p->device_id };

	buf_addf(i.der, "der %c", p->letter);
	memcpy(i.fingerprint, fingerprint(p->letter), 65);
	memcpy(i.spki, i.fingerprint, sizeof(i.spki)); /* its own key */
	snprintf(i.serial, sizeof(i.serial), "%x", (unsigned)p->letter);
	OK(store_begin(w->store, STORE_WRITE, &tx, e));
	OK(cert_ledger_add(tx, &r, e));
	OK(store_commit(&tx, e));
}

static inline void
issue_enroll(struct world *w, char letter)
{
	issue(w, &(struct paper){ letter, "enroll", NULL });
}

/* ---- messages ---- */

static inline bool
message(struct world *w, char letter, const char *xml, struct mdm_message *m)
{
	const struct pl *p;

	(void)w;
	*m = (struct mdm_message){ .body = slice_str(xml) };
	memcpy(m->fingerprint, fingerprint(letter), 65);
	OK(pl_parse(m->body, &m->doc, e));
	p = m->doc;
	OK(pl_need_str(p, "UDID", LIMIT_ID, &m->udid, e));
	OK(pl_get_str(p, "UserID", LIMIT_ID, &m->user_id, e));
	snprintf(m->enrollment_id, sizeof(m->enrollment_id), "%s%s%s", m->udid,
	    m->user_id != NULL ? ":" : "",
	    m->user_id != NULL ? m->user_id : "");
	return true;
}

static inline bool
check_in(struct world *w, char letter, const char *dict)
{
	AUTO(str_free)
	char *xml = str_printf(
	    "<?xml version=\"1.0\"?><plist version=\"1.0\">%s</plist>", dict);
	AUTO(mdm_message_clear) struct mdm_message m = { 0 };

	w->e = (struct err){ 0 };
	message(w, letter, xml, &m);
	return mdm_checkin(w->mdm, &m, &w->status, &w->e);
}

/* Sends a connect message and reads the command of the answer. */
static inline bool
tell(struct world *w, char letter, const char *dict)
{
	AUTO(str_free)
	char *xml = str_printf(
	    "<?xml version=\"1.0\"?><plist version=\"1.0\">%s</plist>", dict);
	AUTO(mdm_message_clear) struct mdm_message m = { 0 };
	AUTO(pl_free) struct pl *p = NULL;
	const struct pl *command;
	const char *s;

	w->e = (struct err){ 0 };
	w->type[0] = w->id[0] = '\0';
	buf_reset(w->answer);
	message(w, letter, xml, &m);
	if (!mdm_connect(w->mdm, &m, w->answer, &w->e))
		return false;
	if (w->answer->len == 0)
		return true;
	OK(pl_parse(buf_slice(w->answer), &p, e));
	OK(pl_get_dict(p, "Command", &command, e));
	OK(pl_need_str(command, "RequestType", 64, &s, e));
	str_copy_cut(w->type, sizeof(w->type), s);
	OK(pl_need_str(p, "CommandUUID", 64, &s, e));
	str_copy_cut(w->id, sizeof(w->id), s);
	return true;
}

static inline void
idle(struct world *w, char letter, const char *udid)
{
	AUTO(str_free)
	char *dict = str_printf("<dict><key>UDID</key><string>%s</string>"
	                        "<key>Status</key><string>Idle</string></dict>",
	    udid);

	if (!tell(w, letter, dict))
		fail_msg("Idle: %s", w->e.text);
}

/* Answers a command; more: result keys. */
struct reply {
	const char *udid, *id, *status, *more;
};

static inline bool
reply(struct world *w, char letter, const struct reply *r)
{
	AUTO(str_free)
	char *dict = str_printf("<dict><key>UDID</key><string>%s</string>"
	                        "<key>Status</key><string>%s</string>"
	                        "<key>CommandUUID</key><string>%s</string>%s"
	                        "</dict>",
	    r->udid, r->status, r->id, r->more != NULL ? r->more : "");

	return tell(w, letter, dict);
}

static inline void
answer(struct world *w, const char *status)
{
	AUTO(str_free) char *id = str_dup(w->id);

	if (!reply(w, 'a', &(struct reply){ UDID_1, id, status, NULL }))
		fail_msg("%s: %s", status, w->e.text);
}

struct mac {
	char letter;
	const char *udid, *serial, *model, *name, *os;
};

static const struct mac mac_1 = { 'a', UDID_1, "C02MT66KFLHH", "iMac14,2",
	"Fruit", "10.12.6" };

static inline bool
authenticate(struct world *w, const struct mac *m)
{
	AUTO(str_free)
	char *dict =
	    str_printf("<dict><key>MessageType</key><string>Authenticate"
	               "</string><key>Topic</key><string>" TOPIC "</string>"
	               "<key>UDID</key><string>%s</string>"
	               "<key>SerialNumber</key><string>%s</string>"
	               "<key>Model</key><string>%s</string>"
	               "<key>ProductName</key><string>%s</string>"
	               "<key>ModelName</key><string>iMac</string>"
	               "<key>DeviceName</key><string>%s</string>"
	               "<key>Challenge</key><data>YXBwbGU=</data>"
	               "<key>BuildVersion</key><string>16G2136</string>"
	               "<key>OSVersion</key><string>%s</string></dict>",
	        m->udid, m->serial, m->model, m->model, m->name, m->os);

	return check_in(w, m->letter, dict);
}

static inline bool
update_token(struct world *w, const struct mac *m)
{
	AUTO(str_free)
	char *dict =
	    str_printf("<dict><key>MessageType</key><string>TokenUpdate"
	               "</string><key>Topic</key><string>" TOPIC "</string>"
	               "<key>UDID</key><string>%s</string>"
	               "<key>AwaitingConfiguration</key><false/>"
	               "<key>PushMagic</key><string>"
	               "888CEB39-BFFA-40F6-89FA-B60752EB63C2</string>"
	               "<key>Token</key><data>"
	               "G6fJAGbFD3domiTzpCXK9oowD3KeiORgqUFgItXWQsw=</data>"
	               "</dict>",
	        m->udid);

	return check_in(w, m->letter, dict);
}

static inline void
enroll(struct world *w, const struct mac *m)
{
	issue_enroll(w, m->letter);
	if (!authenticate(w, m) || !update_token(w, m))
		fail_msg("enrol: %s", w->e.text);
}

/* An enrolled Mac whose first inventory is out of the way. */
static inline void
enroll_quietly(struct world *w, const struct mac *m)
{
	AUTO(store_rollback) struct store_tx *tx = NULL;

	enroll(w, m);
	OK(store_begin(w->store, STORE_WRITE, &tx, e));
	OK(mdm_queue_clear(tx, m->udid, "cancelled", e));
	OK(store_commit(&tx, e));
}

/* ---- commands ---- */

static inline bool
try_queue(struct world *w, const char *type, const char *xml, char id[37])
{
	AUTO(store_rollback) struct store_tx *tx = NULL;
	struct mdm_command c = { .enrollment_id = UDID_1,
		.request_type = type,
		.dict_xml = xml,
		.origin = "api",
		.by = "token:test" };

	OK(store_begin(w->store, STORE_WRITE, &tx, e));
	w->e = (struct err){ 0 };
	if (!mdm_queue_add(tx, w->seal, &c, id, &w->e))
		return false;
	OK(store_commit(&tx, e));
	return true;
}

static inline void
queue(struct world *w, const char *type, char id[37])
{
	AUTO(str_free)
	char *xml = str_printf(
	    "<dict><key>RequestType</key><string>%s</string></dict>", type);

	if (!try_queue(w, type, xml, id))
		fail_msg("queue: %s", w->e.text);
}
