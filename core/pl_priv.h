/* Between the sources of pl.h only. */
#pragma once

#include "core/pl.h"

/*
 * Checks the whole text of an XML plist before libplist sees a byte of it, and
 * counts its values (dictionaries, arrays and scalars; not keys).  xml_out is
 * the text without a byte order mark.  Errors are those of pl_parse().
 */
MUST_CHECK bool pl_scan(
    struct slice xml, struct slice *xml_out, size_t *values_out, struct err *e);
