/* Object handles. */
#include "pkcs11/handles.h"

#include "pkcs11/call.h"

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
}

static struct sr_object *find_handle(struct sr_slot *slot, CK_OBJECT_HANDLE handle)
{
	struct sr_object *object;
	HASH_FIND(hh, slot->handles.by_handle, &handle, sizeof handle, object);
	return object;
}

static void forget_attrs(struct sr_slot *slot, struct sr_object *object)
{
	slot->client->session_bytes -= sr_attrs_bytes(&object->attrs);
	sr_attrs_clear(&object->attrs);
}

static void disown(struct sr_slot *slot, struct sr_object *object)
{
	if (object->owner)
		DL_DELETE(slot->handles.owned, object);
	object->owner = 0;
	sr_buf_clear(&object->once);
}

static void free_object(struct sr_slot *slot, struct sr_object *object)
{
	disown(slot, object);
	if (!object->class) {
		slot->client->session_objects--;
		forget_attrs(slot, object);
	}
	if (object->hh.tbl)
		HASH_DELETE(hh, slot->handles.by_handle, object);
	if (object->hh_key.tbl)
		HASH_DELETE(hh_key, slot->handles.by_key, object);
	free(object->key);
	free(object);
}

/* Gives OBJECT its number and puts it into the tables; false when there is no memory. */
static bool enter(struct sr_slot *slot, struct sr_object *object)
{
	struct sr_handles *handles = &slot->handles;
	object->handle = slot->client->next_object++;
	HASH_ADD(hh, handles->by_handle, handle, sizeof object->handle, object);
	if (object->key && object->hh.tbl)
		HASH_ADD_KEYPTR(hh_key, handles->by_key, object->key, strlen(object->key), object);
	return object->hh.tbl && (!object->key || object->hh_key.tbl);
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
	sr_attrs_add(&ref->attrs, &object->attrs);
	return ref->attrs.failed ? CKR_HOST_MEMORY : CKR_OK;
}

static CK_RV no_such_handle(struct sr_call *call)
{
	return sr_fail(&call->err, CKR_OBJECT_HANDLE_INVALID, SR_REASON_NOT_FOUND,
		"the object handle names nothing that this session may see: search for the object again");
}

CK_RV sr_handle_resolve(struct sr_call *call, CK_OBJECT_HANDLE handle, struct sr_ref *ref)
{
	*ref = (struct sr_ref){ 0 };
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
	else if (is_private && !call->identity)
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

static struct sr_object *new_vault_object(struct sr_slot *slot, const struct sr_class *class, const char *key)
{
	struct sr_object *object = calloc(1, sizeof *object);
	if (!object)
		return NULL;
	object->class = class;
	object->is_private = true;
	object->key = strdup(key);
	if (object->key && enter(slot, object))
		return object;
	free_object(slot, object);
	return NULL;
}

CK_RV sr_handle_of(
	struct sr_call *call, const struct sr_class *class, const char *id, bool named, CK_OBJECT_HANDLE *handle)
{
	char key[KEY_MAX];
	int len = snprintf(key, sizeof key, "%016lx:%s", class->object_class, id);
	if (len < 0 || (size_t)len >= sizeof key)
		return sr_fail(&call->err, CKR_GENERAL_ERROR, SR_REASON_INTERNAL, "an object's id is too long");
	struct sr_slot *slot = call->slot;
	struct sr_object *object = NULL;
	pthread_mutex_lock(&call->client->lock);
	bool same_login = slot->identity && slot->epoch == call->epoch;
	if (same_login) {
		HASH_FIND(hh_key, slot->handles.by_key, key, (size_t)len, object);
		if (!object)
			object = new_vault_object(slot, class, key);
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
	if (client->session_objects + objects <= SR_SESSION_OBJECTS_MAX &&
		client->session_bytes + bytes <= SR_SESSION_BYTES_MAX)
		return CKR_OK;
	return sr_fail(err, CKR_DEVICE_MEMORY, SR_REASON_TOO_LARGE,
		"an application may hold %d session objects of %u bytes in all: destroy some", SR_SESSION_OBJECTS_MAX,
		SR_SESSION_BYTES_MAX);
}

CK_RV sr_session_object_room(struct sr_call *call, size_t bytes)
{
	pthread_mutex_lock(&call->client->lock);
	CK_RV rv = check_room(call->client, 1, bytes, &call->err);
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

static CK_RV add_locked(struct sr_call *call, struct sr_attrs *attrs, CK_OBJECT_HANDLE *handle)
{
	struct sr_client *client = call->client;
	CK_RV rv = check_room(client, 1, sr_attrs_bytes(attrs), &call->err);
	if (rv != CKR_OK)
		return rv;
	struct sr_object *object = calloc(1, sizeof *object);
	if (!object)
		return CKR_HOST_MEMORY;
	object->is_private = sr_attrs_bool(attrs, CKA_PRIVATE, true);
	object->attrs = *attrs;
	*attrs = (struct sr_attrs)SR_ATTRS_INIT;
	put_unique_id(object, client->next_object);
	client->session_objects++;
	client->session_bytes += sr_attrs_bytes(&object->attrs);
	bool login_gone = object->is_private && (!call->slot->identity || call->slot->epoch != call->epoch);
	if (login_gone || object->attrs.failed || !enter(call->slot, object)) {
		free_object(call->slot, object);
		return login_gone ? CKR_USER_NOT_LOGGED_IN : CKR_HOST_MEMORY;
	}
	object->owner = call->session->handle;
	DL_APPEND(call->slot->handles.owned, object);
	*handle = object->handle;
	return CKR_OK;
}

CK_RV sr_session_object_add(struct sr_call *call, struct sr_attrs *attrs, CK_OBJECT_HANDLE *handle)
{
	pthread_mutex_lock(&call->client->lock);
	CK_RV rv = add_locked(call, attrs, handle);
	pthread_mutex_unlock(&call->client->lock);
	return rv == CKR_USER_NOT_LOGGED_IN ? sr_call_refuse_public(call) : rv;
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
	forget_attrs(call->slot, object);
	object->attrs = changed;
	client->session_bytes += after;
	return CKR_OK;
}

CK_RV sr_session_object_set(struct sr_call *call, CK_OBJECT_HANDLE handle, const struct sr_attrs *changes)
{
	pthread_mutex_lock(&call->client->lock);
	struct sr_object *object = find_handle(call->slot, handle);
	CK_RV rv = object ? set_locked(call, object, changes) : CKR_OBJECT_HANDLE_INVALID;
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
		if (!object->class && (user || !object->is_private) && sr_attrs_match(query, &object->attrs))
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
			forget_attrs(slot, object);
	}
}

void sr_handles_free(struct sr_slot *slot)
{
	struct sr_object *object, *next;
	HASH_ITER(hh, slot->handles.by_handle, object, next)
	free_object(slot, object);
}
