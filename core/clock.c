/*
 * Time.  The one piece of state is the offset that tests may set: an atomic,
 * 0 in a server.  Any thread may call.
 */
#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "core/clock.h"
#include "core/str.h"

static _Atomic int64_t offset_ms;

/* First and last moment that four digits of a year can write. */
static const int64_t year_first_ms = INT64_C(-62167219200000);
static const int64_t year_last_ms = INT64_C(253402300799999);

struct civil {
	int year, month, day;
};

int64_t
clock_now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000 +
	       atomic_load_explicit(&offset_ms, memory_order_relaxed);
}

int64_t
clock_mono_ms(void)
{
	return clock_mono_us() / 1000;
}

int64_t
clock_mono_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

void
clock_set_offset_ms(int64_t ms)
{
	atomic_store_explicit(&offset_ms, ms, memory_order_relaxed);
}

void
clock_sleep_ms(int64_t ms)
{
	struct timespec until;

	if (ms <= 0)
		return;
	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += ms / 1000;
	until.tv_nsec += ms % 1000 * 1000000;
	if (until.tv_nsec >= 1000000000) {
		until.tv_sec++;
		until.tv_nsec -= 1000000000;
	}
	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL) ==
	       EINTR)
		continue;
}

/*
 * Days since 1970-01-01 to a date and back, in the Gregorian calendar.  Years
 * are counted from March, so that the leap day is the last of a year, and
 * from the year 0, so that nothing is negative in the range we write.
 */
enum { DAYS_400_YEARS = 146097, DAYS_0000_03_01 = 719468 };

static struct civil
civil_of(int64_t days)
{
	int64_t z = days + DAYS_0000_03_01;
	int64_t era = (z >= 0 ? z : z - (DAYS_400_YEARS - 1)) / DAYS_400_YEARS;
	int64_t doe = z - era * DAYS_400_YEARS;
	int64_t yoe =
	    (doe - doe / 1460 + doe / 36524 - doe / (DAYS_400_YEARS - 1)) / 365;
	int64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
	int64_t mp = (5 * doy + 2) / 153;
	int64_t month = mp < 10 ? mp + 3 : mp - 9;

	return (struct civil){
		.year = (int)(yoe + era * 400 + (month <= 2)),
		.month = (int)month,
		.day = (int)(doy - (153 * mp + 2) / 5 + 1),
	};
}

static int64_t
days_of(struct civil c)
{
	int64_t y = c.year - (c.month <= 2);
	int64_t era = (y >= 0 ? y : y - 399) / 400;
	int64_t yoe = y - era * 400;
	int64_t doy =
	    (153 * (c.month > 2 ? c.month - 3 : c.month + 9) + 2) / 5 + c.day -
	    1;
	int64_t doe = yoe * 365 + yoe / 4 - yoe / 100 + doy;

	return era * DAYS_400_YEARS + doe - DAYS_0000_03_01;
}

/* width digits of n, most significant first. */
static char *
digits(char *at, int n, int width)
{
	for (int i = width; i-- > 0; n /= 10)
		at[i] = (char)('0' + n % 10);
	return at + width;
}

/* "2026-11-23T16:05:00"; returns the end, and the milliseconds left over. */
static char *
format_to_second(char *at, int64_t at_ms, int *ms_out)
{
	int64_t days, rest;
	struct civil c;

	if (at_ms < year_first_ms)
		at_ms = year_first_ms;
	if (at_ms > year_last_ms)
		at_ms = year_last_ms;
	days = at_ms / MS_DAY - (at_ms % MS_DAY < 0);
	rest = at_ms - days * MS_DAY;
	c = civil_of(days);
	at = digits(at, c.year, 4);
	*at++ = '-';
	at = digits(at, c.month, 2);
	*at++ = '-';
	at = digits(at, c.day, 2);
	*at++ = 'T';
	at = digits(at, (int)(rest / MS_H), 2);
	*at++ = ':';
	at = digits(at, (int)(rest % MS_H / MS_MIN), 2);
	*at++ = ':';
	at = digits(at, (int)(rest % MS_MIN / MS_S), 2);
	*ms_out = (int)(rest % MS_S);
	return at;
}

void
clock_format(char out[CLOCK_TEXT_SIZE], int64_t at_ms)
{
	int ms;
	char *at = format_to_second(out, at_ms, &ms);

	*at++ = '.';
	at = digits(at, ms, 3);
	*at++ = 'Z';
	*at = '\0';
}

void
clock_format_s(char out[CLOCK_TEXT_SIZE], int64_t at_ms)
{
	int ms;
	char *at = format_to_second(out, at_ms, &ms);

	*at++ = 'Z';
	*at = '\0';
}

/* True if s has the form of pattern, where '0' stands for any digit. */
static bool
looks_like(const char *s, const char *pattern)
{
	for (; *pattern != '\0'; s++, pattern++) {
		bool digit = *s >= '0' && *s <= '9';

		if (*pattern == '0' ? !digit : *s != *pattern)
			return false;
	}
	return true;
}

static int
number(const char *s, int width)
{
	int n = 0;

	while (width-- > 0)
		n = n * 10 + (*s++ - '0');
	return n;
}

/* ".123456Z" or "Z" to milliseconds; -1 if it is something else. */
static int
fraction_ms(const char *s)
{
	int ms = 0, scale = 100;

	if (*s == '.') {
		if (!looks_like(++s, "0"))
			return -1;
		for (; looks_like(s, "0"); s++, scale /= 10)
			ms += (*s - '0') * scale;
	}
	return str_eq(s, "Z") ? ms : -1;
}

bool
clock_parse(const char *s, int64_t *out_ms, struct err *e)
{
	struct civil c, real;
	int hour, minute, second, ms;

	if (str_empty(s) || !looks_like(s, "0000-00-00T00:00:00") ||
	    (ms = fraction_ms(s + 19)) < 0)
		return err_set(e, ERR_INVALID,
		    "not a time of the form 2026-11-23T16:05:00Z");
	c.year = number(s, 4);
	c.month = number(s + 5, 2);
	c.day = number(s + 8, 2);
	hour = number(s + 11, 2);
	minute = number(s + 14, 2);
	second = number(s + 17, 2);
	/* A day that does not exist comes back as another. */
	real = civil_of(days_of(c));
	if (c.month < 1 || c.month > 12 || real.month != c.month ||
	    real.day != c.day || hour > 23 || minute > 59 || second > 59)
		return err_set(e, ERR_INVALID, "there is no such time");
	*out_ms = days_of(c) * MS_DAY + hour * MS_H + minute * MS_MIN +
	          second * MS_S + ms;
	return true;
}
