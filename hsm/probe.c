/* What the backend can do, tried out on session objects. */
#include "hsm/internal.h"

#include <stdio.h>
#include <string.h>

#ifndef CKM_AES_KEY_WRAP_KWP
#define CKM_AES_KEY_WRAP_KWP 0x210bUL /* PKCS#11 3.0 */
#endif

/** struct probe: one question's session; it is closed after it, and its objects with it. */
struct probe {
	CK_FUNCTION_LIST *module;
	CK_SLOT_ID slot;
	CK_SESSION_HANDLE session;
	const struct sr_hsm_turn *turn;
};

static const uint8_t p384_params[] = { 0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x22 };
/* "edwards25519" as PrintableString, which is what PKCS#11 3.0 and SoftHSM2 take */
static const uint8_t ed25519_params[] = { 0x13, 0x0c, 'e', 'd', 'w', 'a', 'r', 'd', 's', '2', '5', '5', '1', '9' };
static const uint8_t rsa_exponent[] = { 1, 0, 1 };

/** struct pair_kind: a kind of key pair, how it is made and how it signs. */
struct pair_kind {
	CK_KEY_TYPE type;
	CK_MECHANISM_TYPE generate, sign;
	const uint8_t *curve; /* NULL: RSA */
	CK_ULONG curve_len, bits, data_len;
};

enum pair { PAIR_P256, PAIR_P384, PAIR_ED25519, PAIR_RSA2048 };

static const struct pair_kind pair_kinds[] = {
	[PAIR_P256] = { CKK_EC, CKM_EC_KEY_PAIR_GEN, CKM_ECDSA, sr_p256_params, sizeof(sr_p256_params), 0, 32 },
	[PAIR_P384] = { CKK_EC, CKM_EC_KEY_PAIR_GEN, CKM_ECDSA, p384_params, sizeof(p384_params), 0, 48 },
	[PAIR_ED25519] = { CKK_EC_EDWARDS, CKM_EC_EDWARDS_KEY_PAIR_GEN, CKM_EDDSA, ed25519_params,
		sizeof(ed25519_params), 0, 48 },
	[PAIR_RSA2048] = { CKK_RSA, CKM_RSA_PKCS_KEY_PAIR_GEN, CKM_RSA_PKCS, NULL, 0, 2048, 32 },
};

/* -- session keys to try things on ----------------------------------------------------------------------------- */

/** struct secret_plan: the session key that make_secret makes. */
struct secret_plan {
	CK_MECHANISM_TYPE generate;
	CK_KEY_TYPE type;
	CK_ATTRIBUTE_TYPE right, other_right;
	bool extractable, fixed;
};

static const struct secret_plan seal_key = { CKM_AES_KEY_GEN, CKK_AES, CKA_ENCRYPT, CKA_DECRYPT, false, false };
static const struct secret_plan fixed_key = { CKM_AES_KEY_GEN, CKK_AES, CKA_ENCRYPT, CKA_DECRYPT, false, true };
static const struct secret_plan wrap_key = { CKM_AES_KEY_GEN, CKK_AES, CKA_WRAP, CKA_UNWRAP, false, false };
static const struct secret_plan mac_key = { CKM_GENERIC_SECRET_KEY_GEN, CKK_GENERIC_SECRET, CKA_SIGN, CKA_VERIFY, false,
	false };
static const struct secret_plan loose_aes = { CKM_AES_KEY_GEN, CKK_AES, CKA_ENCRYPT, CKA_DECRYPT, true, false };
static const struct secret_plan loose_mac = { CKM_GENERIC_SECRET_KEY_GEN, CKK_GENERIC_SECRET, CKA_SIGN, CKA_VERIFY,
	true, false };

