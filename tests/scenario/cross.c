/* cross: what one PKCS#11 module makes of a key, another one must take. Run over two modules, each with keys of its
 * own:
 *
 *   cross keys DIR ME                  makes ME's key pairs, writes their public halves to DIR
 *   cross make DIR ME PEER             signs with ME's keys and encrypts to PEER's; secret keys are shared: DIR/shared
 *   cross check DIR ME PEER            verifies PEER's signatures, decrypts what it encrypted
 *   cross list                         the mechanisms of the module, each with "tried" or its reason not to be
 *
 * STRONGROOM_MODULE names the module, CROSS_TOKEN the token's label, CROSS_PIN its PIN. Every mechanism of the table is
 * tried by every command; one that the module does not have ends it with 1. */
#include "tests/scenario/application.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof(*(array)))
#define BIG 8192

static CK_SESSION_HANDLE session;
static const char *dir, *me, *peer;
static CK_BBOOL yes = CK_TRUE, no = CK_FALSE;

struct bytes {
	CK_BYTE data[BIG];
	CK_ULONG len;
};

/* -- files -------------------------------------------------------------------------------------------------------- */

static FILE *file_of(const char *who, const char *name, const char *mode)
{
	char path[512];
	snprintf(path, sizeof path, "%s/%s.%s", dir, who, name);
	FILE *file = fopen(path, mode);
	need(file ? CKR_OK : CKR_GENERAL_ERROR, path);
	return file;
}

static void store(const char *name, const struct bytes *bytes)
{
	FILE *file = file_of(me, name, "wb");
	need(fwrite(bytes->data, 1, bytes->len, file) == bytes->len ? CKR_OK : CKR_DEVICE_ERROR, name);
	fclose(file);
}

static void load(const char *who, const char *name, struct bytes *bytes)
{
	FILE *file = file_of(who, name, "rb");
	bytes->len = fread(bytes->data, 1, sizeof bytes->data, file);
	fclose(file);
}

static void same(const char *what, const struct bytes *a, const struct bytes *b)
{
	need(a->len == b->len && memcmp(a->data, b->data, a->len) == 0 ? CKR_OK : CKR_DATA_INVALID, what);
}

/* -- keys --------------------------------------------------------------------------------------------------------- */

enum key { RSA, RSA_WRAPPING, P256, P384, P521, ED, AES, HMAC, WRAPPING, KEYS };

static const CK_BYTE p256[] = { 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07 };
static const CK_BYTE p384[] = { 0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x22 };
static const CK_BYTE p521[] = { 0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x23 };
static const CK_BYTE ed25519[] = { 0x13, 0x0c, 'e', 'd', 'w', 'a', 'r', 'd', 's', '2', '5', '5', '1', '9' };

static const struct key_row {
	const char *name;
	CK_KEY_TYPE type;
	CK_MECHANISM_TYPE generate;
	const CK_BYTE *params;
	CK_ULONG params_len;
} keys[KEYS] = {
	[RSA] = { "rsa", CKK_RSA, CKM_RSA_PKCS_KEY_PAIR_GEN, NULL, 0 },
	[RSA_WRAPPING] = { "rsa-wrapping", CKK_RSA, CKM_RSA_PKCS_KEY_PAIR_GEN, NULL, 0 },
	[P256] = { "p256", CKK_EC, CKM_EC_KEY_PAIR_GEN, p256, sizeof p256 },
	[P384] = { "p384", CKK_EC, CKM_EC_KEY_PAIR_GEN, p384, sizeof p384 },
	[P521] = { "p521", CKK_EC, CKM_EC_KEY_PAIR_GEN, p521, sizeof p521 },
	[ED] = { "ed25519", CKK_EC_EDWARDS, CKM_EC_EDWARDS_KEY_PAIR_GEN, ed25519, sizeof ed25519 },
	[AES] = { "aes", CKK_AES, CKM_AES_KEY_GEN, NULL, 0 },
	[HMAC] = { "hmac", CKK_GENERIC_SECRET, CKM_GENERIC_SECRET_KEY_GEN, NULL, 0 },
	[WRAPPING] = { "wrapping", CKK_AES, CKM_AES_KEY_GEN, NULL, 0 },
};

static CK_OBJECT_HANDLE own[KEYS], theirs[KEYS], own_public[KEYS];

