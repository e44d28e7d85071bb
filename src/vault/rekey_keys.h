/* A new generation of the wrap, mac and audit keys: begun, and every row brought under it in bounded steps. Part of
 * vault/rekey.h; docs/backup.md tells of it. */
#ifndef SR_VAULT_REKEY_KEYS_H
#define SR_VAULT_REKEY_KEYS_H

#include "vault/generations.h"
#include "vault/who.h"

#include <jansson.h>

/** struct sr_keys_begin: a generation on its way: the one after FROM, and the row of its audit key, signed by FROM's.
 */
struct sr_keys_begin {
	unsigned from;
	struct sr_audit_key_row row;
};

/** sr_keys_prepare(vault, begin, err): the HSM makes the keys after BEGIN->from. sr_keys_begin_run(vault, at, begin,
 *  err): in the act: from here on they are the newest. sr_keys_begin_clear(begin). */
CK_RV sr_keys_prepare(struct sr_vault *vault, struct sr_keys_begin *begin, struct sr_error *err);
CK_RV sr_keys_begin_run(
	struct sr_vault *vault, struct sr_moment *at, const struct sr_keys_begin *begin, struct sr_error *err);
void sr_keys_begin_clear(struct sr_keys_begin *begin);

/** sr_keys_unfinished(vault, at, span, unfinished, err): whether the newest generation was begun and not every row was
 *  brought under it yet; and whether there is room for another one (TOO_LARGE). */
CK_RV sr_keys_unfinished(struct sr_vault *vault, const struct sr_moment *at, struct sr_keys_span *span,
	bool *unfinished, struct sr_error *err);

/** struct sr_keys_needs: what needs each generation from SPAN.oldest on, and the names of the first few. */
enum sr_keys_need {
	SR_NEED_ROWS,
	SR_NEED_WRAPPED,
	SR_NEED_MATERIAL,
	SR_NEED_TOKENS,
	SR_NEED_AGENTS,
	SR_NEED_MEMBERS,
	SR_NEED_COUNT
};
struct sr_keys_needs {
	struct sr_keys_span span;
	struct {
		uint64_t count[SR_NEED_COUNT];
		char names[SR_NEED_COUNT][160];
	} by[SR_KEYS_ALIVE_MAX];
};

/** sr_keys_need_rows(vault, at, needs, err): every row is asked, in a look: not within a transaction that others wait
 *  for. sr_keys_need_hashes(vault, at, needs, err): what is keyed. */
CK_RV sr_keys_need_rows(
	struct sr_vault *vault, const struct sr_moment *at, struct sr_keys_needs *needs, struct sr_error *err);
CK_RV sr_keys_need_hashes(
	struct sr_vault *vault, const struct sr_moment *at, struct sr_keys_needs *needs, struct sr_error *err);

/** sr_keys_note_backup(vault, at, span, err): in a backup's job: the generations of SPAN are needed by it; refused
 *  (CHANGED_MEANWHILE) where one was retired since. */
CK_RV sr_keys_note_backup(
	struct sr_vault *vault, struct sr_moment *at, const struct sr_keys_span *span, struct sr_error *err);

/** sr_keys_numbers(vault, at, count, err): sr_keys_count with the numbers of backups. */
CK_RV sr_keys_numbers(struct sr_vault *vault, const struct sr_moment *at, uint64_t *count, struct sr_error *err);

/** sr_keys_describe(vault, list, newest, err): each generation, for hsm-status. */
CK_RV sr_keys_describe(struct sr_vault *vault, json_t *list, unsigned *newest, struct sr_error *err);

/** struct sr_keys_retiring: LOSE_BACKUPS, LOSE_MATERIAL: though backups need it, or resident keys are recognised by it.
 *  sr_keys_retire(caller, retiring, err): an hsm.retired event; then the HSM destroys the keys. */
struct sr_keys_retiring {
	unsigned generation;
	bool lose_backups, lose_material;
	bool again; /* it was retired, and the HSM may still have it */
	uint64_t late;
	struct sr_keys_needs *needs;
};
CK_RV sr_keys_retire(const struct sr_caller *caller, struct sr_keys_retiring *retiring, CK_RV rv, struct sr_error *err);

#endif
