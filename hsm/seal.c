/* Sealing and opening values: AES-256-GCM inside the HSM. */
#include "hsm/internal.h"
#include "hsm/seals.h"

#include <string.h>

#define GENERATION_LEN 4
#define IV_LEN 12
#define TAG_LEN 16
#define HEAD_LEN (GENERATION_LEN + IV_LEN)
#define PLAIN_MAX (64u << 10)

/** struct seal_job: IN to OUT by GENERATION (0: the one that was loaded with the other keys); ABSENT: its key was not
 * at hand; BROKEN: the tag did not fit. */
struct seal_job {
	unsigned generation;
	const struct sr_buf *aad;
	const uint8_t *in;
	size_t in_len;
	uint8_t *out;
	size_t out_len; /* room, then what was written */
	bool absent, broken;
};

static CK_GCM_PARAMS gcm_params(const struct sr_buf *aad, const uint8_t *iv)
{
	return (CK_GCM_PARAMS){
		.iv_ptr = (uint8_t *)(uintptr_t)iv,
		.iv_len = IV_LEN,
		.iv_bits = IV_LEN * 8,
		.aad_ptr = aad->data,
		.aad_len = aad->len,
		.tag_bits = TAG_LEN * 8,
	};
}

static CK_RV seal_work(const struct sr_hsm_turn *turn, void *job_)
{
	struct seal_job *job = job_;
	uint8_t *iv = job->out + GENERATION_LEN;
	unsigned generation = job->generation ? job->generation : turn->keys.seal_generation;
	CK_OBJECT_HANDLE key = sr_keys_seal(&turn->keys, generation);
	job->absent = key == 0;
	if (job->absent)
		return CKR_OK;
	for (int i = 0; i < GENERATION_LEN; i++)
		job->out[i] = (uint8_t)(generation >> (24 - 8 * i));
	CK_RV rv = turn->module->C_GenerateRandom(turn->session, iv, IV_LEN);
	if (rv != CKR_OK)
		return rv;
	CK_GCM_PARAMS params = gcm_params(job->aad, iv);
	CK_MECHANISM gcm = { CKM_AES_GCM, &params, sizeof(params) };
	rv = turn->module->C_EncryptInit(turn->session, &gcm, key);
	if (rv != CKR_OK)
		return rv;
	CK_ULONG len = job->in_len + TAG_LEN;
	rv = turn->module->C_Encrypt(
		turn->session, (CK_BYTE *)(uintptr_t)job->in, job->in_len, job->out + HEAD_LEN, &len);
	if (rv == CKR_OK && len != job->in_len + TAG_LEN)
		rv = CKR_FUNCTION_FAILED; /* no tag: never store such a thing */
	return rv;
}

/* The HSM may lose its sessions, and with them what was found, between the finding and the use. */
static CK_RV run_job(
	struct sr_hsm *hsm, const char *doing, sr_hsm_work *work, struct seal_job *job, struct sr_error *err)
{
	CK_RV rv = CKR_OK;
	for (int tries = 0; tries < 3; tries++) {
		rv = job->generation ? sr_hsm_need_seal(hsm, job->generation, err) : CKR_OK;
		if (rv == CKR_OK)
			rv = sr_hsm_run(hsm, doing, work, job, err);
		if (rv != CKR_OK || !job->absent)
			return rv;
	}
	return sr_hsm_fail(err, CKR_DEVICE_REMOVED, doing);
}

/* What does not open now never will, and then the value is gone. */
static CK_RV check_sealed(struct sr_hsm *hsm, const struct seal_job *job, struct sr_error *err)
{
	struct sr_error why = SR_ERROR_INIT;
	struct sr_buf plain = SR_BUF_INIT;
	CK_RV rv = sr_hsm_unseal(hsm, job->aad, job->out, job->out_len, &plain, &why);
	bool wrong = rv == CKR_OK ? plain.len != job->in_len || !sr_equal(plain.data, job->in, job->in_len)
				  : why.reason == SR_REASON_SEAL_BROKEN;
	sr_buf_clear(&plain);
	if (wrong)
		return sr_hsm_wrong(err, "seal a value");
	return rv == CKR_OK ? rv : sr_fail(err, why.rv, why.reason, "%s", why.text);
}

CK_RV sr_hsm_seal(struct sr_hsm *hsm, const struct sr_buf *aad, const void *plain, size_t plain_len,
	struct sr_buf *sealed, struct sr_error *err)
{
	return sr_hsm_seal_by(hsm, 0, aad, plain, plain_len, sealed, err);
}

