/* The tables behind mdm_catalogue.c. */
#pragma once

#include "mdm/mdm_catalogue.h"

enum mdm_type {
	MDM_TYPE_STRING,
	MDM_TYPE_INTEGER,
	MDM_TYPE_BOOLEAN,
	MDM_TYPE_DATA,
	MDM_TYPE_DICT,
	MDM_TYPE_ARRAY,
	MDM_TYPE_ANY
};

struct mdm_key {
	const char *path; /* "Updates[].InstallAction"; NULL ends */
	enum mdm_type type;
	bool required;
	const char *allowed; /* "Low|High", or NULL */
};

struct mdm_catalogue_row {
	const char *name; /* NULL ends */
	enum mdm_danger danger;
	const struct mdm_key *keys; /* NULL: none */
};

extern const struct mdm_catalogue_row mdm_catalogue_a[]; /* A to L */
extern const struct mdm_catalogue_row mdm_catalogue_m[]; /* M to Z */
extern const char *const mdm_catalogue_all[];
