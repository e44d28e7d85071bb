/* Deciding rows: how they are checked and how they are written. */
#include "vault/rows.h"

#include "audit/state.h"
#include "vault/generations.h"

#include <stdio.h>
#include <string.h>

/* -- checking --------------------------------------------------------------------------------------------------- */

/* The state tree knows which event made the newest row of each key; an older row, however genuine, is refused. */
static CK_RV check_fresh(struct sr_vault *vault, const struct sr_moment *at, const char *subject,
	const struct sr_mark *mark, struct sr_error *err)
{
	uint64_t newest = 0;
	CK_RV rv = sr_state_get(vault->store, at, subject, &newest, err);
	if (rv != CKR_OK)
		return rv;
	if (newest > mark->event_id)
		return sr_fail(err, CKR_DEVICE_ERROR, SR_REASON_ROW_STALE,
			"%.150s: the row is older than audit record %llu says; it was put back; run: strongroom audit "
			"verify",
			subject, (unsigned long long)newest);
	if (newest < mark->event_id)
		return sr_fail(err, CKR_DEVICE_ERROR, SR_REASON_ROW_FORGED,
			"%.150s: the audit has no record %llu that made this row; run: strongroom audit verify",
			subject, (unsigned long long)mark->event_id);
	return CKR_OK;
}

/* The HSM is asked once for each row that it has not confirmed yet. */
static CK_RV check_mac(struct sr_vault *vault, const struct sr_moment *at, const char *subject,
	const struct sr_buf *packed, const struct sr_mark *mark, struct sr_error *err)
{
	uint8_t digest[SR_SHA256_LEN];
	unsigned generation;
	if (packed->failed || !sr_sha256_2(packed->data, packed->len, mark->mac, sizeof(mark->mac), digest))
		return sr_fail(err, CKR_HOST_MEMORY, SR_REASON_MEMORY, "no memory to check a row");
	if (sr_seen_has(vault->seen, digest))
		return CKR_OK;
	CK_RV rv = sr_rows_mac_generation(vault, at, packed, mark->mac, &generation, err);
	if (rv != CKR_OK)
		return rv;
	if (generation == 0)
		return sr_fail(err, CKR_DEVICE_ERROR, SR_REASON_ROW_FORGED,
			"%.150s: the row was changed outside Strongroom (its MAC does not fit); restore it from a "
			"backup",
			subject);
	sr_seen_add(vault->seen, digest);
	return CKR_OK;
}

CK_RV sr_rows_check_mark(struct sr_vault *vault, const struct sr_moment *at, const char *subject,
	const struct sr_buf *packed, const struct sr_mark *mark, struct sr_error *err)
{
	CK_RV rv = check_mac(vault, at, subject, packed, mark, err);
	return rv == CKR_OK ? check_fresh(vault, at, subject, mark, err) : rv;
}

static CK_RV check_row(struct sr_vault *vault, const struct sr_moment *at, const char *subject, struct sr_buf *packed,
	const struct sr_mark *mark, struct sr_error *err)
{
	CK_RV rv = sr_rows_check_mark(vault, at, subject, packed, mark, err);
	sr_buf_clear(packed);
	return rv;
}

/* Nothing is ever deleted without a trace: a row that is not there must be one that never was. */
static CK_RV check_absent(struct sr_vault *vault, const struct sr_moment *at, const char *subject, struct sr_error *err)
{
	uint64_t newest = 0;
	CK_RV rv = sr_state_get(vault->store, at, subject, &newest, err);
	if (rv != CKR_OK || newest == 0)
		return rv;
	return sr_fail(err, CKR_DEVICE_ERROR, SR_REASON_ROW_MISSING,
		"%.150s: audit record %llu made this row and it is gone; restore it from a backup", subject,
		(unsigned long long)newest);
}

static void subject_of(const char *kind, const char *key, char subject[SR_SUBJECT_MAX])
{
	snprintf(subject, SR_SUBJECT_MAX, "%s:%s", kind, key);
}

/* "secret:PATH" is a secret's. */
static const char *key_kind(unsigned part)
{
	return part == SR_PART_SECRET ? "secret-key" : sr_part_word(part); /* a former one is "former-secret" */
}

