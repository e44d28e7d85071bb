/* src/pkcs11/template.c and src/util/attrs.c. */
#include "tests/unit/suites.h"

#include "pkcs11/template.h"

#include <string.h>

#define COUNT(table) (sizeof(table) / sizeof((table)[0]))
#define CREATE SR_TEMPLATE_CREATE
#define COPY SR_TEMPLATE_COPY
#define SET SR_TEMPLATE_SET
#define FIND SR_TEMPLATE_FIND
#define GENERATE SR_TEMPLATE_GENERATE
#define PUBLIC SR_TEMPLATE_GENERATE_PUBLIC
#define PRIVATE SR_TEMPLATE_GENERATE_PRIVATE
#define UNWRAP SR_TEMPLATE_UNWRAP
#define DERIVE SR_TEMPLATE_DERIVE

static char bytes[SR_VALUE_MAX + 1];
static CK_BBOOL yes = CK_TRUE, odd = 2;
static CK_ULONG number = 7;

START_TEST(one_attribute)
{
	static const struct {
		enum sr_template_use use;
		CK_ATTRIBUTE given;
		CK_RV rv;
		CK_ULONG reason;
	} rows[] = {
		{ CREATE, { CKA_LABEL, bytes, SR_LABEL_MAX }, CKR_OK, 0 },
		{ CREATE, { CKA_LABEL, bytes, SR_LABEL_MAX + 1 }, CKR_ATTRIBUTE_VALUE_INVALID, SR_REASON_TOO_LARGE },
		{ CREATE, { CKA_LABEL, NULL, 0 }, CKR_OK, 0 },
		{ CREATE, { CKA_LABEL, NULL, 1 }, CKR_ATTRIBUTE_VALUE_INVALID, SR_REASON_BAD_TEMPLATE },
		{ CREATE, { CKA_VALUE, bytes, SR_VALUE_MAX }, CKR_OK, 0 },
		{ CREATE, { CKA_VALUE, bytes, SR_VALUE_MAX + 1 }, CKR_ATTRIBUTE_VALUE_INVALID, SR_REASON_TOO_LARGE },
		{ CREATE, { CKA_VALUE, bytes, ~0UL }, CKR_ATTRIBUTE_VALUE_INVALID, SR_REASON_TOO_LARGE },
		{ CREATE, { CKA_APPLICATION, bytes, SR_ATTR_MAX + 1 }, CKR_ATTRIBUTE_VALUE_INVALID,
			SR_REASON_TOO_LARGE },
		{ CREATE, { CKA_SR_SCOPES, bytes, SR_VENDOR_MAX }, CKR_OK, 0 },
		{ CREATE, { CKA_SR_SCOPES, bytes, SR_VENDOR_MAX + 1 }, CKR_ATTRIBUTE_VALUE_INVALID,
			SR_REASON_TOO_LARGE },
		{ CREATE, { CKA_TOKEN, &yes, 1 }, CKR_OK, 0 },
		{ CREATE, { CKA_TOKEN, &odd, 1 }, CKR_ATTRIBUTE_VALUE_INVALID, SR_REASON_BAD_TEMPLATE },
		{ CREATE, { CKA_TOKEN, NULL, 0 }, CKR_ATTRIBUTE_VALUE_INVALID, SR_REASON_BAD_TEMPLATE },
		{ FIND, { CKA_TOKEN, bytes, 8 }, CKR_ATTRIBUTE_VALUE_INVALID, SR_REASON_BAD_TEMPLATE },
		{ CREATE, { CKA_CLASS, &number, 4 }, CKR_ATTRIBUTE_VALUE_INVALID, SR_REASON_BAD_TEMPLATE },
		{ CREATE, { CKA_START_DATE, bytes, 8 }, CKR_OK, 0 },
		{ CREATE, { CKA_START_DATE, bytes, 7 }, CKR_ATTRIBUTE_VALUE_INVALID, SR_REASON_BAD_TEMPLATE },
		{ CREATE, { CKA_UNIQUE_ID, bytes, 1 }, CKR_ATTRIBUTE_READ_ONLY, SR_REASON_BAD_TEMPLATE },
		{ FIND, { CKA_UNIQUE_ID, bytes, 1 }, CKR_OK, 0 },
		{ CREATE, { CKA_LOCAL, &yes, 1 }, CKR_ATTRIBUTE_READ_ONLY, SR_REASON_BAD_TEMPLATE },
		{ COPY, { CKA_CLASS, &number, sizeof number }, CKR_ATTRIBUTE_READ_ONLY, SR_REASON_BAD_TEMPLATE },
		{ COPY, { CKA_TOKEN, &yes, 1 }, CKR_OK, 0 },
		{ SET, { CKA_TOKEN, &yes, 1 }, CKR_ATTRIBUTE_READ_ONLY, SR_REASON_BAD_TEMPLATE },
		{ SET, { CKA_VALUE, bytes, 1 }, CKR_OK, 0 },
		{ CREATE, { CKA_WRAP_TEMPLATE, NULL, 0 }, CKR_ATTRIBUTE_TYPE_INVALID, SR_REASON_BAD_TEMPLATE },
		{ FIND, { CKA_WRAP_TEMPLATE, NULL, 0 }, CKR_ATTRIBUTE_TYPE_INVALID, SR_REASON_BAD_TEMPLATE },
		{ UNWRAP, { CKA_UNWRAP_TEMPLATE, NULL, 0 }, CKR_ATTRIBUTE_TYPE_INVALID, SR_REASON_BAD_TEMPLATE },
		{ DERIVE, { CKA_DERIVE_TEMPLATE, NULL, 0 }, CKR_ATTRIBUTE_TYPE_INVALID, SR_REASON_BAD_TEMPLATE },
		{ GENERATE, { CKA_ALLOWED_MECHANISMS, bytes, 64 * 8 }, CKR_OK, 0 },
		{ GENERATE, { CKA_ALLOWED_MECHANISMS, NULL, 0 }, CKR_OK, 0 },
		{ FIND, { CKA_ALLOWED_MECHANISMS, bytes, 8 }, CKR_OK, 0 },
		{ GENERATE, { CKA_ALLOWED_MECHANISMS, bytes, 65 * 8 }, CKR_ATTRIBUTE_VALUE_INVALID,
			SR_REASON_BAD_TEMPLATE },
		{ GENERATE, { CKA_ALLOWED_MECHANISMS, bytes, 12 }, CKR_ATTRIBUTE_VALUE_INVALID,
			SR_REASON_BAD_TEMPLATE },
		{ SET, { CKA_ALLOWED_MECHANISMS, bytes, 8 }, CKR_ATTRIBUTE_READ_ONLY, SR_REASON_BAD_TEMPLATE },
		{ GENERATE, { CKA_SR_TIER, bytes, 8 }, CKR_OK, 0 },
		{ PRIVATE, { CKA_SR_CUSTODY, bytes, 8 }, CKR_OK, 0 },
		{ GENERATE, { CKA_SR_SCOPES, bytes, 8 }, CKR_ATTRIBUTE_TYPE_INVALID, SR_REASON_BAD_TEMPLATE },
		{ FIND, { CKA_SR_SCOPES, bytes, 8 }, CKR_OK, 0 },
		{ CREATE, { 0x7777, bytes, 1 }, CKR_ATTRIBUTE_TYPE_INVALID, SR_REASON_BAD_TEMPLATE },
		{ FIND, { 0x7777, bytes, 1 }, CKR_OK, 0 },
	};
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct sr_attrs attrs = SR_ATTRS_INIT;
		struct sr_error err = SR_ERROR_INIT;
		CK_RV rv = sr_template_copy(&rows[i].given, 1, rows[i].use, &attrs, &err);
		ck_assert_msg(rv == rows[i].rv && err.reason == rows[i].reason, "row %zu: 0x%lx %s", i, rv, err.text);
		ck_assert_uint_eq(attrs.count, rv == CKR_OK);
		ck_assert(rv == CKR_OK || err.text[0]);
		sr_attrs_clear(&attrs);
	}
}
END_TEST

