/*
 * The APNs client: its one thread, the queue behind the connections, and the
 * answers.  apns_client_push() and the statistics may be called from any
 * thread; all else happens on the client's thread.
 */
#include <assert.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "apns/apns_client_priv.h"
#include "core/clock.h"
#include "core/encode.h"

enum { CONNECTIONS = 2, STREAMS = 1000, EVENTS_MAX = APNS_CONNECTIONS_MAX + 1 };

void
apns_client_finish(
    struct apns_client *c, struct apns_job *j, const struct apns_answer *a)
{
	if (a->outcome == APNS_ACCEPTED)
		atomic_fetch_add(&c->accepted, 1);
	else
		atomic_fetch_add(&c->failed, 1);
	atomic_fetch_sub(&c->pending, 1);
	c->answer(a, c->arg);
	buf_free(&j->body);
	mem_free(&j);
}

void
apns_client_give_up(struct apns_client *c, struct apns_job *j,
    enum apns_outcome outcome, const char *reason)
{
	struct apns_answer a = { .ref = j->ref, .outcome = outcome };

	str_copy_cut(a.id, sizeof(a.id), j->id);
	str_copy_cut(a.reason, sizeof(a.reason), reason);
	apns_client_finish(c, j, &a);
}

/* New certificates; they come before the pushes queued behind them. */
static void
take_identities(struct apns_client *c, struct apns_identity *list)
{
	while (list != NULL) {
		struct apns_identity *i = list;
		struct apns_set *s = c->sets;

		while (s != NULL && !str_eq(s->topic, i->topic))
			s = s->next;
		if (s != NULL)
			apns_set_replace(s, i->tls);
		else
			(void)apns_set_new(c, i->topic, i->tls);
		list = i->next;
		mem_free(&i);
	}
}

/* Each job to the connections of its topic. */
static void
sort_in(struct apns_client *c, struct apns_jobs *jobs)
{
	while (jobs->head != NULL) {
		struct apns_job *j = jobs->head;
		struct apns_set *s = apns_set_find(c, j->topic);

		apns_jobs_remove(jobs, j);
		if (s != NULL)
			apns_set_queue(s, j);
		else
			apns_client_give_up(c, j, APNS_OUR_FAULT,
			    "no certificate for the topic");
	}
}

/* Takes what other threads left; false: the client is to stop. */
static bool
take_incoming(struct apns_client *c)
{
	struct apns_identity *identities;
	struct apns_jobs jobs = { 0 };
	bool go_on;

	pthread_mutex_lock(&c->lock);
	apns_jobs_move(&jobs, &c->incoming);
	identities = TAKE(c->identities);
	c->identities_end = &c->identities;
	go_on = !c->stopping;
	pthread_mutex_unlock(&c->lock);
	take_identities(c, identities);
	sort_in(c, &jobs);
	return go_on;
}

/* They share the limit of pushes a second: each is the first one in turn. */
static void
rotate(struct apns_client *c)
{
	struct apns_set *first = c->sets, **at = &c->sets;

	if (first == NULL || first->next == NULL)
		return;
	while (*at != NULL)
		at = &(*at)->next;
	*at = first;
	c->sets = first->next;
	first->next = NULL;
}

/* Those for which something urgent waits come before the others. */
static void
work(struct apns_client *c)
{
	int64_t now_ms = clock_mono_ms();

	rotate(c);
	for (struct apns_set *s = c->sets; s != NULL; s = s->next) {
		s->served = s->urgent.head != NULL;
		if (s->served)
			apns_set_work(s, now_ms);
	}
	for (struct apns_set *s = c->sets; s != NULL; s = s->next)
		if (!s->served)
			apns_set_work(s, now_ms);
}

static int
wait_ms(const struct apns_client *c)
{
	int64_t next = INT64_MAX, at, left;

	for (const struct apns_set *s = c->sets; s != NULL; s = s->next) {
		at = apns_set_next_ms(s);
		next = at < next ? at : next;
	}
	if (next == INT64_MAX)
		return -1;
	left = next - clock_mono_ms();
	return left <= 0 ? 0 : left > MS_MIN ? (int)MS_MIN : (int)left;
}

