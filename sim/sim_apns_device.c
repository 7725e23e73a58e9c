/*
 * A simulated Mac's end of the device channel: a socket and the lines it
 * brings.  Belongs to the thread that uses it.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/clock.h"
#include "sim/sim_apns_device.h"

enum { IN_SIZE = 16 << 10, TOKEN_MAX = 256 };

struct sim_apns_device {
	int fd;
	size_t start, len; /* of what is in, unread */
	char in[IN_SIZE];
};

bool
sim_apns_device_connect(const char *address, uint16_t port,
    struct sim_apns_device **out, struct err *e)
{
	struct sockaddr_in a = { .sin_family = AF_INET,
		.sin_port = htons(port) };
	int fd;

	if (inet_pton(AF_INET, address, &a.sin_addr) != 1)
		return err_set(
		    e, ERR_INVALID, "device channel: address %s", address);
	fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return err_errno(e, ERR_UNAVAILABLE, "device channel");
	if (connect(fd, (struct sockaddr *)&a, sizeof(a)) != 0) {
		err_errno(e, ERR_UNAVAILABLE, "device channel");
		close(fd);
		return false;
	}
	*out = mem_zalloc(1, sizeof(**out));
	(*out)->fd = fd;
	return true;
}

void
sim_apns_device_free(struct sim_apns_device **device)
{
	struct sim_apns_device *d = TAKE(*device);

	if (d == NULL)
		return;
	close(d->fd);
	mem_free(&d);
}

int
sim_apns_device_fd(const struct sim_apns_device *d)
{
	return d->fd;
}

bool
sim_apns_device_hello(
    struct sim_apns_device *d, const char *token_hex, struct err *e)
{
	AUTO(buf_free) struct buf *line = buf_new(2 * TOKEN_MAX + 16);
	size_t sent = 0;

	buf_adds(line, "HELLO ");
	buf_adds(line, token_hex);
	buf_addc(line, '\n');
	if (!buf_ok(line, e))
		return false;
	while (sent < line->len) {
		ssize_t n =
		    send(d->fd, line->p + sent, line->len - sent, MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_errno(e, ERR_UNAVAILABLE, "device channel");
		sent += (size_t)n;
	}
	return true;
}

/* "PUSH <token> <payload>" without its line end. */
static bool
read_line(char *line, struct sim_apns_device_push *out, struct err *e)
{
	char *token = line + 5, *payload;

	if (!str_starts(line, "PUSH ") ||
	    (payload = strchr(token, ' ')) == NULL)
		return err_set(
		    e, ERR_INVALID, "device channel: not a push line");
	*payload++ = '\0';
	*out = (struct sim_apns_device_push){ token, payload };
	return true;
}

/* Waits for bytes; *more false: none in time. */
static bool
receive(
    struct sim_apns_device *d, int64_t timeout_ms, bool *more, struct err *e)
{
	struct pollfd p = { .fd = d->fd, .events = POLLIN };
	ssize_t n;
	int ready;

	memmove(d->in, d->in + d->start, d->len);
	d->start = 0;
	if (d->len == sizeof(d->in))
		return err_set(e, ERR_INVALID, "device channel: long line");
	ready = poll(&p, 1, timeout_ms < 0 ? 0 : (int)timeout_ms);
	*more = ready > 0;
	if (ready == 0 || (ready < 0 && errno == EINTR))
		return true;
	n = recv(d->fd, d->in + d->len, sizeof(d->in) - d->len, 0);
	if (n == 0)
		return err_set(e, ERR_UNAVAILABLE, "device channel: closed");
	if (n < 0)
		return err_errno(e, ERR_UNAVAILABLE, "device channel");
	d->len += (size_t)n;
	return true;
}

bool
sim_apns_device_next(struct sim_apns_device *d, int64_t timeout_ms,
    struct sim_apns_device_push *out, bool *got, struct err *e)
{
	int64_t end_ms = clock_mono_ms() + timeout_ms;

	for (;;) {
		char *line = d->in + d->start;
		char *end = memchr(line, '\n', d->len);
		bool more = false;

		if (end != NULL) {
			*end = '\0';
			d->start += (size_t)(end - line) + 1;
			d->len -= (size_t)(end - line) + 1;
			*got = true;
			return read_line(line, out, e);
		}
		if (!receive(d, end_ms - clock_mono_ms(), &more, e))
			return false;
		if (more || clock_mono_ms() < end_ms)
			continue;
		*got = false;
		return true;
	}
}
