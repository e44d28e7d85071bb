/* The keys of the vault in memory: see fake_vault.h. A key is its template with a few defaults; its material is the
 * CKA_VALUE that it was given, else "material". */
#include "tests/unit/fake_vault.h"

#include "vault/identity.h"
#include "vault/keys.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define ID_MAX 80

struct sr_nest {
	bool closed;
	unsigned refs;
};

/* GONE: what was in the HSM is destroyed. */
struct material {
	unsigned refs;
	bool gone;
	struct sr_nest *nest;
	struct sr_buf value;
};

struct sr_key_inside {
	unsigned refs;
	struct material *material;
};

/* Keys of the vault: what is at a path. */
static struct sr_key *stored[FAKE_KEYS];

static void lock(void)
{
	pthread_mutex_lock(&fake_state()->lock);
}

static void unlock(void)
{
	pthread_mutex_unlock(&fake_state()->lock);
}

/* -- references --------------------------------------------------------------------------------------------------- */

static void unref_nest(struct sr_nest *nest)
{
	if (nest && --nest->refs == 0)
		free(nest);
}

static void unref_material(struct material *material)
{
	if (--material->refs)
		return;
	unref_nest(material->nest);
	sr_buf_clear(&material->value);
	free(material);
}

static void unref_locked(struct sr_key *key)
{
	if (--key->inside->refs)
		return;
	unref_material(key->inside->material);
	sr_attrs_clear(&key->attrs);
	free(key->inside);
	free(key);
	fake_state()->keys_living--;
}

struct sr_key *sr_key_ref(struct sr_key *key)
{
	lock();
	key->inside->refs++;
	unlock();
	return key;
}

void sr_key_unref(struct sr_key *key)
{
	if (!key)
		return;
	lock();
	unref_locked(key);
	unlock();
}

CK_RV sr_nest_open(struct sr_vault *vault, struct sr_nest **nest, struct sr_error *err)
{
	(void)vault;
	(void)err;
	*nest = calloc(1, sizeof **nest);
	(*nest)->refs = 1;
	lock();
	fake_state()->nests++;
	unlock();
	return CKR_OK;
}

void sr_nest_close(struct sr_nest *nest)
{
	if (!nest)
		return;
	lock();
	fake_state()->nests--;
	nest->closed = true;
	unref_nest(nest);
	unlock();
}

void sr_new_key_clear(struct sr_new_key *new_key)
{
	sr_key_unref(new_key->key);
	*new_key = (struct sr_new_key){ 0 };
}

static struct sr_key *new_key(const struct sr_attrs *attrs, struct material *material)
{
	struct sr_key *key = calloc(1, sizeof *key);
	key->inside = calloc(1, sizeof *key->inside);
	key->inside->refs = 1;
	key->inside->material = material;
	material->refs++;
	for (size_t i = 0; i < attrs->count; i++)
		sr_attrs_put(&key->attrs, attrs->items[i].type, attrs->items[i].value, attrs->items[i].len);
	key->object_class = sr_attrs_ulong(attrs, CKA_CLASS, 0);
	key->key_type = sr_attrs_ulong(attrs, CKA_KEY_TYPE, 0);
	key->always_authenticate = sr_attrs_bool(attrs, CKA_ALWAYS_AUTHENTICATE, false);
	const struct sr_attr *label = sr_attrs_find(attrs, CKA_LABEL);
	if (sr_attrs_bool(attrs, CKA_TOKEN, false))
		snprintf(key->path, sizeof key->path, "%.*s", label ? (int)label->len : 7,
			label ? (const char *)label->value : "unnamed");
	fake_state()->keys_living++;
	return key;
}

void fake_keys_clear(void)
{
	lock();
	for (size_t i = 0; i < FAKE_KEYS; i++) {
		if (stored[i])
			unref_locked(stored[i]);
		stored[i] = NULL;
	}
	unlock();
}

/* -- the classes -------------------------------------------------------------------------------------------------- */

static void id_of(const struct sr_key *key, char *id)
{
	snprintf(id, ID_MAX, "%.60s#%lx", key->path, key->object_class);
}

static struct sr_key **find_stored(const char *id)
{
	char other[ID_MAX];
	for (size_t i = 0; i < FAKE_KEYS; i++) {
		if (!stored[i])
			continue;
		id_of(stored[i], other);
		if (strcmp(id, other) == 0)
			return &stored[i];
	}
	return NULL;
}

