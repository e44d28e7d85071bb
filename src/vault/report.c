/* Status, verdicts and the check of every row, as JSON texts. */
#include "vault/report.h"

#include "audit/base.h"
#include "audit/state.h"
#include "hsm/key.h"
#include "util/clock.h"
#include "util/text.h"
#include "vault/account.h"
#include "vault/recount.h"
#include "vault/secret.h"
#include "vault/token.h"
#include "vault/who.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

CK_RV sr_report_text(json_t *object, char **text, struct sr_error *err)
{
	*text = object ? json_dumps(object, JSON_COMPACT) : NULL;
	json_decref(object);
	return *text ? CKR_OK : sr_fail(err, CKR_HOST_MEMORY, SR_REASON_MEMORY, "no memory for a report");
}

/* What was removed, when and by whom, as its record says. Null where nothing was. */
static json_t *tell_pruned(struct sr_vault *vault, const struct sr_verdict *verdict)
{
	struct sr_error ignored = SR_ERROR_INIT;
	char on[SR_TIME_TEXT] = "";
	struct sr_event event;
	uint8_t hash[SR_HASH_LEN];
	struct sr_moment at;
	bool found = false;
	if (verdict->base == 0)
		return json_null();
	if (sr_writer_look(vault->writer, &at, &ignored) == CKR_OK) {
		vault->store->ops->event_get(at.tx, verdict->pruned_by, &event, hash, &found, &ignored);
		sr_writer_look_end(vault->writer, &at);
	}
	if (found)
		sr_text_time(event.timestamp_ms, on);
	return json_pack("{s:I, s:I, s:s, s:s}", "through", (json_int_t)verdict->base, "record",
		(json_int_t)verdict->pruned_by, "on", on, "by", found ? event.actor_id : "");
}

CK_RV sr_report_verdict(struct sr_vault *vault, const struct sr_verdict *verdict, char **result,
	char metadata[SR_METADATA_MAX], struct sr_error *err)
{
	snprintf(metadata, SR_METADATA_MAX, "{\"ok\":%s,\"records\":%llu,\"first_bad\":%llu}",
		verdict->ok ? "true" : "false", (unsigned long long)verdict->records,
		(unsigned long long)verdict->first_bad);
	json_t *object = json_pack("{s:b, s:I, s:I, s:I, s:I, s:I, s:s, s:I, s:o}", "ok", verdict->ok, "first_bad",
		(json_int_t)verdict->first_bad, "records", (json_int_t)verdict->records, "checkpoints",
		(json_int_t)verdict->checkpoints, "sealed", (json_int_t)verdict->sealed, "tail",
		(json_int_t)verdict->tail, "detail", verdict->detail, "first", (json_int_t)verdict->base + 1, "removed",
		tell_pruned(vault, verdict));
	return sr_report_text(object, result, err);
}

/* -- status ------------------------------------------------------------------------------------------------------ */

/* Who answers: the process that has the vault open. */
static json_t *server_status(const struct sr_vault *vault)
{
	struct sr_now now;
	sr_clock_now(&now);
	return json_pack("{s:s, s:s, s:i, s:I}", "mode", vault->host ? "daemon" : "embedded", "version",
		PACKAGE_VERSION, "pid", (int)getpid(), "uptime_s",
		(json_int_t)((now.boot_ms - vault->opened_ms) / 1000));
}

/* What a server tells beside it. False without memory. */
static bool add_host(const struct sr_vault *vault, json_t *status)
{
	if (!vault->host)
		return true;
	json_t *told = vault->host->report(vault->host->arg);
	bool added = status && told && json_object_update(status, told) == 0;
	json_decref(told);
	return added;
}

static json_t *hsm_status(struct sr_vault *vault)
{
	struct sr_hsm_identity hsm;
	struct sr_error away = SR_ERROR_INIT;
	sr_hsm_look(vault->hsm, &away);
	sr_hsm_identity(vault->hsm, &hsm);
	return json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:i, s:s}", "state", away.rv == CKR_OK ? "there" : "away",
		"token", hsm.label, "manufacturer", hsm.manufacturer, "model", hsm.model, "serial", hsm.serial,
		"library", hsm.library, "generation", (int)sr_hsm_generation(vault->hsm), "trouble", away.text);
}

