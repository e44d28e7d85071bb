/* References to keys, and the nests in which session objects live. */
#include "hsm/cache.h"

#include <stdlib.h>
#include <string.h>

/* -- references ------------------------------------------------------------------------------------------------ */

static struct sr_hsm_key *new_key(
	enum sr_key_kind kind, const char *uid, uint64_t generation, CK_OBJECT_CLASS object_class)
{
	if (strlen(uid) >= SR_HSM_UID_MAX)
		return NULL;
	struct sr_hsm_key *key = calloc(1, sizeof(*key));
	if (!key)
		return NULL;
	atomic_init(&key->refs, 1);
	key->kind = kind;
	strcpy(key->uid, uid);
	key->generation = generation;
	key->object_class = object_class;
	return key;
}

struct sr_hsm_key *sr_hsm_key_ref(struct sr_hsm_key *key)
{
	atomic_fetch_add_explicit(&key->refs, 1, memory_order_relaxed);
	return key;
}

static void unref_nest(struct sr_hsm_nest *nest)
{
	if (nest && atomic_fetch_sub_explicit(&nest->refs, 1, memory_order_acq_rel) == 1)
		free(nest);
}

void sr_hsm_key_unref(struct sr_hsm_key *key)
{
	if (!key || atomic_fetch_sub_explicit(&key->refs, 1, memory_order_acq_rel) != 1)
		return;
	sr_buf_clear(&key->blob);
	sr_attrs_clear(&key->template);
	unref_nest(key->nest);
	free(key);
}

/* A new key with a template of its own, or none. */
static struct sr_hsm_key *with_template(struct sr_hsm_key *key, const struct sr_attrs *template)
{
	if (!key)
		return NULL;
	for (size_t i = 0; i < template->count; i++)
		sr_attrs_put(&key->template, template->items[i].type, template->items[i].value, template->items[i].len);
	if (!template->failed && !key->template.failed && !key->blob.failed)
		return key;
	sr_hsm_key_unref(key);
	return NULL;
}

struct sr_hsm_key *sr_hsm_key_resident(const char *uid, uint64_t generation, CK_OBJECT_CLASS object_class)
{
	return *uid ? new_key(SR_KEY_RESIDENT, uid, generation, object_class) : NULL;
}

struct sr_hsm_key *sr_hsm_key_wrapped(
	const char *uid, uint64_t generation, const struct sr_buf *blob, const struct sr_attrs *template)
{
	CK_OBJECT_CLASS object_class = sr_attrs_ulong(template, CKA_CLASS, CKO_SECRET_KEY);
	struct sr_hsm_key *key = new_key(SR_KEY_WRAPPED, uid, generation, object_class);
	if (key)
		sr_buf_append(&key->blob, blob->data, blob->len);
	return with_template(key, template);
}

struct sr_hsm_key *sr_hsm_key_open(const char *uid, uint64_t generation, const struct sr_attrs *template)
{
	CK_OBJECT_CLASS object_class = sr_attrs_ulong(template, CKA_CLASS, CKO_PUBLIC_KEY);
	return with_template(new_key(SR_KEY_OPEN, uid, generation, object_class), template);
}

struct sr_hsm_key *sr_key_in_nest(struct sr_hsm_nest *nest, CK_OBJECT_HANDLE handle, CK_OBJECT_CLASS object_class,
	const struct sr_key_facts *facts)
{
	struct sr_hsm_key *key = new_key(SR_KEY_NEST, "", 0, object_class);
	if (!key)
		return NULL;
	atomic_fetch_add_explicit(&nest->refs, 1, memory_order_relaxed);
	key->nest = nest;
	key->handle = handle;
	key->facts = *facts;
	key->epoch = nest->epoch;
	return key;
}

/* -- nests ----------------------------------------------------------------------------------------------------- */

static void link_nest(struct sr_hsm *hsm, struct sr_hsm_nest *nest)
{
	pthread_mutex_lock(&hsm->lock);
	nest->next = hsm->nests;
	nest->link = &hsm->nests;
	if (hsm->nests)
		hsm->nests->link = &nest->next;
	hsm->nests = nest;
	pthread_mutex_unlock(&hsm->lock);
}

