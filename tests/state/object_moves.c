/* Objects of sessions and of the token: PKCS#11 v3.1, 5.7, and keys of a session, which the operations use. */
#include "tests/state/state.h"

#include <stdio.h>
#include <string.h>

static bool logged_in(const struct session *session)
{
	return model.login[session->slot] != NOBODY;
}

static size_t number_of(const struct object *object)
{
	return object ? (size_t)(object - model.objects) : 999;
}

/* -- making ------------------------------------------------------------------------------------------------------- */
static void make_label(char label[8])
{
	snprintf(label, 8, "l%u", (unsigned)sr_below(4));
}

static struct object *made(struct session *session, CK_OBJECT_HANDLE handle, enum what what, bool private)
{
	struct object *object = sr_object_new(session, handle);
	if (!object)
		return NULL;
	object->owner = session;
	object->what = what;
	object->private = private;
	object->modifiable = object->copyable = object->destroyable = true;
	return object;
}

/* Data in the session: a private object wants a login (5.7.1), the session need not be R/W. */
static void create_data(void)
{
	CK_SESSION_HANDLE handle;
	CK_OBJECT_HANDLE object = 0;
	CK_BBOOL private = sr_chance(40), modifiable = sr_chance(80), copyable = sr_chance(80),
		 destroyable = sr_chance(80);
	char label[8];
	CK_BYTE value[16];
	struct session *session = sr_some_session(&handle);
	CK_OBJECT_HANDLE *to = sr_chance(5) ? NULL : &object;
	CK_ULONG len = sr_below(sizeof value + 1);
	make_label(label);
	sr_random_bytes(value, sizeof value);
	CK_ATTRIBUTE template[] = { SR_ATTR(CKA_CLASS, sr_data), SR_ATTR(CKA_TOKEN, sr_no),
		SR_ATTR(CKA_PRIVATE, private), SR_ATTR(CKA_MODIFIABLE, modifiable), SR_ATTR(CKA_COPYABLE, copyable),
		SR_ATTR(CKA_DESTROYABLE, destroyable), SR_STRING(CKA_LABEL, label), { CKA_VALUE, value, len } };
	if (sr_alive() >= SR_STATE_ALIVE_MAX)
		return;
	if (session && !to)
		sr_want(CKR_ARGUMENTS_BAD);
	if (session && private && !logged_in(session))
		sr_want(CKR_USER_NOT_LOGGED_IN);
	else if (session && to)
		sr_want(CKR_OK);
	CK_RV rv = p11->C_CreateObject(handle, template, SR_COUNT(template), to);
	if (!sr_answered(rv, "C_CreateObject(%s, %s data %s) o%zu", sr_session_name(handle),
		    private ? "private" : "public", label, model.object_count) ||
		rv != CKR_OK)
		return;
	struct object *new = made(session, object, DATA, private);
	if (!new)
		return;
	new->modifiable = modifiable;
	new->copyable = copyable;
	new->destroyable = destroyable;
	memcpy(new->label, label, sizeof label);
	memcpy(new->value, value, sizeof value);
	new->value_len = len;
}

/* Secret keys are private objects whatever the template says (docs/pkcs11.md, Keys and certificates). */
void sr_move_key(void)
{
	CK_SESSION_HANDLE handle;
	CK_OBJECT_HANDLE object = 0;
	CK_OBJECT_CLASS class = CKO_SECRET_KEY;
	bool aes = sr_chance(60);
	CK_KEY_TYPE type = aes ? CKK_AES : CKK_GENERIC_SECRET;
	CK_BYTE value[32];
	struct session *session = sr_some_session(&handle);
	sr_random_bytes(value, sizeof value);
	CK_ATTRIBUTE template[] = { SR_ATTR(CKA_CLASS, class), SR_ATTR(CKA_TOKEN, sr_no), SR_ATTR(CKA_PRIVATE, sr_yes),
		SR_ATTR(CKA_KEY_TYPE, type), SR_ATTR(CKA_SENSITIVE, sr_yes), SR_ATTR(CKA_EXTRACTABLE, sr_no),
		SR_ATTR(CKA_VALUE, value) };
	if (sr_alive() >= SR_STATE_ALIVE_MAX)
		return;
	if (session)
		sr_want(logged_in(session) ? CKR_OK : CKR_USER_NOT_LOGGED_IN);
	CK_RV rv = p11->C_CreateObject(handle, template, SR_COUNT(template), &object);
	if (!sr_answered(rv, "C_CreateObject(%s, %s key) o%zu", sr_session_name(handle), aes ? "AES" : "HMAC",
		    model.object_count) ||
		rv != CKR_OK)
		return;
	struct object *new = made(session, object, aes ? AES : GENERIC, true);
	if (!new)
		return;
	memcpy(new->value, value, sizeof value);
	new->value_len = sizeof value;
}

