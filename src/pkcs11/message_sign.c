/* Message-based signing and verifying: PKCS#11 v3.1, 5.14 and 5.16. One use of the key for each message. The mechanisms
 * that have it take no parameter with the message. */
#include "pkcs11/call.h"
#include "pkcs11/message.h"

#include <string.h>

static CK_RV check_parameter(struct sr_call *call, const void *parameter, CK_ULONG parameter_len)
{
	if (!parameter && !parameter_len)
		return CKR_OK;
	return sr_fail(&call->err, CKR_MECHANISM_PARAM_INVALID, SR_REASON_MECHANISM,
		"a message that is signed or verified takes no parameter");
}

/* The way out: END_MESSAGE where the message is over, as it is after any error. */
static CK_RV leave(struct sr_call *call, enum sr_operation_kind kind, enum sr_part part, CK_RV rv, bool end_message)
{
	rv = sr_operation_code(call, kind, part, rv);
	if (end_message || (rv != CKR_OK && rv != CKR_BUFFER_TOO_SMALL))
		sr_message_end(call, kind);
	return rv;
}

static CK_RV begin_use(struct sr_call *call, enum sr_operation_kind kind)
{
	struct sr_operation *op = &call->session->operations[kind];
	CK_RV rv;
	do {
		rv = sr_operation_use(call, kind, &op->mechanism, &op->use);
	} while (sr_call_again(call, rv));
	return rv;
}

/* -- in one part -------------------------------------------------------------------------------------------------- */

static CK_RV begin_whole(struct sr_call *call, enum sr_operation_kind kind, const void *parameter,
	CK_ULONG parameter_len, const CK_BYTE *data, CK_ULONG data_len)
{
	CK_RV rv = check_parameter(call, parameter, parameter_len);
	if (rv == CKR_OK)
		rv = sr_operation_check(call, kind, data, data_len);
	return rv == CKR_OK ? begin_use(call, kind) : rv;
}

/* The signature to OUT, which has room for it: of IN where that is the whole message, else of the parts before it. */
static CK_RV sign(
	struct sr_call *call, enum sr_part part, const CK_BYTE *in, size_t len, CK_BYTE *out, CK_ULONG *out_len)
{
	const enum sr_operation_kind kind = SR_OPERATION_MESSAGE_SIGN;
	struct sr_operation *op = &call->session->operations[kind];
	struct sr_caller caller = sr_call_caller(call);
	struct sr_buf signature = SR_BUF_INIT;
	CK_ULONG room = *out_len;
	CK_RV rv = sr_operation_ready(call, kind);
	if (rv != CKR_OK)
		return rv;
	if (part == SR_WHOLE)
		rv = sr_use_once(&caller, op->use, in, len, &signature, &call->err);
	else
		rv = sr_use_final(&caller, op->use, &signature, &call->err);
	sr_message_used(call, kind);
	if (rv == CKR_OK && signature.len > room)
		rv = sr_fail(&call->err, CKR_DEVICE_ERROR, SR_REASON_HSM_FAILED,
			"the HSM's signature is longer than it said: %zu bytes", signature.len);
	if (rv == CKR_OK) {
		memcpy(out, signature.data, signature.len);
		*out_len = signature.len;
	}
	sr_buf_clear(&signature);
	return rv;
}