static void unlink_nest(struct sr_hsm *hsm, struct sr_hsm_nest *nest)
{
	pthread_mutex_lock(&hsm->lock);
	*nest->link = nest->next;
	if (nest->next)
		nest->next->link = nest->link;
	pthread_mutex_unlock(&hsm->lock);
}

static void fill_nest(struct sr_hsm_nest *nest, const struct sr_hsm_turn *turn)
{
	nest->session = turn->session;
	nest->epoch = turn->epoch;
	nest->restarts = turn->restarts;
}

static CK_RV take_session(struct sr_hsm *hsm, struct sr_hsm_turn *turn, struct sr_error *err)
{
	CK_RV rv = CKR_OK;
	for (int tries = 0; tries < 2; tries++) {
		struct sr_error why = SR_ERROR_INIT;
		rv = sr_pool_take_own(hsm, NULL, turn, &why);
		if (why.rv != CKR_OK)
			return sr_fail(err, why.rv, why.reason, "%s", why.text);
		if (!sr_hsm_is_lost(rv))
			break;
		sr_pool_lose(hsm, turn->epoch, rv);
	}
	return rv == CKR_OK ? CKR_OK : sr_hsm_fail(err, rv, "open a session for session objects");
}

CK_RV sr_hsm_nest_open(struct sr_hsm *hsm, struct sr_hsm_nest **out, struct sr_error *err)
{
	struct sr_hsm_turn turn;
	*out = NULL;
	CK_RV rv = take_session(hsm, &turn, err);
	if (rv != CKR_OK)
		return rv;
	struct sr_hsm_nest *nest = calloc(1, sizeof(*nest));
	if (!nest) {
		sr_pool_give_own(hsm, &turn, true);
		return sr_fail(err, CKR_HOST_MEMORY, SR_REASON_MEMORY, "out of memory");
	}
	atomic_init(&nest->refs, 1);
	nest->hsm = hsm;
	fill_nest(nest, &turn);
	link_nest(hsm, nest);
	*out = nest;
	return CKR_OK;
}

/* The session itself, with all that was made in it. */
static void leave_session(struct sr_hsm_nest *nest, CK_FUNCTION_LIST *module)
{
	const struct sr_hsm_turn turn = {
		.module = module, .session = nest->session, .epoch = nest->epoch, .restarts = nest->restarts
	};
	if (nest->session)
		sr_pool_give_own(nest->hsm, &turn, false);
	nest->session = 0;
}

CK_RV sr_nest_ready(
	const struct sr_hsm_turn *turn, struct sr_hsm_nest *nest, CK_SESSION_HANDLE *session, struct sr_error *err)
{
	if (nest->epoch != turn->epoch || !nest->session) {
		struct sr_hsm_turn own;
		leave_session(nest, turn->module);
		CK_RV rv = sr_pool_take_own(nest->hsm, turn, &own, err);
		if (rv != CKR_OK)
			return rv;
		fill_nest(nest, &own);
		if (nest->epoch != turn->epoch)
			return CKR_SESSION_HANDLE_INVALID; /* lost again meanwhile */
	}
	*session = nest->session;
	return CKR_OK;
}

void sr_hsm_nest_close(struct sr_hsm_nest *nest)
{
	if (!nest)
		return;
	atomic_store(&nest->closed, true);
	unlink_nest(nest->hsm, nest);
	leave_session(nest, nest->hsm->backend.module);
	unref_nest(nest);
}

/* At the end, or in a forked child: takes no lock. Keys that are held still find their nest closed. */
void sr_nests_drop(struct sr_hsm *hsm, bool touch)
{
	while (hsm->nests) {
		struct sr_hsm_nest *nest = hsm->nests;
		hsm->nests = nest->next;
		atomic_store(&nest->closed, true);
		if (touch && nest->session && nest->restarts == hsm->restarts)
			(void)hsm->backend.module->C_CloseSession(nest->session);
		unref_nest(nest);
	}
}
