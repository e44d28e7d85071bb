/* The module's one state: a PKCS#11 library is initialised once in a process, so this is global by nature.
 *
 * Calls hold CALLS for reading, C_Finalize takes it for writing, C_Initialize and C_Finalize exclude each other by
 * OPENING, which checks for errors: a C_Initialize from within C_Initialize fails instead of hanging. PHASE decides who
 * gets in and is read without a lock first, so a call during C_Finalize does not wait.
 *
 * After fork(), the child has one thread, and locks that other threads of the parent may have held. The handler puts
 * the locks back as they were at load time, by plain stores: it takes no lock, calls nothing and cannot block the fork.
 * The client stays untouched until C_Initialize hands it to the backend's abandon. */
#define _GNU_SOURCE 1 /* PTHREAD_ERRORCHECK_MUTEX_INITIALIZER_NP, pthread_cond_clockwait */
#include "module/event.h"
#include "module/held.h"
#include "module/module.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#define GLANCE_NS 200000000L

enum phase { CLOSED, OPEN, CLOSING, INHERITED };

static struct {
	_Atomic enum phase phase;
	atomic_uint forks;
	pthread_mutex_t opening;
	pthread_rwlock_t calls;
	pthread_mutex_t waiting; /* guards the two conditions, WAITERS and KNOWN */
	pthread_cond_t closing;
	pthread_cond_t nobody_waits;
	unsigned waiters;
	struct sr_known known; /* of slots, by C_WaitForSlotEvent */
	const struct sr_backend *backend;
	struct sr_client *client;
	struct sr_locking locking;
	void *mutex; /* the application's, where LOCKING has functions */
} state = {
	.opening = PTHREAD_ERRORCHECK_MUTEX_INITIALIZER_NP,
	.calls = PTHREAD_RWLOCK_INITIALIZER,
	.waiting = PTHREAD_MUTEX_INITIALIZER,
	.closing = PTHREAD_COND_INITIALIZER,
	.nobody_waits = PTHREAD_COND_INITIALIZER,
};

/* -- fork ------------------------------------------------------------------------------------------------------ */
static void in_child(void)
{
	state.opening = (pthread_mutex_t)PTHREAD_ERRORCHECK_MUTEX_INITIALIZER_NP;
	state.calls = (pthread_rwlock_t)PTHREAD_RWLOCK_INITIALIZER;
	state.waiting = (pthread_mutex_t)PTHREAD_MUTEX_INITIALIZER;
	state.closing = (pthread_cond_t)PTHREAD_COND_INITIALIZER;
	state.nobody_waits = (pthread_cond_t)PTHREAD_COND_INITIALIZER;
	state.waiters = 0;
	sr_library_after_fork();
	atomic_fetch_add(&state.forks, 1);
	if (atomic_load(&state.phase) != CLOSED)
		atomic_store(&state.phase, INHERITED);
}

/* The C library ties the handler to this library and forgets it at dlclose. Without memory for it the module still
 * works; a child then uses what it inherited, which is why it is registered first thing, when there is memory. */
__attribute__((constructor)) static void watch_forks(void)
{
	pthread_atfork(NULL, NULL, in_child);
}

/* -- calls ----------------------------------------------------------------------------------------------------- */
static CK_RV not_initialised(void)
{
	return sr_fail(sr_last(), CKR_CRYPTOKI_NOT_INITIALIZED, SR_REASON_NONE,
		atomic_load(&state.phase) == INHERITED ? "this process was forked; call C_Initialize in it"
						       : "C_Initialize has not been called");
}

CK_RV sr_hold(struct sr_hold *hold)
{
	if (atomic_load(&state.phase) != OPEN)
		return not_initialised();
	pthread_rwlock_rdlock(&state.calls);
	if (atomic_load(&state.phase) != OPEN) {
		pthread_rwlock_unlock(&state.calls);
		return not_initialised();
	}
	hold->client = state.client;
	hold->calls = state.client ? state.backend->calls : &sr_unconfigured_calls;
	hold->backend = state.client ? state.backend : NULL;
	hold->fork = atomic_load(&state.forks);
	return CKR_OK;
}

