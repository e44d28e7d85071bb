/* Wrapped keys from one HSM to another. */
#include "hsm/transport.h"

#include "hsm/cache.h"

#include <stdlib.h>
#include <string.h>

#ifndef CKM_AES_KEY_WRAP_KWP
#define CKM_AES_KEY_WRAP_KWP 0x210bUL /* PKCS#11 3.0 */
#endif

#define WRAPPED_ROOM (64u << 10)

/** struct end: one of the two HSMs. AES is the transport key in it, PADDING the number by which it knows RFC 5649. */
struct end {
	struct sr_hsm *hsm;
	struct sr_hsm_nest *nest;
	struct sr_hsm_key *aes;
	CK_MECHANISM_TYPE padding;
};

struct sr_transport {
	struct end from, to;
};

/* -- the two ends ------------------------------------------------------------------------------------------------ */

static CK_RV open_end(struct sr_hsm *hsm, struct end *end, struct sr_error *err)
{
	CK_MECHANISM_INFO info;
	end->hsm = hsm;
	end->padding = sr_hsm_mechanism(hsm, CKM_AES_KEY_WRAP_PAD, &info) ? CKM_AES_KEY_WRAP_PAD : CKM_AES_KEY_WRAP_KWP;
	return sr_hsm_nest_open(hsm, &end->nest, err);
}

static void close_end(struct end *end)
{
	sr_hsm_key_unref(end->aes);
	sr_hsm_nest_close(end->nest);
}

static struct sr_hsm_place in_nest(const struct end *end)
{
	return (struct sr_hsm_place){ .custody = SR_HSM_NEST, .nest = end->nest };
}

/* The reference of what was made; the rest of it goes. */
static struct sr_hsm_key *take_key(struct sr_hsm_made *made)
{
	struct sr_hsm_key *key = sr_hsm_key_ref(made->key);
	sr_hsm_made_clear(made);
	return key;
}

/* -- the transport key ------------------------------------------------------------------------------------------- */

/** struct pair: the RSA pair of the HSM that keys go to; the public half in the other one. */
struct pair {
	struct sr_hsm_key *private, *public;
};

static void put_component(struct sr_attrs *to, const struct sr_attrs *from, CK_ATTRIBUTE_TYPE type)
{
	const struct sr_attr *attr = sr_attrs_find(from, type);
	if (attr)
		sr_attrs_put(to, type, attr->value, attr->len);
}

static CK_RV give_public(const struct end *from, const struct sr_attrs *parts, struct pair *pair, struct sr_error *err)
{
	struct sr_hsm_place place = in_nest(from);
	struct sr_attrs template = SR_ATTRS_INIT;
	struct sr_hsm_made made;
	sr_attrs_put_ulong(&template, CKA_CLASS, CKO_PUBLIC_KEY);
	sr_attrs_put_ulong(&template, CKA_KEY_TYPE, CKK_RSA);
	sr_attrs_put_bool(&template, CKA_WRAP, true);
	put_component(&template, parts, CKA_MODULUS);
	put_component(&template, parts, CKA_PUBLIC_EXPONENT);
	CK_RV rv = template.failed ? sr_fail(err, CKR_HOST_MEMORY, SR_REASON_MEMORY, "no memory to move keys")
				   : sr_hsm_import(from->hsm, &place, &template, &made, err);
	if (rv == CKR_OK)
		pair->public = take_key(&made);
	sr_attrs_clear(&template);
	return rv;
}

