/* The words of rows, and giving back what rows own. A cleared row is all zeros, so clearing twice is safe. */
#include "store/rows.h"

const char *sr_part_word(unsigned part)
{
	static const char *const words[SR_PART_COUNT] = { "private", "public", "secret", "certificate",
		"former-private", "former-public", "former-secret" };
	return part < SR_PART_COUNT ? words[part] : "unknown";
}

enum sr_part sr_part_base(enum sr_part part)
{
	switch (part) {
	case SR_PART_FORMER_PRIVATE:
		return SR_PART_PRIVATE;
	case SR_PART_FORMER_PUBLIC:
		return SR_PART_PUBLIC;
	case SR_PART_FORMER_SECRET:
		return SR_PART_SECRET;
	default:
		return part;
	}
}

enum sr_part sr_part_former(enum sr_part part)
{
	switch (part) {
	case SR_PART_PRIVATE:
		return SR_PART_FORMER_PRIVATE;
	case SR_PART_PUBLIC:
		return SR_PART_FORMER_PUBLIC;
	case SR_PART_SECRET:
		return SR_PART_FORMER_SECRET;
	default:
		return part;
	}
}

const char *sr_custody_word(unsigned custody)
{
	static const char *const words[SR_CUSTODY_COUNT] = { "resident", "wrapped", "open" };
	return custody < SR_CUSTODY_COUNT ? words[custody] : "unknown";
}

const char *sr_agent_state_word(unsigned state)
{
	static const char *const words[SR_AGENT_STATE_COUNT] = { "active", "suspended", "revoked" };
	return state < SR_AGENT_STATE_COUNT ? words[state] : "unknown";
}

const char *sr_approval_kind_word(unsigned kind)
{
	static const char *const words[SR_APPROVAL_KIND_COUNT] = { "token", "policy", "tier", "use", "release" };
	return kind < SR_APPROVAL_KIND_COUNT ? words[kind] : "unknown";
}

const char *sr_approval_state_word(unsigned state)
{
	static const char *const words[SR_APPROVAL_STATE_COUNT] = { "pending", "approved", "in_effect", "denied",
		"canceled", "timed_out", "expired" };
	return state < SR_APPROVAL_STATE_COUNT ? words[state] : "unknown";
}

void sr_secret_row_clear(struct sr_secret_row *row)
{
	sr_buf_clear(&row->application);
	sr_buf_clear(&row->object_id);
	*row = (struct sr_secret_row){ 0 };
}

void sr_version_row_clear(struct sr_version_row *row)
{
	sr_buf_clear(&row->sealed);
	*row = (struct sr_version_row){ 0 };
}

void sr_key_row_clear(struct sr_key_row *row)
{
	sr_buf_clear(&row->id);
	sr_buf_clear(&row->attrs);
	sr_buf_clear(&row->blob);
	sr_buf_clear(&row->material);
	*row = (struct sr_key_row){ 0 };
}

void sr_token_row_clear(struct sr_token_row *row)
{
	sr_buf_clear(&row->scopes);
	sr_buf_clear(&row->allowed_ips);
	sr_buf_clear(&row->description);
	*row = (struct sr_token_row){ 0 };
}

void sr_agent_row_clear(struct sr_agent_row *row)
{
	sr_buf_clear(&row->scopes);
	sr_buf_clear(&row->allowed_ips);
	sr_buf_clear(&row->description);
	*row = (struct sr_agent_row){ 0 };
}

void sr_audit_key_row_clear(struct sr_audit_key_row *row)
{
	sr_buf_clear(&row->spki);
	sr_buf_clear(&row->signature);
	*row = (struct sr_audit_key_row){ 0 };
}
