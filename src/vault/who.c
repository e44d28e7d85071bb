/* What an identity may do, and whether it still holds. */
#include "vault/who.h"

#include "audit/state.h"

#include <stdio.h>
#include <string.h>

uint32_t sr_who_actions(const struct sr_identity *identity, enum sr_resource resource, const char *path)
{
	if (identity->type == SR_IDENTITY_MEMBER)
		return sr_role_actions(identity->member.role, resource);
	return sr_scopes_actions(&identity->scopes, resource, path);
}

uint32_t sr_who_duties(const struct sr_identity *identity)
{
	return identity->type == SR_IDENTITY_MEMBER ? sr_role_duties(identity->member.role) : 0;
}

enum sr_tier sr_who_clearance(const struct sr_identity *identity)
{
	return identity->type == SR_IDENTITY_TOKEN ? identity->token.clearance : SR_TIER_STANDARD;
}

void sr_who_name(const struct sr_identity *identity, char out[SR_NAME_MAX + 8])
{
	if (identity->type == SR_IDENTITY_MEMBER)
		snprintf(out, SR_NAME_MAX + 8, "member:%s", identity->member.name);
	else
		snprintf(out, SR_NAME_MAX + 8, "token:%s", identity->token.id);
}

static size_t common_prefix(const char *a, size_t alen, const char *b, size_t blen)
{
	size_t n = 0;
	while (n < alen && n < blen && a[n] == b[n])
		n++;
	return n;
}

void sr_who_prefix(const struct sr_identity *identity, enum sr_resource resource, char *out)
{
	const char *first = NULL;
	size_t len = 0;
	for (size_t i = 0; identity->type == SR_IDENTITY_TOKEN && i < identity->scopes.count; i++) {
		const struct sr_scope *scope = &identity->scopes.items[i];
		if (scope->resource != resource)
			continue;
		size_t literal = sr_glob_literal_prefix(scope->glob);
		len = first ? common_prefix(first, len, scope->glob, literal) : literal;
		first = scope->glob;
	}
	if (first)
		memcpy(out, first, len);
	out[len] = '\0';
}

CK_RV sr_need_duty(const struct sr_caller *caller, uint32_t duty, CK_RV refusal, const char *what, struct sr_error *err)
{
	if ((sr_who_duties(caller->identity) & duty) == duty)
		return CKR_OK;
	return sr_fail(err, refusal, SR_REASON_ROLE_NOT_ALLOWED,
		"your login may not %s; log in as a member whose role may (docs/roles.md)", what);
}

/* -- does it still hold? ---------------------------------------------------------------------------------------- */

static CK_RV lapsed(struct sr_error *err, CK_ULONG reason, const char *why)
{
	return sr_fail(err, CKR_USER_NOT_LOGGED_IN, reason, "the login has ended: %s; log in again", why);
}

CK_RV sr_who_uses(
	struct sr_vault *vault, const struct sr_moment *at, const char *token_id, uint64_t *uses, struct sr_error *err)
{
	char subject[SR_ID_MAX + 8];
	snprintf(subject, sizeof(subject), "use:%s", token_id);
	return sr_state_get(vault->store, at, subject, uses, err);
}

/* One token of the line from the login's own up to the first ancestor. */
static CK_RV token_holds(struct sr_vault *vault, const struct sr_moment *at, const struct sr_token_row *token,
	struct sr_line *line, struct sr_error *err)
{
	uint64_t uses = 0;
	if (token->state != SR_TOKEN_ACTIVE)
		return lapsed(err, SR_REASON_REVOKED, "the token was revoked");
	if (sr_end_passed(&token->end, &at->now, at->not_before_ms))
		return lapsed(err, SR_REASON_EXPIRED, "the token has expired");
	CK_RV rv = token->max_uses ? sr_who_uses(vault, at, token->id, &uses, err) : CKR_OK;
	if (rv == CKR_OK && token->max_uses && uses >= token->max_uses)
		return lapsed(err, SR_REASON_USED_UP, "the token is used up");
	line->ends[line->count++] = token->end;
	return rv;
}

/* Every ancestor, from the parent up, each verified; VISIT says whether to go on. */
typedef CK_RV (*ancestor_fn)(struct sr_vault *vault, struct sr_moment *at, const struct sr_token_row *ancestor,
	void *arg, struct sr_error *err);

static CK_RV each_ancestor(struct sr_vault *vault, struct sr_moment *at, const struct sr_token_row *token,
	ancestor_fn visit, void *arg, struct sr_error *err)
{
	char parent[SR_ID_MAX];
	memcpy(parent, token->parent, sizeof(parent));
	for (int depth = 0; parent[0]; depth++) {
		struct sr_token_row row = { 0 };
		bool found = false;
		if (depth == SR_LINE_MAX - 1)
			return sr_fail(err, CKR_DEVICE_ERROR, SR_REASON_VAULT_CORRUPT,
				"token:%s has too many ancestors; restore the database from a backup", token->id);
		CK_RV rv = sr_rows_token(vault, at, parent, &row, &found, err);
		if (rv == CKR_OK && !found)
			rv = sr_fail(err, CKR_DEVICE_ERROR, SR_REASON_ROW_MISSING,
				"token:%s: its parent is gone; restore the database from a backup", token->id);
		if (rv == CKR_OK)
			rv = visit(vault, at, &row, arg, err);
		memcpy(parent, row.parent, sizeof(parent));
		sr_token_row_clear(&row);
		if (rv != CKR_OK)
			return rv;
	}
	return CKR_OK;
}

static CK_RV ancestor_holds(struct sr_vault *vault, struct sr_moment *at, const struct sr_token_row *ancestor,
	void *line, struct sr_error *err)
{
	return token_holds(vault, at, ancestor, line, err);
}

