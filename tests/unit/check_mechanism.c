/* Mechanisms: the table, what is offered of it, and parameters from outside. The HSM is fake_vault.c's table. */
#include "tests/unit/suites.h"

#include "pkcs11/mechanism.h"
#include "tests/unit/pkcs11_fixture.h"
#include "util/buf.h"

#include <stdio.h>
#include <stdlib.h>

#define CALL(name, ...) fix.calls->name(fix.client, __VA_ARGS__)
#define BYTES(text) ((CK_BYTE_PTR)(uintptr_t)(text))
#define BIG (SR_PARAMETER_MAX + 1)

static struct sr_config config;
static struct sr_mechanism taken;
static struct sr_error err;

static void set_up(void)
{
	fixture_load();
	fixture_client(); /* with the last client OpenSSL's context goes, which digests need */
	config = (struct sr_config){ 0 };
	taken = (struct sr_mechanism){ 0 };
}

static void tear_down(void)
{
	fix.mechanisms->clear(&taken);
	fixture_close();
}

/* The parameter comes from a block of its own size, so that a sanitizer sees who reads beyond it, and is overwritten
 * once it was taken. */
static CK_RV take(CK_MECHANISM_TYPE type, CK_FLAGS function, const void *parameter, size_t len)
{
	fix.mechanisms->clear(&taken);
	sr_error_clear(&err);
	void *block = parameter ? malloc(len ? len : 1) : NULL;
	if (block && len)
		memcpy(block, parameter, len);
	CK_MECHANISM given = { type, block, len };
	CK_RV rv = fix.mechanisms->take(&config, &given, function, &taken, &err);
	if (block)
		memset(block, 0xee, len);
	free(block);
	given = (CK_MECHANISM){ 0 };
	if (rv == CKR_OK) {
		ck_assert_uint_eq(taken.native.mechanism, type);
		ck_assert_ptr_eq(taken.native.pParameter, taken.memory);
		ck_assert_str_eq(taken.row->name, sr_mechanism_name(type));
	} else {
		ck_assert_uint_eq(err.rv, rv);
		ck_assert_uint_eq(err.reason, SR_REASON_MECHANISM);
		ck_assert(!taken.memory && !taken.native.pParameter && !taken.row);
	}
	return rv;
}

#define TAKE(type, function, parameter) take(type, function, &(parameter), sizeof(parameter))
#define ck_taken(type, function, parameter) ck_assert_uint_eq(TAKE(type, function, parameter), CKR_OK)
#define ck_refused(type, function, parameter) \
	ck_assert_uint_eq(TAKE(type, function, parameter), CKR_MECHANISM_PARAM_INVALID)

/* -- the table ---------------------------------------------------------------------------------------------------- */
START_TEST(rows_are_whole)
{
	for (size_t i = 0; i < sr_mechanism_count; i++) {
		const struct sr_mechanism_row *row = &sr_mechanism_rows[i];
		ck_assert_int_eq(strncmp(row->name, "CKM_", 4), 0);
		ck_assert_int_lt(row->parameter, SR_PARAMETER_COUNT);
		ck_assert_ptr_eq(sr_mechanism_row(row->type), row); /* so no type is there twice */
		ck_assert_ptr_eq(sr_mechanism_named(row->name, strlen(row->name)), row);
		ck_assert_str_eq(sr_mechanism_name(row->type), row->name);
		ck_assert_msg(row->flags || row->weak, "%s is never offered, so weak", row->name);
		if (row->flags)
			ck_assert_msg((row->flags == CKF_DIGEST) == (row->key_type == CK_UNAVAILABLE_INFORMATION), "%s",
				row->name);
	}
}
END_TEST

/* docs/keys.md: no oracle for a padding unwraps, and nothing wraps without integrity but RSA to a public key. */
START_TEST(what_unwraps)
{
	for (size_t i = 0; i < sr_mechanism_count; i++) {
		const struct sr_mechanism_row *row = &sr_mechanism_rows[i];
		bool whole = row->parameter == SR_PARAMETER_OPTIONAL_BYTES || row->parameter == SR_PARAMETER_OAEP;
		ck_assert_msg(whole || !(row->flags & CKF_UNWRAP), "%s", row->name);
	}
	ck_assert(sr_mechanism_row(CKM_AES_KEY_WRAP)->flags & CKF_UNWRAP);
	ck_assert(!(sr_mechanism_row(CKM_RSA_PKCS)->flags & CKF_UNWRAP));
	ck_assert(!(sr_mechanism_row(CKM_AES_CBC_PAD)->flags & CKF_UNWRAP));
}
END_TEST

START_TEST(lookups_by_name)
{
	ck_assert_ptr_null(sr_mechanism_row(CKM_VENDOR_DEFINED));
	ck_assert_ptr_null(sr_mechanism_named("CKM_ECDS", 8));
	ck_assert_ptr_null(sr_mechanism_named("CKM_ECDSAX", 10));
	ck_assert_ptr_nonnull(sr_mechanism_named("CKM_ECDSAX", 9));
	ck_assert_ptr_null(sr_mechanism_named("", 0));
	ck_assert_str_eq(sr_mechanism_name(0xdeadbeef), "0xdeadbeef");
	const struct sr_mechanism_row *md5 = sr_mechanism_row(CKM_MD5);
	ck_assert(!sr_mechanism_listed(NULL, md5) && !sr_mechanism_listed("", md5));
	ck_assert(sr_mechanism_listed(" CKM_SHA_1,\tCKM_MD5", md5));
	ck_assert(!sr_mechanism_listed("CKM_MD5_RSA_PKCS,CKM_MD", md5));
}
END_TEST

/* docs/mechanisms.md: | `CKM_...` | functions | keys | parameter | parts | remarks | for each row, in this order. */
static const struct {
	const char *key_type, *key_type_2;
} named_keys[] = {
#define SR_MECHANISM(name, functions, key_type, key_type_2, parameter, parts, strength) { #key_type, #key_type_2 },
#include "policy/mechanisms.def"
#undef SR_MECHANISM
};

