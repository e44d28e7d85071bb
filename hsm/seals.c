/* Generations of the seal key: found when they are needed, made, and destroyed. */
#include "hsm/seals.h"

#include "hsm/internal.h"

void sr_hsm_seal_from(struct sr_hsm *hsm, unsigned generation)
{
	pthread_mutex_lock(&hsm->lock);
	hsm->seal_from = generation;
	pthread_mutex_unlock(&hsm->lock);
}

static CK_RV find_seal(struct sr_hsm *hsm, unsigned generation, struct sr_error *err)
{
	CK_RV rv = sr_keys_seal(&hsm->keys, generation) ? CKR_OK : sr_keys_find_seal(hsm, generation, err);
	/* after a loss the newest is looked for with the other keys: an older one may have been retired */
	if (rv == CKR_OK && generation > (hsm->seal_from ? hsm->seal_from : hsm->wanted))
		hsm->seal_from = generation;
	return rv;
}

CK_RV sr_hsm_need_seal(struct sr_hsm *hsm, unsigned generation, struct sr_error *err)
{
	return sr_hsm_need(hsm, generation, find_seal, "show a generation of the seal key", err);
}

CK_RV sr_hsm_make_seal(struct sr_hsm *hsm, unsigned generation, struct sr_error *err)
{
	struct sr_role_job job = { .role = SR_ROLE_SEAL, .generation = generation };
	CK_RV rv = sr_role_run(hsm, "generate a seal key", &job, err);
	return rv == CKR_OK ? sr_hsm_need_seal(hsm, generation, err) : rv;
}

static void forget(struct sr_hsm *hsm, unsigned generation)
{
	pthread_mutex_lock(&hsm->lock);
	for (size_t i = 0; i < SR_HSM_SEALS_MAX; i++) {
		if (hsm->keys.seals[i].generation == generation)
			hsm->keys.seals[i].generation = 0; /* its copy goes with the sessions */
	}
	pthread_mutex_unlock(&hsm->lock);
}

CK_RV sr_hsm_drop_seal(struct sr_hsm *hsm, unsigned generation, struct sr_error *err)
{
	struct sr_role_job job = { .role = SR_ROLE_SEAL, .generation = generation, .destroy = true };
	CK_RV rv = sr_role_run(hsm, "destroy a seal key", &job, err);
	if (rv == CKR_OK)
		forget(hsm, generation);
	return rv;
}
