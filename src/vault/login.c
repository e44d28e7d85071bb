/* Login: a PIN becomes an identity, or one of a few codes that tell nothing. */
#include "util/pack.h"
#include "vault/keys.h"
#include "vault/member.h"
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
	sr_scopes_clear(&identity->scopes);
	sr_allowed_clear(&identity->allowed);
	sr_cleanse(identity, sizeof(*identity));
	free(identity);
}

/* -- tokens ----------------------------------------------------------------------------------------------------- */

static CK_RV parse_token(struct sr_identity *who, struct sr_error *err)
{
	const struct sr_token_row *row = &who->token;
	const char *why = NULL;
	if (sr_scopes_parse((const char *)row->scopes.data, row->scopes.len, &who->scopes, &why) &&
		sr_allowed_parse((const char *)row->allowed_ips.data, row->allowed_ips.len, &who->allowed, &why))
		return CKR_OK;
	return sr_fail(err, CKR_DEVICE_ERROR, SR_REASON_VAULT_CORRUPT, "token:%s: cannot be read: %s", row->id, why);
}

/* The address comes first: from the wrong place a token is as good as unknown, whatever its state. */
static CK_RV judge_token(struct sr_act *act, struct sr_identity *who, struct sr_moment *at, struct sr_error *err)
{
	const struct sr_caller as_token = { act->caller->vault, act->caller->peer, act->caller->function, who };
	if (!sr_allowed_peer(&who->allowed, act->caller->peer))
		return refuse_login(act, err, CKR_PIN_INCORRECT, SR_REASON_ADDRESS_NOT_ALLOWED);
	CK_RV rv = sr_who_still(&as_token, at, err);
	if (rv != CKR_USER_NOT_LOGGED_IN)
		return rv;
	return refuse_login(act, err, err->reason == SR_REASON_EXPIRED ? CKR_PIN_EXPIRED : CKR_PIN_LOCKED, err->reason);
}

static CK_RV find_token(struct sr_act *act, struct sr_identity *who, const uint8_t hash[SR_HASH_LEN],
	struct sr_moment *at, struct sr_error *err)
{
	bool found = false;
	CK_RV rv = sr_rows_token_by_hash(act->caller->vault, at, hash, &who->token, &found, err);
	if (rv == CKR_OK && (!found || !sr_equal(hash, who->token.hash, SR_HASH_LEN)))
		return refuse_login(act, err, CKR_PIN_INCORRECT, SR_REASON_UNKNOWN_TOKEN);
	if (rv != CKR_OK)
		return rv;
	snprintf(act->event.token_id, sizeof(act->event.token_id), "%s", who->token.id);
	atomic_init(&who->known, who->token.mark.event_id);
	rv = parse_token(who, err);
	return rv != CKR_OK ? rv : judge_token(act, who, at, err);
}

static CK_RV login_token(
	struct sr_act *act, const void *pin, size_t pin_len, struct sr_identity **identity, struct sr_error *err)
{
	struct sr_vault *vault = act->caller->vault;
	uint8_t hash[SR_HASH_LEN];
	struct sr_moment at;
	*identity = identity_new(SR_IDENTITY_TOKEN);
	if (!*identity)
		return sr_fail(err, CKR_HOST_MEMORY, SR_REASON_MEMORY, "no memory for a login");
	CK_RV rv = sr_token_hash(vault, pin, pin_len, hash, err);
	if (rv == CKR_OK)
		rv = sr_writer_look(vault->writer, &at, err);
	if (rv != CKR_OK)
		return rv;
	rv = find_token(act, *identity, hash, &at, err);
	sr_writer_look_end(vault->writer, &at);
	return rv;
}

/* -- members ---------------------------------------------------------------------------------------------------- */

/* Where there is no such member the work is done all the same, so that time tells nothing. */
static CK_RV login_member(struct sr_act *act, const char *name, const void *pass, size_t pass_len,
	struct sr_identity **identity, struct sr_error *err)
{
	struct sr_vault *vault = act->caller->vault;
	struct sr_moment at;
	bool found = false, right = false;
	*identity = identity_new(SR_IDENTITY_MEMBER);
	if (!*identity)
		return sr_fail(err, CKR_HOST_MEMORY, SR_REASON_MEMORY, "no memory for a login");
	struct sr_member_row *row = &(*identity)->member;
	CK_RV rv = sr_writer_look(vault->writer, &at, err);
	if (rv != CKR_OK)
		return rv;
	rv = sr_rows_member(vault, &at, name, row, &found, err);
	sr_writer_look_end(vault->writer, &at);
	if (rv == CKR_OK)
		rv = sr_member_passphrase_fits(vault, found ? row : NULL, pass, pass_len, &right, err);
	if (rv != CKR_OK)
		return rv;
	if (found)
		snprintf(act->event.actor_id, sizeof(act->event.actor_id), "%s", row->name);
	if (!found || !row->active || !right)
		return refuse_login(act, err, CKR_PIN_INCORRECT, SR_REASON_WRONG_PASSPHRASE);
	(*identity)->end = sr_end_after(&at.now, SR_MEMBER_SESSION_MS);
	atomic_init(&(*identity)->known, row->mark.event_id);
	atomic_init(&(*identity)->used_boot_ms, at.now.boot_ms);
	return CKR_OK;
}

