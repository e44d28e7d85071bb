/* Searches: PKCS#11 v3.1, 5.7.7 to 5.7.9. What a search has to find is known when it begins; what is made or destroyed
 * meanwhile may be found or not. */
#include "tests/state/state.h"

#include <stdio.h>
#include <string.h>

static void expect_class(const struct session *session, struct op *op, CK_OBJECT_CLASS class)
{
	for (size_t i = 0; i < model.object_count; i++) {
		const struct object *object = &model.objects[i];
		bool of_class = class == CKO_SECRET_KEY    ? object->what == AES || object->what == GENERIC
				: class == CKO_PRIVATE_KEY ? object->what == EC_PRIVATE
							   : object->what == EC_PUBLIC;
		op->expected[i] = sr_sees(session, object) && !object->of && of_class;
	}
}

static void expect_labels(const struct session *session, struct op *op, const char *label)
{
	for (size_t i = 0; i < model.object_count; i++) {
		const struct object *object = &model.objects[i];
		op->expected[i] = sr_sees(session, object) && !object->of && object->what == DATA &&
				  strcmp(object->label, label) == 0;
	}
}

static struct secret *some_secret(void)
{
	return model.secret_count ? &model.secrets[sr_below(model.secret_count)] : NULL;
}

static void began(struct session *session, CK_OBJECT_CLASS class, const char *label, struct secret *secret)
{
	struct op *op = &session->ops[FIND];
	sr_op_end(op);
	op->life = ACTIVE;
	op->begun = ++model.begun;
	op->secret_wanted = secret;
	if (class != CKO_DATA)
		expect_class(session, op, class);
	else if (!secret)
		expect_labels(session, op, label);
	else if (!secret->exists || model.login[session->slot] == NOBODY)
		op->secret_wanted = NULL;
}

void sr_move_find(void)
{
	static const CK_OBJECT_CLASS classes[] = { CKO_DATA, CKO_DATA, CKO_DATA, CKO_SECRET_KEY, CKO_PRIVATE_KEY,
		CKO_PUBLIC_KEY };
	CK_SESSION_HANDLE handle;
	char label[8];
	struct session *session = sr_some_session(&handle);
	CK_OBJECT_CLASS class = classes[sr_below(SR_COUNT(classes))];
	struct secret *secret = class == CKO_DATA && sr_chance(25) ? some_secret() : NULL;
	bool bad = sr_chance(5);
	snprintf(label, sizeof label, "l%u", (unsigned)sr_below(4));
	const char *name = secret ? secret->path : label;
	CK_ULONG count = class == CKO_DATA ? 3 : 2;
	CK_ATTRIBUTE template[] = { SR_ATTR(CKA_CLASS, class), { CKA_TOKEN, secret ? &sr_yes : &sr_no, 1 },
		SR_STRING(CKA_LABEL, name) };
	const struct op *op = session ? &session->ops[FIND] : NULL;
	if (op && op->life != IDLE)
		sr_want(CKR_OPERATION_ACTIVE);
	if (op && bad)
		sr_want(CKR_ARGUMENTS_BAD);
	if (op && !bad && (op->life != ACTIVE || op->loose))
		sr_want(CKR_OK);
	CK_RV rv = p11->C_FindObjectsInit(handle, bad ? NULL : template, count);
	if (sr_answered(rv, "C_FindObjectsInit(%s, class %lu, %s%s)", sr_session_name(handle), class, name,
		    bad ? ", NULL" : "") &&
		rv == CKR_OK)
		began(session, class, label, secret);
}

