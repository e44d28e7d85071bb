/* Which mechanisms are offered, and their parameters. What a parameter holds is looked at in a copy only: another
 * thread of the application may change it meanwhile. PKCS#11 v3.1, 6. */
#include "pkcs11/mechanism.h"

#include "util/buf.h"
#include "util/crypto.h"
#include "vault/keys.h"

#include <stdlib.h>
#include <string.h>

#define NOTHING CK_UNAVAILABLE_INFORMATION
#define EC_FLAGS                                                                                              \
	(CKF_EC_F_P | 0x00200000UL /* CKF_EC_F_2M */ | CKF_EC_ECPARAMETERS | CKF_EC_OID | CKF_EC_UNCOMPRESS | \
		CKF_EC_COMPRESS | CKF_EC_CURVENAME)
#define MESSAGE_FUNCTIONS (CKF_MESSAGE_ENCRYPT | CKF_MESSAGE_DECRYPT | CKF_MESSAGE_SIGN | CKF_MESSAGE_VERIFY)

#define GCM_IV_MAX 256
#define GCM_TAG_MIN_BITS 96 /* shorter tags are forged too soon: NIST SP 800-38D, 5.2.1.2 and appendix C */
#define GCM_TAG_MAX_BITS 128
#define CCM_NONCE_MIN 7
#define CCM_NONCE_MAX 13
#define CCM_MAC_MIN 8
#define CCM_MAC_MAX 16
#define CTR_BITS_MAX 128
#define SALT_MAX 2048 /* an RSA modulus of 16384 bits */
#define CONTEXT_MAX 255
#define PUBLIC_DATA_MAX 256
#define AES_BLOCK 16
#define DES_BLOCK 8

/* -- which are offered -------------------------------------------------------------------------------------------- */
/* Message functions are ours, made of the HSM's single-part ones. */
static CK_FLAGS with_messages(CK_FLAGS of_hsm)
{
	CK_FLAGS flags = of_hsm & ~(MESSAGE_FUNCTIONS | CKF_MULTI_MESSAGE);
	if (of_hsm & CKF_ENCRYPT)
		flags |= CKF_MESSAGE_ENCRYPT | CKF_MULTI_MESSAGE;
	if (of_hsm & CKF_DECRYPT)
		flags |= CKF_MESSAGE_DECRYPT | CKF_MULTI_MESSAGE;
	if (of_hsm & CKF_SIGN)
		flags |= CKF_MESSAGE_SIGN | CKF_MULTI_MESSAGE;
	if (of_hsm & CKF_VERIFY)
		flags |= CKF_MESSAGE_VERIFY | CKF_MULTI_MESSAGE;
	return flags;
}

static bool is_curve(CK_KEY_TYPE type)
{
	return type == CKK_EC || type == CKK_EC_EDWARDS || type == CKK_EC_MONTGOMERY;
}

static bool allowed(const struct sr_config *config, const struct sr_mechanism_row *row)
{
	return row->flags && (!row->weak || sr_mechanism_listed(config->mechanisms, row));
}

bool sr_mechanism_offered(struct sr_vault *vault, const struct sr_config *config, const struct sr_mechanism_row *row,
	CK_MECHANISM_INFO *info)
{
	CK_MECHANISM_INFO of_hsm = { 0 };
	if (!allowed(config, row))
		return false;
	if (row->flags == CKF_DIGEST) { /* OpenSSL's: the HSM has no part in it */
		*info = (CK_MECHANISM_INFO){ .flags = CKF_DIGEST };
		return sr_digest_md(row->type);
	}
	if (!sr_vault_mechanism(vault, row->type, &of_hsm))
		return false;
	CK_FLAGS functions = row->flags & with_messages(of_hsm.flags);
	CK_FLAGS described = of_hsm.flags & (CKF_HW | (is_curve(row->key_type) ? EC_FLAGS : 0));
	*info = (CK_MECHANISM_INFO){ of_hsm.ulMinKeySize, of_hsm.ulMaxKeySize, functions | described };
	return functions;
}