void sr_rows_subject_of_key(enum sr_part part, const char *path, char subject[SR_SUBJECT_MAX])
{
	subject_of(key_kind(part), path, subject);
}

void sr_rows_policy_subject(enum sr_tier tier, const char *glob, char subject[SR_SUBJECT_MAX])
{
	snprintf(subject, SR_SUBJECT_MAX, "policy:%d:%s", (int)tier, glob);
}

const char *sr_rows_key_subject(const char *subject, enum sr_part *part)
{
	for (unsigned i = 0; i < SR_PART_COUNT; i++) {
		size_t len = strlen(key_kind(i));
		if (strncmp(subject, key_kind(i), len) != 0 || subject[len] != ':')
			continue;
		*part = i;
		return subject + len + 1;
	}
	return NULL;
}

static CK_RV check_secret(
	struct sr_vault *vault, const struct sr_moment *at, const struct sr_secret_row *row, struct sr_error *err)
{
	struct sr_buf packed = SR_BUF_INIT;
	char subject[SR_SUBJECT_MAX];
	subject_of("secret", row->path, subject);
	sr_rows_pack_secret(vault, row, &packed);
	return check_row(vault, at, subject, &packed, &row->mark, err);
}

CK_RV sr_rows_check_key(
	struct sr_vault *vault, const struct sr_moment *at, const struct sr_key_row *row, struct sr_error *err)
{
	struct sr_buf packed = SR_BUF_INIT;
	char subject[SR_SUBJECT_MAX];
	subject_of(key_kind(row->part), row->path, subject);
	sr_rows_pack_key(vault, row, &packed);
	return check_row(vault, at, subject, &packed, &row->mark, err);
}

CK_RV sr_rows_check_token(
	struct sr_vault *vault, const struct sr_moment *at, const struct sr_token_row *row, struct sr_error *err)
{
	struct sr_buf packed = SR_BUF_INIT;
	char subject[SR_SUBJECT_MAX];
	subject_of("token", row->id, subject);
	sr_rows_pack_token(vault, row, &packed);
	return check_row(vault, at, subject, &packed, &row->mark, err);
}

CK_RV sr_rows_check_member(
	struct sr_vault *vault, const struct sr_moment *at, const struct sr_member_row *row, struct sr_error *err)
{
	struct sr_buf packed = SR_BUF_INIT;
	char subject[SR_SUBJECT_MAX];
	subject_of("member", row->name, subject);
	sr_rows_pack_member(vault, row, &packed);
	return check_row(vault, at, subject, &packed, &row->mark, err);
}

CK_RV sr_rows_check_agent(
	struct sr_vault *vault, const struct sr_moment *at, const struct sr_agent_row *row, struct sr_error *err)
{
	struct sr_buf packed = SR_BUF_INIT;
	char subject[SR_SUBJECT_MAX];
	subject_of("agent", row->name, subject);
	sr_rows_pack_agent(vault, row, &packed);
	return check_row(vault, at, subject, &packed, &row->mark, err);
}

CK_RV sr_rows_check_approval(
	struct sr_vault *vault, const struct sr_moment *at, const struct sr_approval_row *row, struct sr_error *err)
{
	struct sr_buf packed = SR_BUF_INIT;
	char subject[SR_SUBJECT_MAX];
	subject_of("approval", row->id, subject);
	sr_rows_pack_approval(vault, row, &packed);
	return check_row(vault, at, subject, &packed, &row->mark, err);
}

CK_RV sr_rows_check_freeze(
	struct sr_vault *vault, const struct sr_moment *at, const struct sr_freeze_row *row, struct sr_error *err)
{
	struct sr_buf packed = SR_BUF_INIT;
	char subject[SR_SUBJECT_MAX];
	subject_of("freeze", row->path, subject);
	sr_rows_pack_freeze(vault, row, &packed);
	return check_row(vault, at, subject, &packed, &row->mark, err);
}

CK_RV sr_rows_check_policy(
	struct sr_vault *vault, const struct sr_moment *at, const struct sr_policy_row *row, struct sr_error *err)
{
	struct sr_buf packed = SR_BUF_INIT;
	char subject[SR_SUBJECT_MAX];
	sr_rows_policy_subject(row->tier, row->glob, subject);
	sr_rows_pack_policy(vault, row, &packed);
	return check_row(vault, at, subject, &packed, &row->mark, err);
}

