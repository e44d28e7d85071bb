/* Agents: their keys, and what is added, changed and shown of them. Private to this folder. */
#ifndef SR_VAULT_AGENT_H
#define SR_VAULT_AGENT_H

#include "vault/core.h"
#include "vault/grant.h"
#include "vault/objects.h"

#define SR_AGENT_PREFIX "srk_"
#define SR_AGENT_STRING_LEN 30 /* the prefix and 26 base32 characters: 128 random bits */

/** sr_agent_looks_like(pin, len): whether a PIN is meant as an agent's key. */
bool sr_agent_looks_like(const void *pin, size_t len);

/** sr_agent_hash(vault, generation, string, len, hash, err): the keyed hash that is stored and looked up, by that
 *  generation of the mac key. */
CK_RV sr_agent_hash(struct sr_vault *vault, unsigned generation, const void *string, size_t len,
	uint8_t hash[SR_HASH_LEN], struct sr_error *err);

/** sr_agent_key_fits(row, hash, old): whether HASH is the present key's; OLD: that of the one before, which is good
 *  until row->old_end. Takes the same time whichever it is. */
bool sr_agent_key_fits(const struct sr_agent_row *row, const uint8_t hash[SR_HASH_LEN], bool *old);

/** sr_agent_lose_key(row): the keys that ROW knows were hashed by a mac key that is not the vault's any more: it has
 * none until it is given a new one. sr_agent_has_key(row). */
bool sr_agent_lose_key(struct sr_agent_row *row);
bool sr_agent_has_key(const struct sr_agent_row *row);

/** sr_agent_make_key(vault, string, hash, generation, err): a new key from the HSM; HASH is by GENERATION. */
CK_RV sr_agent_make_key(struct sr_vault *vault, struct sr_buf *string, uint8_t hash[SR_HASH_LEN], unsigned *generation,
	struct sr_error *err);

/** sr_agent_rotate(caller, grant, created, err): an agent.updated event: the agent that the template names has a new
 *  key. */
CK_RV sr_agent_rotate(
	const struct sr_caller *caller, const struct sr_grant *grant, struct sr_created *created, struct sr_error *err);

/** sr_agent_name(grant, name, err): CKA_SR_NAME, which must be there. */
CK_RV sr_agent_name(const struct sr_grant *grant, char name[SR_NAME_MAX], struct sr_error *err);

/** sr_agent_load(caller, at, name, row, err): inside a job; CKR_OBJECT_HANDLE_INVALID / NOT_FOUND where there is none.
 */
CK_RV sr_agent_load(const struct sr_caller *caller, const struct sr_moment *at, const char *name,
	struct sr_agent_row *row, struct sr_error *err);

/** sr_agent_may_give(caller, row, what, err): whether the caller may hold a key to ROW's ceiling: CKR_OK, or
 *  CKR_TOKEN_WRITE_PROTECTED / ROLE_NOT_ALLOWED where that is beyond the role's own; WHAT begins the line. */
CK_RV sr_agent_may_give(
	const struct sr_caller *caller, const struct sr_agent_row *row, const char *what, struct sr_error *err);

/** sr_agent_owner_answers(vault, at, row, err): whether its owner, who made its key, still answers for it and still may
 *  have agents: CKR_USER_NOT_LOGGED_IN / REVOKED where not. */
CK_RV sr_agent_owner_answers(
	struct sr_vault *vault, const struct sr_moment *at, const struct sr_agent_row *row, struct sr_error *err);

/** sr_agent_now(at): the clock's reading; the wall clock, which may have been set back, no earlier than the newest
 *  record. */
struct sr_now sr_agent_now(const struct sr_moment *at);

/** sr_agent_set(caller, id, template, err), sr_agent_destroy: struct sr_class (vault/objects.h). */
CK_RV sr_agent_set(
	const struct sr_caller *caller, const char *id, const struct sr_attrs *template, struct sr_error *err);
CK_RV sr_agent_destroy(const struct sr_caller *caller, const char *id, struct sr_error *err);

extern const struct sr_class sr_agent_class;

#endif
