/* The function lists, from the table of calls, and the interfaces that carry them. */
#include "module/module.h"

#include <string.h>

#define SR_ROW_240(name) .name = name,
#define SR_ROW_300(name)
#define SR_CALL(name, section, since, where, status, audit, signature) SR_ROW_##since(name)
static const CK_FUNCTION_LIST list_2_40 = {
	.version = { 2, 40 },
#include "pkcs11/calls.def"
};
#undef SR_CALL

/* PKCS#11 3.1 kept the structure of 3.0. */
#define SR_CALL(name, section, since, where, status, audit, signature) .name = name,
static const CK_FUNCTION_LIST_3_0 list_3_1 = {
	.version = { 3, 1 },
#include "pkcs11/calls.def"
};

static const CK_FUNCTION_LIST_3_0 list_3_0 = {
	.version = { 3, 0 },
#include "pkcs11/calls.def"
};
#undef SR_CALL

static char standard_name[] = "PKCS 11";
static char vendor_name[] = SR_INTERFACE_NAME;

/* The highest version first: it is what a request without a version gets. No flags: not CKF_INTERFACE_FORK_SAFE,
 * because a child has to initialise again. The API has no const; whoever writes into a list gets a fault. */
static CK_INTERFACE interfaces[] = {
	{ standard_name, (void *)&list_3_1, 0 },
	{ standard_name, (void *)&list_3_0, 0 },
	{ standard_name, (void *)&list_2_40, 0 },
	{ vendor_name, (void *)&sr_vendor_interface, 0 },
};

#define INTERFACE_COUNT (sizeof interfaces / sizeof interfaces[0])

CK_RV sr_module_C_GetFunctionList(CK_FUNCTION_LIST_PTR_PTR list)
{
	if (!list)
		return CKR_ARGUMENTS_BAD;
	*list = (CK_FUNCTION_LIST *)&list_2_40; /* always 2.x by this way: PKCS#11 v3.1, 5.4.4 */
	return CKR_OK;
}

CK_RV sr_module_C_GetInterfaceList(CK_INTERFACE_PTR list, CK_ULONG_PTR count)
{
	if (!count)
		return CKR_ARGUMENTS_BAD;
	bool fits = *count >= INTERFACE_COUNT;
	*count = INTERFACE_COUNT;
	if (!list)
		return CKR_OK;
	if (!fits)
		return CKR_BUFFER_TOO_SMALL;
	memcpy(list, interfaces, sizeof interfaces);
	return CKR_OK;
}

/* Every function list begins with its version. */
static bool has_version(const CK_INTERFACE *interface, const CK_VERSION *version)
{
	const CK_VERSION *own = interface->pFunctionList;
	return own->major == version->major && own->minor == version->minor;
}

CK_RV sr_module_C_GetInterface(
	CK_UTF8CHAR_PTR name, CK_VERSION_PTR version, CK_INTERFACE_PTR_PTR interface, CK_FLAGS flags)
{
	if (!interface)
		return CKR_ARGUMENTS_BAD;
	const char *wanted = name ? (const char *)name : standard_name;
	for (size_t i = 0; i < INTERFACE_COUNT; i++) {
		if (strcmp(wanted, interfaces[i].pInterfaceName) != 0 ||
			(version && !has_version(&interfaces[i], version)))
			continue;
		if ((flags & interfaces[i].flags) != flags)
			continue;
		*interface = &interfaces[i];
		return CKR_OK;
	}
	return CKR_FUNCTION_FAILED;
}
