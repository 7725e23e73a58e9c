/*
 * Listeners: one socket and one libmicrohttpd daemon with its own threads.
 * Made by http_listen() and ended by http_free(), on the thread of their
 * caller.
 */
#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/limits.h"
#include "core/log.h"
#include "http/http_priv.h"

static const char tls_priorities[] = "NORMAL:-VERS-ALL:+VERS-TLS1.3"
                                     ":+VERS-TLS1.2";

union address {
	struct sockaddr any;
	struct sockaddr_in in;
	struct sockaddr_in6 in6;
};

static bool
parse_address(const char *text, uint16_t port, union address *out,
    socklen_t *len, struct err *e)
{
	memset(out, 0, sizeof(*out));
	if (inet_pton(AF_INET, text, &out->in.sin_addr) == 1) {
		out->in.sin_family = AF_INET;
		out->in.sin_port = htons(port);
		*len = sizeof(out->in);
	} else if (inet_pton(AF_INET6, text, &out->in6.sin6_addr) == 1) {
		out->in6.sin6_family = AF_INET6;
		out->in6.sin6_port = htons(port);
		*len = sizeof(out->in6);
	} else {
		return err_set(e, ERR_INVALID, "%s is not an IP address", text);
	}
	return true;
}

static void
close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

static bool
port_of(int fd, uint16_t *out, struct err *e)
{
	union address a = { 0 };
	socklen_t len = sizeof(a);

	if (getsockname(fd, &a.any, &len) != 0)
		return err_errno(e, ERR_INTERNAL, "getsockname");
	*out =
	    ntohs(a.any.sa_family == AF_INET ? a.in.sin_port : a.in6.sin6_port);
	return true;
}

bool
http_bind(const char *address, uint16_t port, int *socket_out,
    uint16_t *port_out, struct err *e)
{
	AUTO(close_fd) int fd = -1;
	union address a;
	socklen_t len = 0;
	int on = 1;

	if (!parse_address(address, port, &a, &len, e))
		return false;
	fd = socket(
	    a.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return err_errno(e, ERR_INTERNAL, "socket");
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(fd, &a.any, len) != 0 || listen(fd, SOMAXCONN) != 0)
		return err_errno(e,
		    errno == EADDRINUSE ? ERR_CONFLICT : ERR_INTERNAL,
		    "listen on %s port %u", address, (unsigned)port);
	if (!port_of(fd, port_out, e))
		return false;
	*socket_out = fd;
	fd = -1;
	return true;
}

/* l owns the socket, also when this fails. */
static bool
open_socket(struct http_listener *l, const struct http_listen *how,
    uint16_t *port_out, struct err *e)
{
	if (how->socket == 0)
		return http_bind(how->address, how->port, &l->fd, port_out, e);
	l->fd = how->socket;
	return port_of(l->fd, port_out, e);
}

/* What it says while starting is the reason of a failure; later it tells of
 * peers' bad TLS and such. */
static void PRINTF(2, 0) library_log(void *cls, const char *fmt, va_list ap)
{
	struct http_listener *l = cls;
	char text[sizeof(l->start_error)];

	vsnprintf(text, sizeof(text), fmt, ap);
	text[strcspn(text, "\n")] = '\0';
	if (atomic_load(&l->started))
		log_event(LOG_DEBUG, "http_library", "text", text, NULL);
	else
		memcpy(l->start_error, text, sizeof(text));
}