static CK_RV not_there(struct sr_error *err)
{
	return sr_fail(err, CKR_OBJECT_HANDLE_INVALID, SR_REASON_NOT_FOUND, "nothing there");
}

CK_RV sr_key_open(const struct sr_caller *caller, CK_OBJECT_CLASS object_class, const char *id, struct sr_key **key,
	struct sr_error *err)
{
	CK_RV rv = sr_identity_check(caller, err);
	if (rv != CKR_OK)
		return rv;
	lock();
	struct sr_key **at = find_stored(id);
	*key = at && (*at)->object_class == object_class ? *at : NULL;
	if (*key)
		(*key)->inside->refs++;
	unlock();
	return *key ? CKR_OK : not_there(err);
}

/* The class's number goes before the query's, as the real classes have it. */
static CK_RV find_keys(const struct sr_caller *caller, CK_OBJECT_CLASS object_class, const struct sr_attrs *query,
	sr_found found, void *ctx, struct sr_error *err)
{
	char ids[FAKE_KEYS][ID_MAX];
	size_t count = 0;
	CK_RV rv = sr_identity_check(caller, err);
	lock();
	for (size_t i = 0; rv == CKR_OK && i < FAKE_KEYS; i++) {
		if (stored[i] && stored[i]->object_class == object_class && sr_attrs_match(query, &stored[i]->attrs))
			id_of(stored[i], ids[count++]);
	}
	unlock();
	for (size_t i = 0; i < count && found(ids[i], ctx); i++)
		;
	return rv;
}

static CK_RV view_key(const struct sr_caller *caller, const char *id, struct sr_view *view, struct sr_error *err)
{
	CK_RV rv = sr_identity_check(caller, err);
	if (rv != CKR_OK)
		return rv;
	lock();
	struct sr_key **at = find_stored(id);
	for (size_t i = 0; at && i < (*at)->attrs.count; i++) {
		const struct sr_attr *attr = &(*at)->attrs.items[i];
		sr_attrs_put(&view->attrs, attr->type, attr->value, attr->len);
	}
	unlock();
	return at ? CKR_OK : not_there(err);
}

static void put_all(struct sr_attrs *attrs, const struct sr_attrs *changes)
{
	for (size_t i = 0; i < changes->count; i++)
		sr_attrs_put(attrs, changes->items[i].type, changes->items[i].value, changes->items[i].len);
}

static CK_RV set_key(
	const struct sr_caller *caller, const char *id, const struct sr_attrs *template, struct sr_error *err)
{
	CK_RV rv = sr_identity_check(caller, err);
	lock();
	struct sr_key **at = rv == CKR_OK ? find_stored(id) : NULL;
	if (at)
		put_all(&(*at)->attrs, template);
	unlock();
	return rv == CKR_OK && !at ? not_there(err) : rv;
}

static CK_RV destroy_key(const struct sr_caller *caller, const char *id, struct sr_error *err)
{
	CK_RV rv = sr_identity_check(caller, err);
	lock();
	struct sr_key **at = rv == CKR_OK ? find_stored(id) : NULL;
	if (at) {
		unref_locked(*at);
		*at = NULL;
	}
	unlock();
	return rv == CKR_OK && !at ? not_there(err) : rv;
}

#define CLASS_FIND(name, class)                                                                                \
	static CK_RV find_##name(const struct sr_caller *caller, const struct sr_attrs *query, sr_found found, \
		void *ctx, struct sr_error *err)                                                               \
	{                                                                                                      \
		return find_keys(caller, class, query, found, ctx, err);                                       \
	}
CLASS_FIND(private, CKO_PRIVATE_KEY)
CLASS_FIND(public, CKO_PUBLIC_KEY)
CLASS_FIND(secret_key, CKO_SECRET_KEY)
CLASS_FIND(certificate, CKO_CERTIFICATE)

#define CLASS(name, class)                                                   \
	const struct sr_class fake_##name##_class = { .object_class = class, \
		.needs_rw = true,                                            \
		.find = find_##name,                                         \
		.view = view_key,                                            \
		.set = set_key,                                              \
		.destroy = destroy_key };
