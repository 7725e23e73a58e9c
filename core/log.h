/*
 * Log lines: "time level event key=value ..." on standard error or in a file,
 * one line an event, values quoted when they need it and control characters
 * escaped.  Device strings are hostile: they pass only as values.  Secrets
 * never pass.  Any thread may log; a line is written by one write().
 */
#pragma once

#include <stdint.h>

#include "core/err.h"

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR };

void log_set_level(enum log_level min);
/* From here on lines are appended to the file, made with mode 0600 if it is
 * not there; called again, also with the same path after a rotation, they go
 * over to the new one.  On failure they go where they went.  One thread at a
 * time may call it, while others log. */
MUST_CHECK bool log_to_file(const char *path, struct err *e);
enum { LOG_REQUEST_SIZE = 48 };
/* Id put into every line of this thread as req=...; NULL takes it away. */
void log_set_request(const char *id);
/* That of this thread, or "". */
const char *log_request_id(void);

/*
 * Pairs of key and value follow, all const char *, ended by NULL; a pair with
 * a NULL value is left out.
 *
 *	log_event(LOG_INFO, "enrolled", "udid", udid, "serial", serial, NULL);
 */
void log_event(enum log_level level, const char *event, ...)
    __attribute__((sentinel));

/* A number as text, for use in log_event() arguments within one statement. */
struct log_num {
	char text[24];
};
struct log_num log_num(int64_t n);
#define LOG_NUM(n) (log_num(n).text)
