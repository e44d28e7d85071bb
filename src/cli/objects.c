#include "cli/objects.h"

#include "cli/output.h"
#include "cli/refusal.h"
#include "util/text.h"

#include <stdlib.h>
#include <string.h>

#define BATCH 256
#define TRIES 3               /* an object may change between its length and its value */
#define LENGTH_MAX (1u << 20) /* no attribute of ours comes near; a wrong module is not believed */

/* -- templates ------------------------------------------------------------------------------------------------ */
void sr_template_bytes(struct sr_template *template, CK_ATTRIBUTE_TYPE type, const void *data, size_t len)
{
	if (template->count < SR_TEMPLATE_MAX)
		template->items[template->count++] = (CK_ATTRIBUTE){ type, (void *)data, len };
}

void sr_template_class(struct sr_template *template, const CK_OBJECT_CLASS *object_class)
{
	template->count = 0;
	sr_template_bytes(template, CKA_CLASS, object_class, sizeof *object_class);
}

void sr_template_text(struct sr_template *template, CK_ATTRIBUTE_TYPE type, const char *text)
{
	if (text)
		sr_template_bytes(template, type, text, strlen(text));
}

void sr_template_token(struct sr_template *template)
{
	sr_template_bool(template, CKA_TOKEN, true);
}

void sr_template_bool(struct sr_template *template, CK_ATTRIBUTE_TYPE type, bool value)
{
	static const CK_BBOOL values[] = { CK_FALSE, CK_TRUE };
	sr_template_bytes(template, type, &values[value], sizeof values[value]);
}

void sr_template_items(struct sr_template *template, const CK_ATTRIBUTE *items, size_t count)
{
	for (size_t i = 0; i < count; i++)
		sr_template_bytes(template, items[i].type, items[i].pValue, items[i].ulValueLen);
}

/* -- finding -------------------------------------------------------------------------------------------------- */
static int no_memory(void)
{
	sr_complain("there is no memory for the objects found");
	return SR_EXIT_FAILED;
}

static int collect(struct sr_tool *tool, CK_OBJECT_HANDLE **handles, size_t *count)
{
	CK_ULONG got;
	do {
		CK_OBJECT_HANDLE *more = reallocarray(*handles, *count + BATCH, sizeof **handles);
		if (!more)
			return no_memory();
		*handles = more;
		CK_RV rv = tool->p11->C_FindObjects(tool->session, *handles + *count, BATCH, &got);
		if (rv != CKR_OK)
			return sr_refuse(tool, rv);
		*count += got;
	} while (got > 0);
	return SR_EXIT_DONE;
}

int sr_find(struct sr_tool *tool, struct sr_template *template, CK_OBJECT_HANDLE **handles, size_t *count)
{
	*handles = NULL;
	*count = 0;
	CK_RV rv = tool->p11->C_FindObjectsInit(tool->session, template->items, template->count);
	if (rv != CKR_OK)
		return sr_refuse(tool, rv);
	int exit_code = collect(tool, handles, count);
	tool->p11->C_FindObjectsFinal(tool->session);
	if (exit_code != SR_EXIT_DONE) {
		free(*handles);
		*handles = NULL;
		*count = 0;
	}
	return exit_code;
}

int sr_not_found(const struct sr_tool *tool, const char *name)
{
	sr_complain("%s: %s is not found; it is not there, or not for this PIN", tool->what, name);
	return SR_EXIT_NOT_FOUND;
}

int sr_find_one(struct sr_tool *tool, struct sr_template *template, const char *name, CK_OBJECT_HANDLE *handle)
{
	CK_OBJECT_HANDLE *handles;
	size_t count;
	int exit_code = sr_find(tool, template, &handles, &count);
	if (exit_code != SR_EXIT_DONE)
		return exit_code;
	if (count > 0)
		*handle = handles[0];
	else
		exit_code = sr_not_found(tool, name);
	free(handles);
	return exit_code;
}

int sr_create(struct sr_tool *tool, struct sr_template *template, CK_OBJECT_HANDLE *handle)
{
	CK_RV rv = tool->p11->C_CreateObject(tool->session, template->items, template->count, handle);
	return rv == CKR_OK ? SR_EXIT_DONE : sr_refuse(tool, rv);
}

int sr_set(struct sr_tool *tool, CK_OBJECT_HANDLE handle, const CK_ATTRIBUTE *change)
{
	CK_ATTRIBUTE one = *change;
	CK_RV rv = tool->p11->C_SetAttributeValue(tool->session, handle, &one, 1);
	return rv == CKR_OK ? SR_EXIT_DONE : sr_refuse(tool, rv);
}

