/* Allocations, each of which can be made to fail, from the first line of main on. What the backend (SoftHSM2, in C++)
 * asks for is left alone: it ends the process where it gets nothing, and is not what is tested. So is what its callees
 * ask for on its behalf. */
#include "tests/faults/count.h"

#include <dlfcn.h>
#include <errno.h>
#include <execinfo.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define DEPTH 40  /* frames that are looked at for the backend */
#define TELLING 6 /* frames that tell one place from another */
#define KNOWN 8192

void *__libc_malloc(size_t len);
void *__libc_calloc(size_t count, size_t len);
void *__libc_realloc(void *old, size_t len);
void *__libc_memalign(size_t to, size_t len);

static bool counting;
static int list = -1;
static __thread bool inside;

/* Where a frame is, the same in every run; looked up once. */
static struct frame {
	void *at;
	uint64_t offset;
	bool backend;
} known[KNOWN];

static const struct frame *look_up(void *at)
{
	struct frame *frame = &known[((uintptr_t)at >> 1) % KNOWN];
	Dl_info info;
	if (frame->at == at)
		return frame;
	bool found = dladdr(at, &info) && info.dli_fname;
	*frame = (struct frame){ at, found ? (uint64_t)((char *)at - (char *)info.dli_fbase) : 0,
		found && (strstr(info.dli_fname, "softhsm") || strstr(info.dli_fname, "p11-kit")) };
	return frame;
}

/* The calls that lead here as one number; 0 where the backend is one of them. */
static uint64_t place(void)
{
	void *frames[DEPTH];
	uint64_t hash = 0xcbf29ce484222325;
	int count = backtrace(frames, DEPTH);
	for (int i = 2; i < count; i++) {
		const struct frame *frame = look_up(frames[i]);
		if (frame->backend)
			return 0;
		if (i < TELLING + 2)
			hash = (hash ^ frame->offset) * 0x100000001b3;
	}
	return hash | 1;
}

static void note(void)
{
	uint64_t number = place();
	if (syscall(SYS_write, list, &number, sizeof number) != sizeof number)
		abort();
}

static bool no_memory(void)
{
	if (!counting || inside || !(fault.kinds & KIND_MEMORY))
		return false;
	inside = true;
	bool failed = fault_due(KIND_MEMORY);
	if (fault.how == HOW_LIST)
		note();
	if (failed && place() == 0) {
		failed = false;
		fault.count->hits--;
	}
	inside = false;
	if (failed)
		errno = ENOMEM;
	return failed;
}

EXPORT void *malloc(size_t len)
{
	return no_memory() ? NULL : __libc_malloc(len);
}

EXPORT void *calloc(size_t count, size_t len)
{
	return no_memory() ? NULL : __libc_calloc(count, len);
}

EXPORT void *realloc(void *old, size_t len)
{
	return no_memory() ? NULL : __libc_realloc(old, len);
}

EXPORT void *reallocarray(void *old, size_t count, size_t len)
{
	size_t all;
	if (__builtin_mul_overflow(count, len, &all)) {
		errno = ENOMEM;
		return NULL;
	}
	return realloc(old, all);
}

EXPORT void *aligned_alloc(size_t to, size_t len)
{
	return no_memory() ? NULL : __libc_memalign(to, len);
}

EXPORT int posix_memalign(void **out, size_t to, size_t len)
{
	void *got = aligned_alloc(to, len);
	if (!got)
		return ENOMEM;
	*out = got;
	return 0;
}

/* -- from main on ------------------------------------------------------------------------------------------------ */

static int (*real_main)(int argc, char **argv, char **env);

static int counted_main(int argc, char **argv, char **env)
{
	void *frames[4];
	const char *path = getenv("SR_FAULT_LIST");
	backtrace(frames, 4); /* the first time it loads a library */
	if (path)
		list = (int)syscall(SYS_openat, AT_FDCWD, path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	counting = true;
	return real_main(argc, argv, env);
}

typedef int start_function(int (*main)(int, char **, char **), int argc, char **argv, void (*init)(void),
	void (*fini)(void), void (*rtld_fini)(void), void *stack_end);
start_function __libc_start_main;

EXPORT int __libc_start_main(int (*main)(int, char **, char **), int argc, char **argv, void (*init)(void),
	void (*fini)(void), void (*rtld_fini)(void), void *stack_end)
{
	start_function *real;
	*(void **)&real = dlsym(RTLD_NEXT, "__libc_start_main");
	real_main = main;
	return real(counted_main, argc, argv, init, fini, rtld_fini, stack_end);
}
