/* Where one audit chain lives. Internal to src/audit. */
#ifndef SR_AUDIT_PLACE_H
#define SR_AUDIT_PLACE_H

#include "audit/writer.h"

/** struct sr_place: where one chain lives. Everything but CHAIN_ID is borrowed. EPOCH: how often it was restored. */
struct sr_place {
	struct sr_store *store;
	struct sr_hsm *hsm;
	const char *vault_id;
	const char *heads_path;
	char chain_id[SR_CHAIN_ID_MAX];
	uint64_t epoch;
};

/** sr_place_find(config, place, err): CONFIG's chain, by the id in the database; VAULT_INCOMPLETE without one. */
CK_RV sr_place_find(const struct sr_writer_config *config, struct sr_place *place, struct sr_error *err);

#endif
