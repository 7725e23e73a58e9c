/*
 * A push on its way: one allocation that holds path, topic and payload ready
 * for the wire, and the lists it waits in.  Jobs belong to whoever holds the
 * list they are in.
 */
#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "apns/apns_client_priv.h"
#include "core/encode.h"

static const char path_start[] = "/3/device/";

void
apns_jobs_append(struct apns_jobs *l, struct apns_job *j)
{
	j->prev = l->tail;
	j->next = NULL;
	if (l->tail != NULL)
		l->tail->next = j;
	else
		l->head = j;
	l->tail = j;
	l->count++;
}

void
apns_jobs_prepend(struct apns_jobs *l, struct apns_job *j)
{
	j->prev = NULL;
	j->next = l->head;
	if (l->head != NULL)
		l->head->prev = j;
	else
		l->tail = j;
	l->head = j;
	l->count++;
}

void
apns_jobs_remove(struct apns_jobs *l, struct apns_job *j)
{
	assert(l->count > 0);
	if (j->prev != NULL)
		j->prev->next = j->next;
	else
		l->head = j->next;
	if (j->next != NULL)
		j->next->prev = j->prev;
	else
		l->tail = j->prev;
	j->prev = j->next = NULL;
	l->count--;
}

void
apns_jobs_move(struct apns_jobs *to, struct apns_jobs *from)
{
	if (from->head == NULL)
		return;
	from->head->prev = to->tail;
	if (to->tail != NULL)
		to->tail->next = from->head;
	else
		to->head = from->head;
	to->tail = from->tail;
	to->count += from->count;
	*from = (struct apns_jobs){ 0 };
}

/* Appends a JSON string (RFC 8259 section 7); out has room for 6 bytes a
 * character and the quotes. */
static char *
json_string(char *out, const char *s)
{
	*out++ = '"';
	for (; *s != '\0'; s++) {
		unsigned char c = (unsigned char)*s;

		if (c == '"' || c == '\\') {
			*out++ = '\\';
			*out++ = (char)c;
		} else if (c < 0x20) {
			out += snprintf(out, 7, "\\u%04x", c);
		} else {
			*out++ = (char)c;
		}
	}
	*out++ = '"';
	return out;
}

struct apns_job *
apns_job_new(const struct apns_push *p, int64_t now_ms)
{
	size_t topic_len = strlen(p->topic);
	size_t most = sizeof(path_start) + 2 * p->token.len + 1 + topic_len +
	              strlen("{\"mdm\":\"\"}") + 6 * strlen(p->magic) + 8;
	struct apns_job *j = mem_alloc(sizeof(*j) + most);
	char *at = j->text;

	*j = (struct apns_job){
		.since_ms = now_ms, .ref = p->ref, .urgent = p->urgent
	};
	str_copy_cut(j->id, sizeof(j->id), p->id);
	(void)snprintf(
	    j->expiration, sizeof(j->expiration), "%" PRId64, p->expiration_s);

	memcpy(at, path_start, sizeof(path_start) - 1);
	hex_to(at + sizeof(path_start) - 1, p->token.p, p->token.len);
	j->path = slice_of(at, sizeof(path_start) - 1 + 2 * p->token.len);
	at += j->path.len;

	memcpy(at, p->topic, topic_len);
	j->topic = slice_of(at, topic_len);
	at += topic_len;

	j->payload.p = (const uint8_t *)at;
	memcpy(at, "{\"mdm\":", 7);
	at = json_string(at + 7, p->magic);
	*at++ = '}';
	j->payload.len = (size_t)((const uint8_t *)at - j->payload.p);
	assert(at <= j->text + most);
	return j;
}
