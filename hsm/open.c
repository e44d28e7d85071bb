/* Opening and closing the HSM, and logging in. */
#include "hsm/internal.h"

#include "hsm/cache.h"
#include "hsm/key.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define DRAIN_S 2
#define OWN_MAX (8u * SR_HSM_USES_MAX) /* uses, and as many nests as programs have sessions */

/* -- login ----------------------------------------------------------------------------------------------------- */

static CK_RV refuse_pin(struct sr_error *err, const char *why)
{
	return sr_fail(err, CKR_DEVICE_ERROR, SR_REASON_HSM_PIN, "HSM PIN: %s", why);
}

static CK_RV ask_person(struct sr_hsm *hsm, struct sr_error *err)
{
	struct sr_buf given = SR_BUF_INIT;
	bool ok = hsm->prompt(hsm->identity.label, &given) && !given.failed && given.len > 0 && given.len <= SR_PIN_MAX;
	if (ok) {
		memcpy(hsm->pin.bytes, given.data, given.len);
		hsm->pin.len = given.len;
		hsm->pin_kept = true;
	}
	sr_buf_clear(&given);
	return ok ? CKR_OK : refuse_pin(err, "none was entered (1 to 255 bytes); try again on a terminal");
}

static CK_RV get_pin(struct sr_hsm *hsm, CK_FLAGS flags, struct sr_error *err)
{
	if (hsm->pin_kept)
		return CKR_OK;
	if (sr_pin_is_prompt(hsm->pin_source))
		return ask_person(hsm, err);
	if (hsm->pin_source)
		return sr_pin_read(hsm->pin_source, &hsm->pin, err);
	if (flags & CKF_PROTECTED_AUTHENTICATION_PATH)
		return CKR_OK; /* the HSM asks by itself: a NULL PIN */
	return refuse_pin(err, "the HSM URI has no pin-source; add pin-source=file:/PATH");
}

/* Codes that say that the PIN itself was refused: never offered again, HSMs lock after a few. */
static CK_RV login_answer(struct sr_hsm *hsm, CK_RV rv, struct sr_error *err)
{
	switch (rv) {
	case CKR_OK:
	case CKR_USER_ALREADY_LOGGED_IN: /* by the program, or by another vault in this process */
		return CKR_OK;
	case CKR_PIN_INCORRECT:
	case CKR_PIN_INVALID:
	case CKR_PIN_LEN_RANGE:
		hsm->pin_refused = true;
		return refuse_pin(
			err, "the HSM does not accept it; it was tried once; correct the pin-source's content");
	case CKR_PIN_LOCKED:
		hsm->pin_refused = true;
		return refuse_pin(err, "the HSM has locked it; unlock it with the HSM's own tool");
	case CKR_PIN_EXPIRED:
		hsm->pin_refused = true;
		return refuse_pin(err, "it has expired; change it with the HSM's own tool");
	case CKR_USER_PIN_NOT_INITIALIZED:
		return refuse_pin(err, "the token has none yet; set the user PIN with the HSM's own tool");
	case CKR_USER_ANOTHER_ALREADY_LOGGED_IN:
		return refuse_pin(err, "this program is logged in to the token as security officer; log out there");
	default:
		return sr_hsm_fail(err, rv, "log us in");
	}
}

static CK_RV check_flags(CK_FLAGS flags, struct sr_error *err)
{
	if (!(flags & CKF_USER_PIN_INITIALIZED))
		return refuse_pin(err, "the token has none yet; set the user PIN with the HSM's own tool");
	if (flags & CKF_USER_PIN_LOCKED)
		return refuse_pin(err, "the HSM has locked it; unlock it with the HSM's own tool");
	if (flags & CKF_USER_PIN_FINAL_TRY)
		return refuse_pin(
			err, "one wrong try is left and we do not risk it; log in once with the HSM's own tool");
	return CKR_OK;
}

static CK_RV log_in(struct sr_hsm *hsm, CK_FLAGS flags, struct sr_error *err)
{
	if (hsm->pin_refused)
		return refuse_pin(
			err, "it was refused before and is not tried again; correct it and open the vault anew");
	CK_RV rv = check_flags(flags, err);
	if (rv == CKR_OK)
		rv = get_pin(hsm, flags, err);
	if (rv != CKR_OK)
		return rv;
	CK_UTF8CHAR *pin = hsm->pin.len > 0 ? hsm->pin.bytes : NULL;
	rv = hsm->backend.module->C_Login(hsm->keeper, CKU_USER, pin, hsm->pin.len);
	if (!hsm->pin_kept)
		sr_pin_wipe(&hsm->pin);
	return login_answer(hsm, rv, err);
}

