/* The anchor: a data object in the HSM that says how far the audit chain had come. */
#include "hsm/internal.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#define ANCHOR_MAX 1024
#define ANCHORS_MAX 64
#define COUNTER_LEN 8

static const char application[] = "strongroom";

/** struct anchor_job: VALUE is read into or written from. */
struct anchor_job {
	char label[SR_HSM_LABEL_MAX];
	uint8_t value[ANCHOR_MAX];
	size_t len;
};

static uint64_t counter(const uint8_t *value)
{
	uint64_t number = 0;
	for (int i = 0; i < COUNTER_LEN; i++)
		number = number << 8 | value[i];
	return number;
}

static CK_RV find_anchors(
	const struct sr_hsm_turn *turn, const struct anchor_job *job, CK_OBJECT_HANDLE *found, CK_ULONG *count)
{
	CK_OBJECT_CLASS class = CKO_DATA;
	CK_BBOOL yes = CK_TRUE;
	CK_ATTRIBUTE template[] = {
		{ CKA_CLASS, &class, sizeof(class) },
		{ CKA_TOKEN, &yes, sizeof(yes) },
		{ CKA_LABEL, (void *)(uintptr_t)job->label, strlen(job->label) },
		{ CKA_APPLICATION, (void *)(uintptr_t)application, sizeof(application) - 1 },
	};
	return sr_object_find(turn, template, 4, found, ANCHORS_MAX, count);
}

/* An object that another process has just replaced is no longer there: that is no loss of ours. One too short to carry
 * a counter, as a crash may leave it, or longer than we ever write, counts as none. */
static CK_RV read_one(const struct sr_hsm_turn *turn, CK_OBJECT_HANDLE object, uint8_t value[ANCHOR_MAX], size_t *len)
{
	CK_RV rv = sr_object_bytes(turn, object, CKA_VALUE, value, ANCHOR_MAX, len);
	if (rv == CKR_OBJECT_HANDLE_INVALID || rv == CKR_BUFFER_TOO_SMALL)
		rv = CKR_OK;
	if (*len < COUNTER_LEN)
		*len = 0;
	return rv;
}

static CK_RV read_newest(const struct sr_hsm_turn *turn, struct anchor_job *job, CK_ULONG *count)
{
	CK_OBJECT_HANDLE found[ANCHORS_MAX];
	CK_RV rv = find_anchors(turn, job, found, count);
	job->len = 0;
	for (CK_ULONG i = 0; rv == CKR_OK && i < *count; i++) {
		uint8_t value[ANCHOR_MAX];
		size_t len;
		rv = read_one(turn, found[i], value, &len);
		if (rv != CKR_OK || len == 0 || (job->len > 0 && counter(value) <= counter(job->value)))
			continue;
		memcpy(job->value, value, len);
		job->len = len;
	}
	return rv;
}

/* A writer in another process creates before it destroys, but a backend without a lock of its own may list the files
 * before the one and read them after the other: then none seems to be there, and a second look is due. */
static CK_RV read_work(const struct sr_hsm_turn *turn, void *job_)
{
	const struct timespec moment = { .tv_nsec = 2000000 };
	struct anchor_job *job = job_;
	CK_ULONG count = 0;
	CK_RV rv = CKR_OK;
	for (int tries = 0; tries < 4 && rv == CKR_OK; tries++) {
		int lock = sr_softhsm_lock(turn->softhsm_conf, false);
		rv = read_newest(turn, job, &count);
		sr_softhsm_unlock(lock);
		if (job->len > 0 || (lock >= 0 && count == 0))
			break;
		nanosleep(&moment, NULL);
	}
	return rv;
}

static CK_RV prepare(struct anchor_job *job, const char *vault_id, struct sr_error *err)
{
	if (!*vault_id || strlen(vault_id) > SR_HSM_VAULT_ID_MAX)
		return sr_fail(err, CKR_DEVICE_ERROR, SR_REASON_INTERNAL, "HSM anchor: no vault id given");
	snprintf(job->label, sizeof(job->label), "strongroom-%s-anchor", vault_id);
	job->len = 0;
	return CKR_OK;
}

CK_RV sr_hsm_anchor_read(struct sr_hsm *hsm, const char *vault_id, struct sr_buf *value, struct sr_error *err)
{
	struct anchor_job job;
	CK_RV rv = prepare(&job, vault_id, err);
	if (rv == CKR_OK)
		rv = sr_hsm_run(hsm, "read the anchor", read_work, &job, err);
	if (rv != CKR_OK)
		return rv;
	sr_buf_append(value, job.value, job.len);
	return value->failed ? sr_fail(err, CKR_HOST_MEMORY, SR_REASON_MEMORY, "out of memory") : CKR_OK;
}

/* -- write ----------------------------------------------------------------------------------------------------- */

