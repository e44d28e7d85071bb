/* The state machine of the cryptographic operations: PKCS#11 v3.1, 5.2 and 5.8 to 5.17.
 *
 * An operation that asks for CKU_CONTEXT_SPECIFIC (4.10) and has not got it answers CKR_USER_NOT_LOGGED_IN to the first
 * call that would use the key, and ends with it: "C_Sign always terminates the active signing operation unless it
 * returns CKR_BUFFER_TOO_SMALL or is a successful call to determine the length" (5.13.2), and so for the others. A
 * length query uses nothing and is answered before. */
#include "pkcs11/operation.h"

#include "pkcs11/call.h"
#include "util/crypto.h"

#include <string.h>

/** struct kind: FLAG is C_SessionCancel's; MECHANISM what the mechanism must be offered for; LEN_RANGE, INVALID what
 * data of a wrong length or content answers, where the whole is given in one call. */
static const struct kind {
	const char *init;
	CK_FLAGS flag;
	CK_FLAGS mechanism;
	enum sr_function function;
	CK_RV len_range;
	CK_RV invalid;
	bool message;
} kinds[SR_OPERATION_KINDS] = {
	[SR_OPERATION_ENCRYPT] = { "C_EncryptInit", CKF_ENCRYPT, CKF_ENCRYPT, SR_ENCRYPT, CKR_DATA_LEN_RANGE,
		CKR_DATA_INVALID, false },
	[SR_OPERATION_DECRYPT] = { "C_DecryptInit", CKF_DECRYPT, CKF_DECRYPT, SR_DECRYPT, CKR_ENCRYPTED_DATA_LEN_RANGE,
		CKR_ENCRYPTED_DATA_INVALID, false },
	[SR_OPERATION_SIGN] = { "C_SignInit", CKF_SIGN, CKF_SIGN, SR_SIGN, CKR_DATA_LEN_RANGE, CKR_DATA_INVALID,
		false },
	[SR_OPERATION_VERIFY] = { "C_VerifyInit", CKF_VERIFY, CKF_VERIFY, SR_VERIFY, CKR_DATA_LEN_RANGE,
		CKR_DATA_INVALID, false },
	[SR_OPERATION_SIGN_RECOVER] = { "C_SignRecoverInit", CKF_SIGN_RECOVER, CKF_SIGN_RECOVER, SR_SIGN_RECOVER,
		CKR_DATA_LEN_RANGE, CKR_DATA_INVALID, false },
	[SR_OPERATION_VERIFY_RECOVER] = { "C_VerifyRecoverInit", CKF_VERIFY_RECOVER, CKF_VERIFY_RECOVER,
		SR_VERIFY_RECOVER, CKR_SIGNATURE_LEN_RANGE, CKR_SIGNATURE_INVALID, false },
	[SR_OPERATION_MESSAGE_ENCRYPT] = { "C_MessageEncryptInit", CKF_MESSAGE_ENCRYPT, CKF_ENCRYPT, SR_ENCRYPT,
		CKR_DATA_LEN_RANGE, CKR_DATA_INVALID, true },
	[SR_OPERATION_MESSAGE_DECRYPT] = { "C_MessageDecryptInit", CKF_MESSAGE_DECRYPT, CKF_DECRYPT, SR_DECRYPT,
		CKR_ENCRYPTED_DATA_LEN_RANGE, CKR_ENCRYPTED_DATA_INVALID, true },
	[SR_OPERATION_MESSAGE_SIGN] = { "C_MessageSignInit", CKF_MESSAGE_SIGN, CKF_SIGN, SR_SIGN, CKR_DATA_LEN_RANGE,
		CKR_DATA_INVALID, true },
	[SR_OPERATION_MESSAGE_VERIFY] = { "C_MessageVerifyInit", CKF_MESSAGE_VERIFY, CKF_VERIFY, SR_VERIFY,
		CKR_DATA_LEN_RANGE, CKR_DATA_INVALID, true },
};

/* -- its end ------------------------------------------------------------------------------------------------------ */

