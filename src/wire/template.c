/* Attributes on the wire. What an application's template says is read once, for it may change in another thread. */
#include "wire/template.h"

#include "pkcs11/attribute_kind.h"
#include "util/attrs.h"

#include <stdalign.h>
#include <string.h>

/* More are refused by their number, which alone has travelled. */
_Static_assert(SR_WIRE_ATTRIBUTES_MAX >= SR_ATTRS_MAX, "no template that is taken is too long for the wire");

#define NUMBERS_MAX (SR_WIRE_VALUE_MAX / 4) /* in one value: a peer's CK_ULONG may have four bytes */

/* What stands behind a type where a length is told. A length in numbers means the same whatever the width of a
 * CK_ULONG. */
enum unit { UNIT_BYTES, UNIT_NUMBERS };

static bool holds_numbers(CK_ATTRIBUTE_TYPE type)
{
	enum sr_attribute_kind kind = sr_attribute_kind(type);
	return kind == SR_ATTRIBUTE_ULONG || kind == SR_ATTRIBUTE_MECHANISMS;
}

/* A template within the template. The bit is nothing to vendors, whose numbers are their own. */
static bool is_nested(CK_ATTRIBUTE_TYPE type)
{
	return (type & CKF_ARRAY_ATTRIBUTE) && !(type & CKA_VENDOR_DEFINED) && type != CKA_ALLOWED_MECHANISMS;
}

static enum unit unit_of(CK_ATTRIBUTE_TYPE type, CK_ULONG len)
{
	return holds_numbers(type) && len % sizeof(CK_ULONG) == 0 ? UNIT_NUMBERS : UNIT_BYTES;
}

static void put_len(struct sr_buf *out, CK_ATTRIBUTE_TYPE type, CK_ULONG len)
{
	enum unit unit = unit_of(type, len);
	sr_put_u8(out, (uint8_t)unit);
	sr_put_ulong(out, unit == UNIT_NUMBERS ? len / sizeof(CK_ULONG) : len);
}

/* A length in bytes of this side. CK_UNAVAILABLE_INFORMATION is one of UNIT_BYTES. */
static CK_ULONG get_len(struct sr_in *in, CK_ATTRIBUTE_TYPE type)
{
	uint8_t unit = sr_get_u8(in);
	CK_ULONG len = sr_get_ulong(in);
	if (unit == UNIT_BYTES)
		return len;
	if (unit != UNIT_NUMBERS || !holds_numbers(type) || len > CK_UNAVAILABLE_INFORMATION / sizeof(CK_ULONG)) {
		in->failed = true;
		return 0;
	}
	return len * sizeof(CK_ULONG);
}

static void put_numbers(struct sr_buf *out, const void *numbers, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		CK_ULONG number;
		memcpy(&number, (const uint8_t *)numbers + i * sizeof number, sizeof number);
		sr_put_ulong(out, number);
	}
}

static void get_numbers(struct sr_in *in, void *numbers, size_t count)
{
	for (size_t i = 0; i < count && !in->failed; i++) {
		CK_ULONG number = sr_get_ulong(in);
		memcpy((uint8_t *)numbers + i * sizeof number, &number, sizeof number);
	}
}

/* Whether COUNT numbers are there to be read. */
static bool has_numbers(struct sr_in *in, CK_ULONG count)
{
	if (count > NUMBERS_MAX || count > in->left / sizeof(uint64_t))
		in->failed = true;
	return !in->failed;
}

/* -- a list of attributes ----------------------------------------------------------------------------------------- */
/* Whether the attributes follow. */
static bool put_head(struct sr_buf *out, const CK_ATTRIBUTE *template, CK_ULONG count)
{
	sr_put_u8(out, template ? 1 : 0);
	sr_put_ulong(out, count);
	return template && count <= SR_WIRE_ATTRIBUTES_MAX;
}