/* -- the PIN ---------------------------------------------------------------------------------------------------- */

/* "name:passphrase", or the passphrase alone beside a name of its own. */
static CK_RV login_by_name(struct sr_act *act, const void *name, size_t name_len, const void *pin, size_t pin_len,
	struct sr_identity **identity, struct sr_error *err)
{
	char text[SR_NAME_MAX];
	const uint8_t *colon = name_len ? NULL : memchr(pin, ':', pin_len);
	if (colon) {
		name = pin;
		name_len = (size_t)(colon - (const uint8_t *)pin);
		pin_len -= name_len + 1;
		pin = colon + 1;
	}
	if (!sr_name_valid(name, name_len) || pin_len == 0)
		return refuse_login(act, err, CKR_PIN_INCORRECT, SR_REASON_UNKNOWN_TOKEN);
	memcpy(text, name, name_len);
	text[name_len] = '\0';
	return login_member(act, text, pin, pin_len, identity, err);
}

static CK_RV find_identity(struct sr_act *act, const void *name, size_t name_len, const void *pin, size_t pin_len,
	struct sr_identity **identity, struct sr_error *err)
{
	if (name_len == 0 && sr_token_looks_like(pin, pin_len))
		return login_token(act, pin, pin_len, identity, err);
	return login_by_name(act, name, name_len, pin, pin_len, identity, err);
}

CK_RV sr_login(const struct sr_caller *caller, CK_USER_TYPE user_type, const void *name, size_t name_len,
	const void *pin, size_t pin_len, struct sr_identity **identity, struct sr_error *err)
{
	struct sr_act act;
	struct sr_caller as = *caller;
	*identity = NULL;
	if (user_type != CKU_USER)
		return sr_fail(err, CKR_USER_TYPE_INVALID, SR_REASON_NONE, "only CKU_USER logs in to a vault");
	sr_act_begin(&act, caller, SR_EVENT_SESSION_LOGIN, NULL);
	CK_RV rv = find_identity(&act, name, name_len, pin, pin_len, identity, err);
	if (rv == CKR_OK) {
		CK_ULONG keep = act.audit_reason;
		as.identity = *identity;
		sr_act_begin(&act, &as, SR_EVENT_SESSION_LOGIN, NULL);
		act.audit_reason = keep;
	}
	rv = sr_act_record(&act, rv, err);
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
	CK_RV rv = sr_token_hash(act->caller->vault, pin, pin_len, hash, err);
	if (rv == CKR_OK && !sr_equal(hash, act->caller->identity->token.hash, sizeof(hash)))
		rv = refuse_login(act, err, CKR_PIN_INCORRECT, SR_REASON_UNKNOWN_TOKEN);
	return rv;
}

static bool is_name(const struct sr_identity *who, const void *name, size_t len)
{
	return strlen(who->member.name) == len && memcmp(who->member.name, name, len) == 0;
}

/* The passphrase alone, "name:passphrase", or both apart (C_LoginUser). A passphrase may have a colon of its own. */
static CK_RV same_member(
	struct sr_act *act, const void *name, size_t name_len, const void *pin, size_t pin_len, struct sr_error *err)
{
	const struct sr_identity *who = act->caller->identity;
	const uint8_t *colon = name_len ? NULL : memchr(pin, ':', pin_len);
	bool right = false;
	if (name_len && !is_name(who, name, name_len))
		return refuse_login(act, err, CKR_PIN_INCORRECT, SR_REASON_WRONG_PASSPHRASE);
	if (colon && is_name(who, pin, (size_t)(colon - (const uint8_t *)pin))) {
		pin_len -= (size_t)(colon + 1 - (const uint8_t *)pin);
		pin = colon + 1;
	}
	CK_RV rv = sr_member_passphrase_fits(act->caller->vault, &who->member, pin, pin_len, &right, err);
	if (rv == CKR_OK && !right)
		rv = refuse_login(act, err, CKR_PIN_INCORRECT, SR_REASON_WRONG_PASSPHRASE);
	return rv;
}

/* PKCS#11 v3.1, 5.6.8: CKU_CONTEXT_SPECIFIC. Nobody becomes another by it. */
CK_RV sr_reauthenticate(const struct sr_caller *caller, const void *name, size_t name_len, const void *pin,
	size_t pin_len, struct sr_error *err)
{
	struct sr_act act;
	sr_act_begin(&act, caller, SR_EVENT_SESSION_LOGIN, NULL);
	snprintf(act.event.metadata, sizeof(act.event.metadata), "{\"context_specific\":true}");
	CK_RV rv = caller->identity->type == SR_IDENTITY_TOKEN ? same_token(&act, pin, pin_len, err)
							       : same_member(&act, name, name_len, pin, pin_len, err);
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
