/* See the header. */
#define _GNU_SOURCE 1 /* nftw, mkdtemp */

#include "tests/unit/hsm_rig.h"
#include "tests/common/directory.h"

#include <ftw.h>
#include <p11-kit/p11-kit.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct sr_hsm *rig_hsm;
struct sr_error rig_err;
struct sr_hsm_nest *rig_nest;

static char dir[64];
static struct sr_buf uri, conf;

static const uint8_t p256[] = { 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07 };
static const uint8_t p384[] = { 0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x22 };
static const uint8_t p521[] = { 0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x23 };
static const uint8_t ed25519[] = { 0x13, 0x0c, 'e', 'd', 'w', 'a', 'r', 'd', 's', '2', '5', '5', '1', '9' };
static const uint8_t x25519[] = { 0x13, 0x0a, 'c', 'u', 'r', 'v', 'e', '2', '5', '5', '1', '9' };

const struct rig_kind rig_kinds[KINDS] = {
	[KIND_AES] = { "aes", CKK_AES, CKM_AES_KEY_GEN, NULL, 0, 0, 32, true },
	[KIND_SECRET] = { "secret", CKK_GENERIC_SECRET, CKM_GENERIC_SECRET_KEY_GEN, NULL, 0, 0, 64, true },
	[KIND_RSA] = { "rsa", CKK_RSA, CKM_RSA_PKCS_KEY_PAIR_GEN, NULL, 0, 2048, 0, true },
	[KIND_P256] = { "p256", CKK_EC, CKM_EC_KEY_PAIR_GEN, p256, sizeof(p256), 0, 0, true },
	[KIND_P384] = { "p384", CKK_EC, CKM_EC_KEY_PAIR_GEN, p384, sizeof(p384), 0, 0, true },
	[KIND_P521] = { "p521", CKK_EC, CKM_EC_KEY_PAIR_GEN, p521, sizeof(p521), 0, 0, true },
	[KIND_ED25519] = { "ed25519", CKK_EC_EDWARDS, CKM_EC_EDWARDS_KEY_PAIR_GEN, ed25519, sizeof(ed25519), 0, 0,
		false },
	[KIND_X25519] = { "x25519", CKK_EC_EDWARDS, CKM_EC_EDWARDS_KEY_PAIR_GEN, x25519, sizeof(x25519), 0, 0, false },
};

/* -- the HSM --------------------------------------------------------------------------------------------------- */

static int remove_entry(const char *path, const struct stat *st, int kind, struct FTW *where)
{
	(void)st;
	(void)kind;
	(void)where;
	return remove(path);
}

void hsm_rig_open(void)
{
	const struct sr_hsm_config config = { .uri = sr_buf_string(&uri), .softhsm_conf = sr_buf_string(&conf) };
	assert_ok(sr_hsm_open(&config, &rig_hsm, &rig_err));
	assert_ok(sr_hsm_load_keys(rig_hsm, RIG_VAULT, 1, &rig_err));
}

const char *rig_dir(void)
{
	return dir;
}

void hsm_rig_set_up(void)
{
	unsetenv("SOFTHSM2_CONF");
	directory_make(dir, sizeof dir, "strongroom-hsm");
	sr_error_clear(&rig_err);
	assert_ok(sr_hsm_make_softhsm(dir, "test vault", &uri, &conf, &rig_err));
	const struct sr_hsm_config config = { .uri = sr_buf_string(&uri), .softhsm_conf = sr_buf_string(&conf) };
	assert_ok(sr_hsm_open(&config, &rig_hsm, &rig_err));
	assert_ok(sr_hsm_create_keys(rig_hsm, RIG_VAULT, 1, &rig_err));
	assert_ok(sr_hsm_load_keys(rig_hsm, RIG_VAULT, 1, &rig_err));
	assert_ok(sr_hsm_nest_open(rig_hsm, &rig_nest, &rig_err));
}

