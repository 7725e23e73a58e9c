/*
 * One connection of the load generator: sends a request that is all there
 * already, reads the answer.  Never blocks but in connect() on loopback.
 * Belongs to one thread.
 */
#pragma once

#include <openssl/ssl.h>

#include "bench_load.h"

struct client_conn {
	int fd;   /* -1: closed */
	SSL *ssl; /* NULL: plain */
	bool shaken;
	struct slice left; /* of the request, to be sent */
	struct buf *in;    /* the answer so far */
	void *owner;
};

enum client_state {
	CLIENT_WAIT, /* for the socket; edge-triggered events tell when */
	CLIENT_DONE, /* the answer is whole */
	CLIENT_FAILED
};

struct client_answer {
	int status;
	struct slice body;
};

/* Connects to a port of 127.0.0.1 and registers with the epoll descriptor; tls
 * NULL: plain. */
MUST_CHECK bool client_open(struct client_conn *c, uint16_t port, SSL_CTX *tls,
    int epoll_fd, struct err *e);
void client_close(struct client_conn *c);
/* What to send next; borrowed. */
void client_send(struct client_conn *c, struct slice request);
/* Goes as far as it can.  CLIENT_DONE fills out, borrowed until the next
 * client_send(). */
enum client_state client_drive(
    struct client_conn *c, struct client_answer *out);
