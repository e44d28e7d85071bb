/* A login that waits for a person: `wait =` of a slot with a token of its own (design §3, §6). To approve out of band
 * is PKCS#11's protected authentication path, so C_Login may stay inside until it has happened. */
#include "pkcs11/call.h"

#include "pkcs11/session.h"
#include "util/clock.h"

#include <errno.h>
#include <time.h>

#define GLANCE_MS 200 /* between two looks at the vault: another process may have approved */

enum outcome {
	ASK_AGAIN, /* something was decided, or the token is another */
	TIME_OVER,
	CUT_OFF /* the session was closed, or the application ends */
};

static bool take_place(struct sr_client *client)
{
	pthread_mutex_lock(&client->lock);
	bool room = client->parked < SR_PARKED_MAX;
	client->parked += room;
	pthread_mutex_unlock(&client->lock);
	return room;
}

static void leave_place(struct sr_client *client)
{
	pthread_mutex_lock(&client->lock);
	client->parked--;
	pthread_mutex_unlock(&client->lock);
}

/* One moment's rest. The session's lock is given back, so that others use and close it meanwhile; that it stays the
 * call's own memory is what the reference is for. False: it was closed, or the client is. */
static bool rest(struct sr_call *call)
{
	struct sr_client *client = call->client;
	struct timespec until;
	clock_gettime(CLOCK_MONOTONIC, &until); /* how long to sleep; what time it is, is util/clock's */
	until.tv_nsec += GLANCE_MS * 1000000L;
	until.tv_sec += until.tv_nsec / 1000000000L;
	until.tv_nsec %= 1000000000L;
	pthread_mutex_unlock(&call->session->lock);
	pthread_mutex_lock(&client->lock);
	int woken = 0;
	while (!client->ending && !call->session->gone && woken != ETIMEDOUT)
		woken = pthread_cond_timedwait(&client->cut_off, &client->lock, &until);
	bool ending = client->ending;
	pthread_mutex_unlock(&client->lock);
	pthread_mutex_lock(&call->session->lock);
	return !ending && !call->session->closed;
}

static struct sr_wait *begin_wait(struct sr_call *call, const struct sr_caller *caller, struct sr_stamp *stamp)
{
	char pin[SR_TOKEN_FILE_MAX];
	size_t len = 0;
	struct sr_error err = SR_ERROR_INIT;
	struct sr_wait *wait = NULL;
	if (sr_call_token_read(call, pin, &len, stamp, &err) == CKR_OK)
		wait = sr_wait_begin(caller, pin, len);
	sr_cleanse(pin, sizeof pin);
	return wait;
}

/* What the slot's token waits for, until UNTIL_MS. It rests before it looks, so that a vault that cannot be read is not
 * asked without a pause. */
static enum outcome wait_once(struct sr_call *call, int64_t until_ms)
{
	struct sr_caller caller = sr_call_caller(call);
	caller.identity = NULL;
	struct sr_stamp stamp = { 0 };
	struct sr_wait *wait = begin_wait(call, &caller, &stamp);
	enum outcome outcome = ASK_AGAIN;
	do {
		if (!rest(call))
			outcome = CUT_OFF;
		else if (sr_clock_boot_ms() >= until_ms)
			outcome = TIME_OVER;
		else if (!wait || sr_call_token_changed(call, &stamp))
			break;
	} while (outcome == ASK_AGAIN && sr_wait_goes_on(&caller, wait));
	sr_wait_end(wait);
	return outcome;
}

bool sr_login_waits(const struct sr_call *call, CK_RV rv)
{
	return rv == CKR_FUNCTION_REJECTED && call->err.reason == SR_REASON_APPROVAL_REQUIRED;
}

bool sr_own_token_waits(struct sr_call *call)
{
	struct sr_caller caller = sr_call_caller(call);
	caller.identity = NULL;
	struct sr_stamp stamp;
	struct sr_wait *wait = begin_wait(call, &caller, &stamp);
	bool waits = wait;
	sr_wait_end(wait);
	return waits;
}

static CK_RV wait_for_decision(struct sr_call *call, CK_RV rv)
{
	static const struct sr_credentials own = { 0 };
	int64_t until_ms = sr_clock_boot_ms() + (int64_t)call->slot->config->wait_s * 1000;
	while (sr_login_waits(call, rv)) {
		switch (wait_once(call, until_ms)) {
		case CUT_OFF:
			return sr_fail(&call->err, CKR_FUNCTION_CANCELED, SR_REASON_NONE,
				"the session was closed while its login waited for an approval");
		case TIME_OVER:
			return rv;
		default:
			rv = sr_login_slot(call, &own, false);
		}
	}
	return rv;
}

CK_RV sr_login_wait(struct sr_call *call, CK_RV rv)
{
	const struct sr_slot_config *config = call->slot->config;
	if (!sr_login_waits(call, rv) || !config || !config->wait_s || !take_place(call->client))
		return rv;
	rv = wait_for_decision(call, rv);
	leave_place(call->client);
	return rv;
}

void sr_client_interrupt(struct sr_client *client)
{
	pthread_mutex_lock(&client->lock);
	client->ending = true;
	pthread_cond_broadcast(&client->cut_off);
	pthread_mutex_unlock(&client->lock);
}
