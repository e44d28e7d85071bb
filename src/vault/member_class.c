/* How a member looks: to admins, and to itself. */
#include "vault/member.h"

#include "vault/objects.h"
#include "vault/who.h"

#include <string.h>

static void put_present(struct sr_attrs *attrs, CK_ATTRIBUTE_TYPE type, const char *text)
{
	if (text[0])
		sr_attrs_put_text(attrs, type, text);
}

static void member_attrs(const struct sr_caller *caller, const struct sr_member_row *row, struct sr_attrs *attrs)
{
	bool changes = row->active && (sr_who_duties(caller->identity) & SR_DUTY_MEMBERS);
	sr_attrs_put_ulong(attrs, CKA_CLASS, CKO_SR_MEMBER);
	sr_attrs_put_bool(attrs, CKA_TOKEN, true);
	sr_attrs_put_bool(attrs, CKA_PRIVATE, true);
	sr_attrs_put_bool(attrs, CKA_MODIFIABLE, changes);
	sr_attrs_put_bool(attrs, CKA_DESTROYABLE, changes);
	sr_attrs_put_text(attrs, CKA_LABEL, row->name);
	sr_attrs_put_text(attrs, CKA_SR_NAME, row->name);
	sr_attrs_put_text(attrs, CKA_SR_ROLE, sr_role_name(row->role));
	sr_attrs_put_text(attrs, CKA_SR_STATE, row->active ? "active" : "removed");
	put_present(attrs, CKA_SR_ALLOWED_IPS, row->allowed_ips);
	put_present(attrs, CKA_SR_MADE_BY, row->made_by);
	sr_attrs_put_time(attrs, CKA_SR_CREATED_AT, row->created_ms);
}

static bool may_see(const struct sr_caller *caller, const char *name)
{
	const struct sr_identity *who = caller->identity;
	bool self = who->type == SR_IDENTITY_MEMBER && strcmp(who->member.name, name) == 0;
	return self || (sr_who_duties(who) & SR_DUTY_MEMBERS);
}

static CK_RV no_member(struct sr_error *err)
{
	return sr_fail(err, CKR_OBJECT_HANDLE_INVALID, SR_REASON_NOT_FOUND, "there is no such member for you");
}

static CK_RV member_view(const struct sr_caller *caller, const char *id, struct sr_view *view, struct sr_error *err)
{
	struct sr_member_row row = { 0 };
	struct sr_moment at;
	bool found = false;
	CK_RV rv = may_see(caller, id) ? sr_writer_look(caller->vault->writer, &at, err) : no_member(err);
	if (rv != CKR_OK)
		return rv;
	rv = sr_rows_member(caller->vault, &at, id, &row, &found, err);
	sr_writer_look_end(caller->vault->writer, &at);
	if (rv == CKR_OK && !found)
		rv = no_member(err);
	if (rv == CKR_OK)
		member_attrs(caller, &row, &view->attrs);
	return rv;
}

struct member_search {
	const struct sr_caller *caller;
	const struct sr_attrs *query;
	const struct sr_moment *at;
	sr_found found;
	void *ctx;
	CK_RV rv;
	struct sr_error *err;
};

static bool match_member(const struct sr_member_row *row, void *ctx)
{
	struct member_search *search = ctx;
	struct sr_attrs attrs = SR_ATTRS_INIT;
	bool more = true;
	if (!may_see(search->caller, row->name))
		return true;
	search->rv = sr_rows_check_member(search->caller->vault, search->at, row, search->err);
	if (search->rv != CKR_OK)
		return false;
	member_attrs(search->caller, row, &attrs);
	if (sr_attrs_match(search->query, &attrs))
		more = search->found(row->name, search->ctx);
	sr_attrs_clear(&attrs);
	return more;
}

/* Who asks for another by name hears why there is nobody, whether there is or not. */
static void tell_why(const struct member_search *search)
{
	const struct sr_attr *name = sr_attrs_find(search->query, CKA_SR_NAME);
	char text[SR_NAME_MAX] = "";
	if (name && name->len < sizeof(text))
		memcpy(text, name->value, name->len);
	if (name && !may_see(search->caller, text))
		sr_need_duty(search->caller, SR_DUTY_MEMBERS, CKR_ACTION_PROHIBITED, "see other members", search->err);
}

static CK_RV member_find(
	const struct sr_caller *caller, const struct sr_attrs *query, sr_found found, void *ctx, struct sr_error *err)
{
	struct sr_moment at;
	struct member_search search = { caller, query, &at, found, ctx, CKR_OK, err };
	CK_RV rv = sr_writer_look(caller->vault->writer, &at, err);
	if (rv != CKR_OK)
		return rv;
	rv = caller->vault->store->ops->member_list(at.tx, match_member, &search, err);
	sr_writer_look_end(caller->vault->writer, &at);
	if (search.rv != CKR_OK || rv != CKR_OK)
		return search.rv != CKR_OK ? search.rv : rv;
	tell_why(&search);
	return CKR_OK;
}

const struct sr_class sr_member_class = {
	.object_class = CKO_SR_MEMBER,
	.only_by_class = true,
	.needs_rw = true,
	.find = member_find,
	.view = member_view,
	.create = sr_member_create,
	.set = sr_member_set,
	.destroy = sr_member_destroy,
};
