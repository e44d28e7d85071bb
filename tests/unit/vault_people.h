/* Members, agents and tokens for the tests of what they may issue: their rows written as the vault writes them, and
 * their logins without a passphrase or key. */
#ifndef SR_TESTS_VAULT_PEOPLE_H
#define SR_TESTS_VAULT_PEOPLE_H

#include "tests/unit/vault_place.h"
#include "vault/core.h"

/** people_member(place, name, role): a new member; people_agent(place, row): a new agent, ROW filled by the caller but
 *  for its mark; people_token(place, row): a new token likewise. Who logs in is the caller's to release. */
struct sr_identity *people_member(struct vault_place *place, const char *name, enum sr_role role);
struct sr_identity *people_agent(struct vault_place *place, struct sr_agent_row *row);
struct sr_identity *people_token(struct vault_place *place, struct sr_token_row *row);

/** people_login(place, id): a token that was issued. */
struct sr_identity *people_login(struct vault_place *place, const char *id);

/** people_as(place, identity): the place's caller from now on; takes the reference. */
void people_as(struct vault_place *place, struct sr_identity *identity);

/** people_cut_member(place, name, active): removed, or (ACTIVE) demoted to viewer; people_cut_agent(place, name): not
 *  active any more. What they issued before is void. */
void people_cut_member(struct vault_place *place, const char *name, bool active);
void people_cut_agent(struct vault_place *place, const char *name);

/** people_decide(place, id, state, end_ms): what became of an approval; in effect it ends after END_MS. */
void people_decide(struct vault_place *place, const char *id, enum sr_approval_state state, int64_t end_ms);

/** struct wish: a token that is asked for; NULL: not named. */
struct wish {
	const char *scopes, *ttl, *uses, *ips, *approval, *description;
};

/** people_issue(place, wish, id, pin): by the place's caller. ID holds SR_ID_MAX, PIN 64 bytes; both may be NULL. */
CK_RV people_issue(struct vault_place *place, const struct wish *wish, char *id, char *pin);

/** people_row(place, id, row), people_approval(place, id, row): the row as the vault proves it. */
void people_row(struct vault_place *place, const char *id, struct sr_token_row *row);
void people_approval(struct vault_place *place, const char *id, struct sr_approval_row *row);

/** people_text(place, id, type, text): an attribute of a token as the caller sees it, 256 bytes; "" where there is
 * none. */
CK_RV people_text(struct vault_place *place, const char *id, CK_ATTRIBUTE_TYPE type, char text[256]);

/** people_event(place): the newest record. */
struct sr_event people_event(struct vault_place *place);

#endif
