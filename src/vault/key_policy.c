/* Whether a key may be used: before, and again inside the transaction that records it. */
#include "vault/key.h"

#include "vault/freeze.h"
#include "vault/keyinfo.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Which action a right asks of the scope; CKA_SIGN_RECOVER goes with sign, CKA_VERIFY_RECOVER with verify. */
static const struct {
	CK_ATTRIBUTE_TYPE right;
	uint32_t action;
	const char *name;
} rights[] = {
	{ CKA_SIGN, SR_ACTION_SIGN, "sign" },
	{ CKA_SIGN_RECOVER, SR_ACTION_SIGN, "sign" },
	{ CKA_VERIFY, SR_ACTION_VERIFY, "verify" },
	{ CKA_VERIFY_RECOVER, SR_ACTION_VERIFY, "verify" },
	{ CKA_ENCRYPT, SR_ACTION_ENCRYPT, "encrypt" },
	{ CKA_DECRYPT, SR_ACTION_DECRYPT, "decrypt" },
	{ CKA_WRAP, SR_ACTION_WRAP, "wrap" },
	{ CKA_UNWRAP, SR_ACTION_UNWRAP, "unwrap" },
	{ CKA_DERIVE, SR_ACTION_DERIVE, "derive" },
};

static size_t right_index(CK_ATTRIBUTE_TYPE right)
{
	size_t i = 0;
	while (i + 1 < sizeof(rights) / sizeof(*rights) && rights[i].right != right)
		i++;
	return i;
}

/* Whoever sees a public key does these outside. */
static bool needs_no_action(const struct sr_key *key, uint32_t action)
{
	return key->object_class == CKO_PUBLIC_KEY && (action & (SR_ACTION_VERIFY | SR_ACTION_ENCRYPT));
}

static bool in_scope(const struct sr_caller *caller, const struct sr_key *key, uint32_t action)
{
	if (key->inside->of_secret)
		return sr_who_actions(caller->identity, SR_RESOURCE_SECRETS, key->path) & SR_ACTION_USE;
	return needs_no_action(key, action) || (sr_key_actions(caller, key->path) & action);
}

/* A public key is what everybody may know: no tier guards it. */
static bool is_cleared(const struct sr_caller *caller, const struct sr_key *key, enum sr_tier tier)
{
	return key->object_class == CKO_PUBLIC_KEY || tier <= sr_who_clearance(caller->identity);
}

CK_RV sr_key_may(const struct sr_caller *caller, const struct sr_key *key, CK_ATTRIBUTE_TYPE right, bool *record,
	struct sr_error *err)
{
	size_t i = right_index(right);
	*record = false;
	if (!sr_attrs_bool(&key->inside->own, right, false))
		return sr_fail(err, CKR_KEY_FUNCTION_NOT_PERMITTED, SR_REASON_NONE,
			"key not used: it was made without the right to %s", rights[i].name);
	/* these begin no operation that C_Login(CKU_CONTEXT_SPECIFIC) could be for (5.6.8) */
	if (key->always_authenticate && (right == CKA_UNWRAP || right == CKA_DERIVE))
		return sr_fail(err, CKR_KEY_FUNCTION_NOT_PERMITTED, SR_REASON_NOT_AUTHENTICATED,
			"key not used: it asks for the credential at each use (CKA_ALWAYS_AUTHENTICATE), and to %s "
			"there is "
			"no way to give it",
			rights[i].name);
	if (!key->path[0])
		return CKR_OK;
	*record = true;
	if (!in_scope(caller, key, rights[i].action))
		return sr_fail(err, CKR_KEY_FUNCTION_NOT_PERMITTED, SR_REASON_OUT_OF_SCOPE,
			"key not used: your scope has no %s for this path",
			key->inside->of_secret ? "secrets:use" : rights[i].name);
	if (!is_cleared(caller, key, key->inside->tier))
		return sr_fail(err, CKR_KEY_FUNCTION_NOT_PERMITTED, SR_REASON_APPROVAL_REQUIRED,
			"key not used: it is %s and your login is not cleared for it; ask for an approved token",
			sr_tier_name(key->inside->tier));
	if (key->inside->frozen)
		return sr_fail(err, CKR_KEY_FUNCTION_NOT_PERMITTED, SR_REASON_FROZEN,
			"key not used: its path is frozen until it is released; see: strongroom incident list");
	*record = false;
	return CKR_OK;
}

static CK_RV changed(struct sr_error *err, CK_ULONG reason)
{
	if (reason == SR_REASON_KEY_ROTATED)
		return sr_fail(err, CKR_FUNCTION_CANCELED, reason,
			"key not used: it was rotated meanwhile; begin again, with the key that the path has now");
	return sr_fail(err, CKR_FUNCTION_CANCELED, reason,
		"key not used: it was deleted or changed meanwhile; look for it again");
}

static bool is_same(const struct sr_key *key, const struct sr_key_row *row)
{
	return strcmp(row->uid, key->inside->uid) == 0;
}

