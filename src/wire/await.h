/* Waiting for a socket, no longer than is left. */
#ifndef SR_WIRE_AWAIT_H
#define SR_WIRE_AWAIT_H

#include <stdbool.h>
#include <stdint.h>

/** sr_await_end(ms): the moment MS from now, on a clock that only runs forward. */
int64_t sr_await_end(int ms);

/** sr_await_left(end): milliseconds until then, 0 when it has passed. */
int sr_await_left(int64_t end);

/** sr_await(fd, events, end): false when END came first. True also for a socket that has failed: its next use tells. */
bool sr_await(int fd, short events, int64_t end);

#endif
