/* What the files about requests share: votes, events, a row looked at. */
#include "vault/approval_row.h"

#include "policy/lines.h"
#include "util/text.h"
#include "vault/key.h"

#include <stdio.h>
#include <string.h>

struct sr_now sr_moment_now(const struct sr_moment *at)
{
	struct sr_now now = at->now;
	if (now.wall_ms < at->not_before_ms)
		now.wall_ms = at->not_before_ms;
	return now;
}

/* -- votes ------------------------------------------------------------------------------------------------------- */

static bool read_vote(const char *line, size_t len, struct sr_vote *vote)
{
	const char *blank = memchr(line, ' ', len);
	size_t name_len = blank ? (size_t)(blank - line) : 0;
	if (!blank || !sr_name_valid(line, name_len) || name_len >= sizeof(vote->name))
		return false;
	memcpy(vote->name, line, name_len);
	vote->name[name_len] = '\0';
	return sr_text_u64(blank + 1, len - name_len - 1, INT64_MAX, &vote->event_id);
}

CK_RV sr_votes_read(const struct sr_approval_row *row, struct sr_votes *votes, struct sr_error *err)
{
	struct sr_lines lines = { row->votes, strlen(row->votes) };
	const char *line;
	size_t len;
	votes->count = 0;
	while (sr_lines_next(&lines, &line, &len)) {
		if (votes->count == SR_APPROVALS_MAX || !read_vote(line, len, &votes->items[votes->count]))
			return sr_fail(err, CKR_DEVICE_ERROR, SR_REASON_VAULT_CORRUPT,
				"approval:%s: its votes cannot be read; restore the database from a backup", row->id);
		votes->count++;
	}
	return CKR_OK;
}

bool sr_votes_write(const struct sr_votes *votes, struct sr_approval_row *row)
{
	size_t used = 0;
	row->votes[0] = '\0';
	for (size_t i = 0; i < votes->count; i++) {
		int len = snprintf(row->votes + used, sizeof(row->votes) - used, "%s%s %llu", i ? "\n" : "",
			votes->items[i].name, (unsigned long long)votes->items[i].event_id);
		if (len < 0 || (size_t)len >= sizeof(row->votes) - used)
			return false;
		used += (size_t)len;
	}
	return true;
}

/* What somebody approved before they were removed or demoted is void, as what they issued. */
static CK_RV approver_stands(struct sr_vault *vault, const struct sr_moment *at, const char *name, uint64_t event_id,
	uint32_t duties, bool *stands, struct sr_error *err)
{
	struct sr_member_row member;
	bool found = false;
	CK_RV rv = sr_rows_member(vault, at, name, &member, &found, err);
	*stands = rv == CKR_OK && found && member.active && member.cut <= event_id &&
		  (sr_role_duties(member.role) & duties) == duties;
	return rv;
}

CK_RV sr_votes_keep(struct sr_vault *vault, const struct sr_moment *at, struct sr_votes *votes, struct sr_error *err)
{
	CK_RV rv = CKR_OK;
	size_t kept = 0;
	for (size_t i = 0; rv == CKR_OK && i < votes->count; i++) {
		struct sr_vote vote = votes->items[i];
		bool stands;
		rv = approver_stands(vault, at, vote.name, vote.event_id, SR_DUTY_APPROVE, &stands, err);
		if (stands)
			votes->items[kept++] = vote;
	}
	votes->count = kept;
	return rv;
}

/* Who broke the glass did it in the event that made the row; only admins have the duty over members. */
CK_RV sr_approval_stands_by(struct sr_vault *vault, const struct sr_moment *at, const struct sr_approval_row *row,
	bool *holds, struct sr_error *err)
{
	struct sr_votes votes;
	if (row->break_glass)
		return approver_stands(vault, at, row->decided_by, row->mark.event_id, SR_DUTY_MEMBERS, holds, err);
	CK_RV rv = sr_votes_read(row, &votes, err);
	if (rv == CKR_OK)
		rv = sr_votes_keep(vault, at, &votes, err);
	*holds = rv == CKR_OK && votes.count >= row->needed;
	return rv;
}

/* -- events ------------------------------------------------------------------------------------------------------ */

const char *sr_approval_token_id(const struct sr_approval_row *row)
{
	static const char kind[] = "token:";
	return strncmp(row->target, kind, strlen(kind)) == 0 ? row->target + strlen(kind) : NULL;
}

void sr_approval_describe(struct sr_event *event, const struct sr_approval_row *row)
{
	struct sr_votes votes = { .count = 0 };
	const char *token = sr_approval_token_id(row);
	sr_votes_read(row, &votes, NULL);
	snprintf(event->path, sizeof(event->path), "%s", row->path);
	snprintf(event->tier, sizeof(event->tier), "%s", sr_tier_name(row->tier));
	if (token)
		snprintf(event->token_id, sizeof(event->token_id), "%.19s", token);
	sr_key_note(
		event, json_pack("{s:s, s:s, s:s, s:i, s:i, s:b, s:s, s:s}", "approval", row->id, "kind",
			       sr_approval_kind_word(row->kind), "state", sr_approval_state_word(row->state), "needed",
			       (int)row->needed, "have", (int)votes.count, "break_glass", (int)row->break_glass,
			       "target", row->target, "reason", row->decision[0] ? row->decision : row->reason));
}

/* -- looking ----------------------------------------------------------------------------------------------------- */

bool sr_approval_open(enum sr_stand stand)
{
	return stand == SR_STAND_PENDING || stand == SR_STAND_DELAYED || stand == SR_STAND_READY;
}

CK_RV sr_approval_gone(struct sr_error *err)
{
	return sr_fail(err, CKR_OBJECT_HANDLE_INVALID, SR_REASON_NOT_FOUND, "there is no such approval for you");
}

CK_RV sr_approval_load(struct sr_vault *vault, const struct sr_moment *at, const char *id, struct sr_approval_row *row,
	struct sr_error *err)
{
	bool found = false;
	CK_RV rv = sr_rows_approval(vault, at, id, row, &found, err);
	return rv == CKR_OK && !found ? sr_approval_gone(err) : rv;
}

CK_RV sr_approval_look(const struct sr_caller *caller, const char *id, struct sr_approval_row *row,
	enum sr_stand *stand, struct sr_error *err)
{
	struct sr_moment at;
	CK_RV rv = sr_writer_look(caller->vault->writer, &at, err);
	if (rv != CKR_OK)
		return rv;
	rv = sr_approval_load(caller->vault, &at, id, row, err);
	if (rv == CKR_OK)
		*stand = sr_approval_stand(row, &at);
	sr_writer_look_end(caller->vault->writer, &at);
	return rv;
}

bool sr_approval_may_see(const struct sr_caller *caller, const struct sr_approval_row *row)
{
	const struct sr_identity *who = caller->identity;
	char name[SR_NAME_MAX + 8];
	if (sr_who_duties(who) & SR_DUTY_APPROVALS_SEE)
		return true;
	if (who->type == SR_IDENTITY_MEMBER && strcmp(who->member.name, row->owner) == 0)
		return true;
	sr_who_name(who, name);
	return strcmp(name, row->requester) == 0;
}
