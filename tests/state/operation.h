/* What operations in one part, in parts and in messages share. */
#ifndef SR_STATE_OPERATION_H
#define SR_STATE_OPERATION_H

#include "tests/state/state.h"

/** sr_result(op, kind, in, len, out): what OP makes of IN, by OpenSSL; how much. Of a signature by EC only the length.
 */
size_t sr_result(const struct op *op, enum kind kind, const CK_BYTE *in, size_t len, CK_BYTE *out);

#endif
