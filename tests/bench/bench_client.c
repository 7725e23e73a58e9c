/* One connection of the load generator.  See bench_client.h. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <openssl/err.h>

#include "bench_client.h"

enum { ANSWER_MAX = 1 << 20, READ_SIZE = 16 << 10 };

static bool
start_tls(struct client_conn *c, SSL_CTX *tls, struct err *e)
{
	c->ssl = SSL_new(tls);
	if (c->ssl == NULL || SSL_set_fd(c->ssl, c->fd) != 1)
		return err_openssl(e, ERR_INTERNAL, "TLS");
	SSL_set_connect_state(c->ssl);
	return true;
}

bool
client_open(struct client_conn *c, uint16_t port, SSL_CTX *tls, int epoll_fd,
    struct err *e)
{
	struct sockaddr_in to = { .sin_family = AF_INET,
		.sin_port = htons(port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct epoll_event on = { .events = EPOLLIN | EPOLLOUT | EPOLLET,
		.data.ptr = c };
	int one = 1;

	if (c->in == NULL)
		c->in = buf_new(ANSWER_MAX);
	c->shaken = tls == NULL;
	c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (c->fd < 0 ||
	    connect(c->fd, (struct sockaddr *)&to, sizeof(to)) != 0 ||
	    fcntl(c->fd, F_SETFL, O_NONBLOCK) != 0 ||
	    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)) !=
	        0 ||
	    epoll_ctl(epoll_fd, EPOLL_CTL_ADD, c->fd, &on) != 0)
		return err_errno(e, ERR_UNAVAILABLE, "port %d", (int)port);
	return tls == NULL || start_tls(c, tls, e);
}

void
client_close(struct client_conn *c)
{
	if (c->ssl != NULL && c->shaken)
		SSL_shutdown(c->ssl);
	ERR_clear_error();
	SSL_free(c->ssl);
	c->ssl = NULL;
	if (c->fd >= 0)
		close(c->fd);
	c->fd = -1;
}

void
client_send(struct client_conn *c, struct slice request)
{
	c->left = request;
	buf_reset(c->in);
}

/* What an operation of OpenSSL that did not succeed means. */
static enum client_state
tls_state(struct client_conn *c, int result)
{
	int why = SSL_get_error(c->ssl, result);

	ERR_clear_error();
	return why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE
	           ? CLIENT_WAIT
	           : CLIENT_FAILED;
}

static enum client_state
shake(struct client_conn *c)
{
	int n;

	if (c->shaken)
		return CLIENT_DONE;
	n = SSL_do_handshake(c->ssl);
	if (n != 1)
		return tls_state(c, n);
	c->shaken = true;
	return CLIENT_DONE;
}

static enum client_state
plain_state(void)
{
	return errno == EAGAIN || errno == EINTR ? CLIENT_WAIT : CLIENT_FAILED;
}

static enum client_state
send_rest(struct client_conn *c)
{
	while (c->left.len > 0) {
		ssize_t n;

		if (c->ssl != NULL)
			n = SSL_write(c->ssl, c->left.p, (int)c->left.len);
		else
			n = send(c->fd, c->left.p, c->left.len, MSG_NOSIGNAL);
		if (n <= 0)
			return c->ssl != NULL ? tls_state(c, (int)n)
			                      : plain_state();
		c->left = slice_of(c->left.p + n, c->left.len - (size_t)n);
	}
	return CLIENT_DONE;
}

/* Value of Content-Length in a header of so many bytes; -1 if there is none. */
static int64_t
body_length(const char *head, size_t len)
{
	static const char name[] = "\r\nContent-Length:";
	const char *end = head + len;
	int64_t n = 0;

	for (const char *p = head; (p = memchr(p, '\r', (size_t)(end - p)));
	     p++) {
		const char *from = p + strlen(name), *to;

		if (from >= end || strncasecmp(p, name, strlen(name)) != 0)
			continue;
		from += strspn(from, " ");
		to = from + strspn(from, "0123456789");
		if (slice_to_i64(
		        slice_of(from, (size_t)(to - from)), 0, ANSWER_MAX, &n))
			return n;
	}
	return -1;
}

/* Up to the empty chunk: with chunks an answer is whole when that came.  What
 * is looked for in it is never cut in two, since all of it is one chunk. */
static bool
chunked_body(struct slice in, struct slice *body)
{
	static const char last[] = "\r\n0\r\n\r\n";
	const size_t n = sizeof(last) - 1;

	*body = in;
	return in.len >= n && memcmp(in.p + in.len - n, last, n) == 0;
}

/* The body behind a header, as far as it came; false: there is more of it. */
static bool
find_body(const struct client_conn *c, size_t head, struct slice *body)
{
	const char *text = buf_str(c->in);
	struct slice in = slice_of(text + head, c->in->len - head);
	int64_t len = body_length(text, head);

	if (len < 0 && memmem(text, head, "chunked", 7) != NULL)
		return chunked_body(in, body);
	*body = slice_of(in.p, len < 0 ? 0 : (size_t)len);
	return in.len >= body->len;
}

/* True if the answer is whole. */
static bool
parse(const struct client_conn *c, struct client_answer *out)
{
	const char *text = buf_str(c->in);
	const char *end = memmem(text, c->in->len, "\r\n\r\n", 4);
	int64_t status = 0;

	if (end == NULL || c->in->len < sizeof("HTTP/1.1 200") - 1 ||
	    !find_body(c, (size_t)(end - text) + 4, &out->body))
		return false;
	if (!slice_to_i64(slice_of(text + 9, 3), 100, 599, &status))
		status = 0;
	out->status = (int)status;
	return true;
}

static enum client_state
receive(struct client_conn *c, struct client_answer *out)
{
	char bytes[READ_SIZE];

	for (;;) {
		ssize_t n;

		if (c->ssl != NULL)
			n = SSL_read(c->ssl, bytes, sizeof(bytes));
		else
			n = recv(c->fd, bytes, sizeof(bytes), 0);
		if (n == 0 && c->ssl == NULL)
			return CLIENT_FAILED;
		if (n <= 0)
			return c->ssl != NULL ? tls_state(c, (int)n)
			                      : plain_state();
		buf_add(c->in, bytes, (size_t)n);
		if (parse(c, out))
			return CLIENT_DONE;
	}
}

enum client_state
client_drive(struct client_conn *c, struct client_answer *out)
{
	enum client_state s = shake(c);

	if (s == CLIENT_DONE)
		s = send_rest(c);
	return s == CLIENT_DONE ? receive(c, out) : s;
}
