/* src/pkcs11 over the fake vault: keys and certificates as objects, and key management (PKCS#11 v3.1, 5.7, 5.18). */
#include "tests/unit/suites.h"

#include "tests/unit/pkcs11_fixture.h"

#include <stdint.h>
#include <stdio.h>
#include <unistd.h>

#define CALL(name, ...) fix.calls->name(fix.client, __VA_ARGS__)
#define ck_rv ck_assert_uint_eq
#define MAX_TEMPLATE 16

static CK_OBJECT_CLASS secret_class = CKO_SECRET_KEY, private_class = CKO_PRIVATE_KEY, public_class = CKO_PUBLIC_KEY,
		       certificate_class = CKO_CERTIFICATE;
static CK_KEY_TYPE aes = CKK_AES, rsa = CKK_RSA, ec = CKK_EC, generic = CKK_GENERIC_SECRET;
static CK_CERTIFICATE_TYPE x509 = CKC_X_509;
static CK_BBOOL yes = CK_TRUE, no = CK_FALSE;
static CK_ULONG sixteen = 16;
static CK_MECHANISM aes_gen = { CKM_AES_KEY_GEN, NULL, 0 }, ec_gen = { CKM_EC_KEY_PAIR_GEN, NULL, 0 },
		    aes_wrap = { CKM_AES_KEY_WRAP, NULL, 0 }, no_mechanism = { CKM_MD5, NULL, 0 };

#define CLASS(c)                           \
	{                                  \
		CKA_CLASS, &(c), sizeof(c) \
	}
#define TYPE(t)                               \
	{                                     \
		CKA_KEY_TYPE, &(t), sizeof(t) \
	}
#define BOOL(type, value)         \
	{                         \
		type, &(value), 1 \
	}
#define TEXT(type, text)                                      \
	{                                                     \
		type, (void *)(uintptr_t)(text), strlen(text) \
	}
#define AES_VALUE                                         \
	{                                                 \
		CKA_VALUE, (void *)"0123456789abcdef", 16 \
	}

/* An AES key through C_CreateObject, which needs no more than the call layer has; EXTRA comes after the usual. */
static CK_RV import_aes(CK_SESSION_HANDLE session, const CK_ATTRIBUTE *extra, CK_ULONG count, CK_OBJECT_HANDLE *handle)
{
	CK_ATTRIBUTE template[MAX_TEMPLATE] = { CLASS(secret_class), TYPE(aes), AES_VALUE };
	if (count)
		memcpy(&template[3], extra, count * sizeof *extra);
	return CALL(C_CreateObject, session, template, 3 + count, handle);
}

static CK_OBJECT_HANDLE session_aes(CK_SESSION_HANDLE session)
{
	CK_OBJECT_HANDLE key = 0;
	ck_rv(import_aes(session, NULL, 0, &key), CKR_OK);
	return key;
}

static CK_OBJECT_HANDLE vault_aes(const char *label, const CK_ATTRIBUTE *extra, CK_ULONG count)
{
	CK_ATTRIBUTE all[MAX_TEMPLATE] = { BOOL(CKA_TOKEN, yes), TEXT(CKA_LABEL, label) };
	CK_OBJECT_HANDLE key = 0;
	if (count)
		memcpy(&all[2], extra, count * sizeof *extra);
	ck_rv(import_aes(fix.rw, all, 2 + count, &key), CKR_OK);
	return key;
}

static CK_RV get_one(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object, CK_ATTRIBUTE_TYPE type, void *value,
	CK_ULONG room, CK_ULONG *len)
{
	CK_ATTRIBUTE wanted = { type, value, room };
	CK_RV rv = CALL(C_GetAttributeValue, session, object, &wanted, 1);
	*len = wanted.ulValueLen;
	return rv;
}

static CK_ULONG count_found(CK_SESSION_HANDLE session, CK_ATTRIBUTE *query, CK_ULONG len)
{
	CK_OBJECT_HANDLE found[16];
	CK_ULONG count = 0;
	ck_rv(CALL(C_FindObjectsInit, session, query, len), CKR_OK);
	ck_rv(CALL(C_FindObjects, session, found, COUNT(found), &count), CKR_OK);
	ck_rv(CALL(C_FindObjectsFinal, session), CKR_OK);
	return count;
}

static void nothing_is_there(void)
{
	ck_assert_uint_eq(fix.vault->nest_keys, 0);
	ck_assert_uint_eq(fix.vault->keys_living, 0);
}

/* -- generating --------------------------------------------------------------------------------------------------- */

START_TEST(generate_refused)
{
	CK_OBJECT_HANDLE made = 0;
	CK_ATTRIBUTE wrong[] = { CLASS(private_class) };
	CK_ATTRIBUTE other[] = { TYPE(rsa) };
	CK_ATTRIBUTE token[] = { BOOL(CKA_TOKEN, yes) };
	CK_ATTRIBUTE local[] = { BOOL(CKA_LOCAL, yes) };
	CK_ATTRIBUTE twice[] = { BOOL(CKA_TOKEN, no), BOOL(CKA_TOKEN, no) };
	CK_ATTRIBUTE bare[] = { { CKA_LABEL, NULL, 3 } };
	ck_rv(CALL(C_GenerateKey, fix.rw, &aes_gen, NULL, 0, NULL), CKR_ARGUMENTS_BAD);
	ck_rv(CALL(C_GenerateKey, fix.rw, NULL, NULL, 0, &made), CKR_ARGUMENTS_BAD);
	ck_rv(CALL(C_GenerateKey, fix.rw, &aes_gen, NULL, 1, &made), CKR_ARGUMENTS_BAD);
	ck_rv(CALL(C_GenerateKey, fix.rw, &no_mechanism, NULL, 0, &made), CKR_MECHANISM_INVALID);
	ck_rv(CALL(C_GenerateKey, fix.rw, &ec_gen, NULL, 0, &made), CKR_MECHANISM_INVALID);
	ck_rv(CALL(C_GenerateKey, fix.rw, &aes_gen, NULL, 0, &made), CKR_USER_NOT_LOGGED_IN);
	log_in(fix.rw);
	ck_rv(CALL(C_GenerateKey, fix.rw, &aes_gen, wrong, 1, &made), CKR_TEMPLATE_INCONSISTENT);
	ck_rv(CALL(C_GenerateKey, fix.rw, &aes_gen, other, 1, &made), CKR_TEMPLATE_INCONSISTENT);
	ck_rv(CALL(C_GenerateKey, fix.rw, &aes_gen, local, 1, &made), CKR_ATTRIBUTE_READ_ONLY);
	ck_rv(CALL(C_GenerateKey, fix.rw, &aes_gen, twice, 2, &made), CKR_TEMPLATE_INCONSISTENT);
	ck_rv(CALL(C_GenerateKey, fix.rw, &aes_gen, bare, 1, &made), CKR_ATTRIBUTE_VALUE_INVALID);
	ck_rv(CALL(C_GenerateKey, fix.ro, &aes_gen, token, 1, &made), CKR_SESSION_READ_ONLY);
	fix.vault->make_rv = CKR_TOKEN_WRITE_PROTECTED;
	ck_rv(CALL(C_GenerateKey, fix.rw, &aes_gen, token, 1, &made), CKR_TOKEN_WRITE_PROTECTED);
	ck_rv(reason_of(fix.rw), SR_REASON_OUT_OF_SCOPE);
	ck_rv(CALL(C_GenerateKey, 0, &aes_gen, NULL, 0, &made), CKR_SESSION_HANDLE_INVALID);
	ck_rv(made, 0);
	nothing_is_there();
}
END_TEST