/* -- C_FindObjects ------------------------------------------------------------------------------------------------ */
/* A secret's handle may be one that there is already; or, of one that was destroyed since, one that is over. */
static void found_secret(struct session *session, struct op *op, CK_OBJECT_HANDLE handle)
{
	for (size_t i = 0; i < model.object_count; i++) {
		const struct object *object = &model.objects[i];
		if (object->slot == session->slot && object->handle == handle && object->alive) {
			sr_must(object->of == op->secret_wanted, "o%zu was found, another secret", i);
			return;
		}
	}
	if (!op->secret_wanted->exists)
		return;
	if (sr_alive() >= SR_STATE_ALIVE_MAX) {
		op->loose = true;
		return;
	}
	struct object *object = sr_object_new(session, handle);
	if (!object)
		return;
	object->of = op->secret_wanted;
	object->private = object->modifiable = object->destroyable = true;
}

static void found_one(struct session *session, struct op *op, CK_OBJECT_HANDLE handle)
{
	if (op->secret_wanted) {
		found_secret(session, op, handle);
		op->got[0] = true;
		return;
	}
	for (size_t i = 0; i < model.object_count; i++) {
		if (model.objects[i].slot != session->slot || model.objects[i].handle != handle)
			continue;
		sr_must(op->expected[i], "o%zu was found, which does not match", i);
		sr_must(!op->got[i], "o%zu was found twice", i);
		op->got[i] = true;
		return;
	}
	sr_deviates("0x%lx was found, which is no object", handle);
}

static void came_to_its_end(const struct op *op)
{
	if (op->secret_wanted && op->secret_wanted->exists)
		sr_must(op->got[0], "%s was not found", op->secret_wanted->path);
	for (size_t i = 0; i < model.object_count && !op->secret_wanted; i++)
		sr_must(!op->expected[i] || op->got[i] || !model.objects[i].alive, "o%zu was not found", i);
}

static void find(void)
{
	CK_SESSION_HANDLE handle;
	CK_OBJECT_HANDLE found[8];
	CK_ULONG count = 99, max = sr_below(SR_COUNT(found) + 1);
	enum kind kind;
	struct session *session = sr_busy_session(FIND, FIND, &kind, &handle);
	CK_ULONG *to = sr_chance(5) ? NULL : &count;
	struct op *op = session ? &session->ops[FIND] : NULL;
	if (op && (op->life != ACTIVE || op->loose))
		sr_want(CKR_OPERATION_NOT_INITIALIZED);
	if (op && !to)
		sr_want(CKR_ARGUMENTS_BAD);
	else if (op && op->life != IDLE)
		sr_want(CKR_OK);
	CK_RV rv = p11->C_FindObjects(handle, found, max, to);
	if (!sr_answered(rv, "C_FindObjects(%s, %lu%s) %lu", sr_session_name(handle), max, to ? "" : ", NULL", count) ||
		!op || op->life == IDLE)
		return;
	if (rv == CKR_OPERATION_NOT_INITIALIZED)
		sr_op_end(op);
	if (rv != CKR_OK) {
		op->life = op->life == ACTIVE ? EITHER : op->life; /* 5.7.8 does not say that an error ends it */
		return;
	}
	op->life = ACTIVE;
	sr_must(count <= max, "%lu objects of %lu at most", count, max);
	for (CK_ULONG i = 0; i < count && count <= max && !op->loose; i++)
		found_one(session, op, found[i]);
	if (count < max && !op->loose)
		came_to_its_end(op);
}

static void end(void)
{
	CK_SESSION_HANDLE handle;
	enum kind kind;
	struct session *session = sr_busy_session(FIND, FIND, &kind, &handle);
	struct op *op = session ? &session->ops[FIND] : NULL;
	if (op && (op->life != ACTIVE || op->loose))
		sr_want(CKR_OPERATION_NOT_INITIALIZED);
	if (op && op->life != IDLE)
		sr_want(CKR_OK);
	CK_RV rv = p11->C_FindObjectsFinal(handle);
	if (sr_answered(rv, "C_FindObjectsFinal(%s)", sr_session_name(handle)) && op)
		sr_op_end(op);
}

const struct move sr_find_moves[] = { { 30, sr_move_find }, { 45, find }, { 20, end }, { 0, NULL } };