static const char *const parameter_words[SR_PARAMETER_COUNT] = {
	[SR_PARAMETER_NONE] = "",
	[SR_PARAMETER_OPTIONAL_BYTES] = "initial value, or none",
	[SR_PARAMETER_IV] = "IV of one block",
	[SR_PARAMETER_CTR] = "`CK_AES_CTR_PARAMS`",
	[SR_PARAMETER_GCM] = "`CK_GCM_PARAMS`",
	[SR_PARAMETER_CCM] = "`CK_CCM_PARAMS`",
	[SR_PARAMETER_OAEP] = "`CK_RSA_PKCS_OAEP_PARAMS`",
	[SR_PARAMETER_PSS] = "`CK_RSA_PKCS_PSS_PARAMS`",
	[SR_PARAMETER_ECDH1] = "`CK_ECDH1_DERIVE_PARAMS`",
	[SR_PARAMETER_EDDSA] = "`CK_EDDSA_PARAMS`, or none",
	[SR_PARAMETER_MAC_GENERAL] = "`CK_MAC_GENERAL_PARAMS`",
	[SR_PARAMETER_STRING_DATA] = "`CK_KEY_DERIVATION_STRING_DATA`",
	[SR_PARAMETER_CBC_DATA] = "`CK_..._CBC_ENCRYPT_DATA_PARAMS`",
};

/* Functions as the page names them; a row has all bits of one or none. */
static void put_functions(struct sr_buf *line, CK_FLAGS flags)
{
	static const struct {
		CK_FLAGS bits;
		const char *word;
	} words[] = { { CKF_GENERATE, "generate" }, { CKF_GENERATE_KEY_PAIR, "generate pair" },
		{ CKF_DIGEST, "digest" }, { CKF_ENCRYPT | CKF_DECRYPT, "encrypt" }, { CKF_SIGN | CKF_VERIFY, "sign" },
		{ CKF_SIGN_RECOVER | CKF_VERIFY_RECOVER, "recover" }, { CKF_WRAP, "wrap" }, { CKF_UNWRAP, "unwrap" },
		{ CKF_DERIVE, "derive" }, { CKF_MESSAGE_ENCRYPT | CKF_MESSAGE_DECRYPT, "messages" },
		{ CKF_MESSAGE_SIGN | CKF_MESSAGE_VERIFY, "messages" } };
	const char *between = "";
	for (size_t i = 0; i < COUNT(words); i++) {
		if (!(flags & words[i].bits))
			continue;
		ck_assert_uint_eq(flags & words[i].bits, words[i].bits);
		sr_buf_printf(line, "%s%s", between, words[i].word);
		between = ", ";
		if (strcmp(words[i].word, "messages") == 0)
			break;
	}
}

static void put_row(struct sr_buf *line, size_t i)
{
	const struct sr_mechanism_row *row = &sr_mechanism_rows[i];
	const char *key = named_keys[i].key_type, *other = named_keys[i].key_type_2;
	bool none = strcmp(key, "NONE") == 0, two = strcmp(key, other) != 0;
	sr_buf_printf(line, "| `%s` | ", row->name);
	put_functions(line, row->flags);
	sr_buf_printf(line, " | %s%s%s | %s | %s | ", none ? "" : key, two ? ", " : "", two ? other : "",
		parameter_words[row->parameter], row->multi_part ? "yes" : "");
	if (row->weak)
		sr_buf_text(line, row->flags ? "weak: " : "never: ");
}

/* An empty cell has one blank on the page. */
static void squeeze(char *text)
{
	char *to = text;
	for (const char *from = text; *from; from++) {
		if (from[0] != ' ' || from[1] != ' ')
			*to++ = *from;
	}
	*to = '\0';
}

START_TEST(the_page_has_every_row)
{
	char path[512], line[1024];
	size_t i = 0;
	snprintf(path, sizeof path, "%s/docs/mechanisms.md", getenv("SR_SRC"));
	FILE *page = fopen(path, "r");
	ck_assert_msg(page != NULL, "%s cannot be opened", path);
	while (fgets(line, sizeof line, page)) {
		if (strncmp(line, "| `CKM_", 7) != 0)
			continue;
		struct sr_buf wanted = SR_BUF_INIT;
		ck_assert_uint_lt(i, sr_mechanism_count);
		put_row(&wanted, i++);
		char *begin = (char *)(uintptr_t)sr_buf_string(&wanted);
		squeeze(begin);
		ck_assert_msg(strncmp(line, begin, strlen(begin)) == 0, "%s is not on the page, but %s", begin, line);
		sr_buf_clear(&wanted);
	}
	fclose(page);
	ck_assert_uint_eq(i, sr_mechanism_count);
}
END_TEST

/* -- what is offered ---------------------------------------------------------------------------------------------- */
static CK_MECHANISM_INFO info_of(CK_MECHANISM_TYPE type)
{
	CK_MECHANISM_INFO info = { 0 };
	if (!fix.mechanisms->offered(&config, sr_mechanism_row(type), &info))
		ck_assert_uint_eq(0, info.flags);
	return info;
}

