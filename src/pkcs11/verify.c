/* Verification of signatures and MACs, with and without recovery of the data: PKCS#11 v3.1, 5.15. */
#include "pkcs11/call.h"

CK_RV sr_C_VerifyInit(struct sr_call *call, CK_MECHANISM_PTR mechanism, CK_OBJECT_HANDLE key)
{
	return sr_operation_init(call, SR_OPERATION_VERIFY, mechanism, key);
}

CK_RV sr_C_Verify(
	struct sr_call *call, CK_BYTE_PTR data, CK_ULONG data_len, CK_BYTE_PTR signature, CK_ULONG signature_len)
{
	struct sr_step step = { SR_OPERATION_VERIFY, SR_WHOLE, data, data_len, NULL, NULL, NULL };
	return sr_operation_verify(call, &step, signature, signature_len);
}

CK_RV sr_C_VerifyUpdate(struct sr_call *call, CK_BYTE_PTR data, CK_ULONG data_len)
{
	return sr_operation_feed(call, SR_OPERATION_VERIFY, data, data_len);
}

CK_RV sr_C_VerifyFinal(struct sr_call *call, CK_BYTE_PTR signature, CK_ULONG signature_len)
{
	struct sr_step step = { SR_OPERATION_VERIFY, SR_END, NULL, 0, NULL, NULL, NULL };
	return sr_operation_verify(call, &step, signature, signature_len);
}

CK_RV sr_C_VerifyRecoverInit(struct sr_call *call, CK_MECHANISM_PTR mechanism, CK_OBJECT_HANDLE key)
{
	return sr_operation_init(call, SR_OPERATION_VERIFY_RECOVER, mechanism, key);
}

/* 5.15.6: a signature that is not good is told before a buffer that is too small; and so it is, for the data is
 * recovered before its length is known. */
CK_RV sr_C_VerifyRecover(struct sr_call *call, CK_BYTE_PTR signature, CK_ULONG signature_len, CK_BYTE_PTR output,
	CK_ULONG_PTR output_len)
{
	struct sr_step step = { SR_OPERATION_VERIFY_RECOVER, SR_WHOLE, signature, signature_len, output, output_len,
		NULL };
	return sr_operation_step(call, &step);
}
