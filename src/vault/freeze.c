/* Whether something reaches a path that is frozen. */
#include "vault/freeze.h"

#include "audit/state.h"
#include "vault/approval_row.h"

#include <string.h>

static CK_RV frozen(struct sr_error *err, CK_RV refusal)
{
	return sr_fail(err, refusal, SR_REASON_FROZEN,
		"refused: the path is frozen, or one that this reaches is, until it is released; see: strongroom "
		"incident list");
}

static CK_RV count(struct sr_vault *vault, const struct sr_moment *at, uint64_t *active, struct sr_error *err)
{
	CK_RV rv = sr_state_get(vault->store, at, SR_FREEZES_SUBJECT, active, err);
	*active = rv == CKR_OK && *active ? *active - 1 : 0;
	return rv;
}

/* -- one path ---------------------------------------------------------------------------------------------------- */

CK_RV sr_freeze_asked(
	struct sr_vault *vault, const struct sr_moment *at, const char *path, bool *frozen, struct sr_error *err)
{
	struct sr_freeze_row row;
	uint64_t active = 0;
	bool found = false;
	*frozen = false;
	CK_RV rv = count(vault, at, &active, err);
	if (rv != CKR_OK || active == 0)
		return rv;
	rv = sr_rows_freeze(vault, at, path, &row, &found, err);
	*frozen = rv == CKR_OK && found && row.active;
	return rv;
}

CK_RV sr_freeze_check(
	struct sr_vault *vault, const struct sr_moment *at, const char *path, CK_RV refusal, struct sr_error *err)
{
	bool is_frozen = false;
	CK_RV rv = sr_freeze_asked(vault, at, path, &is_frozen, err);
	return rv == CKR_OK && is_frozen ? frozen(err, refusal) : rv;
}

CK_RV sr_freeze_check_writer(const struct sr_caller *caller, const struct sr_moment *at, const char *path,
	CK_RV refusal, struct sr_error *err)
{
	if (caller->identity->type == SR_IDENTITY_MEMBER)
		return CKR_OK;
	return sr_freeze_check(caller->vault, at, path, refusal, err);
}

/* -- what reaches many paths ------------------------------------------------------------------------------------- */

/** struct reach: whether SCOPES, or where there are none GLOB, meet a path that is frozen; SEEN: how many there are. */
struct reach {
	struct sr_vault *vault;
	const struct sr_moment *at;
	const struct sr_scopes *scopes;
	const char *glob;
	uint64_t seen;
	bool meets;
	CK_RV rv;
	struct sr_error *err;
};

static bool meet(const struct sr_freeze_row *row, void *ctx)
{
	struct reach *reach = ctx;
	reach->rv = sr_rows_check_freeze(reach->vault, reach->at, row, reach->err);
	if (reach->rv != CKR_OK)
		return false;
	reach->seen++;
	reach->meets =
		reach->scopes ? sr_scopes_reach(reach->scopes, row->path) : sr_glob_match(reach->glob, row->path);
	return !reach->meets;
}

/* What somebody took out of the database is missing in the count alone. */
static CK_RV check_reach(struct reach *reach, CK_RV refusal)
{
	uint64_t active = 0;
	CK_RV rv = count(reach->vault, reach->at, &active, reach->err);
	if (rv != CKR_OK || active == 0)
		return rv;
	rv = reach->vault->store->ops->freeze_list(reach->at->tx, meet, reach, reach->err);
	if (reach->rv != CKR_OK)
		return reach->rv;
	if (rv == CKR_OK && reach->meets)
		return frozen(reach->err, refusal);
	if (rv == CKR_OK && reach->seen != active)
		rv = sr_fail(reach->err, CKR_DEVICE_ERROR, SR_REASON_ROW_MISSING,
			"there are %llu frozen paths and should be %llu; run: strongroom audit verify",
			(unsigned long long)reach->seen, (unsigned long long)active);
	return rv;
}

CK_RV sr_freeze_check_scopes(struct sr_vault *vault, const struct sr_moment *at, const struct sr_scopes *scopes,
	CK_RV refusal, struct sr_error *err)
{
	struct reach reach = { .vault = vault, .at = at, .scopes = scopes, .rv = CKR_OK, .err = err };
	return check_reach(&reach, refusal);
}

static CK_RV check_token(
	struct sr_vault *vault, const struct sr_moment *at, const char *id, CK_RV refusal, struct sr_error *err)
{
	struct sr_token_row token = { .ttl_ms = 0 };
	struct sr_scopes scopes = { 0 };
	const char *why;
	bool found = false;
	CK_RV rv = sr_rows_token(vault, at, id, &token, &found, err);
	if (rv == CKR_OK && found && !sr_scopes_parse((const char *)token.scopes.data, token.scopes.len, &scopes, &why))
		rv = sr_fail(err, CKR_DEVICE_ERROR, SR_REASON_VAULT_CORRUPT, "token:%s: %s", token.id, why);
	if (rv == CKR_OK)
		rv = sr_freeze_check_scopes(vault, at, &scopes, refusal, err);
	sr_scopes_clear(&scopes);
	sr_token_row_clear(&token);
	return rv;
}

CK_RV sr_freeze_check_request(struct sr_vault *vault, const struct sr_moment *at, const struct sr_approval_row *row,
	CK_RV refusal, struct sr_error *err)
{
	struct reach reach = { .vault = vault, .at = at, .glob = row->path, .rv = CKR_OK, .err = err };
	const char *token = sr_approval_token_id(row);
	if (row->kind == SR_APPROVAL_RELEASE)
		return CKR_OK;
	return token ? check_token(vault, at, token, refusal, err) : check_reach(&reach, refusal);
}