START_TEST(offered_is_what_table_and_hsm_have)
{
	const CK_FLAGS sign = CKF_SIGN | CKF_VERIFY | CKF_MESSAGE_SIGN | CKF_MESSAGE_VERIFY | CKF_MULTI_MESSAGE;
	CK_MECHANISM_INFO info = info_of(CKM_RSA_PKCS);
	ck_assert_uint_eq(info.ulMinKeySize, 512);
	ck_assert_uint_eq(info.ulMaxKeySize, 16384);
	ck_assert_uint_eq(
		info.flags, sign | CKF_ENCRYPT | CKF_DECRYPT | CKF_WRAP); /* the HSM unwraps, and recovers not */
	info = info_of(CKM_ECDSA);
	ck_assert_uint_eq(info.flags, sign | CKF_HW | CKF_EC_F_P | CKF_EC_OID | CKF_EC_UNCOMPRESS);
	ck_assert_uint_eq(info_of(CKM_AES_CBC).flags, CKF_ENCRYPT | CKF_DECRYPT);
	ck_assert_uint_eq(info_of(CKM_AES_GCM).flags,
		CKF_ENCRYPT | CKF_DECRYPT | CKF_MESSAGE_ENCRYPT | CKF_MESSAGE_DECRYPT | CKF_MULTI_MESSAGE);
	ck_assert_uint_eq(info_of(CKM_RSA_PKCS_PSS).flags, CKF_SIGN | CKF_VERIFY);
	ck_assert_uint_eq(info_of(CKM_SHA3_512).flags, CKF_DIGEST); /* the HSM has none of its own */
	ck_assert_uint_eq(info_of(CKM_SHA384_RSA_PKCS).flags, 0);
	ck_assert_uint_eq(info_of(CKM_AES_KEY_WRAP_PAD).flags, 0);
}
END_TEST

START_TEST(weak_is_offered_by_name_alone)
{
	static char names[] = "CKM_SHA_1,CKM_DES3_CBC CKM_MD5_RSA_PKCS";
	ck_assert_uint_eq(info_of(CKM_SHA_1).flags, 0);
	ck_assert_uint_eq(info_of(CKM_DES3_CBC).flags, 0);
	ck_assert_uint_eq(take(CKM_SHA_1, CKF_DIGEST, NULL, 0), CKR_MECHANISM_INVALID);
	ck_assert_ptr_nonnull(strstr(err.text, "[mechanisms] enable"));
	config.mechanisms = names;
	ck_assert_uint_eq(info_of(CKM_SHA_1).flags, CKF_DIGEST);
	ck_assert_uint_eq(info_of(CKM_DES3_CBC).flags, CKF_ENCRYPT | CKF_DECRYPT);
	ck_assert_uint_eq(info_of(CKM_MD5_RSA_PKCS).flags, 0); /* the HSM has it not */
	ck_assert_uint_eq(info_of(CKM_SHA1_RSA_PKCS).flags, 0);
	ck_assert_uint_eq(take(CKM_SHA_1, CKF_DIGEST, NULL, 0), CKR_OK);
}
END_TEST

START_TEST(never_is_never)
{
	static char names[] = "CKM_DES_CBC";
	config.mechanisms = names;
	ck_assert_uint_eq(info_of(CKM_DES_CBC).flags, 0);
	ck_assert_uint_eq(take(CKM_DES_CBC, CKF_ENCRYPT, "12345678", 8), CKR_MECHANISM_INVALID);
	ck_assert_uint_eq(take(CKM_VENDOR_DEFINED + 1, CKF_ENCRYPT, NULL, 0), CKR_MECHANISM_INVALID);
	ck_assert_uint_eq(take(CKM_SHA256, CKF_SIGN, NULL, 0), CKR_MECHANISM_INVALID);
	ck_assert_uint_eq(take(CKM_RSA_PKCS, CKF_UNWRAP, NULL, 0), CKR_MECHANISM_INVALID);
	ck_assert_uint_eq(take(CKM_AES_GCM, CKF_SIGN, NULL, 0), CKR_MECHANISM_INVALID);
}
END_TEST

/* C_GetMechanismList in the order of the table; digests follow the configuration too. */
START_TEST(a_client_lists_them)
{
	static char names[] = "CKM_SHA_1";
	CK_MECHANISM sha_1 = { CKM_SHA_1, NULL, 0 };
	CK_MECHANISM_TYPE list[256];
	CK_ULONG count = COUNT(list), all = 0;
	CK_SESSION_HANDLE session = open_session(fix.slot, 0);
	ck_assert_uint_eq(CALL(C_GetMechanismList, fix.slot, list, &count), CKR_OK);
	for (size_t i = 0; i < sr_mechanism_count; i++) {
		CK_MECHANISM_INFO info;
		CK_RV rv = CALL(C_GetMechanismInfo, fix.slot, sr_mechanism_rows[i].type, &info);
		if (rv == CKR_OK)
			ck_assert_uint_eq(list[all++], sr_mechanism_rows[i].type);
		else
			ck_assert_uint_eq(rv, CKR_MECHANISM_INVALID);
	}
	ck_assert_uint_eq(all, count);
	ck_assert_uint_eq(CALL(C_DigestInit, session, &sha_1), CKR_MECHANISM_INVALID);
	fix.backend->close(fix.client);
	fix.enable = names;
	fixture_client();
	session = open_session(fix.slot, 0);
	ck_assert_uint_eq(CALL(C_DigestInit, session, &sha_1), CKR_OK);
	CK_BYTE digest[20];
	CK_ULONG len = sizeof digest;
	ck_assert_uint_eq(CALL(C_Digest, session, BYTES("abc"), 3, digest, &len), CKR_OK);
	ck_assert_uint_eq(digest[0], 0xa9); /* FIPS 180-4: a9993e36... */
	ck_assert_uint_eq(digest[19], 0x9d);
}
END_TEST

