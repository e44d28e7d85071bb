#include "cli/locked.h"

#include "cli/output.h"
#include "util/buf.h"

#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

bool sr_locked_init(struct sr_locked *memory, size_t cap)
{
	*memory = (struct sr_locked)SR_LOCKED_INIT;
	void *pages = mmap(NULL, cap + 1, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (pages == MAP_FAILED) {
		sr_complain("there is no memory for %zu bytes", cap + 1);
		return false;
	}
	/* Both are best effort: RLIMIT_MEMLOCK may be small, and this process leaves no core anyway. */
	mlock(pages, cap + 1);
	madvise(pages, cap + 1, MADV_DONTDUMP);
	memory->data = pages;
	memory->cap = cap;
	return true;
}

bool sr_locked_read(struct sr_locked *memory, int fd)
{
	while (memory->len < memory->cap) {
		ssize_t got = read(fd, memory->data + memory->len, memory->cap - memory->len);
		if (got == 0)
			return true;
		if (got > 0)
			memory->len += (size_t)got;
		else if (errno != EINTR)
			return false;
	}
	return true;
}

void sr_locked_chomp(struct sr_locked *memory)
{
	if (memory->len > 0 && memory->data[memory->len - 1] == '\n')
		memory->data[--memory->len] = '\0';
}

void sr_locked_clear(struct sr_locked *memory)
{
	if (!memory->data)
		return;
	sr_cleanse(memory->data, memory->cap + 1);
	munmap(memory->data, memory->cap + 1);
	*memory = (struct sr_locked)SR_LOCKED_INIT;
}