/* -- parameters --------------------------------------------------------------------------------------------------- */
/* One parameter on its way into memory of ours. GIVEN is a copy of the mechanism, for it may change too. */
struct taking {
	CK_MECHANISM given;
	CK_FLAGS function;
	const struct sr_mechanism_row *row;
	const struct sr_config *config;
	struct sr_mechanism *to;
	struct sr_error *err;
};

static CK_RV refuse(const struct taking *taking, const char *why)
{
	return sr_fail(taking->err, CKR_MECHANISM_PARAM_INVALID, SR_REASON_MECHANISM, "the parameter of %s: %s",
		taking->row->name, why);
}

/* The copy: a structure of SIZE at FROM, and room for MORE bytes behind it. */
static CK_RV keep(const struct taking *taking, const void *from, size_t size, size_t more)
{
	struct sr_mechanism *to = taking->to;
	to->memory = malloc(size + more);
	if (!to->memory)
		return sr_fail(taking->err, CKR_HOST_MEMORY, SR_REASON_MEMORY, "no memory for a parameter");
	to->memory_len = size + more;
	memcpy(to->memory, from, size);
	to->native.pParameter = to->memory;
	to->native.ulParameterLen = size;
	return CKR_OK;
}

/* LEN bytes at FROM to OFFSET of the copy; where they are now, NULL for none. */
static void *keep_bytes(const struct taking *taking, size_t offset, const void *from, size_t len)
{
	if (!len)
		return NULL;
	return memcpy((uint8_t *)taking->to->memory + offset, from, len);
}

/* The structure of SIZE that was given, into LOCAL. */
static bool has_structure(const struct taking *taking, void *local, size_t size)
{
	if (!taking->given.pParameter || taking->given.ulParameterLen != size)
		return false;
	memcpy(local, taking->given.pParameter, size);
	return true;
}

static bool is_absent(const struct taking *taking)
{
	return !taking->given.ulParameterLen; /* wherever a pointer to nothing points */
}

/* What a pointer and a length inside a parameter may be. */
static bool bytes_fit(const void *at, CK_ULONG len, CK_ULONG max)
{
	return len <= max && (at || !len);
}

static CK_ULONG block_of(const struct sr_mechanism_row *row)
{
	return row->key_type == CKK_AES ? AES_BLOCK : DES_BLOCK;
}

static CK_RV take_none(const struct taking *taking)
{
	return is_absent(taking) ? CKR_OK : refuse(taking, "it takes none");
}

/* The initial value of AES key wrap: PKCS#11 v3.1, 6.16.1. */
static CK_RV take_initial_value(const struct taking *taking)
{
	CK_ULONG len = taking->given.ulParameterLen;
	if (is_absent(taking))
		return CKR_OK;
	if (!taking->given.pParameter || len != (taking->row->type == CKM_AES_KEY_WRAP_KWP ? 4 : 8))
		return refuse(taking, "none, or an initial value of 8 bytes (4 for CKM_AES_KEY_WRAP_KWP)");
	return keep(taking, taking->given.pParameter, len, 0);
}

static CK_RV take_iv(const struct taking *taking)
{
	if (!taking->given.pParameter || taking->given.ulParameterLen != block_of(taking->row))
		return refuse(taking, "an IV of one block");
	return keep(taking, taking->given.pParameter, taking->given.ulParameterLen, 0);
}

static CK_RV take_ctr(const struct taking *taking)
{
	CK_AES_CTR_PARAMS params;
	if (!has_structure(taking, &params, sizeof params))
		return refuse(taking, "a CK_AES_CTR_PARAMS");
	if (params.ulCounterBits < 1 || params.ulCounterBits > CTR_BITS_MAX)
		return refuse(taking, "ulCounterBits is 1 to 128");
	return keep(taking, &params, sizeof params, 0);
}

