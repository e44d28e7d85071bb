/* Searches: PKCS#11 v3.1, 5.7.7 to 5.7.9. C_FindObjectsInit takes a snapshot of handles, the rest gives it out. */
#include "pkcs11/builtin.h"
#include "pkcs11/call.h"
#include "pkcs11/session.h"
#include "pkcs11/template.h"

#include <stdlib.h>
#include <string.h>

#define FIRST_ROOM 32

void sr_search_end(struct sr_session *session)
{
	free(session->search.found);
	session->search = (struct sr_search){ 0 };
}

/* A search that was begun under a login ends with it; where the login lapsed, it finds nothing more and is still there
 * for C_FindObjectsFinal (design §3). */
static void follow_login(struct sr_call *call)
{
	struct sr_search *search = &call->session->search;
	if (!search->active || !search->user)
		return;
	pthread_mutex_lock(&call->client->lock);
	uint64_t ends = call->slot->epoch - search->epoch;
	bool lapsed = call->slot->ended_by_lapse;
	pthread_mutex_unlock(&call->client->lock);
	if (ends == 0)
		return;
	if (ends == 1 && lapsed)
		search->count = search->next = 0;
	else
		sr_search_end(call->session);
}

static bool append(struct sr_search *search, CK_OBJECT_HANDLE handle)
{
	if (search->count == search->capacity) {
		size_t capacity = search->capacity ? 2 * search->capacity : FIRST_ROOM;
		CK_OBJECT_HANDLE *found = realloc(search->found, capacity * sizeof *found);
		if (!found)
			return false;
		search->found = found;
		search->capacity = capacity;
	}
	search->found[search->count++] = handle;
	return true;
}

struct collecting {
	struct sr_call *call;
	struct sr_search *search;
	const struct sr_class *class;
	bool named;
	CK_RV rv;
};

static bool found_in_vault(const char *id, void *ctx)
{
	struct collecting *to = ctx;
	CK_OBJECT_HANDLE handle = 0;
	to->rv = sr_handle_of(to->call, to->class, id, to->named, &handle);
	if (to->rv == CKR_OK && !append(to->search, handle))
		to->rv = CKR_HOST_MEMORY;
	return to->rv == CKR_OK;
}

static void found_in_session(CK_OBJECT_HANDLE handle, void *ctx)
{
	struct collecting *to = ctx;
	if (to->rv == CKR_OK && !append(to->search, handle))
		to->rv = CKR_HOST_MEMORY;
}

/* Nothing is found, and the code is CKR_OK; the device error is where a program can learn that it was refused. */
static void note_refusal(struct sr_call *call)
{
	call->session->device_error = call->err.reason;
}

static CK_RV search_class(struct collecting *to, const struct sr_attrs *query)
{
	size_t before = to->search->count;
	CK_RV rv;
	do {
		struct sr_caller caller = sr_call_caller(to->call);
		to->search->count = before;
		to->rv = CKR_OK;
		sr_error_clear(&to->call->err);
		rv = to->class->find(&caller, query, found_in_vault, to, &to->call->err);
	} while (sr_call_again(to->call, rv));
	if (rv == CKR_OK && to->call->err.reason)
		note_refusal(to->call);
	return rv == CKR_OK ? to->rv : rv;
}

/* A query that names a value could be used to guess it: no object of the vault that hides one matches that. */
static bool may_match(const struct sr_class *class, const struct sr_attrs *query)
{
	bool open = class->object_class == CKO_CERTIFICATE || class->object_class == CKO_PUBLIC_KEY;
	return open || !sr_template_names_secret(query);
}