static void read_attribute(CK_OBJECT_HANDLE object, CK_ATTRIBUTE_TYPE type, struct bytes *bytes)
{
	CK_ATTRIBUTE attribute = { type, bytes->data, sizeof bytes->data };
	need(p11->C_GetAttributeValue(session, object, &attribute, 1), "C_GetAttributeValue");
	bytes->len = attribute.ulValueLen;
}

static void publish(const char *name, CK_OBJECT_HANDLE public, CK_ATTRIBUTE_TYPE type, const char *part)
{
	static struct bytes bytes;
	char file[64];
	snprintf(file, sizeof file, "%s.%s", name, part);
	read_attribute(public, type, &bytes);
	store(file, &bytes);
}

static void make_pair(const struct key_row *key)
{
	CK_MECHANISM mechanism = { key->generate, NULL, 0 };
	CK_ULONG bits = 2048;
	char label[64];
	CK_BBOOL rsa = key->type == CKK_RSA, ec = key->type == CKK_EC, wraps = key == &keys[RSA_WRAPPING];
	CK_BBOOL works = !wraps, ciphers = rsa && !wraps;
	CK_OBJECT_HANDLE public, private;
	int len = snprintf(label, sizeof label, "cross/%s", key->name);
	CK_ATTRIBUTE public_template[] = { { CKA_TOKEN, &yes, 1 }, { CKA_LABEL, label, (CK_ULONG)len },
		{ CKA_VERIFY, &works, 1 }, { CKA_ENCRYPT, &ciphers, 1 }, { CKA_WRAP, &wraps, 1 },
		key->params ? (CK_ATTRIBUTE){ CKA_EC_PARAMS, (void *)key->params, key->params_len }
			    : (CK_ATTRIBUTE){ CKA_MODULUS_BITS, &bits, sizeof bits } };
	CK_ATTRIBUTE private_template[] = { { CKA_TOKEN, &yes, 1 }, { CKA_LABEL, label, (CK_ULONG)len },
		{ CKA_PRIVATE, &yes, 1 }, { CKA_SIGN, &works, 1 }, { CKA_DECRYPT, &ciphers, 1 }, { CKA_DERIVE, &ec, 1 },
		{ CKA_UNWRAP, &wraps, 1 } };
	need(p11->C_GenerateKeyPair(session, &mechanism, public_template, COUNT(public_template), private_template,
		     COUNT(private_template), &public, &private),
		key->name);
	if (rsa) {
		publish(key->name, public, CKA_MODULUS, "modulus");
		publish(key->name, public, CKA_PUBLIC_EXPONENT, "exponent");
	} else {
		publish(key->name, public, CKA_EC_POINT, "point");
	}
}

static CK_OBJECT_HANDLE find(CK_OBJECT_CLASS class, const char *name)
{
	char label[64];
	CK_OBJECT_HANDLE object;
	CK_ULONG found = 0;
	int len = snprintf(label, sizeof label, "cross/%s", name);
	CK_ATTRIBUTE template[] = { { CKA_CLASS, &class, sizeof class }, { CKA_LABEL, label, (CK_ULONG)len } };
	need(p11->C_FindObjectsInit(session, template, 2), "C_FindObjectsInit");
	need(p11->C_FindObjects(session, &object, 1, &found), "C_FindObjects");
	need(p11->C_FindObjectsFinal(session), "C_FindObjectsFinal");
	need(found == 1 ? CKR_OK : CKR_KEY_HANDLE_INVALID, label);
	return object;
}

/* CROSS_HAS names a key that is there already. */
static void make_or_publish(const struct key_row *key)
{
	const char *has = getenv("CROSS_HAS");
	if (has && strcmp(has, key->name) == 0)
		publish(key->name, find(CKO_PUBLIC_KEY, key->name), CKA_EC_POINT, "point");
	else
		make_pair(key);
}

