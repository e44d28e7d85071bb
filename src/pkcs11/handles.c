/* Object handles. */
#include "pkcs11/handles.h"

#include "pkcs11/builtin.h"
#include "pkcs11/call.h"
#include "pkcs11/host.h"
#include "vault/keys.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#define KEY_CLASS_LEN 17 /* the class in hex and a colon; the id follows */
#define KEY_MAX (KEY_CLASS_LEN + SR_OBJECT_ID_MAX)

size_t sr_attrs_bytes(const struct sr_attrs *attrs)
{
	size_t sum = 0;
	for (size_t i = 0; i < attrs->count; i++)
		sum += attrs->items[i].len;
	return sum;
}

void sr_attrs_add(struct sr_attrs *attrs, const struct sr_attrs *more)
{
	for (size_t i = 0; i < more->count; i++)
		sr_attrs_put(attrs, more->items[i].type, more->items[i].value, more->items[i].len);
}

void sr_ref_clear(struct sr_ref *ref)
{
	sr_attrs_clear(&ref->attrs);
	sr_key_unref(ref->session_key);
	ref->session_key = NULL;
}

const struct sr_attrs *sr_ref_attrs(const struct sr_ref *ref)
{
	return ref->session_key ? &ref->session_key->attrs : &ref->attrs;
}

static struct sr_object *find_handle(struct sr_slot *slot, CK_OBJECT_HANDLE handle)
{
	struct sr_object *object;
	HASH_FIND(hh, slot->handles.by_handle, &handle, sizeof handle, object);
	return object;
}

/* What a session object is: attributes of its own, or those of its key. */
static const struct sr_attrs *content(const struct sr_object *object)
{
	return object->kept ? &object->kept->key->attrs : &object->attrs;
}

/* Of the client's session objects: what was BEFORE is AFTER. */
static void change_bytes(struct sr_client *client, size_t before, size_t after)
{
	client->session_bytes += after - before;
	sr_share_change(client->share, SR_SHARED_BYTES, before, after);
}

static void forget_content(struct sr_slot *slot, struct sr_object *object)
{
	change_bytes(slot->client, sr_attrs_bytes(content(object)), 0);
	sr_attrs_clear(&object->attrs);
	if (object->kept)
		LL_PREPEND(slot->handles.dead, object->kept);
	object->kept = NULL;
}

void sr_handles_bury(struct sr_slot *slot)
{
	struct sr_client *client = slot->client;
	pthread_mutex_lock(&client->lock);
	struct sr_kept_key *dead = slot->handles.dead;
	slot->handles.dead = NULL;
	pthread_mutex_unlock(&client->lock);
	struct sr_kept_key *kept, *next;
	LL_FOREACH_SAFE(dead, kept, next)
	{
		sr_key_destroy(client->vault, kept->key);
		sr_key_unref(kept->key);
		free(kept);
	}
}

static void disown(struct sr_slot *slot, struct sr_object *object)
{
	if (object->owner)
		DL_DELETE(slot->handles.owned, object);
	object->owner = 0;
	sr_buf_clear(&object->once);
}

static void forget_restored(struct sr_client *client)
{
	client->restored--;
	sr_share_give(client->share, SR_SHARED_HANDLES, 1);
}

static void free_object(struct sr_slot *slot, struct sr_object *object)
{
	disown(slot, object);
	if (object->restored)
		forget_restored(slot->client);
	if (!object->class) {
		slot->client->session_objects--;
		forget_content(slot, object);
	}
	if (object->hh.tbl)
		HASH_DELETE(hh, slot->handles.by_handle, object);
	if (object->hh_key.tbl)
		HASH_DELETE(hh_key, slot->handles.by_key, object);
	free(object->key);
	free(object);
}

/* Puts OBJECT, which has its number, into the tables; false when there is no memory. */
static bool enter_as(struct sr_slot *slot, struct sr_object *object)
{
	struct sr_handles *handles = &slot->handles;
	HASH_ADD(hh, handles->by_handle, handle, sizeof object->handle, object);
	if (object->key && object->hh.tbl)
		HASH_ADD_KEYPTR(hh_key, handles->by_key, object->key, strlen(object->key), object);
	return object->hh.tbl && (!object->key || object->hh_key.tbl);
}

static bool enter(struct sr_slot *slot, struct sr_object *object)
{
	object->handle = slot->client->next_object++;
	return enter_as(slot, object);
}

