/*
 * Host names to addresses without blocking the client's thread: getaddrinfo()
 * runs in a thread of its own, afresh for each dial, since Apple moves its
 * names about.  A struct apns_resolve is shared by two: who asked and the
 * looking thread; the last of them frees it.
 */
#include <arpa/inet.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "apns/apns_client_priv.h"

struct apns_resolve {
	atomic_int holders;
	int fd; /* its counter publishes what follows */
	struct apns_host host;
	struct addrinfo *found;
	int failure; /* EAI_ */
};

static const struct addrinfo wanted = {
	.ai_family = AF_UNSPEC,
	.ai_socktype = SOCK_STREAM,
	.ai_protocol = IPPROTO_TCP,
};

bool
apns_host_parse(const char *text, struct apns_host *out, struct err *e)
{
	struct apns_host h = { 0 };
	struct in6_addr address;
	const char *name = text, *colon = strrchr(text, ':');
	size_t len;
	int64_t port;

	if (colon == NULL || !str_to_i64(colon + 1, 1, 65535, &port))
		return err_set(e, ERR_INVALID,
		    "APNs host \"%s\": \"host:port\" is wanted", text);
	len = (size_t)(colon - name);
	if (len > 2 && name[0] == '[' && name[len - 1] == ']') {
		name++;
		len -= 2;
	}
	if (len == 0 || len >= sizeof(h.name))
		return err_set(e, ERR_INVALID,
		    "APNs host \"%s\": \"host:port\" is wanted", text);
	memcpy(h.name, name, len);
	if (!str_copy(h.port, sizeof(h.port), colon + 1))
		return err_set(
		    e, ERR_INVALID, "APNs host \"%s\": bad port", text);
	h.literal = inet_pton(AF_INET, h.name, &address) == 1 ||
	            inet_pton(AF_INET6, h.name, &address) == 1;
	/* RFC 9113 8.3.1: without the scheme's own port. */
	len = port == 443 ? (size_t)(colon - text) : strlen(text);
	if (len >= sizeof(h.authority))
		return err_set(
		    e, ERR_INVALID, "APNs host \"%s\": too long", text);
	memcpy(h.authority, text, len);
	*out = h;
	return true;
}

static void
release(struct apns_resolve *r)
{
	if (atomic_fetch_sub(&r->holders, 1) != 1)
		return;
	if (r->found != NULL)
		freeaddrinfo(r->found);
	close(r->fd);
	mem_free(&r);
}

static void *
look_up(void *arg)
{
	struct apns_resolve *r = arg;
	struct addrinfo *found = NULL;
	uint64_t one = 1;

	r->failure = getaddrinfo(r->host.name, r->host.port, &wanted, &found);
	r->found = r->failure == 0 ? found : NULL;
	/* An eventfd with a zero counter takes any write. */
	if (write(r->fd, &one, sizeof(one)) != sizeof(one))
		r->failure = EAI_SYSTEM;
	release(r);
	return NULL;
}

bool
apns_resolve_start(
    const struct apns_host *h, struct apns_resolve **out, struct err *e)
{
	struct apns_resolve *r = mem_zalloc(1, sizeof(*r));
	pthread_attr_t attr;
	pthread_t thread;
	int failed;

	atomic_init(&r->holders, 2);
	r->host = *h;
	r->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (r->fd < 0) {
		mem_free(&r);
		return err_errno(e, ERR_UNAVAILABLE, "eventfd");
	}
	pthread_attr_init(&attr);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	failed = pthread_create(&thread, &attr, look_up, r);
	pthread_attr_destroy(&attr);
	if (failed != 0) {
		close(r->fd);
		mem_free(&r);
		return err_set(
		    e, ERR_UNAVAILABLE, "no thread to look up %s", h->name);
	}
	*out = r;
	return true;
}

int
apns_resolve_fd(const struct apns_resolve *r)
{
	return r->fd;
}

static bool
lookup_failed(const struct apns_host *h, int failure, struct err *e)
{
	return err_set(
	    e, ERR_UNAVAILABLE, "name %s: %s", h->name, gai_strerror(failure));
}

bool
apns_resolve_result(
    struct apns_resolve *r, struct addrinfo **out, struct err *e)
{
	uint64_t count;

	/* Orders the looking thread's writes before our reads. */
	if (read(r->fd, &count, sizeof(count)) != sizeof(count) ||
	    r->failure != 0 || r->found == NULL)
		return lookup_failed(
		    &r->host, r->failure != 0 ? r->failure : EAI_AGAIN, e);
	*out = TAKE(r->found);
	return true;
}

void
apns_resolve_free(struct apns_resolve **r)
{
	struct apns_resolve *old = TAKE(*r);

	if (old != NULL)
		release(old);
}

bool
apns_resolve_literal(
    const struct apns_host *h, struct addrinfo **out, struct err *e)
{
	struct addrinfo hints = wanted;
	int failure;

	hints.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV;
	failure = getaddrinfo(h->name, h->port, &hints, out);
	if (failure != 0)
		return lookup_failed(h, failure, e);
	return true;
}