static void generate_pair(void)
{
	static CK_BYTE p256[] = { 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07 };
	CK_MECHANISM mechanism = { CKM_EC_KEY_PAIR_GEN, NULL, 0 };
	CK_SESSION_HANDLE handle;
	CK_OBJECT_HANDLE public = 0, private = 0;
	CK_BBOOL asks = sr_chance(60);
	CK_ATTRIBUTE public_template[] = { SR_ATTR(CKA_TOKEN, sr_no), SR_ATTR(CKA_EC_PARAMS, p256) };
	CK_ATTRIBUTE private_template[] = { SR_ATTR(CKA_TOKEN, sr_no), SR_ATTR(CKA_ALWAYS_AUTHENTICATE, asks) };
	struct session *session = sr_some_session(&handle);
	if (sr_alive() >= SR_STATE_ALIVE_MAX)
		return;
	if (session)
		sr_want(logged_in(session) ? CKR_OK : CKR_USER_NOT_LOGGED_IN);
	CK_RV rv = p11->C_GenerateKeyPair(handle, &mechanism, public_template, SR_COUNT(public_template),
		private_template, SR_COUNT(private_template), &public, &private);
	if (!sr_answered(rv, "C_GenerateKeyPair(%s%s) o%zu, o%zu", sr_session_name(handle), asks ? ", asks" : "",
		    model.object_count, model.object_count + 1) ||
		rv != CKR_OK)
		return;
	made(session, public, EC_PUBLIC, false);
	struct object *new = made(session, private, EC_PRIVATE, true);
	if (new)
		new->asks = asks;
}

/* A token object: R/W, then a login (5.7.1); a reader's token may not write (docs/pkcs11.md, Codes). */
static void create_secret(void)
{
	CK_SESSION_HANDLE handle;
	CK_OBJECT_HANDLE object = 0;
	struct session *session = sr_some_session(&handle);
	struct secret secret = { .exists = true };
	if (sr_alive() >= SR_STATE_ALIVE_MAX || model.secret_count == SR_STATE_SECRETS)
		return;
	snprintf(secret.path, sizeof secret.path, "production/state/%u/%zu", model.run, model.secret_count);
	snprintf(secret.value, sizeof secret.value, "value %u", (unsigned)sr_below(1000));
	if (session && !session->rw)
		sr_want(CKR_SESSION_READ_ONLY);
	if (session && !logged_in(session))
		sr_want(CKR_USER_NOT_LOGGED_IN);
	else if (session && session->rw)
		sr_want(model.login[session->slot] == WRITER ? CKR_OK : CKR_TOKEN_WRITE_PROTECTED);
	CK_RV rv = sr_put(handle, secret.path, secret.value, &object);
	if (!sr_answered(rv, "C_CreateObject(%s, %s) o%zu", sr_session_name(handle), secret.path, model.object_count) ||
		rv != CKR_OK)
		return;
	model.secrets[model.secret_count++] = secret;
	struct object *new = sr_object_new(session, object);
	if (!new)
		return;
	new->of = &model.secrets[model.secret_count - 1];
	new->private = new->modifiable = new->destroyable = true;
}

/* -- what any call by a handle answers ---------------------------------------------------------------------------- */
/* Whether OBJECT is one for SESSION; if not, what comes back is wanted. A secret that another handle has destroyed is
 * not there. */
static bool may(const struct session *session, const struct object *object)
{
	if (!session)
		return false;
	if (sr_sees(session, object) && (!object->of || object->of->exists))
		return true;
	sr_want(CKR_OBJECT_HANDLE_INVALID);
	return false;
}

static bool is_key(const struct object *object)
{
	return object->what != DATA;
}