static CK_RV fill_ref(const struct sr_call *call, const struct sr_object *object, struct sr_ref *ref)
{
	ref->handle = object->handle;
	ref->class = object->class;
	ref->named = object->named;
	ref->issued = object->issued;
	ref->once = object->once.len > 0 && object->owner == call->session->handle;
	ref->once_len = object->once.len;
	if (object->class)
		memcpy(ref->id, object->key + KEY_CLASS_LEN, strlen(object->key + KEY_CLASS_LEN) + 1);
	if (object->kept)
		ref->session_key = sr_key_ref(object->kept->key);
	sr_attrs_add(&ref->attrs, &object->attrs);
	return ref->attrs.failed ? CKR_HOST_MEMORY : CKR_OK;
}

/* What sr_handles_lapse leaves of a session object. */
static bool is_hollow(const struct sr_object *object)
{
	return !object->class && !object->kept && !object->attrs.count;
}

static CK_RV no_such_handle(struct sr_call *call)
{
	return sr_fail(&call->err, CKR_OBJECT_HANDLE_INVALID, SR_REASON_NOT_FOUND,
		"the object handle names nothing that this session may see: search for the object again");
}

CK_RV sr_handle_resolve(struct sr_call *call, CK_OBJECT_HANDLE handle, struct sr_ref *ref)
{
	*ref = (struct sr_ref){ .handle = handle };
	if (sr_builtin_attrs(call, handle, &ref->attrs))
		return ref->attrs.failed ? CKR_HOST_MEMORY : CKR_OK;
	pthread_mutex_lock(&call->client->lock);
	const struct sr_object *object = find_handle(call->slot, handle);
	bool is_private = object && object->is_private;
	pthread_mutex_unlock(&call->client->lock);
	if (!object)
		return no_such_handle(call);
	CK_RV rv = is_private ? sr_call_login(call) : CKR_OK;
	if (rv != CKR_OK)
		return rv;
	call->handle = is_private ? handle : 0;
	pthread_mutex_lock(&call->client->lock);
	object = find_handle(call->slot, handle); /* another thread may have logged out, or destroyed it */
	if (!object)
		rv = CKR_OBJECT_HANDLE_INVALID;
	else if (is_private && (!call->identity || is_hollow(object)))
		rv = CKR_USER_NOT_LOGGED_IN;
	else
		rv = fill_ref(call, object, ref);
	pthread_mutex_unlock(&call->client->lock);
	if (rv == CKR_OBJECT_HANDLE_INVALID)
		return no_such_handle(call);
	if (rv == CKR_USER_NOT_LOGGED_IN)
		return sr_call_refuse_public(call);
	return rv;
}

/* HANDLE 0: the next number. */
static struct sr_object *new_vault_object(
	struct sr_slot *slot, const struct sr_class *class, const char *key, CK_OBJECT_HANDLE handle)
{
	struct sr_object *object = calloc(1, sizeof *object);
	if (!object)
		return NULL;
	object->class = class;
	object->is_private = true;
	object->key = strdup(key);
	object->handle = handle;
	if (object->key && (handle ? enter_as(slot, object) : enter(slot, object)))
		return object;
	free_object(slot, object);
	return NULL;
}

/* 0: the id is too long. */
static size_t make_key(const struct sr_class *class, const char *id, char key[KEY_MAX])
{
	int len = snprintf(key, KEY_MAX, "%016lx:%s", class->object_class, id);
	return len > 0 && len < KEY_MAX ? (size_t)len : 0;
}

CK_RV sr_handle_of(
	struct sr_call *call, const struct sr_class *class, const char *id, bool named, CK_OBJECT_HANDLE *handle)
{
	char key[KEY_MAX];
	size_t len = make_key(class, id, key);
	if (!len)
		return sr_fail(&call->err, CKR_GENERAL_ERROR, SR_REASON_INTERNAL, "an object's id is too long");
	struct sr_slot *slot = call->slot;
	struct sr_object *object = NULL;
	pthread_mutex_lock(&call->client->lock);
	bool same_login = slot->identity && slot->epoch == call->epoch;
	if (same_login) {
		HASH_FIND(hh_key, slot->handles.by_key, key, len, object);
		if (!object)
			object = new_vault_object(slot, class, key, 0);
	}
	if (object) {
		object->named = object->named || named;
		*handle = object->handle;
	}
	pthread_mutex_unlock(&call->client->lock);
	if (!same_login)
		return sr_call_refuse_public(call);
	return object ? CKR_OK : sr_fail(&call->err, CKR_HOST_MEMORY, SR_REASON_MEMORY, "no memory for a handle");
}