void sr_release(const struct sr_hold *hold)
{
	if (hold->fork == atomic_load(&state.forks)) /* a child forked by a call from inside holds nothing */
		pthread_rwlock_unlock(&state.calls);
}

CK_RV sr_serialise(void)
{
	if (!state.locking.lock || state.locking.lock(state.mutex) == CKR_OK)
		return CKR_OK;
	return sr_fail(sr_last(), CKR_GENERAL_ERROR, SR_REASON_NONE, "the application's LockMutex failed");
}

void sr_unserialise(void)
{
	/* The call is done: there is nothing better to answer than its code, whatever the application says here. */
	if (state.locking.unlock)
		state.locking.unlock(state.mutex);
}

bool sr_state_is_closed(void)
{
	return atomic_load(&state.phase) == CLOSED;
}

/* -- C_Initialize ---------------------------------------------------------------------------------------------- */
/* In a forked child: what the parent had open is the parent's. Its application mutex is left alone too. */
static void let_go_of_parent(void)
{
	if (state.client)
		state.backend->abandon(state.client);
	state.client = NULL;
	state.mutex = NULL;
	state.locking = (struct sr_locking){ 0 };
	atomic_store(&state.phase, CLOSED);
}

/* Where calls go: to a server, or to the library that opens the vault in this process. NULL: nothing is configured.
 * strongroomd may come or go between the look and the opening: a server that is away, and a vault that is held, are
 * slots without a token, with one line that says so. */
static CK_RV choose_backend(struct sr_config *config, const struct sr_backend **backend, struct sr_error *err)
{
	CK_RV rv = sr_held_redirect(config, err);
	if (rv != CKR_OK)
		return rv;
	*backend = config->server.kind == SR_SERVER_NONE ? NULL : &sr_remote_backend;
	return config->dir ? sr_library_load(backend, err) : CKR_OK;
}

/* Without `dir =` or `server =` (no file, or one that is all comments) there is no client, and so there are no slots.
 */
static CK_RV open_client(struct sr_error *err)
{
	char *path;
	if (!sr_config_find(&path))
		return CKR_OK;
	struct sr_config config;
	CK_RV rv = sr_config_load(path, &config, err);
	free(path);
	if (rv != CKR_OK)
		return rv;
	config.prompt = sr_vendor_prompt();
	struct sr_client *client = NULL;
	rv = choose_backend(&config, &state.backend, err);
	if (rv == CKR_OK && state.backend)
		rv = state.backend->open(&config, &client, err);
	if (rv == CKR_OK)
		state.client = client;
	sr_config_clear(&config);
	return rv;
}

static CK_RV open_all(const struct sr_locking *locking, struct sr_error *err)
{
	void *mutex = NULL;
	if (locking->create) {
		CK_RV rv = locking->create(&mutex);
		if (rv != CKR_OK)
			return sr_fail(err, rv == CKR_HOST_MEMORY ? CKR_HOST_MEMORY : CKR_GENERAL_ERROR, SR_REASON_NONE,
				"the application's CreateMutex failed");
	}
	CK_RV rv = open_client(err);
	if (rv != CKR_OK) {
		if (locking->destroy)
			locking->destroy(mutex);
		return rv;
	}
	state.locking = *locking;
	state.mutex = mutex;
	state.known = (struct sr_known){ .begun = false };
	atomic_store(&state.phase, OPEN);
	return CKR_OK;
}

CK_RV sr_state_open(const struct sr_locking *locking, struct sr_error *err)
{
	if (pthread_mutex_lock(&state.opening) != 0)
		return sr_fail(err, CKR_FUNCTION_FAILED, SR_REASON_INTERNAL,
			"C_Initialize was called from within itself; is Strongroom its own HSM module?");
	if (atomic_load(&state.phase) == INHERITED)
		let_go_of_parent();
	CK_RV rv;
	if (atomic_load(&state.phase) == OPEN)
		rv = sr_fail(err, CKR_CRYPTOKI_ALREADY_INITIALIZED, SR_REASON_NONE,
			"C_Initialize was called before in this process");
	else
		rv = open_all(locking, err);
	pthread_mutex_unlock(&state.opening);
	return rv;
}

