/* The keys of agents: made, kept as a hash, replaced. */
#include "vault/agent.h"

#include "hsm/generations.h"
#include "util/pack.h"
#include "util/text.h"
#include "vault/objects.h"
#include "vault/token.h"
#include "vault/who.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static const uint8_t none[SR_HASH_LEN];

bool sr_agent_looks_like(const void *pin, size_t len)
{
	return len == SR_AGENT_STRING_LEN && memcmp(pin, SR_AGENT_PREFIX, strlen(SR_AGENT_PREFIX)) == 0;
}

CK_RV sr_agent_hash(struct sr_vault *vault, unsigned generation, const void *string, size_t len,
	uint8_t hash[SR_HASH_LEN], struct sr_error *err)
{
	struct sr_buf packed = SR_BUF_INIT;
	sr_pack_text(&packed, "strongroom/agent-key/1");
	sr_pack_text(&packed, vault->id);
	sr_pack_bytes(&packed, string, len);
	CK_RV rv = packed.failed ? sr_fail(err, CKR_HOST_MEMORY, SR_REASON_MEMORY, "no memory for a login")
				 : sr_hsm_mac_to_keep(vault->hsm, generation, packed.data, packed.len, hash, err);
	sr_buf_clear(&packed);
	return rv;
}

bool sr_agent_key_fits(const struct sr_agent_row *row, const uint8_t hash[SR_HASH_LEN], bool *old)
{
	bool present = sr_equal(hash, row->hash, SR_HASH_LEN);
	bool before = sr_equal(hash, row->old_hash, SR_HASH_LEN);
	bool empty = sr_equal(none, row->old_hash, SR_HASH_LEN);
	*old = before && !empty && !present;
	return present || *old;
}

/* Of each agent another, and of no key: what is looked up is the HSM's MAC, which is this by chance alone. */
static bool no_key(const char *name, uint8_t hash[SR_HASH_LEN])
{
	static const char label[] = "strongroom/agent-without-key/1";
	return sr_sha256_2(label, sizeof(label), name, strlen(name), hash);
}

bool sr_agent_lose_key(struct sr_agent_row *row)
{
	memset(row->old_hash, 0, sizeof(row->old_hash));
	row->old_end = (struct sr_end){ 0 };
	return no_key(row->name, row->hash);
}

bool sr_agent_has_key(const struct sr_agent_row *row)
{
	uint8_t hash[SR_HASH_LEN];
	return !no_key(row->name, hash) || !sr_equal(hash, row->hash, sizeof(hash));
}

CK_RV sr_agent_make_key(struct sr_vault *vault, struct sr_buf *string, uint8_t hash[SR_HASH_LEN], unsigned *generation,
	struct sr_error *err)
{
	char *at = (char *)sr_buf_reserve(string, SR_AGENT_STRING_LEN + 1);
	if (!at)
		return sr_fail(err, CKR_HOST_MEMORY, SR_REASON_MEMORY, "no memory to make an agent's key");
	memcpy(at, SR_AGENT_PREFIX, strlen(SR_AGENT_PREFIX));
	CK_RV rv = sr_random_text(vault, 16, at + strlen(SR_AGENT_PREFIX), err);
	if (rv != CKR_OK)
		return rv;
	string->len = SR_AGENT_STRING_LEN;
	*generation = sr_hsm_generation(vault->hsm);
	return sr_agent_hash(vault, *generation, string->data, string->len, hash, err);
}

/* -- a new key --------------------------------------------------------------------------------------------------- */

struct rotation {
	char name[SR_NAME_MAX];
	uint64_t grace;
	uint8_t hash[SR_HASH_LEN];
	unsigned hash_generation;
};

static CK_RV take_rotation(const struct sr_grant *grant, struct rotation *rotation, struct sr_error *err)
{
	static const CK_ATTRIBUTE_TYPE types[] = { CKA_CLASS, CKA_TOKEN, CKA_PRIVATE, CKA_SR_NAME, CKA_SR_GRACE };
	const struct sr_attr *attr = sr_attrs_find(grant->template, CKA_SR_GRACE);
	CK_RV rv = sr_grant_only(grant, types, sizeof(types) / sizeof(*types), err);
	if (rv == CKR_OK)
		rv = sr_agent_name(grant, rotation->name, err);
	if (rv == CKR_OK &&
		!sr_text_u64((const char *)attr->value, attr->len, SR_AGENT_GRACE_MAX_MS / 1000, &rotation->grace))
		rv = sr_fail(err, CKR_ATTRIBUTE_VALUE_INVALID, SR_REASON_BAD_DURATION,
			"%s: bad grace: it must be between 0s and 24h", grant->what);
	return rv;
}

