/* The end of what goes on until somebody ends it. */
#ifndef SR_CLI_STOP_H
#define SR_CLI_STOP_H

#include <signal.h>

/** sr_stop: not 0 once SIGINT, SIGTERM or SIGHUP has come. Global, because a signal's handler has nothing else.
 *  sr_stop_on_signals(): from now on they set it. SIGPIPE is ignored: a reader who has gone shows itself at the next
 *  write. */
extern volatile sig_atomic_t sr_stop;
void sr_stop_on_signals(void);

#endif
