/* The login of a slot: how it begins, that it is still good, how it ends by itself, and the slots that begin it again
 * by themselves (design §3). */
#include "pkcs11/call.h"

#include "util/buf.h"

struct sr_caller sr_call_caller(const struct sr_call *call)
{
	return (struct sr_caller){ .vault = call->client->vault,
		.peer = call->peer,
		.function = sr_call_rows[call->id].name,
		.identity = call->identity };
}

/* The present login of the slot in place of the one that the call had. Nobody waits here for a login that is under way:
 * until it is done the slot is what it was. */
static void adopt(struct sr_call *call)
{
	struct sr_identity *old = call->identity;
	pthread_mutex_lock(&call->client->lock);
	call->identity = call->slot->identity ? sr_identity_ref(call->slot->identity) : NULL;
	call->epoch = call->slot->epoch;
	pthread_mutex_unlock(&call->client->lock);
	sr_identity_unref(old);
}

static void end_epoch(struct sr_slot *slot, bool lapsed)
{
	slot->identity = NULL;
	slot->epoch++;
	slot->lapsed = lapsed;
	slot->ended_by_lapse = lapsed;
}

struct sr_identity *sr_slot_take_login(struct sr_slot *slot)
{
	struct sr_identity *identity = slot->identity;
	end_epoch(slot, false);
	slot->wanted = false;
	slot->lapse_reason = SR_REASON_NONE;
	sr_handles_end_login(slot);
	return identity;
}

/* Every session of the slot becomes a public one. A slot with its own token keeps its private session objects: it may
 * be back at the next call. */
static void lapse(struct sr_call *call, CK_ULONG reason)
{
	struct sr_slot *slot = call->slot;
	struct sr_identity *ended = NULL;
	pthread_mutex_lock(&call->client->lock);
	if (call->identity && slot->identity == call->identity) { /* else another thread was here before us */
		ended = slot->identity;
		end_epoch(slot, true);
		slot->lapse_reason = reason;
		if (!sr_call_token_has(slot->config))
			sr_handles_lapse(slot);
	}
	pthread_mutex_unlock(&call->client->lock);
	sr_handles_bury(slot);
	if (ended) {
		struct sr_caller caller = sr_call_caller(call);
		caller.identity = ended;
		sr_login_lapsed(&caller, reason);
	}
	sr_identity_unref(ended);
	adopt(call);
}

CK_RV sr_call_refuse_public(struct sr_call *call)
{
	pthread_mutex_lock(&call->client->lock);
	CK_ULONG reason = call->slot->lapse_reason;
	pthread_mutex_unlock(&call->client->lock);
	if (reason == SR_REASON_NONE)
		return sr_fail(&call->err, CKR_USER_NOT_LOGGED_IN, reason, "nobody is logged in: log in first");
	return sr_fail(&call->err, CKR_USER_NOT_LOGGED_IN, reason, "the login has ended (%s): log in again",
		sr_reason_name(reason));
}

/* Reserves the slot for one login at a time. True when it is ours; false when its login is not OLD any more. */
static bool begin_login(struct sr_call *call, const struct sr_identity *old)
{
	struct sr_slot *slot = call->slot;
	pthread_mutex_lock(&call->client->lock);
	while (slot->logging_in)
		pthread_cond_wait(&call->client->login_done, &call->client->lock);
	bool ours = slot->identity == old;
	slot->logging_in = ours;
	pthread_mutex_unlock(&call->client->lock);
	return ours;
}

/* The login answered RV. Puts IDENTITY (NULL: it failed) into the slot and answers the one that it replaces. The slot
 * has a session still: the call's own, which nobody closes as long as the call is inside. */
static struct sr_identity *finish_login(
	struct sr_call *call, CK_RV rv, struct sr_identity *identity, const struct sr_stamp *stamp, bool again)
{
	struct sr_slot *slot = call->slot;
	struct sr_identity *old = NULL;
	pthread_mutex_lock(&call->client->lock);
	slot->logging_in = false;
	if (stamp)
		slot->stamp = *stamp;
	slot->waits = sr_login_waits(call, rv);
	slot->told = slot->waits && sr_call_token_has(slot->config);
	if (identity) {
		old = slot->identity;
		if (!again)
			sr_handles_end_login(slot); /* those of a login that has lapsed */
		slot->identity = identity;
		slot->lapsed = false;
		slot->lapse_reason = SR_REASON_NONE;
		slot->wanted = true;
	}
	pthread_cond_broadcast(&call->client->login_done);
	pthread_mutex_unlock(&call->client->lock);
	sr_handles_bury(slot);
	return old;
}

