/* Parameters of mechanisms. The first byte chooses a row of the table, the second is of flags, the third the function;
 * then RAW: the rest is the parameter, in a block of its own size. Otherwise the structure of the row's kind: its
 * numbers, eight bytes each, and its pointers, each one byte of flags, two of length and as many bytes, which get a
 * block of their own size. The HSM has everything. */
#include "tests/fuzz/fuzz.h"

#include "pkcs11/mechanism.h"
#include "vault/keys.h"

#define RAW 1u
#define SHORT 2u   /* the structure ends a byte early */
#define NOTHING 4u /* no parameter, but a length */
#define OLD 8u     /* CK_GCM_PARAMS without ulIvBits */
#define WEAK 16u   /* every weak mechanism is enabled */

#define NO_VALUE 1u
#define ENDLESS 2u /* a length that no block has: nobody may read that far */
#define BLOCKS 3
#define FUNCTIONS (sizeof functions / sizeof functions[0])

static const CK_FLAGS functions[] = { CKF_ENCRYPT, CKF_DECRYPT, CKF_SIGN, CKF_VERIFY, CKF_SIGN_RECOVER,
	CKF_VERIFY_RECOVER, CKF_WRAP, CKF_UNWRAP, CKF_DERIVE, CKF_GENERATE, CKF_GENERATE_KEY_PAIR, CKF_DIGEST,
	CKF_MESSAGE_ENCRYPT, CKF_MESSAGE_SIGN };

bool sr_vault_mechanism(struct sr_vault *vault, CK_MECHANISM_TYPE type, CK_MECHANISM_INFO *info)
{
	(void)vault;
	(void)type;
	*info = (CK_MECHANISM_INFO){ 1, 4096, ~0UL };
	return true;
}

struct input {
	const uint8_t *at;
	size_t left;
	void *blocks[BLOCKS];
	size_t block_count;
};

static void take(struct input *in, void *to, size_t len)
{
	size_t have = in->left < len ? in->left : len;
	memset(to, 0, len);
	if (have)
		memcpy(to, in->at, have);
	in->at += have;
	in->left -= have;
}

static CK_ULONG take_number(struct input *in)
{
	CK_ULONG number;
	take(in, &number, sizeof number);
	return number;
}

static CK_BYTE *take_bytes(struct input *in, CK_ULONG *len)
{
	uint8_t flags;
	uint16_t given;
	take(in, &flags, 1);
	take(in, &given, sizeof given);
	size_t have = given < in->left ? given : in->left;
	CK_BYTE *block = malloc(have ? have : 1);
	must(block && in->block_count < BLOCKS);
	in->blocks[in->block_count++] = block;
	take(in, block, have);
	*len = flags & ENDLESS ? ~0UL - given : flags & NO_VALUE ? given : have;
	return flags & NO_VALUE ? NULL : block;
}

/* -- the structures ------------------------------------------------------------------------------------------- */
union structure {
	CK_ULONG number;
	CK_BYTE bytes[16];
	CK_AES_CTR_PARAMS ctr;
	CK_GCM_PARAMS gcm;
	struct {
		CK_BYTE_PTR iv;
		CK_ULONG iv_len;
		CK_BYTE_PTR aad;
		CK_ULONG aad_len;
		CK_ULONG tag_bits;
	} old_gcm;
	CK_CCM_PARAMS ccm;
	CK_RSA_PKCS_OAEP_PARAMS oaep;
	CK_RSA_PKCS_PSS_PARAMS pss;
	CK_ECDH1_DERIVE_PARAMS ecdh1;
	CK_EDDSA_PARAMS eddsa;
	CK_KEY_DERIVATION_STRING_DATA string;
	CK_AES_CBC_ENCRYPT_DATA_PARAMS aes;
	CK_DES_CBC_ENCRYPT_DATA_PARAMS des;
};

static size_t build_gcm(struct input *in, union structure *out, bool old)
{
	CK_GCM_PARAMS *gcm = &out->gcm;
	gcm->ulIvBits = take_number(in);
	gcm->ulTagBits = take_number(in);
	gcm->pIv = take_bytes(in, &gcm->ulIvLen);
	gcm->pAAD = take_bytes(in, &gcm->ulAADLen);
	if (!old)
		return sizeof *gcm;
	CK_GCM_PARAMS whole = *gcm;
	out->old_gcm.iv = whole.pIv;
	out->old_gcm.iv_len = whole.ulIvLen;
	out->old_gcm.aad = whole.pAAD;
	out->old_gcm.aad_len = whole.ulAADLen;
	out->old_gcm.tag_bits = whole.ulTagBits;
	return sizeof out->old_gcm;
}

