/* What the HSM's mechanisms are, asked once. */
#include "hsm/internal.h"
#include "hsm/key.h"

#include <string.h>

/** struct info_job: a mechanism that is not offered is an answer, not a failure of the session. */
struct info_job {
	CK_MECHANISM_TYPE type;
	CK_MECHANISM_INFO info;
	bool offered;
};

/* SoftHSM2 2.6.1 adds flags to whatever stood in the answer's place: it is cleared first. */
static CK_RV info_work(const struct sr_hsm_turn *turn, void *job_)
{
	struct info_job *job = job_;
	memset(&job->info, 0, sizeof(job->info));
	CK_RV rv = turn->module->C_GetMechanismInfo(turn->slot, job->type, &job->info);
	job->offered = rv == CKR_OK;
	return rv == CKR_MECHANISM_INVALID ? CKR_OK : rv;
}

static bool recall(struct sr_hsm *hsm, struct info_job *job)
{
	bool known = false;
	pthread_mutex_lock(&hsm->lock);
	for (size_t i = 0; !known && i < hsm->mechanism_count; i++) {
		known = hsm->mechanisms[i].type == job->type;
		if (known) {
			job->offered = hsm->mechanisms[i].offered;
			job->info = hsm->mechanisms[i].info;
		}
	}
	pthread_mutex_unlock(&hsm->lock);
	return known;
}

/* Two threads may put the same: the first is found. */
static void keep(struct sr_hsm *hsm, const struct info_job *job)
{
	pthread_mutex_lock(&hsm->lock);
	if (hsm->mechanism_count < SR_HSM_MECHANISMS_MAX)
		hsm->mechanisms[hsm->mechanism_count++] =
			(struct sr_known_mechanism){ job->type, job->offered, job->info };
	pthread_mutex_unlock(&hsm->lock);
}

bool sr_hsm_mechanism(struct sr_hsm *hsm, CK_MECHANISM_TYPE type, CK_MECHANISM_INFO *info)
{
	struct info_job job = { .type = type };
	if (!recall(hsm, &job)) {
		if (sr_hsm_run(hsm, "describe a mechanism", info_work, &job, NULL) != CKR_OK)
			return false;
		keep(hsm, &job);
	}
	if (job.offered)
		*info = job.info;
	return job.offered;
}
