/* Errors: how they are filled, and the names of codes and reasons. */
#include "util/error.h"

#include "util/text.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#define NAME(code)          \
	{                   \
		code, #code \
	}

static const struct {
	CK_RV rv;
	const char *name;
} codes[] = {
	NAME(CKR_OK),
	NAME(CKR_CANCEL),
	NAME(CKR_HOST_MEMORY),
	NAME(CKR_SLOT_ID_INVALID),
	NAME(CKR_GENERAL_ERROR),
	NAME(CKR_FUNCTION_FAILED),
	NAME(CKR_ARGUMENTS_BAD),
	NAME(CKR_NO_EVENT),
	NAME(CKR_NEED_TO_CREATE_THREADS),
	NAME(CKR_CANT_LOCK),
	NAME(CKR_ATTRIBUTE_READ_ONLY),
	NAME(CKR_ATTRIBUTE_SENSITIVE),
	NAME(CKR_ATTRIBUTE_TYPE_INVALID),
	NAME(CKR_ATTRIBUTE_VALUE_INVALID),
	NAME(CKR_ACTION_PROHIBITED),
	NAME(CKR_DATA_INVALID),
	NAME(CKR_DATA_LEN_RANGE),
	NAME(CKR_DEVICE_ERROR),
	NAME(CKR_DEVICE_MEMORY),
	NAME(CKR_DEVICE_REMOVED),
	NAME(CKR_ENCRYPTED_DATA_INVALID),
	NAME(CKR_ENCRYPTED_DATA_LEN_RANGE),
	NAME(CKR_AEAD_DECRYPT_FAILED),
	NAME(CKR_FUNCTION_CANCELED),
	NAME(CKR_FUNCTION_NOT_PARALLEL),
	NAME(CKR_FUNCTION_NOT_SUPPORTED),
	NAME(CKR_KEY_HANDLE_INVALID),
	NAME(CKR_KEY_SIZE_RANGE),
	NAME(CKR_KEY_TYPE_INCONSISTENT),
	NAME(CKR_KEY_NOT_NEEDED),
	NAME(CKR_KEY_CHANGED),
	NAME(CKR_KEY_NEEDED),
	NAME(CKR_KEY_INDIGESTIBLE),
	NAME(CKR_KEY_FUNCTION_NOT_PERMITTED),
	NAME(CKR_KEY_NOT_WRAPPABLE),
	NAME(CKR_KEY_UNEXTRACTABLE),
	NAME(CKR_MECHANISM_INVALID),
	NAME(CKR_MECHANISM_PARAM_INVALID),
	NAME(CKR_OBJECT_HANDLE_INVALID),
	NAME(CKR_OPERATION_ACTIVE),
	NAME(CKR_OPERATION_NOT_INITIALIZED),
	NAME(CKR_PIN_INCORRECT),
	NAME(CKR_PIN_INVALID),
	NAME(CKR_PIN_LEN_RANGE),
	NAME(CKR_PIN_EXPIRED),
	NAME(CKR_PIN_LOCKED),
	NAME(CKR_SESSION_CLOSED),
	NAME(CKR_SESSION_COUNT),
	NAME(CKR_SESSION_HANDLE_INVALID),
	NAME(CKR_SESSION_PARALLEL_NOT_SUPPORTED),
	NAME(CKR_SESSION_READ_ONLY),
	NAME(CKR_SESSION_EXISTS),
	NAME(CKR_SESSION_READ_ONLY_EXISTS),
	NAME(CKR_SESSION_READ_WRITE_SO_EXISTS),
	NAME(CKR_SIGNATURE_INVALID),
	NAME(CKR_SIGNATURE_LEN_RANGE),
	NAME(CKR_TEMPLATE_INCOMPLETE),
	NAME(CKR_TEMPLATE_INCONSISTENT),
	NAME(CKR_TOKEN_NOT_PRESENT),
	NAME(CKR_TOKEN_NOT_RECOGNIZED),
	NAME(CKR_TOKEN_WRITE_PROTECTED),
	NAME(CKR_UNWRAPPING_KEY_HANDLE_INVALID),
	NAME(CKR_UNWRAPPING_KEY_SIZE_RANGE),
	NAME(CKR_UNWRAPPING_KEY_TYPE_INCONSISTENT),
	NAME(CKR_USER_ALREADY_LOGGED_IN),
	NAME(CKR_USER_NOT_LOGGED_IN),
	NAME(CKR_USER_PIN_NOT_INITIALIZED),
	NAME(CKR_USER_TYPE_INVALID),
	NAME(CKR_USER_ANOTHER_ALREADY_LOGGED_IN),
	NAME(CKR_USER_TOO_MANY_TYPES),
	NAME(CKR_WRAPPED_KEY_INVALID),
	NAME(CKR_WRAPPED_KEY_LEN_RANGE),
	NAME(CKR_WRAPPING_KEY_HANDLE_INVALID),
	NAME(CKR_WRAPPING_KEY_SIZE_RANGE),
	NAME(CKR_WRAPPING_KEY_TYPE_INCONSISTENT),
	NAME(CKR_RANDOM_SEED_NOT_SUPPORTED),
	NAME(CKR_RANDOM_NO_RNG),
	NAME(CKR_DOMAIN_PARAMS_INVALID),
	NAME(CKR_CURVE_NOT_SUPPORTED),
	NAME(CKR_BUFFER_TOO_SMALL),
	NAME(CKR_SAVED_STATE_INVALID),
	NAME(CKR_INFORMATION_SENSITIVE),
	NAME(CKR_STATE_UNSAVEABLE),
	NAME(CKR_CRYPTOKI_NOT_INITIALIZED),
	NAME(CKR_CRYPTOKI_ALREADY_INITIALIZED),
	NAME(CKR_MUTEX_BAD),
	NAME(CKR_MUTEX_NOT_LOCKED),
	NAME(CKR_NEW_PIN_MODE),
	NAME(CKR_NEXT_OTP),
	NAME(CKR_EXCEEDED_MAX_ITERATIONS),
	NAME(CKR_FIPS_SELF_TEST_FAILED),
	NAME(CKR_LIBRARY_LOAD_FAILED),
	NAME(CKR_PIN_TOO_WEAK),
	NAME(CKR_PUBLIC_KEY_INVALID),
	NAME(CKR_FUNCTION_REJECTED),
	NAME(CKR_TOKEN_RESOURCE_EXCEEDED),
	NAME(CKR_OPERATION_CANCEL_FAILED),
	NAME(CKR_KEY_EXHAUSTED),
};

