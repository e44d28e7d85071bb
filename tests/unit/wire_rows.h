/* A sample of every call for the tests of the wire: as a call, and as the question that a client puts of it. Each
 * buffer is a block of its own size, so that a sanitizer sees who reads or writes beyond it; without one a canary
 * stands there.
 */
#ifndef SR_TESTS_WIRE_ROWS_H
#define SR_TESTS_WIRE_ROWS_H

#include "pkcs11/calls.h"
#include "util/buf.h"

/** sr_row_has(id): the row goes to a client context or a session. */
bool sr_row_has(unsigned id);

/** sr_row_nulls(nulls): bit N: the Nth pointer of the samples from now on is NULL. */
void sr_row_nulls(unsigned nulls);

/** sr_row_call(id, calls, client, session): the sample, made by CALLS.
 *  sr_row_ask(id, out): its arguments as a client sends them, behind the number, the session and the offer.
 *  sr_row_end(): frees what the samples of both are in; false: something was written behind one.
 *  sr_row_sum(): a hash of what is in them now, structures with pointers left out. */
CK_RV sr_row_call(unsigned id, const struct sr_calls *calls, struct sr_client *client, CK_SESSION_HANDLE session);
void sr_row_ask(unsigned id, struct sr_buf *out);
bool sr_row_end(void);
uint64_t sr_row_sum(void);

/** sr_row_request(id, session, out): the whole question, with no offer. */
void sr_row_request(unsigned id, CK_SESSION_HANDLE session, struct sr_buf *out);

#endif