static bool
start(struct http_listener *l, const struct http_listen *how, struct err *e)
{
	const struct http_options *o = &l->server->o;
	unsigned flags = MHD_USE_EPOLL_INTERNAL_THREAD |
	                 MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ITC |
	                 MHD_USE_ERROR_LOG;
	/* Options that only some listeners have; a row is option, number,
	 * pointer. */
	struct MHD_OptionItem more[] = {
		{ MHD_OPTION_END, 0, NULL },
		{ MHD_OPTION_END, 0, NULL },
		{ MHD_OPTION_END, 0, NULL },
		{ MHD_OPTION_END, 0, NULL },
		{ MHD_OPTION_END, 0, NULL },
	};
	size_t n = 0;

	if (o->io_threads > 1)
		more[n++] =
		    (struct MHD_OptionItem){ MHD_OPTION_THREAD_POOL_SIZE,
			    o->io_threads, NULL };
	if (l->tls) {
		flags |= MHD_USE_TLS;
		more[n++] = (struct MHD_OptionItem){ MHD_OPTION_HTTPS_MEM_CERT,
			0, (void *)(uintptr_t)how->cert_pem };
		more[n++] = (struct MHD_OptionItem){ MHD_OPTION_HTTPS_MEM_KEY,
			0, (void *)(uintptr_t)how->key_pem };
		more[n++] =
		    (struct MHD_OptionItem){ MHD_OPTION_HTTPS_PRIORITIES, 0,
			    (void *)(uintptr_t)tls_priorities };
	}
	l->mhd = MHD_start_daemon(flags, 0, NULL, NULL, http_handover, l,
	    MHD_OPTION_EXTERNAL_LOGGER, library_log, l,
	    MHD_OPTION_LISTEN_SOCKET, l->fd, MHD_OPTION_NOTIFY_CONNECTION,
	    http_conn_notify, l, MHD_OPTION_URI_LOG_CALLBACK, http_conn_target,
	    l, MHD_OPTION_NOTIFY_COMPLETED, http_conn_completed, l,
	    MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)LIMIT_HEADERS,
	    MHD_OPTION_CONNECTION_LIMIT, (unsigned)o->connections_max,
	    MHD_OPTION_PER_IP_CONNECTION_LIMIT, (unsigned)o->per_ip_max,
	    MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)o->idle_s,
	    MHD_OPTION_ARRAY, more, MHD_OPTION_END);
	if (l->mhd == NULL) {
		l->fd = -1; /* the library closes it when it fails */
		return err_set(e, ERR_INVALID, "start of the listener: %s",
		    l->start_error);
	}
	atomic_store(&l->started, true);
	return true;
}

static bool
set_tls(struct http_listener *l, const struct http_listen *how, struct err *e)
{
	AUTO(http_tls_unref) struct http_tls *t = NULL;

	if (!http_tls_new(how->cert_pem, how->key_pem, &t, e))
		return err_wrap(e, "start of the listener");
	http_tls_put(l, t);
	return true;
}

bool
http_listener_new(struct http_server *s, const struct http_listen *how,
    struct http_listener **out, uint16_t *port_out, struct err *e)
{
	AUTO(http_listener_free)
	struct http_listener *l = mem_zalloc(1, sizeof(*l));

	assert(how->authorizer != NULL ||
	       http_routes_public(&s->routes[how->side]));
	pthread_mutex_init(&l->conns_lock, NULL);
	l->fd = -1;
	l->server = s;
	l->side = how->side;
	l->authorizer = how->authorizer;
	l->authorizer_arg = how->authorizer_arg;
	l->proxy_header = str_dup(how->proxy_header);
	l->proxy_addresses = str_dup(how->proxy_addresses);
	l->tls = how->cert_pem != NULL && how->key_pem != NULL;
	l->ask_cert = !how->no_client_cert;
	l->empty_ok = http_reply_empty(how->side);
	if (l->empty_ok == NULL)
		return err_set(e, ERR_INTERNAL, "no memory for a reply");
	if (l->tls && (!http_cert_tickets_new(l, e) || !set_tls(l, how, e)))
		return false;
	if (!open_socket(l, how, port_out, e) || !start(l, how, e))
		return false;
	*out = TAKE(l);
	return true;
}

void
http_listener_quiesce(struct http_listener *l)
{
	/* The library's threads still know the descriptor until they end, so
	 * it is shut, which refuses connections, and not yet closed. */
	if (MHD_quiesce_daemon(l->mhd) != MHD_INVALID_SOCKET)
		shutdown(l->fd, SHUT_RDWR);
}

void
http_listener_free(struct http_listener **lp)
{
	struct http_listener *l = *lp;

	if (l == NULL)
		return;
	/* Quiesced or never started, the socket is ours to close. */
	if (l->mhd != NULL)
		MHD_stop_daemon(l->mhd);
	close_fd(&l->fd);
	if (l->empty_ok != NULL)
		MHD_destroy_response(l->empty_ok);
	http_cert_tickets_free(l);
	http_tls_unref(&l->tls_now);
	str_free(&l->proxy_header);
	str_free(&l->proxy_addresses);
	pthread_mutex_destroy(&l->conns_lock);
	mem_free(lp);
}
