/* Keys behind handles, and what every call that uses or makes one asks first. */
#include "pkcs11/key.h"

#include "pkcs11/object.h"

#include <string.h>

bool sr_class_of_keys(CK_OBJECT_CLASS object_class)
{
	return object_class == CKO_PRIVATE_KEY || object_class == CKO_PUBLIC_KEY || object_class == CKO_SECRET_KEY;
}

CK_RV sr_ref_key(struct sr_call *call, const struct sr_ref *ref, struct sr_key **key)
{
	CK_RV rv;
	if (ref->session_key) {
		*key = sr_key_ref(ref->session_key);
		return CKR_OK;
	}
	do {
		struct sr_caller caller = sr_call_caller(call);
		rv = sr_key_open(&caller, ref->class->object_class, ref->id, key, &call->err);
	} while (sr_call_again(call, rv));
	return rv;
}

static CK_RV no_such_key(struct sr_call *call, CK_RV code)
{
	return sr_fail(&call->err, code, SR_REASON_NOT_FOUND,
		"the handle names no key that this session may see: search again");
}

CK_RV sr_call_key(struct sr_call *call, CK_OBJECT_HANDLE handle, CK_RV code, struct sr_key **key)
{
	struct sr_ref ref;
	CK_RV rv = sr_handle_resolve(call, handle, &ref);
	if (rv == CKR_OK && !ref.session_key && (!ref.class || !sr_class_of_keys(ref.class->object_class)))
		rv = CKR_OBJECT_HANDLE_INVALID;
	if (rv == CKR_OK)
		rv = sr_ref_key(call, &ref, key);
	sr_ref_clear(&ref);
	return rv == CKR_OBJECT_HANDLE_INVALID ? no_such_key(call, code) : rv;
}

CK_RV sr_call_mechanism(
	struct sr_call *call, const CK_MECHANISM *given, CK_FLAGS function, struct sr_mechanism *mechanism)
{
	struct sr_client *client = call->client;
	if (!given)
		return sr_fail(&call->err, CKR_ARGUMENTS_BAD, SR_REASON_NONE, "pMechanism is NULL");
	return sr_mechanism_take(client->vault, &client->config, given, function, mechanism, &call->err);
}

/* Which half of a pair a call works with; a secret key is both. */
static CK_OBJECT_CLASS class_for(enum sr_call_id id)
{
	switch (id) {
	case SR_ID_C_EncryptInit:
	case SR_ID_C_MessageEncryptInit:
	case SR_ID_C_VerifyInit:
	case SR_ID_C_VerifyRecoverInit:
	case SR_ID_C_MessageVerifyInit:
	case SR_ID_C_WrapKey:
		return CKO_PUBLIC_KEY;
	default:
		return CKO_PRIVATE_KEY;
	}
}

/* No list, or an empty one, allows every mechanism (PKCS#11 v3.1, 4.8). */
static bool allows(const struct sr_attrs *attrs, CK_MECHANISM_TYPE type)
{
	const struct sr_attr *list = sr_attrs_find(attrs, CKA_ALLOWED_MECHANISMS);
	size_t count = list ? list->len / sizeof type : 0;
	for (size_t i = 0; i < count; i++) {
		CK_MECHANISM_TYPE allowed;
		memcpy(&allowed, list->value + i * sizeof allowed, sizeof allowed);
		if (allowed == type)
			return true;
	}
	return !count;
}

CK_RV sr_key_check(struct sr_call *call, const struct sr_key *key, const struct sr_mechanism_row *row)
{
	if (key->object_class != CKO_SECRET_KEY && key->object_class != class_for(call->id))
		return sr_fail(&call->err, CKR_KEY_TYPE_INCONSISTENT, SR_REASON_MECHANISM,
			"the call wants the other key of the pair");
	bool typed = row->key_type != CK_UNAVAILABLE_INFORMATION;
	if (typed && key->key_type != row->key_type && key->key_type != row->key_type_2)
		return sr_fail(&call->err, CKR_KEY_TYPE_INCONSISTENT, SR_REASON_MECHANISM,
			"the key's type 0x%lx is not one that %s works with", key->key_type, row->name);
	if (!allows(&key->attrs, row->type))
		return sr_fail(&call->err, CKR_MECHANISM_INVALID, SR_REASON_MECHANISM,
			"%s is not among the key's CKA_ALLOWED_MECHANISMS", row->name);
	return CKR_OK;
}

static CK_RV begin_on_token(struct sr_call *call)
{
	CK_RV rv = sr_object_check_rw(call);
	return rv == CKR_OK ? sr_call_user(call) : rv;
}

static CK_RV open_nest(struct sr_call *call)
{
	struct sr_client *client = call->client;
	if (!sr_share_take(client->share, SR_SHARED_NESTS, 1))
		return sr_fail(&call->err, CKR_DEVICE_MEMORY, SR_REASON_TOO_LARGE,
			"a user's or machine's applications may have keys in %d sessions: close some",
			SR_SHARED_NESTS_MAX);
	CK_RV rv = sr_nest_open(client->vault, &call->session->nest, &call->err);
	if (!call->session->nest)
		sr_share_give(client->share, SR_SHARED_NESTS, 1);
	return rv;
}

/* A session object that is public needs no login, but the vault is told whose it is where there is one. */
static CK_RV begin_in_session(struct sr_call *call, bool is_private)
{
	CK_RV rv = is_private ? sr_call_user(call) : sr_call_login(call);
	if (rv == CKR_OK)
		rv = sr_session_object_room(call, 1, 0);
	return rv == CKR_OK && !call->session->nest ? open_nest(call) : rv;
}

CK_RV sr_making_begin(struct sr_call *call, const struct sr_attrs *template, bool is_private, struct sr_making *making)
{
	bool token = sr_attrs_bool(template, CKA_TOKEN, false);
	CK_RV rv = token ? begin_on_token(call) : begin_in_session(call, is_private);
	making->template = template;
	making->nest = token ? NULL : call->session->nest;
	return rv;
}

CK_RV sr_made_take(
	struct sr_call *call, CK_OBJECT_CLASS object_class, struct sr_new_key *made, CK_OBJECT_HANDLE *handle)
{
	struct sr_key *key = made->key;
	made->key = NULL;
	if (key)
		return sr_session_key_add(call, key, handle);
	const struct sr_class *class = sr_class_find(object_class);
	if (!class)
		return sr_fail(
			&call->err, CKR_GENERAL_ERROR, SR_REASON_INTERNAL, "a class of keys is not in the table");
	return sr_handle_of(call, class, made->id, true, handle);
}
