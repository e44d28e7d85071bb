/* Users' keys in the HSM: where they live, how they get there, what may be read and changed, and the cache of their
 * handles. */
#define _GNU_SOURCE 1

#include "tests/unit/hsm_rig.h"
#include "hsm/generations.h"
#include "tests/unit/suites.h"
#include "util/crypto.h"

#include <p11-kit/p11-kit.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define UID "abcdefghijklmnopqrstuvwxyz"
#define GENERATIONS 12u

static struct sr_attrs secret_template(CK_KEY_TYPE type, bool extractable)
{
	struct sr_attrs attrs = SR_ATTRS_INIT, none = SR_ATTRS_INIT;
	rig_template(type == CKK_AES ? KIND_AES : KIND_SECRET, extractable, &attrs, &none);
	return attrs;
}

static CK_RV import(const struct sr_hsm_place *place, CK_KEY_TYPE type, const char *value, size_t len, bool extractable,
	struct sr_hsm_made *made)
{
	struct sr_attrs template = secret_template(type, extractable);
	sr_attrs_put(&template, CKA_VALUE, value, len);
	CK_RV rv = sr_hsm_import(rig_hsm, place, &template, made, &rig_err);
	sr_attrs_clear(&template);
	return rv;
}

/* HMAC of a constant: tells one secret from another. */
static void fingerprint(struct sr_hsm_key *key, uint8_t out[64])
{
	CK_MECHANISM hmac = { CKM_SHA512_HMAC, NULL, 0 };
	struct sr_buf mac = SR_BUF_INIT;
	assert_ok(rig_operate(SR_HSM_SIGN, key, &hmac, "x", 1, &mac));
	ck_assert_uint_eq(mac.len, 64);
	memcpy(out, mac.data, 64);
	sr_buf_clear(&mac);
}

/* -- custodies ------------------------------------------------------------------------------------------------- */

/* _i: each kind in each custody, material asked for or not */
START_TEST(each_kind_in_each_custody)
{
	int kind = _i / 6;
	struct sr_hsm_place place = rig_of((enum sr_hsm_custody)(_i / 2 % 3), UID);
	struct rig_raw raw = rig_raw_open();
	struct rig_key key;
	rig_look_away(kind >= KIND_ED25519);
	place.with_material = _i % 2;
	CK_RV rv = rig_make(kind, &place, false, &key);
	if (place.custody == SR_HSM_WRAPPED && !rig_kinds[kind].wrappable) {
		ck_assert_uint_eq(rv, CKR_TEMPLATE_INCONSISTENT);
		ck_assert_uint_eq(rig_err.reason, SR_REASON_CUSTODY);
		ck_assert_msg(strstr(rig_err.text, "--custody resident") && strstr(rig_err.text, "Ed25519"), "%s",
			rig_err.text);
		ck_assert_ptr_null(key.private.key);
		ck_assert_ptr_null(key.public.key);
		ck_assert_uint_eq(rig_count(&raw, true) + rig_count(&raw, false), 0);
		rig_raw_close(&raw);
		return;
	}
	ck_assert_msg(rv == CKR_OK, "%s: %s", rig_kinds[kind].name, rig_err.text);
	ck_assert_uint_eq(rig_count(&raw, true), place.custody == SR_HSM_RESIDENT ? 1 : 0);
	ck_assert_uint_eq(key.private.blob.len > 0, place.custody == SR_HSM_WRAPPED);
	ck_assert_uint_eq(key.private.material.len, place.with_material && rig_kinds[kind].wrappable ? 32 : 0);
	rig_assert_works(kind, &key);
	rig_assert_works(kind, &key); /* from the cache, as a copy in the end */
	rig_assert_works(kind, &key);
	rig_key_clear(&key);
	rig_raw_close(&raw);
}
END_TEST

START_TEST(made_keys_tell_their_parts)
{
	struct sr_hsm_place nest = rig_of(SR_HSM_NEST, NULL), wrapped = rig_of(SR_HSM_WRAPPED, UID);
	struct rig_key key;
	assert_ok(rig_make(KIND_RSA, &wrapped, false, &key));
	ck_assert_uint_eq(sr_attrs_find(&key.public.attrs, CKA_MODULUS)->len, 256);
	ck_assert_uint_eq(sr_attrs_find(&key.public.attrs, CKA_PUBLIC_EXPONENT)->len, 3);
	ck_assert_mem_eq(sr_attrs_find(&key.private.attrs, CKA_MODULUS)->value,
		sr_attrs_find(&key.public.attrs, CKA_MODULUS)->value, 256);
	rig_key_clear(&key);
	assert_ok(rig_make(KIND_P256, &nest, false, &key));
	ck_assert_uint_eq(sr_attrs_find(&key.public.attrs, CKA_EC_POINT)->len, 67);
	ck_assert_uint_eq(sr_attrs_ulong(&key.private.attrs, CKA_KEY_TYPE, 99), CKK_EC);
	ck_assert_uint_eq(sr_attrs_find(&key.private.attrs, CKA_EC_PARAMS)->len, 10);
	rig_key_clear(&key);
	assert_ok(rig_make(KIND_AES, &nest, false, &key));
	ck_assert_uint_eq(sr_attrs_ulong(&key.private.attrs, CKA_VALUE_LEN, 0), 32);
	rig_key_clear(&key);
}
END_TEST

/* What is in the HSM is what the vault said, and nothing of its own. */
START_TEST(resident_object_has_exactly_its_attributes)
{
	struct sr_hsm_place place = rig_of(SR_HSM_RESIDENT, UID);
	struct sr_attrs template = SR_ATTRS_INIT;
	struct sr_hsm_made made;
	CK_MECHANISM generate = { CKM_AES_KEY_GEN, NULL, 0 };
	struct rig_raw raw = rig_raw_open();
	sr_attrs_put_ulong(&template, CKA_KEY_TYPE, CKK_AES);
	sr_attrs_put_ulong(&template, CKA_VALUE_LEN, 16);
	sr_attrs_put_bool(&template, CKA_ENCRYPT, true);
	assert_ok(sr_hsm_generate(rig_hsm, &place, &generate, &template, &made, &rig_err));
	CK_OBJECT_HANDLE object = rig_find(&raw, UID);
	ck_assert_uint_ne(object, 0);
	static const struct {
		CK_ATTRIBUTE_TYPE type;
		bool value;
	} wanted[] = { { CKA_TOKEN, true }, { CKA_PRIVATE, true }, { CKA_SENSITIVE, true }, { CKA_EXTRACTABLE, false },
		{ CKA_NEVER_EXTRACTABLE, true }, { CKA_LOCAL, true }, { CKA_ENCRYPT, true }, { CKA_DECRYPT, false },
		{ CKA_SIGN, false }, { CKA_VERIFY, false }, { CKA_WRAP, false }, { CKA_UNWRAP, false },
		{ CKA_DERIVE, false } };
	for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++)
		ck_assert_msg(rig_flag(&raw, object, wanted[i].type) == wanted[i].value, "%lx", wanted[i].type);
	CK_MECHANISM cmac = { CKM_AES_CMAC, NULL, 0 };
	struct sr_buf out = SR_BUF_INIT;
	assert_refused(rig_operate(SR_HSM_SIGN, made.key, &cmac, "x", 1, &out), CKR_KEY_FUNCTION_NOT_PERMITTED,
		SR_REASON_RIGHTS);
	sr_hsm_made_clear(&made);
	sr_attrs_clear(&template);
	rig_raw_close(&raw);
}
END_TEST

START_TEST(material_is_closed_again)
{
	struct sr_hsm_place place = rig_of(SR_HSM_RESIDENT, UID);
	struct rig_raw raw = rig_raw_open();
	struct rig_key key;
	place.with_material = true;
	assert_ok(rig_make(KIND_P256, &place, false, &key));
	ck_assert(!rig_flag(&raw, rig_find(&raw, UID), CKA_EXTRACTABLE));
	struct sr_buf wrapped = SR_BUF_INIT;
	CK_MECHANISM kwp = { CKM_AES_KEY_WRAP_PAD, NULL, 0 };
	struct sr_hsm_place nest = rig_of(SR_HSM_NEST, NULL);
	struct rig_key wrapping;
	assert_ok(rig_make(KIND_AES, &nest, false, &wrapping));
	assert_refused(sr_hsm_wrap_key(rig_hsm, &kwp, wrapping.private.key, key.private.key, &wrapped, &rig_err),
		CKR_KEY_UNEXTRACTABLE, SR_REASON_UNEXTRACTABLE);
	ck_assert_uint_eq(wrapped.len, 0);
	rig_key_clear(&key);
	rig_key_clear(&wrapping);
	sr_buf_clear(&wrapped);
	rig_raw_close(&raw);
}
END_TEST

