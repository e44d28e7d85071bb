/* A vault of its own for each test: created on a SoftHSM2 token, opened, one clock that tests move.
 */
#ifndef SR_TESTS_VAULT_PLACE_H
#define SR_TESTS_VAULT_PLACE_H

#include "tests/unit/vault_template.h"
#include "store/event.h"
#include "vault/identity.h"
#include "vault/objects.h"

#define PASSPHRASE VAULT_PASSPHRASE

/** struct vault_place: CALLER is nobody's until somebody logs in. */
struct vault_place {
	char dir[64];
	struct sr_config config;
	struct sr_vault *vault;
	struct sr_peer peer;
	struct sr_caller caller;
	struct sr_error err;
};

void vault_place_make(struct vault_place *place);
void vault_place_reopen(struct vault_place *place);
void vault_place_remove(struct vault_place *place);

/** vault_login(place, pin): the code; on CKR_OK the place's caller is who logged in (whoever was before is released).
 */
CK_RV vault_login(struct vault_place *place, const char *pin);
void vault_login_admin(struct vault_place *place);

/** vault_put, vault_get: through the class of data objects, as the call layer does it. VALUE holds 256 bytes. */
CK_RV vault_put(struct vault_place *place, const char *path, const char *value, const char *tier);
CK_RV vault_get(struct vault_place *place, const char *path, char *value);

/** vault_issue(place, scope, ttl, uses, ips, pin): a token by the present caller; texts may be NULL. PIN holds 64
 * bytes. */
CK_RV vault_issue(
	struct vault_place *place, const char *scope, const char *ttl, const char *uses, const char *ips, char *pin);

/** vault_count(place, class, attribute, text): how many objects a search finds. */
int vault_count(struct vault_place *place, CK_OBJECT_CLASS object_class, CK_ATTRIBUTE_TYPE type, const char *text);

/** vault_find_one(place, class, attribute, text, id): the id of the one object that a search finds. */
void vault_find_one(struct vault_place *place, CK_OBJECT_CLASS object_class, CK_ATTRIBUTE_TYPE type, const char *text,
	char id[SR_OBJECT_ID_MAX]);

/** vault_event(place, seq, event): record SEQ, the newest for 0. Answers its number. */
uint64_t vault_event(struct vault_place *place, uint64_t seq, struct sr_event *event);

/** vault_sql(place, format, …): somebody's hand in the database, behind the vault's back. A schema `kept` is at hand
 * for rows to be put back later. */
void vault_sql(struct vault_place *place, const char *format, ...) __attribute__((format(printf, 2, 3)));

/** vault_clock_move(wall_ms, boot_ms, reboot): moves the clocks from where they are; REBOOT gives a new boot id. */
void vault_clock_move(int64_t wall_ms, int64_t boot_ms, bool reboot);

#endif
