/* src/wire/template.c and src/wire/mechanism.c: what is read is what was given, and nothing that a peer sends is read
 * or written beyond its end. Every message is cut at each of its bytes, and each byte changed. */
#include "tests/unit/suites.h"

#include "pkcs11/attribute_kind.h"
#include "pkcs11/mechanism.h"
#include "pkcs11/strongroom.h"
#include "pkcs11/template.h"
#include "wire/mechanism.h"
#include "wire/template.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#define COUNT(table) (sizeof(table) / sizeof((table)[0]))
#define CANARY 0xa5
#define BIG (SR_WIRE_VALUE_MAX + 1)

static struct sr_buf out;
static struct sr_arena arena;
static uint8_t *block;
static uint8_t big[BIG];
static volatile uint8_t touched;

static void set_up(void)
{
	out = (struct sr_buf)SR_BUF_INIT;
	arena = (struct sr_arena)SR_ARENA_INIT;
	block = NULL;
	for (size_t i = 0; i < sizeof big; i++)
		big[i] = (uint8_t)(i * 7 + 1);
}

static void tear_down(void)
{
	free(block);
	sr_arena_clear(&arena);
	sr_buf_clear(&out);
}

/* LEN bytes in a block of their own size, so that a sanitizer sees who reads on. */
static struct sr_in read_from(const void *bytes, size_t len)
{
	free(block);
	sr_arena_clear(&arena);
	block = malloc(len ? len : 1);
	ck_assert_ptr_nonnull(block);
	if (len)
		memcpy(block, bytes, len);
	return (struct sr_in){ block, len, false, &arena };
}

static struct sr_in read_back(void)
{
	ck_assert(!out.failed);
	return read_from(out.data, out.len);
}

static void ck_read(const struct sr_in *in)
{
	ck_assert(!in->failed);
	ck_assert_uint_eq(in->left, 0);
}

/* Every byte that a length promises is there. */
static void touch(const void *at, CK_ULONG len)
{
	const uint8_t *bytes = at;
	if (!at)
		return;
	ck_assert_uint_le(len, SR_WITHHELD_LEN);
	for (CK_ULONG i = 0; i<len; i += len> SR_WIRE_VALUE_MAX ? 4096 : 1)
		touched = bytes[i];
}

/* READS decodes and looks at all that it got; in vain where the message is cut. What is in OUT is the message. */
static void attack(void (*reads)(struct sr_in *in))
{
	static const uint8_t values[] = { 0, 1, 0x7f, 0xff };
	for (size_t len = 0; len < out.len; len++) {
		struct sr_in in = read_from(out.data, len);
		reads(&in);
		ck_assert_msg(in.failed, "%zu of %zu bytes are no message", len, out.len);
	}
	for (size_t i = 0; i < out.len; i++) {
		for (size_t j = 0; j < COUNT(values); j++) {
			struct sr_in in = read_back();
			in.at[i] = values[j];
			reads(&in);
		}
	}
}

static void ck_forged(void (*reads)(struct sr_in *in), const void *bytes, size_t len)
{
	struct sr_in in = read_from(bytes, len);
	reads(&in);
	ck_assert(in.failed);
}

/* -- attributes that are given ------------------------------------------------------------------------------------ */
static const struct {
	CK_ATTRIBUTE_TYPE type;
	enum sr_attribute_kind kind;
} attributes[] = {
#define SR_ATTRIBUTE(type, kind, uses, flags) { type, SR_ATTRIBUTE_##kind },
#include "pkcs11/attributes.def"
#undef SR_ATTRIBUTE
};

/* How each kind travels: a new one says so here. */
static const struct {
	bool known, numbers;
	CK_ULONG len;
} kinds[] = {
	[SR_ATTRIBUTE_BYTES] = { true, false, 5 },
	[SR_ATTRIBUTE_BOOL] = { true, false, 1 },
	[SR_ATTRIBUTE_ULONG] = { true, true, sizeof(CK_ULONG) },
	[SR_ATTRIBUTE_DATE] = { true, false, sizeof(CK_DATE) },
	[SR_ATTRIBUTE_MECHANISMS] = { true, true, 3 * sizeof(CK_ULONG) },
};

static void read_template(struct sr_in *in)
{
	CK_ULONG count;
	const CK_ATTRIBUTE *template = sr_get_template(in, &count);
	ck_assert(!in->failed || (!template && !count));
	for (CK_ULONG i = 0; template && count <= SR_WIRE_ATTRIBUTES_MAX && i < count; i++)
		touch(template[i].pValue, template[i].ulValueLen);
}

static void ck_same_attribute(const CK_ATTRIBUTE *got, const CK_ATTRIBUTE *given, bool withheld)
{
	ck_assert_uint_eq(got->type, given->type);
	ck_assert_int_eq(!got->pValue, !given->pValue);
	ck_assert_uint_eq(got->ulValueLen, given->ulValueLen);
	ck_assert_ptr_ne(got->pValue, given->pValue ? given->pValue : block);
	touch(got->pValue, got->ulValueLen);
	if (withheld)
		ck_assert_uint_eq(*(const uint8_t *)got->pValue, 0);
	else if (got->pValue && got->ulValueLen)
		ck_assert_mem_eq(got->pValue, given->pValue, given->ulValueLen);
}

static void trip(CK_ATTRIBUTE given, bool withheld)
{
	CK_ULONG count = 0;
	sr_buf_clear(&out);
	sr_put_template(&out, &given, 1);
	struct sr_in in = read_back();
	const CK_ATTRIBUTE *got = sr_get_template(&in, &count);
	ck_read(&in);
	ck_assert_uint_eq(count, 1);
	ck_same_attribute(got, &given, withheld);
}

START_TEST(each_attribute_arrives)
{
	static const CK_ULONG lengths[] = { 0, 1, 3, sizeof(CK_ULONG), 3 * sizeof(CK_ULONG), SR_WIRE_VALUE_MAX };
	for (size_t i = 0; i < COUNT(attributes); i++) {
		CK_ATTRIBUTE_TYPE type = attributes[i].type;
		ck_assert_int_eq(sr_attribute_kind(type), attributes[i].kind);
		ck_assert_uint_lt(attributes[i].kind, COUNT(kinds));
		ck_assert(kinds[attributes[i].kind].known);
		for (size_t j = 0; j < COUNT(lengths); j++)
			trip((CK_ATTRIBUTE){ type, big, lengths[j] }, false);
		trip((CK_ATTRIBUTE){ type, big + 1, sizeof(CK_ULONG) }, false); /* where no CK_ULONG is */
		trip((CK_ATTRIBUTE){ type, NULL, 0 }, false);
		trip((CK_ATTRIBUTE){ type, NULL, 24 }, false);
		trip((CK_ATTRIBUTE){ type, NULL, CK_UNAVAILABLE_INFORMATION }, false);
		trip((CK_ATTRIBUTE){ type, big, SR_WIRE_VALUE_MAX + sizeof(CK_ULONG) }, true);
	}
}
END_TEST

