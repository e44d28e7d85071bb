/* Waiting for a socket. */
#include "wire/await.h"

#include <errno.h>
#include <poll.h>
#include <time.h>

/* A stopwatch; the time of day is util/clock's. */
static int64_t now_ms(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

int64_t sr_await_end(int ms)
{
	return now_ms() + ms;
}

int sr_await_left(int64_t end)
{
	int64_t left = end - now_ms();
	return left > 0 ? (int)left : 0;
}

bool sr_await(int fd, short events, int64_t end)
{
	struct pollfd wait = { fd, events, 0 };
	int ready;
	do {
		ready = poll(&wait, 1, sr_await_left(end));
	} while (ready < 0 && errno == EINTR);
	return ready != 0;
}
