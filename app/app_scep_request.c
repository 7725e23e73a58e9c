/* mutsu scep requests, approve, reject.  One thread. */
#include "app/app_cli.h"
#include "core/json.h"

static const struct app_column columns[] = {
	{ "ID", "id" },
	{ "CN", "subject.cn" },
	{ "O", "subject.o" },
	{ "TEMPLATE", "template" },
	{ "FROM", "peer" },
	{ "KEY", "key" },
	{ "STATE", "state" },
	{ "UPSTREAM", "upstream" },
	{ "EXPIRES", "expires_at" },
	{ "WHY", "reason" },
	{ NULL, NULL },
};

static const struct app_column fields[] = {
	{ "CN", "subject.cn" },
	{ "O", "subject.o" },
	{ "OU", "subject.ou" },
	{ "UID", "subject.uid" },
	{ "DNS", "subject.dns" },
	{ "Email", "subject.email" },
	{ "IP", "subject.ip" },
	{ "URI", "subject.uri" },
	{ "More names", "more" },
	{ "Key", "key" },
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

	if (code == APP_OK)
		app_print_list(a, rows, columns, "No SCEP requests.");
	return code;
}

/* For people, more alternative names are one line: "dns b.example, ip ::1". */
static void
print_request(const struct app_args *a, json_t *request)
{
	const json_t *more =
	    json_object_get(json_object_get(request, "subject"), "more");
	AUTO(buf_free) struct buf *line = buf_new(16 << 10);
	const char *kind;
	json_t *one, *name;
	size_t i;

	json_array_foreach(more, i, one)
	{
		json_object_foreach(one, kind, name)
		{
			buf_addf(line, "%s%s %s", i == 0 ? "" : ", ", kind,
			    json_is_string(name) ? json_string_value(name)
			                         : "");
		}
	}
	if (!a->json)
		json_put_str(request, "more", buf_str(line));
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