static CK_RV make_secret(const struct probe *probe, const struct secret_plan *plan, CK_OBJECT_HANDLE *key)
{
	CK_MECHANISM mechanism = { plan->generate, NULL, 0 };
	CK_OBJECT_CLASS class = CKO_SECRET_KEY;
	CK_KEY_TYPE type = plan->type;
	CK_ULONG len = SR_HSM_KEY_BYTES;
	CK_BBOOL yes = CK_TRUE, no = CK_FALSE, extractable = plan->extractable;
	CK_ATTRIBUTE template[] = {
		{ CKA_CLASS, &class, sizeof(class) },
		{ CKA_KEY_TYPE, &type, sizeof(type) },
		{ CKA_TOKEN, &no, sizeof(no) },
		{ CKA_PRIVATE, &yes, sizeof(yes) },
		{ CKA_SENSITIVE, &yes, sizeof(yes) },
		{ CKA_EXTRACTABLE, &extractable, sizeof(extractable) },
		{ CKA_VALUE_LEN, &len, sizeof(len) },
		{ plan->right, &yes, sizeof(yes) },
		{ plan->other_right, &yes, sizeof(yes) },
		{ CKA_MODIFIABLE, &no, sizeof(no) },
	};
	return probe->module->C_GenerateKey(probe->session, &mechanism, template, plan->fixed ? 10 : 9, key);
}

static CK_RV make_pair(const struct probe *probe, enum pair pair, CK_OBJECT_HANDLE *public, CK_OBJECT_HANDLE *private)
{
	const struct pair_kind *kind = &pair_kinds[pair];
	CK_MECHANISM mechanism = { kind->generate, NULL, 0 };
	CK_BBOOL yes = CK_TRUE, no = CK_FALSE;
	CK_ULONG bits = kind->bits;
	CK_ATTRIBUTE open[] = {
		{ CKA_TOKEN, &no, sizeof(no) },
		{ CKA_VERIFY, &yes, sizeof(yes) },
		{ CKA_EC_PARAMS, (void *)(uintptr_t)kind->curve, kind->curve_len },
		{ CKA_PUBLIC_EXPONENT, (void *)(uintptr_t)rsa_exponent, sizeof(rsa_exponent) },
	};
	CK_ATTRIBUTE secret[] = {
		{ CKA_TOKEN, &no, sizeof(no) },
		{ CKA_PRIVATE, &yes, sizeof(yes) },
		{ CKA_SENSITIVE, &yes, sizeof(yes) },
		{ CKA_EXTRACTABLE, &yes, sizeof(yes) },
		{ CKA_SIGN, &yes, sizeof(yes) },
	};
	if (!kind->curve)
		open[2] = (CK_ATTRIBUTE){ CKA_MODULUS_BITS, &bits, sizeof(bits) };
	return probe->module->C_GenerateKeyPair(
		probe->session, &mechanism, open, kind->curve ? 3 : 4, secret, 5, public, private);
}

/* -- the questions --------------------------------------------------------------------------------------------- */

static CK_RV ask_random(const struct probe *probe)
{
	uint8_t one[32] = { 0 }, other[32] = { 0 };
	CK_RV rv = probe->module->C_GenerateRandom(probe->session, one, sizeof(one));
	if (rv == CKR_OK)
		rv = probe->module->C_GenerateRandom(probe->session, other, sizeof(other));
	return rv == CKR_OK && memcmp(one, other, sizeof(one)) == 0 ? CKR_RANDOM_NO_RNG : rv;
}

static CK_RV ask_seed(const struct probe *probe)
{
	uint8_t seed[32] = { 0 };
	CK_RV rv = probe->module->C_GenerateRandom(probe->session, seed, sizeof(seed));
	return rv == CKR_OK ? probe->module->C_SeedRandom(probe->session, seed, sizeof(seed)) : rv;
}