START_TEST(numbers_are_told_as_numbers)
{
	static const uint8_t big_endian[] = { 0, 0, 0, 0, 1, 2, 3, 4 };
	CK_ULONG number = 0x01020304, three[] = { number, number, number };
	for (size_t i = 0; i < COUNT(attributes); i++) {
		CK_ATTRIBUTE given = { attributes[i].type, three, kinds[attributes[i].kind].len };
		sr_buf_clear(&out);
		sr_put_template(&out, &given, 1);
		if (kinds[attributes[i].kind].numbers)
			ck_assert_mem_eq(out.data + out.len - 8, big_endian, sizeof big_endian);
		else
			ck_assert_mem_eq(out.data + out.len - given.ulValueLen, three, given.ulValueLen);
	}
}
END_TEST

START_TEST(other_attributes_arrive)
{
	trip((CK_ATTRIBUTE){ CKA_SR_SCOPES, big, 1000 }, false);
	trip((CK_ATTRIBUTE){ CKA_SR_TIER, big, sizeof(CK_ULONG) }, false);
	trip((CK_ATTRIBUTE){ CKA_VENDOR_DEFINED | CKF_ARRAY_ATTRIBUTE | 1, big, 24 }, false);
	trip((CK_ATTRIBUTE){ 0x12345678, big, 12 }, false);
	trip((CK_ATTRIBUTE){ CK_UNAVAILABLE_INFORMATION, big, 12 }, false);
}
END_TEST

/* A template within the template: its bytes are pointers. */
START_TEST(a_nested_template_is_a_length)
{
	CK_ATTRIBUTE nested[] = { { CKA_LABEL, big, 5 }, { CKA_ID, big, 5 } };
	trip((CK_ATTRIBUTE){ CKA_WRAP_TEMPLATE, nested, sizeof nested }, true);
	trip((CK_ATTRIBUTE){ CKA_UNWRAP_TEMPLATE, nested, 1 }, true);
	trip((CK_ATTRIBUTE){ CKA_DERIVE_TEMPLATE, nested, 0 }, false);
	trip((CK_ATTRIBUTE){ CKA_WRAP_TEMPLATE, NULL, 48 }, false);
	attack(read_template);
}
END_TEST

static CK_ULONG trip_count(const CK_ATTRIBUTE *template, CK_ULONG count, bool *null)
{
	CK_ULONG got;
	sr_buf_clear(&out);
	sr_put_template(&out, template, count);
	struct sr_in in = read_back();
	*null = !sr_get_template(&in, &got);
	ck_read(&in);
	return got;
}

START_TEST(templates_of_any_number)
{
	static CK_ATTRIBUTE many[SR_WIRE_ATTRIBUTES_MAX + 1];
	bool null;
	ck_assert(trip_count(NULL, 0, &null) == 0 && null);
	ck_assert(trip_count(NULL, 3, &null) == 3 && null);
	ck_assert(trip_count(many, 0, &null) == 0 && !null);
	ck_assert(trip_count(many, SR_WIRE_ATTRIBUTES_MAX, &null) == SR_WIRE_ATTRIBUTES_MAX && !null);
	ck_assert(trip_count(many, SR_WIRE_ATTRIBUTES_MAX + 1, &null) == SR_WIRE_ATTRIBUTES_MAX + 1 && !null);
	ck_assert_uint_eq(out.len, 1 + 8);
	ck_assert(trip_count(many, ~0UL, &null) == ~0UL && !null);
}
END_TEST

START_TEST(templates_are_attacked)
{
	CK_ULONG numbers[] = { 1, 2, CK_UNAVAILABLE_INFORMATION };
	CK_ATTRIBUTE template[] = { { CKA_CLASS, numbers, sizeof numbers[0] },
		{ CKA_ALLOWED_MECHANISMS, numbers, sizeof numbers }, { CKA_LABEL, big, 9 }, { CKA_TOKEN, big, 1 },
		{ CKA_ID, NULL, 4 }, { CKA_VALUE, big, BIG }, { CKA_KEY_TYPE, big, 3 } };
	sr_put_template(&out, template, COUNT(template));
	attack(read_template);
}
END_TEST

#define ONE "\1\0\0\0\0\0\0\0\1" /* a template of one attribute */

START_TEST(templates_that_are_forged)
{
#define FORGED(bytes) ck_forged(read_template, bytes, sizeof(bytes) - 1)
	FORGED("\2\0\0\0\0\0\0\0\0");                             /* neither NULL nor given */
	FORGED("\1\0\0\0\0\0\0\0\x80");                           /* 128 that are not there */
	FORGED(ONE "\0\0\0\0\0\0\0\3\2\1\0\0\0\1x");              /* an unknown unit */
	FORGED(ONE "\0\0\0\0\0\0\0\3\1\0\0\0\1\0\0\0\0\0\0\0\1"); /* CKA_LABEL of numbers */
	FORGED(ONE "\0\0\0\0\0\0\0\0\0\1\0\0\0\x8xxxxxxx");       /* CKA_CLASS of the bytes of a number */
	FORGED(ONE "\0\0\0\0\0\0\0\0\0\1\0\0\0\0");               /* and of none */
	FORGED(ONE "\0\0\0\0\0\0\0\0\1\0\0\0\2\0\0\0\0\0\0\0\1"); /* two numbers, of which one is there */
	FORGED(ONE "\0\0\0\0\0\0\0\0\1\xff\xff\xff\xff\0\0\0\0"); /* numbers without end */
	FORGED(ONE "\0\0\0\0\x40\0\2\x11\0\1\0\0\0\1x");          /* CKA_WRAP_TEMPLATE of bytes */
	FORGED(ONE "\0\0\0\0\0\0\0\3\0\2\0\0\0\0\0\0\0\1");       /* withheld, and short */
#undef FORGED
}
END_TEST

