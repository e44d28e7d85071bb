/* The server's side of a request. Each row of the table of calls becomes a function that reads its arguments, makes the
 * call and writes what it gave. */
#include "wire/server.h"

#include "pkcs11/host.h"
#include "wire/argument.h"
#include "wire/mechanism.h"
#include "wire/template.h"

#include <string.h>

/* One call on its way. */
struct serving {
	const struct sr_service *service;
	struct sr_client *client;
	const struct sr_peer *peer;
	CK_SESSION_HANDLE session;
	struct sr_in *in;
	struct sr_buf *out;
	CK_RV rv;
};

/* False: what was read is no call. */
static bool readable(const struct serving *serving)
{
	return !serving->in->failed && !serving->in->arena->failed;
}

static bool is_failure(CK_RV rv)
{
	return rv == CKR_DEVICE_ERROR || rv == CKR_DEVICE_MEMORY || rv == CKR_DEVICE_REMOVED || rv == CKR_HOST_MEMORY ||
	       rv == CKR_GENERAL_ERROR;
}

static void count_outcome(struct sr_outcomes *outcomes, CK_RV rv)
{
	atomic_ulong *counter = rv == CKR_OK ? &outcomes->ok : is_failure(rv) ? &outcomes->failed : &outcomes->refused;
	atomic_fetch_add_explicit(counter, 1, memory_order_relaxed);
}

static void begin_answer(struct serving *serving, CK_RV rv)
{
	struct sr_error err = SR_ERROR_INIT;
	const struct sr_error *last = serving->service->last_error ? serving->service->last_error() : NULL;
	serving->rv = rv;
	if (rv != CKR_OK && last && last->rv == rv)
		err = *last;
	err.rv = rv;
	sr_error_put(serving->out, &err);
	if (serving->service->outcomes)
		count_outcome(serving->service->outcomes, rv);
}

/* -- handles ------------------------------------------------------------------------------------------------------ */
static void put_handle(struct serving *serving, CK_OBJECT_HANDLE handle)
{
	struct sr_described described = { 0 };
	if (!serving->service->describe ||
		!serving->service->describe(serving->client, serving->session, handle, &described))
		described.id[0] = '\0';
	sr_put_ulong(serving->out, handle);
	sr_put_ulong(serving->out, described.object_class);
	sr_put_u8(serving->out, described.named);
	sr_put_text(serving->out, described.id);
}

static void put_new_object(struct serving *serving, const CK_OBJECT_HANDLE *handle)
{
	bool given = serving->rv == CKR_OK && handle;
	sr_put_u8(serving->out, given);
	if (given)
		put_handle(serving, *handle);
}

static void put_found(struct serving *serving, const struct sr_room *room)
{
	const CK_OBJECT_HANDLE *handles = room->at;
	bool given = serving->rv == CKR_OK && room->counted && room->len <= room->first;
	CK_ULONG count = given && handles ? room->len : 0;
	sr_put_u8(serving->out, given);
	sr_put_ulong(serving->out, count);
	for (CK_ULONG i = 0; i < count; i++)
		put_handle(serving, handles[i]);
}

/* The room of C_FindObjects: a buffer, the number that it holds and the address for the number found are apart. */
static void get_found(struct sr_in *in, struct sr_room *room)
{
	bool counted = sr_get_place(in);
	sr_get_room(in, sizeof(CK_OBJECT_HANDLE), SR_WIRE_FOUND_MAX, room);
	room->counted = counted;
}

/* -- the words ---------------------------------------------------------------------------------------------------- */
/* What each needs, how it is read, and what of it goes into the answer. SERVING is the call. */
#define SR_NEED_PLAIN(type, name) type name = 0;
#define SR_NEED_NUMBER(type, name) type name;
#define SR_NEED_SLOT(name) CK_SLOT_ID name;
#define SR_NEED_OBJECT(name) CK_OBJECT_HANDLE name;
#define SR_NEED_BYTES(name)  \
	CK_ULONG name##_len; \
	CK_BYTE_PTR name;
#define SR_NEED_LABEL(name) CK_BYTE_PTR name;
#define SR_NEED_TEMPLATE(name) \
	CK_ULONG name##_count; \
	CK_ATTRIBUTE_PTR name;
#define SR_NEED_MECHANISM(name) CK_MECHANISM_PTR name;
#define SR_NEED_PARAMETER(name)                       \
	struct sr_message_parameter name##_parameter; \
	CK_VOID_PTR name;                             \
	CK_ULONG name##_len;
#define SR_NEED_VALUES(name)            \
	struct sr_wanted name##_wanted; \
	CK_ATTRIBUTE_PTR name;          \
	CK_ULONG name##_count;
#define SR_NEED_OUTPUT(name)        \
	struct sr_room name##_room; \
	CK_BYTE_PTR name;           \
	CK_ULONG_PTR name##_len;