/* A session object of the other side's public half. */
static CK_OBJECT_HANDLE import_public(const char *who, const struct key_row *key)
{
	static struct bytes one, two;
	char name[64];
	CK_OBJECT_CLASS class = CKO_PUBLIC_KEY;
	CK_KEY_TYPE type = key->type;
	CK_OBJECT_HANDLE object;
	bool rsa = type == CKK_RSA;
	snprintf(name, sizeof name, "%s.%s", key->name, rsa ? "modulus" : "point");
	load(who, name, &one);
	snprintf(name, sizeof name, "%s.exponent", key->name);
	if (rsa)
		load(who, name, &two);
	CK_ATTRIBUTE template[] = { { CKA_CLASS, &class, sizeof class }, { CKA_KEY_TYPE, &type, sizeof type },
		{ CKA_TOKEN, &no, 1 }, { CKA_PRIVATE, &no, 1 }, { CKA_VERIFY, &yes, 1 },
		{ rsa ? CKA_MODULUS : CKA_EC_POINT, one.data, one.len },
		rsa ? (CK_ATTRIBUTE){ CKA_PUBLIC_EXPONENT, two.data, two.len }
		    : (CK_ATTRIBUTE){ CKA_EC_PARAMS, (void *)key->params, key->params_len },
		{ CKA_ENCRYPT, &yes, 1 }, { CKA_WRAP, &yes, 1 } };
	need(p11->C_CreateObject(session, template, COUNT(template) - (rsa ? 0 : 2), &object), key->name);
	return object;
}

/* What both sides know: 32 bytes that are the file DIR/shared.NAME. */
static CK_OBJECT_HANDLE import_shared(enum key which)
{
	static struct bytes value;
	CK_OBJECT_CLASS class = CKO_SECRET_KEY;
	CK_KEY_TYPE type = keys[which].type;
	CK_BBOOL cipher = which == AES, mac = which != WRAPPING, wrap = which == WRAPPING;
	CK_OBJECT_HANDLE object;
	load("shared", keys[which].name, &value);
	CK_ATTRIBUTE template[] = { { CKA_CLASS, &class, sizeof class }, { CKA_KEY_TYPE, &type, sizeof type },
		{ CKA_TOKEN, &no, 1 }, { CKA_SENSITIVE, &yes, 1 }, { CKA_EXTRACTABLE, &no, 1 },
		{ CKA_VALUE, value.data, value.len }, { CKA_ENCRYPT, &cipher, 1 }, { CKA_DECRYPT, &cipher, 1 },
		{ CKA_SIGN, &mac, 1 }, { CKA_VERIFY, &mac, 1 }, { CKA_WRAP, &wrap, 1 }, { CKA_UNWRAP, &wrap, 1 },
		{ CKA_DERIVE, &cipher, 1 } };
	need(p11->C_CreateObject(session, template, COUNT(template), &object), keys[which].name);
	return object;
}

static void find_keys(void)
{
	for (int i = RSA; i <= ED; i++) {
		own[i] = find(CKO_PRIVATE_KEY, keys[i].name);
		own_public[i] = find(CKO_PUBLIC_KEY, keys[i].name);
		theirs[i] = import_public(peer, &keys[i]);
	}
	for (int i = AES; i <= WRAPPING; i++)
		own[i] = theirs[i] = own_public[i] = import_shared((enum key)i);
}

/* -- mechanisms --------------------------------------------------------------------------------------------------- */

enum what { SIGNS, ENCRYPTS, DERIVES, WRAPS };

#define MECHANISM(type) type, #type
static CK_BYTE iv[16] = "sixteen bytes iv", aad[] = "additional data";
static CK_RSA_PKCS_PSS_PARAMS pss_sha256 = { CKM_SHA256, CKG_MGF1_SHA256, 32 };
static CK_RSA_PKCS_PSS_PARAMS pss_sha224 = { CKM_SHA224, CKG_MGF1_SHA224, 28 };
static CK_RSA_PKCS_PSS_PARAMS pss_sha384 = { CKM_SHA384, CKG_MGF1_SHA384, 48 };
static CK_RSA_PKCS_PSS_PARAMS pss_sha512 = { CKM_SHA512, CKG_MGF1_SHA512, 64 };
static CK_RSA_PKCS_OAEP_PARAMS oaep_sha1 = { CKM_SHA_1, CKG_MGF1_SHA1, CKZ_DATA_SPECIFIED, NULL, 0 };
static CK_GCM_PARAMS gcm = { iv, 12, 96, aad, sizeof aad - 1, 128 };
static CK_GCM_PARAMS gcm_plain = { iv, 12, 96, NULL, 0, 128 };
static CK_AES_CTR_PARAMS ctr = { 128, "sixteen bytes iv" };
static CK_KEY_DERIVATION_STRING_DATA ecb_data = { iv, sizeof iv };
static struct {
	CK_BYTE iv[16];
	CK_BYTE_PTR data;
	CK_ULONG len;
} cbc_data = { "sixteen bytes iv", iv, sizeof iv };