/* -- attributes that are asked for --------------------------------------------------------------------------------- */
static void read_wanted(struct sr_in *in)
{
	struct sr_wanted wanted;
	sr_get_wanted(in, &wanted);
	ck_assert(!in->failed || (!wanted.attributes && !wanted.count && !wanted.rooms));
	for (CK_ULONG i = 0; wanted.attributes && wanted.count <= SR_WIRE_ATTRIBUTES_MAX && i < wanted.count; i++) {
		CK_ATTRIBUTE *at = &wanted.attributes[i];
		ck_assert_uint_eq(at->ulValueLen, wanted.rooms[i]);
		ck_assert_uint_le(at->ulValueLen, SR_WIRE_VALUE_MAX);
		if (at->pValue)
			memset(at->pValue, CANARY, at->ulValueLen);
		else
			ck_assert_uint_eq(at->ulValueLen, 0);
	}
}

static struct sr_wanted ask(const CK_ATTRIBUTE *template, CK_ULONG count)
{
	struct sr_wanted wanted;
	sr_buf_clear(&out);
	sr_put_wanted(&out, template, count);
	struct sr_in in = read_back();
	sr_get_wanted(&in, &wanted);
	ck_read(&in);
	return wanted;
}

START_TEST(rooms_arrive)
{
	CK_ATTRIBUTE nested[1] = { { CKA_LABEL, big, 5 } };
	CK_ATTRIBUTE template[] = { { CKA_LABEL, big, 0 }, { CKA_LABEL, big, 7 }, { CKA_CLASS, big, 3 },
		{ CKA_CLASS, big, 16 }, { CKA_VALUE, big, BIG }, { CKA_CLASS, big, ~0UL - 7 },
		{ CKA_VALUE, big, CK_UNAVAILABLE_INFORMATION }, { CKA_CLASS, big, CK_UNAVAILABLE_INFORMATION },
		{ CKA_LABEL, NULL, 7 }, { CKA_WRAP_TEMPLATE, nested, sizeof nested } };
	static const CK_ULONG rooms[] = { 0, 7, 3, 16, SR_WIRE_VALUE_MAX, SR_WIRE_VALUE_MAX, 0, 0, 0, 0 };
	struct sr_wanted wanted = ask(template, COUNT(template));
	ck_assert_uint_eq(wanted.count, COUNT(rooms));
	for (size_t i = 0; i < COUNT(rooms); i++) {
		ck_assert_uint_eq(wanted.attributes[i].type, template[i].type);
		ck_assert_uint_eq(wanted.attributes[i].ulValueLen, rooms[i]);
		ck_assert_uint_eq(wanted.rooms[i], rooms[i]);
		ck_assert_int_eq(!wanted.attributes[i].pValue, i >= 8);
	}
	attack(read_wanted);
}
END_TEST

START_TEST(questions_of_any_number)
{
	static CK_ATTRIBUTE many[SR_WIRE_ATTRIBUTES_MAX + 1];
	struct sr_wanted wanted = ask(NULL, 0);
	ck_assert(!wanted.attributes && !wanted.count);
	wanted = ask(NULL, 5);
	ck_assert(!wanted.attributes && wanted.count == 5);
	wanted = ask(many, 0);
	ck_assert(wanted.attributes && !wanted.count);
	wanted = ask(many, SR_WIRE_ATTRIBUTES_MAX + 1);
	ck_assert(wanted.attributes && wanted.count == SR_WIRE_ATTRIBUTES_MAX + 1);
	sr_buf_clear(&out);
	sr_put_values(&out, &wanted, CKR_ARGUMENTS_BAD);
	ck_assert_uint_eq(out.len, 0);
	struct sr_in in = read_back();
	sr_get_values(&in, many, SR_WIRE_ATTRIBUTES_MAX + 1);
	sr_get_values(&in, NULL, 5);
	ck_read(&in);
	for (size_t i = 0; i < COUNT(many); i++) /* all rooms at once */
		many[i] = (CK_ATTRIBUTE){ CKA_VALUE, big, BIG };
	ask(many, SR_WIRE_ATTRIBUTES_MAX);
}
END_TEST

START_TEST(questions_that_are_forged)
{
#define FORGED(bytes) ck_forged(read_wanted, bytes, sizeof(bytes) - 1)
	FORGED("\2\0\0\0\0\0\0\0\0");
	FORGED(ONE "\0\0\0\0\0\0\0\3\2\0\0\0\0\0\0\0\0\1");       /* neither with a buffer nor without */
	FORGED(ONE "\0\0\0\0\0\0\0\3\1\2\0\0\0\0\0\0\0\1");       /* an unknown unit */
	FORGED(ONE "\0\0\0\0\0\0\0\3\1\1\0\0\0\0\0\0\0\1");       /* CKA_LABEL in numbers */
	FORGED(ONE "\0\0\0\0\0\0\0\0\1\1\x20\0\0\0\0\0\0\0");     /* numbers that have no length */
	FORGED(ONE "\0\0\0\0\x40\0\2\x11\1\0\0\0\0\0\0\0\0\x18"); /* a buffer for CKA_WRAP_TEMPLATE */
#undef FORGED
}
END_TEST

/* -- the answer: an application's buffers, each between canaries ----------------------------------------------------
 */
#define ROOM 40
#define ASKED 6

static uint8_t buffers[ASKED][3 * ROOM];
static CK_ATTRIBUTE asked[ASKED];
static const CK_ATTRIBUTE question[ASKED] = { { CKA_LABEL, big, 10 }, { CKA_CLASS, big, sizeof(CK_ULONG) },
	{ CKA_ALLOWED_MECHANISMS, big, 3 * sizeof(CK_ULONG) }, { CKA_VALUE, NULL, 77 }, { CKA_KEY_TYPE, big, 5 },
	{ CKA_WRAP_TEMPLATE, big, 24 } };

static void set_question(void)
{
	memset(buffers, CANARY, sizeof buffers);
	for (size_t i = 0; i < ASKED; i++)
		asked[i] = (CK_ATTRIBUTE){ question[i].type, question[i].pValue ? buffers[i] + ROOM : NULL,
			question[i].ulValueLen };
}

/* Not an assertion for each byte: Check writes every one of them to a file. */
static bool is_canary(const uint8_t *at, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		if (at[i] != CANARY)
			return false;
	}
	return true;
}

static void ck_canaries(void)
{
	for (size_t i = 0; i < ASKED; i++) {
		CK_ULONG room = question[i].pValue && asked[i].type != CKA_WRAP_TEMPLATE ? question[i].ulValueLen : 0;
		ck_assert(is_canary(buffers[i], ROOM));
		ck_assert(is_canary(buffers[i] + ROOM + room, 2 * ROOM - room));
		ck_assert_ptr_eq(asked[i].pValue, question[i].pValue ? buffers[i] + ROOM : NULL);
		ck_assert(!asked[i].pValue || asked[i].ulValueLen <= question[i].ulValueLen ||
			  asked[i].ulValueLen == CK_UNAVAILABLE_INFORMATION);
	}
}