bool sr_handle_describe(struct sr_slot *slot, CK_OBJECT_HANDLE handle, struct sr_described *described)
{
	pthread_mutex_lock(&slot->client->lock);
	const struct sr_object *object = find_handle(slot, handle);
	bool lasts = object && object->class;
	if (lasts) {
		described->object_class = object->class->object_class;
		described->named = object->named;
		memcpy(described->id, object->key + KEY_CLASS_LEN, strlen(object->key + KEY_CLASS_LEN) + 1);
	}
	pthread_mutex_unlock(&slot->client->lock);
	return lasts;
}

static bool logged_in(const struct sr_client *client)
{
	for (size_t i = 0; i < client->slot_count; i++) {
		if (client->slots[i].identity)
			return true;
	}
	return false;
}

/* Nobody has been asked yet whether these were the application's own, so without a login they are few. */
static bool may_restore(struct sr_client *client)
{
	size_t most = logged_in(client) ? SR_RESTORED_MAX : SR_RESTORED_PUBLIC_MAX;
	return client->restored < most && sr_share_take(client->share, SR_SHARED_HANDLES, 1);
}

static CK_RV restore(
	struct sr_slot *slot, CK_OBJECT_HANDLE handle, const struct sr_class *class, const char *key, bool named)
{
	struct sr_client *client = slot->client;
	struct sr_object *object = NULL;
	if (handle < SR_BUILTIN_END || handle >= client->next_object || find_handle(slot, handle))
		return CKR_OBJECT_HANDLE_INVALID;
	HASH_FIND(hh_key, slot->handles.by_key, key, strlen(key), object);
	if (object)
		return CKR_OBJECT_HANDLE_INVALID;
	if (!may_restore(client))
		return CKR_DEVICE_MEMORY;
	client->restored++;
	object = new_vault_object(slot, class, key, handle);
	if (!object) {
		forget_restored(client);
		return CKR_HOST_MEMORY;
	}
	object->restored = true;
	object->named = named;
	return CKR_OK;
}

CK_RV sr_handle_restore(struct sr_slot *slot, CK_OBJECT_HANDLE handle, const struct sr_class *class,
	const struct sr_described *described)
{
	char key[KEY_MAX];
	if (!make_key(class, described->id, key))
		return CKR_OBJECT_HANDLE_INVALID;
	pthread_mutex_lock(&slot->client->lock);
	CK_RV rv = restore(slot, handle, class, key, described->named);
	pthread_mutex_unlock(&slot->client->lock);
	return rv;
}

void sr_handle_keep_once(struct sr_call *call, CK_OBJECT_HANDLE handle, struct sr_buf *once)
{
	struct sr_slot *slot = call->slot;
	pthread_mutex_lock(&call->client->lock);
	struct sr_object *object = find_handle(slot, handle);
	if (object) {
		disown(slot, object);
		object->owner = call->session->handle;
		object->once = *once;
		object->issued = true;
		DL_APPEND(slot->handles.owned, object);
		*once = (struct sr_buf)SR_BUF_INIT;
	}
	pthread_mutex_unlock(&call->client->lock);
}

void sr_handle_take_once(struct sr_call *call, CK_OBJECT_HANDLE handle, struct sr_buf *once)
{
	pthread_mutex_lock(&call->client->lock);
	struct sr_object *object = find_handle(call->slot, handle);
	if (object && object->owner == call->session->handle) {
		*once = object->once;
		object->once = (struct sr_buf)SR_BUF_INIT;
		disown(call->slot, object);
	}
	pthread_mutex_unlock(&call->client->lock);
}

static CK_RV check_room(const struct sr_client *client, size_t objects, size_t bytes, struct sr_error *err)
{
	bool own = client->session_objects + objects <= SR_SESSION_OBJECTS_MAX &&
		   client->session_bytes + bytes <= SR_SESSION_BYTES_MAX;
	if (own && sr_share_room(client->share, SR_SHARED_BYTES, bytes))
		return CKR_OK;
	if (own)
		return sr_fail(err, CKR_DEVICE_MEMORY, SR_REASON_TOO_LARGE,
			"a user's or machine's applications may hold session objects of %u bytes in all: destroy some",
			SR_SHARED_BYTES_MAX);
	return sr_fail(err, CKR_DEVICE_MEMORY, SR_REASON_TOO_LARGE,
		"an application may hold %d session objects of %u bytes in all: destroy some", SR_SESSION_OBJECTS_MAX,
		SR_SESSION_BYTES_MAX);
}

