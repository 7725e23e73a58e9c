/*
 * The settings of pushing, and its start.  Called by the thread that starts
 * the server.
 */
#include <string.h>

#include "app/app_server_priv.h"
#include "app/app_settings.h"
#include "core/clock.h"

static void
split_hosts(struct app_server *s)
{
	char *p;
	size_t n = 0;

	s->host_text =
	    str_dup(s->trial != NULL ? app_trial_apns(s->trial)
	                             : settings_str(s->settings, "apns-hosts"));
	for (p = s->host_text; *p != '\0' && n < APP_HOSTS_MAX;) {
		size_t len = strcspn(p, ", ");

		if (len != 0)
			s->hosts[n++] = p;
		p += len;
		if (*p != '\0')
			*p++ = '\0';
	}
}

/* On the scheduler's thread. */
static void
will_come(const char *enrollment_id, void *arg)
{
	struct app_server *s = arg;

	mdm_service_expect(s->mdm, enrollment_id);
}

bool
app_server_start_push(struct app_server *s, struct err *e)
{
	const struct settings *set = s->settings;
	AUTO(str_wipe) char *credentials = NULL;
	struct apns_scheduler_options o = { .store = s->store,
		.seal = s->seal,
		.by = store_node_id(s->node),
		.hosts = s->hosts,
		.per_s = settings_int(set, "apns-per-second"),
		.on_push = will_come,
		.on_push_arg = s,
		.expiration_s =
		    settings_int(set, "apns-expiration-days") * MS_DAY / MS_S };

	split_hosts(s);
	if (s->trial != NULL) {
		o.ca_file = app_trial_apns_ca(s->trial);
		return apns_scheduler_new(&o, &s->scheduler, e);
	}
	if (!app_settings_proxy_credentials(set, &credentials, e))
		return false;
	o.ca_file = settings_str(set, "apns-ca");
	o.proxy = settings_str(set, "apns-proxy");
	o.proxy_credentials = credentials;
	return apns_scheduler_new(&o, &s->scheduler, e);
}
