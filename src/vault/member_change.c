/* Adding, changing and removing members. What is decided on a row is decided inside the transaction, on the row as it
 * is there; only the passphrase is hashed before, for that takes a while. */
#include "vault/member.h"

#include "vault/who.h"

#include <stdio.h>
#include <string.h>

/** struct change: what is asked for. NEXT holds the name, the new role, the new passphrase's salt and hash, the new
 * addresses, as far as the act is about them. */
struct change {
	char name[SR_NAME_MAX];
	CK_ATTRIBUTE_TYPE what; /* of a set: the one attribute */
	struct sr_member_row next;
	struct sr_stretched kept; /* of the new passphrase */
};

static CK_RV bad(struct sr_error *err, CK_ULONG reason, const char *what, const char *why)
{
	return sr_fail(err, CKR_ATTRIBUTE_VALUE_INVALID, reason, "member not changed: %s: %s", what, why);
}

static CK_RV missing(struct sr_error *err, const char *what)
{
	return sr_fail(err, CKR_TEMPLATE_INCOMPLETE, SR_REASON_BAD_TEMPLATE, "member not added: %s is missing", what);
}

static const CK_ATTRIBUTE_TYPE settable[] = { CKA_SR_ROLE, CKA_SR_ALLOWED_IPS, CKA_VALUE };

/* -- the template ------------------------------------------------------------------------------------------------ */

static bool is_one_of(CK_ATTRIBUTE_TYPE type, const CK_ATTRIBUTE_TYPE *types, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (types[i] == type)
			return true;
	}
	return false;
}

static CK_RV take_name(struct change *change, const struct sr_attrs *template, struct sr_error *err)
{
	const struct sr_attr *attr = sr_attrs_find(template, CKA_SR_NAME);
	if (!attr)
		return missing(err, "the name");
	if (!sr_name_valid((const char *)attr->value, attr->len))
		return bad(err, SR_REASON_BAD_TEMPLATE, "bad name", "1 to 32 of a-z, 0-9, '.', '_' and '-'");
	memcpy(change->name, attr->value, attr->len);
	memcpy(change->next.name, attr->value, attr->len);
	return CKR_OK;
}

static CK_RV take_role(struct change *change, const struct sr_attr *attr, struct sr_error *err)
{
	if (!sr_role_parse((const char *)attr->value, attr->len, &change->next.role))
		return bad(err, SR_REASON_BAD_TEMPLATE, "bad role", "it must be admin, editor, viewer or auditor");
	return CKR_OK;
}

/* An empty list would be no restriction at all: nobody who names addresses means that. */
static CK_RV take_allowed(struct change *change, const struct sr_attr *attr, struct sr_error *err)
{
	struct sr_allowed allowed = { 0 };
	const char *why = "the list is empty";
	if (attr->len > SR_MEMBER_ALLOWED_MAX)
		return bad(err, SR_REASON_TOO_LARGE, "too many addresses", "they have 1024 bytes at most");
	bool parsed = attr->len && sr_allowed_parse((const char *)attr->value, attr->len, &allowed, &why);
	bool any = parsed && allowed.count > 0;
	sr_allowed_clear(&allowed);
	if (!any)
		return bad(err, SR_REASON_BAD_ADDRESS, "bad address", why);
	memcpy(change->next.allowed_ips, attr->value, attr->len);
	change->next.allowed_ips[attr->len] = '\0';
	return CKR_OK;
}

/* Creates and sets have one code for a value that does not do. */
static CK_RV take_passphrase(
	struct change *change, const struct sr_caller *caller, const struct sr_attr *attr, struct sr_error *err)
{
	memcpy(change->next.name, change->name, sizeof(change->next.name));
	CK_RV rv = sr_member_set_passphrase(caller->vault, &change->next, attr->value, attr->len, &change->kept, err);
	if (rv != CKR_OK && err->reason == SR_REASON_WEAK_PASSPHRASE)
		rv = err->rv = CKR_ATTRIBUTE_VALUE_INVALID;
	return rv;
}

static CK_RV take_attribute(
	struct change *change, const struct sr_caller *caller, const struct sr_attr *attr, struct sr_error *err)
{
	switch (attr->type) {
	case CKA_SR_ROLE:
		return take_role(change, attr, err);
	case CKA_SR_ALLOWED_IPS:
		return take_allowed(change, attr, err);
	default:
		return take_passphrase(change, caller, attr, err);
	}
}