CK_RV sr_session_object_room(struct sr_call *call, size_t objects, size_t bytes)
{
	pthread_mutex_lock(&call->client->lock);
	CK_RV rv = check_room(call->client, objects, bytes, &call->err);
	pthread_mutex_unlock(&call->client->lock);
	return rv;
}

/* CKA_UNIQUE_ID of a session object: its number says it all. */
static void put_unique_id(struct sr_object *object, CK_OBJECT_HANDLE handle)
{
	char text[32];
	snprintf(text, sizeof text, "session-%lu", handle);
	sr_attrs_put_text(&object->attrs, CKA_UNIQUE_ID, text);
}

/* Enters OBJECT, which has its content, as this session's. It is freed on failure. */
static CK_RV own(struct sr_call *call, struct sr_object *object, CK_OBJECT_HANDLE *handle)
{
	struct sr_client *client = call->client;
	bool login_gone = object->is_private && (!call->slot->identity || call->slot->epoch != call->epoch);
	client->session_objects++;
	change_bytes(client, 0, sr_attrs_bytes(content(object)));
	if (login_gone || object->attrs.failed || !enter(call->slot, object)) {
		free_object(call->slot, object);
		return login_gone ? CKR_USER_NOT_LOGGED_IN : CKR_HOST_MEMORY;
	}
	object->owner = call->session->handle;
	DL_APPEND(call->slot->handles.owned, object);
	*handle = object->handle;
	return CKR_OK;
}

static CK_RV add_locked(struct sr_call *call, struct sr_attrs *attrs, CK_OBJECT_HANDLE *handle)
{
	CK_RV rv = check_room(call->client, 1, sr_attrs_bytes(attrs), &call->err);
	if (rv != CKR_OK)
		return rv;
	struct sr_object *object = calloc(1, sizeof *object);
	if (!object)
		return CKR_HOST_MEMORY;
	object->is_private = sr_attrs_bool(attrs, CKA_PRIVATE, true);
	object->attrs = *attrs;
	*attrs = (struct sr_attrs)SR_ATTRS_INIT;
	put_unique_id(object, call->client->next_object);
	return own(call, object, handle);
}

CK_RV sr_session_object_add(struct sr_call *call, struct sr_attrs *attrs, CK_OBJECT_HANDLE *handle)
{
	pthread_mutex_lock(&call->client->lock);
	CK_RV rv = add_locked(call, attrs, handle);
	pthread_mutex_unlock(&call->client->lock);
	return rv == CKR_USER_NOT_LOGGED_IN ? sr_call_refuse_public(call) : rv;
}

/* Only what is public by its class can be public: private and secret keys are private objects (docs/keys.md). */
static bool key_is_private(const struct sr_key *key)
{
	return key->object_class != CKO_PUBLIC_KEY || sr_attrs_bool(&key->attrs, CKA_PRIVATE, true);
}

/* KEY belongs to an object from the moment that there is one, and to the dead when that fails. */
static CK_RV add_key_locked(struct sr_call *call, struct sr_key *key, CK_OBJECT_HANDLE *handle, bool *taken)
{
	CK_RV rv = check_room(call->client, 1, sr_attrs_bytes(&key->attrs), &call->err);
	if (rv != CKR_OK)
		return rv;
	struct sr_object *object = calloc(1, sizeof *object);
	struct sr_kept_key *kept = calloc(1, sizeof *kept);
	if (!object || !kept) {
		free(object);
		free(kept);
		return CKR_HOST_MEMORY;
	}
	kept->key = key;
	*taken = true;
	object->kept = kept;
	object->is_private = key_is_private(key);
	return own(call, object, handle);
}

CK_RV sr_session_key_add(struct sr_call *call, struct sr_key *key, CK_OBJECT_HANDLE *handle)
{
	bool taken = false;
	pthread_mutex_lock(&call->client->lock);
	CK_RV rv = add_key_locked(call, key, handle, &taken);
	pthread_mutex_unlock(&call->client->lock);
	sr_handles_bury(call->slot);
	if (!taken) {
		sr_key_destroy(call->client->vault, key);
		sr_key_unref(key);
	}
	return rv == CKR_USER_NOT_LOGGED_IN ? sr_call_refuse_public(call) : rv;
}

