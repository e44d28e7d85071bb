/* From the client to strongroomd's sockets, and who is at the other end of one. */
#ifndef SR_WIRE_CONNECT_H
#define SR_WIRE_CONNECT_H

#include "policy/address.h"
#include "util/error.h"
#include "wire/channel.h"

/** sr_connect_unix(path, channel, err): CKR_TOKEN_NOT_PRESENT and SR_REASON_SERVER_AWAY where nobody answers within
 *  five seconds or this user may not. Any thread. */
CK_RV sr_connect_unix(const char *path, struct sr_channel **channel, struct sr_error *err);

/** sr_connect_tcp(host, port, fd, err): a socket that blocks, on the first of HOST's addresses that answers; five
 *  seconds for all of them, beside what the resolver takes. Failures likewise. Any thread. */
CK_RV sr_connect_tcp(const char *host, uint16_t port, int *fd, struct sr_error *err);

/** sr_settle_tcp(fd): what is written goes out at once, and a machine that has gone without a word is noticed within a
 *  minute, by whoever waits for it. */
bool sr_settle_tcp(int fd);

/** sr_peer_of_socket(fd, peer): who is connected: of a Unix socket user and process, of TCP the address. False for
 *  anything else, and for a peer that has gone. */
bool sr_peer_of_socket(int fd, struct sr_peer *peer);

#endif