START_TEST(material_recognises_the_same_key)
{
	static const char value[] = "0123456789abcdef0123456789abcdef";
	struct sr_hsm_place places[] = { rig_of(SR_HSM_NEST, NULL), rig_of(SR_HSM_WRAPPED, UID),
		rig_of(SR_HSM_RESIDENT, "another") };
	struct sr_hsm_made made[3], other;
	for (int i = 0; i < 3; i++) {
		places[i].with_material = true;
		assert_ok(import(&places[i], CKK_AES, value, 32, i == 0, &made[i]));
		ck_assert_uint_eq(made[i].material.len, 32);
		ck_assert_mem_eq(made[i].material.data, made[0].material.data, 32);
	}
	assert_ok(import(&places[0], CKK_AES, value + 1, 16, false, &other));
	ck_assert_mem_ne(other.material.data, made[0].material.data, 32);
	uint8_t digest[32];
	ck_assert(sr_sha256(made[1].blob.data, made[1].blob.len, digest));
	ck_assert_mem_eq(digest, made[1].material.data, 32);
	for (int i = 0; i < 3; i++)
		sr_hsm_made_clear(&made[i]);
	sr_hsm_made_clear(&other);
	sr_crypto_free();
}
END_TEST

/* SoftHSM2 would give back 24 bytes for 20. */
START_TEST(wrapped_key_has_whole_blocks)
{
	static const char value[] = "01234567890123456789";
	struct sr_hsm_place place = rig_of(SR_HSM_WRAPPED, UID);
	struct sr_hsm_made made;
	struct rig_raw raw = rig_raw_open();
	assert_refused(import(&place, CKK_GENERIC_SECRET, value, 20, false, &made), CKR_TEMPLATE_INCONSISTENT,
		SR_REASON_CUSTODY);
	ck_assert_ptr_nonnull(strstr(rig_err.text, "multiple of 8"));
	ck_assert_uint_eq(rig_count(&raw, false), 0);
	place.custody = SR_HSM_RESIDENT;
	assert_ok(import(&place, CKK_GENERIC_SECRET, value, 20, true, &made));
	ck_assert_uint_eq(sr_attrs_ulong(&made.attrs, CKA_VALUE_LEN, 0), 20);
	sr_hsm_made_clear(&made);
	rig_raw_close(&raw);
}
END_TEST

START_TEST(refusals_leave_nothing)
{
	struct sr_hsm_place place = rig_of(SR_HSM_RESIDENT, UID);
	struct sr_attrs template = secret_template(CKK_AES, false);
	struct sr_hsm_made made, public;
	CK_MECHANISM generate = { CKM_AES_KEY_GEN, NULL, 0 };
	struct rig_raw raw = rig_raw_open();
	sr_attrs_put_ulong(&template, CKA_VALUE_LEN, 17);
	assert_refused(sr_hsm_generate(rig_hsm, &place, &generate, &template, &made, &rig_err),
		CKR_ATTRIBUTE_VALUE_INVALID, SR_REASON_BAD_TEMPLATE);
	sr_attrs_put_ulong(&template, CKA_VALUE_LEN, 1u << 31);
	assert_refused(sr_hsm_generate(rig_hsm, &place, &generate, &template, &made, &rig_err),
		CKR_ATTRIBUTE_VALUE_INVALID, SR_REASON_TOO_LARGE);
	generate.mechanism = CKM_SHA256;
	sr_attrs_put_ulong(&template, CKA_VALUE_LEN, 32);
	assert_refused(sr_hsm_generate(rig_hsm, &place, &generate, &template, &made, &rig_err), CKR_MECHANISM_INVALID,
		SR_REASON_MECHANISM);
	sr_attrs_clear(&template);
	struct sr_attrs private = SR_ATTRS_INIT, open = SR_ATTRS_INIT;
	rig_template(KIND_P256, false, &private, &open);
	sr_attrs_put(&open, CKA_EC_PARAMS, "\x06\x03\x2b\x81\x04", 5);
	generate.mechanism = CKM_EC_KEY_PAIR_GEN;
	assert_refused(sr_hsm_generate_pair(rig_hsm, &place, &generate, &open, &private, &public, &made, &rig_err),
		CKR_CURVE_NOT_SUPPORTED, SR_REASON_BAD_TEMPLATE);
	place.uid = "";
	sr_attrs_put(&open, CKA_EC_PARAMS, "\x06\x05\x2b\x81\x04\x00\x22", 7);
	assert_refused(sr_hsm_generate_pair(rig_hsm, &place, &generate, &open, &private, &public, &made, &rig_err),
		CKR_DEVICE_ERROR, SR_REASON_INTERNAL);
	sr_attrs_clear(&private);
	sr_attrs_clear(&open);
	ck_assert_uint_eq(rig_count(&raw, true), 0);
	ck_assert_uint_eq(rig_count(&raw, false), 0);
	rig_raw_close(&raw);
}
END_TEST

/* -- import, unwrap, derive, copy ------------------------------------------------------------------------------ */

START_TEST(imported_key_is_the_key)
{
	static const char value[] = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
	struct sr_hsm_place nest = rig_of(SR_HSM_NEST, NULL);
	struct sr_hsm_place wrapped = rig_of(SR_HSM_WRAPPED, UID), resident = rig_of(SR_HSM_RESIDENT, "r");
	struct sr_hsm_made a, b, c;
	uint8_t of_a[64], of_b[64], of_c[64];
	assert_ok(import(&nest, CKK_GENERIC_SECRET, value, 64, true, &a));
	assert_ok(import(&wrapped, CKK_GENERIC_SECRET, value, 64, false, &b));
	assert_ok(import(&resident, CKK_GENERIC_SECRET, value, 64, false, &c));
	fingerprint(a.key, of_a);
	fingerprint(b.key, of_b);
	fingerprint(c.key, of_c);
	ck_assert_mem_eq(of_a, of_b, 64);
	ck_assert_mem_eq(of_a, of_c, 64);
	struct sr_buf read = SR_BUF_INIT;
	assert_ok(sr_hsm_key_read(rig_hsm, a.key, CKA_VALUE, &read, &rig_err));
	ck_assert_uint_eq(read.len, 64);
	ck_assert_mem_eq(read.data, value, 64);
	sr_buf_clear(&read);
	assert_refused(sr_hsm_key_read(rig_hsm, b.key, CKA_VALUE, &read, &rig_err), CKR_ATTRIBUTE_SENSITIVE,
		SR_REASON_UNEXTRACTABLE);
	assert_refused(sr_hsm_key_read(rig_hsm, c.key, CKA_VALUE, &read, &rig_err), CKR_ATTRIBUTE_SENSITIVE,
		SR_REASON_UNEXTRACTABLE);
	assert_refused(sr_hsm_key_read(rig_hsm, a.key, CKA_MODULUS, &read, &rig_err), CKR_ATTRIBUTE_TYPE_INVALID,
		SR_REASON_BAD_TEMPLATE);
	sr_buf_clear(&read);
	sr_hsm_made_clear(&a);
	sr_hsm_made_clear(&b);
	sr_hsm_made_clear(&c);
}
END_TEST

static CK_RV unwrap(const struct sr_hsm_place *place, struct sr_hsm_key *by, const struct sr_buf *wrapped,
	const struct sr_attrs *template, struct sr_hsm_made *made)
{
	CK_MECHANISM kwp = { CKM_AES_KEY_WRAP_PAD, NULL, 0 };
	return sr_hsm_unwrap_key(rig_hsm, place, &kwp, by, wrapped->data, wrapped->len, template, made, &rig_err);
}