static void read_values(struct sr_in *in)
{
	set_question();
	sr_get_values(in, asked, ASKED);
	ck_canaries();
}

/* What a call leaves in WANTED: its answer in OUT. */
static void answer(CK_RV rv)
{
	struct sr_wanted wanted = ask(question, ASKED);
	static const CK_ULONG lengths[ASKED] = { 4, sizeof(CK_ULONG), 2 * sizeof(CK_ULONG), 1234,
		CK_UNAVAILABLE_INFORMATION, 0 };
	for (size_t i = 0; i < ASKED; i++) {
		if (wanted.attributes[i].pValue && lengths[i] <= wanted.rooms[i])
			memcpy(wanted.attributes[i].pValue, big, lengths[i]);
		wanted.attributes[i].ulValueLen = lengths[i];
	}
	sr_buf_clear(&out);
	sr_put_values(&out, &wanted, rv);
}

START_TEST(values_come_back)
{
	static const CK_RV codes[] = { CKR_OK, CKR_ATTRIBUTE_SENSITIVE, CKR_ATTRIBUTE_TYPE_INVALID,
		CKR_BUFFER_TOO_SMALL };
	for (size_t i = 0; i < COUNT(codes); i++) {
		answer(codes[i]);
		struct sr_in in = read_back();
		read_values(&in);
		ck_read(&in);
		ck_assert_uint_eq(asked[0].ulValueLen, 4);
		ck_assert_mem_eq(asked[0].pValue, big, 4);
		ck_assert_uint_eq(asked[1].ulValueLen, sizeof(CK_ULONG));
		ck_assert_mem_eq(asked[1].pValue, big, sizeof(CK_ULONG));
		ck_assert_uint_eq(asked[2].ulValueLen, 2 * sizeof(CK_ULONG));
		ck_assert_mem_eq(asked[2].pValue, big, 2 * sizeof(CK_ULONG));
		ck_assert_uint_eq(asked[3].ulValueLen, 1234);
		ck_assert_uint_eq(asked[4].ulValueLen, CK_UNAVAILABLE_INFORMATION);
		ck_assert_uint_eq(asked[5].ulValueLen, 0);
	}
}
END_TEST

/* Any other code leaves no values, and the lengths as the call did. */
START_TEST(a_refusal_brings_no_values)
{
	answer(CKR_DEVICE_ERROR);
	struct sr_in in = read_back();
	read_values(&in);
	ck_read(&in);
	for (size_t i = 0; i < ASKED; i++)
		ck_assert(is_canary(buffers[i], sizeof buffers[i]));
	ck_assert_uint_eq(asked[0].ulValueLen, 4);
	ck_assert_uint_eq(asked[4].ulValueLen, CK_UNAVAILABLE_INFORMATION);
	CK_ATTRIBUTE large = { CKA_VALUE, big, BIG }; /* the other side's room was less */
	struct sr_wanted wanted = ask(&large, 1);
	sr_buf_clear(&out);
	sr_put_values(&out, &wanted, CKR_OBJECT_HANDLE_INVALID);
	in = read_back();
	sr_get_values(&in, &large, 1);
	ck_read(&in);
	ck_assert_uint_eq(large.ulValueLen, BIG);
}
END_TEST

START_TEST(each_value_comes_back)
{
	for (size_t i = 0; i < COUNT(attributes); i++) {
		CK_ULONG len = kinds[attributes[i].kind].len;
		uint8_t buffer[4 * sizeof(CK_ULONG)];
		CK_ATTRIBUTE given = { attributes[i].type, buffer, len };
		struct sr_wanted wanted = ask(&given, 1);
		ck_assert_uint_eq(wanted.rooms[0], len);
		memcpy(wanted.attributes[0].pValue, big, len);
		sr_buf_clear(&out);
		sr_put_values(&out, &wanted, CKR_OK);
		struct sr_in in = read_back();
		memset(buffer, CANARY, sizeof buffer);
		sr_get_values(&in, &given, 1);
		ck_read(&in);
		ck_assert_uint_eq(given.ulValueLen, len);
		ck_assert_mem_eq(buffer, big, len);
		ck_assert_uint_eq(buffer[len], CANARY);
	}
}
END_TEST

START_TEST(answers_are_attacked)
{
	answer(CKR_OK);
	attack(read_values);
	answer(CKR_DEVICE_ERROR);
	attack(read_values);
}
END_TEST

/* One answer, to the attribute that comes first. */
static void ck_answer_forged(CK_ATTRIBUTE to, const void *bytes, size_t len)
{
	uint8_t buffer[3 * ROOM];
	memset(buffer, CANARY, sizeof buffer);
	if (to.pValue)
		to.pValue = buffer + ROOM;
	CK_ATTRIBUTE before = to;
	struct sr_in in = read_from(bytes, len);
	sr_get_values(&in, &to, 1);
	ck_assert(in.failed);
	ck_assert_mem_eq(&to, &before, sizeof to);
	ck_assert(is_canary(buffer, sizeof buffer));
}

/* Forms: 0 left, 1 a length, 2 bytes, 3 numbers. */
START_TEST(answers_that_are_forged)
{
	CK_ATTRIBUTE label = { CKA_LABEL, big, 4 }, class = { CKA_CLASS, big, sizeof(CK_ULONG) };
	CK_ATTRIBUTE marked = { CKA_LABEL, big, CK_UNAVAILABLE_INFORMATION }, none = { CKA_LABEL, NULL, 4 };
	CK_ATTRIBUTE nested = { CKA_WRAP_TEMPLATE, big, 24 };
#define FORGED(to, bytes) ck_answer_forged(to, bytes, sizeof(bytes) - 1)
	FORGED(label, "\4");
	FORGED(label, "\2\0\0\0\5xxxxx");      /* more than there is room for */
	FORGED(label, "\1\0\0\0\0\0\0\0\0\5"); /* its length alone likewise */
	FORGED(label, "\2\0\0\0\4xxx");        /* more than is there */
	FORGED(label, "\3\0\0\0\0");           /* numbers of no number */
	FORGED(class, "\3\0\0\0\2\0\0\0\0\0\0\0\1\0\0\0\0\0\0\0\1");
	FORGED(class, "\3\xff\xff\xff\xff\0\0\0\0\0\0\0\1");
	FORGED(class, "\2\0\0\0\0"); /* bytes of numbers */
	FORGED(class, "\1\1\0\0\0\0\0\0\0\2");
	FORGED(class, "\1\2\0\0\0\0\0\0\0\1");
	FORGED(marked, "\2\0\0\0\1x"); /* no buffer is that long */
	FORGED(marked, "\1\0\0\0\0\0\0\0\0\1");
	FORGED(none, "\2\0\0\0\1x");
	FORGED(none, "\2\0\0\0\0");
	FORGED(nested, "\2\0\0\0\x18xxxxxxxxxxxxxxxxxxxxxxxx"); /* an address for the application to follow */
#undef FORGED
	struct sr_in in = read_from("\2\0\0\0\4xxxx", 9);
	in.failed = true;
	CK_ATTRIBUTE untouched = { CKA_LABEL, big + 1, 4 };
	sr_get_values(&in, &untouched, 1);
	ck_assert_uint_eq(untouched.ulValueLen, 4);
	ck_assert_uint_eq(big[1], 8);
}
END_TEST

