/* make_wire_seeds DIR: writes DIR/fuzz_wire_{server,client,message}/NAME: what a client sends and a server answers,
 * each by its own encoding. Run it when the wire changes. */
#include "tests/unit/fake_calls.h"
#include "tests/unit/wire_rows.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *into;

static void write_seed(const char *target, const char *name, const struct sr_buf *seed)
{
	char path[4096];
	snprintf(path, sizeof path, "%s/%s/%s", into, target, name);
	FILE *file = fopen(path, "wb");
	if (!file || seed->failed || fwrite(seed->data, 1, seed->len, file) != seed->len || fclose(file) != 0) {
		perror(path);
		exit(1);
	}
}

static void put_welcome(struct sr_buf *out)
{
	struct sr_welcome welcome = {
		.version = SR_WIRE_VERSION, .vault = "vault", .slot_count = 2, .slots = { 71, 72 }
	};
	sr_welcome_put(out, &welcome);
}

static void put_answer(unsigned id, struct sr_buf *out)
{
	static const struct sr_peer peer = { .kind = SR_PEER_UNIX };
	struct sr_buf request = SR_BUF_INIT;
	sr_row_request(id, 0x1001, &request);
	if (!sr_serve(&sr_fake_service, NULL, &peer, &request, out))
		exit(1);
	sr_buf_clear(&request);
	sr_row_end();
}

static void put_framed_answer(unsigned id, struct sr_buf *out)
{
	struct sr_buf body = SR_BUF_INIT;
	put_answer(id, &body);
	sr_frames_put(out, SR_MESSAGE_ANSWER, &body);
	sr_buf_clear(&body);
}

/* The whole of a conversation of fuzz_wire_client. */
static void seed_client(unsigned id)
{
	struct sr_buf seed = SR_BUF_INIT, body = SR_BUF_INIT;
	sr_put_u8(&seed, (uint8_t)id);
	sr_put_u8(&seed, 0);
	put_welcome(&body);
	sr_frames_put(&seed, SR_MESSAGE_WELCOME, &body);
	put_framed_answer(SR_ID_C_OpenSession, &seed);
	put_framed_answer(id, &seed);
	put_framed_answer(SR_ID_C_Login, &seed);
	put_framed_answer(id, &seed);
	write_seed("fuzz_wire_client", sr_call_rows[id].name, &seed);
	sr_buf_clear(&seed);
	sr_buf_clear(&body);
}

static void seed_server(unsigned id)
{
	struct sr_buf seed = SR_BUF_INIT;
	sr_put_u8(&seed, 0);
	sr_row_request(id, 0x1001, &seed);
	write_seed("fuzz_wire_server", sr_call_rows[id].name, &seed);
	sr_buf_clear(&seed);
	sr_row_end();
}

static void seed_restoration(void)
{
	struct sr_buf seed = SR_BUF_INIT;
	sr_put_u8(&seed, 0);
	sr_put_u16(&seed, SR_WIRE_RESTORE_SESSION);
	sr_put_ulong(&seed, 0x1001);
	sr_put_u8(&seed, SR_OFFER_TOKEN);
	sr_put_u64(&seed, 7);
	sr_put_bytes(&seed, "srt_x", 5, SR_OFFER_MAX);
	sr_put_ulong(&seed, 71);
	sr_put_ulong(&seed, CKF_SERIAL_SESSION);
	sr_put_u8(&seed, 1);
	sr_put_u16(&seed, SR_WIRE_RESTORE_OBJECTS);
	sr_put_ulong(&seed, 0x1001);
	sr_put_u8(&seed, SR_OFFER_NONE);
	sr_put_u32(&seed, 1);
	sr_put_ulong(&seed, 0x2001);
	sr_put_ulong(&seed, CKO_SECRET_KEY);
	sr_put_u8(&seed, 1);
	sr_put_text(&seed, "key");
	write_seed("fuzz_wire_server", "restoration", &seed);
	sr_buf_clear(&seed);
}

static void seed_message(void)
{
	static const uint8_t secret[SR_WIRE_SECRET_LEN] = { 1 };
	struct sr_buf seed = SR_BUF_INIT, body = SR_BUF_INIT;
	struct sr_hello hello = { 1, 1, secret, 1, 2, 2, { { "one", true }, { "two", false } } };
	struct sr_error err = { CKR_PIN_INCORRECT, 0, "a line" };
	sr_hello_put(&body, &hello);
	sr_put_u8(&seed, 0);
	sr_frames_put(&seed, SR_MESSAGE_HELLO, &body);
	sr_frames_put(&seed, SR_MESSAGE_REQUEST, &body);
	write_seed("fuzz_wire_message", "stream", &seed);
	sr_buf_clear(&seed);
	sr_put_u8(&seed, 1);
	sr_hello_put(&seed, &hello);
	write_seed("fuzz_wire_message", "hello", &seed);
	sr_buf_clear(&seed);
	sr_put_u8(&seed, 2);
	put_welcome(&seed);
	write_seed("fuzz_wire_message", "welcome", &seed);
	sr_buf_clear(&seed);
	sr_put_u8(&seed, 3);
	sr_error_put(&seed, &err);
	write_seed("fuzz_wire_message", "failure", &seed);
	sr_buf_clear(&seed);
	sr_buf_clear(&body);
}

int main(int argc, char **argv)
{
	static const enum sr_call_id ids[] = { SR_ID_C_GetSlotList, SR_ID_C_GetTokenInfo, SR_ID_C_InitToken,
		SR_ID_C_GetAttributeValue, SR_ID_C_CreateObject, SR_ID_C_FindObjects, SR_ID_C_EncryptInit,
		SR_ID_C_EncryptMessage, SR_ID_C_Sign, SR_ID_C_GenerateKeyPair, SR_ID_C_GenerateRandom };
	if (argc != 2)
		return 2;
	into = argv[1];
	sr_fake_reset();
	for (size_t i = 0; i < sizeof ids / sizeof ids[0]; i++) {
		seed_server(ids[i]);
		seed_client(ids[i]);
	}
	seed_restoration();
	seed_message();
	return 0;
}
