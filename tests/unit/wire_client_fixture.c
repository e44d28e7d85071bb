/* A client of a scripted server. */
#include "tests/unit/wire_client_fixture.h"

#include "module/module.h"
#include "tests/unit/fake_calls.h"
#include "tests/unit/wire_rows.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

char path[100];
char token_file[100];
const struct sr_calls *calls;
struct sr_client *client;
struct sr_error err;
static char dir[64];
static struct sr_config config;
static struct sr_slot_config slots[2];

/* The module loads TLS when it needs it (module/library.c); it is linked in here. */
CK_RV sr_library_tls(sr_tls_connect_fn **connect, struct sr_error *error)
{
	(void)error;
	*connect = sr_tls_connect;
	return CKR_OK;
}

static void open_client(void)
{
	calls = sr_remote_backend.calls;
	config = (struct sr_config){ .server = { .kind = SR_SERVER_UNIX, .path = path }, .slot_count = 2 };
	slots[0] = (struct sr_slot_config){ .name = (char *)"one" };
	slots[1] = (struct sr_slot_config){ .name = (char *)"two", .token_file = token_file };
	memcpy(config.slots, slots, sizeof slots);
	ck_assert_uint_eq(sr_remote_backend.open(&config, &client, &err), CKR_OK);
}

void wire_client_begin(void)
{
	strcpy(dir, "/tmp/check-wire-client-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(dir));
	snprintf(path, sizeof path, "%s/socket", dir);
	snprintf(token_file, sizeof token_file, "%s/token", dir);
	sr_error_clear(&err);
	sr_row_nulls(0);
	sr_fake_reset();
	ck_assert(sr_script_start(path));
	open_client();
}

void wire_client_end(void)
{
	sr_remote_backend.close(client);
	sr_script_stop();
	ck_assert(sr_row_end());
	unlink(path);
	unlink(token_file);
	rmdir(dir);
}

CK_SESSION_HANDLE wire_session(CK_SLOT_ID slot)
{
	CK_SESSION_HANDLE session = 0;
	ck_assert_uint_eq(calls->C_OpenSession(client, slot, CKF_SERIAL_SESSION, NULL, NULL, &session), CKR_OK);
	return session;
}

void wire_trick(uint16_t number, enum sr_trick_what what, size_t at, uint64_t value, size_t width)
{
	sr_script_set(&(struct sr_trick){ .what = what, .number = number, .at = at, .value = value, .width = width });
}

const struct sr_script_request *wire_request(const struct sr_script *seen, uint16_t number)
{
	for (size_t i = 0; i < seen->request_count; i++) {
		if (seen->requests[i].number == number)
			return &seen->requests[i];
	}
	return NULL;
}
