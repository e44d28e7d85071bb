/* What PKCS#11 3.0 and 3.1 add to p11-kit 0.24's header (which is 2.40). Each name is guarded, so a newer p11-kit may
 * bring its own. Left out: mechanisms that no supported HSM offers (BLAKE2b, Salsa20, X3DH, double ratchet, HSS). */
#ifndef SR_PKCS11_CRYPTOKI3_H
#define SR_PKCS11_CRYPTOKI3_H

#include <p11-kit/pkcs11.h>

/* -- types and functions -------------------------------------------------------------------------------------- */
#ifndef CKF_INTERFACE_FORK_SAFE

typedef CK_ULONG CK_PROFILE_ID;
typedef CK_ULONG CK_GENERATOR_FUNCTION;

/** CK_INTERFACE: PKCS#11 v3.1, 3.8. The name's type is p11-kit's; the standard says CK_UTF8CHAR. */
typedef struct ck_interface {
	char *pInterfaceName;
	CK_VOID_PTR pFunctionList;
	CK_FLAGS flags;
} CK_INTERFACE;

typedef CK_INTERFACE *CK_INTERFACE_PTR;
typedef CK_INTERFACE **CK_INTERFACE_PTR_PTR;

/* The calls that 3.0 added, each as the prototype of C_name and as the type CK_C_name of a pointer to it. */
#define SR_DECLARE(name, arguments)          \
	typedef CK_RV(*CK_##name) arguments; \
	CK_RV name arguments

SR_DECLARE(C_GetInterfaceList, (CK_INTERFACE_PTR interfaces, CK_ULONG_PTR count));
SR_DECLARE(
	C_GetInterface, (CK_UTF8CHAR_PTR name, CK_VERSION_PTR version, CK_INTERFACE_PTR_PTR interface, CK_FLAGS flags));
SR_DECLARE(C_LoginUser, (CK_SESSION_HANDLE session, CK_USER_TYPE user_type, CK_UTF8CHAR_PTR pin, CK_ULONG pin_len,
				CK_UTF8CHAR_PTR user_name, CK_ULONG user_name_len));
SR_DECLARE(C_SessionCancel, (CK_SESSION_HANDLE session, CK_FLAGS flags));

SR_DECLARE(C_MessageEncryptInit, (CK_SESSION_HANDLE session, CK_MECHANISM_PTR mechanism, CK_OBJECT_HANDLE key));
SR_DECLARE(C_EncryptMessage, (CK_SESSION_HANDLE session, CK_VOID_PTR parameter, CK_ULONG parameter_len,
				     CK_BYTE_PTR associated, CK_ULONG associated_len, CK_BYTE_PTR plain,
				     CK_ULONG plain_len, CK_BYTE_PTR encrypted, CK_ULONG_PTR encrypted_len));
SR_DECLARE(C_EncryptMessageBegin, (CK_SESSION_HANDLE session, CK_VOID_PTR parameter, CK_ULONG parameter_len,
					  CK_BYTE_PTR associated, CK_ULONG associated_len));
SR_DECLARE(C_EncryptMessageNext,
	(CK_SESSION_HANDLE session, CK_VOID_PTR parameter, CK_ULONG parameter_len, CK_BYTE_PTR plain_part,
		CK_ULONG plain_part_len, CK_BYTE_PTR encrypted_part, CK_ULONG_PTR encrypted_part_len, CK_FLAGS flags));
SR_DECLARE(C_MessageEncryptFinal, (CK_SESSION_HANDLE session));

SR_DECLARE(C_MessageDecryptInit, (CK_SESSION_HANDLE session, CK_MECHANISM_PTR mechanism, CK_OBJECT_HANDLE key));
SR_DECLARE(C_DecryptMessage, (CK_SESSION_HANDLE session, CK_VOID_PTR parameter, CK_ULONG parameter_len,
				     CK_BYTE_PTR associated, CK_ULONG associated_len, CK_BYTE_PTR encrypted,
				     CK_ULONG encrypted_len, CK_BYTE_PTR plain, CK_ULONG_PTR plain_len));
SR_DECLARE(C_DecryptMessageBegin, (CK_SESSION_HANDLE session, CK_VOID_PTR parameter, CK_ULONG parameter_len,
					  CK_BYTE_PTR associated, CK_ULONG associated_len));
SR_DECLARE(C_DecryptMessageNext,
	(CK_SESSION_HANDLE session, CK_VOID_PTR parameter, CK_ULONG parameter_len, CK_BYTE_PTR encrypted_part,
		CK_ULONG encrypted_part_len, CK_BYTE_PTR plain_part, CK_ULONG_PTR plain_part_len, CK_FLAGS flags));
SR_DECLARE(C_MessageDecryptFinal, (CK_SESSION_HANDLE session));

SR_DECLARE(C_MessageSignInit, (CK_SESSION_HANDLE session, CK_MECHANISM_PTR mechanism, CK_OBJECT_HANDLE key));
SR_DECLARE(C_SignMessage, (CK_SESSION_HANDLE session, CK_VOID_PTR parameter, CK_ULONG parameter_len, CK_BYTE_PTR data,
				  CK_ULONG data_len, CK_BYTE_PTR signature, CK_ULONG_PTR signature_len));
SR_DECLARE(C_SignMessageBegin, (CK_SESSION_HANDLE session, CK_VOID_PTR parameter, CK_ULONG parameter_len));
SR_DECLARE(
	C_SignMessageNext, (CK_SESSION_HANDLE session, CK_VOID_PTR parameter, CK_ULONG parameter_len, CK_BYTE_PTR data,
				   CK_ULONG data_len, CK_BYTE_PTR signature, CK_ULONG_PTR signature_len));
SR_DECLARE(C_MessageSignFinal, (CK_SESSION_HANDLE session));

SR_DECLARE(C_MessageVerifyInit, (CK_SESSION_HANDLE session, CK_MECHANISM_PTR mechanism, CK_OBJECT_HANDLE key));
SR_DECLARE(C_VerifyMessage, (CK_SESSION_HANDLE session, CK_VOID_PTR parameter, CK_ULONG parameter_len, CK_BYTE_PTR data,
				    CK_ULONG data_len, CK_BYTE_PTR signature, CK_ULONG signature_len));
SR_DECLARE(C_VerifyMessageBegin, (CK_SESSION_HANDLE session, CK_VOID_PTR parameter, CK_ULONG parameter_len));
SR_DECLARE(C_VerifyMessageNext,
	(CK_SESSION_HANDLE session, CK_VOID_PTR parameter, CK_ULONG parameter_len, CK_BYTE_PTR data, CK_ULONG data_len,
		CK_BYTE_PTR signature, CK_ULONG signature_len));
SR_DECLARE(C_MessageVerifyFinal, (CK_SESSION_HANDLE session));

#undef SR_DECLARE

/** CK_FUNCTION_LIST_3_0: the version and the 92 calls, in the order of the standard. */
typedef struct ck_function_list_3_0 {
	CK_VERSION version;
	CK_C_Initialize C_Initialize;
	CK_C_Finalize C_Finalize;
	CK_C_GetInfo C_GetInfo;
	CK_C_GetFunctionList C_GetFunctionList;
	CK_C_GetSlotList C_GetSlotList;
	CK_C_GetSlotInfo C_GetSlotInfo;
	CK_C_GetTokenInfo C_GetTokenInfo;
	CK_C_GetMechanismList C_GetMechanismList;
	CK_C_GetMechanismInfo C_GetMechanismInfo;
	CK_C_InitToken C_InitToken;
	CK_C_InitPIN C_InitPIN;
	CK_C_SetPIN C_SetPIN;
	CK_C_OpenSession C_OpenSession;
	CK_C_CloseSession C_CloseSession;
	CK_C_CloseAllSessions C_CloseAllSessions;
	CK_C_GetSessionInfo C_GetSessionInfo;
	CK_C_GetOperationState C_GetOperationState;
	CK_C_SetOperationState C_SetOperationState;
	CK_C_Login C_Login;
	CK_C_Logout C_Logout;
	CK_C_CreateObject C_CreateObject;
	CK_C_CopyObject C_CopyObject;
	CK_C_DestroyObject C_DestroyObject;
	CK_C_GetObjectSize C_GetObjectSize;
	CK_C_GetAttributeValue C_GetAttributeValue;
	CK_C_SetAttributeValue C_SetAttributeValue;
	CK_C_FindObjectsInit C_FindObjectsInit;
	CK_C_FindObjects C_FindObjects;
	CK_C_FindObjectsFinal C_FindObjectsFinal;
	CK_C_EncryptInit C_EncryptInit;
	CK_C_Encrypt C_Encrypt;
	CK_C_EncryptUpdate C_EncryptUpdate;
	CK_C_EncryptFinal C_EncryptFinal;
	CK_C_DecryptInit C_DecryptInit;
	CK_C_Decrypt C_Decrypt;
	CK_C_DecryptUpdate C_DecryptUpdate;
	CK_C_DecryptFinal C_DecryptFinal;
	CK_C_DigestInit C_DigestInit;
	CK_C_Digest C_Digest;
	CK_C_DigestUpdate C_DigestUpdate;
	CK_C_DigestKey C_DigestKey;
	CK_C_DigestFinal C_DigestFinal;
	CK_C_SignInit C_SignInit;
	CK_C_Sign C_Sign;
	CK_C_SignUpdate C_SignUpdate;
	CK_C_SignFinal C_SignFinal;
	CK_C_SignRecoverInit C_SignRecoverInit;
	CK_C_SignRecover C_SignRecover;
	CK_C_VerifyInit C_VerifyInit;
	CK_C_Verify C_Verify;
	CK_C_VerifyUpdate C_VerifyUpdate;
	CK_C_VerifyFinal C_VerifyFinal;
	CK_C_VerifyRecoverInit C_VerifyRecoverInit;
	CK_C_VerifyRecover C_VerifyRecover;
	CK_C_DigestEncryptUpdate C_DigestEncryptUpdate;
	CK_C_DecryptDigestUpdate C_DecryptDigestUpdate;
	CK_C_SignEncryptUpdate C_SignEncryptUpdate;
	CK_C_DecryptVerifyUpdate C_DecryptVerifyUpdate;
	CK_C_GenerateKey C_GenerateKey;
	CK_C_GenerateKeyPair C_GenerateKeyPair;
	CK_C_WrapKey C_WrapKey;
	CK_C_UnwrapKey C_UnwrapKey;
	CK_C_DeriveKey C_DeriveKey;
	CK_C_SeedRandom C_SeedRandom;
	CK_C_GenerateRandom C_GenerateRandom;
	CK_C_GetFunctionStatus C_GetFunctionStatus;
	CK_C_CancelFunction C_CancelFunction;
	CK_C_WaitForSlotEvent C_WaitForSlotEvent;
	CK_C_GetInterfaceList C_GetInterfaceList;
	CK_C_GetInterface C_GetInterface;
	CK_C_LoginUser C_LoginUser;
	CK_C_SessionCancel C_SessionCancel;
	CK_C_MessageEncryptInit C_MessageEncryptInit;
	CK_C_EncryptMessage C_EncryptMessage;
	CK_C_EncryptMessageBegin C_EncryptMessageBegin;
	CK_C_EncryptMessageNext C_EncryptMessageNext;
	CK_C_MessageEncryptFinal C_MessageEncryptFinal;
	CK_C_MessageDecryptInit C_MessageDecryptInit;
	CK_C_DecryptMessage C_DecryptMessage;
	CK_C_DecryptMessageBegin C_DecryptMessageBegin;
	CK_C_DecryptMessageNext C_DecryptMessageNext;
	CK_C_MessageDecryptFinal C_MessageDecryptFinal;
	CK_C_MessageSignInit C_MessageSignInit;
	CK_C_SignMessage C_SignMessage;
	CK_C_SignMessageBegin C_SignMessageBegin;
	CK_C_SignMessageNext C_SignMessageNext;
	CK_C_MessageSignFinal C_MessageSignFinal;
	CK_C_MessageVerifyInit C_MessageVerifyInit;
	CK_C_VerifyMessage C_VerifyMessage;
	CK_C_VerifyMessageBegin C_VerifyMessageBegin;
	CK_C_VerifyMessageNext C_VerifyMessageNext;
	CK_C_MessageVerifyFinal C_MessageVerifyFinal;
} CK_FUNCTION_LIST_3_0;

typedef CK_FUNCTION_LIST_3_0 *CK_FUNCTION_LIST_3_0_PTR;
typedef CK_FUNCTION_LIST_3_0 **CK_FUNCTION_LIST_3_0_PTR_PTR;

/* -- parameters of mechanisms --------------------------------------------------------------------------------- */
typedef struct ck_gcm_message_params {
	CK_BYTE_PTR pIv;
	CK_ULONG ulIvLen;
	CK_ULONG ulIvFixedBits;
	CK_GENERATOR_FUNCTION ivGenerator;
	CK_BYTE_PTR pTag;
	CK_ULONG ulTagBits;
} CK_GCM_MESSAGE_PARAMS;

typedef struct ck_ccm_params {
	CK_ULONG ulDataLen;
	CK_BYTE_PTR pNonce;
	CK_ULONG ulNonceLen;
	CK_BYTE_PTR pAAD;
	CK_ULONG ulAADLen;
	CK_ULONG ulMACLen;
} CK_CCM_PARAMS;

typedef struct ck_eddsa_params {
	CK_BBOOL phFlag;
	CK_ULONG ulContextDataLen;
	CK_BYTE_PTR pContextData;
} CK_EDDSA_PARAMS;

#endif /* CKF_INTERFACE_FORK_SAFE */

/* -- return codes that p11-kit numbers differently ------------------------------------------------------------ */
/* p11-kit counts these five from 0x1c0, up to its newest release; every edition of the standard has 0x1b5 to 0x1b9,
 * and those are what an application that was built with the OASIS header expects. */
#undef CKR_EXCEEDED_MAX_ITERATIONS
#define CKR_EXCEEDED_MAX_ITERATIONS 0x1b5UL
#undef CKR_FIPS_SELF_TEST_FAILED
#define CKR_FIPS_SELF_TEST_FAILED 0x1b6UL
#undef CKR_LIBRARY_LOAD_FAILED
#define CKR_LIBRARY_LOAD_FAILED 0x1b7UL
#undef CKR_PIN_TOO_WEAK
#define CKR_PIN_TOO_WEAK 0x1b8UL
#undef CKR_PUBLIC_KEY_INVALID
#define CKR_PUBLIC_KEY_INVALID 0x1b9UL

/* -- return codes --------------------------------------------------------------------------------------------- */
#ifndef CKR_AEAD_DECRYPT_FAILED
#define CKR_AEAD_DECRYPT_FAILED 0x42UL
#endif
#ifndef CKR_TOKEN_RESOURCE_EXCEEDED
#define CKR_TOKEN_RESOURCE_EXCEEDED 0x201UL
#endif
#ifndef CKR_OPERATION_CANCEL_FAILED
#define CKR_OPERATION_CANCEL_FAILED 0x202UL
#endif
#ifndef CKR_KEY_EXHAUSTED
#define CKR_KEY_EXHAUSTED 0x203UL
#endif

/* -- user types, classes, profiles, attributes ---------------------------------------------------------------- */
#ifndef CKP_INVALID_ID
#define CKP_INVALID_ID 0x0UL
#endif
#ifndef CKP_BASELINE_PROVIDER
#define CKP_BASELINE_PROVIDER 0x1UL
#endif
#ifndef CKP_EXTENDED_PROVIDER
#define CKP_EXTENDED_PROVIDER 0x2UL
#endif
#ifndef CKP_AUTHENTICATION_TOKEN
#define CKP_AUTHENTICATION_TOKEN 0x3UL
#endif
#ifndef CKP_PUBLIC_CERTIFICATES_TOKEN
#define CKP_PUBLIC_CERTIFICATES_TOKEN 0x4UL
#endif
#ifndef CKA_UNIQUE_ID
#define CKA_UNIQUE_ID 0x4UL
#endif
#ifndef CKP_COMPLETE_PROVIDER
#define CKP_COMPLETE_PROVIDER 0x5UL
#endif
#ifndef CKP_HKDF_TLS_TOKEN
#define CKP_HKDF_TLS_TOKEN 0x6UL
#endif
#ifndef CKO_PROFILE
#define CKO_PROFILE 0x9UL
#endif
#ifndef CKA_PROFILE_ID
#define CKA_PROFILE_ID 0x601UL
#endif
#ifndef CKP_VENDOR_DEFINED
#define CKP_VENDOR_DEFINED 0x80000000UL
#endif

/* -- key types ------------------------------------------------------------------------------------------------ */
#ifndef CKK_CHACHA20
#define CKK_CHACHA20 0x33UL
#endif
#ifndef CKK_POLY1305
#define CKK_POLY1305 0x34UL
#endif
#ifndef CKK_AES_XTS
#define CKK_AES_XTS 0x35UL
#endif
#ifndef CKK_SHA3_224_HMAC
#define CKK_SHA3_224_HMAC 0x36UL
#endif
#ifndef CKK_SHA3_256_HMAC
#define CKK_SHA3_256_HMAC 0x37UL
#endif
#ifndef CKK_SHA3_384_HMAC
#define CKK_SHA3_384_HMAC 0x38UL
#endif
#ifndef CKK_SHA3_512_HMAC
#define CKK_SHA3_512_HMAC 0x39UL
#endif
#ifndef CKK_EC_MONTGOMERY
#define CKK_EC_MONTGOMERY 0x41UL
#endif
#ifndef CKK_HKDF
#define CKK_HKDF 0x42UL
#endif
#ifndef CKK_SHA512_224_HMAC
#define CKK_SHA512_224_HMAC 0x43UL
#endif
#ifndef CKK_SHA512_256_HMAC
#define CKK_SHA512_256_HMAC 0x44UL
#endif

/* -- mechanisms ----------------------------------------------------------------------------------------------- */
#ifndef CKM_SHA3_256_RSA_PKCS
#define CKM_SHA3_256_RSA_PKCS 0x60UL
#endif
#ifndef CKM_SHA3_384_RSA_PKCS
#define CKM_SHA3_384_RSA_PKCS 0x61UL
#endif
#ifndef CKM_SHA3_512_RSA_PKCS
#define CKM_SHA3_512_RSA_PKCS 0x62UL
#endif
#ifndef CKM_SHA3_256_RSA_PKCS_PSS
#define CKM_SHA3_256_RSA_PKCS_PSS 0x63UL
#endif
#ifndef CKM_SHA3_384_RSA_PKCS_PSS
#define CKM_SHA3_384_RSA_PKCS_PSS 0x64UL
#endif
#ifndef CKM_SHA3_512_RSA_PKCS_PSS
#define CKM_SHA3_512_RSA_PKCS_PSS 0x65UL
#endif
#ifndef CKM_SHA3_224_RSA_PKCS
#define CKM_SHA3_224_RSA_PKCS 0x66UL
#endif
#ifndef CKM_SHA3_224_RSA_PKCS_PSS
#define CKM_SHA3_224_RSA_PKCS_PSS 0x67UL
#endif
#ifndef CKM_SHA3_256
#define CKM_SHA3_256 0x2b0UL
#endif
#ifndef CKM_SHA3_256_HMAC
#define CKM_SHA3_256_HMAC 0x2b1UL
#endif
#ifndef CKM_SHA3_256_HMAC_GENERAL
#define CKM_SHA3_256_HMAC_GENERAL 0x2b2UL
#endif
#ifndef CKM_SHA3_256_KEY_GEN
#define CKM_SHA3_256_KEY_GEN 0x2b3UL
#endif
#ifndef CKM_SHA3_224
#define CKM_SHA3_224 0x2b5UL
#endif
#ifndef CKM_SHA3_224_HMAC
#define CKM_SHA3_224_HMAC 0x2b6UL
#endif
#ifndef CKM_SHA3_224_HMAC_GENERAL
#define CKM_SHA3_224_HMAC_GENERAL 0x2b7UL
#endif
#ifndef CKM_SHA3_224_KEY_GEN
#define CKM_SHA3_224_KEY_GEN 0x2b8UL
#endif
#ifndef CKM_SHA3_384
#define CKM_SHA3_384 0x2c0UL
#endif
#ifndef CKM_SHA3_384_HMAC
#define CKM_SHA3_384_HMAC 0x2c1UL
#endif
#ifndef CKM_SHA3_384_HMAC_GENERAL
#define CKM_SHA3_384_HMAC_GENERAL 0x2c2UL
#endif
#ifndef CKM_SHA3_384_KEY_GEN
#define CKM_SHA3_384_KEY_GEN 0x2c3UL
#endif
#ifndef CKM_SHA3_512
#define CKM_SHA3_512 0x2d0UL
#endif
#ifndef CKM_SHA3_512_HMAC
#define CKM_SHA3_512_HMAC 0x2d1UL
#endif
#ifndef CKM_SHA3_512_HMAC_GENERAL
#define CKM_SHA3_512_HMAC_GENERAL 0x2d2UL
#endif
#ifndef CKM_SHA3_512_KEY_GEN
#define CKM_SHA3_512_KEY_GEN 0x2d3UL
#endif
#ifndef CKM_SHA3_256_KEY_DERIVATION
#define CKM_SHA3_256_KEY_DERIVATION 0x397UL
#endif
#ifndef CKM_SHA3_224_KEY_DERIVATION
#define CKM_SHA3_224_KEY_DERIVATION 0x398UL
#endif
#ifndef CKM_SHA3_384_KEY_DERIVATION
#define CKM_SHA3_384_KEY_DERIVATION 0x399UL
#endif
#ifndef CKM_SHA3_512_KEY_DERIVATION
#define CKM_SHA3_512_KEY_DERIVATION 0x39aUL
#endif
#ifndef CKM_ECDSA_SHA3_224
#define CKM_ECDSA_SHA3_224 0x1047UL
#endif
#ifndef CKM_ECDSA_SHA3_256
#define CKM_ECDSA_SHA3_256 0x1048UL
#endif
#ifndef CKM_ECDSA_SHA3_384
#define CKM_ECDSA_SHA3_384 0x1049UL
#endif
#ifndef CKM_ECDSA_SHA3_512
#define CKM_ECDSA_SHA3_512 0x104aUL
#endif
#ifndef CKM_EC_MONTGOMERY_KEY_PAIR_GEN
#define CKM_EC_MONTGOMERY_KEY_PAIR_GEN 0x1056UL
#endif
#ifndef CKM_AES_XTS
#define CKM_AES_XTS 0x1071UL
#endif
#ifndef CKM_AES_XTS_KEY_GEN
#define CKM_AES_XTS_KEY_GEN 0x1072UL
#endif
#ifndef CKM_CHACHA20_KEY_GEN
#define CKM_CHACHA20_KEY_GEN 0x1225UL
#endif
#ifndef CKM_CHACHA20
#define CKM_CHACHA20 0x1226UL
#endif
#ifndef CKM_POLY1305_KEY_GEN
#define CKM_POLY1305_KEY_GEN 0x1227UL
#endif
#ifndef CKM_POLY1305
#define CKM_POLY1305 0x1228UL
#endif
#ifndef CKM_AES_KEY_WRAP_KWP
#define CKM_AES_KEY_WRAP_KWP 0x210bUL
#endif
#ifndef CKM_SHA224_KEY_GEN
#define CKM_SHA224_KEY_GEN 0x4004UL
#endif
#ifndef CKM_SHA256_KEY_GEN
#define CKM_SHA256_KEY_GEN 0x4005UL
#endif
#ifndef CKM_SHA384_KEY_GEN
#define CKM_SHA384_KEY_GEN 0x4006UL
#endif
#ifndef CKM_SHA512_KEY_GEN
#define CKM_SHA512_KEY_GEN 0x4007UL
#endif
#ifndef CKM_SHA512_224_KEY_GEN
#define CKM_SHA512_224_KEY_GEN 0x4008UL
#endif
#ifndef CKM_SHA512_256_KEY_GEN
#define CKM_SHA512_256_KEY_GEN 0x4009UL
#endif
#ifndef CKM_CHACHA20_POLY1305
#define CKM_CHACHA20_POLY1305 0x4021UL
#endif
#ifndef CKM_HKDF_DERIVE
#define CKM_HKDF_DERIVE 0x402aUL
#endif
#ifndef CKM_HKDF_DATA
#define CKM_HKDF_DATA 0x402bUL
#endif
#ifndef CKM_HKDF_KEY_GEN
#define CKM_HKDF_KEY_GEN 0x402cUL
#endif

/* -- flags ---------------------------------------------------------------------------------------------------- */
#ifndef CKF_ERROR_STATE
#define CKF_ERROR_STATE 0x1000000UL
#endif
#ifndef CKF_MESSAGE_ENCRYPT
#define CKF_MESSAGE_ENCRYPT 0x2UL
#endif
#ifndef CKF_MESSAGE_DECRYPT
#define CKF_MESSAGE_DECRYPT 0x4UL
#endif
#ifndef CKF_MESSAGE_SIGN
#define CKF_MESSAGE_SIGN 0x8UL
#endif
#ifndef CKF_MESSAGE_VERIFY
#define CKF_MESSAGE_VERIFY 0x10UL
#endif
#ifndef CKF_MULTI_MESSAGE
#define CKF_MULTI_MESSAGE 0x20UL
#endif
#ifndef CKF_FIND_OBJECTS
#define CKF_FIND_OBJECTS 0x40UL
#endif
#ifndef CKF_EC_ECPARAMETERS
#define CKF_EC_ECPARAMETERS 0x400000UL
#endif
#ifndef CKF_EC_OID
#define CKF_EC_OID 0x800000UL
#endif
#ifndef CKF_EC_CURVENAME
#define CKF_EC_CURVENAME 0x4000000UL
#endif
#ifndef CKF_END_OF_MESSAGE
#define CKF_END_OF_MESSAGE 0x1UL
#endif
#ifndef CKF_INTERFACE_FORK_SAFE
#define CKF_INTERFACE_FORK_SAFE 0x1UL
#endif
#ifndef CKF_HKDF_SALT_NULL
#define CKF_HKDF_SALT_NULL 0x1UL
#endif
#ifndef CKF_HKDF_SALT_DATA
#define CKF_HKDF_SALT_DATA 0x2UL
#endif
#ifndef CKF_HKDF_SALT_KEY
#define CKF_HKDF_SALT_KEY 0x4UL
#endif

/* -- generators and derivation functions ---------------------------------------------------------------------- */
#ifndef CKG_NO_GENERATE
#define CKG_NO_GENERATE 0x0UL
#endif
#ifndef CKG_GENERATE
#define CKG_GENERATE 0x1UL
#endif
#ifndef CKG_GENERATE_COUNTER
#define CKG_GENERATE_COUNTER 0x2UL
#endif
#ifndef CKG_GENERATE_RANDOM
#define CKG_GENERATE_RANDOM 0x3UL
#endif
#ifndef CKG_GENERATE_COUNTER_XOR
#define CKG_GENERATE_COUNTER_XOR 0x4UL
#endif
#ifndef CKG_MGF1_SHA3_224
#define CKG_MGF1_SHA3_224 0x6UL
#endif
#ifndef CKG_MGF1_SHA3_256
#define CKG_MGF1_SHA3_256 0x7UL
#endif
#ifndef CKG_MGF1_SHA3_384
#define CKG_MGF1_SHA3_384 0x8UL
#endif
#ifndef CKG_MGF1_SHA3_512
#define CKG_MGF1_SHA3_512 0x9UL
#endif
#ifndef CKD_SHA3_224_KDF
#define CKD_SHA3_224_KDF 0xaUL
#endif
#ifndef CKD_SHA3_256_KDF
#define CKD_SHA3_256_KDF 0xbUL
#endif
#ifndef CKD_SHA3_384_KDF
#define CKD_SHA3_384_KDF 0xcUL
#endif
#ifndef CKD_SHA3_512_KDF
#define CKD_SHA3_512_KDF 0xdUL
#endif

#endif
