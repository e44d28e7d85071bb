/* A wall clock that jumps by SR_FAULT_JUMP seconds when it is read for the N-th time (SR_FAULT=clock:jump:N:on), or is
 * wrong for that one reading. */
#include "tests/faults/count.h"

#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

EXPORT int clock_gettime(clockid_t clock, struct timespec *now)
{
	int code = (int)syscall(SYS_clock_gettime, clock, now);
	const char *jump = getenv("SR_FAULT_JUMP");
	if (code == 0 && clock == CLOCK_REALTIME && jump && fault_due(KIND_CLOCK))
		now->tv_sec += atol(jump);
	return code;
}
