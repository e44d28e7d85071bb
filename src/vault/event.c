/* The audit as read-only objects: the search template is the query. */
#include "vault/event.h"

#include "audit/query.h"
#include "util/text.h"
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

/* -- criteria --------------------------------------------------------------------------------------------------- */

/** struct criteria: the query and the texts that it points into. */
struct criteria {
	struct sr_audit_query query;
	char path[SR_PATH_MAX + 1], actor[64], token[64], tier[16];
};

static CK_RV bad(struct sr_error *err, const char *what, const char *why)
{
	return sr_fail(err, CKR_ATTRIBUTE_VALUE_INVALID, SR_REASON_BAD_TEMPLATE, "bad query: %s: %s", what, why);
}

static bool copy_text(const struct sr_attr *attr, char *out, size_t cap, const char **slot)
{
	if (attr->len == 0 || attr->len >= cap || !sr_text_utf8(attr->value, attr->len))
		return false;
	memcpy(out, attr->value, attr->len);
	out[attr->len] = '\0';
	*slot = out;
	return true;
}

static bool take_events(struct criteria *criteria, const struct sr_attr *attr)
{
	const char *at = (const char *)attr->value, *end = at + attr->len;
	while (at < end) {
		char name[48];
		enum sr_event_kind kind;
		const char *newline = memchr(at, '\n', (size_t)(end - at));
		size_t len = (size_t)((newline ? newline : end) - at);
		if (len == 0 || len >= sizeof(name))
			return false;
		memcpy(name, at, len);
		name[len] = '\0';
		if (!sr_event_parse(name, &kind))
			return false;
		criteria->query.events |= UINT64_C(1) << kind;
		at += len + (newline != NULL);
	}
	return attr->len > 0;
}

static bool take_status(struct criteria *criteria, const struct sr_attr *attr)
{
	criteria->query.by_status = true;
	for (int status = SR_STATUS_ALLOWED; status <= SR_STATUS_ERROR; status++) {
		const char *name = sr_status_name((enum sr_status)status);
		criteria->query.status = (enum sr_status)status;
		if (strlen(name) == attr->len && memcmp(name, attr->value, attr->len) == 0)
			return true;
	}
	return false;
}

static bool take_path(struct criteria *criteria, const struct sr_attr *attr)
{
	return sr_glob_valid((const char *)attr->value, attr->len) &&
	       copy_text(attr, criteria->path, sizeof(criteria->path), &criteria->query.path_glob);
}

static bool take_actor(struct criteria *criteria, const struct sr_attr *attr)
{
	return copy_text(attr, criteria->actor, sizeof(criteria->actor), &criteria->query.actor_id);
}

static bool take_token(struct criteria *criteria, const struct sr_attr *attr)
{
	return copy_text(attr, criteria->token, sizeof(criteria->token), &criteria->query.token_id);
}

static bool take_tier(struct criteria *criteria, const struct sr_attr *attr)
{
	enum sr_tier tier;
	return sr_tier_parse((const char *)attr->value, attr->len, &tier) &&
	       copy_text(attr, criteria->tier, sizeof(criteria->tier), &criteria->query.tier);
}

static bool take_ip(struct criteria *criteria, const struct sr_attr *attr)
{
	const char *why;
	criteria->query.by_ip = true;
	return sr_cidr_parse((const char *)attr->value, attr->len, &criteria->query.ip, &why);
}

static bool take_time(const struct sr_attr *attr, int64_t *ms)
{
	char text[64];
	const char *slot;
	return copy_text(attr, text, sizeof(text), &slot) && sr_text_parse_time(text, ms);
}

static bool take_since(struct criteria *criteria, const struct sr_attr *attr)
{
	return take_time(attr, &criteria->query.since_ms);
}

static bool take_until(struct criteria *criteria, const struct sr_attr *attr)
{
	return take_time(attr, &criteria->query.until_ms);
}

static bool take_limit(struct criteria *criteria, const struct sr_attr *attr)
{
	return sr_text_u64((const char *)attr->value, attr->len, UINT32_MAX, &criteria->query.limit) &&
	       criteria->query.limit > 0;
}

static bool take_nothing(struct criteria *criteria, const struct sr_attr *attr)
{
	(void)criteria;
	(void)attr;
	return true;
}

static const struct {
	CK_ATTRIBUTE_TYPE type;
	bool (*take)(struct criteria *criteria, const struct sr_attr *attr);
	const char *what, *why;
} takers[] = {
	{ CKA_SR_EVENT, take_events, "event", "no such event; see docs/audit.md for their names" },
	{ CKA_SR_STATUS, take_status, "status", "it is allowed, denied or error" },
	{ CKA_SR_PATH, take_path, "path", "it is a path or a glob such as production/*" },
	{ CKA_SR_ACTOR_ID, take_actor, "actor", "it is a member's name or a token's id" },
	{ CKA_SR_TOKEN_ID, take_token, "token", "it is a token's id" },
	{ CKA_SR_RESOURCE_TIER, take_tier, "tier", "it is standard, sensitive or critical" },
	{ CKA_SR_IP, take_ip, "ip", "it is a host or CIDR without host bits" },
	{ CKA_SR_SINCE, take_since, "since", "it is an RFC 3339 time" },
	{ CKA_SR_UNTIL, take_until, "until", "it is an RFC 3339 time" },
	{ CKA_SR_LIMIT, take_limit, "limit", "it is a number from 1" },
	{ CKA_CLASS, take_nothing, "", "" },
	{ CKA_TOKEN, take_nothing, "", "" },
	{ CKA_PRIVATE, take_nothing, "", "" },
};

static CK_RV take_criterion(struct criteria *criteria, const struct sr_attr *attr, struct sr_error *err)
{
	for (size_t i = 0; i < sizeof(takers) / sizeof(*takers); i++) {
		if (takers[i].type == attr->type)
			return takers[i].take(criteria, attr) ? CKR_OK : bad(err, takers[i].what, takers[i].why);
	}
	return sr_fail(err, CKR_ATTRIBUTE_TYPE_INVALID, SR_REASON_BAD_TEMPLATE,
		"bad query: attribute 0x%lx is no criterion for events", attr->type);
}

static CK_RV take_query(struct criteria *criteria, const struct sr_attrs *query, struct sr_error *err)
{
	for (size_t i = 0; i < query->count; i++) {
		CK_RV rv = take_criterion(criteria, &query->items[i], err);
		if (rv != CKR_OK)
			return rv;
	}
	return CKR_OK;
}

/* -- searching -------------------------------------------------------------------------------------------------- */

static CK_RV run_query(const struct sr_caller *caller, const struct criteria *criteria, sr_found found, void *ctx,
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
	struct criteria criteria = { .query = { 0 } };
	struct sr_act act;
	CK_RV rv = take_query(&criteria, query, err);
	if (rv != CKR_OK)
		return rv;
	sr_act_begin(&act, caller, SR_EVENT_AUDIT_QUERIED, NULL);
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