/* PARTS: of the data; a mechanism that cannot be used in parts has 1. */
static const struct mechanism_row {
	enum what what;
	enum key key;
	CK_MECHANISM_TYPE type;
	const char *name;
	void *parameter;
	CK_ULONG parameter_len;
	CK_ULONG data_len;
	int parts;
} rows[] = {
	{ SIGNS, RSA, MECHANISM(CKM_RSA_PKCS), NULL, 0, 51, 1 },
	{ SIGNS, RSA, MECHANISM(CKM_RSA_X_509), NULL, 0, 200, 1 },
	{ SIGNS, RSA, MECHANISM(CKM_RSA_PKCS_PSS), &pss_sha256, sizeof pss_sha256, 32, 1 },
	{ SIGNS, RSA, MECHANISM(CKM_SHA224_RSA_PKCS), NULL, 0, 3000, 3 },
	{ SIGNS, RSA, MECHANISM(CKM_SHA256_RSA_PKCS), NULL, 0, 3000, 3 },
	{ SIGNS, RSA, MECHANISM(CKM_SHA384_RSA_PKCS), NULL, 0, 3000, 3 },
	{ SIGNS, RSA, MECHANISM(CKM_SHA512_RSA_PKCS), NULL, 0, 3000, 3 },
	{ SIGNS, RSA, MECHANISM(CKM_SHA224_RSA_PKCS_PSS), &pss_sha224, sizeof pss_sha224, 3000, 3 },
	{ SIGNS, RSA, MECHANISM(CKM_SHA256_RSA_PKCS_PSS), &pss_sha256, sizeof pss_sha256, 3000, 3 },
	{ SIGNS, RSA, MECHANISM(CKM_SHA384_RSA_PKCS_PSS), &pss_sha384, sizeof pss_sha384, 3000, 3 },
	{ SIGNS, RSA, MECHANISM(CKM_SHA512_RSA_PKCS_PSS), &pss_sha512, sizeof pss_sha512, 3000, 3 },
	{ SIGNS, P256, MECHANISM(CKM_ECDSA), NULL, 0, 32, 1 },
	{ SIGNS, P384, MECHANISM(CKM_ECDSA), NULL, 0, 48, 1 },
	{ SIGNS, P521, MECHANISM(CKM_ECDSA), NULL, 0, 64, 1 },
	{ SIGNS, ED, MECHANISM(CKM_EDDSA), NULL, 0, 3000, 1 },
	{ SIGNS, HMAC, MECHANISM(CKM_SHA_1_HMAC), NULL, 0, 3000, 3 },
	{ SIGNS, HMAC, MECHANISM(CKM_SHA224_HMAC), NULL, 0, 3000, 3 },
	{ SIGNS, HMAC, MECHANISM(CKM_SHA256_HMAC), NULL, 0, 3000, 3 },
	{ SIGNS, HMAC, MECHANISM(CKM_SHA384_HMAC), NULL, 0, 3000, 3 },
	{ SIGNS, HMAC, MECHANISM(CKM_SHA512_HMAC), NULL, 0, 3000, 3 },
	{ SIGNS, AES, MECHANISM(CKM_AES_CMAC), NULL, 0, 3000, 3 },
	{ ENCRYPTS, RSA, MECHANISM(CKM_RSA_PKCS), NULL, 0, 100, 1 },
	{ ENCRYPTS, RSA, MECHANISM(CKM_RSA_X_509), NULL, 0, 256, 1 },
	{ ENCRYPTS, RSA, MECHANISM(CKM_RSA_PKCS_OAEP), &oaep_sha1, sizeof oaep_sha1, 100, 1 },
	{ ENCRYPTS, AES, MECHANISM(CKM_AES_ECB), NULL, 0, 4096, 3 },
	{ ENCRYPTS, AES, MECHANISM(CKM_AES_CBC), iv, sizeof iv, 4096, 3 },
	{ ENCRYPTS, AES, MECHANISM(CKM_AES_CBC_PAD), iv, sizeof iv, 3001, 3 },
	{ ENCRYPTS, AES, MECHANISM(CKM_AES_CTR), &ctr, sizeof ctr, 3001, 3 },
	{ ENCRYPTS, AES, MECHANISM(CKM_AES_GCM), &gcm, sizeof gcm, 3001, 3 },
	{ ENCRYPTS, AES, CKM_AES_GCM, "CKM_AES_GCM without additional data", &gcm_plain, sizeof gcm_plain, 3001, 1 },
	{ DERIVES, P256, MECHANISM(CKM_ECDH1_DERIVE), NULL, 0, 32, 1 },
	{ DERIVES, P384, MECHANISM(CKM_ECDH1_DERIVE), NULL, 0, 48, 1 },
	{ DERIVES, AES, MECHANISM(CKM_AES_ECB_ENCRYPT_DATA), &ecb_data, sizeof ecb_data, 16, 1 },
	{ DERIVES, AES, MECHANISM(CKM_AES_CBC_ENCRYPT_DATA), &cbc_data, sizeof cbc_data, 16, 1 },
	{ WRAPS, WRAPPING, MECHANISM(CKM_AES_KEY_WRAP), NULL, 0, 32, 1 },
	{ WRAPS, WRAPPING, MECHANISM(CKM_AES_KEY_WRAP_PAD), NULL, 0, 32, 1 },
	{ WRAPS, RSA_WRAPPING, MECHANISM(CKM_RSA_PKCS_OAEP), &oaep_sha1, sizeof oaep_sha1, 32, 1 },
};

