/* The space of templates, searched: every combination of rights that a wrapping key may be asked for, every way to get
 * one. Whichever of them wraps a sensitive key of the vault must be one that the attacker can neither know nor have
 * undo it. He is the admin here: nothing but the rules of docs/keys.md stands in his way. */
#include "tests/battery/battery.h"
#include "tests/battery/suites.h"

#include <stdio.h>
#include <string.h>

static CK_SESSION_HANDLE session;
static CK_OBJECT_HANDLE target;
static CK_OBJECT_CLASS secret_class = CKO_SECRET_KEY, public_class = CKO_PUBLIC_KEY;
static CK_KEY_TYPE aes_type = CKK_AES, rsa_type = CKK_RSA;
static CK_ULONG key_len = 32;
static CK_BYTE known[32] = "a value that the attacker knows", iv[16];
static CK_MECHANISM key_wrap = { CKM_AES_KEY_WRAP, NULL, 0 }, cbc_pad = { CKM_AES_CBC_PAD, iv, sizeof iv };
static CK_RSA_PKCS_OAEP_PARAMS oaep_params = { CKM_SHA_1, CKG_MGF1_SHA1, CKZ_DATA_SPECIFIED, NULL, 0 };
static CK_MECHANISM oaep = { CKM_RSA_PKCS_OAEP, &oaep_params, sizeof oaep_params };
static unsigned number; /* of the paths so far */

#define YES(type)                \
	{                        \
		type, &sr_yes, 1 \
	}
#define NO(type)                \
	{                       \
		type, &sr_no, 1 \
	}

static void start(void)
{
	CK_MECHANISM generate = { CKM_AES_KEY_GEN, NULL, 0 };
	CK_ATTRIBUTE leaves[] = { SR_ATTR(CKA_VALUE_LEN, key_len), YES(CKA_TOKEN), SR_TEXT(CKA_LABEL, "space/target"),
		YES(CKA_SENSITIVE), YES(CKA_EXTRACTABLE), YES(CKA_ENCRYPT) };
	sr_start();
	session = sr_as(SR_ADMIN_PIN);
	target = sr_key(session, CKO_SECRET_KEY, "space/target");
	if (!target)
		ck_assert_rv(p11->C_GenerateKey(session, &generate, leaves, SR_COUNT(leaves), &target), CKR_OK);
}

/* -- secret keys --------------------------------------------------------------------------------------------------- */

static const CK_ATTRIBUTE_TYPE bits[] = { CKA_ENCRYPT, CKA_DECRYPT, CKA_SIGN, CKA_UNWRAP, CKA_DERIVE, CKA_SENSITIVE,
	CKA_EXTRACTABLE };

enum way { GENERATED, IMPORTED, DERIVED, WAYS };

static void fill(CK_ATTRIBUTE *template, unsigned mask)
{
	for (size_t i = 0; i < SR_COUNT(bits); i++)
		template[i] = (CK_ATTRIBUTE){ bits[i], mask & (1u << i) ? &sr_yes : &sr_no, 1 };
}

/* By Diffie-Hellman with a key of his own: its value is known where it may be read. */
static CK_RV derive(CK_ATTRIBUTE *template, CK_ULONG count, CK_OBJECT_HANDLE *key)
{
	CK_OBJECT_HANDLE base, public;
	CK_BYTE point[128];
	CK_ULONG point_len = sizeof point;
	ck_assert_rv(sr_pair(session, SR_P256, NULL, &public, &base), CKR_OK);
	ck_assert_rv(sr_get(session, public, CKA_EC_POINT, point, &point_len), CKR_OK);
	CK_ECDH1_DERIVE_PARAMS params = { CKD_NULL, 0, NULL, point_len, point };
	CK_MECHANISM ecdh = { CKM_ECDH1_DERIVE, &params, sizeof params };
	CK_RV rv = p11->C_DeriveKey(session, &ecdh, base, template, count, key);
	p11->C_DestroyObject(session, base);
	p11->C_DestroyObject(session, public);
	return rv;
}

static CK_RV make(enum way way, unsigned mask, bool token, CK_OBJECT_HANDLE *key)
{
	CK_MECHANISM generate = { CKM_AES_KEY_GEN, NULL, 0 };
	char path[32];
	snprintf(path, sizeof path, "space/%u", ++number);
	CK_ATTRIBUTE template[16] = { { CKA_TOKEN, token ? &sr_yes : &sr_no, 1 }, SR_STRING(CKA_LABEL, path),
		YES(CKA_WRAP) };
	fill(template + 3, mask);
	CK_ULONG count = 3 + SR_COUNT(bits);
	if (way != GENERATED) {
		template[count++] = (CK_ATTRIBUTE)SR_ATTR(CKA_CLASS, secret_class);
		template[count++] = (CK_ATTRIBUTE)SR_ATTR(CKA_KEY_TYPE, aes_type);
	}
	template[count++] = way == IMPORTED ? (CK_ATTRIBUTE)SR_ATTR(CKA_VALUE, known)
					    : (CK_ATTRIBUTE)SR_ATTR(CKA_VALUE_LEN, key_len);
	if (way == GENERATED)
		return p11->C_GenerateKey(session, &generate, template, count, key);
	return way == IMPORTED ? p11->C_CreateObject(session, template, count, key) : derive(template, count, key);
}

