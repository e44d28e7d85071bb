/* Login: a PIN becomes an identity, or one of a few codes that tell nothing. */
#include "util/pack.h"
#include "vault/agent.h"
#include "vault/each_use.h"
#include "vault/generations.h"
#include "vault/keys.h"
#include "vault/member.h"
#include "vault/refused.h"
#include "vault/token.h"
#include "vault/who.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What the caller hears of every refusal; the audit hears REASON. */
static CK_RV refuse_login(struct sr_act *act, struct sr_error *err, CK_RV rv, CK_ULONG reason)
{
	act->audit_reason = reason;
	return sr_fail(err, rv, SR_REASON_LOGIN_REFUSED,
		"login refused; check the token or passphrase and where it may be used from, or ask for a new token");
}

static struct sr_identity *identity_new(enum sr_identity_type type)
{
	struct sr_identity *who = calloc(1, sizeof(*who));
	if (who) {
		atomic_init(&who->refs, 1);
		who->type = type;
		sr_kept_init(&who->kept);
	}
	return who;
}

bool sr_identity_counts(const struct sr_identity *identity)
{
	return identity->type == SR_IDENTITY_TOKEN && (identity->token.max_uses || identity->token.parent[0]);
}

struct sr_identity *sr_identity_ref(struct sr_identity *identity)
{
	atomic_fetch_add(&identity->refs, 1);
	return identity;
}

void sr_identity_unref(struct sr_identity *identity)
{
	if (!identity || atomic_fetch_sub(&identity->refs, 1) != 1)
		return;
	sr_kept_clear(&identity->kept);
	sr_token_row_clear(&identity->token);
	sr_agent_row_clear(&identity->agent);
	sr_scopes_clear(&identity->scopes);
	sr_allowed_clear(&identity->allowed);
	sr_cleanse(identity, sizeof(*identity));
	free(identity);
}

/* -- tokens and agents' keys ------------------------------------------------------------------------------------ */

static CK_RV parse_lists(
	struct sr_identity *who, const struct sr_buf *scopes, const struct sr_buf *allowed, struct sr_error *err)
{
	char name[SR_NAME_MAX + 8];
	const char *why = NULL;
	if (sr_scopes_parse((const char *)scopes->data, scopes->len, &who->scopes, &why) &&
		sr_allowed_parse((const char *)allowed->data, allowed->len, &who->allowed, &why))
		return CKR_OK;
	sr_who_name(who, name);
	return sr_fail(err, CKR_DEVICE_ERROR, SR_REASON_VAULT_CORRUPT, "%s: cannot be read: %s", name, why);
}

static bool is_of_approval(CK_ULONG reason)
{
	return reason == SR_REASON_APPROVAL_REQUIRED || reason == SR_REASON_APPROVAL_DENIED ||
	       reason == SR_REASON_APPROVAL_TIMED_OUT;
}

/* What became of its approval is told to whoever holds the token: they can wait, or ask someone. ERR has the reason. */
static CK_RV refuse_unapproved(struct sr_act *act, const struct sr_token_row *token, struct sr_error *err)
{
	CK_ULONG reason = err->reason;
	act->audit_reason = reason;
	if (reason == SR_REASON_APPROVAL_TIMED_OUT)
		return sr_fail(err, CKR_FUNCTION_CANCELED, reason,
			"login refused: nobody approved token %s in time (request %s); issue a new one", token->id,
			token->approval);
	if (reason == SR_REASON_APPROVAL_DENIED)
		return sr_fail(err, CKR_FUNCTION_REJECTED, reason,
			"login refused: the approval of token %s was denied or cancelled (request %s)", token->id,
			token->approval);
	return sr_fail(err, CKR_FUNCTION_REJECTED, reason,
		"login refused: token %s waits for request %s; whoever may approves it with `strongroom approval "
		"approve %s', and a delay may follow",
		token->id, token->approval, token->approval);
}