START_TEST(generate_key)
{
	CK_OBJECT_HANDLE made = 0, stored = 0;
	CK_ATTRIBUTE length[] = { { CKA_VALUE_LEN, &sixteen, sizeof sixteen }, CLASS(secret_class), TYPE(aes) };
	CK_ATTRIBUTE token[] = { BOOL(CKA_TOKEN, yes), TEXT(CKA_LABEL, "keys/a"),
		{ CKA_VALUE_LEN, &sixteen, sizeof sixteen } };
	CK_BBOOL on_token = 9, hidden = 9;
	CK_ULONG len;
	log_in(fix.ro);
	ck_rv(CALL(C_GenerateKey, fix.ro, &aes_gen, length, 3, &made), CKR_OK); /* a session object, R/O session */
	ck_rv(fix.vault->nest_keys, 1);
	ck_rv(get_one(fix.rw, made, CKA_TOKEN, &on_token, 1, &len), CKR_OK);
	ck_rv(on_token, CK_FALSE);
	ck_rv(CALL(C_GenerateKey, fix.rw, &aes_gen, token, 3, &stored), CKR_OK);
	ck_rv(fix.vault->nest_keys, 1);
	ck_rv(get_one(fix.ro, stored, CKA_TOKEN, &on_token, 1, &len), CKR_OK);
	ck_rv(on_token, CK_TRUE);
	ck_rv(get_one(fix.ro, stored, CKA_PRIVATE, &hidden, 1, &len), CKR_OK);
	ck_rv(hidden, CK_TRUE);
	ck_rv(find_label(fix.ro, "keys/a"), stored); /* the same handle */
	ck_rv(CALL(C_GenerateKey, fix.rw, &aes_gen, token, 3, &made), CKR_TEMPLATE_INCONSISTENT);
	ck_rv(reason_of(fix.rw), SR_REASON_PATH_TAKEN);
}
END_TEST

START_TEST(generate_pair)
{
	CK_OBJECT_HANDLE public_key = 0, private_key = 0;
	CK_ATTRIBUTE public_template[] = { TEXT(CKA_LABEL, "keys/p"), BOOL(CKA_TOKEN, yes) };
	CK_ATTRIBUTE private_template[] = { TEXT(CKA_LABEL, "keys/p"), BOOL(CKA_TOKEN, yes) };
	CK_ATTRIBUTE bad[] = { TYPE(rsa) };
	CK_OBJECT_CLASS class;
	CK_ULONG len;
#define PAIR(session, pub, pub_len, priv, priv_len, at) \
	CALL(C_GenerateKeyPair, session, &ec_gen, pub, pub_len, priv, priv_len, at, &private_key)
	ck_rv(PAIR(fix.rw, NULL, 0, NULL, 0, NULL), CKR_ARGUMENTS_BAD);
	ck_rv(CALL(C_GenerateKeyPair, fix.rw, &ec_gen, NULL, 0, NULL, 0, &public_key, NULL), CKR_ARGUMENTS_BAD);
	ck_rv(CALL(C_GenerateKeyPair, fix.rw, NULL, NULL, 0, NULL, 0, &public_key, &private_key), CKR_ARGUMENTS_BAD);
	ck_rv(PAIR(fix.rw, NULL, 1, NULL, 0, &public_key), CKR_ARGUMENTS_BAD);
	ck_rv(PAIR(fix.rw, NULL, 0, NULL, 1, &public_key), CKR_ARGUMENTS_BAD);
	ck_rv(CALL(C_GenerateKeyPair, fix.rw, &aes_gen, NULL, 0, NULL, 0, &public_key, &private_key),
		CKR_MECHANISM_INVALID);
	ck_rv(PAIR(fix.rw, NULL, 0, NULL, 0, &public_key), CKR_USER_NOT_LOGGED_IN);
	log_in(fix.rw);
	ck_rv(PAIR(fix.ro, public_template, 2, NULL, 0, &public_key), CKR_SESSION_READ_ONLY);
	ck_rv(PAIR(fix.ro, NULL, 0, private_template, 2, &public_key), CKR_SESSION_READ_ONLY);
	ck_rv(PAIR(fix.rw, bad, 1, NULL, 0, &public_key), CKR_TEMPLATE_INCONSISTENT);
	ck_rv(PAIR(fix.rw, NULL, 0, bad, 1, &public_key), CKR_TEMPLATE_INCONSISTENT);
	ck_rv(public_key, 0);
	ck_rv(private_key, 0);
	nothing_is_there();
	ck_rv(PAIR(fix.ro, NULL, 0, NULL, 0, &public_key), CKR_OK);
	ck_rv(fix.vault->nest_keys, 2);
	ck_rv(get_one(fix.ro, public_key, CKA_CLASS, &class, sizeof class, &len), CKR_OK);
	ck_rv(class, CKO_PUBLIC_KEY);
	ck_rv(get_one(fix.ro, private_key, CKA_CLASS, &class, sizeof class, &len), CKR_OK);
	ck_rv(class, CKO_PRIVATE_KEY);
	ck_rv(PAIR(fix.rw, public_template, 2, private_template, 2, &public_key), CKR_OK);
	ck_rv(fix.vault->nest_keys, 2);
	ck_rv(count_found(fix.rw, public_template, 1), 2); /* both halves at one path */
}
END_TEST

/* -- importing ---------------------------------------------------------------------------------------------------- */

START_TEST(import_keys)
{
	CK_OBJECT_HANDLE made = 0;
	CK_ATTRIBUTE public_key[] = { CLASS(public_class), TYPE(rsa), TEXT(CKA_MODULUS, "modulus"),
		TEXT(CKA_PUBLIC_EXPONENT, "\x01\x01"), BOOL(CKA_PRIVATE, no) };
	CK_ATTRIBUTE private_key[] = { CLASS(private_class), TYPE(ec), TEXT(CKA_VALUE, "value"),
		BOOL(CKA_PRIVATE, no) };
	CK_ATTRIBUTE token[] = { BOOL(CKA_TOKEN, yes), TEXT(CKA_LABEL, "keys/i") };
	ck_rv(CALL(C_CreateObject, fix.ro, public_key, 1, &made), CKR_TEMPLATE_INCOMPLETE);
	ck_rv(CALL(C_CreateObject, fix.ro, private_key, 4, &made), CKR_USER_NOT_LOGGED_IN);
	ck_rv(import_aes(fix.ro, NULL, 0, &made), CKR_USER_NOT_LOGGED_IN);
	ck_rv(made, 0);
	ck_rv(CALL(C_CreateObject, fix.ro, public_key, 5, &made), CKR_OK); /* the public half needs no login */
	ck_rv(CALL(C_CreateObject, fix.ro, public_key, 4, &made), CKR_OK); /* nor by default */
	public_key[4].pValue = &yes;
	ck_rv(CALL(C_CreateObject, fix.ro, public_key, 5, &made), CKR_USER_NOT_LOGGED_IN);
	ck_rv(import_aes(fix.ro, token, 2, &made), CKR_SESSION_READ_ONLY);
	ck_rv(import_aes(fix.rw, token, 2, &made), CKR_USER_NOT_LOGGED_IN);
	ck_rv(fix.vault->nest_keys, 2);
	log_in(fix.rw);
	ck_rv(CALL(C_CreateObject, fix.ro, private_key, 4, &made), CKR_OK);
	ck_rv(CALL(C_CreateObject, fix.ro, private_key, 4, NULL), CKR_ARGUMENTS_BAD);
	ck_rv(import_aes(fix.rw, token, 2, &made), CKR_OK);
	ck_rv(find_label(fix.ro, "keys/i"), made);
	fix.vault->make_rv = CKR_DEVICE_ERROR;
	ck_rv(import_aes(fix.rw, NULL, 0, &made), CKR_DEVICE_ERROR);
	ck_rv(fix.vault->nest_keys, 3);
	ck_rv(CALL(C_Logout, fix.rw), CKR_OK);
	ck_rv(fix.vault->nest_keys, 2); /* a private key is a private object, whatever its template says */
}
END_TEST