/* What a token with a limit leaves for uses and nests: the keeper, the cache and a pool of at least two come first. */
static size_t own_limit(const CK_TOKEN_INFO *token)
{
	CK_ULONG most = token->ulMaxRwSessionCount;
	if (most == CK_EFFECTIVELY_INFINITE || most == CK_UNAVAILABLE_INFORMATION)
		most = token->ulMaxSessionCount;
	if (most == CK_EFFECTIVELY_INFINITE || most == CK_UNAVAILABLE_INFORMATION || most > 2 * OWN_MAX)
		return OWN_MAX;
	CK_ULONG pool = most / 4 > 2 ? most / 4 : 2;
	pool = pool < SR_HSM_SESSIONS_MAX ? pool : SR_HSM_SESSIONS_MAX;
	return most > pool + 2 ? most - pool - 2 : 0;
}

static CK_RV reach_token(struct sr_hsm *hsm, struct sr_error *err)
{
	CK_FUNCTION_LIST *module = hsm->backend.module;
	CK_TOKEN_INFO token;
	CK_RV rv = sr_uri_find_token(hsm, &token, err);
	if (rv != CKR_OK)
		return rv;
	hsm->own_limit = own_limit(&token);
	rv = sr_session_open(module, hsm->slot, &hsm->keeper);
	if (rv != CKR_OK) {
		hsm->keeper = 0;
		return sr_hsm_fail(err, rv, "open a session");
	}
	rv = log_in(hsm, token.flags, err);
	if (rv != CKR_OK) {
		(void)module->C_CloseSession(hsm->keeper);
		hsm->keeper = 0;
	}
	return rv;
}

/* Alone, because to SoftHSM2 a login is a write: see tokenfile.c. */
static CK_RV reach_token_alone(struct sr_hsm *hsm, struct sr_error *err)
{
	const char *conf = hsm->backend.softhsm_conf;
	int lock = sr_softhsm_lock(conf, true);
	CK_RV rv = reach_token(hsm, err);
	if (rv == CKR_OK && lock >= 0)
		sr_softhsm_keep(conf);
	sr_softhsm_unlock(lock);
	return rv;
}

/* WHY, and that the token was there before. */
static CK_RV still_away(const struct sr_hsm *hsm, const struct sr_error *why, struct sr_error *err)
{
	bool before = why->rv == CKR_DEVICE_REMOVED && hsm->serial[0];
	return sr_fail(
		err, why->rv, why->reason, "%s%s", before ? "the HSM was lost and is still away: " : "", why->text);
}

/* Not under a thread that is still inside: all of them come out with an error now. */
static CK_RV restart(struct sr_hsm *hsm, struct sr_error *err)
{
	struct timespec until;
	int woken = 0;
	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += DRAIN_S;
	while (hsm->inside > 0 && woken != ETIMEDOUT)
		woken = pthread_cond_timedwait(&hsm->settled, &hsm->lock, &until);
	if (hsm->inside > 0)
		return sr_fail(err, CKR_DEVICE_REMOVED, SR_REASON_HSM_MISSING,
			"the HSM was lost, and %zu calls have not come back from its module yet; see that the token is "
			"there",
			hsm->inside);
	struct sr_error why = SR_ERROR_INIT;
	CK_RV rv = sr_backend_restart(&hsm->backend, &why);
	if (rv != CKR_OK)
		return still_away(hsm, &why, err);
	hsm->restarts++;
	hsm->restart = false;
	return CKR_OK;
}

/* SoftHSM2 does not see again what it has missed once, until it is loaded anew: a token that was away; and where
 * another process was killed in its login after we had listed the tokens. */
static bool is_blind(const struct sr_hsm *hsm)
{
	return hsm->backend.softhsm && !hsm->backend.foreign && (hsm->backend.softhsm_conf || hsm->serial[0]);
}