void sr_operation_end(struct sr_session *session, enum sr_operation_kind kind)
{
	struct sr_operation *op = &session->operations[kind];
	if (op->active)
		sr_share_give(session->slot->client->share, SR_SHARED_OPERATIONS, 1);
	sr_use_end(op->use);
	sr_buf_clear(&op->pending);
	sr_buf_clear(&op->message);
	sr_mechanism_clear(&op->mechanism);
	sr_key_unref(op->key);
	*op = (struct sr_operation){ 0 };
}

void sr_operations_end(struct sr_session *session)
{
	for (int kind = 0; kind < SR_OPERATION_KINDS; kind++)
		sr_operation_end(session, (enum sr_operation_kind)kind);
}

void sr_operations_cancel(struct sr_session *session, CK_FLAGS flags)
{
	for (int kind = 0; kind < SR_OPERATION_KINDS; kind++) {
		if (flags & kinds[kind].flag)
			sr_operation_end(session, (enum sr_operation_kind)kind);
	}
}

/* Whether C_Logout has ended it, in whatever session: nothing has looked at it since. What a lapse has ended is still
 * there, for its next call to tell. */
static bool is_logged_out(const struct sr_session *session, const struct sr_operation *op)
{
	pthread_mutex_lock(&session->slot->client->lock);
	uint64_t ends = session->slot->epoch - op->epoch;
	bool lapsed = session->slot->ended_by_lapse;
	pthread_mutex_unlock(&session->slot->client->lock);
	return op->user && ends && !(ends == 1 && lapsed);
}

bool sr_operations_active(const struct sr_session *session)
{
	for (int kind = 0; kind < SR_OPERATION_KINDS; kind++) {
		const struct sr_operation *op = &session->operations[kind];
		if (op->active && !is_logged_out(session, op))
			return true;
	}
	return false;
}

struct sr_operation *sr_operation_waiting(struct sr_session *session)
{
	struct sr_operation *waiting = NULL;
	pthread_mutex_lock(&session->slot->client->lock);
	uint64_t epoch = session->slot->epoch;
	pthread_mutex_unlock(&session->slot->client->lock);
	for (int kind = 0; kind < SR_OPERATION_KINDS; kind++) {
		struct sr_operation *op = &session->operations[kind];
		if (op->active && !op->authenticated && op->epoch == epoch && (!waiting || op->begun > waiting->begun))
			waiting = op;
	}
	return waiting;
}

/* -- its login ---------------------------------------------------------------------------------------------------- */

/* An operation that was begun under a login ends with it: answers whether by a lapse, which is told once. A slot that
 * has logged itself in again goes on, for that ends no epoch. */
static CK_RV follow_login(struct sr_call *call, enum sr_operation_kind kind, bool *lapsed)
{
	const struct sr_operation *op = &call->session->operations[kind];
	*lapsed = false;
	if (!op->active || !op->user)
		return CKR_OK;
	CK_RV rv = sr_call_login(call);
	if (rv != CKR_OK || call->epoch == op->epoch)
		return rv;
	pthread_mutex_lock(&call->client->lock);
	*lapsed = call->epoch - op->epoch == 1 && call->slot->ended_by_lapse;
	pthread_mutex_unlock(&call->client->lock);
	sr_operation_end(call->session, kind);
	return CKR_OK;
}

CK_RV sr_operation_find(struct sr_call *call, enum sr_operation_kind kind)
{
	bool lapsed;
	CK_RV rv = follow_login(call, kind, &lapsed);
	if (rv != CKR_OK) {
		sr_operation_end(call->session, kind);
		return rv;
	}
	if (lapsed && call->identity)
		return sr_fail(&call->err, CKR_USER_NOT_LOGGED_IN, SR_REASON_NONE,
			"the login that the operation was begun under has ended: begin again with %s",
			kinds[kind].init);
	if (lapsed)
		return sr_call_refuse_public(call);
	if (!call->session->operations[kind].active)
		return sr_fail(&call->err, CKR_OPERATION_NOT_INITIALIZED, SR_REASON_NONE,
			"no such operation is active: begin with %s", kinds[kind].init);
	return CKR_OK;
}