START_TEST(certificates)
{
	CK_OBJECT_HANDLE made, copy, stored;
	CK_ATTRIBUTE template[] = { CLASS(certificate_class), { CKA_CERTIFICATE_TYPE, &x509, sizeof x509 },
		TEXT(CKA_VALUE, "der"), TEXT(CKA_SUBJECT, "subject"), BOOL(CKA_TOKEN, no), TEXT(CKA_LABEL, "cert") };
	CK_ATTRIBUTE label[] = { TEXT(CKA_LABEL, "other"), TEXT(CKA_ID, "id") };
	CK_ATTRIBUTE subject[] = { TEXT(CKA_SUBJECT, "another") };
	CK_ATTRIBUTE by_value[] = { CLASS(certificate_class), TEXT(CKA_VALUE, "der") };
	CK_BYTE value[16];
	CK_ULONG len = 9, category = 9;
	ck_rv(CALL(C_CreateObject, fix.ro, template, 1, &made), CKR_TEMPLATE_INCOMPLETE);
	ck_rv(CALL(C_CreateObject, fix.ro, template, 6, &made), CKR_OK); /* without a login */
	ck_rv(fix.vault->nest_keys, 0);
	ck_rv(get_one(fix.rw, made, CKA_VALUE, value, sizeof value, &len), CKR_OK);
	ck_rv(len, 3);
	ck_rv(get_one(fix.rw, made, CKA_ISSUER, value, sizeof value, &len), CKR_OK);
	ck_rv(len, 0);
	ck_rv(get_one(fix.rw, made, CKA_CERTIFICATE_CATEGORY, &category, sizeof category, &len), CKR_OK);
	ck_rv(category, 0);
	ck_rv(get_one(fix.rw, made, CKA_MODULUS, value, sizeof value, &len), CKR_ATTRIBUTE_TYPE_INVALID);
	ck_rv(CALL(C_SetAttributeValue, fix.ro, made, label, 2), CKR_OK);
	ck_rv(CALL(C_SetAttributeValue, fix.ro, made, subject, 1), CKR_ATTRIBUTE_READ_ONLY);
	ck_rv(CALL(C_CopyObject, fix.ro, made, NULL, 0, &copy), CKR_OK);
	ck_rv(count_found(fix.ro, label, 2), 2);
	ck_rv(count_found(fix.ro, by_value, 2), 2);
	template[4].pValue = &yes;
	ck_rv(CALL(C_CreateObject, fix.ro, template, 6, &stored), CKR_SESSION_READ_ONLY);
	ck_rv(CALL(C_CreateObject, fix.rw, template, 6, &stored), CKR_USER_NOT_LOGGED_IN);
	log_in(fix.rw);
	ck_rv(CALL(C_CreateObject, fix.rw, template, 6, &stored), CKR_OK);
	ck_rv(get_one(fix.ro, stored, CKA_VALUE, value, sizeof value, &len), CKR_OK);
	ck_assert_int_eq(memcmp(value, "der", 3), 0);
	ck_rv(count_found(fix.ro, by_value, 2), 3); /* nothing is guessed at: the value is public */
	ck_rv(CALL(C_CopyObject, fix.rw, stored, NULL, 0, &copy), CKR_TEMPLATE_INCONSISTENT);
	ck_rv(reason_of(fix.rw), SR_REASON_PATH_TAKEN);
	ck_rv(CALL(C_CopyObject, fix.rw, stored, label, 1, &copy), CKR_OK);
	ck_rv(CALL(C_DestroyObject, fix.ro, stored), CKR_SESSION_READ_ONLY);
	ck_rv(CALL(C_DestroyObject, fix.rw, stored), CKR_OK);
}
END_TEST

/* -- attributes --------------------------------------------------------------------------------------------------- */

START_TEST(sensitive_parts_stay_inside)
{
	static const CK_ATTRIBUTE_TYPE parts[] = { CKA_PRIVATE_EXPONENT, CKA_PRIME_1, CKA_PRIME_2, CKA_EXPONENT_1,
		CKA_EXPONENT_2, CKA_COEFFICIENT };
	CK_ATTRIBUTE rsa_key[] = { CLASS(private_class), TYPE(rsa), TEXT(CKA_MODULUS, "modulus"),
		TEXT(CKA_PRIVATE_EXPONENT, "exponent"), BOOL(CKA_SENSITIVE, no), BOOL(CKA_EXTRACTABLE, yes) };
	CK_BYTE value[32] = { 0 };
	CK_ULONG len;
	CK_OBJECT_HANDLE key;
	log_in(fix.rw);
	for (int open = 0; open < 4; open++) {
		bool readable = open == 3;
		rsa_key[4].pValue = open & 1 ? &no : &yes;
		rsa_key[5].pValue = open & 2 ? &yes : &no;
		ck_rv(CALL(C_CreateObject, fix.rw, rsa_key, 6, &key), CKR_OK);
		for (size_t i = 0; i < COUNT(parts); i++) {
			CK_RV rv = get_one(fix.rw, key, parts[i], value, sizeof value, &len);
			ck_rv(rv, readable ? CKR_OK : CKR_ATTRIBUTE_SENSITIVE);
			ck_rv(len, readable ? 3 : CK_UNAVAILABLE_INFORMATION);
		}
		ck_rv(get_one(fix.rw, key, CKA_VALUE, value, sizeof value, &len), CKR_ATTRIBUTE_TYPE_INVALID);
		ck_rv(get_one(fix.rw, key, CKA_MODULUS, value, sizeof value, &len), CKR_OK);
		ck_rv(fix.vault->components, readable ? COUNT(parts) : 0);
	}
}
END_TEST

START_TEST(value_of_a_secret_key)
{
	CK_ATTRIBUTE open[] = { BOOL(CKA_SENSITIVE, no), BOOL(CKA_EXTRACTABLE, yes) };
	CK_OBJECT_HANDLE keys[2];
	CK_BYTE value[16];
	CK_ULONG len;
	log_in(fix.rw);
	ck_rv(import_aes(fix.ro, open, 2, &keys[0]), CKR_OK);
	keys[1] = vault_aes("keys/open", open, 2);
	for (unsigned i = 0; i < 2; i++) {
		ck_rv(get_one(fix.ro, keys[i], CKA_VALUE, NULL, 0, &len), CKR_OK);
		ck_rv(len, 16);
		ck_rv(get_one(fix.ro, keys[i], CKA_VALUE, value, 15, &len), CKR_BUFFER_TOO_SMALL);
		ck_rv(get_one(fix.ro, keys[i], CKA_VALUE, value, CK_UNAVAILABLE_INFORMATION, &len),
			CKR_BUFFER_TOO_SMALL);
		ck_rv(fix.vault->components, i); /* which cost nothing */
		ck_rv(get_one(fix.ro, keys[i], CKA_VALUE, value, sizeof value, &len), CKR_OK);
		ck_assert_int_eq(memcmp(value, "0123456789abcdef", 16), 0);
		ck_rv(fix.vault->components, i + 1);
		fix.vault->component_rv = CKR_ATTRIBUTE_SENSITIVE;
		ck_rv(get_one(fix.ro, keys[i], CKA_VALUE, value, sizeof value, &len), CKR_ATTRIBUTE_SENSITIVE);
		ck_rv(reason_of(fix.ro), SR_REASON_OUT_OF_SCOPE);
		fix.vault->component_rv = CKR_DEVICE_ERROR;
		ck_rv(get_one(fix.ro, keys[i], CKA_VALUE, value, sizeof value, &len), CKR_DEVICE_ERROR);
		fix.vault->component_rv = CKR_OK;
	}
}
END_TEST

