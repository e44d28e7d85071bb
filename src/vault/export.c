/* Exports and tails, page by page; nothing is remembered between two pages but what the record of their beginning says.
 */
#include "vault/export.h"

#include "audit/base.h"
#include "audit/export.h"
#include "util/text.h"
#include "vault/criteria.h"
#include "vault/generations.h"
#include "vault/report.h"
#include "vault/who.h"

#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

/* With a line more, and twice as long in JSON, a page still is one value on the wire (wire/limits.h). */
#define PAGE_BYTES (32u << 10)
#define PAGE_RECORDS 20000 /* looked at for one page, whatever they are */
#define TAIL_MS (24ll * 60 * 60 * 1000)

static CK_RV no_memory(struct sr_error *err)
{
	return sr_fail(err, CKR_HOST_MEMORY, SR_REASON_MEMORY, "no memory for a page of the audit");
}

static bool text_is(const struct sr_attr *attr, const char *text)
{
	return attr && attr->len == strlen(text) && memcmp(attr->value, text, attr->len) == 0;
}

static CK_RV may_read(const struct sr_caller *caller, struct sr_error *err)
{
	return sr_need_duty(caller, SR_DUTY_AUDIT, CKR_TOKEN_WRITE_PROTECTED, "read the audit", err);
}

/* -- beginning -------------------------------------------------------------------------------------------------- */

/** struct beginning: what is asked for. THROUGH is the newest record at the time; COUNT of what is up to there match,
 * from FIRST on. Records up to BASE were removed. */
struct beginning {
	const struct sr_caller *caller;
	struct sr_criteria criteria;
	json_t *filter;
	uint64_t base, through, count, first;
};

static CK_RV take_beginning(struct beginning *beginning, const struct sr_caller *caller,
	const struct sr_attrs *template, struct sr_error *err)
{
	CK_RV rv = sr_criteria_take(&beginning->criteria, template, err);
	beginning->caller = caller;
	beginning->filter = rv == CKR_OK ? sr_criteria_json(template) : NULL;
	return rv != CKR_OK || beginning->filter ? rv : no_memory(err);
}

static CK_RV look_through(struct beginning *beginning, bool count, struct sr_error *err)
{
	struct sr_vault *vault = beginning->caller->vault;
	struct sr_moment at;
	struct sr_head head;
	int64_t newest_ms;
	CK_RV rv = sr_writer_look(vault->writer, &at, err);
	if (rv != CKR_OK)
		return rv;
	rv = vault->store->ops->event_head(at.tx, &head, &newest_ms, err);
	beginning->through = head.seq;
	if (rv == CKR_OK)
		rv = sr_base_number(vault->store, &at, &beginning->base, err);
	if (rv == CKR_OK && count)
		rv = sr_audit_query_count(
			vault->store, at.tx, &beginning->criteria.query, &beginning->count, &beginning->first, err);
	sr_writer_look_end(vault->writer, &at);
	return rv;
}

/* RV is whether it may be; TOLD, which is taken, goes into the record. */
static CK_RV record(struct beginning *beginning, enum sr_event_kind kind, CK_RV rv, json_t *told, uint64_t *id,
	struct sr_error *err)
{
	struct sr_act act;
	sr_act_begin(&act, beginning->caller, kind, NULL);
	CK_RV fits = sr_criteria_tell(told, act.event.metadata, rv == CKR_OK ? err : NULL);
	rv = sr_act_record(&act, rv == CKR_OK ? fits : rv, err);
	*id = act.event.id;
	return rv;
}

static CK_RV begin_export(
	struct beginning *beginning, const struct sr_attr *format, char **result, struct sr_error *err)
{
	const char *name = text_is(format, "csv") ? "csv" : "jsonl";
	struct sr_vault *vault = beginning->caller->vault;
	uint64_t id;
	CK_RV rv = may_read(beginning->caller, err);
	if (rv == CKR_OK)
		rv = look_through(beginning, true, err);
	json_t *told = json_pack("{s:s, s:I, s:I, s:I, s:O}", "format", name, "count", (json_int_t)beginning->count,
		"first", (json_int_t)beginning->first, "through", (json_int_t)beginning->through, "filter",
		beginning->filter);
	if (beginning->base)
		json_object_set_new(told, "base", json_integer((json_int_t)beginning->base));
	rv = record(beginning, SR_EVENT_AUDIT_EXPORTED, rv, told, &id, err);
	if (rv == CKR_OK)
		rv = sr_writer_seal(vault->writer, err);
	if (rv != CKR_OK)
		return rv;
	return sr_report_text(
		json_pack("{s:I, s:I}", "id", (json_int_t)id, "count", (json_int_t)beginning->count), result, err);
}