/* The address comes first: from the wrong place a token is as good as unknown, whatever its state. */
static CK_RV judge(struct sr_act *act, struct sr_identity *who, struct sr_moment *at, struct sr_error *err)
{
	const struct sr_caller as = { act->caller->vault, act->caller->peer, act->caller->function, who };
	if (!sr_allowed_peer(&who->allowed, act->caller->peer))
		return refuse_login(act, err, CKR_PIN_INCORRECT, SR_REASON_ADDRESS_NOT_ALLOWED);
	CK_RV rv = sr_who_still(&as, at, err);
	if (rv != CKR_USER_NOT_LOGGED_IN)
		return rv;
	if (who->token.approval[0] && is_of_approval(err->reason)) /* its own, not an ancestor's */
		return refuse_unapproved(act, &who->token, err);
	return refuse_login(act, err, err->reason == SR_REASON_EXPIRED ? CKR_PIN_EXPIRED : CKR_PIN_LOCKED, err->reason);
}

static CK_RV find_token(struct sr_act *act, struct sr_identity *who, const uint8_t hash[SR_HASH_LEN],
	struct sr_moment *at, bool *found, struct sr_error *err)
{
	CK_RV rv = sr_rows_token_by_hash(act->caller->vault, at, hash, &who->token, found, err);
	*found = *found && sr_equal(hash, who->token.hash, SR_HASH_LEN);
	if (rv != CKR_OK || !*found)
		return rv;
	snprintf(act->event.token_id, sizeof(act->event.token_id), "%s", who->token.id);
	atomic_init(&who->known, who->token.mark.event_id);
	rv = parse_lists(who, &who->token.scopes, &who->token.allowed_ips, err);
	return rv != CKR_OK ? rv : judge(act, who, at, err);
}

/* A step of the approval may be due that only a login takes. */
static bool may_settle(const struct sr_identity *who, CK_RV rv, const struct sr_error *err)
{
	return rv != CKR_OK && who->token.approval[0] &&
	       (err->reason == SR_REASON_APPROVAL_REQUIRED || err->reason == SR_REASON_APPROVAL_TIMED_OUT);
}

/* The token has proved itself by its string and its place; that it is not good yet is why nobody is the caller. */
static CK_RV settle_and_judge(struct sr_act *act, struct sr_identity *who, struct sr_error *err)
{
	struct sr_writer *writer = act->caller->vault->writer;
	enum sr_stand stand;
	struct sr_moment at;
	act->audit_reason = SR_REASON_NONE;
	sr_error_clear(err);
	CK_RV rv = sr_approval_settle(act->caller, who->token.approval, &stand, err);
	if (rv == CKR_OK)
		rv = sr_writer_look(writer, &at, err);
	if (rv != CKR_OK)
		return rv;
	rv = judge(act, who, &at, err);
	sr_writer_look_end(writer, &at);
	return rv;
}

/* The key before the present one ends by its grace, whatever else the agent's end is. */
static CK_RV find_agent(struct sr_act *act, struct sr_identity *who, const uint8_t hash[SR_HASH_LEN],
	struct sr_moment *at, bool *found, struct sr_error *err)
{
	bool old = false;
	CK_RV rv = sr_rows_agent_by_hash(act->caller->vault, at, hash, &who->agent, found, err);
	*found = *found && sr_agent_key_fits(&who->agent, hash, &old);
	if (rv != CKR_OK || !*found)
		return rv;
	snprintf(act->event.actor_type, sizeof(act->event.actor_type), "agent");
	snprintf(act->event.actor_id, sizeof(act->event.actor_id), "%s", who->agent.name);
	atomic_init(&who->known, who->agent.mark.event_id);
	if (old)
		who->end = who->agent.old_end;
	rv = parse_lists(who, &who->agent.scopes, &who->agent.allowed_ips, err);
	return rv != CKR_OK ? rv : judge(act, who, at, err);
}

