/* The world of the matrix: the objects at each tier, whoever acts on them, and each deed as the call layer does it. */
#include "tests/unit/matrix.h"
#include "tests/unit/vault_keys_data.h"
#include "tests/unit/vault_keys_fixture.h"

#include <stdio.h>
#include <string.h>

const char *const matrix_object_words[OBJECT_COUNT] = { "secret", "mac", "rsa private", "rsa public", "ec private",
	"certificate", "aes", "wrapper" };
const char *const matrix_action_words[ACTION_COUNT] = { "see", "read", "write", "create", "sign", "verify", "encrypt",
	"decrypt", "wrap", "unwrap", "derive", "delete" };

static const struct {
	CK_OBJECT_CLASS object_class;
	const char *letter, *name;
} places[OBJECT_COUNT] = {
	[OBJECT_SECRET] = { CKO_DATA, "", "secret" },
	[OBJECT_MAC] = { CKO_SECRET_KEY, "h:", "mac" },
	[OBJECT_RSA_PRIVATE] = { CKO_PRIVATE_KEY, "p:", "rsa" },
	[OBJECT_RSA_PUBLIC] = { CKO_PUBLIC_KEY, "u:", "rsa" },
	[OBJECT_EC_PRIVATE] = { CKO_PRIVATE_KEY, "p:", "ec" },
	[OBJECT_CERTIFICATE] = { CKO_CERTIFICATE, "c:", "ec" },
	[OBJECT_AES] = { CKO_SECRET_KEY, "s:", "aes" },
	[OBJECT_WRAPPER] = { CKO_SECRET_KEY, "s:", "wrapper" },
};

static const CK_MECHANISM key_wrap = { CKM_AES_KEY_WRAP, NULL, 0 };
static const uint8_t digest[32] = { 1 };

/* What a deed takes that only somebody who may do everything could make: a signature to verify, a text to decrypt. */
static struct sr_buf signatures[OBJECT_COUNT][SR_TIER_COUNT], texts[OBJECT_COUNT][SR_TIER_COUNT], blobs[SR_TIER_COUNT];
static struct sr_new_key carried; /* a session key that may leave */

static void path_of(enum matrix_object object, enum sr_tier tier, char path[64])
{
	snprintf(path, 64, "m/%s/%s", sr_tier_name(tier), places[object].name);
}

static void id_of(enum matrix_object object, enum sr_tier tier, char id[64])
{
	char path[64];
	path_of(object, tier, path);
	snprintf(id, 64, "%s%s", places[object].letter, path);
}

/* -- the objects --------------------------------------------------------------------------------------------------- */

static CK_RV put_secret(const char *path, const char *type, const char *tier)
{
	struct sr_attrs template = SR_ATTRS_INIT;
	struct sr_created created = { .id = "" };
	keys_fill(&template, LIST(NUMBER(CKA_CLASS, CKO_DATA), FLAG(CKA_TOKEN, 1), TEXT(CKA_LABEL, path),
				     TEXT(CKA_VALUE, "0123456789abcdef")));
	if (tier)
		sr_attrs_put_text(&template, CKA_SR_TIER, tier);
	if (type)
		sr_attrs_put_text(&template, CKA_SR_TYPE, type);
	CK_RV rv = sr_class_find(CKO_DATA)->create(&keys_place.caller, &template, &created, &keys_place.err);
	sr_created_clear(&created);
	sr_attrs_clear(&template);
	return rv;
}

