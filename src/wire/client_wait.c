/* A login that waits for a person, seen from the application's side: the server is asked now and then, and nothing is
 * held there meanwhile (docs/wire.md). The embedded counterpart is pkcs11/wait.c. */
#include "wire/client.h"

#include "util/clock.h"
#include "wire/argument.h"

#include <errno.h>
#include <time.h>

#define GLANCE_MS 200
#define PARKED_MAX 4 /* as SR_PARKED_MAX */

static bool session_is_open(struct sr_client *client, CK_SESSION_HANDLE session)
{
	size_t slot;
	return sr_memory_slot(client, session, &slot);
}

/* False: the application ends, or the session was closed. */
static bool rest(struct sr_client *client, CK_SESSION_HANDLE session)
{
	struct timespec until;
	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_nsec += GLANCE_MS * 1000000L;
	until.tv_sec += until.tv_nsec / 1000000000L;
	until.tv_nsec %= 1000000000L;
	pthread_mutex_lock(&client->lock);
	int woken = 0;
	while (!client->ending && woken != ETIMEDOUT)
		woken = pthread_cond_timedwait(&client->changed, &client->lock, &until);
	bool ending = client->ending;
	pthread_mutex_unlock(&client->lock);
	return !ending && session_is_open(client, session);
}

/* Whether the slot's token waits still. A server that is away for a moment is no decision. */
static bool goes_on(struct sr_client *client, CK_SESSION_HANDLE session)
{
	struct sr_exchange exchange;
	bool waits = true;
	sr_exchange_begin(&exchange, client, SR_WIRE_WAITS, session);
	if (sr_exchange_run(&exchange) && exchange.rv == CKR_OK)
		waits = sr_get_u8(&exchange.in);
	else if (exchange.answered)
		exchange.in.left = 0;
	CK_RV rv = exchange.rv;
	sr_exchange_end(&exchange);
	return waits && rv != CKR_SESSION_HANDLE_INVALID;
}

static bool take_place(struct sr_client *client, CK_SESSION_HANDLE session, int64_t *wait_ms)
{
	size_t slot;
	if (!sr_memory_slot(client, session, &slot) || !client->slots[slot].config)
		return false;
	*wait_ms = (int64_t)client->slots[slot].config->wait_s * 1000;
	pthread_mutex_lock(&client->lock);
	bool room = *wait_ms && client->parked < PARKED_MAX;
	client->parked += room;
	pthread_mutex_unlock(&client->lock);
	return room;
}

bool sr_remote_is_pending(CK_RV rv)
{
	return rv == CKR_FUNCTION_REJECTED && sr_remote_last_error()->reason == SR_REASON_APPROVAL_REQUIRED;
}

CK_RV sr_remote_wait(struct sr_client *client, CK_SESSION_HANDLE session, CK_USER_TYPE type, CK_RV rv)
{
	struct sr_error cut_off = SR_ERROR_INIT;
	int64_t wait_ms;
	if (!sr_remote_is_pending(rv) || !take_place(client, session, &wait_ms))
		return rv;
	int64_t until_ms = sr_clock_boot_ms() + wait_ms;
	struct sr_error pending = *sr_remote_last_error();
	while (sr_remote_is_pending(rv) && sr_clock_boot_ms() < until_ms) {
		bool open = true;
		do {
			open = rest(client, session);
		} while (open && sr_clock_boot_ms() < until_ms && goes_on(client, session));
		if (!open) {
			sr_fail(&cut_off, CKR_FUNCTION_CANCELED, SR_REASON_NONE,
				"the session was closed while its login waited for an approval");
			rv = sr_remote_fail(&cut_off);
		} else if (sr_clock_boot_ms() < until_ms) {
			rv = sr_remote_login_again(client, session, type);
		} else {
			rv = sr_remote_fail(&pending);
		}
	}
	pthread_mutex_lock(&client->lock);
	client->parked--;
	pthread_mutex_unlock(&client->lock);
	return rv;
}
