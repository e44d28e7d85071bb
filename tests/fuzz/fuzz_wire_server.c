/* A request as a client sends it, over calls that touch whatever they get. The first byte chooses what they answer; the
 * rest is the body of the message, in a block of its own size. What is answered can be read: code after code, the first
 * that failed is the last. */
#include "tests/fuzz/fuzz.h"
#include "tests/unit/fake_calls.h"

static const CK_RV codes[] = { CKR_OK, CKR_BUFFER_TOO_SMALL, CKR_ATTRIBUTE_SENSITIVE, CKR_KEY_HANDLE_INVALID };

static void look_at(struct sr_buf *answer)
{
	struct sr_arena arena = SR_ARENA_INIT;
	struct sr_in in = { answer->data, answer->len, false, &arena };
	struct sr_error told = SR_ERROR_INIT;
	must(!answer->failed && answer->len <= SR_WIRE_BODY_MAX);
	sr_error_get(&in, &told);
	must(!in.failed && (told.rv == sr_fake.rv || told.rv == CKR_OK));
	sr_arena_clear(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct sr_peer peer = { .kind = SR_PEER_UNIX };
	struct sr_buf answer = SR_BUF_INIT;
	if (!size)
		return 0;
	size_t len = size - 1;
	uint8_t *block = malloc(len ? len : 1);
	must(block);
	memcpy(block, data + 1, len);
	struct sr_buf request = { block, len, len, false };
	sr_fake_reset();
	sr_fake.rv = codes[data[0] % (sizeof codes / sizeof codes[0])];
	if (sr_serve(&sr_fake_service, NULL, &peer, &request, &answer))
		look_at(&answer);
	must(sr_fake.calls <= SR_WIRE_CALLS_MAX);
	sr_buf_clear(&answer);
	free(block);
	return 0;
}