static bool has_gcm(const struct taking *taking, CK_GCM_PARAMS *params)
{
	struct sr_old_gcm_params old;
	if (has_structure(taking, params, sizeof *params))
		return true;
	if (!has_structure(taking, &old, sizeof old))
		return false;
	*params = (CK_GCM_PARAMS){ .pIv = old.iv,
		.ulIvLen = old.iv_len,
		.pAAD = old.aad,
		.ulAADLen = old.aad_len,
		.ulTagBits = old.tag_bits };
	return true;
}

static CK_RV take_gcm(const struct taking *taking)
{
	CK_GCM_PARAMS params;
	if (!has_gcm(taking, &params))
		return refuse(taking, "a CK_GCM_PARAMS");
	if (!params.ulIvLen || !bytes_fit(params.pIv, params.ulIvLen, GCM_IV_MAX))
		return refuse(taking, "an IV of 1 to 256 bytes");
	if (!bytes_fit(params.pAAD, params.ulAADLen, SR_PARAMETER_MAX - GCM_IV_MAX))
		return refuse(taking, "additional data of 65280 bytes at most");
	if (params.ulTagBits < GCM_TAG_MIN_BITS || params.ulTagBits > GCM_TAG_MAX_BITS || params.ulTagBits % 8)
		return refuse(taking, "a tag of 96, 104, 112, 120 or 128 bits");
	CK_RV rv = keep(taking, &params, sizeof params, params.ulIvLen + params.ulAADLen);
	if (rv != CKR_OK)
		return rv;
	CK_GCM_PARAMS *kept = taking->to->memory;
	kept->pIv = keep_bytes(taking, sizeof params, params.pIv, params.ulIvLen);
	kept->ulIvBits = 8 * params.ulIvLen;
	kept->pAAD = keep_bytes(taking, sizeof params + params.ulIvLen, params.pAAD, params.ulAADLen);
	return CKR_OK;
}

static CK_RV check_ccm(const struct taking *taking, const CK_CCM_PARAMS *params)
{
	CK_ULONG nonce = params->ulNonceLen;
	if (nonce < CCM_NONCE_MIN || !bytes_fit(params->pNonce, nonce, CCM_NONCE_MAX))
		return refuse(taking, "a nonce of 7 to 13 bytes");
	/* the length of the data stands in the 15 bytes that the nonce leaves */
	if (15 - nonce < sizeof(CK_ULONG) && params->ulDataLen >> 8 * (15 - nonce))
		return refuse(taking, "data that is too long for this nonce");
	if (!bytes_fit(params->pAAD, params->ulAADLen, SR_PARAMETER_MAX - CCM_NONCE_MAX))
		return refuse(taking, "additional data of 65523 bytes at most");
	if (params->ulMACLen < CCM_MAC_MIN || params->ulMACLen > CCM_MAC_MAX || params->ulMACLen % 2)
		return refuse(taking, "a MAC of 8, 10, 12, 14 or 16 bytes");
	return CKR_OK;
}

static CK_RV take_ccm(const struct taking *taking)
{
	CK_CCM_PARAMS params;
	if (!has_structure(taking, &params, sizeof params))
		return refuse(taking, "a CK_CCM_PARAMS");
	CK_RV rv = check_ccm(taking, &params);
	if (rv == CKR_OK)
		rv = keep(taking, &params, sizeof params, params.ulNonceLen + params.ulAADLen);
	if (rv != CKR_OK)
		return rv;
	CK_CCM_PARAMS *kept = taking->to->memory;
	kept->pNonce = keep_bytes(taking, sizeof params, params.pNonce, params.ulNonceLen);
	kept->pAAD = keep_bytes(taking, sizeof params + params.ulNonceLen, params.pAAD, params.ulAADLen);
	return CKR_OK;
}

