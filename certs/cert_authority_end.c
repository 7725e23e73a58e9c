/* What of the authority ends soon; see cert_authority_end.h. */
#include "certs/cert_authority_end.h"

#include "certs/cert_alarm.h"
#include "certs/cert_authority_priv.h"
#include "core/clock.h"

/* Certificates that end within a day of each other end together. */
#define TOGETHER_MS MS_DAY

static int64_t
end_of(const struct cert_member *m)
{
	return cert_not_after(m->certificate);
}

/* Does this one, or NULL, last longer? */
static bool
outlasts(const struct cert_member *m, const struct cert_member *other)
{
	return m != NULL && end_of(m) > end_of(other) + TOGETHER_MS;
}

static int64_t
step_of(const struct cert_member *m)
{
	return cert_alarm_step(end_of(m) - clock_now_ms());
}

/* mutsu ca rollover makes the next one below the root, with which it ends; in
 * single mode it is a new root. */
static bool
root_is_good_for(const struct cert_authority *a, const struct cert_member *m)
{
	return m == a->root ||
	       (str_eq(m->parent_id, a->root->id) && step_of(a->root) < 0);
}

/* For a CA: the next one issues in its place. */
static const char *
next_advice(const struct cert_authority *a, const struct cert_member *m)
{
	if (outlasts(a->next, m))
		return "mutsu ca switch goes over to the next one";
	if (a->requested != NULL)
		return "a request is out: mutsu ca import, then mutsu ca "
		       "switch";
	if (!str_eq(m->role, CERT_ROLE_ISSUING) || !root_is_good_for(a, m))
		return "have a root that lasts longer sign the next issuing "
		       "CA: mutsu ca request, mutsu ca import, then mutsu ca "
		       "switch";
	if (str_eq(a->root->place.kind, CERT_VAULT_AWAY))
		return "mutsu ca rollover with the root's key, or mutsu ca "
		       "request where the root is another's, then mutsu ca "
		       "switch";
	return "mutsu ca rollover, then mutsu ca switch";
}

static void
add(struct cert_authority_ends *out, const struct cert_member *m,
    const char *advice)
{
	int64_t step = step_of(m);

	if (step >= 0 && out->count < CERT_AUTHORITY_ENDS_MAX)
		out->list[out->count++] =
		    (struct cert_authority_end){ m, step, advice };
}

void
cert_authority_ends(
    const struct cert_authority *a, struct cert_authority_ends *out)
{
	const struct cert_member *m = a->issuing, *up;

	out->count = 0;
	for (size_t i = 0; m != NULL && i < a->count; i++, m = up) {
		up = cert_authority_find(a, m->parent_id);
		if (up == NULL || outlasts(up, m))
			add(out, m, next_advice(a, m));
	}
	if (a->ra != a->issuing && outlasts(a->issuing, a->ra))
		add(out, a->ra, "mutsu ca renew-ra");
}

static const char *
name_of(const struct cert_member *m)
{
	static const struct {
		const char *role, *name;
	} names[] = {
		{ CERT_ROLE_ROOT, "root CA" },
		{ CERT_ROLE_INTERMEDIATE, "intermediate CA" },
		{ CERT_ROLE_ISSUING, "issuing CA" },
		{ CERT_ROLE_RA, "SCEP RA" },
	};

	for (size_t i = 0; i < COUNT(names); i++)
		if (str_eq(m->role, names[i].role))
			return names[i].name;
	return m->role;
}

static const char *
outcome_of(const struct cert_authority_end *end)
{
	bool ra = str_eq(end->member->role, CERT_ROLE_RA);

	if (end->step > 0)
		return ra ? "it was not renewed in time"
		          : "nothing that it issues lasts longer";
	return ra ? "SCEP clients trust no answer any more"
	          : "what it issued has ended too, and it issues nothing";
}

char *
cert_authority_end_text(const struct cert_authority_end *end)
{
	char subject[256], when[CLOCK_TEXT_SIZE];

	cert_subject(end->member->certificate, subject, sizeof(subject));
	clock_format_s(when, end_of(end->member));
	return str_printf("the %s %s %s %s: %s", name_of(end->member), subject,
	    end->step > 0 ? "ends" : "ended", when, outcome_of(end));
}

/* subject is the caller's, for as long as the alarm. */
static struct cert_alarm
alarm_of(const struct cert_authority_end *end, char subject[256])
{
	const struct cert_member *m = end->member;

	cert_subject(m->certificate, subject, 256);
	return (struct cert_alarm){ .what = "authority",
		.subject_id = m->id,
		.not_after = end_of(m),
		.step = end->step,
		.facts = { { "role", m->role }, { "subject", subject },
		    { "advice", end->advice } } };
}

bool
cert_authority_alarm(struct store_tx *tx,
    const struct cert_authority_ends *ends, struct cert_authority_ends *told,
    struct err *e)
{
	told->count = 0;
	for (size_t i = 0; i < ends->count; i++) {
		const struct cert_authority_end *end = &ends->list[i];
		char subject[256];
		const struct cert_alarm alarm = alarm_of(end, subject);
		bool first;

		if (!cert_authority_db_alarmed(
		        tx, end->member->id, end->step, &first, e) ||
		    (first && !cert_alarm_tell(tx, &alarm, e)))
			return err_wrap(e, "alarm of the authority");
		if (first)
			told->list[told->count++] = *end;
	}
	return true;
}

void
cert_authority_end_log(const struct cert_authority_ends *ends)
{
	for (size_t i = 0; i < ends->count; i++) {
		char subject[256];
		const struct cert_alarm alarm =
		    alarm_of(&ends->list[i], subject);

		cert_alarm_log(&alarm);
	}
}