static CK_RV audit_status(struct sr_vault *vault, const struct sr_moment *at, json_t **out, struct sr_error *err)
{
	uint64_t base = 0;
	struct sr_head head = { 0 };
	struct sr_checkpoint_row checkpoint = { 0 };
	bool found = false;
	int64_t newest_ms;
	CK_RV rv = vault->store->ops->event_head(at->tx, &head, &newest_ms, err);
	if (rv == CKR_OK)
		rv = vault->store->ops->checkpoint_last(at->tx, &checkpoint, &found, err);
	if (rv == CKR_OK)
		rv = sr_base_number(vault->store, at, &base, err);
	struct sr_error trouble = SR_ERROR_INIT;
	uint64_t sealed = found ? checkpoint.seq : 0;
	sr_writer_trouble(vault->writer, &trouble);
	*out = json_pack("{s:I, s:I, s:I, s:I, s:s, s:s}", "first", (json_int_t)base + 1, "records",
		(json_int_t)head.seq, "sealed", (json_int_t)sealed, "tail", (json_int_t)(head.seq - sealed),
		"heads_file", vault->heads, "trouble", trouble.text);
	return rv;
}

static CK_RV store_status(struct sr_vault *vault, struct sr_tx *tx, json_t **out, struct sr_error *err)
{
	struct sr_counts counts = { 0 };
	CK_RV rv = vault->store->ops->counts(tx, &counts, err);
	*out = json_pack("{s:I, s:I, s:I, s:I, s:I, s:i}", "secrets", (json_int_t)counts.secrets, "keys",
		(json_int_t)counts.keys, "tokens", (json_int_t)counts.tokens, "events", (json_int_t)counts.events,
		"bytes", (json_int_t)counts.bytes, "schema", SR_STORE_SCHEMA);
	return rv;
}

/* Of each sink: how far it is behind HEAD, and why. */
static json_t *sinks_status(struct sr_vault *vault, json_int_t head)
{
	struct sr_sink_state states[SR_SINKS_MAX];
	size_t count = sr_writer_sinks(vault->writer, states);
	json_t *sinks = json_object();
	for (size_t i = 0; i < count; i++) {
		json_int_t sent = (json_int_t)states[i].sent;
		json_object_set_new(sinks, states[i].name,
			json_pack("{s:I, s:I, s:s}", "sent", sent, "behind", head > sent ? head - sent : 0, "trouble",
				states[i].trouble));
	}
	return sinks;
}

CK_RV sr_report_status(struct sr_vault *vault, char **result, struct sr_error *err)
{
	json_t *audit = NULL, *store = NULL;
	struct sr_moment at;
	CK_RV rv = sr_writer_look(vault->writer, &at, err);
	if (rv != CKR_OK)
		return rv;
	rv = audit_status(vault, &at, &audit, err);
	if (rv == CKR_OK)
		rv = store_status(vault, at.tx, &store, err);
	sr_writer_look_end(vault->writer, &at);
	if (rv != CKR_OK) {
		json_decref(audit);
		json_decref(store);
		return rv;
	}
	json_t *status = json_pack("{s:{s:s, s:s}, s:o, s:o, s:o, s:o}", "vault", "id", vault->id, "name", vault->name,
		"server", server_status(vault), "hsm", hsm_status(vault), "audit", audit, "store", store);
	if (status)
		json_object_set_new(status, "sinks",
			sinks_status(vault,
				json_integer_value(json_object_get(json_object_get(status, "audit"), "records"))));
	if (!add_host(vault, status)) {
		json_decref(status);
		status = NULL;
	}
	return sr_report_text(status, result, err);
}

/* -- every row --------------------------------------------------------------------------------------------------- */

/** struct row_check: one pass over the records. The newest record of each subject has to have its row there and
 * genuine. The first that does not fit is the FINDING. */
struct row_check {
	struct sr_vault *vault;
	struct sr_moment at;
	struct sr_recount *recount;
	struct sr_error finding;
	CK_RV rv;
};