/* A marked length is no room, and an empty value fits in none. */
START_TEST(a_marked_length_is_no_room)
{
	CK_ATTRIBUTE marked = { CKA_LABEL, big, CK_UNAVAILABLE_INFORMATION };
	struct sr_wanted wanted = ask(&marked, 1);
	ck_assert(wanted.attributes[0].pValue && !wanted.rooms[0]);
	sr_buf_clear(&out);
	sr_put_values(&out, &wanted, CKR_OK);
	struct sr_in in = read_back();
	sr_get_values(&in, &marked, 1);
	ck_read(&in);
	ck_assert_uint_eq(marked.ulValueLen, 0);
}
END_TEST

/* -- mechanisms ---------------------------------------------------------------------------------------------------- */
/* The structure of each kind: where its pointers and their lengths stand, and its padding. A new kind says so here. */
struct shape {
	bool known;
	size_t size;
	struct {
		size_t at, len;
	} parts[2];
	size_t part_count;
	size_t padding, padding_end;
};

#define PART(type, at, len)                             \
	{                                               \
		offsetof(type, at), offsetof(type, len) \
	}

static const struct shape shapes[SR_PARAMETER_COUNT] = {
	[SR_PARAMETER_NONE] = { .known = true },
	[SR_PARAMETER_OPTIONAL_BYTES] = { .known = true, .size = 8 },
	[SR_PARAMETER_IV] = { .known = true, .size = 16 },
	[SR_PARAMETER_CTR] = { .known = true, .size = sizeof(CK_AES_CTR_PARAMS) },
	[SR_PARAMETER_GCM] = { true, sizeof(CK_GCM_PARAMS),
		{ PART(CK_GCM_PARAMS, pIv, ulIvLen), PART(CK_GCM_PARAMS, pAAD, ulAADLen) }, 2, 0, 0 },
	[SR_PARAMETER_CCM] = { true, sizeof(CK_CCM_PARAMS),
		{ PART(CK_CCM_PARAMS, pNonce, ulNonceLen), PART(CK_CCM_PARAMS, pAAD, ulAADLen) }, 2, 0, 0 },
	[SR_PARAMETER_OAEP] = { true, sizeof(CK_RSA_PKCS_OAEP_PARAMS),
		{ PART(CK_RSA_PKCS_OAEP_PARAMS, pSourceData, ulSourceDataLen) }, 1, 0, 0 },
	[SR_PARAMETER_PSS] = { .known = true, .size = sizeof(CK_RSA_PKCS_PSS_PARAMS) },
	[SR_PARAMETER_ECDH1] = { true, sizeof(CK_ECDH1_DERIVE_PARAMS),
		{ PART(CK_ECDH1_DERIVE_PARAMS, pSharedData, ulSharedDataLen),
			PART(CK_ECDH1_DERIVE_PARAMS, pPublicData, ulPublicDataLen) },
		2, 0, 0 },
	[SR_PARAMETER_EDDSA] = { true, sizeof(CK_EDDSA_PARAMS),
		{ PART(CK_EDDSA_PARAMS, pContextData, ulContextDataLen) }, 1, 1,
		offsetof(CK_EDDSA_PARAMS, ulContextDataLen) },
	[SR_PARAMETER_MAC_GENERAL] = { .known = true, .size = sizeof(CK_ULONG) },
	[SR_PARAMETER_STRING_DATA] = { true, sizeof(CK_KEY_DERIVATION_STRING_DATA),
		{ PART(CK_KEY_DERIVATION_STRING_DATA, pData, ulLen) }, 1, 0, 0 },
	[SR_PARAMETER_CBC_DATA] = { true, sizeof(CK_AES_CBC_ENCRYPT_DATA_PARAMS),
		{ PART(CK_AES_CBC_ENCRYPT_DATA_PARAMS, pData, length) }, 1, 0, 0 },
};

static const struct shape old_gcm = { true, sizeof(struct sr_old_gcm_params),
	{ PART(struct sr_old_gcm_params, iv, iv_len), PART(struct sr_old_gcm_params, aad, aad_len) }, 2, 0, 0 };
static const struct shape des_data = { true, sizeof(CK_DES_CBC_ENCRYPT_DATA_PARAMS),
	{ PART(CK_DES_CBC_ENCRYPT_DATA_PARAMS, pData, length) }, 1, 0, 0 };

#define STRUCTURE_MAX 64

static struct shape shape_of(const struct sr_mechanism_row *row)
{
	struct shape shape = shapes[row->parameter];
	ck_assert_msg(shape.known, "%s: the parameter has a serialiser, and is told here", row->name);
	if (row->type == CKM_AES_KEY_WRAP_KWP)
		shape.size = 4;
	if (row->parameter == SR_PARAMETER_IV && row->key_type != CKK_AES)
		shape.size = 8;
	return row->parameter == SR_PARAMETER_CBC_DATA && row->key_type != CKK_AES ? des_data : shape;
}

static void set_part(uint8_t *structure, const struct shape *shape, size_t i, const void *at, CK_ULONG len)
{
	memcpy(structure + shape->parts[i].at, &at, sizeof at);
	memcpy(structure + shape->parts[i].len, &len, sizeof len);
}

static const void *get_part(const uint8_t *structure, const struct shape *shape, size_t i, CK_ULONG *len)
{
	const void *at;
	memcpy(&at, structure + shape->parts[i].at, sizeof at);
	memcpy(len, structure + shape->parts[i].len, sizeof *len);
	return at;
}