static CK_RV make_object(enum matrix_object object, const char *path, const char *tier)
{
	const struct keys_word token = FLAG(CKA_TOKEN, 1), label = TEXT(CKA_LABEL, path), at = TEXT(CKA_SR_TIER, tier);
	struct sr_new_key made;
	switch (object) {
	case OBJECT_SECRET:
		return put_secret(path, NULL, tier);
	case OBJECT_MAC:
		return put_secret(path, "hmac-key", tier);
	case OBJECT_RSA_PRIVATE:
		return keys_import(CKO_PRIVATE_KEY, CKK_RSA,
			LIST(token, label, at, FLAG(CKA_SIGN, 1), FLAG(CKA_DECRYPT, 1), FLAG(CKA_UNWRAP, 0),
				BYTES(CKA_MODULUS, rsa_n, sizeof(rsa_n)), BYTES(CKA_PUBLIC_EXPONENT, "\x01\x00\x01", 3),
				BYTES(CKA_PRIVATE_EXPONENT, rsa_d, sizeof(rsa_d)),
				BYTES(CKA_PRIME_1, rsa_p, sizeof(rsa_p)), BYTES(CKA_PRIME_2, rsa_q, sizeof(rsa_q)),
				BYTES(CKA_EXPONENT_1, rsa_e1, sizeof(rsa_e1)),
				BYTES(CKA_EXPONENT_2, rsa_e2, sizeof(rsa_e2)),
				BYTES(CKA_COEFFICIENT, rsa_c, sizeof(rsa_c))),
			&made);
	case OBJECT_RSA_PUBLIC:
		return keys_import(CKO_PUBLIC_KEY, CKK_RSA,
			LIST(token, label, at, FLAG(CKA_VERIFY, 1), FLAG(CKA_ENCRYPT, 1), FLAG(CKA_WRAP, 0),
				BYTES(CKA_MODULUS, rsa_n, sizeof(rsa_n)),
				BYTES(CKA_PUBLIC_EXPONENT, "\x01\x00\x01", 3)),
			&made);
	case OBJECT_EC_PRIVATE:
		return keys_import(CKO_PRIVATE_KEY, CKK_EC,
			LIST(token, label, at, P256, FLAG(CKA_SIGN, 1), FLAG(CKA_DERIVE, 1),
				BYTES(CKA_VALUE, ec_value, sizeof(ec_value))),
			&made);
	case OBJECT_CERTIFICATE:
		return keys_import(CKO_CERTIFICATE, CKC_X_509,
			LIST(token, label, at, BYTES(CKA_VALUE, cert_der, sizeof(cert_der))), &made);
	case OBJECT_AES:
		return keys_import(CKO_SECRET_KEY, CKK_AES,
			LIST(token, label, at, BYTES(CKA_VALUE, "the key of the texts", 16), FLAG(CKA_SIGN, 1),
				FLAG(CKA_VERIFY, 1), FLAG(CKA_ENCRYPT, 1), FLAG(CKA_DECRYPT, 1)),
			&made);
	default:
		return keys_import(CKO_SECRET_KEY, CKK_AES,
			LIST(token, label, at, BYTES(CKA_VALUE, "it wraps and unwraps", 16), FLAG(CKA_WRAP, 1),
				FLAG(CKA_UNWRAP, 1)),
			&made);
	}
}

static void make_by_admin(enum matrix_object object, enum sr_tier tier)
{
	struct sr_identity *before = keys_place.caller.identity;
	char path[64];
	path_of(object, tier, path);
	keys_place.caller.identity = NULL;
	vault_login_admin(&keys_place);
	expect(make_object(object, path, sr_tier_name(tier)), CKR_OK, NONE);
	sr_identity_unref(keys_place.caller.identity);
	keys_place.caller.identity = before;
}

/* -- deeds --------------------------------------------------------------------------------------------------------- */

static bool take_id(const char *id, void *found)
{
	snprintf(found, SR_OBJECT_ID_MAX, "%s", id);
	return true;
}

/* What a search finds and what can be looked at are the same thing. */
static CK_RV see(enum matrix_object object, enum sr_tier tier, struct sr_view *view)
{
	const struct sr_class *class = sr_class_find(places[object].object_class);
	struct sr_attrs query = SR_ATTRS_INIT;
	struct sr_error err = SR_ERROR_INIT;
	char path[64], id[64], found[SR_OBJECT_ID_MAX] = "";
	path_of(object, tier, path);
	id_of(object, tier, id);
	sr_attrs_put_ulong(&query, CKA_CLASS, places[object].object_class);
	sr_attrs_put_text(&query, CKA_LABEL, path);
	CK_RV search = class->find(&keys_place.caller, &query, take_id, found, &err);
	CK_RV rv = class->view(&keys_place.caller, id, view, &keys_place.err);
	sr_attrs_clear(&query);
	ck_assert_msg(search == CKR_OK && (strcmp(found, id) == 0) == (rv == CKR_OK), "found '%s', looked at '%s': %s",
		found, id, sr_rv_name(rv));
	return rv;
}

