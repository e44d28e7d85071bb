/* The PROXY protocol, version 2: whom a load balancer speaks for. Pure; any thread. */
#ifndef SR_DAEMON_PROXY_H
#define SR_DAEMON_PROXY_H

#include "policy/address.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SR_PROXY_MAX 536 /* the whole header; what is longer carries nothing that we want */

/** sr_proxy_parse(at, len, used, address, has_address): the header at the start of a connection. 0: needs more bytes;
 *  1: done, USED bytes of them, ADDRESS is the client's, or the connection is the balancer's own (HAS_ADDRESS false);
 *  -1: refused, as soon as the bytes tell: no version 2, another family than TCP over IPv4 or IPv6, too long. */
int sr_proxy_parse(const uint8_t *at, size_t len, size_t *used, struct sr_address *address, bool *has_address);

#endif