static void
dispatch(struct apns_client *c, const struct epoll_event *ev)
{
	uint64_t count;

	if (ev->data.ptr != NULL) {
		apns_connection_event(ev->data.ptr);
		return;
	}
	if (read(c->wake, &count, sizeof(count)) != sizeof(count))
		return; /* somebody else's wake-up was counted already */
}

static void *
run(void *arg)
{
	struct apns_client *c = arg;
	struct epoll_event events[EVENTS_MAX];

	while (take_incoming(c)) {
		int n;

		work(c);
		n = epoll_wait(c->epoll, events, EVENTS_MAX, wait_ms(c));
		for (int i = 0; i < n; i++)
			dispatch(c, &events[i]);
	}
	/* Whatever is under way or waits is answered. */
	while (c->sets != NULL) {
		struct apns_set *s = c->sets;

		c->sets = s->next;
		apns_set_free(&s);
	}
	return NULL;
}

static bool
take_hosts(
    struct apns_client *c, const struct apns_client_options *o, struct err *e)
{
	for (; o->hosts[c->hosts_count] != NULL; c->hosts_count++) {
		if (c->hosts_count == APNS_HOSTS_MAX)
			return err_set(e, ERR_INVALID,
			    "more than %d APNs hosts", APNS_HOSTS_MAX);
		if (!apns_host_parse(
		        o->hosts[c->hosts_count], &c->hosts[c->hosts_count], e))
			return false;
	}
	return c->hosts_count > 0 || err_set(e, ERR_INVALID, "no APNs host");
}

/* RFC 7617, section 2: no control characters. */
static bool
take_proxy(
    struct apns_client *c, const struct apns_client_options *o, struct err *e)
{
	AUTO(buf_wipe) struct buf *text = buf_new(2 * APNS_CREDENTIALS_MAX);
	const char *user = o->proxy_credentials;

	if (o->proxy == NULL)
		return true;
	if (!apns_host_parse(o->proxy, &c->proxy, e))
		return err_wrap(e, "proxy");
	c->has_proxy = true;
	if (user == NULL)
		return true;
	for (const char *p = user; *p != '\0'; p++) {
		if ((unsigned char)*p < 0x20 || *p == 0x7f)
			return err_set(e, ERR_INVALID,
			    "credentials of the proxy: a control character");
	}
	if (strchr(user, ':') == NULL || strlen(user) > APNS_CREDENTIALS_MAX)
		return err_set(e, ERR_INVALID,
		    "credentials of the proxy: \"user:password\" is wanted");
	b64_encode(text, slice_str(user));
	c->proxy_auth =
	    str_printf("Basic %.*s", (int)text->len, (const char *)text->p);
	return true;
}

static void
take_limits(struct apns_client *c, const struct apns_client_options *o)
{
	c->connections_max =
	    o->connections_max > 0 ? (unsigned)o->connections_max : CONNECTIONS;
	if (c->connections_max > APNS_CONNECTIONS_MAX / 2)
		c->connections_max = APNS_CONNECTIONS_MAX / 2;
	c->streams_max = o->streams_max > 0 ? (size_t)o->streams_max : STREAMS;
	c->answer_ms = o->answer_ms > 0 ? o->answer_ms : 30 * MS_S;
	c->connect_ms = o->connect_ms > 0 ? o->connect_ms : 10 * MS_S;
	c->idle_ms = o->idle_ms > 0 ? o->idle_ms : MS_MIN;
	c->ping_ms = o->ping_ms > 0 ? o->ping_ms : 5 * MS_S;
	c->keep_alive_ms = o->keep_alive_ms > 0 ? o->keep_alive_ms : MS_H;
	c->per_s = o->per_s > 0 ? o->per_s : 0;
}

static bool
take_options(
    struct apns_client *c, const struct apns_client_options *o, struct err *e)
{
	SSL_CTX *tls = NULL;

	take_limits(c, o);
	if (!take_hosts(c, o, e) || !take_proxy(c, o, e) ||
	    !apns_tls_trust(o, &c->trust, e))
		return false;
	if (o->cert_pem == NULL)
		return true;
	if (!apns_tls_context(c->trust, o->cert_pem, o->key_pem, &tls, e))
		return false;
	(void)apns_set_new(c, "", tls);
	return true;
}

/* The thread takes no signals; a write to a closed socket is an error, not
 * SIGPIPE. */
