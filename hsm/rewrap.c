/* Wrapped keys: by which generation they are, and anew under the newest. */
#include "hsm/cache.h"
#include "hsm/generations.h"

#include "util/crypto.h"

#include <string.h>

/* What AES key wrap gives is a multiple of 8 bytes long. So one with a generation before it is not mistaken for one
 * without, which the first generation has wrapped. */
#define TAG_LEN 4
#define BLOCK_LEN 8

static bool has_tag(const struct sr_buf *blob)
{
	return blob->len > TAG_LEN && blob->len % BLOCK_LEN == TAG_LEN;
}

unsigned sr_hsm_wrapped_generation(const struct sr_buf *blob)
{
	unsigned generation = 0;
	if (!has_tag(blob))
		return 1;
	for (size_t i = 0; i < TAG_LEN; i++)
		generation = generation << 8 | blob->data[i];
	return generation;
}

struct sr_buf sr_wrapped_bare(const struct sr_buf *blob)
{
	size_t skipped = has_tag(blob) ? TAG_LEN : 0;
	return (struct sr_buf){ .data = blob->data + skipped, .len = blob->len - skipped };
}

void sr_wrapped_tag(unsigned generation, const struct sr_buf *bare, struct sr_buf *blob)
{
	uint8_t tag[TAG_LEN];
	for (size_t i = 0; i < TAG_LEN; i++)
		tag[i] = (uint8_t)(generation >> (24 - 8 * i));
	if (generation > 1)
		sr_buf_append(blob, tag, sizeof(tag));
	sr_buf_append(blob, bare->data, bare->len);
}

static void digest(const struct sr_buf *bare, struct sr_buf *material)
{
	uint8_t sum[SR_SHA256_LEN];
	if (sr_sha256(bare->data, bare->len, sum))
		sr_buf_append(material, sum, sizeof(sum));
}

CK_RV sr_wrap_material(
	const struct sr_hsm_turn *turn, CK_OBJECT_HANDLE object, const struct sr_buf *bare, struct sr_buf *material)
{
	CK_RV rv = CKR_OK;
	digest(bare, material);
	for (size_t i = 0; rv == CKR_OK && i < SR_HSM_CORES_MAX; i++) {
		struct sr_buf other = SR_BUF_INIT;
		if (turn->keys.cores[i].generation == 0)
			continue;
		rv = sr_wrap_with_vault(turn, turn->keys.cores[i].generation, object, &other);
		if (rv == CKR_OK)
			digest(&other, material);
		sr_buf_clear(&other);
	}
	return rv;
}

static CK_RV not_open(struct sr_error *err, CK_RV rv)
{
	return sr_fail(err, CKR_DEVICE_ERROR, SR_REASON_SEAL_BROKEN,
		"a wrapped key does not open (%s); restore it from a backup and look at the audit", sr_rv_name(rv));
}

CK_RV sr_rewrap_in(const struct sr_hsm_turn *turn, const struct sr_buf *blob, CK_OBJECT_CLASS object_class,
	const struct sr_attrs *attrs, struct sr_buf *wrapped, struct sr_buf *material, struct sr_error *err)
{
	struct sr_buf bare = SR_BUF_INIT;
	struct sr_template template;
	CK_OBJECT_HANDLE object = 0;
	sr_template_fill(&template, attrs, object_class, SR_FOR_REWRAPPED);
	sr_template_flag(&template, CKA_SENSITIVE, true);
	sr_template_flag(&template, CKA_EXTRACTABLE, true);
	sr_template_place(&template, NULL, NULL);
	CK_RV rv = sr_turn_doubt(turn, sr_unwrap_with_vault(turn, turn->session, blob, &template, &object));
	if (rv != CKR_OK)
		return sr_hsm_is_lost(rv) || rv == CKR_HOST_MEMORY ? rv : not_open(err, rv);
	rv = sr_wrap_with_vault(turn, turn->keys.generation, object, &bare);
	if (rv == CKR_OK)
		sr_wrapped_tag(turn->keys.generation, &bare, wrapped);
	if (rv == CKR_OK)
		rv = sr_wrap_material(turn, object, &bare, material);
	(void)turn->module->C_DestroyObject(turn->session, object);
	sr_buf_clear(&bare);
	return rv == CKR_OK && (wrapped->failed || material->failed) ? CKR_HOST_MEMORY : rv;
}