/* Every byte of it is told from its neighbours; each of its parts is AT with LEN. */
static void build(uint8_t structure[STRUCTURE_MAX], const struct shape *shape, const void *at, CK_ULONG len)
{
	ck_assert_uint_le(shape->size, STRUCTURE_MAX);
	memcpy(structure, big, shape->size);
	memset(structure + shape->padding, 0, shape->padding_end - shape->padding);
	for (size_t i = 0; i < shape->part_count; i++)
		set_part(structure, shape, i, at, len);
}

static void ck_same_part(const void *got, CK_ULONG got_len, const void *at, CK_ULONG len)
{
	ck_assert_int_eq(!got, !at);
	ck_assert(!at || got != at);
	if (at && len > SR_WIRE_PARAMETER_MAX) {
		ck_assert_uint_gt(got_len, SR_WIRE_PARAMETER_MAX);
		touch(got, got_len);
		return;
	}
	ck_assert_uint_eq(got_len, len);
	if (at && len)
		ck_assert_mem_eq(got, at, len);
}

static const CK_MECHANISM *send(CK_MECHANISM_TYPE type, const void *parameter, CK_ULONG len)
{
	CK_MECHANISM given = { type, (void *)(uintptr_t)parameter, len };
	sr_buf_clear(&out);
	sr_put_mechanism(&out, &given);
	struct sr_in in = read_back();
	const CK_MECHANISM *got = sr_get_mechanism(&in);
	ck_read(&in);
	ck_assert_ptr_nonnull(got);
	ck_assert_uint_eq(got->mechanism, type);
	return got;
}

static void trip_structure(CK_MECHANISM_TYPE type, const struct shape *shape, const void *at, CK_ULONG len)
{
	uint8_t given[STRUCTURE_MAX], seen[STRUCTURE_MAX];
	build(given, shape, at, len);
	const CK_MECHANISM *got = send(type, given, shape->size);
	ck_assert_uint_eq(got->ulParameterLen, shape->size);
	ck_assert_ptr_ne(got->pParameter, given);
	memcpy(seen, got->pParameter, shape->size);
	for (size_t i = 0; i < shape->part_count; i++) {
		CK_ULONG part_len;
		const void *part = get_part(seen, shape, i, &part_len);
		ck_same_part(part, part_len, at, len);
		set_part(seen, shape, i, at, len);
	}
	ck_assert_mem_eq(seen, given, shape->size);
}

static void trip_structures(CK_MECHANISM_TYPE type, const struct shape *shape)
{
	trip_structure(type, shape, big, 21);
	if (!shape->part_count)
		return;
	trip_structure(type, shape, big, 0);
	trip_structure(type, shape, big, SR_WIRE_PARAMETER_MAX);
	trip_structure(type, shape, big, BIG);
	trip_structure(type, shape, big, ~0UL);
	trip_structure(type, shape, NULL, 0);
	trip_structure(type, shape, NULL, 9);
	trip_structure(type, shape, NULL, ~0UL);
}

static void read_mechanism(struct sr_in *in)
{
	const CK_MECHANISM *got = sr_get_mechanism(in);
	ck_assert(!in->failed || !got);
	if (!got)
		return;
	touch(got->pParameter, got->ulParameterLen);
	const struct sr_mechanism_row *row = sr_mechanism_row(got->mechanism);
	if (!row || !got->pParameter)
		return;
	struct shape shape = shape_of(row);
	if (row->parameter == SR_PARAMETER_GCM && got->ulParameterLen == old_gcm.size)
		shape = old_gcm;
	for (size_t i = 0; got->ulParameterLen == shape.size && i < shape.part_count; i++) {
		CK_ULONG len;
		const void *at = get_part(got->pParameter, &shape, i, &len);
		touch(at, len);
	}
}

START_TEST(each_mechanism_arrives)
{
	for (size_t i = 0; i < sr_mechanism_count; i++) {
		const struct sr_mechanism_row *row = &sr_mechanism_rows[i];
		struct shape shape = shape_of(row);
		if (shape.size)
			trip_structures(row->type, &shape);
		if (row->parameter == SR_PARAMETER_GCM)
			trip_structures(row->type, &old_gcm);
	}
}
END_TEST

START_TEST(mechanisms_are_attacked)
{
	for (size_t i = 0; i < sr_mechanism_count; i++) {
		uint8_t structure[STRUCTURE_MAX];
		struct shape shape = shape_of(&sr_mechanism_rows[i]);
		build(structure, &shape, big, 5);
		send(sr_mechanism_rows[i].type, structure, shape.size);
		attack(read_mechanism);
	}
	uint8_t structure[STRUCTURE_MAX];
	build(structure, &old_gcm, big, 5);
	send(CKM_AES_GCM, structure, old_gcm.size);
	attack(read_mechanism);
}
END_TEST

static bool takes(const struct sr_mechanism_row *row, CK_ULONG len)
{
	return len && (len == shape_of(row).size || (row->parameter == SR_PARAMETER_GCM && len == old_gcm.size));
}

/* Of any other length it travels as that, and nobody reads what it points to. */
START_TEST(other_lengths_are_lengths)
{
	for (size_t i = 0; i < sr_mechanism_count; i++) {
		const struct sr_mechanism_row *row = &sr_mechanism_rows[i];
		for (CK_ULONG len = 0; len < 72; len++) {
			const CK_MECHANISM *got = send(row->type, NULL, len);
			ck_assert(!got->pParameter && got->ulParameterLen == len);
			if (takes(row, len))
				continue;
			got = send(row->type, big, len);
			ck_assert_uint_eq(got->ulParameterLen, len);
			ck_assert_ptr_nonnull(got->pParameter);
			ck_assert(!len || *(const uint8_t *)got->pParameter == 0);
		}
	}
	ck_assert_uint_eq(send(CKM_AES_GCM, big, ~0UL)->ulParameterLen, SR_WITHHELD_LEN);
	ck_assert_uint_eq(send(CKM_VENDOR_DEFINED, big, 48)->ulParameterLen, 48);
	ck_assert(!send(CKM_VENDOR_DEFINED, NULL, 0)->pParameter);
}
END_TEST

/* What only a forged message says: the length of a structure, without one. */
START_TEST(a_length_is_no_structure)
{
	for (size_t i = 0; i < sr_mechanism_count; i++) {
		for (CK_ULONG len = 1; len < 72; len++) {
			sr_buf_clear(&out);
			sr_put_u8(&out, 1);
			sr_put_ulong(&out, sr_mechanism_rows[i].type);
			sr_put_u8(&out, 0);
			sr_put_bytes(&out, big, len, 0);
			struct sr_in in = read_back();
			ck_assert_int_eq(!sr_get_mechanism(&in), takes(&sr_mechanism_rows[i], len));
			ck_assert_int_eq(in.failed, takes(&sr_mechanism_rows[i], len));
		}
	}
}
END_TEST