/* What differs between the two kinds of strings. */
struct string_kind {
	enum sr_identity_type type;
	CK_RV(*hash)
	(struct sr_vault *vault, unsigned generation, const void *string, size_t len, uint8_t hash[SR_HASH_LEN],
		struct sr_error *err);
	CK_RV(*find)
	(struct sr_act *act, struct sr_identity *who, const uint8_t hash[SR_HASH_LEN], struct sr_moment *at,
		bool *found, struct sr_error *err);
};
static const struct string_kind token_string = { SR_IDENTITY_TOKEN, sr_token_hash, find_token };
static const struct string_kind agent_string = { SR_IDENTITY_AGENT, sr_agent_hash, find_agent };

/* By whichever generation of the mac key that is not retired. */
static CK_RV find_string(struct sr_act *act, const struct string_kind *kind, const void *pin, size_t pin_len,
	struct sr_identity *who, struct sr_moment *at, struct sr_error *err)
{
	struct sr_keys_span span;
	uint8_t hash[SR_HASH_LEN];
	bool found = false;
	CK_RV rv = sr_keys_span(act->caller->vault, at, &span, err);
	for (unsigned i = span.newest; rv == CKR_OK && !found && i >= span.oldest; i--) {
		rv = kind->hash(act->caller->vault, i, pin, pin_len, hash, err);
		if (rv == CKR_OK)
			rv = kind->find(act, who, hash, at, &found, err);
	}
	return rv == CKR_OK && !found ? refuse_login(act, err, CKR_PIN_INCORRECT, SR_REASON_UNKNOWN_TOKEN) : rv;
}

static CK_RV login_string(struct sr_act *act, const struct string_kind *kind, const void *pin, size_t pin_len,
	struct sr_identity **identity, struct sr_error *err)
{
	struct sr_vault *vault = act->caller->vault;
	struct sr_moment at;
	*identity = identity_new(kind->type);
	if (!*identity)
		return sr_fail(err, CKR_HOST_MEMORY, SR_REASON_MEMORY, "no memory for a login");
	CK_RV rv = sr_writer_look(vault->writer, &at, err);
	if (rv != CKR_OK)
		return rv;
	rv = find_string(act, kind, pin, pin_len, *identity, &at, err);
	sr_writer_look_end(vault->writer, &at);
	return may_settle(*identity, rv, err) ? settle_and_judge(act, *identity, err) : rv;
}

/* -- members ---------------------------------------------------------------------------------------------------- */

static CK_RV parse_member(struct sr_identity *who, struct sr_error *err)
{
	const char *why = NULL;
	const char *text = who->member.allowed_ips;
	if (sr_allowed_parse(text, strlen(text), &who->allowed, &why))
		return CKR_OK;
	return sr_fail(
		err, CKR_DEVICE_ERROR, SR_REASON_VAULT_CORRUPT, "member:%s: cannot be read: %s", who->member.name, why);
}

/* The passphrase was looked at in any case, so that time tells nothing; from the wrong place nobody hears how that
 * went. */
static CK_RV judge_member(
	struct sr_act *act, struct sr_identity *who, bool right, const struct sr_moment *at, struct sr_error *err)
{
	CK_RV rv = parse_member(who, err);
	if (rv != CKR_OK)
		return rv;
	if (!sr_allowed_peer(&who->allowed, act->caller->peer))
		return refuse_login(act, err, CKR_PIN_INCORRECT, SR_REASON_ADDRESS_NOT_ALLOWED);
	if (!who->member.active || !right)
		return refuse_login(act, err, CKR_PIN_INCORRECT, SR_REASON_WRONG_PASSPHRASE);
	who->separated = act->caller->vault->separation;
	who->end = sr_end_after(&at->now, SR_MEMBER_SESSION_MS);
	atomic_init(&who->known, who->member.mark.event_id);
	atomic_init(&who->used_boot_ms, at->now.boot_ms);
	return CKR_OK;
}