/* -- parameters --------------------------------------------------------------------------------------------------- */
START_TEST(none_and_bytes)
{
	ck_assert_uint_eq(take(CKM_ECDSA, CKF_SIGN, NULL, 0), CKR_OK);
	ck_assert_uint_eq(take(CKM_ECDSA, CKF_SIGN, "", 0), CKR_OK);
	ck_assert_ptr_null(taken.native.pParameter);
	ck_assert_uint_eq(take(CKM_ECDSA, CKF_SIGN, "x", 1), CKR_MECHANISM_PARAM_INVALID);
	ck_assert_uint_eq(take(CKM_ECDSA, CKF_SIGN, NULL, 1), CKR_MECHANISM_PARAM_INVALID);
	ck_assert_uint_eq(take(CKM_AES_KEY_WRAP, CKF_WRAP, NULL, 0), CKR_OK);
	ck_assert_uint_eq(take(CKM_AES_KEY_WRAP, CKF_WRAP, "12345678", 8), CKR_OK);
	ck_assert_int_eq(memcmp(taken.native.pParameter, "12345678", 8), 0);
	ck_assert_uint_eq(take(CKM_AES_KEY_WRAP, CKF_WRAP, "1234", 4), CKR_MECHANISM_PARAM_INVALID);
	ck_assert_uint_eq(take(CKM_AES_KEY_WRAP, CKF_WRAP, NULL, 8), CKR_MECHANISM_PARAM_INVALID);
	ck_assert_uint_eq(take(CKM_AES_KEY_WRAP_KWP, CKF_UNWRAP, "1234", 4), CKR_OK);
	ck_assert_uint_eq(take(CKM_AES_KEY_WRAP_KWP, CKF_UNWRAP, "12345678", 8), CKR_MECHANISM_PARAM_INVALID);
}
END_TEST

START_TEST(ivs)
{
	static char names[] = "CKM_DES3_CBC";
	const char *iv = "0123456789abcdef0";
	config.mechanisms = names;
	ck_assert_uint_eq(take(CKM_AES_CBC, CKF_ENCRYPT, iv, 16), CKR_OK);
	ck_assert_uint_eq(taken.native.ulParameterLen, 16);
	ck_assert_int_eq(memcmp(taken.native.pParameter, iv, 16), 0);
	ck_assert_uint_eq(take(CKM_DES3_CBC, CKF_ENCRYPT, iv, 8), CKR_OK);
	for (size_t len = 0; len <= 17; len++) {
		ck_assert_uint_eq(
			take(CKM_AES_CBC_PAD, CKF_DECRYPT, iv, len), len == 16 ? CKR_OK : CKR_MECHANISM_PARAM_INVALID);
		ck_assert_uint_eq(
			take(CKM_DES3_CBC, CKF_DECRYPT, iv, len), len == 8 ? CKR_OK : CKR_MECHANISM_PARAM_INVALID);
	}
	ck_assert_uint_eq(take(CKM_AES_CBC, CKF_ENCRYPT, NULL, 16), CKR_MECHANISM_PARAM_INVALID);
	ck_assert_uint_eq(take(CKM_AES_CBC, CKF_ENCRYPT, NULL, 0), CKR_MECHANISM_PARAM_INVALID);
}
END_TEST

START_TEST(ctr)
{
	static const CK_ULONG bits[] = { 0, 1, 64, 128, 129, ~0UL };
	for (size_t i = 0; i < COUNT(bits); i++) {
		CK_AES_CTR_PARAMS params = { bits[i], "0123456789abcde" };
		bool good = bits[i] >= 1 && bits[i] <= 128;
		ck_assert_uint_eq(TAKE(CKM_AES_CTR, CKF_ENCRYPT, params), good ? CKR_OK : CKR_MECHANISM_PARAM_INVALID);
		ck_assert(!good || memcmp(taken.native.pParameter, &params, sizeof params) == 0);
	}
	ck_assert_uint_eq(take(CKM_AES_CTR, CKF_ENCRYPT, "0123456789abcdef", 16), CKR_MECHANISM_PARAM_INVALID);
}
END_TEST

START_TEST(gcm)
{
	CK_GCM_PARAMS params = { BYTES("0123456789ab"), 12, 0, BYTES("more"), 4, 128 };
	ck_taken(CKM_AES_GCM, CKF_ENCRYPT, params);
	const CK_GCM_PARAMS *kept = taken.native.pParameter;
	ck_assert_uint_eq(taken.native.ulParameterLen, sizeof *kept);
	ck_assert_ptr_ne(kept->pIv, params.pIv);
	ck_assert_uint_eq(kept->ulIvBits, 96);
	ck_assert_int_eq(memcmp(kept->pIv, "0123456789ab", 12), 0);
	ck_assert_int_eq(memcmp(kept->pAAD, "more", 4), 0);
	params.ulAADLen = 0;
	ck_taken(CKM_AES_GCM, CKF_ENCRYPT, params);
	kept = taken.native.pParameter;
	ck_assert_ptr_null(kept->pAAD);
	struct {
		CK_BYTE_PTR iv;
		CK_ULONG iv_len;
		CK_BYTE_PTR aad;
		CK_ULONG aad_len;
		CK_ULONG tag_bits;
	} old = { BYTES("0123456789ab"), 12, BYTES("more"), 4, 96 };
	ck_taken(CKM_AES_GCM, CKF_DECRYPT, old);
	kept = taken.native.pParameter;
	ck_assert_uint_eq(taken.native.ulParameterLen, sizeof *kept);
	ck_assert_uint_eq(kept->ulTagBits, 96);
	ck_assert_uint_eq(kept->ulAADLen, 4);
	ck_assert_int_eq(memcmp(kept->pAAD, "more", 4), 0);
}
END_TEST