static CK_RV begin_tail(struct beginning *beginning, char **result, struct sr_error *err)
{
	uint64_t id;
	CK_RV rv = may_read(beginning->caller, err);
	if (rv == CKR_OK)
		rv = look_through(beginning, false, err);
	json_t *told = json_pack("{s:b, s:O}", "follow", true, "filter", beginning->filter);
	rv = record(beginning, SR_EVENT_AUDIT_QUERIED, rv, told, &id, err);
	if (rv != CKR_OK)
		return rv;
	return sr_report_text(json_pack("{s:I, s:I, s:I}", "id", (json_int_t)id, "after",
				      (json_int_t)beginning->through, "first", (json_int_t)beginning->base + 1),
		result, err);
}

/* -- a page ----------------------------------------------------------------------------------------------------- */

/** struct reading: what was begun, by its record EVENT, at this moment. An export ends with the checkpoint LAST. */
struct reading {
	const struct sr_caller *caller;
	struct sr_store *store;
	struct sr_moment at;
	struct sr_event event;
	json_t *told; /* its metadata */
	struct sr_criteria criteria;
	bool csv;
	uint64_t first, through;
	struct sr_base base;
	struct sr_checkpoint_row last;
	unsigned signed_by; /* the audit key's generation, once it has sealed the end */
};

/** struct page: TEXT from behind a cursor; AFTER is the next one. NEXT: the checkpoint to come. RECORDS in full. */
struct page {
	struct reading *reading;
	struct sr_buf text;
	uint64_t after, records;
	struct sr_checkpoint_row next;
	bool has_next;
	struct sr_omitted omitted;
	CK_RV rv;
	struct sr_error *err;
};

static CK_RV not_begun(struct sr_error *err)
{
	return sr_fail(err, CKR_ATTRIBUTE_VALUE_INVALID, SR_REASON_NOT_FOUND,
		"no page: nothing was begun by you under this id; begin again");
}

static bool is_mine(const struct sr_caller *caller, const struct sr_event *event, enum sr_event_kind kind)
{
	struct sr_act me;
	sr_act_begin(&me, caller, kind, NULL);
	return event->kind == kind && event->status == SR_STATUS_ALLOWED &&
	       strcmp(event->actor_type, me.event.actor_type) == 0 && strcmp(event->actor_id, me.event.actor_id) == 0;
}

static CK_RV find_beginning(struct reading *reading, uint64_t id, enum sr_event_kind kind, struct sr_error *err)
{
	uint8_t hash[SR_HASH_LEN];
	bool found;
	CK_RV rv = reading->store->ops->event_get(reading->at.tx, id, &reading->event, hash, &found, err);
	if (rv != CKR_OK)
		return rv;
	if (!found || !is_mine(reading->caller, &reading->event, kind))
		return not_begun(err);
	reading->told = json_loads(reading->event.metadata, JSON_REJECT_DUPLICATES, NULL);
	const json_t *filter = json_object_get(reading->told, "filter");
	return json_is_object(filter) ? sr_criteria_of_json(&reading->criteria, filter, err) : not_begun(err);
}

static uint64_t told_number(const struct reading *reading, const char *name)
{
	return (uint64_t)json_integer_value(json_object_get(reading->told, name));
}

/* An export begins where the audit does, and must not lose what it has begun with. */
static CK_RV find_base(struct reading *reading, struct sr_error *err)
{
	struct sr_vault *vault = reading->caller->vault;
	CK_RV rv = sr_base_get(reading->store, vault->hsm, &reading->at, &reading->base, err);
	if (rv == CKR_OK && reading->base.head.seq != told_number(reading, "base"))
		rv = sr_fail(err, CKR_TOKEN_WRITE_PROTECTED, SR_REASON_CHANGED_MEANWHILE,
			"no page: old records of the audit were removed meanwhile; begin again");
	return rv;
}

/* The records up to the first checkpoint over the record of the beginning are what an export holds. */
static CK_RV find_end(struct reading *reading, struct sr_error *err)
{
	bool found = false;
	const char *format = json_string_value(json_object_get(reading->told, "format"));
	reading->csv = format && strcmp(format, "csv") == 0;
	reading->first = told_number(reading, "first");
	reading->through = told_number(reading, "through");
	CK_RV rv = find_base(reading, err);
	if (rv == CKR_OK)
		rv = reading->store->ops->checkpoint_from(
			reading->at.tx, reading->event.id, &reading->last, &found, err);
	return rv != CKR_OK || found ? rv : not_begun(err);
}

