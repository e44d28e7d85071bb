/* Whether the token is there, and since when it is not.
 *
 * A token that is taken away takes its sessions with it, says the standard. SoftHSM2 leaves them, and the keys that
 * were copied into them go on working, while what needs the token itself fails with the word that it has for bad input
 * too. So the token is looked at once a second while it is used, and whenever an answer may mean that it is gone. */
#include "hsm/internal.h"
#include "util/clock.h"

#include <string.h>

/* The last two: SoftHSM2 takes an attribute that it cannot read for false, or for another kind. */
bool sr_code_is_vague(CK_RV rv)
{
	return rv == CKR_GENERAL_ERROR || rv == CKR_FUNCTION_FAILED || rv == CKR_DEVICE_ERROR ||
	       rv == CKR_KEY_FUNCTION_NOT_PERMITTED || rv == CKR_KEY_TYPE_INCONSISTENT;
}

/* -- looking --------------------------------------------------------------------------------------------------- */

static bool ask_token(CK_FUNCTION_LIST *module, CK_SLOT_ID slot, CK_TOKEN_INFO *token)
{
	memset(token, 0, sizeof(*token));
	return module->C_GetTokenInfo(slot, token) == CKR_OK && (token->flags & CKF_TOKEN_INITIALIZED);
}

bool sr_token_is_there(CK_FUNCTION_LIST *module, CK_SLOT_ID slot)
{
	CK_TOKEN_INFO token;
	return ask_token(module, slot, &token);
}

bool sr_turn_is_logged_in(const struct sr_hsm_turn *turn)
{
	CK_SESSION_INFO info = { .state = 0 };
	return turn->module->C_GetSessionInfo(turn->session, &info) == CKR_OK &&
	       (info.state == CKS_RW_USER_FUNCTIONS || info.state == CKS_RO_USER_FUNCTIONS);
}

/* The wrap key, since it is never a copy: the token object itself. */
static bool has_keys(const struct sr_hsm_turn *turn)
{
	CK_ULONG type;
	if (turn->keys.generation == 0)
		return true;
	CK_RV rv = sr_object_number(turn, turn->keys.use[SR_ROLE_WRAP], CKA_KEY_TYPE, &type);
	return rv == CKR_OK && type == sr_key_rows[SR_ROLE_WRAP].type;
}

bool sr_turn_is_sound(const struct sr_hsm_turn *turn)
{
	int lock = sr_softhsm_lock(turn->softhsm_conf, false);
	bool sound = sr_token_is_there(turn->module, turn->slot) && sr_turn_is_logged_in(turn) && has_keys(turn);
	sr_softhsm_unlock(lock);
	return sound;
}

CK_RV sr_turn_doubt(const struct sr_hsm_turn *turn, CK_RV rv)
{
	return sr_code_is_vague(rv) && !sr_turn_is_sound(turn) ? CKR_DEVICE_REMOVED : rv;
}

static bool is_moment_ago(int64_t then_ms, int64_t now_ms)
{
	return now_ms >= then_ms && now_ms - then_ms < SR_HSM_LOOK_MS;
}

static bool look(const struct sr_hsm *hsm)
{
	const struct sr_hsm_turn turn = {
		.module = hsm->backend.module, .slot = hsm->slot, .session = hsm->keeper, .keys = hsm->keys
	};
	CK_TOKEN_INFO token;
	return ask_token(turn.module, turn.slot, &token) && sr_uri_is_known(hsm, &token) &&
	       sr_turn_is_logged_in(&turn) && has_keys(&turn);
}

/* Whoever writes to SoftHSM2's directory sees for himself whether it is there: nobody waits for him here. */
bool sr_presence_seen(struct sr_hsm *hsm)
{
	int64_t now_ms = sr_clock_boot_ms();
	int lock;
	if (is_moment_ago(hsm->seen_ms, now_ms))
		return true;
	bool there = true;
	if (sr_softhsm_try_lock(hsm->backend.softhsm_conf, &lock)) {
		there = look(hsm);
		sr_softhsm_unlock(lock);
	}
	if (there)
		hsm->seen_ms = now_ms;
	return there;
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