static CK_MECHANISM mechanism_of(const struct mechanism_row *row)
{
	return (CK_MECHANISM){ row->type, row->parameter, row->parameter_len };
}

static void data_of(const struct mechanism_row *row, struct bytes *data)
{
	data->len = row->data_len;
	for (CK_ULONG i = 0; i < data->len; i++)
		data->data[i] = (CK_BYTE)(i * 7 + 1);
	if (row->type == CKM_RSA_X_509)
		data->data[0] = 0; /* below every modulus */
}

/* The lengths of the parts: blocks of 16 for all but the last. */
static CK_ULONG part_len(const struct bytes *data, int parts, int part)
{
	CK_ULONG each = data->len / (CK_ULONG)parts / 16 * 16;
	return part < parts - 1 ? each : data->len - each * (CK_ULONG)(parts - 1);
}

/* -- operations, whole and in parts ------------------------------------------------------------------------------- */

static void sign(const struct mechanism_row *row, bool parts, struct bytes *signature)
{
	static struct bytes data;
	CK_MECHANISM mechanism = mechanism_of(row);
	CK_ULONG at = 0;
	data_of(row, &data);
	signature->len = sizeof signature->data;
	need(p11->C_SignInit(session, &mechanism, own[row->key]), row->name);
	if (!parts) {
		need(p11->C_Sign(session, data.data, data.len, signature->data, &signature->len), row->name);
		return;
	}
	for (int i = 0; i < row->parts; at += part_len(&data, row->parts, i++))
		need(p11->C_SignUpdate(session, data.data + at, part_len(&data, row->parts, i)), row->name);
	need(p11->C_SignFinal(session, signature->data, &signature->len), row->name);
}

static CK_RV verify(const struct mechanism_row *row, bool parts, const struct bytes *signature)
{
	static struct bytes data;
	CK_MECHANISM mechanism = mechanism_of(row);
	CK_ULONG at = 0;
	CK_BYTE *bytes = (CK_BYTE *)signature->data;
	data_of(row, &data);
	need(p11->C_VerifyInit(session, &mechanism, theirs[row->key]), row->name);
	if (!parts)
		return p11->C_Verify(session, data.data, data.len, bytes, signature->len);
	for (int i = 0; i < row->parts; at += part_len(&data, row->parts, i++))
		need(p11->C_VerifyUpdate(session, data.data + at, part_len(&data, row->parts, i)), row->name);
	return p11->C_VerifyFinal(session, bytes, signature->len);
}

static void encrypt(const struct mechanism_row *row, bool parts, struct bytes *out)
{
	static struct bytes data;
	CK_MECHANISM mechanism = mechanism_of(row);
	CK_ULONG at = 0;
	data_of(row, &data);
	need(p11->C_EncryptInit(session, &mechanism, theirs[row->key]), row->name);
	out->len = sizeof out->data;
	if (!parts) {
		need(p11->C_Encrypt(session, data.data, data.len, out->data, &out->len), row->name);
		return;
	}
	CK_ULONG done = 0;
	for (int i = 0; i < row->parts; at += part_len(&data, row->parts, i++)) {
		CK_ULONG room = sizeof out->data - done;
		need(p11->C_EncryptUpdate(
			     session, data.data + at, part_len(&data, row->parts, i), out->data + done, &room),
			row->name);
		done += room;
	}
	out->len = sizeof out->data - done;
	need(p11->C_EncryptFinal(session, out->data + done, &out->len), row->name);
	out->len += done;
}

