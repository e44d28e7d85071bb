/* What the design says of every step (design §3, §6), written down by hand: no line of this asks the product. */
#include "tests/unit/matrix.h"

#include "store/rows.h"

#include <check.h>
#include <string.h>

/* -- who there is ------------------------------------------------------------------------------------------------ */

/* s: secrets, k: keys; a member's or token's actions by their names. */
#define ALL_SECRETS "s:read s:use s:write s:delete s:list "
#define ALL_KEYS "k:sign k:verify k:encrypt k:decrypt k:wrap k:unwrap k:derive k:create k:delete k:list "
#define TOKEN(scopes, grants)                    \
	{                                        \
		WHO_TOKEN, scopes, 0, grants " " \
	}

const struct matrix_identity matrix_identities[] = {
	{ WHO_MEMBER, NULL, SR_ROLE_ADMIN, ALL_SECRETS ALL_KEYS },
	{ WHO_MEMBER, NULL, SR_ROLE_EDITOR, ALL_SECRETS ALL_KEYS },
	{ WHO_MEMBER, NULL, SR_ROLE_VIEWER, "s:list k:list " },
	{ WHO_MEMBER, NULL, SR_ROLE_AUDITOR, "" },
	{ WHO_SEPARATED, NULL, SR_ROLE_ADMIN, "s:write s:delete s:list k:create k:delete k:list " },
	{ WHO_AGENT, "secrets:*:*\nkeys:*:*", 0, "" },
	TOKEN("secrets:read:m/*", "s:read"),
	TOKEN("secrets:use:m/*", "s:use"),
	TOKEN("secrets:write:m/*", "s:write"),
	TOKEN("secrets:delete:m/*", "s:delete"),
	TOKEN("secrets:list:m/*", "s:list"),
	TOKEN("keys:sign:m/*", "k:sign"),
	TOKEN("keys:verify:m/*", "k:verify"),
	TOKEN("keys:encrypt:m/*", "k:encrypt"),
	TOKEN("keys:decrypt:m/*", "k:decrypt"),
	TOKEN("keys:wrap:m/*", "k:wrap"),
	TOKEN("keys:unwrap:m/*", "k:unwrap"),
	TOKEN("keys:derive:m/*", "k:derive"),
	TOKEN("keys:create:m/*", "k:create"),
	TOKEN("keys:delete:m/*", "k:delete"),
	TOKEN("keys:list:m/*", "k:list"),
	TOKEN("secrets:*:*", ALL_SECRETS),
	TOKEN("keys:*:*", ALL_KEYS),
	TOKEN("secrets:*:*\nkeys:*:*", ALL_SECRETS ALL_KEYS),
	TOKEN("tokens:issue:*", ""),
	TOKEN("secrets:*:elsewhere/*\nkeys:*:m\nkeys:*:*/m", ""),
};
const size_t matrix_identity_count = sizeof(matrix_identities) / sizeof(*matrix_identities);

static bool has(const struct matrix_identity *identity, const char *words)
{
	char each[16];
	for (; *words; words += strcspn(words, " ") + (words[strcspn(words, " ")] == ' ')) {
		snprintf(each, sizeof(each), "%.*s ", (int)strcspn(words, " "), words);
		if (strstr(identity->grants, each))
			return true;
	}
	return false;
}

/* -- what a state comes to ---------------------------------------------------------------------------------------- */

/* WHO: m members, a agents, t tokens. */
static const struct {
	const char *who;
	CK_ULONG reason;
} states[STATE_COUNT] = {
	[STATE_LIVE] = { "mat", SR_REASON_NONE },
	[STATE_EXPIRED] = { "mat", SR_REASON_EXPIRED },
	[STATE_REVOKED] = { "mat", SR_REASON_REVOKED },
	[STATE_USED_UP] = { "t", SR_REASON_USED_UP },
	[STATE_PENDING] = { "t", SR_REASON_APPROVAL_REQUIRED },
	[STATE_APPROVED] = { "t", SR_REASON_APPROVAL_REQUIRED },
	[STATE_DENIED] = { "t", SR_REASON_APPROVAL_DENIED },
	[STATE_TIMED_OUT] = { "t", SR_REASON_APPROVAL_TIMED_OUT },
	[STATE_PARENT_REVOKED] = { "t", SR_REASON_REVOKED },
	[STATE_OWNER_CUT] = { "at", SR_REASON_REVOKED },
	[STATE_AGENT_CUT] = { "t", SR_REASON_REVOKED },
	[STATE_ELSEWHERE] = { "mat", SR_REASON_ADDRESS_NOT_ALLOWED },
};

