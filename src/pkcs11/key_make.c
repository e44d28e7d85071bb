/* Key management: PKCS#11 v3.1, 5.18. A call makes what it says, or nothing. */
#include "pkcs11/key.h"
#include "pkcs11/template.h"

#include <string.h>

/* The codes of 5.18 name the key that does it; what is below knows one kind of key only. */
static const struct {
	enum sr_call_id id;
	CK_RV from;
	CK_RV to;
} codes[] = {
	{ SR_ID_C_WrapKey, CKR_KEY_TYPE_INCONSISTENT, CKR_WRAPPING_KEY_TYPE_INCONSISTENT },
	{ SR_ID_C_WrapKey, CKR_DATA_LEN_RANGE, CKR_KEY_SIZE_RANGE },
	{ SR_ID_C_UnwrapKey, CKR_KEY_TYPE_INCONSISTENT, CKR_UNWRAPPING_KEY_TYPE_INCONSISTENT },
	{ SR_ID_C_UnwrapKey, CKR_KEY_HANDLE_INVALID, CKR_UNWRAPPING_KEY_HANDLE_INVALID },
	{ SR_ID_C_UnwrapKey, CKR_KEY_SIZE_RANGE, CKR_UNWRAPPING_KEY_SIZE_RANGE },
	{ SR_ID_C_UnwrapKey, CKR_ENCRYPTED_DATA_INVALID, CKR_WRAPPED_KEY_INVALID },
	{ SR_ID_C_UnwrapKey, CKR_ENCRYPTED_DATA_LEN_RANGE, CKR_WRAPPED_KEY_LEN_RANGE },
};

static CK_RV translate(struct sr_call *call, CK_RV rv)
{
	for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++) {
		if (codes[i].id != call->id || codes[i].from != rv)
			continue;
		if (call->err.rv == rv)
			call->err.rv = codes[i].to;
		return codes[i].to;
	}
	return rv;
}

/* The mechanism says what is made (5.18.1); of two types that it can make, the template chooses. */
static CK_KEY_TYPE type_made(const struct sr_mechanism_row *row, const struct sr_attrs *template)
{
	CK_KEY_TYPE asked = sr_attrs_ulong(template, CKA_KEY_TYPE, row->key_type);
	return asked == row->key_type_2 ? asked : row->key_type;
}

static CK_RV generate(struct sr_call *call, const struct sr_mechanism *mechanism, const struct sr_attrs *template,
	CK_OBJECT_HANDLE *object)
{
	struct sr_making making = { .object_class = CKO_SECRET_KEY, .key_type = type_made(mechanism->row, template) };
	struct sr_new_key made = { 0 };
	CK_RV rv = sr_making_begin(call, template, true, &making);
	if (rv != CKR_OK)
		return rv;
	do {
		struct sr_caller caller = sr_call_caller(call);
		sr_new_key_clear(&made);
		rv = sr_key_generate(&caller, &making, &mechanism->native, &made, &call->err);
	} while (sr_call_again(call, rv));
	if (rv == CKR_OK)
		rv = sr_made_take(call, CKO_SECRET_KEY, &made, object);
	sr_new_key_clear(&made);
	return rv;
}

CK_RV sr_C_GenerateKey(struct sr_call *call, CK_MECHANISM_PTR mechanism, CK_ATTRIBUTE_PTR template, CK_ULONG count,
	CK_OBJECT_HANDLE_PTR object)
{
	if (!object)
		return sr_fail(&call->err, CKR_ARGUMENTS_BAD, SR_REASON_NONE, "phKey is NULL");
	struct sr_mechanism taken = { 0 };
	struct sr_attrs attrs = SR_ATTRS_INIT;
	CK_RV rv = sr_call_mechanism(call, mechanism, CKF_GENERATE, &taken);
	if (rv == CKR_OK)
		rv = sr_template_copy(template, count, SR_TEMPLATE_GENERATE, &attrs, &call->err);
	if (rv == CKR_OK)
		rv = generate(call, &taken, &attrs, object);
	sr_attrs_clear(&attrs);
	sr_mechanism_clear(&taken);
	return rv;
}

/** struct pair: what C_GenerateKeyPair goes through with. */
struct pair {
	struct sr_attrs public_attrs, private_attrs;
	struct sr_making public_making, private_making;
	struct sr_new_key public_made, private_made;
};

static void clear_pair(struct pair *pair)
{
	sr_attrs_clear(&pair->public_attrs);
	sr_attrs_clear(&pair->private_attrs);
	sr_new_key_clear(&pair->public_made);
	sr_new_key_clear(&pair->private_made);
}

