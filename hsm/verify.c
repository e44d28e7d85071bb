/* Finding a generation's keys and refusing every one that is not exactly ours. */
#include "hsm/internal.h"

#include <string.h>

/** struct origin_row: a flag that every one of our secret and private keys answers in one way. */
struct origin_row {
	CK_ATTRIBUTE_TYPE type;
	bool want;
	bool of_copy; /* asked of a session-object copy too */
	const char *text;
};

static const struct origin_row origin_rows[] = {
	{ CKA_TOKEN, true, false, "CKA_TOKEN is false: it is not kept in the HSM" },
	{ CKA_LOCAL, true, false, "CKA_LOCAL is false: it was imported" },
	{ CKA_SENSITIVE, true, true, "CKA_SENSITIVE is false: it can be read" },
	{ CKA_ALWAYS_SENSITIVE, true, true, "CKA_ALWAYS_SENSITIVE is false: it could be read once" },
	{ CKA_EXTRACTABLE, false, true, "CKA_EXTRACTABLE is true: it can be taken out" },
	{ CKA_NEVER_EXTRACTABLE, true, true, "CKA_NEVER_EXTRACTABLE is false: it could be taken out once" },
	{ CKA_PRIVATE, true, true, "CKA_PRIVATE is false: it is usable without a login" },
};

/** struct subject: the key under examination; ERR gets the refusal. */
struct subject {
	const struct sr_hsm_turn *turn;
	CK_OBJECT_HANDLE handle;
	const char *label;
	struct sr_error *err;
};

static CK_RV refuse(const struct subject *key, const char *why)
{
	return sr_fail(key->err, CKR_DEVICE_ERROR, SR_REASON_HSM_KEY_REFUSED,
		"HSM key %.100s refused: %s; nothing is opened with it", key->label, why);
}

/* Codes for an attribute that the backend does not have. */
static bool is_unknown(CK_RV rv)
{
	return rv == CKR_ATTRIBUTE_TYPE_INVALID || rv == CKR_ATTRIBUTE_SENSITIVE;
}

static CK_RV check_origin(const struct subject *key, bool copy)
{
	for (size_t i = 0; i < sizeof(origin_rows) / sizeof(origin_rows[0]); i++) {
		const struct origin_row *row = &origin_rows[i];
		bool value;
		if (copy && !row->of_copy)
			continue;
		CK_RV rv = sr_object_bool(key->turn, key->handle, row->type, &value);
		if (rv != CKR_OK && !is_unknown(rv))
			return rv;
		if (rv != CKR_OK || value != row->want)
			return refuse(key, row->text);
	}
	return CKR_OK;
}

static CK_RV refuse_right(const struct subject *key, const char *name, bool surplus)
{
	return sr_fail(key->err, CKR_DEVICE_ERROR, SR_REASON_HSM_KEY_REFUSED, "HSM key %.100s refused: %s is %s, %s",
		key->label, name, surplus ? "true" : "false",
		surplus ? "a right beyond its own; nothing is opened with it" : "it cannot do its work");
}

/* A right that the backend does not know is one that the key does not have. */
static CK_RV check_rights(const struct subject *key, unsigned rights)
{
	for (size_t i = 0; i < SR_RIGHT_ROWS; i++) {
		bool own = rights & sr_right_rows[i].right;
		bool value;
		CK_RV rv = sr_object_bool(key->turn, key->handle, sr_right_rows[i].type, &value);
		if (rv != CKR_OK && !is_unknown(rv))
			return rv;
		if (value != own)
			return refuse_right(key, sr_right_rows[i].name, value);
	}
	bool again = false;
	CK_RV rv = sr_object_bool(key->turn, key->handle, CKA_ALWAYS_AUTHENTICATE, &again);
	if (rv != CKR_OK && !is_unknown(rv))
		return rv;
	return again ? refuse(key, "CKA_ALWAYS_AUTHENTICATE is true: it wants the PIN for each use") : CKR_OK;
}

