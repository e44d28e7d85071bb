/* The table of attributes of keys: defaults, rules, changes, what is shown, what is kept. */
#include "tests/unit/suites.h"
#include "tests/unit/vault_keys_fixture.h"

#include "vault/keyattrs.h"
#include "vault/keyinfo.h"

#include <string.h>

static struct sr_error err;

static CK_RV plan_of(
	enum sr_how how, enum sr_part part, CK_KEY_TYPE key_type, const struct keys_word *words, struct sr_plan *plan)
{
	struct sr_attrs template = SR_ATTRS_INIT;
	keys_fill(&template, words);
	sr_error_clear(&err);
	CK_RV rv = sr_plan_make(plan, how, part, key_type, &template, &err);
	sr_attrs_clear(&template);
	ck_assert(rv == CKR_OK || (plan->attrs.count == 0 && plan->material.count == 0));
	return rv;
}

/* The rights that an object has, as a text: E D S R V r W U d. */
static const char *rights_of(const struct sr_attrs *attrs, char out[16])
{
	static const struct {
		CK_ATTRIBUTE_TYPE type;
		char letter;
	} letters[] = { { CKA_ENCRYPT, 'E' }, { CKA_DECRYPT, 'D' }, { CKA_SIGN, 'S' }, { CKA_SIGN_RECOVER, 'R' },
		{ CKA_VERIFY, 'V' }, { CKA_VERIFY_RECOVER, 'r' }, { CKA_WRAP, 'W' }, { CKA_UNWRAP, 'U' },
		{ CKA_DERIVE, 'd' } };
	size_t len = 0;
	for (size_t i = 0; i < sizeof(letters) / sizeof(*letters); i++) {
		if (sr_attrs_bool(attrs, letters[i].type, false))
			out[len++] = letters[i].letter;
	}
	out[len] = '\0';
	return out;
}

#define VALUE16 BYTES(CKA_VALUE, "0123456789012345", 16)
#define EXPONENT BYTES(CKA_PUBLIC_EXPONENT, "\x01\x00\x01", 3)

START_TEST(rights_that_are_not_named)
{
	static const struct {
		enum sr_part part;
		CK_KEY_TYPE key_type;
		const char *rights;
	} rows[] = {
		{ SR_PART_PRIVATE, CKK_RSA, "DS" },
		{ SR_PART_PUBLIC, CKK_RSA, "EV" },
		{ SR_PART_PRIVATE, CKK_EC, "Sd" },
		{ SR_PART_PUBLIC, CKK_EC, "V" },
		{ SR_PART_PRIVATE, CKK_EC_EDWARDS, "S" },
		{ SR_PART_PUBLIC, CKK_EC_EDWARDS, "V" },
		{ SR_PART_PRIVATE, CKK_EC_MONTGOMERY, "d" },
		{ SR_PART_PUBLIC, CKK_EC_MONTGOMERY, "" },
		{ SR_PART_SECRET, CKK_AES, "EDSV" },
		{ SR_PART_SECRET, CKK_GENERIC_SECRET, "SV" },
	};
	char text[16];
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct sr_plan plan;
		struct keys_word word = TEXT(CKA_LABEL, "x");
		if (rows[i].part == SR_PART_SECRET)
			word = NUMBER(CKA_VALUE_LEN, 16);
		else if (rows[i].part == SR_PART_PUBLIC)
			word = rows[i].key_type == CKK_RSA ? NUMBER(CKA_MODULUS_BITS, 2048) : P256;
		CK_RV rv = plan_of(SR_HOW_GENERATE, rows[i].part, rows[i].key_type, LIST(word), &plan);
		ck_assert_msg(rv == CKR_OK, "row %zu: %s", i, err.text);
		ck_assert_str_eq(rights_of(&plan.attrs, text), rows[i].rights);
		sr_plan_clear(&plan);
	}
	struct sr_plan plan;
	ck_assert_int_eq(plan_of(SR_HOW_GENERATE, SR_PART_PRIVATE, CKK_RSA, LIST(FLAG(CKA_SIGN, 1)), &plan), CKR_OK);
	ck_assert_str_eq(rights_of(&plan.attrs, text), "S");
	sr_plan_clear(&plan);
	ck_assert_int_eq(plan_of(SR_HOW_GENERATE, SR_PART_PRIVATE, CKK_RSA, LIST(FLAG(CKA_SIGN, 0)), &plan), CKR_OK);
	ck_assert_str_eq(rights_of(&plan.attrs, text), "");
	sr_plan_clear(&plan);
}
END_TEST