/* -- what makes an object exist ------------------------------------------------------------------------------------ */

#define ANY_KEY ALL_KEYS
/* SEEN: by whoever has one of these. OWN: the rights that it was made with. LEVEL: no tier guards a public part. */
static const struct {
	const char *seen, *own;
	bool public;
} objects[OBJECT_COUNT] = {
	[OBJECT_SECRET] = { "s:read s:write s:delete s:list", "", false },
	[OBJECT_MAC] = { "s:use", "sign verify", false },
	[OBJECT_RSA_PRIVATE] = { ANY_KEY, "sign decrypt", false },
	[OBJECT_RSA_PUBLIC] = { ANY_KEY, "verify encrypt", true },
	[OBJECT_EC_PRIVATE] = { ANY_KEY, "sign derive", false },
	[OBJECT_CERTIFICATE] = { ANY_KEY, "", true },
	[OBJECT_AES] = { ANY_KEY, "sign verify encrypt decrypt", false },
	[OBJECT_WRAPPER] = { ANY_KEY, "wrap unwrap", false },
};

/* -- what a deed needs --------------------------------------------------------------------------------------------- */

enum bound {
	NOBODY,    /* no tier stops it */
	TOKENS,    /* a token that is not cleared */
	EVERYBODY, /* members too: they are cleared for standard */
};

/* ON: the objects, by their letters: s secret, m mac, p private, u public, c certificate, k secret keys. NEEDS: one of
 * these, "" nothing more than to see it. REFUSED, UNCLEARED: the codes. EVENT: what is recorded, done or refused. */
static const struct rule {
	enum matrix_action action;
	const char *on, *needs;
	enum bound bound;
	CK_RV refused, uncleared;
	const char *event;
} rules[] = {
	{ ACTION_SEE, "smpuck", "", NOBODY, CKR_OK, CKR_OK, "" },
	{ ACTION_READ, "s", "s:read", EVERYBODY, CKR_ATTRIBUTE_SENSITIVE, CKR_ATTRIBUTE_SENSITIVE, "secret.read" },
	{ ACTION_WRITE, "s", "s:write", TOKENS, CKR_ACTION_PROHIBITED, CKR_ACTION_PROHIBITED, "secret.updated" },
	{ ACTION_WRITE, "puck", "k:create", TOKENS, CKR_ACTION_PROHIBITED, CKR_ACTION_PROHIBITED, "key.updated" },
	{ ACTION_CREATE, "s", "s:write", NOBODY, CKR_TOKEN_WRITE_PROTECTED, CKR_TOKEN_WRITE_PROTECTED,
		"secret.created" },
	{ ACTION_CREATE, "puck", "k:create", NOBODY, CKR_TOKEN_WRITE_PROTECTED, CKR_TOKEN_WRITE_PROTECTED,
		"key.imported" },
	{ ACTION_SIGN, "m", "s:use", EVERYBODY, CKR_KEY_FUNCTION_NOT_PERMITTED, CKR_KEY_FUNCTION_NOT_PERMITTED,
		"key.used" },
	{ ACTION_SIGN, "pk", "k:sign", EVERYBODY, CKR_KEY_FUNCTION_NOT_PERMITTED, CKR_KEY_FUNCTION_NOT_PERMITTED,
		"key.used" },
	{ ACTION_VERIFY, "m", "s:use", EVERYBODY, CKR_KEY_FUNCTION_NOT_PERMITTED, CKR_KEY_FUNCTION_NOT_PERMITTED,
		"key.used" },
	{ ACTION_VERIFY, "k", "k:verify", EVERYBODY, CKR_KEY_FUNCTION_NOT_PERMITTED, CKR_KEY_FUNCTION_NOT_PERMITTED,
		"key.used" },
	{ ACTION_VERIFY, "u", "", NOBODY, CKR_OK, CKR_OK, "key.used" },
	{ ACTION_ENCRYPT, "k", "k:encrypt", EVERYBODY, CKR_KEY_FUNCTION_NOT_PERMITTED, CKR_KEY_FUNCTION_NOT_PERMITTED,
		"key.used" },
	{ ACTION_ENCRYPT, "u", "", NOBODY, CKR_OK, CKR_OK, "key.used" },
	{ ACTION_DECRYPT, "pk", "k:decrypt", EVERYBODY, CKR_KEY_FUNCTION_NOT_PERMITTED, CKR_KEY_FUNCTION_NOT_PERMITTED,
		"key.used" },
	{ ACTION_WRAP, "k", "k:wrap", EVERYBODY, CKR_KEY_FUNCTION_NOT_PERMITTED, CKR_KEY_FUNCTION_NOT_PERMITTED,
		"key.wrapped" },
	{ ACTION_UNWRAP, "k", "k:unwrap", EVERYBODY, CKR_KEY_FUNCTION_NOT_PERMITTED, CKR_KEY_FUNCTION_NOT_PERMITTED,
		"key.unwrapped" },
	{ ACTION_DERIVE, "p", "k:derive", EVERYBODY, CKR_KEY_FUNCTION_NOT_PERMITTED, CKR_KEY_FUNCTION_NOT_PERMITTED,
		"key.derived" },
	{ ACTION_DELETE, "s", "s:delete", TOKENS, CKR_ACTION_PROHIBITED, CKR_ACTION_PROHIBITED, "secret.deleted" },
	{ ACTION_DELETE, "puck", "k:delete", TOKENS, CKR_ACTION_PROHIBITED, CKR_ACTION_PROHIBITED, "key.deleted" },
};

