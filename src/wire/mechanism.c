/* Mechanisms and parameters on the wire. The application's structures are read once, for they may change in another
 * thread. What is told of a structure is what is in it, never its bytes: its pointers are nobody else's. */
#include "wire/mechanism.h"

#include "policy/mechanism.h"

#include <string.h>

#define AES_BLOCK 16
#define DES_BLOCK 8
#define IV_MAX 256 /* of a message, as its tag: pkcs11/message.c refuses by the length what is longer */
#define TAG_MAX 16

enum form { FORM_LENGTH, FORM_STRUCTURE };

/* A parameter, whatever its mechanism. */
union structure {
	CK_BYTE bytes[AES_BLOCK]; /* an IV, or an initial value */
	CK_ULONG mac_len;
	CK_AES_CTR_PARAMS ctr;
	CK_GCM_PARAMS gcm;
	struct sr_old_gcm_params old_gcm;
	CK_CCM_PARAMS ccm;
	CK_RSA_PKCS_OAEP_PARAMS oaep;
	CK_RSA_PKCS_PSS_PARAMS pss;
	CK_ECDH1_DERIVE_PARAMS ecdh1;
	CK_EDDSA_PARAMS eddsa;
	CK_KEY_DERIVATION_STRING_DATA string;
	CK_AES_CBC_ENCRYPT_DATA_PARAMS aes;
	CK_DES_CBC_ENCRYPT_DATA_PARAMS des;
};

/* -- the parts of structures -------------------------------------------------------------------------------------- */
static void put_part(struct sr_buf *out, const void *bytes, CK_ULONG len)
{
	sr_put_bytes(out, bytes, len, SR_WIRE_PARAMETER_MAX);
}

static CK_BYTE *get_part(struct sr_in *in, CK_ULONG *len)
{
	return sr_get_bytes(in, len, SR_WIRE_PARAMETER_MAX);
}

/* LEN bytes that stand in the structure itself. */
static void get_inside(struct sr_in *in, void *to, size_t len)
{
	const uint8_t *at = sr_get_raw(in, len);
	if (at)
		memcpy(to, at, len);
}

/* -- the kinds of parameters: SIZE is the structure's ---------------------------------------------------------------
 */
static void put_plain(struct sr_buf *out, const union structure *from, size_t size)
{
	sr_buf_append(out, from->bytes, size);
}

static void get_plain(struct sr_in *in, union structure *to, size_t size)
{
	get_inside(in, to->bytes, size);
}

static void put_ctr(struct sr_buf *out, const union structure *from, size_t size)
{
	(void)size;
	sr_put_ulong(out, from->ctr.ulCounterBits);
	sr_buf_append(out, from->ctr.cb, sizeof from->ctr.cb);
}

static void get_ctr(struct sr_in *in, union structure *to, size_t size)
{
	(void)size;
	to->ctr.ulCounterBits = sr_get_ulong(in);
	get_inside(in, to->ctr.cb, sizeof to->ctr.cb);
}

static void put_old_gcm(struct sr_buf *out, const struct sr_old_gcm_params *from)
{
	put_part(out, from->iv, from->iv_len);
	put_part(out, from->aad, from->aad_len);
	sr_put_ulong(out, from->tag_bits);
}

static void get_old_gcm(struct sr_in *in, struct sr_old_gcm_params *to)
{
	to->iv = get_part(in, &to->iv_len);
	to->aad = get_part(in, &to->aad_len);
	to->tag_bits = sr_get_ulong(in);
}

static void put_gcm(struct sr_buf *out, const union structure *from, size_t size)
{
	if (size == sizeof from->old_gcm) {
		put_old_gcm(out, &from->old_gcm);
		return;
	}
	put_part(out, from->gcm.pIv, from->gcm.ulIvLen);
	sr_put_ulong(out, from->gcm.ulIvBits);
	put_part(out, from->gcm.pAAD, from->gcm.ulAADLen);
	sr_put_ulong(out, from->gcm.ulTagBits);
}

