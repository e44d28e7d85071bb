/* Texts in CSV (RFC 4180), for people and their spreadsheets. */
#ifndef SR_UTIL_CSV_H
#define SR_UTIL_CSV_H

#include "util/buf.h"

/** sr_csv_text(out, text, len): a field, always within quotes. One that a spreadsheet would take for a formula (it
 *  begins with = + - @, a tab or a line break) stands behind an apostrophe. */
void sr_csv_text(struct sr_buf *out, const char *text, size_t len);

#endif