static const char letters[OBJECT_COUNT] = { 's', 'm', 'p', 'u', 'p', 'c', 'k', 'k' };

static const struct rule *rule_of(const struct matrix_step *step)
{
	const struct rule *found = NULL;
	for (size_t i = 0; i < sizeof(rules) / sizeof(*rules); i++) {
		if (rules[i].action != step->action || !strchr(rules[i].on, letters[step->object]))
			continue;
		if (found)
			return NULL;
		found = &rules[i];
	}
	return found;
}

/* -- the view ------------------------------------------------------------------------------------------------------ */

static const char *const rights[] = { "sign", "verify", "encrypt", "decrypt", "wrap", "unwrap", "derive" };

static bool right_shown(const struct matrix_step *step, const char *right)
{
	char needs[16];
	if (!strstr(objects[step->object].own, right))
		return false;
	snprintf(needs, sizeof(needs), "k:%s", right);
	return step->object == OBJECT_MAC || objects[step->object].public || has(step->identity, needs);
}

static enum sr_tier cleared(const struct matrix_step *step)
{
	return step->identity->who == WHO_TOKEN ? step->clearance : SR_TIER_STANDARD;
}

static void view_of(const struct matrix_step *step, char view[96])
{
	view[0] = '\0';
	for (size_t i = 0; i < sizeof(rights) / sizeof(*rights); i++) {
		if (right_shown(step, rights[i]))
			strcat(strcat(view, rights[i]), " ");
	}
	bool value = step->object == OBJECT_CERTIFICATE ||
		     (step->object == OBJECT_SECRET && has(step->identity, "s:read") && step->tier <= cleared(step));
	strcat(view, value ? "value" : "-");
}

/* -- the step ------------------------------------------------------------------------------------------------------ */

static bool stops(const struct rule *rule, const struct matrix_step *step)
{
	bool above = step->tier > cleared(step);
	return above && (rule->bound == EVERYBODY || (rule->bound == TOKENS && step->identity->who == WHO_TOKEN));
}

/* A critical private key asks for its credential at each use; where there is no way to give it, it is not used. */
static bool no_way_to_authenticate(const struct matrix_step *step)
{
	return step->tier == SR_TIER_CRITICAL && letters[step->object] == 'p' && step->action == ACTION_DERIVE;
}

/* What is tried on an object by a handle from before is told, though it does not exist for who tries. A key operation
 * has to open its key first, and finds none. */
static bool by_handle(const struct matrix_step *step)
{
	return step->action == ACTION_READ || step->action == ACTION_WRITE || step->action == ACTION_DELETE;
}

/* An agent's key asks for tokens alone: it makes no key, whatever its ceiling. */
static CK_ULONG why_not(const struct matrix_step *step)
{
	bool key = step->action == ACTION_CREATE && step->object != OBJECT_SECRET;
	return key && step->identity->who == WHO_AGENT ? SR_REASON_ROLE_NOT_ALLOWED : SR_REASON_OUT_OF_SCOPE;
}

static void refuse(struct matrix_outcome *outcome, CK_RV rv, CK_ULONG reason, const char *event)
{
	outcome->rv = rv;
	outcome->reason = reason;
	outcome->event = event;
	outcome->status = event[0] ? "denied" : "";
}