static CK_RV describe(enum matrix_object object, enum sr_tier tier, char words[96])
{
	static const struct {
		CK_ATTRIBUTE_TYPE type;
		const char *word;
	} rights[] = { { CKA_SIGN, "sign " }, { CKA_VERIFY, "verify " }, { CKA_ENCRYPT, "encrypt " },
		{ CKA_DECRYPT, "decrypt " }, { CKA_WRAP, "wrap " }, { CKA_UNWRAP, "unwrap " },
		{ CKA_DERIVE, "derive " } };
	struct sr_view view = { .value = SR_VALUE_NONE };
	CK_RV rv = see(object, tier, &view);
	words[0] = '\0';
	for (size_t i = 0; rv == CKR_OK && i < sizeof(rights) / sizeof(*rights); i++) {
		if (sr_attrs_bool(&view.attrs, rights[i].type, false))
			strcat(words, rights[i].word);
	}
	if (rv == CKR_OK)
		strcat(words, view.value == SR_VALUE_READABLE ? "value" : "-");
	sr_view_clear(&view);
	return rv;
}

static CK_RV read_value(enum matrix_object object, enum sr_tier tier)
{
	struct sr_buf value = SR_BUF_INIT;
	char id[64];
	id_of(object, tier, id);
	CK_RV rv = sr_class_find(places[object].object_class)->value(&keys_place.caller, id, &value, &keys_place.err);
	ck_assert((rv == CKR_OK) == (value.len > 0));
	sr_buf_clear(&value);
	return rv;
}

static CK_RV set_value(enum matrix_object object, enum sr_tier tier)
{
	struct sr_attrs change = SR_ATTRS_INIT;
	char id[64];
	id_of(object, tier, id);
	if (object == OBJECT_SECRET)
		sr_attrs_put_text(&change, CKA_VALUE, "fedcba9876543210");
	else
		sr_attrs_put_text(&change, CKA_ID, "another");
	CK_RV rv = sr_class_find(places[object].object_class)->set(&keys_place.caller, id, &change, &keys_place.err);
	sr_attrs_clear(&change);
	return rv;
}

static unsigned created; /* so far: a path keeps the tier of what was there */

static void new_path_of(const struct matrix_step *step, char path[64])
{
	char beside[64];
	path_of(step->object, step->tier, beside);
	snprintf(path, 64, "%.50s-%u", beside, created);
}

static CK_RV create(const struct matrix_step *step)
{
	char path[64];
	created++;
	new_path_of(step, path);
	return make_object(step->object, path, sr_tier_name(step->tier));
}

static CK_RV destroy(enum matrix_object object, enum sr_tier tier)
{
	char id[64];
	id_of(object, tier, id);
	return sr_class_find(places[object].object_class)->destroy(&keys_place.caller, id, &keys_place.err);
}

static CK_MECHANISM_TYPE mechanism_of(enum matrix_object object, bool signs)
{
	switch (object) {
	case OBJECT_MAC:
		return CKM_SHA256_HMAC;
	case OBJECT_EC_PRIVATE:
		return CKM_ECDSA;
	case OBJECT_AES:
		return signs ? CKM_AES_CMAC : CKM_AES_ECB;
	default:
		return signs ? CKM_SHA256_RSA_PKCS : CKM_RSA_PKCS;
	}
}

static CK_RV use_key(
	enum sr_function function, struct sr_key *key, enum matrix_object object, enum sr_tier tier, struct sr_buf *out)
{
	bool signs = function == SR_SIGN || function == SR_VERIFY;
	CK_MECHANISM_TYPE mechanism = mechanism_of(object, signs);
	if (function == SR_VERIFY)
		return keys_check(key, mechanism, digest, sizeof(digest), &signatures[object][tier]);
	if (function == SR_DECRYPT)
		return keys_run(function, key, mechanism, texts[object][tier].data, texts[object][tier].len, out);
	return keys_run(function, key, mechanism, digest, sizeof(digest), out);
}