/* Seals LEN bytes, opens them, and sees the opening refused after one bit of the tag has changed. */
static CK_RV try_gcm(const struct probe *probe, CK_ULONG len)
{
	CK_FUNCTION_LIST *module = probe->module;
	uint8_t iv[12], aad[] = "strongroom/probe/1", plain[32] = "a value", sealed[64], opened[64];
	CK_GCM_PARAMS params = { iv, sizeof(iv), sizeof(iv) * 8, aad, sizeof(aad), 128 };
	CK_MECHANISM gcm = { CKM_AES_GCM, &params, sizeof(params) };
	CK_OBJECT_HANDLE key;
	CK_ULONG sealed_len = sizeof(sealed), opened_len = sizeof(opened);
	CK_RV rv = make_secret(probe, &seal_key, &key);
	if (rv == CKR_OK)
		rv = module->C_GenerateRandom(probe->session, iv, sizeof(iv));
	if (rv == CKR_OK)
		rv = module->C_EncryptInit(probe->session, &gcm, key);
	if (rv == CKR_OK)
		rv = module->C_Encrypt(probe->session, plain, len, sealed, &sealed_len);
	if (rv == CKR_OK)
		rv = module->C_DecryptInit(probe->session, &gcm, key);
	if (rv == CKR_OK)
		rv = module->C_Decrypt(probe->session, sealed, sealed_len, opened, &opened_len);
	if (rv == CKR_OK && (sealed_len != len + 16 || opened_len != len || memcmp(plain, opened, len) != 0))
		rv = CKR_FUNCTION_FAILED;
	if (rv == CKR_OK)
		rv = module->C_DecryptInit(probe->session, &gcm, key);
	if (rv != CKR_OK)
		return rv;
	sealed[sealed_len - 1] ^= 1;
	opened_len = sizeof(opened);
	rv = module->C_Decrypt(probe->session, sealed, sealed_len, opened, &opened_len);
	return rv == CKR_OK ? CKR_FUNCTION_FAILED : CKR_OK;
}

static CK_RV ask_gcm(const struct probe *probe)
{
	return try_gcm(probe, 32);
}

static CK_RV ask_gcm_empty(const struct probe *probe)
{
	return try_gcm(probe, 0);
}

static CK_RV ask_mac(const struct probe *probe)
{
	CK_MECHANISM hmac = { CKM_SHA256_HMAC, NULL, 0 };
	uint8_t data[] = "strongroom/probe/1", mac[32];
	CK_ULONG len = sizeof(mac);
	CK_OBJECT_HANDLE key;
	CK_RV rv = make_secret(probe, &mac_key, &key);
	if (rv == CKR_OK)
		rv = probe->module->C_SignInit(probe->session, &hmac, key);
	if (rv == CKR_OK)
		rv = probe->module->C_Sign(probe->session, data, sizeof(data), mac, &len);
	return rv == CKR_OK && len != sizeof(mac) ? CKR_FUNCTION_FAILED : rv;
}

static CK_RV try_signature(const struct probe *probe, enum pair pair)
{
	CK_MECHANISM mechanism = { pair_kinds[pair].sign, NULL, 0 };
	CK_OBJECT_HANDLE public, private;
	uint8_t data[48] = "a digest", signature[512];
	CK_ULONG len = sizeof(signature), data_len = pair_kinds[pair].data_len;
	CK_RV rv = make_pair(probe, pair, &public, &private);
	if (rv == CKR_OK)
		rv = probe->module->C_SignInit(probe->session, &mechanism, private);
	if (rv == CKR_OK)
		rv = probe->module->C_Sign(probe->session, data, data_len, signature, &len);
	if (rv == CKR_OK)
		rv = probe->module->C_VerifyInit(probe->session, &mechanism, public);
	return rv == CKR_OK ? probe->module->C_Verify(probe->session, data, data_len, signature, len) : rv;
}

static CK_RV ask_p256(const struct probe *probe)
{
	return try_signature(probe, PAIR_P256);
}

static CK_RV ask_p384(const struct probe *probe)
{
	return try_signature(probe, PAIR_P384);
}

static CK_RV ask_ed25519(const struct probe *probe)
{
	return try_signature(probe, PAIR_ED25519);
}

static CK_RV ask_rsa(const struct probe *probe)
{
	return try_signature(probe, PAIR_RSA2048);
}

static CK_RV ask_rsa_4096(const struct probe *probe)
{
	CK_MECHANISM_INFO info;
	CK_RV rv = probe->module->C_GetMechanismInfo(probe->slot, CKM_RSA_PKCS_KEY_PAIR_GEN, &info);
	return rv == CKR_OK && info.ulMaxKeySize < 4096 ? CKR_KEY_SIZE_RANGE : rv;
}

