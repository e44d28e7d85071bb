/* Another SoftHSM2 token beside the one that a test has: in the same directory of tokens, since a process has one
 * SoftHSM2 configuration. */
#ifndef SR_TESTS_SECOND_TOKEN_H
#define SR_TESTS_SECOND_TOKEN_H

#include "util/buf.h"

#include <stddef.h>

/** second_token_make(uri, label, pin_dir, made): beside the token of URI, whose module must be in use just now; the PIN
 * is in a file in PIN_DIR, which MADE names. */
void second_token_make(const char *uri, const char *label, const char *pin_dir, struct sr_buf *made);

/** second_token_objects(uri): how many token objects it has; its module must be in use just now. */
size_t second_token_objects(const char *uri);

#endif
