/*
 * A site with one Mac and two users, and a rollout driven by its hooks as mdm/
 * and scep/ call them, over a real database and a real queue.
 */
#pragma once

#include "tests/unit/enroll_payload.h"

/* A site with one Mac and one user. */
static inline int
setup(void **state)
{
	struct site *s = site_open();
	struct store_tx *tx = site_write(s);
	char id[UUID_SIZE];

	OK(enroll_user_put(tx,
	    &(struct enroll_user){ "sato", "佐藤", "sato@example.com" }, "test",
	    id, &e));
	OK(enroll_user_put(
	    tx, &(struct enroll_user){ "ito", NULL, NULL }, "test", id, &e));
	site_commit(tx);
	site_mac(s, (struct mac){ .id = "D1", .serial = "C02A" });
	*state = s;
	return 0;
}

static inline void
assign(struct site *s, const char *device, const char *user)
{
	struct store_tx *tx = site_write(s);
	struct mdm_device d = site_find(tx, device);

	OK(enroll_user_assign(tx, s->seal, &d, user, "test", &e));
	site_commit(tx);
}

static inline void
unassign(struct site *s, const char *device)
{
	struct store_tx *tx = site_write(s);
	struct mdm_device d = site_find(tx, device);

	OK(enroll_user_unassign(tx, s->seal, &d, "test", &e));
	site_commit(tx);
}

#define NEWEST(place)                                                          \
	"SELECT id FROM rollout WHERE device_id = $1 "                         \
	"ORDER BY created_at DESC, " place " DESC LIMIT 1"

/* The device's newest rollout. */
static inline struct enroll_rollout
rollout(struct site *s, const char *device)
{
	struct enroll_rollout r = { 0 };
	char id[UUID_SIZE];
	struct store_tx *tx;
	bool found;

	str_copy_cut(id, sizeof(id),
	    site_text(
	        s, test_on_pgsql() ? NEWEST("ctid") : NEWEST("rowid"), device));
	tx = site_write(s);
	OK(enroll_db_rollout(tx, id, &r, &found, &e));
	store_rollback(&tx);
	return r;
}

static inline void
expect_state(struct site *s, const char *state)
{
	assert_string_equal(rollout(s, "D1").state, state);
}

/* Delivers the rollout's command: the Command dictionary it says. */
static inline struct pl *
deliver(struct site *s, const struct enroll_rollout *r)
{
	struct mdm_renderer m = enroll_rollout_renderer(s->enroll);

	return site_rendered(s, &m, r->id, r->command_id);
}

static inline void
deliver_quietly(struct site *s, const struct enroll_rollout *r)
{
	struct pl *p = deliver(s, r);

	pl_free(&p);
}

/* The Mac's answer; also ends the command's row, as mdm/ does. */
static inline void
answer_with(struct site *s, const struct enroll_rollout *r, const char *state,
    const char *text, const char *domain)
{
	struct mdm_renderer m = enroll_rollout_renderer(s->enroll);
	struct store_tx *tx = site_write(s);

	OK(store_exec(tx,
	    "UPDATE command SET state = $1, done_at = $2 WHERE id = $3",
	    S_ARGS(S_TEXT(state), S_INT(clock_now_ms()), S_TEXT(r->command_id)),
	    NULL, &e));
	OK(m.done(tx,
	    &(struct mdm_done){ .ref = r->id,
	        .command_id = r->command_id,
	        .state = state,
	        .text = text,
	        .domain = domain,
	        .code = 89 },
	    m.arg, &e));
	site_commit(tx);
}

static inline void
answer(struct site *s, const struct enroll_rollout *r, const char *state,
    const char *text)
{
	answer_with(s, r, state, text, NULL);
}

/* What scep/ does when the Mac, or whoever answers for it, has spent the
 * challenge. */
static inline bool
issue_for(struct site *s, const struct enroll_rollout *r,
    const char *challenge_id, char fingerprint[65], struct err *why)
{
	AUTO(cert_key_free) EVP_PKEY *key = NULL;
	AUTO(store_rollback) struct store_tx *tx = NULL;
	struct cert_issued issued = { 0 };
	X509_PUBKEY *pub = NULL;
	struct cert_subject subject = { .cn = "sato", .o = "Acme" };
	struct cert_record record = { .issued = &issued,
		.authority_id = cert_authority_id(s->authority),
		.template = CERT_TEMPLATE_USER,
		.purpose = "rollout",
		.enrollment_ref = r->id,
		.device_id = r->device_id,
		.user_id = r->user_id,
		.challenge_id = challenge_id };
	bool good;

	OK(cert_key_new(CERT_P256, &key, &e));
	assert_int_equal(X509_PUBKEY_set(&pub, key), 1);
	assert_true(cert_authority_issue(s->authority,
	    &(struct cert_issue){ cert_template_find(CERT_TEMPLATE_USER),
	        &subject, pub, clock_now_ms(), NULL },
	    &issued, why));
	X509_PUBKEY_free(pub);
	str_copy_cut(fingerprint, 65, issued.fingerprint);
	tx = site_write(s);
	good = cert_ledger_add(tx, &record, why) &&
	       enroll_rollout_issued(tx, &record, s->enroll, why) &&
	       store_commit(&tx, why);
	cert_issued_clear(&issued);
	return good;
}

/* By the challenge of the profile that was delivered last. */
static inline bool
issue(struct site *s, const struct enroll_rollout *r, char fingerprint[65],
    struct err *why)
{
	char id[UUID_SIZE];

	str_copy_cut(id, sizeof(id),
	    site_text(
	        s, "SELECT challenge_id FROM rollout WHERE id = $1", r->id));
	return issue_for(s, r, id, fingerprint, why);
}

static inline bool
revoked(struct site *s, const char *fingerprint)
{
	return str_eq(site_text(s,
	                  "SELECT state FROM certificate "
	                  "WHERE fingerprint = $1",
	                  fingerprint),
	    "revoked");
}

/* From nothing to installed; the fingerprint of the certificate. */
static inline void
install(struct site *s, const char *user, char fingerprint[65])
{
	struct enroll_rollout r;

	assign(s, "D1", user);
	r = rollout(s, "D1");
	deliver_quietly(s, &r);
	OK(issue(s, &r, fingerprint, &e));
	answer(s, &r, "acknowledged", NULL);
	expect_state(s, "installed");
}

static inline void
enrolled(struct site *s)
{
	struct store_tx *tx = site_write(s);

	OK(enroll_rollout_enrolled(tx, "D1", s->enroll, &e));
	site_commit(tx);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, site_teardown)