static CK_RV ask_unreadable(const struct probe *probe)
{
	CK_OBJECT_HANDLE key;
	uint8_t value[64];
	size_t len;
	CK_RV rv = make_secret(probe, &seal_key, &key);
	if (rv != CKR_OK)
		return rv;
	rv = sr_object_bytes(probe->turn, key, CKA_VALUE, value, sizeof(value), &len);
	sr_cleanse(value, sizeof(value));
	return rv == CKR_ATTRIBUTE_SENSITIVE ? CKR_OK : CKR_FUNCTION_FAILED;
}

static CK_RV ask_origin(const struct probe *probe)
{
	static const CK_ATTRIBUTE_TYPE flags[] = { CKA_LOCAL, CKA_SENSITIVE, CKA_ALWAYS_SENSITIVE,
		CKA_NEVER_EXTRACTABLE };
	CK_OBJECT_HANDLE key;
	CK_RV rv = make_secret(probe, &seal_key, &key);
	for (size_t i = 0; rv == CKR_OK && i < 4; i++) {
		bool value;
		rv = sr_object_bool(probe->turn, key, flags[i], &value);
		if (rv == CKR_OK && !value)
			rv = CKR_FUNCTION_FAILED;
	}
	return rv;
}

static CK_RV ask_fixed(const struct probe *probe)
{
	CK_OBJECT_HANDLE key;
	CK_BBOOL yes = CK_TRUE;
	CK_ATTRIBUTE wrap = { CKA_WRAP, &yes, sizeof(yes) };
	CK_RV rv = make_secret(probe, &fixed_key, &key);
	if (rv != CKR_OK)
		return rv;
	rv = probe->module->C_SetAttributeValue(probe->session, key, &wrap, 1);
	return rv == CKR_OK ? CKR_FUNCTION_FAILED : CKR_OK;
}

static CK_RV ask_copy(const struct probe *probe)
{
	CK_BBOOL no = CK_FALSE;
	CK_ATTRIBUTE template[] = { { CKA_TOKEN, &no, sizeof(no) } };
	CK_OBJECT_HANDLE key, copy;
	bool never = false;
	CK_RV rv = make_secret(probe, &seal_key, &key);
	if (rv == CKR_OK)
		rv = probe->module->C_CopyObject(probe->session, key, template, 1, &copy);
	if (rv == CKR_OK)
		rv = sr_object_bool(probe->turn, copy, CKA_NEVER_EXTRACTABLE, &never);
	return rv == CKR_OK && !never ? CKR_FUNCTION_FAILED : rv;
}

static CK_RV ask_data(const struct probe *probe)
{
	CK_OBJECT_CLASS class = CKO_DATA;
	CK_BBOOL yes = CK_TRUE, no = CK_FALSE;
	uint8_t value[] = "an anchor", back[32];
	char label[] = "strongroom-probe";
	CK_ATTRIBUTE template[] = {
		{ CKA_CLASS, &class, sizeof(class) },
		{ CKA_TOKEN, &no, sizeof(no) },
		{ CKA_PRIVATE, &yes, sizeof(yes) },
		{ CKA_LABEL, label, sizeof(label) - 1 },
		{ CKA_VALUE, value, sizeof(value) },
	};
	CK_OBJECT_HANDLE object;
	size_t len = 0;
	CK_RV rv = probe->module->C_CreateObject(probe->session, template, 5, &object);
	if (rv == CKR_OK)
		rv = sr_object_bytes(probe->turn, object, CKA_VALUE, back, sizeof(back), &len);
	return rv == CKR_OK && len != sizeof(value) ? CKR_FUNCTION_FAILED : rv;
}