START_TEST(defaults)
{
	struct sr_plan plan;
	ck_assert_int_eq(plan_of(SR_HOW_GENERATE, SR_PART_PRIVATE, CKK_EC, LIST(FLAG(CKA_PRIVATE, 0)), &plan), CKR_OK);
	ck_assert(!plan.token);
	ck_assert(sr_attrs_bool(&plan.attrs, CKA_PRIVATE, false));
	ck_assert(sr_attrs_bool(&plan.attrs, CKA_SENSITIVE, false));
	ck_assert(!sr_attrs_bool(&plan.attrs, CKA_EXTRACTABLE, true));
	ck_assert(!sr_attrs_bool(&plan.attrs, CKA_ALWAYS_AUTHENTICATE, true));
	ck_assert(!sr_attrs_bool(&plan.attrs, CKA_WRAP_WITH_TRUSTED, true));
	ck_assert(sr_attrs_bool(&plan.attrs, CKA_MODIFIABLE, false));
	ck_assert(sr_attrs_bool(&plan.attrs, CKA_COPYABLE, false));
	ck_assert(sr_attrs_bool(&plan.attrs, CKA_DESTROYABLE, false));
	ck_assert_ptr_nonnull(sr_attrs_find(&plan.attrs, CKA_SUBJECT));
	ck_assert_int_eq(plan.custody, SR_CUSTODY_RESIDENT);
	sr_plan_clear(&plan);
	ck_assert_int_eq(
		plan_of(SR_HOW_GENERATE, SR_PART_PUBLIC, CKK_EC, LIST(P256, FLAG(CKA_TOKEN, 1)), &plan), CKR_OK);
	ck_assert(plan.token);
	ck_assert(!sr_attrs_bool(&plan.attrs, CKA_PRIVATE, true));
	ck_assert(!sr_attrs_bool(&plan.attrs, CKA_TRUSTED, true));
	ck_assert_ptr_null(sr_attrs_find(&plan.attrs, CKA_SENSITIVE));
	ck_assert_int_eq(plan.custody, SR_CUSTODY_OPEN);
	sr_plan_clear(&plan);
}
END_TEST

START_TEST(history_says_what_happened)
{
	static const struct {
		enum sr_how how;
		bool sensitive, extractable, base_sensitive, base_kept, local, always, never;
	} rows[] = {
		{ SR_HOW_GENERATE, true, false, false, false, true, true, true },
		{ SR_HOW_GENERATE, false, true, false, false, true, false, false },
		{ SR_HOW_IMPORT, true, false, false, false, false, false, false },
		{ SR_HOW_UNWRAP, true, false, false, false, false, false, false },
		{ SR_HOW_DERIVE, true, false, true, true, false, true, true },
		{ SR_HOW_DERIVE, true, false, false, false, false, false, false },
		{ SR_HOW_DERIVE, false, true, true, true, false, false, false },
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct sr_plan plan;
		struct sr_attrs base = SR_ATTRS_INIT;
		const struct keys_word secret = rows[i].how == SR_HOW_IMPORT ? VALUE16 : NUMBER(CKA_VALUE_LEN, 16);
		ck_assert_int_eq(plan_of(rows[i].how, SR_PART_SECRET, CKK_AES,
					 LIST(secret, FLAG(CKA_SENSITIVE, rows[i].sensitive),
						 FLAG(CKA_EXTRACTABLE, rows[i].extractable)),
					 &plan),
			CKR_OK);
		sr_attrs_put_bool(&base, CKA_ALWAYS_SENSITIVE, rows[i].base_sensitive);
		sr_attrs_put_bool(&base, CKA_NEVER_EXTRACTABLE, rows[i].base_kept);
		sr_plan_history(&plan, rows[i].how, CKM_AES_KEY_GEN, rows[i].how == SR_HOW_DERIVE ? &base : NULL);
		ck_assert_int_eq(sr_attrs_bool(&plan.attrs, CKA_LOCAL, !rows[i].local), rows[i].local);
		ck_assert_int_eq(sr_attrs_bool(&plan.attrs, CKA_ALWAYS_SENSITIVE, !rows[i].always), rows[i].always);
		ck_assert_int_eq(sr_attrs_bool(&plan.attrs, CKA_NEVER_EXTRACTABLE, !rows[i].never), rows[i].never);
		ck_assert_uint_eq(sr_attrs_ulong(&plan.attrs, CKA_KEY_GEN_MECHANISM, 0),
			rows[i].local ? CKM_AES_KEY_GEN : CK_UNAVAILABLE_INFORMATION);
		sr_attrs_clear(&base);
		sr_plan_clear(&plan);
	}
}
END_TEST

