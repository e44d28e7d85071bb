/* The wrap, mac and audit keys of other generations than the newest, and how a newer one takes its place. */
#include "hsm/internal.h"

#include <string.h>

/* With the SoftHSM2 lock. */
static CK_RV find_core(const struct sr_hsm_turn *turn, const struct sr_hsm *hsm, unsigned generation,
	struct sr_hsm_keys *found, struct sr_error *err)
{
	static const enum sr_hsm_role roles[] = { SR_ROLE_WRAP, SR_ROLE_MAC, SR_ROLE_AUDIT };
	CK_RV rv = CKR_OK;
	for (size_t i = 0; rv == CKR_OK && i < 3; i++)
		rv = sr_keys_find_role(turn, hsm, roles[i], generation, found, err);
	if (rv != CKR_OK)
		sr_keys_destroy_copies(turn, found);
	return rv;
}

/* Where GENERATION is kept: in its own place, a free one, or that of the lowest. */
static struct sr_core_key *place_of_core(struct sr_hsm_keys *keys, unsigned generation)
{
	struct sr_core_key *lowest = &keys->cores[0];
	for (size_t i = 0; i < SR_HSM_CORES_MAX; i++) {
		if (keys->cores[i].generation == generation)
			return &keys->cores[i];
		if (keys->cores[i].generation < lowest->generation)
			lowest = &keys->cores[i];
	}
	return lowest;
}

/* The copy whose place is taken stays until the sessions go: a thread may be about to use it. */
static void keep_core(struct sr_hsm_keys *keys, const struct sr_hsm_keys *from, unsigned generation)
{
	struct sr_core_key *core = place_of_core(keys, generation);
	*core = (struct sr_core_key){ .generation = generation,
		.wrap = from->use[SR_ROLE_WRAP],
		.mac = from->use[SR_ROLE_MAC],
		.mac_copied = from->copied[SR_ROLE_MAC] };
	memcpy(core->point, from->point, sizeof(core->point));
}

static const struct sr_core_key *core_of(const struct sr_hsm_keys *keys, unsigned generation)
{
	for (size_t i = 0; i < SR_HSM_CORES_MAX; i++) {
		if (keys->cores[i].generation == generation)
			return &keys->cores[i];
	}
	return NULL;
}

/* From the newest down: they are destroyed from the oldest up. One that is not there, or not ours, opens nothing. */
CK_RV sr_keys_find_older(const struct sr_hsm_turn *turn, const struct sr_hsm *hsm, struct sr_hsm_keys *keys)
{
	for (unsigned i = 1; i < SR_HSM_CORES_MAX && i < keys->generation; i++) {
		struct sr_hsm_keys found = { .generation = 0 };
		struct sr_error why = SR_ERROR_INIT;
		if (core_of(keys, keys->generation - i))
			continue;
		CK_RV rv = find_core(turn, hsm, keys->generation - i, &found, &why);
		if (rv != CKR_OK)
			return why.rv == CKR_OK && sr_hsm_is_lost(rv) ? rv : CKR_OK;
		keep_core(keys, &found, keys->generation - i);
	}
	return CKR_OK;
}

CK_RV sr_keys_find_core(struct sr_hsm *hsm, unsigned generation, struct sr_error *err)
{
	const struct sr_hsm_turn turn = { .module = hsm->backend.module, .slot = hsm->slot, .session = hsm->keeper };
	struct sr_hsm_keys found = { .generation = 0 };
	int lock = sr_softhsm_lock(hsm->backend.softhsm_conf, false);
	CK_RV rv = find_core(&turn, hsm, generation, &found, err);
	sr_softhsm_unlock(lock);
	if (rv == CKR_OK)
		keep_core(&hsm->keys, &found, generation);
	return rv;
}

static void use_core(struct sr_hsm_keys *keys, const struct sr_hsm_keys *found)
{
	static const enum sr_hsm_role roles[] = { SR_ROLE_WRAP, SR_ROLE_MAC, SR_ROLE_AUDIT };
	struct sr_core_key *core = place_of_core(keys, found->generation);
	if (core->generation == found->generation)
		core->generation = 0;
	for (size_t i = 0; i < 3; i++) {
		keys->use[roles[i]] = found->use[roles[i]];
		keys->copied[roles[i]] = found->copied[roles[i]];
	}
	memcpy(keys->point, found->point, sizeof(keys->point));
	keys->generation = found->generation;
}