START_TEST(gcm_bounds)
{
	static const struct {
		CK_ULONG iv_len, aad_len, tag_bits;
		bool iv, aad, good;
	} rows[] = {
		{ 1, 0, 128, true, false, true },
		{ 256, 0, 128, true, false, true },
		{ 257, 0, 128, true, false, false },
		{ 0, 0, 128, true, false, false },
		{ 12, 0, 128, false, false, false },
		{ ~0UL, 0, 128, true, false, false },
		{ 12, 1, 128, true, false, false },
		{ 12, SR_PARAMETER_MAX - 256, 128, true, true, true },
		{ 12, SR_PARAMETER_MAX - 255, 128, true, true, false },
		{ 12, ~0UL, 128, true, true, false },
		{ 12, ~0UL - 11, 128, true, true, false },
		{ 12, 4, 120, true, true, true },
		{ 12, 4, 88, true, true, false },
		{ 12, 4, 0, true, true, false },
		{ 12, 4, 100, true, true, false },
		{ 12, 4, 136, true, true, false },
		{ 12, 4, ~0UL, true, true, false },
	};
	CK_BYTE *bytes = calloc(1, SR_PARAMETER_MAX);
	for (size_t i = 0; i < COUNT(rows); i++) {
		CK_GCM_PARAMS params = { rows[i].iv ? bytes : NULL, rows[i].iv_len, 96, rows[i].aad ? bytes : NULL,
			rows[i].aad_len, rows[i].tag_bits };
		CK_RV rv = TAKE(CKM_AES_GCM, CKF_ENCRYPT, params);
		ck_assert_msg(rv == (rows[i].good ? CKR_OK : CKR_MECHANISM_PARAM_INVALID), "%zu: %s", i, err.text);
	}
	free(bytes);
	CK_GCM_PARAMS whole = { BYTES("0123456789ab"), 12, 96, NULL, 0, 128 };
	for (size_t len = 0; len < sizeof whole; len++)
		ck_assert_uint_eq(
			take(CKM_AES_GCM, CKF_ENCRYPT, len ? (void *)&whole : NULL, len), CKR_MECHANISM_PARAM_INVALID);
}
END_TEST

START_TEST(ccm)
{
	CK_BYTE *bytes = calloc(1, SR_PARAMETER_MAX);
	CK_CCM_PARAMS params = { 100, bytes, 13, bytes, 3, 16 };
	ck_taken(CKM_AES_CCM, CKF_ENCRYPT, params);
	const CK_CCM_PARAMS *kept = taken.native.pParameter;
	ck_assert(kept->ulDataLen == 100 && kept->pNonce != bytes && kept->pAAD == kept->pNonce + 13);
	params.ulDataLen = 0x10000; /* two bytes are left for it */
	ck_refused(CKM_AES_CCM, CKF_ENCRYPT, params);
	params.ulNonceLen = 12;
	ck_taken(CKM_AES_CCM, CKF_ENCRYPT, params);
	params.ulDataLen = ~0UL;
	ck_refused(CKM_AES_CCM, CKF_ENCRYPT, params);
	params.ulNonceLen = 7;
	ck_taken(CKM_AES_CCM, CKF_ENCRYPT, params);
	params.ulNonceLen = 6;
	ck_refused(CKM_AES_CCM, CKF_ENCRYPT, params);
	params = (CK_CCM_PARAMS){ 0, bytes, 14, NULL, 0, 16 };
	ck_refused(CKM_AES_CCM, CKF_ENCRYPT, params);
	params = (CK_CCM_PARAMS){ 0, NULL, 13, NULL, 0, 16 };
	ck_refused(CKM_AES_CCM, CKF_ENCRYPT, params);
	params = (CK_CCM_PARAMS){ 0, bytes, 13, NULL, 1, 16 };
	ck_refused(CKM_AES_CCM, CKF_ENCRYPT, params);
	params = (CK_CCM_PARAMS){ 0, bytes, 13, bytes, SR_PARAMETER_MAX - 12, 16 };
	ck_refused(CKM_AES_CCM, CKF_ENCRYPT, params);
	for (CK_ULONG len = 0; len < 20; len++) {
		params = (CK_CCM_PARAMS){ 0, bytes, 13, NULL, 0, len };
		bool good = len >= 8 && len <= 16 && len % 2 == 0;
		ck_assert_uint_eq(TAKE(CKM_AES_CCM, CKF_DECRYPT, params), good ? CKR_OK : CKR_MECHANISM_PARAM_INVALID);
	}
	ck_assert_uint_eq(take(CKM_AES_CCM, CKF_ENCRYPT, NULL, 0), CKR_MECHANISM_PARAM_INVALID);
	free(bytes);
}
END_TEST

