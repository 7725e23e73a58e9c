/* The system's random source.  These cannot fail: if it does, we stop. */
#pragma once

#include <stddef.h>
#include <stdint.h>

void random_bytes(void *out, size_t len);
/* Uniform in [0, bound), without modulo bias. */
uint32_t random_below(uint32_t bound);
/* len characters of [A-Za-z0-9] and a NUL: size is len + 1. */
void random_alnum(char *out, size_t len);
/* len digits and a NUL: size is len + 1. */
void random_digits(char *out, size_t len);