static void decrypt(const struct mechanism_row *row, bool parts, const struct bytes *in, struct bytes *out)
{
	CK_MECHANISM mechanism = mechanism_of(row);
	CK_BYTE *bytes = (CK_BYTE *)in->data;
	CK_ULONG at = 0;
	need(p11->C_DecryptInit(session, &mechanism, own[row->key]), row->name);
	out->len = sizeof out->data;
	if (!parts) {
		need(p11->C_Decrypt(session, bytes, in->len, out->data, &out->len), row->name);
		return;
	}
	CK_ULONG done = 0;
	for (int i = 0; i < row->parts; at += part_len(in, row->parts, i++)) {
		CK_ULONG room = sizeof out->data - done;
		need(p11->C_DecryptUpdate(session, bytes + at, part_len(in, row->parts, i), out->data + done, &room),
			row->name);
		done += room;
	}
	out->len = sizeof out->data - done;
	need(p11->C_DecryptFinal(session, out->data + done, &out->len), row->name);
	out->len += done;
}

/* A Diffie-Hellman secret may be read where the template says so. What comes of a sensitive key is as sensitive, so
 * that one is compared by what it encrypts. */
static void derive(const struct mechanism_row *row, struct bytes *result)
{
	static struct bytes point;
	char name[64];
	bool ecdh = row->type == CKM_ECDH1_DERIVE;
	CK_ECDH1_DERIVE_PARAMS params = { CKD_NULL, 0, NULL, 0, point.data };
	CK_MECHANISM mechanism = mechanism_of(row), ecb = { CKM_AES_ECB, NULL, 0 };
	CK_OBJECT_CLASS class = CKO_SECRET_KEY;
	CK_KEY_TYPE type = ecdh ? CKK_GENERIC_SECRET : CKK_AES;
	CK_BBOOL *sensitive = ecdh ? &no : &yes, *extractable = ecdh ? &yes : &no;
	CK_ULONG len = row->data_len;
	CK_OBJECT_HANDLE key;
	CK_ATTRIBUTE template[] = { { CKA_CLASS, &class, sizeof class }, { CKA_KEY_TYPE, &type, sizeof type },
		{ CKA_TOKEN, &no, 1 }, { CKA_SENSITIVE, sensitive, 1 }, { CKA_EXTRACTABLE, extractable, 1 },
		{ CKA_VALUE_LEN, &len, sizeof len }, { CKA_ENCRYPT, &yes, 1 } };
	if (ecdh) {
		snprintf(name, sizeof name, "%s.point", keys[row->key].name);
		load(peer, name, &point);
		params.public_data_len = point.len;
		mechanism.pParameter = &params;
		mechanism.ulParameterLen = sizeof params;
	}
	need(p11->C_DeriveKey(session, &mechanism, own[row->key], template, COUNT(template), &key), row->name);
	result->len = sizeof result->data;
	if (ecdh) {
		read_attribute(key, CKA_VALUE, result);
	} else {
		need(p11->C_EncryptInit(session, &ecb, key), row->name);
		need(p11->C_Encrypt(session, iv, sizeof iv, result->data, &result->len), row->name);
	}
	need(p11->C_DestroyObject(session, key), "C_DestroyObject");
}

/* The shared AES key, extractable, wrapped to the other side. */
static void wrap(const struct mechanism_row *row, struct bytes *wrapped)
{
	static struct bytes value;
	CK_MECHANISM mechanism = mechanism_of(row);
	CK_OBJECT_CLASS class = CKO_SECRET_KEY;
	CK_KEY_TYPE type = CKK_AES;
	CK_OBJECT_HANDLE key;
	load("shared", "aes", &value);
	CK_ATTRIBUTE template[] = { { CKA_CLASS, &class, sizeof class }, { CKA_KEY_TYPE, &type, sizeof type },
		{ CKA_TOKEN, &no, 1 }, { CKA_EXTRACTABLE, &yes, 1 }, { CKA_VALUE, value.data, value.len },
		{ CKA_ENCRYPT, &yes, 1 }, { CKA_DECRYPT, &yes, 1 } };
	wrapped->len = sizeof wrapped->data;
	need(p11->C_CreateObject(session, template, COUNT(template), &key), row->name);
	need(p11->C_WrapKey(session, &mechanism, theirs[row->key], key, wrapped->data, &wrapped->len), row->name);
	need(p11->C_DestroyObject(session, key), "C_DestroyObject");
}