static void destroy(void)
{
	CK_SESSION_HANDLE handle;
	struct session *session = sr_some_session(&handle);
	struct object *object = sr_some_object();
	if (may(session, object)) {
		bool wrong = false;
		if (object->of && (wrong = !session->rw))
			sr_want(CKR_SESSION_READ_ONLY);
		if (!object->destroyable || (object->of && model.login[object->slot] != WRITER)) {
			sr_want(CKR_ACTION_PROHIBITED);
			wrong = true;
		}
		if (!wrong)
			sr_want(CKR_OK);
	}
	CK_RV rv = p11->C_DestroyObject(handle, sr_handle(object));
	if (!sr_answered(rv, "C_DestroyObject(%s, o%zu)", sr_session_name(handle), number_of(object)) || rv != CKR_OK)
		return;
	if (object->of)
		object->of->exists = false;
	sr_object_end(object);
}

static void size(void)
{
	CK_SESSION_HANDLE handle;
	CK_ULONG size = 0;
	struct session *session = sr_some_session(&handle);
	struct object *object = sr_some_object();
	CK_ULONG *to = sr_chance(10) ? NULL : &size;
	if (session && !to)
		sr_want(CKR_ARGUMENTS_BAD);
	if (may(session, object) && to) {
		sr_want(CKR_OK);
		sr_want(CKR_INFORMATION_SENSITIVE);
	}
	CK_RV rv = p11->C_GetObjectSize(handle, sr_handle(object), to);
	sr_answered(rv, "C_GetObjectSize(%s, o%zu%s)", sr_session_name(handle), number_of(object), to ? "" : ", NULL");
}

/* -- 5.7.5 -------------------------------------------------------------------------------------------------------- */
/** struct asked: one attribute of a call: CODE is what stands for it, CKR_OK where it is delivered; LEN its length. */
struct asked {
	CK_RV code;
	const void *value;
	CK_ULONG len;
};

static const CK_ATTRIBUTE_TYPE types[] = { CKA_LABEL, CKA_VALUE, CKA_PRIVATE, CKA_TOKEN, CKA_CLASS, CKA_MODULUS,
	CKA_SENSITIVE, CKA_VALUE_LEN, CKA_ALWAYS_AUTHENTICATE };

static void learn(const struct object *object, CK_ATTRIBUTE_TYPE type, struct asked *asked)
{
	static CK_OBJECT_CLASS classes[] = { [DATA] = CKO_DATA,
		[AES] = CKO_SECRET_KEY,
		[GENERIC] = CKO_SECRET_KEY,
		[EC_PRIVATE] = CKO_PRIVATE_KEY,
		[EC_PUBLIC] = CKO_PUBLIC_KEY };
	*asked = (struct asked){ .code = CKR_ATTRIBUTE_TYPE_INVALID };
	if (type == CKA_LABEL)
		*asked = (struct asked){ CKR_OK, object->of ? object->of->path : object->label,
			strlen(object->of ? object->of->path : object->label) };
	else if (type == CKA_VALUE && object->of)
		*asked = (struct asked){ CKR_OK, object->of->value, strlen(object->of->value) };
	else if (type == CKA_VALUE && object->what == DATA)
		*asked = (struct asked){ CKR_OK, object->value, object->value_len };
	else if (type == CKA_VALUE && object->what != EC_PUBLIC)
		asked->code = CKR_ATTRIBUTE_SENSITIVE;
	else if (type == CKA_PRIVATE)
		*asked = (struct asked){ CKR_OK, object->private ? &sr_yes : &sr_no, 1 };
	else if (type == CKA_TOKEN)
		*asked = (struct asked){ CKR_OK, object->of ? &sr_yes : &sr_no, 1 };
	else if (type == CKA_SENSITIVE && object->what != DATA && object->what != EC_PUBLIC)
		*asked = (struct asked){ CKR_OK, &sr_yes, 1 };
	else if (type == CKA_VALUE_LEN && (object->what == AES || object->what == GENERIC))
		*asked = (struct asked){ CKR_OK, &object->value_len, sizeof object->value_len };
	else if (type == CKA_ALWAYS_AUTHENTICATE && object->what == EC_PRIVATE)
		*asked = (struct asked){ CKR_OK, object->asks ? &sr_yes : &sr_no, 1 };
	else if (type == CKA_CLASS)
		*asked = (struct asked){ CKR_OK, &classes[object->what], sizeof *classes };
}

