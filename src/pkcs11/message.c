/* Message-based encryption and decryption: PKCS#11 v3.1, 5.9 and 5.11, for AES-GCM (6.13). Made here out of one use of
 * the key for each message, with CK_GCM_PARAMS, so that any HSM with the mechanism has them.
 *
 * A message in parts is collected and goes through the HSM when its last part is there: nothing of a decrypted message
 * is released before its tag was verified. An error ends the message; the operation goes on until its Final. */
#include "pkcs11/message.h"

#include "pkcs11/call.h"

#include <string.h>

#define IV_MAX 256
#define RANDOM_BITS_MIN 64 /* fewer would soon repeat */
#define COUNTER_BITS_MIN 32

/* -- its life ----------------------------------------------------------------------------------------------------- */

CK_RV sr_message_idle(struct sr_call *call, enum sr_operation_kind kind)
{
	CK_RV rv = sr_operation_find(call, kind);
	if (rv == CKR_OK && call->session->operations[kind].message_open)
		rv = sr_fail(&call->err, CKR_OPERATION_ACTIVE, SR_REASON_NONE,
			"a message in parts is open: give its last part first");
	return rv;
}

CK_RV sr_message_open(struct sr_call *call, enum sr_operation_kind kind)
{
	CK_RV rv = sr_operation_find(call, kind);
	if (rv == CKR_OK && !call->session->operations[kind].message_open)
		rv = sr_fail(&call->err, CKR_OPERATION_NOT_INITIALIZED, SR_REASON_NONE,
			"no message is open: begin it with the Begin function");
	return rv;
}

void sr_message_end(struct sr_call *call, enum sr_operation_kind kind)
{
	struct sr_operation *op = &call->session->operations[kind];
	sr_use_end(op->use);
	op->use = NULL;
	sr_buf_clear(&op->message);
	op->message_open = false;
}

void sr_message_used(struct sr_call *call, enum sr_operation_kind kind)
{
	struct sr_operation *op = &call->session->operations[kind];
	if (!op->key || !op->key->always_authenticate)
		return;
	op->authenticated = false;
	op->begun = ++call->session->begun;
}

CK_RV sr_message_final(struct sr_call *call, enum sr_operation_kind kind)
{
	CK_RV rv = sr_message_idle(call, kind);
	if (rv == CKR_OK)
		sr_operation_end(call->session, kind);
	return sr_operation_code(call, kind, SR_WHOLE, rv);
}

/* -- the parameter of a message ----------------------------------------------------------------------------------- */

static CK_RV bad_parameter(struct sr_call *call, const char *why)
{
	return sr_fail(&call->err, CKR_MECHANISM_PARAM_INVALID, SR_REASON_MECHANISM, "CK_GCM_MESSAGE_PARAMS: %s", why);
}

static CK_RV read_parameter(
	struct sr_call *call, const void *parameter, CK_ULONG parameter_len, CK_GCM_MESSAGE_PARAMS *params)
{
	if (!parameter || parameter_len != sizeof *params)
		return bad_parameter(call, "missing, or of another length");
	memcpy(params, parameter, sizeof *params);
	if (!params->pIv || !params->ulIvLen || params->ulIvLen > IV_MAX)
		return bad_parameter(call, "the IV is missing, or has not 1 to 256 bytes");
	if (!params->pTag)
		return bad_parameter(call, "the tag is missing");
	return CKR_OK;
}

/* -- initialization vectors --------------------------------------------------------------------------------------- */

/* Keeps the FIXED most significant bits of IV, and takes the others from FRESH. */
static void put_free_bits(uint8_t *iv, size_t len, CK_ULONG fixed, const uint8_t *fresh)
{
	for (size_t i = 0; i < len; i++) {
		CK_ULONG kept = fixed <= 8 * i ? 0 : fixed - 8 * i;
		uint8_t mask = kept >= 8 ? 0xff : (uint8_t) ~(0xffu >> kept);
		iv[i] = (uint8_t)((iv[i] & mask) | (fresh[i] & ~mask));
	}
}