/* What comes out must be that key: it encrypts as the shared one does. */
static void unwrap(const struct mechanism_row *row, const struct bytes *wrapped)
{
	static struct bytes data, one, two;
	CK_MECHANISM mechanism = mechanism_of(row), cbc = { CKM_AES_CBC, iv, sizeof iv };
	CK_OBJECT_CLASS class = CKO_SECRET_KEY;
	CK_KEY_TYPE type = CKK_AES;
	CK_OBJECT_HANDLE key;
	CK_ATTRIBUTE template[] = { { CKA_CLASS, &class, sizeof class }, { CKA_KEY_TYPE, &type, sizeof type },
		{ CKA_TOKEN, &no, 1 }, { CKA_ENCRYPT, &yes, 1 }, { CKA_DECRYPT, &yes, 1 } };
	need(p11->C_UnwrapKey(session, &mechanism, own[row->key], (CK_BYTE *)wrapped->data, wrapped->len, template,
		     COUNT(template), &key),
		row->name);
	data.len = 64;
	one.len = two.len = sizeof one.data;
	need(p11->C_EncryptInit(session, &cbc, key), row->name);
	need(p11->C_Encrypt(session, data.data, data.len, one.data, &one.len), row->name);
	need(p11->C_EncryptInit(session, &cbc, own[AES]), row->name);
	need(p11->C_Encrypt(session, data.data, data.len, two.data, &two.len), row->name);
	same(row->name, &one, &two);
	need(p11->C_DestroyObject(session, key), "C_DestroyObject");
}

/* -- the commands ------------------------------------------------------------------------------------------------- */

static void name_of(const struct mechanism_row *row, bool parts, char name[128])
{
	snprintf(name, 128, "%d.%s.%s%s", (int)row->what, keys[row->key].name, row->name, parts ? ".parts" : "");
}

static void make_one(const struct mechanism_row *row, bool parts)
{
	static struct bytes out;
	char name[128];
	if (row->what == SIGNS)
		sign(row, parts, &out);
	else if (row->what == ENCRYPTS)
		encrypt(row, parts, &out);
	else if (row->what == DERIVES)
		derive(row, &out);
	else
		wrap(row, &out);
	name_of(row, parts, name);
	store(name, &out);
}

static void check_signature(const struct mechanism_row *row, bool parts, struct bytes *signature)
{
	need(verify(row, parts, signature), row->name);
	signature->data[signature->len / 2] ^= 1;
	CK_RV rv = verify(row, parts, signature);
	if (rv != CKR_SIGNATURE_INVALID)
		need(rv == CKR_OK ? CKR_SIGNATURE_INVALID : rv, "a changed signature");
}

static void check_one(const struct mechanism_row *row, bool parts)
{
	static struct bytes in, out, data;
	char name[128];
	name_of(row, parts, name);
	load(peer, name, &in);
	data_of(row, &data);
	if (row->what == SIGNS) {
		check_signature(row, parts, &in);
	} else if (row->what == ENCRYPTS) {
		decrypt(row, parts, &in, &out);
		same(row->name, &out, &data);
	} else if (row->what == DERIVES) {
		derive(row, &out);
		same(row->name, &out, &in);
	} else {
		unwrap(row, &in);
	}
	printf("%s\n", name);
}

static void each(void (*work)(const struct mechanism_row *row, bool parts))
{
	find_keys();
	for (size_t i = 0; i < COUNT(rows); i++) {
		work(&rows[i], false);
		if (rows[i].parts > 1)
			work(&rows[i], true);
	}
}

