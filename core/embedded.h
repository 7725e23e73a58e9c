/* Files of the source tree that are built into the program. */
#pragma once

#include <stddef.h>

struct embedded {
	const char *name; /* NULL ends the table */
	const char *text; /* NUL-terminated */
	size_t len;
};

/* store/schema/, in the order of the numbers. */
extern const struct embedded store_schema[];
