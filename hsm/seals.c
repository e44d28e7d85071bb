/* Generations of the seal key: found when they are needed, made, and destroyed. */
#include "hsm/seals.h"

#include "hsm/internal.h"

#include <string.h>

void sr_hsm_seal_from(struct sr_hsm *hsm, unsigned generation)
{
	pthread_mutex_lock(&hsm->lock);
	hsm->seal_from = generation;
	pthread_mutex_unlock(&hsm->lock);
}

/* With the lock held. A lost code comes back with ERR untouched. */
static CK_RV find_once(struct sr_hsm *hsm, unsigned generation, struct sr_error *err)
{
	if (!hsm->keeper || hsm->reopening || hsm->keys.generation == 0)
		return CKR_SESSION_HANDLE_INVALID;
	CK_RV rv = sr_keys_seal(&hsm->keys, generation) ? CKR_OK : sr_keys_find_seal(hsm, generation, err);
	/* after a loss the newest is looked for with the other keys: an older one may have been retired */
	if (rv == CKR_OK && generation > (hsm->seal_from ? hsm->seal_from : hsm->wanted))
		hsm->seal_from = generation;
	return rv;
}

CK_RV sr_hsm_need_seal(struct sr_hsm *hsm, unsigned generation, struct sr_error *err)
{
	CK_RV rv = CKR_OK;
	for (int tries = 0; tries < 2; tries++) {
		struct sr_error why = SR_ERROR_INIT;
		pthread_mutex_lock(&hsm->lock);
		rv = find_once(hsm, generation, &why);
		if (rv != CKR_OK && why.rv == CKR_OK && hsm->keeper && !hsm->reopening && sr_hsm_is_lost(rv) &&
			hsm->keys.generation)
			sr_pool_drop(hsm, rv);
		pthread_mutex_unlock(&hsm->lock);
		if (why.rv != CKR_OK)
			return sr_fail(err, why.rv, why.reason, "%s", why.text);
		if (rv == CKR_OK || !sr_hsm_is_lost(rv))
			break;
		rv = sr_hsm_look(hsm, err);
		if (rv != CKR_OK)
			return rv;
	}
	return rv == CKR_OK ? rv : sr_hsm_fail(err, rv, "show a generation of the seal key");
}

/** struct seal_key: what is made or destroyed; FOUND of that label. */
struct seal_key {
	char vault_id[SR_HSM_VAULT_ID_MAX + 1];
	char label[SR_HSM_LABEL_MAX];
	unsigned generation;
	bool destroy;
	CK_ULONG found;
};

/* A second time what was made the first time is there. */
static CK_RV seal_work(const struct sr_hsm_turn *turn, void *job_)
{
	struct seal_key *job = job_;
	CK_OBJECT_HANDLE found[2];
	int lock = sr_softhsm_lock(turn->softhsm_conf, true);
	CK_RV rv = sr_object_find_label(turn, CKO_SECRET_KEY, job->label, found, 2, &job->found);
	if (rv == CKR_OK && !job->destroy && job->found == 0)
		rv = sr_keys_generate_seal(turn, job->vault_id, job->generation);
	for (CK_ULONG i = 0; rv == CKR_OK && job->destroy && i < job->found; i++)
		rv = turn->module->C_DestroyObject(turn->session, found[i]);
	sr_softhsm_unlock(lock);
	return rv;
}

static CK_RV run(struct sr_hsm *hsm, const char *doing, struct seal_key *job, struct sr_error *err)
{
	CK_RV rv = sr_hsm_need_keys(hsm, err);
	if (rv != CKR_OK)
		return rv;
	pthread_mutex_lock(&hsm->lock);
	memcpy(job->vault_id, hsm->vault_id, sizeof(job->vault_id));
	pthread_mutex_unlock(&hsm->lock);
	sr_key_label(job->vault_id, SR_ROLE_SEAL, job->generation, job->label);
	rv = sr_hsm_run(hsm, doing, seal_work, job, err);
	sr_softhsm_tighten(hsm->backend.softhsm_conf);
	return rv;
}

CK_RV sr_hsm_make_seal(struct sr_hsm *hsm, unsigned generation, struct sr_error *err)
{
	struct seal_key job = { .generation = generation };
	CK_RV rv = run(hsm, "generate a seal key", &job, err);
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
	struct seal_key job = { .generation = generation, .destroy = true };
	CK_RV rv = run(hsm, "destroy a seal key", &job, err);
	if (rv == CKR_OK)
		forget(hsm, generation);
	return rv;
}
