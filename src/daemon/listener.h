/* Listening sockets: made here, or handed over by systemd. All are non-blocking and close at exec. */
#ifndef SR_DAEMON_LISTENER_H
#define SR_DAEMON_LISTENER_H

#include "util/error.h"

#include <stdint.h>
#include <sys/types.h>

/** sr_listen_unix(path, mode, fd, err): with exactly MODE, whatever the umask. A socket that nobody listens on any more
 *  gives way; another kind of file, and a socket that is in use, do not. CKR_GENERAL_ERROR. */
CK_RV sr_listen_unix(const char *path, mode_t mode, int *fd, struct sr_error *err);

/** sr_listen_tcp(host, port, fd, err): HOST is an IPv4 or IPv6 address (an IPv6 one takes no IPv4 with it, so that
 *  0.0.0.0 and :: stand side by side) or a name that has one. CKR_GENERAL_ERROR. */
CK_RV sr_listen_tcp(const char *host, uint16_t port, int *fd, struct sr_error *err);

/** struct sr_inherited: a socket from systemd; FAMILY is AF_UNIX, AF_INET or AF_INET6. */
struct sr_inherited {
	int fd;
	int family;
};

/** sr_listen_inherited(list, max, count, err): those that systemd says are for this process (sd_listen_fds(3)); none is
 *  no failure. What is no listening stream socket of these families is refused, and more than MAX: CKR_GENERAL_ERROR.
 *  The variables are unset in any case. */
CK_RV sr_listen_inherited(struct sr_inherited *list, size_t max, size_t *count, struct sr_error *err);

#endif