/* Which of the records the reader gets in full: those that there were at the beginning, and the beginning itself. */
static bool is_wanted(const struct reading *reading, const struct sr_event *event)
{
	if (event->id == reading->event.id)
		return !reading->csv;
	return event->id >= reading->first && event->id <= reading->through &&
	       sr_audit_query_fits(&reading->criteria.query, event);
}

static CK_RV next_checkpoint(struct page *page)
{
	struct reading *reading = page->reading;
	return reading->store->ops->checkpoint_from(
		reading->at.tx, page->after + 1, &page->next, &page->has_next, page->err);
}

static void put_wanted(struct page *page, const struct sr_event *event, const uint8_t hash[SR_HASH_LEN])
{
	page->records++;
	if (page->reading->csv) {
		sr_export_csv(&page->text, event);
		return;
	}
	sr_export_omitted(&page->text, &page->omitted);
	sr_export_record(&page->text, event, hash);
}

static bool put_event(const struct sr_event *event, const uint8_t hash[SR_HASH_LEN], void *ctx)
{
	struct page *page = ctx;
	bool csv = page->reading->csv;
	if (is_wanted(page->reading, event))
		put_wanted(page, event, hash);
	else if (!csv && !sr_export_omit(&page->text, &page->omitted, event, hash))
		page->text.failed = true;
	page->after = event->id;
	if (!csv && page->has_next && page->next.seq == event->id) {
		sr_export_omitted(&page->text, &page->omitted);
		sr_export_checkpoint(&page->text, &page->next);
		page->rv = next_checkpoint(page);
	}
	return page->rv == CKR_OK && !page->text.failed && page->text.len < PAGE_BYTES;
}

/* Records that are not there are none of the reader's: verify misses them. */
static CK_RV put_records(struct page *page)
{
	struct reading *reading = page->reading;
	uint64_t last = page->after + PAGE_RECORDS < reading->last.seq ? page->after + PAGE_RECORDS : reading->last.seq;
	struct sr_event_query range = { .after = page->after, .before = last + 1 };
	CK_RV rv = next_checkpoint(page);
	if (rv == CKR_OK)
		rv = reading->store->ops->event_query(reading->at.tx, &range, put_event, page, page->err);
	if (rv == CKR_OK && page->rv == CKR_OK && page->text.len < PAGE_BYTES)
		page->after = last;
	sr_export_omitted(&page->text, &page->omitted);
	return rv == CKR_OK ? page->rv : rv;
}

static bool put_key(const struct sr_audit_key_row *row, void *ctx)
{
	sr_export_key(ctx, row);
	return true;
}

/* What stands before the first record. Of a CSV it is in the sidecar. */
static CK_RV put_head(struct reading *reading, struct sr_buf *text, struct sr_error *err)
{
	json_t *head = json_pack("{s:s, s:s, s:s, s:I, s:s, s:I, s:O}", "strongroom", "export/1", "vault",
		reading->caller->vault->id, "chain", reading->at.chain_id, "export", (json_int_t)reading->event.id,
		"format", reading->csv ? "csv" : "jsonl", "through", (json_int_t)reading->through, "filter",
		json_object_get(reading->told, "filter"));
	if (reading->base.head.seq)
		json_object_set_new(head, "base", sr_export_seal_of(&reading->base.checkpoint));
	sr_export_line(text, head);
	return reading->store->ops->audit_key_list(reading->at.tx, put_key, text, err);
}

/* CURSOR NULL: the beginning. */
static CK_RV make_page(struct page *page, const uint64_t *cursor)
{
	struct reading *reading = page->reading;
	CK_RV rv = CKR_OK;
	page->text.len = 0;
	page->after = cursor ? *cursor : reading->base.head.seq;
	if (cursor)
		rv = put_records(page);
	else if (reading->csv)
		sr_export_csv_names(&page->text);
	else
		rv = put_head(reading, &page->text, page->err);
	return rv == CKR_OK && page->text.failed ? no_memory(page->err) : rv;
}

/* -- the end ---------------------------------------------------------------------------------------------------- */