static CK_RV check_kind(const struct subject *key, enum sr_hsm_role role, unsigned generation)
{
	CK_ULONG number = 0;
	uint8_t bytes[32], id[5];
	size_t len;
	CK_RV rv = sr_object_number(key->turn, key->handle, CKA_KEY_TYPE, &number);
	if (rv != CKR_OK)
		return rv;
	if (number != sr_key_rows[role].type)
		return refuse(key, "CKA_KEY_TYPE is of another kind");
	sr_key_id(role, generation, id);
	rv = sr_object_bytes(key->turn, key->handle, CKA_ID, bytes, sizeof(bytes), &len);
	if (rv != CKR_OK && sr_hsm_is_lost(rv))
		return rv;
	if (rv != CKR_OK || len != sizeof(id) || memcmp(bytes, id, len) != 0)
		return refuse(key, "CKA_ID is not that of its role and generation");
	if (role == SR_ROLE_AUDIT) {
		rv = sr_object_bytes(key->turn, key->handle, CKA_EC_PARAMS, bytes, sizeof(bytes), &len);
		bool p256 = rv == CKR_OK && len == sizeof(sr_p256_params) && memcmp(bytes, sr_p256_params, len) == 0;
		return p256 ? CKR_OK : sr_hsm_is_lost(rv) ? rv : refuse(key, "CKA_EC_PARAMS is not P-256");
	}
	rv = sr_object_number(key->turn, key->handle, CKA_VALUE_LEN, &number);
	if (rv != CKR_OK && !is_unknown(rv))
		return rv;
	bool short_or_unknown = rv == CKR_OK ? number != SR_HSM_KEY_BYTES : role != SR_ROLE_MAC;
	return short_or_unknown ? refuse(key, "CKA_VALUE_LEN is not 32") : CKR_OK;
}

static CK_RV find_one(struct subject *key, CK_OBJECT_CLASS class)
{
	CK_OBJECT_HANDLE found[2];
	CK_ULONG count = 0;
	CK_RV rv = sr_object_find_label(key->turn, class, key->label, found, 2, &count);
	if (rv != CKR_OK)
		return rv;
	if (count == 0)
		return refuse(key, "it is missing; is this the vault's own token?");
	if (count > 1)
		return refuse(key, "it is there twice");
	key->handle = found[0];
	return CKR_OK;
}

/* -- the audit key's public half ------------------------------------------------------------------------------- */

/* DER OCTET STRING as the standard has it, or the bare point as some backends do. */
static bool take_point(const uint8_t *der, size_t len, uint8_t point[SR_HSM_POINT_LEN])
{
	if (len == SR_HSM_POINT_LEN + 2 && der[0] == 0x04 && der[1] == SR_HSM_POINT_LEN) {
		der += 2;
		len -= 2;
	}
	if (len != SR_HSM_POINT_LEN || der[0] != 0x04)
		return false;
	memcpy(point, der, len);
	return true;
}

/* Whoever knows the PIN could put another public key beside ours: it must verify what the private one signs. */
static CK_RV check_pair(const struct subject *public, CK_OBJECT_HANDLE private)
{
	CK_FUNCTION_LIST *module = public->turn->module;
	CK_SESSION_HANDLE session = public->turn->session;
	CK_MECHANISM ecdsa = { CKM_ECDSA, NULL, 0 };
	uint8_t digest[32], signature[SR_HSM_SIGNATURE_LEN];
	CK_ULONG len = sizeof(signature);
	CK_RV rv = module->C_GenerateRandom(session, digest, sizeof(digest));
	if (rv == CKR_OK)
		rv = module->C_SignInit(session, &ecdsa, private);
	if (rv == CKR_OK)
		rv = module->C_Sign(session, digest, sizeof(digest), signature, &len);
	if (rv == CKR_OK)
		rv = module->C_VerifyInit(session, &ecdsa, public->handle);
	if (rv != CKR_OK)
		return rv;
	rv = module->C_Verify(session, digest, sizeof(digest), signature, len);
	if (rv == CKR_SIGNATURE_INVALID || rv == CKR_SIGNATURE_LEN_RANGE)
		return refuse(public, "the public key is not the private key's");
	return rv;
}

