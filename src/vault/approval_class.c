/* Requests as objects: found, seen, decided. */
#include "vault/approval_row.h"

#include <stdio.h>
#include <string.h>

#define SETTLE_MAX 32 /* timeouts recorded by one search */

/* -- showing ----------------------------------------------------------------------------------------------------- */

static void put_present(struct sr_attrs *attrs, CK_ATTRIBUTE_TYPE type, const char *text)
{
	if (text[0])
		sr_attrs_put_text(attrs, type, text);
}

static void put_votes(struct sr_attrs *attrs, const struct sr_votes *votes)
{
	char names[SR_VOTES_MAX + 1] = "";
	size_t used = 0;
	for (size_t i = 0; i < votes->count; i++)
		used += (size_t)snprintf(
			names + used, sizeof(names) - used, "%s%s", i ? "\n" : "", votes->items[i].name);
	put_present(attrs, CKA_SR_VOTES, names);
	sr_attrs_put_number(attrs, CKA_SR_HAVE, votes->count);
}

static void put_decision(struct sr_attrs *attrs, const struct sr_approval_row *row)
{
	if (row->ready.wall_ms)
		sr_attrs_put_time(attrs, CKA_SR_NOT_BEFORE, row->ready.wall_ms);
	put_present(attrs, CKA_SR_DECISION, row->decision);
	put_present(attrs, CKA_SR_DECIDED_BY, row->decided_by);
	if (row->break_glass)
		sr_attrs_put_text(attrs, CKA_SR_BREAK_GLASS, "true");
}

static void put_request(struct sr_attrs *attrs, const struct sr_approval_row *row, const struct sr_moment *at)
{
	sr_attrs_put_ulong(attrs, CKA_CLASS, CKO_SR_APPROVAL);
	sr_attrs_put_bool(attrs, CKA_TOKEN, true);
	sr_attrs_put_bool(attrs, CKA_PRIVATE, true);
	sr_attrs_put_bool(attrs, CKA_MODIFIABLE, true);
	sr_attrs_put_text(attrs, CKA_LABEL, row->id);
	sr_attrs_put_text(attrs, CKA_SR_ID, row->id);
	sr_attrs_put_text(attrs, CKA_SR_KIND, sr_approval_kind_word(row->kind));
	sr_attrs_put_text(attrs, CKA_SR_STATE, sr_stand_word(sr_approval_stand(row, at)));
	sr_attrs_put_text(attrs, CKA_SR_TIER, sr_tier_name(row->tier));
	put_present(attrs, CKA_SR_PATH, row->path);
	put_present(attrs, CKA_SR_CHANGE, row->change);
	sr_attrs_put_time(attrs, CKA_SR_CREATED_AT, row->created_ms);
	sr_attrs_put_time(attrs, CKA_SR_EXPIRES_AT, row->deadline.wall_ms);
	sr_attrs_put_text(attrs, CKA_SR_REQUESTER, row->requester);
	sr_attrs_put_text(attrs, CKA_SR_OWNER, row->owner);
	put_present(attrs, CKA_SR_REASON, row->reason);
	sr_attrs_put_number(attrs, CKA_SR_NEEDED, row->needed);
}

/* Whoever decides sees what the token may do; a request may come before its token. */
static CK_RV put_token(struct sr_attrs *attrs, struct sr_vault *vault, const struct sr_moment *at,
	const struct sr_approval_row *row, struct sr_error *err)
{
	struct sr_token_row token = { .ttl_ms = 0 };
	const char *id = sr_approval_token_id(row);
	bool found = false;
	if (!id)
		return CKR_OK;
	sr_attrs_put_text(attrs, CKA_SR_TOKEN_ID, id);
	CK_RV rv = sr_rows_token(vault, at, id, &token, &found, err);
	if (rv == CKR_OK && found)
		sr_attrs_put(attrs, CKA_SR_SCOPES, token.scopes.data, token.scopes.len);
	sr_token_row_clear(&token);
	return rv;
}

