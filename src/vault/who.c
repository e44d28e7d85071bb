/* What an identity may do, and whether it still holds. */
#include "vault/who.h"

#include "audit/state.h"
#include "vault/approval.h"

#include <stdio.h>
#include <string.h>

/* With [vault] separation: who looks after the vault has nothing of what is in it. */
static const uint32_t separated_actions[SR_RESOURCE_COUNT] = {
	[SR_RESOURCE_SECRETS] = SR_ACTION_WRITE | SR_ACTION_DELETE | SR_ACTION_LIST,
	[SR_RESOURCE_KEYS] = SR_ACTION_CREATE | SR_ACTION_DELETE | SR_ACTION_LIST,
	[SR_RESOURCE_TOKENS] = SR_ACTIONS_TOKENS,
};

static uint32_t member_actions(const struct sr_identity *identity, enum sr_resource resource)
{
	uint32_t actions = sr_role_actions(identity->member.role, resource);
	bool kept_apart = identity->separated && identity->member.role == SR_ROLE_ADMIN;
	return kept_apart ? actions & separated_actions[resource] : actions;
}

uint32_t sr_who_actions(const struct sr_identity *identity, enum sr_resource resource, const char *path)
{
	switch (identity->type) {
	case SR_IDENTITY_MEMBER:
		return member_actions(identity, resource);
	case SR_IDENTITY_TOKEN:
		return sr_scopes_actions(&identity->scopes, resource, path);
	default: /* an agent's key asks for tokens and does nothing else */
		return 0;
	}
}

bool sr_who_may_give(const struct sr_identity *identity, const struct sr_scopes *scopes)
{
	for (size_t i = 0; identity->type == SR_IDENTITY_MEMBER && i < scopes->count; i++) {
		if (scopes->items[i].actions & ~member_actions(identity, scopes->items[i].resource))
			return false;
	}
	return true;
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
	else if (identity->type == SR_IDENTITY_TOKEN)
		snprintf(out, SR_NAME_MAX + 8, "token:%s", identity->token.id);
	else
		snprintf(out, SR_NAME_MAX + 8, "agent:%s", identity->agent.name);
}

static const char *after(const char *text, const char *prefix)
{
	size_t len = strlen(prefix);
	return strncmp(text, prefix, len) == 0 ? text + len : NULL;
}

/* Rows of schema 2 have no owner: there only members issued tokens. */
static const char *token_owner(const struct sr_token_row *token)
{
	const char *member = after(token->issuer, "member:");
	return token->owner[0] || !member ? token->owner : member;
}