/* Wraps KEY and unwraps it as a sensitive, unextractable session key again. */
static CK_RV wrap_and_unwrap(const struct probe *probe, CK_MECHANISM_TYPE type, CK_OBJECT_HANDLE key,
	CK_OBJECT_CLASS class, CK_KEY_TYPE key_type)
{
	CK_MECHANISM mechanism = { type, NULL, 0 };
	CK_BBOOL yes = CK_TRUE, no = CK_FALSE;
	CK_ATTRIBUTE template[] = {
		{ CKA_CLASS, &class, sizeof(class) },
		{ CKA_KEY_TYPE, &key_type, sizeof(key_type) },
		{ CKA_TOKEN, &no, sizeof(no) },
		{ CKA_PRIVATE, &yes, sizeof(yes) },
		{ CKA_SENSITIVE, &yes, sizeof(yes) },
		{ CKA_EXTRACTABLE, &no, sizeof(no) },
	};
	uint8_t wrapped[4096];
	CK_ULONG len = sizeof(wrapped);
	CK_OBJECT_HANDLE wrapping, back;
	CK_RV rv = make_secret(probe, &wrap_key, &wrapping);
	if (rv == CKR_OK)
		rv = probe->module->C_WrapKey(probe->session, &mechanism, wrapping, key, wrapped, &len);
	if (rv == CKR_OK)
		rv = probe->module->C_UnwrapKey(probe->session, &mechanism, wrapping, wrapped, len, template, 6, &back);
	return rv;
}

/* RFC 5649 has had two numbers: the old one by which SoftHSM2 knows it, and that of PKCS#11 3.0. */
static CK_RV wrap_padded(const struct probe *probe, CK_OBJECT_HANDLE key, CK_OBJECT_CLASS class, CK_KEY_TYPE type)
{
	CK_RV rv = wrap_and_unwrap(probe, CKM_AES_KEY_WRAP_PAD, key, class, type);
	return rv == CKR_MECHANISM_INVALID ? wrap_and_unwrap(probe, CKM_AES_KEY_WRAP_KWP, key, class, type) : rv;
}

static CK_RV ask_wrap_aes(const struct probe *probe)
{
	CK_OBJECT_HANDLE key;
	CK_RV rv = make_secret(probe, &loose_aes, &key);
	return rv == CKR_OK ? wrap_and_unwrap(probe, CKM_AES_KEY_WRAP, key, CKO_SECRET_KEY, CKK_AES) : rv;
}

static CK_RV ask_wrap_mac(const struct probe *probe)
{
	CK_OBJECT_HANDLE key;
	CK_RV rv = make_secret(probe, &loose_mac, &key);
	return rv == CKR_OK ? wrap_and_unwrap(probe, CKM_AES_KEY_WRAP, key, CKO_SECRET_KEY, CKK_GENERIC_SECRET) : rv;
}

static CK_RV wrap_pair(const struct probe *probe, enum pair pair)
{
	CK_OBJECT_HANDLE public, private;
	CK_RV rv = make_pair(probe, pair, &public, &private);
	return rv == CKR_OK ? wrap_padded(probe, private, CKO_PRIVATE_KEY, pair_kinds[pair].type) : rv;
}

static CK_RV ask_wrap_ec(const struct probe *probe)
{
	return wrap_pair(probe, PAIR_P256);
}

static CK_RV ask_wrap_rsa(const struct probe *probe)
{
	return wrap_pair(probe, PAIR_RSA2048);
}

static CK_RV ask_wrap_ed25519(const struct probe *probe)
{
	return wrap_pair(probe, PAIR_ED25519);
}

/* -- the list -------------------------------------------------------------------------------------------------- */