static CK_RV make_from(struct sr_key *key, enum matrix_action action, enum sr_tier tier)
{
	struct sr_attrs template = SR_ATTRS_INIT;
	CK_ECDH1_DERIVE_PARAMS params = { CKD_NULL, 0, NULL, sizeof(ec_point) - 2, (CK_BYTE *)ec_point + 2 };
	CK_MECHANISM ecdh = { CKM_ECDH1_DERIVE, &params, sizeof(params) };
	struct sr_new_key made = { .key = NULL };
	bool unwraps = action == ACTION_UNWRAP;
	struct sr_making making = { keys_nest, CKO_SECRET_KEY, unwraps ? CKK_AES : CKK_GENERIC_SECRET, &template };
	if (!unwraps)
		sr_attrs_put_ulong(&template, CKA_VALUE_LEN, 32);
	CK_RV rv = unwraps ? sr_key_unwrap(&keys_place.caller, &making, &key_wrap, key, blobs[tier].data,
				     blobs[tier].len, &made, &keys_place.err)
			   : sr_key_derive(&keys_place.caller, &making, &ecdh, key, &made, &keys_place.err);
	if (made.key)
		sr_key_destroy(keys_place.vault, made.key);
	sr_new_key_clear(&made);
	sr_attrs_clear(&template);
	return rv;
}

static CK_RV with_key(struct sr_key *key, const struct matrix_step *step, struct sr_buf *out)
{
	switch (step->action) {
	case ACTION_SIGN:
		return use_key(SR_SIGN, key, step->object, step->tier, out);
	case ACTION_VERIFY:
		return use_key(SR_VERIFY, key, step->object, step->tier, out);
	case ACTION_ENCRYPT:
		return use_key(SR_ENCRYPT, key, step->object, step->tier, out);
	case ACTION_DECRYPT:
		return use_key(SR_DECRYPT, key, step->object, step->tier, out);
	case ACTION_WRAP:
		return sr_key_wrap(&keys_place.caller, &key_wrap, key, carried.key, true, out, &keys_place.err);
	default:
		return make_from(key, step->action, step->tier);
	}
}

static CK_RV use(const struct matrix_step *step, struct sr_buf *out)
{
	struct sr_key *key = NULL;
	char id[64];
	id_of(step->object, step->tier, id);
	CK_RV rv = sr_key_open(&keys_place.caller, places[step->object].object_class, id, &key, &keys_place.err);
	if (rv == CKR_OK)
		rv = with_key(key, step, out);
	sr_key_unref(key);
	return rv;
}

static CK_RV act(const struct matrix_step *step, char view[96])
{
	struct sr_buf out = SR_BUF_INIT;
	CK_RV rv;
	sr_error_clear(&keys_place.err);
	switch (step->action) {
	case ACTION_SEE:
		return describe(step->object, step->tier, view);
	case ACTION_READ:
		return read_value(step->object, step->tier);
	case ACTION_WRITE:
		return set_value(step->object, step->tier);
	case ACTION_CREATE:
		return create(step);
	case ACTION_DELETE:
		return destroy(step->object, step->tier);
	default:
		rv = use(step, &out);
		sr_buf_clear(&out);
		return rv;
	}
}

CK_RV matrix_race(const struct matrix_step *step)
{
	char view[96];
	return act(step, view);
}

static void delete_by_admin(const struct matrix_step *step)
{
	struct sr_identity *before = keys_place.caller.identity;
	char path[64], id[68];
	new_path_of(step, path);
	snprintf(id, sizeof(id), "%s%s", places[step->object].letter, path);
	keys_place.caller.identity = NULL;
	vault_login_admin(&keys_place);
	expect(keys_destroy(places[step->object].object_class, id), CKR_OK, NONE);
	sr_identity_unref(keys_place.caller.identity);
	keys_place.caller.identity = before;
}