static size_t build_ccm(struct input *in, CK_CCM_PARAMS *ccm)
{
	ccm->ulDataLen = take_number(in);
	ccm->ulMACLen = take_number(in);
	ccm->pNonce = take_bytes(in, &ccm->ulNonceLen);
	ccm->pAAD = take_bytes(in, &ccm->ulAADLen);
	return sizeof *ccm;
}

static size_t build_oaep(struct input *in, CK_RSA_PKCS_OAEP_PARAMS *oaep)
{
	oaep->hashAlg = take_number(in);
	oaep->mgf = take_number(in);
	oaep->source = take_number(in);
	oaep->pSourceData = take_bytes(in, &oaep->ulSourceDataLen);
	return sizeof *oaep;
}

static size_t build_ecdh1(struct input *in, CK_ECDH1_DERIVE_PARAMS *ecdh1)
{
	ecdh1->kdf = take_number(in);
	ecdh1->pSharedData = take_bytes(in, &ecdh1->ulSharedDataLen);
	ecdh1->pPublicData = take_bytes(in, &ecdh1->ulPublicDataLen);
	return sizeof *ecdh1;
}

static size_t build_cbc_data(struct input *in, union structure *out, bool aes)
{
	if (!aes) {
		take(in, out->des.iv, sizeof out->des.iv);
		out->des.pData = take_bytes(in, &out->des.length);
		return sizeof out->des;
	}
	take(in, out->aes.iv, sizeof out->aes.iv);
	out->aes.pData = take_bytes(in, &out->aes.length);
	return sizeof out->aes;
}

static size_t build(struct input *in, const struct sr_mechanism_row *row, uint8_t flags, union structure *out)
{
	switch (row->parameter) {
	case SR_PARAMETER_GCM:
		return build_gcm(in, out, flags & OLD);
	case SR_PARAMETER_CCM:
		return build_ccm(in, &out->ccm);
	case SR_PARAMETER_OAEP:
		return build_oaep(in, &out->oaep);
	case SR_PARAMETER_ECDH1:
		return build_ecdh1(in, &out->ecdh1);
	case SR_PARAMETER_EDDSA:
		take(in, &out->eddsa.phFlag, 1);
		out->eddsa.pContextData = take_bytes(in, &out->eddsa.ulContextDataLen);
		return sizeof out->eddsa;
	case SR_PARAMETER_STRING_DATA:
		out->string.pData = take_bytes(in, &out->string.ulLen);
		return sizeof out->string;
	case SR_PARAMETER_CBC_DATA:
		return build_cbc_data(in, out, row->key_type == CKK_AES);
	default: { /* no pointers inside */
		size_t size = row->parameter == SR_PARAMETER_PSS   ? sizeof out->pss
			      : row->parameter == SR_PARAMETER_CTR ? sizeof out->ctr
			      : row->parameter == SR_PARAMETER_IV  ? (row->key_type == CKK_AES ? 16 : 8)
								   : sizeof out->number;
		take(in, out, size);
		return size;
	}
	}
}

static bool holds_pointers(const struct sr_mechanism_row *row)
{
	switch (row->parameter) {
	case SR_PARAMETER_GCM:
	case SR_PARAMETER_CCM:
	case SR_PARAMETER_OAEP:
	case SR_PARAMETER_ECDH1:
	case SR_PARAMETER_EDDSA:
	case SR_PARAMETER_STRING_DATA:
	case SR_PARAMETER_CBC_DATA:
		return true;
	default:
		return false;
	}
}

/* How many raw bytes are the parameter. Nobody could tell the bytes of a whole structure from its pointers, so where
 * there are any it is a length that no structure of a row has. */
static size_t raw_len(const struct input *in, const struct sr_mechanism_row *row)
{
	bool whole = in->left >= sizeof(CK_KEY_DERIVATION_STRING_DATA) && in->left <= sizeof(union structure) + 1;
	return whole && holds_pointers(row) ? sizeof(CK_KEY_DERIVATION_STRING_DATA) - 1 : in->left;
}

