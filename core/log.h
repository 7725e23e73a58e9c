/*
 * Log lines: "time level event key=value ..." on standard error, one line an
 * event, values quoted when they need it and control characters escaped.
 * Device strings are hostile: they pass only as values.  Secrets never pass.
 * Any thread may log; a line is written by one write().
 */
#pragma once

#include <stdint.h>

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR };

void log_set_level(enum log_level min);
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
