/* Signatures and MACs, with and without recovery of the data: PKCS#11 v3.1, 5.13. */
#include "pkcs11/call.h"

CK_RV sr_C_SignInit(struct sr_call *call, CK_MECHANISM_PTR mechanism, CK_OBJECT_HANDLE key)
{
	return sr_operation_init(call, SR_OPERATION_SIGN, mechanism, key);
}

CK_RV sr_C_Sign(struct sr_call *call, CK_BYTE_PTR data, CK_ULONG data_len, CK_BYTE_PTR output, CK_ULONG_PTR output_len)
{
	struct sr_step step = { SR_OPERATION_SIGN, SR_WHOLE, data, data_len, output, output_len, NULL };
	return sr_operation_step(call, &step);
}

CK_RV sr_C_SignUpdate(struct sr_call *call, CK_BYTE_PTR data, CK_ULONG data_len)
{
	return sr_operation_feed(call, SR_OPERATION_SIGN, data, data_len);
}

CK_RV sr_C_SignFinal(struct sr_call *call, CK_BYTE_PTR output, CK_ULONG_PTR output_len)
{
	struct sr_step step = { SR_OPERATION_SIGN, SR_END, NULL, 0, output, output_len, NULL };
	return sr_operation_step(call, &step);
}

CK_RV sr_C_SignRecoverInit(struct sr_call *call, CK_MECHANISM_PTR mechanism, CK_OBJECT_HANDLE key)
{
	return sr_operation_init(call, SR_OPERATION_SIGN_RECOVER, mechanism, key);
}

CK_RV sr_C_SignRecover(
	struct sr_call *call, CK_BYTE_PTR data, CK_ULONG data_len, CK_BYTE_PTR output, CK_ULONG_PTR output_len)
{
	struct sr_step step = { SR_OPERATION_SIGN_RECOVER, SR_WHOLE, data, data_len, output, output_len, NULL };
	return sr_operation_step(call, &step);
}