/* Where there is no such member the work is done all the same. */
static CK_RV try_member(struct sr_act *act, const char *name, const void *pass, size_t pass_len,
	struct sr_identity *who, struct sr_error *err)
{
	struct sr_vault *vault = act->caller->vault;
	struct sr_member_anew *anew = act->arg;
	struct sr_moment at;
	bool found = false, right = false, known = false;
	CK_RV rv = sr_writer_look(vault->writer, &at, err);
	if (rv != CKR_OK)
		return rv;
	rv = sr_rows_member(vault, &at, name, &who->member, &found, err);
	if (rv == CKR_OK)
		rv = sr_stretched_known(vault, &at, name, &known, err);
	sr_writer_look_end(vault->writer, &at);
	anew->keep = !known;
	if (rv == CKR_OK)
		rv = sr_member_passphrase_tried(vault, found ? &who->member : NULL, pass, pass_len, &right, anew, err);
	if (rv != CKR_OK)
		return rv;
	if (!found)
		return refuse_login(act, err, CKR_PIN_INCORRECT, SR_REASON_WRONG_PASSPHRASE);
	snprintf(act->event.actor_id, sizeof(act->event.actor_id), "%s", who->member.name);
	return judge_member(act, who, right, &at, err);
}

static CK_RV login_member(struct sr_act *act, const char *name, const void *pass, size_t pass_len,
	struct sr_identity **identity, struct sr_error *err)
{
	struct sr_slow *slow = act->caller->vault->slow;
	struct sr_source source;
	*identity = identity_new(SR_IDENTITY_MEMBER);
	if (!*identity)
		return sr_fail(err, CKR_HOST_MEMORY, SR_REASON_MEMORY, "no memory for a login");
	sr_source_of(name, act->caller->peer, &source);
	if (!sr_slow_enter(slow, &source))
		return refuse_login(act, err, CKR_PIN_INCORRECT, SR_REASON_SLOWED);
	CK_RV rv = try_member(act, name, pass, pass_len, *identity, err);
	sr_slow_leave(slow, &source, sr_tried(rv));
	return rv;
}

/* -- the PIN ---------------------------------------------------------------------------------------------------- */

/* "name:passphrase", or the passphrase alone beside a name of its own. NAMED takes the name, "" where it is none. */
static CK_RV login_by_name(struct sr_act *act, const void *name, size_t name_len, const void *pin, size_t pin_len,
	char named[SR_NAME_MAX], struct sr_identity **identity, struct sr_error *err)
{
	const uint8_t *colon = name_len ? NULL : memchr(pin, ':', pin_len);
	if (colon) {
		name = pin;
		name_len = (size_t)(colon - (const uint8_t *)pin);
		pin_len -= name_len + 1;
		pin = colon + 1;
	}
	if (!sr_name_valid(name, name_len) || pin_len == 0)
		return refuse_login(act, err, CKR_PIN_INCORRECT, SR_REASON_UNKNOWN_TOKEN);
	memcpy(named, name, name_len);
	named[name_len] = '\0';
	return login_member(act, named, pin, pin_len, identity, err);
}

static CK_RV find_identity(struct sr_act *act, const void *name, size_t name_len, const void *pin, size_t pin_len,
	char named[SR_NAME_MAX], struct sr_identity **identity, struct sr_error *err)
{
	if (name_len == 0 && sr_token_looks_like(pin, pin_len))
		return login_string(act, &token_string, pin, pin_len, identity, err);
	if (name_len == 0 && sr_agent_looks_like(pin, pin_len))
		return login_string(act, &agent_string, pin, pin_len, identity, err);
	return login_by_name(act, name, name_len, pin, pin_len, named, identity, err);
}

/* A wrong passphrase and an unknown token are guesses, and guesses come in numbers. A token or an agent's key that
 * there is names itself in its record, and whoever holds it is no guesser. */
static CK_RV record_refusal(struct sr_act *act, const char *named, CK_RV rv, struct sr_error *err)
{
	struct sr_source source;
	bool known = act->event.token_id[0] || strcmp(act->event.actor_type, "agent") == 0;
	if (rv != CKR_PIN_INCORRECT || known)
		return sr_act_record(act, rv, err);
	sr_source_of(named, act->caller->peer, &source);
	return sr_refused_record(act, &source, rv, err);
}

/* A member whose hash an older generation of the mac key has made: now it can be made anew. The row is the same as it
 * was: its event stays, and logins of before with it. And what is kept of the passphrase, of members who were there
 * before it was, and after a new generation of the seal key. */