/* The vault signs what it has given itself, not what somebody says that it has: so all pages are made once more. */
static CK_RV digest_pages(struct page *page, EVP_MD_CTX *hash)
{
	const struct reading *reading = page->reading;
	CK_RV rv = make_page(page, NULL);
	while (rv == CKR_OK) {
		uint64_t cursor = page->after;
		if (EVP_DigestUpdate(hash, page->text.data, page->text.len) != 1)
			return no_memory(page->err);
		if (cursor >= reading->last.seq)
			return CKR_OK;
		rv = make_page(page, &cursor);
	}
	return rv;
}

static CK_RV digest_all(struct page *page, uint8_t content[SR_SHA256_LEN])
{
	EVP_MD_CTX *hash = EVP_MD_CTX_new();
	const EVP_MD *md = sr_digest_md(CKM_SHA256);
	CK_RV rv =
		hash && md && EVP_DigestInit_ex(hash, md, NULL) == 1 ? digest_pages(page, hash) : no_memory(page->err);
	if (rv == CKR_OK && EVP_DigestFinal_ex(hash, content, NULL) != 1)
		rv = no_memory(page->err);
	EVP_MD_CTX_free(hash);
	return rv;
}

static CK_RV rekeyed_meanwhile(struct sr_error *err)
{
	return sr_fail(err, CKR_FUNCTION_FAILED, SR_REASON_CHANGED_MEANWHILE,
		"not exported: a rekey has begun meanwhile; export again");
}

static CK_RV sign_end(struct reading *reading, const struct sr_export_seal *end, char seal[], struct sr_error *err)
{
	uint8_t digest[SR_SHA256_LEN], signature[SR_HSM_SIGNATURE_LEN];
	if (!sr_export_digest(reading->at.chain_id, end, digest))
		return no_memory(err);
	CK_RV rv = sr_hsm_sign_as(reading->caller->vault->hsm, digest, signature, &reading->signed_by, err);
	if (rv == CKR_OK && reading->signed_by != reading->at.generation)
		rv = rekeyed_meanwhile(err);
	if (rv == CKR_OK)
		sr_text_hex(signature, sizeof(signature), seal);
	return rv;
}

static CK_RV seal_all(struct reading *reading, struct sr_export_seal *end, char seal[], struct sr_error *err)
{
	struct page page = { .reading = reading, .text = SR_BUF_INIT, .err = err };
	*end = (struct sr_export_seal){
		.event_id = reading->event.id, .format = reading->csv ? "csv" : "jsonl", .seq = reading->last.seq
	};
	CK_RV rv = digest_all(&page, end->content);
	sr_buf_clear(&page.text);
	end->records = page.records;
	return rv == CKR_OK ? sign_end(reading, end, seal, err) : rv;
}

static CK_RV put_end(struct reading *reading, struct sr_buf *text, struct sr_error *err)
{
	char sum[2 * SR_SHA256_LEN + 1], seal[2 * SR_HSM_SIGNATURE_LEN + 1];
	struct sr_export_seal end;
	CK_RV rv = seal_all(reading, &end, seal, err);
	if (rv == CKR_OK && reading->csv)
		rv = put_head(reading, text, err);
	if (rv != CKR_OK)
		return rv;
	sr_text_hex(end.content, sizeof(end.content), sum);
	sr_export_line(text,
		json_pack("{s:{s:I, s:I, s:s, s:i, s:s}}", "end", "seq", (json_int_t)end.seq, "records",
			(json_int_t)end.records, "sha256", sum, "generation", (int)reading->signed_by, "seal", seal));
	return text->failed ? no_memory(err) : CKR_OK;
}

/* The pages before have told the audit keys that there were. */
static CK_RV check_keys(struct reading *reading, struct sr_error *err)
{
	uint64_t begun = 0;
	CK_RV rv = sr_keys_begun(reading->caller->vault, &reading->at, reading->at.generation, &begun, err);
	return rv == CKR_OK && begun > reading->event.id ? rekeyed_meanwhile(err) : rv;
}

static CK_RV export_page(struct reading *reading, const uint64_t *cursor, char **result, struct sr_error *err)
{
	struct page page = { .reading = reading, .text = SR_BUF_INIT, .err = err };
	struct sr_buf end = SR_BUF_INIT;
	CK_RV rv = find_end(reading, err);
	if (rv == CKR_OK)
		rv = check_keys(reading, err);
	bool done = rv == CKR_OK && cursor && *cursor >= reading->last.seq;
	if (rv == CKR_OK)
		rv = done ? put_end(reading, &end, err) : make_page(&page, cursor);
	const char *text = sr_buf_string(done && !reading->csv ? &end : &page.text);
	if (rv == CKR_OK)
		rv = sr_report_text(json_pack("{s:b, s:I, s:I, s:s, s:s}", "done", done, "after",
					    (json_int_t)page.after, "last", (json_int_t)reading->last.seq, "text", text,
					    "sidecar", done && reading->csv ? sr_buf_string(&end) : ""),
			result, err);
	sr_buf_clear(&page.text);
	sr_buf_clear(&end);
	return rv;
}

