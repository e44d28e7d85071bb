/* How the daemon begins and ends. */
#ifndef SR_DAEMON_START_H
#define SR_DAEMON_START_H

#include "daemon/daemon.h"

/** sr_start_harden(): no core dump, no debugger of the same user, memory locked where that is allowed without limit;
 * and little of it kept that is not used. sr_start_trim(): what the allocator has kept goes back to the system. */
void sr_start_harden(void);
void sr_start_trim(void);

/** sr_start_check(daemon, err): `--check`: certificates can be read; nothing is opened that serves. */
CK_RV sr_start_check(struct sr_daemon *daemon, struct sr_error *err);

/** sr_start(daemon, err): sockets, certificates, the user that it becomes, the vault, workers. What was opened when it
 *  fails is closed, but for the listeners. sr_stop(daemon): the vault is sealed and closed; no connection is left. */
CK_RV sr_start(struct sr_daemon *daemon, struct sr_error *err);
void sr_stop(struct sr_daemon *daemon);

/** sr_start_tls(daemon, err): reads the certificates (again); on failure those there are stay. */
CK_RV sr_start_tls(struct sr_daemon *daemon, struct sr_error *err);

void sr_start_close_listeners(struct sr_daemon *daemon);

/** sr_start_watchdog(): tells the service manager that the daemon lives, where it wants to know. */
void sr_start_watchdog(void);

#endif
