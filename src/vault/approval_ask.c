/* Asking for approval: the request, and whether what was asked for may be done now. */
#include "audit/state.h"
#include "vault/approval_row.h"

#include "util/text.h"
#include "vault/token.h"

#include <stdio.h>
#include <string.h>

#define TOLD_MS (60ll * 60 * 1000) /* how long a refusal is told before it may be asked again */

/* -- what there is already --------------------------------------------------------------------------------------- */

/** struct search: the requests for the same thing, newest first. PASSES: one, PASSING, is in effect. OPEN: the newest
 * that is not decided; NEWEST: the newest of all. Both with an empty id where there is none. CUT: what is older counts
 * as little as a token of then, because the clock that ended it was not right. */
struct search {
	const struct sr_caller *caller;
	const struct sr_moment *at;
	const struct sr_request *request;
	uint64_t cut;
	bool passes;
	char passing[SR_ID_MAX];
	struct sr_approval_row open, newest;
	CK_RV rv;
	struct sr_error *err;
};

/* One that was given for less than is needed now does not count, unless an admin broke the glass. */
static bool is_same(const struct search *search, const struct sr_approval_row *row)
{
	const struct sr_request *request = search->request;
	if (row->mark.event_id < search->cut)
		return false;
	bool enough = row->needed >= request->need.approvals && row->delay_ms >= request->need.delay_ms;
	return row->kind == request->kind && strcmp(row->change, request->change) == 0 && row->base == request->base &&
	       strcmp(row->owner, sr_who_owner(search->caller->identity)) == 0 && (enough || row->break_glass);
}

/* What is approved takes effect when it is done, and that may be hours after it may be done: an approver may have gone
 * since. What does not hold any more is as if it had never been. */
static bool meet_in_effect(struct search *search, const struct sr_approval_row *row)
{
	search->rv = sr_approval_stands_by(search->caller->vault, search->at, row, &search->passes, search->err);
	memcpy(search->passing, row->id, sizeof(search->passing));
	return search->rv == CKR_OK && !search->passes;
}

static bool meet(const struct sr_approval_row *row, void *ctx)
{
	struct search *search = ctx;
	if (!is_same(search, row))
		return true;
	search->rv = sr_rows_check_approval(search->caller->vault, search->at, row, search->err);
	if (search->rv != CKR_OK)
		return false;
	enum sr_stand stand = sr_approval_stand(row, search->at);
	if (stand == SR_STAND_IN_EFFECT)
		return meet_in_effect(search, row);
	if (!search->newest.id[0])
		search->newest = *row;
	if (!search->open.id[0] && sr_approval_open(stand))
		search->open = *row;
	return true;
}

static CK_RV search_in(struct search *search, const struct sr_caller *caller, const struct sr_moment *at,
	const struct sr_request *request, struct sr_error *err)
{
	*search = (struct search){ .caller = caller, .at = at, .request = request, .rv = CKR_OK, .err = err };
	CK_RV rv = sr_state_get(caller->vault->store, at, SR_CUT_TOKENS, &search->cut, err);
	if (rv != CKR_OK)
		return rv;
	rv = caller->vault->store->ops->approval_of(at->tx, request->target, meet, search, err);
	return search->rv != CKR_OK ? search->rv : rv;
}

/* -- refusals ---------------------------------------------------------------------------------------------------- */

static CK_RV waits(struct sr_error *err, const char *id, const char *what)
{
	return sr_fail(err, CKR_FUNCTION_REJECTED, SR_REASON_APPROVAL_REQUIRED,
		"not done: it needs approval, and request %s %s; see: strongroom approval show %s", id, what, id);
}

static CK_RV was_denied(struct sr_error *err, const struct sr_approval_row *row)
{
	return sr_fail(err, CKR_FUNCTION_REJECTED, SR_REASON_APPROVAL_DENIED,
		"not done: request %s was %s by %s; ask again an hour after that", row->id,
		row->state == SR_APPROVAL_CANCELED ? "cancelled" : "denied", row->decided_by);
}

static CK_RV timed_out(struct sr_error *err, const struct sr_approval_row *row)
{
	return sr_fail(err, CKR_FUNCTION_CANCELED, SR_REASON_APPROVAL_TIMED_OUT,
		"not done: nobody approved request %s in time; ask again an hour after that", row->id);
}

/* -- the request ------------------------------------------------------------------------------------------------- */

struct asking {
	const struct sr_request *request;
	struct sr_approval_row row;
};