CK_RV sr_operation_ready(struct sr_call *call, enum sr_operation_kind kind)
{
	if (call->session->operations[kind].authenticated)
		return CKR_OK;
	return sr_fail(&call->err, CKR_USER_NOT_LOGGED_IN, SR_REASON_NOT_AUTHENTICATED,
		"the key asks for C_Login(CKU_CONTEXT_SPECIFIC) after %s, before each use", kinds[kind].init);
}

/* -- its beginning ------------------------------------------------------------------------------------------------ */

CK_RV sr_operation_use(
	struct sr_call *call, enum sr_operation_kind kind, const struct sr_mechanism *mechanism, struct sr_use **use)
{
	struct sr_caller caller = sr_call_caller(call);
	return sr_use_begin(&caller, kinds[kind].function, call->session->operations[kind].key, &mechanism->native, use,
		&call->err);
}

static CK_RV find_key(struct sr_call *call, struct sr_operation *op, CK_OBJECT_HANDLE handle)
{
	sr_key_unref(op->key);
	op->key = NULL;
	CK_RV rv = sr_call_key(call, handle, CKR_KEY_HANDLE_INVALID, &op->key);
	return rv == CKR_OK ? sr_key_check(call, op->key, op->mechanism.row) : rv;
}

/* The handle stands for the key that its path has now: who asks again gets it. */
static bool is_rotated(const struct sr_call *call, CK_RV rv)
{
	return rv == CKR_FUNCTION_CANCELED && call->err.reason == SR_REASON_KEY_ROTATED;
}

/* A message operation is checked by a use that is not used. */
static CK_RV begin(struct sr_call *call, enum sr_operation_kind kind, CK_OBJECT_HANDLE handle)
{
	struct sr_operation *op = &call->session->operations[kind];
	CK_RV rv;
	do {
		rv = find_key(call, op, handle);
		if (rv == CKR_OK)
			rv = sr_operation_use(call, kind, &op->mechanism, &op->use);
	} while (sr_call_again(call, rv) || is_rotated(call, rv));
	op->handle = handle;
	if (rv != CKR_OK)
		return rv;
	if (kinds[kind].message) {
		sr_use_end(op->use);
		op->use = NULL;
	}
	if (!sr_share_take(call->client->share, SR_SHARED_OPERATIONS, 1))
		return sr_fail(&call->err, CKR_DEVICE_MEMORY, SR_REASON_TOO_LARGE,
			"a user's or machine's applications may have %d operations at once: end some",
			SR_SHARED_OPERATIONS_MAX);
	op->active = true;
	op->user = call->identity;
	op->epoch = call->epoch;
	op->begun = ++call->session->begun;
	op->authenticated = !op->key->always_authenticate;
	return CKR_OK;
}

/* C_MessageEncryptInit and C_MessageDecryptInit are given CK_GCM_MESSAGE_PARAMS, as the example of 5.9.5 does, or
 * nothing: what it holds is looked at with each message. Until then a parameter of our own stands for it. */
static CK_RV take_gcm(
	struct sr_call *call, CK_FLAGS function, const CK_MECHANISM *given, struct sr_mechanism *mechanism)
{
	CK_BYTE iv[12] = { 0 };
	CK_GCM_PARAMS params = { iv, sizeof iv, 8 * sizeof iv, NULL, 0, 128 };
	CK_MECHANISM plain = { given->mechanism, &params, sizeof params };
	if (given->ulParameterLen && (!given->pParameter || given->ulParameterLen != sizeof(CK_GCM_MESSAGE_PARAMS)))
		return sr_fail(&call->err, CKR_MECHANISM_PARAM_INVALID, SR_REASON_MECHANISM,
			"the parameter is CK_GCM_MESSAGE_PARAMS, or none");
	return sr_call_mechanism(call, &plain, function, mechanism);
}