/* docs/keys.md, "Attacks that are refused". */
START_TEST(rights_that_exclude_each_other)
{
	static const struct {
		enum sr_part part;
		enum sr_how how;
		const char *rights; /* W U D E d S R; X: extractable, O: not sensitive */
		bool good;
	} rows[] = {
		{ SR_PART_SECRET, SR_HOW_GENERATE, "WU", true },
		{ SR_PART_SECRET, SR_HOW_GENERATE, "WE", true },
		{ SR_PART_SECRET, SR_HOW_GENERATE, "ED", true },
		{ SR_PART_SECRET, SR_HOW_GENERATE, "EDX", true },
		{ SR_PART_SECRET, SR_HOW_GENERATE, "WD", false },
		{ SR_PART_SECRET, SR_HOW_GENERATE, "UE", false },
		{ SR_PART_SECRET, SR_HOW_GENERATE, "UD", false },
		{ SR_PART_SECRET, SR_HOW_GENERATE, "Ud", false },
		{ SR_PART_SECRET, SR_HOW_GENERATE, "WX", false },
		{ SR_PART_SECRET, SR_HOW_GENERATE, "UX", false },
		{ SR_PART_SECRET, SR_HOW_IMPORT, "W", true },
		{ SR_PART_SECRET, SR_HOW_IMPORT, "WX", false },
		{ SR_PART_SECRET, SR_HOW_UNWRAP, "ED", true },
		{ SR_PART_SECRET, SR_HOW_UNWRAP, "W", false },
		{ SR_PART_SECRET, SR_HOW_UNWRAP, "U", false },
		{ SR_PART_SECRET, SR_HOW_UNWRAP, "EX", false },
		{ SR_PART_SECRET, SR_HOW_UNWRAP, "EO", false },
		{ SR_PART_SECRET, SR_HOW_DERIVE, "EDXO", true },
		{ SR_PART_SECRET, SR_HOW_DERIVE, "WUEDXO", true },
		{ SR_PART_SECRET, SR_HOW_DERIVE, "WUX", false },
		{ SR_PART_SECRET, SR_HOW_DERIVE, "WUO", false },
		{ SR_PART_SECRET, SR_HOW_COPY, "WUEDXO", false },
		{ SR_PART_SECRET, SR_HOW_DERIVE, "W", false },
		{ SR_PART_SECRET, SR_HOW_DERIVE, "U", false },
		{ SR_PART_PRIVATE, SR_HOW_GENERATE, "D", true },
		{ SR_PART_PRIVATE, SR_HOW_GENERATE, "U", true },
		{ SR_PART_PRIVATE, SR_HOW_GENERATE, "Ud", true },
		{ SR_PART_PRIVATE, SR_HOW_GENERATE, "DX", true },
		{ SR_PART_PRIVATE, SR_HOW_GENERATE, "DU", false },
		{ SR_PART_PRIVATE, SR_HOW_GENERATE, "SU", false },
		{ SR_PART_PRIVATE, SR_HOW_GENERATE, "RU", false },
		{ SR_PART_PRIVATE, SR_HOW_GENERATE, "SD", true },
		{ SR_PART_SECRET, SR_HOW_GENERATE, "SU", true },
		{ SR_PART_PRIVATE, SR_HOW_GENERATE, "UX", false },
		{ SR_PART_PRIVATE, SR_HOW_SET, "DU", false },
		{ SR_PART_PUBLIC, SR_HOW_GENERATE, "WE", true },
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct sr_attrs attrs = SR_ATTRS_INIT;
		const char *r = rows[i].rights;
		sr_attrs_put_bool(&attrs, CKA_WRAP, strchr(r, 'W'));
		sr_attrs_put_bool(&attrs, CKA_UNWRAP, strchr(r, 'U'));
		sr_attrs_put_bool(&attrs, CKA_DECRYPT, strchr(r, 'D'));
		sr_attrs_put_bool(&attrs, CKA_ENCRYPT, strchr(r, 'E'));
		sr_attrs_put_bool(&attrs, CKA_DERIVE, strchr(r, 'd'));
		sr_attrs_put_bool(&attrs, CKA_SIGN, strchr(r, 'S'));
		sr_attrs_put_bool(&attrs, CKA_SIGN_RECOVER, strchr(r, 'R'));
		sr_attrs_put_bool(&attrs, CKA_EXTRACTABLE, strchr(r, 'X'));
		sr_attrs_put_bool(&attrs, CKA_SENSITIVE, !strchr(r, 'O'));
		sr_error_clear(&err);
		CK_RV rv = sr_keyattrs_rules(rows[i].part, rows[i].how, &attrs, &err);
		ck_assert_msg(rv == (rows[i].good ? CKR_OK : CKR_TEMPLATE_INCONSISTENT), "row %zu (%s): %s", i, r,
			sr_rv_name(rv));
		ck_assert_uint_eq(err.reason, rows[i].good ? SR_REASON_NONE : SR_REASON_RIGHTS);
		sr_attrs_clear(&attrs);
	}
	struct sr_attrs a = SR_ATTRS_INIT, b = SR_ATTRS_INIT;
	sr_attrs_put_bool(&a, CKA_WRAP, true);
	sr_attrs_put_bool(&b, CKA_SENSITIVE, true);
	sr_attrs_put_bool(&b, CKA_EXTRACTABLE, true);
	ck_assert_int_eq(sr_keyattrs_pair(&a, &b, &err), CKR_TEMPLATE_INCONSISTENT);
	sr_attrs_put_bool(&b, CKA_EXTRACTABLE, false);
	ck_assert_int_eq(sr_keyattrs_pair(&a, &b, &err), CKR_OK);
	sr_attrs_put_bool(&b, CKA_SENSITIVE, false);
	ck_assert_int_eq(sr_keyattrs_pair(&a, &b, &err), CKR_TEMPLATE_INCONSISTENT);
	sr_attrs_put_bool(&b, CKA_SENSITIVE, true);
	sr_attrs_put_bool(&b, CKA_UNWRAP, true);
	ck_assert_int_eq(sr_keyattrs_pair(&a, &b, &err), CKR_OK);
	static const CK_ATTRIBUTE_TYPE undo[] = { CKA_DECRYPT, CKA_SIGN, CKA_SIGN_RECOVER, CKA_EXTRACTABLE };
	for (size_t i = 0; i < 4; i++) {
		sr_attrs_put_bool(&b, undo[i], true);
		ck_assert_int_eq(sr_keyattrs_pair(&a, &b, &err), CKR_TEMPLATE_INCONSISTENT);
		sr_attrs_put_bool(&b, undo[i], false);
	}
	sr_attrs_put_bool(&b, CKA_DECRYPT, true);
	sr_attrs_put_bool(&a, CKA_WRAP, false);
	ck_assert_int_eq(sr_keyattrs_pair(&a, &b, &err), CKR_OK);
	sr_attrs_clear(&a);
	sr_attrs_clear(&b);
}
END_TEST