CK_RV sr_keys_advance(struct sr_hsm *hsm, unsigned generation, struct sr_error *err)
{
	const struct sr_hsm_turn turn = { .module = hsm->backend.module, .slot = hsm->slot, .session = hsm->keeper };
	struct sr_hsm_keys found = { .generation = generation };
	struct sr_hsm_witness was = hsm->witness;
	int lock = sr_softhsm_lock(hsm->backend.softhsm_conf, false);
	CK_RV rv = find_core(&turn, hsm, generation, &found, err);
	hsm->witness.generation = 0;
	if (rv == CKR_OK)
		rv = sr_keys_check_witness(&turn, hsm, &found, err);
	sr_softhsm_unlock(lock);
	if (rv != CKR_OK) {
		hsm->witness = was;
		return rv;
	}
	if (hsm->seal_from == 0)
		hsm->seal_from = hsm->wanted;
	keep_core(&hsm->keys, &hsm->keys, hsm->keys.generation);
	use_core(&hsm->keys, &found);
	hsm->wanted = generation;
	atomic_store(&hsm->generation, generation);
	lock = sr_softhsm_lock(hsm->backend.softhsm_conf, false);
	rv = sr_keys_find_older(&turn, hsm, &hsm->keys); /* where more than one has begun meanwhile */
	sr_softhsm_unlock(lock);
	return rv;
}

CK_OBJECT_HANDLE sr_keys_wrap(const struct sr_hsm_keys *keys, unsigned generation)
{
	if (generation == 0 || generation == keys->generation)
		return keys->use[SR_ROLE_WRAP];
	const struct sr_core_key *core = core_of(keys, generation);
	return core ? core->wrap : 0;
}

CK_OBJECT_HANDLE sr_keys_mac(const struct sr_hsm_keys *keys, unsigned generation)
{
	if (generation == 0 || generation == keys->generation)
		return keys->use[SR_ROLE_MAC];
	const struct sr_core_key *core = core_of(keys, generation);
	return core ? core->mac : 0;
}

const uint8_t *sr_keys_point(const struct sr_hsm_keys *keys, unsigned generation)
{
	if (generation == 0 || generation == keys->generation)
		return keys->point;
	const struct sr_core_key *core = core_of(keys, generation);
	return core ? core->point : NULL;
}

/* The lowest from GENERATION on that the HSM has; GENERATION itself where it has none. */
static unsigned find_lowest(
	const struct sr_hsm_turn *turn, const struct sr_hsm *hsm, enum sr_hsm_role role, unsigned generation)
{
	char label[SR_HSM_LABEL_MAX];
	CK_OBJECT_HANDLE found[1];
	CK_ULONG count = 0;
	for (unsigned i = 0; i <= SR_HSM_CORES_MAX; i++) {
		sr_key_label(hsm->vault_id, role, generation + i, label);
		if (sr_object_find_label(turn, sr_key_class(role), label, found, 1, &count) == CKR_OK && count > 0)
			return generation + i;
	}
	return generation;
}

/* Another process may have begun a newer generation and retired this one, while we did not ask the database. Which is
 * the newest it says afterwards, and what it stands under has to be by that. */
CK_RV sr_keys_find_newer(struct sr_hsm *hsm, CK_RV rv, struct sr_error *err)
{
	const struct sr_hsm_turn turn = { .module = hsm->backend.module, .slot = hsm->slot, .session = hsm->keeper };
	const struct sr_hsm_witness was = hsm->witness;
	unsigned wanted = hsm->wanted, seal = hsm->seal_from ? hsm->seal_from : hsm->wanted;
	if (was.generation == 0)
		return rv;
	int lock = sr_softhsm_lock(hsm->backend.softhsm_conf, false);
	unsigned newer = find_lowest(&turn, hsm, SR_ROLE_AUDIT, wanted);
	unsigned newer_seal = find_lowest(&turn, hsm, SR_ROLE_SEAL, seal);
	sr_softhsm_unlock(lock);
	if (newer == wanted && newer_seal == seal)
		return rv;
	struct sr_error why = SR_ERROR_INIT;
	hsm->wanted = newer;
	hsm->seal_from = newer_seal;
	if (newer != wanted)
		hsm->witness.generation = 0;
	CK_RV found = sr_keys_find(hsm, &why);
	if (found == CKR_OK) {
		sr_error_clear(err);
		return CKR_OK;
	}
	hsm->wanted = wanted;
	hsm->seal_from = seal;
	hsm->witness = was;
	return rv;
}