/* What is sealed must open, too. */
static CK_RV check_value(struct row_check *check, const struct sr_secret_row *row)
{
	struct sr_version_row version = { .version = 0 };
	struct sr_buf aad = SR_BUF_INIT, value = SR_BUF_INIT;
	struct sr_vault *vault = check->vault;
	bool found = false;
	CK_RV rv = vault->store->ops->version_get(
		check->at.tx, row->path, row->version, &version, &found, &check->finding);
	if (rv == CKR_OK && !found)
		rv = sr_fail(&check->finding, CKR_DEVICE_ERROR, SR_REASON_ROW_MISSING,
			"secret:%.120s: version %llu is gone", row->path, (unsigned long long)row->version);
	if (rv == CKR_OK) {
		sr_rows_aad(vault, row, &version, &aad);
		rv = sr_hsm_unseal(vault->hsm, &aad, version.sealed.data, version.sealed.len, &value, &check->finding);
	}
	if (rv == CKR_ENCRYPTED_DATA_INVALID)
		rv = sr_fail(&check->finding, CKR_DEVICE_ERROR, SR_REASON_SEAL_BROKEN,
			"secret:%.120s: version %llu does not open", row->path, (unsigned long long)row->version);
	sr_buf_clear(&value);
	sr_buf_clear(&aad);
	sr_version_row_clear(&version);
	return rv;
}

static CK_RV check_secret(struct row_check *check, const char *path)
{
	struct sr_secret_row row = { .version = 0 };
	bool found;
	CK_RV rv = sr_rows_secret(check->vault, &check->at, path, &row, &found, &check->finding);
	if (rv == CKR_OK && found && row.state == SR_SECRET_ACTIVE)
		rv = check_value(check, &row);
	sr_secret_row_clear(&row);
	return rv;
}

/* A resident key is an object of the HSM, and no other passes for it. */
static CK_RV check_resident(struct row_check *check, const struct sr_key_row *row)
{
	CK_OBJECT_CLASS object_class = sr_part_base(row->part) == SR_PART_SECRET ? CKO_SECRET_KEY : CKO_PRIVATE_KEY;
	struct sr_hsm_key *key = sr_hsm_key_resident(row->uid, row->mark.event_id, object_class);
	bool exists = false;
	CK_RV rv = key ? sr_hsm_key_exists(check->vault->hsm, key, &exists, &check->finding)
		       : sr_fail(&check->finding, CKR_HOST_MEMORY, SR_REASON_MEMORY, "no memory to check a key");
	sr_hsm_key_unref(key);
	if (rv != CKR_OK || exists)
		return rv;
	return sr_fail(&check->finding, CKR_DEVICE_ERROR, SR_REASON_ROW_MISSING,
		"%s key %.120s: the HSM has not exactly one object of it", sr_part_word(row->part), row->path);
}

/* One event may have made several parts of a path, and has the subject of one; so all are looked at. */
static CK_RV check_keys(struct row_check *check, const char *path)
{
	CK_RV rv = CKR_OK;
	for (unsigned part = 0; rv == CKR_OK && part < SR_PART_COUNT; part++) {
		struct sr_key_row row;
		bool found;
		rv = sr_rows_key(check->vault, &check->at, path, part, &row, &found, &check->finding);
		if (rv == CKR_OK && found && row.state == SR_KEY_ACTIVE && row.custody == SR_CUSTODY_RESIDENT)
			rv = check_resident(check, &row);
		sr_key_row_clear(&row);
	}
	return rv;
}

/* A live token that a search by path would miss. */
static CK_RV check_reach(struct row_check *check, const struct sr_token_row *row, const struct sr_scope *scope)
{
	char prefix[SR_PATH_MAX + 1];
	bool found = false;
	sr_token_reach_prefix(scope->glob, prefix);
	CK_RV rv = check->vault->store->ops->token_reach_has(check->at.tx, row->id, prefix, &found, &check->finding);
	if (rv == CKR_OK && !found)
		rv = sr_fail(&check->finding, CKR_DEVICE_ERROR, SR_REASON_ROW_MISSING,
			"token:%s: what lists it by path is gone", row->id);
	return rv;
}