static CK_RV approval_attrs(struct sr_vault *vault, const struct sr_moment *at, const struct sr_approval_row *row,
	struct sr_attrs *attrs, struct sr_error *err)
{
	struct sr_votes votes;
	CK_RV rv = sr_votes_read(row, &votes, err);
	if (rv != CKR_OK)
		return rv;
	put_request(attrs, row, at);
	put_votes(attrs, &votes);
	put_decision(attrs, row);
	rv = put_token(attrs, vault, at, row, err);
	if (rv == CKR_OK && attrs->failed)
		rv = sr_fail(err, CKR_HOST_MEMORY, SR_REASON_MEMORY, "no memory to show a request");
	return rv;
}

static CK_RV approval_view(const struct sr_caller *caller, const char *id, struct sr_view *view, struct sr_error *err)
{
	struct sr_approval_row row;
	struct sr_moment at;
	CK_RV rv = sr_writer_look(caller->vault->writer, &at, err);
	if (rv != CKR_OK)
		return rv;
	rv = sr_approval_load(caller->vault, &at, id, &row, err);
	if (rv == CKR_OK && !sr_approval_may_see(caller, &row))
		rv = sr_approval_gone(err);
	if (rv == CKR_OK)
		rv = approval_attrs(caller->vault, &at, &row, &view->attrs, err);
	sr_writer_look_end(caller->vault->writer, &at);
	return rv;
}

/* -- searching --------------------------------------------------------------------------------------------------- */

/** struct approval_search: OVER: requests that have timed out and are not recorded so. */
struct approval_search {
	const struct sr_caller *caller;
	const struct sr_attrs *query;
	struct sr_moment at;
	sr_found found;
	void *ctx;
	char over[SETTLE_MAX][SR_ID_MAX];
	size_t over_count;
	CK_RV rv;
	struct sr_error *err;
};

static void note_over(struct approval_search *search, const struct sr_approval_row *row)
{
	bool over = row->state == SR_APPROVAL_PENDING && sr_approval_stand(row, &search->at) == SR_STAND_TIMED_OUT;
	if (over && search->over_count < SETTLE_MAX)
		memcpy(search->over[search->over_count++], row->id, SR_ID_MAX);
}

static bool match_approval(const struct sr_approval_row *row, void *ctx)
{
	struct approval_search *search = ctx;
	struct sr_attrs attrs = SR_ATTRS_INIT;
	struct sr_vault *vault = search->caller->vault;
	search->rv = sr_rows_check_approval(vault, &search->at, row, search->err);
	if (search->rv != CKR_OK || !sr_approval_may_see(search->caller, row))
		return search->rv == CKR_OK;
	note_over(search, row);
	search->rv = approval_attrs(vault, &search->at, row, &attrs, search->err);
	bool more = search->rv == CKR_OK;
	if (more && sr_attrs_match(search->query, &attrs))
		more = search->found(row->id, search->ctx);
	sr_attrs_clear(&attrs);
	return more;
}

/* The clock alone has ended them, and everybody sees that; where the record cannot be made now, the next who meets it
 * makes it. */
static void record_timeouts(const struct approval_search *search)
{
	for (size_t i = 0; i < search->over_count; i++) {
		struct sr_error err = SR_ERROR_INIT;
		enum sr_stand stand;
		if (sr_approval_settle(search->caller, search->over[i], &stand, &err) != CKR_OK)
			return;
	}
}

static CK_RV approval_find(
	const struct sr_caller *caller, const struct sr_attrs *query, sr_found found, void *ctx, struct sr_error *err)
{
	struct approval_search search = { .caller = caller, .query = query, .found = found, .ctx = ctx, .err = err };
	CK_RV rv = sr_writer_look(caller->vault->writer, &search.at, err);
	if (rv != CKR_OK)
		return rv;
	rv = caller->vault->store->ops->approval_list(search.at.tx, match_approval, &search, err);
	sr_writer_look_end(caller->vault->writer, &search.at);
	record_timeouts(&search);
	return search.rv != CKR_OK ? search.rv : rv;
}

const struct sr_class sr_approval_class = {
	.object_class = CKO_SR_APPROVAL,
	.only_by_class = true,
	.needs_rw = true,
	.find = approval_find,
	.view = approval_view,
	.set = sr_approval_decide,
};
