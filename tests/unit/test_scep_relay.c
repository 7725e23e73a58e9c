/* Renewals that an upstream answers: as such, and as new requests. */
#include "tests/unit/scep_template_fixture.h"
#include "tests/unit/scep_upstream_fixture.h"
#include "tests/unit/webhook_server.h"

/* Of the certificate that the client got; by its own key. */
static void
renew(struct front *f, X509 *old, int reasked)
{
	struct front_ask ask = {
		.type = "17", .tid = "N-1", .signer = old, .no_challenge = true
	};
	struct front_ask poll = { .type = "20", .tid = "N-1", .signer = old };
	AUTO(answer_clear) struct answer a = { 0 }, b = { 0 };
	char fingerprint[SHA256_HEX_SIZE];

	EXPECT_P(front_send(f, ask));
	assert_true(front_step(f, NULL));
	a = front_send(f, poll);
	assert_int_equal(a.status, SCEP_SUCCESS);
	assert_int_not_equal(X509_cmp(a.cert, old), 0);
	b = front_send(f, ask);
	assert_int_equal(b.status, SCEP_SUCCESS);
	assert_int_equal(X509_cmp(a.cert, b.cert), 0);
	assert_int_equal(b.certs, 2);
	assert_int_equal(f->out.asked, 2);
	assert_int_equal(f->out.reasked, reasked);
	assert_int_equal(front_certificates(f, "issued"), 2);
	/* No identity of a Mac. */
	assert_int_equal(
	    world_number(f->w,
	        "SELECT count(*) FROM certificate WHERE purpose = $1", "renew"),
	    0);
	/* It counts with the one that it came of. */
	cert_fingerprint(old, fingerprint);
	assert_int_equal(world_number(f->w,
	                     "SELECT count(*) FROM certificate WHERE line = $1",
	                     fingerprint),
	    1);
}

static void
renewals_are_new_requests(void **state)
{
	struct front *f = *state;

	ask_and_step(f);
	AUTO(answer_clear) struct answer first = front_send(f, front_poll);
	renew(f, first.cert, 0);
}

static void
renewals_go_there_as_such(void **state)
{
	struct front *f = *state;

	assert_ok(front_upstream(f, true, "{\"renew\":true}", e));
	ask_and_step(f);
	AUTO(answer_clear) struct answer first = front_send(f, front_poll);
	renew(f, first.cert, 1);
}

/* One that knows only what it issued itself: it sees a RenewalReq, signed by us
 * for the old one, and its refusal is final and told. */
static void
renewals_go_to_scep_as_such(void **state)
{
	struct front *f = *state;
	AUTO(answer_clear) struct answer first = { 0 };
	AUTO(json_free) json_t *more = json_pack("{s:b}", "renew", true);
	AUTO(buf_free) struct buf *cert = buf_new(8192);
	AUTO(buf_wipe) struct buf *key = NULL;
	AUTO(str_free) char *text = NULL;

	assert_ok(cert_pem(f->w->signer, cert, e));
	assert_ok(cert_key_pem(f->w->key, &key, e));
	json_put_str(more, "client_certificate", buf_str(cert));
	json_put_str(more, "client_key", buf_str(key));
	text = json_text(more);
	assert_ok(front_upstream(f, false, text, e));
	outside_grant(&f->out, f->c.text);
	ask_and_step(f);
	first = front_send(f, front_poll);
	assert_int_equal(first.status, SCEP_SUCCESS);
	EXPECT_P(front_send(f, (struct front_ask){ .type = "17",
	                           .tid = "N-1",
	                           .signer = first.cert,
	                           .no_challenge = true }));
	clock_set_offset_ms(MS_MIN);
	assert_true(front_step(f, NULL));
	assert_int_equal(
	    world_number(f->w,
	        "SELECT count(*) FROM scep_request WHERE state = 'failed' "
	        "AND old_fingerprint IS NOT NULL AND reason LIKE $1",
	        "%RenewalReq: not signed with a certificate of this "
	        "authority%"),
	    1);
}

static void
a_renewal_keeps_its_names(void **state)
{
	struct front *f = *state;

	ask_and_step(f);
	AUTO(answer_clear) struct answer first = front_send(f, front_poll);
	EXPECT_F(
	    SCEP_BAD_REQUEST, front_send(f, (struct front_ask){ .type = "17",
	                                        .tid = "N-2",
	                                        .signer = first.cert,
	                                        .cn = "president",
	                                        .no_challenge = true }));
}

/* What signs the renewal is the upstream's word. */
static struct answer
ask_renewal(struct front *f, X509 *old, const char *cn)
{
	return front_send(f, (struct front_ask){ .type = "17",
	                         .tid = "N-3",
	                         .signer = old,
	                         .cn = cn,
	                         .no_challenge = true });
}

static void
renewal_refused(struct front *f, X509 *old, const char *text)
{
	AUTO(answer_clear) struct answer a = ask_renewal(f, old, NULL);

	assert_int_equal(a.status, SCEP_FAILURE);
	if (strstr(a.text, text) == NULL)
		fail_msg("%s", a.text);
}

static void
another_authority_renews_nothing(void **state)
{
	struct front *f = *state;

	f->out.cn = "mdm.corp.example";
	ask_and_step(f);
	AUTO(answer_clear) struct answer first = front_send(f, front_poll);
	assert_int_equal(first.status, SCEP_SUCCESS);
	/* We would. */
	front_template(f, "corp", "{\"renew_days\":0}");
	renewal_refused(f, first.cert, "another authority");
	front_template(f, "corp", "{\"upstream\":\"other\",\"renew_days\":0}");
	renewal_refused(f, first.cert, "another authority");
	front_template(f, "corp", "{\"upstream\":\"corp\",\"renew_days\":0}");
	EXPECT_P(ask_renewal(f, first.cert, NULL));
}