/* -- the act ------------------------------------------------------------------------------------------------------ */

static struct sr_now moment_now(const struct sr_moment *at)
{
	struct sr_now now = at->now;
	/* The wall clock may have been set back: it is never before the newest record's time. */
	if (now.wall_ms < at->not_before_ms)
		now.wall_ms = at->not_before_ms;
	return now;
}

/* Made by the caller, for approvals as long as the vault says (design §6, fresh-member). */
static void make_fresh(struct sr_act *act, const struct sr_moment *at, struct sr_member_row *row)
{
	struct sr_now now = moment_now(at);
	snprintf(row->made_by, sizeof(row->made_by), "%s", sr_who_owner(act->caller->identity));
	row->fresh = sr_end_after(&now, act->caller->vault->fresh_member_ms);
}

struct admins {
	struct sr_vault *vault;
	const struct sr_moment *at;
	const char *but;
	bool another;
	CK_RV rv;
	struct sr_error *err;
};

static bool look_for_admin(const struct sr_member_row *row, void *ctx)
{
	struct admins *admins = ctx;
	if (strcmp(row->name, admins->but) == 0)
		return true;
	admins->rv = sr_rows_check_member(admins->vault, admins->at, row, admins->err);
	admins->another = admins->rv == CKR_OK && row->active && row->role == SR_ROLE_ADMIN;
	return admins->rv == CKR_OK && !admins->another;
}

/* ROW may stop being an active admin: there is another one, whose row is genuine and the newest. */
static CK_RV not_the_last(
	struct sr_act *act, const struct sr_moment *at, const struct sr_member_row *row, struct sr_error *err)
{
	struct sr_vault *vault = act->caller->vault;
	struct admins admins = { vault, at, row->name, false, CKR_OK, err };
	if (row->role != SR_ROLE_ADMIN)
		return CKR_OK;
	CK_RV rv = vault->store->ops->member_list(at->tx, look_for_admin, &admins, err);
	if (rv != CKR_OK || admins.rv != CKR_OK)
		return rv != CKR_OK ? rv : admins.rv;
	if (admins.another)
		return CKR_OK;
	return sr_fail(err, CKR_ACTION_PROHIBITED, SR_REASON_LAST_ADMIN, "%s is the last admin: make another one first",
		row->name);
}

static CK_RV load_active(
	struct sr_act *act, const struct sr_moment *at, struct sr_member_row *row, struct sr_error *err)
{
	const struct change *change = act->arg;
	bool found = false;
	CK_RV rv = sr_rows_member(act->caller->vault, at, change->name, row, &found, err);
	if (rv == CKR_OK && (!found || !row->active))
		rv = sr_fail(err, CKR_OBJECT_HANDLE_INVALID, SR_REASON_NOT_FOUND, "there is no such member");
	return rv;
}

static CK_RV add_run(struct sr_act *act, struct sr_moment *at, struct sr_error *err)
{
	struct change *change = act->arg;
	struct sr_member_row old = { .name = "" };
	bool found = false;
	CK_RV rv = sr_rows_member(act->caller->vault, at, change->name, &old, &found, err);
	if (rv == CKR_OK && found)
		rv = sr_fail(err, CKR_ATTRIBUTE_VALUE_INVALID, SR_REASON_NAME_TAKEN,
			"member not added: there is, or was, a member %s; a name is used once", change->name);
	if (rv != CKR_OK)
		return rv;
	change->next.active = true;
	change->next.created_ms = moment_now(at).wall_ms;
	make_fresh(act, at, &change->next);
	rv = sr_rows_put_member(act->caller->vault, at, &act->event, &change->next, err);
	return rv == CKR_OK ? sr_stretched_put(act->caller->vault, at->tx, change->name, &change->kept, err) : rv;
}

/* Whether FIRST may do something that SECOND may not. */
static bool has_more(enum sr_role first, enum sr_role second)
{
	bool more = sr_role_duties(first) & ~sr_role_duties(second);
	for (unsigned i = 0; i < SR_RESOURCE_COUNT; i++)
		more = more || (sr_role_actions(first, i) & ~sr_role_actions(second, i));
	return more;
}