const char *sr_who_owner(const struct sr_identity *identity)
{
	if (identity->type == SR_IDENTITY_MEMBER)
		return identity->member.name;
	return identity->type == SR_IDENTITY_TOKEN ? token_owner(&identity->token) : identity->agent.owner;
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

static CK_RV approval_holds(const struct sr_approval_row *row, const struct sr_moment *at, struct sr_error *err)
{
	switch (sr_approval_stand(row, at)) {
	case SR_STAND_IN_EFFECT:
		return CKR_OK;
	case SR_STAND_PENDING:
		return lapsed(err, SR_REASON_APPROVAL_REQUIRED, "its approval is pending");
	case SR_STAND_DELAYED:
	case SR_STAND_READY:
		return lapsed(err, SR_REASON_APPROVAL_REQUIRED, "it is approved, and not in effect yet");
	case SR_STAND_TIMED_OUT:
		return lapsed(err, SR_REASON_APPROVAL_TIMED_OUT, "nobody approved it in time");
	case SR_STAND_EXPIRED:
		return lapsed(err, SR_REASON_EXPIRED, "the token has expired");
	default:
		return lapsed(err, SR_REASON_APPROVAL_DENIED, "it was not approved");
	}
}

static CK_RV check_approval(struct sr_vault *vault, const struct sr_moment *at, const struct sr_token_row *token,
	struct sr_line *line, struct sr_error *err)
{
	struct sr_approval_row row;
	bool found = false;
	if (!token->approval[0])
		return CKR_OK;
	CK_RV rv = sr_rows_approval(vault, at, token->approval, &row, &found, err);
	if (rv == CKR_OK && !found)
		rv = lapsed(err, SR_REASON_APPROVAL_DENIED, "it was not approved");
	if (rv == CKR_OK)
		rv = approval_holds(&row, at, err);
	if (rv == CKR_OK && line)
		line->ends[line->count++] = row.end;
	return rv;
}

/* What was issued before its owner was removed or demoted is void. */
CK_RV sr_who_owner_stands(
	struct sr_vault *vault, const struct sr_moment *at, const char *owner, uint64_t since, struct sr_error *err)
{
	struct sr_member_row row;
	bool found = false;
	CK_RV rv = sr_rows_member(vault, at, owner, &row, &found, err);
	if (rv == CKR_OK && (!found || !row.active || row.cut > since))
		rv = lapsed(err, SR_REASON_REVOKED, "the member who answers for it was removed or demoted");
	return rv;
}

static CK_RV check_agent(
	struct sr_vault *vault, const struct sr_moment *at, const struct sr_token_row *token, struct sr_error *err)
{
	const char *name = after(token->issuer, "agent:");
	struct sr_agent_row row = { .cut = 0 };
	bool found = false;
	if (!name)
		return CKR_OK;
	CK_RV rv = sr_rows_agent(vault, at, name, &row, &found, err);
	if (rv == CKR_OK && (!found || row.state != SR_AGENT_ACTIVE || row.cut > token->mark.event_id))
		rv = lapsed(err, SR_REASON_REVOKED, "the token's agent was suspended or revoked");
	sr_agent_row_clear(&row);
	return rv;
}

/* What was issued before an admin accepted the clock is void: nobody knows any more when it was to end. */
static CK_RV check_cut(
	struct sr_vault *vault, const struct sr_moment *at, const struct sr_token_row *token, struct sr_error *err)
{
	uint64_t cut;
	CK_RV rv = sr_state_get(vault->store, at, SR_CUT_TOKENS, &cut, err);
	if (rv == CKR_OK && cut > token->mark.event_id)
		rv = lapsed(err, SR_REASON_REVOKED,
			"all tokens were revoked when the clock was accepted or the vault restored");
	return rv;
}

CK_RV sr_who_token_stands(struct sr_vault *vault, const struct sr_moment *at, const struct sr_token_row *token,
	struct sr_line *line, struct sr_error *err)
{
	uint64_t uses = 0;
	CK_RV rv;
	if (token->state != SR_TOKEN_ACTIVE)
		return lapsed(err, SR_REASON_REVOKED, "the token was revoked");
	if ((rv = check_cut(vault, at, token, err)) != CKR_OK ||
		(rv = sr_who_owner_stands(vault, at, token_owner(token), token->mark.event_id, err)) != CKR_OK ||
		(rv = check_agent(vault, at, token, err)) != CKR_OK ||
		(rv = check_approval(vault, at, token, line, err)) != CKR_OK)
		return rv;
	if (sr_end_passed(&token->end, &at->now, at->not_before_ms))
		return lapsed(err, SR_REASON_EXPIRED, "the token has expired");
	rv = token->max_uses ? sr_who_uses(vault, at, token->id, &uses, err) : CKR_OK;
	if (rv == CKR_OK && token->max_uses && uses >= token->max_uses)
		return lapsed(err, SR_REASON_USED_UP, "the token is used up");
	if (line)
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

static CK_RV one_stands(
	struct sr_vault *vault, struct sr_moment *at, const struct sr_token_row *token, void *arg, struct sr_error *err)
{
	struct sr_line *line = arg;
	if (line)
		line->tokens++;
	return sr_who_token_stands(vault, at, token, line, err);
}

CK_RV sr_who_line_stands(struct sr_vault *vault, struct sr_moment *at, const struct sr_token_row *token,
	struct sr_line *line, struct sr_error *err)
{
	CK_RV rv = one_stands(vault, at, token, line, err);
	return rv == CKR_OK ? each_ancestor(vault, at, token, one_stands, line, err) : rv;
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
		rv = sr_who_line_stands(caller->vault, at, &row, line, err);
	if (rv == CKR_OK && row.mark.event_id != atomic_load(&who->known))
		rv = lapsed(err, SR_REASON_CHANGED_MEANWHILE, "the token was changed");
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
	if (!sr_allowed_peer(&who->allowed, caller->peer))
		return lapsed(err, SR_REASON_ADDRESS_NOT_ALLOWED, "the member may not log in from here");
	if (sr_end_passed(&who->end, &at->now, at->not_before_ms))
		return lapsed(err, SR_REASON_EXPIRED, "a member's login lasts 8 hours");
	if (is_idle(who, at))
		return lapsed(err, SR_REASON_EXPIRED, "it was not used for 15 minutes");
	atomic_store(&who->used_boot_ms, at->now.boot_ms);
	line->ends[line->count++] = who->end;
	return CKR_OK;
}

bool sr_who_ended(const struct sr_end *end, const struct sr_moment *at)
{
	return end->wall_ms && sr_end_passed(end, &at->now, at->not_before_ms);
}

/* No earlier than the newest record. */
static int64_t wall_now(const struct sr_moment *at)
{
	return at->now.wall_ms > at->not_before_ms ? at->now.wall_ms : at->not_before_ms;
}

/* Ends made by a clock that stood in the future, until an admin accepted that it is earlier: nobody knows any more when
 * they were to be. An agent was added later than now, a grace is longer than there are any. */
bool sr_who_agent_ended(const struct sr_agent_row *row, const struct sr_moment *at)
{
	return sr_who_ended(&row->end, at) || (row->end.wall_ms && row->created_ms > wall_now(at));
}

static bool key_ended(const struct sr_end *grace, const struct sr_moment *at)
{
	return sr_who_ended(grace, at) || grace->wall_ms - wall_now(at) > SR_AGENT_GRACE_MAX_MS;
}

static void add_end(struct sr_line *line, const struct sr_end *end)
{
	if (end->wall_ms)
		line->ends[line->count++] = *end;
}

/* An agent's key: what it is, the owner still answering for it, its end. */
static CK_RV agent_still(
	const struct sr_caller *caller, const struct sr_moment *at, struct sr_line *line, struct sr_error *err)
{
	struct sr_identity *who = caller->identity;
	struct sr_agent_row row = { .cut = 0 };
	bool found = false;
	CK_RV rv = sr_rows_agent(caller->vault, at, who->agent.name, &row, &found, err);
	if (rv == CKR_OK && (!found || row.state != SR_AGENT_ACTIVE))
		rv = lapsed(err, SR_REASON_REVOKED, "the agent was suspended or revoked");
	if (rv == CKR_OK && row.mark.event_id != atomic_load(&who->known))
		rv = lapsed(err, SR_REASON_CHANGED_MEANWHILE, "the agent was changed");
	if (rv == CKR_OK && !sr_allowed_peer(&who->allowed, caller->peer))
		rv = lapsed(err, SR_REASON_ADDRESS_NOT_ALLOWED, "the agent's key may not be used from here");
	if (rv == CKR_OK)
		rv = sr_who_owner_stands(caller->vault, at, row.owner, row.mark.event_id, err);
	if (rv == CKR_OK && (sr_who_agent_ended(&row, at) || key_ended(&who->end, at)))
		rv = lapsed(err, SR_REASON_EXPIRED, "the agent, or this key of it, has ended");
	add_end(line, &row.end);
	add_end(line, &who->end);
	sr_agent_row_clear(&row);
	return rv;
}

static CK_RV still(const struct sr_caller *caller, struct sr_moment *at, struct sr_line *line, struct sr_error *err)
{
	switch (caller->identity->type) {
	case SR_IDENTITY_MEMBER:
		return member_still(caller, at, line, err);
	case SR_IDENTITY_TOKEN:
		return token_still(caller, at, line, err);
	default:
		return agent_still(caller, at, line, err);
	}
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
	if (!sr_allowed_peer(&who->allowed, caller->peer)) /* a member's list too */
		return false;
	if (who->type != SR_IDENTITY_MEMBER)
		return true;
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