#define SR_NEED_FILL(name)          \
	struct sr_room name##_room; \
	CK_BYTE_PTR name;           \
	CK_ULONG name##_len;
#define SR_NEED_LIST(type, name)    \
	struct sr_room name##_room; \
	type name;                  \
	CK_ULONG_PTR name##_count;
#define SR_NEED_FOUND(name)         \
	struct sr_room name##_room; \
	CK_OBJECT_HANDLE_PTR name;  \
	CK_ULONG name##_max;        \
	CK_ULONG_PTR name##_count;
#define SR_NEED_NEW_OBJECT(name)           \
	CK_OBJECT_HANDLE name##_value = 0; \
	CK_OBJECT_HANDLE_PTR name;
#define SR_NEED_RESULT(type, name) \
	CK_ULONG name##_value = 0; \
	type name;
#define SR_NEED_STRUCTURE(type, name) \
	type name##_value = { 0 };    \
	type *name;
#define SR_NEED_SLOT_INFO(name) SR_NEED_STRUCTURE(CK_SLOT_INFO, name)
#define SR_NEED_TOKEN_INFO(name) SR_NEED_STRUCTURE(CK_TOKEN_INFO, name)
#define SR_NEED_SESSION_INFO(name) SR_NEED_STRUCTURE(CK_SESSION_INFO, name)
#define SR_NEED_MECHANISM_INFO(name) SR_NEED_STRUCTURE(CK_MECHANISM_INFO, name)

