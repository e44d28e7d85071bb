/* Templates as the HSM is given them, and the few questions that are asked of users' objects there. */
#include "hsm/cache.h"
#include "hsm/generations.h"

#include <stdio.h>
#include <string.h>

#ifndef CKM_AES_KEY_WRAP_KWP
#define CKM_AES_KEY_WRAP_KWP 0x210bUL /* PKCS#11 3.0 */
#endif

#define BLOB_ROOM (16u << 10) /* a wrapped RSA key of 16384 bits has less */
#define BLOB_MAX (128u << 10)

/* What the HSM is told besides class, type, secrecy and rights; all else (labels, dates, who may change or copy it, how
 * it is to be wrapped) is the vault's business and would only stand in the way of it. */
static const struct {
	CK_ATTRIBUTE_TYPE type;
	bool at_creation; /* C_CreateObject takes it: PKCS#11 v3.1, table 13, note 2 */
} component_rows[] = {
	{ CKA_VALUE, true },
	{ CKA_VALUE_LEN, false },
	{ CKA_MODULUS, true },
	{ CKA_MODULUS_BITS, false },
	{ CKA_PUBLIC_EXPONENT, true },
	{ CKA_PRIVATE_EXPONENT, true },
	{ CKA_PRIME_1, true },
	{ CKA_PRIME_2, true },
	{ CKA_EXPONENT_1, true },
	{ CKA_EXPONENT_2, true },
	{ CKA_COEFFICIENT, true },
	{ CKA_EC_PARAMS, true },
	{ CKA_EC_POINT, true },
	{ CKA_PRIME, true },
	{ CKA_SUBPRIME, true },
	{ CKA_BASE, true },
	{ CKA_PRIME_BITS, false },
	{ CKA_VALUE_BITS, false },
};

static void add(struct sr_template *to, CK_ATTRIBUTE_TYPE type, void *value, CK_ULONG len)
{
	to->rows[to->count++] = (CK_ATTRIBUTE){ type, value, len };
}

static void add_from(struct sr_template *to, const struct sr_attrs *from, CK_ATTRIBUTE_TYPE type)
{
	const struct sr_attr *attr = sr_attrs_find(from, type);
	if (attr)
		add(to, type, attr->value, attr->len);
}

void sr_template_flag(struct sr_template *to, CK_ATTRIBUTE_TYPE type, bool flag)
{
	CK_ULONG i = 0;
	while (i < to->count && to->rows[i].type != type)
		i++;
	to->rows[i] = (CK_ATTRIBUTE){ type, flag ? &to->yes : &to->no, sizeof(CK_BBOOL) };
	if (i == to->count)
		to->count++;
}

bool sr_template_drop(struct sr_template *to, CK_ATTRIBUTE_TYPE type)
{
	for (CK_ULONG i = 0; i < to->count; i++) {
		if (to->rows[i].type != type)
			continue;
		to->rows[i] = to->rows[--to->count];
		return true;
	}
	return false;
}

static bool fits(const struct sr_right_row *row, CK_OBJECT_CLASS object_class)
{
	return object_class == CKO_SECRET_KEY    ? row->secret
	       : object_class == CKO_PRIVATE_KEY ? row->private
						 : row->public;
}

static void start(struct sr_template *to, CK_OBJECT_CLASS object_class)
{
	memset(to, 0, sizeof(*to));
	to->yes = CK_TRUE;
	to->object_class = object_class;
}

void sr_template_fill(
	struct sr_template *to, const struct sr_attrs *from, CK_OBJECT_CLASS object_class, enum sr_template_for purpose)
{
	start(to, object_class);
	add(to, CKA_CLASS, &to->object_class, sizeof(to->object_class));
	add_from(to, from, CKA_KEY_TYPE);
	sr_template_flag(to, CKA_PRIVATE, object_class != CKO_PUBLIC_KEY);
	if (object_class != CKO_PUBLIC_KEY) {
		sr_template_flag(to, CKA_SENSITIVE, sr_attrs_bool(from, CKA_SENSITIVE, true));
		sr_template_flag(to, CKA_EXTRACTABLE, sr_attrs_bool(from, CKA_EXTRACTABLE, false));
	}
	for (size_t i = 0; i < SR_RIGHT_ROWS; i++) {
		if (fits(&sr_right_rows[i], object_class))
			sr_template_flag(to, sr_right_rows[i].type, sr_attrs_bool(from, sr_right_rows[i].type, false));
	}
	for (size_t i = 0; i < sizeof(component_rows) / sizeof(component_rows[0]); i++) {
		bool wanted = purpose == SR_FOR_CREATE ? component_rows[i].at_creation : purpose != SR_FOR_REWRAPPED;
		if (wanted)
			add_from(to, from, component_rows[i].type);
	}
}