/* Both handles or none: 5.18.2. */
static CK_RV take_pair(
	struct sr_call *call, struct pair *pair, CK_OBJECT_HANDLE *public_key, CK_OBJECT_HANDLE *private_key)
{
	CK_OBJECT_HANDLE first = 0, second = 0;
	bool in_session = pair->public_made.key;
	CK_RV rv = sr_made_take(call, CKO_PUBLIC_KEY, &pair->public_made, &first);
	if (rv == CKR_OK)
		rv = sr_made_take(call, CKO_PRIVATE_KEY, &pair->private_made, &second);
	if (rv != CKR_OK) {
		if (first && in_session)
			sr_handle_drop(call, first);
		return rv;
	}
	*public_key = first;
	*private_key = second;
	return CKR_OK;
}

static CK_RV begin_pair(struct sr_call *call, const struct sr_mechanism_row *row, struct pair *pair)
{
	bool is_private = sr_attrs_bool(&pair->public_attrs, CKA_PRIVATE, false);
	CK_RV rv = sr_making_begin(call, &pair->private_attrs, true, &pair->private_making);
	if (rv == CKR_OK)
		rv = sr_making_begin(call, &pair->public_attrs, is_private, &pair->public_making);
	if (rv == CKR_OK && pair->private_making.nest && pair->public_making.nest)
		rv = sr_session_object_room(call, 2, 0);
	pair->public_making.key_type = type_made(row, &pair->public_attrs);
	pair->private_making.key_type = type_made(row, &pair->private_attrs);
	return rv;
}

static CK_RV generate_pair(struct sr_call *call, const struct sr_mechanism *mechanism, struct pair *pair,
	CK_OBJECT_HANDLE *public_key, CK_OBJECT_HANDLE *private_key)
{
	CK_RV rv = begin_pair(call, mechanism->row, pair);
	if (rv != CKR_OK)
		return rv;
	do {
		struct sr_caller caller = sr_call_caller(call);
		sr_new_key_clear(&pair->public_made);
		sr_new_key_clear(&pair->private_made);
		rv = sr_key_generate_pair(&caller, &pair->public_making, &pair->private_making, &mechanism->native,
			&pair->public_made, &pair->private_made, &call->err);
	} while (sr_call_again(call, rv));
	return rv == CKR_OK ? take_pair(call, pair, public_key, private_key) : rv;
}

CK_RV sr_C_GenerateKeyPair(struct sr_call *call, CK_MECHANISM_PTR mechanism, CK_ATTRIBUTE_PTR public_template,
	CK_ULONG public_count, CK_ATTRIBUTE_PTR private_template, CK_ULONG private_count,
	CK_OBJECT_HANDLE_PTR public_key, CK_OBJECT_HANDLE_PTR private_key)
{
	if (!public_key || !private_key)
		return sr_fail(&call->err, CKR_ARGUMENTS_BAD, SR_REASON_NONE, "phPublicKey or phPrivateKey is NULL");
	struct sr_mechanism taken = { 0 };
	struct pair pair = { 0 };
	CK_RV rv = sr_call_mechanism(call, mechanism, CKF_GENERATE_KEY_PAIR, &taken);
	if (rv == CKR_OK)
		rv = sr_template_copy(
			public_template, public_count, SR_TEMPLATE_GENERATE_PUBLIC, &pair.public_attrs, &call->err);
	if (rv == CKR_OK)
		rv = sr_template_copy(
			private_template, private_count, SR_TEMPLATE_GENERATE_PRIVATE, &pair.private_attrs, &call->err);
	if (rv == CKR_OK)
		rv = generate_pair(call, &taken, &pair, public_key, private_key);
	clear_pair(&pair);
	sr_mechanism_clear(&taken);
	return rv;
}

/* -- wrapping --------------------------------------------------------------------------------------------------- */

static CK_RV ask_wrapped(struct sr_call *call, const struct sr_mechanism *mechanism, struct sr_key *wrapping,
	struct sr_key *key, bool deliver, struct sr_buf *wrapped)
{
	CK_RV rv;
	do {
		struct sr_caller caller = sr_call_caller(call);
		sr_buf_clear(wrapped);
		rv = sr_key_wrap(&caller, &mechanism->native, wrapping, key, deliver, wrapped, &call->err);
	} while (sr_call_again(call, rv));
	return rv == CKR_OK && wrapped->failed ? CKR_HOST_MEMORY : rv;
}

static CK_RV too_small(struct sr_call *call, size_t len)
{
	return sr_fail(&call->err, CKR_BUFFER_TOO_SMALL, SR_REASON_NONE, "the wrapped key has %zu bytes", len);
}

/* 5.2: the length is asked for first, because what is delivered is recorded and counted. A refusal is the same either
 * way, and recorded where the key itself was asked for. */
