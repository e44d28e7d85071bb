/* The session pool: who has which session, and what happens when the backend lost them. */
#include "hsm/internal.h"

#include <string.h>

/* Codes after which nothing of what we held is worth anything. */
static const CK_RV lost_codes[] = {
	CKR_SESSION_HANDLE_INVALID,
	CKR_SESSION_CLOSED,
	CKR_DEVICE_REMOVED,
	CKR_TOKEN_NOT_PRESENT,
	CKR_SLOT_ID_INVALID,
	CKR_USER_NOT_LOGGED_IN,
	CKR_CRYPTOKI_NOT_INITIALIZED,
	CKR_OBJECT_HANDLE_INVALID,
	CKR_KEY_HANDLE_INVALID,
	CKR_WRAPPING_KEY_HANDLE_INVALID, /* the vault's own: hsm/cache.c deals with those of users */
	CKR_UNWRAPPING_KEY_HANDLE_INVALID,
};

bool sr_hsm_is_lost(CK_RV rv)
{
	for (size_t i = 0; i < sizeof(lost_codes) / sizeof(lost_codes[0]); i++) {
		if (rv == lost_codes[i])
			return true;
	}
	return false;
}

CK_RV sr_hsm_fail(struct sr_error *err, CK_RV rv, const char *doing)
{
	if (rv == CKR_HOST_MEMORY)
		return sr_fail(err, CKR_HOST_MEMORY, SR_REASON_MEMORY, "out of memory while the HSM was to %s", doing);
	if (rv == CKR_SESSION_COUNT)
		return sr_fail(err, CKR_DEVICE_ERROR, SR_REASON_HSM_FAILED,
			"the HSM has no session left to %s; close other programs' sessions with this token", doing);
	if (sr_hsm_is_lost(rv))
		return sr_fail(err, CKR_DEVICE_REMOVED, SR_REASON_HSM_MISSING,
			"the HSM was lost and is still away, it did not %s (%s); see that module and token are there",
			doing, sr_rv_name(rv));
	return sr_fail(err, CKR_DEVICE_ERROR, SR_REASON_HSM_FAILED,
		"the HSM did not %s (%s); see its own log, and what hsm probe says", doing, sr_rv_name(rv));
}

CK_RV sr_hsm_wrong(struct sr_error *err, const char *doing)
{
	return sr_fail(err, CKR_DEVICE_ERROR, SR_REASON_HSM_FAILED,
		"the HSM was to %s and what it answered is not right; nothing of it is kept; try again, and if it "
		"comes "
		"again, take the HSM out of service",
		doing);
}

CK_RV sr_hsm_need_keys(struct sr_hsm *hsm, struct sr_error *err)
{
	if (sr_hsm_generation(hsm) != 0)
		return CKR_OK;
	return sr_fail(err, CKR_DEVICE_ERROR, SR_REASON_HSM_KEY_REFUSED,
		"the vault's HSM keys are not loaded; open the vault first");
}

void sr_pool_drop(struct sr_hsm *hsm, CK_RV rv)
{
	CK_FUNCTION_LIST *module = hsm->backend.module;
	for (size_t i = 0; i < hsm->idle_count; i++)
		(void)module->C_CloseSession(hsm->idle[i]);
	hsm->open_count -= hsm->idle_count;
	hsm->idle_count = 0;
	for (size_t i = 0; i < hsm->own_idle_count; i++)
		(void)module->C_CloseSession(hsm->own_idle[i]);
	hsm->own_open -= hsm->own_idle_count;
	hsm->own_idle_count = 0;
	if (hsm->keeper)
		(void)module->C_CloseSession(hsm->keeper);
	hsm->keeper = 0;
	hsm->limit = SR_HSM_SESSIONS_MAX;
	hsm->epoch++;
	if (rv == CKR_DEVICE_REMOVED || rv == CKR_TOKEN_NOT_PRESENT)
		sr_presence_lost(hsm);
	if (rv == CKR_CRYPTOKI_NOT_INITIALIZED)
		hsm->restart = true;
	memset(&hsm->keys, 0, sizeof(hsm->keys));
	pthread_cond_broadcast(&hsm->given_back);
}

