/* The settings of the server: one table, printed as help and docs. */
#pragma once

#include "core/settings.h"

extern const struct setting_row app_settings[];
extern const size_t app_settings_count;
