/* Token strings and the issuing of tokens. Private to this folder. */
#ifndef SR_VAULT_TOKEN_H
#define SR_VAULT_TOKEN_H

#include "policy/address.h"
#include "policy/need.h"
#include "vault/core.h"
#include "vault/kept.h"
#include "vault/objects.h"

#define SR_TOKEN_PREFIX "srt_"
#define SR_TOKEN_STRING_LEN 30 /* the prefix and 26 base32 characters: 128 random bits */
#define SR_CHILDREN_MAX 100    /* issued with one token, in all its life */

/** sr_token_looks_like(pin, len): whether a PIN is meant as a token string. */
bool sr_token_looks_like(const void *pin, size_t len);

/** sr_token_hash(vault, generation, string, len, hash, err): the keyed hash that is stored and looked up, by that
 *  generation of the mac key. */
CK_RV sr_token_hash(struct sr_vault *vault, unsigned generation, const void *string, size_t len,
	uint8_t hash[SR_HASH_LEN], struct sr_error *err);

/** sr_token_draw(vault, row, string, err): a new string, and ROW's id and hash. */
CK_RV sr_token_draw(struct sr_vault *vault, struct sr_token_row *row, struct sr_buf *string, struct sr_error *err);

/** sr_random_text(vault, bytes, out, err): BYTES (16 at most) from the HSM in base32: (bytes*8+4)/5 characters. */
CK_RV sr_random_text(struct sr_vault *vault, size_t bytes, char *out, struct sr_error *err);

/** struct sr_order: a token that is asked for. SCOPES and ALLOWED are the row's texts, parsed. WANTS_APPROVAL: asks for
 *  one where none is needed. NEED: what it waits for, no approvals for nothing. LINE: the ends that it does not
 * outlive: its issuer's. */
struct sr_order {
	struct sr_token_row row;
	struct sr_scopes scopes;
	struct sr_allowed allowed;
	bool wants_approval;
	struct sr_need need;
	struct sr_line line;
};
void sr_order_clear(struct sr_order *order);

/** sr_mint_may(caller, err): whether the caller issues tokens at all: a member whose role may, an agent, a token with
 *  tokens:issue. CKR_TOKEN_WRITE_PROTECTED with ROLE_NOT_ALLOWED or OUT_OF_SCOPE. */
CK_RV sr_mint_may(const struct sr_caller *caller, struct sr_error *err);

/** sr_mint_inherit(caller, order, err): fills in who issues it and who answers for it, and the issuer's addresses and
 *  uses where the order names none. */
CK_RV sr_mint_inherit(const struct sr_caller *caller, struct sr_order *order, struct sr_error *err);

/** sr_mint_check(caller, at, order, err): whether the caller may issue ORDER, by the rows at AT; fills in clearance,
 *  NEED and LINE. What is wider than the issuer: CKR_ATTRIBUTE_VALUE_INVALID / BEYOND_CEILING; too long a line or too
 *  many children: CKR_TOKEN_WRITE_PROTECTED / BEYOND_CEILING; a child that reaches above its parent's clearance:
 *  CKR_ATTRIBUTE_VALUE_INVALID / APPROVAL_REQUIRED. Once before the act, and once more inside it. */
CK_RV sr_mint_check(const struct sr_caller *caller, struct sr_moment *at, struct sr_order *order, struct sr_error *err);

/** sr_token_reaches_by(scope): whether a search by path may find its token through SCOPE; sr_token_reach_prefix(glob,
 *  prefix): by which entry of the store. */
bool sr_token_reaches_by(struct sr_scope *scope);
void sr_token_reach_prefix(const char *glob, char prefix[SR_PATH_MAX + 1]);

/** sr_token_create: the class's create (token_issue.c). */
CK_RV sr_token_create(const struct sr_caller *caller, const struct sr_attrs *template, struct sr_created *created,
	struct sr_error *err);

extern const struct sr_class sr_token_class; /* token_class.c */

#endif