START_TEST(oaep)
{
	CK_BYTE *bytes = calloc(1, BIG);
	CK_RSA_PKCS_OAEP_PARAMS params = { CKM_SHA_1, CKG_MGF1_SHA1, CKZ_DATA_SPECIFIED, BYTES("label"), 5 };
	ck_taken(CKM_RSA_PKCS_OAEP, CKF_DECRYPT, params);
	const CK_RSA_PKCS_OAEP_PARAMS *kept = taken.native.pParameter;
	ck_assert_ptr_ne(kept->pSourceData, params.pSourceData);
	ck_assert_int_eq(memcmp(kept->pSourceData, "label", 5), 0);
	params = (CK_RSA_PKCS_OAEP_PARAMS){ CKM_SHA256, CKG_MGF1_SHA1, CKZ_DATA_SPECIFIED, BYTES(""), 0 };
	ck_taken(CKM_RSA_PKCS_OAEP, CKF_UNWRAP, params);
	kept = taken.native.pParameter;
	ck_assert_ptr_null(kept->pSourceData);
	params = (CK_RSA_PKCS_OAEP_PARAMS){ CKM_SHA3_512, CKG_MGF1_SHA3_512, CKZ_DATA_SPECIFIED, bytes, BIG - 1 };
	ck_taken(CKM_RSA_PKCS_OAEP, CKF_ENCRYPT, params);
	params.ulSourceDataLen = BIG;
	ck_refused(CKM_RSA_PKCS_OAEP, CKF_ENCRYPT, params);
	params.ulSourceDataLen = ~0UL;
	ck_refused(CKM_RSA_PKCS_OAEP, CKF_ENCRYPT, params);
	params = (CK_RSA_PKCS_OAEP_PARAMS){ CKM_SHA256, CKG_MGF1_SHA256, CKZ_DATA_SPECIFIED, NULL, 1 };
	ck_refused(CKM_RSA_PKCS_OAEP, CKF_ENCRYPT, params);
	params = (CK_RSA_PKCS_OAEP_PARAMS){ CKM_SHA256, CKG_MGF1_SHA256, 0, BYTES("label"), 5 };
	ck_refused(CKM_RSA_PKCS_OAEP, CKF_ENCRYPT, params);
	params = (CK_RSA_PKCS_OAEP_PARAMS){ CKM_SHA256, CKG_MGF1_SHA256, 0, NULL, 0 }; /* as pkcs11-tool gives it */
	ck_taken(CKM_RSA_PKCS_OAEP, CKF_DECRYPT, params);
	kept = taken.native.pParameter;
	ck_assert_uint_eq(kept->source, CKZ_DATA_SPECIFIED);
	params = (CK_RSA_PKCS_OAEP_PARAMS){ CKM_MD5, CKG_MGF1_SHA1, CKZ_DATA_SPECIFIED, NULL, 0 };
	ck_refused(CKM_RSA_PKCS_OAEP, CKF_ENCRYPT, params);
	params = (CK_RSA_PKCS_OAEP_PARAMS){ CKM_SHA256, 99, CKZ_DATA_SPECIFIED, NULL, 0 };
	ck_refused(CKM_RSA_PKCS_OAEP, CKF_ENCRYPT, params);
	params.mgf = CK_UNAVAILABLE_INFORMATION; /* what the table says for "none" */
	ck_refused(CKM_RSA_PKCS_OAEP, CKF_ENCRYPT, params);
	params.hashAlg = CK_UNAVAILABLE_INFORMATION;
	params.mgf = CKG_MGF1_SHA256;
	ck_refused(CKM_RSA_PKCS_OAEP, CKF_ENCRYPT, params);
	ck_assert_uint_eq(take(CKM_RSA_PKCS_OAEP, CKF_ENCRYPT, NULL, 0), CKR_MECHANISM_PARAM_INVALID);
	free(bytes);
}
END_TEST

START_TEST(pss)
{
	static char names[] = "CKM_SHA_1";
	CK_RSA_PKCS_PSS_PARAMS params = { CKM_SHA256, CKG_MGF1_SHA256, 32 };
	ck_taken(CKM_RSA_PKCS_PSS, CKF_SIGN, params);
	ck_assert_int_eq(memcmp(taken.native.pParameter, &params, sizeof params), 0);
	ck_taken(CKM_SHA256_RSA_PKCS_PSS, CKF_SIGN, params);
	params = (CK_RSA_PKCS_PSS_PARAMS){ CKM_SHA384, CKG_MGF1_SHA384, 0 };
	ck_taken(CKM_RSA_PKCS_PSS, CKF_VERIFY, params);
	ck_refused(CKM_SHA256_RSA_PKCS_PSS, CKF_SIGN, params);
	params = (CK_RSA_PKCS_PSS_PARAMS){ CKM_SHA384, CKG_MGF1_SHA256, 48 };
	ck_refused(CKM_RSA_PKCS_PSS, CKF_SIGN, params);
	params = (CK_RSA_PKCS_PSS_PARAMS){ CKM_SHA256, CKG_MGF1_SHA256, 2048 };
	ck_taken(CKM_RSA_PKCS_PSS, CKF_SIGN, params);
	params.sLen = 2049;
	ck_refused(CKM_RSA_PKCS_PSS, CKF_SIGN, params);
	params.sLen = ~0UL;
	ck_refused(CKM_RSA_PKCS_PSS, CKF_SIGN, params);
	params = (CK_RSA_PKCS_PSS_PARAMS){ CKM_MD5, 0, 16 };
	ck_refused(CKM_RSA_PKCS_PSS, CKF_SIGN, params);
	params = (CK_RSA_PKCS_PSS_PARAMS){ CKM_SHA_1, CKG_MGF1_SHA1, 20 };
	ck_refused(CKM_RSA_PKCS_PSS, CKF_SIGN, params);
	config.mechanisms = names;
	ck_taken(CKM_RSA_PKCS_PSS, CKF_SIGN, params);
	ck_assert_uint_eq(take(CKM_RSA_PKCS_PSS, CKF_SIGN, NULL, 0), CKR_MECHANISM_PARAM_INVALID);
}
END_TEST

START_TEST(mac_lengths)
{
	for (CK_ULONG len = 0; len < 70; len++) {
		ck_assert_uint_eq(TAKE(CKM_SHA256_HMAC_GENERAL, CKF_SIGN, len),
			len >= 1 && len <= 32 ? CKR_OK : CKR_MECHANISM_PARAM_INVALID);
		ck_assert_uint_eq(TAKE(CKM_AES_CMAC_GENERAL, CKF_VERIFY, len),
			len >= 1 && len <= 16 ? CKR_OK : CKR_MECHANISM_PARAM_INVALID);
	}
	ck_assert_uint_eq(take(CKM_SHA256_HMAC_GENERAL, CKF_SIGN, "1234", 4), CKR_MECHANISM_PARAM_INVALID);
	ck_assert_uint_eq(take(CKM_SHA256_HMAC_GENERAL, CKF_SIGN, NULL, 8), CKR_MECHANISM_PARAM_INVALID);
}
END_TEST

/* Each row of that kind has its full length. */
START_TEST(every_general_mac_has_a_length)
{
	CK_ULONG one = 1;
	for (size_t i = 0; i < sr_mechanism_count; i++) {
		const struct sr_mechanism_row *row = &sr_mechanism_rows[i];
		CK_MECHANISM_INFO info;
		char names[80];
		snprintf(names, sizeof names, "%s", row->name);
		config.mechanisms = names;
		if (row->parameter == SR_PARAMETER_MAC_GENERAL && fix.mechanisms->offered(&config, row, &info))
			ck_taken(row->type, CKF_SIGN, one);
		config.mechanisms = NULL;
	}
}
END_TEST