static CK_RV make_pair(const struct end *from, const struct end *to, struct pair *pair, struct sr_error *err)
{
	static const uint8_t exponent[] = { 1, 0, 1 };
	const CK_MECHANISM generate = { CKM_RSA_PKCS_KEY_PAIR_GEN, NULL, 0 };
	struct sr_hsm_place place = in_nest(to);
	struct sr_attrs public = SR_ATTRS_INIT, private = SR_ATTRS_INIT;
	struct sr_hsm_made public_made, private_made;
	sr_attrs_put_ulong(&public, CKA_MODULUS_BITS, SR_TRANSPORT_RSA_BITS);
	sr_attrs_put(&public, CKA_PUBLIC_EXPONENT, exponent, sizeof(exponent));
	sr_attrs_put_bool(&public, CKA_WRAP, true);
	sr_attrs_put_bool(&private, CKA_UNWRAP, true);
	CK_RV rv =
		sr_hsm_generate_pair(to->hsm, &place, &generate, &public, &private, &public_made, &private_made, err);
	if (rv == CKR_OK) {
		pair->private = take_key(&private_made);
		rv = give_public(from, &public_made.attrs, pair, err);
		sr_hsm_made_clear(&public_made);
	}
	sr_attrs_clear(&public);
	sr_attrs_clear(&private);
	return rv;
}

static CK_RV make_aes(struct end *from, struct sr_error *err)
{
	const CK_MECHANISM generate = { CKM_AES_KEY_GEN, NULL, 0 };
	struct sr_hsm_place place = in_nest(from);
	struct sr_attrs template = SR_ATTRS_INIT;
	struct sr_hsm_made made;
	sr_attrs_put_ulong(&template, CKA_KEY_TYPE, CKK_AES);
	sr_attrs_put_ulong(&template, CKA_VALUE_LEN, SR_TRANSPORT_AES_BYTES);
	sr_attrs_put_bool(&template, CKA_WRAP, true);
	sr_attrs_put_bool(&template, CKA_EXTRACTABLE, true);
	CK_RV rv = sr_hsm_generate(from->hsm, &place, &generate, &template, &made, err);
	if (rv == CKR_OK)
		from->aes = take_key(&made);
	sr_attrs_clear(&template);
	return rv;
}

static CK_RV send_aes(const struct end *from, struct end *to, const struct pair *pair, CK_MECHANISM_TYPE hash,
	CK_RSA_PKCS_MGF_TYPE mask, struct sr_error *err)
{
	CK_RSA_PKCS_OAEP_PARAMS params = { hash, mask, CKZ_DATA_SPECIFIED, NULL, 0 };
	const CK_MECHANISM oaep = { CKM_RSA_PKCS_OAEP, &params, sizeof(params) };
	struct sr_hsm_place place = in_nest(to);
	struct sr_attrs template = SR_ATTRS_INIT;
	struct sr_buf wrapped = SR_BUF_INIT;
	struct sr_hsm_made made;
	sr_attrs_put_ulong(&template, CKA_CLASS, CKO_SECRET_KEY);
	sr_attrs_put_ulong(&template, CKA_KEY_TYPE, CKK_AES);
	sr_attrs_put_bool(&template, CKA_UNWRAP, true);
	CK_RV rv = sr_hsm_wrap_key(from->hsm, &oaep, pair->public, from->aes, &wrapped, err);
	if (rv == CKR_OK)
		rv = sr_hsm_unwrap_key(
			to->hsm, &place, &oaep, pair->private, wrapped.data, wrapped.len, &template, &made, err);
	if (rv == CKR_OK)
		to->aes = take_key(&made);
	sr_attrs_clear(&template);
	sr_buf_clear(&wrapped);
	return rv;
}

/* SoftHSM2 2.6.1 knows OAEP with SHA-1 alone. */
static CK_RV share_aes(struct sr_transport *transport, struct sr_error *err)
{
	struct pair pair = { NULL, NULL };
	CK_RV rv = make_pair(&transport->from, &transport->to, &pair, err);
	if (rv == CKR_OK)
		rv = make_aes(&transport->from, err);
	if (rv == CKR_OK) {
		struct sr_error ignored = SR_ERROR_INIT;
		rv = send_aes(&transport->from, &transport->to, &pair, CKM_SHA256, CKG_MGF1_SHA256, &ignored);
		if (rv != CKR_OK)
			rv = send_aes(&transport->from, &transport->to, &pair, CKM_SHA_1, CKG_MGF1_SHA1, err);
	}
	sr_hsm_key_unref(pair.private);
	sr_hsm_key_unref(pair.public);
	return rv;
}

