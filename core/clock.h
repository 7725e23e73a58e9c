/* Time.  Tests may replace the wall clock; monotonic time is always real. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "core/err.h"

#define MS_S INT64_C(1000)
#define MS_MIN (60 * MS_S)
#define MS_H (60 * MS_MIN)
#define MS_DAY (24 * MS_H)

/* Unix time in milliseconds. */
int64_t clock_now_ms(void);
/* For durations and deadlines; not comparable with clock_now_ms(). */
int64_t clock_mono_ms(void);
int64_t clock_mono_us(void);
/* Moves what clock_now_ms() returns by offset_ms; for tests. */
void clock_set_offset_ms(int64_t offset_ms);
void clock_sleep_ms(int64_t ms);

enum { CLOCK_TEXT_SIZE = 25 };
/* "2026-11-23T16:05:00.123Z" (RFC 3339). */
void clock_format(char out[CLOCK_TEXT_SIZE], int64_t at_ms);
/* "2026-11-23T16:05:00Z": the form plists use. */
void clock_format_s(char out[CLOCK_TEXT_SIZE], int64_t at_ms);
/* RFC 3339 in UTC ("Z"), with or without a fraction. */
MUST_CHECK bool clock_parse(const char *s, int64_t *out_ms, struct err *e);
