/* mutsu scep requests, approve, reject.  One thread. */
#include "app/app_cli.h"
#include "core/json.h"

/* A table cuts what is wide but for its last column, so the key, which is
 * always as wide, and the reason share that. */
#define KEY_TITLE                                                              \
	"KEY SHA-256                                                       "   \
	"WHY"

/* What is not in an answer as it is: for_people() puts it there. */
static const struct app_column columns[] = {
	{ "ID", "id" },
	{ "CN", "subject.cn" },
	{ "O", "subject.o" },
	{ "NAMES", "san" },
	{ "NOT CERTIFIED", "ignored" },
	{ "TEMPLATE", "template" },
	{ "FROM", "peer" },
	{ "KEY", "kind" },
	{ "STATE", "state" },
	{ "UPSTREAM", "upstream" },
	{ "EXPIRES", "expires_at" },
	{ KEY_TITLE, "last" },
	{ NULL, NULL },
};

static const struct app_column fields[] = {
	{ "CN", "subject.cn" },
	{ "O", "subject.o" },
	{ "OU", "subject.ou" },
	{ "UID", "subject.uid" },
	{ "Names", "san" },
	{ "Not certified", "ignored" },
	{ "Key", "kind" },
	{ "Key SHA-256", "key" },
	{ "From", "peer" },
	{ "Template", "template" },
	{ "State", "state" },
	{ "Why", "reason" },
	{ "Decided by", "decided_by" },
	{ "Upstream", "upstream" },
	{ "Failed tries", "tries" },
	{ "Polls", "polls" },
	{ "Next try", "next_at" },
	{ "Transaction", "transaction" },
	{ "Created", "created_at" },
	{ "Expires", "expires_at" },
	{ "Certificate", "certificate" },
	{ NULL, NULL },
};

static const struct app_option list_options[] = {
	{ "state", "STATE",
	    "pending, queued, issued, rejected, expired "
	    "or failed" },
	{ NULL, NULL, NULL },
};

static const struct app_option reject_options[] = {
	{ "reason", "TEXT", "for the record" },
	{ NULL, NULL, NULL },
};

/* Adds what the tables show; with --json an answer stays as it is. */
static void
for_people(const struct app_args *a, json_t *request)
{
	AUTO(str_free) char *kind = NULL, *last = NULL;
	char bits[32], scratch[32];

	if (a->json)
		return;
	app_join(request, "san");
	app_join(request, "ignored");
	kind = str_printf("%s %s",
	    app_value(request, "key_type", scratch, sizeof(scratch)),
	    app_value(request, "key_bits", bits, sizeof(bits)));
	json_put_str(request, "kind", kind);
	last = str_printf("%-64s  %s",
	    app_value(request, "key", scratch, sizeof(scratch)),
	    app_value(request, "reason", scratch, sizeof(scratch)));
	json_put_str(request, "last", last);
}

static int
list(const struct app_args *a)
{
	AUTO(json_free) json_t *rows = json_array();
	AUTO(str_free)
	char *state =
	    app_escape(app_arg(a, "state") ? app_arg(a, "state") : "");
	AUTO(str_free)
	char *path =
	    str_printf("/api/v1/scep-requests?limit=500&state=%s", state);
	int code = app_call_list(a, path, "scep_requests", rows);

	for (size_t i = 0; i < json_array_size(rows); i++)
		for_people(a, json_array_get(rows, i));
	if (code == APP_OK)
		app_print_list(a, rows, columns, "No SCEP requests.");
	return code;
}

static void
print_request(const struct app_args *a, json_t *request)
{
	for_people(a, request);
	app_print_one(a, request, fields);
}

static int
show(const struct app_args *a)
{
	AUTO(str_free) char *id = app_escape(a->words[0]);
	AUTO(str_free) char *path = str_printf("/api/v1/scep-requests/%s", id);
	AUTO(json_free) json_t *request = NULL;
	int code = app_call(
	    a, &(struct app_call){ .method = "GET", .path = path }, &request);

	if (code == APP_OK)
		print_request(a, request);
	return code;
}

static int
decide(const struct app_args *a, const char *verb, json_t *body)
{
	AUTO(str_free) char *id = app_escape(a->words[0]);
	AUTO(str_free)
	char *path = str_printf("/api/v1/scep-requests/%s/%s", id, verb);
	AUTO(json_free) json_t *request = NULL;
	int code = app_call(a,
	    &(struct app_call){ .method = "POST", .path = path, .body = body },
	    &request);

	if (code == APP_OK)
		print_request(a, request);
	return code;
}

static int
approve(const struct app_args *a)
{
	int code = decide(a, "approve", NULL);

	if (code == APP_OK)
		app_say(a, "The client gets it when it polls.");
	return code;
}

static int
reject(const struct app_args *a)
{
	AUTO(json_free) json_t *body = json_object();

	if (app_arg(a, "reason") != NULL)
		json_put_str(body, "reason", app_arg(a, "reason"));
	return decide(a, "reject", body);
}

const struct app_subcommand app_scep_request_commands[] = {
	{ "scep", "requests", "", 0, 0, list_options,
	    "SCEP requests that wait for approval or an upstream, or did", list,
	    false },
	{ "scep", "request", "ID", 1, 1, NULL, "all about one of them", show,
	    false },
	{ "scep", "approve", "ID", 1, 1, NULL,
	    "issue what a SCEP request asks for", approve, false },
	{ "scep", "reject", "ID", 1, 1, reject_options, "refuse a SCEP request",
	    reject, false },
	{ 0 },
};
