/* Generations of the seal key: a new one, everything re-sealed under it, an old one retired. Private to this folder.
 *
 * The state tree knows the newest generation and the oldest that was not retired. Whoever seals asks it inside the
 * transaction, so that from the moment a generation is the newest nothing is sealed under another, by whichever
 * process.
 */
#ifndef SR_VAULT_REKEY_H
#define SR_VAULT_REKEY_H

#include "vault/core.h"
#include "vault/objects.h"

#define SR_SEAL_META "seal-generation" /* the newest, for whoever opens the vault; what counts is the state tree */

/** sr_seal_generation(vault, at, generation, err): the newest, which seals. */
CK_RV sr_seal_generation(
	struct sr_vault *vault, const struct sr_moment *at, unsigned *generation, struct sr_error *err);

/** sr_seal_numbers(vault, at, count, err): how many numbers the state tree has of generations. */
CK_RV sr_seal_numbers(struct sr_vault *vault, const struct sr_moment *at, uint64_t *count, struct sr_error *err);

#define SR_KEYS_META                                                                                     \
	"key-generation" /* the same of the wrap, mac and audit keys, which have one generation together \
			  */

/** sr_generations_opening(vault, keys, seal, err): what SR_KEYS_META and SR_SEAL_META say, 1 without them: before the
 *  HSM's keys are loaded. */
CK_RV sr_generations_opening(struct sr_vault *vault, unsigned *keys, unsigned *seal, struct sr_error *err);

/** struct sr_seal_counts: versions by generation, as far as there are any. */
#define SR_SEAL_COUNTS_MAX 64
struct sr_seal_counts {
	struct {
		unsigned generation;
		uint64_t rows;
	} items[SR_SEAL_COUNTS_MAX];
	size_t count;
};
CK_RV sr_seal_count(struct sr_tx *tx, struct sr_seal_counts *counts, struct sr_error *err);

/** sr_seal_note_backup(vault, at, counts, generation, err): in a backup's job: the generations in COUNTS and GENERATION
 *  are needed by it. */
CK_RV sr_seal_note_backup(struct sr_vault *vault, struct sr_moment *at, const struct sr_seal_counts *counts,
	unsigned generation, struct sr_error *err);

/** sr_rekey_begin, _step, _status, _retire: jobs (vault/job.c). */
CK_RV sr_rekey_begin(const struct sr_caller *caller, const struct sr_attrs *template, struct sr_attrs *held,
	char **result, struct sr_error *err);
CK_RV sr_rekey_step(const struct sr_caller *caller, const struct sr_attrs *template, struct sr_attrs *held,
	char **result, struct sr_error *err);
CK_RV sr_rekey_status(const struct sr_caller *caller, const struct sr_attrs *template, struct sr_attrs *held,
	char **result, struct sr_error *err);
CK_RV sr_rekey_retire(const struct sr_caller *caller, const struct sr_attrs *template, struct sr_attrs *held,
	char **result, struct sr_error *err);

#endif
