/* Inside the thin module: how a call gets in and out, the one state, the private library, the last error. */
#ifndef SR_MODULE_MODULE_H
#define SR_MODULE_MODULE_H

#include "module/backend.h"
#include "pkcs11/calls.h"
#include "wire/tls.h"

#include <stdbool.h>
#include <time.h>

/** struct sr_hold: a place inside. FORK tells a child that it left the place in its parent. */
struct sr_hold {
	struct sr_client *client;
	const struct sr_calls *calls;
	const struct sr_backend *backend; /* NULL without configuration */
	unsigned fork;
};

/* -- entry.c: one way in, one way out ------------------------------------------------------------------------- */
/** struct sr_entry: one call on its way. HOLD is filled when HELD, that is when sr_enter answered CKR_OK for a call
 * that goes to the client context or a session. */
struct sr_entry {
	enum sr_call_id id;
	bool held;
	bool serialised;
	struct sr_hold hold;
	struct timespec started; /* read only when STRONGROOM_DEBUG asks for it */
};

/** sr_enter(entry, id): CKR_OK, or what the call answers without going on. MODULE calls are let in always. */
CK_RV sr_enter(struct sr_entry *entry, enum sr_call_id id);

/** sr_leave(entry, rv): the way out after every sr_enter; RV. */
CK_RV sr_leave(struct sr_entry *entry, CK_RV rv);

/** sr_last(): the calling thread's last error, for sr_fail and the vendor interface. */
struct sr_error *sr_last(void);

/* -- state.c: initialised or not, forked or not, who is inside ------------------------------------------------- */
/** struct sr_locking: what the application offered to C_Initialize; all NULL where the system's locks serve. */
struct sr_locking {
	CK_CREATEMUTEX create;
	CK_DESTROYMUTEX destroy;
	CK_LOCKMUTEX lock;
	CK_UNLOCKMUTEX unlock;
};

/** sr_hold(hold): holds C_Finalize off until sr_release. CKR_CRYPTOKI_NOT_INITIALIZED in a process, or a forked child,
 *  that has not called C_Initialize, and while C_Finalize runs. */
CK_RV sr_hold(struct sr_hold *hold);
void sr_release(const struct sr_hold *hold);

/** sr_serialise(), sr_unserialise(): the application's mutex around a call, where it supplied one. */
CK_RV sr_serialise(void);
void sr_unserialise(void);

/** sr_state_open(locking, err), sr_state_close(): C_Initialize and C_Finalize behind their arguments. */
CK_RV sr_state_open(const struct sr_locking *locking, struct sr_error *err);
CK_RV sr_state_close(void);

/** sr_state_wait(block, slot): an event of a slot, which SLOT is told; without BLOCK CKR_NO_EVENT where there is none.
 *  CKR_CRYPTOKI_NOT_INITIALIZED when C_Finalize was called. Holds nothing while it waits, and has no thread: it looks
 * now and then. */
CK_RV sr_state_wait(bool block, CK_SLOT_ID *slot);

/** sr_state_is_closed(): nothing is open here, nor was inherited from a parent. */
bool sr_state_is_closed(void);

/* -- locking.c
   ------------------------------------------------------------------------------------------------- */
/** sr_locking_read(args, locking, err): the four cases of PKCS#11 v3.1, 5.4.1. ARGS may be NULL. */
CK_RV
sr_locking_read(const CK_C_INITIALIZE_ARGS *args, struct sr_locking *locking, struct sr_error *err);

/* -- library.c: libstrongroom-vault.so, libstrongroom-tls.so ---------------------------------------------------- */
/** sr_library_load(backend, err): loads the private library once in a process. CKR_GENERAL_ERROR and a reason where it
 *  is missing or of another version. Any thread. */
CK_RV sr_library_load(const struct sr_backend **backend, struct sr_error *err);

/** sr_library_tls(connect, err): likewise the library for tls: servers, which gives sr_tls_connect. */
CK_RV sr_library_tls(sr_tls_connect_fn **connect, struct sr_error *err);

/** sr_library_after_fork(): in a forked child, which has one thread. */
void sr_library_after_fork(void);

/* -- unconfigured.c -------------------------------------------------------------------------------------------- */
extern const struct sr_calls sr_unconfigured_calls;

/* -- vendor.c --------------------------------------------------------------------------------------------------- */
extern const struct sr_interface sr_vendor_interface;

/** sr_vendor_prompt(): asks the person that the program has put before us; NULL where there is none. */
sr_pin_prompt sr_vendor_prompt(void);

/* -- the calls that the module answers itself: sr_module_C_Initialize and so on --------------------------------- */
#define SR_OURS_MODULE(name, params) CK_RV sr_module_##name params;
#define SR_OURS_CLIENT(name, params)
#define SR_OURS_SESSION(name, params)
#define SR_OURS_PARALLEL(name, params)
#define SR_CALL(name, section, since, where, status, audit, signature) SR_OURS_##where(name, SR_PARAMS signature)
#include "pkcs11/calls.def"
#undef SR_CALL
#undef SR_OURS_MODULE
#undef SR_OURS_CLIENT
#undef SR_OURS_SESSION
#undef SR_OURS_PARALLEL

#endif