CK_RV sr_hsm_connect(struct sr_hsm *hsm, struct sr_error *err)
{
	struct sr_error why = SR_ERROR_INIT;
	CK_RV rv = hsm->restart ? restart(hsm, err) : CKR_OK;
	if (rv != CKR_OK)
		return rv;
	rv = reach_token_alone(hsm, &why);
	if (rv == CKR_DEVICE_REMOVED && is_blind(hsm)) {
		rv = restart(hsm, err);
		if (rv != CKR_OK)
			return rv;
		sr_error_clear(&why);
		rv = reach_token_alone(hsm, &why);
	}
	if (rv != CKR_OK)
		return still_away(hsm, &why, err);
	memcpy(hsm->serial, hsm->identity.serial, sizeof(hsm->serial));
	return CKR_OK;
}

/* -- opening and closing --------------------------------------------------------------------------------------- */

static struct sr_hsm *new_hsm(void)
{
	struct sr_hsm *hsm = calloc(1, sizeof(*hsm));
	if (!hsm)
		return NULL;
	hsm->cache = sr_cache_new();
	if (!hsm->cache || !sr_pin_init(&hsm->pin)) {
		sr_cache_free(hsm->cache);
		free(hsm);
		return NULL;
	}
	pthread_mutex_init(&hsm->lock, NULL);
	pthread_cond_init(&hsm->given_back, NULL);
	pthread_condattr_t monotonic;
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&hsm->settled, &monotonic);
	pthread_condattr_destroy(&monotonic);
	hsm->limit = SR_HSM_SESSIONS_MAX;
	return hsm;
}

/* The mutex and the condition hold no memory, and in a forked child another thread's hold on them may be frozen in:
 * they are left as they are. */
static void free_memory(struct sr_hsm *hsm)
{
	sr_uses_drop(hsm, false);
	sr_nests_drop(hsm, false);
	sr_cache_free(hsm->cache);
	sr_pin_clear(&hsm->pin);
	p11_kit_uri_free(hsm->uri);
	free(hsm->pin_source);
	sr_cleanse(hsm, sizeof(*hsm));
	free(hsm);
}

CK_RV sr_hsm_open(const struct sr_hsm_config *config, struct sr_hsm **out, struct sr_error *err)
{
	char path[PATH_MAX];
	*out = NULL;
	struct sr_hsm *hsm = new_hsm();
	if (!hsm)
		return sr_fail(err, CKR_HOST_MEMORY, SR_REASON_MEMORY, "out of memory while opening the HSM");
	CK_RV rv = sr_uri_open(hsm, config, path, err);
	if (rv == CKR_OK)
		rv = sr_backend_open(&hsm->backend, path, config->softhsm_conf, err);
	if (rv == CKR_OK)
		rv = sr_hsm_connect(hsm, err);
	if (config->pin_refused)
		*config->pin_refused = hsm->pin_refused;
	if (rv != CKR_OK) {
		sr_hsm_close(hsm);
		return rv;
	}
	sr_presence_back(hsm);
	*out = hsm;
	return CKR_OK;
}

void sr_hsm_close(struct sr_hsm *hsm)
{
	if (!hsm)
		return;
	/* No C_Logout: login belongs to the application as a whole, and ends with its last session anyway. */
	if (hsm->backend.module) {
		sr_uses_drop(hsm, true);
		sr_nests_drop(hsm, true);
		sr_cache_close(hsm);
		sr_pool_drop(hsm, CKR_OK);
	}
	sr_backend_close(&hsm->backend);
	free_memory(hsm);
}

void sr_hsm_abandon(struct sr_hsm *hsm)
{
	if (!hsm)
		return;
	sr_backend_abandon(&hsm->backend);
	free_memory(hsm);
}

void sr_hsm_identity(struct sr_hsm *hsm, struct sr_hsm_identity *out)
{
	pthread_mutex_lock(&hsm->lock);
	*out = hsm->identity;
	pthread_mutex_unlock(&hsm->lock);
}

void sr_hsm_counts(const struct sr_hsm *hsm, struct sr_hsm_counts *out)
{
	out->turns = atomic_load_explicit(&hsm->counts.turns, memory_order_relaxed);
	out->failed = atomic_load_explicit(&hsm->counts.failed, memory_order_relaxed);
	out->lost = atomic_load_explicit(&hsm->counts.lost, memory_order_relaxed);
	out->busy = atomic_load_explicit(&hsm->counts.busy, memory_order_relaxed);
}

unsigned sr_hsm_generation(const struct sr_hsm *hsm)
{
	return atomic_load_explicit(&hsm->generation, memory_order_relaxed);
}