START_TEST(templates_that_are_refused)
{
	static const struct keys_word value16 = { CKA_VALUE, KEYS_BYTES, "0123456789012345", 16 };
	const struct {
		enum sr_how how;
		enum sr_part part;
		CK_KEY_TYPE key_type;
		struct keys_word words[3];
		CK_RV rv;
	} rows[] = {
		{ SR_HOW_IMPORT, SR_PART_SECRET, CKK_AES, { value16 }, CKR_OK },
		{ SR_HOW_IMPORT, SR_PART_SECRET, CKK_AES, { value16, NUMBER(CKA_VALUE_LEN, 16) }, CKR_OK },
		{ SR_HOW_IMPORT, SR_PART_SECRET, CKK_AES, { value16, NUMBER(CKA_VALUE_LEN, 32) },
			CKR_TEMPLATE_INCONSISTENT },
		{ SR_HOW_IMPORT, SR_PART_SECRET, CKK_AES, { value16, NUMBER(CKA_KEY_TYPE, CKK_RSA) },
			CKR_TEMPLATE_INCONSISTENT },
		{ SR_HOW_IMPORT, SR_PART_SECRET, CKK_AES, { value16, FLAG(CKA_SIGN_RECOVER, 1) },
			CKR_ATTRIBUTE_TYPE_INVALID },
		{ SR_HOW_IMPORT, SR_PART_SECRET, CKK_AES, { value16, FLAG(CKA_ALWAYS_AUTHENTICATE, 1) },
			CKR_ATTRIBUTE_TYPE_INVALID },
		{ SR_HOW_IMPORT, SR_PART_SECRET, CKK_AES, { value16, BYTES(CKA_MODULUS, "m", 1) },
			CKR_ATTRIBUTE_TYPE_INVALID },
		{ SR_HOW_IMPORT, SR_PART_SECRET, CKK_AES, { value16, TEXT(CKA_UNIQUE_ID, "x") },
			CKR_ATTRIBUTE_READ_ONLY },
		{ SR_HOW_IMPORT, SR_PART_SECRET, CKK_AES, { value16, FLAG(CKA_NEVER_EXTRACTABLE, 1) },
			CKR_ATTRIBUTE_READ_ONLY },
		{ SR_HOW_IMPORT, SR_PART_SECRET, CKK_AES, { value16, FLAG(CKA_TRUSTED, 0) }, CKR_OK },
		{ SR_HOW_IMPORT, SR_PART_SECRET, CKK_AES, { value16, FLAG(CKA_TRUSTED, 1) }, CKR_ATTRIBUTE_READ_ONLY },
		{ SR_HOW_IMPORT, SR_PART_SECRET, CKK_AES, { value16, BYTES(CKA_SIGN, "\2", 1) },
			CKR_ATTRIBUTE_VALUE_INVALID },
		{ SR_HOW_IMPORT, SR_PART_SECRET, CKK_AES, { value16, BYTES(CKA_SIGN, "", 0) },
			CKR_ATTRIBUTE_VALUE_INVALID },
		{ SR_HOW_IMPORT, SR_PART_SECRET, CKK_AES, { value16, BYTES(CKA_START_DATE, "2026", 4) },
			CKR_ATTRIBUTE_VALUE_INVALID },
		{ SR_HOW_IMPORT, SR_PART_SECRET, CKK_AES, { value16, BYTES(CKA_ALLOWED_MECHANISMS, "1234", 4) },
			CKR_ATTRIBUTE_VALUE_INVALID },
		{ SR_HOW_IMPORT, SR_PART_SECRET, CKK_AES, { value16, TEXT(CKA_SR_TIER, "sensitive") },
			CKR_TEMPLATE_INCONSISTENT },
		{ SR_HOW_IMPORT, SR_PART_SECRET, CKK_DES, { value16 }, CKR_ATTRIBUTE_VALUE_INVALID },
		{ SR_HOW_IMPORT, SR_PART_SECRET, CKK_RSA, { value16 }, CKR_ATTRIBUTE_VALUE_INVALID },
		{ SR_HOW_IMPORT, SR_PART_SECRET, CKK_DES3, { value16 }, CKR_ATTRIBUTE_VALUE_INVALID },
		{ SR_HOW_IMPORT, SR_PART_SECRET, CKK_AES, { FLAG(CKA_SIGN, 1) }, CKR_TEMPLATE_INCOMPLETE },
		{ SR_HOW_GENERATE, SR_PART_SECRET, CKK_AES, { value16 }, CKR_ATTRIBUTE_READ_ONLY },
		{ SR_HOW_GENERATE, SR_PART_SECRET, CKK_GENERIC_SECRET, { NUMBER(CKA_VALUE_LEN, 0) },
			CKR_ATTRIBUTE_VALUE_INVALID },
		{ SR_HOW_GENERATE, SR_PART_SECRET, CKK_GENERIC_SECRET, { NUMBER(CKA_VALUE_LEN, 5000) },
			CKR_ATTRIBUTE_VALUE_INVALID },
		{ SR_HOW_GENERATE, SR_PART_PRIVATE, CKK_RSA, { BYTES(CKA_MODULUS, "m", 1) }, CKR_ATTRIBUTE_READ_ONLY },
		{ SR_HOW_GENERATE, SR_PART_PUBLIC, CKK_RSA, { NUMBER(CKA_MODULUS_BITS, 4097) },
			CKR_ATTRIBUTE_VALUE_INVALID },
		{ SR_HOW_GENERATE, SR_PART_PUBLIC, CKK_RSA, { EXPONENT }, CKR_TEMPLATE_INCOMPLETE },
		{ SR_HOW_GENERATE, SR_PART_PUBLIC, CKK_EC, { FLAG(CKA_VERIFY, 1) }, CKR_TEMPLATE_INCOMPLETE },
		{ SR_HOW_IMPORT, SR_PART_PRIVATE, CKK_RSA, { BYTES(CKA_MODULUS, "m", 1), EXPONENT },
			CKR_TEMPLATE_INCOMPLETE },
		{ SR_HOW_IMPORT, SR_PART_PRIVATE, CKK_RSA, { value16 }, CKR_ATTRIBUTE_TYPE_INVALID },
		{ SR_HOW_IMPORT, SR_PART_CERTIFICATE, CKC_X_509, { FLAG(CKA_TOKEN, 0) }, CKR_TEMPLATE_INCOMPLETE },
		{ SR_HOW_IMPORT, SR_PART_CERTIFICATE, CKC_WTLS, { value16 }, CKR_ATTRIBUTE_VALUE_INVALID },
		{ SR_HOW_IMPORT, SR_PART_CERTIFICATE, CKC_X_509, { value16, FLAG(CKA_SIGN, 1) },
			CKR_ATTRIBUTE_TYPE_INVALID },
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct keys_word words[4] = { rows[i].words[0], rows[i].words[1], rows[i].words[2], { 0 } };
		struct sr_plan plan;
		CK_RV rv = plan_of(rows[i].how, rows[i].part, rows[i].key_type, words, &plan);
		ck_assert_msg(rv == rows[i].rv, "row %zu: %s: %s", i, sr_rv_name(rv), err.text);
		sr_plan_clear(&plan);
	}
}
END_TEST