static CK_RV take_mechanism(
	struct sr_call *call, const struct kind *kind, const CK_MECHANISM *given, struct sr_mechanism *mechanism)
{
	const struct sr_mechanism_row *row = sr_mechanism_row(given->mechanism);
	if (!row || !(row->flags & kind->flag))
		return sr_fail(&call->err, CKR_MECHANISM_INVALID, SR_REASON_MECHANISM,
			"mechanism 0x%lx is not offered for %s", given->mechanism, kind->init);
	if (kind->message && row->parameter == SR_PARAMETER_GCM)
		return take_gcm(call, kind->mechanism, given, mechanism);
	return sr_call_mechanism(call, given, kind->mechanism, mechanism);
}

/* 3.0: a mechanism of NULL cancels what is active. Without that an argument is missing, also for 5.8.1 and 5.9.1, which
 * forget to list the code. */
static CK_RV cancel(struct sr_call *call, enum sr_operation_kind kind)
{
	const struct sr_operation *op = &call->session->operations[kind];
	bool active = op->active && !is_logged_out(call->session, op);
	sr_operation_end(call->session, kind);
	return active ? CKR_OK
		      : sr_fail(&call->err, CKR_ARGUMENTS_BAD, SR_REASON_NONE,
				"pMechanism is NULL, and nothing is active that it could cancel");
}

CK_RV sr_operation_init(
	struct sr_call *call, enum sr_operation_kind kind, const CK_MECHANISM *given, CK_OBJECT_HANDLE key)
{
	struct sr_operation *op = &call->session->operations[kind];
	bool lapsed;
	if (!given)
		return cancel(call, kind);
	CK_MECHANISM copy = *given; /* read once */
	CK_RV rv = follow_login(call, kind, &lapsed);
	if (rv != CKR_OK)
		return rv;
	if (op->active)
		return sr_fail(&call->err, CKR_OPERATION_ACTIVE, SR_REASON_NONE,
			"such an operation is active in this session: finish it, or cancel it with a NULL mechanism");
	rv = take_mechanism(call, &kinds[kind], &copy, &op->mechanism);
	if (rv == CKR_OK)
		rv = begin(call, kind, key);
	if (rv != CKR_OK)
		sr_operation_end(call->session, kind);
	return rv;
}

/* -- codes and lengths -------------------------------------------------------------------------------------------- */

static bool verifies(enum sr_operation_kind kind)
{
	return kind == SR_OPERATION_VERIFY || kind == SR_OPERATION_VERIFY_RECOVER ||
	       kind == SR_OPERATION_MESSAGE_VERIFY;
}

static CK_RV code(enum sr_operation_kind kind, enum sr_part part, CK_RV rv)
{
	switch (rv) {
	case CKR_OK:
	case CKR_ARGUMENTS_BAD:
	case CKR_BUFFER_TOO_SMALL:
	case CKR_DEVICE_ERROR:
	case CKR_DEVICE_MEMORY:
	case CKR_DEVICE_REMOVED:
	case CKR_FUNCTION_CANCELED:
	case CKR_GENERAL_ERROR:
	case CKR_HOST_MEMORY:
	case CKR_OPERATION_ACTIVE:
	case CKR_OPERATION_NOT_INITIALIZED:
	case CKR_USER_NOT_LOGGED_IN: /* design §3, though not all of these functions list it */
		return rv;
	case CKR_DATA_LEN_RANGE:
	case CKR_ENCRYPTED_DATA_LEN_RANGE:
		return kinds[kind].len_range;
	case CKR_DATA_INVALID:
	case CKR_ENCRYPTED_DATA_INVALID: /* of those that go on in parts only the ones that decrypt list it */
		return part == SR_WHOLE || kind == SR_OPERATION_DECRYPT ? kinds[kind].invalid : CKR_FUNCTION_FAILED;
	case CKR_SIGNATURE_INVALID:
	case CKR_SIGNATURE_LEN_RANGE:
		return verifies(kind) ? rv : CKR_FUNCTION_FAILED;
	case CKR_MECHANISM_PARAM_INVALID:
		return kinds[kind].message ? rv : CKR_FUNCTION_FAILED;
	default:
		return CKR_FUNCTION_FAILED;
	}
}

