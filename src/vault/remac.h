/* Every deciding row under another MAC: in bounded steps, row by row, with the event that made it as it was, so that
 * the state tree stays what it is. Whose keys verify and seal is the caller's to say. Private to this folder.
 *
 * Nothing is laundered: a row gets a new MAC only after the caller has verified the one that it has. */
#ifndef SR_VAULT_REMAC_H
#define SR_VAULT_REMAC_H

#include "store/deciding.h"
#include "vault/core.h"

#define SR_REMAC_STEP_MAX 64u

/** struct sr_remac_cursor: how far it has come; all zeros at the beginning. TABLE is SR_DECIDING_COUNT at the end,
 * AFTER the last row of TABLE that was seen; ROWS were seen so far, and LEFT of them left as they were. */
struct sr_remac_cursor {
	unsigned table;
	struct sr_deciding_key after;
	uint64_t rows, left;
};

/** struct sr_remac_row: a row on its way: what the state tree calls it, what its MAC covers, its mark, and the row
 * itself (a struct sr_secret_row, sr_key_row, ..., by TABLE). */
struct sr_remac_row {
	enum sr_deciding table;
	char subject[SR_SUBJECT_MAX];
	struct sr_buf packed;
	struct sr_mark *mark;
	void *row;
};

/** struct sr_remac_each: what is done with each row, in this order; anything but CKR_OK ends the walk.
 *  verify  MARK's MAC over PACKED and its event; sets LEAVE where the row stays as it is
 *  change  what else becomes another in the row; NULL: nothing does
 *  seal    the MAC over PACKED, which is packed anew by then */
struct sr_remac_each {
	CK_RV (*verify)(const struct sr_remac_row *row, bool *leave, void *ctx, struct sr_error *err);
	CK_RV (*change)(struct sr_remac_row *row, void *ctx, struct sr_error *err);
	CK_RV (*seal)(const struct sr_remac_row *row, uint8_t mac[SR_MAC_LEN], void *ctx, struct sr_error *err);
};

/** sr_remac_step(vault, tx, cursor, limit, each, ctx, err): the next LIMIT rows (1 to SR_REMAC_STEP_MAX) in the write
 *  transaction TX, or fewer at the end of a table. VAULT: whose rows they are (its id is packed with them). CURSOR is
 *  worth something only where the answer is CKR_OK. */
CK_RV sr_remac_step(struct sr_vault *vault, struct sr_tx *tx, struct sr_remac_cursor *cursor, unsigned limit,
	const struct sr_remac_each *each, void *ctx, struct sr_error *err);

/** sr_remac_cursor_say(cursor, out): TABLE and AFTER as text, for whoever asks for the next step: "table:first:second",
 * in hexadecimal. sr_remac_cursor_parse(text, len, cursor): whether it is such a text. */
#define SR_REMAC_CURSOR_TEXT (16 + 4 * (SR_PATH_MAX + 1))
void sr_remac_cursor_say(const struct sr_remac_cursor *cursor, char out[SR_REMAC_CURSOR_TEXT]);
bool sr_remac_cursor_parse(const char *text, size_t len, struct sr_remac_cursor *cursor);

bool sr_remac_done(const struct sr_remac_cursor *cursor);

#endif
