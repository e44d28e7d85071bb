/* SoftHSM2 and fork(2).
 *
 * A child inherits SoftHSM2 2.6.1 with the locks, lists and OpenSSL objects that other threads of the parent had in
 * their hands. With `library.reset_on_fork` it takes all that apart before it starts afresh, and hangs there in about
 * one of twenty children of a busy parent; without, it stays what it was. So a child never calls what it inherited. It
 * loads the library's file once more, from memory, since the loader knows a file by its inode. p11-kit is left out:
 * nobody shares this copy, and p11-kit's own lock may have been inherited held. */
#define _GNU_SOURCE 1 /* memfd_create */

#include "hsm/internal.h"
#include "util/fork.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

/* Process-wide because a loaded library is. Of the process with so many FORKS; never unloaded, as OpenSSL may keep what
 * it left there. USERS have it started. */
static struct {
	CK_FUNCTION_LIST *module;
	unsigned forks, users;
} own;

static bool copy_all(int from, int to)
{
	struct stat st;
	if (fstat(from, &st) != 0)
		return false;
	for (off_t done = 0; done < st.st_size;) {
		ssize_t count = sendfile(to, from, NULL, (size_t)(st.st_size - done));
		if (count <= 0)
			return false;
		done += count;
	}
	return true;
}

static int in_memory(const char *path)
{
	int from = open(path, O_RDONLY | O_CLOEXEC);
	if (from < 0)
		return -1;
	int fd = memfd_create("libsofthsm2", MFD_CLOEXEC);
	if (fd >= 0 && !copy_all(from, fd)) {
		close(fd);
		fd = -1;
	}
	close(from);
	return fd;
}

/* The loader also knows a library by the name that it was loaded by, so the name has this process's number in it. */
static CK_FUNCTION_LIST *load_copy(int fd)
{
	char name[64];
	snprintf(name, sizeof(name), "/proc/%ld/fd/%d", (long)getpid(), fd);
	void *library = dlopen(name, RTLD_NOW | RTLD_LOCAL);
	CK_C_GetFunctionList get = NULL;
	CK_FUNCTION_LIST *list = NULL;
	if (library)
		*(void **)&get = dlsym(library, "C_GetFunctionList");
	if (get && get(&list) == CKR_OK && list != own.module)
		return list; /* loaded as long as the process lives */
	if (library)
		dlclose(library);
	return NULL;
}

CK_RV sr_softhsm_own(const char *path, CK_FUNCTION_LIST **module, struct sr_error *err)
{
	if (!own.module || own.forks != sr_forks()) {
		int fd = in_memory(path);
		CK_FUNCTION_LIST *list = fd >= 0 ? load_copy(fd) : NULL;
		if (fd >= 0)
			close(fd);
		if (!list)
			return sr_fail(err, CKR_DEVICE_REMOVED, SR_REASON_HSM_MISSING,
				"this process was forked and could not load a copy of %.80s of its own (it takes "
				"memory and /proc); it has to call exec before it can use a vault",
				path);
		own.module = list;
		own.forks = sr_forks();
		own.users = 0;
	}
	*module = own.module;
	return CKR_OK;
}

CK_RV sr_softhsm_own_start(void)
{
	CK_C_INITIALIZE_ARGS args = { .flags = CKF_OS_LOCKING_OK };
	CK_RV rv = own.module->C_Initialize(&args);
	if (rv == CKR_CRYPTOKI_ALREADY_INITIALIZED)
		rv = CKR_OK;
	if (rv == CKR_OK)
		own.users++;
	return rv;
}

void sr_softhsm_own_stop(void)
{
	if (own.users > 0 && --own.users == 0)
		(void)own.module->C_Finalize(NULL);
}
