/* What message-based encryption (message.c) and signing (message_sign.c) share. */
#ifndef SR_PKCS11_MESSAGE_H
#define SR_PKCS11_MESSAGE_H

#include "pkcs11/operation.h"

/** sr_message_idle(call, kind): a message operation is active, and no message in parts is open: CKR_OPERATION_ACTIVE,
 *  which leaves that message as it is. sr_message_open: there is one: CKR_OPERATION_NOT_INITIALIZED. Both first as
 *  sr_operation_find. */
CK_RV sr_message_idle(struct sr_call *call, enum sr_operation_kind kind);
CK_RV sr_message_open(struct sr_call *call, enum sr_operation_kind kind);

/** sr_message_end(call, kind): the message is over, the operation is not. */
void sr_message_end(struct sr_call *call, enum sr_operation_kind kind);

/** sr_message_used(call, kind): the key was used for a message: where it asks for CKU_CONTEXT_SPECIFIC it does so again
 *  for the next, which is another use (4.10). */
void sr_message_used(struct sr_call *call, enum sr_operation_kind kind);

/** sr_message_final(call, kind): C_Message*Final. */
CK_RV sr_message_final(struct sr_call *call, enum sr_operation_kind kind);

#endif
