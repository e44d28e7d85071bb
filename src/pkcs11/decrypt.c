/* Decryption: PKCS#11 v3.1, 5.10. */
#include "pkcs11/call.h"

CK_RV sr_C_DecryptInit(struct sr_call *call, CK_MECHANISM_PTR mechanism, CK_OBJECT_HANDLE key)
{
	return sr_operation_init(call, SR_OPERATION_DECRYPT, mechanism, key);
}

CK_RV sr_C_Decrypt(
	struct sr_call *call, CK_BYTE_PTR data, CK_ULONG data_len, CK_BYTE_PTR output, CK_ULONG_PTR output_len)
{
	struct sr_step step = { SR_OPERATION_DECRYPT, SR_WHOLE, data, data_len, output, output_len, NULL };
	return sr_operation_step(call, &step);
}

CK_RV sr_C_DecryptUpdate(
	struct sr_call *call, CK_BYTE_PTR data, CK_ULONG data_len, CK_BYTE_PTR output, CK_ULONG_PTR output_len)
{
	struct sr_step step = { SR_OPERATION_DECRYPT, SR_PART, data, data_len, output, output_len, NULL };
	return sr_operation_step(call, &step);
}

CK_RV sr_C_DecryptFinal(struct sr_call *call, CK_BYTE_PTR output, CK_ULONG_PTR output_len)
{
	struct sr_step step = { SR_OPERATION_DECRYPT, SR_END, NULL, 0, output, output_len, NULL };
	return sr_operation_step(call, &step);
}