/* _i: into each custody */
START_TEST(wrapped_out_and_in_again)
{
	struct sr_hsm_place nest = rig_of(SR_HSM_NEST, NULL);
	struct sr_hsm_place place = rig_of((enum sr_hsm_custody)_i, UID);
	struct rig_key wrapping, key;
	struct sr_hsm_made made;
	struct sr_attrs template = secret_template(CKK_AES, false);
	struct sr_buf wrapped = SR_BUF_INIT;
	CK_MECHANISM kwp = { CKM_AES_KEY_WRAP_PAD, NULL, 0 };
	assert_ok(rig_make(KIND_AES, &nest, false, &wrapping));
	assert_ok(rig_make(KIND_AES, &nest, true, &key));
	assert_ok(sr_hsm_wrap_key(rig_hsm, &kwp, wrapping.private.key, key.private.key, &wrapped, &rig_err));
	ck_assert_uint_eq(wrapped.len, 40);
	/* a key that is unwrapped has no CKA_VALUE_LEN in its template (note 6 of the standard's table) */
	struct sr_attrs given = SR_ATTRS_INIT;
	for (size_t i = 0; i < template.count; i++)
		if (template.items[i].type != CKA_VALUE_LEN)
			sr_attrs_put(&given, template.items[i].type, template.items[i].value, template.items[i].len);
	place.with_material = true;
	assert_ok(unwrap(&place, wrapping.private.key, &wrapped, &given, &made));
	ck_assert_uint_eq(sr_attrs_ulong(&made.attrs, CKA_VALUE_LEN, 0), 32);
	CK_MECHANISM cmac = { CKM_AES_CMAC, NULL, 0 };
	struct sr_buf one = SR_BUF_INIT, other = SR_BUF_INIT;
	assert_ok(rig_operate(SR_HSM_SIGN, key.private.key, &cmac, "x", 1, &one));
	assert_ok(rig_operate(SR_HSM_SIGN, made.key, &cmac, "x", 1, &other));
	ck_assert_mem_eq(one.data, other.data, 16);
	sr_hsm_made_clear(&made);
	assert_ok(sr_hsm_key_destroy(rig_hsm, key.private.key, &rig_err));
	/* refusals */
	struct rig_raw raw = rig_raw_open();
	size_t before = rig_count(&raw, true) + rig_count(&raw, false);
	if (place.custody == SR_HSM_RESIDENT)
		place.uid = "second";
	assert_refused(unwrap(&place, key.private.key, &wrapped, &given, &made), CKR_UNWRAPPING_KEY_HANDLE_INVALID,
		SR_REASON_NOT_FOUND);
	wrapped.data[5] ^= 1;
	assert_refused(
		unwrap(&place, wrapping.private.key, &wrapped, &given, &made), CKR_WRAPPED_KEY_INVALID, SR_REASON_NONE);
	wrapped.len--;
	assert_refused(unwrap(&place, wrapping.private.key, &wrapped, &given, &made), CKR_WRAPPED_KEY_LEN_RANGE,
		SR_REASON_NONE);
	ck_assert_uint_eq(rig_count(&raw, true) + rig_count(&raw, false), before);
	rig_raw_close(&raw);
	sr_buf_clear(&one);
	sr_buf_clear(&other);
	sr_buf_clear(&wrapped);
	sr_attrs_clear(&template);
	sr_attrs_clear(&given);
	rig_key_clear(&key);
	rig_key_clear(&wrapping);
}
END_TEST

static CK_RV derive(const struct sr_hsm_place *place, struct sr_hsm_key *base, const struct sr_attrs *peer,
	CK_ULONG len, struct sr_hsm_made *made)
{
	const struct sr_attr *point = sr_attrs_find(peer, CKA_EC_POINT);
	CK_ECDH1_DERIVE_PARAMS params = { CKD_NULL, 0, NULL, point->len, point->value };
	CK_MECHANISM ecdh = { CKM_ECDH1_DERIVE, &params, sizeof(params) };
	struct sr_attrs template = secret_template(CKK_GENERIC_SECRET, false);
	sr_attrs_put_ulong(&template, CKA_VALUE_LEN, len);
	CK_RV rv = sr_hsm_derive(rig_hsm, place, &ecdh, base, &template, made, &rig_err);
	sr_attrs_clear(&template);
	return rv;
}

/* _i: the curves */
START_TEST(both_sides_derive_the_same)
{
	static const int kinds[] = { KIND_P256, KIND_P384, KIND_P521, KIND_X25519 };
	struct sr_hsm_place resident = rig_of(SR_HSM_RESIDENT, UID), nest = rig_of(SR_HSM_NEST, NULL);
	struct sr_hsm_place wrapped = rig_of(SR_HSM_WRAPPED, "w");
	struct rig_key one, other;
	struct sr_hsm_made a, b, none;
	CK_MECHANISM hmac = { CKM_SHA256_HMAC, NULL, 0 };
	struct sr_buf of_a = SR_BUF_INIT, of_b = SR_BUF_INIT;
	rig_look_away(kinds[_i] == KIND_X25519);
	assert_ok(rig_make(kinds[_i], &resident, false, &one));
	assert_ok(rig_make(kinds[_i], &nest, false, &other));
	nest.with_material = wrapped.with_material = true;
	assert_ok(derive(&nest, one.private.key, &other.public.attrs, 32, &a));
	assert_ok(derive(&wrapped, other.private.key, &one.public.attrs, 32, &b));
	ck_assert_mem_eq(a.material.data, b.material.data, 32);
	assert_ok(rig_operate(SR_HSM_SIGN, a.key, &hmac, "x", 1, &of_a));
	assert_ok(rig_operate(SR_HSM_SIGN, b.key, &hmac, "x", 1, &of_b));
	ck_assert_mem_eq(of_a.data, of_b.data, 32);
	assert_refused(derive(&nest, one.private.key, &other.public.attrs, 200, &none), CKR_ATTRIBUTE_VALUE_INVALID,
		SR_REASON_BAD_TEMPLATE);
	struct sr_attr *point = (struct sr_attr *)sr_attrs_find(&other.public.attrs, CKA_EC_POINT);
	point->len -= 3;
	assert_refused(derive(&nest, one.private.key, &other.public.attrs, 32, &none), CKR_MECHANISM_PARAM_INVALID,
		SR_REASON_MECHANISM);
	sr_buf_clear(&of_a);
	sr_buf_clear(&of_b);
	sr_hsm_made_clear(&a);
	sr_hsm_made_clear(&b);
	rig_key_clear(&one);
	rig_key_clear(&other);
}
END_TEST

/* _i: from each custody to each */
START_TEST(copies_are_the_key)
{
	struct sr_hsm_place from = rig_of((enum sr_hsm_custody)(_i / 3), UID);
	struct sr_hsm_place to = rig_of((enum sr_hsm_custody)(_i % 3), "copy");
	struct rig_key key;
	struct sr_hsm_made made;
	struct sr_attrs template = secret_template(CKK_GENERIC_SECRET, false);
	uint8_t one[64], other[64];
	assert_ok(rig_make(KIND_SECRET, &from, true, &key));
	to.with_material = true;
	assert_ok(sr_hsm_copy_key(rig_hsm, &to, key.private.key, &template, &made, &rig_err));
	ck_assert_uint_eq(made.material.len, 32);
	ck_assert_uint_eq(made.blob.len > 0, to.custody == SR_HSM_WRAPPED);
	fingerprint(key.private.key, one);
	fingerprint(made.key, other);
	ck_assert_mem_eq(one, other, 64);
	struct sr_buf value = SR_BUF_INIT;
	assert_refused(sr_hsm_key_read(rig_hsm, made.key, CKA_VALUE, &value, &rig_err), CKR_ATTRIBUTE_SENSITIVE,
		SR_REASON_UNEXTRACTABLE);
	sr_buf_clear(&value);
	sr_hsm_made_clear(&made);
	rig_key_clear(&key);
	sr_attrs_clear(&template);
}
END_TEST