#define SR_READ_PLAIN(type, name) (void)name;
#define SR_READ_NUMBER(type, name) name = (type)sr_get_ulong(serving->in);
#define SR_READ_SLOT(name) name = sr_get_ulong(serving->in);
#define SR_READ_OBJECT(name) name = sr_get_ulong(serving->in);
#define SR_READ_BYTES(name) name = sr_get_bytes(serving->in, &name##_len, SR_WIRE_DATA_MAX);
#define SR_READ_LABEL(name) name = sr_get_label(serving->in);
#define SR_READ_TEMPLATE(name) name = sr_get_template(serving->in, &name##_count);
#define SR_READ_MECHANISM(name) name = sr_get_mechanism(serving->in);
#define SR_READ_PARAMETER(name)                           \
	sr_get_parameter(serving->in, &name##_parameter); \
	name = name##_parameter.at;                       \
	name##_len = name##_parameter.len;
#define SR_READ_VALUES(name)                        \
	sr_get_wanted(serving->in, &name##_wanted); \
	name = name##_wanted.attributes;            \
	name##_count = name##_wanted.count;
#define SR_READ_OUTPUT(name)                                         \
	sr_get_room(serving->in, 1, SR_WIRE_ROOM_MAX, &name##_room); \
	name = name##_room.at;                                       \
	name##_len = name##_room.counted ? &name##_room.len : NULL;
#define SR_READ_FILL(name)                      \
	sr_get_fill(serving->in, &name##_room); \
	name = name##_room.at;                  \
	name##_len = name##_room.len;
#define SR_READ_LIST(type, name)                                                    \
	sr_get_room(serving->in, sizeof(CK_ULONG), SR_WIRE_LIST_MAX, &name##_room); \
	name = name##_room.at;                                                      \
	name##_count = name##_room.counted ? &name##_room.len : NULL;
#define SR_READ_FOUND(name)                   \
	get_found(serving->in, &name##_room); \
	name = name##_room.at;                \
	name##_max = name##_room.first;       \
	name##_count = name##_room.counted ? &name##_room.len : NULL;
#define SR_READ_PLACE(name) name = sr_get_place(serving->in) ? &name##_value : NULL;
#define SR_READ_NEW_OBJECT(name) SR_READ_PLACE(name)
#define SR_READ_RESULT(type, name) SR_READ_PLACE(name)
#define SR_READ_SLOT_INFO(name) SR_READ_PLACE(name)
#define SR_READ_TOKEN_INFO(name) SR_READ_PLACE(name)
#define SR_READ_SESSION_INFO(name) SR_READ_PLACE(name)
#define SR_READ_MECHANISM_INFO(name) SR_READ_PLACE(name)

#define SR_GIVE_PLAIN(type, name)
#define SR_GIVE_NUMBER(type, name)
#define SR_GIVE_SLOT(name)
#define SR_GIVE_OBJECT(name)
#define SR_GIVE_BYTES(name)
#define SR_GIVE_LABEL(name)
#define SR_GIVE_TEMPLATE(name)
#define SR_GIVE_MECHANISM(name)
#define SR_GIVE_PARAMETER(name) sr_put_parameter_back(serving->out, &name##_parameter);
#define SR_GIVE_VALUES(name) sr_put_values(serving->out, &name##_wanted, serving->rv);
#define SR_GIVE_OUTPUT(name) sr_put_output(serving->out, &name##_room, serving->rv);
#define SR_GIVE_FILL(name) sr_put_filled(serving->out, &name##_room, serving->rv);
#define SR_GIVE_LIST(type, name) sr_put_list(serving->out, &name##_room, serving->rv);
#define SR_GIVE_FOUND(name) put_found(serving, &name##_room);
#define SR_GIVE_NEW_OBJECT(name) put_new_object(serving, name);
#define SR_GIVE_RESULT(type, name) sr_put_result(serving->out, name, serving->rv);
#define SR_GIVE_SLOT_INFO(name) sr_put_slot_info(serving->out, name, serving->rv);
#define SR_GIVE_TOKEN_INFO(name) sr_put_token_info(serving->out, name, serving->rv);
#define SR_GIVE_SESSION_INFO(name) sr_put_session_info(serving->out, name, serving->rv);
#define SR_GIVE_MECHANISM_INFO(name) sr_put_mechanism_info(serving->out, name, serving->rv);

/* -- the calls ---------------------------------------------------------------------------------------------------- */
#define SR_SERVE_MODULE(name, words, args)
#define SR_SERVE_PARALLEL(name, words, args)
#define SR_SERVE_CLIENT(name, words, args)                                                         \
	static bool serve_##name(struct serving *serving)                                          \
	{                                                                                          \
		SR_EACH(SR_NEED_, SR_UNPAREN words)                                                \
		SR_EACH(SR_READ_, SR_UNPAREN words)                                                \
		if (!readable(serving))                                                            \
			return false;                                                              \
		begin_answer(serving, serving->service->calls->name(serving->client SR_AND args)); \
		SR_EACH(SR_GIVE_, SR_UNPAREN words)                                                \
		return true;                                                                       \
	}
#define SR_SERVE_SESSION(name, words, args)                                                                          \
	static bool serve_##name(struct serving *serving)                                                            \
	{                                                                                                            \
		SR_EACH(SR_NEED_, SR_UNPAREN words)                                                                  \
		SR_EACH(SR_READ_, SR_UNPAREN words)                                                                  \
		if (!readable(serving))                                                                              \
			return false;                                                                                \
		begin_answer(serving, serving->service->calls->name(serving->client, serving->session SR_AND args)); \
		SR_EACH(SR_GIVE_, SR_UNPAREN words)                                                                  \
		return true;                                                                                         \
	}
#define SR_CALL(name, section, since, where, status, audit, signature) \
	SR_SERVE_##where(name, signature, SR_ARGS signature)
#include "pkcs11/calls.def"
#undef SR_CALL

#define SR_ROW_MODULE(name)
#define SR_ROW_PARALLEL(name)
#define SR_ROW_CLIENT(name) [SR_ID_##name] = serve_##name,
#define SR_ROW_SESSION(name) [SR_ID_##name] = serve_##name,
#define SR_CALL(name, section, since, where, status, audit, signature) SR_ROW_##where(name)
static bool (*const serve_rows[SR_CALL_COUNT])(struct serving *) = {
#include "pkcs11/calls.def"
};
#undef SR_CALL

/* -- the calls of the wire itself --------------------------------------------------------------------------------- */
static bool serve_waits(struct serving *serving)
{
	bool waits = false;
	CK_RV rv = serving->service->waits(serving->client, serving->session, &waits);
	begin_answer(serving, rv);
	sr_put_u8(serving->out, waits);
	if (waits && serving->service->outcomes)
		atomic_fetch_add_explicit(&serving->service->outcomes->waited, 1, memory_order_relaxed);
	return true;
}

static bool serve_slot_waits(struct serving *serving)
{
	bool waits = false;
	CK_SLOT_ID slot = sr_get_ulong(serving->in);
	if (!readable(serving))
		return false;
	begin_answer(serving, serving->service->slot_waits(serving->client, slot, &waits));
	sr_put_u8(serving->out, waits);
	return true;
}

static bool restore_session(struct serving *serving)
{
	CK_SLOT_ID slot = sr_get_ulong(serving->in);
	CK_FLAGS flags = sr_get_ulong(serving->in);
	bool logged_in = sr_get_place(serving->in);
	if (!readable(serving))
		return false;
	begin_answer(
		serving, serving->service->restore_session(serving->client, serving->session, slot, flags, logged_in));
	return true;
}

static bool restore_object(struct serving *serving)
{
	struct sr_described described = { 0 };
	CK_OBJECT_HANDLE handle = sr_get_ulong(serving->in);
	described.object_class = sr_get_ulong(serving->in);
	described.named = sr_get_place(serving->in);
	const char *id = sr_get_text(serving->in);
	if (!readable(serving) || strlen(id) >= sizeof described.id)
		return false;
	memcpy(described.id, id, strlen(id) + 1);
	/* one that is not there any more is found out when it is used */
	serving->service->restore_object(serving->client, serving->session, handle, &described);
	return true;
}

static bool restore_objects(struct serving *serving)
{
	uint32_t count = sr_get_u32(serving->in);
	if (!readable(serving) || count > SR_WIRE_FOUND_MAX)
		return false;
	for (uint32_t i = 0; i < count; i++) {
		if (!restore_object(serving))
			return false;
	}
	begin_answer(serving, CKR_OK);
	return true;
}

/* The answer holds for a moment: SR_WIRE_LEASE_MS. */
static bool serve_peek(struct serving *serving)
{
	struct sr_peek peek;
	serving->service->peek(serving->client, serving->session, &peek);
	begin_answer(serving, CKR_OK);
	sr_put_u8(serving->out, peek.whole);
	sr_put_u8(serving->out, (uint8_t)peek.count);
	for (size_t i = 0; i < peek.count; i++)
		put_handle(serving, peek.handles[i]);
	sr_put_u8(serving->out, peek.has_length);
	sr_put_ulong(serving->out, peek.length);
	return true;
}

static bool serve_end_search(struct serving *serving)
{
	serving->service->end_search(serving->client, serving->session);
	begin_answer(serving, CKR_OK);
	return true;
}

static bool serve_signs_again(struct serving *serving)
{
	bool again = serving->service->signs_again(serving->client, serving->session);
	begin_answer(serving, CKR_OK);
	sr_put_u16(serving->out, again ? SR_WIRE_LEASE_MS : 0);
	return true;
}

/* -- a request ---------------------------------------------------------------------------------------------------- */
/* OFFER is filled where the call brings its slot's token. */
static bool get_offer(struct sr_in *in, struct sr_offer *offer, bool *given)
{
	CK_ULONG len = 0;
	uint8_t state = sr_get_u8(in);
	*given = state != SR_OFFER_NONE;
	if (state == SR_OFFER_NONE)
		return true;
	if (state == SR_OFFER_UNREADABLE) {
		offer->text = sr_get_text(in);
		return !in->failed;
	}
	offer->generation = sr_get_u64(in);
	offer->pin = (const char *)sr_get_bytes(in, &len, SR_OFFER_MAX);
	offer->len = len;
	return state == SR_OFFER_TOKEN && !in->failed && offer->pin && len <= SR_OFFER_MAX;
}

static bool serve_row(struct serving *serving, uint16_t number)
{
	switch (number) {
	case SR_WIRE_WAITS:
		return serve_waits(serving);
	case SR_WIRE_SLOT_WAITS:
		return serve_slot_waits(serving);
	case SR_WIRE_RESTORE_SESSION:
		return restore_session(serving);
	case SR_WIRE_RESTORE_OBJECTS:
		return restore_objects(serving);
	case SR_WIRE_PEEK:
		return serve_peek(serving);
	case SR_WIRE_END_SEARCH:
		return serve_end_search(serving);
	case SR_WIRE_SIGNS_AGAIN:
		return serve_signs_again(serving);
	default:
		return number < SR_CALL_COUNT && serve_rows[number] && serve_rows[number](serving);
	}
}

static bool is_of_client(uint16_t number)
{
	return number < SR_CALL_COUNT && sr_call_rows[number].where == SR_WHERE_CLIENT;
}

static bool serve_one(struct serving *serving)
{
	struct sr_offer offer = { 0 };
	bool given = false;
	uint16_t number = sr_get_u16(serving->in);
	if (!is_of_client(number)) {
		serving->session = sr_get_ulong(serving->in);
		if (!get_offer(serving->in, &offer, &given))
			return false;
	}
	if (serving->in->failed)
		return false;
	if (serving->service->from)
		serving->service->from(serving->peer, given ? &offer : NULL);
	bool served = serve_row(serving, number);
	if (serving->service->from)
		serving->service->from(NULL, NULL);
	return served;
}

bool sr_serve(const struct sr_service *service, struct sr_client *client, const struct sr_peer *peer,
	struct sr_buf *request, struct sr_buf *answer)
{
	struct sr_arena arena = SR_ARENA_INIT;
	arena.shared = service->memory;
	struct sr_in in = { .at = request->data, .left = request->len, .arena = &arena };
	struct serving serving = { .service = service, .client = client, .peer = peer, .in = &in, .out = answer };
	bool good = in.left > 0;
	for (unsigned calls = 0; good && in.left && serving.rv == CKR_OK; calls++)
		good = calls < SR_WIRE_CALLS_MAX && serve_one(&serving) && !answer->failed &&
		       answer->len <= SR_WIRE_BODY_MAX;
	sr_arena_clear(&arena);
	return good;
}