static void get_gcm(struct sr_in *in, union structure *to, size_t size)
{
	if (size == sizeof to->old_gcm) {
		get_old_gcm(in, &to->old_gcm);
		return;
	}
	to->gcm.pIv = get_part(in, &to->gcm.ulIvLen);
	to->gcm.ulIvBits = sr_get_ulong(in);
	to->gcm.pAAD = get_part(in, &to->gcm.ulAADLen);
	to->gcm.ulTagBits = sr_get_ulong(in);
}

static void put_ccm(struct sr_buf *out, const union structure *from, size_t size)
{
	(void)size;
	sr_put_ulong(out, from->ccm.ulDataLen);
	put_part(out, from->ccm.pNonce, from->ccm.ulNonceLen);
	put_part(out, from->ccm.pAAD, from->ccm.ulAADLen);
	sr_put_ulong(out, from->ccm.ulMACLen);
}

static void get_ccm(struct sr_in *in, union structure *to, size_t size)
{
	(void)size;
	to->ccm.ulDataLen = sr_get_ulong(in);
	to->ccm.pNonce = get_part(in, &to->ccm.ulNonceLen);
	to->ccm.pAAD = get_part(in, &to->ccm.ulAADLen);
	to->ccm.ulMACLen = sr_get_ulong(in);
}

static void put_oaep(struct sr_buf *out, const union structure *from, size_t size)
{
	(void)size;
	sr_put_ulong(out, from->oaep.hashAlg);
	sr_put_ulong(out, from->oaep.mgf);
	sr_put_ulong(out, from->oaep.source);
	put_part(out, from->oaep.pSourceData, from->oaep.ulSourceDataLen);
}

static void get_oaep(struct sr_in *in, union structure *to, size_t size)
{
	(void)size;
	to->oaep.hashAlg = sr_get_ulong(in);
	to->oaep.mgf = sr_get_ulong(in);
	to->oaep.source = sr_get_ulong(in);
	to->oaep.pSourceData = get_part(in, &to->oaep.ulSourceDataLen);
}

static void put_pss(struct sr_buf *out, const union structure *from, size_t size)
{
	(void)size;
	sr_put_ulong(out, from->pss.hashAlg);
	sr_put_ulong(out, from->pss.mgf);
	sr_put_ulong(out, from->pss.sLen);
}

static void get_pss(struct sr_in *in, union structure *to, size_t size)
{
	(void)size;
	to->pss.hashAlg = sr_get_ulong(in);
	to->pss.mgf = sr_get_ulong(in);
	to->pss.sLen = sr_get_ulong(in);
}

static void put_ecdh1(struct sr_buf *out, const union structure *from, size_t size)
{
	(void)size;
	sr_put_ulong(out, from->ecdh1.kdf);
	put_part(out, from->ecdh1.pSharedData, from->ecdh1.ulSharedDataLen);
	put_part(out, from->ecdh1.pPublicData, from->ecdh1.ulPublicDataLen);
}

static void get_ecdh1(struct sr_in *in, union structure *to, size_t size)
{
	(void)size;
	to->ecdh1.kdf = sr_get_ulong(in);
	to->ecdh1.pSharedData = get_part(in, &to->ecdh1.ulSharedDataLen);
	to->ecdh1.pPublicData = get_part(in, &to->ecdh1.ulPublicDataLen);
}

static void put_eddsa(struct sr_buf *out, const union structure *from, size_t size)
{
	(void)size;
	sr_put_u8(out, from->eddsa.phFlag);
	put_part(out, from->eddsa.pContextData, from->eddsa.ulContextDataLen);
}

static void get_eddsa(struct sr_in *in, union structure *to, size_t size)
{
	(void)size;
	to->eddsa.phFlag = sr_get_u8(in);
	to->eddsa.pContextData = get_part(in, &to->eddsa.ulContextDataLen);
}

static void put_mac_len(struct sr_buf *out, const union structure *from, size_t size)
{
	(void)size;
	sr_put_ulong(out, from->mac_len);
}

static void get_mac_len(struct sr_in *in, union structure *to, size_t size)
{
	(void)size;
	to->mac_len = sr_get_ulong(in);
}

