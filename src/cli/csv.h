/* CSV for people and their spreadsheets (RFC 4180). */
#ifndef SR_CLI_CSV_H
#define SR_CLI_CSV_H

#include "util/buf.h"

#include <jansson.h>

/** sr_csv_field(out, first, value): VALUE as a field, a comma before it unless it is the FIRST. A text that a
 * spreadsheet would take for a formula (it begins with = + - @, a tab or a line break) stands behind an apostrophe.
 * Null is empty, an object is its JSON. */
void sr_csv_field(struct sr_buf *out, bool first, const json_t *value);

#endif