/* -- tails ------------------------------------------------------------------------------------------------------ */

static bool tail_event(const struct sr_event *event, const uint8_t hash[SR_HASH_LEN], void *ctx)
{
	struct page *page = ctx;
	(void)hash;
	if (sr_audit_query_fits(&page->reading->criteria.query, event))
		sr_export_line(&page->text, sr_export_shown(event));
	page->after = event->id;
	return !page->text.failed && page->text.len < PAGE_BYTES;
}

/* A tail ends a day after its record, so that there is a record of each day's reading. */
static CK_RV tail_page(struct reading *reading, const uint64_t *cursor, char **result, struct sr_error *err)
{
	struct page page = { .reading = reading, .text = SR_BUF_INIT, .after = *cursor, .err = err };
	struct sr_event_query range = { .after = *cursor };
	uint64_t base = 0;
	if (!json_is_true(json_object_get(reading->told, "follow")) ||
		reading->at.not_before_ms - reading->event.timestamp_ms > TAIL_MS)
		return not_begun(err);
	CK_RV rv = sr_base_number(reading->store, &reading->at, &base, err);
	if (page.after < base)
		page.after = range.after = base;
	range.before = range.after + PAGE_RECORDS + 1;
	if (rv == CKR_OK)
		rv = reading->store->ops->event_query(reading->at.tx, &range, tail_event, &page, err);
	if (rv == CKR_OK && page.text.failed)
		rv = no_memory(err);
	if (rv == CKR_OK)
		rv = sr_report_text(
			json_pack("{s:I, s:s}", "after", (json_int_t)page.after, "text", sr_buf_string(&page.text)),
			result, err);
	sr_buf_clear(&page.text);
	return rv;
}

/* -- the jobs --------------------------------------------------------------------------------------------------- */

static CK_RV take_number(
	const struct sr_attrs *template, CK_ATTRIBUTE_TYPE type, const char *what, uint64_t *out, struct sr_error *err)
{
	const struct sr_attr *attr = sr_attrs_find(template, type);
	if (attr && sr_text_u64((const char *)attr->value, attr->len, INT64_MAX - PAGE_RECORDS - 1, out))
		return CKR_OK;
	return sr_fail(err, attr ? CKR_ATTRIBUTE_VALUE_INVALID : CKR_TEMPLATE_INCOMPLETE, SR_REASON_BAD_TEMPLATE,
		"no page: %s is no number of a record", what);
}

/* Its criteria are those of the beginning. */
static CK_RV check_page(const struct sr_attrs *template, struct sr_error *err)
{
	static const CK_ATTRIBUTE_TYPE of_page[] = { CKA_CLASS, CKA_TOKEN, CKA_PRIVATE, CKA_SR_KIND, CKA_SR_EVENT_ID,
		CKA_SR_AFTER };
	for (size_t i = 0; i < template->count; i++) {
		size_t at = 0;
		while (at < sizeof(of_page) / sizeof(*of_page) && of_page[at] != template->items[i].type)
			at++;
		if (at == sizeof(of_page) / sizeof(*of_page))
			return sr_fail(err, CKR_TEMPLATE_INCONSISTENT, SR_REASON_BAD_TEMPLATE,
				"no page: it takes the id and the last one's end, not attribute 0x%lx",
				template->items[i].type);
	}
	return CKR_OK;
}