/* What Java and NSS read at once is all there, and what a class does not have is said so beside it. */
START_TEST(every_attribute_of_a_class)
{
	static const struct {
		CK_OBJECT_CLASS *class;
		CK_KEY_TYPE *type;
		CK_ATTRIBUTE_TYPE has[20];
		CK_ATTRIBUTE_TYPE has_not[6];
	} rows[] = {
		{ &secret_class, &aes,
			{ CKA_LABEL, CKA_ID, CKA_START_DATE, CKA_END_DATE, CKA_DERIVE, CKA_LOCAL, CKA_KEY_GEN_MECHANISM,
				CKA_ALLOWED_MECHANISMS, CKA_ENCRYPT, CKA_DECRYPT, CKA_SIGN, CKA_VERIFY, CKA_WRAP,
				CKA_UNWRAP, CKA_EXTRACTABLE, CKA_ALWAYS_SENSITIVE, CKA_NEVER_EXTRACTABLE,
				CKA_WRAP_WITH_TRUSTED, CKA_VALUE_LEN },
			{ CKA_MODULUS, CKA_SUBJECT, CKA_PRIME_1, CKA_SIGN_RECOVER, CKA_ALWAYS_AUTHENTICATE } },
		{ &private_class, &ec,
			{ CKA_LABEL, CKA_ID, CKA_SUBJECT, CKA_SENSITIVE, CKA_DECRYPT, CKA_SIGN, CKA_SIGN_RECOVER,
				CKA_UNWRAP, CKA_EXTRACTABLE, CKA_ALWAYS_AUTHENTICATE, CKA_PUBLIC_KEY_INFO,
				CKA_EC_PARAMS, CKA_UNWRAP_TEMPLATE, CKA_KEY_GEN_MECHANISM },
			{ CKA_MODULUS, CKA_PRIVATE_EXPONENT, CKA_ENCRYPT, CKA_VERIFY, CKA_WRAP } },
		{ &public_class, &rsa,
			{ CKA_LABEL, CKA_ID, CKA_SUBJECT, CKA_ENCRYPT, CKA_VERIFY, CKA_VERIFY_RECOVER, CKA_WRAP,
				CKA_TRUSTED, CKA_WRAP_TEMPLATE, CKA_PUBLIC_KEY_INFO, CKA_MODULUS, CKA_MODULUS_BITS,
				CKA_PUBLIC_EXPONENT, CKA_MODIFIABLE, CKA_COPYABLE, CKA_DESTROYABLE },
			{ CKA_SENSITIVE, CKA_EXTRACTABLE, CKA_SIGN, CKA_VALUE, CKA_EC_POINT } },
	};
	CK_OBJECT_HANDLE key;
	CK_BYTE value[64];
	CK_ULONG len;
	log_in(fix.rw);
	for (size_t i = 0; i < COUNT(rows); i++) {
		CK_ATTRIBUTE template[] = { CLASS(*rows[i].class), TYPE(*rows[i].type), TEXT(CKA_APPLICATION, "x") };
		ck_rv(CALL(C_CreateObject, fix.rw, template, 2, &key), CKR_OK);
		for (size_t k = 0; k < COUNT(rows[i].has) && rows[i].has[k]; k++) {
			CK_ATTRIBUTE wanted[] = { { rows[i].has[k], value, sizeof value }, { CKA_CLASS, value, 64 } };
			CK_RV rv = CALL(C_GetAttributeValue, fix.rw, key, wanted, 2);
			ck_assert_msg(rv == CKR_OK, "class %zu, attribute 0x%lx: 0x%lx", i, rows[i].has[k], rv);
			ck_assert_uint_le(wanted[0].ulValueLen, sizeof(CK_ULONG));
		}
		for (size_t k = 0; k < COUNT(rows[i].has_not) && rows[i].has_not[k]; k++)
			ck_rv(get_one(fix.rw, key, rows[i].has_not[k], value, 64, &len), CKR_ATTRIBUTE_TYPE_INVALID);
	}
}
END_TEST

START_TEST(change_keys)
{
	CK_ATTRIBUTE label[] = { TEXT(CKA_LABEL, "new") };
	CK_ATTRIBUTE class[] = { CLASS(secret_class) };
	CK_ATTRIBUTE fixed[] = { BOOL(CKA_MODIFIABLE, no) };
	CK_OBJECT_HANDLE key, stored;
	log_in(fix.rw);
	key = session_aes(fix.ro);
	stored = vault_aes("keys/set", NULL, 0);
	ck_rv(CALL(C_SetAttributeValue, fix.ro, key, label, 1), CKR_OK);
	ck_rv(find_label(fix.ro, "new"), key);
	ck_rv(CALL(C_SetAttributeValue, fix.ro, key, class, 1), CKR_ATTRIBUTE_READ_ONLY);
	ck_rv(CALL(C_SetAttributeValue, fix.ro, key, NULL, 1), CKR_ARGUMENTS_BAD);
	fix.vault->set_rv = CKR_ATTRIBUTE_READ_ONLY;
	ck_rv(CALL(C_SetAttributeValue, fix.ro, key, label, 1), CKR_ATTRIBUTE_READ_ONLY);
	fix.vault->set_rv = CKR_OK;
	ck_rv(CALL(C_SetAttributeValue, fix.ro, stored, label, 1), CKR_SESSION_READ_ONLY);
	ck_rv(CALL(C_SetAttributeValue, fix.rw, stored, label, 1), CKR_OK);
	ck_rv(import_aes(fix.ro, fixed, 1, &key), CKR_OK);
	ck_rv(CALL(C_SetAttributeValue, fix.ro, key, label, 1), CKR_ACTION_PROHIBITED);
	ck_rv(CALL(C_SetAttributeValue, fix.ro, key + 999, label, 1), CKR_OBJECT_HANDLE_INVALID);
}
END_TEST

START_TEST(copy_keys)
{
	CK_ATTRIBUTE label[] = { TEXT(CKA_LABEL, "keys/copy"), BOOL(CKA_TOKEN, yes) };
	CK_ATTRIBUTE in_session[] = { BOOL(CKA_TOKEN, no) };
	CK_ATTRIBUTE opened[] = { BOOL(CKA_PRIVATE, no) };
	CK_ATTRIBUTE fixed[] = { BOOL(CKA_COPYABLE, no), BOOL(CKA_DESTROYABLE, no) };
	CK_ATTRIBUTE open[] = { BOOL(CKA_SENSITIVE, no), BOOL(CKA_EXTRACTABLE, yes) };
	CK_OBJECT_HANDLE key, stored, copy = 0;
	CK_ULONG size;
	log_in(fix.rw);
	key = session_aes(fix.ro);
	stored = vault_aes("keys/from", NULL, 0);
	ck_rv(CALL(C_CopyObject, fix.ro, key, NULL, 0, NULL), CKR_ARGUMENTS_BAD);
	ck_rv(CALL(C_CopyObject, fix.ro, key, opened, 1, &copy), CKR_ATTRIBUTE_READ_ONLY);
	ck_rv(CALL(C_CopyObject, fix.ro, key, label, 2, &copy), CKR_SESSION_READ_ONLY);
	ck_rv(CALL(C_CopyObject, fix.ro, stored, NULL, 0, &copy), CKR_SESSION_READ_ONLY); /* it stays on the token */
	ck_rv(CALL(C_CopyObject, fix.rw, stored, NULL, 0, &copy), CKR_TEMPLATE_INCONSISTENT);
	ck_rv(copy, 0);
	ck_rv(CALL(C_CopyObject, fix.ro, key, NULL, 0, &copy), CKR_OK);
	ck_rv(fix.vault->nest_keys, 2);
	ck_rv(CALL(C_CopyObject, fix.ro, stored, in_session, 1, &copy), CKR_OK);
	ck_rv(fix.vault->nest_keys, 3);
	ck_rv(CALL(C_CopyObject, fix.rw, key, label, 2, &copy), CKR_OK);
	ck_rv(find_label(fix.ro, "keys/copy"), copy);
	ck_rv(CALL(C_CopyObject, fix.ro, key, fixed, 2, &copy), CKR_OK);
	ck_rv(CALL(C_CopyObject, fix.ro, copy, NULL, 0, &key), CKR_ACTION_PROHIBITED);
	ck_rv(CALL(C_DestroyObject, fix.ro, copy), CKR_ACTION_PROHIBITED);
	ck_rv(CALL(C_GetObjectSize, fix.ro, copy, NULL), CKR_ARGUMENTS_BAD);
	ck_rv(CALL(C_GetObjectSize, fix.ro, copy, &size), CKR_INFORMATION_SENSITIVE);
	ck_rv(import_aes(fix.ro, open, 2, &copy), CKR_OK);
	ck_rv(CALL(C_GetObjectSize, fix.ro, copy, &size), CKR_OK);
	ck_assert_uint_gt(size, 16);
	ck_rv(CALL(C_GetObjectSize, fix.ro, stored, &size), CKR_OK);
}
END_TEST