static CK_RV random_iv(struct sr_call *call, const CK_GCM_MESSAGE_PARAMS *params, uint8_t *iv)
{
	uint8_t fresh[IV_MAX];
	if (8 * params->ulIvLen - params->ulIvFixedBits < RANDOM_BITS_MIN)
		return bad_parameter(call, "too few bits of the IV are left to be random: 64 are needed");
	CK_RV rv = sr_vault_random(call->client->vault, fresh, params->ulIvLen, &call->err);
	if (rv == CKR_OK)
		put_free_bits(iv, params->ulIvLen, params->ulIvFixedBits, fresh);
	return rv;
}

/* The first IV that is counted fixes how; a counter may only go on in the same place, over the same value. */
static CK_RV check_counter(
	struct sr_call *call, struct sr_counter_iv *counter, const CK_GCM_MESSAGE_PARAMS *params, const uint8_t *base)
{
	CK_ULONG free_bits = 8 * params->ulIvLen - params->ulIvFixedBits;
	if (params->ulIvLen > SR_COUNTER_IV_MAX || free_bits < COUNTER_BITS_MIN)
		return bad_parameter(call, "a counted IV has 32 bytes at most, of which the counter needs 32 bits");
	if (counter->generator == CKG_NO_GENERATE) {
		counter->generator = params->ivGenerator;
		counter->len = params->ulIvLen;
		counter->fixed_bits = params->ulIvFixedBits;
		memcpy(counter->base, base, params->ulIvLen);
	}
	if (counter->generator != params->ivGenerator || counter->len != params->ulIvLen ||
		counter->fixed_bits != params->ulIvFixedBits || memcmp(counter->base, base, params->ulIvLen) != 0)
		return bad_parameter(
			call, "generator, lengths and IV of a counter may not vary from message to message");
	if (free_bits < 64 && counter->counter >> free_bits)
		return bad_parameter(call, "the counter has come to its end: begin a new operation with another key");
	return CKR_OK;
}

/* 6.13.2: the counter starts at zero with each C_MessageEncryptInit, so that the fixed bits (or the value that is
 * XORed) have to differ between operations with one key: that is the application's part. */
static CK_RV counted_iv(
	struct sr_call *call, struct sr_counter_iv *counter, const CK_GCM_MESSAGE_PARAMS *params, uint8_t *iv)
{
	uint8_t base[IV_MAX], fresh[IV_MAX] = { 0 };
	memcpy(base, iv, params->ulIvLen);
	if (params->ivGenerator == CKG_GENERATE_COUNTER)
		put_free_bits(base, params->ulIvLen, params->ulIvFixedBits, fresh);
	CK_RV rv = check_counter(call, counter, params, base);
	if (rv != CKR_OK)
		return rv;
	memcpy(fresh, base, params->ulIvLen);
	uint64_t value = counter->counter++;
	for (size_t i = params->ulIvLen; i > 0 && value; i--, value >>= 8)
		fresh[i - 1] ^= (uint8_t)value;
	put_free_bits(iv, params->ulIvLen, params->ulIvFixedBits, fresh);
	return CKR_OK;
}

static CK_RV make_iv(
	struct sr_call *call, struct sr_counter_iv *counter, const CK_GCM_MESSAGE_PARAMS *params, uint8_t *iv)
{
	memcpy(iv, params->pIv, params->ulIvLen);
	if (params->ivGenerator != CKG_NO_GENERATE && params->ulIvFixedBits > 8 * params->ulIvLen)
		return bad_parameter(call, "more fixed bits than the IV has");
	switch (params->ivGenerator) {
	case CKG_NO_GENERATE:
		return CKR_OK;
	case CKG_GENERATE:
	case CKG_GENERATE_RANDOM:
		return random_iv(call, params, iv);
	case CKG_GENERATE_COUNTER:
	case CKG_GENERATE_COUNTER_XOR:
		return counted_iv(call, counter, params, iv);
	default:
		return bad_parameter(call, "an unknown generator of IVs");
	}
}

