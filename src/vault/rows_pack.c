/* What the MAC of a deciding row covers: every field, under a label of its kind. */
#include "vault/rows.h"

#include "util/pack.h"

static void pack_end(const struct sr_end *end, struct sr_buf *out)
{
	sr_pack_u64(out, (uint64_t)end->wall_ms);
	sr_pack_u64(out, (uint64_t)end->boot_ms);
	sr_pack_text(out, end->boot_id);
}

void sr_rows_pack_secret(const struct sr_vault *vault, const struct sr_secret_row *row, struct sr_buf *out)
{
	/* what schema 3 did not know, where it is there */
	bool more = row->rotated_ms || row->expires_ms || row->oldest || row->graces[0];
	sr_pack_text(out, more ? "strongroom/row/secret/2" : "strongroom/row/secret/1");
	sr_pack_text(out, vault->id);
	sr_pack_text(out, row->path);
	sr_pack_text(out, row->uid);
	sr_pack_text(out, row->type);
	sr_pack_text(out, sr_tier_name(row->tier));
	sr_pack_u64(out, (uint64_t)row->state);
	sr_pack_u64(out, row->version);
	sr_pack_u64(out, (uint64_t)row->created_ms);
	sr_pack_u64(out, (uint64_t)row->updated_ms);
	sr_pack_bytes(out, row->application.data, row->application.len);
	sr_pack_bytes(out, row->object_id.data, row->object_id.len);
	if (more) {
		sr_pack_u64(out, (uint64_t)row->rotated_ms);
		sr_pack_u64(out, (uint64_t)row->expires_ms);
		sr_pack_u64(out, row->oldest);
		sr_pack_text(out, row->graces);
	}
	sr_pack_u64(out, row->mark.event_id);
}

void sr_rows_pack_key(const struct sr_vault *vault, const struct sr_key_row *row, struct sr_buf *out)
{
	/* what schema 4 did not know, where it is there */
	bool more = row->grace.wall_ms || row->grace.boot_ms || row->grace.boot_id[0];
	sr_pack_text(out, more ? "strongroom/row/key/2" : "strongroom/row/key/1");
	sr_pack_text(out, vault->id);
	sr_pack_text(out, row->path);
	sr_pack_text(out, sr_part_word(row->part));
	sr_pack_text(out, row->uid);
	sr_pack_u64(out, row->key_type);
	sr_pack_text(out, sr_custody_word(row->custody));
	sr_pack_text(out, sr_tier_name(row->tier));
	sr_pack_u64(out, (uint64_t)row->state);
	sr_pack_u64(out, (uint64_t)row->created_ms);
	sr_pack_u64(out, (uint64_t)row->updated_ms);
	sr_pack_bytes(out, row->id.data, row->id.len);
	sr_pack_bytes(out, row->attrs.data, row->attrs.len);
	sr_pack_bytes(out, row->blob.data, row->blob.len);
	sr_pack_bytes(out, row->material.data, row->material.len);
	if (more)
		pack_end(&row->grace, out);
	sr_pack_u64(out, row->mark.event_id);
}

void sr_rows_pack_token(const struct sr_vault *vault, const struct sr_token_row *row, struct sr_buf *out)
{
	/* what schema 2 did not know, where it is there */
	bool more = row->owner[0] || row->approval[0];
	sr_pack_text(out, more ? "strongroom/row/token/2" : "strongroom/row/token/1");
	sr_pack_text(out, vault->id);
	sr_pack_text(out, row->id);
	sr_pack_bytes(out, row->hash, sizeof(row->hash));
	sr_pack_bytes(out, row->scopes.data, row->scopes.len);
	sr_pack_bytes(out, row->allowed_ips.data, row->allowed_ips.len);
	sr_pack_bytes(out, row->description.data, row->description.len);
	sr_pack_text(out, row->issuer);
	sr_pack_text(out, row->parent);
	sr_pack_text(out, sr_tier_name(row->clearance));
	sr_pack_u64(out, (uint64_t)row->state);
	sr_pack_u64(out, row->max_uses);
	sr_pack_u64(out, (uint64_t)row->created_ms);
	sr_pack_u64(out, (uint64_t)row->ttl_ms);
	pack_end(&row->end, out);
	if (more) {
		sr_pack_text(out, row->owner);
		sr_pack_text(out, row->approval);
	}
	sr_pack_u64(out, row->mark.event_id);
}

void sr_rows_pack_member(const struct sr_vault *vault, const struct sr_member_row *row, struct sr_buf *out)
{
	bool more = row->allowed_ips[0] || row->made_by[0] || row->fresh.wall_ms || row->fresh.boot_ms ||
		    row->fresh.boot_id[0] || row->cut;
	sr_pack_text(out, more ? "strongroom/row/member/2" : "strongroom/row/member/1");
	sr_pack_text(out, vault->id);
	sr_pack_text(out, row->name);
	sr_pack_text(out, sr_role_name(row->role));
	sr_pack_u64(out, row->active);
	sr_pack_u64(out, row->log2n);
	sr_pack_u64(out, row->r);
	sr_pack_u64(out, row->p);
	sr_pack_bytes(out, row->salt, sizeof(row->salt));
	sr_pack_bytes(out, row->hash, sizeof(row->hash));
	sr_pack_u64(out, (uint64_t)row->created_ms);
	if (more) {
		sr_pack_text(out, row->allowed_ips);
		sr_pack_text(out, row->made_by);
		pack_end(&row->fresh, out);
		sr_pack_u64(out, row->cut);
	}
	sr_pack_u64(out, row->mark.event_id);
}

