/* Samples of the calls, made from the table. */
#include "tests/unit/wire_rows.h"

#include "wire/argument.h"
#include "wire/mechanism.h"
#include "wire/message.h"
#include "wire/template.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#define BLOCKS_MAX 128
#define GIVEN_LEN 9
#define ROOM 20
#define ITEMS 6

#ifdef __has_feature
#define SANITIZED __has_feature(address_sanitizer)
#elif defined(__SANITIZE_ADDRESS__)
#define SANITIZED 1
#else
#define SANITIZED 0
#endif
#define TAIL (SANITIZED ? 0 : 16)
#define CANARY 0xa5

static struct {
	uint8_t *at;
	size_t len;
	size_t summed;
} blocks[BLOCKS_MAX];
static size_t block_count;
static unsigned nulls;
static unsigned pointers;

void sr_row_nulls(unsigned which)
{
	nulls = which;
}

bool sr_row_end(void)
{
	bool whole = true;
	while (block_count) {
		block_count--;
		for (size_t i = 0; i < TAIL; i++)
			whole = whole && blocks[block_count].at[blocks[block_count].len + i] == CANARY;
		free(blocks[block_count].at);
	}
	return whole;
}

uint64_t sr_row_sum(void)
{
	uint64_t sum = 14695981039346656037u; /* FNV-1a */
	for (size_t b = 0; b < block_count; b++) {
		for (size_t i = 0; i < blocks[b].summed; i++)
			sum = (sum ^ blocks[b].at[i]) * 1099511628211u;
	}
	return sum;
}

static void *block(size_t len, size_t summed)
{
	uint8_t *made = malloc(len + TAIL);
	if (!made || block_count == BLOCKS_MAX)
		abort();
	for (size_t i = 0; i < len + TAIL; i++)
		made[i] = i < len ? (uint8_t)(i + 1) : CANARY;
	blocks[block_count].at = made;
	blocks[block_count].len = len;
	blocks[block_count++].summed = summed;
	return made;
}

static void *sample(size_t len)
{
	return block(len, len);
}

static void *structure(const void *from, size_t size)
{
	return memcpy(block(size, 0), from, size);
}

static void *number(CK_ULONG value)
{
	return memcpy(sample(sizeof value), &value, sizeof value);
}

static void *given(void *at)
{
	return nulls >> pointers++ & 1 ? NULL : at;
}

/* -- structures ---------------------------------------------------------------------------------------------------- */
static void *template_given(CK_ULONG *count)
{
	const CK_ATTRIBUTE attributes[] = { { CKA_CLASS, number(CKO_SECRET_KEY), sizeof(CK_ULONG) },
		{ CKA_LABEL, sample(5), 5 }, { CKA_ALLOWED_MECHANISMS, sample(16), 16 }, { CKA_ID, NULL, 0 } };
	*count = sizeof attributes / sizeof attributes[0];
	return structure(attributes, sizeof attributes);
}

static void *template_wanted(CK_ULONG *count)
{
	const CK_ATTRIBUTE attributes[] = { { CKA_LABEL, sample(10), 10 },
		{ CKA_CLASS, sample(sizeof(CK_ULONG)), sizeof(CK_ULONG) }, { CKA_ALLOWED_MECHANISMS, sample(24), 24 },
		{ CKA_VALUE, NULL, 0 }, { CKA_WRAP_TEMPLATE, NULL, 0 } };
	*count = sizeof attributes / sizeof attributes[0];
	return structure(attributes, sizeof attributes);
}

static void *mechanism_given(void)
{
	const CK_GCM_PARAMS gcm = { sample(12), 12, 96, sample(7), 7, 128 };
	const CK_MECHANISM mechanism = { CKM_AES_GCM, structure(&gcm, sizeof gcm), sizeof gcm };
	return structure(&mechanism, sizeof mechanism);
}

static void *parameter_given(void)
{
	const CK_GCM_MESSAGE_PARAMS message = { sample(12), 12, 0, CKG_GENERATE, sample(16), 128 };
	return structure(&message, sizeof message);
}