static CK_RV row_still(const struct sr_caller *caller, const struct sr_moment *at, const struct sr_key *key,
	const struct sr_key_row *row, CK_ATTRIBUTE_TYPE right, struct sr_error *err)
{
	struct sr_attrs own = SR_ATTRS_INIT;
	if (row->state != SR_KEY_ACTIVE || !is_same(key, row) || sr_key_row_ended(row, at))
		return changed(err, SR_REASON_CHANGED_MEANWHILE);
	if (!is_cleared(caller, key, row->tier))
		return changed(err, SR_REASON_APPROVAL_REQUIRED);
	if (row->mark.event_id == key->inside->made_by) /* the very row that the key was opened from */
		return !right || sr_attrs_bool(&key->inside->own, right, false)
			       ? CKR_OK
			       : changed(err, SR_REASON_CHANGED_MEANWHILE);
	CK_RV rv = sr_key_row_attrs(row, &own, err);
	if (rv == CKR_OK && right && !sr_attrs_bool(&own, right, false))
		rv = changed(err, SR_REASON_CHANGED_MEANWHILE);
	sr_attrs_clear(&own);
	return rv;
}

/* Not the key that ROW has any more: where it was rotated, what a former one may still do is done to its end. */
static CK_RV former_still(const struct sr_caller *caller, const struct sr_moment *at, const struct sr_key *key,
	CK_ATTRIBUTE_TYPE right, struct sr_error *err)
{
	struct sr_key_row row = { .path = "" };
	bool found = false;
	CK_RV rv = sr_rows_key(caller->vault, at, key->path, sr_part_former(key->inside->part), &row, &found, err);
	if (rv == CKR_OK && (!found || !is_same(key, &row)))
		rv = changed(err, SR_REASON_CHANGED_MEANWHILE);
	else if (rv == CKR_OK && (!right || row_still(caller, at, key, &row, right, err) != CKR_OK))
		rv = changed(err, SR_REASON_KEY_ROTATED);
	sr_key_row_clear(&row);
	return rv;
}

/* The scope, too: a slot that logs itself in may have another token by now. RIGHT 0 is to copy, CKA_EXTRACTABLE to
 * leave. */
static bool still_in_scope(const struct sr_caller *caller, const struct sr_key *key, CK_ATTRIBUTE_TYPE right)
{
	uint32_t action = rights[right_index(right)].action;
	if (!right || right == CKA_EXTRACTABLE)
		action = right ? SR_ACTION_WRAP : SR_ACTION_CREATE;
	return in_scope(caller, key, action);
}

/* A public key is what everybody may know, frozen or not. */
static CK_RV still_thawed(
	const struct sr_caller *caller, const struct sr_moment *at, const struct sr_key *key, struct sr_error *err)
{
	if (key->object_class == CKO_PUBLIC_KEY)
		return CKR_OK;
	return sr_freeze_check(caller->vault, at, key->path, CKR_FUNCTION_CANCELED, err);
}

/* A change that leaves the key and the right as they were does no harm. */
CK_RV sr_key_still(const struct sr_caller *caller, const struct sr_moment *at, const struct sr_key *key,
	CK_ATTRIBUTE_TYPE right, struct sr_error *err)
{
	struct sr_key_row row = { .path = "" };
	bool found = false;
	if (!key->path[0])
		return CKR_OK;
	if (!still_in_scope(caller, key, right))
		return changed(err, SR_REASON_OUT_OF_SCOPE);
	CK_RV rv = still_thawed(caller, at, key, err);
	if (rv != CKR_OK)
		return rv;
	if (key->inside->of_secret)
		return sr_hmac_still(caller, at, key, err);
	rv = sr_rows_key(caller->vault, at, key->path, sr_key_row_part(key), &row, &found, err);
	if (rv == CKR_OK && found && row.state == SR_KEY_ACTIVE && !key->inside->former && !is_same(key, &row))
		rv = former_still(caller, at, key, right, err);
	else if (rv == CKR_OK)
		rv = found ? row_still(caller, at, key, &row, right, err) : changed(err, SR_REASON_CHANGED_MEANWHILE);
	sr_key_row_clear(&row);
	return rv;
}

CK_RV sr_key_clearance(const struct sr_caller *caller, enum sr_tier tier, CK_RV refusal, struct sr_error *err)
{
	if (caller->identity->type == SR_IDENTITY_MEMBER || tier <= sr_who_clearance(caller->identity))
		return CKR_OK;
	return sr_fail(err, refusal, SR_REASON_APPROVAL_REQUIRED,
		"key not changed: it is %s and your token is not cleared for it; ask for an approved token",
		sr_tier_name(tier));
}

/* -- the record -------------------------------------------------------------------------------------------------- */

void sr_key_act(struct sr_act *act, const struct sr_caller *caller, enum sr_event_kind kind, const struct sr_key *key)
{
	sr_act_begin(act, caller, kind, key->path);
	act->counts = key->path[0] && key->object_class != CKO_PUBLIC_KEY;
	snprintf(act->event.tier, sizeof(act->event.tier), "%s", sr_tier_name(key->inside->tier));
}

void sr_key_note(struct sr_event *event, json_t *facts)
{
	char *text = facts ? json_dumps(facts, JSON_COMPACT | JSON_SORT_KEYS) : NULL;
	if (text && strlen(text) < sizeof(event->metadata))
		strcpy(event->metadata, text);
	free(text);
	json_decref(facts);
}

const char *sr_key_type_word(CK_KEY_TYPE key_type)
{
	switch (key_type) {
	case CKK_RSA:
		return "rsa";
	case CKK_EC:
		return "ec";
	case CKK_EC_EDWARDS:
		return "ec-edwards";
	case CKK_EC_MONTGOMERY:
		return "ec-montgomery";
	case CKK_AES:
		return "aes";
	case CKK_DES3:
		return "des3";
	case CKK_GENERIC_SECRET:
		return "generic";
	default:
		return "other";
	}
}
