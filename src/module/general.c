/* Chapter 5.4 of the standard, and C_WaitForSlotEvent: what the module answers itself. */
#include "module/module.h"

#include "util/text.h"

#include <string.h>

CK_RV sr_module_C_Initialize(CK_VOID_PTR init_args)
{
	struct sr_locking locking;
	CK_RV rv = sr_locking_read(init_args, &locking, sr_last());
	return rv == CKR_OK ? sr_state_open(&locking, sr_last()) : rv;
}

CK_RV sr_module_C_Finalize(CK_VOID_PTR reserved)
{
	if (reserved)
		return sr_fail(sr_last(), CKR_ARGUMENTS_BAD, SR_REASON_NONE, "the reserved argument is not NULL");
	return sr_state_close();
}

/* The first two numbers of "1.2.3". */
static CK_VERSION library_version(void)
{
	const char *text = PACKAGE_VERSION;
	size_t major_len = strcspn(text, ".");
	uint64_t major = 0, minor = 0;
	sr_text_u64(text, major_len, UINT8_MAX, &major);
	if (text[major_len] == '.')
		sr_text_u64(text + major_len + 1, strcspn(text + major_len + 1, ".-+~"), UINT8_MAX, &minor);
	return (CK_VERSION){ (CK_BYTE)major, (CK_BYTE)minor };
}

/* cryptokiVersion is the highest that the interfaces offer: see docs/interfaces.md. */
CK_RV sr_module_C_GetInfo(CK_INFO_PTR info)
{
	struct sr_hold hold;
	CK_RV rv = sr_hold(&hold);
	if (rv != CKR_OK)
		return rv;
	sr_release(&hold);
	if (!info)
		return sr_fail(sr_last(), CKR_ARGUMENTS_BAD, SR_REASON_NONE, "pInfo is NULL");
	memset(info, 0, sizeof *info);
	info->cryptokiVersion = (CK_VERSION){ 3, 1 };
	sr_text_pad(info->manufacturerID, sizeof info->manufacturerID, "Strongroom");
	sr_text_pad(info->libraryDescription, sizeof info->libraryDescription, "Strongroom vault");
	info->libraryVersion = library_version();
	return CKR_OK;
}

/* See module/event.h for what is an event. */
CK_RV sr_module_C_WaitForSlotEvent(CK_FLAGS flags, CK_SLOT_ID_PTR slot, CK_VOID_PTR reserved)
{
	struct sr_hold hold;
	CK_RV rv = sr_hold(&hold);
	if (rv != CKR_OK)
		return rv;
	sr_release(&hold);
	if (reserved || !slot)
		return sr_fail(sr_last(), CKR_ARGUMENTS_BAD, SR_REASON_NONE,
			reserved ? "the reserved argument is not NULL" : "pSlot is NULL");
	if (flags & ~(CK_FLAGS)CKF_DONT_BLOCK)
		return sr_fail(sr_last(), CKR_ARGUMENTS_BAD, SR_REASON_NONE, "flags has more than CKF_DONT_BLOCK");
	return sr_state_wait(!(flags & CKF_DONT_BLOCK), slot);
}