void sr_pool_await(struct sr_hsm *hsm)
{
	while (hsm->reopening)
		pthread_cond_wait(&hsm->settled, &hsm->lock);
}

/* Connected, and with the wanted keys. */
static CK_RV reopen(struct sr_hsm *hsm, struct sr_error *err)
{
	CK_RV rv = sr_hsm_connect(hsm, err);
	if (rv != CKR_OK || !hsm->vault_id[0])
		return rv;
	struct sr_error why = SR_ERROR_INIT;
	rv = sr_keys_find(hsm, &why);
	if (rv != CKR_OK && why.reason == SR_REASON_HSM_KEY_REFUSED)
		rv = sr_keys_find_newer(hsm, rv, &why);
	if (rv == CKR_OK)
		return CKR_OK;
	sr_pool_drop(hsm, rv);
	if (why.rv == CKR_OK)
		return sr_hsm_fail(err, rv, "find the vault's keys again");
	return sr_fail(err, why.rv, why.reason, "%s", why.text);
}

/* Makes the HSM usable. One thread at a time, and where it failed not again at once: the others hear why. */
static CK_RV make_ready(struct sr_hsm *hsm, struct sr_error *err)
{
	struct sr_error why = SR_ERROR_INIT;
	sr_pool_await(hsm);
	CK_RV rv = hsm->keeper ? sr_presence_check(hsm) : CKR_OK;
	if (rv != CKR_OK)
		sr_pool_drop(hsm, rv);
	if (hsm->keeper)
		return CKR_OK;
	if (sr_presence_wait(hsm, err))
		return hsm->away.rv;
	hsm->reopening = true;
	rv = reopen(hsm, &why);
	hsm->reopening = false;
	pthread_cond_broadcast(&hsm->settled);
	if (rv == CKR_OK) {
		sr_presence_back(hsm);
		return CKR_OK;
	}
	sr_presence_failed(hsm, &why);
	return sr_fail(err, why.rv, why.reason, "%s", why.text);
}

CK_RV sr_hsm_look(struct sr_hsm *hsm, struct sr_error *err)
{
	pthread_mutex_lock(&hsm->lock);
	CK_RV rv = make_ready(hsm, err);
	pthread_mutex_unlock(&hsm->lock);
	return rv;
}

CK_RV sr_session_open(CK_FUNCTION_LIST *module, CK_SLOT_ID slot, CK_SESSION_HANDLE *session)
{
	CK_RV rv = module->C_OpenSession(slot, CKF_SERIAL_SESSION | CKF_RW_SESSION, NULL, NULL, session);
	if (rv == CKR_TOKEN_WRITE_PROTECTED)
		rv = module->C_OpenSession(slot, CKF_SERIAL_SESSION, NULL, NULL, session);
	return rv;
}

static void count(atomic_ulong *counter)
{
	atomic_fetch_add_explicit(counter, 1, memory_order_relaxed);
}

static void begin_turn(struct sr_hsm *hsm)
{
	count(&hsm->counts.turns);
	count(&hsm->counts.busy);
}

static void end_turn(struct sr_hsm *hsm)
{
	atomic_fetch_sub_explicit(&hsm->counts.busy, 1, memory_order_relaxed);
}

/* With the lock held: a session from the list, a new one, or one that another thread gives back. */
static CK_RV pick_session(struct sr_hsm *hsm, CK_SESSION_HANDLE *session, struct sr_error *err)
{
	for (;;) {
		CK_RV rv = make_ready(hsm, err);
		if (rv != CKR_OK)
			return rv;
		if (hsm->idle_count > 0) {
			*session = hsm->idle[--hsm->idle_count];
			return CKR_OK;
		}
		if (hsm->open_count < hsm->limit) {
			rv = sr_session_open(hsm->backend.module, hsm->slot, session);
			if (rv == CKR_OK)
				hsm->open_count++;
			if (rv != CKR_SESSION_COUNT || hsm->open_count == 0)
				return rv;
			hsm->limit = hsm->open_count; /* the token has no more: wait for one of ours */
		}
		pthread_cond_wait(&hsm->given_back, &hsm->lock);
	}
}