CK_RV sr_rows_check_rotation(
	struct sr_vault *vault, const struct sr_moment *at, const struct sr_rotation_row *row, struct sr_error *err)
{
	struct sr_buf packed = SR_BUF_INIT;
	char subject[SR_SUBJECT_MAX];
	subject_of("rotation", row->glob, subject);
	sr_rows_pack_rotation(vault, row, &packed);
	return check_row(vault, at, subject, &packed, &row->mark, err);
}

/* -- loading ---------------------------------------------------------------------------------------------------- */

CK_RV sr_rows_secret(struct sr_vault *vault, const struct sr_moment *at, const char *path, struct sr_secret_row *row,
	bool *found, struct sr_error *err)
{
	char subject[SR_SUBJECT_MAX];
	subject_of("secret", path, subject);
	CK_RV rv = vault->store->ops->secret_get(at->tx, path, row, found, err);
	if (rv == CKR_OK)
		rv = *found ? check_secret(vault, at, row, err) : check_absent(vault, at, subject, err);
	if (rv != CKR_OK)
		sr_secret_row_clear(row);
	return rv;
}

CK_RV sr_rows_key(struct sr_vault *vault, const struct sr_moment *at, const char *path, enum sr_part part,
	struct sr_key_row *row, bool *found, struct sr_error *err)
{
	char subject[SR_SUBJECT_MAX];
	subject_of(key_kind(part), path, subject);
	CK_RV rv = vault->store->ops->key_get(at->tx, path, part, row, found, err);
	if (rv == CKR_OK)
		rv = *found ? sr_rows_check_key(vault, at, row, err) : check_absent(vault, at, subject, err);
	if (rv != CKR_OK)
		sr_key_row_clear(row);
	return rv;
}

CK_RV sr_rows_token(struct sr_vault *vault, const struct sr_moment *at, const char *id, struct sr_token_row *row,
	bool *found, struct sr_error *err)
{
	char subject[SR_SUBJECT_MAX];
	subject_of("token", id, subject);
	CK_RV rv = vault->store->ops->token_get(at->tx, id, row, found, err);
	if (rv == CKR_OK)
		rv = *found ? sr_rows_check_token(vault, at, row, err) : check_absent(vault, at, subject, err);
	if (rv != CKR_OK)
		sr_token_row_clear(row);
	return rv;
}

CK_RV sr_rows_token_by_hash(struct sr_vault *vault, const struct sr_moment *at, const uint8_t hash[SR_HASH_LEN],
	struct sr_token_row *row, bool *found, struct sr_error *err)
{
	CK_RV rv = vault->store->ops->token_by_hash(at->tx, hash, row, found, err);
	if (rv == CKR_OK && *found)
		rv = sr_rows_check_token(vault, at, row, err);
	if (rv != CKR_OK)
		sr_token_row_clear(row);
	return rv;
}

CK_RV sr_rows_member(struct sr_vault *vault, const struct sr_moment *at, const char *name, struct sr_member_row *row,
	bool *found, struct sr_error *err)
{
	char subject[SR_SUBJECT_MAX];
	subject_of("member", name, subject);
	CK_RV rv = vault->store->ops->member_get(at->tx, name, row, found, err);
	if (rv == CKR_OK)
		rv = *found ? sr_rows_check_member(vault, at, row, err) : check_absent(vault, at, subject, err);
	return rv;
}

CK_RV sr_rows_agent(struct sr_vault *vault, const struct sr_moment *at, const char *name, struct sr_agent_row *row,
	bool *found, struct sr_error *err)
{
	char subject[SR_SUBJECT_MAX];
	subject_of("agent", name, subject);
	CK_RV rv = vault->store->ops->agent_get(at->tx, name, row, found, err);
	if (rv == CKR_OK)
		rv = *found ? sr_rows_check_agent(vault, at, row, err) : check_absent(vault, at, subject, err);
	if (rv != CKR_OK)
		sr_agent_row_clear(row);
	return rv;
}