static void put_string(struct sr_buf *out, const union structure *from, size_t size)
{
	(void)size;
	put_part(out, from->string.pData, from->string.ulLen);
}

static void get_string(struct sr_in *in, union structure *to, size_t size)
{
	(void)size;
	to->string.pData = get_part(in, &to->string.ulLen);
}

static void put_cbc_data(struct sr_buf *out, const union structure *from, size_t size)
{
	if (size == sizeof from->aes) {
		sr_buf_append(out, from->aes.iv, sizeof from->aes.iv);
		put_part(out, from->aes.pData, from->aes.length);
		return;
	}
	sr_buf_append(out, from->des.iv, sizeof from->des.iv);
	put_part(out, from->des.pData, from->des.length);
}

static void get_cbc_data(struct sr_in *in, union structure *to, size_t size)
{
	if (size == sizeof to->aes) {
		get_inside(in, to->aes.iv, sizeof to->aes.iv);
		to->aes.pData = get_part(in, &to->aes.length);
		return;
	}
	get_inside(in, to->des.iv, sizeof to->des.iv);
	to->des.pData = get_part(in, &to->des.length);
}

/* -- which is which ------------------------------------------------------------------------------------------------ */
/* SIZES: of what the call layer takes as this parameter, 0 for nothing; the second is that of DES, of
 * CKM_AES_KEY_WRAP_KWP, and of CK_GCM_PARAMS as it was. */
static const struct serialiser {
	size_t sizes[2];
	void (*put)(struct sr_buf *out, const union structure *from, size_t size);
	void (*get)(struct sr_in *in, union structure *to, size_t size);
} serialisers[] = {
	[SR_PARAMETER_NONE] = { { 0, 0 }, put_plain, get_plain },
	[SR_PARAMETER_OPTIONAL_BYTES] = { { 8, 4 }, put_plain, get_plain },
	[SR_PARAMETER_IV] = { { AES_BLOCK, DES_BLOCK }, put_plain, get_plain },
	[SR_PARAMETER_CTR] = { { sizeof(CK_AES_CTR_PARAMS), 0 }, put_ctr, get_ctr },
	[SR_PARAMETER_GCM] = { { sizeof(CK_GCM_PARAMS), sizeof(struct sr_old_gcm_params) }, put_gcm, get_gcm },
	[SR_PARAMETER_CCM] = { { sizeof(CK_CCM_PARAMS), 0 }, put_ccm, get_ccm },
	[SR_PARAMETER_OAEP] = { { sizeof(CK_RSA_PKCS_OAEP_PARAMS), 0 }, put_oaep, get_oaep },
	[SR_PARAMETER_PSS] = { { sizeof(CK_RSA_PKCS_PSS_PARAMS), 0 }, put_pss, get_pss },
	[SR_PARAMETER_ECDH1] = { { sizeof(CK_ECDH1_DERIVE_PARAMS), 0 }, put_ecdh1, get_ecdh1 },
	[SR_PARAMETER_EDDSA] = { { sizeof(CK_EDDSA_PARAMS), 0 }, put_eddsa, get_eddsa },
	[SR_PARAMETER_MAC_GENERAL] = { { sizeof(CK_ULONG), 0 }, put_mac_len, get_mac_len },
	[SR_PARAMETER_STRING_DATA] = { { sizeof(CK_KEY_DERIVATION_STRING_DATA), 0 }, put_string, get_string },
	[SR_PARAMETER_CBC_DATA] = { { sizeof(CK_AES_CBC_ENCRYPT_DATA_PARAMS), sizeof(CK_DES_CBC_ENCRYPT_DATA_PARAMS) },
		put_cbc_data, get_cbc_data },
};

_Static_assert(sizeof serialisers / sizeof serialisers[0] == SR_PARAMETER_COUNT, "each kind has its serialiser");

/* The size of the structure of a row; of the two of AES-GCM the one that SECOND says. */
static size_t size_of(const struct sr_mechanism_row *row, bool second)
{
	if (row->parameter == SR_PARAMETER_OPTIONAL_BYTES)
		second = row->type == CKM_AES_KEY_WRAP_KWP;
	else if (row->parameter == SR_PARAMETER_IV || row->parameter == SR_PARAMETER_CBC_DATA)
		second = row->key_type != CKK_AES;
	else if (row->parameter != SR_PARAMETER_GCM)
		second = false;
	return serialisers[row->parameter].sizes[second];
}

