/* Frames, and the messages that are no calls. */
#include "wire/message.h"

#include "wire/argument.h"

#include <string.h>

/* -- frames ------------------------------------------------------------------------------------------------------- */
static uint32_t big_endian_32(const uint8_t *at)
{
	return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

bool sr_frame_read(const uint8_t header[SR_FRAME_HEADER_LEN], struct sr_frame *frame)
{
	uint32_t len = big_endian_32(header);
	uint8_t kind = header[4], flags = header[5];
	*frame = (struct sr_frame){ len, kind, flags & SR_FRAME_MORE };
	bool continued = flags & SR_FRAME_MORE;
	/* a frame that more follow is full: else a message could be cut into any number of them */
	return kind >= SR_MESSAGE_HELLO && kind < SR_MESSAGE_KIND_END && flags <= SR_FRAME_MORE && !header[6] &&
	       !header[7] && len <= SR_WIRE_FRAME_MAX && (!continued || len == SR_WIRE_FRAME_MAX);
}

static void put_frame(struct sr_buf *out, enum sr_message_kind kind, const uint8_t *at, size_t len, bool more)
{
	sr_put_u32(out, (uint32_t)len);
	sr_put_u8(out, (uint8_t)kind);
	sr_put_u8(out, more ? SR_FRAME_MORE : 0);
	sr_put_u16(out, 0);
	sr_buf_append(out, at, len);
}

void sr_frames_put(struct sr_buf *out, enum sr_message_kind kind, const struct sr_buf *body)
{
	size_t at = 0;
	if (body->failed || body->len > SR_WIRE_BODY_MAX) {
		out->failed = true;
		return;
	}
	do {
		size_t left = body->len - at;
		size_t len = left < SR_WIRE_FRAME_MAX ? left : SR_WIRE_FRAME_MAX;
		put_frame(out, kind, len ? body->data + at : NULL, len, len < left); /* an empty body is nowhere */
		at += len;
	} while (at < body->len);
}

static void drop_front(struct sr_buf *buf, size_t len)
{
	memmove(buf->data, buf->data + len, buf->len - len);
	sr_cleanse(buf->data + buf->len - len, len);
	buf->len -= len;
}

/* The first frame's payload goes to the body. */
static int take_frame(struct sr_assembly *assembly, size_t max, bool *last)
{
	struct sr_frame frame;
	struct sr_buf *in = &assembly->in;
	if (in->len < SR_FRAME_HEADER_LEN)
		return 0;
	if (!sr_frame_read(in->data, &frame) || (assembly->begun && frame.kind != assembly->kind) || frame.len > max ||
		assembly->body.len > max - frame.len)
		return -1;
	if (in->len - SR_FRAME_HEADER_LEN < frame.len)
		return 0;
	sr_buf_append(&assembly->body, in->data + SR_FRAME_HEADER_LEN, frame.len);
	if (assembly->body.failed)
		return -1;
	drop_front(in, SR_FRAME_HEADER_LEN + frame.len);
	assembly->kind = frame.kind;
	assembly->begun = frame.more;
	*last = !frame.more;
	return 1;
}

int sr_assembly_take(struct sr_assembly *assembly, size_t max, struct sr_buf *message, enum sr_message_kind *kind)
{
	bool last = false;
	while (!last) {
		int taken = take_frame(assembly, max, &last);
		if (taken <= 0)
			return taken;
	}
	*message = assembly->body;
	*kind = assembly->kind;
	assembly->body = (struct sr_buf)SR_BUF_INIT;
	return 1;
}

size_t sr_assembly_wanted(const struct sr_assembly *assembly)
{
	const struct sr_buf *in = &assembly->in;
	if (in->len < SR_FRAME_HEADER_LEN)
		return SR_FRAME_HEADER_LEN - in->len;
	size_t whole = SR_FRAME_HEADER_LEN + (size_t)big_endian_32(in->data);
	return whole > in->len ? whole - in->len : 0;
}

void sr_assembly_clear(struct sr_assembly *assembly)
{
	sr_buf_clear(&assembly->in);
	sr_buf_clear(&assembly->body);
	assembly->begun = false;
}

/* -- the greeting ------------------------------------------------------------------------------------------------- */
static const uint8_t magic[8] = { 's', 't', 'r', 'o', 'n', 'g', 'r', 'm' };

void sr_hello_put(struct sr_buf *out, const struct sr_hello *hello)
{
	sr_buf_append(out, magic, sizeof magic);
	sr_put_u32(out, hello->version_min);
	sr_put_u32(out, hello->version_max);
	sr_put_place(out, hello->secret);
	if (hello->secret)
		sr_buf_append(out, hello->secret, SR_WIRE_SECRET_LEN);
	sr_put_u64(out, hello->first_session);
	sr_put_u64(out, hello->first_object);
	sr_put_u8(out, (uint8_t)hello->slot_count);
	for (size_t i = 0; i < hello->slot_count; i++) {
		sr_put_text(out, hello->slots[i].name);
		sr_put_u8(out, hello->slots[i].offered);
	}
}

static void get_slots(struct sr_in *in, struct sr_hello *hello)
{
	hello->slot_count = sr_get_u8(in);
	in->failed = in->failed || hello->slot_count >= SR_WIRE_SLOTS_MAX; /* the default slot is one more */
	for (size_t i = 0; !in->failed && i < hello->slot_count; i++) {
		hello->slots[i].name = sr_get_text(in);
		hello->slots[i].offered = sr_get_place(in);
	}
}

void sr_hello_get(struct sr_in *in, struct sr_hello *hello)
{
	*hello = (struct sr_hello){ 0 };
	const uint8_t *begin = sr_get_raw(in, sizeof magic);
	if (!begin || memcmp(begin, magic, sizeof magic) != 0) {
		in->failed = true;
		return;
	}
	hello->version_min = sr_get_u32(in);
	hello->version_max = sr_get_u32(in);
	if (sr_get_place(in))
		hello->secret = sr_get_raw(in, SR_WIRE_SECRET_LEN);
	hello->first_session = sr_get_u64(in);
	hello->first_object = sr_get_u64(in);
	get_slots(in, hello);
	in->failed = in->failed || in->left;
}

void sr_welcome_put(struct sr_buf *out, const struct sr_welcome *welcome)
{
	sr_put_u32(out, welcome->version);
	sr_buf_append(out, welcome->secret, SR_WIRE_SECRET_LEN);
	sr_put_text(out, welcome->vault);
	sr_put_u8(out, (uint8_t)welcome->slot_count);
	for (size_t i = 0; i < welcome->slot_count; i++)
		sr_put_ulong(out, welcome->slots[i]);
}

void sr_welcome_get(struct sr_in *in, struct sr_welcome *welcome)
{
	*welcome = (struct sr_welcome){ 0 };
	welcome->version = sr_get_u32(in);
	const uint8_t *secret = sr_get_raw(in, SR_WIRE_SECRET_LEN);
	if (secret)
		memcpy(welcome->secret, secret, SR_WIRE_SECRET_LEN);
	welcome->vault = sr_get_text(in);
	welcome->slot_count = sr_get_u8(in);
	in->failed = in->failed || welcome->slot_count > SR_WIRE_SLOTS_MAX;
	for (size_t i = 0; !in->failed && i < welcome->slot_count; i++)
		welcome->slots[i] = sr_get_ulong(in);
	in->failed = in->failed || in->left;
}

/* -- failures ----------------------------------------------------------------------------------------------------- */
void sr_error_put(struct sr_buf *out, const struct sr_error *err)
{
	sr_put_ulong(out, err->rv);
	sr_put_ulong(out, err->reason);
	sr_put_text(out, err->text);
}

void sr_error_get(struct sr_in *in, struct sr_error *err)
{
	CK_RV rv = sr_get_ulong(in);
	CK_ULONG reason = sr_get_ulong(in);
	const char *text = sr_get_text(in);
	if (!in->failed)
		sr_fail(err, rv, reason, "%s", text); /* which cuts and cleans the line */
}