static CK_RV login_run(struct sr_act *act, struct sr_moment *at, struct sr_error *err)
{
	const struct sr_member_row *who = &act->caller->identity->member;
	const struct sr_member_anew *anew = act->arg;
	struct sr_vault *vault = act->caller->vault;
	struct sr_member_row row = { .cut = 0 };
	bool found = false;
	if (!anew->hash_generation && !anew->kept.text[0])
		return CKR_OK;
	CK_RV rv = sr_rows_member(vault, at, who->name, &row, &found, err);
	bool same = rv == CKR_OK && found && row.mark.event_id == who->mark.event_id &&
		    memcmp(row.hash, who->hash, sizeof(row.hash)) == 0;
	if (!same || (anew->hash_generation && anew->hash_generation != at->generation))
		return rv;
	if (anew->hash_generation) {
		memcpy(row.hash, anew->hash, sizeof(row.hash));
		row.hash_generation = anew->hash_generation;
		rv = sr_rows_same_member(vault, at, &row, err);
	}
	sr_cleanse(&row, sizeof(row));
	return rv == CKR_OK ? sr_stretched_put(vault, at->tx, who->name, &anew->kept, err) : rv;
}

CK_RV sr_login(const struct sr_caller *caller, CK_USER_TYPE user_type, const void *name, size_t name_len,
	const void *pin, size_t pin_len, struct sr_identity **identity, struct sr_error *err)
{
	struct sr_member_anew anew = { .keep = false };
	struct sr_act act;
	struct sr_caller as = *caller;
	char named[SR_NAME_MAX] = "";
	*identity = NULL;
	if (user_type != CKU_USER)
		return sr_fail(err, CKR_USER_TYPE_INVALID, SR_REASON_NONE, "only CKU_USER logs in to a vault");
	sr_act_begin(&act, caller, SR_EVENT_SESSION_LOGIN, NULL);
	act.arg = &anew;
	CK_RV rv = find_identity(&act, name, name_len, pin, pin_len, named, identity, err);
	if (rv == CKR_OK) {
		as.identity = *identity;
		sr_act_begin(&act, &as, SR_EVENT_SESSION_LOGIN, NULL);
		act.run = login_run;
		act.arg = &anew;
		rv = sr_act_commit(&act, err);
	} else {
		rv = record_refusal(&act, named, rv, err);
	}
	if (rv != CKR_OK) {
		sr_identity_unref(*identity);
		*identity = NULL;
	}
	return rv;
}

/* -- the same credential once more ------------------------------------------------------------------------------ */

static CK_RV same_token(struct sr_act *act, const void *pin, size_t pin_len, struct sr_error *err)
{
	uint8_t hash[SR_HASH_LEN];
	struct sr_keys_span span;
	bool same = false;
	CK_RV rv = sr_keys_span_now(act->caller->vault, &span, err);
	for (unsigned i = span.newest; rv == CKR_OK && !same && i >= span.oldest; i--) {
		rv = sr_token_hash(act->caller->vault, i, pin, pin_len, hash, err);
		same = rv == CKR_OK && sr_equal(hash, act->caller->identity->token.hash, sizeof(hash));
	}
	if (rv == CKR_OK && !same)
		rv = refuse_login(act, err, CKR_PIN_INCORRECT, SR_REASON_UNKNOWN_TOKEN);
	return rv;
}

static bool is_name(const struct sr_identity *who, const void *name, size_t len)
{
	return strlen(who->member.name) == len && memcmp(who->member.name, name, len) == 0;
}

static CK_RV try_same(struct sr_act *act, const void *pass, size_t len, struct sr_error *err)
{
	bool right = false;
	struct sr_member_row row = { .name = "" };
	CK_RV rv = sr_member_current(act->caller, &row, err);
	if (rv == CKR_OK)
		rv = sr_member_passphrase_fits(act->caller->vault, &row, pass, len, &right, err);
	if (rv == CKR_OK && !right)
		rv = refuse_login(act, err, CKR_PIN_INCORRECT, SR_REASON_WRONG_PASSPHRASE);
	return rv;
}