static CK_RV ask_vault(struct sr_call *call, const struct sr_credentials *credentials, struct sr_identity **identity,
	struct sr_stamp *stamp, bool *asked)
{
	struct sr_caller caller = sr_call_caller(call);
	caller.identity = NULL;
	*asked = false;
	if (credentials->pin) {
		*asked = true;
		return sr_login(&caller, CKU_USER, credentials->name, credentials->name_len, credentials->pin,
			credentials->pin_len, identity, &call->err);
	}
	char pin[SR_TOKEN_FILE_MAX];
	size_t len = 0;
	CK_RV rv = sr_call_token_read(call, pin, &len, stamp, &call->err);
	if (rv == CKR_OK) {
		*asked = true;
		rv = sr_login(&caller, CKU_USER, NULL, 0, pin, len, identity, &call->err);
	}
	sr_cleanse(pin, sizeof pin);
	return rv;
}

CK_RV sr_login_slot(struct sr_call *call, const struct sr_credentials *credentials, bool again)
{
	if (!begin_login(call, call->identity)) {
		adopt(call);
		return again && call->identity ? CKR_OK
					       : sr_fail(&call->err, CKR_USER_ALREADY_LOGGED_IN, SR_REASON_NONE,
							 "another thread has just logged in");
	}
	struct sr_identity *identity = NULL;
	struct sr_stamp stamp = { 0 };
	bool asked;
	CK_RV rv = ask_vault(call, credentials, &identity, &stamp, &asked);
	sr_identity_unref(finish_login(call, rv, rv == CKR_OK ? identity : NULL, asked ? &stamp : NULL, again));
	if (rv == CKR_OK)
		adopt(call);
	return rv;
}

static CK_RV log_in_again(struct sr_call *call)
{
	static const struct sr_credentials own = { 0 };
	call->repeated = true;
	return sr_login_slot(call, &own, true);
}

/* Whether the slot's own token is another than the one that was last tried, or that one waits no longer. */
static bool token_is_new(struct sr_call *call)
{
	pthread_mutex_lock(&call->client->lock);
	bool wanted = call->slot->wanted;
	bool waits = call->slot->waits;
	struct sr_stamp stamp = call->slot->stamp;
	pthread_mutex_unlock(&call->client->lock);
	return wanted && (sr_call_token_changed(call, &stamp) || (waits && !sr_own_token_waits(call)));
}

/* The login has lapsed for REASON. True when there is one again: of the slot's own token, or because another thread was
 * quicker. False too when another thread has logged out in the meantime: nobody asks for a call without a login. */
static bool revive(struct sr_call *call, CK_ULONG reason)
{
	bool again = sr_call_token_has(call->slot->config) && !call->repeated && log_in_again(call) == CKR_OK;
	if (!again)
		lapse(call, reason);
	return call->identity;
}

/* A file that is being written anew may be empty for a moment, and a token in it may wait for its approval: meanwhile
 * the login there is goes on while the vault lets it. A token that is refused ends it. */
static void use_new_token(struct sr_call *call)
{
	CK_RV rv = log_in_again(call);
	if (rv == CKR_OK || rv == CKR_FUNCTION_FAILED || sr_login_waits(call, rv) || !call->identity)
		return;
	lapse(call, call->err.reason);
}

CK_RV sr_call_login(struct sr_call *call)
{
	adopt(call);
	if (token_is_new(call))
		use_new_token(call);
	if (!call->identity)
		return CKR_OK;
	struct sr_caller caller = sr_call_caller(call);
	struct sr_error err = SR_ERROR_INIT;
	CK_RV rv = sr_identity_check(&caller, &err);
	if (rv == CKR_USER_NOT_LOGGED_IN) {
		revive(call, err.reason);
		return CKR_OK;
	}
	if (rv != CKR_OK)
		call->err = err;
	return rv;
}

CK_RV sr_call_user(struct sr_call *call)
{
	CK_RV rv = sr_call_login(call);
	if (rv == CKR_OK && !call->identity)
		return sr_call_refuse_public(call);
	return rv;
}

bool sr_call_again(struct sr_call *call, CK_RV rv)
{
	if (rv != CKR_USER_NOT_LOGGED_IN || !call->identity)
		return false;
	bool first = !call->repeated;
	struct sr_error err = call->err;
	if (revive(call, err.reason) && first)
		return true;
	call->err = err; /* that of the operation, not of the login that was tried */
	return false;
}