void sr_rows_pack_agent(const struct sr_vault *vault, const struct sr_agent_row *row, struct sr_buf *out)
{
	sr_pack_text(out, "strongroom/row/agent/1");
	sr_pack_text(out, vault->id);
	sr_pack_text(out, row->name);
	sr_pack_bytes(out, row->hash, sizeof(row->hash));
	sr_pack_bytes(out, row->old_hash, sizeof(row->old_hash));
	pack_end(&row->old_end, out);
	sr_pack_bytes(out, row->scopes.data, row->scopes.len);
	sr_pack_bytes(out, row->allowed_ips.data, row->allowed_ips.len);
	sr_pack_bytes(out, row->description.data, row->description.len);
	sr_pack_u64(out, (uint64_t)row->max_ttl_ms);
	sr_pack_u64(out, row->max_uses);
	pack_end(&row->end, out);
	sr_pack_text(out, sr_agent_state_word(row->state));
	sr_pack_text(out, row->owner);
	sr_pack_u64(out, (uint64_t)row->created_ms);
	sr_pack_u64(out, row->cut);
	sr_pack_u64(out, row->mark.event_id);
}

void sr_rows_pack_policy(const struct sr_vault *vault, const struct sr_policy_row *row, struct sr_buf *out)
{
	sr_pack_text(out, "strongroom/row/policy/1");
	sr_pack_text(out, vault->id);
	sr_pack_text(out, sr_tier_name(row->tier));
	sr_pack_text(out, row->glob);
	sr_pack_u64(out, row->active);
	sr_pack_u64(out, row->approvals);
	sr_pack_u64(out, (uint64_t)row->delay_ms);
	sr_pack_u64(out, (uint64_t)row->timeout_ms);
	sr_pack_u64(out, row->break_glass);
	sr_pack_u64(out, row->each_use);
	sr_pack_text(out, row->author);
	sr_pack_u64(out, (uint64_t)row->created_ms);
	sr_pack_u64(out, (uint64_t)row->updated_ms);
	sr_pack_u64(out, row->mark.event_id);
}

void sr_rows_pack_rotation(const struct sr_vault *vault, const struct sr_rotation_row *row, struct sr_buf *out)
{
	sr_pack_text(out, "strongroom/row/rotation/1");
	sr_pack_text(out, vault->id);
	sr_pack_text(out, row->glob);
	sr_pack_u64(out, row->active);
	sr_pack_u64(out, (uint64_t)row->period_ms);
	sr_pack_text(out, row->author);
	sr_pack_u64(out, (uint64_t)row->created_ms);
	sr_pack_u64(out, (uint64_t)row->updated_ms);
	sr_pack_u64(out, row->mark.event_id);
}

void sr_rows_pack_freeze(const struct sr_vault *vault, const struct sr_freeze_row *row, struct sr_buf *out)
{
	sr_pack_text(out, "strongroom/row/freeze/1");
	sr_pack_text(out, vault->id);
	sr_pack_text(out, row->path);
	sr_pack_u64(out, row->active);
	sr_pack_text(out, sr_tier_name(row->tier));
	sr_pack_text(out, row->author);
	sr_pack_text(out, row->reason);
	sr_pack_u64(out, (uint64_t)row->created_ms);
	sr_pack_u64(out, (uint64_t)row->updated_ms);
	sr_pack_u64(out, row->mark.event_id);
}

void sr_rows_pack_approval(const struct sr_vault *vault, const struct sr_approval_row *row, struct sr_buf *out)
{
	sr_pack_text(out, "strongroom/row/approval/1");
	sr_pack_text(out, vault->id);
	sr_pack_text(out, row->id);
	sr_pack_text(out, sr_approval_kind_word(row->kind));
	sr_pack_text(out, row->target);
	sr_pack_text(out, row->change);
	sr_pack_u64(out, row->base);
	sr_pack_text(out, row->path);
	sr_pack_text(out, sr_tier_name(row->tier));
	sr_pack_u64(out, row->needed);
	sr_pack_u64(out, (uint64_t)row->delay_ms);
	sr_pack_u64(out, (uint64_t)row->ttl_ms);
	sr_pack_text(out, row->requester);
	sr_pack_text(out, row->owner);
	sr_pack_text(out, row->reason);
	sr_pack_u64(out, (uint64_t)row->created_ms);
	pack_end(&row->deadline, out);
	pack_end(&row->ready, out);
	pack_end(&row->end, out);
	sr_pack_text(out, sr_approval_state_word(row->state));
	sr_pack_text(out, row->votes);
	sr_pack_text(out, row->decided_by);
	sr_pack_text(out, row->decision);
	sr_pack_u64(out, row->break_glass);
	sr_pack_u64(out, row->mark.event_id);
}

void sr_rows_aad(const struct sr_vault *vault, const struct sr_secret_row *secret, const struct sr_version_row *version,
	struct sr_buf *aad)
{
	sr_pack_text(aad, "strongroom/secret-value/1");
	sr_pack_text(aad, vault->id);
	sr_pack_text(aad, secret->path);
	sr_pack_text(aad, secret->uid);
	sr_pack_u64(aad, version->version);
	sr_pack_text(aad, sr_tier_name(version->tier));
	sr_pack_text(aad, version->type);
}