static bool
start(struct apns_client *c, struct err *e)
{
	struct epoll_event ev = { .events = EPOLLIN };
	sigset_t all, before;
	int failed;

	c->epoll = epoll_create1(EPOLL_CLOEXEC);
	c->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (c->epoll < 0 || c->wake < 0 ||
	    epoll_ctl(c->epoll, EPOLL_CTL_ADD, c->wake, &ev) != 0)
		return err_errno(e, ERR_INTERNAL, "APNs client");
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	failed = pthread_create(&c->thread, NULL, run, c);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (failed != 0)
		return err_set(e, ERR_INTERNAL, "APNs client: no thread");
	return true;
}

static void
release(struct apns_client *c)
{
	/* Sets and certificates that no thread ever took. */
	take_identities(c, TAKE(c->identities));
	while (c->sets != NULL) {
		struct apns_set *s = c->sets;

		c->sets = s->next;
		apns_set_free(&s);
	}
	if (c->epoll >= 0)
		close(c->epoll);
	if (c->wake >= 0)
		close(c->wake);
	X509_STORE_free(c->trust);
	str_wipe(&c->proxy_auth);
	pthread_mutex_destroy(&c->lock);
	mem_free(&c);
}

bool
apns_client_new(const struct apns_client_options *o, apns_answer_fn answer,
    void *arg, struct apns_client **out, struct err *e)
{
	struct apns_client *c = mem_zalloc(1, sizeof(*c));

	pthread_mutex_init(&c->lock, NULL);
	c->epoll = c->wake = -1;
	c->identities_end = &c->identities;
	c->answer = answer;
	c->arg = arg;
	if (!take_options(c, o, e) || !start(c, e)) {
		release(c);
		return false;
	}
	*out = c;
	return true;
}

static void
wake_up(struct apns_client *c)
{
	uint64_t one = 1;

	/* Fails only when the counter is full: then it is awake. */
	if (write(c->wake, &one, sizeof(one)) < 0)
		return;
}

void
apns_client_free(struct apns_client **client)
{
	struct apns_client *c = TAKE(*client);

	if (c == NULL)
		return;
	pthread_mutex_lock(&c->lock);
	c->stopping = true;
	pthread_mutex_unlock(&c->lock);
	wake_up(c);
	pthread_join(c->thread, NULL);
	assert(atomic_load(&c->pending) == 0);
	release(c);
}

bool
apns_client_identity(struct apns_client *c, const char *topic,
    const char *cert_pem, const char *key_pem, struct err *e)
{
	struct apns_identity *i;
	SSL_CTX *tls = NULL;

	if (topic[0] == '\0' || strlen(topic) >= APNS_TOPIC_MAX)
		return err_set(e, ERR_INVALID, "push topic");
	if (!apns_tls_context(c->trust, cert_pem, key_pem, &tls, e))
		return false;
	i = mem_zalloc(1, sizeof(*i));
	i->tls = tls;
	str_copy_cut(i->topic, sizeof(i->topic), topic);
	pthread_mutex_lock(&c->lock);
	*c->identities_end = i;
	c->identities_end = &i->next;
	pthread_mutex_unlock(&c->lock);
	wake_up(c);
	return true;
}

void
apns_client_push(
    struct apns_client *c, const struct apns_push *pushes, size_t count)
{
	struct apns_jobs jobs = { 0 };
	int64_t now_ms = clock_mono_ms();
	bool asleep;

	if (count == 0)
		return;
	for (size_t i = 0; i < count; i++)
		apns_jobs_append(&jobs, apns_job_new(&pushes[i], now_ms));
	atomic_fetch_add(&c->pending, count);
	pthread_mutex_lock(&c->lock);
	asleep = c->incoming.head == NULL;
	apns_jobs_move(&c->incoming, &jobs);
	pthread_mutex_unlock(&c->lock);
	if (asleep)
		wake_up(c);
}

size_t
apns_client_pending(const struct apns_client *c)
{
	return atomic_load(&c->pending);
}

void
apns_client_stats(const struct apns_client *c, struct apns_client_stats *out)
{
	*out = (struct apns_client_stats){
		.connects = atomic_load(&c->connects),
		.accepted = atomic_load(&c->accepted),
		.failed = atomic_load(&c->failed),
		.goaways = atomic_load(&c->goaways),
		.connections = atomic_load(&c->open),
	};
}