START_TEST(secret_components_stand_apart)
{
	struct sr_plan plan;
	struct sr_attrs hsm = SR_ATTRS_INIT;
	ck_assert_int_eq(plan_of(SR_HOW_IMPORT, SR_PART_PRIVATE, CKK_RSA,
				 LIST(BYTES(CKA_MODULUS, "m", 1), EXPONENT, BYTES(CKA_PRIVATE_EXPONENT, "d", 1),
					 BYTES(CKA_PRIME_1, "p", 1)),
				 &plan),
		CKR_OK);
	ck_assert_uint_eq(plan.material.count, 2);
	ck_assert_ptr_null(sr_attrs_find(&plan.attrs, CKA_PRIVATE_EXPONENT));
	ck_assert_ptr_null(sr_attrs_find(&plan.attrs, CKA_PRIME_1));
	ck_assert(sr_keyattrs_is_secret(SR_PART_PRIVATE, CKA_PRIME_1));
	ck_assert(sr_keyattrs_is_secret(SR_PART_SECRET, CKA_VALUE));
	ck_assert(!sr_keyattrs_is_secret(SR_PART_CERTIFICATE, CKA_VALUE));
	ck_assert(!sr_keyattrs_is_secret(SR_PART_PRIVATE, CKA_MODULUS));
	sr_keyattrs_for_hsm(SR_PART_PRIVATE, CKK_RSA, SR_HOW_UNWRAP, &plan.attrs, &hsm);
	ck_assert_ptr_null(sr_attrs_find(&hsm, CKA_MODULUS));
	ck_assert_ptr_null(sr_attrs_find(&hsm, CKA_LABEL));
	ck_assert_ptr_nonnull(sr_attrs_find(&hsm, CKA_DECRYPT));
	ck_assert_ptr_nonnull(sr_attrs_find(&hsm, CKA_SENSITIVE));
	sr_attrs_clear(&hsm);
	sr_keyattrs_for_hsm(SR_PART_PRIVATE, CKK_RSA, SR_HOW_IMPORT, &plan.attrs, &hsm);
	ck_assert_ptr_nonnull(sr_attrs_find(&hsm, CKA_MODULUS));
	sr_attrs_clear(&hsm);
	sr_plan_clear(&plan);
}
END_TEST