static CK_RV wrap(CK_MECHANISM *mechanism, CK_OBJECT_HANDLE with, CK_OBJECT_HANDLE key)
{
	CK_BYTE wrapped[1024];
	CK_ULONG len = sizeof wrapped;
	return p11->C_WrapKey(session, mechanism, with, key, wrapped, &len);
}

/* Whether the attacker has KEY's value: he reads it, or wraps it by a key that he brought. */
static bool comes_out(CK_OBJECT_HANDLE key)
{
	CK_ATTRIBUTE wraps[] = { YES(CKA_WRAP) };
	CK_OBJECT_HANDLE brought;
	if (sr_value(session, key) == CKR_OK)
		return true;
	ck_assert_rv(sr_import_aes(session, known, sizeof known, wraps, 1, &brought), CKR_OK);
	bool out = wrap(&key_wrap, brought, key) == CKR_OK || wrap(&cbc_pad, brought, key) == CKR_OK;
	p11->C_DestroyObject(session, brought);
	return out;
}

static bool decrypts(CK_OBJECT_HANDLE key)
{
	bool begun = p11->C_DecryptInit(session, &cbc_pad, key) == CKR_OK;
	if (begun)
		ck_assert_rv(p11->C_SessionCancel(session, CKF_DECRYPT), CKR_OK);
	return begun;
}

/* Unwrapped with every secrecy there is, in the session and in the vault. */
static void comes_back_closed(CK_OBJECT_HANDLE with)
{
	CK_BYTE wrapped[64];
	CK_ULONG len = sizeof wrapped;
	ck_assert_rv(p11->C_WrapKey(session, &key_wrap, with, target, wrapped, &len), CKR_OK);
	for (unsigned i = 0; i < 8; i++) {
		char path[32];
		CK_OBJECT_HANDLE back;
		snprintf(path, sizeof path, "space/%u", ++number);
		CK_ATTRIBUTE template[] = { SR_ATTR(CKA_CLASS, secret_class), SR_ATTR(CKA_KEY_TYPE, aes_type),
			{ CKA_SENSITIVE, i & 1 ? &sr_yes : &sr_no, 1 },
			{ CKA_EXTRACTABLE, i & 2 ? &sr_yes : &sr_no, 1 }, { CKA_TOKEN, i & 4 ? &sr_yes : &sr_no, 1 },
			SR_STRING(CKA_LABEL, path), YES(CKA_ENCRYPT) };
		CK_RV rv =
			p11->C_UnwrapKey(session, &key_wrap, with, wrapped, len, template, SR_COUNT(template), &back);
		ck_assert_msg(rv != CKR_OK || !comes_out(back), "unwrapped by %u, and read", i);
		if (rv == CKR_OK)
			ck_assert_rv(p11->C_DestroyObject(session, back), CKR_OK);
	}
}

/* True: KEY wraps the target. Then nobody may know it, and it must not decrypt. */
static bool try_key(enum way way, unsigned mask, bool token, CK_OBJECT_HANDLE key)
{
	if (wrap(&key_wrap, key, target) != CKR_OK && wrap(&cbc_pad, key, target) != CKR_OK)
		return false;
	ck_assert_msg(way == GENERATED && !comes_out(key) && !decrypts(key),
		"way %d, rights %x, token %d: wraps the target and is known, or decrypts", way, mask, token);
	return true;
}

/* A session key that goes into the vault is no better for it. */
static void try_copy(enum way way, unsigned mask, CK_OBJECT_HANDLE key)
{
	char path[32];
	CK_OBJECT_HANDLE copy;
	snprintf(path, sizeof path, "space/%u", ++number);
	CK_ATTRIBUTE kept[] = { YES(CKA_TOKEN), SR_STRING(CKA_LABEL, path) };
	if (p11->C_CopyObject(session, key, kept, 2, &copy) != CKR_OK)
		return;
	try_key(way, mask, true, copy);
	ck_assert_rv(p11->C_DestroyObject(session, copy), CKR_OK);
}

START_TEST(no_secret_key_that_is_known_wraps)
{
	enum way way = (enum way)(_i / 2);
	bool token = _i % 2, unwrapped = false;
	unsigned wrapping = 0, made = 0;
	for (unsigned mask = 0; mask < 1u << SR_COUNT(bits); mask++) {
		CK_OBJECT_HANDLE key;
		if (make(way, mask, token, &key) != CKR_OK)
			continue;
		made++;
		wrapping += try_key(way, mask, token, key);
		if (!token)
			try_copy(way, mask, key);
		if (way == GENERATED && sr_flag(session, key, CKA_UNWRAP) && !unwrapped) {
			comes_back_closed(key);
			unwrapped = true;
		}
		ck_assert_rv(p11->C_DestroyObject(session, key), CKR_OK);
	}
	ck_assert_msg(way != GENERATED || (wrapping > 0 && unwrapped), "nothing wrapped: the search shows nothing");
	ck_assert_msg(made > 0 || (way == DERIVED && token), "nothing was made: the search shows nothing");
}
END_TEST

