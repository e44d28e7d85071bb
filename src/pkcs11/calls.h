/* What everyone derives from the table of calls: an enum, the names, and the vtable of a client context. */
#ifndef SR_PKCS11_CALLS_H
#define SR_PKCS11_CALLS_H

#include "pkcs11/cryptoki.h"
#include "pkcs11/signature.h"

#define SR_UNPAREN(...) __VA_ARGS__
#define SR_AND(...) __VA_OPT__(, ) __VA_ARGS__ /* the list in parentheses with a comma before it, nothing for () */

#define SR_CALL(name, section, since, where, status, audit, signature) SR_ID_##name,
enum sr_call_id {
#include "pkcs11/calls.def"
	SR_CALL_COUNT
};
#undef SR_CALL

enum sr_call_where { SR_WHERE_MODULE, SR_WHERE_CLIENT, SR_WHERE_SESSION, SR_WHERE_PARALLEL };
enum sr_call_status { SR_STATUS_DONE, SR_STATUS_REFUSED, SR_STATUS_BACKEND };
enum sr_call_audit { SR_AUDIT_NONE, SR_AUDIT_EVENT };

/** struct sr_call_row: one row of the table as data. */
struct sr_call_row {
	const char *name;
	const char *section;
	int since;
	enum sr_call_where where;
	enum sr_call_status status;
	enum sr_call_audit audit;
};

extern const struct sr_call_row sr_call_rows[SR_CALL_COUNT];

/** struct sr_client: one application: its slots, sessions, login and handles. Embedded there is one in a process; the
 *  daemon has one for each connected client. Defined in pkcs11/client.h. */
struct sr_client;

/** struct sr_calls: the calls of a client context, as the thin module and the daemon make them. Thread-safe. */
#define SR_SLOT_MODULE(name, params)
#define SR_SLOT_PARALLEL(name, params)
#define SR_SLOT_CLIENT(name, params) CK_RV (*name)(struct sr_client *, SR_UNPAREN params);
#define SR_SLOT_SESSION(name, params) CK_RV (*name)(struct sr_client *, CK_SESSION_HANDLE session SR_AND params);
#define SR_CALL(name, section, since, where, status, audit, signature) SR_SLOT_##where(name, SR_PARAMS signature)
struct sr_calls {
#include "pkcs11/calls.def"
};
#undef SR_CALL
#undef SR_SLOT_MODULE
#undef SR_SLOT_PARALLEL
#undef SR_SLOT_CLIENT
#undef SR_SLOT_SESSION

#endif
