/* A table of tokens by id, filled in one pass over the records. */
#include "vault/recount.h"

#include "util/hash.h"
#include "vault/who.h"

#include <stdlib.h>
#include <string.h>

struct tally {
	char id[SR_ID_MAX];
	uint64_t uses;
	bool issued; /* all its records are there */
	UT_hash_handle hh;
};

struct sr_recount {
	struct tally *tallies;
};

struct sr_recount *sr_recount_new(void)
{
	return calloc(1, sizeof(struct sr_recount));
}

void sr_recount_free(struct sr_recount *recount)
{
	struct tally *tally, *next;
	if (!recount)
		return;
	HASH_ITER(hh, recount->tallies, tally, next)
	{
		HASH_DEL(recount->tallies, tally);
		free(tally);
	}
	free(recount);
}

static struct tally *find(const struct sr_recount *recount, const char *id)
{
	struct tally *tally = NULL;
	HASH_FIND_STR(recount->tallies, id, tally);
	return tally;
}

static struct tally *find_or_make(struct sr_recount *recount, const char *id)
{
	struct tally *tally = find(recount, id);
	if (tally || !(tally = calloc(1, sizeof(*tally))))
		return tally;
	memcpy(tally->id, id, strnlen(id, sizeof(tally->id) - 1));
	HASH_ADD_STR(recount->tallies, id, tally);
	if (tally->hh.tbl)
		return tally;
	free(tally);
	return NULL;
}

static bool add(struct sr_recount *recount, const char *id, uint64_t uses)
{
	struct tally *tally = find_or_make(recount, id);
	if (tally)
		tally->uses += uses;
	return tally;
}

static bool add_issued(struct sr_recount *recount, const char *id)
{
	struct tally *tally = find_or_make(recount, id);
	if (tally)
		tally->issued = true;
	return tally;
}

#define TOKEN "token:"

bool sr_recount_add(struct sr_recount *recount, const struct sr_event *event)
{
	bool issued = event->kind == SR_EVENT_TOKEN_ISSUED && event->status == SR_STATUS_ALLOWED &&
		      strncmp(event->subject, TOKEN, strlen(TOKEN)) == 0;
	if (issued && !add_issued(recount, event->subject + strlen(TOKEN)))
		return false;
	return !event->counted || add(recount, event->token_id, 1);
}

/* A use is a use of every ancestor. SUMS holds each token's own and its descendants'. */
static CK_RV add_upwards(struct sr_recount *sums, struct sr_vault *vault, const struct sr_moment *at,
	const struct tally *tally, struct sr_error *err)
{
	char id[SR_ID_MAX];
	memcpy(id, tally->id, sizeof(id));
	for (int depth = 0; id[0] && depth <= 4; depth++) {
		struct sr_token_row row = { .ttl_ms = 0 };
		bool found = false;
		CK_RV rv = sr_rows_token(vault, at, id, &row, &found, err);
		if (rv == CKR_OK && found && row.max_uses && !add(sums, id, tally->uses))
			rv = sr_fail(err, CKR_HOST_MEMORY, SR_REASON_MEMORY, "no memory to count uses");
		memcpy(id, row.parent, sizeof(id));
		sr_token_row_clear(&row);
		if (rv != CKR_OK)
			return rv;
	}
	return CKR_OK;
}

/* EXACT: every record that can have counted is there. */
static CK_RV check_one(
	struct sr_vault *vault, const struct sr_moment *at, const struct tally *sum, bool exact, struct sr_error *err)
{
	uint64_t uses;
	CK_RV rv = sr_who_uses(vault, at, sum->id, &uses, err);
	if (rv == CKR_OK && (uses < sum->uses || (exact && uses != sum->uses)))
		rv = sr_fail(err, CKR_DEVICE_ERROR, SR_REASON_ROW_STALE,
			"token:%s: the records count %llu uses and the vault's state %llu", sum->id,
			(unsigned long long)sum->uses, (unsigned long long)uses);
	return rv;
}

static bool is_issued(const struct sr_recount *recount, const char *id)
{
	const struct tally *tally = find(recount, id);
	return tally && tally->issued;
}

CK_RV sr_recount_check(struct sr_recount *recount, struct sr_vault *vault, const struct sr_moment *at, uint64_t base,
	struct sr_error *err)
{
	struct sr_recount *sums = sr_recount_new();
	CK_RV rv = sums ? CKR_OK : sr_fail(err, CKR_HOST_MEMORY, SR_REASON_MEMORY, "no memory to count uses");
	for (struct tally *tally = recount->tallies; rv == CKR_OK && tally; tally = tally->hh.next) {
		if (tally->uses > 0)
			rv = add_upwards(sums, vault, at, tally, err);
	}
	for (struct tally *sum = sums ? sums->tallies : NULL; rv == CKR_OK && sum; sum = sum->hh.next)
		rv = check_one(vault, at, sum, base == 0 || is_issued(recount, sum->id), err);
	sr_recount_free(sums);
	return rv;
}