struct count_open {
	const char *owner;
	const struct sr_moment *at;
	unsigned count;
};

static bool count_open(const struct sr_approval_row *row, void *ctx)
{
	struct count_open *open = ctx;
	open->count += strcmp(row->owner, open->owner) == 0 && sr_approval_open(sr_approval_stand(row, open->at));
	return open->count < SR_OPEN_MAX;
}

static CK_RV check_room(const struct sr_caller *caller, const struct sr_moment *at, struct sr_error *err)
{
	struct count_open open = { sr_who_owner(caller->identity), at, 0 };
	CK_RV rv = caller->vault->store->ops->approval_open(at->tx, count_open, &open, err);
	if (rv == CKR_OK && open.count >= SR_OPEN_MAX)
		rv = sr_fail(err, CKR_FUNCTION_REJECTED, SR_REASON_TOO_LARGE,
			"not asked for: %d requests of %s are open; cancel some, or wait until they are decided",
			SR_OPEN_MAX, open.owner);
	return rv;
}

/* Two who ask for the same at once ask once. */
static CK_RV check_single(const struct sr_caller *caller, const struct sr_moment *at, const struct sr_request *request,
	struct sr_error *err)
{
	struct search search;
	CK_RV rv = search_in(&search, caller, at, request, err);
	if (rv == CKR_OK && search.open.id[0])
		rv = waits(err, search.open.id, "is open");
	return rv;
}

static CK_RV request_run(struct sr_act *act, struct sr_moment *at, struct sr_error *err)
{
	struct asking *asking = act->arg;
	struct sr_approval_row *row = &asking->row;
	struct sr_now now = sr_moment_now(at);
	CK_RV rv = check_room(act->caller, at, err);
	if (rv == CKR_OK)
		rv = check_single(act->caller, at, asking->request, err);
	if (rv != CKR_OK)
		return rv;
	row->created_ms = now.wall_ms;
	row->deadline = sr_end_after(&now, asking->request->need.timeout_ms);
	return sr_rows_put_approval(act->caller->vault, at, &act->event, row, err);
}

static CK_RV check_request(const struct sr_request *request, struct sr_error *err)
{
	if (request->need.approvals < 1 || request->need.approvals > SR_APPROVALS_MAX || request->ttl_ms < 1 ||
		request->need.timeout_ms < 1)
		return sr_fail(err, CKR_GENERAL_ERROR, SR_REASON_INTERNAL, "a request that cannot be approved");
	if (strlen(request->reason) > SR_REASON_MAX || !sr_text_utf8(request->reason, strlen(request->reason)))
		return sr_fail(err, CKR_ATTRIBUTE_VALUE_INVALID, SR_REASON_BAD_TEMPLATE,
			"not asked for: the reason must be UTF-8 text without control characters, 256 bytes at most");
	return CKR_OK;
}

static void fill_row(struct sr_approval_row *row, const struct sr_caller *caller, const struct sr_request *request)
{
	row->kind = request->kind;
	snprintf(row->target, sizeof(row->target), "%s", request->target);
	snprintf(row->change, sizeof(row->change), "%s", request->change);
	row->base = request->base;
	snprintf(row->path, sizeof(row->path), "%s", request->path);
	row->tier = request->tier;
	row->needed = request->need.approvals;
	row->delay_ms = request->need.delay_ms;
	row->ttl_ms = request->ttl_ms;
	sr_who_name(caller->identity, row->requester);
	snprintf(row->owner, sizeof(row->owner), "%s", sr_who_owner(caller->identity));
	snprintf(row->reason, sizeof(row->reason), "%s", request->reason);
	row->state = SR_APPROVAL_PENDING;
}

CK_RV sr_approval_request(
	const struct sr_caller *caller, const struct sr_request *request, char id[SR_ID_MAX], struct sr_error *err)
{
	struct asking asking = { .request = request };
	struct sr_act act;
	CK_RV rv = check_request(request, err);
	memcpy(asking.row.id, "a-", 2);
	if (rv == CKR_OK)
		rv = sr_random_text(caller->vault, 10, asking.row.id + 2, err);
	if (rv == CKR_OK)
		fill_row(&asking.row, caller, request);
	sr_act_begin(&act, caller, SR_EVENT_APPROVAL_REQUESTED, request->path);
	if (rv == CKR_OK)
		sr_approval_describe(&act.event, &asking.row);
	act.run = request_run;
	act.arg = &asking;
	rv = sr_act_record(&act, rv, err);
	snprintf(id, SR_ID_MAX, "%s", rv == CKR_OK ? asking.row.id : "");
	return rv;
}