static CK_RV wrap(struct sr_call *call, const struct sr_mechanism *mechanism, struct sr_key *wrapping,
	struct sr_key *key, CK_BYTE *output, CK_ULONG *output_len)
{
	struct sr_buf wrapped = SR_BUF_INIT;
	CK_ULONG room = *output_len;
	CK_RV rv = ask_wrapped(call, mechanism, wrapping, key, false, &wrapped);
	if (rv == CKR_OK)
		*output_len = wrapped.len;
	if (rv == CKR_OK && output && room < wrapped.len)
		rv = too_small(call, wrapped.len);
	else if (output)
		rv = ask_wrapped(call, mechanism, wrapping, key, true, &wrapped);
	if (rv == CKR_OK && output) {
		*output_len = wrapped.len;
		if (room < wrapped.len)
			rv = too_small(call, wrapped.len);
		else if (wrapped.len)
			memcpy(output, wrapped.data, wrapped.len);
	}
	sr_buf_clear(&wrapped);
	return rv;
}

static CK_RV wrap_with(struct sr_call *call, const struct sr_mechanism *mechanism, CK_OBJECT_HANDLE wrapping_handle,
	CK_OBJECT_HANDLE handle, CK_BYTE *output, CK_ULONG *output_len)
{
	struct sr_key *wrapping = NULL, *key = NULL;
	CK_RV rv = sr_call_key(call, wrapping_handle, CKR_WRAPPING_KEY_HANDLE_INVALID, &wrapping);
	if (rv == CKR_OK)
		rv = sr_key_check(call, wrapping, mechanism->row);
	if (rv == CKR_OK)
		rv = sr_call_key(call, handle, CKR_KEY_HANDLE_INVALID, &key);
	if (rv == CKR_OK)
		rv = wrap(call, mechanism, wrapping, key, output, output_len);
	sr_key_unref(key);
	sr_key_unref(wrapping);
	return translate(call, rv);
}

CK_RV sr_C_WrapKey(struct sr_call *call, CK_MECHANISM_PTR mechanism, CK_OBJECT_HANDLE wrapping_key,
	CK_OBJECT_HANDLE key, CK_BYTE_PTR output, CK_ULONG_PTR output_len)
{
	if (!output_len)
		return sr_fail(&call->err, CKR_ARGUMENTS_BAD, SR_REASON_NONE, "pulWrappedKeyLen is NULL");
	struct sr_mechanism taken = { 0 };
	CK_RV rv = sr_call_mechanism(call, mechanism, CKF_WRAP, &taken);
	if (rv == CKR_OK)
		rv = wrap_with(call, &taken, wrapping_key, key, output, output_len);
	sr_mechanism_clear(&taken);
	return rv;
}

/* -- unwrapping, deriving --------------------------------------------------------------------------------------- */

/** struct source: what a key comes from: a wrapped one, or the base key alone. */
struct source {
	const struct sr_mechanism *mechanism;
	CK_OBJECT_HANDLE handle;
	CK_RV handle_code;
	const CK_BYTE *wrapped; /* NULL: derived */
	CK_ULONG wrapped_len;
};

static CK_RV ask_made(struct sr_call *call, const struct source *source, struct sr_key *key,
	const struct sr_making *making, struct sr_new_key *made)
{
	const CK_MECHANISM *mechanism = &source->mechanism->native;
	CK_RV rv;
	do {
		struct sr_caller caller = sr_call_caller(call);
		sr_new_key_clear(made);
		rv = source->wrapped ? sr_key_unwrap(&caller, making, mechanism, key, source->wrapped,
					       source->wrapped_len, made, &call->err)
				     : sr_key_derive(&caller, making, mechanism, key, made, &call->err);
	} while (sr_call_again(call, rv));
	return rv;
}

static CK_RV make_from_key(struct sr_call *call, const struct source *source, struct sr_key *key,
	struct sr_making *making, const struct sr_attrs *template, CK_OBJECT_HANDLE *object)
{
	struct sr_new_key made = { 0 };
	CK_RV rv = sr_making_begin(call, template, true, making);
	if (rv == CKR_OK)
		rv = ask_made(call, source, key, making, &made);
	if (rv == CKR_OK)
		rv = sr_made_take(call, making->object_class, &made, object);
	sr_new_key_clear(&made);
	return rv;
}

/* The key comes first: a handle that is not there says nothing of the session that asks. */
static CK_RV make_from(struct sr_call *call, const struct source *source, struct sr_making *making,
	const struct sr_attrs *template, CK_OBJECT_HANDLE *object)
{
	struct sr_key *key = NULL;
	CK_RV rv = sr_call_key(call, source->handle, source->handle_code, &key);
	if (rv == CKR_OK)
		rv = sr_key_check(call, key, source->mechanism->row);
	if (rv == CKR_OK)
		rv = make_from_key(call, source, key, making, template, object);
	sr_key_unref(key);
	return translate(call, rv);
}