/* -- one message -------------------------------------------------------------------------------------------------- */

/** struct message: one call's. */
struct message {
	enum sr_operation_kind kind;
	CK_GCM_MESSAGE_PARAMS params;
	uint8_t iv[IV_MAX];
	const CK_BYTE *associated;
	CK_ULONG associated_len;
};

static size_t tag_len(const struct sr_operation *op)
{
	return ((const CK_GCM_PARAMS *)op->mechanism.native.pParameter)->tag_bits / 8;
}

/* The mechanism with the message's own parameter in the place of the one before: checked and copied like any other. */
static CK_RV take_parameter(struct sr_call *call, const struct message *message)
{
	struct sr_operation *op = &call->session->operations[message->kind];
	bool seals = message->kind == SR_OPERATION_MESSAGE_ENCRYPT;
	CK_GCM_PARAMS params = { .iv_ptr = (CK_BYTE *)(uintptr_t)message->iv,
		.iv_len = message->params.ulIvLen,
		.iv_bits = 8 * message->params.ulIvLen,
		.aad_ptr = (CK_BYTE *)(uintptr_t)message->associated,
		.aad_len = message->associated_len,
		.tag_bits = message->params.ulTagBits };
	CK_MECHANISM plain = { op->mechanism.row->type, &params, sizeof params };
	struct sr_mechanism taken = { 0 };
	CK_RV rv = sr_call_mechanism(call, &plain, seals ? CKF_ENCRYPT : CKF_DECRYPT, &taken);
	if (rv != CKR_OK)
		return rv == CKR_HOST_MEMORY ? rv : bad_parameter(call, "not one that AES-GCM takes");
	sr_mechanism_clear(&op->mechanism);
	op->mechanism = taken;
	return CKR_OK;
}

/* Reads the parameter, and for a message that is to be encrypted makes its IV, which goes back to the application. */
static CK_RV prepare(struct sr_call *call, struct message *message, const void *parameter, CK_ULONG parameter_len)
{
	struct sr_operation *op = &call->session->operations[message->kind];
	CK_RV rv = read_parameter(call, parameter, parameter_len, &message->params);
	if (rv != CKR_OK)
		return rv;
	bool seals = message->kind == SR_OPERATION_MESSAGE_ENCRYPT;
	if (seals)
		rv = make_iv(call, &op->counter, &message->params, message->iv);
	else
		memcpy(message->iv, message->params.pIv, message->params.ulIvLen);
	if (rv == CKR_OK)
		rv = take_parameter(call, message);
	if (rv == CKR_OK && seals)
		memcpy(message->params.pIv, message->iv, message->params.ulIvLen);
	return rv;
}

/* One use of the key. */
static CK_RV use_key(struct sr_call *call, enum sr_operation_kind kind, const void *in, size_t len, struct sr_buf *out)
{
	struct sr_operation *op = &call->session->operations[kind];
	struct sr_use *use = NULL;
	CK_RV rv = sr_operation_ready(call, kind);
	if (rv != CKR_OK)
		return rv;
	do {
		sr_use_end(use);
		use = NULL;
		struct sr_caller caller = sr_call_caller(call);
		rv = sr_operation_use(call, kind, &op->mechanism, &use);
		if (rv == CKR_OK)
			rv = sr_use_once(&caller, use, in, len, out, &call->err);
	} while (sr_call_again(call, rv));
	sr_use_end(use);
	sr_message_used(call, kind);
	return rv;
}