static CK_RV token_still(
	const struct sr_caller *caller, struct sr_moment *at, struct sr_line *line, struct sr_error *err)
{
	const struct sr_identity *who = caller->identity;
	struct sr_token_row row = { 0 };
	bool found = false;
	CK_RV rv = sr_rows_token(caller->vault, at, who->token.id, &row, &found, err);
	if (rv == CKR_OK && !found)
		rv = lapsed(err, SR_REASON_REVOKED, "the token is gone");
	if (rv == CKR_OK && !sr_allowed_peer(&who->allowed, caller->peer))
		rv = lapsed(err, SR_REASON_ADDRESS_NOT_ALLOWED, "the token may not be used from here");
	if (rv == CKR_OK)
		rv = token_holds(caller->vault, at, &row, line, err);
	if (rv == CKR_OK && row.mark.event_id != atomic_load(&who->known))
		rv = lapsed(err, SR_REASON_CHANGED_MEANWHILE, "the token was changed");
	if (rv == CKR_OK)
		rv = each_ancestor(caller->vault, at, &row, ancestor_holds, line, err);
	sr_token_row_clear(&row);
	return rv;
}

/* What ends a login that nobody has touched. */
static bool is_idle(struct sr_identity *who, const struct sr_moment *at)
{
	return at->now.boot_ms - atomic_load(&who->used_boot_ms) > SR_MEMBER_IDLE_MS;
}

static CK_RV member_still(
	const struct sr_caller *caller, const struct sr_moment *at, struct sr_line *line, struct sr_error *err)
{
	struct sr_identity *who = caller->identity;
	struct sr_member_row row = { 0 };
	bool found = false;
	CK_RV rv = sr_rows_member(caller->vault, at, who->member.name, &row, &found, err);
	if (rv != CKR_OK)
		return rv;
	if (!found || !row.active)
		return lapsed(err, SR_REASON_REVOKED, "the member was removed");
	if (row.mark.event_id != atomic_load(&who->known))
		return lapsed(err, SR_REASON_CHANGED_MEANWHILE, "the member's role or passphrase was changed");
	if (sr_end_passed(&who->end, &at->now, at->not_before_ms))
		return lapsed(err, SR_REASON_EXPIRED, "a member's login lasts 8 hours");
	if (is_idle(who, at))
		return lapsed(err, SR_REASON_EXPIRED, "it was not used for 15 minutes");
	atomic_store(&who->used_boot_ms, at->now.boot_ms);
	line->ends[line->count++] = who->end;
	return CKR_OK;
}

static CK_RV still(const struct sr_caller *caller, struct sr_moment *at, struct sr_line *line, struct sr_error *err)
{
	return caller->identity->type == SR_IDENTITY_MEMBER ? member_still(caller, at, line, err)
							    : token_still(caller, at, line, err);
}

CK_RV sr_who_still(const struct sr_caller *caller, struct sr_moment *at, struct sr_error *err)
{
	struct sr_line line = { .count = 0 };
	return still(caller, at, &line, err);
}

/* -- between two calls ------------------------------------------------------------------------------------------- */

/* No row has changed since it was found to hold; what else could have ended it is asked here. Whatever does not hold
 * is left to the look, which says why. */
static bool holds_still(const struct sr_caller *caller, const struct sr_moment *at)
{
	struct sr_identity *who = caller->identity;
	if (!sr_kept_holds(&who->kept, at))
		return false;
	if (who->type == SR_IDENTITY_TOKEN)
		return sr_allowed_peer(&who->allowed, caller->peer);
	if (is_idle(who, at))
		return false;
	atomic_store(&who->used_boot_ms, at->now.boot_ms);
	return true;
}

CK_RV sr_identity_check(const struct sr_caller *caller, struct sr_error *err)
{
	struct sr_writer *writer = caller->vault->writer;
	struct sr_line line = { .count = 0 };
	struct sr_moment at;
	CK_RV rv = sr_writer_glance(writer, &at, err);
	if (rv != CKR_OK || holds_still(caller, &at))
		return rv;
	rv = sr_writer_look(writer, &at, err);
	if (rv != CKR_OK)
		return rv;
	rv = still(caller, &at, &line, err);
	sr_writer_look_end(writer, &at);
	if (rv == CKR_OK)
		sr_kept_hold(&caller->identity->kept, &at, &line);
	return rv;
}

/* -- uses ------------------------------------------------------------------------------------------------------- */

static CK_RV count_one(struct sr_vault *vault, struct sr_moment *at, const struct sr_token_row *token, void *unused,
	struct sr_error *err)
{
	(void)unused;
	char subject[SR_ID_MAX + 8];
	uint64_t uses;
	if (token->max_uses == 0)
		return CKR_OK;
	snprintf(subject, sizeof(subject), "use:%s", token->id);
	CK_RV rv = sr_state_get(vault->store, at, subject, &uses, err);
	if (rv == CKR_OK && uses >= token->max_uses)
		return lapsed(err, SR_REASON_USED_UP, "the token is used up");
	return rv == CKR_OK ? sr_state_put(vault->store, at, subject, uses + 1, err) : rv;
}

CK_RV sr_who_count_use(const struct sr_caller *caller, struct sr_moment *at, struct sr_error *err)
{
	const struct sr_identity *who = caller->identity;
	if (who->type != SR_IDENTITY_TOKEN)
		return CKR_OK;
	CK_RV rv = count_one(caller->vault, at, &who->token, NULL, err);
	return rv == CKR_OK ? each_ancestor(caller->vault, at, &who->token, count_one, NULL, err) : rv;
}
