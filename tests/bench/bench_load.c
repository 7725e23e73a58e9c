/* Load files.  See bench_load.h.  One thread. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "bench_load.h"
#include "core/file.h"

#define LOAD_MAX ((size_t)2 << 30)

struct load_file {
	FILE *file;
	char *path;
};

/* One before each step; the bytes follow. */
struct step_head {
	uint32_t steps; /* of its lane, this one and those behind it */
	uint32_t side, status, expect, has_len, request_len;
};

bool
load_create(const char *path, struct load_file **out, struct err *e)
{
	AUTO(load_file_free) struct load_file *f = mem_zalloc(1, sizeof(*f));

	f->path = str_dup(path);
	f->file = fopen(path, "wbe");
	if (f->file == NULL)
		return err_errno(e, ERR_UNAVAILABLE, "%s", path);
	*out = TAKE(f);
	return true;
}

static bool
put(struct load_file *f, const void *p, size_t len)
{
	return len == 0 || fwrite(p, len, 1, f->file) == 1;
}

bool
load_add(struct load_file *f, const struct load_lane *lane, struct err *e)
{
	for (size_t i = 0; i < lane->count; i++) {
		const struct load_step *s = &lane->steps[i];
		struct step_head head = { .steps = (uint32_t)(lane->count - i),
			.side = s->side,
			.status = (uint32_t)s->status,
			.expect = s->expect,
			.has_len = (uint32_t)s->has.len,
			.request_len = (uint32_t)s->request.len };

		if (!put(f, &head, sizeof(head)) ||
		    !put(f, s->has.p, s->has.len) ||
		    !put(f, s->request.p, s->request.len))
			return err_errno(e, ERR_UNAVAILABLE, "%s", f->path);
	}
	return true;
}

bool
load_finish(struct load_file **fp, struct err *e)
{
	AUTO(load_file_free) struct load_file *f = TAKE(*fp);

	if (fflush(f->file) != 0 || fsync(fileno(f->file)) != 0)
		return err_errno(e, ERR_UNAVAILABLE, "%s", f->path);
	return true;
}

void
load_file_free(struct load_file **fp)
{
	if (*fp == NULL)
		return;
	if ((*fp)->file != NULL)
		fclose((*fp)->file);
	str_free(&(*fp)->path);
	mem_free(fp);
}

/* Takes len bytes off the front of in. */
static bool
take(struct slice *in, size_t len, struct slice *out)
{
	if (in->len < len)
		return false;
	*out = slice_of(in->p, len);
	*in = slice_of(in->p + len, in->len - len);
	return true;
}

static bool
read_step(struct slice *in, struct load_step *out, size_t *left_out)
{
	struct step_head head;
	struct slice bytes;

	if (!take(in, sizeof(head), &bytes))
		return false;
	memcpy(&head, bytes.p, sizeof(head));
	if (head.side >= LOAD_SIDES || head.expect > LOAD_HAS)
		return false;
	out->side = head.side;
	out->status = (int)head.status;
	out->expect = head.expect;
	*left_out = head.steps;
	return take(in, head.has_len, &out->has) &&
	       take(in, head.request_len, &out->request);
}

static bool
read_lane(struct slice *in, struct load_lane *out)
{
	size_t left = 2;

	for (out->count = 0; left > 1; out->count++)
		if (out->count == LOAD_STEPS_MAX ||
		    !read_step(in, &out->steps[out->count], &left))
			return false;
	return left == 1;
}

bool
load_read(const char *path, struct load *out, struct err *e)
{
	AUTO(load_clear) struct load l = { 0 };
	struct slice rest;
	size_t room = 0;

	if (!file_read(path, LOAD_MAX, &l.bytes, e))
		return false;
	for (rest = buf_slice(l.bytes); rest.len > 0; l.count++) {
		if (l.count == room) {
			room = room * 2 + 1024;
			l.lanes = mem_realloc(l.lanes, room * sizeof(*l.lanes));
		}
		if (!read_lane(&rest, &l.lanes[l.count]))
			return err_set(
			    e, ERR_INVALID, "%s is not a load file", path);
	}
	if (l.count == 0)
		return err_set(e, ERR_INVALID, "%s is empty", path);
	*out = l;
	l = (struct load){ 0 };
	return true;
}

void
load_clear(struct load *l)
{
	buf_free(&l->bytes);
	mem_free(&l->lanes);
}
