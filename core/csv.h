/*
 * CSV for spreadsheets (RFC 4180).  No state; any thread.
 */
#pragma once

#include "core/str.h"

/*
 * Appends one cell: quoted where it has to be.  Text that a spreadsheet would
 * take for a formula (it begins with = + - @, a tab or a line end) gets an
 * apostrophe before it, because much of it was told by devices.  What is not
 * UTF-8 becomes U+FFFD, and so does what would steer the terminal it is shown
 * on, line ends among it.  NULL: an empty cell.
 */
void csv_cell(struct buf *out, const char *text, bool last);
