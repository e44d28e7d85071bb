/* Encryption: PKCS#11 v3.1, 5.8. */
#include "pkcs11/call.h"

CK_RV sr_C_EncryptInit(struct sr_call *call, CK_MECHANISM_PTR mechanism, CK_OBJECT_HANDLE key)
{
	return sr_operation_init(call, SR_OPERATION_ENCRYPT, mechanism, key);
}

CK_RV sr_C_Encrypt(
	struct sr_call *call, CK_BYTE_PTR data, CK_ULONG data_len, CK_BYTE_PTR output, CK_ULONG_PTR output_len)
{
	struct sr_step step = { SR_OPERATION_ENCRYPT, SR_WHOLE, data, data_len, output, output_len, NULL };
	return sr_operation_step(call, &step);
}

CK_RV sr_C_EncryptUpdate(
	struct sr_call *call, CK_BYTE_PTR data, CK_ULONG data_len, CK_BYTE_PTR output, CK_ULONG_PTR output_len)
{
	struct sr_step step = { SR_OPERATION_ENCRYPT, SR_PART, data, data_len, output, output_len, NULL };
	return sr_operation_step(call, &step);
}

CK_RV sr_C_EncryptFinal(struct sr_call *call, CK_BYTE_PTR output, CK_ULONG_PTR output_len)
{
	struct sr_step step = { SR_OPERATION_ENCRYPT, SR_END, NULL, 0, output, output_len, NULL };
	return sr_operation_step(call, &step);
}