/* -- the words: a new one says here what it is in a sample, and how a client asks it ---------------------------------
 */
#define GIVE_PLAIN(type, name) type name = 0;
#define GIVE_NUMBER(type, name) type name = 3;
#define GIVE_SLOT(name) CK_SLOT_ID name = 77;
#define GIVE_OBJECT(name) CK_OBJECT_HANDLE name = 0x2001;
#define GIVE_BYTES(name)                             \
	CK_BYTE_PTR name = given(sample(GIVEN_LEN)); \
	CK_ULONG name##_len = GIVEN_LEN;
#define GIVE_LABEL(name) CK_BYTE_PTR name = given(sample(32));
#define GIVE_TEMPLATE(name)    \
	CK_ULONG name##_count; \
	CK_ATTRIBUTE_PTR name = given(template_given(&name##_count));
#define GIVE_MECHANISM(name) CK_MECHANISM_PTR name = given(mechanism_given());
#define GIVE_PARAMETER(name)                         \
	CK_VOID_PTR name = given(parameter_given()); \
	CK_ULONG name##_len = sizeof(CK_GCM_MESSAGE_PARAMS);
#define GIVE_VALUES(name)      \
	CK_ULONG name##_count; \
	CK_ATTRIBUTE_PTR name = given(template_wanted(&name##_count));
#define GIVE_OUTPUT(name)                       \
	CK_BYTE_PTR name = given(sample(ROOM)); \
	CK_ULONG_PTR name##_len = given(number(ROOM));
#define GIVE_FILL(name)                         \
	CK_BYTE_PTR name = given(sample(ROOM)); \
	CK_ULONG name##_len = ROOM;
#define GIVE_LIST(type, name)                                \
	type name = given(sample(ITEMS * sizeof(CK_ULONG))); \
	CK_ULONG_PTR name##_count = given(number(ITEMS));
#define GIVE_FOUND(name)                                                     \
	CK_OBJECT_HANDLE_PTR name = given(sample(ITEMS * sizeof(CK_ULONG))); \
	CK_ULONG name##_max = ITEMS;                                         \
	CK_ULONG_PTR name##_count = given(number(0));
#define GIVE_NEW_OBJECT(name) CK_OBJECT_HANDLE_PTR name = given(number(0));
#define GIVE_RESULT(type, name) type name = given(number(0));
/* What the compiler leaves behind the last field is nobody's. */
#define END_OF(type, field) (offsetof(type, field) + sizeof(((type *)0)->field))
#define GIVE_SLOT_INFO(name) CK_SLOT_INFO_PTR name = given(block(sizeof *name, END_OF(CK_SLOT_INFO, firmwareVersion)));
#define GIVE_TOKEN_INFO(name) CK_TOKEN_INFO_PTR name = given(block(sizeof *name, END_OF(CK_TOKEN_INFO, utcTime)));
#define GIVE_MECHANISM_INFO(name) \
	CK_MECHANISM_INFO_PTR name = given(block(sizeof *name, END_OF(CK_MECHANISM_INFO, flags)));
#define GIVE_SESSION_INFO(name) \
	CK_SESSION_INFO_PTR name = given(block(sizeof *name, END_OF(CK_SESSION_INFO, ulDeviceError)));

#define ASK_PLAIN(type, name) (void)name;
#define ASK_NUMBER(type, name) sr_put_ulong(out, name);
#define ASK_SLOT(name) sr_put_ulong(out, name);
#define ASK_OBJECT(name) sr_put_ulong(out, name);
#define ASK_BYTES(name) sr_put_bytes(out, name, name##_len, SR_WIRE_DATA_MAX);
#define ASK_LABEL(name) sr_put_label(out, name);
#define ASK_TEMPLATE(name) sr_put_template(out, name, name##_count);
#define ASK_MECHANISM(name) sr_put_mechanism(out, name);
#define ASK_PARAMETER(name) sr_put_parameter(out, name, name##_len);
#define ASK_VALUES(name) sr_put_wanted(out, name, name##_count);
#define ASK_OUTPUT(name) sr_put_room(out, name, name##_len);
#define ASK_FILL(name) sr_put_fill(out, name, name##_len);
#define ASK_LIST(type, name) sr_put_room(out, name, name##_count);
#define ASK_FOUND(name)                  \
	sr_put_place(out, name##_count); \
	sr_put_room(out, name, &name##_max);
#define ASK_NEW_OBJECT(name) sr_put_place(out, name);
#define ASK_RESULT(type, name) sr_put_place(out, name);
#define ASK_SLOT_INFO(name) sr_put_place(out, name);
#define ASK_TOKEN_INFO(name) sr_put_place(out, name);
#define ASK_MECHANISM_INFO(name) sr_put_place(out, name);
#define ASK_SESSION_INFO(name) sr_put_place(out, name);

/* -- the rows ------------------------------------------------------------------------------------------------------ */
#define ROW_MODULE(name, words, args)
#define ROW_PARALLEL(name, words, args)
#define ROW_CLIENT(name, words, args)                                                                          \
	static CK_RV call_##name(const struct sr_calls *calls, struct sr_client *client, CK_SESSION_HANDLE of) \
	{                                                                                                      \
		(void)of;                                                                                      \
		SR_EACH(GIVE_, SR_UNPAREN words)                                                               \
		return calls->name(client SR_AND args);                                                        \
	}                                                                                                      \
	ROW_ASKED(name, words)
#define ROW_SESSION(name, words, args)                                                                         \
	static CK_RV call_##name(const struct sr_calls *calls, struct sr_client *client, CK_SESSION_HANDLE of) \
	{                                                                                                      \
		SR_EACH(GIVE_, SR_UNPAREN words)                                                               \
		return calls->name(client, of SR_AND args);                                                    \
	}                                                                                                      \
	ROW_ASKED(name, words)
#define ROW_ASKED(name, words)                     \
	static void ask_##name(struct sr_buf *out) \
	{                                          \
		(void)out;                         \
		SR_EACH(GIVE_, SR_UNPAREN words)   \
		SR_EACH(ASK_, SR_UNPAREN words)    \
	}
#define SR_CALL(name, section, since, where, status, audit, signature) ROW_##where(name, signature, SR_ARGS signature)
#include "pkcs11/calls.def"
#undef SR_CALL

static const struct {
	CK_RV (*call)(const struct sr_calls *calls, struct sr_client *client, CK_SESSION_HANDLE session);
	void (*ask)(struct sr_buf *out);
} rows[SR_CALL_COUNT] = {
#define SAMPLE_MODULE(name)
#define SAMPLE_PARALLEL(name)
#define SAMPLE_CLIENT(name) [SR_ID_##name] = { call_##name, ask_##name },
#define SAMPLE_SESSION(name) SAMPLE_CLIENT(name)
#define SR_CALL(name, section, since, where, status, audit, signature) SAMPLE_##where(name)
#include "pkcs11/calls.def"
#undef SR_CALL
};

bool sr_row_has(unsigned id)
{
	return id < SR_CALL_COUNT && rows[id].call;
}

CK_RV sr_row_call(unsigned id, const struct sr_calls *calls, struct sr_client *client, CK_SESSION_HANDLE session)
{
	pointers = 0;
	return rows[id].call(calls, client, session);
}

void sr_row_ask(unsigned id, struct sr_buf *out)
{
	pointers = 0;
	rows[id].ask(out);
}

void sr_row_request(unsigned id, CK_SESSION_HANDLE session, struct sr_buf *out)
{
	sr_put_u16(out, (uint16_t)id);
	if (sr_call_rows[id].where == SR_WHERE_SESSION) {
		sr_put_ulong(out, session);
		sr_put_u8(out, SR_OFFER_NONE);
	}
	if (sr_row_has(id))
		sr_row_ask(id, out);
}