/* The list, still empty, and whether the attributes follow. Of too many nobody reads even the first. */
static CK_ATTRIBUTE *get_head(struct sr_in *in, CK_ULONG *count, bool *follow)
{
	uint8_t given = sr_get_u8(in);
	*count = sr_get_ulong(in);
	*follow = false;
	if (given > 1)
		in->failed = true;
	if (in->failed || !given)
		return NULL;
	*follow = *count <= SR_WIRE_ATTRIBUTES_MAX;
	CK_ATTRIBUTE *template = sr_arena_take(in->arena, (*follow ? *count : 1) * sizeof *template);
	if (!template)
		in->failed = true;
	return template;
}

/* -- given -------------------------------------------------------------------------------------------------------- */
static size_t bytes_max(CK_ATTRIBUTE_TYPE type)
{
	return is_nested(type) ? 0 : SR_WIRE_VALUE_MAX;
}

static void put_attribute(struct sr_buf *out, const CK_ATTRIBUTE *given)
{
	enum unit unit = unit_of(given->type, given->ulValueLen);
	if (!given->pValue || given->ulValueLen > SR_WIRE_VALUE_MAX)
		unit = UNIT_BYTES;
	sr_put_ulong(out, given->type);
	sr_put_u8(out, (uint8_t)unit);
	if (unit == UNIT_BYTES) {
		sr_put_bytes(out, given->pValue, given->ulValueLen, bytes_max(given->type));
		return;
	}
	sr_put_u32(out, (uint32_t)(given->ulValueLen / sizeof(CK_ULONG)));
	put_numbers(out, given->pValue, given->ulValueLen / sizeof(CK_ULONG));
}

/* Bytes where numbers should have come would be a number of the other side's width and order. */
static void get_value_bytes(struct sr_in *in, CK_ATTRIBUTE *to)
{
	to->pValue = sr_get_bytes(in, &to->ulValueLen, bytes_max(to->type));
	if (to->pValue && to->ulValueLen <= SR_WIRE_VALUE_MAX && unit_of(to->type, to->ulValueLen) == UNIT_NUMBERS)
		in->failed = true;
}

static void get_value_numbers(struct sr_in *in, CK_ATTRIBUTE *to)
{
	CK_ULONG count = sr_get_u32(in);
	if (!holds_numbers(to->type))
		in->failed = true;
	if (!has_numbers(in, count))
		return;
	to->ulValueLen = count * sizeof(CK_ULONG);
	to->pValue = sr_arena_take(in->arena, to->ulValueLen);
	if (to->pValue)
		get_numbers(in, to->pValue, count);
	else
		in->failed = true;
}

static void get_attribute(struct sr_in *in, CK_ATTRIBUTE *to)
{
	to->type = sr_get_ulong(in);
	switch (sr_get_u8(in)) {
	case UNIT_BYTES:
		get_value_bytes(in, to);
		break;
	case UNIT_NUMBERS:
		get_value_numbers(in, to);
		break;
	default:
		in->failed = true;
	}
}

void sr_put_template(struct sr_buf *out, const CK_ATTRIBUTE *template, CK_ULONG count)
{
	if (!put_head(out, template, count))
		return;
	for (CK_ULONG i = 0; i < count; i++) {
		CK_ATTRIBUTE given = template[i];
		put_attribute(out, &given);
	}
}

CK_ATTRIBUTE *sr_get_template(struct sr_in *in, CK_ULONG *count)
{
	bool follow;
	CK_ATTRIBUTE *template = get_head(in, count, &follow);
	for (CK_ULONG i = 0; follow && i < *count && !in->failed; i++)
		get_attribute(in, &template[i]);
	if (!in->failed)
		return template;
	*count = 0;
	return NULL;
}

/* -- asked for ---------------------------------------------------------------------------------------------------- */
void sr_put_wanted(struct sr_buf *out, const CK_ATTRIBUTE *template, CK_ULONG count)
{
	if (!put_head(out, template, count))
		return;
	for (CK_ULONG i = 0; i < count; i++) {
		CK_ATTRIBUTE wanted = template[i];
		bool room = wanted.pValue && !is_nested(wanted.type);
		sr_put_ulong(out, wanted.type);
		sr_put_u8(out, room ? 1 : 0);
		if (room)
			put_len(out, wanted.type, wanted.ulValueLen);
	}
}

