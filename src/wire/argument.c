/* Rooms and results on the wire. */
#include "wire/argument.h"

#include <string.h>

enum { ROOM_COUNTED = 1, ROOM_BUFFER = 2 };

/* -- rooms -------------------------------------------------------------------------------------------------------- */
void sr_put_room(struct sr_buf *out, const void *at, const CK_ULONG *len)
{
	sr_put_u8(out, (uint8_t)((len ? ROOM_COUNTED : 0) | (at ? ROOM_BUFFER : 0)));
	sr_put_ulong(out, len ? *len : 0);
}

void sr_get_room(struct sr_in *in, CK_ULONG unit, CK_ULONG max, struct sr_room *room)
{
	uint8_t flags = sr_get_u8(in);
	CK_ULONG asked = sr_get_ulong(in);
	in->failed = in->failed || flags > (ROOM_COUNTED | ROOM_BUFFER);
	CK_ULONG len = asked < max ? asked : max;
	*room = (struct sr_room){
		.counted = flags & ROOM_COUNTED, .unit = unit, .asked = asked, .first = len, .len = len
	};
	if (in->failed || !(flags & ROOM_BUFFER))
		return;
	room->at = sr_arena_take(in->arena, len * unit);
	in->failed = in->failed || !room->at;
}

/* What a call left as the length; one that it did not touch is the application's own again. */
static CK_ULONG length_left(const struct sr_room *room)
{
	return room->len == room->first ? room->asked : room->len;
}

static bool gives(const struct sr_room *room, CK_RV rv)
{
	return rv == CKR_OK && room->counted && room->at && room->len <= room->first;
}

void sr_put_output(struct sr_buf *out, const struct sr_room *room, CK_RV rv)
{
	bool given = gives(room, rv);
	sr_put_ulong(out, given ? room->len : length_left(room));
	sr_put_u8(out, given);
	if (given)
		sr_buf_append(out, room->at, room->len * room->unit);
}

void sr_put_list(struct sr_buf *out, const struct sr_room *room, CK_RV rv)
{
	const CK_ULONG *items = room->at;
	bool given = gives(room, rv);
	sr_put_ulong(out, given ? room->len : length_left(room));
	sr_put_u8(out, given);
	for (CK_ULONG i = 0; given && i < room->len; i++)
		sr_put_ulong(out, items[i]);
}

/* The length and whether items follow; ROOM: how many the application has room for. */
static bool begin_items(struct sr_in *in, const void *at, CK_ULONG *len, CK_ULONG *count, CK_RV rv)
{
	CK_ULONG room = at && len ? *len : 0;
	*count = sr_get_ulong(in);
	bool follow = sr_get_place(in);
	if (follow != (rv == CKR_OK && at && len) || (follow && *count > room))
		in->failed = true;
	if (!in->failed && len)
		*len = *count;
	return follow && !in->failed;
}

void sr_get_output(struct sr_in *in, uint8_t *at, CK_ULONG *len, CK_RV rv)
{
	CK_ULONG count;
	if (!begin_items(in, at, len, &count, rv))
		return;
	const uint8_t *bytes = sr_get_raw(in, count);
	if (bytes)
		memcpy(at, bytes, count);
}

void sr_get_list(struct sr_in *in, CK_ULONG *at, CK_ULONG *len, CK_RV rv)
{
	CK_ULONG count;
	if (!begin_items(in, at, len, &count, rv))
		return;
	for (CK_ULONG i = 0; i < count && !in->failed; i++)
		at[i] = sr_get_ulong(in);
}

/* Whether a result follows, on the other side: nothing else may. */
static bool get_answer(struct sr_in *in, const void *at, CK_RV rv)
{
	bool given = sr_get_place(in);
	in->failed = in->failed || given != (rv == CKR_OK && at);
	return given && !in->failed;
}