/* Whether the call layer takes a parameter of LEN bytes for a structure, and would read what it points to. */
static bool is_structure(const struct sr_mechanism_row *row, CK_ULONG len)
{
	return row && len && (len == size_of(row, false) || len == size_of(row, true));
}

/* -- mechanisms ---------------------------------------------------------------------------------------------------- */
static void put_structure(struct sr_buf *out, const struct sr_mechanism_row *row, const CK_MECHANISM *given)
{
	union structure from = { 0 };
	memcpy(&from, given->pParameter, given->ulParameterLen);
	sr_put_u8(out, given->ulParameterLen == size_of(row, false) ? 0 : 1);
	serialisers[row->parameter].put(out, &from, given->ulParameterLen);
}

static void get_structure(struct sr_in *in, const struct sr_mechanism_row *row, CK_MECHANISM *to)
{
	uint8_t second = sr_get_u8(in);
	size_t size = row && second <= 1 ? size_of(row, second) : 0;
	union structure *structure = size ? sr_arena_take(in->arena, sizeof *structure) : NULL;
	if (!structure || (second && size == size_of(row, false))) {
		in->failed = true;
		return;
	}
	serialisers[row->parameter].get(in, structure, size);
	to->pParameter = structure;
	to->ulParameterLen = size;
}

static void get_length(struct sr_in *in, const struct sr_mechanism_row *row, CK_MECHANISM *to)
{
	to->pParameter = sr_get_bytes(in, &to->ulParameterLen, 0);
	if (to->pParameter && is_structure(row, to->ulParameterLen))
		in->failed = true;
}

void sr_put_mechanism(struct sr_buf *out, const CK_MECHANISM *mechanism)
{
	sr_put_u8(out, mechanism ? 1 : 0);
	if (!mechanism)
		return;
	CK_MECHANISM given = *mechanism;
	const struct sr_mechanism_row *row = sr_mechanism_row(given.mechanism);
	bool whole = given.pParameter && is_structure(row, given.ulParameterLen);
	sr_put_ulong(out, given.mechanism);
	sr_put_u8(out, whole ? FORM_STRUCTURE : FORM_LENGTH);
	if (whole)
		put_structure(out, row, &given);
	else
		sr_put_bytes(out, given.pParameter, given.ulParameterLen, 0);
}

static void get_mechanism(struct sr_in *in, CK_MECHANISM *to)
{
	to->mechanism = sr_get_ulong(in);
	const struct sr_mechanism_row *row = sr_mechanism_row(to->mechanism);
	switch (sr_get_u8(in)) {
	case FORM_LENGTH:
		get_length(in, row, to);
		break;
	case FORM_STRUCTURE:
		get_structure(in, row, to);
		break;
	default:
		in->failed = true;
	}
}

CK_MECHANISM *sr_get_mechanism(struct sr_in *in)
{
	uint8_t given = sr_get_u8(in);
	if (given > 1)
		in->failed = true;
	if (in->failed || !given)
		return NULL;
	CK_MECHANISM *mechanism = sr_arena_take(in->arena, sizeof *mechanism);
	if (mechanism)
		get_mechanism(in, mechanism);
	else
		in->failed = true;
	return in->failed ? NULL : mechanism;
}

/* -- the parameter of a message ------------------------------------------------------------------------------------ */
static bool is_message(const void *parameter, CK_ULONG len)
{
	return parameter && len == sizeof(CK_GCM_MESSAGE_PARAMS);
}

static CK_ULONG tag_len(CK_ULONG bits)
{
	return bits / 8 + (bits % 8 ? 1 : 0);
}