/* The passphrase alone, "name:passphrase", or both apart (C_LoginUser). A passphrase may have a colon of its own. */
static CK_RV same_member(
	struct sr_act *act, const void *name, size_t name_len, const void *pin, size_t pin_len, struct sr_error *err)
{
	const struct sr_identity *who = act->caller->identity;
	const uint8_t *colon = name_len ? NULL : memchr(pin, ':', pin_len);
	struct sr_source source;
	if (name_len && !is_name(who, name, name_len))
		return refuse_login(act, err, CKR_PIN_INCORRECT, SR_REASON_WRONG_PASSPHRASE);
	if (colon && is_name(who, pin, (size_t)(colon - (const uint8_t *)pin))) {
		pin_len -= (size_t)(colon + 1 - (const uint8_t *)pin);
		pin = colon + 1;
	}
	sr_source_of(who->member.name, act->caller->peer, &source);
	if (!sr_slow_enter(act->caller->vault->slow, &source))
		return refuse_login(act, err, CKR_PIN_INCORRECT, SR_REASON_SLOWED);
	CK_RV rv = try_same(act, pin, pin_len, err);
	sr_slow_leave(act->caller->vault->slow, &source, sr_tried(rv));
	return rv;
}

/* An agent's key uses no keys: there is nothing to repeat it for. */
static CK_RV same_identity(
	struct sr_act *act, const void *name, size_t name_len, const void *pin, size_t pin_len, struct sr_error *err)
{
	switch (act->caller->identity->type) {
	case SR_IDENTITY_TOKEN:
		return same_token(act, pin, pin_len, err);
	case SR_IDENTITY_MEMBER:
		return same_member(act, name, name_len, pin, pin_len, err);
	default:
		return refuse_login(act, err, CKR_PIN_INCORRECT, SR_REASON_ROLE_NOT_ALLOWED);
	}
}

static CK_RV reauthenticate_run(struct sr_act *act, struct sr_moment *at, struct sr_error *err)
{
	return sr_each_use_spend(act->caller, at, &act->event, act->arg, err);
}

/* PKCS#11 v3.1, 5.6.8: CKU_CONTEXT_SPECIFIC. Nobody becomes another by it. */
CK_RV sr_reauthenticate(const struct sr_caller *caller, const struct sr_key *key, const void *name, size_t name_len,
	const void *pin, size_t pin_len, struct sr_error *err)
{
	struct sr_act act;
	struct sr_each_use use;
	sr_act_begin(&act, caller, SR_EVENT_SESSION_LOGIN, key->path[0] ? key->path : NULL);
	snprintf(act.event.metadata, sizeof(act.event.metadata), "{\"context_specific\":true}");
	CK_RV rv = same_identity(&act, name, name_len, pin, pin_len, err);
	if (rv == CKR_OK)
		rv = sr_each_use_gate(caller, key, &use, err);
	act.run = reauthenticate_run;
	act.arg = &use;
	return sr_act_record(&act, rv, err);
}

CK_RV sr_logout(const struct sr_caller *caller, struct sr_error *err)
{
	struct sr_act act;
	struct sr_caller unchecked = *caller;
	sr_act_begin(&act, caller, SR_EVENT_SESSION_LOGOUT, NULL);
	/* A lapsed login logs out too: the identity is in the record, but is not asked whether it still holds. */
	unchecked.identity = NULL;
	act.caller = &unchecked;
	return sr_act_commit(&act, err);
}

void sr_login_lapsed(const struct sr_caller *caller, CK_ULONG reason)
{
	struct sr_error err = SR_ERROR_INIT;
	struct sr_act act;
	bool token = caller->identity->type == SR_IDENTITY_TOKEN;
	sr_act_begin(&act, caller, token ? SR_EVENT_TOKEN_EXPIRED : SR_EVENT_SESSION_LOGOUT, NULL);
	sr_act_record(&act, sr_fail(&err, CKR_USER_NOT_LOGGED_IN, reason, "the login has ended"), &err);
}