static CK_RV load_for_key(const struct sr_act *act, const struct sr_moment *at, const char *name,
	struct sr_agent_row *row, struct sr_error *err)
{
	CK_RV rv = sr_agent_load(act->caller, at, name, row, err);
	if (rv == CKR_OBJECT_HANDLE_INVALID) /* C_CreateObject names no object */
		return sr_fail(err, CKR_ATTRIBUTE_VALUE_INVALID, SR_REASON_NOT_FOUND, "there is no agent %s", name);
	if (rv == CKR_OK && row->state == SR_AGENT_REVOKED)
		return sr_fail(err, CKR_TOKEN_WRITE_PROTECTED, SR_REASON_REVOKED,
			"no new key: agent %s is revoked, for good; add another", name);
	return rv;
}

/* Whom the removal of its owner has suspended stays so: a new key is no reason to trust it again. */
static CK_RV keep_suspended(
	const struct sr_act *act, const struct sr_moment *at, struct sr_agent_row *row, struct sr_error *err)
{
	struct sr_error why = SR_ERROR_INIT;
	CK_RV rv = sr_agent_owner_answers(act->caller->vault, at, row, &why);
	if (rv == CKR_USER_NOT_LOGGED_IN) {
		row->state = SR_AGENT_SUSPENDED;
		row->cut = at->event_id;
		return CKR_OK;
	}
	if (rv != CKR_OK)
		*err = why;
	return rv;
}

/* Who makes the key knows it, and so is who answers for what is asked by it. One owner cannot answer for two keys of
 * two members: each could approve what they ask for by their own. */
static CK_RV take_over(
	const struct sr_act *act, const struct rotation *rotation, struct sr_agent_row *row, struct sr_error *err)
{
	const char *maker = sr_who_owner(act->caller->identity);
	if (strcmp(row->owner, maker) != 0 && rotation->grace)
		return sr_fail(err, CKR_TOKEN_WRITE_PROTECTED, SR_REASON_ROLE_NOT_ALLOWED,
			"no new key: the one before is %s's, who alone may give a new one with a grace; without it you "
			"may, and answer for the agent from then on",
			row->owner);
	snprintf(row->owner, sizeof(row->owner), "%s", maker);
	return CKR_OK;
}

static CK_RV may_rotate(
	const struct sr_act *act, const struct sr_moment *at, struct sr_agent_row *row, struct sr_error *err)
{
	CK_RV rv = sr_agent_may_give(act->caller, row, "no new key", err);
	if (rv == CKR_OK)
		rv = keep_suspended(act, at, row, err);
	return rv == CKR_OK ? take_over(act, act->arg, row, err) : rv;
}

static CK_RV rotate_run(struct sr_act *act, struct sr_moment *at, struct sr_error *err)
{
	const struct rotation *rotation = act->arg;
	struct sr_now now = sr_agent_now(at);
	struct sr_agent_row row = { .cut = 0 };
	CK_RV rv = load_for_key(act, at, rotation->name, &row, err);
	if (rv == CKR_OK)
		rv = may_rotate(act, at, &row, err);
	memset(row.old_hash, 0, sizeof(row.old_hash));
	row.old_end = (struct sr_end){ 0 };
	if (rotation->grace) {
		memcpy(row.old_hash, row.hash, sizeof(row.old_hash));
		row.old_end = sr_end_after(&now, (int64_t)rotation->grace * 1000);
	}
	memcpy(row.hash, rotation->hash, sizeof(row.hash));
	row.hash_generation = rotation->hash_generation;
	if (rv == CKR_OK)
		rv = sr_rows_put_agent(act->caller->vault, at, &act->event, &row, err);
	sr_agent_row_clear(&row);
	return rv;
}

CK_RV sr_agent_rotate(
	const struct sr_caller *caller, const struct sr_grant *grant, struct sr_created *created, struct sr_error *err)
{
	struct rotation rotation = { .grace = 0 };
	struct sr_act act;
	sr_act_begin(&act, caller, SR_EVENT_AGENT_UPDATED, NULL);
	CK_RV rv = sr_need_duty(caller, SR_DUTY_AGENTS, CKR_TOKEN_WRITE_PROTECTED, "change agents", err);
	if (rv == CKR_OK)
		rv = take_rotation(grant, &rotation, err);
	if (rv == CKR_OK)
		snprintf(act.event.metadata, sizeof(act.event.metadata),
			"{\"agent\":\"%s\",\"change\":\"key\",\"grace\":%" PRIu64 "}", rotation.name, rotation.grace);
	if (rv == CKR_OK)
		rv = sr_agent_make_key(caller->vault, &created->once, rotation.hash, &rotation.hash_generation, err);
	act.run = rotate_run;
	act.arg = &rotation;
	act.policy_change = true;
	rv = sr_act_record(&act, rv, err);
	if (rv == CKR_OK)
		snprintf(created->id, sizeof(created->id), "%s", rotation.name);
	else
		sr_buf_clear(&created->once);
	return rv;
}