CK_RV sr_transport_open(struct sr_hsm *from, struct sr_hsm *to, struct sr_transport **transport, struct sr_error *err)
{
	struct sr_error why = SR_ERROR_INIT;
	struct sr_transport *made = calloc(1, sizeof(*made));
	*transport = NULL;
	if (!made)
		return sr_fail(err, CKR_HOST_MEMORY, SR_REASON_MEMORY, "no memory to move keys");
	CK_RV rv = open_end(from, &made->from, &why);
	if (rv == CKR_OK)
		rv = open_end(to, &made->to, &why);
	if (rv == CKR_OK)
		rv = share_aes(made, &why);
	if (rv == CKR_OK) {
		*transport = made;
		return CKR_OK;
	}
	sr_transport_close(made);
	if (why.rv == CKR_DEVICE_REMOVED || why.rv == CKR_HOST_MEMORY)
		return sr_fail(err, why.rv, why.reason, "%s", why.text);
	return sr_fail(err, CKR_DEVICE_ERROR, SR_REASON_HSM_FAILED,
		"wrapped keys cannot go from one HSM to the other: %.180s", why.text);
}

void sr_transport_close(struct sr_transport *transport)
{
	if (!transport)
		return;
	close_end(&transport->from);
	close_end(&transport->to);
	free(transport);
}

/* -- a key ------------------------------------------------------------------------------------------------------- */

static void key_template(CK_OBJECT_CLASS object_class, CK_KEY_TYPE type, struct sr_attrs *template)
{
	sr_attrs_put_ulong(template, CKA_CLASS, object_class);
	sr_attrs_put_ulong(template, CKA_KEY_TYPE, type);
	sr_attrs_put_bool(template, CKA_EXTRACTABLE, true);
}

/** struct leaving: BLOB's key on its way out of FROM. OUT: under the transport key. WHY: what is final. */
struct leaving {
	const struct end *from;
	CK_OBJECT_CLASS object_class;
	const struct sr_attrs *template;
	const struct sr_buf *blob;
	struct sr_buf *out;
	struct sr_error why;
};

static CK_RV wrap_object(
	const struct sr_hsm_turn *turn, const struct leaving *leaving, CK_OBJECT_HANDLE aes, CK_OBJECT_HANDLE object)
{
	CK_MECHANISM wrap = { leaving->from->padding, NULL, 0 };
	CK_ULONG len = WRAPPED_ROOM;
	uint8_t *out = sr_buf_reserve(leaving->out, WRAPPED_ROOM);
	if (!out)
		return CKR_HOST_MEMORY;
	CK_RV rv = turn->module->C_WrapKey(turn->session, &wrap, aes, object, out, &len);
	if (rv == CKR_OK)
		leaving->out->len += len;
	return rv;
}

/* It is extractable for as long as this takes, and nobody else has its handle. */
static CK_RV leave_work(const struct sr_hsm_turn *turn, void *job)
{
	struct leaving *leaving = job;
	struct sr_template template;
	CK_OBJECT_HANDLE object;
	struct sr_held held;
	sr_error_clear(&leaving->why);
	CK_RV rv = sr_cache_hold(leaving->from->hsm, turn, leaving->from->aes, SR_HOLD_USE, &held, &leaving->why);
	if (rv != CKR_OK)
		return leaving->why.rv == CKR_OK ? rv : CKR_FUNCTION_FAILED;
	sr_template_fill(&template, leaving->template, leaving->object_class, SR_FOR_REWRAPPED);
	sr_template_place(&template, NULL, NULL);
	rv = sr_unwrap_with_vault(turn, turn->session, leaving->blob, &template, &object);
	if (rv == CKR_OK) {
		rv = wrap_object(turn, leaving, held.handle, object);
		(void)turn->module->C_DestroyObject(turn->session, object);
	}
	sr_cache_release(leaving->from->hsm, &held);
	return rv;
}