START_TEST(no_mechanism)
{
	sr_put_mechanism(&out, NULL);
	struct sr_in in = read_back();
	ck_assert_ptr_null(sr_get_mechanism(&in));
	ck_read(&in);
	ck_assert_uint_ge(SR_WIRE_PARAMETER_MAX, SR_PARAMETER_MAX); /* what is longer is refused */
	ck_assert_uint_ge(SR_WIRE_VALUE_MAX, SR_VALUE_MAX);
}
END_TEST

START_TEST(mechanisms_that_are_forged)
{
#define FORGED(bytes) ck_forged(read_mechanism, bytes, sizeof(bytes) - 1)
	FORGED("\2");
	FORGED("\1\0\0\0\0\0\0\x10\x87\2\0\0\0\0\0\0\0\0\0\0"); /* an unknown form */
	FORGED("\1\0\0\0\0\x80\0\0\0\1\0\0\0\0\0\0\0\0\1");     /* a structure of no row */
	FORGED("\1\0\0\0\0\0\0\2\x50\1\0\0\0\0\0\0\0\0\1");     /* and of CKM_SHA256 */
	FORGED("\1\0\0\0\0\0\0\x10\x87\1\2\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0");
	FORGED("\1\0\0\0\0\0\0\x10\x82\1\1xxxxxxxxxxxxxxxx"); /* CKM_AES_CBC has no second */
#undef FORGED
}
END_TEST

/* -- the parameters of messages ------------------------------------------------------------------------------------ */
#define IV_LEN 12
#define TAG_LEN 16

/* An application's parameter, its IV and its tag between canaries. */
static struct {
	uint8_t before[32], iv[IV_LEN], between[32], tag[TAG_LEN], after[32];
} room;
static CK_GCM_MESSAGE_PARAMS params;

static void set_params(void)
{
	memset(&room, CANARY, sizeof room);
	memcpy(room.iv, big, IV_LEN);
	memcpy(room.tag, big, TAG_LEN);
	params = (CK_GCM_MESSAGE_PARAMS){ room.iv, IV_LEN, 32, CKG_GENERATE_COUNTER, room.tag, 8 * TAG_LEN };
}

static void ck_room(void)
{
	ck_assert(is_canary(room.before, sizeof room.before));
	ck_assert(is_canary(room.between, sizeof room.between));
	ck_assert(is_canary(room.after, sizeof room.after));
}

static void read_parameter(struct sr_in *in)
{
	struct sr_message_parameter got;
	sr_get_parameter(in, &got);
	ck_assert(!in->failed || (!got.at && !got.len));
	touch(got.at, got.len);
	if (!got.at || got.len != sizeof(CK_GCM_MESSAGE_PARAMS))
		return;
	CK_GCM_MESSAGE_PARAMS *seen = got.at;
	touch(seen->pIv, seen->ulIvLen);
	if (seen->pIv && seen->ulIvLen <= 256) /* what the call layer writes */
		memset(seen->pIv, 1, seen->ulIvLen);
	if (seen->pTag && seen->ulTagBits <= 128)
		memset(seen->pTag, 1, (seen->ulTagBits + 7) / 8);
}

static struct sr_message_parameter send_parameter(const void *parameter, CK_ULONG len)
{
	struct sr_message_parameter got;
	sr_buf_clear(&out);
	sr_put_parameter(&out, parameter, len);
	struct sr_in in = read_back();
	sr_get_parameter(&in, &got);
	ck_read(&in);
	return got;
}

START_TEST(a_parameter_goes_and_comes)
{
	set_params();
	struct sr_message_parameter got = send_parameter(&params, sizeof params);
	CK_GCM_MESSAGE_PARAMS *seen = got.at;
	ck_assert_uint_eq(got.len, sizeof params);
	ck_assert(seen->pIv != room.iv && seen->pTag != room.tag);
	ck_assert_uint_eq(seen->ulIvLen, IV_LEN);
	ck_assert_uint_eq(seen->ulIvFixedBits, 32);
	ck_assert_uint_eq(seen->ivGenerator, CKG_GENERATE_COUNTER);
	ck_assert_uint_eq(seen->ulTagBits, 8 * TAG_LEN);
	ck_assert_mem_eq(seen->pIv, big, IV_LEN);
	ck_assert_mem_eq(seen->pTag, big, TAG_LEN);
	memset(seen->pIv, 0x11, IV_LEN);
	memset(seen->pTag, 0x22, TAG_LEN);
	sr_buf_clear(&out);
	sr_put_parameter_back(&out, &got);
	struct sr_in in = read_back();
	sr_get_parameter_back(&in, &params, sizeof params);
	ck_read(&in);
	for (size_t i = 0; i < IV_LEN; i++)
		ck_assert_uint_eq(room.iv[i], 0x11);
	for (size_t i = 0; i < TAG_LEN; i++)
		ck_assert_uint_eq(room.tag[i], 0x22);
	ck_room();
}
END_TEST

/* Whatever the call layer refuses, as it was; and it comes back without a byte written. */
START_TEST(wrong_parameters_stay_wrong)
{
	static const CK_ULONG iv_lens[] = { 0, 1, 12, 256, 257, ~0UL },
			      bits[] = { 0, 1, 96, 100, 128, 129, 4096, ~0UL };
	for (size_t i = 0; i < COUNT(iv_lens) * COUNT(bits) * 4; i++) {
		CK_ULONG iv_len = iv_lens[i / 4 % COUNT(iv_lens)], tag_bits = bits[i / 4 / COUNT(iv_lens)];
		CK_GCM_MESSAGE_PARAMS given = { i & 1 ? big : NULL, iv_len, ~0UL, 77, i & 2 ? big : NULL, tag_bits };
		struct sr_message_parameter got = send_parameter(&given, sizeof given);
		const CK_GCM_MESSAGE_PARAMS *seen = got.at;
		ck_assert_uint_eq(got.len, sizeof given);
		ck_assert_int_eq(!seen->pIv, !given.pIv);
		ck_assert_int_eq(!seen->pTag, !given.pTag);
		ck_assert(seen->ulIvLen == iv_len || (given.pIv && iv_len > 256 && seen->ulIvLen > 256));
		ck_assert_uint_eq(seen->ulTagBits, tag_bits);
		ck_assert(seen->ulIvFixedBits == ~0UL && seen->ivGenerator == 77);
		sr_buf_clear(&out);
		sr_put_parameter_back(&out, &got);
		struct sr_in in = read_back();
		sr_get_parameter_back(&in, &given, sizeof given);
		ck_read(&in);
	}
}
END_TEST