/* -- ECDH --------------------------------------------------------------------------------------------------------- */
static CK_RV take_point(const CK_BYTE *point, CK_ULONG len)
{
	CK_ECDH1_DERIVE_PARAMS params = { CKD_NULL, 0, NULL, len, BYTES(point) };
	return TAKE(CKM_ECDH1_DERIVE, CKF_DERIVE, params);
}

static void assert_point(const CK_BYTE *given, CK_ULONG len, CK_ULONG from)
{
	ck_assert_uint_eq(take_point(given, len), CKR_OK);
	const CK_ECDH1_DERIVE_PARAMS *kept = taken.native.pParameter;
	ck_assert_uint_eq(kept->ulPublicDataLen, len - from);
	ck_assert_int_eq(memcmp(kept->pPublicData, given + from, len - from), 0);
}

/* The raw point and the OCTET STRING around it give the same; what only looks like one stays. */
START_TEST(points)
{
	static const size_t fields[] = { 24, 28, 32, 40, 48, 64, 66 };
	CK_BYTE data[160];
	for (size_t i = 0; i < COUNT(fields); i++) {
		size_t len = 1 + 2 * fields[i], header = len < 128 ? 2 : 3;
		memset(data, 4, sizeof data);
		data[1] = header == 2 ? (CK_BYTE)len : 0x81;
		data[header - 1] = (CK_BYTE)len;
		assert_point(data, header + len, header);
		data[0] = 4; /* the same length byte as the beginning of a raw point */
		data[1] = (CK_BYTE)(len - 2);
		assert_point(data, len, 0);
		data[1] = (CK_BYTE)(fields[i] + 1); /* compressed */
		data[2] = 3;
		assert_point(data, fields[i] + 3, 2);
		data[0] = 2;
		assert_point(data, fields[i] + 1, 0);
	}
	memset(data, 4, sizeof data);
	data[1] = 32; /* X25519: wrapped, raw, and raw with the look of a wrapping */
	assert_point(data, 34, 2);
	data[1] = 30;
	assert_point(data, 32, 0);
	data[1] = 65; /* an OCTET STRING of another length than there is */
	assert_point(data, 66, 0);
	data[1] = 0x82;
	assert_point(data, 70, 0);
	assert_point(data, 1, 0);
	assert_point(data, 2, 0);
}
END_TEST

START_TEST(ecdh1)
{
	CK_BYTE *bytes = calloc(1, SR_PARAMETER_MAX);
	CK_ECDH1_DERIVE_PARAMS params = { CKD_SHA256_KDF, 6, BYTES("shared"), 3, BYTES("\x02pk") };
	ck_taken(CKM_ECDH1_DERIVE, CKF_DERIVE, params);
	const CK_ECDH1_DERIVE_PARAMS *kept = taken.native.pParameter;
	ck_assert(kept->pSharedData != params.pSharedData && kept->pPublicData != params.pPublicData);
	ck_assert_int_eq(memcmp(kept->pSharedData, "shared", 6), 0);
	ck_assert_int_eq(memcmp(kept->pPublicData, "\x02pk", 3), 0);
	params.kdf = CKD_NULL;
	ck_refused(CKM_ECDH1_DERIVE, CKF_DERIVE, params);
	params.ulSharedDataLen = 0;
	ck_taken(CKM_ECDH1_DERIVE, CKF_DERIVE, params);
	static const CK_ULONG unknown[] = { 0, CKD_SHA1_KDF_ASN1, CKD_CPDIVERSIFY_KDF, 14, ~0UL };
	for (size_t i = 0; i < COUNT(unknown); i++) {
		params.kdf = unknown[i];
		ck_refused(CKM_ECDH1_DERIVE, CKF_DERIVE, params);
	}
	params = (CK_ECDH1_DERIVE_PARAMS){ CKD_SHA256_KDF, 1, NULL, 3, bytes };
	ck_refused(CKM_ECDH1_DERIVE, CKF_DERIVE, params);
	params = (CK_ECDH1_DERIVE_PARAMS){ CKD_SHA256_KDF, SR_PARAMETER_MAX - 256, bytes, 256, bytes };
	ck_taken(CKM_ECDH1_DERIVE, CKF_DERIVE, params);
	params.ulSharedDataLen++;
	ck_refused(CKM_ECDH1_DERIVE, CKF_DERIVE, params);
	params.ulSharedDataLen = ~0UL;
	ck_refused(CKM_ECDH1_DERIVE, CKF_DERIVE, params);
	ck_assert_uint_eq(take_point(bytes, 257), CKR_MECHANISM_PARAM_INVALID);
	ck_assert_uint_eq(take_point(bytes, 0), CKR_MECHANISM_PARAM_INVALID);
	ck_assert_uint_eq(take_point(NULL, 65), CKR_MECHANISM_PARAM_INVALID);
	ck_assert_uint_eq(take_point(bytes, ~0UL), CKR_MECHANISM_PARAM_INVALID);
	ck_assert_uint_eq(take(CKM_ECDH1_DERIVE, CKF_DERIVE, NULL, 0), CKR_MECHANISM_PARAM_INVALID);
	free(bytes);
}
END_TEST