/* Neither wrapped bytes nor the mechanisms here say what is in them: the template does. A secret key where it names no
 * class, as RSA's mechanisms have it; the type has no default. */
static CK_RV unwrapped_kind(struct sr_call *call, const struct sr_attrs *template, struct sr_making *making)
{
	making->object_class = sr_attrs_ulong(template, CKA_CLASS, CKO_SECRET_KEY);
	making->key_type = sr_attrs_ulong(template, CKA_KEY_TYPE, 0);
	if (!sr_attrs_find(template, CKA_KEY_TYPE))
		return sr_fail(&call->err, CKR_TEMPLATE_INCOMPLETE, SR_REASON_BAD_TEMPLATE,
			"CKA_KEY_TYPE of the unwrapped key is missing");
	if (making->object_class != CKO_SECRET_KEY && making->object_class != CKO_PRIVATE_KEY)
		return sr_fail(&call->err, CKR_TEMPLATE_INCONSISTENT, SR_REASON_BAD_TEMPLATE,
			"what is unwrapped is a secret or a private key");
	return CKR_OK;
}

CK_RV sr_C_UnwrapKey(struct sr_call *call, CK_MECHANISM_PTR mechanism, CK_OBJECT_HANDLE unwrapping_key,
	CK_BYTE_PTR wrapped, CK_ULONG wrapped_len, CK_ATTRIBUTE_PTR template, CK_ULONG count,
	CK_OBJECT_HANDLE_PTR object)
{
	if (!object || !wrapped)
		return sr_fail(&call->err, CKR_ARGUMENTS_BAD, SR_REASON_NONE, "phKey or pWrappedKey is NULL");
	if (!wrapped_len || wrapped_len > SR_WRAPPED_MAX)
		return sr_fail(&call->err, CKR_WRAPPED_KEY_LEN_RANGE, SR_REASON_TOO_LARGE,
			"a wrapped key has 1 to %u bytes", SR_WRAPPED_MAX);
	struct sr_mechanism taken = { 0 };
	struct sr_attrs attrs = SR_ATTRS_INIT;
	struct sr_making making = { 0 };
	struct source source = { &taken, unwrapping_key, CKR_UNWRAPPING_KEY_HANDLE_INVALID, wrapped, wrapped_len };
	CK_RV rv = sr_call_mechanism(call, mechanism, CKF_UNWRAP, &taken);
	if (rv == CKR_OK)
		rv = sr_template_copy(template, count, SR_TEMPLATE_UNWRAP, &attrs, &call->err);
	if (rv == CKR_OK)
		rv = unwrapped_kind(call, &attrs, &making);
	if (rv == CKR_OK)
		rv = make_from(call, &source, &making, &attrs, object);
	sr_attrs_clear(&attrs);
	sr_mechanism_clear(&taken);
	return rv;
}

/* Without class and type in the template a generic secret is derived. */
static CK_RV derived_kind(struct sr_call *call, const struct sr_attrs *template, struct sr_making *making)
{
	making->object_class = CKO_SECRET_KEY;
	making->key_type = sr_attrs_ulong(template, CKA_KEY_TYPE, CKK_GENERIC_SECRET);
	if (sr_attrs_ulong(template, CKA_CLASS, CKO_SECRET_KEY) != CKO_SECRET_KEY)
		return sr_fail(&call->err, CKR_TEMPLATE_INCONSISTENT, SR_REASON_BAD_TEMPLATE,
			"what is derived is a secret key");
	return CKR_OK;
}

CK_RV sr_C_DeriveKey(struct sr_call *call, CK_MECHANISM_PTR mechanism, CK_OBJECT_HANDLE base_key,
	CK_ATTRIBUTE_PTR template, CK_ULONG count, CK_OBJECT_HANDLE_PTR object)
{
	if (!object)
		return sr_fail(&call->err, CKR_ARGUMENTS_BAD, SR_REASON_NONE, "phKey is NULL");
	struct sr_mechanism taken = { 0 };
	struct sr_attrs attrs = SR_ATTRS_INIT;
	struct sr_making making = { 0 };
	struct source source = { .mechanism = &taken, .handle = base_key, .handle_code = CKR_KEY_HANDLE_INVALID };
	CK_RV rv = sr_call_mechanism(call, mechanism, CKF_DERIVE, &taken);
	if (rv == CKR_OK)
		rv = sr_template_copy(template, count, SR_TEMPLATE_DERIVE, &attrs, &call->err);
	if (rv == CKR_OK)
		rv = derived_kind(call, &attrs, &making);
	if (rv == CKR_OK)
		rv = make_from(call, &source, &making, &attrs, object);
	sr_attrs_clear(&attrs);
	sr_mechanism_clear(&taken);
	return rv;
}
