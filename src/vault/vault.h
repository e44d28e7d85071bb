/* The vault: one directory, one HSM, one audit chain. Opened once in a process (embedded) or by the daemon. */
#ifndef SR_VAULT_VAULT_H
#define SR_VAULT_VAULT_H

#include "config/config.h"
#include "policy/address.h"
#include "util/error.h"

struct sr_vault;
struct sr_identity;

/** struct sr_caller: whose call this is, for policy and for the audit. IDENTITY NULL: nobody has logged in. FUNCTION:
 * the C_* name. */
struct sr_caller {
	struct sr_vault *vault;
	const struct sr_peer *peer;
	const char *function;
	struct sr_identity *identity;
};

/** struct sr_vault_counts: of this process, since the vault was opened: VALUES that were released, uses of KEYS, what
 * was DENIED and what ended in an ERROR, by the audit's records; RECORDS and COMMITS of the audit; HSM_*: as hsm/hsm.h.
 *  sr_vault_counts(vault, counts): waits for nothing. */
struct sr_vault_counts {
	unsigned long values, keys, denied, error, records, commits;
	unsigned long hsm_turns, hsm_failed, hsm_lost, hsm_busy;
};
void sr_vault_counts(const struct sr_vault *vault, struct sr_vault_counts *counts);

/** struct sr_vault_host: the server that holds the vault for others. REPORT: an object (jansson's) whose members become
 *  members of the status; NULL without memory. It is called by whatever thread makes a call, and by as many at once.
 *  sr_vault_set_host(vault, host): before the first call; HOST stays as long as the vault. */
struct json_t;
struct sr_vault_host {
	struct json_t *(*report)(void *arg);
	void *arg;
};
void sr_vault_set_host(struct sr_vault *vault, const struct sr_vault_host *host);

/** sr_vault_open(config, vault, err): takes the directory's lock, opens store and HSM, checks keys, chain, heads and
 * anchor. Any failure leaves nothing open; ERR says what and what to do. */
CK_RV sr_vault_open(const struct sr_config *config, struct sr_vault **vault, struct sr_error *err);

/** sr_vault_close(vault): seals the audit and closes; no call may be inside. NULL is allowed. */
void sr_vault_close(struct sr_vault *vault);

/** sr_vault_abandon(vault): in a forked child: touches nothing that the parent shares. */
void sr_vault_abandon(struct sr_vault *vault);

/** sr_vault_tend(vault): what is to be done now and then where nobody calls: sinks of the audit catch up. */
void sr_vault_tend(struct sr_vault *vault);

const char *sr_vault_id(const struct sr_vault *vault);   /* 16 hex digits */
const char *sr_vault_name(const struct sr_vault *vault); /* the default slot's token label */
bool sr_vault_read_by_listing(const struct sr_vault *vault);

/** sr_vault_is_there(vault): its HSM is, as far as was seen within the last second. */
bool sr_vault_is_there(struct sr_vault *vault);

/** sr_vault_random, sr_vault_seed: the HSM's generator (hsm/hsm.h). */
CK_RV sr_vault_random(struct sr_vault *vault, void *out, size_t len, struct sr_error *err);
CK_RV sr_vault_seed(struct sr_vault *vault, const void *seed, size_t len, struct sr_error *err);

/** sr_vault_create(plan, prompt, result, err): strongroom.h's sr_vault_create. PROMPT asks for the HSM's PIN where the
 *  plan's URI says so; NULL: refused. */
CK_RV sr_vault_create(const struct sr_vault_plan *plan, sr_pin_prompt prompt, char **result, struct sr_error *err);

/** sr_vault_restore(plan, current, result, err): strongroom.h's sr_vault_restore. CURRENT: the configuration whose HSM
 * is taken where PLAN names none; it has no HSM_URI where there is no file. */
CK_RV sr_vault_restore(
	const struct sr_restore_plan *plan, const struct sr_config *current, char **result, struct sr_error *err);

/** sr_vault_move(plan, current, result, err): strongroom.h's sr_vault_move. CURRENT: the configured vault. */
CK_RV sr_vault_move(
	const struct sr_move_plan *plan, const struct sr_config *current, char **result, struct sr_error *err);

/** sr_vault_probe, sr_vault_doctor: strongroom.h's functions of that name. CONFIG has no DIR where there is no file. */
CK_RV sr_vault_probe(const char *hsm_uri, const struct sr_config *config, char **result, struct sr_error *err);
CK_RV sr_vault_doctor(const struct sr_config *config, char **result, struct sr_error *err);

#endif
