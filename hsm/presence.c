/* Whether the token is there, and since when it is not.
 *
 * A token that is taken away takes its sessions with it, says the standard. SoftHSM2 leaves them, and the keys that
 * were copied into them go on working, while what needs the token itself fails with the word that it has for bad input
 * too. So the token is looked at once a second while it is used, and whenever an answer may mean that it is gone. */
#include "hsm/internal.h"
#include "util/clock.h"

#include <string.h>

/* The last two: SoftHSM2 takes an attribute that it cannot read for false, or for another kind. */
static bool is_vague(CK_RV rv)
{
	return rv == CKR_GENERAL_ERROR || rv == CKR_FUNCTION_FAILED || rv == CKR_DEVICE_ERROR ||
	       rv == CKR_KEY_FUNCTION_NOT_PERMITTED || rv == CKR_KEY_TYPE_INCONSISTENT;
}

/* -- looking --------------------------------------------------------------------------------------------------- */

/* Each of these answers a lost code, by which the sessions are dropped, or the module is initialised again. */
static CK_RV ask_token(CK_FUNCTION_LIST *module, CK_SLOT_ID slot, CK_TOKEN_INFO *token)
{
	memset(token, 0, sizeof(*token));
	CK_RV rv = module->C_GetTokenInfo(slot, token);
	if (rv == CKR_CRYPTOKI_NOT_INITIALIZED)
		return rv;
	return rv == CKR_OK && (token->flags & CKF_TOKEN_INITIALIZED) ? CKR_OK : CKR_TOKEN_NOT_PRESENT;
}

static CK_RV ask_login(const struct sr_hsm_turn *turn)
{
	CK_SESSION_INFO info = { .state = 0 };
	CK_RV rv = turn->module->C_GetSessionInfo(turn->session, &info);
	if (rv != CKR_OK)
		return sr_hsm_is_lost(rv) ? rv : CKR_SESSION_HANDLE_INVALID;
	bool in = info.state == CKS_RW_USER_FUNCTIONS || info.state == CKS_RO_USER_FUNCTIONS;
	return in ? CKR_OK : CKR_USER_NOT_LOGGED_IN;
}

/* The wrap key, since it is never a copy: the token object itself. Not by a code for a handle, which would be taken for
 * that of a user's key. */
static CK_RV ask_keys(const struct sr_hsm_turn *turn)
{
	CK_ULONG type;
	if (turn->keys.generation == 0)
		return CKR_OK;
	CK_RV rv = sr_object_number(turn, turn->keys.use[SR_ROLE_WRAP], CKA_KEY_TYPE, &type);
	return rv == CKR_OK && type == sr_key_rows[SR_ROLE_WRAP].type ? CKR_OK : CKR_SESSION_HANDLE_INVALID;
}

bool sr_token_is_there(CK_FUNCTION_LIST *module, CK_SLOT_ID slot)
{
	CK_TOKEN_INFO token;
	return ask_token(module, slot, &token) == CKR_OK;
}

bool sr_turn_is_logged_in(const struct sr_hsm_turn *turn)
{
	return ask_login(turn) == CKR_OK;
}

static CK_RV check(const struct sr_hsm_turn *turn, CK_TOKEN_INFO *token)
{
	CK_RV rv = ask_token(turn->module, turn->slot, token);
	if (rv == CKR_OK)
		rv = ask_login(turn);
	return rv == CKR_OK ? ask_keys(turn) : rv;
}

CK_RV sr_turn_doubt(const struct sr_hsm_turn *turn, CK_RV rv)
{
	CK_TOKEN_INFO token;
	if (!is_vague(rv))
		return rv;
	int lock = sr_softhsm_lock(turn->softhsm_conf, false);
	CK_RV lost = check(turn, &token);
	sr_softhsm_unlock(lock);
	return lost == CKR_OK ? rv : lost;
}

static bool is_moment_ago(int64_t then_ms, int64_t now_ms)
{
	return now_ms >= then_ms && now_ms - then_ms < SR_HSM_LOOK_MS;
}

static CK_RV look(const struct sr_hsm *hsm)
{
	const struct sr_hsm_turn turn = {
		.module = hsm->backend.module, .slot = hsm->slot, .session = hsm->keeper, .keys = hsm->keys
	};
	CK_TOKEN_INFO token;
	CK_RV rv = check(&turn, &token);
	return rv == CKR_OK && !sr_uri_is_known(hsm, &token) ? CKR_TOKEN_NOT_PRESENT : rv;
}

/* Whoever writes to SoftHSM2's directory sees for himself whether it is there: nobody waits for him here. */
CK_RV sr_presence_check(struct sr_hsm *hsm)
{
	int64_t now_ms = sr_clock_boot_ms();
	CK_RV rv = CKR_OK;
	int lock;
	if (is_moment_ago(hsm->seen_ms, now_ms))
		return CKR_OK;
	if (sr_softhsm_try_lock(hsm->backend.softhsm_conf, &lock)) {
		rv = look(hsm);
		sr_softhsm_unlock(lock);
	}
	if (rv == CKR_OK)
		hsm->seen_ms = now_ms;
	return rv;
}

/* -- absences -------------------------------------------------------------------------------------------------- */

void sr_presence_lost(struct sr_hsm *hsm)
{
	struct sr_now now;
	sr_clock_now(&now);
	if (hsm->gone_ms == 0)
		hsm->gone_ms = now.wall_ms;
}

void sr_presence_back(struct sr_hsm *hsm)
{
	struct sr_now now;
	sr_clock_now(&now);
	hsm->seen_ms = now.boot_ms;
	sr_error_clear(&hsm->away);
	if (hsm->gone_ms == 0)
		return;
	hsm->absence = (struct sr_hsm_absence){ hsm->gone_ms, now.wall_ms };
	hsm->gone_ms = 0;
	atomic_store(&hsm->untold, true);
}

void sr_presence_failed(struct sr_hsm *hsm, const struct sr_error *why)
{
	if (why->rv == CKR_HOST_MEMORY)
		return;
	sr_presence_lost(hsm);
	hsm->away = *why;
	hsm->tried_ms = sr_clock_boot_ms();
}

bool sr_presence_wait(const struct sr_hsm *hsm, struct sr_error *err)
{
	if (hsm->away.rv == CKR_OK || !is_moment_ago(hsm->tried_ms, sr_clock_boot_ms()))
		return false;
	sr_fail(err, hsm->away.rv, hsm->away.reason, "%s", hsm->away.text);
	return true;
}

bool sr_hsm_absence(struct sr_hsm *hsm, struct sr_hsm_absence *absence)
{
	if (!atomic_load_explicit(&hsm->untold, memory_order_relaxed))
		return false;
	pthread_mutex_lock(&hsm->lock);
	bool untold = atomic_exchange(&hsm->untold, false);
	*absence = hsm->absence;
	pthread_mutex_unlock(&hsm->lock);
	return untold;
}

void sr_hsm_absence_untold(struct sr_hsm *hsm, const struct sr_hsm_absence *absence)
{
	pthread_mutex_lock(&hsm->lock);
	if (!atomic_load(&hsm->untold))
		hsm->absence = *absence;
	else if (absence->from_ms < hsm->absence.from_ms)
		hsm->absence.from_ms = absence->from_ms;
	atomic_store(&hsm->untold, true);
	pthread_mutex_unlock(&hsm->lock);
}