#undef NAME

#define WORD(name, number, word) { number, word },

static const struct {
	CK_ULONG reason;
	const char *word;
} reasons[] = { SR_REASONS(WORD) };

#undef WORD

/* Texts go to logs and terminals line by line. */
static void make_printable(char *text)
{
	for (char *c = text; *c; c++) {
		if ((unsigned char)*c < 0x20 || *c == 0x7f)
			*c = '?';
	}
	if (sr_text_utf8(text, strlen(text)))
		return;
	for (char *c = text; *c; c++) { /* cut in the middle of a character, C1 controls, or never UTF-8 */
		if ((unsigned char)*c >= 0x80)
			*c = '?';
	}
}

CK_RV sr_fail(struct sr_error *err, CK_RV rv, CK_ULONG reason, const char *format, ...)
{
	if (!err)
		return rv;
	char text[SR_ERROR_TEXT_MAX]; /* apart from ERR, whose own text may be among the arguments */
	va_list args;
	va_start(args, format);
	if (vsnprintf(text, sizeof text, format, args) < 0)
		text[0] = '\0';
	va_end(args);
	make_printable(text);
	err->rv = rv;
	err->reason = reason;
	memcpy(err->text, text, sizeof text);
	return rv;
}

void sr_error_clear(struct sr_error *err)
{
	*err = (struct sr_error)SR_ERROR_INIT;
}

const char *sr_rv_name(CK_RV rv)
{
	for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++) {
		if (codes[i].rv == rv)
			return codes[i].name;
	}
	static _Thread_local char unknown[sizeof "CKR_0x" + 2 * sizeof rv];
	snprintf(unknown, sizeof unknown, "CKR_0x%lx", (unsigned long)rv);
	return unknown;
}

const char *sr_reason_name(CK_ULONG reason)
{
	for (size_t i = 0; i < sizeof reasons / sizeof reasons[0]; i++) {
		if (reasons[i].reason == reason)
			return reasons[i].word;
	}
	return "unknown";
}