START_TEST(changes_go_one_way)
{
	static const struct {
		CK_ATTRIBUTE_TYPE type;
		bool now, wanted;
		CK_RV rv;
	} rows[] = {
		{ CKA_SENSITIVE, false, true, CKR_OK },
		{ CKA_SENSITIVE, true, false, CKR_ATTRIBUTE_READ_ONLY },
		{ CKA_SENSITIVE, true, true, CKR_OK },
		{ CKA_EXTRACTABLE, true, false, CKR_OK },
		{ CKA_EXTRACTABLE, false, true, CKR_ATTRIBUTE_READ_ONLY },
		{ CKA_WRAP_WITH_TRUSTED, false, true, CKR_OK },
		{ CKA_WRAP_WITH_TRUSTED, true, false, CKR_ATTRIBUTE_READ_ONLY },
		{ CKA_COPYABLE, true, false, CKR_OK },
		{ CKA_COPYABLE, false, true, CKR_ATTRIBUTE_READ_ONLY },
		{ CKA_SIGN, true, false, CKR_OK },
		{ CKA_SIGN, false, true, CKR_ATTRIBUTE_READ_ONLY },
		{ CKA_DERIVE, false, true, CKR_ATTRIBUTE_READ_ONLY },
		{ CKA_MODIFIABLE, true, false, CKR_ATTRIBUTE_READ_ONLY },
		{ CKA_PRIVATE, true, false, CKR_ATTRIBUTE_READ_ONLY },
		{ CKA_TOKEN, true, false, CKR_ATTRIBUTE_READ_ONLY },
		{ CKA_LOCAL, false, true, CKR_ATTRIBUTE_READ_ONLY },
		{ CKA_TRUSTED, false, true, CKR_ATTRIBUTE_READ_ONLY },
		{ CKA_TRUSTED, false, false, CKR_OK },
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct sr_attrs attrs = SR_ATTRS_INIT, changes = SR_ATTRS_INIT;
		sr_attrs_put_bool(&attrs, rows[i].type, rows[i].now);
		sr_attrs_put_bool(&changes, rows[i].type, rows[i].wanted);
		CK_RV rv = sr_keyattrs_change(SR_PART_SECRET, CKK_AES, &attrs, &changes, &err);
		ck_assert_msg(rv == rows[i].rv, "row %zu: %s", i, sr_rv_name(rv));
		ck_assert_int_eq(
			sr_attrs_bool(&attrs, rows[i].type, !rows[i].now), rv == CKR_OK ? rows[i].wanted : rows[i].now);
		sr_attrs_clear(&attrs);
		sr_attrs_clear(&changes);
	}
}
END_TEST