/* -- hashes inside parameters ------------------------------------------------------------------------------------- */
/* PSS: the signature that hashes with it. GENERAL: the MAC of a length of one's own. */
static const struct hash {
	CK_MECHANISM_TYPE digest;
	CK_ULONG mgf;
	CK_ULONG len;
	CK_MECHANISM_TYPE pss;
	CK_MECHANISM_TYPE general;
} hashes[] = {
	{ CKM_SHA_1, CKG_MGF1_SHA1, 20, CKM_SHA1_RSA_PKCS_PSS, CKM_SHA_1_HMAC_GENERAL },
	{ CKM_SHA224, CKG_MGF1_SHA224, 28, CKM_SHA224_RSA_PKCS_PSS, CKM_SHA224_HMAC_GENERAL },
	{ CKM_SHA256, CKG_MGF1_SHA256, 32, CKM_SHA256_RSA_PKCS_PSS, CKM_SHA256_HMAC_GENERAL },
	{ CKM_SHA384, CKG_MGF1_SHA384, 48, CKM_SHA384_RSA_PKCS_PSS, CKM_SHA384_HMAC_GENERAL },
	{ CKM_SHA512, CKG_MGF1_SHA512, 64, CKM_SHA512_RSA_PKCS_PSS, CKM_SHA512_HMAC_GENERAL },
	{ CKM_SHA3_224, CKG_MGF1_SHA3_224, 28, CKM_SHA3_224_RSA_PKCS_PSS, CKM_SHA3_224_HMAC_GENERAL },
	{ CKM_SHA3_256, CKG_MGF1_SHA3_256, 32, CKM_SHA3_256_RSA_PKCS_PSS, CKM_SHA3_256_HMAC_GENERAL },
	{ CKM_SHA3_384, CKG_MGF1_SHA3_384, 48, CKM_SHA3_384_RSA_PKCS_PSS, CKM_SHA3_384_HMAC_GENERAL },
	{ CKM_SHA3_512, CKG_MGF1_SHA3_512, 64, CKM_SHA3_512_RSA_PKCS_PSS, CKM_SHA3_512_HMAC_GENERAL },
	{ CKM_SHA512_224, NOTHING, 28, NOTHING, CKM_SHA512_224_HMAC_GENERAL },
	{ CKM_SHA512_256, NOTHING, 32, NOTHING, CKM_SHA512_256_HMAC_GENERAL },
	{ CKM_MD5, NOTHING, 16, NOTHING, CKM_MD5_HMAC_GENERAL },
	{ NOTHING, NOTHING, AES_BLOCK, NOTHING, CKM_AES_CMAC_GENERAL },
	{ NOTHING, NOTHING, DES_BLOCK, NOTHING, CKM_DES3_CMAC_GENERAL },
};

#define HASHES (sizeof hashes / sizeof hashes[0])

/* A hash of RSA's paddings. */
static const struct hash *find_hash(CK_MECHANISM_TYPE digest)
{
	for (size_t i = 0; i < HASHES; i++) {
		if (hashes[i].digest == digest && hashes[i].mgf != NOTHING)
			return &hashes[i];
	}
	return NULL;
}

static bool is_mgf(CK_ULONG mgf)
{
	for (size_t i = 0; i < HASHES; i++) {
		if (hashes[i].mgf == mgf && mgf != NOTHING)
			return true;
	}
	return false;
}

/* SHA-1 is no weakness here: nothing rests on its collisions. The hash of the mask may be another (Java's default). */
static CK_RV take_oaep(const struct taking *taking)
{
	CK_RSA_PKCS_OAEP_PARAMS params;
	if (!has_structure(taking, &params, sizeof params))
		return refuse(taking, "a CK_RSA_PKCS_OAEP_PARAMS");
	if (!find_hash(params.hashAlg) || !is_mgf(params.mgf))
		return refuse(taking, "a hash or mask that is not known; take one of SHA-1, SHA-2, SHA-3");
	/* pkcs11-tool and PyKCS11 leave the source at 0 where there is no label */
	if (!params.source && !params.ulSourceDataLen)
		params.source = CKZ_DATA_SPECIFIED;
	if (params.source != CKZ_DATA_SPECIFIED ||
		!bytes_fit(params.pSourceData, params.ulSourceDataLen, SR_PARAMETER_MAX))
		return refuse(taking, "source is CKZ_DATA_SPECIFIED, with a label of 65536 bytes at most");
	CK_RV rv = keep(taking, &params, sizeof params, params.ulSourceDataLen);
	if (rv != CKR_OK)
		return rv;
	CK_RSA_PKCS_OAEP_PARAMS *kept = taking->to->memory;
	kept->pSourceData = keep_bytes(taking, sizeof params, params.pSourceData, params.ulSourceDataLen);
	return CKR_OK;
}