/* -- a buffer that is filled -------------------------------------------------------------------------------------- */
void sr_put_fill(struct sr_buf *out, const void *at, CK_ULONG len)
{
	sr_put_room(out, at, &len);
}

/* No room is made for more than can be answered: the call layer refuses by the length. */
void sr_get_fill(struct sr_in *in, struct sr_room *room)
{
	sr_get_room(in, 1, SR_WIRE_DATA_MAX + 1, room);
}

void sr_put_filled(struct sr_buf *out, const struct sr_room *room, CK_RV rv)
{
	bool given = rv == CKR_OK && room->at && room->len == room->asked;
	sr_put_u8(out, given);
	if (given)
		sr_buf_append(out, room->at, room->len);
}

void sr_get_filled(struct sr_in *in, uint8_t *at, CK_ULONG len, CK_RV rv)
{
	if (!get_answer(in, at, rv))
		return;
	const uint8_t *bytes = sr_get_raw(in, len);
	if (bytes)
		memcpy(at, bytes, len);
}

/* -- results ------------------------------------------------------------------------------------------------------ */
void sr_put_place(struct sr_buf *out, const void *at)
{
	sr_put_u8(out, at != NULL);
}

bool sr_get_place(struct sr_in *in)
{
	uint8_t there = sr_get_u8(in);
	in->failed = in->failed || there > 1;
	return there;
}

/* Whether a result follows: there is one where the call answered CKR_OK and had a place for it. */
static bool put_answer(struct sr_buf *out, const void *at, CK_RV rv)
{
	bool given = rv == CKR_OK && at;
	sr_put_u8(out, given);
	return given;
}

void sr_put_result(struct sr_buf *out, const CK_ULONG *value, CK_RV rv)
{
	if (put_answer(out, value, rv))
		sr_put_ulong(out, *value);
}

void sr_get_result(struct sr_in *in, CK_ULONG *value, CK_RV rv)
{
	if (!get_answer(in, value, rv))
		return;
	CK_ULONG number = sr_get_ulong(in);
	if (!in->failed)
		*value = number;
}

#define LABEL_LEN 32

void sr_put_label(struct sr_buf *out, const uint8_t *label)
{
	sr_put_place(out, label);
	if (label)
		sr_buf_append(out, label, LABEL_LEN);
}

uint8_t *sr_get_label(struct sr_in *in)
{
	return sr_get_place(in) ? sr_get_raw(in, LABEL_LEN) : NULL;
}

/* -- structures --------------------------------------------------------------------------------------------------- */
static void put_version(struct sr_buf *out, CK_VERSION version)
{
	sr_put_u8(out, version.major);
	sr_put_u8(out, version.minor);
}

static CK_VERSION get_version(struct sr_in *in)
{
	CK_VERSION version;
	version.major = sr_get_u8(in);
	version.minor = sr_get_u8(in);
	return version;
}

static void get_field(struct sr_in *in, CK_UTF8CHAR *field, size_t len)
{
	const uint8_t *bytes = sr_get_raw(in, len);
	if (bytes)
		memcpy(field, bytes, len);
}

void sr_put_slot_info(struct sr_buf *out, const CK_SLOT_INFO *info, CK_RV rv)
{
	if (!put_answer(out, info, rv))
		return;
	sr_buf_append(out, info->slotDescription, sizeof info->slotDescription);
	sr_buf_append(out, info->manufacturerID, sizeof info->manufacturerID);
	sr_put_ulong(out, info->flags);
	put_version(out, info->hardwareVersion);
	put_version(out, info->firmwareVersion);
}

void sr_get_slot_info(struct sr_in *in, CK_SLOT_INFO *info, CK_RV rv)
{
	CK_SLOT_INFO got;
	if (!get_answer(in, info, rv))
		return;
	get_field(in, got.slotDescription, sizeof got.slotDescription);
	get_field(in, got.manufacturerID, sizeof got.manufacturerID);
	got.flags = sr_get_ulong(in);
	got.hardwareVersion = get_version(in);
	got.firmwareVersion = get_version(in);
	if (!in->failed)
		*info = got;
}

