/*
 * Scope-bound ownership, for GCC and Clang.
 *
 * A free function takes the address of the owner's pointer, accepts NULL in
 * it and leaves NULL behind.  That makes it fit for AUTO():
 *
 *	AUTO(buf_free) struct buf *body = NULL;
 *
 * TAKE(p) moves ownership out of p: it yields the pointer and leaves NULL.
 */
#pragma once

#include <stddef.h>

/* clang-format off */
#define AUTO(free_fn)	__attribute__((cleanup(free_fn)))
#define TAKE(p)		({ __typeof__(p) taken_ = (p); (p) = NULL; taken_; })
#define MUST_CHECK	__attribute__((warn_unused_result))
#define PRINTF(f, a)	__attribute__((format(printf, f, a)))
#define NOT_NULL	__attribute__((returns_nonnull))
#define COUNT(array)	(sizeof(array) / sizeof((array)[0]))
/* clang-format on */
