/* OpenSSL and fork(2).
 *
 * OpenSSL has locks that belong to the process and not to a library context: one is taken at each random number, one
 * guards the algorithms of its default context, which SoftHSM2 works in. A thread of the parent that held one at the
 * fork holds it for ever, and nothing outside OpenSSL can see or open them. So they are tried where a hang does no
 * harm: in a process that is made for it, has the same memory, and is ended when it takes too long. */
#define _GNU_SOURCE 1 /* __WCLONE */

#include "util/crypto.h"
#include "util/fork.h"

#include <openssl/rand.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define TRY_MS 2000

/* Each step takes one of the locks for writing. What it finds does not matter. */
static void take_the_locks(void)
{
	uint8_t byte;
	(void)RAND_bytes(&byte, 1);
	EVP_MD_free(EVP_MD_fetch(NULL, "SHA2-256", "?strongroom.forked=yes"));
}

static bool ended_in_time(pid_t pid)
{
	const struct timespec pause = { .tv_nsec = 500000 };
	int status;
	for (int i = 0; i < 2 * TRY_MS; i++) {
		if (waitpid(pid, &status, __WCLONE | WNOHANG) == pid)
			return WIFEXITED(status) && WEXITSTATUS(status) == 0;
		nanosleep(&pause, NULL);
	}
	kill(pid, SIGKILL);
	(void)waitpid(pid, &status, __WCLONE);
	return false;
}

/* By the system call itself: no fork handler runs, and without a signal at its end the program never hears of it.
 * Where a program may make no process the locks stay untried. */
static bool locks_open(void)
{
	long pid = syscall(SYS_clone, 0L, NULL, NULL, NULL, 0L);
	if (pid == 0) {
		take_the_locks();
		_exit(0);
	}
	return pid < 0 || ended_in_time((pid_t)pid);
}

CK_RV sr_crypto_usable(struct sr_error *err)
{
	static atomic_uint tried; /* the process with so many forks has open locks: it has no thread that died in one */
	if (atomic_load(&tried) == sr_forks())
		return CKR_OK;
	if (!locks_open())
		return sr_fail(err, CKR_DEVICE_ERROR, SR_REASON_INTERNAL,
			"this process was forked while another thread was inside OpenSSL; it has to call exec before "
			"it can use a vault");
	atomic_store(&tried, sr_forks());
	return CKR_OK;
}
