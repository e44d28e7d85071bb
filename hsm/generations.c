/* Generations of the wrap, mac and audit keys: found, made, taken for the newest, destroyed. */
#include "hsm/generations.h"

#include "hsm/internal.h"

#include <string.h>

static const enum sr_hsm_role roles[] = { SR_ROLE_WRAP, SR_ROLE_MAC, SR_ROLE_AUDIT };
#define ROLES (sizeof(roles) / sizeof(*roles))

/* -- finding ----------------------------------------------------------------------------------------------------- */

/* With the lock held. A lost code comes back with ERR untouched. */
static CK_RV find_once(struct sr_hsm *hsm, unsigned generation, sr_hsm_find *find, struct sr_error *err)
{
	if (!hsm->keeper || hsm->reopening || hsm->keys.generation == 0)
		return CKR_SESSION_HANDLE_INVALID;
	return find(hsm, generation, err);
}

CK_RV sr_hsm_need(struct sr_hsm *hsm, unsigned generation, sr_hsm_find *find, const char *doing, struct sr_error *err)
{
	CK_RV rv = CKR_OK;
	for (int tries = 0; tries < 2; tries++) {
		struct sr_error why = SR_ERROR_INIT;
		pthread_mutex_lock(&hsm->lock);
		rv = find_once(hsm, generation, find, &why);
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
	return rv == CKR_OK ? rv : sr_hsm_fail(err, rv, doing);
}

static CK_RV find_keys(struct sr_hsm *hsm, unsigned generation, struct sr_error *err)
{
	return sr_keys_mac(&hsm->keys, generation) ? CKR_OK : sr_keys_find_core(hsm, generation, err);
}

CK_RV sr_hsm_need_keys_of(struct sr_hsm *hsm, unsigned generation, struct sr_error *err)
{
	return sr_hsm_need(hsm, generation, find_keys, "show a generation of its keys", err);
}

/* Never back: what this process knows to be the newest is so. */
static CK_RV advance(struct sr_hsm *hsm, unsigned generation, struct sr_error *err)
{
	return generation <= hsm->keys.generation ? CKR_OK : sr_keys_advance(hsm, generation, err);
}

CK_RV sr_hsm_advance(struct sr_hsm *hsm, unsigned generation, struct sr_error *err)
{
	if (generation <= sr_hsm_generation(hsm))
		return CKR_OK;
	return sr_hsm_need(hsm, generation, advance, "show a new generation of its keys", err);
}

/* -- making and destroying --------------------------------------------------------------------------------------- */

static CK_RV destroy_class(const struct sr_hsm_turn *turn, CK_OBJECT_CLASS object_class, const char *label)
{
	CK_OBJECT_HANDLE found[2];
	CK_ULONG count = 0;
	CK_RV rv = sr_object_find_label(turn, object_class, label, found, 2, &count);
	for (CK_ULONG i = 0; rv == CKR_OK && i < count; i++)
		rv = turn->module->C_DestroyObject(turn->session, found[i]);
	return rv;
}

/* A public key without its private one was left by a crash between the two. */
static CK_RV make_role(const struct sr_hsm_turn *turn, const struct sr_role_job *job, const char *label)
{
	CK_RV rv = job->role == SR_ROLE_AUDIT ? destroy_class(turn, CKO_PUBLIC_KEY, label) : CKR_OK;
	return rv == CKR_OK ? sr_keys_generate_one(turn, job->vault_id, job->role, job->generation) : rv;
}

/* A second time what was made the first time is there. */
static CK_RV role_work(const struct sr_hsm_turn *turn, void *job_)
{
	struct sr_role_job *job = job_;
	CK_OBJECT_HANDLE found[2];
	char label[SR_HSM_LABEL_MAX];
	CK_OBJECT_CLASS object_class = sr_key_class(job->role);
	sr_key_label(job->vault_id, job->role, job->generation, label);
	int lock = sr_softhsm_lock(turn->softhsm_conf, true);
	CK_RV rv = sr_object_find_label(turn, object_class, label, found, 2, &job->found);
	if (rv == CKR_OK && !job->destroy && job->found == 0)
		rv = make_role(turn, job, label);
	if (rv == CKR_OK && job->destroy)
		rv = destroy_class(turn, object_class, label);
	if (rv == CKR_OK && job->destroy && job->role == SR_ROLE_AUDIT)
		rv = destroy_class(turn, CKO_PUBLIC_KEY, label);
	sr_softhsm_unlock(lock);
	return rv;
}

CK_RV sr_role_run(struct sr_hsm *hsm, const char *doing, struct sr_role_job *job, struct sr_error *err)
{
	CK_RV rv = sr_hsm_need_keys(hsm, err);
	if (rv != CKR_OK)
		return rv;
	pthread_mutex_lock(&hsm->lock);
	memcpy(job->vault_id, hsm->vault_id, sizeof(job->vault_id));
	pthread_mutex_unlock(&hsm->lock);
	rv = sr_hsm_run(hsm, doing, role_work, job, err);
	sr_softhsm_tighten(hsm->backend.softhsm_conf);
	return rv;
}

CK_RV sr_hsm_make_keys_of(struct sr_hsm *hsm, unsigned generation, struct sr_error *err)
{
	CK_RV rv = CKR_OK;
	for (size_t i = 0; rv == CKR_OK && i < ROLES; i++) {
		struct sr_role_job job = { .role = roles[i], .generation = generation };
		rv = sr_role_run(hsm, "generate a key of the vault", &job, err);
	}
	return rv == CKR_OK ? sr_hsm_need_keys_of(hsm, generation, err) : rv;
}

static void forget(struct sr_hsm *hsm, unsigned generation)
{
	pthread_mutex_lock(&hsm->lock);
	for (size_t i = 0; i < SR_HSM_CORES_MAX; i++) {
		if (hsm->keys.cores[i].generation == generation)
			hsm->keys.cores[i].generation = 0; /* its copy goes with the sessions */
	}
	pthread_mutex_unlock(&hsm->lock);
}

CK_RV sr_hsm_drop_keys_of(struct sr_hsm *hsm, unsigned generation, struct sr_error *err)
{
	CK_RV rv = CKR_OK;
	for (size_t i = 0; rv == CKR_OK && i < ROLES; i++) {
		struct sr_role_job job = { .role = roles[i], .generation = generation, .destroy = true };
		rv = sr_role_run(hsm, "destroy a key of the vault", &job, err);
	}
	if (rv == CKR_OK)
		forget(hsm, generation);
	return rv;
}