CK_RV sr_C_SignMessage(struct sr_call *call, CK_VOID_PTR parameter, CK_ULONG parameter_len, CK_BYTE_PTR data,
	CK_ULONG data_len, CK_BYTE_PTR output, CK_ULONG_PTR output_len)
{
	const enum sr_operation_kind kind = SR_OPERATION_MESSAGE_SIGN;
	bool query = false;
	CK_RV rv = sr_message_idle(call, kind);
	if (rv != CKR_OK)
		return sr_operation_code(call, kind, SR_WHOLE, rv);
	rv = begin_whole(call, kind, parameter, parameter_len, data, data_len);
	if (rv == CKR_OK) {
		size_t needed = sr_use_bound(call->session->operations[kind].use, data_len);
		rv = sr_operation_room(call, needed, output, output_len, &query);
	}
	if (rv == CKR_OK && !query)
		rv = sign(call, SR_WHOLE, data, data_len, output, output_len);
	return leave(call, kind, SR_WHOLE, rv, true);
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

static CK_RV verify(
	struct sr_call *call, const CK_BYTE *in, size_t len, const CK_BYTE *signature, CK_ULONG signature_len)
{
	const enum sr_operation_kind kind = SR_OPERATION_MESSAGE_VERIFY;
	struct sr_caller caller = sr_call_caller(call);
	CK_RV rv = check_signature(call, signature, signature_len);
	if (rv == CKR_OK)
		rv = sr_operation_ready(call, kind);
	if (rv != CKR_OK)
		return rv;
	rv = sr_use_verify(&caller, call->session->operations[kind].use, in, len, signature, signature_len, &call->err);
	sr_message_used(call, kind);
	return rv;
}

CK_RV sr_C_VerifyMessage(struct sr_call *call, CK_VOID_PTR parameter, CK_ULONG parameter_len, CK_BYTE_PTR data,
	CK_ULONG data_len, CK_BYTE_PTR signature, CK_ULONG signature_len)
{
	const enum sr_operation_kind kind = SR_OPERATION_MESSAGE_VERIFY;
	CK_RV rv = sr_message_idle(call, kind);
	if (rv != CKR_OK)
		return sr_operation_code(call, kind, SR_WHOLE, rv);
	rv = begin_whole(call, kind, parameter, parameter_len, data, data_len);
	if (rv == CKR_OK)
		rv = verify(call, data, data_len, signature, signature_len);
	return leave(call, kind, SR_WHOLE, rv, true);
}

/* -- in parts ----------------------------------------------------------------------------------------------------- */

static CK_RV begin_message(
	struct sr_call *call, enum sr_operation_kind kind, const void *parameter, CK_ULONG parameter_len)
{
	struct sr_operation *op = &call->session->operations[kind];
	CK_RV rv = sr_message_idle(call, kind);
	if (rv != CKR_OK)
		return sr_operation_code(call, kind, SR_PART, rv);
	rv = check_parameter(call, parameter, parameter_len);
	if (rv == CKR_OK && !op->mechanism.row->multi_part)
		rv = sr_fail(&call->err, CKR_FUNCTION_FAILED, SR_REASON_MECHANISM,
			"%s takes a message in one part only", op->mechanism.row->name);
	if (rv == CKR_OK)
		rv = begin_use(call, kind);
	op->message_open = rv == CKR_OK;
	return leave(call, kind, SR_PART, rv, false);
}

CK_RV sr_C_SignMessageBegin(struct sr_call *call, CK_VOID_PTR parameter, CK_ULONG parameter_len)
{
	return begin_message(call, SR_OPERATION_MESSAGE_SIGN, parameter, parameter_len);
}

CK_RV sr_C_VerifyMessageBegin(struct sr_call *call, CK_VOID_PTR parameter, CK_ULONG parameter_len)
{
	return begin_message(call, SR_OPERATION_MESSAGE_VERIFY, parameter, parameter_len);
}

static CK_RV check_part(struct sr_call *call, enum sr_operation_kind kind, const void *parameter,
	CK_ULONG parameter_len, const CK_BYTE *data, CK_ULONG data_len)
{
	CK_RV rv = sr_message_open(call, kind);
	if (rv == CKR_OK)
		rv = check_parameter(call, parameter, parameter_len);
	return rv == CKR_OK ? sr_operation_check(call, kind, data, data_len) : rv;
}

static CK_RV feed(struct sr_call *call, enum sr_operation_kind kind, const CK_BYTE *data, CK_ULONG data_len)
{
	struct sr_buf nothing = SR_BUF_INIT;
	struct sr_caller caller = sr_call_caller(call);
	CK_RV rv = sr_operation_ready(call, kind);
	if (rv == CKR_OK && data_len)
		rv = sr_use_update(&caller, call->session->operations[kind].use, data, data_len, &nothing, &call->err);
	sr_buf_clear(&nothing);
	return rv;
}

/* 5.14.4: more is to follow where there is no place for the length of the signature. */
CK_RV sr_C_SignMessageNext(struct sr_call *call, CK_VOID_PTR parameter, CK_ULONG parameter_len, CK_BYTE_PTR data,
	CK_ULONG data_len, CK_BYTE_PTR output, CK_ULONG_PTR output_len)
{
	const enum sr_operation_kind kind = SR_OPERATION_MESSAGE_SIGN;
	bool query = false;
	CK_RV rv = check_part(call, kind, parameter, parameter_len, data, data_len);
	if (rv == CKR_OK && output_len) {
		size_t needed = sr_use_bound(call->session->operations[kind].use, data_len);
		rv = sr_operation_room(call, needed, output, output_len, &query);
	}
	if (rv == CKR_OK && !query)
		rv = feed(call, kind, data, data_len);
	bool last = output_len && !query && rv != CKR_BUFFER_TOO_SMALL;
	if (rv == CKR_OK && last)
		rv = sign(call, SR_END, NULL, 0, output, output_len);
	return leave(call, kind, SR_PART, rv, last);
}

/* 5.16.4: more is to follow where there is no signature. */
CK_RV sr_C_VerifyMessageNext(struct sr_call *call, CK_VOID_PTR parameter, CK_ULONG parameter_len, CK_BYTE_PTR data,
	CK_ULONG data_len, CK_BYTE_PTR signature, CK_ULONG signature_len)
{
	const enum sr_operation_kind kind = SR_OPERATION_MESSAGE_VERIFY;
	CK_RV rv = check_part(call, kind, parameter, parameter_len, data, data_len);
	if (rv == CKR_OK)
		rv = feed(call, kind, data, data_len);
	if (rv == CKR_OK && signature)
		rv = verify(call, NULL, 0, signature, signature_len);
	return leave(call, kind, SR_PART, rv, signature);
}

/* -- beginning and end -------------------------------------------------------------------------------------------- */

CK_RV sr_C_MessageSignInit(struct sr_call *call, CK_MECHANISM_PTR mechanism, CK_OBJECT_HANDLE key)
{
	return sr_operation_init(call, SR_OPERATION_MESSAGE_SIGN, mechanism, key);
}

CK_RV sr_C_MessageVerifyInit(struct sr_call *call, CK_MECHANISM_PTR mechanism, CK_OBJECT_HANDLE key)
{
	return sr_operation_init(call, SR_OPERATION_MESSAGE_VERIFY, mechanism, key);
}

CK_RV sr_C_MessageSignFinal(struct sr_call *call)
{
	return sr_message_final(call, SR_OPERATION_MESSAGE_SIGN);
}

CK_RV sr_C_MessageVerifyFinal(struct sr_call *call)
{
	return sr_message_final(call, SR_OPERATION_MESSAGE_VERIFY);
}