static CK_RV take_pss(const struct taking *taking)
{
	CK_RSA_PKCS_PSS_PARAMS params;
	if (!has_structure(taking, &params, sizeof params))
		return refuse(taking, "a CK_RSA_PKCS_PSS_PARAMS");
	const struct hash *hash = find_hash(params.hashAlg);
	if (!hash || hash->mgf != params.mgf)
		return refuse(taking, "hashAlg and mgf are one and the same hash");
	/* 6.1.10: where the mechanism hashes, it says with what */
	if (taking->row->type != CKM_RSA_PKCS_PSS && taking->row->type != hash->pss)
		return refuse(taking, "hashAlg is the mechanism's own");
	if (taking->row->type == CKM_RSA_PKCS_PSS && !allowed(taking->config, sr_mechanism_row(hash->digest)))
		return refuse(taking, "this hash is weak; [mechanisms] enable can name it");
	if (params.sLen > SALT_MAX)
		return refuse(taking, "a salt that no key has room for");
	return keep(taking, &params, sizeof params, 0);
}

static CK_RV take_mac_length(const struct taking *taking)
{
	CK_ULONG len;
	if (!has_structure(taking, &len, sizeof len))
		return refuse(taking, "a CK_ULONG, the length of the MAC");
	for (size_t i = 0; i < HASHES; i++) {
		if (hashes[i].general == taking->row->type && len >= 1 && len <= hashes[i].len)
			return keep(taking, &len, sizeof len, 0);
	}
	return refuse(taking, "a length from 1 to that of the whole MAC");
}

/* -- curves ------------------------------------------------------------------------------------------------------- */
/* The prime fields of curves in use, in bytes. */
static bool is_field(size_t len)
{
	return len == 24 || len == 28 || len == 32 || len == 40 || len == 48 || len == 64 || len == 66;
}

/* A point of either kind without its wrapping. */
static bool is_point(const uint8_t *at, size_t len)
{
	if (len == 32 || len == 56) /* X25519, X448 */
		return true;
	if (at[0] == 4) /* X and Y behind it */
		return len % 2 == 1 && is_field(len / 2);
	return (at[0] == 2 || at[0] == 3) && is_field(len - 1);
}

/* 6.3.20: every token takes the raw point, so the DER OCTET STRING around one goes. No point is as long as a wrapped
 * one that begins with the same byte. */
static void unwrap_point(uint8_t **at, CK_ULONG *len)
{
	const uint8_t *in = *at;
	size_t header = *len > 2 && in[0] == 4 && in[1] == 0x81 ? 3 : 2;
	if (*len <= header || in[0] != 4 || in[header - 1] != *len - header || (header == 2 && in[1] >= 0x80))
		return;
	if (!is_point(in + header, *len - header) || is_point(in, *len))
		return;
	*at += header;
	*len -= header;
}

static bool is_kdf(CK_ULONG kdf)
{
	return kdf == CKD_NULL || kdf == CKD_SHA1_KDF || (kdf >= CKD_SHA224_KDF && kdf <= CKD_SHA512_KDF) ||
	       (kdf >= CKD_SHA3_224_KDF && kdf <= CKD_SHA3_512_KDF);
}