CK_RV sr_rows_approval(struct sr_vault *vault, const struct sr_moment *at, const char *id, struct sr_approval_row *row,
	bool *found, struct sr_error *err)
{
	char subject[SR_SUBJECT_MAX];
	subject_of("approval", id, subject);
	CK_RV rv = vault->store->ops->approval_get(at->tx, id, row, found, err);
	if (rv == CKR_OK)
		rv = *found ? sr_rows_check_approval(vault, at, row, err) : check_absent(vault, at, subject, err);
	return rv;
}

CK_RV sr_rows_agent_by_hash(struct sr_vault *vault, const struct sr_moment *at, const uint8_t hash[SR_HASH_LEN],
	struct sr_agent_row *row, bool *found, struct sr_error *err)
{
	CK_RV rv = vault->store->ops->agent_by_hash(at->tx, hash, row, found, err);
	if (rv == CKR_OK && *found)
		rv = sr_rows_check_agent(vault, at, row, err);
	if (rv != CKR_OK)
		sr_agent_row_clear(row);
	return rv;
}

CK_RV sr_rows_policy(struct sr_vault *vault, const struct sr_moment *at, enum sr_tier tier, const char *glob,
	struct sr_policy_row *row, bool *found, struct sr_error *err)
{
	char subject[SR_SUBJECT_MAX];
	sr_rows_policy_subject(tier, glob, subject);
	CK_RV rv = vault->store->ops->policy_get(at->tx, tier, glob, row, found, err);
	if (rv == CKR_OK)
		rv = *found ? sr_rows_check_policy(vault, at, row, err) : check_absent(vault, at, subject, err);
	return rv;
}

CK_RV sr_rows_rotation(struct sr_vault *vault, const struct sr_moment *at, const char *glob,
	struct sr_rotation_row *row, bool *found, struct sr_error *err)
{
	char subject[SR_SUBJECT_MAX];
	subject_of("rotation", glob, subject);
	CK_RV rv = vault->store->ops->rotation_get(at->tx, glob, row, found, err);
	if (rv == CKR_OK)
		rv = *found ? sr_rows_check_rotation(vault, at, row, err) : check_absent(vault, at, subject, err);
	return rv;
}

CK_RV sr_rows_freeze(struct sr_vault *vault, const struct sr_moment *at, const char *path, struct sr_freeze_row *row,
	bool *found, struct sr_error *err)
{
	char subject[SR_SUBJECT_MAX];
	subject_of("freeze", path, subject);
	CK_RV rv = vault->store->ops->freeze_get(at->tx, path, row, found, err);
	if (rv == CKR_OK)
		rv = *found ? sr_rows_check_freeze(vault, at, row, err) : check_absent(vault, at, subject, err);
	return rv;
}

/* -- writing ---------------------------------------------------------------------------------------------------- */

/* A row made by this job: bound to its event, under the HSM's MAC, known to the state tree. */
static void bind_row(
	const struct sr_moment *at, struct sr_event *event, const char *kind, const char *key, struct sr_mark *mark)
{
	subject_of(kind, key, event->subject);
	mark->event_id = at->event_id;
}

static CK_RV put_mac(struct sr_vault *vault, const struct sr_moment *at, struct sr_buf *packed, struct sr_mark *mark,
	struct sr_error *err)
{
	CK_RV rv = packed->failed
			   ? sr_fail(err, CKR_HOST_MEMORY, SR_REASON_MEMORY, "no memory to seal a row")
			   : sr_hsm_mac_to_keep(vault->hsm, at->generation, packed->data, packed->len, mark->mac, err);
	sr_buf_clear(packed);
	return rv;
}

static CK_RV seal_row(struct sr_vault *vault, struct sr_moment *at, const char *subject, struct sr_buf *packed,
	struct sr_mark *mark, struct sr_error *err)
{
	CK_RV rv = put_mac(vault, at, packed, mark, err);
	return rv != CKR_OK ? rv : sr_state_put(vault->store, at, subject, at->event_id, err);
}