/* The footnotes of the standard's tables: in which templates each of these may stand. */
START_TEST(uses)
{
	static const unsigned all[] = { CREATE, COPY, SET, GENERATE, PUBLIC, PRIVATE, UNWRAP, DERIVE };
	static const struct {
		CK_ATTRIBUTE given;
		unsigned uses;
	} rows[] = {
		{ { CKA_CLASS, &number, sizeof number }, CREATE | GENERATE | PUBLIC | PRIVATE | UNWRAP | DERIVE },
		{ { CKA_KEY_TYPE, &number, sizeof number }, CREATE | GENERATE | PUBLIC | PRIVATE | UNWRAP | DERIVE },
		{ { CKA_VALUE, bytes, 8 }, CREATE | COPY | SET },
		{ { CKA_VALUE_LEN, &number, sizeof number }, CREATE | GENERATE | UNWRAP | DERIVE },
		{ { CKA_MODULUS, bytes, 8 }, CREATE },
		{ { CKA_MODULUS_BITS, &number, sizeof number }, CREATE | PUBLIC },
		{ { CKA_PUBLIC_EXPONENT, bytes, 3 }, CREATE | PUBLIC },
		{ { CKA_PRIVATE_EXPONENT, bytes, 8 }, CREATE },
		{ { CKA_EC_PARAMS, bytes, 8 }, CREATE | PUBLIC },
		{ { CKA_EC_POINT, bytes, 8 }, CREATE },
		{ { CKA_ID, bytes, 8 }, CREATE | COPY | SET | GENERATE | PUBLIC | PRIVATE | UNWRAP | DERIVE },
		{ { CKA_SIGN, &yes, 1 }, CREATE | COPY | SET | GENERATE | PUBLIC | PRIVATE | UNWRAP | DERIVE },
		{ { CKA_LOCAL, &yes, 1 }, 0 },
		{ { CKA_KEY_GEN_MECHANISM, &number, sizeof number }, 0 },
		{ { CKA_PROFILE_ID, &number, sizeof number }, 0 },
		{ { CKA_MECHANISM_TYPE, &number, sizeof number }, 0 },
		{ { CKA_ISSUER, bytes, 8 }, CREATE | COPY | SET },
		{ { CKA_URL, bytes, 8 }, CREATE },
		{ { CKA_TOKEN, &yes, 1 }, CREATE | COPY | GENERATE | PUBLIC | PRIVATE | UNWRAP | DERIVE },
	};
	for (size_t i = 0; i < COUNT(rows); i++) {
		for (size_t k = 0; k < COUNT(all); k++) {
			struct sr_attrs attrs = SR_ATTRS_INIT;
			CK_RV rv = sr_template_copy(&rows[i].given, 1, (enum sr_template_use)all[k], &attrs, NULL);
			ck_assert_msg(rv == (rows[i].uses & all[k] ? CKR_OK : CKR_ATTRIBUTE_READ_ONLY),
				"row %zu, use 0x%x: 0x%lx", i, all[k], rv);
			sr_attrs_clear(&attrs);
		}
	}
}
END_TEST

