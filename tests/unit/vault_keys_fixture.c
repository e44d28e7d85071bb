#include "tests/unit/vault_keys_fixture.h"

#include "vault/core.h"

#include <stdio.h>
#include <string.h>

struct vault_place keys_place;
struct sr_nest *keys_nest;

void keys_setup(void)
{
	vault_place_make(&keys_place);
	vault_login_admin(&keys_place);
	expect(sr_nest_open(keys_place.vault, &keys_nest, &keys_place.err), CKR_OK, NONE);
}

void keys_teardown(void)
{
	sr_nest_close(keys_nest);
	keys_nest = NULL;
	vault_place_remove(&keys_place);
}

void keys_fill(struct sr_attrs *attrs, const struct keys_word *words)
{
	for (; words->kind != KEYS_END; words++) {
		switch (words->kind) {
		case KEYS_TEXT:
			sr_attrs_put_text(attrs, words->type, words->data);
			break;
		case KEYS_BYTES:
			sr_attrs_put(attrs, words->type, words->data, words->number);
			break;
		case KEYS_BOOL:
			sr_attrs_put_bool(attrs, words->type, words->number != 0);
			break;
		default:
			sr_attrs_put_ulong(attrs, words->type, words->number);
		}
	}
	ck_assert(!attrs->failed);
}

CK_RV keys_secret(CK_KEY_TYPE key_type, const struct keys_word *words, struct sr_new_key *made)
{
	struct sr_attrs template = SR_ATTRS_INIT;
	CK_MECHANISM mechanism = { key_type == CKK_AES ? CKM_AES_KEY_GEN : CKM_GENERIC_SECRET_KEY_GEN, NULL, 0 };
	keys_fill(&template, words);
	struct sr_making making = { sr_attrs_bool(&template, CKA_TOKEN, false) ? NULL : keys_nest, CKO_SECRET_KEY,
		key_type, &template };
	memset(made, 0, sizeof(*made));
	CK_RV rv = sr_key_generate(&keys_place.caller, &making, &mechanism, made, &keys_place.err);
	sr_attrs_clear(&template);
	return rv;
}

static CK_MECHANISM_TYPE pair_mechanism(CK_KEY_TYPE key_type)
{
	if (key_type == CKK_RSA)
		return CKM_RSA_PKCS_KEY_PAIR_GEN;
	return key_type == CKK_EC ? CKM_EC_KEY_PAIR_GEN : CKM_EC_EDWARDS_KEY_PAIR_GEN;
}

CK_RV keys_pair(CK_KEY_TYPE key_type, const struct keys_word *public_words, const struct keys_word *private_words,
	struct sr_new_key *public_made, struct sr_new_key *private_made)
{
	struct sr_attrs public_template = SR_ATTRS_INIT, private_template = SR_ATTRS_INIT;
	CK_MECHANISM mechanism = { pair_mechanism(key_type), NULL, 0 };
	keys_fill(&public_template, public_words);
	keys_fill(&private_template, private_words);
	if (key_type == CKK_RSA && !sr_attrs_find(&public_template, CKA_MODULUS_BITS))
		sr_attrs_put_ulong(&public_template, CKA_MODULUS_BITS, 2048);
	struct sr_making public_making = { keys_nest, CKO_PUBLIC_KEY, key_type, &public_template };
	struct sr_making private_making = { keys_nest, CKO_PRIVATE_KEY, key_type, &private_template };
	memset(public_made, 0, sizeof(*public_made));
	memset(private_made, 0, sizeof(*private_made));
	CK_RV rv = sr_key_generate_pair(&keys_place.caller, &public_making, &private_making, &mechanism, public_made,
		private_made, &keys_place.err);
	sr_attrs_clear(&public_template);
	sr_attrs_clear(&private_template);
	return rv;
}

CK_RV keys_import(
	CK_OBJECT_CLASS object_class, CK_KEY_TYPE key_type, const struct keys_word *words, struct sr_new_key *made)
{
	struct sr_attrs template = SR_ATTRS_INIT, held = SR_ATTRS_INIT;
	keys_fill(&template, words);
	struct sr_making making = { sr_attrs_bool(&template, CKA_TOKEN, false) ? NULL : keys_nest, object_class,
		key_type, &template };
	memset(made, 0, sizeof(*made));
	CK_RV rv = sr_key_import(&keys_place.caller, &making, made, &held, &keys_place.err);
	sr_attrs_clear(&template);
	sr_attrs_clear(&held);
	return rv;
}

CK_RV keys_copy(struct sr_key *key, const struct keys_word *words, struct sr_new_key *made)
{
	struct sr_attrs changes = SR_ATTRS_INIT;
	keys_fill(&changes, words);
	memset(made, 0, sizeof(*made));
	CK_RV rv = sr_key_copy(&keys_place.caller, key, keys_nest, &changes, made, &keys_place.err);
	sr_attrs_clear(&changes);
	return rv;
}

