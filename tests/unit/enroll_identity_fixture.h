/*
 * A site with one Mac whose identity is renewed, driven by the hooks as mdm/
 * and scep/ call them.
 */
#pragma once

#include "core/json.h"
#include "enroll-profiles/enroll_identity_priv.h"
#include "tests/unit/enroll_payload.h"

enum { LIFE_DAYS = 365 };

/* A certificate of D1 with this purpose, as of now. */
static inline void
paper(struct site *s, const char *purpose, char fingerprint[65])
{
	static int count;
	AUTO(cert_issued_clear)
	struct cert_issued issued = { .der = buf_new(64),
		.subject = "CN=Mac",
		.not_before = clock_now_ms(),
		.not_after = clock_now_ms() + LIFE_DAYS * MS_DAY };
	struct cert_record record = { .issued = &issued,
		.authority_id = "issuing-1",
		.template = CERT_TEMPLATE_DEVICE,
		.purpose = purpose,
		.device_id = "D1" };
	struct store_tx *tx = site_write(s);

	snprintf(issued.serial, sizeof(issued.serial), "%x", ++count);
	snprintf(
	    issued.fingerprint, sizeof(issued.fingerprint), "%064d", count);
	str_copy_cut(issued.spki, sizeof(issued.spki), issued.fingerprint);
	buf_addf(issued.der, "%d", count);
	OK(cert_ledger_add(tx, &record, &e));
	OK(enroll_identity_issued(tx, &record, s->enroll, &e));
	site_commit(tx);
	memcpy(fingerprint, issued.fingerprint, 65);
}

static inline int
setup(void **state)
{
	struct site *s = site_open();

	site_mac(s, (struct mac){ .id = "D1", .serial = "C02A" });
	*state = s;
	return 0;
}

static inline void
tick(struct site *s)
{
	OK(enroll_identity_tick(s->enroll, NULL, &e));
}

static inline void
days(int n)
{
	clock_set_offset_ms(n * MS_DAY);
}

static inline struct enroll_renewal
renewal(struct site *s)
{
	struct enroll_renewal r = { 0 };
	struct store_tx *tx = site_write(s);
	bool found;

	OK(enroll_db_renewal(tx, "D1", &r, &found, &e));
	store_rollback(&tx);
	return r;
}

static inline void
expect_state(struct site *s, const char *state)
{
	assert_string_equal(renewal(s).state, state);
}

static inline struct pl *
deliver(struct site *s)
{
	struct mdm_renderer m = enroll_identity_renderer(s->enroll);
	struct enroll_renewal r = renewal(s);

	return site_rendered(s, &m, "D1", r.command_id);
}

static inline void
deliver_quietly(struct site *s)
{
	struct pl *p = deliver(s);

	pl_free(&p);
}

/* The Mac's answer; also ends the command's row, as mdm/ does. */
static inline void
answer(struct site *s, const char *state, const char *text)
{
	struct mdm_renderer m = enroll_identity_renderer(s->enroll);
	struct enroll_renewal r = renewal(s);
	struct store_tx *tx = site_write(s);

	OK(store_exec(tx,
	    "UPDATE command SET state = $1, done_at = $2 WHERE id = $3",
	    S_ARGS(S_TEXT(state), S_INT(clock_now_ms()), S_TEXT(r.command_id)),
	    NULL, &e));
	OK(m.done(tx,
	    &(struct mdm_done){ .ref = "D1",
	        .command_id = r.command_id,
	        .state = state,
	        .text = text },
	    m.arg, &e));
	site_commit(tx);
}

/* It speaks with this one. */
static inline void
use(struct site *s, const char *fingerprint)
{
	struct store_tx *tx = site_write(s);

	OK(store_exec(tx,
	    "UPDATE certificate SET first_seen_at = $2 WHERE fingerprint = $1",
	    S_ARGS(S_TEXT(fingerprint), S_INT(clock_now_ms())), NULL, &e));
	site_commit(tx);
}

static inline bool
revoked(struct site *s, const char *fingerprint)
{
	return str_eq(
	    site_text(s, "SELECT state FROM certificate WHERE fingerprint = $1",
	        fingerprint),
	    "revoked");
}

static inline bool
renew(struct site *s, struct err *why)
{
	AUTO(store_rollback) struct store_tx *tx = site_write(s);
	struct mdm_device d = site_find(tx, "D1");

	return enroll_identity_renew(tx, s->seal, &d, "test", why) &&
	       store_commit(&tx, why);
}

/* As mdm/ writes it down. */
static inline void
speak_with_the_old_one(struct site *s)
{
	struct store_tx *tx = site_write(s);

	OK(store_exec(tx, "UPDATE identity_renewal SET old_seen_at = $1",
	    S_ARGS(S_INT(clock_now_ms())), NULL, &e));
	site_commit(tx);
}

/* From nothing to the first use of the new one. */
static inline void
change(struct site *s, char old[65], char new[65])
{
	struct err why = { 0 };

	paper(s, "enroll", old);
	OK(renew(s, &why));
	deliver_quietly(s);
	paper(s, "renew", new);
	answer(s, "acknowledged", NULL);
	use(s, new);
}
