/* MAC, signature and random numbers. */
#include "hsm/generations.h"
#include "hsm/internal.h"
#include "util/crypto.h"

#include <string.h>

#define RANDOM_AT_ONCE 1024

/** struct bytes_job: IN to exactly OUT_LEN bytes at OUT. GENERATION of the key (0: the newest; then which that is).
 *  ABSENT: it was not at hand. WRONG: two answers to the same were not the same. */
struct bytes_job {
	const uint8_t *in;
	size_t in_len;
	uint8_t *out;
	size_t out_len;
	unsigned generation;
	bool absent, wrong;
};

static CK_RV sign_with(
	const struct sr_hsm_turn *turn, const struct bytes_job *job, CK_MECHANISM_TYPE type, CK_OBJECT_HANDLE key)
{
	CK_MECHANISM mechanism = { type, NULL, 0 };
	CK_ULONG len = job->out_len;
	CK_RV rv = turn->module->C_SignInit(turn->session, &mechanism, key);
	if (rv == CKR_OK)
		rv = turn->module->C_Sign(turn->session, (CK_BYTE *)(uintptr_t)job->in, job->in_len, job->out, &len);
	if (rv == CKR_OK && len != job->out_len)
		rv = CKR_FUNCTION_FAILED;
	return rv;
}

static CK_RV mac_work(const struct sr_hsm_turn *turn, void *job_)
{
	struct bytes_job *job = job_;
	CK_OBJECT_HANDLE key = sr_keys_mac(&turn->keys, job->generation);
	job->absent = key == 0;
	return key ? sign_with(turn, job, CKM_SHA256_HMAC, key) : CKR_OK;
}

static CK_RV mac_twice_work(const struct sr_hsm_turn *turn, void *job_)
{
	struct bytes_job *job = job_, again = *job;
	uint8_t second[SR_HSM_MAC_LEN];
	again.out = second;
	CK_RV rv = mac_work(turn, job);
	if (rv == CKR_OK && !job->absent)
		rv = mac_work(turn, &again);
	job->wrong = rv == CKR_OK && !job->absent && !sr_equal(job->out, second, sizeof(second));
	return rv;
}

static CK_RV sign_work(const struct sr_hsm_turn *turn, void *job_)
{
	struct bytes_job *job = job_;
	job->generation = turn->keys.generation;
	return sign_with(turn, job, CKM_ECDSA, turn->keys.use[SR_ROLE_AUDIT]);
}

CK_RV sr_hsm_mac(struct sr_hsm *hsm, const void *data, size_t len, uint8_t mac[SR_HSM_MAC_LEN], struct sr_error *err)
{
	return sr_hsm_mac_by(hsm, 0, data, len, mac, err);
}

/* The HSM may lose its sessions, and with them what was found, between the finding and the use. */
static CK_RV mac_by(struct sr_hsm *hsm, sr_hsm_work *work, unsigned generation, const void *data, size_t len,
	uint8_t mac[SR_HSM_MAC_LEN], struct sr_error *err)
{
	struct bytes_job job = { data, len, mac, SR_HSM_MAC_LEN, generation, false, false };
	CK_RV rv = sr_hsm_need_keys(hsm, err);
	if (rv != CKR_OK)
		return rv;
	if (len == 0)
		return sr_fail(err, CKR_DEVICE_ERROR, SR_REASON_INTERNAL, "MAC refused: no data, so no domain label");
	for (int tries = 0; tries < 3; tries++) {
		rv = sr_hsm_run(hsm, "compute a MAC", work, &job, err);
		if (rv == CKR_OK && job.wrong)
			return sr_hsm_wrong(err, "compute a MAC twice");
		if (rv != CKR_OK || !job.absent)
			return rv;
		rv = sr_hsm_need_keys_of(hsm, generation, err);
		if (rv != CKR_OK)
			return rv;
	}
	return sr_hsm_fail(err, CKR_DEVICE_REMOVED, "compute a MAC");
}

CK_RV sr_hsm_mac_by(struct sr_hsm *hsm, unsigned generation, const void *data, size_t len, uint8_t mac[SR_HSM_MAC_LEN],
	struct sr_error *err)
{
	return mac_by(hsm, mac_work, generation, data, len, mac, err);
}

CK_RV sr_hsm_mac_to_keep(struct sr_hsm *hsm, unsigned generation, const void *data, size_t len,
	uint8_t mac[SR_HSM_MAC_LEN], struct sr_error *err)
{
	return mac_by(hsm, mac_twice_work, generation, data, len, mac, err);
}