START_TEST(destroy_keys)
{
	CK_OBJECT_HANDLE key, stored;
	log_in(fix.rw);
	key = session_aes(fix.ro);
	stored = vault_aes("keys/gone", NULL, 0);
	ck_rv(CALL(C_DestroyObject, fix.rw, key), CKR_OK); /* made in another session */
	ck_rv(fix.vault->nest_keys, 0);
	ck_rv(CALL(C_DestroyObject, fix.rw, key), CKR_OBJECT_HANDLE_INVALID);
	ck_rv(CALL(C_DestroyObject, fix.ro, stored), CKR_SESSION_READ_ONLY);
	ck_rv(CALL(C_DestroyObject, fix.rw, stored), CKR_OK);
	ck_rv(CALL(C_DestroyObject, fix.rw, stored), CKR_OBJECT_HANDLE_INVALID);
	ck_rv(find_label(fix.rw, "keys/gone"), 0);
	nothing_is_there();
}
END_TEST

START_TEST(find_keys)
{
	CK_OBJECT_HANDLE key;
	CK_ATTRIBUTE id[] = { TEXT(CKA_ID, "id"), BOOL(CKA_SIGN, yes) };
	CK_ATTRIBUTE rows[][2] = {
		{ CLASS(secret_class), TYPE(aes) },
		{ CLASS(secret_class), TYPE(generic) },
		{ CLASS(secret_class), TEXT(CKA_ID, "id") },
		{ TEXT(CKA_ID, "id"), BOOL(CKA_TOKEN, yes) },
		{ TEXT(CKA_ID, "id"), BOOL(CKA_TOKEN, no) },
		{ BOOL(CKA_SIGN, yes), BOOL(CKA_SIGN, yes) },
		{ CLASS(secret_class), AES_VALUE }, /* it cannot be guessed at */
		{ CLASS(private_class), BOOL(CKA_TOKEN, no) },
	};
	static const CK_ULONG counts[] = { 3, 0, 2, 1, 1, 2, 0, 0 };
	log_in(fix.rw);
	session_aes(fix.ro);
	ck_rv(import_aes(fix.ro, id, 2, &key), CKR_OK);
	vault_aes("keys/find", id, 2);
	for (size_t i = 0; i < COUNT(rows); i++)
		ck_assert_msg(count_found(fix.rw, rows[i], 2) == counts[i], "row %zu", i);
	ck_rv(CALL(C_Logout, fix.rw), CKR_OK);
	for (size_t i = 0; i < COUNT(rows); i++)
		ck_rv(count_found(fix.rw, rows[i], 2), 0);
}
END_TEST

/* -- wrapping, unwrapping, deriving ------------------------------------------------------------------------------- */

static CK_ATTRIBUTE wraps[] = { BOOL(CKA_WRAP, yes), BOOL(CKA_UNWRAP, yes), BOOL(CKA_DERIVE, yes) };
static CK_ATTRIBUTE leaves[] = { BOOL(CKA_EXTRACTABLE, yes) };

START_TEST(wrap_a_key)
{
	CK_OBJECT_HANDLE wrapping, key;
	CK_BYTE out[16] = { 0 };
	CK_ULONG len = 0;
	log_in(fix.rw);
	wrapping = vault_aes("keys/wrapping", wraps, 3);
	ck_rv(import_aes(fix.ro, leaves, 1, &key), CKR_OK);
	ck_rv(CALL(C_WrapKey, fix.ro, &aes_wrap, wrapping, key, NULL, &len), CKR_OK);
	ck_rv(len, 7);
	len = 6;
	ck_rv(CALL(C_WrapKey, fix.ro, &aes_wrap, wrapping, key, out, &len), CKR_BUFFER_TOO_SMALL);
	ck_rv(len, 7);
	ck_rv(out[0], 0);
	ck_rv(fix.vault->wraps, 0); /* nothing is recorded until it is released */
	ck_rv(CALL(C_WrapKey, fix.ro, &aes_wrap, wrapping, key, out, &len), CKR_OK);
	ck_rv(len, 7);
	ck_assert_int_eq(memcmp(out, "wrapped", 7), 0);
	ck_rv(fix.vault->wraps, 1);
}
END_TEST

START_TEST(wrap_refused)
{
	CK_OBJECT_HANDLE wrapping, key, stays, public_key, data;
	CK_ATTRIBUTE rsa_public[] = { CLASS(public_class), TYPE(rsa), BOOL(CKA_WRAP, yes) };
	CK_BYTE out[16] = { 0 };
	CK_ULONG len = sizeof out;
	log_in(fix.rw);
	wrapping = vault_aes("keys/wrapping", wraps, 3);
	stays = session_aes(fix.ro);
	ck_rv(import_aes(fix.ro, leaves, 1, &key), CKR_OK);
	ck_rv(CALL(C_CreateObject, fix.ro, rsa_public, 3, &public_key), CKR_OK);
	ck_rv(create_data(fix.ro, "data", "v", false, false, &data), CKR_OK);
#define WRAP(mechanism, with, what) CALL(C_WrapKey, fix.ro, mechanism, with, what, out, &len)
	ck_rv(CALL(C_WrapKey, fix.ro, &aes_wrap, wrapping, key, out, NULL), CKR_ARGUMENTS_BAD);
	ck_rv(WRAP(NULL, wrapping, key), CKR_ARGUMENTS_BAD);
	ck_rv(WRAP(&aes_gen, wrapping, key), CKR_MECHANISM_INVALID);
	ck_rv(WRAP(&aes_wrap, 999, key), CKR_WRAPPING_KEY_HANDLE_INVALID);
	ck_rv(WRAP(&aes_wrap, data, key), CKR_WRAPPING_KEY_HANDLE_INVALID);
	ck_rv(WRAP(&aes_wrap, public_key, key), CKR_WRAPPING_KEY_TYPE_INCONSISTENT);
	ck_rv(WRAP(&aes_wrap, wrapping, 999), CKR_KEY_HANDLE_INVALID);
	ck_rv(WRAP(&aes_wrap, wrapping, data), CKR_KEY_HANDLE_INVALID);
	ck_rv(fix.vault->wrap_refusals, 0);
	ck_rv(WRAP(&aes_wrap, wrapping, public_key), CKR_KEY_NOT_WRAPPABLE);
	ck_rv(fix.vault->wrap_refusals, 1);
	ck_rv(CALL(C_WrapKey, fix.ro, &aes_wrap, wrapping, stays, NULL, &len), CKR_KEY_UNEXTRACTABLE);
	ck_rv(fix.vault->wrap_refusals, 1); /* it was the length that was asked for */
	len = sizeof out;
	ck_rv(WRAP(&aes_wrap, wrapping, stays), CKR_KEY_UNEXTRACTABLE);
	ck_rv(fix.vault->wrap_refusals, 2);
	ck_rv(reason_of(fix.ro), SR_REASON_UNEXTRACTABLE);
	ck_rv(WRAP(&aes_wrap, key, key), CKR_KEY_FUNCTION_NOT_PERMITTED);
	fix.vault->wrap_rv = CKR_KEY_TYPE_INCONSISTENT;
	ck_rv(WRAP(&aes_wrap, wrapping, key), CKR_WRAPPING_KEY_TYPE_INCONSISTENT);
	ck_rv(fix.vault->wraps, 0);
	ck_rv(out[0], 0);
}
END_TEST

