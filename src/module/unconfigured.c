/* The calls of a process without configuration: no slots, so no sessions, and nothing said about it. */
#include "module/module.h"

static CK_RV no_slots(struct sr_client *client, CK_BBOOL token_present, CK_SLOT_ID_PTR list, CK_ULONG_PTR count)
{
	(void)client;
	(void)token_present;
	(void)list;
	if (!count)
		return sr_fail(sr_last(), CKR_ARGUMENTS_BAD, SR_REASON_NONE,
			"the slot count has nowhere to go: pulCount is NULL");
	*count = 0;
	return CKR_OK;
}

static CK_RV no_slot(void)
{
	return sr_fail(sr_last(), CKR_SLOT_ID_INVALID, SR_REASON_NOT_CONFIGURED,
		"there are no slots: no configuration was found; set STRONGROOM_CONF to a vault's strongroom.conf");
}

static CK_RV no_session(void)
{
	return sr_fail(sr_last(), CKR_SESSION_HANDLE_INVALID, SR_REASON_NOT_CONFIGURED,
		"there are no sessions: no configuration was found; set STRONGROOM_CONF to a vault's strongroom.conf");
}

#pragma GCC diagnostic ignored "-Wunused-parameter" /* these take every argument of every call, and look at none */

#define SR_NONE_MODULE(name, params)
#define SR_NONE_PARALLEL(name, params)
#define SR_NONE_CLIENT(name, params)                                          \
	static CK_RV none_##name(struct sr_client *client, SR_UNPAREN params) \
	{                                                                     \
		return no_slot();                                             \
	}
#define SR_NONE_SESSION(name, params)                                                               \
	static CK_RV none_##name(struct sr_client *client, CK_SESSION_HANDLE session SR_AND params) \
	{                                                                                           \
		return no_session();                                                                \
	}
#define SR_CALL(name, section, since, where, status, audit, signature) SR_NONE_##where(name, SR_PARAMS signature)
#include "pkcs11/calls.def"
#undef SR_CALL

#define SR_ROW_MODULE(name)
#define SR_ROW_PARALLEL(name)
#define SR_ROW_CLIENT(name) .name = none_##name,
#define SR_ROW_SESSION(name) .name = none_##name,
#define SR_CALL(name, section, since, where, status, audit, signature) SR_ROW_##where(name)

#pragma GCC diagnostic ignored "-Woverride-init" /* the one call that succeeds takes its row's place */

const struct sr_calls sr_unconfigured_calls = {
#include "pkcs11/calls.def"
	.C_GetSlotList = no_slots,
};
