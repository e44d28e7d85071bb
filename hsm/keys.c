/* The four keys of a generation: what each is, and how they are made and unmade. */
#include "hsm/internal.h"

#include <stdio.h>
#include <string.h>

const struct sr_right_row sr_right_rows[SR_RIGHT_ROWS] = {
	{ SR_RIGHT_ENCRYPT, CKA_ENCRYPT, "CKA_ENCRYPT", true, false, true },
	{ SR_RIGHT_DECRYPT, CKA_DECRYPT, "CKA_DECRYPT", true, true, false },
	{ SR_RIGHT_SIGN, CKA_SIGN, "CKA_SIGN", true, true, false },
	{ SR_RIGHT_VERIFY, CKA_VERIFY, "CKA_VERIFY", true, false, true },
	{ SR_RIGHT_WRAP, CKA_WRAP, "CKA_WRAP", true, false, true },
	{ SR_RIGHT_UNWRAP, CKA_UNWRAP, "CKA_UNWRAP", true, true, false },
	{ SR_RIGHT_DERIVE, CKA_DERIVE, "CKA_DERIVE", true, true, true },
	{ SR_RIGHT_SIGN_RECOVER, CKA_SIGN_RECOVER, "CKA_SIGN_RECOVER", false, true, false },
	{ SR_RIGHT_VERIFY_RECOVER, CKA_VERIFY_RECOVER, "CKA_VERIFY_RECOVER", false, false, true },
};

const struct sr_key_row sr_key_rows[SR_ROLES] = {
	[SR_ROLE_SEAL] = { "seal", CKK_AES, CKM_AES_KEY_GEN, SR_RIGHT_ENCRYPT | SR_RIGHT_DECRYPT, true },
	[SR_ROLE_WRAP] = { "wrap", CKK_AES, CKM_AES_KEY_GEN, SR_RIGHT_WRAP | SR_RIGHT_UNWRAP, false },
	[SR_ROLE_MAC] = { "mac", CKK_GENERIC_SECRET, CKM_GENERIC_SECRET_KEY_GEN, SR_RIGHT_SIGN | SR_RIGHT_VERIFY,
		true },
	[SR_ROLE_AUDIT] = { "audit", CKK_EC, CKM_EC_KEY_PAIR_GEN, SR_RIGHT_SIGN, true },
};

/* the object identifier of prime256v1, DER */
const uint8_t sr_p256_params[10] = { 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07 };

CK_OBJECT_CLASS sr_key_class(enum sr_hsm_role role)
{
	return role == SR_ROLE_AUDIT ? CKO_PRIVATE_KEY : CKO_SECRET_KEY;
}

void sr_key_label(const char *vault_id, enum sr_hsm_role role, unsigned generation, char label[SR_HSM_LABEL_MAX])
{
	snprintf(label, SR_HSM_LABEL_MAX, "strongroom-%s-%s-%u", vault_id, sr_key_rows[role].word, generation);
}

void sr_key_id(enum sr_hsm_role role, unsigned generation, uint8_t id[5])
{
	id[0] = (uint8_t)(role + 1);
	for (int i = 0; i < 4; i++)
		id[1 + i] = (uint8_t)(generation >> (24 - 8 * i));
}

/* -- templates ------------------------------------------------------------------------------------------------- */

/** struct key_template: attributes, and the values that they point to. */
struct key_template {
	CK_ATTRIBUTE rows[24];
	CK_ULONG count;
	CK_OBJECT_CLASS class;
	CK_KEY_TYPE type;
	CK_ULONG len;
	CK_BBOOL yes, no;
	char label[SR_HSM_LABEL_MAX];
	uint8_t id[5];
};

static void add(struct key_template *to, CK_ATTRIBUTE_TYPE type, void *value, CK_ULONG len)
{
	to->rows[to->count++] = (CK_ATTRIBUTE){ type, value, len };
}

static void add_flag(struct key_template *to, CK_ATTRIBUTE_TYPE type, bool flag)
{
	add(to, type, flag ? &to->yes : &to->no, sizeof(CK_BBOOL));
}

static void add_rights(struct key_template *to, unsigned rights)
{
	for (size_t i = 0; i < SR_RIGHT_ROWS; i++) {
		const struct sr_right_row *row = &sr_right_rows[i];
		bool fits = to->class == CKO_SECRET_KEY    ? row->secret
			    : to->class == CKO_PRIVATE_KEY ? row->private
							   : row->public;
		if (fits)
			add_flag(to, row->type, rights & row->right);
	}
}

/** struct plan: what create_keys makes. SEAL: the seal key's generation. FIXED: with CKA_MODIFIABLE false; FIXED_COPY:
 * a key that cannot be changed can still be copied to a session object. FAILED: what came of it, CKR_OK before. */
struct plan {
	const char *vault_id;
	unsigned generation, seal;
	bool fixed, fixed_copy;
	CK_RV failed;
};

