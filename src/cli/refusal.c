#include "cli/refusal.h"

#include "cli/output.h"
#include "util/error.h"

/* Reasons that are not here say nothing about the exit code; then the PKCS#11 code decides. */
static const struct {
	CK_ULONG reason;
	int exit_code;
} by_reason[] = {
	{ SR_REASON_LOGIN_REFUSED, SR_EXIT_DENIED },
	{ SR_REASON_NOT_FOUND, SR_EXIT_NOT_FOUND },
	{ SR_REASON_ADDRESS_NOT_ALLOWED, SR_EXIT_DENIED },
	{ SR_REASON_EXPIRED, SR_EXIT_DENIED },
	{ SR_REASON_REVOKED, SR_EXIT_DENIED },
	{ SR_REASON_USED_UP, SR_EXIT_DENIED },
	{ SR_REASON_OUT_OF_SCOPE, SR_EXIT_DENIED },
	{ SR_REASON_APPROVAL_REQUIRED, SR_EXIT_DENIED }, /* 5 is for a request that exists: waits_for_approval */
	{ SR_REASON_READ_BY_LISTING, SR_EXIT_DENIED },
	{ SR_REASON_ROLE_NOT_ALLOWED, SR_EXIT_DENIED },
	{ SR_REASON_TIER_LOWERED, SR_EXIT_DENIED },
	{ SR_REASON_CHANGED_MEANWHILE, SR_EXIT_DENIED },
	{ SR_REASON_CLOCK_NOT_BACK, SR_EXIT_DENIED },
	{ SR_REASON_LAST_ADMIN, SR_EXIT_DENIED },
	{ SR_REASON_BAD_PATH, SR_EXIT_USAGE },
	{ SR_REASON_BAD_SCOPE, SR_EXIT_USAGE },
	{ SR_REASON_BAD_ADDRESS, SR_EXIT_USAGE },
	{ SR_REASON_BAD_DURATION, SR_EXIT_USAGE },
	{ SR_REASON_BAD_NUMBER, SR_EXIT_USAGE },
	{ SR_REASON_BAD_TEMPLATE, SR_EXIT_USAGE },
	{ SR_REASON_TOO_LARGE, SR_EXIT_USAGE },
	{ SR_REASON_WEAK_PASSPHRASE, SR_EXIT_USAGE },
	{ SR_REASON_VERSION_MISMATCH, SR_EXIT_FAILED },
	{ SR_REASON_PATH_TAKEN, SR_EXIT_FAILED },
	{ SR_REASON_NAME_TAKEN, SR_EXIT_FAILED },
	{ SR_REASON_CUSTODY, SR_EXIT_FAILED },
	{ SR_REASON_RIGHTS, SR_EXIT_USAGE },
	{ SR_REASON_UNEXTRACTABLE, SR_EXIT_DENIED },
	{ SR_REASON_MECHANISM, SR_EXIT_FAILED },
	{ SR_REASON_NOT_AUTHENTICATED, SR_EXIT_DENIED },
	{ SR_REASON_SELF_APPROVAL, SR_EXIT_DENIED },
	{ SR_REASON_ALREADY_VOTED, SR_EXIT_DENIED },
	{ SR_REASON_FRESH_MEMBER, SR_EXIT_DENIED },
	{ SR_REASON_APPROVAL_DENIED, SR_EXIT_APPROVAL },
	{ SR_REASON_APPROVAL_TIMED_OUT, SR_EXIT_APPROVAL },
	{ SR_REASON_DECIDED, SR_EXIT_FAILED },
	{ SR_REASON_VERSION_CLOSED, SR_EXIT_DENIED },
	{ SR_REASON_VERSION_CURRENT, SR_EXIT_FAILED },
	{ SR_REASON_GRACES_FULL, SR_EXIT_FAILED },
	{ SR_REASON_NOT_DELETED, SR_EXIT_FAILED },
	{ SR_REASON_FROZEN, SR_EXIT_DENIED },
	{ SR_REASON_KEY_NEEDED, SR_EXIT_DENIED },
	{ SR_REASON_KEY_ROTATED, SR_EXIT_FAILED },
	{ SR_REASON_FORMER_KEY, SR_EXIT_DENIED },
	{ SR_REASON_NOT_GENERATED, SR_EXIT_FAILED },
	{ SR_REASON_AUDIT_KEPT, SR_EXIT_DENIED },
};