/* A key that does not leave the HSM is copied within it, but not to a wrapped one; its copy has fewer rights. */
START_TEST(unextractable_key_is_copied_inside)
{
	struct sr_hsm_place from = rig_of(SR_HSM_RESIDENT, UID), to = rig_of(SR_HSM_NEST, NULL);
	struct rig_key key;
	struct sr_hsm_made made;
	struct sr_attrs template = secret_template(CKK_AES, false);
	CK_MECHANISM ecb = { CKM_AES_ECB, NULL, 0 }, cmac = { CKM_AES_CMAC, NULL, 0 };
	struct sr_buf out = SR_BUF_INIT;
	struct rig_raw raw = rig_raw_open();
	assert_ok(rig_make(KIND_AES, &from, false, &key));
	sr_attrs_put_bool(&template, CKA_SIGN, false);
	to.with_material = true;
	assert_ok(sr_hsm_copy_key(rig_hsm, &to, key.private.key, &template, &made, &rig_err));
	ck_assert_uint_eq(made.material.len, 0);
	assert_ok(rig_operate(SR_HSM_ENCRYPT, made.key, &ecb, "0123456789abcdef", 16, &out));
	assert_refused(rig_operate(SR_HSM_SIGN, made.key, &cmac, "x", 1, &out), CKR_KEY_FUNCTION_NOT_PERMITTED,
		SR_REASON_RIGHTS);
	sr_hsm_made_clear(&made);
	size_t before = rig_count(&raw, false);
	to = rig_of(SR_HSM_WRAPPED, "w");
	assert_refused(sr_hsm_copy_key(rig_hsm, &to, key.private.key, &template, &made, &rig_err),
		CKR_TEMPLATE_INCONSISTENT, SR_REASON_CUSTODY);
	ck_assert_uint_eq(rig_count(&raw, false), before);
	rig_raw_close(&raw);
	sr_buf_clear(&out);
	rig_key_clear(&key);
	sr_attrs_clear(&template);
}
END_TEST

/* -- changes --------------------------------------------------------------------------------------------------- */

START_TEST(restricted_key_obeys_at_once)
{
	struct sr_hsm_place places[] = { rig_of(SR_HSM_RESIDENT, UID), rig_of(SR_HSM_NEST, NULL),
		rig_of(SR_HSM_WRAPPED, "w") };
	CK_MECHANISM cmac = { CKM_AES_CMAC, NULL, 0 };
	for (int i = 0; i < 3; i++) {
		struct rig_key key;
		struct sr_attrs changes = SR_ATTRS_INIT;
		struct sr_buf out = SR_BUF_INIT;
		assert_ok(rig_make(KIND_AES, &places[i], true, &key));
		for (int n = 0; n < 4; n++) /* a copy is in use */
			assert_ok(rig_operate(SR_HSM_SIGN, key.private.key, &cmac, "x", 1, &out));
		sr_attrs_put_bool(&changes, CKA_SENSITIVE, true);
		sr_attrs_put_bool(&changes, CKA_EXTRACTABLE, false);
		sr_attrs_put_bool(&changes, CKA_SIGN, false);
		sr_attrs_put_bool(&changes, CKA_VERIFY, true); /* as it is already */
		assert_ok(sr_hsm_key_restrict(rig_hsm, key.private.key, &changes, &rig_err));
		assert_ok(sr_hsm_key_restrict(rig_hsm, key.private.key, &changes, &rig_err));
		if (i < 2) {
			assert_refused(rig_operate(SR_HSM_SIGN, key.private.key, &cmac, "x", 1, &out),
				CKR_KEY_FUNCTION_NOT_PERMITTED, SR_REASON_RIGHTS);
			assert_refused(sr_hsm_key_read(rig_hsm, key.private.key, CKA_VALUE, &out, &rig_err),
				CKR_ATTRIBUTE_SENSITIVE, SR_REASON_UNEXTRACTABLE);
			sr_attrs_put_bool(&changes, CKA_EXTRACTABLE, true);
			assert_refused(sr_hsm_key_restrict(rig_hsm, key.private.key, &changes, &rig_err),
				CKR_ATTRIBUTE_READ_ONLY, SR_REASON_BAD_TEMPLATE);
		}
		sr_buf_clear(&out);
		sr_attrs_clear(&changes);
		rig_key_clear(&key);
	}
}
END_TEST

START_TEST(destroyed_key_is_gone)
{
	struct sr_hsm_place resident = rig_of(SR_HSM_RESIDENT, UID), nest = rig_of(SR_HSM_NEST, NULL);
	struct rig_key key, other;
	struct rig_raw raw = rig_raw_open();
	CK_MECHANISM cmac = { CKM_AES_CMAC, NULL, 0 };
	struct sr_buf out = SR_BUF_INIT;
	bool exists = false;
	assert_ok(rig_make(KIND_AES, &resident, false, &key));
	assert_ok(rig_make(KIND_AES, &nest, false, &other));
	for (int n = 0; n < 4; n++)
		assert_ok(rig_operate(SR_HSM_SIGN, key.private.key, &cmac, "x", 1, &out));
	assert_ok(sr_hsm_key_exists(rig_hsm, key.private.key, &exists, &rig_err));
	ck_assert(exists);
	for (int n = 0; n < 2; n++) {
		assert_ok(sr_hsm_key_destroy(rig_hsm, key.private.key, &rig_err));
		assert_ok(sr_hsm_key_destroy(rig_hsm, other.private.key, &rig_err));
	}
	assert_ok(sr_hsm_key_exists(rig_hsm, key.private.key, &exists, &rig_err));
	ck_assert(!exists);
	assert_refused(rig_operate(SR_HSM_SIGN, key.private.key, &cmac, "x", 1, &out), CKR_DEVICE_ERROR,
		SR_REASON_HSM_KEY_REFUSED);
	ck_assert_ptr_nonnull(strstr(rig_err.text, "missing"));
	assert_refused(rig_operate(SR_HSM_SIGN, other.private.key, &cmac, "x", 1, &out), CKR_KEY_HANDLE_INVALID,
		SR_REASON_NOT_FOUND);
	ck_assert_uint_eq(rig_count(&raw, true), 0);
	rig_key_clear(&key);
	rig_key_clear(&other);
	sr_buf_clear(&out);
	rig_raw_close(&raw);
}
END_TEST

/* Somebody with the PIN put another object in a key's place. */
START_TEST(forged_resident_key_is_refused)
{
	struct sr_hsm_place place = rig_of(SR_HSM_RESIDENT, UID);
	struct rig_raw raw = rig_raw_open();
	struct rig_key key;
	CK_OBJECT_HANDLE copy;
	CK_BBOOL yes = CK_TRUE;
	CK_ATTRIBUTE token = { CKA_TOKEN, &yes, sizeof(yes) };
	CK_ATTRIBUTE id = { CKA_ID, "another", 7 };
	CK_MECHANISM cmac = { CKM_AES_CMAC, NULL, 0 };
	struct sr_buf out = SR_BUF_INIT;
	bool exists = true;
	assert_ok(rig_make(KIND_AES, &place, false, &key));
	CK_OBJECT_HANDLE object = rig_find(&raw, UID);
	ck_assert_uint_eq(raw.module->C_CopyObject(raw.session, object, &token, 1, &copy), CKR_OK);
	sr_cache_forget(rig_hsm, UID);
	assert_refused(rig_operate(SR_HSM_SIGN, key.private.key, &cmac, "x", 1, &out), CKR_DEVICE_ERROR,
		SR_REASON_HSM_KEY_REFUSED);
	ck_assert_ptr_nonnull(strstr(rig_err.text, "twice"));
	assert_ok(sr_hsm_key_exists(rig_hsm, key.private.key, &exists, &rig_err));
	ck_assert(!exists);
	ck_assert_uint_eq(raw.module->C_DestroyObject(raw.session, object), CKR_OK);
	ck_assert_uint_eq(raw.module->C_SetAttributeValue(raw.session, copy, &id, 1), CKR_OK);
	assert_refused(rig_operate(SR_HSM_SIGN, key.private.key, &cmac, "x", 1, &out), CKR_DEVICE_ERROR,
		SR_REASON_HSM_KEY_REFUSED);
	ck_assert_ptr_nonnull(strstr(rig_err.text, "CKA_ID"));
	rig_key_clear(&key);
	rig_raw_close(&raw);
}
END_TEST