/* IN to OUT, which has room for LEN bytes, and the tag behind it to the parameter's. */
static CK_RV seal(
	struct sr_call *call, const CK_GCM_MESSAGE_PARAMS *params, const CK_BYTE *in, size_t len, CK_BYTE *out)
{
	const struct sr_operation *op = &call->session->operations[SR_OPERATION_MESSAGE_ENCRYPT];
	struct sr_buf sealed = SR_BUF_INIT;
	size_t tag = tag_len(op);
	CK_RV rv = use_key(call, SR_OPERATION_MESSAGE_ENCRYPT, in, len, &sealed);
	if (rv == CKR_OK && sealed.len != len + tag)
		rv = sr_fail(&call->err, CKR_DEVICE_ERROR, SR_REASON_HSM_FAILED,
			"the HSM's AES-GCM gave %zu bytes for %zu", sealed.len, len);
	if (rv == CKR_OK) {
		if (len)
			memcpy(out, sealed.data, len);
		memcpy(params->pTag, sealed.data + len, tag);
	}
	sr_buf_clear(&sealed);
	return rv;
}

/* 5.11.2: whatever an AEAD mechanism finds wrong with the data is CKR_AEAD_DECRYPT_FAILED. */
static CK_RV aead_code(struct sr_call *call, CK_RV rv)
{
	if (rv != CKR_ENCRYPTED_DATA_INVALID && rv != CKR_ENCRYPTED_DATA_LEN_RANGE)
		return rv;
	return sr_fail(&call->err, CKR_AEAD_DECRYPT_FAILED, SR_REASON_NONE, "data, associated data and tag do not fit");
}

static CK_RV open_sealed(struct sr_call *call, const struct sr_buf *sealed, size_t len, CK_BYTE *out)
{
	struct sr_buf plain = SR_BUF_INIT;
	CK_RV rv = sealed->failed ? CKR_HOST_MEMORY
				  : use_key(call, SR_OPERATION_MESSAGE_DECRYPT, sealed->data, sealed->len, &plain);
	if (rv == CKR_OK && plain.len != len)
		rv = sr_fail(&call->err, CKR_DEVICE_ERROR, SR_REASON_HSM_FAILED,
			"the HSM's AES-GCM gave %zu bytes for %zu", plain.len, len);
	if (rv == CKR_OK && len)
		memcpy(out, plain.data, len);
	sr_buf_clear(&plain);
	return aead_code(call, rv);
}

/* The way out of a call on a message: END_MESSAGE where it is over, as it is after any error. */
static CK_RV leave(struct sr_call *call, enum sr_operation_kind kind, enum sr_part part, CK_RV rv, bool end_message)
{
	CK_RV answer = rv == CKR_AEAD_DECRYPT_FAILED ? rv : sr_operation_code(call, kind, part, rv);
	if (end_message || (answer != CKR_OK && answer != CKR_BUFFER_TOO_SMALL))
		sr_message_end(call, kind);
	return answer;
}

/* -- in one part -------------------------------------------------------------------------------------------------- */

/** struct data: what a call is given, and where its output goes. */
struct data {
	const CK_BYTE *in;
	CK_ULONG len;
	CK_BYTE *out;
	CK_ULONG *out_len;
};

static CK_RV check_data(struct sr_call *call, enum sr_operation_kind kind, const struct data *data, bool *query)
{
	CK_RV rv = sr_operation_check(call, kind, data->in, data->len);
	return rv == CKR_OK ? sr_operation_room(call, data->len, data->out, data->out_len, query) : rv;
}

CK_RV sr_C_EncryptMessage(struct sr_call *call, CK_VOID_PTR parameter, CK_ULONG parameter_len, CK_BYTE_PTR associated,
	CK_ULONG associated_len, CK_BYTE_PTR data, CK_ULONG data_len, CK_BYTE_PTR output, CK_ULONG_PTR output_len)
{
	struct message message = {
		.kind = SR_OPERATION_MESSAGE_ENCRYPT, .associated = associated, .associated_len = associated_len
	};
	struct data given = { data, data_len, output, output_len };
	bool query = false;
	CK_RV rv = sr_message_idle(call, message.kind);
	if (rv != CKR_OK)
		return sr_operation_code(call, message.kind, SR_WHOLE, rv);
	rv = check_data(call, message.kind, &given, &query);
	if (rv == CKR_OK && !query)
		rv = prepare(call, &message, parameter, parameter_len);
	if (rv == CKR_OK && !query)
		rv = seal(call, &message.params, data, data_len, output);
	return leave(call, message.kind, SR_WHOLE, rv, true);
}