static void fill(struct key_template *to, const struct plan *plan, enum sr_hsm_role role, CK_OBJECT_CLASS class)
{
	memset(to, 0, sizeof(*to));
	to->yes = CK_TRUE;
	to->class = class;
	to->type = sr_key_rows[role].type;
	to->len = SR_HSM_KEY_BYTES;
	sr_key_label(plan->vault_id, role, role == SR_ROLE_SEAL ? plan->seal : plan->generation, to->label);
	sr_key_id(role, role == SR_ROLE_SEAL ? plan->seal : plan->generation, to->id);
	add(to, CKA_CLASS, &to->class, sizeof(to->class));
	add(to, CKA_KEY_TYPE, &to->type, sizeof(to->type));
	add(to, CKA_LABEL, to->label, strlen(to->label));
	add(to, CKA_ID, to->id, sizeof(to->id));
	add_flag(to, CKA_TOKEN, true);
	if (plan->fixed && (plan->fixed_copy || !sr_key_rows[role].copy))
		add_flag(to, CKA_MODIFIABLE, false);
	if (class == CKO_PUBLIC_KEY) {
		add_flag(to, CKA_PRIVATE, false);
		add_rights(to, SR_RIGHT_VERIFY);
		add(to, CKA_EC_PARAMS, (void *)(uintptr_t)sr_p256_params, sizeof(sr_p256_params));
		return;
	}
	add_flag(to, CKA_PRIVATE, true);
	add_flag(to, CKA_SENSITIVE, true);
	add_flag(to, CKA_EXTRACTABLE, false);
	add_rights(to, sr_key_rows[role].rights);
	if (class == CKO_SECRET_KEY)
		add(to, CKA_VALUE_LEN, &to->len, sizeof(to->len));
}

/* -- create ---------------------------------------------------------------------------------------------------- */

static CK_RV generate(const struct sr_hsm_turn *turn, const struct plan *plan, enum sr_hsm_role role)
{
	CK_MECHANISM mechanism = { sr_key_rows[role].generate, NULL, 0 };
	CK_OBJECT_HANDLE key, public;
	struct key_template one, other;
	fill(&one, plan, role, sr_key_class(role));
	if (role != SR_ROLE_AUDIT)
		return turn->module->C_GenerateKey(turn->session, &mechanism, one.rows, one.count, &key);
	fill(&other, plan, role, CKO_PUBLIC_KEY);
	return turn->module->C_GenerateKeyPair(
		turn->session, &mechanism, other.rows, other.count, one.rows, one.count, &public, &key);
}

/* Codes by which a backend says that it does not know CKA_MODIFIABLE. */
static bool is_template_refusal(CK_RV rv)
{
	return rv == CKR_ATTRIBUTE_TYPE_INVALID || rv == CKR_ATTRIBUTE_VALUE_INVALID || rv == CKR_ATTRIBUTE_READ_ONLY ||
	       rv == CKR_TEMPLATE_INCONSISTENT;
}

/* SoftHSM2 2.6.1 refuses to copy a key that cannot be changed. There the keys that are used for every call stay
 * changeable, since the copy is worth more: whoever could change them has the PIN, with which he uses them anyway, and
 * the check at each start sees a right that was added. The wrap key is never copied and always fixed. */
static bool can_copy_fixed(const struct sr_hsm_turn *turn)
{
	CK_MECHANISM mechanism = { CKM_AES_KEY_GEN, NULL, 0 };
	CK_BBOOL yes = CK_TRUE, no = CK_FALSE;
	CK_ULONG len = SR_HSM_KEY_BYTES;
	CK_OBJECT_HANDLE key, copy;
	CK_ATTRIBUTE template[] = {
		{ CKA_TOKEN, &no, sizeof(no) },
		{ CKA_PRIVATE, &yes, sizeof(yes) },
		{ CKA_SENSITIVE, &yes, sizeof(yes) },
		{ CKA_EXTRACTABLE, &no, sizeof(no) },
		{ CKA_VALUE_LEN, &len, sizeof(len) },
		{ CKA_MODIFIABLE, &no, sizeof(no) },
	};
	if (turn->module->C_GenerateKey(turn->session, &mechanism, template, 6, &key) != CKR_OK)
		return false;
	bool copied = turn->module->C_CopyObject(turn->session, key, template, 1, &copy) == CKR_OK;
	if (copied)
		(void)turn->module->C_DestroyObject(turn->session, copy);
	(void)turn->module->C_DestroyObject(turn->session, key);
	return copied;
}

/* Never a second time: what was made so far would stand in the way. The caller removes it. */
static CK_RV generate_work(const struct sr_hsm_turn *turn, void *job_)
{
	struct plan *job = job_, plan = *job;
	CK_RV rv = CKR_OK;
	if (job->failed != CKR_OK)
		return job->failed;
	int lock = sr_softhsm_lock(turn->softhsm_conf, true);
	plan.fixed_copy = can_copy_fixed(turn);
	for (int role = 0; rv == CKR_OK && role < SR_ROLES; role++) {
		rv = generate(turn, &plan, (enum sr_hsm_role)role);
		if (plan.fixed && is_template_refusal(rv)) {
			plan.fixed = false;
			rv = generate(turn, &plan, (enum sr_hsm_role)role);
		}
	}
	sr_softhsm_unlock(lock);
	job->failed = rv;
	return rv;
}