START_TEST(unwrap_a_key)
{
	CK_OBJECT_HANDLE with, plain, made = 0;
	CK_ATTRIBUTE template[] = { TYPE(aes), CLASS(secret_class), BOOL(CKA_TOKEN, no), TEXT(CKA_LABEL, "keys/u") };
	CK_ATTRIBUTE wrong[] = { TYPE(aes), CLASS(public_class) };
	CK_BYTE_PTR wrapped = (CK_BYTE_PTR) "wrapped";
	log_in(fix.rw);
	with = vault_aes("keys/wrapping", wraps, 3);
	plain = session_aes(fix.ro);
#define UNWRAP(key, data, len, attrs, count) CALL(C_UnwrapKey, fix.ro, &aes_wrap, key, data, len, attrs, count, &made)
	ck_rv(CALL(C_UnwrapKey, fix.ro, &aes_wrap, with, wrapped, 7, template, 3, NULL), CKR_ARGUMENTS_BAD);
	ck_rv(CALL(C_UnwrapKey, fix.ro, NULL, with, wrapped, 7, template, 3, &made), CKR_ARGUMENTS_BAD);
	ck_rv(CALL(C_UnwrapKey, fix.ro, &aes_gen, with, wrapped, 7, template, 3, &made), CKR_MECHANISM_INVALID);
	ck_rv(UNWRAP(with, NULL, 7, template, 3), CKR_ARGUMENTS_BAD);
	ck_rv(UNWRAP(with, wrapped, 0, template, 3), CKR_WRAPPED_KEY_LEN_RANGE);
	ck_rv(UNWRAP(with, wrapped, (64u << 10) + 1, template, 3), CKR_WRAPPED_KEY_LEN_RANGE);
	ck_rv(UNWRAP(with, wrapped, 7, NULL, 1), CKR_ARGUMENTS_BAD);
	ck_rv(UNWRAP(with, wrapped, 7, NULL, 0), CKR_TEMPLATE_INCOMPLETE);
	ck_rv(UNWRAP(with, wrapped, 7, wrong, 2), CKR_TEMPLATE_INCONSISTENT);
	ck_rv(UNWRAP(999, wrapped, 7, template, 3), CKR_UNWRAPPING_KEY_HANDLE_INVALID);
	ck_rv(UNWRAP(plain, wrapped, 7, template, 3), CKR_KEY_FUNCTION_NOT_PERMITTED);
	ck_rv(UNWRAP(with, wrapped, 6, template, 3), CKR_WRAPPED_KEY_INVALID);
	ck_rv(made, 0);
	ck_rv(fix.vault->nest_keys, 1);
	ck_rv(UNWRAP(with, wrapped, 7, template, 1), CKR_OK); /* a secret key by default */
	ck_rv(fix.vault->nest_keys, 2);
	template[2].pValue = &yes;
	ck_rv(UNWRAP(with, wrapped, 7, template, 4), CKR_SESSION_READ_ONLY);
	ck_rv(CALL(C_UnwrapKey, fix.rw, &aes_wrap, with, wrapped, 7, template, 4, &made), CKR_OK);
	ck_rv(find_label(fix.ro, "keys/u"), made);
}
END_TEST

START_TEST(unwrap_with_another_kind)
{
	CK_OBJECT_HANDLE with, made = 0;
	CK_ATTRIBUTE rsa_private[] = { CLASS(private_class), TYPE(rsa), BOOL(CKA_UNWRAP, yes) };
	CK_ATTRIBUTE template[] = { TYPE(aes) };
	log_in(fix.rw);
	ck_rv(CALL(C_CreateObject, fix.ro, rsa_private, 3, &with), CKR_OK);
	ck_rv(UNWRAP(with, (CK_BYTE_PTR) "wrapped", 7, template, 1), CKR_UNWRAPPING_KEY_TYPE_INCONSISTENT);
	CK_MECHANISM_TYPE only_gcm = CKM_AES_GCM, both[] = { CKM_AES_GCM, CKM_AES_KEY_WRAP };
	CK_ATTRIBUTE allowed[] = { BOOL(CKA_UNWRAP, yes), { CKA_ALLOWED_MECHANISMS, &only_gcm, sizeof only_gcm } };
	ck_rv(import_aes(fix.ro, allowed, 2, &with), CKR_OK);
	ck_rv(UNWRAP(with, (CK_BYTE_PTR) "wrapped", 7, template, 1), CKR_MECHANISM_INVALID);
	allowed[1].pValue = both;
	allowed[1].ulValueLen = sizeof both;
	ck_rv(import_aes(fix.ro, allowed, 2, &with), CKR_OK);
	ck_rv(UNWRAP(with, (CK_BYTE_PTR) "wrapped", 7, template, 1), CKR_OK);
}
END_TEST

static CK_BYTE point[65];
static CK_ECDH1_DERIVE_PARAMS ecdh = { CKD_NULL, 0, NULL, sizeof point, point };
static CK_MECHANISM derivation = { CKM_ECDH1_DERIVE, &ecdh, sizeof ecdh };

START_TEST(derive_a_key)
{
	CK_OBJECT_HANDLE base, plain, made = 0;
	CK_ATTRIBUTE ec_private[] = { CLASS(private_class), TYPE(ec), BOOL(CKA_DERIVE, yes) };
	CK_ATTRIBUTE template[] = { TYPE(aes), CLASS(secret_class) };
	CK_ATTRIBUTE wrong[] = { CLASS(private_class) };
	CK_ATTRIBUTE token[] = { BOOL(CKA_TOKEN, yes) };
	CK_KEY_TYPE type = 0;
	CK_ULONG len;
	point[0] = 4;
	ck_rv(CALL(C_DeriveKey, fix.ro, &derivation, 999, NULL, 0, &made), CKR_KEY_HANDLE_INVALID);
	log_in(fix.rw);
	ck_rv(CALL(C_CreateObject, fix.ro, ec_private, 3, &base), CKR_OK);
	ck_rv(CALL(C_CreateObject, fix.ro, ec_private, 2, &plain), CKR_OK);
#define DERIVE(key, attrs, count) CALL(C_DeriveKey, fix.ro, &derivation, key, attrs, count, &made)
	ck_rv(CALL(C_DeriveKey, fix.ro, &derivation, base, NULL, 0, NULL), CKR_ARGUMENTS_BAD);
	ck_rv(CALL(C_DeriveKey, fix.ro, NULL, base, NULL, 0, &made), CKR_ARGUMENTS_BAD);
	ck_rv(CALL(C_DeriveKey, fix.ro, &aes_gen, base, NULL, 0, &made), CKR_MECHANISM_INVALID);
	ck_rv(DERIVE(base, NULL, 1), CKR_ARGUMENTS_BAD);
	ck_rv(DERIVE(base, wrong, 1), CKR_TEMPLATE_INCONSISTENT);
	ck_rv(DERIVE(base, token, 1), CKR_SESSION_READ_ONLY);
	ck_rv(DERIVE(session_aes(fix.rw), NULL, 0), CKR_KEY_TYPE_INCONSISTENT);
	ck_rv(DERIVE(plain, NULL, 0), CKR_KEY_FUNCTION_NOT_PERMITTED);
	ck_rv(made, 0);
	ck_rv(DERIVE(base, NULL, 0), CKR_OK);
	ck_rv(get_one(fix.ro, made, CKA_KEY_TYPE, &type, sizeof type, &len), CKR_OK);
	ck_rv(type, CKK_GENERIC_SECRET);
	ck_rv(DERIVE(base, template, 2), CKR_OK);
	ck_rv(get_one(fix.ro, made, CKA_KEY_TYPE, &type, sizeof type, &len), CKR_OK);
	ck_rv(type, CKK_AES);
}
END_TEST

/* -- keys that ask for a login before each use -------------------------------------------------------------------- */

static CK_OBJECT_HANDLE critical_key(CK_SESSION_HANDLE session)
{
	CK_ATTRIBUTE template[] = { CLASS(private_class), TYPE(ec), BOOL(CKA_SIGN, yes),
		BOOL(CKA_ALWAYS_AUTHENTICATE, yes), TEXT(CKA_VALUE, "value") };
	CK_OBJECT_HANDLE key = 0;
	ck_rv(CALL(C_CreateObject, session, template, 5, &key), CKR_OK);
	return key;
}

static CK_MECHANISM ecdsa = { CKM_ECDSA, NULL, 0 };

static CK_RV sign(CK_SESSION_HANDLE session)
{
	CK_BYTE data[32] = { 0 }, out[200];
	CK_ULONG len = sizeof out;
	return CALL(C_Sign, session, data, sizeof data, out, &len);
}

#define CONTEXT(session, pin, len) CALL(C_Login, session, CKU_CONTEXT_SPECIFIC, (CK_UTF8CHAR_PTR)(pin), len)