void sr_template_place(struct sr_template *to, const char *vault_id, const char *uid)
{
	sr_template_flag(to, CKA_TOKEN, uid != NULL);
	if (!uid)
		return;
	sr_user_key_label(vault_id, uid, to->label);
	snprintf(to->uid, sizeof(to->uid), "%s", uid);
	add(to, CKA_LABEL, to->label, strlen(to->label));
	add(to, CKA_ID, to->uid, strlen(to->uid));
}

static CK_RV add_change(const struct sr_hsm_turn *turn, CK_OBJECT_HANDLE object, const struct sr_attrs *wanted,
	CK_ATTRIBUTE_TYPE type, struct sr_template *to)
{
	const struct sr_attr *attr = sr_attrs_find(wanted, type);
	bool now = false;
	if (!attr)
		return CKR_OK;
	CK_RV rv = sr_object_bool(turn, object, type, &now);
	if (rv != CKR_OK && rv != CKR_ATTRIBUTE_TYPE_INVALID)
		return rv;
	if (sr_attrs_bool(wanted, type, now) != now)
		sr_template_flag(to, type, !now);
	return CKR_OK;
}

CK_RV sr_template_changes(
	const struct sr_hsm_turn *turn, CK_OBJECT_HANDLE object, const struct sr_attrs *wanted, struct sr_template *to)
{
	start(to, 0);
	CK_RV rv = add_change(turn, object, wanted, CKA_SENSITIVE, to);
	if (rv == CKR_OK)
		rv = add_change(turn, object, wanted, CKA_EXTRACTABLE, to);
	for (size_t i = 0; rv == CKR_OK && i < SR_RIGHT_ROWS; i++)
		rv = add_change(turn, object, wanted, sr_right_rows[i].type, to);
	return rv;
}

/* -- users' objects -------------------------------------------------------------------------------------------- */

void sr_user_key_label(const char *vault_id, const char *uid, char label[SR_HSM_LABEL_MAX])
{
	snprintf(label, SR_HSM_LABEL_MAX, "strongroom-%.64s-key-%.32s", vault_id, uid);
}

void sr_hsm_vault_id(struct sr_hsm *hsm, char out[SR_HSM_VAULT_ID_MAX + 1])
{
	pthread_mutex_lock(&hsm->lock);
	memcpy(out, hsm->vault_id, SR_HSM_VAULT_ID_MAX + 1);
	pthread_mutex_unlock(&hsm->lock);
}

CK_RV sr_object_facts(const struct sr_hsm_turn *turn, CK_OBJECT_HANDLE object, struct sr_key_facts *facts)
{
	uint8_t modulus[SR_MODULUS_MAX];
	size_t len = 0, zeros = 0;
	facts->modulus_len = 0;
	CK_RV rv = sr_object_number(turn, object, CKA_KEY_TYPE, &facts->type);
	if (rv != CKR_OK || facts->type != CKK_RSA)
		return rv;
	rv = sr_object_bytes(turn, object, CKA_MODULUS, modulus, sizeof(modulus), &len);
	while (zeros < len && modulus[zeros] == 0)
		zeros++;
	facts->modulus_len = len - zeros;
	return rv;
}

CK_RV sr_resident_find(const struct sr_hsm_turn *turn, const char *vault_id, const char *uid,
	CK_OBJECT_CLASS object_class, CK_OBJECT_HANDLE *found, CK_ULONG max, CK_ULONG *count)
{
	char label[SR_HSM_LABEL_MAX];
	sr_user_key_label(vault_id, uid, label);
	CK_RV rv = sr_object_find_label(turn, object_class, label, found, max, count);
	if (rv != CKR_OK || *count > 0)
		return rv;
	/* without a login, or a token, there is nothing to be seen */
	if (!sr_token_is_there(turn->module, turn->slot))
		return CKR_TOKEN_NOT_PRESENT;
	return sr_turn_is_logged_in(turn) ? CKR_OK : CKR_USER_NOT_LOGGED_IN;
}