int sr_destroy(struct sr_tool *tool, CK_OBJECT_HANDLE handle)
{
	CK_RV rv = tool->p11->C_DestroyObject(tool->session, handle);
	return rv == CKR_OK ? SR_EXIT_DONE : sr_refuse(tool, rv);
}

/* -- reading -------------------------------------------------------------------------------------------------- */
/* With these two the other attributes are still filled (PKCS#11 v3.1, 5.7.5). */
static bool is_filled(CK_RV rv)
{
	return rv == CKR_OK || rv == CKR_ATTRIBUTE_TYPE_INVALID || rv == CKR_ATTRIBUTE_SENSITIVE;
}

void sr_free_attributes(CK_ATTRIBUTE *attrs, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		free(attrs[i].pValue);
		attrs[i].pValue = NULL;
		attrs[i].ulValueLen = 0;
	}
}

static bool make_room(CK_ATTRIBUTE *attrs, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		CK_ULONG len = attrs[i].ulValueLen;
		attrs[i].ulValueLen = 0;
		if (len == CK_UNAVAILABLE_INFORMATION)
			continue;
		if (len > LENGTH_MAX || !(attrs[i].pValue = calloc(1, len + 1)))
			return false;
		attrs[i].ulValueLen = len;
	}
	return true;
}

CK_RV sr_read_attributes(struct sr_tool *tool, CK_OBJECT_HANDLE handle, CK_ATTRIBUTE *attrs, size_t count)
{
	CK_RV rv = CKR_BUFFER_TOO_SMALL;
	for (int try = 0; try < TRIES && rv == CKR_BUFFER_TOO_SMALL; try++) {
		sr_free_attributes(attrs, count);
		rv = tool->p11->C_GetAttributeValue(tool->session, handle, attrs, count);
		if (!is_filled(rv))
			return rv;
		if (!make_room(attrs, count))
			return CKR_HOST_MEMORY;
		rv = tool->p11->C_GetAttributeValue(tool->session, handle, attrs, count);
	}
	return is_filled(rv) ? CKR_OK : rv;
}

json_t *sr_text_value(const char *text, size_t len)
{
	json_t *value = json_stringn(text, len);
	if (value)
		return value;
	char *safe = sr_safe_text(text, len); /* not UTF-8 */
	value = safe ? json_string(safe) : NULL;
	free(safe);
	return value;
}

static json_t *lines_value(const char *text, size_t len)
{
	json_t *lines = json_array();
	while (len > 0) {
		const char *end = memchr(text, '\n', len);
		size_t line = end ? (size_t)(end - text) : len;
		if (line > 0)
			json_array_append_new(lines, sr_text_value(text, line));
		size_t taken = end ? line + 1 : line;
		text += taken;
		len -= taken;
	}
	return lines;
}

static json_t *number_value(const char *text, size_t len)
{
	uint64_t number;
	if (sr_text_u64(text, len, INT64_MAX, &number))
		return json_integer((json_int_t)number);
	return sr_text_value(text, len);
}

static json_t *field_value(enum sr_field_kind kind, const CK_ATTRIBUTE *attr)
{
	const char *text = attr->pValue;
	size_t len = attr->ulValueLen;
	if (kind == SR_FIELD_FLAG)
		return json_boolean(text && len == strlen("true") && memcmp(text, "true", len) == 0);
	if (!text || len == 0 || len == CK_UNAVAILABLE_INFORMATION)
		return kind == SR_FIELD_OBJECT ? json_object() : json_null();
	switch (kind) {
	case SR_FIELD_NUMBER:
		return number_value(text, len);
	case SR_FIELD_LINES:
		return lines_value(text, len);
	case SR_FIELD_OBJECT: {
		json_t *value = json_loadb(text, len, 0, NULL);
		return value ? value : sr_text_value(text, len);
	}
	default:
		return sr_text_value(text, len);
	}
}

static CK_RV read_fields(
	struct sr_tool *tool, CK_OBJECT_HANDLE handle, const struct sr_field *fields, size_t count, json_t **object)
{
	CK_ATTRIBUTE attrs[SR_FIELDS_MAX] = { 0 };
	for (size_t i = 0; i < count; i++)
		attrs[i].type = fields[i].type;
	*object = NULL;
	CK_RV rv = sr_read_attributes(tool, handle, attrs, count);
	if (rv == CKR_OK) {
		*object = json_object();
		for (size_t i = 0; i < count; i++)
			json_object_set_new(*object, fields[i].key, field_value(fields[i].kind, &attrs[i]));
	}
	sr_free_attributes(attrs, count);
	return rv;
}

