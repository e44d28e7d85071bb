/* What the vault shows to PKCS#11: one table of object classes, each with the same few operations. The call layer knows
 * handles, templates and codes; this side knows what may be seen and done. */
#ifndef SR_VAULT_OBJECTS_H
#define SR_VAULT_OBJECTS_H

#include "util/attrs.h"
#include "vault/vault.h"

/* a path, one and a version's number, a token's id, an event's number, a policy's tier and glob; with the NUL */
#define SR_OBJECT_ID_MAX 536

enum sr_value_state {
	SR_VALUE_NONE,     /* the class has no CKA_VALUE */
	SR_VALUE_READABLE, /* may be asked for with .value */
	SR_VALUE_SENSITIVE /* hidden from this caller: CKR_ATTRIBUTE_SENSITIVE */
};

/** struct sr_view: an object as this caller may see it. ATTRS is everything but CKA_VALUE. BY_NAME: the value only for
 * a handle whose search named the exact label, or that the session created. VALUE_REASON: why SENSITIVE. */
struct sr_view {
	struct sr_attrs attrs;
	enum sr_value_state value;
	bool by_name;
	size_t value_len;
	CK_ULONG value_reason;
};
void sr_view_clear(struct sr_view *view);

/** struct sr_created: what a create made. A vault object has ID; ONCE is a value to be read once, in the creating
 * session (a token's string). An object that lives in the session alone (a job) has ID "" and its attributes in HELD.
 */
struct sr_created {
	char id[SR_OBJECT_ID_MAX];
	struct sr_buf once;
	struct sr_attrs held;
};
void sr_created_clear(struct sr_created *created);

/* A found id; answers true to go on. */
typedef bool (*sr_found)(const char *id, void *ctx);

/** struct sr_class: the operations of one class, all for any thread, each complete with policy and audit: when it
 * answers CKR_OK the event is durable. A NULL operation does not exist for the class (the call layer answers
 *  CKR_ACTION_PROHIBITED, to a create CKR_ATTRIBUTE_VALUE_INVALID). CALLER->identity is never NULL and was checked a
 * moment ago. find     objects that match QUERY and that the caller may see, in the class's order. The class matches
 * every attribute of QUERY itself. Where the caller may not search the class it finds none, and ERR may say why all the
 * same. view     CKR_OBJECT_HANDLE_INVALID when there is nothing (any more) that the caller may see value    delivers
 * the value: audited, and a counted use create   a token object from a checked template, CKA_CLASS, CKA_TOKEN and
 * CKA_PRIVATE included set      changes attributes destroy  ends it ONLY_BY_CLASS: found only by a template that names
 * the class. NEEDS_RW: create, set, destroy want a R/W session. */
struct sr_class {
	CK_OBJECT_CLASS object_class;
	bool only_by_class;
	bool needs_rw;
	CK_RV(*find)
	(const struct sr_caller *caller, const struct sr_attrs *query, sr_found found, void *ctx, struct sr_error *err);
	CK_RV (*view)(const struct sr_caller *caller, const char *id, struct sr_view *view, struct sr_error *err);
	CK_RV (*value)(const struct sr_caller *caller, const char *id, struct sr_buf *value, struct sr_error *err);
	CK_RV(*create)
	(const struct sr_caller *caller, const struct sr_attrs *template, struct sr_created *created,
		struct sr_error *err);
	CK_RV(*set)
	(const struct sr_caller *caller, const char *id, const struct sr_attrs *template, struct sr_error *err);
	CK_RV (*destroy)(const struct sr_caller *caller, const char *id, struct sr_error *err);
};

/** sr_classes(count): the table: secrets (CKO_DATA), keys, CKO_SR_TOKEN, CKO_SR_AGENT, CKO_SR_MEMBER,
 *  CKO_SR_APPROVAL, CKO_SR_POLICY, CKO_SR_FREEZE, CKO_SR_EVENT, CKO_SR_JOB, CKO_SR_ROTATION. */
const struct sr_class *const *sr_classes(size_t *count);
const struct sr_class *sr_class_find(CK_OBJECT_CLASS object_class); /* NULL: not offered */

/** sr_refused_search(caller, object_class, label, err): the one denied event of a search that named LABEL and found
 *  nothing; CKR_OK once durable. A label that is no valid path is not recorded. */
CK_RV sr_refused_search(const struct sr_caller *caller, CK_OBJECT_CLASS object_class, const void *label, size_t len,
	struct sr_error *err);

#endif