static CK_RV set_key_locked(
	struct sr_call *call, CK_OBJECT_HANDLE handle, const struct sr_key *key, struct sr_key **changed, bool *stale)
{
	struct sr_client *client = call->client;
	const struct sr_object *object = find_handle(call->slot, handle);
	if (!object || !object->kept)
		return CKR_OBJECT_HANDLE_INVALID;
	*stale = object->kept->key != key;
	if (*stale)
		return CKR_OK;
	size_t before = sr_attrs_bytes(&key->attrs);
	size_t after = sr_attrs_bytes(&(*changed)->attrs);
	CK_RV rv = after > before ? check_room(client, 0, after - before, &call->err) : CKR_OK;
	if (rv != CKR_OK)
		return rv;
	change_bytes(client, before, after);
	struct sr_key *old = object->kept->key;
	object->kept->key = *changed;
	*changed = old;
	return CKR_OK;
}

CK_RV sr_session_key_set(
	struct sr_call *call, CK_OBJECT_HANDLE handle, const struct sr_key *key, struct sr_key *changed, bool *stale)
{
	*stale = false;
	pthread_mutex_lock(&call->client->lock);
	CK_RV rv = set_key_locked(call, handle, key, &changed, stale);
	pthread_mutex_unlock(&call->client->lock);
	sr_key_unref(changed); /* the one that is not the object's any more, or did not become it */
	return rv;
}

static CK_RV set_locked(struct sr_call *call, struct sr_object *object, const struct sr_attrs *changes)
{
	struct sr_client *client = call->client;
	struct sr_attrs changed = SR_ATTRS_INIT;
	sr_attrs_add(&changed, &object->attrs);
	sr_attrs_add(&changed, changes);
	size_t before = sr_attrs_bytes(&object->attrs);
	size_t after = sr_attrs_bytes(&changed);
	CK_RV rv = changed.failed ? CKR_HOST_MEMORY : CKR_OK;
	if (rv == CKR_OK && after > before)
		rv = check_room(client, 0, after - before, &call->err);
	if (rv != CKR_OK) {
		sr_attrs_clear(&changed);
		return rv;
	}
	forget_content(call->slot, object);
	object->attrs = changed;
	change_bytes(client, 0, after);
	return CKR_OK;
}

CK_RV sr_session_object_set(struct sr_call *call, CK_OBJECT_HANDLE handle, const struct sr_attrs *changes)
{
	pthread_mutex_lock(&call->client->lock);
	struct sr_object *object = find_handle(call->slot, handle);
	CK_RV rv = object && !object->kept ? set_locked(call, object, changes) : CKR_OBJECT_HANDLE_INVALID;
	pthread_mutex_unlock(&call->client->lock);
	return rv;
}

void sr_session_objects_each(struct sr_call *call, const struct sr_attrs *query,
	void (*found)(CK_OBJECT_HANDLE handle, void *ctx), void *ctx)
{
	const struct sr_slot *slot = call->slot;
	pthread_mutex_lock(&call->client->lock);
	bool user = call->identity && slot->identity && slot->epoch == call->epoch;
	for (const struct sr_object *object = slot->handles.owned; object; object = object->next) {
		if (!object->class && (user || !object->is_private) && sr_attrs_match(query, content(object)))
			found(object->handle, ctx);
	}
	pthread_mutex_unlock(&call->client->lock);
}

void sr_handle_drop(struct sr_call *call, CK_OBJECT_HANDLE handle)
{
	pthread_mutex_lock(&call->client->lock);
	struct sr_object *object = find_handle(call->slot, handle);
	if (object)
		free_object(call->slot, object);
	pthread_mutex_unlock(&call->client->lock);
	sr_handles_bury(call->slot);
}

void sr_handles_end_login(struct sr_slot *slot)
{
	struct sr_object *object, *next;
	HASH_ITER(hh, slot->handles.by_handle, object, next)
	{
		if (object->is_private)
			free_object(slot, object);
	}
}

void sr_handles_end_session(struct sr_slot *slot, CK_SESSION_HANDLE session)
{
	struct sr_object *object, *next;
	DL_FOREACH_SAFE(slot->handles.owned, object, next)
	{
		if (object->owner != session)
			continue;
		if (object->class)
			disown(slot, object);
		else
			free_object(slot, object);
	}
}

void sr_handles_lapse(struct sr_slot *slot)
{
	struct sr_object *object, *next;
	DL_FOREACH_SAFE(slot->handles.owned, object, next)
	{
		if (!object->is_private)
			continue;
		if (object->class)
			disown(slot, object);
		else
			forget_content(slot, object);
	}
}

void sr_handles_free(struct sr_slot *slot)
{
	struct sr_object *object, *next;
	HASH_ITER(hh, slot->handles.by_handle, object, next)
	free_object(slot, object);
}