static CK_RV check_reaches(struct row_check *check, const struct sr_token_row *row)
{
	struct sr_scopes scopes;
	const char *why;
	CK_RV rv = CKR_OK;
	if (!sr_scopes_parse((const char *)row->scopes.data, row->scopes.len, &scopes, &why))
		return sr_fail(&check->finding, CKR_DEVICE_ERROR, SR_REASON_VAULT_CORRUPT,
			"token:%s: cannot be read: %s", row->id, why);
	for (size_t i = 0; rv == CKR_OK && i < scopes.count; i++) {
		if (sr_token_reaches_by(&scopes.items[i]))
			rv = check_reach(check, row, &scopes.items[i]);
	}
	sr_scopes_clear(&scopes);
	return rv;
}

static CK_RV check_token(struct row_check *check, const char *id)
{
	struct sr_token_row row = { .ttl_ms = 0 };
	uint64_t uses;
	bool found;
	CK_RV rv = sr_rows_token(check->vault, &check->at, id, &row, &found, &check->finding);
	if (rv == CKR_OK)
		rv = sr_who_uses(check->vault, &check->at, id, &uses, &check->finding);
	if (rv == CKR_OK && found && row.state == SR_TOKEN_ACTIVE)
		rv = check_reaches(check, &row);
	sr_token_row_clear(&row);
	return rv;
}

static CK_RV check_member(struct row_check *check, const char *name)
{
	struct sr_member_row row;
	bool found;
	return sr_rows_member(check->vault, &check->at, name, &row, &found, &check->finding);
}

static CK_RV check_agent(struct row_check *check, const char *name)
{
	struct sr_agent_row row = { .cut = 0 };
	bool found;
	CK_RV rv = sr_rows_agent(check->vault, &check->at, name, &row, &found, &check->finding);
	sr_agent_row_clear(&row);
	return rv;
}

static CK_RV check_policy(struct row_check *check, const char *tier_and_glob)
{
	struct sr_policy_row row;
	bool found;
	unsigned tier = (unsigned)(tier_and_glob[0] - '0');
	if (tier >= SR_TIER_COUNT || tier_and_glob[1] != ':')
		return sr_fail(&check->finding, CKR_DEVICE_ERROR, SR_REASON_CHAIN_BROKEN,
			"a record is about a policy that cannot be");
	return sr_rows_policy(
		check->vault, &check->at, (enum sr_tier)tier, tier_and_glob + 2, &row, &found, &check->finding);
}

static CK_RV check_approval(struct row_check *check, const char *id)
{
	struct sr_approval_row row;
	bool found;
	return sr_rows_approval(check->vault, &check->at, id, &row, &found, &check->finding);
}

static CK_RV check_rotation(struct row_check *check, const char *glob)
{
	struct sr_rotation_row row;
	bool found;
	return sr_rows_rotation(check->vault, &check->at, glob, &row, &found, &check->finding);
}

static CK_RV check_freeze(struct row_check *check, const char *path)
{
	struct sr_freeze_row row;
	bool found;
	return sr_rows_freeze(check->vault, &check->at, path, &row, &found, &check->finding);
}

/* A number of the state tree alone: that it is proven was the whole question. */
static CK_RV check_audit(struct row_check *check, const char *what)
{
	if (strcmp(what, &SR_PRUNED_SUBJECT[strlen("audit:")]) == 0)
		return CKR_OK;
	return sr_fail(&check->finding, CKR_DEVICE_ERROR, SR_REASON_CHAIN_BROKEN, "a record has an unknown subject");
}

/* That a secret expired changed nothing but its number. */
static CK_RV check_expired(struct row_check *check, const char *path)
{
	(void)check;
	(void)path;
	return CKR_OK;
}

static CK_RV check_cut(struct row_check *check, const char *what)
{
	if (strcmp(what, &SR_CUT_TOKENS[strlen("cut:")]) == 0)
		return CKR_OK;
	return sr_fail(&check->finding, CKR_DEVICE_ERROR, SR_REASON_CHAIN_BROKEN, "a record cuts what cannot be cut");
}

static const struct {
	const char *kind;
	CK_RV (*check)(struct row_check *check, const char *key);
} kinds[] = { { "secret:", check_secret }, { "token:", check_token }, { "member:", check_member },
	{ "agent:", check_agent }, { "policy:", check_policy }, { "approval:", check_approval },
	{ "rotation:", check_rotation }, { "freeze:", check_freeze }, { "cut:", check_cut }, { "audit:", check_audit },
	{ SR_EXPIRED_KIND, check_expired } };