static CK_RV take_ecdh1(const struct taking *taking)
{
	CK_ECDH1_DERIVE_PARAMS params;
	if (!has_structure(taking, &params, sizeof params))
		return refuse(taking, "a CK_ECDH1_DERIVE_PARAMS");
	if (!is_kdf(params.kdf))
		return refuse(taking, "a key derivation function that is not known");
	if (!bytes_fit(params.pSharedData, params.ulSharedDataLen,
		    params.kdf == CKD_NULL ? 0 : SR_PARAMETER_MAX - PUBLIC_DATA_MAX))
		return refuse(taking, "shared data of 65280 bytes at most, and none with CKD_NULL");
	if (!params.ulPublicDataLen || !bytes_fit(params.pPublicData, params.ulPublicDataLen, PUBLIC_DATA_MAX))
		return refuse(taking, "the other's public key in 1 to 256 bytes");
	CK_RV rv = keep(taking, &params, sizeof params, params.ulSharedDataLen + params.ulPublicDataLen);
	if (rv != CKR_OK)
		return rv;
	CK_ECDH1_DERIVE_PARAMS *kept = taking->to->memory;
	kept->pSharedData = keep_bytes(taking, sizeof params, params.pSharedData, params.ulSharedDataLen);
	kept->pPublicData =
		keep_bytes(taking, sizeof params + params.ulSharedDataLen, params.pPublicData, params.ulPublicDataLen);
	unwrap_point(&kept->pPublicData, &kept->ulPublicDataLen);
	return CKR_OK;
}

/* HSMs of Cryptoki 2.40 know no parameter and sign plainly whatever it says, so one that asks for something else would
 * get a signature of the wrong scheme: pre-hashing and contexts are refused. */
static CK_RV take_eddsa(const struct taking *taking)
{
	CK_EDDSA_PARAMS params;
	if (is_absent(taking))
		return CKR_OK;
	if (!has_structure(taking, &params, sizeof params))
		return refuse(taking, "none, or a CK_EDDSA_PARAMS");
	if (!bytes_fit(params.pContextData, params.ulContextDataLen, CONTEXT_MAX) || params.phFlag > CK_TRUE)
		return refuse(taking, "phFlag is true or false, a context has 255 bytes at most");
	if (params.phFlag || params.ulContextDataLen)
		return refuse(taking, "pre-hashing and contexts are not offered");
	params.pContextData = NULL;
	return keep(taking, &params, sizeof params, 0);
}

/* -- derivation by encryption: 6.27 ------------------------------------------------------------------------------- */
static bool blocks_fit(const struct taking *taking, const void *at, CK_ULONG len)
{
	return len && len % block_of(taking->row) == 0 && bytes_fit(at, len, SR_PARAMETER_MAX);
}

static CK_RV take_string(const struct taking *taking)
{
	CK_KEY_DERIVATION_STRING_DATA params;
	if (!has_structure(taking, &params, sizeof params))
		return refuse(taking, "a CK_KEY_DERIVATION_STRING_DATA");
	if (!blocks_fit(taking, params.pData, params.ulLen))
		return refuse(taking, "whole blocks of data, 65536 bytes at most");
	CK_RV rv = keep(taking, &params, sizeof params, params.ulLen);
	if (rv != CKR_OK)
		return rv;
	CK_KEY_DERIVATION_STRING_DATA *kept = taking->to->memory;
	kept->pData = keep_bytes(taking, sizeof params, params.pData, params.ulLen);
	return CKR_OK;
}

static CK_RV take_aes_cbc_data(const struct taking *taking)
{
	CK_AES_CBC_ENCRYPT_DATA_PARAMS params;
	if (!has_structure(taking, &params, sizeof params) || !blocks_fit(taking, params.pData, params.length))
		return refuse(
			taking, "a CK_AES_CBC_ENCRYPT_DATA_PARAMS with whole blocks of data, 65536 bytes at most");
	CK_RV rv = keep(taking, &params, sizeof params, params.length);
	if (rv != CKR_OK)
		return rv;
	CK_AES_CBC_ENCRYPT_DATA_PARAMS *kept = taking->to->memory;
	kept->pData = keep_bytes(taking, sizeof params, params.pData, params.length);
	return CKR_OK;
}