START_TEST(a_login_for_one_operation)
{
	static char longest[256];
	ck_rv(CONTEXT(fix.ro, "good", 4), CKR_OPERATION_NOT_INITIALIZED);
	log_in(fix.ro);
	CK_OBJECT_HANDLE key = critical_key(fix.ro);
	ck_rv(CONTEXT(fix.ro, "good", 4), CKR_OPERATION_NOT_INITIALIZED);
	ck_rv(CALL(C_SignInit, fix.ro, &ecdsa, key), CKR_OK);
	ck_rv(CONTEXT(fix.rw, "good", 4), CKR_OPERATION_NOT_INITIALIZED); /* another session's */
	ck_rv(CONTEXT(fix.ro, NULL, 0), CKR_ARGUMENTS_BAD);
	ck_rv(CONTEXT(fix.ro, longest, sizeof longest), CKR_PIN_INCORRECT);
	ck_rv(CONTEXT(fix.ro, "evil", 4), CKR_PIN_INCORRECT);
	ck_rv(reason_of(fix.ro), SR_REASON_LOGIN_REFUSED);
	ck_rv(fix.vault->authentications, 0);
	ck_rv(CONTEXT(fix.ro, "good", 4), CKR_OK);
	ck_rv(CONTEXT(fix.ro, "good", 4), CKR_OPERATION_NOT_INITIALIZED); /* it does not wait any more */
	ck_rv(sign(fix.ro), CKR_OK);
	ck_rv(fix.vault->authentications, 1);
	ck_rv(CALL(C_SignInit, fix.ro, &ecdsa, key), CKR_OK); /* each use asks anew */
	ck_rv(sign(fix.ro), CKR_USER_NOT_LOGGED_IN);
	ck_rv(CALL(C_SignInit, fix.ro, &ecdsa, key), CKR_OK);
	ck_rv(CALL(C_LoginUser, fix.ro, CKU_CONTEXT_SPECIFIC, GOOD, 4, GOOD, 4), CKR_OK);
	ck_rv(sign(fix.ro), CKR_OK);
}
END_TEST

START_TEST(a_login_for_one_operation_after_the_login)
{
	log_in(fix.ro);
	CK_OBJECT_HANDLE key = critical_key(fix.ro);
	ck_rv(CALL(C_SignInit, fix.ro, &ecdsa, key), CKR_OK);
	fix.vault->lapsed = fix.vault->identities;
	ck_rv(CONTEXT(fix.ro, "good", 4), CKR_USER_NOT_LOGGED_IN);
	ck_rv(fix.vault->authentications, 0);
	log_in(fix.ro);
	ck_rv(CONTEXT(fix.ro, "good", 4), CKR_OPERATION_NOT_INITIALIZED); /* what was begun under the other is over */
}
END_TEST

START_TEST(a_login_for_one_operation_of_a_slot_with_its_token)
{
	CK_SESSION_HANDLE session = open_session(fix.file_slot, 0);
	ck_rv(CALL(C_Login, session, CKU_USER, NULL, 0), CKR_OK);
	CK_OBJECT_HANDLE key = critical_key(session);
	ck_rv(CALL(C_SignInit, session, &ecdsa, key), CKR_OK);
	ck_rv(CALL(C_LoginUser, session, CKU_CONTEXT_SPECIFIC, NULL, 0, GOOD, 4), CKR_ARGUMENTS_BAD);
	ck_rv(CONTEXT(session, NULL, 0), CKR_OK); /* the file was read */
	ck_rv(sign(session), CKR_OK);
	ck_rv(CALL(C_SignInit, session, &ecdsa, key), CKR_OK);
	ck_rv(CONTEXT(session, "ignored", 7), CKR_OK); /* as in every login there */
	ck_rv(sign(session), CKR_OK);
	ck_rv(CALL(C_SignInit, session, &ecdsa, key), CKR_OK);
	unlink(fix.token_file);
	ck_rv(CONTEXT(session, NULL, 0), CKR_FUNCTION_FAILED);
	ck_rv(fix.vault->authentications, 2);
}
END_TEST

/* -- the ends of keys --------------------------------------------------------------------------------------------- */

START_TEST(keys_end_with_their_session)
{
	CK_OBJECT_HANDLE key, other;
	CK_BBOOL value;
	CK_ULONG len;
	log_in(fix.rw);
	key = session_aes(fix.ro);
	other = session_aes(fix.rw);
	ck_rv(fix.vault->nests, 2);
	ck_rv(get_one(fix.rw, key, CKA_TOKEN, &value, 1, &len), CKR_OK); /* seen by every session of the application */
	ck_rv(CALL(C_CloseSession, fix.ro), CKR_OK);
	ck_rv(fix.vault->nests, 1);
	ck_rv(fix.vault->nest_keys, 1);
	ck_rv(get_one(fix.rw, key, CKA_TOKEN, &value, 1, &len), CKR_OBJECT_HANDLE_INVALID);
	ck_rv(get_one(fix.rw, other, CKA_TOKEN, &value, 1, &len), CKR_OK);
	ck_rv(CALL(C_CloseAllSessions, fix.slot), CKR_OK);
	ck_rv(fix.vault->nests, 0);
	nothing_is_there();
}
END_TEST

START_TEST(keys_end_with_their_login)
{
	CK_OBJECT_HANDLE key, stored, public_key;
	CK_ATTRIBUTE rsa_public[] = { CLASS(public_class), TYPE(rsa), BOOL(CKA_WRAP, yes) };
	CK_BYTE out[16];
	CK_ULONG len = sizeof out;
	log_in(fix.rw);
	key = session_aes(fix.ro);
	stored = vault_aes("keys/end", wraps, 3);
	ck_rv(CALL(C_CreateObject, fix.ro, rsa_public, 3, &public_key), CKR_OK);
	ck_rv(CALL(C_Logout, fix.ro), CKR_OK);
	ck_rv(fix.vault->nest_keys, 1);
	ck_rv(WRAP(&aes_wrap, stored, key), CKR_WRAPPING_KEY_HANDLE_INVALID);
	ck_rv(CALL(C_DestroyObject, fix.ro, key), CKR_OBJECT_HANDLE_INVALID);
	ck_rv(get_one(fix.ro, public_key, CKA_CLASS, out, sizeof out, &len), CKR_OK);
	ck_rv(CALL(C_DestroyObject, fix.ro, public_key), CKR_OK);
	log_in(fix.rw);
	ck_rv(WRAP(&aes_wrap, stored, key), CKR_WRAPPING_KEY_HANDLE_INVALID); /* for good */
	ck_assert_uint_ne(find_label(fix.ro, "keys/end"), stored);
}
END_TEST

START_TEST(keys_end_with_a_lapse)
{
	CK_OBJECT_HANDLE key, stored;
	CK_BYTE out[16];
	CK_ULONG len = sizeof out;
	log_in(fix.rw);
	key = session_aes(fix.ro);
	stored = vault_aes("keys/lapse", wraps, 3);
	fix.vault->lapsed = fix.vault->identities;
	ck_rv(WRAP(&aes_wrap, stored, key), CKR_USER_NOT_LOGGED_IN);
	ck_rv(fix.vault->nest_keys, 0);
	ck_rv(WRAP(&aes_wrap, stored, key), CKR_WRAPPING_KEY_HANDLE_INVALID); /* told once */
	ck_rv(CALL(C_SetAttributeValue, fix.ro, key, NULL, 0), CKR_USER_NOT_LOGGED_IN);
	ck_rv(CALL(C_SetAttributeValue, fix.ro, key, NULL, 0), CKR_OBJECT_HANDLE_INVALID);
	CK_OBJECT_HANDLE made;
	ck_rv(CALL(C_GenerateKey, fix.ro, &aes_gen, NULL, 0, &made), CKR_USER_NOT_LOGGED_IN);
}
END_TEST