CK_RV sr_hsm_seal_by(struct sr_hsm *hsm, unsigned generation, const struct sr_buf *aad, const void *plain,
	size_t plain_len, struct sr_buf *sealed, struct sr_error *err)
{
	static const uint8_t nothing[1];
	CK_RV rv = sr_hsm_need_keys(hsm, err);
	if (rv != CKR_OK)
		return rv;
	if (aad->len == 0 || aad->failed)
		return sr_fail(err, CKR_DEVICE_ERROR, SR_REASON_INTERNAL, "sealing refused: no additional data given");
	if (plain_len > PLAIN_MAX)
		return sr_fail(
			err, CKR_DEVICE_ERROR, SR_REASON_TOO_LARGE, "sealing refused: a value of more than 64 KiB");
	struct seal_job job = {
		.generation = generation, .aad = aad, .in = plain_len ? plain : nothing, .in_len = plain_len
	};
	job.out_len = plain_len + SR_HSM_SEALED_OVERHEAD;
	job.out = sr_buf_reserve(sealed, job.out_len);
	if (!job.out)
		return sr_fail(err, CKR_HOST_MEMORY, SR_REASON_MEMORY, "out of memory while sealing");
	rv = run_job(hsm, "seal a value", seal_work, &job, err);
	if (rv == CKR_OK)
		rv = check_sealed(hsm, &job, err);
	if (rv == CKR_OK)
		sealed->len += job.out_len;
	return rv;
}

/* What backends say of a tag that does not fit; SoftHSM2 2.6.1 the first, 2.7 the next two. */
static bool is_bad_tag(CK_RV rv)
{
	return rv == CKR_GENERAL_ERROR || rv == CKR_ENCRYPTED_DATA_INVALID || rv == CKR_ENCRYPTED_DATA_LEN_RANGE ||
	       rv == CKR_AEAD_DECRYPT_FAILED;
}

static CK_RV unseal_work(const struct sr_hsm_turn *turn, void *job_)
{
	struct seal_job *job = job_;
	CK_GCM_PARAMS params = gcm_params(job->aad, job->in + GENERATION_LEN);
	CK_MECHANISM gcm = { CKM_AES_GCM, &params, sizeof(params) };
	CK_OBJECT_HANDLE key = sr_keys_seal(&turn->keys, job->generation);
	job->absent = key == 0;
	if (job->absent)
		return CKR_OK;
	CK_RV rv = turn->module->C_DecryptInit(turn->session, &gcm, key);
	if (rv != CKR_OK)
		return rv;
	CK_ULONG len = job->out_len;
	rv = turn->module->C_Decrypt(
		turn->session, (CK_BYTE *)(uintptr_t)(job->in + HEAD_LEN), job->in_len - HEAD_LEN, job->out, &len);
	job->broken = is_bad_tag(rv);
	if (rv == CKR_OK && len != job->in_len - SR_HSM_SEALED_OVERHEAD)
		rv = CKR_FUNCTION_FAILED;
	return rv;
}

static CK_RV refuse_broken(struct sr_error *err, const char *why)
{
	return sr_fail(err, CKR_ENCRYPTED_DATA_INVALID, SR_REASON_SEAL_BROKEN,
		"a sealed value does not open: %s; restore it from a backup and look at the audit", why);
}

unsigned sr_hsm_sealed_generation(const void *sealed, size_t len)
{
	const uint8_t *from = sealed;
	unsigned found = 0;
	for (int i = 0; len >= GENERATION_LEN && i < GENERATION_LEN; i++)
		found = found << 8 | from[i];
	return found;
}

CK_RV sr_hsm_unseal(struct sr_hsm *hsm, const struct sr_buf *aad, const void *sealed, size_t sealed_len,
	struct sr_buf *plain, struct sr_error *err)
{
	CK_RV rv = sr_hsm_need_keys(hsm, err);
	if (rv != CKR_OK)
		return rv;
	if (aad->len == 0 || aad->failed)
		return sr_fail(err, CKR_DEVICE_ERROR, SR_REASON_INTERNAL, "opening refused: no additional data given");
	if (sealed_len < SR_HSM_SEALED_OVERHEAD || sealed_len > PLAIN_MAX + SR_HSM_SEALED_OVERHEAD)
		return refuse_broken(err, "its length is not that of one");
	struct seal_job job = { .aad = aad, .in = sealed, .in_len = sealed_len };
	job.generation = sr_hsm_sealed_generation(sealed, sealed_len);
	if (job.generation == 0 || job.generation > SR_SEAL_GENERATION_MAX)
		return refuse_broken(err, "it is of another key generation");
	/* SoftHSM2 wants room for the tag too, though it gives the plain text alone. */
	job.out_len = sealed_len - HEAD_LEN;
	job.out = sr_buf_reserve(plain, job.out_len);
	if (!job.out)
		return sr_fail(err, CKR_HOST_MEMORY, SR_REASON_MEMORY, "out of memory while opening a sealed value");
	struct sr_error why = SR_ERROR_INIT;
	rv = run_job(hsm, "open a sealed value", unseal_work, &job, &why);
	if (why.reason == SR_REASON_HSM_KEY_REFUSED)
		return refuse_broken(err, "it is of a key generation that the HSM does not have");
	if (rv != CKR_OK)
		sr_fail(err, why.rv, why.reason, "%s", why.text);
	if (rv == CKR_OK)
		plain->len += sealed_len - SR_HSM_SEALED_OVERHEAD;
	else
		sr_cleanse(job.out, job.out_len);
	bool away = rv == CKR_DEVICE_REMOVED; /* before it could be tried again */
	return job.broken && !away ? refuse_broken(err, "it was changed, or does not belong where it stands") : rv;
}