/* Five cases, and each attribute is looked at whatever came before it. */
static void check_one(const CK_ATTRIBUTE *before, const CK_ATTRIBUTE *after, const struct asked *asked, size_t i)
{
	if (asked->code != CKR_OK)
		sr_must(after->ulValueLen == CK_UNAVAILABLE_INFORMATION, "attribute %zu has length %lu", i,
			after->ulValueLen);
	else if (!before->pValue)
		sr_must(after->ulValueLen == asked->len, "attribute %zu has length %lu, not %lu", i, after->ulValueLen,
			asked->len);
	else if (before->ulValueLen < asked->len)
		sr_must(after->ulValueLen == CK_UNAVAILABLE_INFORMATION, "attribute %zu, too small, has length %lu", i,
			after->ulValueLen);
	else
		sr_must(after->ulValueLen == asked->len &&
				(!asked->len || memcmp(after->pValue, asked->value, asked->len) == 0),
			"attribute %zu is another, or has length %lu and not %lu", i, after->ulValueLen, asked->len);
}

static void want_attribute(const CK_ATTRIBUTE *given, const struct asked *asked, bool *fine)
{
	CK_RV rv = asked->code;
	if (rv == CKR_OK && given->pValue && given->ulValueLen < asked->len)
		rv = CKR_BUFFER_TOO_SMALL;
	if (rv != CKR_OK)
		sr_want(rv);
	*fine = *fine && rv == CKR_OK;
}

static void get_attributes(void)
{
	CK_SESSION_HANDLE handle;
	static CK_BYTE room[6][128];
	CK_ATTRIBUTE template[6], before[6];
	struct asked asked[6];
	bool fine = true;
	struct session *session = sr_some_session(&handle);
	struct object *object = sr_some_object();
	size_t count = 1 + sr_below(SR_COUNT(template));
	for (size_t i = 0; i < count; i++) {
		CK_ULONG small = sr_chance(20) ? sr_below(4) : sizeof *room;
		template[i] = (CK_ATTRIBUTE){ types[sr_below(SR_COUNT(types))], sr_chance(25) ? NULL : room[i], small };
		before[i] = template[i];
	}
	bool sees = may(session, object);
	for (size_t i = 0; sees && i < count; i++) {
		learn(object, template[i].type, &asked[i]);
		want_attribute(&template[i], &asked[i], &fine);
	}
	if (sees && fine)
		sr_want(CKR_OK);
	CK_RV rv = p11->C_GetAttributeValue(handle, sr_handle(object), template, count);
	if (!sr_answered(rv, "C_GetAttributeValue(%s, o%zu, %zu)", sr_session_name(handle), number_of(object), count))
		return;
	for (size_t i = 0; sees && i < count; i++)
		check_one(&before[i], &template[i], &asked[i], i);
}

static void bad_template(void)
{
	CK_SESSION_HANDLE handle;
	CK_OBJECT_HANDLE new = 0;
	struct session *session = sr_some_session(&handle);
	struct object *object = sr_some_object();
	int which = (int)sr_below(4);
	if (session)
		sr_want(CKR_ARGUMENTS_BAD);
	if (session && which > 0)
		may(session, object);
	CK_RV rv = which == 0   ? p11->C_CreateObject(handle, NULL, 3, &new)
		   : which == 1 ? p11->C_CopyObject(handle, sr_handle(object), NULL, 3, &new)
		   : which == 2 ? p11->C_GetAttributeValue(handle, sr_handle(object), NULL, 3)
				: p11->C_SetAttributeValue(handle, sr_handle(object), NULL, 3);
	sr_answered(rv, "a template of NULL, %d (%s, o%zu)", which, sr_session_name(handle), number_of(object));
}