/* Room of this side: no value is longer than SR_WIRE_VALUE_MAX. CK_UNAVAILABLE_INFORMATION is no room: it is what a
 * program has left there of the answer before, and no buffer is that long. */
static CK_ULONG get_room(struct sr_in *in, CK_ATTRIBUTE_TYPE type)
{
	CK_ULONG room = get_len(in, type);
	if (room == CK_UNAVAILABLE_INFORMATION)
		return 0;
	return room < SR_WIRE_VALUE_MAX ? room : SR_WIRE_VALUE_MAX;
}

static size_t aligned(CK_ULONG room)
{
	return (room + alignof(max_align_t) - 1) / alignof(max_align_t) * alignof(max_align_t);
}

/* One after the other in one piece of memory, which costs nothing where nobody writes. HAS: which have a buffer. */
static void place_rooms(struct sr_in *in, struct sr_wanted *wanted, const bool *has)
{
	size_t size = 0;
	for (CK_ULONG i = 0; i < wanted->count; i++)
		size += aligned(wanted->rooms[i]);
	uint8_t *at = sr_arena_take(in->arena, size);
	if (!at) {
		in->failed = true;
		return;
	}
	for (CK_ULONG i = 0; i < wanted->count; i++) {
		wanted->attributes[i].ulValueLen = wanted->rooms[i];
		wanted->attributes[i].pValue = has[i] ? at : NULL;
		at += aligned(wanted->rooms[i]);
	}
}

static void get_rooms(struct sr_in *in, struct sr_wanted *wanted)
{
	bool has[SR_WIRE_ATTRIBUTES_MAX] = { false };
	wanted->rooms = sr_arena_take(in->arena, wanted->count * sizeof *wanted->rooms);
	if (!wanted->rooms)
		in->failed = true;
	for (CK_ULONG i = 0; i < wanted->count && !in->failed; i++) {
		CK_ATTRIBUTE_TYPE type = sr_get_ulong(in);
		uint8_t room = sr_get_u8(in);
		if (room > 1 || (room && is_nested(type)))
			in->failed = true;
		wanted->attributes[i].type = type;
		wanted->rooms[i] = room ? get_room(in, type) : 0;
		has[i] = room;
	}
	if (!in->failed)
		place_rooms(in, wanted, has);
}

void sr_get_wanted(struct sr_in *in, struct sr_wanted *wanted)
{
	bool follow;
	*wanted = (struct sr_wanted){ 0 };
	wanted->attributes = get_head(in, &wanted->count, &follow);
	if (follow && !in->failed)
		get_rooms(in, wanted);
	if (in->failed)
		*wanted = (struct sr_wanted){ 0 };
}

/* -- the answer --------------------------------------------------------------------------------------------------- */
/* What is told of one attribute. LEFT: the call did not come to it, so its length is the application's, which the
 * other side may have cut. */
enum answer { ANSWER_LEFT, ANSWER_LENGTH, ANSWER_BYTES, ANSWER_NUMBERS };

static bool leaves_values(CK_RV rv)
{
	return rv == CKR_OK || rv == CKR_ATTRIBUTE_SENSITIVE || rv == CKR_ATTRIBUTE_TYPE_INVALID ||
	       rv == CKR_BUFFER_TOO_SMALL;
}

static enum answer answer_of(const CK_ATTRIBUTE *left, CK_ULONG room, CK_RV rv)
{
	if (!leaves_values(rv))
		return left->ulValueLen == room ? ANSWER_LEFT : ANSWER_LENGTH;
	if (!left->pValue || left->ulValueLen > room)
		return ANSWER_LENGTH;
	return unit_of(left->type, left->ulValueLen) == UNIT_NUMBERS ? ANSWER_NUMBERS : ANSWER_BYTES;
}