/* A slot with its own token logs itself in again, and its session keys live on. */
START_TEST(keys_outlive_a_lapse_of_a_slot_with_its_token)
{
	CK_SESSION_HANDLE session = open_session(fix.file_slot, CKF_RW_SESSION);
	CK_OBJECT_HANDLE key;
	CK_BBOOL value;
	CK_ULONG len;
	ck_rv(CALL(C_Login, session, CKU_USER, NULL, 0), CKR_OK);
	key = session_aes(session);
	fix.vault->lapsed = fix.vault->identities;
	ck_rv(get_one(session, key, CKA_TOKEN, &value, 1, &len), CKR_OK);
	ck_rv(fix.vault->nest_keys, 1);
	fix.vault->lapsed = fix.vault->identities;
	write_token_file("bad\n");
	ck_rv(get_one(session, key, CKA_TOKEN, &value, 1, &len), CKR_USER_NOT_LOGGED_IN);
	CK_OBJECT_HANDLE again;
	fix.vault->lapsed = fix.vault->identities;
	write_token_file("good\n");
	ck_rv(CALL(C_GenerateKey, session, &aes_gen, NULL, 0, &again), CKR_OK);
}
END_TEST

START_TEST(limits_of_session_keys)
{
	CK_OBJECT_HANDLE key = 0, pair[2] = { 0 };
	CK_ULONG len;
	CK_BBOOL value;
	log_in(fix.rw);
	for (int i = 0; i < 255; i++)
		key = session_aes(fix.ro);
	ck_rv(CALL(C_GenerateKeyPair, fix.ro, &ec_gen, NULL, 0, NULL, 0, &pair[0], &pair[1]), CKR_DEVICE_MEMORY);
	ck_rv(reason_of(fix.ro), SR_REASON_TOO_LARGE);
	ck_rv(pair[0], 0);
	ck_rv(fix.vault->nest_keys, 255); /* none of the two */
	key = session_aes(fix.ro);
	ck_rv(import_aes(fix.rw, NULL, 0, &key), CKR_DEVICE_MEMORY);
	ck_rv(CALL(C_GenerateKey, fix.rw, &aes_gen, NULL, 0, &key), CKR_DEVICE_MEMORY);
	ck_rv(fix.vault->nest_keys, 256);
	ck_rv(CALL(C_DestroyObject, fix.ro, key), CKR_OK);
	key = session_aes(fix.rw);
	ck_rv(get_one(fix.rw, key, CKA_TOKEN, &value, 1, &len), CKR_OK);
}
END_TEST

/* Bytes count where the object is entered, when the key is there already: then it goes again. */
START_TEST(limits_of_bytes)
{
	static char big[4000];
	CK_OBJECT_HANDLE key;
	CK_ATTRIBUTE large[] = { { CKA_ID, big, sizeof big }, { CKA_LABEL, big, 512 } };
	CK_RV rv = CKR_OK;
	unsigned made = 0;
	log_in(fix.rw);
	for (int i = 0; i < 300 && rv == CKR_OK; i++) {
		rv = import_aes(fix.ro, large, 2, &key);
		made += rv == CKR_OK;
	}
	ck_rv(rv, CKR_DEVICE_MEMORY);
	ck_rv(fix.vault->nest_keys, made);
	ck_assert_uint_lt(made, 250);
	CK_OBJECT_HANDLE small = session_aes(fix.ro);
	rv = CALL(C_SetAttributeValue, fix.ro, small, large, 2);
	ck_rv(rv, CKR_DEVICE_MEMORY);
	ck_rv(CALL(C_DestroyObject, fix.ro, key), CKR_OK);
	ck_rv(CALL(C_SetAttributeValue, fix.ro, small, large, 2), CKR_OK);
}
END_TEST

/* -- threads ------------------------------------------------------------------------------------------------------ */

static void *create_and_destroy(void *ctx)
{
	CK_SESSION_HANDLE session = *(CK_SESSION_HANDLE *)ctx;
	for (int i = 0; i < 200; i++) {
		CK_OBJECT_HANDLE key = 0;
		CK_ATTRIBUTE label = TEXT(CKA_LABEL, "mine");
		CK_BYTE value[8];
		CK_ULONG len;
		if (import_aes(session, NULL, 0, &key) != CKR_OK)
			continue; /* another thread has logged out */
		CALL(C_SetAttributeValue, session, key, &label, 1);
		get_one(session, key, CKA_LABEL, value, sizeof value, &len);
		if (i % 3)
			CALL(C_DestroyObject, session, key);
	}
	return NULL;
}

static void *log_in_and_out(void *ctx)
{
	CK_SESSION_HANDLE session = *(CK_SESSION_HANDLE *)ctx;
	for (int i = 0; i < 50; i++) {
		CALL(C_Login, session, CKU_USER, GOOD, 4);
		CALL(C_Logout, session);
	}
	return NULL;
}

START_TEST(threads_create_and_destroy)
{
	CK_SESSION_HANDLE sessions[4];
	pthread_t threads[4];
	for (int i = 0; i < 4; i++)
		sessions[i] = open_session(fix.slot, CKF_RW_SESSION);
	log_in(fix.rw);
	for (int i = 0; i < 4; i++)
		pthread_create(&threads[i], NULL, i < 3 ? create_and_destroy : log_in_and_out, &sessions[i]);
	for (int i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	ck_rv(CALL(C_CloseAllSessions, fix.slot), CKR_OK);
	ck_rv(fix.vault->nests, 0);
	nothing_is_there();
}
END_TEST

struct setting {
	CK_OBJECT_HANDLE key;
	CK_SESSION_HANDLE session;
	CK_ATTRIBUTE change;
};

static void *set_it(void *ctx)
{
	struct setting *setting = ctx;
	CALL(C_SetAttributeValue, setting->session, setting->key, &setting->change, 1);
	return NULL;
}

/* Two sessions change one key at once: neither change is lost. */
START_TEST(threads_change_one_key)
{
	CK_BBOOL sensitive = CK_FALSE;
	CK_ATTRIBUTE open[] = { BOOL(CKA_SENSITIVE, no) };
	CK_BYTE label[8];
	CK_ULONG len;
	pthread_t threads[2];
	log_in(fix.rw);
	struct setting settings[2] = { { .session = fix.rw, .change = BOOL(CKA_SENSITIVE, yes) },
		{ .session = fix.ro, .change = TEXT(CKA_LABEL, "l") } };
	ck_rv(import_aes(fix.ro, open, 1, &settings[0].key), CKR_OK);
	settings[1].key = settings[0].key;
	fix.vault->slow_set_ms = 50;
	for (int i = 0; i < 2; i++)
		pthread_create(&threads[i], NULL, set_it, &settings[i]);
	for (int i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
	ck_rv(get_one(fix.rw, settings[0].key, CKA_SENSITIVE, &sensitive, 1, &len), CKR_OK);
	ck_rv(sensitive, CK_TRUE);
	ck_rv(get_one(fix.rw, settings[0].key, CKA_LABEL, label, sizeof label, &len), CKR_OK);
	ck_rv(len, 1);
}
END_TEST

static void add(TCase *tcase, const TTest *const *tests, size_t count)
{
	for (size_t i = 0; i < count; i++)
		tcase_add_test(tcase, tests[i]);
}

Suite *sr_suite_pkcs11_keys(void)
{
	const TTest *const tests[] = { generate_refused, generate_key, generate_pair, import_keys, certificates,
		sensitive_parts_stay_inside, value_of_a_secret_key, every_attribute_of_a_class, change_keys, copy_keys,
		destroy_keys, find_keys, wrap_a_key, wrap_refused, unwrap_a_key, unwrap_with_another_kind, derive_a_key,
		a_login_for_one_operation, a_login_for_one_operation_after_the_login,
		a_login_for_one_operation_of_a_slot_with_its_token, keys_end_with_their_session,
		keys_end_with_their_login, keys_end_with_a_lapse, keys_outlive_a_lapse_of_a_slot_with_its_token,
		limits_of_session_keys, limits_of_bytes, threads_create_and_destroy, threads_change_one_key };
	Suite *suite = suite_create("pkcs11_keys");
	TCase *keys = tcase_create("keys");
	tcase_add_checked_fixture(keys, fixture_open, fixture_close);
	tcase_set_timeout(keys, 60);
	add(keys, tests, COUNT(tests));
	suite_add_tcase(suite, keys);
	return suite;
}
