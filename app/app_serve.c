/* mutsu serve: the server in the foreground.  Main thread. */
#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>

#include "app/app_cli.h"
#include "app/app_server.h"
#include "app/app_settings.h"
#include "core/log.h"

enum { HEAPS = 4 };

enum { DESCRIPTORS = 32768 };

static const struct app_option serve_options[] = {
	{ "config", "FILE", "settings file (DATA/mutsu.conf)" },
	{ NULL, NULL, NULL },
};

static bool
set_log_level(const char *name, struct err *e)
{
	static const char *const names[] = { "debug", "info", "warn", "error" };

	for (size_t i = 0; i < COUNT(names); i++)
		if (str_eq(names[i], name)) {
			log_set_level((enum log_level)i);
			return true;
		}
	return err_set(e, ERR_INVALID,
	    "log-level: \"%s\" is none of debug, info, warn, error", name);
}

/* A start that fails says so on standard error all the same. */
static bool
open_log(const struct settings *s, struct err *e)
{
	const char *path = settings_str(s, "log-file");

	return path == NULL || log_to_file(path, e) || err_wrap(e, "log-file");
}

static void
reload(struct app_server *server, const struct settings *s)
{
	struct err e = { 0 };

	if (!open_log(s, &e))
		log_event(LOG_ERROR, "log_file_kept", "why", e.text, NULL);
	app_server_reload(server);
}

/* Every thread made from here on leaves the signals to sigwait() below. */
static void
block_signals(sigset_t *set)
{
	sigemptyset(set);
	sigaddset(set, SIGINT);
	sigaddset(set, SIGTERM);
	sigaddset(set, SIGHUP);
	pthread_sigmask(SIG_BLOCK, set, NULL);
	signal(SIGPIPE, SIG_IGN);
}

/* The C library gives each of the workers a heap of its own otherwise, and
 * keeps what any of them ever held. */
static void
share_heaps(void)
{
	mallopt(M_ARENA_MAX, HEAPS);
}

/* One descriptor for each connected Mac: shells and systemd allow more than
 * the 1,024 that a process begins with.  What is refused here only means fewer
 * connections. */
static void
raise_descriptors(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) != 0 ||
	    limit.rlim_cur >= DESCRIPTORS)
		return;
	limit.rlim_cur =
	    limit.rlim_max < DESCRIPTORS ? limit.rlim_max : DESCRIPTORS;
	(void)setrlimit(RLIMIT_NOFILE, &limit);
}

/* Before the first key is in it.  Builds with checks are for whoever looks
 * into them. */
static bool
close_memory(const struct settings *s, struct err *e)
{
#ifdef MUTSU_CHECKS
	(void)s, (void)e;
	return true;
#else
	return settings_bool(s, "core-dumps") || mem_keep_private(e);
#endif
}

static int
serve(const struct app_args *a)
{
	AUTO(settings_free)
	struct settings *s = settings_new(app_settings, app_settings_count);
	AUTO(app_server_stop) struct app_server *server = NULL;
	struct err e = { 0 };
	sigset_t signals;
	int sig = 0;

	if (!app_settings_load(s, a, &e) || !app_settings_check(s, &e) ||
	    !set_log_level(settings_str(s, "log-level"), &e) ||
	    !open_log(s, &e) || !close_memory(s, &e)) {
		fprintf(stderr, "mutsu: %s\n", e.text);
		return APP_USAGE;
	}
	share_heaps();
	block_signals(&signals);
	raise_descriptors();
	if (!app_server_start(s, &server, &e)) {
		fprintf(stderr, "mutsu: %s\n", e.text);
		return APP_FAILED;
	}
	printf("Enrolment URL  %s/enroll\nAdmin side     %s\n"
	       "Ctrl-C stops.\n",
	    app_server_url(server), app_server_admin_url(server));
	fflush(stdout);
	while (sigwait(&signals, &sig) == 0 && sig == SIGHUP)
		reload(server, s);
	log_event(LOG_INFO, "stopping", NULL);
	return APP_OK;
}

const struct app_subcommand app_serve_commands[] = {
	{ NULL, "serve", "", 0, 0, serve_options, "run the server", serve,
	    true },
	{ 0 },
};
