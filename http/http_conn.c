/*
 * Connections: each has a record from accept to close, kept in its listener's
 * list so that the janitor finds those past their deadline.  The functions
 * are libmicrohttpd's callbacks and run in a listener's threads.
 *
 * The deadline moves with what the peer owes: after accept a whole request;
 * between requests an idle time more; from the request line on the rest of
 * that request; nothing while we work; and after that to take the answer.
 */
#include <arpa/inet.h>
#include <string.h>

#include "core/clock.h"
#include "http/http_priv.h"

static void
peer_text(struct http_conn *c)
{
	const union MHD_ConnectionInfo *info =
	    MHD_get_connection_info(c->mhd, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
	const struct sockaddr *sa = info != NULL ? info->client_addr : NULL;
	const struct sockaddr_in *in = (const void *)sa;
	const struct sockaddr_in6 *in6 = (const void *)sa;
	char text[HTTP_PEER_SIZE] = "";

	if (sa != NULL && sa->sa_family == AF_INET)
		inet_ntop(AF_INET, &in->sin_addr, text, sizeof(text));
	else if (sa != NULL && sa->sa_family == AF_INET6)
		inet_ntop(AF_INET6, &in6->sin6_addr, text, sizeof(text));
	(void)http_peer_read(text, c->peer);
}

static void
opened(struct http_listener *l, struct MHD_Connection *mhd, void **context)
{
	struct http_conn *c = mem_zalloc(1, sizeof(*c));
	const union MHD_ConnectionInfo *info =
	    MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CONNECTION_FD);

	c->listener = l;
	c->mhd = mhd;
	c->fd = info->connect_fd;
	c->rq.conn = c;
	c->rq.reply.status = MHD_HTTP_OK;
	peer_text(c);
	c->trusted_proxy = http_cert_trusted(l->proxy_addresses, c->peer);
	if (l->tls)
		http_cert_session(c);
	atomic_store(
	    &c->deadline_ms, clock_mono_ms() + l->server->o.request_ms);
	atomic_fetch_add(&l->server->stats.connections[l->side], 1);
	pthread_mutex_lock(&l->conns_lock);
	c->next = l->conns;
	if (c->next != NULL)
		c->next->prev = c;
	l->conns = c;
	pthread_mutex_unlock(&l->conns_lock);
	*context = c;
}

static void
closed(struct http_listener *l, struct http_conn *c)
{
	pthread_mutex_lock(&l->conns_lock);
	if (c->prev != NULL)
		c->prev->next = c->next;
	else
		l->conns = c->next;
	if (c->next != NULL)
		c->next->prev = c->prev;
	pthread_mutex_unlock(&l->conns_lock);
	if (c->linger)
		http_janitor_linger(l->server, c->fd);
	http_request_end(&c->rq);
	buf_free(&c->rq.body);
	http_target_free(&c->rq.target);
	buf_free(&c->tls_cert);
	http_tls_unref(&c->tls);
	atomic_fetch_sub(&l->server->stats.connections[l->side], 1);
	mem_free(&c);
}

void
http_conn_notify(void *cls, struct MHD_Connection *mhd, void **context,
    enum MHD_ConnectionNotificationCode code)
{
	if (code == MHD_CONNECTION_NOTIFY_STARTED)
		opened(cls, mhd, context);
	else if (*context != NULL)
		closed(cls, *context);
}

/* A request line was read; what is returned reaches the access handler. */
void *
http_conn_target(void *cls, const char *target, struct MHD_Connection *mhd)
{
	const union MHD_ConnectionInfo *info =
	    MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
	struct http_conn *c = info->socket_context;
	struct http_listener *l = cls;
	int64_t until_ms = clock_mono_ms() + l->server->o.request_ms;

	if (until_ms < atomic_load(&c->deadline_ms))
		atomic_store(&c->deadline_ms, until_ms);
	http_request_begin(&c->rq, target);
	return &c->rq;
}

void
http_conn_completed(void *cls, struct MHD_Connection *mhd, void **rq,
    enum MHD_RequestTerminationCode why)
{
	struct http_listener *l = cls;
	const struct http_options *o = &l->server->o;
	struct http_request *done = *rq;

	(void)mhd;
	(void)why;
	if (done == NULL)
		return;
	http_request_end(done);
	atomic_store(&done->conn->deadline_ms,
	    clock_mono_ms() + o->idle_s * MS_S + o->request_ms);
	*rq = NULL;
}
