/* Commands of the user's that hear of something: one JSON object each on standard input. */
#ifndef SR_CLI_COMMAND_H
#define SR_CLI_COMMAND_H

#include <jansson.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#define SR_COMMAND_S 30 /* how long one may take */

/** sr_command_run(command, value, stop): runs COMMAND by /bin/sh with VALUE on its standard input, in a line, and waits
 *  for it: SR_COMMAND_S at most, or until *STOP; then it and what it has started are killed. It gets neither the PIN
 * nor standard output. What fails is said in one line and harms nothing else. */
void sr_command_run(const char *command, const json_t *value, const volatile sig_atomic_t *stop);

/** sr_command_feed(command, text, len, stop): the same with LEN bytes, however many. True where it ended with exit code
 *  0: it has taken them; if it did not read them all, that was its decision. */
bool sr_command_feed(const char *command, const char *text, size_t len, const volatile sig_atomic_t *stop);
/** sr_command_start(command, in, out, pid): starts COMMAND by /bin/sh in a process group of its own, IN its standard
 * input and OUT its standard output, without the PIN. An errno, or 0. */
int sr_command_start(const char *command, int in, int out, pid_t *pid);

#endif