static CK_RV take_des_cbc_data(const struct taking *taking)
{
	CK_DES_CBC_ENCRYPT_DATA_PARAMS params;
	if (!has_structure(taking, &params, sizeof params) || !blocks_fit(taking, params.pData, params.length))
		return refuse(
			taking, "a CK_DES_CBC_ENCRYPT_DATA_PARAMS with whole blocks of data, 65536 bytes at most");
	CK_RV rv = keep(taking, &params, sizeof params, params.length);
	if (rv != CKR_OK)
		return rv;
	CK_DES_CBC_ENCRYPT_DATA_PARAMS *kept = taking->to->memory;
	kept->pData = keep_bytes(taking, sizeof params, params.pData, params.length);
	return CKR_OK;
}

static CK_RV take_cbc_data(const struct taking *taking)
{
	return taking->row->key_type == CKK_AES ? take_aes_cbc_data(taking) : take_des_cbc_data(taking);
}

/* -- the whole ---------------------------------------------------------------------------------------------------- */
static CK_RV (*const takers[SR_PARAMETER_COUNT])(const struct taking *) = {
	[SR_PARAMETER_NONE] = take_none,
	[SR_PARAMETER_OPTIONAL_BYTES] = take_initial_value,
	[SR_PARAMETER_IV] = take_iv,
	[SR_PARAMETER_CTR] = take_ctr,
	[SR_PARAMETER_GCM] = take_gcm,
	[SR_PARAMETER_CCM] = take_ccm,
	[SR_PARAMETER_OAEP] = take_oaep,
	[SR_PARAMETER_PSS] = take_pss,
	[SR_PARAMETER_ECDH1] = take_ecdh1,
	[SR_PARAMETER_EDDSA] = take_eddsa,
	[SR_PARAMETER_MAC_GENERAL] = take_mac_length,
	[SR_PARAMETER_STRING_DATA] = take_string,
	[SR_PARAMETER_CBC_DATA] = take_cbc_data,
};

static CK_RV check_offered(struct sr_vault *vault, const struct taking *taking)
{
	const struct sr_mechanism_row *row = taking->row;
	CK_MECHANISM_INFO info;
	if (row && row->flags && !allowed(taking->config, row))
		return sr_fail(taking->err, CKR_MECHANISM_INVALID, SR_REASON_MECHANISM,
			"%s is weak and not offered: `[mechanisms] enable` can name it", row->name);
	if (!row || !sr_mechanism_offered(vault, taking->config, row, &info))
		return sr_fail(taking->err, CKR_MECHANISM_INVALID, SR_REASON_MECHANISM,
			"%s is not offered: see the list of mechanisms", sr_mechanism_name(taking->given.mechanism));
	if (!(info.flags & taking->function))
		return sr_fail(taking->err, CKR_MECHANISM_INVALID, SR_REASON_MECHANISM,
			"%s is not offered for this function", row->name);
	return CKR_OK;
}

CK_RV sr_mechanism_take(struct sr_vault *vault, const struct sr_config *config, const CK_MECHANISM *given,
	CK_FLAGS function, struct sr_mechanism *mechanism, struct sr_error *err)
{
	struct taking taking = { .given = *given, .function = function, .config = config, .to = mechanism, .err = err };
	taking.row = sr_mechanism_row(taking.given.mechanism);
	*mechanism = (struct sr_mechanism){ .row = taking.row, .native.mechanism = taking.given.mechanism };
	CK_RV rv = check_offered(vault, &taking);
	if (rv == CKR_OK)
		rv = takers[taking.row->parameter](&taking);
	if (rv != CKR_OK)
		sr_mechanism_clear(mechanism);
	return rv;
}

void sr_mechanism_clear(struct sr_mechanism *mechanism)
{
	if (mechanism->memory)
		sr_cleanse(mechanism->memory, mechanism->memory_len);
	free(mechanism->memory);
	*mechanism = (struct sr_mechanism){ 0 };
}