static void put_answer(struct sr_buf *out, const CK_ATTRIBUTE *left, CK_ULONG room, CK_RV rv)
{
	enum answer answer = answer_of(left, room, rv);
	CK_ULONG len = left->ulValueLen;
	sr_put_u8(out, (uint8_t)answer);
	switch (answer) {
	case ANSWER_LEFT:
		break;
	case ANSWER_LENGTH:
		put_len(out, left->type, len);
		break;
	case ANSWER_BYTES:
		sr_put_u32(out, (uint32_t)len);
		sr_buf_append(out, left->pValue, len);
		break;
	case ANSWER_NUMBERS:
		sr_put_u32(out, (uint32_t)(len / sizeof(CK_ULONG)));
		put_numbers(out, left->pValue, len / sizeof(CK_ULONG));
		break;
	}
}

void sr_put_values(struct sr_buf *out, const struct sr_wanted *wanted, CK_RV rv)
{
	if (!wanted->attributes || wanted->count > SR_WIRE_ATTRIBUTES_MAX)
		return;
	for (CK_ULONG i = 0; i < wanted->count; i++)
		put_answer(out, &wanted->attributes[i], wanted->rooms[i], rv);
}

/* The application's room, as it was told to the other side. */
static CK_ULONG room_of(const CK_ATTRIBUTE *to)
{
	return to->ulValueLen == CK_UNAVAILABLE_INFORMATION ? 0 : to->ulValueLen;
}

/* A length beside a buffer is what the application believes to be in it, so it is never more than fits. */
static void get_answer_length(struct sr_in *in, CK_ATTRIBUTE *to)
{
	CK_ULONG len = get_len(in, to->type);
	if (to->pValue && len > room_of(to) && len != CK_UNAVAILABLE_INFORMATION)
		in->failed = true;
	if (!in->failed)
		to->ulValueLen = len;
}

/* Whether LEN bytes may be written: a template within the template is the application's pointers. */
static bool takes_value(struct sr_in *in, const CK_ATTRIBUTE *to, CK_ULONG len)
{
	if (!to->pValue || len > room_of(to) || is_nested(to->type))
		in->failed = true;
	return !in->failed;
}

static void get_answer_bytes(struct sr_in *in, CK_ATTRIBUTE *to)
{
	CK_ULONG len = sr_get_u32(in);
	if (unit_of(to->type, len) == UNIT_NUMBERS)
		in->failed = true;
	if (!takes_value(in, to, len))
		return;
	const uint8_t *value = sr_get_raw(in, len);
	if (!value)
		return;
	if (len)
		memcpy(to->pValue, value, len);
	to->ulValueLen = len;
}

static void get_answer_numbers(struct sr_in *in, CK_ATTRIBUTE *to)
{
	CK_ULONG count = sr_get_u32(in);
	if (!holds_numbers(to->type))
		in->failed = true;
	if (!has_numbers(in, count) || !takes_value(in, to, count * sizeof(CK_ULONG)))
		return;
	get_numbers(in, to->pValue, count);
	if (!in->failed)
		to->ulValueLen = count * sizeof(CK_ULONG);
}

static void get_answer(struct sr_in *in, CK_ATTRIBUTE *to)
{
	uint8_t answer = sr_get_u8(in);
	if (in->failed)
		return;
	switch (answer) {
	case ANSWER_LEFT:
		break;
	case ANSWER_LENGTH:
		get_answer_length(in, to);
		break;
	case ANSWER_BYTES:
		get_answer_bytes(in, to);
		break;
	case ANSWER_NUMBERS:
		get_answer_numbers(in, to);
		break;
	default:
		in->failed = true;
	}
}

void sr_get_values(struct sr_in *in, CK_ATTRIBUTE *template, CK_ULONG count)
{
	if (!template || count > SR_WIRE_ATTRIBUTES_MAX)
		return;
	for (CK_ULONG i = 0; i < count && !in->failed; i++)
		get_answer(in, &template[i]);
}
