/* A private library's one fork handler. It counts, and puts the process-wide locks back as they were at load time by
 * plain stores: it takes no lock, calls nothing and cannot block the fork. */
#include "util/fork.h"

#include <pthread.h>
#include <stdatomic.h>

/* From the first use on: a process that forked before that has left nothing in the child. */
static pthread_once_t watch = PTHREAD_ONCE_INIT;
static atomic_uint forks;
static pthread_mutex_t locks[SR_LOCKS] = {
	PTHREAD_MUTEX_INITIALIZER,
	PTHREAD_MUTEX_INITIALIZER,
	PTHREAD_MUTEX_INITIALIZER,
	PTHREAD_MUTEX_INITIALIZER,
};

static void in_child(void)
{
	atomic_fetch_add(&forks, 1);
	for (int i = 0; i < SR_LOCKS; i++)
		locks[i] = (pthread_mutex_t)PTHREAD_MUTEX_INITIALIZER;
}

/* glibc forgets the handler when this library is unloaded. */
static void watch_forks(void)
{
	pthread_atfork(NULL, NULL, in_child);
}

unsigned sr_forks(void)
{
	pthread_once(&watch, watch_forks);
	return atomic_load(&forks);
}

void sr_lock(enum sr_lock lock)
{
	pthread_once(&watch, watch_forks);
	pthread_mutex_lock(&locks[lock]);
}

void sr_unlock(enum sr_lock lock)
{
	pthread_mutex_unlock(&locks[lock]);
}