void hsm_rig_tear_down(void)
{
	sr_hsm_nest_close(rig_nest);
	rig_nest = NULL;
	sr_hsm_close(rig_hsm);
	rig_hsm = NULL;
	sr_buf_clear(&uri);
	sr_buf_clear(&conf);
	nftw(dir, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
}

/* -- the module behind our back -------------------------------------------------------------------------------- */

struct rig_raw rig_raw_open(void)
{
	struct rig_raw raw;
	P11KitUri *parsed = p11_kit_uri_new();
	ck_assert_int_eq(p11_kit_uri_parse(sr_buf_string(&uri), P11_KIT_URI_FOR_ANY, parsed), P11_KIT_URI_OK);
	raw.module = p11_kit_module_load(p11_kit_uri_get_module_path(parsed), P11_KIT_MODULE_UNMANAGED);
	p11_kit_uri_free(parsed);
	ck_assert_ptr_nonnull(raw.module);
	raw.slot = rig_hsm->slot;
	ck_assert_uint_eq(
		raw.module->C_OpenSession(raw.slot, CKF_SERIAL_SESSION | CKF_RW_SESSION, NULL, NULL, &raw.session),
		CKR_OK);
	return raw;
}

void rig_raw_close(struct rig_raw *raw)
{
	raw->module->C_CloseSession(raw->session);
	p11_kit_module_release(raw->module);
}

static CK_ULONG find(const struct rig_raw *raw, CK_ATTRIBUTE *template, CK_ULONG count, CK_OBJECT_HANDLE found[64])
{
	CK_ULONG got = 0;
	ck_assert_uint_eq(raw->module->C_FindObjectsInit(raw->session, template, count), CKR_OK);
	ck_assert_uint_eq(raw->module->C_FindObjects(raw->session, found, 64, &got), CKR_OK);
	raw->module->C_FindObjectsFinal(raw->session);
	return got;
}

size_t rig_count(const struct rig_raw *raw, bool on_token)
{
	CK_BBOOL token = on_token;
	CK_ATTRIBUTE template = { CKA_TOKEN, &token, sizeof(token) };
	CK_OBJECT_HANDLE found[64];
	CK_ULONG count = find(raw, &template, 1, found);
	/* seal, wrap, mac and both audit keys; copies of three of them */
	return count - (on_token ? 5 : 3);
}

size_t rig_sessions(const struct rig_raw *raw)
{
	CK_TOKEN_INFO info;
	ck_assert_uint_eq(raw->module->C_GetTokenInfo(raw->slot, &info), CKR_OK);
	return info.ulSessionCount;
}

CK_OBJECT_HANDLE rig_find(const struct rig_raw *raw, const char *uid)
{
	char label[SR_HSM_LABEL_MAX];
	CK_OBJECT_HANDLE found[64];
	sr_user_key_label(RIG_VAULT, uid, label);
	CK_ATTRIBUTE template[] = {
		{ CKA_LABEL, label, strlen(label) },
		{ CKA_ID, (void *)(uintptr_t)uid, strlen(uid) },
	};
	return find(raw, template, 2, found) == 1 ? found[0] : 0;
}

bool rig_flag(const struct rig_raw *raw, CK_OBJECT_HANDLE object, CK_ATTRIBUTE_TYPE type)
{
	CK_BBOOL value = CK_FALSE;
	CK_ATTRIBUTE attribute = { type, &value, sizeof(value) };
	ck_assert_uint_eq(raw->module->C_GetAttributeValue(raw->session, object, &attribute, 1), CKR_OK);
	return value;
}

extern void __lsan_disable(void) __attribute__((weak));

void rig_look_away(bool away)
{
	if (away && __lsan_disable)
		__lsan_disable();
}

/* -- making keys ----------------------------------------------------------------------------------------------- */

struct sr_hsm_place rig_of(enum sr_hsm_custody custody, const char *uid)
{
	return (struct sr_hsm_place){ .custody = custody, .uid = uid, .nest = rig_nest };
}

static void put_rights(struct sr_attrs *attrs, const CK_ATTRIBUTE_TYPE *rights, size_t count)
{
	for (size_t i = 0; i < count; i++)
		sr_attrs_put_bool(attrs, rights[i], true);
}

void rig_template(int kind, bool extractable, struct sr_attrs *private, struct sr_attrs *public)
{
	static const CK_ATTRIBUTE_TYPE of_secret[] = { CKA_ENCRYPT, CKA_DECRYPT, CKA_SIGN, CKA_VERIFY, CKA_WRAP,
		CKA_UNWRAP, CKA_DERIVE };
	static const CK_ATTRIBUTE_TYPE of_private[] = { CKA_DECRYPT, CKA_SIGN, CKA_UNWRAP, CKA_DERIVE };
	static const CK_ATTRIBUTE_TYPE of_public[] = { CKA_ENCRYPT, CKA_VERIFY, CKA_WRAP };
	static const uint8_t exponent[] = { 1, 0, 1 };
	const struct rig_kind *row = &rig_kinds[kind];
	sr_attrs_put_ulong(private, CKA_CLASS, row->len ? CKO_SECRET_KEY : CKO_PRIVATE_KEY);
	sr_attrs_put_ulong(private, CKA_KEY_TYPE, row->type);
	sr_attrs_put_bool(private, CKA_SENSITIVE, !extractable);
	sr_attrs_put_bool(private, CKA_EXTRACTABLE, extractable);
	/* what the HSM is never told */
	sr_attrs_put_text(private, CKA_LABEL, "payments/key");
	sr_attrs_put_bool(private, CKA_TOKEN, true);
	sr_attrs_put_bool(private, CKA_MODIFIABLE, false);
	sr_attrs_put_bool(private, CKA_ALWAYS_AUTHENTICATE, true);
	if (row->len) {
		sr_attrs_put_ulong(private, CKA_VALUE_LEN, row->len);
		put_rights(private, of_secret, 7);
		return;
	}
	put_rights(private, of_private, 4);
	put_rights(public, of_public, 3);
	sr_attrs_put_ulong(public, CKA_CLASS, CKO_PUBLIC_KEY);
	sr_attrs_put_ulong(public, CKA_KEY_TYPE, row->type);
	if (row->curve) {
		sr_attrs_put(public, CKA_EC_PARAMS, row->curve, row->curve_len);
	} else {
		sr_attrs_put_ulong(public, CKA_MODULUS_BITS, row->bits);
		sr_attrs_put(public, CKA_PUBLIC_EXPONENT, exponent, sizeof(exponent));
	}
}

CK_RV rig_make(int kind, const struct sr_hsm_place *place, bool extractable, struct rig_key *key)
{
	struct sr_attrs private = SR_ATTRS_INIT, public = SR_ATTRS_INIT;
	CK_MECHANISM mechanism = { rig_kinds[kind].generate, NULL, 0 };
	memset(key, 0, sizeof(*key));
	rig_template(kind, extractable, &private, &public);
	CK_RV rv = rig_kinds[kind].len ? sr_hsm_generate(rig_hsm, place, &mechanism, &private, &key->private, &rig_err)
				       : sr_hsm_generate_pair(rig_hsm, place, &mechanism, &public, &private,
						 &key->public, &key->private, &rig_err);
	sr_attrs_clear(&private);
	sr_attrs_clear(&public);
	return rv;
}

void rig_key_clear(struct rig_key *key)
{
	sr_hsm_made_clear(&key->private);
	sr_hsm_made_clear(&key->public);
}

/* -- using them ------------------------------------------------------------------------------------------------ */

CK_RV rig_operate(enum sr_hsm_function function, struct sr_hsm_key *key, CK_MECHANISM *mechanism, const void *in,
	size_t len, struct sr_buf *out)
{
	struct sr_hsm_use *use = NULL;
	CK_RV rv = sr_hsm_use_begin(rig_hsm, function, key, mechanism, &use, &rig_err);
	if (rv == CKR_OK)
		rv = sr_hsm_use_once(use, in, len, out, &rig_err);
	sr_hsm_use_end(use);
	return rv;
}

CK_RV rig_verify(
	struct sr_hsm_key *key, CK_MECHANISM *mechanism, const void *in, size_t len, const struct sr_buf *signature)
{
	struct sr_hsm_use *use = NULL;
	CK_RV rv = sr_hsm_use_begin(rig_hsm, SR_HSM_VERIFY, key, mechanism, &use, &rig_err);
	if (rv == CKR_OK)
		rv = sr_hsm_use_verify(use, in, len, signature->data, signature->len, &rig_err);
	sr_hsm_use_end(use);
	return rv;
}

static void assert_derives(const struct rig_key *key)
{
	const struct sr_attr *point = sr_attrs_find(&key->public.attrs, CKA_EC_POINT);
	CK_ECDH1_DERIVE_PARAMS params = { CKD_NULL, 0, NULL, point->len, point->value };
	CK_MECHANISM ecdh = { CKM_ECDH1_DERIVE, &params, sizeof(params) };
	struct sr_attrs template = SR_ATTRS_INIT;
	struct sr_hsm_made made;
	struct sr_hsm_place place = rig_of(SR_HSM_NEST, NULL);
	sr_attrs_put_ulong(&template, CKA_KEY_TYPE, CKK_GENERIC_SECRET);
	sr_attrs_put_ulong(&template, CKA_VALUE_LEN, 32);
	assert_ok(sr_hsm_derive(rig_hsm, &place, &ecdh, key->private.key, &template, &made, &rig_err));
	sr_hsm_made_clear(&made);
	sr_attrs_clear(&template);
}

void rig_assert_works(int kind, const struct rig_key *key)
{
	static const uint8_t digest[32] = { 1, 2, 3 };
	static const CK_MECHANISM_TYPE signs[KINDS] = { CKM_AES_CMAC, CKM_SHA256_HMAC, CKM_SHA256_RSA_PKCS, CKM_ECDSA,
		CKM_ECDSA, CKM_ECDSA, CKM_EDDSA, 0 };
	CK_MECHANISM mechanism = { signs[kind], NULL, 0 };
	struct sr_buf signature = SR_BUF_INIT;
	if (kind == KIND_X25519) {
		assert_derives(key);
		return;
	}
	struct sr_hsm_key *verifier = key->public.key ? key->public.key : key->private.key;
	assert_ok(rig_operate(SR_HSM_SIGN, key->private.key, &mechanism, digest, sizeof(digest), &signature));
	assert_ok(rig_verify(verifier, &mechanism, digest, sizeof(digest), &signature));
	signature.data[signature.len - 1] ^= 1;
	ck_assert_uint_eq(rig_verify(verifier, &mechanism, digest, sizeof(digest), &signature), CKR_SIGNATURE_INVALID);
	sr_buf_clear(&signature);
}