CK_RV sr_C_DecryptMessage(struct sr_call *call, CK_VOID_PTR parameter, CK_ULONG parameter_len, CK_BYTE_PTR associated,
	CK_ULONG associated_len, CK_BYTE_PTR data, CK_ULONG data_len, CK_BYTE_PTR output, CK_ULONG_PTR output_len)
{
	struct message message = {
		.kind = SR_OPERATION_MESSAGE_DECRYPT, .associated = associated, .associated_len = associated_len
	};
	struct data given = { data, data_len, output, output_len };
	struct sr_buf sealed = SR_BUF_INIT;
	bool query = false;
	CK_RV rv = sr_message_idle(call, message.kind);
	if (rv != CKR_OK)
		return sr_operation_code(call, message.kind, SR_WHOLE, rv);
	rv = check_data(call, message.kind, &given, &query);
	if (rv == CKR_OK && !query)
		rv = prepare(call, &message, parameter, parameter_len);
	if (rv == CKR_OK && !query) {
		sr_buf_append(&sealed, data, data_len);
		sr_buf_append(&sealed, message.params.pTag, tag_len(&call->session->operations[message.kind]));
		rv = open_sealed(call, &sealed, data_len, output);
	}
	sr_buf_clear(&sealed);
	return leave(call, message.kind, SR_WHOLE, rv, true);
}

/* -- in parts ----------------------------------------------------------------------------------------------------- */

static CK_RV begin_message(struct sr_call *call, struct message *message, const void *parameter, CK_ULONG parameter_len)
{
	CK_RV rv = sr_message_idle(call, message->kind);
	if (rv != CKR_OK)
		return sr_operation_code(call, message->kind, SR_PART, rv);
	rv = prepare(call, message, parameter, parameter_len);
	call->session->operations[message->kind].message_open = rv == CKR_OK;
	return leave(call, message->kind, SR_PART, rv, false);
}

CK_RV sr_C_EncryptMessageBegin(struct sr_call *call, CK_VOID_PTR parameter, CK_ULONG parameter_len,
	CK_BYTE_PTR associated, CK_ULONG associated_len)
{
	struct message message = {
		.kind = SR_OPERATION_MESSAGE_ENCRYPT, .associated = associated, .associated_len = associated_len
	};
	return begin_message(call, &message, parameter, parameter_len);
}

CK_RV sr_C_DecryptMessageBegin(struct sr_call *call, CK_VOID_PTR parameter, CK_ULONG parameter_len,
	CK_BYTE_PTR associated, CK_ULONG associated_len)
{
	struct message message = {
		.kind = SR_OPERATION_MESSAGE_DECRYPT, .associated = associated, .associated_len = associated_len
	};
	return begin_message(call, &message, parameter, parameter_len);
}

/* Takes a part in. Until the last there is no output; then it is as long as the message. */
static CK_RV take_part(
	struct sr_call *call, enum sr_operation_kind kind, const struct data *data, CK_FLAGS flags, bool *last)
{
	struct sr_operation *op = &call->session->operations[kind];
	bool query = false;
	bool ends = flags == CKF_END_OF_MESSAGE;
	*last = false;
	if (flags & ~CKF_END_OF_MESSAGE)
		return sr_fail(&call->err, CKR_ARGUMENTS_BAD, SR_REASON_NONE, "flags: CKF_END_OF_MESSAGE or nothing");
	CK_RV rv = sr_operation_check(call, kind, data->in, data->len);
	size_t total = op->message.len + data->len;
	if (rv == CKR_OK && total > SR_CALL_DATA_MAX)
		rv = sr_fail(&call->err, CKR_DATA_LEN_RANGE, SR_REASON_TOO_LARGE, "a message has %u bytes at most",
			SR_CALL_DATA_MAX);
	if (rv == CKR_OK)
		rv = sr_operation_room(call, ends ? total : 0, data->out, data->out_len, &query);
	if (rv != CKR_OK || query)
		return rv;
	sr_buf_append(&op->message, data->in, data->len);
	*last = ends;
	return op->message.failed ? CKR_HOST_MEMORY : CKR_OK;
}