/* -- RSA ------------------------------------------------------------------------------------------------------------
 */

static const CK_ATTRIBUTE_TYPE private_bits[] = { CKA_DECRYPT, CKA_SIGN, CKA_SIGN_RECOVER, CKA_UNWRAP, CKA_SENSITIVE,
	CKA_EXTRACTABLE };

/* Every operation that takes a block to the power of the private exponent, or shows that. */
static bool undoes(CK_OBJECT_HANDLE private)
{
	CK_MECHANISM raw = { CKM_RSA_X_509, NULL, 0 };
	CK_BYTE exponent[512];
	CK_ULONG len = sizeof exponent;
	bool undone = p11->C_DecryptInit(session, &oaep, private) == CKR_OK ||
		      p11->C_DecryptInit(session, &raw, private) == CKR_OK ||
		      p11->C_SignInit(session, &raw, private) == CKR_OK ||
		      p11->C_SignRecoverInit(session, &raw, private) == CKR_OK;
	p11->C_SessionCancel(session, CKF_DECRYPT | CKF_SIGN | CKF_SIGN_RECOVER);
	return undone || sr_get(session, private, CKA_PRIVATE_EXPONENT, exponent, &len) == CKR_OK || comes_out(private);
}

START_TEST(no_pair_whose_private_half_is_had_wraps)
{
	CK_MECHANISM generate = { CKM_RSA_PKCS_KEY_PAIR_GEN, NULL, 0 };
	CK_ULONG size = 2048;
	unsigned wrapping = 0;
	CK_ATTRIBUTE public_template[] = { SR_ATTR(CKA_MODULUS_BITS, size), YES(CKA_WRAP), NO(CKA_TOKEN) };
	for (unsigned mask = 0; mask < 1u << SR_COUNT(private_bits); mask++) {
		CK_ATTRIBUTE private_template[SR_COUNT(private_bits) + 1] = { NO(CKA_TOKEN) };
		CK_OBJECT_HANDLE public, private;
		for (size_t i = 0; i < SR_COUNT(private_bits); i++)
			private_template[i + 1] =
				(CK_ATTRIBUTE){ private_bits[i], mask & (1u << i) ? &sr_yes : &sr_no, 1 };
		if (p11->C_GenerateKeyPair(session, &generate, public_template, 3, private_template,
			    SR_COUNT(private_template), &public, &private) != CKR_OK)
			continue;
		bool wraps = wrap(&oaep, public, target) == CKR_OK;
		ck_assert_msg(
			!wraps || !undoes(private), "rights %x: the public half wraps, the private undoes it", mask);
		wrapping += wraps;
		p11->C_DestroyObject(session, public);
		p11->C_DestroyObject(session, private);
	}
	ck_assert_uint_gt(wrapping, 0);
}
END_TEST

/* The public half of a pair that decrypts, brought along again as a wrapping key: into the session, and to a path. */
START_TEST(no_public_key_that_is_brought_along_wraps)
{
	CK_OBJECT_HANDLE public, private, again;
	CK_BYTE n[512], e[16];
	CK_ULONG n_len = sizeof n, e_len = sizeof e;
	ck_assert_rv(sr_pair(session, SR_RSA, NULL, &public, &private), CKR_OK);
	ck_assert_rv(sr_get(session, public, CKA_MODULUS, n, &n_len), CKR_OK);
	ck_assert_rv(sr_get(session, public, CKA_PUBLIC_EXPONENT, e, &e_len), CKR_OK);
	CK_ATTRIBUTE template[] = { SR_ATTR(CKA_CLASS, public_class), SR_ATTR(CKA_KEY_TYPE, rsa_type),
		{ CKA_MODULUS, n, n_len }, { CKA_PUBLIC_EXPONENT, e, e_len }, YES(CKA_WRAP),
		{ CKA_TOKEN, _i ? &sr_yes : &sr_no, 1 }, SR_TEXT(CKA_LABEL, "space/public") };
	ck_assert_rv(p11->C_CreateObject(session, template, SR_COUNT(template), &again), CKR_OK);
	ck_assert_rv(wrap(&oaep, again, target), CKR_KEY_NOT_WRAPPABLE);
	ck_assert_rv(p11->C_DestroyObject(session, again), CKR_OK);
}
END_TEST

Suite *sr_battery_key_space(void)
{
	Suite *suite = suite_create("battery: key space");
	TCase *tcase = sr_chapter(suite, "secret keys", start, sr_stop);
	tcase_set_timeout(tcase, 120);
	tcase_add_loop_test(tcase, no_secret_key_that_is_known_wraps, 0, 2 * WAYS);
	tcase = sr_chapter(suite, "pairs", start, sr_stop);
	tcase_set_timeout(tcase, 120);
	tcase_add_test(tcase, no_pair_whose_private_half_is_had_wraps);
	tcase_add_loop_test(tcase, no_public_key_that_is_brought_along_wraps, 0, 2);
	return suite;
}