CLASS(private, CKO_PRIVATE_KEY)
CLASS(public, CKO_PUBLIC_KEY)
CLASS(secret_key, CKO_SECRET_KEY)
CLASS(certificate, CKO_CERTIFICATE)

/* -- making ------------------------------------------------------------------------------------------------------- */

static void put_default(struct sr_attrs *attrs, CK_ATTRIBUTE_TYPE type, bool value)
{
	if (!sr_attrs_find(attrs, type))
		sr_attrs_put_bool(attrs, type, value);
}

static bool is_part(CK_ATTRIBUTE_TYPE type)
{
	return type == CKA_VALUE || type == CKA_PRIVATE_EXPONENT || (type >= CKA_PRIME_1 && type <= CKA_COEFFICIENT);
}

static void shown(const struct sr_making *making, CK_OBJECT_CLASS object_class, size_t len, struct sr_attrs *attrs)
{
	bool hidden = object_class == CKO_PRIVATE_KEY || object_class == CKO_SECRET_KEY;
	for (size_t i = 0; i < making->template->count; i++) {
		const struct sr_attr *attr = &making->template->items[i];
		if (!hidden || !is_part(attr->type))
			sr_attrs_put(attrs, attr->type, attr->value, attr->len);
	}
	sr_attrs_put_ulong(attrs, CKA_CLASS, object_class);
	if (object_class != CKO_CERTIFICATE)
		sr_attrs_put_ulong(attrs, CKA_KEY_TYPE, making->key_type);
	sr_attrs_put_bool(attrs, CKA_TOKEN, !making->nest);
	/* what a template says of a session key stands as it is: the call layer has a rule of its own for that */
	if (hidden && !making->nest)
		sr_attrs_put_bool(attrs, CKA_PRIVATE, true);
	put_default(attrs, CKA_PRIVATE, hidden);
	if (hidden) {
		put_default(attrs, CKA_SENSITIVE, true);
		put_default(attrs, CKA_EXTRACTABLE, false);
	}
	if (object_class == CKO_SECRET_KEY)
		sr_attrs_put_ulong(attrs, CKA_VALUE_LEN, len);
}

static struct material *new_material(const struct sr_making *making)
{
	const struct sr_attr *value = sr_attrs_find(making->template, CKA_VALUE);
	struct material *material = calloc(1, sizeof *material);
	if (value)
		sr_buf_append(&material->value, value->value, value->len);
	else
		sr_buf_text(&material->value, "material");
	material->nest = making->nest;
	if (material->nest) {
		material->nest->refs++;
		fake_state()->nest_keys++;
	}
	return material;
}

static CK_RV check_making(const struct sr_caller *caller, const struct sr_making *making, CK_OBJECT_CLASS object_class,
	struct sr_error *err)
{
	const struct sr_attrs *template = making->template;
	bool hidden = object_class == CKO_PRIVATE_KEY || object_class == CKO_SECRET_KEY;
	CK_RV rv = caller->identity ? sr_identity_check(caller, err) : CKR_OK;
	if (rv == CKR_OK && !caller->identity && (!making->nest || hidden))
		rv = sr_fail(err, CKR_GENERAL_ERROR, SR_REASON_INTERNAL, "the call layer lets nobody make that");
	if (rv == CKR_OK && fake_state()->make_rv != CKR_OK)
		rv = sr_fail(err, fake_state()->make_rv, SR_REASON_OUT_OF_SCOPE, "not made");
	bool class_fits = sr_attrs_ulong(template, CKA_CLASS, object_class) == object_class;
	bool type_fits = sr_attrs_ulong(template, CKA_KEY_TYPE, making->key_type) == making->key_type;
	if (rv == CKR_OK && (!class_fits || !type_fits))
		rv = sr_fail(err, CKR_TEMPLATE_INCONSISTENT, SR_REASON_BAD_TEMPLATE, "another class or type");
	return rv;
}

/* Enters a key into the vault, or hands it to the session. */
static CK_RV place_locked(
	const struct sr_making *making, struct sr_key *key, struct sr_new_key *made, struct sr_error *err)
{
	if (making->nest) {
		made->key = key;
		return CKR_OK;
	}
	char id[ID_MAX];
	id_of(key, id);
	size_t free_place = 0;
	while (free_place < FAKE_KEYS && stored[free_place])
		free_place++;
	if (find_stored(id) || free_place == FAKE_KEYS) {
		unref_locked(key);
		return sr_fail(err, CKR_TEMPLATE_INCONSISTENT, SR_REASON_PATH_TAKEN, "taken");
	}
	stored[free_place] = key;
	memcpy(made->id, id, sizeof id);
	return CKR_OK;
}