START_TEST(a_certificate_keeps_what_it_says)
{
	struct sr_attrs attrs = SR_ATTRS_INIT, changes = SR_ATTRS_INIT;
	keys_fill(&attrs, LIST(TEXT(CKA_SUBJECT, "me"), TEXT(CKA_ISSUER, "you")));
	keys_fill(&changes, LIST(TEXT(CKA_SUBJECT, "me"), TEXT(CKA_ID, "new")));
	ck_assert_int_eq(sr_keyattrs_change(SR_PART_CERTIFICATE, CKC_X_509, &attrs, &changes, &err), CKR_OK);
	ck_assert_uint_eq(sr_attrs_find(&attrs, CKA_ID)->len, 3);
	sr_attrs_put_text(&changes, CKA_ISSUER, "somebody");
	ck_assert_int_eq(
		sr_keyattrs_change(SR_PART_CERTIFICATE, CKC_X_509, &attrs, &changes, &err), CKR_ATTRIBUTE_READ_ONLY);
	sr_attrs_clear(&attrs);
	sr_attrs_clear(&changes);
}
END_TEST

START_TEST(a_scope_shows_its_rights_alone)
{
	static const struct {
		uint32_t actions;
		const char *private_rights, *public_rights;
	} rows[] = {
		{ 0, "", "EVr" },
		{ SR_ACTION_SIGN, "SR", "EVr" },
		{ SR_ACTION_DECRYPT, "D", "EVr" },
		{ SR_ACTION_LIST | SR_ACTION_CREATE, "", "EVr" },
		{ SR_ACTION_WRAP, "", "EVrW" },
		{ SR_ACTION_UNWRAP | SR_ACTION_DERIVE, "Ud", "EVrd" },
	};
	struct sr_attrs private = SR_ATTRS_INIT, public = SR_ATTRS_INIT;
	char text[16];
	keys_fill(&private, LIST(FLAG(CKA_SIGN, 1), FLAG(CKA_SIGN_RECOVER, 1), FLAG(CKA_DECRYPT, 1),
				    FLAG(CKA_UNWRAP, 1), FLAG(CKA_DERIVE, 1), FLAG(CKA_SENSITIVE, 1)));
	keys_fill(&public, LIST(FLAG(CKA_ENCRYPT, 1), FLAG(CKA_VERIFY, 1), FLAG(CKA_VERIFY_RECOVER, 1),
				   FLAG(CKA_WRAP, 1), FLAG(CKA_DERIVE, 1)));
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct sr_attrs shown = SR_ATTRS_INIT;
		sr_keyattrs_show(SR_PART_PRIVATE, &private, rows[i].actions, &shown);
		ck_assert_str_eq(rights_of(&shown, text), rows[i].private_rights);
		ck_assert(sr_attrs_bool(&shown, CKA_SENSITIVE, false));
		sr_attrs_clear(&shown);
		sr_keyattrs_show(SR_PART_PUBLIC, &public, rows[i].actions, &shown);
		ck_assert_str_eq(rights_of(&shown, text), rows[i].public_rights);
		sr_attrs_clear(&shown);
	}
	ck_assert(sr_keyattrs_within(&private, &private));
	ck_assert(!sr_keyattrs_within(&private, &public));
	sr_attrs_clear(&private);
	sr_attrs_clear(&public);
}
END_TEST

START_TEST(what_a_row_keeps_means_the_same_everywhere)
{
	CK_MECHANISM_TYPE allowed[] = { CKM_ECDSA, CKM_ECDSA_SHA256 };
	struct sr_attrs attrs = SR_ATTRS_INIT, back = SR_ATTRS_INIT;
	struct sr_buf packed = SR_BUF_INIT;
	keys_fill(&attrs, LIST(FLAG(CKA_SIGN, 1), TEXT(CKA_SUBJECT, "me"), BYTES(CKA_START_DATE, "20260101", 8),
				  NUMBER(CKA_KEY_GEN_MECHANISM, CK_UNAVAILABLE_INFORMATION),
				  BYTES(CKA_ALLOWED_MECHANISMS, allowed, sizeof(allowed)), BYTES(CKA_END_DATE, "", 0),
				  TEXT(CKA_LABEL, "not kept"), TEXT(CKA_ID, "neither")));
	sr_keyattrs_pack(SR_PART_PRIVATE, &attrs, &packed);
	ck_assert(!packed.failed);
	/* the label, six attributes */
	static const uint8_t number[] = { 0, 0, 0, 8, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };
	bool found = false;
	for (size_t i = 0; i + sizeof(number) <= packed.len; i++)
		found = found || memcmp(packed.data + i, number, sizeof(number)) == 0;
	ck_assert(found);
	ck_assert(sr_keyattrs_unpack(SR_PART_PRIVATE, packed.data, packed.len, &back));
	ck_assert_uint_eq(back.count, 6);
	ck_assert(sr_attrs_match(&back, &attrs));
	sr_attrs_clear(&back);
	/* every cut and every changed byte is refused, or makes something that packs to what was read */
	for (size_t len = 0; len < packed.len; len++) {
		bool good = sr_keyattrs_unpack(SR_PART_PRIVATE, packed.data, len, &back);
		ck_assert(good || back.count == 0);
		sr_attrs_clear(&back);
	}
	ck_assert(!sr_keyattrs_unpack(SR_PART_PRIVATE, packed.data, packed.len - 1, &back));
	ck_assert(!sr_keyattrs_unpack(SR_PART_CERTIFICATE, packed.data, packed.len, &back));
	ck_assert(!sr_keyattrs_unpack(SR_PART_PRIVATE, NULL, 0, &back));
	packed.data[6] ^= 1;
	ck_assert(!sr_keyattrs_unpack(SR_PART_PRIVATE, packed.data, packed.len, &back));
	sr_buf_clear(&packed);
	sr_attrs_clear(&attrs);
}
END_TEST

