/*
 * Log lines.  The lowest level that is written and where lines go are atomics
 * of the process, the request id belongs to its thread.  Any thread may call.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/log.h"
#include "core/str.h"

/*
 * Up to 4 KB a write() to a pipe is not mixed with other writes (PIPE_BUF).
 * The last bytes are kept for the mark of a cut, a closing quote and the end
 * of the line.
 */
enum { LINE_MAX_SIZE = 4096, LINE_RESERVE = 8 };

struct line {
	char text[LINE_MAX_SIZE];
	size_t len;
	bool cut; /* something did not fit: nothing more is added */
};

static _Atomic int level_min = LOG_INFO;
static _Atomic int log_fd = STDERR_FILENO;
static _Thread_local char request_id[LOG_REQUEST_SIZE];

static const char *const level_names[] = {
	[LOG_DEBUG] = "debug",
	[LOG_INFO] = "info",
	[LOG_WARN] = "warn",
	[LOG_ERROR] = "error",
};

void
log_set_level(enum log_level min)
{
	atomic_store_explicit(&level_min, (int)min, memory_order_relaxed);
}

/* Without waiting for somebody to read a FIFO; what is written waits. */
static int
open_to_append(const char *path)
{
	int fd = open(path,
	    O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NONBLOCK,
	    0600);

	if (fd >= 0)
		fcntl(fd, F_SETFL, O_APPEND);
	return fd;
}

bool
log_to_file(const char *path, struct err *e)
{
	int fd = open_to_append(path);
	int now = atomic_load(&log_fd);

	if (fd < 0)
		return err_errno(e, ERR_UNAVAILABLE, "%s", path);
	if (now == STDERR_FILENO) {
		atomic_store(&log_fd, fd);
		return true;
	}
	/* The number stays: another thread may be about to write to it. */
	if (dup3(fd, now, O_CLOEXEC) < 0) {
		err_errno(e, ERR_UNAVAILABLE, "%s", path);
		close(fd);
		return false;
	}
	close(fd);
	return true;
}

const char *
log_request_id(void)
{
	return request_id;
}

void
log_set_request(const char *id)
{
	str_copy_cut(request_id, sizeof(request_id), id != NULL ? id : "");
}

static void
put(struct line *l, const void *p, size_t len)
{
	if (l->cut || len > sizeof(l->text) - LINE_RESERVE - l->len) {
		l->cut = true;
		return;
	}
	memcpy(l->text + l->len, p, len);
	l->len += len;
}

static void
put_str(struct line *l, const char *s)
{
	put(l, s, strlen(s));
}

/*
 * True for what may not reach a terminal or a log reader as it is: ASCII and
 * C1 controls (C2 80 to C2 9F), and bytes that are not UTF-8 (step is 0).
 */
static bool
is_unsafe(const uint8_t *p, size_t step)
{
	return step == 0 || p[0] < 0x20 || p[0] == 0x7f ||
	       (p[0] == 0xc2 && p[1] < 0xa0);
}

static bool
needs_quotes(struct slice s)
{
	if (s.len == 0)
		return true;
	while (s.len > 0) {
		size_t step = slice_utf8_step(s);

		if (is_unsafe(s.p, step) || *s.p == ' ' || *s.p == '"' ||
		    *s.p == '=' || *s.p == '\\')
			return true;
		s.p += step;
		s.len -= step;
	}
	return false;
}

static void
put_escaped(struct line *l, const uint8_t *p, size_t step)
{
	char hex[5];

	switch (*p) {
	case '\n':
		put_str(l, "\\n");
		return;
	case '\t':
		put_str(l, "\\t");
		return;
	case '"':
		put_str(l, "\\\"");
		return;
	case '\\':
		put_str(l, "\\\\");
		return;
	default:
		break;
	}
	if (!is_unsafe(p, step)) {
		put(l, p, step);
		return;
	}
	for (size_t i = 0; i < (step > 0 ? step : 1); i++) {
		snprintf(hex, sizeof(hex), "\\x%02X", p[i]);
		put_str(l, hex);
	}
}

static void
put_value(struct line *l, const char *value)
{
	struct slice s = slice_str(value);

	if (!needs_quotes(s)) {
		/* A long one is cut between characters all the same. */
		for (size_t step; s.len > 0 && !l->cut; s.len -= step) {
			step = slice_utf8_step(s);
			put(l, s.p, step);
			s.p += step;
		}
		return;
	}
	put_str(l, "\"");
	if (l->cut)
		return;
	while (s.len > 0 && !l->cut) {
		size_t step = slice_utf8_step(s);

		put_escaped(l, s.p, step);
		s.p += step > 0 ? step : 1;
		s.len -= step > 0 ? step : 1;
	}
	if (l->cut) {
		memcpy(l->text + l->len, "...", 3);
		l->len += 3;
	}
	l->text[l->len++] = '"';
}

static void
put_pair(struct line *l, const char *key, const char *value)
{
	put_str(l, " ");
	put_str(l, key);
	put_str(l, "=");
	if (!l->cut)
		put_value(l, value);
}

static void
write_line(struct line *l)
{
	ssize_t n;

	l->text[l->len++] = '\n';
	/* Nobody is left to tell when that is gone, or full. */
	do
		n = write(atomic_load(&log_fd), l->text, l->len);
	while (n < 0 && errno == EINTR);
}

void
log_event(enum log_level level, const char *event, ...)
{
	char now[CLOCK_TEXT_SIZE];
	const char *key, *value;
	struct line l;
	va_list ap;

	if ((int)level < atomic_load_explicit(&level_min, memory_order_relaxed))
		return;
	l.len = 0;
	l.cut = false;
	clock_format(now, clock_now_ms());
	put_str(&l, now);
	put_str(&l, " ");
	put_str(&l, level_names[level]);
	put_str(&l, " ");
	put_str(&l, event);
	if (request_id[0] != '\0')
		put_pair(&l, "req", request_id);
	va_start(ap, event);
	while ((key = va_arg(ap, const char *)) != NULL) {
		value = va_arg(ap, const char *);
		if (value != NULL)
			put_pair(&l, key, value);
	}
	va_end(ap);
	write_line(&l);
}

struct log_num
log_num(int64_t n)
{
	struct log_num out;

	snprintf(out.text, sizeof(out.text), "%lld", (long long)n);
	return out;
}
