/* The module under test, and the codes by name. */
#include "tests/battery/battery.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

CK_FUNCTION_LIST_3_0 *p11;

static void *library;

void *sr_symbol(const char *name)
{
	return library ? dlsym(library, name) : NULL;
}

void sr_unload(void)
{
	ck_assert_int_eq(dlclose(library), 0);
	library = NULL;
	p11 = NULL;
}

void sr_load(void)
{
	setenv("STRONGROOM_CONF", sr_place.conf, 1);
	if (library)
		return;
	library = dlopen(getenv("STRONGROOM_MODULE"), RTLD_NOW | RTLD_LOCAL);
	CK_C_GetInterface get_interface;
	*(void **)&get_interface = sr_symbol("C_GetInterface"); /* POSIX's way from dlsym to a function */
	CK_VERSION version = { 3, 1 };
	CK_INTERFACE *interface;
	if (!get_interface || get_interface((CK_UTF8CHAR_PTR) "PKCS 11", &version, &interface, 0) != CKR_OK) {
		fprintf(stderr, "check_battery: %s\n", library ? "no PKCS 11 3.1 in the module" : dlerror());
		exit(2);
	}
	p11 = interface->pFunctionList;
}

CK_RV sr_initialize(void)
{
	CK_C_INITIALIZE_ARGS args = { .flags = CKF_OS_LOCKING_OK };
	return p11->C_Initialize(&args);
}

void sr_start(void)
{
	sr_load();
	ck_assert_rv(sr_initialize(), CKR_OK);
}

void sr_stop(void)
{
	if (p11)
		ck_assert_rv_in(p11->C_Finalize(NULL), CKR_OK, CKR_CRYPTOKI_NOT_INITIALIZED);
}

