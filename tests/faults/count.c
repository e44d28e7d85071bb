/* See the header. */
#include "tests/faults/count.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

static struct fault_count unseen;
struct fault fault = { .count = &unseen };

static const struct {
	const char *name;
	unsigned value;
} kinds[] = { { "write", KIND_WRITE }, { "sync", KIND_SYNC }, { "open", KIND_OPEN }, { "name", KIND_NAME },
	{ "size", KIND_SIZE }, { "read", KIND_READ }, { "change", KIND_CHANGE }, { "memory", KIND_MEMORY },
	{ "clock", KIND_CLOCK } };
static const char *const hows[] = { "eio", "enospc", "short", "cut", "list", "jump" };

static void share_count(const char *path)
{
	int fd = (int)syscall(SYS_openat, AT_FDCWD, path, O_RDWR | O_CLOEXEC);
	void *place = fd < 0 ? MAP_FAILED : mmap(NULL, sizeof unseen, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (place == MAP_FAILED)
		abort();
	fault.count = place;
	close(fd);
}

__attribute__((constructor(101))) static void begin(void)
{
	char kind[16], how[16];
	const char *asked = getenv("SR_FAULT"), *count = getenv("SR_FAULT_COUNT");
	if (count)
		share_count(count);
	if (!asked || sscanf(asked, "%15[a-z]:%15[a-z]:%u", kind, how, &fault.n) != 3)
		return;
	fault.on = strlen(asked) > 3 && strcmp(asked + strlen(asked) - 3, ":on") == 0;
	for (unsigned i = 0; i < sizeof hows / sizeof hows[0]; i++) {
		if (strcmp(how, hows[i]) == 0)
			fault.how = i;
	}
	for (unsigned i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
		if (strcmp(kind, kinds[i].name) == 0)
			fault.kinds = kinds[i].value;
	}
}

bool fault_due(enum kind kind)
{
	if (!(fault.kinds & kind))
		return false;
	unsigned now = ++fault.count->calls;
	if (fault.n == 0 || now < fault.n || (now > fault.n && !fault.on))
		return false;
	fault.count->hits++;
	if (fault.how == HOW_CUT)
		kill(getpid(), SIGKILL);
	return true;
}

void fault_errno(void)
{
	errno = fault.how == HOW_EIO ? EIO : ENOSPC;
}