START_TEST(other_parameters_are_lengths)
{
	for (CK_ULONG len = 0; len < 72; len++) {
		struct sr_message_parameter got = send_parameter(NULL, len);
		ck_assert(!got.at && got.len == len);
		if (len == sizeof params)
			continue;
		got = send_parameter(big, len);
		ck_assert(got.at && got.len == len && (!len || !*(const uint8_t *)got.at));
		sr_buf_clear(&out);
		sr_put_parameter_back(&out, &got);
		ck_assert_uint_eq(out.len, 0);
		struct sr_in in = read_back();
		sr_get_parameter_back(&in, big, len);
		ck_read(&in);
	}
	ck_assert_uint_eq(send_parameter(big, ~0UL).len, SR_WITHHELD_LEN);
}
END_TEST

START_TEST(parameters_are_attacked)
{
	set_params();
	send_parameter(&params, sizeof params);
	attack(read_parameter);
	send_parameter(big, 9);
	attack(read_parameter);
	sr_buf_clear(&out);
	sr_put_u8(&out, 0);
	sr_put_bytes(&out, big, sizeof params, 0);
	ck_forged(read_parameter, out.data, out.len); /* the length of the structure, without one */
	ck_forged(read_parameter, "\2\0\0\0\0\0\0\0\0\0", 10);
}
END_TEST

/* The tag's bytes are as many as its bits say. */
START_TEST(a_tag_of_another_length)
{
	static const struct {
		CK_ULONG bits, len;
	} rows[] = { { 128, 15 }, { 128, 17 }, { 128, 0 }, { 0, 1 }, { 96, 13 }, { 4096, 16 }, { 129, 16 },
		{ ~0UL, 3 } };
	for (size_t i = 0; i < COUNT(rows); i++) {
		sr_buf_clear(&out);
		sr_put_u8(&out, 1);
		sr_put_bytes(&out, big, IV_LEN, 256);
		sr_put_ulong(&out, 0);
		sr_put_ulong(&out, CKG_NO_GENERATE);
		sr_put_ulong(&out, rows[i].bits);
		sr_put_bytes(&out, big, rows[i].len, 16);
		ck_forged(read_parameter, out.data, out.len);
	}
}
END_TEST

static void read_parameter_back(struct sr_in *in)
{
	set_params();
	sr_get_parameter_back(in, &params, sizeof params);
	ck_room();
	if (in->failed)
		ck_assert(memcmp(room.iv, big, IV_LEN) == 0 && memcmp(room.tag, big, TAG_LEN) == 0);
}

static void ck_back_forged(const void *iv, CK_ULONG iv_len, const void *tag, CK_ULONG tag_len)
{
	sr_buf_clear(&out);
	sr_put_bytes(&out, iv, iv_len, 256);
	sr_put_bytes(&out, tag, tag_len, 16);
	ck_forged(read_parameter_back, out.data, out.len);
}

START_TEST(what_comes_back_is_attacked)
{
	const uint8_t *other = big + 100;
	set_params();
	CK_GCM_MESSAGE_PARAMS left = { big + 100, IV_LEN, 0, CKG_NO_GENERATE, big + 100, 8 * TAG_LEN };
	sr_put_parameter_back(&out, &(struct sr_message_parameter){ &left, sizeof left });
	attack(read_parameter_back);
	ck_back_forged(other, IV_LEN + 1, other, TAG_LEN);
	ck_back_forged(other, IV_LEN - 1, other, TAG_LEN);
	ck_back_forged(other, 256, other, TAG_LEN);
	ck_back_forged(other, 257, other, TAG_LEN);
	ck_back_forged(NULL, IV_LEN, other, TAG_LEN);
	ck_back_forged(other, IV_LEN, other, TAG_LEN - 1);
	ck_back_forged(other, IV_LEN, other, TAG_LEN + 1);
	ck_back_forged(other, IV_LEN, NULL, TAG_LEN);
}
END_TEST

static TCase *add_case(Suite *suite, const char *name)
{
	TCase *tcase = tcase_create(name);
	tcase_add_checked_fixture(tcase, set_up, tear_down);
	tcase_set_timeout(tcase, 120); /* under valgrind */
	suite_add_tcase(suite, tcase);
	return tcase;
}

static void add_values(Suite *suite)
{
	TCase *given = add_case(suite, "given");
	tcase_add_test(given, each_attribute_arrives);
	tcase_add_test(given, numbers_are_told_as_numbers);
	tcase_add_test(given, other_attributes_arrive);
	tcase_add_test(given, a_nested_template_is_a_length);
	tcase_add_test(given, templates_of_any_number);
	tcase_add_test(given, templates_are_attacked);
	tcase_add_test(given, templates_that_are_forged);
	TCase *wanted = add_case(suite, "wanted");
	tcase_add_test(wanted, rooms_arrive);
	tcase_add_test(wanted, questions_of_any_number);
	tcase_add_test(wanted, questions_that_are_forged);
	tcase_add_test(wanted, values_come_back);
	tcase_add_test(wanted, a_refusal_brings_no_values);
	tcase_add_test(wanted, each_value_comes_back);
	tcase_add_test(wanted, answers_are_attacked);
	tcase_add_test(wanted, answers_that_are_forged);
	tcase_add_test(wanted, a_marked_length_is_no_room);
}

Suite *sr_suite_wire_values(void)
{
	Suite *suite = suite_create("wire_values");
	add_values(suite);
	TCase *mechanism = add_case(suite, "mechanism");
	tcase_add_test(mechanism, each_mechanism_arrives);
	tcase_add_test(mechanism, mechanisms_are_attacked);
	tcase_add_test(mechanism, other_lengths_are_lengths);
	tcase_add_test(mechanism, a_length_is_no_structure);
	tcase_add_test(mechanism, no_mechanism);
	tcase_add_test(mechanism, mechanisms_that_are_forged);
	TCase *message = add_case(suite, "message");
	tcase_add_test(message, a_parameter_goes_and_comes);
	tcase_add_test(message, wrong_parameters_stay_wrong);
	tcase_add_test(message, other_parameters_are_lengths);
	tcase_add_test(message, parameters_are_attacked);
	tcase_add_test(message, a_tag_of_another_length);
	tcase_add_test(message, what_comes_back_is_attacked);
	return suite;
}
