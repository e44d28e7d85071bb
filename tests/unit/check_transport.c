/* Wrapped keys from one HSM to another: each kind, the same key there; nothing left behind; what does not open. */
#include "tests/unit/hsm_rig.h"
#include "tests/unit/second_token.h"
#include "tests/unit/suites.h"

#include "hsm/transport.h"
#include "util/crypto.h"

#include <p11-kit/p11-kit.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define UID "abcdefghijklmnopqrstuvwxyz"

static struct sr_hsm *other;
static struct sr_buf uri;
static struct sr_transport *transport;

static void setup(void)
{
	char own[400];
	struct rig_raw raw;
	hsm_rig_set_up();
	raw = rig_raw_open();
	char *path = p11_kit_module_get_filename(raw.module);
	snprintf(own, sizeof(own), "pkcs11:?module-path=%s", path);
	free(path);
	rig_raw_close(&raw);
	second_token_make(own, "other", rig_dir(), &uri);
	const struct sr_hsm_config config = { .uri = sr_buf_string(&uri) };
	assert_ok(sr_hsm_open(&config, &other, &rig_err));
	assert_ok(sr_hsm_create_keys(other, RIG_VAULT, 2, &rig_err));
	assert_ok(sr_hsm_load_keys(other, RIG_VAULT, 2, &rig_err));
}

static void teardown(void)
{
	sr_transport_close(transport);
	transport = NULL;
	sr_hsm_close(other);
	other = NULL;
	sr_buf_clear(&uri);
	hsm_rig_tear_down();
}

/* What is signed by it in the other HSM is what the one verifies by the key that it had. */
static void assert_same(int kind, const struct rig_key *key, const struct sr_buf *moved)
{
	static const uint8_t digest[32] = { 1, 2, 3 };
	static const CK_MECHANISM_TYPE signs[KINDS] = { CKM_AES_CMAC, CKM_SHA256_HMAC, CKM_SHA256_RSA_PKCS, CKM_ECDSA,
		CKM_ECDSA, CKM_ECDSA };
	CK_MECHANISM mechanism = { signs[kind], NULL, 0 };
	struct sr_attrs template = SR_ATTRS_INIT, none = SR_ATTRS_INIT;
	struct sr_buf signature = SR_BUF_INIT;
	struct sr_hsm_use *use = NULL;
	rig_template(kind, false, &template, &none);
	struct sr_hsm_key *there = sr_hsm_key_wrapped(UID, 1, moved, &template);
	assert_ok(sr_hsm_use_begin(other, SR_HSM_SIGN, there, &mechanism, &use, &rig_err));
	assert_ok(sr_hsm_use_once(use, digest, sizeof(digest), &signature, &rig_err));
	sr_hsm_use_end(use);
	assert_ok(rig_verify(
		key->public.key ? key->public.key : key->private.key, &mechanism, digest, sizeof(digest), &signature));
	sr_hsm_key_unref(there);
	sr_buf_clear(&signature);
	sr_attrs_clear(&template);
	sr_attrs_clear(&none);
}

static CK_RV move(int kind, const struct sr_buf *blob, struct sr_buf *moved)
{
	CK_OBJECT_CLASS object_class = rig_kinds[kind].len ? CKO_SECRET_KEY : CKO_PRIVATE_KEY;
	struct sr_buf material = SR_BUF_INIT;
	CK_RV rv = sr_transport_move(transport, object_class, rig_kinds[kind].type, blob, moved, &material, &rig_err);
	if (rv == CKR_OK)
		ck_assert_uint_ge(material.len, SR_SHA256_LEN);
	sr_buf_clear(&material);
	return rv;
}

START_TEST(each_kind_is_the_same_key_there)
{
	struct sr_hsm_place wrapped = rig_of(SR_HSM_WRAPPED, UID);
	struct sr_buf moved = SR_BUF_INIT;
	struct rig_key key;
	assert_ok(rig_make(_i, &wrapped, false, &key));
	assert_ok(sr_transport_open(rig_hsm, other, &transport, &rig_err));
	assert_ok(move(_i, &key.private.blob, &moved));
	ck_assert(moved.len != key.private.blob.len || memcmp(moved.data, key.private.blob.data, moved.len) != 0);
	assert_same(_i, &key, &moved);
	sr_buf_clear(&moved);
	rig_key_clear(&key);
}
END_TEST

START_TEST(nothing_is_left_in_either)
{
	struct sr_hsm_place wrapped = rig_of(SR_HSM_WRAPPED, UID);
	struct sr_buf moved = SR_BUF_INIT;
	struct rig_key key;
	struct rig_raw raw = rig_raw_open();
	size_t before = rig_count(&raw, false), there = second_token_objects(sr_buf_string(&uri));
	assert_ok(rig_make(KIND_P256, &wrapped, false, &key));
	assert_ok(sr_transport_open(rig_hsm, other, &transport, &rig_err));
	for (int i = 0; i < 3; i++) {
		sr_buf_clear(&moved);
		assert_ok(move(KIND_P256, &key.private.blob, &moved));
	}
	sr_transport_close(transport);
	transport = NULL;
	rig_key_clear(&key);
	ck_assert_uint_eq(rig_count(&raw, false), before);
	ck_assert_uint_eq(rig_count(&raw, true), 0);
	ck_assert_uint_eq(second_token_objects(sr_buf_string(&uri)), there);
	rig_raw_close(&raw);
	sr_buf_clear(&moved);
}
END_TEST

START_TEST(what_does_not_open_does_not_go_over)
{
	struct sr_hsm_place wrapped = rig_of(SR_HSM_WRAPPED, UID);
	struct sr_buf moved = SR_BUF_INIT, empty = SR_BUF_INIT;
	struct rig_key key;
	assert_ok(rig_make(KIND_AES, &wrapped, false, &key));
	assert_ok(sr_transport_open(rig_hsm, other, &transport, &rig_err));
	key.private.blob.data[key.private.blob.len - 1] ^= 1;
	ck_assert_uint_ne(move(KIND_AES, &key.private.blob, &moved), CKR_OK);
	ck_assert_uint_ne(move(KIND_AES, &empty, &moved), CKR_OK);
	ck_assert_uint_eq(moved.len, 0);
	key.private.blob.data[key.private.blob.len - 1] ^= 1;
	assert_ok(move(KIND_AES, &key.private.blob, &moved));
	sr_buf_clear(&moved);
	rig_key_clear(&key);
}
END_TEST

START_TEST(an_hsm_without_keys_is_refused)
{
	struct sr_hsm *bare;
	const struct sr_hsm_config config = { .uri = sr_buf_string(&uri) };
	assert_ok(sr_hsm_open(&config, &bare, &rig_err));
	assert_refused(sr_transport_open(rig_hsm, bare, &transport, &rig_err), CKR_DEVICE_ERROR, SR_REASON_HSM_FAILED);
	ck_assert_ptr_null(transport);
	sr_hsm_close(bare);
}
END_TEST

Suite *sr_suite_transport(void)
{
	Suite *suite = suite_create("transport");
	TCase *tests = tcase_create("transport");
	tcase_set_timeout(tests, 120);
	tcase_add_checked_fixture(tests, setup, teardown);
	tcase_add_loop_test(tests, each_kind_is_the_same_key_there, KIND_AES, KIND_P521 + 1);
	tcase_add_test(tests, nothing_is_left_in_either);
	tcase_add_test(tests, what_does_not_open_does_not_go_over);
	tcase_add_test(tests, an_hsm_without_keys_is_refused);
	suite_add_tcase(suite, tests);
	return suite;
}