CK_RV sr_operation_code(struct sr_call *call, enum sr_operation_kind kind, enum sr_part part, CK_RV rv)
{
	CK_RV answer = code(kind, part, rv);
	if (call->err.rv == rv)
		call->err.rv = answer;
	return answer;
}

CK_RV sr_operation_check(struct sr_call *call, enum sr_operation_kind kind, const void *data, CK_ULONG len)
{
	if (!data && len)
		return sr_fail(
			&call->err, CKR_ARGUMENTS_BAD, SR_REASON_NONE, "the data is NULL and its length is not 0");
	if (len > SR_CALL_DATA_MAX)
		return sr_fail(&call->err, kinds[kind].len_range, SR_REASON_TOO_LARGE,
			"a call takes %u bytes of data at most: give it in parts", SR_CALL_DATA_MAX);
	return CKR_OK;
}

static CK_RV too_small(struct sr_call *call, size_t needed)
{
	return sr_fail(&call->err, CKR_BUFFER_TOO_SMALL, SR_REASON_NONE, "the output has %zu bytes", needed);
}

static CK_RV no_length(struct sr_call *call)
{
	return sr_fail(&call->err, CKR_ARGUMENTS_BAD, SR_REASON_NONE, "the pointer to the output's length is NULL");
}

CK_RV sr_operation_room(struct sr_call *call, size_t needed, const CK_BYTE *out, CK_ULONG *out_len, bool *query)
{
	*query = !out;
	if (!out_len)
		return no_length(call);
	CK_ULONG room = *out_len;
	*out_len = needed;
	return out && room < needed ? too_small(call, needed) : CKR_OK;
}

/* The way out of a call: RV ends the operation, or leaves it active where 5.2 says so. */
static CK_RV leave(struct sr_call *call, enum sr_operation_kind kind, enum sr_part part, CK_RV rv, bool done)
{
	rv = sr_operation_code(call, kind, part, rv);
	if (done || (rv != CKR_OK && rv != CKR_BUFFER_TOO_SMALL))
		sr_operation_end(call->session, kind);
	return rv;
}

/* -- steps -------------------------------------------------------------------------------------------------------- */

/* Of the codes that 5.8 to 5.15 list, CKR_FUNCTION_FAILED says it best; C_Digest answers the same. */
static CK_RV check_order(struct sr_call *call, const struct sr_operation *op, enum sr_part part)
{
	if (part == SR_WHOLE && op->parts)
		return sr_fail(&call->err, CKR_FUNCTION_FAILED, SR_REASON_NONE,
			"an operation in parts is not ended by a call for the whole: use the Final one");
	if (part != SR_WHOLE && !op->mechanism.row->multi_part)
		return sr_fail(&call->err, CKR_FUNCTION_FAILED, SR_REASON_MECHANISM,
			"%s takes its data in one part only", op->mechanism.row->name);
	return CKR_OK;
}

static CK_RV digest_input(struct sr_call *call, const struct sr_step *step, uint8_t digest[SR_SHA256_LEN])
{
	uint8_t part = (uint8_t)step->part;
	return sr_sha256_2(&part, 1, step->in, step->len, digest)
		       ? CKR_OK
		       : sr_fail(&call->err, CKR_FUNCTION_FAILED, SR_REASON_INTERNAL, "OpenSSL cannot digest");
}

/* What was computed and not released is the answer to the same call only: anything else would need the input that has
 * been used up back. */
static CK_RV check_pending(struct sr_call *call, const struct sr_operation *op, const struct sr_step *step)
{
	uint8_t digest[SR_SHA256_LEN];
	if (!op->has_pending)
		return CKR_OK;
	CK_RV rv = digest_input(call, step, digest);
	if (rv == CKR_OK && !sr_equal(digest, op->pending_input, sizeof digest))
		rv = sr_fail(&call->err, CKR_FUNCTION_FAILED, SR_REASON_NONE,
			"after CKR_BUFFER_TOO_SMALL the same call has to be repeated with a larger buffer");
	return rv;
}