/* By OpenSSL, since one who erred once is not asked again whether it was right. */
static CK_RV check_signature(struct sr_hsm *hsm, const struct bytes_job *job, struct sr_error *err)
{
	struct sr_buf spki = SR_BUF_INIT;
	CK_RV rv = sr_hsm_audit_key_of(hsm, job->generation, &spki, err);
	if (rv == CKR_OK && !sr_p256_verify(spki.data, spki.len, job->in, job->out))
		rv = sr_hsm_wrong(err, "sign a checkpoint");
	sr_buf_clear(&spki);
	return rv;
}

CK_RV sr_hsm_sign_as(struct sr_hsm *hsm, const uint8_t digest[32], uint8_t signature[SR_HSM_SIGNATURE_LEN],
	unsigned *generation, struct sr_error *err)
{
	struct bytes_job job = { digest, 32, signature, SR_HSM_SIGNATURE_LEN, 0, false, false };
	CK_RV rv = sr_hsm_need_keys(hsm, err);
	if (rv == CKR_OK)
		rv = sr_hsm_run(hsm, "sign a checkpoint", sign_work, &job, err);
	if (rv == CKR_OK)
		rv = check_signature(hsm, &job, err);
	*generation = job.generation;
	return rv;
}

CK_RV sr_hsm_sign(
	struct sr_hsm *hsm, const uint8_t digest[32], uint8_t signature[SR_HSM_SIGNATURE_LEN], struct sr_error *err)
{
	unsigned generation;
	return sr_hsm_sign_as(hsm, digest, signature, &generation, err);
}

CK_RV sr_hsm_audit_key(struct sr_hsm *hsm, struct sr_buf *spki, struct sr_error *err)
{
	return sr_hsm_audit_key_of(hsm, 0, spki, err);
}

CK_RV sr_hsm_audit_key_of(struct sr_hsm *hsm, unsigned generation, struct sr_buf *spki, struct sr_error *err)
{
	/* SubjectPublicKeyInfo of every P-256 key, up to the point (RFC 5480) */
	static const uint8_t head[] = { 0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01,
		0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00 };
	CK_RV rv = sr_hsm_need_keys(hsm, err);
	if (rv == CKR_OK && generation)
		rv = sr_hsm_need_keys_of(hsm, generation, err);
	if (rv != CKR_OK)
		return rv;
	pthread_mutex_lock(&hsm->lock);
	const uint8_t *point = hsm->keys.generation ? sr_keys_point(&hsm->keys, generation) : NULL;
	if (point) {
		sr_buf_append(spki, head, sizeof(head));
		sr_buf_append(spki, point, SR_HSM_POINT_LEN);
	}
	pthread_mutex_unlock(&hsm->lock);
	if (!point)
		return sr_fail(
			err, CKR_DEVICE_REMOVED, SR_REASON_HSM_MISSING, "the HSM was lost; its audit key is not known");
	return spki->failed ? sr_fail(err, CKR_HOST_MEMORY, SR_REASON_MEMORY, "out of memory") : CKR_OK;
}

static CK_RV random_work(const struct sr_hsm_turn *turn, void *job_)
{
	const struct bytes_job *job = job_;
	CK_RV rv = CKR_OK;
	for (size_t at = 0; rv == CKR_OK && at < job->out_len; at += RANDOM_AT_ONCE) {
		size_t left = job->out_len - at;
		rv = turn->module->C_GenerateRandom(
			turn->session, job->out + at, left < RANDOM_AT_ONCE ? left : RANDOM_AT_ONCE);
	}
	return rv;
}

CK_RV sr_hsm_random(struct sr_hsm *hsm, void *out, size_t len, struct sr_error *err)
{
	struct bytes_job job = { NULL, 0, out, len, 0, false, false };
	return sr_hsm_run(hsm, "give random bytes", random_work, &job, err);
}

/** struct seed_job: UNSUPPORTED is an answer, not a failure of the session. */
struct seed_job {
	const uint8_t *seed;
	size_t len;
	bool unsupported;
};

static CK_RV seed_work(const struct sr_hsm_turn *turn, void *job_)
{
	struct seed_job *job = job_;
	CK_RV rv = turn->module->C_SeedRandom(turn->session, (CK_BYTE *)(uintptr_t)job->seed, job->len);
	job->unsupported =
		rv == CKR_RANDOM_SEED_NOT_SUPPORTED || rv == CKR_RANDOM_NO_RNG || rv == CKR_FUNCTION_NOT_SUPPORTED;
	return job->unsupported ? CKR_OK : rv;
}

CK_RV sr_hsm_seed(struct sr_hsm *hsm, const void *seed, size_t len, struct sr_error *err)
{
	struct seed_job job = { seed, len, false };
	if (len == 0)
		return CKR_OK;
	CK_RV rv = sr_hsm_run(hsm, "take a seed", seed_work, &job, err);
	if (rv == CKR_OK && job.unsupported)
		rv = sr_fail(
			err, CKR_RANDOM_SEED_NOT_SUPPORTED, SR_REASON_NONE, "the HSM's random generator takes no seed");
	return rv;
}
