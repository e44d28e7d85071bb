/* The audit as read-only objects: the search template is the query. */
#include "vault/event.h"

#include "util/text.h"
#include "vault/criteria.h"
#include "vault/who.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static CK_RV no_event(struct sr_error *err)
{
	return sr_fail(err, CKR_OBJECT_HANDLE_INVALID, SR_REASON_NOT_FOUND, "there is no such event for you");
}

/* -- showing ---------------------------------------------------------------------------------------------------- */

static void put_present(struct sr_attrs *attrs, CK_ATTRIBUTE_TYPE type, const char *text)
{
	if (text[0])
		sr_attrs_put_text(attrs, type, text);
}

static void event_attrs(const struct sr_event *event, struct sr_attrs *attrs)
{
	char label[24];
	snprintf(label, sizeof(label), "%" PRIu64, event->id);
	sr_attrs_put_ulong(attrs, CKA_CLASS, CKO_SR_EVENT);
	sr_attrs_put_bool(attrs, CKA_TOKEN, true);
	sr_attrs_put_bool(attrs, CKA_PRIVATE, true);
	sr_attrs_put_bool(attrs, CKA_MODIFIABLE, false);
	sr_attrs_put_text(attrs, CKA_LABEL, label);
	sr_attrs_put_text(attrs, CKA_SR_EVENT_ID, label);
	sr_attrs_put_time(attrs, CKA_SR_TIMESTAMP, event->timestamp_ms);
	sr_attrs_put_text(attrs, CKA_SR_EVENT, sr_event_name(event->kind));
	sr_attrs_put_text(attrs, CKA_SR_STATUS, sr_status_name(event->status));
	put_present(attrs, CKA_SR_ACTOR_TYPE, event->actor_type);
	put_present(attrs, CKA_SR_ACTOR_ID, event->actor_id);
	put_present(attrs, CKA_SR_TOKEN_ID, event->token_id);
	put_present(attrs, CKA_SR_IP, event->ip);
	put_present(attrs, CKA_SR_PEER, event->peer);
	put_present(attrs, CKA_SR_FUNCTION, event->function);
	put_present(attrs, CKA_SR_RV, event->rv);
	put_present(attrs, CKA_SR_REASON, event->reason);
	put_present(attrs, CKA_SR_PATH, event->path);
	put_present(attrs, CKA_SR_RESOURCE_TIER, event->tier);
	if (event->version)
		sr_attrs_put_number(attrs, CKA_SR_VERSION, event->version);
	put_present(attrs, CKA_SR_METADATA, event->metadata);
}

static CK_RV event_view(const struct sr_caller *caller, const char *id, struct sr_view *view, struct sr_error *err)
{
	struct sr_store *store = caller->vault->store;
	struct sr_event event;
	uint8_t hash[SR_HASH_LEN];
	uint64_t number;
	struct sr_moment at;
	bool found = false;
	if (!(sr_who_duties(caller->identity) & SR_DUTY_AUDIT) || !sr_text_u64(id, strlen(id), INT64_MAX, &number))
		return no_event(err);
	CK_RV rv = sr_writer_look(caller->vault->writer, &at, err);
	if (rv != CKR_OK)
		return rv;
	rv = store->ops->event_get(at.tx, number, &event, hash, &found, err);
	sr_writer_look_end(caller->vault->writer, &at);
	if (rv == CKR_OK && !found)
		rv = no_event(err);
	if (rv == CKR_OK)
		event_attrs(&event, &view->attrs);
	return rv;
}

/* -- searching -------------------------------------------------------------------------------------------------- */

static CK_RV run_query(const struct sr_caller *caller, const struct sr_criteria *criteria, sr_found found, void *ctx,
	struct sr_error *err)
{
	struct sr_store *store = caller->vault->store;
	uint64_t *ids = NULL;
	size_t count = 0;
	struct sr_moment at;
	char id[24];
	CK_RV rv = sr_writer_look(caller->vault->writer, &at, err);
	if (rv != CKR_OK)
		return rv;
	rv = sr_audit_query_run(store, at.tx, &criteria->query, &ids, &count, err);
	sr_writer_look_end(caller->vault->writer, &at);
	for (size_t i = 0; rv == CKR_OK && i < count; i++) {
		snprintf(id, sizeof(id), "%" PRIu64, ids[i]);
		if (!found(id, ctx))
			break;
	}
	free(ids);
	return rv;
}

/* Looking at the audit is in the audit: first the record, then the answer. A bad query is nobody's business. To those
 * who may not look there are no events (PKCS#11 v3.1, 5.7.7: what cannot be viewed is not found); ERR keeps why. */
static CK_RV event_find(
	const struct sr_caller *caller, const struct sr_attrs *query, sr_found found, void *ctx, struct sr_error *err)
{
	struct sr_criteria criteria;
	struct sr_act act;
	CK_RV rv = sr_criteria_take(&criteria, query, err);
	if (rv != CKR_OK)
		return rv;
	sr_act_begin(&act, caller, SR_EVENT_AUDIT_QUERIED, NULL);
	rv = sr_criteria_tell(sr_criteria_json(query), act.event.metadata, err);
	if (rv != CKR_OK)
		return rv;
	CK_RV may = sr_need_duty(caller, SR_DUTY_AUDIT, CKR_ACTION_PROHIBITED, "read the audit", err);
	rv = sr_act_record(&act, may, err);
	if (may != CKR_OK && rv == may)
		return CKR_OK;
	return rv == CKR_OK ? run_query(caller, &criteria, found, ctx, err) : rv;
}

const struct sr_class sr_event_class = {
	.object_class = CKO_SR_EVENT,
	.only_by_class = true,
	.find = event_find,
	.view = event_view,
};