START_TEST(eddsa)
{
	CK_EDDSA_PARAMS params = { CK_FALSE, 0, BYTES("") };
	ck_assert_uint_eq(take(CKM_EDDSA, CKF_SIGN, NULL, 0), CKR_OK);
	ck_taken(CKM_EDDSA, CKF_SIGN, params);
	const CK_EDDSA_PARAMS *kept = taken.native.pParameter;
	ck_assert_ptr_null(kept->pContextData);
	params.phFlag = CK_TRUE;
	ck_refused(CKM_EDDSA, CKF_SIGN, params);
	params.phFlag = 2;
	ck_refused(CKM_EDDSA, CKF_SIGN, params);
	params = (CK_EDDSA_PARAMS){ CK_FALSE, 1, BYTES("c") };
	ck_refused(CKM_EDDSA, CKF_SIGN, params);
	params = (CK_EDDSA_PARAMS){ CK_FALSE, 1, NULL };
	ck_refused(CKM_EDDSA, CKF_SIGN, params);
	params = (CK_EDDSA_PARAMS){ CK_FALSE, 256, BYTES("c") };
	ck_refused(CKM_EDDSA, CKF_SIGN, params);
	ck_assert_uint_eq(take(CKM_EDDSA, CKF_SIGN, NULL, sizeof params), CKR_MECHANISM_PARAM_INVALID);
}
END_TEST

/* What the data of a derivation by encryption may be; the same for each of the four. */
static void check_data(CK_MECHANISM_TYPE type, size_t block, CK_RV (*given)(CK_MECHANISM_TYPE, CK_BYTE *, CK_ULONG))
{
	CK_BYTE *bytes = calloc(1, BIG);
	ck_assert_uint_eq(given(type, bytes, block), CKR_OK);
	ck_assert_uint_eq(given(type, bytes, SR_PARAMETER_MAX), CKR_OK);
	ck_assert_uint_eq(given(type, bytes, SR_PARAMETER_MAX + block), CKR_MECHANISM_PARAM_INVALID);
	ck_assert_uint_eq(given(type, bytes, 0), CKR_MECHANISM_PARAM_INVALID);
	ck_assert_uint_eq(given(type, bytes, block + 1), CKR_MECHANISM_PARAM_INVALID);
	ck_assert_uint_eq(given(type, bytes, -block), CKR_MECHANISM_PARAM_INVALID);
	ck_assert_uint_eq(given(type, NULL, block), CKR_MECHANISM_PARAM_INVALID);
	ck_assert_uint_eq(take(type, CKF_DERIVE, bytes, 7), CKR_MECHANISM_PARAM_INVALID);
	ck_assert_uint_eq(take(type, CKF_DERIVE, NULL, 0), CKR_MECHANISM_PARAM_INVALID);
	free(bytes);
}

static CK_RV give_string(CK_MECHANISM_TYPE type, CK_BYTE *bytes, CK_ULONG len)
{
	CK_KEY_DERIVATION_STRING_DATA params = { bytes, len };
	CK_RV rv = TAKE(type, CKF_DERIVE, params);
	const CK_KEY_DERIVATION_STRING_DATA *kept = taken.native.pParameter;
	ck_assert(rv != CKR_OK || (kept->pData != bytes && memcmp(kept->pData, bytes, len) == 0));
	return rv;
}

static CK_RV give_aes(CK_MECHANISM_TYPE type, CK_BYTE *bytes, CK_ULONG len)
{
	CK_AES_CBC_ENCRYPT_DATA_PARAMS params = { "0123456789abcde", bytes, len };
	CK_RV rv = TAKE(type, CKF_DERIVE, params);
	const CK_AES_CBC_ENCRYPT_DATA_PARAMS *kept = taken.native.pParameter;
	ck_assert(rv != CKR_OK || (kept->pData != bytes && memcmp(kept->iv, params.iv, 16) == 0));
	return rv;
}

static CK_RV give_des(CK_MECHANISM_TYPE type, CK_BYTE *bytes, CK_ULONG len)
{
	CK_DES_CBC_ENCRYPT_DATA_PARAMS params = { "0123456", bytes, len };
	CK_RV rv = TAKE(type, CKF_DERIVE, params);
	const CK_DES_CBC_ENCRYPT_DATA_PARAMS *kept = taken.native.pParameter;
	ck_assert(rv != CKR_OK || (kept->pData != bytes && memcmp(kept->iv, params.iv, 8) == 0));
	return rv;
}

START_TEST(data_of_derivations)
{
	static char names[] = "CKM_DES3_ECB_ENCRYPT_DATA CKM_DES3_CBC_ENCRYPT_DATA";
	config.mechanisms = names;
	check_data(CKM_AES_ECB_ENCRYPT_DATA, 16, give_string);
	check_data(CKM_AES_CBC_ENCRYPT_DATA, 16, give_aes);
	check_data(CKM_DES3_ECB_ENCRYPT_DATA, 8, give_string);
	check_data(CKM_DES3_CBC_ENCRYPT_DATA, 8, give_des);
}
END_TEST

Suite *sr_suite_mechanism(void)
{
	Suite *suite = suite_create("mechanism");
	TCase *table = tcase_create("table");
	tcase_add_test(table, rows_are_whole);
	tcase_add_test(table, what_unwraps);
	tcase_add_test(table, lookups_by_name);
	tcase_add_test(table, the_page_has_every_row);
	suite_add_tcase(suite, table);
	TCase *taking = tcase_create("taking");
	tcase_add_checked_fixture(taking, set_up, tear_down);
	tcase_add_test(taking, offered_is_what_table_and_hsm_have);
	tcase_add_test(taking, weak_is_offered_by_name_alone);
	tcase_add_test(taking, never_is_never);
	tcase_add_test(taking, a_client_lists_them);
	tcase_add_test(taking, none_and_bytes);
	tcase_add_test(taking, ivs);
	tcase_add_test(taking, ctr);
	tcase_add_test(taking, gcm);
	tcase_add_test(taking, gcm_bounds);
	tcase_add_test(taking, ccm);
	tcase_add_test(taking, oaep);
	tcase_add_test(taking, pss);
	tcase_add_test(taking, mac_lengths);
	tcase_add_test(taking, every_general_mac_has_a_length);
	tcase_add_test(taking, points);
	tcase_add_test(taking, ecdh1);
	tcase_add_test(taking, eddsa);
	tcase_add_test(taking, data_of_derivations);
	suite_add_tcase(suite, taking);
	return suite;
}