/* -- 5.7.6, 5.7.2 ------------------------------------------------------------------------------------------------- */
static void set_attribute(void)
{
	CK_SESSION_HANDLE handle;
	CK_OBJECT_CLASS class = CKO_DATA;
	CK_BYTE value[8];
	char label[8];
	struct session *session = sr_some_session(&handle);
	struct object *object = sr_some_object();
	int which = (int)sr_below(4); /* label, value, class, a modulus, which no data object has */
	make_label(label);
	sr_random_bytes(value, sizeof value);
	CK_ATTRIBUTE changes[] = { SR_STRING(CKA_LABEL, label), SR_ATTR(CKA_VALUE, value), SR_ATTR(CKA_CLASS, class),
		SR_ATTR(CKA_MODULUS, value) };
	if (object && (is_key(object) || object->of))
		return;
	if (may(session, object)) {
		if (!object->modifiable)
			sr_want(CKR_ACTION_PROHIBITED);
		if (which < 2 && object->modifiable)
			sr_want(CKR_OK);
	}
	if (session && which >= 2)
		sr_want(CKR_ATTRIBUTE_READ_ONLY);
	if (session && which == 3)
		sr_want(CKR_ATTRIBUTE_TYPE_INVALID); /* of a modulus both are true */
	CK_RV rv = p11->C_SetAttributeValue(handle, sr_handle(object), &changes[which], 1);
	if (!sr_answered(rv, "C_SetAttributeValue(%s, o%zu, %d)", sr_session_name(handle), number_of(object), which) ||
		rv != CKR_OK)
		return;
	if (which == 0)
		memcpy(object->label, label, sizeof label);
	else
		memcpy(object->value, value, object->value_len = sizeof value);
}

/* A secret's value: a token object of a R/O session is not changed. */
static void set_secret(void)
{
	CK_SESSION_HANDLE handle;
	struct session *session = sr_some_session(&handle);
	struct object *object = sr_some_object();
	char value[32];
	if (!object || !object->of)
		return;
	snprintf(value, sizeof value, "another %u", (unsigned)sr_below(1000));
	CK_ATTRIBUTE change = SR_STRING(CKA_VALUE, value);
	if (may(session, object)) {
		if (!session->rw)
			sr_want(CKR_SESSION_READ_ONLY);
		if (model.login[object->slot] != WRITER)
			sr_want(CKR_ACTION_PROHIBITED);
		else if (session->rw)
			sr_want(CKR_OK);
	} else if (session && !session->rw) {
		sr_want(CKR_SESSION_READ_ONLY);
	}
	CK_RV rv = p11->C_SetAttributeValue(handle, sr_handle(object), &change, 1);
	if (sr_answered(rv, "C_SetAttributeValue(%s, o%zu, value)", sr_session_name(handle), number_of(object)) &&
		rv == CKR_OK)
		memcpy(object->of->value, value, sizeof value);
}

static void copy(void)
{
	CK_SESSION_HANDLE handle;
	CK_OBJECT_HANDLE new = 0;
	char label[8];
	struct session *session = sr_some_session(&handle);
	struct object *object = sr_some_object();
	bool relabel = sr_chance(50);
	make_label(label);
	CK_ATTRIBUTE change = SR_STRING(CKA_LABEL, label);
	if (sr_alive() >= SR_STATE_ALIVE_MAX || (object && object->what > GENERIC))
		return;
	if (may(session, object)) {
		bool prohibited = !object->copyable || (relabel && !object->modifiable);
		if (prohibited)
			sr_want(CKR_ACTION_PROHIBITED);
		if (object->copyable)
			sr_want(CKR_OK);
	}
	CK_RV rv = p11->C_CopyObject(handle, sr_handle(object), &change, relabel, &new);
	if (!sr_answered(rv, "C_CopyObject(%s, o%zu) o%zu", sr_session_name(handle), number_of(object),
		    model.object_count) ||
		rv != CKR_OK)
		return;
	struct object *copied = made(session, new, object->what, object->private);
	if (!copied)
		return;
	CK_OBJECT_HANDLE kept = copied->handle;
	*copied = *object;
	copied->handle = kept;
	copied->owner = session;
	if (relabel)
		memcpy(copied->label, label, sizeof label);
}

const struct move sr_object_moves[] = { { 26, create_data }, { 30, sr_move_key }, { 8, generate_pair },
	{ 5, create_secret }, { 9, destroy }, { 6, size }, { 30, get_attributes }, { 5, bad_template },
	{ 18, set_attribute }, { 8, set_secret }, { 12, copy }, { 0, NULL } };