static void fill_turn(const struct sr_hsm *hsm, struct sr_hsm_turn *turn)
{
	turn->module = hsm->backend.module;
	turn->softhsm_conf = hsm->backend.softhsm_conf;
	turn->slot = hsm->slot;
	turn->epoch = hsm->epoch;
	turn->restarts = hsm->restarts;
	turn->keys = hsm->keys;
}

/* ERR is filled for what is final; else the answer is the backend's own code. */
static CK_RV take(struct sr_hsm *hsm, struct sr_hsm_turn *turn, struct sr_error *err)
{
	pthread_mutex_lock(&hsm->lock);
	CK_RV rv = pick_session(hsm, &turn->session, err);
	fill_turn(hsm, turn);
	hsm->inside += rv == CKR_OK;
	pthread_mutex_unlock(&hsm->lock);
	if (rv == CKR_OK)
		begin_turn(hsm);
	return rv;
}

/* With the lock held. */
static void leave(struct sr_hsm *hsm)
{
	if (--hsm->inside == 0)
		pthread_cond_broadcast(&hsm->settled);
}

void sr_pool_leave(struct sr_hsm *hsm)
{
	pthread_mutex_lock(&hsm->lock);
	leave(hsm);
	pthread_mutex_unlock(&hsm->lock);
}

CK_RV sr_pool_enter(struct sr_hsm *hsm, const struct sr_hsm_turn *turn)
{
	pthread_mutex_lock(&hsm->lock);
	bool good = hsm->epoch == turn->epoch && !hsm->reopening;
	CK_RV rv = good ? sr_presence_check(hsm) : CKR_OK;
	if (rv != CKR_OK) {
		sr_pool_drop(hsm, rv);
		good = false;
	}
	hsm->inside += good;
	pthread_mutex_unlock(&hsm->lock);
	return good ? CKR_OK : CKR_DEVICE_REMOVED;
}

/* With the lock held: after a restart its number may be another's by now. */
static bool is_ours(const struct sr_hsm *hsm, const struct sr_hsm_turn *turn)
{
	return turn->restarts == hsm->restarts;
}

/* After an error the session may still hold an operation, so it is closed and not reused. */
static void give_back(struct sr_hsm *hsm, const struct sr_hsm_turn *turn, CK_RV rv)
{
	end_turn(hsm);
	pthread_mutex_lock(&hsm->lock);
	bool keep = rv == CKR_OK && turn->epoch == hsm->epoch;
	if (keep)
		hsm->idle[hsm->idle_count++] = turn->session;
	else
		hsm->open_count--;
	bool close = !keep && is_ours(hsm, turn);
	pthread_cond_signal(&hsm->given_back);
	if (!close)
		leave(hsm);
	pthread_mutex_unlock(&hsm->lock);
	if (!close)
		return;
	(void)turn->module->C_CloseSession(turn->session);
	sr_pool_leave(hsm);
}

/* Only the first thread to see a loss of this epoch drops the sessions. */
void sr_pool_lose(struct sr_hsm *hsm, unsigned long epoch, CK_RV rv)
{
	pthread_mutex_lock(&hsm->lock);
	if (hsm->epoch == epoch) {
		count(&hsm->counts.lost);
		sr_pool_drop(hsm, rv);
	}
	pthread_mutex_unlock(&hsm->lock);
}

/* Once another thread has dropped the sessions, no failure is worth more than that. */
CK_RV sr_pool_doubt(struct sr_hsm *hsm, const struct sr_hsm_turn *turn, CK_RV rv)
{
	if (rv == CKR_OK || sr_hsm_is_lost(rv))
		return rv;
	pthread_mutex_lock(&hsm->lock);
	bool old = hsm->epoch != turn->epoch;
	pthread_mutex_unlock(&hsm->lock);
	return old ? CKR_DEVICE_REMOVED : sr_turn_doubt(turn, rv);
}