START_TEST(broken_blob_is_refused)
{
	struct sr_hsm_place place = rig_of(SR_HSM_WRAPPED, UID);
	struct rig_key key;
	CK_MECHANISM cmac = { CKM_AES_CMAC, NULL, 0 };
	struct sr_buf out = SR_BUF_INIT;
	struct sr_attrs template = secret_template(CKK_AES, false);
	assert_ok(rig_make(KIND_AES, &place, false, &key));
	for (int i = 0; i < 2; i++) {
		if (i == 0)
			key.private.blob.data[3] ^= 1;
		else
			key.private.blob.len = 5;
		struct sr_hsm_key *bad = sr_hsm_key_wrapped(UID, 7, &key.private.blob, &template);
		assert_refused(
			rig_operate(SR_HSM_SIGN, bad, &cmac, "x", 1, &out), CKR_DEVICE_ERROR, SR_REASON_SEAL_BROKEN);
		sr_hsm_key_unref(bad);
	}
	rig_key_clear(&key);
	sr_attrs_clear(&template);
}
END_TEST

START_TEST(references_are_bounded)
{
	struct sr_attrs none = SR_ATTRS_INIT;
	struct sr_buf blob = SR_BUF_INIT;
	ck_assert_ptr_null(sr_hsm_key_resident("", 1, CKO_SECRET_KEY));
	ck_assert_ptr_null(sr_hsm_key_resident("123456789012345678901234567890123", 1, CKO_SECRET_KEY));
	ck_assert_ptr_null(sr_hsm_key_wrapped("123456789012345678901234567890123", 1, &blob, &none));
	none.failed = true;
	ck_assert_ptr_null(sr_hsm_key_open(UID, 1, &none));
	struct sr_hsm_key *key = sr_hsm_key_resident(UID, 1, CKO_SECRET_KEY);
	ck_assert_ptr_eq(sr_hsm_key_ref(key), key);
	sr_hsm_key_unref(key);
	sr_hsm_key_unref(key);
	sr_hsm_key_unref(NULL);
	sr_hsm_use_end(NULL);
	sr_hsm_nest_close(NULL);
}
END_TEST

START_TEST(mechanisms_are_told)
{
	CK_MECHANISM_INFO info;
	for (int i = 0; i < 2; i++) {
		memset(&info, 0xff, sizeof(info));
		ck_assert(sr_hsm_mechanism(rig_hsm, CKM_AES_GCM, &info));
		ck_assert_uint_eq(info.flags, CKF_ENCRYPT | CKF_DECRYPT);
		ck_assert(!sr_hsm_mechanism(rig_hsm, CKM_HKDF_DERIVE, &info));
	}
	ck_assert_uint_eq(rig_hsm->mechanism_count, 2);
}
END_TEST

/* -- nests ----------------------------------------------------------------------------------------------------- */

START_TEST(nest_takes_its_keys_along)
{
	struct sr_hsm_place place = rig_of(SR_HSM_NEST, NULL);
	struct rig_raw raw = rig_raw_open();
	struct rig_key key;
	CK_MECHANISM cmac = { CKM_AES_CMAC, NULL, 0 };
	struct sr_buf out = SR_BUF_INIT;
	struct sr_hsm_made made;
	struct sr_attrs template = secret_template(CKK_AES, false);
	assert_ok(sr_hsm_nest_open(rig_hsm, &place.nest, &rig_err));
	assert_ok(rig_make(KIND_AES, &place, false, &key));
	ck_assert_uint_eq(rig_count(&raw, false), 1);
	rig_assert_works(KIND_AES, &key);
	sr_hsm_nest_close(place.nest);
	ck_assert_uint_eq(rig_count(&raw, false), 0);
	assert_refused(rig_operate(SR_HSM_SIGN, key.private.key, &cmac, "x", 1, &out), CKR_KEY_HANDLE_INVALID,
		SR_REASON_NOT_FOUND);
	place.nest = rig_nest;
	assert_refused(sr_hsm_copy_key(rig_hsm, &place, key.private.key, &template, &made, &rig_err),
		CKR_OBJECT_HANDLE_INVALID, SR_REASON_NOT_FOUND);
	assert_refused(sr_hsm_wrap_key(rig_hsm, &cmac, key.private.key, key.private.key, &out, &rig_err),
		CKR_KEY_HANDLE_INVALID, SR_REASON_NOT_FOUND);
	/* C_SetAttributeValue and C_GetAttributeValue call it an object */
	assert_refused(sr_hsm_key_restrict(rig_hsm, key.private.key, &template, &rig_err), CKR_OBJECT_HANDLE_INVALID,
		SR_REASON_NOT_FOUND);
	assert_refused(sr_hsm_key_read(rig_hsm, key.private.key, CKA_VALUE, &out, &rig_err), CKR_OBJECT_HANDLE_INVALID,
		SR_REASON_NOT_FOUND);
	assert_ok(sr_hsm_key_destroy(rig_hsm, key.private.key, &rig_err));
	sr_attrs_clear(&template);
	rig_key_clear(&key);
	rig_raw_close(&raw);
}
END_TEST

START_TEST(sessions_in_use_are_counted)
{
	struct sr_hsm_counts before, within, after;
	struct sr_hsm_nest *nest;
	uint8_t random[4];
	sr_hsm_counts(rig_hsm, &before);
	assert_ok(sr_hsm_nest_open(rig_hsm, &nest, &rig_err));
	sr_hsm_counts(rig_hsm, &within);
	ck_assert_uint_eq(within.busy, before.busy + 1);
	ck_assert_uint_eq(within.turns, before.turns + 1);
	sr_hsm_nest_close(nest);
	assert_ok(sr_hsm_random(rig_hsm, random, sizeof random, &rig_err));
	sr_hsm_counts(rig_hsm, &after);
	ck_assert_uint_eq(after.busy, before.busy);
	ck_assert_uint_eq(after.turns, before.turns + 2);
	ck_assert_uint_eq(after.failed + after.lost, 0);
}
END_TEST

/* -- the cache ------------------------------------------------------------------------------------------------- */

static void use_aes(struct sr_hsm_key *key)
{
	CK_MECHANISM ecb = { CKM_AES_ECB, NULL, 0 };
	struct sr_buf out = SR_BUF_INIT;
	assert_ok(rig_operate(SR_HSM_ENCRYPT, key, &ecb, "0123456789abcdef", 16, &out));
	sr_buf_clear(&out);
}

START_TEST(cache_is_bounded)
{
	enum { COUNT = 12 };
	struct sr_hsm_place place = rig_of(SR_HSM_WRAPPED, NULL);
	struct rig_raw raw = rig_raw_open();
	struct rig_key keys[COUNT];
	struct sr_hsm_use *use;
	CK_MECHANISM ecb = { CKM_AES_ECB, NULL, 0 };
	struct sr_buf out = SR_BUF_INIT;
	sr_cache_limit(rig_hsm, 4, 4);
	for (int i = 0; i < COUNT; i++) {
		char uid[16];
		snprintf(uid, sizeof(uid), "w%d", i);
		place.uid = uid;
		assert_ok(rig_make(KIND_AES, &place, false, &keys[i]));
	}
	/* the first stays in use while all the others pass by */
	assert_ok(sr_hsm_use_begin(rig_hsm, SR_HSM_ENCRYPT, keys[0].private.key, &ecb, &use, &rig_err));
	for (int i = 1; i < COUNT; i++) {
		use_aes(keys[i].private.key);
		ck_assert_uint_le(sr_cache_count(rig_hsm).session, 4);
		ck_assert_uint_le(rig_count(&raw, false), 5);
	}
	ck_assert_uint_eq(sr_cache_count(rig_hsm).session, 4);
	assert_ok(sr_hsm_use_once(use, "0123456789abcdef", 16, &out, &rig_err));
	sr_hsm_use_end(use);
	for (int i = 0; i < COUNT; i++) {
		use_aes(keys[i].private.key);
		rig_key_clear(&keys[i]);
	}
	sr_buf_clear(&out);
	rig_raw_close(&raw);
}
END_TEST