static CK_RV wrap_out(const struct end *from, CK_OBJECT_CLASS object_class, const struct sr_attrs *template,
	const struct sr_buf *blob, struct sr_buf *out, struct sr_error *err)
{
	struct leaving leaving = {
		.from = from, .object_class = object_class, .template = template, .blob = blob, .out = out
	};
	struct sr_error lost = SR_ERROR_INIT;
	if (blob->len == 0)
		return sr_fail(err, CKR_WRAPPED_KEY_INVALID, SR_REASON_SEAL_BROKEN, "there is no wrapped key");
	CK_RV rv = sr_hsm_try(from->hsm, leave_work, &leaving, &lost);
	if (rv == CKR_OK)
		return CKR_OK;
	const struct sr_error *why = lost.rv != CKR_OK ? &lost : &leaving.why;
	if (why->rv != CKR_OK)
		return sr_fail(err, why->rv, why->reason, "%s", why->text);
	return sr_code_fail(err, SR_CODE_UNWRAP, rv, "take a wrapped key out");
}

/** struct wrapping: an object that the vault's newest wrap key is to wrap, and what it is recognised by. */
struct wrapping {
	CK_OBJECT_HANDLE object;
	struct sr_buf *blob, *material;
};

static CK_RV wrap_work(const struct sr_hsm_turn *turn, void *job)
{
	const struct wrapping *wrapping = job;
	struct sr_buf bare = SR_BUF_INIT;
	sr_buf_clear(wrapping->blob);
	sr_buf_clear(wrapping->material);
	CK_RV rv = sr_wrap_with_vault(turn, turn->keys.generation, wrapping->object, &bare);
	if (rv == CKR_OK)
		sr_wrapped_tag(turn->keys.generation, &bare, wrapping->blob);
	if (rv == CKR_OK)
		rv = sr_wrap_material(turn, wrapping->object, &bare, wrapping->material);
	sr_buf_clear(&bare);
	return rv == CKR_OK && (wrapping->blob->failed || wrapping->material->failed) ? CKR_HOST_MEMORY : rv;
}

static CK_RV wrap_in(const struct end *to, const struct sr_attrs *template, const struct sr_buf *wrapped,
	struct sr_buf *blob, struct sr_buf *material, struct sr_error *err)
{
	const CK_MECHANISM unwrap = { to->padding, NULL, 0 };
	struct sr_hsm_place place = in_nest(to);
	struct sr_hsm_made made;
	CK_RV rv =
		sr_hsm_unwrap_key(to->hsm, &place, &unwrap, to->aes, wrapped->data, wrapped->len, template, &made, err);
	if (rv != CKR_OK)
		return rv;
	struct wrapping wrapping = { made.key->handle, blob, material };
	struct sr_error ignored = SR_ERROR_INIT;
	rv = sr_hsm_run(to->hsm, "wrap a key that has come", wrap_work, &wrapping, err);
	(void)sr_hsm_key_destroy(to->hsm, made.key, &ignored);
	sr_hsm_made_clear(&made);
	return rv;
}

CK_RV sr_transport_move(struct sr_transport *transport, CK_OBJECT_CLASS object_class, CK_KEY_TYPE type,
	const struct sr_buf *blob, struct sr_buf *moved, struct sr_buf *material, struct sr_error *err)
{
	struct sr_attrs template = SR_ATTRS_INIT;
	struct sr_buf wrapped = SR_BUF_INIT;
	key_template(object_class, type, &template);
	CK_RV rv = template.failed ? sr_fail(err, CKR_HOST_MEMORY, SR_REASON_MEMORY, "no memory to move a key")
				   : wrap_out(&transport->from, object_class, &template, blob, &wrapped, err);
	if (rv == CKR_OK)
		rv = wrap_in(&transport->to, &template, &wrapped, moved, material, err);
	sr_buf_clear(&wrapped);
	sr_attrs_clear(&template);
	return rv;
}
