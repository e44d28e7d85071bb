/* What a peer sends of values. The first byte chooses: 0 a template, 1 attributes that are asked for, 2 a mechanism, 3
 * the parameter of a message, all as the server reads them; 4 an answer to an application's question, 5 an IV and a tag
 * that come back, as the client does. The rest is the message, in a block of its own size. What was read is looked at
 * to its last byte, and sent again: that is read as the same. */
#include "tests/fuzz/fuzz.h"

#include "wire/mechanism.h"
#include "wire/template.h"

#define KINDS 6
#define CANARY 0xa5

static volatile uint8_t touched;

static void touch(const void *at, CK_ULONG len)
{
	const uint8_t *bytes = at;
	must(!at || len <= SR_WITHHELD_LEN);
	for (CK_ULONG i = 0; at && i<len; i += len> SR_WIRE_VALUE_MAX ? 65536 : 1)
		touched = bytes[i];
}

/* -- read by the server -------------------------------------------------------------------------------------------- */
static void again_template(struct sr_in *in, struct sr_buf *out)
{
	CK_ULONG count;
	const CK_ATTRIBUTE *template = sr_get_template(in, &count);
	must(!in->failed || (!template && !count));
	for (CK_ULONG i = 0; template && count <= SR_WIRE_ATTRIBUTES_MAX && i < count; i++)
		touch(template[i].pValue, template[i].ulValueLen);
	sr_put_template(out, template, count);
}

static void again_wanted(struct sr_in *in, struct sr_buf *out)
{
	struct sr_wanted wanted;
	sr_get_wanted(in, &wanted);
	must(!in->failed || (!wanted.attributes && !wanted.count && !wanted.rooms));
	sr_put_wanted(out, wanted.attributes, wanted.count);
	for (CK_ULONG i = 0; wanted.attributes && wanted.count <= SR_WIRE_ATTRIBUTES_MAX && i < wanted.count; i++) {
		const CK_ATTRIBUTE *at = &wanted.attributes[i];
		must(at->ulValueLen == wanted.rooms[i] && at->ulValueLen <= SR_WIRE_VALUE_MAX);
		if (at->pValue)
			memset(at->pValue, CANARY, at->ulValueLen);
	}
	struct sr_buf answer = SR_BUF_INIT;
	sr_put_values(&answer, &wanted, CKR_OK);
	sr_buf_clear(&answer);
}

/* Sending it again reads whatever its parts say. */
static void again_mechanism(struct sr_in *in, struct sr_buf *out)
{
	const CK_MECHANISM *mechanism = sr_get_mechanism(in);
	must(!in->failed || !mechanism);
	if (mechanism)
		touch(mechanism->pParameter, mechanism->ulParameterLen);
	sr_put_mechanism(out, mechanism);
}

static void again_parameter(struct sr_in *in, struct sr_buf *out)
{
	struct sr_message_parameter parameter;
	sr_get_parameter(in, &parameter);
	must(!in->failed || (!parameter.at && !parameter.len));
	touch(parameter.at, parameter.len);
	sr_put_parameter(out, parameter.at, parameter.len);
	if (!parameter.at || parameter.len != sizeof(CK_GCM_MESSAGE_PARAMS))
		return;
	const CK_GCM_MESSAGE_PARAMS *params = parameter.at; /* and what the call layer writes */
	if (params->pIv && params->ulIvLen <= 256)
		memset(params->pIv, CANARY, params->ulIvLen);
	if (params->pTag && params->ulTagBits <= 128)
		memset(params->pTag, CANARY, (params->ulTagBits + 7) / 8);
	struct sr_buf back = SR_BUF_INIT;
	sr_put_parameter_back(&back, &parameter);
	must(!back.failed && back.len);
	sr_buf_clear(&back);
}

/* -- read by the client: each buffer of its own size --------------------------------------------------------------- */
static void *buffer(size_t len)
{
	uint8_t *at = malloc(len);
	must(at);
	memset(at, CANARY, len);
	return at;
}

static void read_values(struct sr_in *in)
{
	CK_ATTRIBUTE asked[] = { { CKA_LABEL, buffer(10), 10 }, { CKA_CLASS, buffer(8), 8 },
		{ CKA_ALLOWED_MECHANISMS, buffer(24), 24 }, { CKA_VALUE, NULL, 9 },
		{ CKA_ID, buffer(1), CK_UNAVAILABLE_INFORMATION }, { CKA_WRAP_TEMPLATE, buffer(24), 24 } };
	static const CK_ULONG rooms[] = { 10, 8, 24, 0, 0, 24 };
	enum { ASKED = sizeof asked / sizeof asked[0] };
	sr_get_values(in, asked, ASKED);
	for (size_t i = 0; i < ASKED; i++) {
		must(!asked[i].pValue || asked[i].ulValueLen <= rooms[i] ||
			asked[i].ulValueLen == CK_UNAVAILABLE_INFORMATION);
		must(asked[i].type != CKA_WRAP_TEMPLATE || *(uint8_t *)asked[i].pValue == CANARY);
		free(asked[i].pValue);
	}
}

static void read_back(struct sr_in *in)
{
	CK_GCM_MESSAGE_PARAMS params = { buffer(12), 12, 0, 0, buffer(16), 128 };
	sr_get_parameter_back(in, &params, sizeof params);
	must(!in->failed || (*params.pIv == CANARY && *params.pTag == CANARY));
	free(params.pIv);
	free(params.pTag);
}

/* -- the whole ----------------------------------------------------------------------------------------------------- */
static void (*const again[])(
	struct sr_in *in, struct sr_buf *out) = { again_template, again_wanted, again_mechanism, again_parameter };

/* What was read goes out as it can come in again, and is then the same to its last byte. */
static void go_again(void (*reads)(struct sr_in *in, struct sr_buf *out), struct sr_buf *first)
{
	struct sr_arena arena = SR_ARENA_INIT;
	struct sr_buf second = SR_BUF_INIT;
	struct sr_buf kept = SR_BUF_INIT;
	sr_buf_append(&kept, first->data, first->len);
	struct sr_in in = { first->data, first->len, false, &arena };
	reads(&in, &second);
	must(!in.failed && !in.left && !second.failed);
	must(second.len == kept.len && memcmp(second.data, kept.data, kept.len) == 0);
	sr_buf_clear(&kept);
	sr_buf_clear(&second);
	sr_arena_clear(&arena);
}

static void read_message(uint8_t kind, struct sr_in *in)
{
	struct sr_buf out = SR_BUF_INIT;
	if (kind == KINDS - 2)
		read_values(in);
	else if (kind == KINDS - 1)
		read_back(in);
	else {
		again[kind](in, &out);
		must(!out.failed);
		if (!in->failed)
			go_again(again[kind], &out);
	}
	sr_buf_clear(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (!size)
		return 0;
	struct sr_arena arena = SR_ARENA_INIT;
	size_t len = size - 1;
	uint8_t *block = malloc(len ? len : 1);
	must(block);
	memcpy(block, data + 1, len);
	struct sr_in in = { block, len, false, &arena };
	read_message(data[0] % KINDS, &in);
	free(block);
	sr_arena_clear(&arena);
	return 0;
}