static void
names_are_those_that_were_granted(void **state)
{
	struct front *f = *state;
	AUTO(answer_clear) struct answer first = { 0 }, second = { 0 };
	struct front_ask poll = { .type = "20", .tid = "N-3" };

	f->out.cn = "mdm.corp.example";
	ask_and_step(f);
	first = front_send(f, front_poll);
	EXPECT_F(SCEP_BAD_REQUEST, ask_renewal(f, first.cert, f->out.cn));
	EXPECT_P(ask_renewal(f, first.cert, NULL));
	assert_true(front_step(f, NULL));
	poll.signer = first.cert;
	second = front_send(f, poll);
	assert_int_equal(second.status, SCEP_SUCCESS);
	assert_int_equal(
	    world_number(f->w,
	        "SELECT count(*) FROM outside_grant WHERE subject LIKE $1",
	        "%device-1%"),
	    2);
}

static void
names_that_are_not_on_record_are_not_renewed(void **state)
{
	struct front *f = *state;

	ask_and_step(f);
	AUTO(answer_clear) struct answer first = front_send(f, front_poll);
	front_change(f->w, "DELETE FROM outside_grant");
	front_change(f->w, "DELETE FROM challenge");
	renewal_refused(f, first.cert, "ask with a new challenge");
}

/* Case 83: nobody knew the name before the webhook told it. */
static void
webhook_names_another(void **state)
{
	struct front *f = *state;
	struct webhook_server s = { .key = STATIC_SECRET,
		.answer = "{\"allow\":true,\"variables\":"
		          "{\"NAME\":\"gate-b\"}}" };
	EVP_PKEY *key = forge_ec("P-256");
	struct challenge c = world_grant(
	    f->w, (struct scep_grant){ .template = CERT_TEMPLATE_SCEP });
	struct visit v = { .challenge = c.text, .key = key };
	AUTO(str_free) char *text = NULL;

	X509_free(visit_named(f->w, v, "device-1"));
	webhook_start(&s);
	text = str_printf("{\"challenge\":\"webhook\",\"upstream\":\"corp\","
	                  "\"webhook\":\"http://127.0.0.1:%d/ask\"}",
	    s.port);
	world_template(f->w, "asked", text);
	world_secret(f->w, "asked", NULL);
	v = (struct visit){ .template = "asked",
		.challenge = "theirs",
		.key = key,
		.cn = "gate-b",
		.tid = "N-9" };
	visit_refused(f->w, v, SCEP_TEXT_KEY_TAKEN);
	webhook_stop(&s);
	EVP_PKEY_free(key);
}

static struct challenge
granted(struct front *f, const char *template)
{
	return world_grant(f->w,
	    (struct scep_grant){ .template = template, .purpose = "scep" });
}

static void
a_key_waits_once(void **state)
{
	struct front *f = *state;
	struct challenge c = granted(f, "corp"), other = granted(f, "other");
	struct front_ask ask = { .tid = "K-1", .challenge = c.text };
	AUTO(answer_clear) struct answer a = { 0 };

	EXPECT_P(front_send(f, front_good));
	a = front_send(f, ask);
	assert_int_equal(a.status, SCEP_FAILURE);
	assert_non_null(strstr(a.text, "of this key waits already"));
	assert_false(world_spent(f->w, &c));
	/* Of another template, and when the first is through. */
	EXPECT_P(front_send(
	    f, (struct front_ask){ .tid = "K-2", .challenge = other.text }));
	assert_true(front_step(f, NULL));
	assert_true(front_step(f, NULL));
	EXPECT_P(front_send(f, ask));
}

static void
a_full_queue_keeps_no_other_upstream_back(void **state)
{
	struct front *f = *state;
	struct challenge c = granted(f, "corp"), other = granted(f, "other");
	AUTO(answer_clear) struct answer a = { 0 };

	EXPECT_P(front_send(f, front_good));
	front_change(f->w,
	    "INSERT INTO scep_request (id, transaction_id, signer_spki, spki,"
	    " csr, subject, template, peer, state, created_at, expires_at,"
	    " upstream, purpose, next_at)"
	    " WITH RECURSIVE n(i) AS"
	    " (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 5000)"
	    " SELECT 'q-' || i, 't-' || i, signer_spki, 'k-' || i, csr, "
	    "subject,"
	    " 'other', peer, state, created_at, expires_at, 'other', purpose,"
	    " next_at FROM scep_request, n");
	a = front_send(
	    f, (struct front_ask){ .tid = "O-1", .challenge = other.text });
	assert_int_equal(a.status, SCEP_FAILURE);
	assert_non_null(strstr(a.text, "too many requests wait"));
	EXPECT_P(front_send(
	    f, (struct front_ask){
	           .tid = "C-1", .key = f->w->key2, .challenge = c.text }));
}

int
main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, front_setup, front_teardown)
	const struct CMUnitTest tests[] = {
		T(renewals_are_new_requests),
		T(renewals_go_there_as_such),
		T(renewals_go_to_scep_as_such),
		T(a_renewal_keeps_its_names),
		T(another_authority_renews_nothing),
		T(names_are_those_that_were_granted),
		T(names_that_are_not_on_record_are_not_renewed),
		T(webhook_names_another),
		T(a_key_waits_once),
		T(a_full_queue_keeps_no_other_upstream_back),
	};

	return cmocka_run_group_tests(tests, front_open, front_close);
}
