/* Object handles of a slot, and the session objects behind some of them. Numbers are never used twice; an object of the
 * vault keeps its number as long as the login lasts. */
#ifndef SR_PKCS11_HANDLES_H
#define SR_PKCS11_HANDLES_H

#include "util/hash.h"
#include "vault/objects.h"

struct sr_call;
struct sr_key;
struct sr_slot;

/** struct sr_kept_key: the key of a session object; NEXT: in the list of those whose object is gone. */
struct sr_kept_key {
	struct sr_key *key;
	struct sr_kept_key *next;
};

/** struct sr_object: what a handle stands for.
 *  CLASS, KEY  an object of the vault: its class, and the class's number followed by the id; CLASS NULL: a session
 *              object, that is ATTRS
 *  NAMED       a search named its exact CKA_LABEL, or this application made it
 *  IS_PRIVATE  gone with the login
 *  RESTORED    it was brought back: counted
 *  KEPT        of a session object that is a key: what ATTRS is for others
 *  OWNER       the session that a session object, or ONCE, belongs to; 0 for none
 *  ONCE        CKA_VALUE to be read one time; ISSUED: there was one */
struct sr_object {
	CK_OBJECT_HANDLE handle;
	const struct sr_class *class;
	char *key;
	bool named;
	bool is_private;
	bool restored;
	bool issued;
	CK_SESSION_HANDLE owner;
	struct sr_attrs attrs;
	struct sr_kept_key *kept;
	struct sr_buf once;
	struct sr_object *prev; /* in the list of those that have an owner */
	struct sr_object *next;
	UT_hash_handle hh;
	UT_hash_handle hh_key;
};

/** struct sr_handles: one slot's, guarded by the client's lock. DEAD: keys that are to be destroyed in the HSM, which
 *  nobody waits for with that lock. */
struct sr_handles {
	struct sr_object *by_handle;
	struct sr_object *by_key;
	struct sr_object *owned;
	struct sr_kept_key *dead;
};

/** struct sr_ref: a copy of what a call needs of an object, for no lock is held while the call uses it. ONCE_LEN counts
 *  where ONCE is: the value may be read here, now. */
struct sr_ref {
	CK_OBJECT_HANDLE handle;
	const struct sr_class *class;
	char id[SR_OBJECT_ID_MAX];
	bool named;
	bool issued;
	bool once;
	size_t once_len;
	struct sr_attrs attrs;
	struct sr_key *session_key; /* a reference, NULL where it is none */
};
void sr_ref_clear(struct sr_ref *ref);

/** sr_ref_attrs(ref): what a session object, which REF is, shows. */
const struct sr_attrs *sr_ref_attrs(const struct sr_ref *ref);

/** sr_handle_resolve(call, handle, ref): what HANDLE is. For a private object the login is brought up to date first;
 *  CKR_USER_NOT_LOGGED_IN once when it has lapsed, CKR_OBJECT_HANDLE_INVALID for what is not there. */
CK_RV sr_handle_resolve(struct sr_call *call, CK_OBJECT_HANDLE handle, struct sr_ref *ref);

/** sr_handle_of(call, class, id, named, handle): the handle of an object of the vault, the old one if it has one.
 *  CKR_USER_NOT_LOGGED_IN when the login ended meanwhile. */
CK_RV sr_handle_of(
	struct sr_call *call, const struct sr_class *class, const char *id, bool named, CK_OBJECT_HANDLE *handle);

/** sr_handle_describe(slot, handle, described), sr_handle_restore(slot, handle, class, described):
 *  host.h's, for a slot; they take the client's lock. */
struct sr_described;
bool sr_handle_describe(struct sr_slot *slot, CK_OBJECT_HANDLE handle, struct sr_described *described);
CK_RV sr_handle_restore(struct sr_slot *slot, CK_OBJECT_HANDLE handle, const struct sr_class *class,
	const struct sr_described *described);

/** sr_handle_keep_once(call, handle, once), sr_handle_take_once(call, handle, once): gives ONCE to the handle for this
 *  session, and takes it away again, for good. */
void sr_handle_keep_once(struct sr_call *call, CK_OBJECT_HANDLE handle, struct sr_buf *once);
void sr_handle_take_once(struct sr_call *call, CK_OBJECT_HANDLE handle, struct sr_buf *once);

/** sr_session_object_room(call, objects, bytes): CKR_DEVICE_MEMORY when so many more session objects of BYTES in all
 * are over a limit. */
CK_RV sr_session_object_room(struct sr_call *call, size_t objects, size_t bytes);

/** sr_session_object_add(call, attrs, handle): a session object of this session; takes the content of ATTRS. */
CK_RV sr_session_object_add(struct sr_call *call, struct sr_attrs *attrs, CK_OBJECT_HANDLE *handle);

/** sr_session_key_add(call, key, handle): the same for a key. KEY is taken in any case: what does not become an object
 * is destroyed. */
CK_RV sr_session_key_add(struct sr_call *call, struct sr_key *key, CK_OBJECT_HANDLE *handle);

/** sr_session_key_set(call, handle, key, changed, stale): CHANGED, which is taken, in the place of KEY. STALE: another
 *  call was quicker, and CHANGED is not what KEY's successor should become: nothing was done. */
CK_RV sr_session_key_set(
	struct sr_call *call, CK_OBJECT_HANDLE handle, const struct sr_key *key, struct sr_key *changed, bool *stale);

/** sr_session_object_set(call, handle, changes): puts CHANGES over its attributes, all or none. */
CK_RV sr_session_object_set(struct sr_call *call, CK_OBJECT_HANDLE handle, const struct sr_attrs *changes);

/** sr_session_objects_each(call, query, found, ctx): session objects of the slot that match and that this call may see.
 *  FOUND runs under the client's lock. */
void sr_session_objects_each(struct sr_call *call, const struct sr_attrs *query,
	void (*found)(CK_OBJECT_HANDLE handle, void *ctx), void *ctx);

/** sr_handle_drop(call, handle): the handle is invalid from now on; a session object is destroyed. */
void sr_handle_drop(struct sr_call *call, CK_OBJECT_HANDLE handle);

/** sr_handles_bury(slot), without the client's lock: destroys the keys of objects that are gone. Whoever took objects
 *  away calls it once the lock is free. */
void sr_handles_bury(struct sr_slot *slot);

/* The three ends, under the client's lock: of a login, of a session, and the values of private session objects at a
 * lapse (their handles stay, to be answered once). */
void sr_handles_end_login(struct sr_slot *slot);
void sr_handles_end_session(struct sr_slot *slot, CK_SESSION_HANDLE session);
void sr_handles_lapse(struct sr_slot *slot);
void sr_handles_free(struct sr_slot *slot);

size_t sr_attrs_bytes(const struct sr_attrs *attrs);
void sr_attrs_add(struct sr_attrs *attrs, const struct sr_attrs *more);

#endif