bool matrix_expect(const struct matrix_step *step, struct matrix_outcome *outcome)
{
	const struct rule *rule = rule_of(step);
	*outcome = (struct matrix_outcome){ .rv = CKR_OK, .reason = SR_REASON_NONE, .event = "", .status = "" };
	if (!rule)
		return false;
	if (step->state != STATE_LIVE)
		refuse(outcome, CKR_USER_NOT_LOGGED_IN, states[step->state].reason, "");
	else if (step->action != ACTION_CREATE && !has(step->identity, objects[step->object].seen))
		refuse(outcome, CKR_OBJECT_HANDLE_INVALID, SR_REASON_NOT_FOUND, by_handle(step) ? rule->event : "");
	else if (rule->needs[0] && !has(step->identity, rule->needs) && !no_way_to_authenticate(step))
		refuse(outcome, rule->refused, why_not(step), rule->event);
	else if (no_way_to_authenticate(step))
		refuse(outcome, rule->refused, SR_REASON_NOT_AUTHENTICATED, "");
	else if (stops(rule, step))
		refuse(outcome, rule->uncleared, SR_REASON_APPROVAL_REQUIRED, rule->event);
	else if (rule->event[0]) {
		outcome->event = rule->event;
		outcome->status = "allowed";
	}
	if (step->action == ACTION_SEE && outcome->rv == CKR_OK)
		view_of(step, outcome->view);
	return true;
}

/* A deed that the object has no right to, whoever asks, is not a matter of policy. */
static bool sensible(const struct matrix_step *step)
{
	static const char *const of_action[ACTION_COUNT] = { [ACTION_SIGN] = "sign",
		[ACTION_VERIFY] = "verify",
		[ACTION_ENCRYPT] = "encrypt",
		[ACTION_DECRYPT] = "decrypt",
		[ACTION_WRAP] = "wrap",
		[ACTION_UNWRAP] = "unwrap",
		[ACTION_DERIVE] = "derive" };
	const char *right = of_action[step->action];
	if (step->object == OBJECT_WRAPPER && right)
		return strcmp(right, "wrap") == 0 || strcmp(right, "unwrap") == 0;
	if (right)
		return strstr(objects[step->object].own, right) != NULL;
	return step->action != ACTION_READ || step->object == OBJECT_SECRET;
}

bool matrix_possible(const struct matrix_step *step)
{
	static const char kinds[] = { [WHO_MEMBER] = 'm', [WHO_SEPARATED] = 'm', [WHO_AGENT] = 'a', [WHO_TOKEN] = 't' };
	if (!strchr(states[step->state].who, kinds[step->identity->who]))
		return false;
	bool changes = step->action == ACTION_DELETE || step->action == ACTION_WRITE || step->action == ACTION_CREATE;
	if (step->object == OBJECT_MAC && changes)
		return false; /* the secret is changed, not its use */
	return sensible(step);
}

/* -- is there a row for everything? -------------------------------------------------------------------------------- */

static void every_action_has_a_token(void)
{
	static const struct {
		const char *resource, *letter;
		uint32_t actions;
	} known[] = { { "secrets", "s", SR_ACTIONS_SECRETS }, { "keys", "k", SR_ACTIONS_KEYS } };
	for (size_t r = 0; r < 2; r++) {
		uint32_t met = 0;
		for (size_t i = 0; i < matrix_identity_count; i++) {
			struct sr_scopes scopes;
			const char *why, *text = matrix_identities[i].scopes;
			if (!text || matrix_identities[i].who != WHO_TOKEN)
				continue;
			ck_assert(sr_scopes_parse(text, strlen(text), &scopes, &why));
			uint32_t here = sr_scopes_actions(
				&scopes, r == 0 ? SR_RESOURCE_SECRETS : SR_RESOURCE_KEYS, "m/standard/x");
			met |= __builtin_popcount(here) == 1 ? here : 0;
			sr_scopes_clear(&scopes);
		}
		ck_assert_msg(met == known[r].actions, "an action of %s has no token of its own", known[r].resource);
	}
}

static void every_role_is_there(void)
{
	unsigned roles = 0;
	for (size_t i = 0; i < matrix_identity_count; i++)
		roles |= matrix_identities[i].who == WHO_MEMBER ? 1u << matrix_identities[i].role : 0;
	ck_assert_uint_eq(roles, (1u << SR_ROLE_COUNT) - 1);
}

void matrix_complete(void)
{
	every_action_has_a_token();
	every_role_is_there();
	/* in effect: STATE_LIVE with an approval; canceled and denied are one to who waits; expired */
	ck_assert_int_eq(SR_APPROVAL_STATE_COUNT, 7);
	ck_assert_int_eq(SR_TIER_COUNT, 3);
	for (size_t i = 0; i < STATE_COUNT; i++)
		ck_assert_msg(states[i].who != NULL, "state %s has no row", matrix_state_words[i]);
	for (size_t i = 0; i < OBJECT_COUNT; i++)
		ck_assert_msg(objects[i].seen != NULL, "object %s has no row", matrix_object_words[i]);
}