CK_RV sr_hsm_try(struct sr_hsm *hsm, sr_hsm_work *work, void *job, struct sr_error *why)
{
	CK_RV rv = CKR_OK;
	for (int tries = 0; tries < 2; tries++) {
		struct sr_hsm_turn turn;
		rv = take(hsm, &turn, why);
		if (why->rv != CKR_OK)
			break;
		if (rv == CKR_OK) {
			rv = sr_pool_doubt(hsm, &turn, work(&turn, job));
			give_back(hsm, &turn, rv);
		}
		if (!sr_hsm_is_lost(rv))
			break;
		sr_pool_lose(hsm, turn.epoch, rv);
	}
	if (why->rv != CKR_OK)
		rv = why->rv;
	if (rv != CKR_OK)
		count(&hsm->counts.failed);
	return rv;
}

CK_RV sr_hsm_run(struct sr_hsm *hsm, const char *doing, sr_hsm_work *work, void *job, struct sr_error *err)
{
	struct sr_error why = SR_ERROR_INIT;
	CK_RV rv = sr_hsm_try(hsm, work, job, &why);
	if (why.rv != CKR_OK)
		return sr_fail(err, why.rv, why.reason, "%s", why.text);
	return rv == CKR_OK ? CKR_OK : sr_hsm_fail(err, rv, doing);
}

/* -- sessions kept for long ------------------------------------------------------------------------------------ */

static CK_RV refuse_own(struct sr_error *err)
{
	return sr_fail(err, CKR_DEVICE_MEMORY, SR_REASON_TOO_LARGE,
		"the HSM has no session left for one more operation or session with objects; end some of those begun");
}

/* Who is inside already never waits for what waits until nobody is. */
static CK_RV ready_within(struct sr_hsm *hsm, const struct sr_hsm_turn *within, struct sr_error *err)
{
	if (!within)
		return make_ready(hsm, err);
	return hsm->epoch == within->epoch && !hsm->reopening ? CKR_OK : CKR_SESSION_HANDLE_INVALID;
}

CK_RV sr_pool_take_own(
	struct sr_hsm *hsm, const struct sr_hsm_turn *within, struct sr_hsm_turn *turn, struct sr_error *err)
{
	pthread_mutex_lock(&hsm->lock);
	CK_RV rv = ready_within(hsm, within, err);
	if (rv == CKR_OK && hsm->own_idle_count > 0) {
		turn->session = hsm->own_idle[--hsm->own_idle_count];
	} else if (rv == CKR_OK && hsm->own_open >= hsm->own_limit) {
		rv = refuse_own(err);
	} else if (rv == CKR_OK) {
		rv = sr_session_open(hsm->backend.module, hsm->slot, &turn->session);
		if (rv == CKR_OK)
			hsm->own_open++;
		if (rv == CKR_SESSION_COUNT)
			rv = refuse_own(err);
	}
	fill_turn(hsm, turn);
	pthread_mutex_unlock(&hsm->lock);
	if (rv == CKR_OK)
		begin_turn(hsm);
	return rv;
}

void sr_pool_give_own(struct sr_hsm *hsm, const struct sr_hsm_turn *turn, bool clean)
{
	end_turn(hsm);
	pthread_mutex_lock(&hsm->lock);
	bool keep = clean && turn->epoch == hsm->epoch && hsm->own_idle_count < SR_HSM_SESSIONS_MAX;
	if (keep)
		hsm->own_idle[hsm->own_idle_count++] = turn->session;
	else
		hsm->own_open--;
	bool close = !keep && is_ours(hsm, turn);
	hsm->inside += close;
	pthread_mutex_unlock(&hsm->lock);
	if (!close)
		return;
	(void)turn->module->C_CloseSession(turn->session);
	sr_pool_leave(hsm);
}