/* -- C_Finalize ------------------------------------------------------------------------------------------------ */
/* Waits until the last C_WaitForSlotEvent has gone: the application may unload the module right after. */
static void send_waiters_home(void)
{
	pthread_mutex_lock(&state.waiting);
	pthread_cond_broadcast(&state.closing);
	while (state.waiters > 0)
		pthread_cond_wait(&state.nobody_waits, &state.waiting);
	pthread_mutex_unlock(&state.waiting);
}

static void close_all(void)
{
	struct sr_client *client = state.client;
	state.client = NULL; /* first: a child forked during close must not find it */
	if (client)
		state.backend->close(client);
	if (state.locking.destroy)
		state.locking.destroy(state.mutex);
	state.mutex = NULL;
	state.locking = (struct sr_locking){ 0 };
}

CK_RV sr_state_close(void)
{
	if (pthread_mutex_lock(&state.opening) != 0)
		return sr_fail(sr_last(), CKR_FUNCTION_FAILED, SR_REASON_INTERNAL,
			"C_Finalize was called from within C_Initialize");
	if (atomic_load(&state.phase) != OPEN) {
		pthread_mutex_unlock(&state.opening);
		return not_initialised();
	}
	atomic_store(&state.phase, CLOSING);
	send_waiters_home();
	if (state.client)
		state.backend->interrupt(state.client);
	pthread_rwlock_wrlock(&state.calls);
	close_all();
	atomic_store(&state.phase, CLOSED);
	pthread_rwlock_unlock(&state.calls);
	pthread_mutex_unlock(&state.opening);
	return CKR_OK;
}

/* -- C_WaitForSlotEvent ---------------------------------------------------------------------------------------- */
/* One look, as a call like any other: CKR_NO_EVENT where nothing has happened. */
static CK_RV glance(CK_SLOT_ID *slot)
{
	struct sr_slot_view views[SR_SLOTS_MAX + 1];
	struct sr_hold hold;
	size_t count = 0;
	CK_RV rv = sr_hold(&hold);
	if (rv != CKR_OK)
		return rv;
	rv = sr_serialise();
	if (rv == CKR_OK && hold.backend)
		count = hold.backend->view(hold.client, views);
	if (rv == CKR_OK)
		sr_unserialise();
	sr_release(&hold);
	if (rv != CKR_OK)
		return rv;
	pthread_mutex_lock(&state.waiting);
	bool event = sr_events_take(&state.known, views, count, slot);
	pthread_mutex_unlock(&state.waiting);
	return event ? CKR_OK : CKR_NO_EVENT;
}

/* Until the next look is due; C_Finalize ends it. */
static void rest(void)
{
	struct timespec until;
	int woken = 0;
	clock_gettime(CLOCK_MONOTONIC, &until); /* how long to sleep; what time it is, is util/clock's */
	pthread_mutex_lock(&state.waiting);
	until.tv_nsec += state.known.hurry ? GLANCE_NS : 0;
	until.tv_sec += (state.known.hurry ? 0 : 1) + until.tv_nsec / 1000000000L;
	until.tv_nsec %= 1000000000L;
	while (atomic_load(&state.phase) == OPEN && woken != ETIMEDOUT)
		woken = pthread_cond_clockwait(&state.closing, &state.waiting, CLOCK_MONOTONIC, &until);
	pthread_mutex_unlock(&state.waiting);
}

static void enter_waiting(void)
{
	pthread_mutex_lock(&state.waiting);
	state.waiters++;
	pthread_mutex_unlock(&state.waiting);
}

static void leave_waiting(void)
{
	pthread_mutex_lock(&state.waiting);
	state.waiters--;
	if (state.waiters == 0)
		pthread_cond_signal(&state.nobody_waits);
	pthread_mutex_unlock(&state.waiting);
}

CK_RV sr_state_wait(bool block, CK_SLOT_ID *slot)
{
	enter_waiting();
	CK_RV rv = glance(slot);
	while (rv == CKR_NO_EVENT && block) {
		rest();
		rv = glance(slot);
	}
	leave_waiting();
	return rv;
}