/* Why a mechanism is not in the table above. */
static const struct {
	const char *why;
	CK_MECHANISM_TYPE first, last;
} others[] = {
	{ "makes the keys of this test", CKM_RSA_PKCS_KEY_PAIR_GEN, CKM_RSA_PKCS_KEY_PAIR_GEN },
	{ "makes the keys of this test", CKM_EC_KEY_PAIR_GEN, CKM_EC_KEY_PAIR_GEN },
	{ "makes the keys of this test", CKM_EC_EDWARDS_KEY_PAIR_GEN, CKM_EC_EDWARDS_KEY_PAIR_GEN },
	{ "makes keys", CKM_AES_KEY_GEN, CKM_AES_KEY_GEN },
	{ "makes keys", CKM_GENERIC_SECRET_KEY_GEN, CKM_GENERIC_SECRET_KEY_GEN },
	{ "a digest, no key", CKM_MD2, CKM_MD2 },
	{ "a digest, no key", CKM_SHA256, CKM_SHA256 },
	{ "a digest, no key", CKM_SHA224, CKM_SHA224 },
	{ "a digest, no key", CKM_SHA384, CKM_SHA384 },
	{ "a digest, no key", CKM_SHA512, CKM_SHA512 },
	{ "weak: off", CKM_MD5, CKM_MD5_HMAC_GENERAL },
	{ "weak: off", CKM_MD5_RSA_PKCS, CKM_MD5_RSA_PKCS },
	{ "weak: off", CKM_SHA_1, CKM_SHA_1 },
	{ "weak: off", CKM_SHA1_RSA_PKCS, CKM_SHA1_RSA_PKCS },
	{ "weak: off", CKM_SHA1_RSA_PKCS_PSS, CKM_SHA1_RSA_PKCS_PSS },
	{ "weak: off (DSA)", CKM_DSA_KEY_PAIR_GEN, CKM_DSA_SHA512 },
	{ "off (DH)", CKM_DH_PKCS_KEY_PAIR_GEN, CKM_DH_PKCS_DERIVE },
	{ "off (parameters of DSA, DH)", CKM_DSA_PARAMETER_GEN, CKM_DH_PKCS_PARAMETER_GEN },
	{ "weak: off (DES)", CKM_DES_KEY_GEN, CKM_DES3_CMAC },
	{ "weak: off (DES)", CKM_DES_ECB_ENCRYPT_DATA, CKM_DES3_CBC_ENCRYPT_DATA },
};

static const char *why_not(CK_MECHANISM_TYPE type)
{
	for (size_t i = 0; i < COUNT(rows); i++) {
		if (rows[i].type == type)
			return "tried";
	}
	for (size_t i = 0; i < COUNT(others); i++) {
		if (type >= others[i].first && type <= others[i].last)
			return others[i].why;
	}
	return NULL;
}

static void list(CK_SLOT_ID slot)
{
	CK_MECHANISM_TYPE types[256];
	CK_ULONG count = COUNT(types);
	need(p11->C_GetMechanismList(slot, types, &count), "C_GetMechanismList");
	for (CK_ULONG i = 0; i < count; i++) {
		const char *why = why_not(types[i]);
		printf("0x%lx %s\n", types[i], why ? why : "NOT TRIED");
	}
}

/* -- the token ---------------------------------------------------------------------------------------------------- */

static CK_SLOT_ID slot_of(const char *label)
{
	CK_SLOT_ID slots[16];
	CK_ULONG count = COUNT(slots);
	CK_TOKEN_INFO info;
	need(p11->C_GetSlotList(CK_TRUE, slots, &count), "C_GetSlotList");
	for (CK_ULONG i = 0; i < count; i++) {
		if (p11->C_GetTokenInfo(slots[i], &info) == CKR_OK && memcmp(info.label, label, strlen(label)) == 0)
			return slots[i];
	}
	need(CKR_TOKEN_NOT_PRESENT, label);
	return 0;
}

int main(int argc, char **argv)
{
	CK_C_INITIALIZE_ARGS args = { .flags = CKF_OS_LOCKING_OK };
	const char *command = argc > 1 ? argv[1] : "", *pin = getenv("CROSS_PIN"), *label = getenv("CROSS_TOKEN");
	need(pin && label ? CKR_OK : CKR_ARGUMENTS_BAD, "CROSS_PIN, CROSS_TOKEN");
	app_load();
	need(p11->C_Initialize(&args), "C_Initialize");
	CK_SLOT_ID slot = slot_of(label);
	if (strcmp(command, "list") == 0) {
		list(slot);
		return 0;
	}
	need(argc >= 4 ? CKR_OK : CKR_ARGUMENTS_BAD, "cross COMMAND DIR ME [PEER]");
	dir = argv[2];
	me = argv[3];
	peer = argc > 4 ? argv[4] : me;
	need(p11->C_OpenSession(slot, CKF_SERIAL_SESSION | CKF_RW_SESSION, NULL, NULL, &session), "C_OpenSession");
	need(app_login(session, pin), "C_Login");
	if (strcmp(command, "keys") == 0) {
		for (int i = RSA; i <= ED; i++)
			make_or_publish(&keys[i]);
	} else {
		each(strcmp(command, "make") == 0 ? make_one : check_one);
	}
	need(p11->C_Finalize(NULL), "C_Finalize");
	return 0;
}