static CK_RV change_role(
	struct sr_act *act, const struct sr_moment *at, struct sr_member_row *row, struct sr_error *err)
{
	const struct change *change = act->arg;
	enum sr_role before = row->role, after = change->next.role;
	snprintf(act->event.metadata, sizeof(act->event.metadata),
		"{\"member\":\"%s\",\"before\":\"%s\",\"after\":\"%s\"}", row->name, sr_role_name(before),
		sr_role_name(after));
	CK_RV rv = before != after ? not_the_last(act, at, row, err) : CKR_OK;
	if (rv != CKR_OK)
		return rv;
	row->role = after;
	if (has_more(after, before))
		make_fresh(act, at, row);
	if (has_more(before, after))
		row->cut = at->event_id;
	return CKR_OK;
}

static void change_passphrase(struct sr_act *act, const struct sr_moment *at, struct sr_member_row *row)
{
	const struct sr_member_row *next = &((const struct change *)act->arg)->next;
	row->log2n = next->log2n;
	row->r = next->r;
	row->p = next->p;
	memcpy(row->salt, next->salt, sizeof(row->salt));
	memcpy(row->hash, next->hash, sizeof(row->hash));
	make_fresh(act, at, row);
}

static CK_RV set_run(struct sr_act *act, struct sr_moment *at, struct sr_error *err)
{
	const struct change *change = act->arg;
	struct sr_member_row row = { .name = "" };
	CK_RV rv = load_active(act, at, &row, err);
	if (rv != CKR_OK)
		return rv;
	enum sr_role before = row.role;
	if (change->what == CKA_SR_ROLE)
		rv = change_role(act, at, &row, err);
	else if (change->what == CKA_VALUE)
		change_passphrase(act, at, &row);
	else
		memcpy(row.allowed_ips, change->next.allowed_ips, sizeof(row.allowed_ips));
	if (rv != CKR_OK || (change->what == CKA_SR_ROLE && row.role == before)) /* who has it, goes on as they are */
		return rv;
	rv = sr_rows_put_member(act->caller->vault, at, &act->event, &row, err);
	return rv == CKR_OK ? sr_stretched_put(act->caller->vault, at->tx, row.name, &change->kept, err) : rv;
}

static CK_RV remove_run(struct sr_act *act, struct sr_moment *at, struct sr_error *err)
{
	struct sr_member_row row = { .name = "" };
	CK_RV rv = load_active(act, at, &row, err);
	if (rv == CKR_OK)
		rv = not_the_last(act, at, &row, err);
	if (rv != CKR_OK)
		return rv;
	snprintf(act->event.metadata, sizeof(act->event.metadata), "{\"member\":\"%s\",\"before\":\"%s\"}", row.name,
		sr_role_name(row.role));
	row.active = false;
	row.cut = at->event_id;
	rv = sr_rows_put_member(act->caller->vault, at, &act->event, &row, err);
	return rv == CKR_OK ? sr_stretched_drop(act->caller->vault, at->tx, row.name, err) : rv;
}

/* The name stands in the record of a refusal too; one that is no name does not. */
static void begin(struct sr_act *act, const struct sr_caller *caller, enum sr_event_kind kind, struct change *change,
	CK_RV (*run)(struct sr_act *act, struct sr_moment *at, struct sr_error *err))
{
	sr_act_begin(act, caller, kind, NULL);
	act->run = run;
	act->arg = change;
	act->policy_change = true;
	if (change->name[0])
		snprintf(act->event.metadata, sizeof(act->event.metadata), "{\"member\":\"%s\"}", change->name);
}

static CK_RV finish(struct sr_act *act, struct change *change, CK_RV rv, struct sr_error *err)
{
	rv = sr_act_record(act, rv, err);
	sr_cleanse(change, sizeof(*change));
	return rv;
}

/* -- the class's operations --------------------------------------------------------------------------------------- */

static CK_RV take_new(
	struct change *change, const struct sr_caller *caller, const struct sr_attrs *template, struct sr_error *err)
{
	static const CK_ATTRIBUTE_TYPE known[] = { CKA_CLASS, CKA_TOKEN, CKA_PRIVATE, CKA_SR_NAME, CKA_SR_ROLE,
		CKA_SR_ALLOWED_IPS, CKA_VALUE };
	CK_RV rv = CKR_OK;
	for (size_t i = 0; i < template->count; i++) {
		if (!is_one_of(template->items[i].type, known, sizeof(known) / sizeof(*known)))
			return sr_fail(err, CKR_ATTRIBUTE_TYPE_INVALID, SR_REASON_BAD_TEMPLATE,
				"member not added: attribute 0x%lx does not belong to a member",
				template->items[i].type);
	}
	if (!sr_attrs_find(template, CKA_SR_ROLE))
		return missing(err, "the role");
	if (!sr_attrs_find(template, CKA_VALUE))
		return missing(err, "the passphrase");
	for (size_t i = 0; rv == CKR_OK && i < sizeof(settable) / sizeof(*settable); i++) {
		const struct sr_attr *attr = sr_attrs_find(template, settable[i]);
		if (attr)
			rv = take_attribute(change, caller, attr, err);
	}
	return rv;
}

