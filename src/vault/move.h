/* A vault on its way to another HSM: what the files move*.c share. Private to this folder.
 *
 * The vault stays as it is, but for one record. A copy of its database goes to a new directory; there each row gets its
 * MAC by the new HSM's key after the old one has verified the one that it has, each value is opened by the old HSM and
 * sealed by the new one, each wrapped key goes over inside a transport (hsm/transport.h), and the chain goes on in a
 * new epoch under the new audit key, which the old one has signed. */
#ifndef SR_VAULT_MOVE_H
#define SR_VAULT_MOVE_H

#include "hsm/transport.h"
#include "vault/core.h"
#include "vault/epoch.h"
#include "vault/newdir.h"

#include <jansson.h>

/** struct sr_moving: FROM the vault, TO what it becomes. KEYS, SEAL: the generations there. NOTED: the new HSM has a
 * note of this move, and so perhaps keys of it. AT: what FROM's HSM vouches for in the copy; its TX is set for each
 * step. HEAD: where the copy ends. RESIDENT: keys that stay behind; FORGOTTEN: members who need a new passphrase. */
struct sr_moving {
	const struct sr_move_plan *plan;
	struct sr_newdir dir;
	struct sr_config config;
	struct sr_vault *from, *to;
	struct sr_peer peer;
	struct sr_caller caller, arrived;
	unsigned keys, seal;
	bool noted, made;
	struct sr_transport *transport;
	struct sr_moment at;
	struct sr_head head;
	struct sr_hsm_identity hsm;
	struct sr_epoch epoch;
	uint64_t record, rows, values, wrapped;
	json_t *resident, *forgotten;
};

/** sr_move_progress(moving, what, done, total) */
void sr_move_progress(const struct sr_moving *moving, const char *what, uint64_t done, uint64_t total);

/* -- the new HSM (move_hsm.c) ------------------------------------------------------------------------------------- */
/** sr_move_open_hsm(moving, err): TO->hsm is open, another token than FROM's, can what it takes, and has nothing of
 * this vault: what a move that was killed left in it is taken away. sr_move_make_keys(moving, err): its keys are made
 * and loaded. sr_move_settle(moving): it is done: the note goes. sr_move_unmake_keys(moving): nothing of this move is
 * left in it. */
CK_RV sr_move_open_hsm(struct sr_moving *moving, struct sr_error *err);
CK_RV sr_move_make_keys(struct sr_moving *moving, struct sr_error *err);
void sr_move_settle(struct sr_moving *moving);
void sr_move_unmake_keys(struct sr_moving *moving);

/* -- what is in the copy (move_rows.c) ---------------------------------------------------------------------------- */
/** sr_move_rows(moving, err), sr_move_values(moving, err): in bounded steps. The first row that does not verify, and
 * the first value that does not open, ends it. */
CK_RV sr_move_rows(struct sr_moving *moving, struct sr_error *err);
CK_RV sr_move_values(struct sr_moving *moving, struct sr_error *err);

#endif