void sr_put_parameter(struct sr_buf *out, const void *parameter, CK_ULONG len)
{
	CK_GCM_MESSAGE_PARAMS from;
	sr_put_u8(out, is_message(parameter, len) ? FORM_STRUCTURE : FORM_LENGTH);
	if (!is_message(parameter, len)) {
		sr_put_bytes(out, parameter, len, 0);
		return;
	}
	memcpy(&from, parameter, sizeof from);
	sr_put_bytes(out, from.pIv, from.ulIvLen, IV_MAX);
	sr_put_ulong(out, from.ulIvFixedBits);
	sr_put_ulong(out, from.ivGenerator);
	sr_put_ulong(out, from.ulTagBits);
	sr_put_bytes(out, from.pTag, tag_len(from.ulTagBits), TAG_MAX);
}

/* The call layer reads and writes as many bytes of the tag as its bits say, unless they are more than any tag has. */
static void get_tag(struct sr_in *in, CK_GCM_MESSAGE_PARAMS *to)
{
	CK_ULONG len;
	to->ulTagBits = sr_get_ulong(in);
	to->pTag = sr_get_bytes(in, &len, TAG_MAX);
	CK_ULONG said = tag_len(to->ulTagBits);
	if (to->pTag && (said <= TAG_MAX || len <= TAG_MAX) && said != len)
		in->failed = true;
}

static void get_message(struct sr_in *in, struct sr_message_parameter *parameter)
{
	CK_GCM_MESSAGE_PARAMS *to = sr_arena_take(in->arena, sizeof *to);
	if (!to) {
		in->failed = true;
		return;
	}
	to->pIv = sr_get_bytes(in, &to->ulIvLen, IV_MAX);
	to->ulIvFixedBits = sr_get_ulong(in);
	to->ivGenerator = sr_get_ulong(in);
	get_tag(in, to);
	*parameter = (struct sr_message_parameter){ to, sizeof *to };
}

void sr_get_parameter(struct sr_in *in, struct sr_message_parameter *parameter)
{
	*parameter = (struct sr_message_parameter){ 0 };
	switch (sr_get_u8(in)) {
	case FORM_LENGTH:
		parameter->at = sr_get_bytes(in, &parameter->len, 0);
		if (is_message(parameter->at, parameter->len))
			in->failed = true;
		break;
	case FORM_STRUCTURE:
		get_message(in, parameter);
		break;
	default:
		in->failed = true;
	}
	if (in->failed)
		*parameter = (struct sr_message_parameter){ 0 };
}

void sr_put_parameter_back(struct sr_buf *out, const struct sr_message_parameter *parameter)
{
	CK_GCM_MESSAGE_PARAMS left;
	if (!is_message(parameter->at, parameter->len))
		return;
	memcpy(&left, parameter->at, sizeof left);
	sr_put_bytes(out, left.pIv, left.ulIvLen, IV_MAX);
	sr_put_bytes(out, left.pTag, tag_len(left.ulTagBits), TAG_MAX);
}

/* What came back for LEN bytes of the application's at TO: as many, or none that it could have sent. */
static const uint8_t *get_back(struct sr_in *in, const void *to, CK_ULONG len, size_t max)
{
	CK_ULONG got;
	bool sent = to && len <= max;
	const uint8_t *from = sr_get_bytes(in, &got, max);
	if (sent != (from && got <= max) || (sent && got != len))
		in->failed = true;
	return in->failed || !sent ? NULL : from;
}

/* Not written where nothing has changed: what is only read may stand where nobody can write. */
static void write_back(void *to, const uint8_t *from, CK_ULONG len)
{
	if (from && len && memcmp(to, from, len) != 0)
		memcpy(to, from, len);
}

void sr_get_parameter_back(struct sr_in *in, void *parameter, CK_ULONG len)
{
	CK_GCM_MESSAGE_PARAMS to;
	if (!is_message(parameter, len))
		return;
	memcpy(&to, parameter, sizeof to);
	const uint8_t *iv = get_back(in, to.pIv, to.ulIvLen, IV_MAX);
	const uint8_t *tag = get_back(in, to.pTag, tag_len(to.ulTagBits), TAG_MAX);
	if (in->failed)
		return;
	write_back(to.pIv, iv, to.ulIvLen);
	write_back(to.pTag, tag, tag_len(to.ulTagBits));
}
