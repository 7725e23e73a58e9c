/*
 * Metrics of MDM, push and the process, written by the worker that serves
 * /metrics.
 */
#include <stdio.h>
#include <unistd.h>

#include "app/app_server_priv.h"
#include "core/clock.h"
#include "core/log.h"
#include "scep/scep_service.h"

enum row {
	ROW_MDM,
	ROW_REJECTED,
	ROW_SCEP,
	ROW_PUSH,
	ROW_PUSH_DUE,
	ROW_PUSH_STOPPED,
	ROW_PUSH_CERT,
	ROW_TLS_CERT,
	ROW_AUTHORITY,
	ROW_RSS
};

static const char *const mdm_values[] = { "idle", "acknowledged", "error",
	"format_error", "not_now", "authenticate", "token_update", "check_out",
	NULL };
/* In the order of enum scep_answer. */
static const char *const scep_values[] = { "bad_alg", "bad_message_check",
	"bad_request", "bad_time", "bad_cert_id", "issued", "repeated",
	"pending", "crl", NULL };
/* In the order of enum apns_outcome. */
static const char *const push_values[] = { "accepted", "dead", "refused",
	"back_off", "our_fault", "bug", "unreachable", NULL };

static const char *const authority_values[] = { CERT_ROLE_ROOT,
	CERT_ROLE_ISSUING, CERT_ROLE_RA, NULL };

static const struct http_metric rows[] = {
	[ROW_MDM] = { "mutsu_mdm_messages_total",
	    "Messages of devices that proved themselves", "counter", "type",
	    mdm_values },
	[ROW_REJECTED] = { "mutsu_mdm_rejected_total",
	    "Messages of devices that did not", "counter", NULL, NULL },
	[ROW_SCEP] = { "mutsu_scep_answers_total",
	    "SCEP messages by what they were answered with", "counter",
	    "answer", scep_values },
	[ROW_PUSH] = { "mutsu_pushes_total", "Pushes by what APNs answered",
	    "counter", "outcome", push_values },
	[ROW_PUSH_DUE] = { "mutsu_push_due", "Enrolments whose push is due",
	    "gauge", NULL, NULL },
	[ROW_PUSH_STOPPED] = { "mutsu_push_stopped",
	    "Push topics stopped by a fault of their certificate", "gauge",
	    NULL, NULL },
	[ROW_PUSH_CERT] = { "mutsu_push_certificate_not_after_seconds",
	    "Earliest end of the push certificates in use, Unix time; "
	    "0: none",
	    "gauge", NULL, NULL },
	[ROW_TLS_CERT] = { "mutsu_tls_certificate_not_after_seconds",
	    "End of the TLS certificate in use, Unix time", "gauge", NULL,
	    NULL },
	[ROW_AUTHORITY] = { "mutsu_authority_not_after_seconds",
	    "End of the active root, issuing CA and SCEP RA, Unix time",
	    "gauge", "role", authority_values },
	[ROW_RSS] = { "process_resident_memory_bytes", "Resident memory",
	    "gauge", NULL, NULL },
};

struct http_metrics *
app_server_metrics_new(void)
{
	return http_metrics_new(rows, COUNT(rows));
}

static int64_t
resident_bytes(void)
{
	FILE *f = fopen("/proc/self/statm", "re");
	long size = 0, resident = 0;

	if (f == NULL)
		return 0;
	if (fscanf(f, "%ld %ld", &size, &resident) != 2)
		resident = 0;
	fclose(f);
	return (int64_t)resident * sysconf(_SC_PAGESIZE);
}

static void
set_authority(struct app_server *s)
{
	AUTO(cert_authority_free)
	struct cert_authority *a = cert_live_get(s->live);
	X509 *const certificates[] = { cert_authority_root(a),
		cert_authority_issuing(a), cert_authority_ra(a) };

	for (size_t i = 0; i < COUNT(certificates); i++)
		http_metric_set(s->metrics, ROW_AUTHORITY, i,
		    cert_not_after(certificates[i]) / MS_S);
}

void
app_server_metrics(struct buf *out, void *arg)
{
	struct app_server *s = arg;
	struct mdm_stats m = { 0 };
	struct apns_scheduler_stats p = { 0 };
	int64_t scep[SCEP_ANSWERS];

	mdm_service_stats(s->mdm, &m);
	apns_scheduler_stats(s->scheduler, &p);
	const int64_t mdm[] = { m.idle, m.acknowledged, m.error, m.format_error,
		m.not_now, m.authenticate, m.token_update, m.check_out };
	for (size_t i = 0; i < COUNT(mdm); i++)
		http_metric_set(s->metrics, ROW_MDM, i, mdm[i]);
	scep_service_stats(s->scep, scep);
	for (size_t i = 0; i < COUNT(scep); i++)
		http_metric_set(s->metrics, ROW_SCEP, i, scep[i]);
	for (size_t i = 0; i < COUNT(p.pushes); i++)
		http_metric_set(s->metrics, ROW_PUSH, i, p.pushes[i]);
	http_metric_set(s->metrics, ROW_REJECTED, 0, m.rejected);
	http_metric_set(s->metrics, ROW_PUSH_DUE, 0, p.due);
	http_metric_set(s->metrics, ROW_PUSH_STOPPED, 0, p.stopped);
	http_metric_set(s->metrics, ROW_PUSH_CERT, 0, p.cert_not_after / MS_S);
	http_metric_set(
	    s->metrics, ROW_TLS_CERT, 0, atomic_load(&s->tls_not_after) / MS_S);
	set_authority(s);
	http_metric_set(s->metrics, ROW_RSS, 0, resident_bytes());
	http_metrics_write(s->metrics, out);
}