START_TEST(certificates)
{
	CK_OBJECT_CLASS class = CKO_CERTIFICATE;
	CK_ATTRIBUTE template[] = { { CKA_VALUE, bytes, SR_CERTIFICATE_MAX }, { CKA_CLASS, &class, sizeof class } };
	struct sr_attrs attrs = SR_ATTRS_INIT;
	struct sr_error err = SR_ERROR_INIT;
	ck_assert_uint_eq(sr_template_copy(template, 2, CREATE, &attrs, NULL), CKR_OK);
	sr_attrs_clear(&attrs);
	template[0].ulValueLen++;
	ck_assert_uint_eq(sr_template_copy(template, 2, CREATE, &attrs, &err), CKR_ATTRIBUTE_VALUE_INVALID);
	ck_assert_uint_eq(err.reason, SR_REASON_TOO_LARGE);
	ck_assert_uint_eq(attrs.count, 0);
	class = CKO_DATA;
	ck_assert_uint_eq(sr_template_copy(template, 2, CREATE, &attrs, NULL), CKR_OK);
	sr_attrs_clear(&attrs);
}
END_TEST

START_TEST(twice_and_too_many)
{
	CK_ATTRIBUTE same[] = { { CKA_LABEL, (void *)"a", 1 }, { CKA_LABEL, (void *)"a", 1 } };
	CK_ATTRIBUTE other[] = { { CKA_LABEL, (void *)"a", 1 }, { CKA_LABEL, (void *)"b", 1 } };
	CK_ATTRIBUTE many[SR_ATTRS_MAX + 1] = { { 0 } };
	struct sr_attrs attrs = SR_ATTRS_INIT;
	ck_assert_uint_eq(sr_template_copy(same, 2, CREATE, &attrs, NULL), CKR_TEMPLATE_INCONSISTENT);
	ck_assert_uint_eq(attrs.count, 0);
	ck_assert_uint_eq(sr_template_copy(other, 2, FIND, &attrs, NULL), CKR_ATTRIBUTE_VALUE_INVALID);
	ck_assert_uint_eq(sr_template_copy(same, 2, FIND, &attrs, NULL), CKR_OK);
	ck_assert_uint_eq(attrs.count, 1);
	sr_attrs_clear(&attrs);
	for (size_t i = 0; i < COUNT(many); i++)
		many[i] = (CK_ATTRIBUTE){ SR_VENDOR(0x700 + i), (void *)"v", 1 };
	ck_assert_uint_eq(sr_template_copy(many, SR_ATTRS_MAX, CREATE, &attrs, NULL), CKR_OK);
	ck_assert_uint_eq(attrs.count, SR_ATTRS_MAX);
	sr_attrs_put(&attrs, CKA_LABEL, "x", 1);
	ck_assert(attrs.failed);
	sr_attrs_clear(&attrs);
	ck_assert_uint_eq(sr_template_copy(many, SR_ATTRS_MAX + 1, CREATE, &attrs, NULL), CKR_ARGUMENTS_BAD);
	ck_assert_uint_eq(sr_template_copy(NULL, 1, CREATE, &attrs, NULL), CKR_ARGUMENTS_BAD);
	ck_assert_uint_eq(sr_template_copy(NULL, 0, CREATE, &attrs, NULL), CKR_OK);
}
END_TEST

