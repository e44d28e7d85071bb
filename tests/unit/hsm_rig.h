/* A vault's HSM with its keys for the tests of users' keys: SoftHSM2 in a directory of its own, and the same module as
 * the host program would use it. */
#ifndef SR_TEST_HSM_RIG_H
#define SR_TEST_HSM_RIG_H

#include "hsm/cache.h"
#include "hsm/key.h"
#include "util/attrs.h"

#include <check.h>

#define RIG_VAULT "v-abcdefgh"

extern struct sr_hsm *rig_hsm;
extern struct sr_error rig_err;
extern struct sr_hsm_nest *rig_nest; /* opened by the set-up */

void hsm_rig_set_up(void);
void hsm_rig_tear_down(void);
const char *rig_dir(void);
void hsm_rig_open(void); /* again, after rig_hsm was closed */

/** struct rig_raw: a session of the host program's own, in the same process. */
struct rig_raw {
	CK_FUNCTION_LIST *module;
	CK_SLOT_ID slot;
	CK_SESSION_HANDLE session;
};
struct rig_raw rig_raw_open(void);
void rig_raw_close(struct rig_raw *raw);

/** rig_count(raw, on_token): objects but the vault's own four keys and their public half. */
size_t rig_count(const struct rig_raw *raw, bool on_token);
size_t rig_sessions(const struct rig_raw *raw);
CK_OBJECT_HANDLE rig_find(const struct rig_raw *raw, const char *uid);
bool rig_flag(const struct rig_raw *raw, CK_OBJECT_HANDLE object, CK_ATTRIBUTE_TYPE type);

#define assert_ok(call)                                                       \
	do {                                                                  \
		CK_RV got_ = (call);                                          \
		ck_assert_msg(got_ == CKR_OK, "%s: %s", #call, rig_err.text); \
	} while (0)

#define assert_refused(call, want_rv, want_reason)                                                                  \
	do {                                                                                                        \
		sr_error_clear(&rig_err);                                                                           \
		CK_RV got_ = (call);                                                                                \
		ck_assert_msg(got_ == (want_rv), "%s: %s: %s", #call, sr_rv_name(got_), rig_err.text);              \
		ck_assert_uint_eq(rig_err.rv, (want_rv));                                                           \
		ck_assert_msg(rig_err.reason == (want_reason), "%s: %s: %s", #call, sr_reason_name(rig_err.reason), \
			rig_err.text);                                                                              \
		ck_assert(rig_err.text[0] != '\0');                                                                 \
	} while (0)

/* -- kinds of keys --------------------------------------------------------------------------------------------- */

/** struct rig_kind: CURVE NULL: RSA of BITS, or a secret key of LEN bytes. */
struct rig_kind {
	const char *name;
	CK_KEY_TYPE type;
	CK_MECHANISM_TYPE generate;
	const uint8_t *curve;
	size_t curve_len;
	CK_ULONG bits, len;
	bool wrappable;
};
enum { KIND_AES, KIND_SECRET, KIND_RSA, KIND_P256, KIND_P384, KIND_P521, KIND_ED25519, KIND_X25519, KINDS };
extern const struct rig_kind rig_kinds[KINDS];

/** struct rig_key: what was made; PUBLIC of a pair only. */
struct rig_key {
	struct sr_hsm_made private, public;
};

struct sr_hsm_place rig_of(enum sr_hsm_custody custody, const char *uid);

/** rig_template(kind, extractable): with every right that its kind may have. */
void rig_template(int kind, bool extractable, struct sr_attrs *private, struct sr_attrs *public);
CK_RV rig_make(int kind, const struct sr_hsm_place *place, bool extractable, struct rig_key *key);
void rig_key_clear(struct rig_key *key);

/** rig_operate(function, key, mechanism, in, len, out): a use from beginning to end. */
CK_RV rig_operate(enum sr_hsm_function function, struct sr_hsm_key *key, CK_MECHANISM *mechanism, const void *in,
	size_t len, struct sr_buf *out);
CK_RV rig_verify(
	struct sr_hsm_key *key, CK_MECHANISM *mechanism, const void *in, size_t len, const struct sr_buf *signature);

/** rig_assert_works(kind, key): it does what its kind is for. */
void rig_assert_works(int kind, const struct rig_key *key);

/** rig_look_away(away): SoftHSM2 2.6.1 loses 37 bytes each time that it makes or uses an Edwards or Montgomery key:
 *  LeakSanitizer, where it is there, looks away; in a test of such keys to its end. */
void rig_look_away(bool away);

#endif