static CK_RV check_step(struct sr_call *call, const struct sr_operation *op, const struct sr_step *step)
{
	CK_RV rv = check_order(call, op, step->part);
	if (rv == CKR_OK)
		rv = sr_operation_check(call, step->kind, step->in, step->len);
	if (rv == CKR_OK && !step->out_len)
		rv = no_length(call);
	return rv == CKR_OK ? check_pending(call, op, step) : rv;
}

/* Whether sr_use_bound is the very length (vault/keys.h), so that too small a buffer is known before anything is done.
 */
static bool length_is_known(const struct sr_step *step)
{
	switch (step->kind) {
	case SR_OPERATION_SIGN:
		return true;
	case SR_OPERATION_ENCRYPT:
	case SR_OPERATION_SIGN_RECOVER:
		return step->part == SR_WHOLE;
	default:
		return false;
	}
}

/* What is to be made with the key that there is now, in the place of one that was rotated before it was done. */
static bool gives(enum sr_operation_kind kind)
{
	return kind == SR_OPERATION_SIGN || kind == SR_OPERATION_SIGN_RECOVER || kind == SR_OPERATION_ENCRYPT;
}

/* A slot that has logged itself in again repeats the call, once: with a use of the new login. What was given in parts
 * before is gone with the old one. */
static bool again(struct sr_call *call, enum sr_operation_kind kind, enum sr_part part, CK_RV *rv)
{
	struct sr_operation *op = &call->session->operations[kind];
	bool rotated = gives(kind) && is_rotated(call, *rv) && !op->key->always_authenticate;
	if (!(sr_call_again(call, *rv) || rotated) || part != SR_WHOLE)
		return false;
	sr_use_end(op->use);
	op->use = NULL;
	*rv = rotated ? find_key(call, op, op->handle) : CKR_OK;
	if (*rv == CKR_OK)
		*rv = sr_operation_use(call, kind, &op->mechanism, &op->use);
	return *rv == CKR_OK;
}

static CK_RV run(struct sr_call *call, struct sr_operation *op, const struct sr_step *step)
{
	struct sr_caller caller = sr_call_caller(call);
	switch (step->part) {
	case SR_WHOLE:
		return sr_use_once(&caller, op->use, step->in, step->len, &op->pending, &call->err);
	case SR_PART:
		op->parts = true;
		return sr_use_update(&caller, op->use, step->in, step->len, &op->pending, &call->err);
	default:
		return sr_use_final(&caller, op->use, &op->pending, &call->err);
	}
}

static CK_RV compute(struct sr_call *call, struct sr_operation *op, const struct sr_step *step)
{
	CK_RV rv = sr_operation_ready(call, step->kind);
	if (rv != CKR_OK)
		return rv;
	do {
		rv = run(call, op, step);
	} while (again(call, step->kind, step->part, &rv));
	op->has_pending = rv == CKR_OK;
	return rv;
}

static CK_RV release(struct sr_call *call, struct sr_operation *op, const struct sr_step *step)
{
	CK_RV rv = CKR_OK;
	bool decrypts = step->kind == SR_OPERATION_DECRYPT;
	if (step->feed && decrypts)
		rv = step->feed(call, op->pending.data, op->pending.len);
	else if (step->feed)
		rv = step->feed(call, (CK_BYTE *)(uintptr_t)step->in, step->len);
	if (rv != CKR_OK)
		return rv;
	*step->out_len = op->pending.len;
	if (op->pending.len)
		memcpy(step->out, op->pending.data, op->pending.len);
	sr_buf_clear(&op->pending);
	op->has_pending = false;
	return CKR_OK;
}