static CK_RV read_page(struct reading *reading, const struct sr_attrs *template, enum sr_event_kind kind, char **result,
	struct sr_error *err)
{
	struct sr_vault *vault = reading->caller->vault;
	bool has_cursor = kind == SR_EVENT_AUDIT_QUERIED || sr_attrs_find(template, CKA_SR_AFTER);
	uint64_t id, cursor = 0;
	CK_RV rv = check_page(template, err);
	if (rv == CKR_OK)
		rv = take_number(template, CKA_SR_EVENT_ID, "the id", &id, err);
	if (rv == CKR_OK && has_cursor)
		rv = take_number(template, CKA_SR_AFTER, "the last one's end", &cursor, err);
	if (rv == CKR_OK)
		rv = may_read(reading->caller, err);
	if (rv == CKR_OK)
		rv = sr_writer_look(vault->writer, &reading->at, err);
	if (rv != CKR_OK)
		return rv;
	reading->store = vault->store;
	rv = find_beginning(reading, id, kind, err);
	if (rv == CKR_OK)
		rv = kind == SR_EVENT_AUDIT_QUERIED ? tail_page(reading, &cursor, result, err)
						    : export_page(reading, has_cursor ? &cursor : NULL, result, err);
	sr_writer_look_end(vault->writer, &reading->at);
	return rv;
}

/* It is large for a stack that a guest has made. */
static CK_RV page_of(const struct sr_caller *caller, const struct sr_attrs *template, enum sr_event_kind kind,
	char **result, struct sr_error *err)
{
	struct reading *reading = calloc(1, sizeof(*reading));
	if (!reading)
		return no_memory(err);
	reading->caller = caller;
	CK_RV rv = read_page(reading, template, kind, result, err);
	json_decref(reading->told);
	free(reading);
	return rv;
}

CK_RV sr_job_export(
	const struct sr_caller *caller, const struct sr_attrs *template, char **result, struct sr_error *err)
{
	const struct sr_attr *format = sr_attrs_find(template, CKA_SR_FORMAT);
	struct beginning beginning = { .filter = NULL };
	if (sr_attrs_find(template, CKA_SR_EVENT_ID))
		return page_of(caller, template, SR_EVENT_AUDIT_EXPORTED, result, err);
	if (!text_is(format, "csv") && !text_is(format, "jsonl"))
		return sr_fail(err, format ? CKR_ATTRIBUTE_VALUE_INVALID : CKR_TEMPLATE_INCOMPLETE,
			SR_REASON_BAD_TEMPLATE, "bad export: its format must be csv or jsonl");
	CK_RV rv = take_beginning(&beginning, caller, template, err);
	if (rv == CKR_OK)
		rv = begin_export(&beginning, format, result, err);
	json_decref(beginning.filter);
	return rv;
}

CK_RV sr_job_tail(const struct sr_caller *caller, const struct sr_attrs *template, char **result, struct sr_error *err)
{
	struct beginning beginning = { .filter = NULL };
	if (sr_attrs_find(template, CKA_SR_EVENT_ID))
		return page_of(caller, template, SR_EVENT_AUDIT_QUERIED, result, err);
	CK_RV rv = take_beginning(&beginning, caller, template, err);
	if (rv == CKR_OK && beginning.criteria.query.limit)
		rv = sr_fail(
			err, CKR_ATTRIBUTE_VALUE_INVALID, SR_REASON_BAD_TEMPLATE, "bad tail: limit: a tail goes on");
	if (rv == CKR_OK)
		rv = begin_tail(&beginning, result, err);
	json_decref(beginning.filter);
	return rv;
}

/* -- the key ---------------------------------------------------------------------------------------------------- */

static bool tell_key(const struct sr_audit_key_row *row, void *ctx)
{
	uint8_t hash[SR_SHA256_LEN];
	char spki[2048 + 1], fingerprint[2 * SR_SHA256_LEN + 1];
	if (row->spki.len > 1024 || !sr_sha256(row->spki.data, row->spki.len, hash))
		return false;
	sr_text_hex(row->spki.data, row->spki.len, spki);
	sr_text_hex(hash, sizeof(hash), fingerprint);
	return json_array_append_new(ctx, json_pack("{s:i, s:s, s:s}", "generation", (int)row->generation,
						  "fingerprint", fingerprint, "spki", spki)) == 0;
}

CK_RV sr_job_audit_key(
	const struct sr_caller *caller, const struct sr_attrs *template, char **result, struct sr_error *err)
{
	struct sr_vault *vault = caller->vault;
	json_t *keys = json_array();
	struct sr_moment at;
	(void)template;
	CK_RV rv = may_read(caller, err);
	if (rv == CKR_OK)
		rv = sr_writer_look(vault->writer, &at, err);
	if (rv == CKR_OK) {
		rv = vault->store->ops->audit_key_list(at.tx, tell_key, keys, err);
		sr_writer_look_end(vault->writer, &at);
	}
	if (rv != CKR_OK) {
		json_decref(keys);
		return rv;
	}
	return sr_report_text(json_pack("{s:o}", "keys", keys), result, err);
}
