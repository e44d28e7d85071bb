/* Keys in a vault of its own: templates, the common keys, the newest record. */
#ifndef SR_TESTS_VAULT_KEYS_FIXTURE_H
#define SR_TESTS_VAULT_KEYS_FIXTURE_H

#include "tests/unit/vault_place.h"

#include "store/event.h"
#include "vault/keys.h"

#include <check.h>

extern struct vault_place keys_place;
extern struct sr_nest *keys_nest;

void keys_setup(void);
void keys_teardown(void);

#define expect(call, code, why)                                                                          \
	do {                                                                                             \
		sr_error_clear(&keys_place.err);                                                         \
		CK_RV rv_ = (call);                                                                      \
		ck_assert_msg(rv_ == (code), "%s: %s: %s", #call, sr_rv_name(rv_), keys_place.err.text); \
		ck_assert_msg(keys_place.err.reason == SR_REASON_##why, "%s: reason %s", #call,          \
			sr_reason_name(keys_place.err.reason));                                          \
	} while (0)

/** struct keys_word: an attribute of a template: TEXT, else FLAG (0, 1), else NUMBER. END ends the list. */
struct keys_word {
	CK_ATTRIBUTE_TYPE type;
	enum { KEYS_END, KEYS_TEXT, KEYS_BYTES, KEYS_BOOL, KEYS_NUMBER } kind;
	const void *data;
	CK_ULONG number;
};
#define TEXT(type, text) ((struct keys_word){ (type), KEYS_TEXT, (text), 0 })
#define BYTES(type, data, len) ((struct keys_word){ (type), KEYS_BYTES, (data), (len) })
#define FLAG(type, flag) ((struct keys_word){ (type), KEYS_BOOL, NULL, (flag) })
#define NUMBER(type, number) ((struct keys_word){ (type), KEYS_NUMBER, NULL, (number) })
#define LIST(...) ((const struct keys_word[]){ __VA_ARGS__, { 0, KEYS_END, NULL, 0 } })

void keys_fill(struct sr_attrs *attrs, const struct keys_word *words);

#define P256 BYTES(CKA_EC_PARAMS, "\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07", 10)
#define ED25519 BYTES(CKA_EC_PARAMS, "\x06\x03\x2b\x65\x70", 5)

/** keys_secret(kind, list, made): a secret key is generated, by the present caller. keys_pair: KEY_TYPE is CKK_RSA
 * (2048 bits) or an EC one with PARAMS of its own list. */
CK_RV keys_secret(CK_KEY_TYPE key_type, const struct keys_word *words, struct sr_new_key *made);
CK_RV keys_pair(CK_KEY_TYPE key_type, const struct keys_word *public_words, const struct keys_word *private_words,
	struct sr_new_key *public_made, struct sr_new_key *private_made);
CK_RV keys_import(
	CK_OBJECT_CLASS object_class, CK_KEY_TYPE key_type, const struct keys_word *words, struct sr_new_key *made);

/** keys_copy(key, words, made): into the session where WORDS do not say otherwise. */
CK_RV keys_copy(struct sr_key *key, const struct keys_word *words, struct sr_new_key *made);

/** keys_make_rsa(path), keys_make_ec(path), keys_make_aes(path): a vault key with the default rights. */
void keys_make_rsa(const char *path);
void keys_make_ec(const char *path);
void keys_make_aes(const char *path);

/** keys_open(class, id): by the present caller; fails the test where it is not there. */
struct sr_key *keys_open(CK_OBJECT_CLASS object_class, const char *id);

/** keys_flag(class, id, type): what the present caller sees. */
bool keys_flag(CK_OBJECT_CLASS object_class, const char *id, CK_ATTRIBUTE_TYPE type);

CK_RV keys_set(CK_OBJECT_CLASS object_class, const char *id, const struct keys_word *words);
CK_RV keys_destroy(CK_OBJECT_CLASS object_class, const char *id);

/** keys_as(scopes, uses): logs in with a new token of these scopes; an admin issues it. */
void keys_as(const char *scopes, const char *uses);

/** keys_event(): the newest record. keys_events(): how many there are. */
struct sr_event keys_event(void);
uint64_t keys_events(void);
#define expect_event(event_kind, event_status, event_path, event_reason)                               \
	do {                                                                                           \
		struct sr_event e_ = keys_event();                                                     \
		ck_assert_str_eq(sr_event_name(e_.kind), sr_event_name(SR_EVENT_##event_kind));        \
		ck_assert_str_eq(sr_status_name(e_.status), sr_status_name(SR_STATUS_##event_status)); \
		ck_assert_str_eq(e_.path, event_path);                                                 \
		ck_assert_str_eq(e_.reason, event_reason);                                             \
	} while (0)

/** keys_run(function, class, id, mechanism, in, len, out): one operation from its beginning to its end. */
CK_RV keys_run(enum sr_function function, struct sr_key *key, CK_MECHANISM_TYPE mechanism, const void *in, size_t len,
	struct sr_buf *out);
CK_RV keys_check(struct sr_key *key, CK_MECHANISM_TYPE mechanism, const void *in, size_t len, const struct sr_buf *sig);

#endif
