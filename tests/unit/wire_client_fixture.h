/* A client of a scripted server (wire_script.h), for the tests of src/wire/client*.c. Its configuration has the slots
 * 71
 * ("one"), 72 ("two", whose token is in TOKEN_FILE) and 73, the default slot. */
#ifndef SR_TESTS_WIRE_CLIENT_FIXTURE_H
#define SR_TESTS_WIRE_CLIENT_FIXTURE_H

#include "tests/unit/wire_script.h"
#include "wire/client.h"

extern char path[100]; /* the server's socket */
extern char token_file[100];
extern const struct sr_calls *calls;
extern struct sr_client *client;
extern struct sr_error err;

void wire_client_begin(void);
void wire_client_end(void);
CK_SESSION_HANDLE wire_session(CK_SLOT_ID slot);

/** wire_trick(number, what, at, value, width): on the answer to the request whose first call is NUMBER. */
void wire_trick(uint16_t number, enum sr_trick_what what, size_t at, uint64_t value, size_t width);

/** wire_request(seen, number): the first request that begins with NUMBER, or NULL. */
const struct sr_script_request *wire_request(const struct sr_script *seen, uint16_t number);

#endif