START_TEST(plain_handles_are_bounded_and_copies_wait_for_room)
{
	enum { COUNT = 6 };
	struct sr_hsm_place place = rig_of(SR_HSM_RESIDENT, NULL);
	struct rig_key keys[COUNT];
	sr_cache_limit(rig_hsm, 2, 4);
	for (int i = 0; i < COUNT; i++) {
		char uid[16];
		snprintf(uid, sizeof(uid), "r%d", i);
		place.uid = uid;
		assert_ok(rig_make(KIND_AES, &place, false, &keys[i]));
	}
	for (int round = 0; round < 3; round++) {
		for (int i = 0; i < COUNT; i++) {
			use_aes(keys[i].private.key);
			ck_assert_uint_le(sr_cache_count(rig_hsm).plain, 4);
			ck_assert_uint_le(sr_cache_count(rig_hsm).session, 2);
		}
	}
	for (int n = 0; n < 3; n++) {
		use_aes(keys[0].private.key);
		use_aes(keys[1].private.key);
		use_aes(keys[2].private.key);
	}
	ck_assert_uint_eq(sr_cache_count(rig_hsm).session, 2);
	for (int i = 0; i < COUNT; i++)
		rig_key_clear(&keys[i]);
}
END_TEST

/* A row that has changed: the key of the new generation, and nothing of the old one left. */
START_TEST(new_generation_takes_the_place_of_the_old)
{
	struct sr_hsm_place place = rig_of(SR_HSM_WRAPPED, UID);
	struct rig_key key;
	struct sr_attrs template = secret_template(CKK_AES, false);
	CK_MECHANISM cmac = { CKM_AES_CMAC, NULL, 0 };
	struct sr_buf out = SR_BUF_INIT;
	struct rig_raw raw = rig_raw_open();
	assert_ok(rig_make(KIND_AES, &place, false, &key));
	struct sr_hsm_key *first = sr_hsm_key_wrapped(UID, 1, &key.private.blob, &template);
	assert_ok(rig_operate(SR_HSM_SIGN, first, &cmac, "x", 1, &out));
	sr_attrs_put_bool(&template, CKA_SIGN, false);
	struct sr_hsm_key *second = sr_hsm_key_wrapped(UID, 2, &key.private.blob, &template);
	assert_refused(rig_operate(SR_HSM_SIGN, second, &cmac, "x", 1, &out), CKR_KEY_FUNCTION_NOT_PERMITTED,
		SR_REASON_RIGHTS);
	ck_assert_uint_eq(sr_cache_count(rig_hsm).session, 1);
	use_aes(second);
	struct sr_attrs other = secret_template(CKK_AES, false);
	struct sr_hsm_key *third = sr_hsm_key_wrapped("third", 1, &key.private.blob, &other);
	use_aes(third); /* whoever makes one sweeps */
	ck_assert_uint_eq(sr_cache_count(rig_hsm).doomed, 0);
	ck_assert_uint_eq(rig_count(&raw, false), 2);
	sr_hsm_key_unref(first);
	sr_hsm_key_unref(second);
	sr_hsm_key_unref(third);
	sr_attrs_clear(&template);
	sr_attrs_clear(&other);
	rig_key_clear(&key);
	sr_buf_clear(&out);
	rig_raw_close(&raw);
}
END_TEST

/* A resident key that another process has destroyed and made again: its handle is looked for anew. */
START_TEST(stale_handle_is_looked_for_again)
{
	struct sr_hsm_place place = rig_of(SR_HSM_RESIDENT, UID);
	struct rig_raw raw = rig_raw_open();
	struct rig_key key;
	CK_OBJECT_HANDLE copy;
	CK_BBOOL yes = CK_TRUE;
	CK_ATTRIBUTE token = { CKA_TOKEN, &yes, sizeof(yes) };
	assert_ok(rig_make(KIND_AES, &place, false, &key));
	use_aes(key.private.key);
	CK_OBJECT_HANDLE object = rig_find(&raw, UID);
	ck_assert_uint_eq(raw.module->C_CopyObject(raw.session, object, &token, 1, &copy), CKR_OK);
	ck_assert_uint_eq(raw.module->C_DestroyObject(raw.session, object), CKR_OK);
	unsigned long epoch = rig_hsm->epoch;
	use_aes(key.private.key);
	ck_assert_uint_eq(rig_hsm->epoch, epoch); /* nobody else's sessions were dropped for it */
	rig_key_clear(&key);
	rig_raw_close(&raw);
}
END_TEST

/* -- lost sessions --------------------------------------------------------------------------------------------- */

enum loss { LOSS_CLOSED, LOSS_LOGOUT, LOSS_FINALIZED, LOSSES };

static void lose(struct rig_raw *raw, enum loss loss)
{
	if (loss == LOSS_CLOSED)
		ck_assert_uint_eq(raw->module->C_CloseAllSessions(raw->slot), CKR_OK);
	else if (loss == LOSS_LOGOUT)
		ck_assert_uint_eq(raw->module->C_Logout(raw->session), CKR_OK);
	else
		ck_assert_uint_eq(raw->module->C_Finalize(NULL), CKR_OK);
}

/* _i: each way */
START_TEST(lost_sessions_lose_no_key)
{
	struct sr_hsm_place places[] = { rig_of(SR_HSM_RESIDENT, UID), rig_of(SR_HSM_WRAPPED, "w"),
		rig_of(SR_HSM_NEST, NULL) };
	struct rig_key keys[3], fresh;
	struct rig_raw raw = rig_raw_open();
	CK_MECHANISM ecdsa = { CKM_ECDSA, NULL, 0 };
	struct sr_buf out = SR_BUF_INIT;
	for (int i = 0; i < 3; i++) {
		assert_ok(rig_make(KIND_P256, &places[i], false, &keys[i]));
		for (int n = 0; n < 3; n++)
			rig_assert_works(KIND_P256, &keys[i]);
	}
	lose(&raw, (enum loss)_i);
	if (_i == LOSS_LOGOUT || _i == LOSS_CLOSED) {
		bool exists = false;
		assert_ok(sr_hsm_key_exists(rig_hsm, keys[0].private.key, &exists, &rig_err));
		ck_assert_msg(exists, "a session without a login sees no key: that is no reason to miss it");
	}
	rig_assert_works(KIND_P256, &keys[0]);
	rig_assert_works(KIND_P256, &keys[1]);
	assert_refused(rig_operate(SR_HSM_SIGN, keys[2].private.key, &ecdsa, "0123456789abcdef", 16, &out),
		CKR_KEY_HANDLE_INVALID, SR_REASON_NOT_FOUND);
	assert_ok(sr_hsm_key_destroy(rig_hsm, keys[2].private.key, &rig_err));
	/* the nest holds new ones */
	assert_ok(rig_make(KIND_P256, &places[2], false, &fresh));
	rig_assert_works(KIND_P256, &fresh);
	for (int i = 0; i < 3; i++)
		rig_key_clear(&keys[i]);
	rig_key_clear(&fresh);
	p11_kit_module_release(raw.module);
}
END_TEST

/* _i: each way, while a key is made */
START_TEST(lost_sessions_do_not_make_a_key_twice)
{
	struct sr_hsm_place places[] = { rig_of(SR_HSM_RESIDENT, UID), rig_of(SR_HSM_WRAPPED, "w"),
		rig_of(SR_HSM_NEST, NULL) };
	struct rig_key keys[3];
	for (int i = 0; i < 3; i++) {
		struct rig_raw raw = rig_raw_open();
		lose(&raw, (enum loss)_i);
		assert_ok(rig_make(KIND_AES, &places[i], false, &keys[i]));
		rig_assert_works(KIND_AES, &keys[i]);
		p11_kit_module_release(raw.module);
	}
	struct rig_raw raw = rig_raw_open();
	ck_assert_uint_eq(rig_count(&raw, true), 1);
	rig_raw_close(&raw);
	for (int i = 0; i < 3; i++)
		rig_key_clear(&keys[i]);
}
END_TEST

/* -- processes and threads ------------------------------------------------------------------------------------- */

static int child_work(struct rig_key *key)
{
	struct sr_buf out = SR_BUF_INIT;
	CK_MECHANISM cmac = { CKM_AES_CMAC, NULL, 0 };
	sr_hsm_abandon(rig_hsm);
	rig_nest = NULL;
	hsm_rig_open();
	CK_RV rv = rig_operate(SR_HSM_SIGN, key->private.key, &cmac, "x", 1, &out);
	sr_buf_clear(&out);
	rig_key_clear(key);
	sr_hsm_close(rig_hsm);
	return rv == CKR_OK ? 0 : 1;
}