static const struct {
	const char *feature;
	bool needed;
	CK_RV (*ask)(const struct probe *probe);
	const char *with, *without; /* what Strongroom does */
} questions[] = {
	{ "random numbers", true, ask_random, "IVs and token strings", "no vault on this HSM" },
	{ "seeding the random generator", false, ask_seed, "C_SeedRandom is passed on",
		"C_SeedRandom answers CKR_RANDOM_SEED_NOT_SUPPORTED" },
	{ "aes-256-gcm with additional data", true, ask_gcm, "seals every value; a changed tag is refused",
		"no vault on this HSM" },
	{ "aes-256-gcm of nothing", false, ask_gcm_empty, "not relied on: an empty secret is refused",
		"empty values cannot be stored" },
	{ "hmac-sha256", true, ask_mac, "protects every row and token string", "no vault on this HSM" },
	{ "ecdsa p-256", true, ask_p256, "signs the audit chain; keys ec-p256", "no vault on this HSM" },
	{ "keys that cannot be read", true, ask_unreadable, "CKA_SENSITIVE is kept", "no vault on this HSM" },
	{ "origin of keys", true, ask_origin, "CKA_LOCAL and the history of secrecy are checked at each start",
		"no vault on this HSM" },
	{ "keys that cannot be changed", false, ask_fixed,
		"CKA_MODIFIABLE false on the wrap key, and on those that can be copied all the same",
		"whoever has the PIN could give our keys rights; the check at start refuses them then" },
	{ "copy to a session object", false, ask_copy, "used for seal, mac and audit: faster",
		"the token objects are used themselves" },
	{ "private data object", true, ask_data, "keeps the anchor against rollback", "no vault on this HSM" },
	{ "ecdsa p-384", false, ask_p384, "keys ec-p384", "no keys ec-p384" },
	{ "ed25519", false, ask_ed25519, "keys ed25519", "no keys ed25519" },
	{ "rsa-2048", false, ask_rsa, "keys rsa-2048", "no rsa keys" },
	{ "rsa up to 4096", false, ask_rsa_4096, "keys rsa-3072 and rsa-4096", "no keys rsa-3072 and rsa-4096" },
	{ "wrap aes-256", false, ask_wrap_aes, "custody wrapped for aes-256", "aes-256 keys are resident" },
	{ "wrap hmac-256", false, ask_wrap_mac, "custody wrapped for hmac-256", "hmac-256 keys are resident" },
	{ "wrap ec", false, ask_wrap_ec, "custody wrapped for ec keys", "ec keys are resident" },
	{ "wrap rsa", false, ask_wrap_rsa, "custody wrapped for rsa keys", "rsa keys are resident" },
	{ "wrap ed25519", false, ask_wrap_ed25519, "custody wrapped for ed25519", "ed25519 keys are resident" },
};

/** struct probe_job: who is told. FINDINGS are kept until the end, so that a repeated run tells each once. */
struct probe_job {
	struct sr_hsm_finding findings[sizeof(questions) / sizeof(questions[0])];
};

static CK_RV ask(const struct sr_hsm_turn *turn, size_t i, struct sr_hsm_finding *finding)
{
	struct sr_hsm_turn own = *turn;
	struct probe probe = { turn->module, turn->slot, 0, &own };
	CK_RV rv = turn->module->C_OpenSession(
		turn->slot, CKF_SERIAL_SESSION | CKF_RW_SESSION, NULL, NULL, &probe.session);
	if (rv != CKR_OK)
		return rv;
	own.session = probe.session;
	rv = questions[i].ask(&probe);
	(void)turn->module->C_CloseSession(probe.session);
	finding->feature = questions[i].feature;
	finding->needed = questions[i].needed;
	finding->ok = rv == CKR_OK;
	if (finding->ok)
		snprintf(finding->detail, sizeof(finding->detail), "%s", questions[i].with);
	else
		snprintf(finding->detail, sizeof(finding->detail), "%.40s: %.100s", sr_rv_name(rv),
			questions[i].without);
	return CKR_OK;
}

static CK_RV probe_work(const struct sr_hsm_turn *turn, void *job_)
{
	struct probe_job *job = job_;
	CK_RV rv = CKR_OK;
	for (size_t i = 0; rv == CKR_OK && i < sizeof(questions) / sizeof(questions[0]); i++)
		rv = ask(turn, i, &job->findings[i]);
	return rv;
}

CK_RV sr_hsm_probe(
	struct sr_hsm *hsm, void (*each)(const struct sr_hsm_finding *, void *ctx), void *ctx, struct sr_error *err)
{
	struct probe_job job;
	CK_RV rv = sr_hsm_run(hsm, "be probed", probe_work, &job, err);
	for (size_t i = 0; rv == CKR_OK && i < sizeof(questions) / sizeof(questions[0]); i++)
		each(&job.findings[i], ctx);
	return rv;
}