int sr_read_object(
	struct sr_tool *tool, CK_OBJECT_HANDLE handle, const struct sr_field *fields, size_t count, json_t **object)
{
	CK_RV rv = read_fields(tool, handle, fields, count, object);
	return rv == CKR_OK ? SR_EXIT_DONE : sr_refuse(tool, rv);
}

int sr_read_all(
	struct sr_tool *tool, struct sr_template *template, const struct sr_field *fields, size_t count, json_t **rows)
{
	CK_OBJECT_HANDLE *handles;
	size_t found;
	*rows = json_array();
	int exit_code = sr_find(tool, template, &handles, &found);
	for (size_t i = 0; i < found && exit_code == SR_EXIT_DONE; i++) {
		json_t *row;
		CK_RV rv = read_fields(tool, handles[i], fields, count, &row);
		if (rv == CKR_OK)
			json_array_append_new(*rows, row);
		else if (rv != CKR_OBJECT_HANDLE_INVALID)
			exit_code = sr_refuse(tool, rv);
	}
	free(handles);
	return exit_code;
}

/* The value's bytes go from the module straight into locked memory. */
static CK_RV read_value(struct sr_tool *tool, CK_OBJECT_HANDLE handle, struct sr_locked *value)
{
	CK_ATTRIBUTE attr = { CKA_VALUE, NULL, 0 };
	CK_RV rv = tool->p11->C_GetAttributeValue(tool->session, handle, &attr, 1);
	if (rv != CKR_OK)
		return rv;
	sr_locked_clear(value);
	if (attr.ulValueLen > LENGTH_MAX || !sr_locked_init(value, attr.ulValueLen))
		return CKR_HOST_MEMORY;
	attr.pValue = value->data;
	rv = tool->p11->C_GetAttributeValue(tool->session, handle, &attr, 1);
	value->len = rv == CKR_OK ? attr.ulValueLen : 0;
	return rv;
}

int sr_read_value(struct sr_tool *tool, CK_OBJECT_HANDLE handle, struct sr_locked *value)
{
	CK_RV rv = CKR_BUFFER_TOO_SMALL;
	for (int try = 0; try < TRIES && rv == CKR_BUFFER_TOO_SMALL; try++)
		rv = read_value(tool, handle, value);
	return rv == CKR_OK ? SR_EXIT_DONE : sr_refuse(tool, rv);
}

bool sr_has_prefix(const char *path, const char *prefix)
{
	size_t len = prefix ? strlen(prefix) : 0;
	if (len > 0 && prefix[len - 1] == '*')
		len--;
	return len == 0 || strncmp(path, prefix, len) == 0;
}

/* -- jobs ----------------------------------------------------------------------------------------------------- */
void sr_template_job(struct sr_template *template, const char *kind)
{
	static const CK_OBJECT_CLASS job = CKO_SR_JOB;
	sr_template_class(template, &job);
	sr_template_text(template, CKA_SR_KIND, kind);
}

int sr_run_job(struct sr_tool *tool, const char *kind, json_t **result)
{
	struct sr_template template;
	sr_template_job(&template, kind);
	return sr_run_job_with(tool, &template, result);
}

int sr_run_job_with(struct sr_tool *tool, struct sr_template *template, json_t **result)
{
	static const struct sr_field fields[] = {
		{ CKA_SR_STATE, "state", SR_FIELD_TEXT },
		{ CKA_SR_RESULT, "result", SR_FIELD_OBJECT },
	};
	CK_OBJECT_HANDLE handle;
	json_t *object = NULL;
	*result = NULL;
	int exit_code = sr_create(tool, template, &handle);
	if (exit_code == SR_EXIT_DONE) {
		exit_code = sr_read_object(tool, handle, fields, sizeof fields / sizeof fields[0], &object);
		tool->p11->C_DestroyObject(tool->session, handle); /* it has ended, and would take up memory */
	}
	json_t *found = json_object_get(object, "result");
	if (exit_code == SR_EXIT_DONE && json_object_size(found) == 0) {
		sr_complain("%s: the job ended as '%s' without a result; see `strongroom doctor'", tool->what,
			sr_json_text(object, "state"));
		exit_code = SR_EXIT_FAILED;
	}
	if (exit_code == SR_EXIT_DONE)
		*result = json_incref(found);
	json_decref(object);
	return exit_code;
}