/* -- the gate ---------------------------------------------------------------------------------------------------- */

/* When ROW became what it is. */
static CK_RV decided_ms(const struct sr_caller *caller, const struct sr_moment *at, const struct sr_approval_row *row,
	int64_t *ms, struct sr_error *err)
{
	struct sr_event event;
	uint8_t hash[SR_HASH_LEN];
	bool found = false;
	CK_RV rv = caller->vault->store->ops->event_get(at->tx, row->mark.event_id, &event, hash, &found, err);
	*ms = rv == CKR_OK && found ? event.timestamp_ms : row->created_ms;
	return rv;
}

/* Whoever takes their own request back may ask again at once. */
static bool took_back(const struct sr_approval_row *row)
{
	const char *name = strchr(row->requester, ':');
	return row->state == SR_APPROVAL_CANCELED &&
	       (strcmp(row->decided_by, row->owner) == 0 || (name && strcmp(row->decided_by, name + 1) == 0));
}

static CK_RV tell(const struct sr_caller *caller, const struct sr_approval_row *row, enum sr_stand stand, bool *told,
	struct sr_error *err)
{
	struct sr_moment at;
	int64_t ms = 0;
	*told = false;
	if ((stand != SR_STAND_DENIED && stand != SR_STAND_CANCELED && stand != SR_STAND_TIMED_OUT) || took_back(row))
		return CKR_OK;
	CK_RV rv = sr_writer_look(caller->vault->writer, &at, err);
	if (rv != CKR_OK)
		return rv;
	rv = decided_ms(caller, &at, row, &ms, err);
	*told = rv == CKR_OK && sr_moment_now(&at).wall_ms - ms < TOLD_MS;
	sr_writer_look_end(caller->vault->writer, &at);
	if (rv != CKR_OK || !*told)
		return rv;
	return stand == SR_STAND_TIMED_OUT ? timed_out(err, row) : was_denied(err, row);
}

static CK_RV ask(const struct sr_caller *caller, const struct sr_request *request, struct sr_error *err)
{
	char id[SR_ID_MAX];
	CK_RV rv = sr_approval_request(caller, request, id, err);
	return rv == CKR_OK ? waits(err, id, "was made for it") : rv;
}

/* What is due of it is done first: a delay that is over takes effect, a timeout is recorded. */
static CK_RV meet_one(
	const struct sr_caller *caller, const struct sr_request *request, const char *id, struct sr_error *err)
{
	struct sr_approval_row row;
	enum sr_stand stand;
	bool told = false;
	CK_RV rv = sr_approval_settle(caller, id, &stand, err);
	if (rv == CKR_OK)
		rv = sr_approval_look(caller, id, &row, &stand, err);
	if (rv != CKR_OK || stand == SR_STAND_IN_EFFECT)
		return rv;
	if (stand == SR_STAND_PENDING)
		return waits(err, id, "is pending");
	if (sr_approval_open(stand))
		return waits(err, id, "is approved and not in effect yet");
	rv = tell(caller, &row, stand, &told, err);
	return rv == CKR_OK && !told ? ask(caller, request, err) : rv;
}

CK_RV sr_approval_gate(const struct sr_caller *caller, const struct sr_request *request, struct sr_error *err)
{
	struct search search;
	struct sr_moment at;
	CK_RV rv = sr_writer_look(caller->vault->writer, &at, err);
	if (rv != CKR_OK)
		return rv;
	rv = search_in(&search, caller, &at, request, err);
	sr_writer_look_end(caller->vault->writer, &at);
	if (rv != CKR_OK || search.passes)
		return rv;
	const struct sr_approval_row *row = search.open.id[0] ? &search.open : &search.newest;
	return row->id[0] ? meet_one(caller, request, row->id, err) : ask(caller, request, err);
}

CK_RV sr_approval_passes(const struct sr_caller *caller, const struct sr_moment *at, const struct sr_request *request,
	char id[SR_ID_MAX], struct sr_error *err)
{
	struct search search;
	CK_RV rv = search_in(&search, caller, at, request, err);
	if (rv == CKR_OK && search.passes)
		memcpy(id, search.passing, SR_ID_MAX);
	if (rv != CKR_OK || search.passes)
		return rv;
	return sr_fail(err, CKR_FUNCTION_REJECTED, SR_REASON_APPROVAL_REQUIRED,
		"not done: it needs approval, and there is none in effect; try again");
}