static CK_RV check_public(const struct subject *private, unsigned generation, uint8_t point[SR_HSM_POINT_LEN])
{
	struct subject public = *private;
	uint8_t der[SR_HSM_POINT_LEN + 2];
	size_t len = 0;
	CK_RV rv = find_one(&public, CKO_PUBLIC_KEY);
	if (rv == CKR_OK)
		rv = check_kind(&public, SR_ROLE_AUDIT, generation);
	if (rv == CKR_OK)
		rv = check_rights(&public, SR_RIGHT_VERIFY);
	if (rv == CKR_OK)
		rv = check_pair(&public, private->handle);
	if (rv == CKR_OK)
		rv = sr_object_bytes(public.turn, public.handle, CKA_EC_POINT, der, sizeof(der), &len);
	if (rv == CKR_OK && !take_point(der, len, point))
		rv = refuse(&public, "CKA_EC_POINT is no point of P-256");
	return rv;
}

/* -- the generation -------------------------------------------------------------------------------------------- */

/* A session-object copy of a sensitive, unextractable key is the same key, 2.5 to 3 times faster on SoftHSM2. One that
 * the backend does not make, or makes with other attributes, is done without. */
static void try_copy(struct subject *key, enum sr_hsm_role role, struct sr_hsm_keys *keys)
{
	CK_BBOOL no = CK_FALSE;
	CK_ATTRIBUTE template[] = { { CKA_TOKEN, &no, sizeof(no) } };
	struct sr_error ignored = SR_ERROR_INIT;
	struct subject copy = *key;
	copy.err = &ignored;
	keys->use[role] = key->handle;
	if (!sr_key_rows[role].copy)
		return;
	if (key->turn->module->C_CopyObject(key->turn->session, key->handle, template, 1, &copy.handle) != CKR_OK)
		return;
	bool on_token = true;
	bool same = sr_object_bool(key->turn, copy.handle, CKA_TOKEN, &on_token) == CKR_OK && !on_token &&
		    check_origin(&copy, true) == CKR_OK && check_rights(&copy, sr_key_rows[role].rights) == CKR_OK;
	keys->copied[role] = same;
	if (same)
		keys->use[role] = copy.handle;
	else
		(void)key->turn->module->C_DestroyObject(key->turn->session, copy.handle);
}

CK_RV sr_keys_find_role(const struct sr_hsm_turn *turn, const struct sr_hsm *hsm, enum sr_hsm_role role,
	unsigned generation, struct sr_hsm_keys *keys, struct sr_error *err)
{
	char label[SR_HSM_LABEL_MAX];
	struct subject key = { turn, 0, label, err };
	sr_key_label(hsm->vault_id, role, generation, label);
	CK_RV rv = find_one(&key, sr_key_class(role));
	if (rv == CKR_OK)
		rv = check_kind(&key, role, generation);
	if (rv == CKR_OK)
		rv = check_origin(&key, false);
	if (rv == CKR_OK)
		rv = check_rights(&key, sr_key_rows[role].rights);
	if (rv == CKR_OK && role == SR_ROLE_AUDIT)
		rv = check_public(&key, generation, keys->point);
	if (rv == CKR_OK)
		try_copy(&key, role, keys);
	return rv;
}