static void make_pair(CK_KEY_TYPE key_type, const struct keys_word *public_words, const char *path)
{
	struct sr_new_key a, b;
	expect(keys_pair(key_type, public_words, LIST(TEXT(CKA_LABEL, path), FLAG(CKA_TOKEN, 1)), &a, &b), CKR_OK,
		NONE);
	ck_assert_str_eq(a.id + 2, path);
	ck_assert_str_eq(b.id + 2, path);
	ck_assert_ptr_null(a.key);
	ck_assert_ptr_null(b.key);
}

void keys_make_rsa(const char *path)
{
	make_pair(CKK_RSA, LIST(FLAG(CKA_TOKEN, 1)), path);
}

void keys_make_ec(const char *path)
{
	make_pair(CKK_EC, LIST(FLAG(CKA_TOKEN, 1), P256), path);
}

void keys_make_aes(const char *path)
{
	struct sr_new_key made;
	expect(keys_secret(CKK_AES, LIST(FLAG(CKA_TOKEN, 1), TEXT(CKA_LABEL, path), NUMBER(CKA_VALUE_LEN, 32)), &made),
		CKR_OK, NONE);
	ck_assert_str_eq(made.id + 2, path);
}

struct sr_key *keys_open(CK_OBJECT_CLASS object_class, const char *id)
{
	struct sr_key *key = NULL;
	expect(sr_key_open(&keys_place.caller, object_class, id, &key, &keys_place.err), CKR_OK, NONE);
	return key;
}

bool keys_flag(CK_OBJECT_CLASS object_class, const char *id, CK_ATTRIBUTE_TYPE type)
{
	struct sr_view view = { .attrs = SR_ATTRS_INIT };
	expect(sr_class_find(object_class)->view(&keys_place.caller, id, &view, &keys_place.err), CKR_OK, NONE);
	const struct sr_attr *attr = sr_attrs_find(&view.attrs, type);
	ck_assert_msg(attr && attr->len == 1, "no flag 0x%lx", type);
	bool flag = *attr->value;
	sr_view_clear(&view);
	return flag;
}

CK_RV keys_set(CK_OBJECT_CLASS object_class, const char *id, const struct keys_word *words)
{
	struct sr_attrs changes = SR_ATTRS_INIT;
	keys_fill(&changes, words);
	CK_RV rv = sr_class_find(object_class)->set(&keys_place.caller, id, &changes, &keys_place.err);
	sr_attrs_clear(&changes);
	return rv;
}

CK_RV keys_destroy(CK_OBJECT_CLASS object_class, const char *id)
{
	return sr_class_find(object_class)->destroy(&keys_place.caller, id, &keys_place.err);
}

void keys_as(const char *scopes, const char *uses)
{
	char pin[64];
	vault_login_admin(&keys_place);
	expect(vault_issue(&keys_place, scopes, "600", uses, NULL, pin), CKR_OK, NONE);
	expect(vault_login(&keys_place, pin), CKR_OK, NONE);
}

struct newest {
	struct sr_event event;
	uint64_t count;
};

static bool take_event(const struct sr_event *event, const uint8_t hash[SR_HASH_LEN], void *ctx)
{
	struct newest *newest = ctx;
	(void)hash;
	if (newest->count++ == 0)
		newest->event = *event;
	return true;
}

static void look(struct newest *newest)
{
	struct sr_event_query query = { .newest_first = true };
	struct sr_moment at;
	struct sr_vault *vault = keys_place.vault;
	memset(newest, 0, sizeof(*newest));
	expect(sr_writer_look(vault->writer, &at, &keys_place.err), CKR_OK, NONE);
	expect(vault->store->ops->event_query(at.tx, &query, take_event, newest, &keys_place.err), CKR_OK, NONE);
	sr_writer_look_end(vault->writer, &at);
}

struct sr_event keys_event(void)
{
	struct newest newest;
	look(&newest);
	return newest.event;
}

uint64_t keys_events(void)
{
	struct newest newest;
	look(&newest);
	return newest.count;
}

CK_RV keys_run(enum sr_function function, struct sr_key *key, CK_MECHANISM_TYPE mechanism, const void *in, size_t len,
	struct sr_buf *out)
{
	CK_MECHANISM given = { mechanism, NULL, 0 };
	struct sr_use *use = NULL;
	CK_RV rv = sr_use_begin(&keys_place.caller, function, key, &given, &use, &keys_place.err);
	if (rv == CKR_OK)
		rv = sr_use_once(&keys_place.caller, use, in, len, out, &keys_place.err);
	sr_use_end(use);
	ck_assert(rv == CKR_OK || out->len == 0);
	return rv;
}

CK_RV keys_check(struct sr_key *key, CK_MECHANISM_TYPE mechanism, const void *in, size_t len, const struct sr_buf *sig)
{
	CK_MECHANISM given = { mechanism, NULL, 0 };
	struct sr_use *use = NULL;
	CK_RV rv = sr_use_begin(&keys_place.caller, SR_VERIFY, key, &given, &use, &keys_place.err);
	if (rv == CKR_OK)
		rv = sr_use_verify(&keys_place.caller, use, in, len, sig->data, sig->len, &keys_place.err);
	sr_use_end(use);
	return rv;
}
