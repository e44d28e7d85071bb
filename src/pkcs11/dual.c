/* Dual-function calls: PKCS#11 v3.1, 5.17. Two operations of the session, each with its own use in the HSM: the one
 * with an output goes first, and the other is fed when that output is sure to be released. */
#include "pkcs11/call.h"

CK_RV sr_C_DigestEncryptUpdate(
	struct sr_call *call, CK_BYTE_PTR data, CK_ULONG data_len, CK_BYTE_PTR output, CK_ULONG_PTR output_len)
{
	struct sr_step step = { SR_OPERATION_ENCRYPT, SR_PART, data, data_len, output, output_len, sr_C_DigestUpdate };
	CK_RV rv = sr_digest_find(call);
	return rv == CKR_OK ? sr_operation_step(call, &step) : rv;
}

CK_RV sr_C_DecryptDigestUpdate(
	struct sr_call *call, CK_BYTE_PTR data, CK_ULONG data_len, CK_BYTE_PTR output, CK_ULONG_PTR output_len)
{
	struct sr_step step = { SR_OPERATION_DECRYPT, SR_PART, data, data_len, output, output_len, sr_C_DigestUpdate };
	CK_RV rv = sr_digest_find(call);
	return rv == CKR_OK ? sr_operation_step(call, &step) : rv;
}

CK_RV sr_C_SignEncryptUpdate(
	struct sr_call *call, CK_BYTE_PTR data, CK_ULONG data_len, CK_BYTE_PTR output, CK_ULONG_PTR output_len)
{
	struct sr_step step = { SR_OPERATION_ENCRYPT, SR_PART, data, data_len, output, output_len, sr_C_SignUpdate };
	CK_RV rv = sr_operation_feedable(call, SR_OPERATION_SIGN);
	return rv == CKR_OK ? sr_operation_step(call, &step) : rv;
}

CK_RV sr_C_DecryptVerifyUpdate(
	struct sr_call *call, CK_BYTE_PTR data, CK_ULONG data_len, CK_BYTE_PTR output, CK_ULONG_PTR output_len)
{
	struct sr_step step = { SR_OPERATION_DECRYPT, SR_PART, data, data_len, output, output_len, sr_C_VerifyUpdate };
	CK_RV rv = sr_operation_feedable(call, SR_OPERATION_VERIFY);
	return rv == CKR_OK ? sr_operation_step(call, &step) : rv;
}
