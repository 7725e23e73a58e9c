/*
 * Numbers of /metrics that come from the database (Prometheus text format
 * 0.0.4).  They are counted at most once in ten seconds, whoever asks how
 * often, and kept as text under the service's metrics_lock; while one thread
 * counts, others wait for its result.
 */
#include "api/api_priv.h"
#include "enroll-profiles/enroll_identity.h"

enum { COUNT_EVERY_MS = 10 * 1000, COUNTS_MAX = 64 << 10 };

static void
head(struct buf *out, const char *name, const char *help, const char *type)
{
	buf_addf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void
value(struct buf *out, const char *name, int64_t n)
{
	buf_addf(out, "%s %lld\n", name, (long long)n);
}

static bool
count_devices(struct store_tx *tx, struct buf *out, struct err *e)
{
	AUTO(store_rows_free) struct store_rows *r = NULL;
	bool more;

	if (!api_db_count_devices(tx, &r, e) || !store_next(r, &more, e))
		return false;
	head(out, "mutsu_devices", "Macs by state and security chip.", "gauge");
	while (more) {
		buf_addf(out, "mutsu_devices{state=\"%s\",chip=\"%s\"} %lld\n",
		    store_text(r, 0), store_text(r, 1),
		    (long long)store_int(r, 2));
		if (!store_next(r, &more, e))
			return false;
	}
	return true;
}

/* A gauge with one label, from rows of state and count; takes the rows. */
static bool
count_states(struct store_rows **rows, const char *name, const char *help,
    struct buf *out, struct err *e)
{
	AUTO(store_rows_free) struct store_rows *r = TAKE(*rows);
	bool more;

	if (!store_next(r, &more, e))
		return false;
	head(out, name, help, "gauge");
	while (more) {
		buf_addf(out, "%s{state=\"%s\"} %lld\n", name, store_text(r, 0),
		    (long long)store_int(r, 1));
		if (!store_next(r, &more, e))
			return false;
	}
	return true;
}

static bool
count_identities(struct store_tx *tx, struct buf *out, struct err *e)
{
	static const char name[] = "mutsu_identities_ending";
	struct enroll_identity_ends n;

	if (!enroll_identity_count(tx, &n, e))
		return false;
	head(out, name,
	    "Enrolled Macs whose identity ends within these days; 0: it has "
	    "ended.",
	    "gauge");
	buf_addf(out, "%s{days=\"0\"} %lld\n", name, (long long)n.ended);
	buf_addf(out, "%s{days=\"30\"} %lld\n", name, (long long)n.within_30);
	buf_addf(out, "%s{days=\"60\"} %lld\n", name, (long long)n.within_60);
	return true;
}

static bool
count_all(struct api_service *s, struct buf *out, struct err *e)
{
	AUTO(store_rollback) struct store_tx *tx = NULL;
	struct store_rows *r = NULL;
	int64_t last;

	if (!store_begin(s->o.store, STORE_READ, &tx, e) ||
	    !count_devices(tx, out, e) || !count_identities(tx, out, e) ||
	    !api_db_count_rollouts(tx, &r, e) ||
	    !count_states(&r, "mutsu_rollouts",
	        "Certificate rollouts by state.", out, e) ||
	    !api_db_count_commands(tx, &r, e) ||
	    !count_states(
	        &r, "mutsu_commands_open", "Open commands by state.", out, e) ||
	    !api_db_count_scep_requests(tx, &r, e) ||
	    !count_states(&r, "mutsu_scep_requests_open",
	        "SCEP requests that wait for a person or an upstream.", out,
	        e) ||
	    !api_db_last_event(tx, &last, e))
		return false;
	head(out, "mutsu_events_total", "Events in the feed.", "counter");
	value(out, "mutsu_events_total", last);
	return buf_ok(out, e);
}

/* While the database is away the last numbers stay, and mutsu_counts_up says
 * 0. */
static void
write_counts(struct api_service *s, struct buf *out)
{
	int64_t now = clock_mono_ms();
	bool up = true;

	pthread_mutex_lock(&s->metrics_lock);
	if (s->counts_at_ms == 0 || now - s->counts_at_ms >= COUNT_EVERY_MS) {
		struct buf *fresh = buf_new(COUNTS_MAX);
		struct err why;

		up = count_all(s, fresh, &why);
		if (up) {
			buf_free(&s->counts);
			s->counts = TAKE(fresh);
			s->counts_at_ms = now;
		}
		buf_free(&fresh);
	}
	if (s->counts != NULL)
		buf_add(out, s->counts->p, s->counts->len);
	pthread_mutex_unlock(&s->metrics_lock);
	head(out, "mutsu_counts_up", "Whether the database could be counted.",
	    "gauge");
	value(out, "mutsu_counts_up", up);
}

static void
write_store(struct api_service *s, struct buf *out)
{
	struct store_stats n;

	store_stats(s->o.store, &n);
	head(out, "mutsu_store_commits_total",
	    "Shared transactions put on disk.", "counter");
	value(out, "mutsu_store_commits_total", n.commits);
	head(out, "mutsu_store_writes_total", "Write transactions committed.",
	    "counter");
	value(out, "mutsu_store_writes_total", n.writes);
	head(out, "mutsu_store_reads_total", "Read transactions.", "counter");
	value(out, "mutsu_store_reads_total", n.reads);
	head(out, "mutsu_store_statements_total", "Statements executed.",
	    "counter");
	value(out, "mutsu_store_statements_total", n.statements);
	head(out, "mutsu_store_round_trips_total",
	    "Times a thread waited for a remote database.", "counter");
	value(out, "mutsu_store_round_trips_total", n.round_trips);
	head(out, "mutsu_store_retries_total", "Write transactions run again.",
	    "counter");
	value(out, "mutsu_store_retries_total", n.retries);
	head(out, "mutsu_store_deferred_total", "Deferred writes made.",
	    "counter");
	value(out, "mutsu_store_deferred_total", n.deferred);
	head(out, "mutsu_store_waiting", "Writers waiting now.", "gauge");
	value(out, "mutsu_store_waiting", n.waiting);
}

void
api_metrics_write(struct api_service *s, struct buf *out)
{
	head(out, "mutsu_build_info", "The version of this program.", "gauge");
	buf_adds(out, "mutsu_build_info{version=\"" MUTSU_VERSION "\"} 1\n");
	write_counts(s, out);
	write_store(s, out);
	if (s->o.http != NULL)
		http_stats_write(s->o.http, out);
	if (s->o.metrics != NULL)
		s->o.metrics(out, s->o.arg);
}