static CK_RV take_step(struct sr_call *call, struct sr_operation *op, const struct sr_step *step, bool *done)
{
	CK_RV rv = check_step(call, op, step);
	if (rv != CKR_OK)
		return rv;
	size_t bound = op->has_pending ? op->pending.len : sr_use_bound(op->use, step->len);
	CK_ULONG room = *step->out_len;
	if (!step->out || (length_is_known(step) && room < bound)) {
		*step->out_len = bound;
		return step->out ? too_small(call, bound) : CKR_OK;
	}
	rv = op->has_pending ? CKR_OK : compute(call, op, step);
	if (rv == CKR_OK && op->pending.len > room) {
		*step->out_len = op->pending.len;
		rv = digest_input(call, step, op->pending_input);
		return rv == CKR_OK ? too_small(call, op->pending.len) : rv;
	}
	if (rv == CKR_OK)
		rv = release(call, op, step);
	*done = step->part != SR_PART;
	return rv;
}

/* Whether C_SignInit would be answered the same once more, as far as that can be known: nobody is asked for each use,
 * and no use is counted. */
static void note_signature(struct sr_call *call, const struct sr_step *step, bool done)
{
	const struct sr_operation *op = &call->session->operations[step->kind];
	if (step->kind == SR_OPERATION_SIGN)
		call->session->signs_again = done && !op->key->always_authenticate &&
					     !(call->identity && sr_identity_counts(call->identity));
}

CK_RV sr_operation_step(struct sr_call *call, const struct sr_step *step)
{
	bool done = false;
	CK_RV rv = sr_operation_find(call, step->kind);
	if (rv == CKR_OK) {
		rv = take_step(call, &call->session->operations[step->kind], step, &done);
		note_signature(call, step, done && rv == CKR_OK);
	}
	return leave(call, step->kind, step->part, rv, done);
}

CK_RV sr_operation_feedable(struct sr_call *call, enum sr_operation_kind kind)
{
	CK_RV rv = sr_operation_find(call, kind);
	if (rv == CKR_OK)
		rv = check_order(call, &call->session->operations[kind], SR_PART);
	if (rv == CKR_OK)
		rv = sr_operation_ready(call, kind);
	return leave(call, kind, SR_PART, rv, false);
}

CK_RV sr_operation_feed(struct sr_call *call, enum sr_operation_kind kind, const CK_BYTE *data, CK_ULONG len)
{
	struct sr_operation *op = &call->session->operations[kind];
	struct sr_buf nothing = SR_BUF_INIT;
	CK_RV rv = sr_operation_feedable(call, kind);
	if (rv == CKR_OK)
		rv = sr_operation_check(call, kind, data, len);
	if (rv == CKR_OK) {
		struct sr_caller caller = sr_call_caller(call);
		op->parts = true;
		rv = sr_use_update(&caller, op->use, data, len, &nothing, &call->err);
	}
	sr_buf_clear(&nothing);
	return leave(call, kind, SR_PART, rv, false);
}

static CK_RV check_signature(struct sr_call *call, const CK_BYTE *signature, CK_ULONG len)
{
	if (!signature && len)
		return sr_fail(
			&call->err, CKR_ARGUMENTS_BAD, SR_REASON_NONE, "the signature is NULL and its length is not 0");
	if (len > SR_CALL_DATA_MAX)
		return sr_fail(&call->err, CKR_SIGNATURE_LEN_RANGE, SR_REASON_TOO_LARGE, "no signature is that long");
	return CKR_OK;
}

CK_RV sr_operation_verify(struct sr_call *call, const struct sr_step *step, const CK_BYTE *signature, CK_ULONG len)
{
	struct sr_operation *op = &call->session->operations[step->kind];
	CK_RV rv = sr_operation_find(call, step->kind);
	if (rv == CKR_OK)
		rv = check_order(call, op, step->part);
	if (rv == CKR_OK)
		rv = sr_operation_check(call, step->kind, step->in, step->len);
	if (rv == CKR_OK)
		rv = check_signature(call, signature, len);
	if (rv == CKR_OK)
		rv = sr_operation_ready(call, step->kind);
	if (rv == CKR_OK) {
		do {
			struct sr_caller caller = sr_call_caller(call);
			rv = sr_use_verify(&caller, op->use, step->in, step->len, signature, len, &call->err);
		} while (again(call, step->kind, step->part, &rv));
	}
	return leave(call, step->kind, step->part, rv, true);
}
