/* Mechanisms and the parameters of messages on the wire: each kind of parameter (policy/mechanism.h) has a serialiser
 * of its own, and no other parameter travels (docs/wire.md). */
#ifndef SR_WIRE_MECHANISM_H
#define SR_WIRE_MECHANISM_H

#include "wire/codec.h"

/** sr_put_mechanism(out, mechanism), sr_get_mechanism(in): NULL stays NULL. A parameter of another length than its
 *  mechanism's structure, or of a mechanism that is not in the table, travels as its length alone: the call layer
 *  refuses it by that, and so it must not be of the right length when it is read. */
void sr_put_mechanism(struct sr_buf *out, const CK_MECHANISM *mechanism);
CK_MECHANISM *sr_get_mechanism(struct sr_in *in);

/** struct sr_message_parameter: the parameter of a message on the server's side: where it is and how long. */
struct sr_message_parameter {
	void *at;
	CK_ULONG len;
};

/** sr_put_parameter(out, parameter, len), sr_get_parameter(in, parameter): given with a message: nothing, or a
 *  CK_GCM_MESSAGE_PARAMS with its IV and tag, told by LEN; anything else travels as its length alone.
 *  sr_put_parameter_back(out, parameter), sr_get_parameter_back(in, parameter, len): IV and tag as the call left them;
 *  written into the application's buffers, never beyond the lengths that it gave. */
void sr_put_parameter(struct sr_buf *out, const void *parameter, CK_ULONG len);
void sr_get_parameter(struct sr_in *in, struct sr_message_parameter *parameter);
void sr_put_parameter_back(struct sr_buf *out, const struct sr_message_parameter *parameter);
void sr_get_parameter_back(struct sr_in *in, void *parameter, CK_ULONG len);

#endif