static CK_RV make(const struct sr_caller *caller, const struct sr_making *making, CK_OBJECT_CLASS object_class,
	struct sr_new_key *made, struct sr_error *err)
{
	CK_RV rv = check_making(caller, making, object_class, err);
	if (rv != CKR_OK)
		return rv;
	struct sr_attrs attrs = SR_ATTRS_INIT;
	lock();
	struct material *material = new_material(making);
	shown(making, object_class, material->value.len, &attrs);
	rv = place_locked(making, new_key(&attrs, material), made, err);
	unlock();
	sr_attrs_clear(&attrs);
	return rv;
}

CK_RV sr_key_generate(const struct sr_caller *caller, const struct sr_making *making, const CK_MECHANISM *mechanism,
	struct sr_new_key *made, struct sr_error *err)
{
	(void)mechanism;
	return make(caller, making, making->object_class, made, err);
}

CK_RV sr_key_generate_pair(const struct sr_caller *caller, const struct sr_making *public_making,
	const struct sr_making *private_making, const CK_MECHANISM *mechanism, struct sr_new_key *public_made,
	struct sr_new_key *private_made, struct sr_error *err)
{
	(void)mechanism;
	CK_RV rv = check_making(caller, private_making, CKO_PRIVATE_KEY, err);
	if (rv == CKR_OK)
		rv = make(caller, public_making, CKO_PUBLIC_KEY, public_made, err);
	return rv == CKR_OK ? make(caller, private_making, CKO_PRIVATE_KEY, private_made, err) : rv;
}

CK_RV sr_key_import(const struct sr_caller *caller, const struct sr_making *making, struct sr_new_key *made,
	struct sr_attrs *held, struct sr_error *err)
{
	if (making->object_class != CKO_CERTIFICATE || !making->nest)
		return make(caller, making, making->object_class, made, err);
	CK_RV rv = check_making(caller, making, CKO_CERTIFICATE, err);
	if (rv == CKR_OK)
		shown(making, CKO_CERTIFICATE, 0, held);
	return rv;
}

CK_RV sr_key_copy(const struct sr_caller *caller, struct sr_key *key, struct sr_nest *nest,
	const struct sr_attrs *changes, struct sr_new_key *made, struct sr_error *err)
{
	struct sr_attrs template = SR_ATTRS_INIT;
	put_all(&template, &key->attrs);
	put_all(&template, changes);
	struct sr_making making = {
		.nest = nest, .object_class = key->object_class, .key_type = key->key_type, .template = &template
	};
	CK_RV rv = make(caller, &making, key->object_class, made, err);
	sr_attrs_clear(&template);
	return rv;
}

CK_RV sr_key_unwrap(const struct sr_caller *caller, const struct sr_making *making, const CK_MECHANISM *mechanism,
	struct sr_key *unwrapping, const void *wrapped, size_t wrapped_len, struct sr_new_key *made,
	struct sr_error *err)
{
	(void)mechanism;
	if (!sr_attrs_bool(&unwrapping->attrs, CKA_UNWRAP, false))
		return sr_fail(err, CKR_KEY_FUNCTION_NOT_PERMITTED, SR_REASON_RIGHTS, "no right");
	if (wrapped_len != 7 || memcmp(wrapped, "wrapped", 7) != 0)
		return sr_fail(err, CKR_ENCRYPTED_DATA_INVALID, SR_REASON_NONE, "not wrapped here");
	return make(caller, making, making->object_class, made, err);
}

CK_RV sr_key_derive(const struct sr_caller *caller, const struct sr_making *making, const CK_MECHANISM *mechanism,
	struct sr_key *base, struct sr_new_key *made, struct sr_error *err)
{
	(void)mechanism;
	if (!sr_attrs_bool(&base->attrs, CKA_DERIVE, false))
		return sr_fail(err, CKR_KEY_FUNCTION_NOT_PERMITTED, SR_REASON_RIGHTS, "no right");
	return make(caller, making, making->object_class, made, err);
}

/* -- using -------------------------------------------------------------------------------------------------------- */