static CK_RV check_subject(struct row_check *check, const char *subject)
{
	for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++) {
		size_t len = strlen(kinds[i].kind);
		if (strncmp(subject, kinds[i].kind, len) == 0)
			return kinds[i].check(check, subject + len);
	}
	enum sr_part part;
	const char *path = sr_rows_key_subject(subject, &part);
	if (path)
		return check_keys(check, path);
	return sr_fail(&check->finding, CKR_DEVICE_ERROR, SR_REASON_CHAIN_BROKEN, "a record has an unknown subject");
}

static bool check_event(const struct sr_event *event, const uint8_t hash[SR_HASH_LEN], void *ctx)
{
	struct row_check *check = ctx;
	uint64_t newest;
	(void)hash;
	if (!sr_recount_add(check->recount, event))
		check->rv = sr_fail(&check->finding, CKR_HOST_MEMORY, SR_REASON_MEMORY, "no memory to count uses");
	if (check->rv != CKR_OK || !event->subject[0])
		return check->rv == CKR_OK;
	check->rv = sr_state_get(check->vault->store, &check->at, event->subject, &newest, &check->finding);
	if (check->rv == CKR_OK && newest < event->id)
		check->rv = sr_fail(&check->finding, CKR_DEVICE_ERROR, SR_REASON_ROW_STALE,
			"%.120s: the vault's state is older than record %llu", event->subject,
			(unsigned long long)event->id);
	if (check->rv == CKR_OK && newest == event->id)
		check->rv = check_subject(check, event->subject);
	return check->rv == CKR_OK;
}

static CK_RV check_old(const char *subject, void *ctx)
{
	return check_subject(ctx, subject);
}

/* The records behind the base, and of what older ones made the rows themselves. */
static CK_RV check_all(struct row_check *check, struct sr_error *err)
{
	struct sr_vault *vault = check->vault;
	struct sr_event_query all = { .after = 0, .deciding = true };
	CK_RV rv = CKR_OK;
	check->rv = sr_base_number(vault->store, &check->at, &all.after, &check->finding);
	if (check->rv == CKR_OK)
		rv = vault->store->ops->event_query(check->at.tx, &all, check_event, check, err);
	if (rv == CKR_OK && check->rv == CKR_OK && all.after > 0)
		check->rv = sr_account_check(vault, &check->at, all.after, check_old, check, &check->finding);
	if (rv == CKR_OK && check->rv == CKR_OK)
		check->rv = sr_recount_check(check->recount, vault, &check->at, all.after, &check->finding);
	return rv;
}

/* A row that does not fit, or cannot even be read, is what was looked for; anything else is a failure to look. */
static bool is_finding(CK_ULONG reason)
{
	return reason == SR_REASON_ROW_FORGED || reason == SR_REASON_ROW_STALE || reason == SR_REASON_ROW_MISSING ||
	       reason == SR_REASON_SEAL_BROKEN || reason == SR_REASON_VAULT_CORRUPT || reason == SR_REASON_CHAIN_BROKEN;
}

CK_RV sr_report_check_rows(struct sr_vault *vault, struct sr_verdict *verdict, struct sr_error *err)
{
	struct row_check check = { .vault = vault, .finding = SR_ERROR_INIT, .rv = CKR_OK };
	CK_RV rv = sr_writer_look(vault->writer, &check.at, err);
	if (rv != CKR_OK)
		return rv;
	check.at.proven = NULL; /* what the database says now */
	check.recount = sr_recount_new();
	if (!check.recount)
		check.rv = sr_fail(&check.finding, CKR_HOST_MEMORY, SR_REASON_MEMORY, "no memory to count uses");
	if (check.rv == CKR_OK)
		rv = check_all(&check, err);
	sr_recount_free(check.recount);
	sr_writer_look_end(vault->writer, &check.at);
	if (rv != CKR_OK || check.rv == CKR_OK)
		return rv;
	if (!is_finding(check.finding.reason)) {
		*err = check.finding;
		return check.rv;
	}
	verdict->ok = false;
	snprintf(verdict->detail, sizeof(verdict->detail), "%s", check.finding.text);
	return CKR_OK;
}
