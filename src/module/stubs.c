/* The 92 exported functions, from the table of calls. Nothing is decided here. */
#include "module/module.h"

#define SR_EXPORT __attribute__((visibility("default")))

#define SR_STUB_MODULE(name, params, args)                      \
	SR_EXPORT CK_RV name params                             \
	{                                                       \
		struct sr_entry entry;                          \
		sr_enter(&entry, SR_ID_##name);                 \
		return sr_leave(&entry, sr_module_##name args); \
	}

#define SR_STUB_CLIENT(name, params, args)                                          \
	SR_EXPORT CK_RV name params                                                 \
	{                                                                           \
		struct sr_entry entry;                                              \
		CK_RV rv = sr_enter(&entry, SR_ID_##name);                          \
		if (rv == CKR_OK)                                                   \
			rv = entry.hold.calls->name(entry.hold.client SR_AND args); \
		return sr_leave(&entry, rv);                                        \
	}

#define SR_STUB_SESSION(name, params, args)                                                  \
	SR_EXPORT CK_RV name(CK_SESSION_HANDLE session SR_AND params)                        \
	{                                                                                    \
		struct sr_entry entry;                                                       \
		CK_RV rv = sr_enter(&entry, SR_ID_##name);                                   \
		if (rv == CKR_OK)                                                            \
			rv = entry.hold.calls->name(entry.hold.client, session SR_AND args); \
		return sr_leave(&entry, rv);                                                 \
	}

#define SR_STUB_PARALLEL(name, params, args)                                            \
	SR_EXPORT CK_RV name(CK_SESSION_HANDLE session SR_AND params)                   \
	{                                                                               \
		(void)session;                                                          \
		struct sr_entry entry;                                                  \
		CK_RV rv = sr_enter(&entry, SR_ID_##name);                              \
		return sr_leave(&entry, rv == CKR_OK ? CKR_FUNCTION_NOT_PARALLEL : rv); \
	}

#define SR_CALL(name, section, since, where, status, audit, signature) \
	SR_STUB_##where(name, SR_PARAMS signature, SR_ARGS signature)
#include "pkcs11/calls.def"