void matrix_do(const struct matrix_step *step, struct matrix_outcome *outcome)
{
	uint64_t before = people_event(&keys_place).id;
	*outcome = (struct matrix_outcome){ .event = "", .status = "" };
	sr_error_clear(&keys_place.err);
	outcome->rv = sr_identity_check(&keys_place.caller, &keys_place.err);
	if (outcome->rv == CKR_OK)
		outcome->rv = act(step, outcome->view);
	outcome->reason = keys_place.err.reason;
	struct sr_event event = people_event(&keys_place);
	ck_assert_uint_le(event.id, before + 1);
	if (event.id > before) {
		char path[64];
		if (step->action == ACTION_CREATE)
			new_path_of(step, path);
		else
			path_of(step->object, step->tier, path);
		ck_assert_str_eq(event.path, path);
		ck_assert(event.status == SR_STATUS_DENIED || strcmp(event.tier, sr_tier_name(step->tier)) == 0);
		ck_assert_str_eq(event.rv, sr_rv_name(outcome->rv));
		outcome->event = sr_event_name(event.kind);
		outcome->status = sr_status_name(event.status);
	}
	if (outcome->rv == CKR_OK && step->action == ACTION_DELETE)
		make_by_admin(step->object, step->tier);
	if (outcome->rv == CKR_OK && step->action == ACTION_CREATE)
		delete_by_admin(step);
}

/* -- the world ------------------------------------------------------------------------------------------------------
 */

static void prepare(enum matrix_object object, enum matrix_action action, enum sr_tier tier, struct sr_buf *out)
{
	const struct matrix_step step = { .object = object, .action = action, .tier = tier };
	expect(use(&step, out), CKR_OK, NONE);
}

static void prepare_tier(enum sr_tier tier)
{
	prepare(OBJECT_MAC, ACTION_SIGN, tier, &signatures[OBJECT_MAC][tier]);
	prepare(OBJECT_AES, ACTION_SIGN, tier, &signatures[OBJECT_AES][tier]);
	prepare(OBJECT_RSA_PRIVATE, ACTION_SIGN, tier, &signatures[OBJECT_RSA_PUBLIC][tier]);
	prepare(OBJECT_AES, ACTION_ENCRYPT, tier, &texts[OBJECT_AES][tier]);
	prepare(OBJECT_RSA_PUBLIC, ACTION_ENCRYPT, tier, &texts[OBJECT_RSA_PRIVATE][tier]);
	prepare(OBJECT_WRAPPER, ACTION_WRAP, tier, &blobs[tier]);
}

void matrix_world_make(void)
{
	static const struct matrix_identity all = { WHO_TOKEN, "secrets:*:*\nkeys:*:*", 0, "" };
	keys_setup();
	expect(keys_secret(CKK_AES,
		       LIST(FLAG(CKA_TOKEN, 0), NUMBER(CKA_VALUE_LEN, 16), FLAG(CKA_EXTRACTABLE, 1),
			       FLAG(CKA_SENSITIVE, 0)),
		       &carried),
		CKR_OK, NONE);
	for (int tier = 0; tier < SR_TIER_COUNT; tier++) {
		for (int object = 0; object < OBJECT_COUNT; object++)
			make_by_admin((enum matrix_object)object, (enum sr_tier)tier);
	}
	matrix_become(&all, SR_TIER_CRITICAL, STATE_LIVE);
	for (int tier = 0; tier < SR_TIER_COUNT; tier++)
		prepare_tier((enum sr_tier)tier);
}

void matrix_world_remove(void)
{
	for (int tier = 0; tier < SR_TIER_COUNT; tier++) {
		for (int object = 0; object < OBJECT_COUNT; object++) {
			sr_buf_clear(&signatures[object][tier]);
			sr_buf_clear(&texts[object][tier]);
		}
		sr_buf_clear(&blobs[tier]);
	}
	sr_new_key_clear(&carried);
	keys_teardown();
}