void sr_keys_destroy_copies(const struct sr_hsm_turn *turn, const struct sr_hsm_keys *keys)
{
	for (int role = 0; role < SR_ROLES; role++) {
		if (keys->copied[role])
			(void)turn->module->C_DestroyObject(turn->session, keys->use[role]);
	}
	for (size_t i = 0; i < SR_HSM_SEALS_MAX; i++) {
		if (keys->seals[i].copied)
			(void)turn->module->C_DestroyObject(turn->session, keys->seals[i].handle);
	}
	for (size_t i = 0; i < SR_HSM_CORES_MAX; i++) {
		if (keys->cores[i].mac_copied)
			(void)turn->module->C_DestroyObject(turn->session, keys->cores[i].mac);
	}
}

static CK_RV witness_mac(const struct sr_hsm_turn *turn, const struct sr_hsm_keys *keys, uint8_t mac[SR_HSM_MAC_LEN])
{
	static const char text[] = "strongroom hsm witness";
	CK_MECHANISM hmac = { CKM_SHA256_HMAC, NULL, 0 };
	CK_ULONG len = SR_HSM_MAC_LEN;
	CK_RV rv = turn->module->C_SignInit(turn->session, &hmac, keys->use[SR_ROLE_MAC]);
	if (rv == CKR_OK)
		rv = turn->module->C_Sign(turn->session, (CK_BYTE *)(uintptr_t)text, sizeof(text), mac, &len);
	return rv == CKR_OK && len != SR_HSM_MAC_LEN ? CKR_FUNCTION_FAILED : rv;
}

/* Keys that have the right labels and rights, on a token that came back, but are others than before: what they protect
 * would not open, and what they would protect from now on would not belong to this vault. */
CK_RV sr_keys_check_witness(
	const struct sr_hsm_turn *turn, struct sr_hsm *hsm, const struct sr_hsm_keys *keys, struct sr_error *err)
{
	struct sr_hsm_witness *known = &hsm->witness, now = { .generation = keys->generation };
	char label[SR_HSM_LABEL_MAX];
	memcpy(now.point, keys->point, sizeof(now.point));
	CK_RV rv = witness_mac(turn, keys, now.mac);
	if (rv != CKR_OK)
		return rv;
	bool same_mac = memcmp(known->mac, now.mac, sizeof(now.mac)) == 0;
	bool same_point = memcmp(known->point, now.point, sizeof(now.point)) == 0;
	if (known->generation == 0)
		*known = now;
	else if (known->generation != now.generation || !same_mac || !same_point) {
		const struct subject key = { turn, 0, label, err };
		sr_key_label(hsm->vault_id, same_mac ? SR_ROLE_AUDIT : SR_ROLE_MAC, hsm->wanted, label);
		return refuse(&key, "it is another key than before the HSM was lost");
	}
	return CKR_OK;
}

/* -- the generation in use --------------------------------------------------------------------------------------- */

CK_RV sr_keys_find(struct sr_hsm *hsm, struct sr_error *err)
{
	const struct sr_hsm_turn turn = { .module = hsm->backend.module, .slot = hsm->slot, .session = hsm->keeper };
	unsigned seal = hsm->seal_from ? hsm->seal_from : hsm->wanted;
	struct sr_hsm_keys keys = { .generation = hsm->wanted, .seal_generation = seal };
	CK_RV rv = CKR_OK;
	int lock = sr_softhsm_lock(hsm->backend.softhsm_conf, false);
	for (int role = 0; rv == CKR_OK && role < SR_ROLES; role++)
		rv = sr_keys_find_role(
			&turn, hsm, (enum sr_hsm_role)role, role == SR_ROLE_SEAL ? seal : hsm->wanted, &keys, err);
	if (rv == CKR_OK)
		rv = sr_keys_check_witness(&turn, hsm, &keys, err);
	if (rv == CKR_OK)
		rv = sr_keys_find_older(&turn, hsm, &keys);
	sr_softhsm_unlock(lock);
	if (rv != CKR_OK) {
		sr_keys_destroy_copies(&turn, &keys);
		return rv;
	}
	sr_keys_destroy_copies(&turn, &hsm->keys); /* those of the keys that were in use so far */
	hsm->keys = keys;
	atomic_store(&hsm->generation, keys.generation);
	return CKR_OK;
}