/* With a cache, a nest and a use in the parent, which goes on as if nothing had happened. */
START_TEST(child_abandons_all_of_it)
{
	struct sr_hsm_place resident = rig_of(SR_HSM_RESIDENT, UID), nest = rig_of(SR_HSM_NEST, NULL);
	struct rig_key key, other;
	struct sr_hsm_use *use;
	CK_MECHANISM cmac = { CKM_AES_CMAC, NULL, 0 };
	struct sr_buf out = SR_BUF_INIT;
	assert_ok(rig_make(KIND_AES, &resident, false, &key));
	assert_ok(rig_make(KIND_AES, &nest, false, &other));
	rig_assert_works(KIND_AES, &key);
	assert_ok(sr_hsm_use_begin(rig_hsm, SR_HSM_SIGN, key.private.key, &cmac, &use, &rig_err));
	assert_ok(sr_hsm_use_update(use, "x", 1, NULL, &rig_err));
	pid_t child = fork();
	if (child == 0) {
		sr_hsm_key_unref(other.private.key);
		_exit(child_work(&key));
	}
	int status = -1;
	ck_assert_int_eq(waitpid(child, &status, 0), child);
	ck_assert_int_eq(status, 0);
	assert_ok(sr_hsm_use_final(use, &out, &rig_err));
	sr_hsm_use_end(use);
	rig_assert_works(KIND_AES, &key);
	rig_assert_works(KIND_AES, &other);
	sr_buf_clear(&out);
	rig_key_clear(&key);
	rig_key_clear(&other);
}
END_TEST

START_TEST(closing_takes_everything_along)
{
	struct sr_hsm_place resident = rig_of(SR_HSM_RESIDENT, UID), nest = rig_of(SR_HSM_NEST, NULL);
	struct rig_raw raw = rig_raw_open();
	struct rig_key key, other;
	struct sr_hsm_use *use;
	CK_MECHANISM cmac = { CKM_AES_CMAC, NULL, 0 };
	assert_ok(rig_make(KIND_AES, &resident, false, &key));
	assert_ok(rig_make(KIND_AES, &nest, false, &other));
	rig_assert_works(KIND_AES, &key);
	assert_ok(sr_hsm_use_begin(rig_hsm, SR_HSM_SIGN, key.private.key, &cmac, &use, &rig_err));
	CK_INFO info;
	sr_hsm_close(rig_hsm);
	rig_nest = NULL;
	ck_assert_uint_eq(raw.module->C_GetInfo(&info), CKR_CRYPTOKI_NOT_INITIALIZED);
	hsm_rig_open();
	rig_assert_works(KIND_AES, &key); /* a reference outlives its HSM */
	rig_key_clear(&key);
	rig_key_clear(&other);
	p11_kit_module_release(raw.module);
}
END_TEST

enum { THREADS = 8, SHARED = 6, ROUNDS = 40 };

static struct rig_key shared[SHARED];

/* ck_assert is for one thread at a time: failures are counted. */
static _Atomic int failures;

static void *work(void *number)
{
	struct sr_error err = SR_ERROR_INIT;
	CK_MECHANISM ecb = { CKM_AES_ECB, NULL, 0 };
	for (int i = 0; i < ROUNDS; i++) {
		struct sr_hsm_key *key = shared[(i + *(int *)number) % SHARED].private.key;
		struct sr_hsm_use *use = NULL;
		struct sr_buf out = SR_BUF_INIT, back = SR_BUF_INIT;
		bool ok = sr_hsm_use_begin(rig_hsm, SR_HSM_ENCRYPT, key, &ecb, &use, &err) == CKR_OK &&
			  sr_hsm_use_once(use, "0123456789abcdef", 16, &out, &err) == CKR_OK;
		sr_hsm_use_end(use);
		use = NULL;
		ok = ok && sr_hsm_use_begin(rig_hsm, SR_HSM_DECRYPT, key, &ecb, &use, &err) == CKR_OK &&
		     sr_hsm_use_once(use, out.data, out.len, &back, &err) == CKR_OK && back.len == 16 &&
		     memcmp(back.data, "0123456789abcdef", 16) == 0;
		sr_hsm_use_end(use);
		if (!ok) {
			failures++;
			fprintf(stderr, "thread: %s\n", err.text);
		}
		sr_buf_clear(&out);
		sr_buf_clear(&back);
	}
	return NULL;
}

/* More keys than the cache holds, evicted and forgotten under each other's feet. */
START_TEST(many_threads)
{
	pthread_t threads[THREADS];
	int numbers[THREADS];
	struct rig_raw raw = rig_raw_open();
	failures = 0;
	for (int i = 0; i < SHARED; i++) {
		char uid[16];
		snprintf(uid, sizeof(uid), "k%d", i);
		struct sr_hsm_place place = rig_of(i % 2 ? SR_HSM_WRAPPED : SR_HSM_RESIDENT, uid);
		assert_ok(rig_make(KIND_AES, &place, false, &shared[i]));
	}
	sr_cache_limit(rig_hsm, 2, 2);
	for (int i = 0; i < THREADS; i++) {
		numbers[i] = i;
		ck_assert_int_eq(pthread_create(&threads[i], NULL, work, &numbers[i]), 0);
	}
	for (int i = 0; i < 20; i++) {
		CK_MECHANISM_INFO info;
		struct sr_cache_counts counts = sr_cache_count(rig_hsm);
		ck_assert_uint_le(counts.session, 2 + THREADS);
		ck_assert(sr_hsm_mechanism(rig_hsm, CKM_AES_ECB, &info));
		sr_cache_forget(rig_hsm, i % 2 ? "k1" : "k0");
		usleep(1000);
	}
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	ck_assert_int_eq(failures, 0);
	for (int i = 0; i < SHARED; i++)
		rig_key_clear(&shared[i]);
	rig_raw_close(&raw);
}
END_TEST

/* -------------------------------------------------------------------------------------------------------------- */

static TCase *add_case(Suite *suite, const char *name)
{
	TCase *tests = tcase_create(name);
	tcase_add_checked_fixture(tests, hsm_rig_set_up, hsm_rig_tear_down);
	tcase_set_timeout(tests, 60);
	suite_add_tcase(suite, tests);
	return tests;
}

/* -- generations of the vault's own keys ------------------------------------------------------------------------ */

/* All that was found of them goes with the sessions. */
static void lose_sessions(void)
{
	pthread_mutex_lock(&rig_hsm->lock);
	sr_pool_drop(rig_hsm, CKR_SESSION_CLOSED);
	pthread_mutex_unlock(&rig_hsm->lock);
}

static void assert_mac(unsigned generation, const uint8_t expected[SR_HSM_MAC_LEN], bool same)
{
	uint8_t mac[SR_HSM_MAC_LEN];
	assert_ok(sr_hsm_mac_by(rig_hsm, generation, "x", 1, mac, &rig_err));
	ck_assert_int_eq(memcmp(mac, expected, sizeof(mac)) == 0, same);
}