/** struct rewrapping: a blob to be wrapped anew. WHY: what is final. */
struct rewrapping {
	const struct sr_buf *blob;
	CK_OBJECT_CLASS object_class;
	const struct sr_attrs *attrs;
	struct sr_buf *wrapped, *material;
	struct sr_error why;
};

static CK_RV rewrap_work(const struct sr_hsm_turn *turn, void *job)
{
	struct rewrapping *rewrapping = job;
	sr_error_clear(&rewrapping->why);
	sr_buf_clear(rewrapping->wrapped);
	sr_buf_clear(rewrapping->material);
	CK_RV rv = sr_rewrap_in(turn, rewrapping->blob, rewrapping->object_class, rewrapping->attrs,
		rewrapping->wrapped, rewrapping->material, &rewrapping->why);
	return rewrapping->why.rv == CKR_OK ? rv : CKR_FUNCTION_FAILED;
}

CK_RV sr_hsm_rewrap(struct sr_hsm *hsm, const struct sr_buf *blob, CK_OBJECT_CLASS object_class,
	const struct sr_attrs *attrs, struct sr_buf *wrapped, struct sr_buf *material, struct sr_error *err)
{
	struct rewrapping job = { blob, object_class, attrs, wrapped, material, SR_ERROR_INIT };
	struct sr_error why = SR_ERROR_INIT;
	CK_RV rv = sr_hsm_need_keys(hsm, err);
	if (rv != CKR_OK)
		return rv;
	rv = sr_hsm_run(hsm, "wrap a key anew", rewrap_work, &job, &why);
	if (job.why.rv != CKR_OK)
		return sr_fail(err, job.why.rv, job.why.reason, "%s", job.why.text);
	return rv == CKR_OK ? rv : sr_fail(err, why.rv, why.reason, "%s", why.text);
}

/* -- resident keys ------------------------------------------------------------------------------------------------ */

/** struct recognising: a resident key, and what it would be wrapped. NONE: it does not leave the HSM. */
struct recognising {
	struct sr_hsm *hsm;
	struct sr_hsm_key *key;
	struct sr_buf *material;
	bool none;
	struct sr_error why;
};

static CK_RV recognise_work(const struct sr_hsm_turn *turn, void *job_)
{
	struct recognising *job = job_;
	struct sr_buf bare = SR_BUF_INIT;
	struct sr_held held;
	bool leaves = false;
	sr_error_clear(&job->why);
	sr_buf_clear(job->material);
	CK_RV rv = sr_cache_hold(job->hsm, turn, job->key, SR_HOLD_OBJECT, &held, &job->why);
	if (rv != CKR_OK)
		return job->why.rv == CKR_OK ? rv : CKR_FUNCTION_FAILED;
	rv = sr_object_bool(turn, held.handle, CKA_EXTRACTABLE, &leaves);
	job->none = rv == CKR_OK && !leaves;
	if (rv == CKR_OK && leaves)
		rv = sr_wrap_with_vault(turn, turn->keys.generation, held.handle, &bare);
	if (rv == CKR_OK && leaves)
		digest(&bare, job->material);
	sr_cache_release(job->hsm, &held);
	sr_buf_clear(&bare);
	return rv;
}

CK_RV sr_hsm_recognise(
	struct sr_hsm *hsm, struct sr_hsm_key *key, struct sr_buf *material, bool *leaves, struct sr_error *err)
{
	struct recognising job = { hsm, key, material, false, SR_ERROR_INIT };
	struct sr_error why = SR_ERROR_INIT;
	CK_RV rv = sr_hsm_need_keys(hsm, err);
	if (rv != CKR_OK)
		return rv;
	rv = sr_hsm_run(hsm, "recognise a key", recognise_work, &job, &why);
	*leaves = !job.none;
	if (job.why.rv != CKR_OK)
		return sr_fail(err, job.why.rv, job.why.reason, "%s", job.why.text);
	return rv == CKR_OK ? rv : sr_fail(err, why.rv, why.reason, "%s", why.text);
}
