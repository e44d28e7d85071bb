/* JSON values as CSV. */
#ifndef SR_CLI_CSV_H
#define SR_CLI_CSV_H

#include "util/buf.h"

#include <jansson.h>

/** sr_csv_field(out, first, value): VALUE as a field (util/csv.h), a comma before it unless it is the FIRST. Null is
 *  empty, an object is its JSON. */
void sr_csv_field(struct sr_buf *out, bool first, const json_t *value);

#endif