START_TEST(what_fits)
{
	struct sr_attrs attrs = SR_ATTRS_INIT;
	sr_attrs_put_text(&attrs, CKA_LABEL, "x");
	ck_assert_uint_eq(sr_template_fits_data(&attrs, false, NULL), CKR_OK);
	ck_assert(!sr_template_names_secret(&attrs));
	sr_attrs_put_text(&attrs, CKA_SR_TYPE, "x");
	ck_assert_uint_eq(sr_template_fits_data(&attrs, false, NULL), CKR_ATTRIBUTE_TYPE_INVALID);
	ck_assert_uint_eq(sr_template_fits_data(&attrs, true, NULL), CKR_OK);
	sr_attrs_put_text(&attrs, CKA_CHECK_VALUE, "x");
	ck_assert_uint_eq(sr_template_fits_data(&attrs, true, NULL), CKR_ATTRIBUTE_TYPE_INVALID);
	ck_assert(sr_template_names_secret(&attrs));
	sr_attrs_clear(&attrs);
}
END_TEST

START_TEST(lists)
{
	struct sr_attrs attrs = SR_ATTRS_INIT, query = SR_ATTRS_INIT;
	sr_attrs_put_bool(&attrs, CKA_TOKEN, true);
	sr_attrs_put_ulong(&attrs, CKA_CLASS, 42);
	sr_attrs_put_number(&attrs, CKA_SR_VERSION, 18446744073709551615u);
	sr_attrs_put_time(&attrs, CKA_SR_CREATED_AT, 0);
	sr_attrs_put_text(&attrs, CKA_LABEL, "");
	ck_assert(sr_attrs_bool(&attrs, CKA_TOKEN, false));
	ck_assert(sr_attrs_bool(&attrs, CKA_PRIVATE, true));
	ck_assert(!sr_attrs_bool(&attrs, CKA_CLASS, false)); /* a length that no bool has */
	ck_assert_uint_eq(sr_attrs_ulong(&attrs, CKA_CLASS, 1), 42);
	ck_assert_uint_eq(sr_attrs_ulong(&attrs, CKA_TOKEN, 1), 1);
	ck_assert_uint_eq(sr_attrs_find(&attrs, CKA_SR_VERSION)->len, 20);
	ck_assert_int_eq(memcmp(sr_attrs_find(&attrs, CKA_SR_CREATED_AT)->value, "1970-01-01T00:00:00", 19), 0);
	ck_assert_ptr_null(sr_attrs_find(&attrs, CKA_LABEL)->value);
	ck_assert(sr_attrs_match(&query, &attrs));
	sr_attrs_put_ulong(&query, CKA_CLASS, 41);
	ck_assert(!sr_attrs_match(&query, &attrs));
	sr_attrs_put_ulong(&query, CKA_CLASS, 42);
	sr_attrs_put_text(&query, CKA_LABEL, "");
	ck_assert(sr_attrs_match(&query, &attrs));
	sr_attrs_put_text(&query, CKA_APPLICATION, "");
	ck_assert(!sr_attrs_match(&query, &attrs)); /* absent is not empty */
	sr_attrs_clear(&attrs);
	sr_attrs_clear(&query);
	ck_assert_uint_eq(attrs.count, 0);
}
END_TEST

Suite *sr_suite_template(void)
{
	Suite *suite = suite_create("template");
	TCase *templates = tcase_create("templates");
	tcase_add_test(templates, one_attribute);
	tcase_add_test(templates, uses);
	tcase_add_test(templates, certificates);
	tcase_add_test(templates, twice_and_too_many);
	tcase_add_test(templates, what_fits);
	tcase_add_test(templates, lists);
	suite_add_tcase(suite, templates);
	return suite;
}
