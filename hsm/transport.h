/* Wrapped keys from one HSM to another, without any of them, or what wraps them on the way, being seen outside an HSM.
 *
 * The HSM that they go to makes an RSA pair, the one that they leave an AES key, which goes over under the public half;
 * each key goes over under that AES key, and is wrapped by the other vault's wrap key there. All of it in session
 * objects: nothing is left in either when the transport is closed. */
#ifndef SR_HSM_TRANSPORT_H
#define SR_HSM_TRANSPORT_H

#include "hsm/key.h"

#define SR_TRANSPORT_RSA_BITS 3072
#define SR_TRANSPORT_AES_BYTES 32

/** struct sr_transport: for one thread. Both HSMs outlive it; where one loses its sessions it is of no use any more. */
struct sr_transport;

/** sr_transport_open(from, to, transport, err): both with their keys loaded. HSM_FAILED where one of them cannot do
 * what it takes: RSA pairs of 3072 bits, RSA-OAEP (SHA-256, else SHA-1), AES key wrap with padding. */
CK_RV sr_transport_open(struct sr_hsm *from, struct sr_hsm *to, struct sr_transport **transport, struct sr_error *err);
void sr_transport_close(struct sr_transport *transport); /* NULL is allowed */

/** sr_transport_move(transport, object_class, type, blob, moved, material, err): BLOB is under a wrap key of FROM;
 * MOVED gets the same key under that of TO, MATERIAL what begins with the digest that it is recognised by there.
 * CKR_WRAPPED_KEY_INVALID, SEAL_BROKEN: it does not open. */
CK_RV sr_transport_move(struct sr_transport *transport, CK_OBJECT_CLASS object_class, CK_KEY_TYPE type,
	const struct sr_buf *blob, struct sr_buf *moved, struct sr_buf *material, struct sr_error *err);

#endif
