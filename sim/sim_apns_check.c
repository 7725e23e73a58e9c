/*
 * What Apple checks of a push, and the rules that tell the simulator to
 * answer otherwise.  Belongs to the simulator's thread; rules and counts of
 * reasons are under the simulator's lock.
 */
#include <stdio.h>
#include <string.h>

#include "core/encode.h"
#include "sim/sim_apns_priv.h"

static const char path_start[] = "/3/device/";

static bool
is_hex(struct slice s)
{
	for (size_t i = 0; i < s.len; i++) {
		uint8_t c = s.p[i] | 0x20;

		if (!(s.p[i] >= '0' && s.p[i] <= '9') &&
		    !(c >= 'a' && c <= 'f'))
			return false;
	}
	return true;
}

/* A token of another form than hex stays empty, and is refused later. */
static void
take_path(struct sim_apns_request *r, struct slice path)
{
	size_t start = sizeof(path_start) - 1;
	struct slice hex;

	if (path.len < start || memcmp(path.p, path_start, start) != 0)
		return;
	r->path_ok = true;
	hex = slice_of(path.p + start, path.len - start);
	r->token_len = SIZE_MAX;
	if (hex.len > SIM_APNS_TOKEN_HEX || hex.len % 2 != 0 || !is_hex(hex))
		return;
	for (size_t i = 0; i < hex.len; i++)
		r->token[i] =
		    (char)(hex.p[i] < 'A' ? hex.p[i] : (hex.p[i] | 0x20));
	r->token[hex.len] = '\0';
	r->token_len = hex.len;
}

static void
take_topic(struct sim_apns_request *r, struct slice topic)
{
	const char *wanted = r->connection->topic;

	if (r->connection->sim->any_client)
		r->topic_ok = topic.len > 0;
	else
		r->topic_ok = slice_eq_str(topic, wanted);
}

static bool
is_number(struct slice s)
{
	int64_t n;

	/* nghttp2 ends values with a NUL. */
	return s.len > 0 && str_to_i64((const char *)s.p, 0, INT64_MAX, &n);
}

static void
take_id(struct sim_apns_request *r, struct slice id)
{
	r->id_ok = id.len == UUID_SIZE - 1 && uuid_valid((const char *)id.p);
	if (r->id_ok)
		memcpy(r->id, id.p, UUID_SIZE);
}

static enum sim_apns_field
field_of(struct slice name)
{
	static const struct {
		const char *name;
		enum sim_apns_field field;
	} fields[] = {
		{ ":method", SIM_F_METHOD },
		{ ":path", SIM_F_PATH },
		{ "apns-topic", SIM_F_TOPIC },
		{ "apns-push-type", SIM_F_TYPE },
		{ "apns-id", SIM_F_ID },
		{ "apns-expiration", SIM_F_EXPIRATION },
		{ "apns-priority", SIM_F_PRIORITY },
	};

	for (size_t i = 0; i < COUNT(fields); i++) {
		if (slice_eq_str(name, fields[i].name))
			return fields[i].field;
	}
	return 0;
}

void
sim_apns_check_field(
    struct sim_apns_request *r, struct slice name, struct slice value)
{
	enum sim_apns_field f = field_of(name);

	if ((r->fields & f) != 0)
		r->fields |= SIM_F_DUPLICATE;
	r->fields |= f;
	if (f == SIM_F_METHOD)
		r->method_ok = slice_eq_str(value, "POST");
	else if (f == SIM_F_PATH)
		take_path(r, value);
	else if (f == SIM_F_TOPIC)
		take_topic(r, value);
	else if (f == SIM_F_TYPE)
		r->type_ok = slice_eq_str(value, "mdm");
	else if (f == SIM_F_ID)
		take_id(r, value);
	else if (f == SIM_F_EXPIRATION)
		r->expiration_ok = is_number(value);
	else if (f == SIM_F_PRIORITY)
		r->priority_ok = slice_eq_str(value, "10") ||
		                 slice_eq_str(value, "5") ||
		                 slice_eq_str(value, "1");
}

static const char *
skip_space(const char *p)
{
	while (*p == ' ' || *p == '\t' || *p == '\n' || *p == '\r')
		p++;
	return p;
}

/* Past a JSON string that is not empty (RFC 8259 section 7), or NULL. */
static const char *
skip_string(const char *p)
{
	const char *start;

	if (*p++ != '"')
		return NULL;
	for (start = p; *p != '"'; p++) {
		if ((unsigned char)*p < 0x20)
			return NULL;
		if (*p != '\\')
			continue;
		p++;
		if (*p == 'u') {
			if (memchr(p, '\0', 5) != NULL ||
			    !is_hex(slice_of(p + 1, 4)))
				return NULL;
			p += 4;
		} else if (*p == '\0' || strchr("\"\\/bfnrt", *p) == NULL) {
			return NULL;
		}
	}
	return p > start ? p + 1 : NULL;
}

/* Exactly {"mdm": "..."}: any other key would show a bug of the sender. */
static bool
is_mdm_payload(const char *p)
{
	p = skip_space(p);
	if (*p++ != '{')
		return false;
	p = skip_space(p);
	if (strncmp(p, "\"mdm\"", 5) != 0)
		return false;
	p = skip_space(p + 5);
	if (*p++ != ':')
		return false;
	p = skip_string(skip_space(p));
	if (p == NULL)
		return false;
	p = skip_space(p);
	return *p == '}' && *skip_space(p + 1) == '\0';
}

struct verdict {
	int status;
	const char *reason;
};