CK_OBJECT_HANDLE sr_keys_seal(const struct sr_hsm_keys *keys, unsigned generation)
{
	if (generation == keys->seal_generation)
		return keys->use[SR_ROLE_SEAL];
	for (size_t i = 0; i < SR_HSM_SEALS_MAX; i++) {
		if (keys->seals[i].generation == generation)
			return keys->seals[i].handle;
	}
	return 0;
}

/* The copy whose place is taken stays until the sessions go: a thread may be about to use it. */
CK_RV sr_keys_find_seal(struct sr_hsm *hsm, unsigned generation, struct sr_error *err)
{
	const struct sr_hsm_turn turn = { .module = hsm->backend.module, .slot = hsm->slot, .session = hsm->keeper };
	struct sr_hsm_keys found = { .generation = 0 };
	int lock = sr_softhsm_lock(hsm->backend.softhsm_conf, false);
	CK_RV rv = sr_keys_find_role(&turn, hsm, SR_ROLE_SEAL, generation, &found, err);
	sr_softhsm_unlock(lock);
	if (rv != CKR_OK)
		return rv;
	hsm->keys.seals[hsm->keys.seal_next] =
		(struct sr_seal_key){ generation, found.use[SR_ROLE_SEAL], found.copied[SR_ROLE_SEAL] };
	hsm->keys.seal_next = (hsm->keys.seal_next + 1) % SR_HSM_SEALS_MAX;
	return CKR_OK;
}

static void forget_keys(struct sr_hsm *hsm)
{
	sr_pool_drop(hsm, CKR_OK); /* the copies go with the session that made them */
	hsm->vault_id[0] = '\0';
	hsm->wanted = 0;
	atomic_store(&hsm->generation, 0);
}

/* With the lock held. */
static CK_RV connect_again(struct sr_hsm *hsm, struct sr_error *err)
{
	hsm->reopening = true;
	CK_RV rv = sr_hsm_connect(hsm, err);
	hsm->reopening = false;
	pthread_cond_broadcast(&hsm->settled);
	if (rv == CKR_OK)
		sr_presence_back(hsm);
	return rv;
}

/* With the lock held. */
static CK_RV load(struct sr_hsm *hsm, struct sr_error *err)
{
	CK_RV rv = CKR_OK;
	for (int tries = 0; tries < 2; tries++) {
		if (!hsm->keeper && (rv = connect_again(hsm, err)) != CKR_OK)
			return rv;
		struct sr_error why = SR_ERROR_INIT;
		rv = sr_keys_find(hsm, &why);
		if (why.rv != CKR_OK)
			return sr_fail(err, why.rv, why.reason, "%s", why.text);
		if (!sr_hsm_is_lost(rv))
			break;
		sr_pool_drop(hsm, rv);
	}
	return rv == CKR_OK ? CKR_OK : sr_hsm_fail(err, rv, "show the vault's keys");
}

CK_RV sr_hsm_load_keys(struct sr_hsm *hsm, const char *vault_id, unsigned generation, struct sr_error *err)
{
	if (!*vault_id || strlen(vault_id) > SR_HSM_VAULT_ID_MAX || generation == 0)
		return sr_fail(
			err, CKR_DEVICE_ERROR, SR_REASON_INTERNAL, "HSM keys: no vault id or no generation given");
	pthread_mutex_lock(&hsm->lock);
	sr_pool_await(hsm);
	strcpy(hsm->vault_id, vault_id);
	hsm->witness.generation = 0;
	hsm->wanted = generation;
	CK_RV rv = load(hsm, err);
	if (rv != CKR_OK)
		forget_keys(hsm);
	pthread_mutex_unlock(&hsm->lock);
	return rv;
}
