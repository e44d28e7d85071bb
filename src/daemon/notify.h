/* Telling the service manager, by systemd's protocol and without its library. */
#ifndef SR_DAEMON_NOTIFY_H
#define SR_DAEMON_NOTIFY_H

#include <stdbool.h>

/** sr_notify(state): sends STATE ("READY=1") to $NOTIFY_SOCKET. False where there is none, or it takes nothing: nothing
 *  depends on it. */
bool sr_notify(const char *state);

#endif