/* What each code means to a person who has no better line from the module. */
static const struct code {
	CK_RV rv;
	int exit_code;
	const char *why;
} by_code[] = {
	{ CKR_PIN_INCORRECT, SR_EXIT_DENIED, "the PIN was refused; check the token or member:passphrase" },
	{ CKR_PIN_INVALID, SR_EXIT_DENIED, "the PIN was refused; check the token or member:passphrase" },
	{ CKR_PIN_LEN_RANGE, SR_EXIT_USAGE, "the PIN or passphrase has the wrong length; use 12 to 200 bytes" },
	{ CKR_PIN_TOO_WEAK, SR_EXIT_USAGE, "the passphrase is too weak; choose a longer one" },
	{ CKR_PIN_EXPIRED, SR_EXIT_DENIED, "the token has expired; issue a new one" },
	{ CKR_PIN_LOCKED, SR_EXIT_DENIED, "the token is revoked or used up; issue a new one" },
	{ CKR_USER_NOT_LOGGED_IN, SR_EXIT_DENIED, "the login has lapsed; use a new token, or log in again" },
	{ CKR_USER_TYPE_INVALID, SR_EXIT_DENIED, "this kind of login is not offered; use a token or a member" },
	{ CKR_ACTION_PROHIBITED, SR_EXIT_DENIED, "not allowed for this PIN; use one whose scope or role covers it" },
	{ CKR_ATTRIBUTE_SENSITIVE, SR_EXIT_DENIED, "not readable with this PIN; use one whose scope covers it" },
	{ CKR_TOKEN_WRITE_PROTECTED, SR_EXIT_DENIED, "not allowed for this PIN; use one whose scope covers it" },
	{ CKR_SESSION_READ_ONLY, SR_EXIT_DENIED, "the slot is for reading only; choose another with --slot" },
	{ CKR_OBJECT_HANDLE_INVALID, SR_EXIT_NOT_FOUND, "it is not there (any more); list what there is" },
	{ CKR_FUNCTION_REJECTED, SR_EXIT_APPROVAL, "the approval is pending or was denied; ask who approves" },
	{ CKR_FUNCTION_CANCELED, SR_EXIT_APPROVAL, "the approval timed out; ask again" },
	{ CKR_ATTRIBUTE_VALUE_INVALID, SR_EXIT_USAGE, "a value is malformed; see strongroom(1)" },
	{ CKR_ATTRIBUTE_TYPE_INVALID, SR_EXIT_FAILED, "the module does not offer this; see `strongroom doctor'" },
	{ CKR_TEMPLATE_INCOMPLETE, SR_EXIT_USAGE, "something is missing; see strongroom(1)" },
	{ CKR_TEMPLATE_INCONSISTENT, SR_EXIT_USAGE, "the values do not fit together; see strongroom(1)" },
	{ CKR_DATA_LEN_RANGE, SR_EXIT_USAGE, "a value is too large; the limit of a secret is 65536 bytes" },
	{ CKR_FUNCTION_NOT_SUPPORTED, SR_EXIT_FAILED, "the module does not offer this; see `strongroom doctor'" },
	{ CKR_MECHANISM_INVALID, SR_EXIT_FAILED, "the HSM does not offer this; see `strongroom hsm probe'" },
	{ CKR_CURVE_NOT_SUPPORTED, SR_EXIT_FAILED, "the HSM does not have this curve; see `strongroom hsm probe'" },
	{ CKR_DOMAIN_PARAMS_INVALID, SR_EXIT_FAILED, "the HSM does not have this curve; see `strongroom hsm probe'" },
	{ CKR_KEY_SIZE_RANGE, SR_EXIT_FAILED, "the HSM has no keys of this size; see `strongroom hsm probe'" },
	{ CKR_TOKEN_NOT_PRESENT, SR_EXIT_FAILED, "the vault is not open; see `strongroom doctor'" },
	{ CKR_TOKEN_NOT_RECOGNIZED, SR_EXIT_FAILED, "the vault is not open; see `strongroom doctor'" },
	{ CKR_DEVICE_ERROR, SR_EXIT_FAILED, "the vault failed and released nothing; see `strongroom doctor'" },
	{ CKR_DEVICE_REMOVED, SR_EXIT_FAILED, "the HSM is gone; see `strongroom doctor'" },
	{ CKR_DEVICE_MEMORY, SR_EXIT_FAILED, "the disk is full; make room and try again" },
	{ CKR_HOST_MEMORY, SR_EXIT_FAILED, "there is no memory; try again later" },
};

static const struct code *find_code(CK_RV rv)
{
	for (size_t i = 0; i < sizeof by_code / sizeof by_code[0]; i++) {
		if (by_code[i].rv == rv)
			return &by_code[i];
	}
	return NULL;
}

/* The other codes with this reason say that an approved token is wanted, and nobody has asked for one. */
static bool waits_for_approval(CK_RV rv, CK_ULONG reason)
{
	return rv == CKR_FUNCTION_REJECTED && reason == SR_REASON_APPROVAL_REQUIRED;
}

int sr_exit_code(CK_RV rv, CK_ULONG reason)
{
	if (waits_for_approval(rv, reason))
		return SR_EXIT_APPROVAL;
	for (size_t i = 0; i < sizeof by_reason / sizeof by_reason[0]; i++) {
		if (by_reason[i].reason == reason)
			return by_reason[i].exit_code;
	}
	const struct code *code = find_code(rv);
	return code ? code->exit_code : SR_EXIT_FAILED;
}

int sr_refuse_search(struct sr_tool *tool)
{
	CK_SESSION_INFO info;
	if (tool->p11->C_GetSessionInfo(tool->session, &info) != CKR_OK || info.ulDeviceError == SR_REASON_NONE)
		return SR_EXIT_DONE;
	return sr_refuse(tool, CKR_ACTION_PROHIBITED);
}

int sr_refuse(struct sr_tool *tool, CK_RV rv)
{
	const char *text = NULL;
	tool->reason = tool->vendor->sr_last_error(&text);
	const struct code *code = find_code(rv);
	if (text && text[0])
		sr_complain("%s", text);
	else
		sr_complain("%s: %s (%s)", tool->what, code ? code->why : "the call failed; see `strongroom doctor'",
			sr_rv_name(rv));
	return sr_exit_code(rv, tool->reason);
}