START_TEST(curves_have_one_form)
{
	static const struct {
		CK_KEY_TYPE key_type;
		struct keys_word params;
		CK_RV rv;
		const char *name;
	} rows[] = {
		{ CKK_EC, { CKA_EC_PARAMS, KEYS_BYTES, "\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07", 10 }, CKR_OK,
			"prime256v1" },
		{ CKK_EC_EDWARDS, { CKA_EC_PARAMS, KEYS_BYTES, "\x06\x03\x2b\x65\x70", 5 }, CKR_OK, "ED25519" },
		{ CKK_EC_EDWARDS,
			{ CKA_EC_PARAMS, KEYS_BYTES,
				"\x13\x0c"
				"edwards25519",
				14 },
			CKR_OK, "ED25519" },
		{ CKK_EC_EDWARDS, { CKA_EC_PARAMS, KEYS_BYTES, "\x06\x09\x2b\x06\x01\x04\x01\xda\x47\x0f\x01", 11 },
			CKR_OK, "ED25519" },
		{ CKK_EC_MONTGOMERY,
			{ CKA_EC_PARAMS, KEYS_BYTES,
				"\x13\x0a"
				"curve25519",
				12 },
			CKR_OK, "X25519" },
		{ CKK_EC, { CKA_EC_PARAMS, KEYS_BYTES, "\x06\x03\x2b\x65\x70", 5 }, CKR_CURVE_NOT_SUPPORTED, NULL },
		{ CKK_EC, { CKA_EC_PARAMS, KEYS_BYTES, "\x30\x00", 2 }, CKR_CURVE_NOT_SUPPORTED, NULL },
		{ CKK_EC, { CKA_EC_PARAMS, KEYS_BYTES, "x", 1 }, CKR_DOMAIN_PARAMS_INVALID, NULL },
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct sr_attrs attrs = SR_ATTRS_INIT;
		keys_fill(&attrs, LIST(rows[i].params));
		CK_RV rv = sr_keyinfo_curve(rows[i].key_type, &attrs, &err);
		ck_assert_msg(rv == rows[i].rv, "row %zu: %s", i, sr_rv_name(rv));
		const struct sr_attr *params = sr_attrs_find(&attrs, CKA_EC_PARAMS);
		const struct sr_curve *curve = sr_curve_find(params->value, params->len);
		if (rv == CKR_OK) {
			ck_assert_str_eq(curve->name, rows[i].name);
			ck_assert_uint_eq(params->value[0], 0x06);
		}
		sr_attrs_clear(&attrs);
	}
}
END_TEST

Suite *sr_suite_keyattrs(void)
{
	Suite *suite = suite_create("keyattrs");
	TCase *c = tcase_create("keyattrs");
	tcase_add_test(c, rights_that_are_not_named);
	tcase_add_test(c, defaults);
	tcase_add_test(c, history_says_what_happened);
	tcase_add_test(c, rights_that_exclude_each_other);
	tcase_add_test(c, templates_that_are_refused);
	tcase_add_test(c, secret_components_stand_apart);
	tcase_add_test(c, changes_go_one_way);
	tcase_add_test(c, a_certificate_keeps_what_it_says);
	tcase_add_test(c, a_scope_shows_its_rights_alone);
	tcase_add_test(c, what_a_row_keeps_means_the_same_everywhere);
	tcase_add_test(c, curves_have_one_form);
	suite_add_tcase(suite, c);
	return suite;
}
