/* Tokens in a vault of its own: issued, logged in with, revoked, shown; by members and by agents. */
#ifndef SR_TESTS_VAULT_TOKENS_FIXTURE_H
#define SR_TESTS_VAULT_TOKENS_FIXTURE_H

#include "tests/unit/vault_people.h"

#include <check.h>

extern struct vault_place tokens_place;

void tokens_setup(void);
void tokens_teardown(void);

#define expect(call, code, why)                                                                            \
	do {                                                                                               \
		sr_error_clear(&tokens_place.err);                                                         \
		CK_RV rv_ = (call);                                                                        \
		ck_assert_msg(rv_ == (code), "%s: %s: %s", #call, sr_rv_name(rv_), tokens_place.err.text); \
		ck_assert_msg(tokens_place.err.reason == SR_REASON_##why, "%s: reason %s", #call,          \
			sr_reason_name(tokens_place.err.reason));                                          \
	} while (0)

#define SECOND 1000ll
#define EVERYTHING "secrets:*:a/*\ntokens:issue:a/*"
#define ENDLESS "secrets:*:a/*\ntokens:issue:a/*\ntokens:issue:a/**"

/** tokens_issue(scopes, ttl, id, pin): by the present caller; ID and PIN may be NULL. tokens_step_down: who logs in
 * with it. */
void tokens_issue(const char *scopes, const char *ttl, char *id, char *pin);
void tokens_step_down(const char *scopes, const char *ttl, char *id);
void tokens_revoke(const char *id);

/** tokens_text(id, type, text): what the present caller sees. */
void tokens_text(const char *id, CK_ATTRIBUTE_TYPE type, const char *text);

/** tokens_recorded(kind, status, reason): what the audit says of the last call. */
void tokens_recorded(enum sr_event_kind kind, enum sr_status status, CK_ULONG reason);

/** tokens_make_owner(): an editor `owner` is there and logged in. tokens_agent_row(name, scopes): an agent of theirs;
 *  tokens_as_agent(name): one with EVERYTHING is there and logged in. */
void tokens_make_owner(void);
struct sr_agent_row tokens_agent_row(const char *name, const char *scopes);
void tokens_as_agent(const char *name);

#endif
