/*
 * Counters and gauges for Prometheus, text format 0.0.4.  Values are atomics
 * without order between them: any thread adds, any thread writes them out.
 */
#include <assert.h>
#include <inttypes.h>
#include <stdatomic.h>

#include "http/http_priv.h"

struct http_metrics {
	const struct http_metric *rows;
	size_t count;
	_Atomic int64_t **values; /* one array a row */
};

static size_t
width(const struct http_metric *row)
{
	size_t n = 0;

	if (row->values == NULL)
		return 1;
	while (row->values[n] != NULL)
		n++;
	return n;
}

struct http_metrics *
http_metrics_new(const struct http_metric *rows, size_t count)
{
	struct http_metrics *m = mem_zalloc(1, sizeof(*m));

	m->rows = rows;
	m->count = count;
	m->values = mem_zalloc(count, sizeof(*m->values));
	for (size_t i = 0; i < count; i++)
		m->values[i] = mem_zalloc(width(&rows[i]), sizeof(**m->values));
	return m;
}

void
http_metrics_free(struct http_metrics **m)
{
	if (*m == NULL)
		return;
	for (size_t i = 0; i < (*m)->count; i++)
		mem_free(&(*m)->values[i]);
	mem_free(&(*m)->values);
	mem_free(m);
}

static _Atomic int64_t *
cell(struct http_metrics *m, size_t row, size_t value)
{
	assert(row < m->count && value < width(&m->rows[row]));
	return &m->values[row][value];
}

void
http_metric_add(struct http_metrics *m, size_t row, size_t value, int64_t n)
{
	atomic_fetch_add_explicit(cell(m, row, value), n, memory_order_relaxed);
}

void
http_metric_set(struct http_metrics *m, size_t row, size_t value, int64_t n)
{
	atomic_store_explicit(cell(m, row, value), n, memory_order_relaxed);
}

static void
write_head(const struct http_metric *row, struct buf *out)
{
	buf_addf(out, "# HELP %s %s\n# TYPE %s %s\n", row->name, row->help,
	    row->name, row->type);
}

void
http_metrics_write(const struct http_metrics *m, struct buf *out)
{
	for (size_t i = 0; i < m->count; i++) {
		const struct http_metric *row = &m->rows[i];

		write_head(row, out);
		for (size_t v = 0; v < width(row); v++) {
			int64_t n = atomic_load_explicit(
			    &m->values[i][v], memory_order_relaxed);

			buf_adds(out, row->name);
			if (row->values != NULL)
				buf_addf(out, "{%s=\"%s\"}", row->label,
				    row->values[v]);
			buf_addf(out, " %" PRId64 "\n", n);
		}
	}
}

/* ---- the server's own ---- */

static const char *const side_names[HTTP_SIDES] = {
	[HTTP_DEVICE_SIDE] = "device",
	[HTTP_ADMIN_SIDE] = "admin",
	[HTTP_PLAIN_SIDE] = "plain",
};

static void
write_requests(const struct http_stats *st, struct buf *out)
{
	static const struct http_metric row = { "mutsu_http_requests_total",
		"Answered requests.", "counter", NULL, NULL };

	write_head(&row, out);
	for (int side = 0; side < HTTP_SIDES; side++)
		for (int class = 0; class < HTTP_CLASSES; class ++)
			buf_addf(out,
			    "%s{side=\"%s\",status=\"%dxx\"} %" PRId64 "\n",
			    row.name, side_names[side], class + 1,
			    atomic_load(&st->requests[side][class]));
}

static void
write_seconds(const struct http_stats *st, struct buf *out)
{
	static const struct http_metric row = {
		"mutsu_http_request_seconds_total",
		"Time from request line to answer, summed.", "counter", NULL,
		NULL
	};

	write_head(&row, out);
	for (int side = 0; side < HTTP_SIDES; side++) {
		int64_t us = atomic_load(&st->us_sum[side]);

		buf_addf(out, "%s{side=\"%s\"} %" PRId64 ".%06" PRId64 "\n",
		    row.name, side_names[side], us / 1000000, us % 1000000);
	}
}

static void
write_connections(const struct http_stats *st, struct buf *out)
{
	static const struct http_metric row = { "mutsu_http_connections",
		"Open connections.", "gauge", NULL, NULL };

	write_head(&row, out);
	for (int side = 0; side < HTTP_SIDES; side++)
		buf_addf(out, "%s{side=\"%s\"} %" PRId64 "\n", row.name,
		    side_names[side], atomic_load(&st->connections[side]));
}

void
http_stats_write(struct http_server *s, struct buf *out)
{
	const struct {
		struct http_metric row;
		int64_t value;
	} singles[] = {
		{ { "mutsu_http_queue", "Requests that wait for a worker.",
		      "gauge", NULL, NULL },
		    http_pool_queued(&s->pool) },
		{ { "mutsu_http_parked", "Requests in long polls.", "gauge",
		      NULL, NULL },
		    atomic_load(&s->lot.count) },
		{ { "mutsu_http_rejected_total",
		      "Requests refused because too many waited.", "counter",
		      NULL, NULL },
		    atomic_load(&s->stats.rejected) },
		{ { "mutsu_http_timeouts_total",
		      "Connections ended because the peer was too slow.",
		      "counter", NULL, NULL },
		    atomic_load(&s->stats.timeouts) },
	};

	write_requests(&s->stats, out);
	write_seconds(&s->stats, out);
	write_connections(&s->stats, out);
	for (size_t i = 0; i < COUNT(singles); i++) {
		write_head(&singles[i].row, out);
		buf_addf(out, "%s %" PRId64 "\n", singles[i].row.name,
		    singles[i].value);
	}
}