static CK_RV search_vault(struct collecting *to, const struct sr_attrs *query)
{
	const struct sr_attr *asked = sr_attrs_find(query, CKA_CLASS);
	CK_OBJECT_CLASS object_class = sr_attrs_ulong(query, CKA_CLASS, CKO_DATA);
	size_t count;
	const struct sr_class *const *classes = sr_classes(&count);
	CK_RV rv = CKR_OK;
	for (size_t i = 0; rv == CKR_OK && i < count; i++) {
		to->class = classes[i];
		bool meant = asked ? to->class->object_class == object_class : !to->class->only_by_class;
		if (meant && to->class->find && may_match(to->class, query))
			rv = search_class(to, query);
	}
	const struct sr_attr *label = sr_attrs_find(query, CKA_LABEL);
	if (rv != CKR_OK || to->search->count || !to->named)
		return rv;
	struct sr_caller caller = sr_call_caller(to->call);
	return sr_refused_search(&caller, object_class, label->value, label->len, &to->call->err);
}

/* What needs no login: what the application holds, and what is built in. */
static CK_RV search_public(struct collecting *to, const struct sr_attrs *query)
{
	to->search->count = 0;
	to->rv = CKR_OK;
	if (!sr_attrs_bool(query, CKA_TOKEN, false))
		sr_session_objects_each(to->call, query, found_in_session, to);
	if (sr_attrs_bool(query, CKA_TOKEN, true))
		sr_builtin_each(to->call, query, found_in_session, to);
	return to->rv;
}

static CK_RV collect(struct sr_call *call, const struct sr_attrs *query, struct sr_search *search)
{
	const struct sr_attr *label = sr_attrs_find(query, CKA_LABEL);
	struct collecting to = { .call = call, .search = search, .named = label && label->len };
	CK_RV rv = sr_call_login(call);
	if (rv != CKR_OK)
		return rv;
	/* what the session holds first: a label that is found there is not a search that found nothing */
	rv = search_public(&to, query);
	if (rv == CKR_OK && call->identity && sr_attrs_bool(query, CKA_TOKEN, true))
		rv = search_vault(&to, query);
	if (rv != CKR_USER_NOT_LOGGED_IN)
		return rv;
	/* the login ended under the search: it finds what anybody may see */
	return search_public(&to, query);
}

CK_RV sr_C_FindObjectsInit(struct sr_call *call, CK_ATTRIBUTE_PTR template, CK_ULONG count)
{
	follow_login(call);
	if (call->session->search.active)
		return sr_fail(&call->err, CKR_OPERATION_ACTIVE, SR_REASON_NONE,
			"a search is active in this session: end it with C_FindObjectsFinal");
	struct sr_attrs query = SR_ATTRS_INIT;
	struct sr_search *search = &call->session->search;
	CK_RV rv = sr_template_copy(template, count, SR_TEMPLATE_FIND, &query, &call->err);
	if (rv == CKR_OK)
		rv = collect(call, &query, search);
	sr_attrs_clear(&query);
	if (rv != CKR_OK) {
		sr_search_end(call->session);
		return rv;
	}
	search->active = true;
	search->user = call->identity;
	search->epoch = call->epoch;
	return CKR_OK;
}

static CK_RV no_search(struct sr_call *call)
{
	return sr_fail(&call->err, CKR_OPERATION_NOT_INITIALIZED, SR_REASON_NONE,
		"no search is active: begin with C_FindObjectsInit");
}

CK_RV sr_C_FindObjects(struct sr_call *call, CK_OBJECT_HANDLE_PTR objects, CK_ULONG max_objects, CK_ULONG_PTR count)
{
	struct sr_search *search = &call->session->search;
	CK_RV rv = search->active && search->user ? sr_call_login(call) : CKR_OK;
	if (rv != CKR_OK)
		return rv;
	follow_login(call);
	if (!search->active)
		return no_search(call);
	if (!count || (!objects && max_objects))
		return sr_fail(&call->err, CKR_ARGUMENTS_BAD, SR_REASON_NONE, "phObject or pulObjectCount is NULL");
	size_t left = search->count - search->next;
	size_t given = max_objects < left ? max_objects : left;
	if (given)
		memcpy(objects, &search->found[search->next], given * sizeof *objects);
	search->next += given;
	*count = given;
	return CKR_OK;
}

CK_RV sr_C_FindObjectsFinal(struct sr_call *call)
{
	follow_login(call);
	if (!call->session->search.active)
		return no_search(call);
	sr_search_end(call->session);
	return CKR_OK;
}
