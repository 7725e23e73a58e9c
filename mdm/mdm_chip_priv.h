/* The table behind mdm_chip.c. */
#pragma once

#include <stddef.h>

#include "mdm/mdm_chip.h"

struct mdm_chip_model {
	const char *id;   /* "MacBookPro16,1" */
	const char *name; /* what Apple calls it in shops */
	enum mdm_chip chip;
};

extern const struct mdm_chip_model mdm_chip_models[];
extern const size_t mdm_chip_models_count;