/* -- what was taken ------------------------------------------------------------------------------------------- */
static void inside(const struct sr_mechanism *taken, const void *at, size_t len)
{
	const uint8_t *from = taken->memory, *bytes = at;
	must(at ? bytes >= from && len <= taken->memory_len && bytes + len <= from + taken->memory_len : !len);
}

static void check_pointers(const struct sr_mechanism *taken)
{
	const union structure *kept = taken->native.pParameter;
	switch (taken->row->parameter) {
	case SR_PARAMETER_GCM:
		must(taken->native.ulParameterLen == sizeof kept->gcm && kept->gcm.ulIvBits == 8 * kept->gcm.ulIvLen);
		inside(taken, kept->gcm.pIv, kept->gcm.ulIvLen);
		inside(taken, kept->gcm.pAAD, kept->gcm.ulAADLen);
		break;
	case SR_PARAMETER_CCM:
		inside(taken, kept->ccm.pNonce, kept->ccm.ulNonceLen);
		inside(taken, kept->ccm.pAAD, kept->ccm.ulAADLen);
		break;
	case SR_PARAMETER_OAEP:
		inside(taken, kept->oaep.pSourceData, kept->oaep.ulSourceDataLen);
		break;
	case SR_PARAMETER_ECDH1:
		must(kept->ecdh1.ulPublicDataLen);
		inside(taken, kept->ecdh1.pSharedData, kept->ecdh1.ulSharedDataLen);
		inside(taken, kept->ecdh1.pPublicData, kept->ecdh1.ulPublicDataLen);
		break;
	case SR_PARAMETER_EDDSA:
		inside(taken, kept->eddsa.pContextData, kept->eddsa.ulContextDataLen);
		break;
	case SR_PARAMETER_STRING_DATA:
		inside(taken, kept->string.pData, kept->string.ulLen);
		break;
	case SR_PARAMETER_CBC_DATA:
		if (taken->row->key_type == CKK_AES)
			inside(taken, kept->aes.pData, kept->aes.length);
		else
			inside(taken, kept->des.pData, kept->des.length);
		break;
	default:
		break;
	}
}

static void check_taken(CK_RV rv, const struct sr_mechanism *taken, const struct sr_error *err)
{
	if (rv != CKR_OK) {
		must(rv == CKR_MECHANISM_INVALID || rv == CKR_MECHANISM_PARAM_INVALID);
		must(err->rv == rv && err->text[0] && !taken->memory && !taken->native.pParameter);
		return;
	}
	must(taken->native.pParameter == taken->memory && taken->native.ulParameterLen <= taken->memory_len);
	must(taken->memory_len <= SR_PARAMETER_MAX + sizeof(union structure));
	if (taken->memory)
		check_pointers(taken);
}

static char *all_names(void)
{
	static char names[8192];
	for (size_t i = 0; !names[0] && i < sr_mechanism_count; i++) {
		strcat(names, sr_mechanism_rows[i].name);
		strcat(names, " ");
	}
	return names;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = { .at = data, .left = size };
	uint8_t index, flags, function;
	take(&in, &index, 1);
	take(&in, &flags, 1);
	take(&in, &function, 1);
	const struct sr_mechanism_row *row = &sr_mechanism_rows[index % sr_mechanism_count];
	struct sr_config config = { .mechanisms = flags & WEAK ? all_names() : NULL };
	union structure built;
	memset(&built, 0, sizeof built);
	size_t len = flags & RAW ? raw_len(&in, row) : build(&in, row, flags, &built);
	if (flags & SHORT && len)
		len--;
	uint8_t *block = malloc(len ? len : 1); /* of its own size, so that a sanitizer sees who reads on */
	must(block);
	memcpy(block, flags & RAW ? in.at : (const uint8_t *)&built, len);
	CK_MECHANISM given = { row->type, flags & NOTHING ? NULL : block, len };
	struct sr_mechanism taken;
	struct sr_error err = SR_ERROR_INIT;
	CK_RV rv = sr_mechanism_take(NULL, &config, &given, functions[function % FUNCTIONS], &taken, &err);
	memset(block, 0xee, len);
	while (in.block_count)
		free(in.blocks[--in.block_count]);
	check_taken(rv, &taken, &err);
	sr_mechanism_clear(&taken);
	free(block);
	return 0;
}