CK_RV sr_resident_destroy(
	const struct sr_hsm_turn *turn, const char *vault_id, const char *uid, CK_OBJECT_CLASS object_class)
{
	CK_OBJECT_HANDLE found[8];
	CK_ULONG count = 0;
	int lock = sr_softhsm_lock(turn->softhsm_conf, true);
	CK_RV rv = sr_resident_find(turn, vault_id, uid, object_class, found, 8, &count);
	for (CK_ULONG i = 0; rv == CKR_OK && i < count; i++) {
		rv = turn->module->C_DestroyObject(turn->session, found[i]);
		if (rv == CKR_OBJECT_HANDLE_INVALID)
			rv = CKR_OK; /* another process was faster */
	}
	sr_softhsm_unlock(lock);
	return rv;
}

/* -- the vault's wrap key -------------------------------------------------------------------------------------- */

/* RFC 5649 has had two numbers: the old one by which SoftHSM2 knows it, and that of PKCS#11 3.0. */
static const CK_MECHANISM_TYPE paddings[] = { CKM_AES_KEY_WRAP_PAD, CKM_AES_KEY_WRAP_KWP };

static CK_RV wrap_once(const struct sr_hsm_turn *turn, CK_MECHANISM_TYPE type, CK_OBJECT_HANDLE key,
	CK_OBJECT_HANDLE object, struct sr_buf *blob, size_t room)
{
	CK_MECHANISM mechanism = { type, NULL, 0 };
	CK_ULONG len = room;
	uint8_t *out = sr_buf_reserve(blob, room);
	if (!out)
		return CKR_HOST_MEMORY;
	CK_RV rv = turn->module->C_WrapKey(turn->session, &mechanism, key, object, out, &len);
	if (rv == CKR_OK && len > room)
		rv = CKR_FUNCTION_FAILED;
	if (rv == CKR_OK)
		blob->len += len;
	return rv;
}

static CK_RV wrap_with(
	const struct sr_hsm_turn *turn, unsigned generation, CK_OBJECT_HANDLE object, struct sr_buf *blob)
{
	CK_OBJECT_HANDLE key = sr_keys_wrap(&turn->keys, generation);
	CK_RV rv = key ? CKR_MECHANISM_INVALID : CKR_KEY_FUNCTION_NOT_PERMITTED;
	for (size_t i = 0; rv == CKR_MECHANISM_INVALID && i < 2; i++) {
		rv = wrap_once(turn, paddings[i], key, object, blob, BLOB_ROOM);
		if (rv == CKR_BUFFER_TOO_SMALL)
			rv = wrap_once(turn, paddings[i], key, object, blob, BLOB_MAX);
	}
	return rv;
}

/* The same key comes out the same. One wrong bit of it would be the loss of the key. */
CK_RV sr_wrap_with_vault(
	const struct sr_hsm_turn *turn, unsigned generation, CK_OBJECT_HANDLE object, struct sr_buf *blob)
{
	struct sr_buf again = SR_BUF_INIT;
	size_t before = blob->len;
	CK_RV rv = wrap_with(turn, generation, object, blob);
	if (rv == CKR_OK)
		rv = wrap_with(turn, generation, object, &again);
	if (rv == CKR_OK && (again.len != blob->len - before || !sr_equal(again.data, blob->data + before, again.len)))
		rv = CKR_FUNCTION_FAILED;
	sr_buf_clear(&again);
	return rv;
}

CK_RV sr_unwrap_with_vault(const struct sr_hsm_turn *turn, CK_SESSION_HANDLE session, const struct sr_buf *blob,
	struct sr_template *template, CK_OBJECT_HANDLE *object)
{
	const struct sr_buf bare = sr_wrapped_bare(blob);
	CK_OBJECT_HANDLE key = sr_keys_wrap(&turn->keys, sr_hsm_wrapped_generation(blob));
	CK_RV rv = key ? CKR_MECHANISM_INVALID : CKR_KEY_FUNCTION_NOT_PERMITTED;
	for (size_t i = 0; rv == CKR_MECHANISM_INVALID && i < 2; i++) {
		CK_MECHANISM mechanism = { paddings[i], NULL, 0 };
		rv = turn->module->C_UnwrapKey(
			session, &mechanism, key, bare.data, bare.len, template->rows, template->count, object);
	}
	return rv;
}