/* The numbers of a CK_TOKEN_INFO, in its order. */
#define TOKEN_NUMBERS(X, info)         \
	X((info)->flags)               \
	X((info)->ulMaxSessionCount)   \
	X((info)->ulSessionCount)      \
	X((info)->ulMaxRwSessionCount) \
	X((info)->ulRwSessionCount)    \
	X((info)->ulMaxPinLen)         \
	X((info)->ulMinPinLen)         \
	X((info)->ulTotalPublicMemory) \
	X((info)->ulFreePublicMemory) X((info)->ulTotalPrivateMemory) X((info)->ulFreePrivateMemory)

void sr_put_token_info(struct sr_buf *out, const CK_TOKEN_INFO *info, CK_RV rv)
{
	if (!put_answer(out, info, rv))
		return;
	sr_buf_append(out, info->label, sizeof info->label);
	sr_buf_append(out, info->manufacturerID, sizeof info->manufacturerID);
	sr_buf_append(out, info->model, sizeof info->model);
	sr_buf_append(out, info->serialNumber, sizeof info->serialNumber);
#define PUT(number) sr_put_ulong(out, number);
	TOKEN_NUMBERS(PUT, info)
#undef PUT
	put_version(out, info->hardwareVersion);
	put_version(out, info->firmwareVersion);
	sr_buf_append(out, info->utcTime, sizeof info->utcTime);
}

void sr_get_token_info(struct sr_in *in, CK_TOKEN_INFO *info, CK_RV rv)
{
	CK_TOKEN_INFO got;
	if (!get_answer(in, info, rv))
		return;
	get_field(in, got.label, sizeof got.label);
	get_field(in, got.manufacturerID, sizeof got.manufacturerID);
	get_field(in, got.model, sizeof got.model);
	get_field(in, got.serialNumber, sizeof got.serialNumber);
#define GET(number) number = sr_get_ulong(in);
	TOKEN_NUMBERS(GET, &got)
#undef GET
	got.hardwareVersion = get_version(in);
	got.firmwareVersion = get_version(in);
	get_field(in, got.utcTime, sizeof got.utcTime);
	if (!in->failed)
		*info = got;
}

void sr_put_session_info(struct sr_buf *out, const CK_SESSION_INFO *info, CK_RV rv)
{
	if (!put_answer(out, info, rv))
		return;
	sr_put_ulong(out, info->slotID);
	sr_put_ulong(out, info->state);
	sr_put_ulong(out, info->flags);
	sr_put_ulong(out, info->ulDeviceError);
}

void sr_get_session_info(struct sr_in *in, CK_SESSION_INFO *info, CK_RV rv)
{
	CK_SESSION_INFO got;
	if (!get_answer(in, info, rv))
		return;
	got.slotID = sr_get_ulong(in);
	got.state = sr_get_ulong(in);
	got.flags = sr_get_ulong(in);
	got.ulDeviceError = sr_get_ulong(in);
	if (!in->failed)
		*info = got;
}

void sr_put_mechanism_info(struct sr_buf *out, const CK_MECHANISM_INFO *info, CK_RV rv)
{
	if (!put_answer(out, info, rv))
		return;
	sr_put_ulong(out, info->ulMinKeySize);
	sr_put_ulong(out, info->ulMaxKeySize);
	sr_put_ulong(out, info->flags);
}

void sr_get_mechanism_info(struct sr_in *in, CK_MECHANISM_INFO *info, CK_RV rv)
{
	CK_MECHANISM_INFO got;
	if (!get_answer(in, info, rv))
		return;
	got.ulMinKeySize = sr_get_ulong(in);
	got.ulMaxKeySize = sr_get_ulong(in);
	got.flags = sr_get_ulong(in);
	if (!in->failed)
		*info = got;
}