static struct verdict
check(const struct sim_apns_request *r)
{
	struct slice body = slice_of(r->payload, r->payload_len);

	if (!r->method_ok)
		return (struct verdict){ 405, "MethodNotAllowed" };
	if (!r->path_ok)
		return (struct verdict){ 404, "BadPath" };
	if ((r->fields & SIM_F_DUPLICATE) != 0)
		return (struct verdict){ 400, "DuplicateHeaders" };
	if ((r->fields & SIM_F_TOPIC) == 0)
		return (struct verdict){ 400, "MissingTopic" };
	if (!r->topic_ok)
		return (struct verdict){ 400, "TopicDisallowed" };
	if (!r->type_ok)
		return (struct verdict){ 400, "InvalidPushType" };
	if ((r->fields & SIM_F_ID) != 0 && !r->id_ok)
		return (struct verdict){ 400, "BadMessageId" };
	if ((r->fields & SIM_F_EXPIRATION) != 0 && !r->expiration_ok)
		return (struct verdict){ 400, "BadExpirationDate" };
	if ((r->fields & SIM_F_PRIORITY) != 0 && !r->priority_ok)
		return (struct verdict){ 400, "BadPriority" };
	if (r->token_len == 0)
		return (struct verdict){ 400, "MissingDeviceToken" };
	if (r->token_len > SIM_APNS_TOKEN_HEX)
		return (struct verdict){ 400, "BadDeviceToken" };
	if (r->too_large)
		return (struct verdict){ 413, "PayloadTooLarge" };
	if (r->payload_len == 0)
		return (struct verdict){ 400, "PayloadEmpty" };
	/* Apple names no reason for a payload that is not MDM's. */
	if (memchr(body.p, '\0', body.len) != NULL ||
	    !is_mdm_payload(r->payload))
		return (struct verdict){ 400, "BadPayload" };
	return (struct verdict){ 200, NULL };
}

void
sim_apns_count_reason(struct sim_apns *s, const char *reason)
{
	pthread_mutex_lock(&s->lock);
	for (size_t i = 0; i < SIM_APNS_REASONS; i++) {
		struct sim_apns_reason *r = &s->reasons[i];

		if (r->count == 0)
			str_copy_cut(r->name, sizeof(r->name), reason);
		if (!str_eq(r->name, reason))
			continue;
		r->count++;
		break;
	}
	pthread_mutex_unlock(&s->lock);
}

static void
answer_json(
    struct sim_apns_request *r, const char *reason, int64_t timestamp_ms)
{
	int n;

	if (timestamp_ms != 0)
		n = snprintf(r->answer, sizeof(r->answer),
		    "{\"reason\":\"%s\",\"timestamp\":%lld}", reason,
		    (long long)timestamp_ms);
	else
		n = snprintf(r->answer, sizeof(r->answer),
		    "{\"reason\":\"%s\"}", reason);
	r->answer_len = n > 0 ? (size_t)n : 0;
}

static struct sim_apns_rule_state *
match(struct sim_apns *s, const char *token)
{
	struct sim_apns_rule_state *state;

	for (state = s->rules; state != NULL; state = state->next) {
		const struct sim_apns_rule *rule = &state->rule;

		if (!str_starts(token, state->token) ||
		    (rule->count != 0 && state->used >= rule->count))
			continue;
		if (state->seen++ < rule->skip)
			continue;
		state->used++;
		return state;
	}
	return NULL;
}

/* Applies the rule for this token, if there is one. */
static void
apply_rules(struct sim_apns_request *r, struct sim_apns_rule *out)
{
	struct sim_apns *s = r->connection->sim;
	struct sim_apns_rule_state *state;

	pthread_mutex_lock(&s->lock);
	state = match(s, r->token);
	if (state != NULL) {
		*out = state->rule;
		r->action = out->action;
		r->status = out->status != 0 ? out->status : 200;
		r->retry_after_s = out->retry_after_s;
		if (state->reason[0] != '\0')
			answer_json(r, state->reason, out->timestamp_ms);
		if (state->body != NULL) {
			str_copy_cut(r->answer, sizeof(r->answer), state->body);
			r->answer_len = strlen(r->answer);
		}
	}
	pthread_mutex_unlock(&s->lock);
	if (state != NULL && out->reason != NULL && r->status != 200)
		sim_apns_count_reason(s, out->reason);
}

static void
change_settings(struct sim_apns_connection *k, uint32_t streams)
{
	const nghttp2_settings_entry entry = {
		NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, streams
	};

	(void)nghttp2_submit_settings(k->session, NGHTTP2_FLAG_NONE, &entry, 1);
}

static void
go_away(struct sim_apns_request *r, int32_t last_stream)
{
	struct sim_apns_connection *k = r->connection;
	int32_t before = r->stream > 2 ? r->stream - 2 : 0;

	(void)nghttp2_submit_goaway(k->session, NGHTTP2_FLAG_NONE,
	    last_stream != 0 ? last_stream : before, NGHTTP2_NO_ERROR,
	    (const uint8_t *)r->answer, r->answer_len);
}

void
sim_apns_decide(struct sim_apns_request *r)
{
	struct sim_apns_connection *k = r->connection;
	struct sim_apns_rule rule = { 0 };
	struct verdict v = check(r);

	atomic_fetch_add(&k->sim->pushes, 1);
	r->action = SIM_APNS_ANSWER;
	r->status = v.status;
	if (v.reason != NULL) {
		answer_json(r, v.reason, 0);
		sim_apns_count_reason(k->sim, v.reason);
		return;
	}
	if (!atomic_load_explicit(&k->sim->has_rules, memory_order_acquire))
		return;
	apply_rules(r, &rule);
	if (r->action == SIM_APNS_GOAWAY)
		go_away(r, rule.last_stream);
	else if (r->action == SIM_APNS_SETTINGS)
		change_settings(k, rule.streams);
}
