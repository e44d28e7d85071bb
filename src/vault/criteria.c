/* What a query of the audit asks for: from the template, and to and from the record that tells of it. */
#include "vault/criteria.h"

#include "util/text.h"

#include <stdlib.h>
#include <string.h>

#define SHOWN_MAX 80

_Static_assert(SR_EVENT_COUNT <= 64, "a query has a bit for each kind of event");

/* What was given is in the line where it is a text. */
static CK_RV bad(struct sr_error *err, const struct sr_attr *attr, const char *what, const char *why)
{
	int len = attr && attr->len > 0 && attr->len <= SHOWN_MAX && sr_text_utf8(attr->value, attr->len)
			  ? (int)attr->len
			  : 0;
	return sr_fail(err, CKR_ATTRIBUTE_VALUE_INVALID, SR_REASON_BAD_TEMPLATE, "bad query: %s%s%.*s%s: %s", what,
		len ? " '" : "", len, len ? (const char *)attr->value : "", len ? "'" : "", why);
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

static bool take_events(struct sr_criteria *criteria, const struct sr_attr *attr)
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

static bool take_status(struct sr_criteria *criteria, const struct sr_attr *attr)
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

static bool take_path(struct sr_criteria *criteria, const struct sr_attr *attr)
{
	return sr_glob_valid((const char *)attr->value, attr->len) &&
	       copy_text(attr, criteria->path, sizeof(criteria->path), &criteria->query.path_glob);
}

static bool take_actor(struct sr_criteria *criteria, const struct sr_attr *attr)
{
	return copy_text(attr, criteria->actor, sizeof(criteria->actor), &criteria->query.actor_id);
}

static bool take_token(struct sr_criteria *criteria, const struct sr_attr *attr)
{
	return copy_text(attr, criteria->token, sizeof(criteria->token), &criteria->query.token_id);
}

static bool take_tier(struct sr_criteria *criteria, const struct sr_attr *attr)
{
	enum sr_tier tier;
	return sr_tier_parse((const char *)attr->value, attr->len, &tier) &&
	       copy_text(attr, criteria->tier, sizeof(criteria->tier), &criteria->query.tier);
}

static bool take_ip(struct sr_criteria *criteria, const struct sr_attr *attr)
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

static bool take_since(struct sr_criteria *criteria, const struct sr_attr *attr)
{
	return take_time(attr, &criteria->query.since_ms);
}

static bool take_until(struct sr_criteria *criteria, const struct sr_attr *attr)
{
	return take_time(attr, &criteria->query.until_ms);
}

static bool take_limit(struct sr_criteria *criteria, const struct sr_attr *attr)
{
	return sr_text_u64((const char *)attr->value, attr->len, UINT32_MAX, &criteria->query.limit) &&
	       criteria->query.limit > 0;
}

/* What the search or the job is, not what it looks for. */
static bool take_nothing(struct sr_criteria *criteria, const struct sr_attr *attr)
{
	(void)criteria;
	(void)attr;
	return true;
}

static const struct {
	CK_ATTRIBUTE_TYPE type;
	bool (*take)(struct sr_criteria *criteria, const struct sr_attr *attr);
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
	{ CKA_CLASS, take_nothing, NULL, NULL },
	{ CKA_TOKEN, take_nothing, NULL, NULL },
	{ CKA_PRIVATE, take_nothing, NULL, NULL },
};

static CK_RV take_criterion(struct sr_criteria *criteria, const struct sr_attr *attr, struct sr_error *err)
{
	for (size_t i = 0; i < sizeof(takers) / sizeof(*takers); i++) {
		if (takers[i].type == attr->type)
			return takers[i].take(criteria, attr) ? CKR_OK : bad(err, attr, takers[i].what, takers[i].why);
	}
	return sr_fail(err, CKR_ATTRIBUTE_TYPE_INVALID, SR_REASON_BAD_TEMPLATE,
		"bad query: attribute 0x%lx is no criterion for events", attr->type);
}

/* A job says more of itself than a search. */
static bool is_of_job(const struct sr_attrs *query, CK_ATTRIBUTE_TYPE type)
{
	return sr_attrs_ulong(query, CKA_CLASS, 0) == CKO_SR_JOB && (type == CKA_SR_KIND || type == CKA_SR_FORMAT);
}

CK_RV sr_criteria_take(struct sr_criteria *criteria, const struct sr_attrs *query, struct sr_error *err)
{
	memset(criteria, 0, sizeof(*criteria));
	for (size_t i = 0; i < query->count; i++) {
		if (is_of_job(query, query->items[i].type))
			continue;
		CK_RV rv = take_criterion(criteria, &query->items[i], err);
		if (rv != CKR_OK)
			return rv;
	}
	if (criteria->query.until_ms && criteria->query.until_ms < criteria->query.since_ms)
		return bad(err, NULL, "until", "it is before since");
	return CKR_OK;
}

/* -- as JSON ---------------------------------------------------------------------------------------------------- */

/* One a line becomes one an item. */
static json_t *lines_of(const struct sr_attr *attr)
{
	json_t *list = json_array();
	const char *at = (const char *)attr->value, *end = at + attr->len;
	while (list && at < end) {
		const char *newline = memchr(at, '\n', (size_t)(end - at));
		const char *stop = newline ? newline : end;
		json_array_append_new(list, json_stringn(at, (size_t)(stop - at)));
		at = stop + (newline != NULL);
	}
	return list;
}

json_t *sr_criteria_json(const struct sr_attrs *query)
{
	json_t *told = json_object();
	for (size_t i = 0; told && i < sizeof(takers) / sizeof(*takers); i++) {
		const struct sr_attr *attr = takers[i].what ? sr_attrs_find(query, takers[i].type) : NULL;
		if (!attr)
			continue;
		json_t *value = attr->type == CKA_SR_EVENT ? lines_of(attr)
							   : json_stringn((const char *)attr->value, attr->len);
		if (json_object_set_new(told, takers[i].what, value) != 0) {
			json_decref(told);
			return NULL;
		}
	}
	return told;
}

static void put_back(struct sr_attrs *query, CK_ATTRIBUTE_TYPE type, const json_t *value)
{
	struct sr_buf text = SR_BUF_INIT;
	size_t i;
	json_t *item;
	if (json_is_string(value))
		sr_buf_text(&text, json_string_value(value));
	json_array_foreach((json_t *)value, i, item)
	{
		if (i > 0)
			sr_buf_text(&text, "\n");
		sr_buf_text(&text, json_is_string(item) ? json_string_value(item) : "?");
	}
	sr_attrs_put(query, type, text.data, text.len);
	query->failed = query->failed || text.failed;
	sr_buf_clear(&text);
}

CK_RV sr_criteria_of_json(struct sr_criteria *criteria, const json_t *told, struct sr_error *err)
{
	struct sr_attrs query = SR_ATTRS_INIT;
	for (size_t i = 0; i < sizeof(takers) / sizeof(*takers); i++) {
		const json_t *value = takers[i].what ? json_object_get(told, takers[i].what) : NULL;
		if (value)
			put_back(&query, takers[i].type, value);
	}
	CK_RV rv = query.failed ? sr_fail(err, CKR_HOST_MEMORY, SR_REASON_MEMORY, "no memory for a query")
				: sr_criteria_take(criteria, &query, err);
	sr_attrs_clear(&query);
	return rv;
}

CK_RV sr_criteria_tell(json_t *told, char metadata[SR_METADATA_MAX], struct sr_error *err)
{
	char *text = told ? json_dumps(told, JSON_COMPACT) : NULL;
	json_decref(told);
	if (!text)
		return sr_fail(err, CKR_HOST_MEMORY, SR_REASON_MEMORY, "no memory for a query");
	bool fits = strlen(text) < SR_METADATA_MAX;
	if (fits)
		memcpy(metadata, text, strlen(text) + 1);
	free(text);
	return fits ? CKR_OK
		    : sr_fail(err, CKR_ATTRIBUTE_VALUE_INVALID, SR_REASON_BAD_TEMPLATE,
			      "bad query: it is too long for its record; ask for fewer events at once");
}