static CK_RV wrap_refusal(const struct sr_key *wrapping, const struct sr_key *key, struct sr_error *err)
{
	if (!sr_attrs_bool(&wrapping->attrs, CKA_WRAP, false))
		return sr_fail(err, CKR_KEY_FUNCTION_NOT_PERMITTED, SR_REASON_RIGHTS, "no right");
	if (key->object_class == CKO_PUBLIC_KEY)
		return sr_fail(err, CKR_KEY_NOT_WRAPPABLE, SR_REASON_NONE, "it is public");
	if (!sr_attrs_bool(&key->attrs, CKA_EXTRACTABLE, false))
		return sr_fail(err, CKR_KEY_UNEXTRACTABLE, SR_REASON_UNEXTRACTABLE, "it stays");
	if (fake_state()->wrap_rv != CKR_OK)
		return sr_fail(err, fake_state()->wrap_rv, SR_REASON_HSM_FAILED, "not wrapped");
	return CKR_OK;
}

CK_RV sr_key_wrap(const struct sr_caller *caller, const CK_MECHANISM *mechanism, struct sr_key *wrapping,
	struct sr_key *key, bool deliver, struct sr_buf *wrapped, struct sr_error *err)
{
	(void)mechanism;
	CK_RV rv = caller->identity ? sr_identity_check(caller, err) : CKR_OK;
	if (rv != CKR_OK)
		return rv;
	lock();
	rv = wrap_refusal(wrapping, key, err);
	fake_state()->wrap_refusals += deliver && rv != CKR_OK;
	fake_state()->wraps += deliver && rv == CKR_OK;
	fake_state()->wrap_queries += !deliver;
	unlock();
	if (rv == CKR_OK)
		sr_buf_text(wrapped, "wrapped");
	return rv;
}

CK_RV sr_key_secret(const struct sr_caller *caller, struct sr_key *key, CK_ATTRIBUTE_TYPE type, struct sr_buf *value,
	struct sr_error *err)
{
	CK_RV rv = caller->identity ? sr_identity_check(caller, err) : CKR_OK;
	if (rv != CKR_OK)
		return rv;
	if (fake_state()->component_rv != CKR_OK)
		return sr_fail(err, fake_state()->component_rv, SR_REASON_OUT_OF_SCOPE, "it stays");
	lock();
	const struct sr_buf *whole = &key->inside->material->value;
	sr_buf_append(value, whole->data, type == CKA_VALUE ? whole->len : 3);
	fake_state()->components++;
	unlock();
	return CKR_OK;
}

/* Rights only go, and CKA_SENSITIVE only comes. */
CK_RV sr_key_set(const struct sr_caller *caller, struct sr_key *key, const struct sr_attrs *changes,
	struct sr_key **changed, struct sr_error *err)
{
	(void)caller;
	if (fake_state()->set_rv != CKR_OK)
		return sr_fail(err, fake_state()->set_rv, SR_REASON_BAD_TEMPLATE, "not changed");
	struct timespec t = { .tv_nsec = (long)fake_state()->slow_set_ms * 1000000 };
	nanosleep(&t, NULL);
	struct sr_attrs attrs = SR_ATTRS_INIT;
	put_all(&attrs, &key->attrs);
	put_all(&attrs, changes);
	lock();
	*changed = new_key(&attrs, key->inside->material);
	unlock();
	sr_attrs_clear(&attrs);
	return CKR_OK;
}

void sr_key_destroy(struct sr_vault *vault, struct sr_key *key)
{
	(void)vault;
	lock();
	if (key->inside->material->nest && !key->inside->material->gone)
		fake_state()->nest_keys--;
	key->inside->material->gone = true;
	unlock();
}

CK_RV sr_reauthenticate(const struct sr_caller *caller, const struct sr_key *key, const void *name, size_t name_len,
	const void *pin, size_t pin_len, struct sr_error *err)
{
	(void)key;
	(void)name;
	(void)name_len;
	CK_RV rv = sr_identity_check(caller, err);
	if (rv != CKR_OK)
		return rv;
	if (pin_len != 4 || memcmp(pin, "good", 4) != 0)
		return sr_fail(err, CKR_PIN_INCORRECT, SR_REASON_LOGIN_REFUSED, "another credential");
	lock();
	fake_state()->authentications++;
	unlock();
	return CKR_OK;
}
