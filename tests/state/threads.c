/* Calls by several threads at once over the same sessions and objects. No model follows them; what they answer has to
 * be what such a call can answer, and a sanitizer watches. */
#include "tests/state/state.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#define SHARED 8

/** struct worker: one thread's generator and verdict. */
struct worker {
	pthread_t thread;
	uint64_t state;
	unsigned calls;
	CK_RV bad;
};

static _Atomic CK_SESSION_HANDLE sessions[SHARED];
static _Atomic CK_OBJECT_HANDLE objects[SHARED];
static CK_SLOT_ID slot;

static uint64_t draw(struct worker *worker, uint64_t limit)
{
	worker->state = worker->state * 6364136223846793005u + 1442695040888963407u;
	return (worker->state >> 33) % limit;
}

static CK_SESSION_HANDLE some_session(struct worker *worker)
{
	return sessions[draw(worker, SHARED)];
}

static CK_RV open_or_close(struct worker *worker)
{
	size_t at = draw(worker, SHARED);
	CK_SESSION_HANDLE new = 0;
	if (draw(worker, 2))
		return p11->C_CloseSession(sessions[at]);
	CK_RV rv = p11->C_OpenSession(slot, CKF_SERIAL_SESSION | CKF_RW_SESSION, NULL, NULL, &new);
	if (rv == CKR_OK) /* the one that was there is closed, so that they stay few */
		p11->C_CloseSession(atomic_exchange(&sessions[at], new));
	return rv;
}

static CK_RV log_in_or_out(struct worker *worker)
{
	CK_SESSION_HANDLE session = some_session(worker);
	return draw(worker, 4) ? sr_login(session, sr_place.writer) : p11->C_Logout(session);
}

static CK_RV make_or_destroy(struct worker *worker)
{
	size_t at = draw(worker, SHARED);
	CK_SESSION_HANDLE session = some_session(worker);
	CK_OBJECT_HANDLE new = 0;
	if (draw(worker, 3) == 0)
		return p11->C_DestroyObject(session, objects[at]);
	CK_RV rv = sr_secret_key(session, SR_HMAC, NULL, &new);
	if (rv == CKR_OK)
		p11->C_DestroyObject(session, atomic_exchange(&objects[at], new));
	return rv;
}

static CK_RV sign(struct worker *worker)
{
	CK_MECHANISM mac = { CKM_SHA256_HMAC, NULL, 0 };
	CK_BYTE out[64], in[16] = { 0 };
	CK_ULONG len = sizeof out;
	CK_SESSION_HANDLE session = some_session(worker);
	switch (draw(worker, 4)) {
	case 0:
		return p11->C_SignInit(session, &mac, objects[draw(worker, SHARED)]);
	case 1:
		return p11->C_SignUpdate(session, in, sizeof in);
	case 2:
		return p11->C_SignFinal(session, out, &len);
	default:
		return p11->C_Sign(session, in, sizeof in, draw(worker, 2) ? out : NULL, &len);
	}
}

static CK_RV digest(struct worker *worker)
{
	CK_MECHANISM sha256 = { CKM_SHA256, NULL, 0 };
	CK_BYTE out[64], in[16] = { 0 };
	CK_ULONG len = sizeof out;
	CK_SESSION_HANDLE session = some_session(worker);
	switch (draw(worker, 3)) {
	case 0:
		return p11->C_DigestInit(session, &sha256);
	case 1:
		return p11->C_DigestUpdate(session, in, sizeof in);
	default:
		return p11->C_DigestFinal(session, out, &len);
	}
}

static CK_RV search(struct worker *worker)
{
	CK_OBJECT_HANDLE found[4];
	CK_ULONG count;
	CK_SESSION_HANDLE session = some_session(worker);
	CK_ATTRIBUTE template = SR_ATTR(CKA_TOKEN, sr_no);
	switch (draw(worker, 3)) {
	case 0:
		return p11->C_FindObjectsInit(session, &template, 1);
	case 1:
		return p11->C_FindObjects(session, found, SR_COUNT(found), &count);
	default:
		return p11->C_FindObjectsFinal(session);
	}
}

static CK_RV look(struct worker *worker)
{
	CK_SESSION_INFO info;
	CK_SESSION_HANDLE session = some_session(worker);
	if (draw(worker, 2))
		return p11->C_GetSessionInfo(session, &info);
	return draw(worker, 2) ? sr_value(session, objects[draw(worker, SHARED)])
			       : p11->C_SessionCancel(session, CKF_SIGN | CKF_DIGEST | CKF_FIND_OBJECTS);
}

/* What says that something inside went wrong. */
static bool is_bad(CK_RV rv)
{
	return rv == CKR_GENERAL_ERROR || rv == CKR_HOST_MEMORY || rv == CKR_DEVICE_ERROR || rv == CKR_DEVICE_REMOVED ||
	       rv == CKR_TOKEN_NOT_PRESENT || rv == CKR_CRYPTOKI_NOT_INITIALIZED;
}

static void *work(void *arg)
{
	static CK_RV (*const moves[])(struct worker *) = { open_or_close, log_in_or_out, make_or_destroy, sign, sign,
		sign, digest, search, look };
	struct worker *worker = arg;
	for (unsigned i = 0; i < worker->calls && !worker->bad; i++) {
		CK_RV rv = moves[draw(worker, SR_COUNT(moves))](worker);
		worker->bad = is_bad(rv) ? rv : 0;
	}
	return NULL;
}

bool sr_state_threads(uint64_t seed, unsigned threads, unsigned calls)
{
	static struct worker workers[16];
	bool fine = sr_initialize() == CKR_OK && sr_slot_find(SR_VAULT, &slot) == CKR_OK;
	threads = threads < SR_COUNT(workers) ? threads : SR_COUNT(workers);
	for (unsigned i = 0; fine && i < threads; i++) {
		workers[i] = (struct worker){ .state = seed + i, .calls = calls };
		ck_assert_int_eq(pthread_create(&workers[i].thread, NULL, work, &workers[i]), 0);
	}
	for (unsigned i = 0; fine && i < threads; i++)
		pthread_join(workers[i].thread, NULL);
	for (unsigned i = 0; i < threads; i++) {
		if (workers[i].bad)
			printf("state: thread %u was answered %s\n", i, sr_code(workers[i].bad));
		fine = fine && !workers[i].bad;
	}
	return p11->C_Finalize(NULL) == CKR_OK && fine;
}
