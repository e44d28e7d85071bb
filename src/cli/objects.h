/* PKCS#11 objects for people: templates from texts, and objects as JSON. */
#ifndef SR_CLI_OBJECTS_H
#define SR_CLI_OBJECTS_H

#include "cli/locked.h"
#include "cli/tool.h"

#include <jansson.h>

#define SR_TEMPLATE_MAX 40

/** struct sr_template: points into its owner's memory. */
struct sr_template {
	CK_ATTRIBUTE items[SR_TEMPLATE_MAX];
	CK_ULONG count;
};

/** sr_template_class(template, class): starts TEMPLATE with CKA_CLASS; CLASS must outlive it. */
void sr_template_class(struct sr_template *template, const CK_OBJECT_CLASS *object_class);

/** sr_template_bytes, sr_template_text: adds an attribute; a NULL text adds nothing. sr_template_token: CKA_TOKEN true.
 * sr_template_items: COUNT attributes as they are. */
void sr_template_bytes(struct sr_template *template, CK_ATTRIBUTE_TYPE type, const void *data, size_t len);
void sr_template_text(struct sr_template *template, CK_ATTRIBUTE_TYPE type, const char *text);
void sr_template_bool(struct sr_template *template, CK_ATTRIBUTE_TYPE type, bool value);
void sr_template_items(struct sr_template *template, const CK_ATTRIBUTE *items, size_t count);
void sr_template_token(struct sr_template *template);

/** struct sr_field: an attribute and what it is in JSON. Absent and empty is null, but {} for SR_FIELD_OBJECT and false
 * for SR_FIELD_FLAG. */
enum sr_field_kind { SR_FIELD_TEXT, SR_FIELD_NUMBER, SR_FIELD_LINES, SR_FIELD_OBJECT, SR_FIELD_FLAG };
struct sr_field {
	CK_ATTRIBUTE_TYPE type;
	const char *key;
	enum sr_field_kind kind;
};

#define SR_FIELDS_MAX 20

/** sr_find(tool, template, handles, count): every object that matches; HANDLES is malloc'ed. */
int sr_find(struct sr_tool *tool, struct sr_template *template, CK_OBJECT_HANDLE **handles, size_t *count);

/** sr_find_one(tool, template, name, handle): the first object that matches; none is SR_EXIT_NOT_FOUND, and NAME is in
 * the line that says so. */
int sr_find_one(struct sr_tool *tool, struct sr_template *template, const char *name, CK_OBJECT_HANDLE *handle);

/** sr_not_found(tool, name): the line that says so; SR_EXIT_NOT_FOUND. */
int sr_not_found(const struct sr_tool *tool, const char *name);

int sr_create(struct sr_tool *tool, struct sr_template *template, CK_OBJECT_HANDLE *handle);
int sr_set(struct sr_tool *tool, CK_OBJECT_HANDLE handle, const CK_ATTRIBUTE *change);
int sr_destroy(struct sr_tool *tool, CK_OBJECT_HANDLE handle);

/** sr_read_attributes(tool, handle, attrs, count): ATTRS come with their types and nothing else; what the object has is
 * filled (a NUL stands behind each value), what it lacks or keeps has a NULL value. The caller gives the values back,
 * whatever the answer. */
CK_RV sr_read_attributes(struct sr_tool *tool, CK_OBJECT_HANDLE handle, CK_ATTRIBUTE *attrs, size_t count);
void sr_free_attributes(CK_ATTRIBUTE *attrs, size_t count);

/** sr_read_object(tool, handle, fields, count, object): the fields as a JSON object that the caller gives back. */
int sr_read_object(
	struct sr_tool *tool, CK_OBJECT_HANDLE handle, const struct sr_field *fields, size_t count, json_t **object);

/** sr_read_all(tool, template, fields, count, rows): the fields of every object that matches, as an array; what was
 *  deleted meanwhile is left out. */
int sr_read_all(
	struct sr_tool *tool, struct sr_template *template, const struct sr_field *fields, size_t count, json_t **rows);

/** sr_read_value(tool, handle, value): CKA_VALUE. VALUE is the caller's to clear, whatever the answer. */
int sr_read_value(struct sr_tool *tool, CK_OBJECT_HANDLE handle, struct sr_locked *value);

/** sr_text_value(text, len): the text as it is, or what of it is UTF-8. */
json_t *sr_text_value(const char *text, size_t len);

/** sr_has_prefix(path, prefix): PREFIX is plain text; a star at its end, as in a scope, says nothing more; NULL fits
 * all.
 */
bool sr_has_prefix(const char *path, const char *prefix);

/** sr_run_job(tool, kind, result): starts a CKO_SR_JOB that has ended when it is there; its CKA_SR_RESULT, an object
 * that is not empty, for the caller to give back. */
int sr_run_job(struct sr_tool *tool, const char *kind, json_t **result);

/** sr_run_job_with(tool, template, result): the same of a template that has its CKA_SR_KIND. */
int sr_run_job_with(struct sr_tool *tool, struct sr_template *template, json_t **result);

/** sr_template_job(template, kind): starts TEMPLATE with the class and the kind. */
void sr_template_job(struct sr_template *template, const char *kind);

#endif