static void describe_new(struct sr_act *act, const struct change *change)
{
	snprintf(act->event.metadata, sizeof(act->event.metadata), "{\"member\":\"%s\",\"after\":\"%s\"}", change->name,
		sr_role_name(change->next.role));
}

CK_RV sr_member_create(const struct sr_caller *caller, const struct sr_attrs *template, struct sr_created *created,
	struct sr_error *err)
{
	struct change change = { .name = "" };
	struct sr_error bad_name = SR_ERROR_INIT;
	struct sr_act act;
	CK_RV named = take_name(&change, template, &bad_name);
	begin(&act, caller, SR_EVENT_MEMBER_ADDED, &change, add_run);
	CK_RV rv = sr_need_duty(caller, SR_DUTY_MEMBERS, CKR_TOKEN_WRITE_PROTECTED, "add members", err);
	if (rv == CKR_OK && named != CKR_OK) {
		*err = bad_name;
		rv = named;
	}
	if (rv == CKR_OK)
		rv = take_new(&change, caller, template, err);
	if (rv == CKR_OK)
		describe_new(&act, &change);
	snprintf(created->id, sizeof(created->id), "%s", change.name);
	rv = finish(&act, &change, rv, err);
	if (rv != CKR_OK)
		created->id[0] = '\0';
	return rv;
}

static enum sr_event_kind event_of(CK_ATTRIBUTE_TYPE what)
{
	if (what == CKA_SR_ROLE)
		return SR_EVENT_MEMBER_ROLE;
	return what == CKA_VALUE ? SR_EVENT_MEMBER_PASSPHRASE : SR_EVENT_MEMBER_UPDATED;
}

/* One thing at a time: each is an event of its own. Who changes their own passphrase says the old one first. */
static CK_RV may_set(const struct sr_caller *caller, const struct change *change, const struct sr_attrs *template,
	struct sr_error *err)
{
	CK_RV rv = sr_need_duty(caller, SR_DUTY_MEMBERS, CKR_ACTION_PROHIBITED, "change members", err);
	if (rv != CKR_OK)
		return rv;
	if (template->count != 1)
		return sr_fail(err, CKR_TEMPLATE_INCONSISTENT, SR_REASON_BAD_TEMPLATE,
			"member not changed: set one attribute at a time");
	if (!is_one_of(change->what, settable, sizeof(settable) / sizeof(*settable)))
		return sr_fail(err, CKR_ATTRIBUTE_READ_ONLY, SR_REASON_BAD_TEMPLATE,
			"member not changed: attribute 0x%lx does not change", change->what);
	if (change->what == CKA_VALUE && strcmp(change->name, sr_who_owner(caller->identity)) == 0)
		return sr_fail(err, CKR_ACTION_PROHIBITED, SR_REASON_ROLE_NOT_ALLOWED,
			"passphrase not changed: change your own with the old one (C_SetPIN, strongroom member "
			"passwd)");
	return CKR_OK;
}

CK_RV sr_member_set(
	const struct sr_caller *caller, const char *name, const struct sr_attrs *template, struct sr_error *err)
{
	struct change change = { .what = template->count ? template->items[0].type : 0 };
	struct sr_act act;
	snprintf(change.name, sizeof(change.name), "%s", name);
	begin(&act, caller, event_of(change.what), &change, set_run);
	CK_RV rv = may_set(caller, &change, template, err);
	if (rv == CKR_OK)
		rv = take_attribute(&change, caller, &template->items[0], err);
	return finish(&act, &change, rv, err);
}

CK_RV sr_member_destroy(const struct sr_caller *caller, const char *name, struct sr_error *err)
{
	struct change change = { .name = "" };
	struct sr_act act;
	snprintf(change.name, sizeof(change.name), "%s", name);
	begin(&act, caller, SR_EVENT_MEMBER_REMOVED, &change, remove_run);
	CK_RV rv = sr_need_duty(caller, SR_DUTY_MEMBERS, CKR_ACTION_PROHIBITED, "remove members", err);
	return finish(&act, &change, rv, err);
}
