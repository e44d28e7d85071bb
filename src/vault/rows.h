/* What is packed of a deciding row for its MAC. Private to rows.c, rows_pack.c, remac.c and rekey_keys.c. */
#ifndef SR_VAULT_ROWS_H
#define SR_VAULT_ROWS_H

#include "vault/core.h"

void sr_rows_pack_secret(const struct sr_vault *vault, const struct sr_secret_row *row, struct sr_buf *out);
void sr_rows_pack_key(const struct sr_vault *vault, const struct sr_key_row *row, struct sr_buf *out);
void sr_rows_pack_token(const struct sr_vault *vault, const struct sr_token_row *row, struct sr_buf *out);
void sr_rows_pack_member(const struct sr_vault *vault, const struct sr_member_row *row, struct sr_buf *out);
void sr_rows_pack_agent(const struct sr_vault *vault, const struct sr_agent_row *row, struct sr_buf *out);
void sr_rows_pack_policy(const struct sr_vault *vault, const struct sr_policy_row *row, struct sr_buf *out);
void sr_rows_pack_rotation(const struct sr_vault *vault, const struct sr_rotation_row *row, struct sr_buf *out);
void sr_rows_pack_freeze(const struct sr_vault *vault, const struct sr_freeze_row *row, struct sr_buf *out);
void sr_rows_pack_approval(const struct sr_vault *vault, const struct sr_approval_row *row, struct sr_buf *out);

/** sr_rows_check_mark(vault, at, subject, packed, mark, err): PACKED has MARK's MAC, and the state tree names MARK's
 * event for SUBJECT. */
CK_RV sr_rows_check_mark(struct sr_vault *vault, const struct sr_moment *at, const char *subject,
	const struct sr_buf *packed, const struct sr_mark *mark, struct sr_error *err);

#endif