/* -- the table of calls ------------------------------------------------------------------------------------------- */
#define SR_SESSION_MODULE false
#define SR_SESSION_CLIENT false
#define SR_SESSION_SESSION true
#define SR_SESSION_PARALLEL true
#define SR_REFUSED_DONE false
#define SR_REFUSED_BACKEND false
#define SR_REFUSED_REFUSED true
#define SR_CALL(name, section, since, where, status, audit, signature) \
	{ #name, offsetof(CK_FUNCTION_LIST_3_0, name), since, SR_SESSION_##where, SR_REFUSED_##status },
const struct sr_row sr_rows[] = {
#include "pkcs11/calls.def"
};
#undef SR_CALL
const size_t sr_row_count = SR_COUNT(sr_rows);

CK_RV sr_call_words(const struct sr_row *row, CK_ULONG first)
{
	typedef CK_RV (*words)(
		CK_ULONG, CK_ULONG, CK_ULONG, CK_ULONG, CK_ULONG, CK_ULONG, CK_ULONG, CK_ULONG, CK_ULONG);
	sr_any function;
	memcpy(&function, (const char *)p11 + row->offset, sizeof function);
	return ((words)function)(first, 0, 0, 0, 0, 0, 0, 0, 0);
}

/* -- codes -------------------------------------------------------------------------------------------------------- */
#define CODE(name)          \
	{                   \
		name, #name \
	}
static const struct {
	CK_RV rv;
	const char *name;
} codes[] = { CODE(CKR_OK), CODE(CKR_HOST_MEMORY), CODE(CKR_SLOT_ID_INVALID), CODE(CKR_GENERAL_ERROR),
	CODE(CKR_FUNCTION_FAILED), CODE(CKR_ARGUMENTS_BAD), CODE(CKR_NO_EVENT), CODE(CKR_CANT_LOCK),
	CODE(CKR_ATTRIBUTE_READ_ONLY), CODE(CKR_ATTRIBUTE_SENSITIVE), CODE(CKR_ATTRIBUTE_TYPE_INVALID),
	CODE(CKR_ATTRIBUTE_VALUE_INVALID), CODE(CKR_ACTION_PROHIBITED), CODE(CKR_DATA_LEN_RANGE),
	CODE(CKR_DEVICE_ERROR), CODE(CKR_DEVICE_MEMORY), CODE(CKR_DEVICE_REMOVED), CODE(CKR_FUNCTION_CANCELED),
	CODE(CKR_FUNCTION_NOT_PARALLEL), CODE(CKR_FUNCTION_NOT_SUPPORTED), CODE(CKR_KEY_HANDLE_INVALID),
	CODE(CKR_KEY_INDIGESTIBLE), CODE(CKR_MECHANISM_INVALID), CODE(CKR_MECHANISM_PARAM_INVALID),
	CODE(CKR_OBJECT_HANDLE_INVALID), CODE(CKR_OPERATION_ACTIVE), CODE(CKR_OPERATION_NOT_INITIALIZED),
	CODE(CKR_PIN_INCORRECT), CODE(CKR_PIN_INVALID), CODE(CKR_PIN_LEN_RANGE), CODE(CKR_PIN_EXPIRED),
	CODE(CKR_PIN_LOCKED), CODE(CKR_PIN_TOO_WEAK), CODE(CKR_SESSION_CLOSED), CODE(CKR_SESSION_COUNT),
	CODE(CKR_SESSION_HANDLE_INVALID), CODE(CKR_SESSION_PARALLEL_NOT_SUPPORTED), CODE(CKR_SESSION_READ_ONLY),
	CODE(CKR_SESSION_EXISTS), CODE(CKR_TEMPLATE_INCOMPLETE), CODE(CKR_TEMPLATE_INCONSISTENT),
	CODE(CKR_TOKEN_NOT_PRESENT), CODE(CKR_TOKEN_WRITE_PROTECTED), CODE(CKR_USER_ALREADY_LOGGED_IN),
	CODE(CKR_USER_NOT_LOGGED_IN), CODE(CKR_USER_TYPE_INVALID), CODE(CKR_USER_ANOTHER_ALREADY_LOGGED_IN),
	CODE(CKR_RANDOM_SEED_NOT_SUPPORTED), CODE(CKR_INFORMATION_SENSITIVE), CODE(CKR_BUFFER_TOO_SMALL),
	CODE(CKR_SAVED_STATE_INVALID), CODE(CKR_STATE_UNSAVEABLE), CODE(CKR_CRYPTOKI_NOT_INITIALIZED),
	CODE(CKR_CRYPTOKI_ALREADY_INITIALIZED), CODE(CKR_FUNCTION_REJECTED), CODE(CKR_DATA_INVALID),
	CODE(CKR_ENCRYPTED_DATA_INVALID), CODE(CKR_ENCRYPTED_DATA_LEN_RANGE), CODE(CKR_KEY_SIZE_RANGE),
	CODE(CKR_KEY_TYPE_INCONSISTENT), CODE(CKR_KEY_FUNCTION_NOT_PERMITTED), CODE(CKR_KEY_NOT_WRAPPABLE),
	CODE(CKR_KEY_UNEXTRACTABLE), CODE(CKR_SIGNATURE_INVALID), CODE(CKR_SIGNATURE_LEN_RANGE),
	CODE(CKR_UNWRAPPING_KEY_HANDLE_INVALID), CODE(CKR_UNWRAPPING_KEY_TYPE_INCONSISTENT),
	CODE(CKR_UNWRAPPING_KEY_SIZE_RANGE), CODE(CKR_WRAPPED_KEY_INVALID), CODE(CKR_WRAPPED_KEY_LEN_RANGE),
	CODE(CKR_WRAPPING_KEY_HANDLE_INVALID), CODE(CKR_WRAPPING_KEY_TYPE_INCONSISTENT),
	CODE(CKR_WRAPPING_KEY_SIZE_RANGE), CODE(CKR_DOMAIN_PARAMS_INVALID), CODE(CKR_CURVE_NOT_SUPPORTED),
	CODE(CKR_AEAD_DECRYPT_FAILED) };

const char *sr_code(CK_RV rv)
{
	static _Thread_local char number[32];
	for (size_t i = 0; i < SR_COUNT(codes); i++) {
		if (codes[i].rv == rv)
			return codes[i].name;
	}
	snprintf(number, sizeof number, "0x%lx", rv);
	return number;
}
