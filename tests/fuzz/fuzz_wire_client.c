/* What a server says, as a stream of bytes into a client. The first byte chooses a call, the second how many bytes come
 * with each read. The client says hello, opens a session, makes that call, logs in, and makes it again; whatever it is
 * answered, nothing is written beyond the buffers of the call. The stream goes on where a connection was given up,
 * until it ends: then there is no server. */
#include "tests/fuzz/fuzz.h"
#include "tests/unit/wire_rows.h"

#include "module/module.h"
#include "wire/client.h"

#include <sys/eventfd.h>

CK_RV __wrap_sr_remote_connect(const struct sr_config *config, struct sr_channel **channel, struct sr_error *err);

static const uint8_t *stream;
static size_t left;
static size_t piece;

/* -- the server -------------------------------------------------------------------------------------------------------
 */
static ssize_t read_stream(struct sr_channel *channel, void *to, size_t len)
{
	(void)channel;
	size_t take = left < piece ? left : piece;
	take = take < len ? take : len;
	if (take)
		memcpy(to, stream, take);
	stream += take;
	left -= take;
	return (ssize_t)take;
}

static ssize_t write_stream(struct sr_channel *channel, const void *from, size_t len)
{
	(void)channel;
	(void)from;
	return (ssize_t)len;
}

static bool is_buffered(const struct sr_channel *channel)
{
	(void)channel;
	return false;
}

static void close_stream(struct sr_channel *channel, bool shared)
{
	(void)shared;
	free(channel);
}

static const struct sr_channel_kind kind = { read_stream, write_stream, is_buffered, close_stream };

CK_RV __wrap_sr_remote_connect(const struct sr_config *config, struct sr_channel **channel, struct sr_error *err)
{
	static int quiet = -1; /* never readable: nothing comes between two calls */
	(void)config;
	if (quiet < 0)
		quiet = eventfd(0, EFD_CLOEXEC);
	if (!left)
		return sr_fail(err, CKR_TOKEN_NOT_PRESENT, SR_REASON_SERVER_AWAY, "the stream has ended");
	*channel = malloc(sizeof **channel);
	must(*channel);
	**channel = (struct sr_channel){ &kind, quiet };
	return CKR_OK;
}

CK_RV sr_library_tls(sr_tls_connect_fn **connect, struct sr_error *err)
{
	(void)connect;
	return sr_fail(err, CKR_GENERAL_ERROR, SR_REASON_INTERNAL, "no TLS here");
}

/* -- the application --------------------------------------------------------------------------------------------------
 */
static void make(unsigned id, struct sr_client *client, CK_SESSION_HANDLE session)
{
	client->next_try_ms = 0;
	sr_row_call(id, sr_remote_backend.calls, client, session);
	must(sr_row_end());
}

static void use(unsigned id, struct sr_client *client)
{
	static const char token[] = "srt_0123456789";
	const struct sr_calls *calls = sr_remote_backend.calls;
	CK_SESSION_HANDLE session = 1;
	calls->C_OpenSession(client, client->slots[0].shown, CKF_SERIAL_SESSION, NULL, NULL, &session);
	make(id, client, session);
	calls->C_Login(client, session, CKU_USER, (CK_BYTE *)token, sizeof token - 1);
	make(id, client, session);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct sr_slot_config slot = { .name = (char *)"one" };
	struct sr_config config = { .server = { .kind = SR_SERVER_UNIX, .path = (char *)"/nowhere" }, .slot_count = 1 };
	struct sr_client *client;
	struct sr_error err = SR_ERROR_INIT;
	if (size < 2)
		return 0;
	unsigned id = data[0] % SR_CALL_COUNT;
	piece = data[1] ? data[1] : 4096;
	stream = data + 2;
	left = size - 2;
	config.slots[0] = slot;
	must(sr_remote_backend.open(&config, &client, &err) == CKR_OK);
	if (sr_row_has(id))
		use(id, client);
	sr_remote_backend.close(client);
	return 0;
}
