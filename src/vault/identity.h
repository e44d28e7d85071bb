/* Who has logged in: a member, a scoped token or an agent, and what that lets them do. */
#ifndef SR_VAULT_IDENTITY_H
#define SR_VAULT_IDENTITY_H

#include "policy/scope.h"
#include "policy/tier.h"
#include "vault/vault.h"

/** sr_login(caller, user_type, name, pin, identity, err): CALLER->identity is NULL. The pin is `srt_…`, `srk_…` or
 *  `name:passphrase`; with NAME (C_LoginUser) the passphrase alone. One session.login event, allowed or denied, is
 * durable before this answers. Codes as design §3; every refusal that could tell an unknown from a wrong one has the
 * reason LOGIN_REFUSED, and only the audit says more. Takes as long as scrypt for a member: hold no lock. The identity
 * starts with one reference. */
CK_RV sr_login(const struct sr_caller *caller, CK_USER_TYPE user_type, const void *name, size_t name_len,
	const void *pin, size_t pin_len, struct sr_identity **identity, struct sr_error *err);

/** sr_wait_begin(caller, pin): a token that was refused because it waits for its approval: for whoever waits with it.
 *  NULL where it is no such token, or that cannot be told: then a login says why. sr_wait_goes_on(caller, wait):
 * whether it is still pending, or approved and the delay runs; false too when that cannot be told. Costs a glance, and
 * a look where the vault has moved; leaves no event. sr_wait_end(wait): NULL is allowed. */
struct sr_wait;
struct sr_wait *sr_wait_begin(const struct sr_caller *caller, const void *pin, size_t pin_len);
bool sr_wait_goes_on(const struct sr_caller *caller, struct sr_wait *wait);
void sr_wait_end(struct sr_wait *wait);

/** sr_logout(caller, err): the session.logout event; the identity stays the caller's to release. */
CK_RV sr_logout(const struct sr_caller *caller, struct sr_error *err);

/** sr_login_lapsed(caller, reason): the login of CALLER->identity has ended by itself, as a call found: one record,
 * token.expired with REASON, of a member or an agent session.logout. Nothing was released, so it holds nobody up where
 * it cannot be written. */
void sr_login_lapsed(const struct sr_caller *caller, CK_ULONG reason);

/** sr_identity_check(caller, err): CKR_OK, or CKR_USER_NOT_LOGGED_IN with the reason EXPIRED, REVOKED, USED_UP (or the
 *  store's trouble): reads the standing, and where anything has changed since the last time the token and its ancestors
 *  again, by one index look-up each. Call it before each call that relies on the login. */
CK_RV sr_identity_check(const struct sr_caller *caller, struct sr_error *err);

/** sr_identity_counts(identity): whether its uses are counted: by its own limit, or perhaps an ancestor's. */
bool sr_identity_counts(const struct sr_identity *identity);

struct sr_identity *sr_identity_ref(struct sr_identity *identity);
void sr_identity_unref(struct sr_identity *identity); /* NULL is allowed; the last one cleanses */

/** sr_set_passphrase(caller, old, new, err): C_SetPIN for the member who is logged in (else CKR_USER_NOT_LOGGED_IN /
 *  CKR_FUNCTION_NOT_SUPPORTED for tokens). OLD may be the passphrase or "name:passphrase". */
CK_RV sr_set_passphrase(const struct sr_caller *caller, const void *old_pin, size_t old_len, const void *new_pin,
	size_t new_len, struct sr_error *err);

#endif
