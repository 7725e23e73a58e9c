/* Inside of the server, shared by the app_server_*.c files. */
#pragma once

#include <pthread.h>
#include <stdatomic.h>

#include "app/app_server.h"
#include "app/app_trial.h"
#include "certs/cert_crl_http.h"
#include "certs/cert_live.h"
#include "store/store_node.h"
#include "store/store_watch.h"

enum { APP_HOSTS_MAX = 8 };

struct app_server {
	const struct settings *settings; /* borrowed */
	char *data, *keys;
	struct store *store;
	struct store_watch *watch;
	struct store_node *node;
	struct seal *seal;
	struct cert_live *live;
	/* Guards what follows, up to tls_not_after, once the server runs. */
	pthread_mutex_t tls_lock;
	struct buf *tls_cert, *tls_key;
	char tls_why[240];   /* what is wrong with those that came since */
	int tls_seen;        /* how often it was seen in a row */
	int64_t tls_made_at; /* by clock_mono_ms(): our own; 0: not yet */
	_Atomic int64_t tls_not_after;
	char topic[257]; /* of the push certificate at start; "": none */
	struct app_trial *trial;
	char *host_text; /* split in place into hosts */
	const char *hosts[APP_HOSTS_MAX + 1];
	struct apns_scheduler *scheduler;
	struct http_server *http;
	/* Bound, before their listeners have them; 0: none. */
	int device_socket, plain_socket;
	uint16_t plain_port; /* 0: there is no plain listener */
	struct scep_service *scep;
	struct mdm_renderer renderers[3]; /* the last one ends */
	struct mdm_service *mdm;
	struct enroll_service *enroll;
	struct api_service *api;
	struct cert_public revocation; /* CRLs and OCSP */
	struct http_metrics *metrics;
	char *url, *admin_url;
	char *host;       /* of url */
	char *status_url; /* in certificates: of CRLs and OCSP */
	pthread_t ticker;
	bool ticking;
	pthread_mutex_t lock; /* guards stopping and jobs_freed */
	pthread_cond_t wake;
	bool stopping;
	bool jobs_freed; /* periodic work may be free to take */
};

/* Starts the push scheduler as the settings say.  ERR_INVALID: they cannot be
 * used. */
MUST_CHECK bool app_server_start_push(struct app_server *s, struct err *e);

/* Master key and authority; made on first start. */
MUST_CHECK bool app_server_authority(struct app_server *s, struct err *e);
/* Brings in what changed, here or elsewhere, and renews the RA when it is
 * due. */
MUST_CHECK bool app_server_authority_refresh(void *arg, struct err *e);
/* Says what of it ends soon, in the log. */
void app_server_authority_ends(struct app_server *s);
/* Tells of it, each step once, as the holder of a lease. */
MUST_CHECK bool app_server_authority_alarm(
    struct app_server *s, const struct store_lease *l, struct err *e);
/* Starts making CRLs and OCSP answers. */
MUST_CHECK bool app_server_revocation(struct app_server *s, struct err *e);
/* After the listeners have ended. */
void app_server_revocation_end(struct app_server *s);
/* Reads the TLS certificate of the settings, or makes one that our CA
 * issued and renews it 30 days before its end, if a new one lasts longer. */
MUST_CHECK bool app_server_tls(struct app_server *s, struct err *e);
/* Takes into use what is there now; asked: says also that nothing changed. */
void app_server_tls_look(struct app_server *s, bool asked);
/* Makes the administrator's token on first start; leaves DATA/admin.token
 * and DATA/admin.url. */
MUST_CHECK bool app_server_token(struct app_server *s, struct err *e);
/* Metrics of push, MDM and the process; arg is the server. */
struct http_metrics *app_server_metrics_new(void);
void app_server_metrics(struct buf *out, void *arg);
/* Periodic work: files every few seconds, jobs every minute, until stopping. */
void *app_server_tick(void *arg);
/* A turn of it now: another node's work is free.  arg is the server. */
void app_server_jobs_freed(void *arg);
/* Becomes a node of the database; before anything of it is kept in memory. */
MUST_CHECK bool app_server_join(struct app_server *s, struct err *e);
/* From here on what is kept follows other nodes. */
MUST_CHECK bool app_server_watch(struct app_server *s, struct err *e);
/* A push certificate was imported; arg is the server. */
/* A canary push, for the API. */
bool app_server_push_canary(const struct apns_cert *cert,
    const struct apns_canary *c, struct apns_answer *out, void *arg,
    struct err *e);
enum { APP_TOPICS_MAX = 64 };
/* Which topics Macs may have, and which one new enrolments get. */
MUST_CHECK bool app_server_topics(struct app_server *s, struct err *e);
/* Hooks of the API: what ails pushing; a push certificate took over. */
void app_server_push_warnings(json_t *list, void *arg);
void app_server_push_certificate(const char *topic, void *arg);