CK_RV sr_rows_put_secret(struct sr_vault *vault, struct sr_moment *at, struct sr_event *event,
	struct sr_secret_row *row, struct sr_error *err)
{
	struct sr_buf packed = SR_BUF_INIT;
	bind_row(at, event, "secret", row->path, &row->mark);
	sr_rows_pack_secret(vault, row, &packed);
	CK_RV rv = seal_row(vault, at, event->subject, &packed, &row->mark, err);
	return rv != CKR_OK ? rv : vault->store->ops->secret_put(at->tx, row, err);
}

/* Both halves of a pair are made by one event. Its subject is the first of them; verify looks at every part of the path
 * (report.c). */
CK_RV sr_rows_put_key(struct sr_vault *vault, struct sr_moment *at, struct sr_event *event, struct sr_key_row *row,
	struct sr_error *err)
{
	struct sr_buf packed = SR_BUF_INIT;
	char subject[SR_SUBJECT_MAX];
	enum sr_part part;
	const char *path = sr_rows_key_subject(event->subject, &part);
	if (event->subject[0] && (!path || strcmp(path, row->path) != 0))
		return sr_fail(err, CKR_GENERAL_ERROR, SR_REASON_INTERNAL,
			"one event cannot make both %.120s and %.120s", event->subject, row->path);
	if (!path)
		subject_of(key_kind(row->part), row->path, event->subject);
	row->mark.event_id = at->event_id;
	subject_of(key_kind(row->part), row->path, subject);
	sr_rows_pack_key(vault, row, &packed);
	CK_RV rv = seal_row(vault, at, subject, &packed, &row->mark, err);
	if (rv == CKR_OK)
		rv = sr_keys_note_key(vault, at, row, err);
	return rv != CKR_OK ? rv : vault->store->ops->key_put(at->tx, row, err);
}

CK_RV sr_rows_put_token(struct sr_vault *vault, struct sr_moment *at, struct sr_event *event, struct sr_token_row *row,
	struct sr_error *err)
{
	struct sr_buf packed = SR_BUF_INIT;
	bind_row(at, event, "token", row->id, &row->mark);
	sr_rows_pack_token(vault, row, &packed);
	CK_RV rv = seal_row(vault, at, event->subject, &packed, &row->mark, err);
	if (rv == CKR_OK)
		rv = sr_keys_note_token(vault, at, row, err);
	return rv != CKR_OK ? rv : vault->store->ops->token_put(at->tx, row, err);
}

CK_RV sr_rows_put_member(struct sr_vault *vault, struct sr_moment *at, struct sr_event *event,
	struct sr_member_row *row, struct sr_error *err)
{
	struct sr_buf packed = SR_BUF_INIT;
	bind_row(at, event, "member", row->name, &row->mark);
	sr_rows_pack_member(vault, row, &packed);
	CK_RV rv = seal_row(vault, at, event->subject, &packed, &row->mark, err);
	if (rv == CKR_OK)
		rv = sr_keys_note_member(vault, at, row, err);
	return rv != CKR_OK ? rv : vault->store->ops->member_put(at->tx, row, err);
}

CK_RV sr_rows_same_member(struct sr_vault *vault, struct sr_moment *at, struct sr_member_row *row, struct sr_error *err)
{
	struct sr_buf packed = SR_BUF_INIT;
	sr_rows_pack_member(vault, row, &packed);
	CK_RV rv = put_mac(vault, at, &packed, &row->mark, err);
	if (rv == CKR_OK)
		rv = sr_keys_note_member(vault, at, row, err);
	return rv != CKR_OK ? rv : vault->store->ops->member_put(at->tx, row, err);
}

CK_RV sr_rows_put_agent(struct sr_vault *vault, struct sr_moment *at, struct sr_event *event, struct sr_agent_row *row,
	struct sr_error *err)
{
	struct sr_buf packed = SR_BUF_INIT;
	bind_row(at, event, "agent", row->name, &row->mark);
	sr_rows_pack_agent(vault, row, &packed);
	CK_RV rv = seal_row(vault, at, event->subject, &packed, &row->mark, err);
	if (rv == CKR_OK)
		rv = sr_keys_note_agent(vault, at, row, err);
	return rv != CKR_OK ? rv : vault->store->ops->agent_put(at->tx, row, err);
}