static CK_RV create(const struct sr_hsm_turn *turn, struct anchor_job *job)
{
	CK_OBJECT_CLASS class = CKO_DATA;
	CK_BBOOL yes = CK_TRUE, no = CK_FALSE;
	CK_OBJECT_HANDLE object;
	CK_ATTRIBUTE template[] = {
		{ CKA_CLASS, &class, sizeof(class) }, { CKA_TOKEN, &yes, sizeof(yes) },
		{ CKA_PRIVATE, &yes, sizeof(yes) }, { CKA_LABEL, job->label, strlen(job->label) },
		{ CKA_APPLICATION, (void *)(uintptr_t)application, sizeof(application) - 1 },
		{ CKA_VALUE, job->value, job->len },
		{ CKA_MODIFIABLE, &no, sizeof(no) }, /* last: left out where the backend refuses it */
	};
	CK_RV rv = turn->module->C_CreateObject(turn->session, template, 7, &object);
	if (rv == CKR_ATTRIBUTE_TYPE_INVALID || rv == CKR_ATTRIBUTE_VALUE_INVALID || rv == CKR_TEMPLATE_INCONSISTENT)
		rv = turn->module->C_CreateObject(turn->session, template, 6, &object);
	return rv;
}

/* Only what is lower than the greatest goes, so that two writers at once never remove each other's. */
static CK_RV destroy_lower(const struct sr_hsm_turn *turn, const struct anchor_job *job)
{
	CK_OBJECT_HANDLE found[ANCHORS_MAX];
	uint64_t numbers[ANCHORS_MAX] = { 0 }, greatest = 0;
	CK_ULONG count = 0;
	CK_RV rv = find_anchors(turn, job, found, &count);
	for (CK_ULONG i = 0; rv == CKR_OK && i < count; i++) {
		uint8_t value[ANCHOR_MAX];
		size_t len;
		rv = read_one(turn, found[i], value, &len);
		numbers[i] = len > 0 ? counter(value) : 0;
		greatest = numbers[i] > greatest ? numbers[i] : greatest;
	}
	for (CK_ULONG i = 0; rv == CKR_OK && i < count; i++) {
		if (numbers[i] >= greatest)
			continue;
		rv = turn->module->C_DestroyObject(turn->session, found[i]);
		if (rv == CKR_OBJECT_HANDLE_INVALID)
			rv = CKR_OK; /* another writer was faster */
	}
	return rv;
}

static CK_RV replace(const struct sr_hsm_turn *turn, struct anchor_job *job)
{
	struct anchor_job newest = *job;
	CK_ULONG count = 0;
	CK_RV rv = read_newest(turn, &newest, &count);
	bool there = rv == CKR_OK && newest.len == job->len && memcmp(newest.value, job->value, job->len) == 0;
	if (rv == CKR_OK && !there)
		rv = create(turn, job);
	return rv == CKR_OK && !(there && count == 1) ? destroy_lower(turn, job) : rv;
}

static CK_RV write_work(const struct sr_hsm_turn *turn, void *job)
{
	int lock = sr_softhsm_lock(turn->softhsm_conf, true);
	CK_RV rv = replace(turn, job);
	sr_softhsm_unlock(lock);
	return rv;
}

CK_RV sr_hsm_anchor_write(struct sr_hsm *hsm, const char *vault_id, const struct sr_buf *value, struct sr_error *err)
{
	struct anchor_job job;
	CK_RV rv = prepare(&job, vault_id, err);
	if (rv != CKR_OK)
		return rv;
	if (value->failed || value->len < COUNTER_LEN || value->len > ANCHOR_MAX)
		return sr_fail(err, CKR_DEVICE_ERROR, SR_REASON_INTERNAL, "HSM anchor refused: not 8 to 1024 bytes");
	memcpy(job.value, value->data, value->len);
	job.len = value->len;
	rv = sr_hsm_run(hsm, "write the anchor", write_work, &job, err);
	sr_softhsm_tighten(hsm->backend.softhsm_conf);
	return rv;
}

static CK_RV destroy_work(const struct sr_hsm_turn *turn, void *job)
{
	CK_OBJECT_HANDLE found[ANCHORS_MAX];
	CK_ULONG count = 0;
	int lock = sr_softhsm_lock(turn->softhsm_conf, true);
	CK_RV rv = find_anchors(turn, job, found, &count);
	for (CK_ULONG i = 0; rv == CKR_OK && i < count; i++)
		rv = turn->module->C_DestroyObject(turn->session, found[i]);
	sr_softhsm_unlock(lock);
	return rv;
}

void sr_hsm_anchor_destroy(struct sr_hsm *hsm, const char *vault_id)
{
	struct anchor_job job;
	if (prepare(&job, vault_id, NULL) == CKR_OK)
		(void)sr_hsm_run(hsm, "remove the anchor", destroy_work, &job, NULL);
}