/* Made, told apart, taken for the newest and never back; found again after a loss; destroyed from the oldest up. */
START_TEST(generations_follow_each_other)
{
	uint8_t first[SR_HSM_MAC_LEN], digest[32] = { 1 }, signature[SR_HSM_SIGNATURE_LEN];
	struct sr_buf one = SR_BUF_INIT, two = SR_BUF_INIT;
	unsigned by = 0;
	assert_ok(sr_hsm_mac(rig_hsm, "x", 1, first, &rig_err));
	assert_refused(sr_hsm_need_keys_of(rig_hsm, 2, &rig_err), CKR_DEVICE_ERROR, SR_REASON_HSM_KEY_REFUSED);
	assert_refused(sr_hsm_advance(rig_hsm, 2, &rig_err), CKR_DEVICE_ERROR, SR_REASON_HSM_KEY_REFUSED);
	assert_ok(sr_hsm_make_keys_of(rig_hsm, 2, &rig_err));
	assert_ok(sr_hsm_make_keys_of(rig_hsm, 2, &rig_err)); /* what is there is as good */
	ck_assert_uint_eq(sr_hsm_generation(rig_hsm), 1);
	assert_mac(0, first, true);
	assert_mac(2, first, false);
	assert_ok(sr_hsm_advance(rig_hsm, 2, &rig_err));
	assert_ok(sr_hsm_advance(rig_hsm, 1, &rig_err));
	ck_assert_uint_eq(sr_hsm_generation(rig_hsm), 2);
	for (int i = 0; i < 2; i++) {
		assert_mac(0, first, false);
		assert_mac(1, first, true);
		assert_ok(sr_hsm_sign_as(rig_hsm, digest, signature, &by, &rig_err));
		ck_assert_uint_eq(by, 2);
		lose_sessions();
	}
	assert_ok(sr_hsm_audit_key_of(rig_hsm, 1, &one, &rig_err));
	assert_ok(sr_hsm_audit_key(rig_hsm, &two, &rig_err));
	ck_assert(one.len == two.len && memcmp(one.data, two.data, one.len) != 0);
	assert_ok(sr_hsm_drop_keys_of(rig_hsm, 1, &rig_err));
	assert_ok(sr_hsm_drop_keys_of(rig_hsm, 1, &rig_err)); /* gone already */
	assert_refused(sr_hsm_mac_by(rig_hsm, 1, "x", 1, first, &rig_err), CKR_DEVICE_ERROR, SR_REASON_HSM_KEY_REFUSED);
	assert_mac(0, first, false);
	lose_sessions();
	assert_mac(2, first, false);
	sr_buf_clear(&one);
	sr_buf_clear(&two);
}
END_TEST

/* More than are at hand at once: the newest and those before it stay. */
START_TEST(so_many_generations_are_at_hand)
{
	uint8_t mac[GENERATIONS][SR_HSM_MAC_LEN];
	for (unsigned i = 1; i < GENERATIONS; i++) {
		assert_ok(sr_hsm_mac(rig_hsm, "x", 1, mac[i], &rig_err));
		assert_ok(sr_hsm_make_keys_of(rig_hsm, i + 1, &rig_err));
		assert_ok(sr_hsm_advance(rig_hsm, i + 1, &rig_err));
	}
	for (unsigned i = GENERATIONS - 1; i > GENERATIONS - SR_KEYS_ALIVE_MAX; i--)
		ck_assert_uint_ne(sr_keys_wrap(&rig_hsm->keys, i), 0);
	for (unsigned i = 1; i < GENERATIONS; i++)
		assert_mac(i, mac[i], true);
}
END_TEST

/* A wrapped key says by which it is, opens by it while that is there, and is the same key wrapped anew. */
START_TEST(wrapped_keys_follow_the_generations)
{
	struct sr_hsm_place place = rig_of(SR_HSM_WRAPPED, UID);
	struct sr_buf wrapped = SR_BUF_INIT, material = SR_BUF_INIT;
	uint8_t before[64], after[64];
	struct sr_hsm_made made, again;
	struct sr_attrs template = secret_template(CKK_GENERIC_SECRET, false);
	place.with_material = true;
	static const char value[] = "a secret of sixty-four bytes, which is a multiple of eight, you see";
	assert_ok(import(&place, CKK_GENERIC_SECRET, value, 64, false, &made));
	ck_assert_uint_eq(sr_hsm_wrapped_generation(&made.blob), 1);
	ck_assert_uint_eq(made.generation, 1);
	fingerprint(made.key, before);
	assert_ok(sr_hsm_make_keys_of(rig_hsm, 2, &rig_err));
	assert_ok(sr_hsm_advance(rig_hsm, 2, &rig_err));
	lose_sessions();
	fingerprint(made.key, after);
	ck_assert_mem_eq(before, after, 64);
	assert_ok(sr_hsm_rewrap(rig_hsm, &made.blob, CKO_SECRET_KEY, &template, &wrapped, &material, &rig_err));
	ck_assert_uint_eq(sr_hsm_wrapped_generation(&wrapped), 2);
	ck_assert_uint_eq(material.len, 2 * SR_SHA256_LEN); /* by the newest, and by the one that made the first */
	ck_assert_mem_eq(material.data + SR_SHA256_LEN, made.material.data, SR_SHA256_LEN);
	ck_assert_mem_ne(material.data, made.material.data, SR_SHA256_LEN);
	assert_ok(import(&place, CKK_GENERIC_SECRET, value, 64, false, &again));
	ck_assert_mem_eq(again.material.data, material.data, material.len); /* the same key is known by either */
	ck_assert_uint_eq(again.generation, 2);
	assert_ok(sr_hsm_drop_keys_of(rig_hsm, 1, &rig_err));
	lose_sessions();
	sr_cache_forget(rig_hsm, UID);
	struct sr_hsm_key *old = sr_hsm_key_wrapped(UID, 1, &made.blob, &template);
	struct sr_hsm_key *new = sr_hsm_key_wrapped(UID, 2, &wrapped, &template);
	CK_MECHANISM hmac = { CKM_SHA512_HMAC, NULL, 0 };
	struct sr_buf out = SR_BUF_INIT;
	assert_refused(rig_operate(SR_HSM_SIGN, old, &hmac, "x", 1, &out), CKR_DEVICE_ERROR, SR_REASON_SEAL_BROKEN);
	assert_refused(sr_hsm_rewrap(rig_hsm, &made.blob, CKO_SECRET_KEY, &template, &out, &material, &rig_err),
		CKR_DEVICE_ERROR, SR_REASON_SEAL_BROKEN);
	fingerprint(new, after);
	ck_assert_mem_eq(before, after, 64);
	sr_hsm_key_unref(old);
	sr_hsm_key_unref(new);
	sr_hsm_made_clear(&made);
	sr_hsm_made_clear(&again);
	sr_attrs_clear(&template);
	sr_buf_clear(&wrapped);
	sr_buf_clear(&material);
}
END_TEST

Suite *sr_suite_hsm_key(void)
{
	Suite *suite = suite_create("hsm_key");
	TCase *make = add_case(suite, "make");
	tcase_add_loop_test(make, each_kind_in_each_custody, 0, KINDS * 6);
	tcase_add_test(make, made_keys_tell_their_parts);
	tcase_add_test(make, resident_object_has_exactly_its_attributes);
	tcase_add_test(make, material_is_closed_again);
	tcase_add_test(make, material_recognises_the_same_key);
	tcase_add_test(make, wrapped_key_has_whole_blocks);
	tcase_add_test(make, refusals_leave_nothing);
	tcase_add_test(make, imported_key_is_the_key);
	tcase_add_loop_test(make, wrapped_out_and_in_again, 0, 3);
	tcase_add_loop_test(make, both_sides_derive_the_same, 0, 4);
	tcase_add_loop_test(make, copies_are_the_key, 0, 9);
	tcase_add_test(make, unextractable_key_is_copied_inside);
	TCase *change = add_case(suite, "change");
	tcase_add_test(change, restricted_key_obeys_at_once);
	tcase_add_test(change, destroyed_key_is_gone);
	tcase_add_test(change, forged_resident_key_is_refused);
	tcase_add_test(change, broken_blob_is_refused);
	tcase_add_test(change, references_are_bounded);
	tcase_add_test(change, mechanisms_are_told);
	TCase *cache = add_case(suite, "cache");
	tcase_add_test(cache, nest_takes_its_keys_along);
	tcase_add_test(cache, sessions_in_use_are_counted);
	tcase_add_test(cache, cache_is_bounded);
	tcase_add_test(cache, plain_handles_are_bounded_and_copies_wait_for_room);
	tcase_add_test(cache, new_generation_takes_the_place_of_the_old);
	tcase_add_test(cache, stale_handle_is_looked_for_again);
	TCase *generations = add_case(suite, "generations");
	tcase_add_test(generations, generations_follow_each_other);
	tcase_add_test(generations, so_many_generations_are_at_hand);
	tcase_add_test(generations, wrapped_keys_follow_the_generations);
	TCase *lost = add_case(suite, "lost");
	tcase_add_loop_test(lost, lost_sessions_lose_no_key, 0, LOSSES);
	tcase_add_loop_test(lost, lost_sessions_do_not_make_a_key_twice, 0, LOSSES);
	tcase_add_test(lost, child_abandons_all_of_it);
	tcase_add_test(lost, closing_takes_everything_along);
	tcase_add_test(lost, many_threads);
	return suite;
}
