/* Frames and the messages that are no calls. The first byte chooses: 0 a stream of frames, 1 a hello, 2 a welcome, 3 a
 * failure. A stream holds the same messages whether it comes at once or byte by byte; what was read and is written
 * again is the same. */
#include "tests/fuzz/fuzz.h"

#include "wire/message.h"

#define KINDS 4
#define STREAM_MAX 4096

/* -- frames -------------------------------------------------------------------------------------------------------- */
/* What a stream holds, as one hash; -1 at its end where it is none. */
struct heard {
	uint64_t sum;
	unsigned messages;
	bool broken;
};

static void hear(struct sr_assembly *assembly, struct heard *heard)
{
	struct sr_buf message = SR_BUF_INIT;
	enum sr_message_kind kind;
	int taken;
	while (!heard->broken && (taken = sr_assembly_take(assembly, SR_WIRE_BODY_MAX, &message, &kind)) != 0) {
		heard->broken = taken < 0;
		if (taken < 0)
			break;
		must(kind >= SR_MESSAGE_HELLO && kind < SR_MESSAGE_KIND_END && message.len <= SR_WIRE_BODY_MAX);
		heard->messages++;
		heard->sum = (heard->sum ^ (uint64_t)kind) * 1099511628211u;
		for (size_t i = 0; i < message.len; i++)
			heard->sum = (heard->sum ^ message.data[i]) * 1099511628211u;
		sr_buf_clear(&message);
	}
}

static struct heard listen_to(const uint8_t *data, size_t size, size_t step)
{
	struct sr_assembly assembly = { 0 };
	struct heard heard = { 0 };
	for (size_t at = 0; at < size && !heard.broken; at += step) {
		must(at == 0 || sr_assembly_wanted(&assembly) > 0 || assembly.begun);
		sr_buf_append(&assembly.in, data + at, size - at < step ? size - at : step);
		hear(&assembly, &heard);
	}
	sr_assembly_clear(&assembly);
	return heard;
}

static void stream(const uint8_t *data, size_t size)
{
	if (!size || size > STREAM_MAX)
		return;
	struct heard whole = listen_to(data, size, size), pieces = listen_to(data, size, 1);
	must(whole.sum == pieces.sum && whole.messages == pieces.messages && whole.broken == pieces.broken);
}

/* -- messages: read, and written again -------------------------------------------------------------------------------
 */
static void hello(struct sr_in *in, struct sr_buf *again)
{
	struct sr_hello hello;
	sr_hello_get(in, &hello);
	if (!in->failed)
		sr_hello_put(again, &hello);
}

static void welcome(struct sr_in *in, struct sr_buf *again)
{
	struct sr_welcome welcome;
	sr_welcome_get(in, &welcome);
	if (!in->failed)
		sr_welcome_put(again, &welcome);
}

/* Its line may come out shorter, and never dirty. */
static void failure(struct sr_in *in)
{
	struct sr_error told = SR_ERROR_INIT;
	sr_error_get(in, &told);
	must(memchr(told.text, '\0', sizeof told.text));
	for (const char *c = told.text; *c; c++)
		must((unsigned char)*c >= ' ' && *c != 0x7f);
}

static void read_message(uint8_t kind, const uint8_t *data, size_t len)
{
	struct sr_arena arena = SR_ARENA_INIT;
	struct sr_buf again = SR_BUF_INIT;
	uint8_t *block = malloc(len ? len : 1);
	must(block);
	memcpy(block, data, len);
	struct sr_in in = { block, len, false, &arena };
	if (kind == 3)
		failure(&in);
	else if (kind == 2)
		welcome(&in, &again);
	else
		hello(&in, &again);
	if (kind != 3 && !in.failed)
		must(again.len == len && memcmp(again.data, data, len) == 0);
	sr_buf_clear(&again);
	sr_arena_clear(&arena);
	free(block);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (!size)
		return 0;
	uint8_t kind = data[0] % KINDS;
	if (kind)
		read_message(kind, data + 1, size - 1);
	else
		stream(data + 1, size - 1);
	return 0;
}