/* The tag comes and goes with the last part's parameter, whose tag has to be as long as the first said. */
static CK_RV check_tag(struct sr_call *call, const struct sr_operation *op, const void *parameter,
	CK_ULONG parameter_len, CK_GCM_MESSAGE_PARAMS *params)
{
	CK_RV rv = read_parameter(call, parameter, parameter_len, params);
	if (rv == CKR_OK && params->ulTagBits != 8 * tag_len(op))
		rv = bad_parameter(call, "the tag has another length than at the message's beginning");
	return rv;
}

CK_RV sr_C_EncryptMessageNext(struct sr_call *call, CK_VOID_PTR parameter, CK_ULONG parameter_len, CK_BYTE_PTR data,
	CK_ULONG data_len, CK_BYTE_PTR output, CK_ULONG_PTR output_len, CK_FLAGS flags)
{
	const enum sr_operation_kind kind = SR_OPERATION_MESSAGE_ENCRYPT;
	struct sr_operation *op = &call->session->operations[kind];
	struct data given = { data, data_len, output, output_len };
	CK_GCM_MESSAGE_PARAMS params;
	bool last = false;
	CK_RV rv = sr_message_open(call, kind);
	if (rv == CKR_OK)
		rv = check_tag(call, op, parameter, parameter_len, &params);
	if (rv == CKR_OK)
		rv = take_part(call, kind, &given, flags, &last);
	if (rv == CKR_OK && last)
		rv = seal(call, &params, op->message.data, op->message.len, output);
	return leave(call, kind, SR_PART, rv, last);
}

CK_RV sr_C_DecryptMessageNext(struct sr_call *call, CK_VOID_PTR parameter, CK_ULONG parameter_len, CK_BYTE_PTR data,
	CK_ULONG data_len, CK_BYTE_PTR output, CK_ULONG_PTR output_len, CK_FLAGS flags)
{
	const enum sr_operation_kind kind = SR_OPERATION_MESSAGE_DECRYPT;
	struct sr_operation *op = &call->session->operations[kind];
	struct data given = { data, data_len, output, output_len };
	CK_GCM_MESSAGE_PARAMS params;
	bool last = false;
	CK_RV rv = sr_message_open(call, kind);
	if (rv == CKR_OK)
		rv = check_tag(call, op, parameter, parameter_len, &params);
	if (rv == CKR_OK)
		rv = take_part(call, kind, &given, flags, &last);
	if (rv == CKR_OK && last) {
		size_t len = op->message.len;
		sr_buf_append(&op->message, params.pTag, tag_len(op));
		rv = open_sealed(call, &op->message, len, output);
	}
	return leave(call, kind, SR_PART, rv, last);
}

/* -- beginning and end -------------------------------------------------------------------------------------------- */

CK_RV sr_C_MessageEncryptInit(struct sr_call *call, CK_MECHANISM_PTR mechanism, CK_OBJECT_HANDLE key)
{
	return sr_operation_init(call, SR_OPERATION_MESSAGE_ENCRYPT, mechanism, key);
}

CK_RV sr_C_MessageDecryptInit(struct sr_call *call, CK_MECHANISM_PTR mechanism, CK_OBJECT_HANDLE key)
{
	return sr_operation_init(call, SR_OPERATION_MESSAGE_DECRYPT, mechanism, key);
}

CK_RV sr_C_MessageEncryptFinal(struct sr_call *call)
{
	return sr_message_final(call, SR_OPERATION_MESSAGE_ENCRYPT);
}

CK_RV sr_C_MessageDecryptFinal(struct sr_call *call)
{
	return sr_message_final(call, SR_OPERATION_MESSAGE_DECRYPT);
}