CK_RV sr_keys_generate_one(
	const struct sr_hsm_turn *turn, const char *vault_id, enum sr_hsm_role role, unsigned generation)
{
	struct plan plan = { vault_id, generation, generation, true, can_copy_fixed(turn), CKR_OK };
	CK_RV rv = generate(turn, &plan, role);
	if (is_template_refusal(rv)) {
		plan.fixed = false;
		rv = generate(turn, &plan, role);
	}
	return rv;
}

/** struct survey: the objects that carry one of a generation's labels. */
struct survey {
	const char *vault_id;
	unsigned generation, seal;
	bool destroy;
	char found[SR_HSM_LABEL_MAX]; /* the label of one of them */
};

static CK_RV survey_label(
	const struct sr_hsm_turn *turn, struct survey *survey, CK_OBJECT_CLASS class, const char *label)
{
	CK_OBJECT_HANDLE found[16];
	CK_ULONG count = 0;
	CK_RV rv = sr_object_find_label(turn, class, label, found, 16, &count);
	if (rv == CKR_OK && count > 0)
		memcpy(survey->found, label, SR_HSM_LABEL_MAX);
	for (CK_ULONG i = 0; rv == CKR_OK && survey->destroy && i < count; i++)
		rv = turn->module->C_DestroyObject(turn->session, found[i]);
	return rv;
}

static CK_RV survey_work(const struct sr_hsm_turn *turn, void *job)
{
	static const CK_OBJECT_CLASS classes[] = { CKO_SECRET_KEY, CKO_PRIVATE_KEY, CKO_PUBLIC_KEY };
	struct survey *survey = job;
	char label[SR_HSM_LABEL_MAX] = "";
	CK_RV rv = CKR_OK;
	int lock = sr_softhsm_lock(turn->softhsm_conf, survey->destroy);
	for (int role = 0; rv == CKR_OK && role < SR_ROLES; role++) {
		sr_key_label(survey->vault_id, (enum sr_hsm_role)role,
			role == SR_ROLE_SEAL ? survey->seal : survey->generation, label);
		for (size_t i = 0; rv == CKR_OK && i < 3; i++)
			rv = survey_label(turn, survey, classes[i], label);
	}
	sr_softhsm_unlock(lock);
	return rv;
}

/* Of the seal key, where sr_hsm_seal_from names another. */
static unsigned seal_of(struct sr_hsm *hsm, unsigned generation)
{
	pthread_mutex_lock(&hsm->lock);
	unsigned seal = hsm->seal_from ? hsm->seal_from : generation;
	pthread_mutex_unlock(&hsm->lock);
	return seal;
}

static bool is_name(const char *vault_id, unsigned generation)
{
	return *vault_id && strlen(vault_id) <= SR_HSM_VAULT_ID_MAX && generation > 0;
}

CK_RV sr_hsm_create_keys(struct sr_hsm *hsm, const char *vault_id, unsigned generation, struct sr_error *err)
{
	unsigned seal = seal_of(hsm, generation);
	struct survey survey = { .vault_id = vault_id, .generation = generation, .seal = seal };
	struct plan plan = { vault_id, generation, seal, true, false, CKR_OK };
	if (!is_name(vault_id, generation))
		return sr_fail(
			err, CKR_DEVICE_ERROR, SR_REASON_INTERNAL, "HSM keys: no vault id or no generation given");
	CK_RV rv = sr_hsm_run(hsm, "look for keys of that name", survey_work, &survey, err);
	if (rv != CKR_OK)
		return rv;
	if (survey.found[0])
		return sr_fail(err, CKR_DEVICE_ERROR, SR_REASON_HSM_KEY_REFUSED,
			"HSM key %.100s is there already; it is not replaced: use another token or generation",
			survey.found);
	rv = sr_hsm_run(hsm, "generate the vault's keys", generate_work, &plan, err);
	if (rv != CKR_OK)
		sr_hsm_destroy_keys(hsm, vault_id, generation);
	sr_softhsm_tighten(hsm->backend.softhsm_conf);
	return rv;
}

/* A look at the token, once a second, would miss what is destroyed and take the token for another. */
static void want_no_more(struct sr_hsm *hsm, const char *vault_id, unsigned generation)
{
	pthread_mutex_lock(&hsm->lock);
	if (hsm->wanted == generation && strcmp(hsm->vault_id, vault_id) == 0) {
		hsm->vault_id[0] = '\0';
		hsm->wanted = hsm->keys.generation = 0;
		atomic_store(&hsm->generation, 0);
	}
	pthread_mutex_unlock(&hsm->lock);
}

void sr_hsm_destroy_keys(struct sr_hsm *hsm, const char *vault_id, unsigned generation)
{
	struct survey survey = {
		.vault_id = vault_id, .generation = generation, .seal = seal_of(hsm, generation), .destroy = true
	};
	if (!is_name(vault_id, generation))
		return;
	want_no_more(hsm, vault_id, generation);
	(void)sr_hsm_run(hsm, "remove the keys", survey_work, &survey, NULL);
}