CK_RV sr_rows_put_approval(struct sr_vault *vault, struct sr_moment *at, struct sr_event *event,
	struct sr_approval_row *row, struct sr_error *err)
{
	struct sr_buf packed = SR_BUF_INIT;
	bind_row(at, event, "approval", row->id, &row->mark);
	sr_rows_pack_approval(vault, row, &packed);
	CK_RV rv = seal_row(vault, at, event->subject, &packed, &row->mark, err);
	return rv != CKR_OK ? rv : vault->store->ops->approval_put(at->tx, row, err);
}

/* What is asked for all together: the count tells whether one was taken away. WAS: whether the row was active. */
static CK_RV move_count(
	struct sr_vault *vault, struct sr_moment *at, const char *subject, bool was, bool active, struct sr_error *err)
{
	uint64_t count = 0;
	if (was == active)
		return CKR_OK;
	CK_RV rv = sr_state_get(vault->store, at, subject, &count, err);
	if (rv == CKR_OK && count == 0)
		count = 1;
	if (rv == CKR_OK && !active && count < 2)
		rv = sr_fail(err, CKR_DEVICE_ERROR, SR_REASON_ROW_FORGED,
			"there are no active %s to end; run: strongroom audit verify", subject);
	return rv == CKR_OK ? sr_state_put(vault->store, at, subject, active ? count + 1 : count - 1, err) : rv;
}

static CK_RV count_policy(
	struct sr_vault *vault, struct sr_moment *at, const struct sr_policy_row *row, struct sr_error *err)
{
	struct sr_policy_row was;
	bool found = false;
	CK_RV rv = sr_rows_policy(vault, at, row->tier, row->glob, &was, &found, err);
	return rv == CKR_OK ? move_count(vault, at, SR_POLICIES_SUBJECT, found && was.active, row->active, err) : rv;
}

CK_RV sr_rows_put_rotation(struct sr_vault *vault, struct sr_moment *at, struct sr_event *event,
	struct sr_rotation_row *row, struct sr_error *err)
{
	struct sr_buf packed = SR_BUF_INIT;
	struct sr_rotation_row was;
	bool found = false;
	CK_RV rv = sr_rows_rotation(vault, at, row->glob, &was, &found, err);
	if (rv == CKR_OK)
		rv = move_count(vault, at, SR_ROTATIONS_SUBJECT, found && was.active, row->active, err);
	if (rv != CKR_OK)
		return rv;
	bind_row(at, event, "rotation", row->glob, &row->mark);
	sr_rows_pack_rotation(vault, row, &packed);
	rv = seal_row(vault, at, event->subject, &packed, &row->mark, err);
	return rv != CKR_OK ? rv : vault->store->ops->rotation_put(at->tx, row, err);
}

CK_RV sr_rows_put_policy(struct sr_vault *vault, struct sr_moment *at, struct sr_event *event,
	struct sr_policy_row *row, struct sr_error *err)
{
	struct sr_buf packed = SR_BUF_INIT;
	CK_RV rv = count_policy(vault, at, row, err);
	if (rv != CKR_OK)
		return rv;
	sr_rows_policy_subject(row->tier, row->glob, event->subject);
	row->mark.event_id = at->event_id;
	sr_rows_pack_policy(vault, row, &packed);
	rv = seal_row(vault, at, event->subject, &packed, &row->mark, err);
	return rv != CKR_OK ? rv : vault->store->ops->policy_put(at->tx, row, err);
}

CK_RV sr_rows_put_freeze(struct sr_vault *vault, struct sr_moment *at, struct sr_event *event,
	struct sr_freeze_row *row, struct sr_error *err)
{
	struct sr_buf packed = SR_BUF_INIT;
	struct sr_freeze_row was;
	bool found = false;
	CK_RV rv = sr_rows_freeze(vault, at, row->path, &was, &found, err);
	if (rv == CKR_OK)
		rv = move_count(vault, at, SR_FREEZES_SUBJECT, found && was.active, row->active, err);
	if (rv != CKR_OK)
		return rv;
	bind_row(at, event, "freeze", row->path, &row->mark);
	sr_rows_pack_freeze(vault, row, &packed);
	rv = seal_row(vault, at, event->subject, &packed, &row->mark, err);
	return rv != CKR_OK ? rv : vault->store->ops->freeze_put(at->tx, row, err);
}
