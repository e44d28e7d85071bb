/* strongroom key list|public|delete; generate and import stand in newkey.c. */
#include "cli/key.h"

#include "cli/keyfile.h"
#include "cli/output.h"
#include "cli/refusal.h"
#include "cli/session.h"
#include "policy/path.h"
#include "util/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What the parsers of all three fill. */
struct request {
	struct sr_tool *tool;
	const char *path;
	CK_OBJECT_CLASS part; /* CK_UNAVAILABLE_INFORMATION: all */
};

static error_t parse_path(int key, char *arg, struct argp_state *state)
{
	struct request *request = state->input;
	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = request->tool;
		return 0;
	case ARGP_KEY_ARG:
		return sr_take_one(&request->path, arg, state);
	case ARGP_KEY_NO_ARGS:
		sr_usage(state, "PATH is missing");
		return EINVAL;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

/* -- parts ---------------------------------------------------------------------------------------------------- */
/* In the order in which they are shown and deleted. */
static const struct {
	CK_OBJECT_CLASS object_class;
	const char *word;
} classes[] = {
	{ CKO_PRIVATE_KEY, "private" },
	{ CKO_SECRET_KEY, "secret" },
	{ CKO_PUBLIC_KEY, "public" },
	{ CKO_CERTIFICATE, "certificate" },
};

#define CLASSES (sizeof classes / sizeof classes[0])

static const char *class_word(CK_OBJECT_CLASS object_class)
{
	for (size_t i = 0; i < CLASSES; i++) {
		if (classes[i].object_class == object_class)
			return classes[i].word;
	}
	return NULL;
}

CK_OBJECT_CLASS sr_part_named(const char *word)
{
	for (size_t i = 0; i < CLASSES; i++) {
		if (strcmp(classes[i].word, word) == 0)
			return classes[i].object_class;
	}
	return CK_UNAVAILABLE_INFORMATION;
}

/* A secret that a path holds has a grace of another kind. */
static CK_RV read_part(struct sr_tool *tool, CK_OBJECT_HANDLE handle, struct sr_part *part)
{
	CK_ATTRIBUTE attr = { CKA_CLASS, &part->object_class, sizeof part->object_class };
	CK_ATTRIBUTE grace = { CKA_SR_GRACE_UNTIL, NULL, 0 };
	part->handle = handle;
	part->former = false;
	CK_RV rv = tool->p11->C_GetAttributeValue(tool->session, handle, &attr, 1);
	if (rv == CKR_OK && class_word(part->object_class))
		part->former = tool->p11->C_GetAttributeValue(tool->session, handle, &grace, 1) == CKR_OK;
	return rv;
}

/* Of the objects at a path those of one class, behind what is in PARTS. */
static void add_parts(const struct sr_part *found, size_t found_count, CK_OBJECT_CLASS object_class,
	struct sr_part parts[SR_PARTS_MAX], size_t *count)
{
	for (size_t i = 0; i < found_count; i++) {
		if (found[i].object_class == object_class && *count < SR_PARTS_MAX)
			parts[(*count)++] = found[i];
	}
}

static int sort_parts(struct sr_tool *tool, const CK_OBJECT_HANDLE *handles, size_t found,
	struct sr_part parts[SR_PARTS_MAX], size_t *count)
{
	struct sr_part all[SR_PARTS_MAX];
	size_t seen = found < SR_PARTS_MAX ? found : SR_PARTS_MAX;
	for (size_t i = 0; i < seen; i++) {
		CK_RV rv = read_part(tool, handles[i], &all[i]);
		if (rv != CKR_OK)
			return sr_refuse(tool, rv);
	}
	for (size_t i = 0; i < CLASSES; i++)
		add_parts(all, seen, classes[i].object_class, parts, count);
	return SR_EXIT_DONE;
}

int sr_key_parts(struct sr_tool *tool, const char *path, struct sr_part parts[SR_PARTS_MAX], size_t *count)
{
	struct sr_template template = { .count = 0 };
	CK_OBJECT_HANDLE *handles;
	size_t found;
	*count = 0;
	sr_template_token(&template);
	sr_template_text(&template, CKA_LABEL, path);
	int exit_code = sr_find(tool, &template, &handles, &found);
	if (exit_code == SR_EXIT_DONE)
		exit_code = sort_parts(tool, handles, found, parts, count);
	free(handles);
	if (exit_code != SR_EXIT_DONE || *count > 0)
		return exit_code;
	if (found == 0)
		return sr_not_found(tool, path);
	sr_complain("%s: %s is a secret, not a key; see `strongroom secret --help'", tool->what, path);
	return SR_EXIT_NOT_FOUND;
}

/* -- rows ----------------------------------------------------------------------------------------------------- */
enum {
	LABEL,
	ID,
	KEY_TYPE,
	EC_PARAMS,
	MODULUS,
	VALUE_LEN,
	TIER,
	CUSTODY,
	CREATED_AT,
	GRACE_UNTIL,
	RIGHTS,
	WANTED = RIGHTS + SR_USAGES
};

static void want(CK_ATTRIBUTE attrs[WANTED])
{
	static const CK_ATTRIBUTE_TYPE types[RIGHTS] = { CKA_LABEL, CKA_ID, CKA_KEY_TYPE, CKA_EC_PARAMS, CKA_MODULUS,
		CKA_VALUE_LEN, CKA_SR_TIER, CKA_SR_CUSTODY, CKA_SR_CREATED_AT, CKA_SR_GRACE_UNTIL };
	for (size_t i = 0; i < WANTED; i++)
		attrs[i] = (CK_ATTRIBUTE){ i < RIGHTS ? types[i] : sr_usage_types[i - RIGHTS], NULL, 0 };
}

static bool get_ulong(const CK_ATTRIBUTE *attr, CK_ULONG *value)
{
	if (!attr->pValue || attr->ulValueLen != sizeof *value)
		return false;
	memcpy(value, attr->pValue, sizeof *value);
	return true;
}

static json_t *text_value(const CK_ATTRIBUTE *attr)
{
	return attr->pValue && attr->ulValueLen > 0 ? sr_text_value(attr->pValue, attr->ulValueLen) : json_null();
}

static json_t *hex_value(const CK_ATTRIBUTE *attr)
{
	char *hex = attr->pValue && attr->ulValueLen > 0 ? malloc(2 * attr->ulValueLen + 1) : NULL;
	if (!hex)
		return json_null();
	sr_text_hex(attr->pValue, attr->ulValueLen, hex);
	json_t *value = json_string(hex);
	free(hex);
	return value;
}

static json_t *kind_value(const CK_ATTRIBUTE attrs[WANTED])
{
	char text[SR_KIND_TEXT];
	CK_ULONG key_type, value_len = 0;
	if (!get_ulong(&attrs[KEY_TYPE], &key_type))
		return json_null();
	get_ulong(&attrs[VALUE_LEN], &value_len);
	size_t bits = 8 * (attrs[MODULUS].pValue ? attrs[MODULUS].ulValueLen : value_len);
	sr_kind_text(key_type, attrs[EC_PARAMS].pValue, attrs[EC_PARAMS].ulValueLen, bits, text);
	return json_string(text);
}

static unsigned usage_value(const CK_ATTRIBUTE attrs[WANTED])
{
	unsigned usage = 0;
	for (size_t i = 0; i < SR_USAGES; i++) {
		const CK_BBOOL *right = attrs[RIGHTS + i].pValue;
		if (right && attrs[RIGHTS + i].ulValueLen == sizeof *right && *right)
			usage |= 1u << i;
	}
	return usage;
}

/* The first part that has a value gives it: a private key is read before its public key. */
static void set_absent(json_t *row, const char *key, json_t *value)
{
	if (json_is_null(json_object_get(row, key)))
		json_object_set(row, key, value);
	json_decref(value);
}

/* No path has a control character: a former key stands behind its path, and before every other. */
#define FORMER "\001"

static json_t *row_of(json_t *rows, const char *path, bool former)
{
	char key[SR_PATH_MAX + sizeof FORMER];
	snprintf(key, sizeof key, "%s%s", path, former ? FORMER : "");
	json_t *row = json_object_get(rows, key);
	if (row)
		return row;
	row = json_pack("{s:s, s:[], s:n, s:n, s:n, s:i, s:n, s:n, s:n}", "path", path, "parts", "kind", "custody",
		"tier", "usage", 0, "id", "created_at", "former_until");
	json_object_set_new(rows, key, row);
	return row;
}

static void fill_row(json_t *row, CK_OBJECT_CLASS object_class, const CK_ATTRIBUTE attrs[WANTED])
{
	json_t *usage = json_object_get(row, "usage");
	json_array_append_new(json_object_get(row, "parts"), json_string(class_word(object_class)));
	set_absent(row, "kind", kind_value(attrs));
	set_absent(row, "custody", text_value(&attrs[CUSTODY]));
	set_absent(row, "tier", text_value(&attrs[TIER]));
	set_absent(row, "id", hex_value(&attrs[ID]));
	set_absent(row, "created_at", text_value(&attrs[CREATED_AT]));
	set_absent(row, "former_until", text_value(&attrs[GRACE_UNTIL]));
	json_integer_set(usage, json_integer_value(usage) | usage_value(attrs));
}

CK_RV sr_key_add(struct sr_tool *tool, const struct sr_part *part, json_t *rows)
{
	CK_ATTRIBUTE attrs[WANTED];
	want(attrs);
	CK_RV rv = sr_read_attributes(tool, part->handle, attrs, WANTED);
	json_t *path = rv == CKR_OK ? text_value(&attrs[LABEL]) : NULL;
	if (json_is_string(path))
		fill_row(row_of(rows, json_string_value(path), attrs[GRACE_UNTIL].pValue), part->object_class, attrs);
	json_decref(path);
	sr_free_attributes(attrs, WANTED);
	return rv;
}

static int by_path(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

json_t *sr_key_rows(json_t *rows)
{
	size_t count = 0;
	json_t *array = json_array(), *row;
	const char *path, **paths = calloc(json_object_size(rows) + 1, sizeof *paths);
	if (!paths)
		return array;
	json_object_foreach(rows, path, row)
	{
		unsigned usage = (unsigned)json_integer_value(json_object_get(row, "usage"));
		json_object_set_new(row, "usage", sr_usage_words(usage));
		paths[count++] = path;
	}
	qsort(paths, count, sizeof *paths, by_path);
	for (size_t i = 0; i < count; i++)
		json_array_append(array, json_object_get(rows, paths[i]));
	free(paths);
	return array;
}

/* -- list ----------------------------------------------------------------------------------------------------- */
static error_t parse_list(int key, char *arg, struct argp_state *state)
{
	return key == ARGP_KEY_NO_ARGS ? 0 : parse_path(key, arg, state); /* PREFIX may be left out */
}

static int collect(struct sr_tool *tool, const CK_OBJECT_CLASS *object_class, json_t *rows)
{
	struct sr_template template;
	CK_OBJECT_HANDLE *handles;
	size_t found;
	sr_template_class(&template, object_class);
	sr_template_token(&template);
	int exit_code = sr_find(tool, &template, &handles, &found);
	for (size_t i = 0; i < found && exit_code == SR_EXIT_DONE; i++) {
		CK_RV rv = sr_key_add(tool, &(struct sr_part){ handles[i], *object_class, false }, rows);
		if (rv != CKR_OK && rv != CKR_OBJECT_HANDLE_INVALID) /* deleted meanwhile */
			exit_code = sr_refuse(tool, rv);
	}
	free(handles);
	return exit_code;
}

static int report_list(const struct request *request, json_t *rows)
{
	static const struct sr_column columns[] = {
		{ "path", "path", NULL },
		{ "parts", "parts", NULL },
		{ "kind", "kind", NULL },
		{ "custody", "custody", NULL },
		{ "tier", "tier", NULL },
		{ "usage", "usage", NULL },
		{ "id", "id", NULL },
		{ "created_at", "created_at", NULL },
		{ "former_until", "former_until", NULL },
	};
	json_t *all = sr_key_rows(rows), *wanted = json_array(), *row;
	size_t i;
	json_array_foreach(all, i, row)
	{
		if (sr_has_prefix(sr_json_text(row, "path"), request->path))
			json_array_append(wanted, row);
	}
	int exit_code = request->tool->json ? sr_put_json(wanted)
					    : sr_put_table(wanted, columns, sizeof columns / sizeof columns[0]);
	json_decref(wanted);
	json_decref(all);
	return exit_code;
}

int sr_run_key_list(struct sr_tool *tool, int argc, char **argv)
{
	static const struct argp argp = { NULL, parse_list, "[PREFIX]",
		"List the keys and certificates that the PIN covers, one line a path. USAGE is what this PIN may do "
		"with "
		"the key.",
		sr_global_children, NULL, NULL };
	struct request request = { .tool = tool };
	int exit_code = sr_parse(&argp, argc, argv, 0, &request);
	if (exit_code == SR_EXIT_DONE)
		exit_code = sr_tool_open(tool);
	json_t *rows = json_object();
	for (size_t i = 0; i < CLASSES && exit_code == SR_EXIT_DONE; i++)
		exit_code = collect(tool, &classes[i].object_class, rows);
	if (exit_code == SR_EXIT_DONE)
		exit_code = report_list(&request, rows);
	json_decref(rows);
	return exit_code;
}

/* -- public --------------------------------------------------------------------------------------------------- */
CK_RV sr_key_public_info(struct sr_tool *tool, const struct sr_part *part, struct sr_buf *der)
{
	CK_ATTRIBUTE attr = { CKA_PUBLIC_KEY_INFO, NULL, 0 };
	CK_RV rv = sr_read_attributes(tool, part->handle, &attr, 1);
	if (rv == CKR_OK && attr.pValue)
		sr_buf_append(der, attr.pValue, attr.ulValueLen);
	sr_free_attributes(&attr, 1);
	return rv;
}

/* Any part of the key that is current tells it. */
static int read_public(struct sr_tool *tool, const char *path, struct sr_buf *der)
{
	struct sr_part parts[SR_PARTS_MAX];
	size_t count;
	int exit_code = sr_key_parts(tool, path, parts, &count);
	for (size_t i = 0; i < count && exit_code == SR_EXIT_DONE && der->len == 0; i++) {
		if (parts[i].former)
			continue;
		CK_RV rv = sr_key_public_info(tool, &parts[i], der);
		if (rv != CKR_OK)
			exit_code = sr_refuse(tool, rv);
	}
	if (exit_code == SR_EXIT_DONE && der->len == 0) {
		sr_complain("%s: %s has no public key: it is a secret key; name a key pair or a certificate",
			tool->what, path);
		exit_code = SR_EXIT_NOT_FOUND;
	}
	return exit_code;
}

int sr_key_put_public(struct sr_tool *tool, json_t *object, const struct sr_buf *der)
{
	struct sr_buf pem = SR_BUF_INIT;
	int exit_code = SR_EXIT_DONE;
	if (der->len > 0 && !sr_pem_text("PUBLIC KEY", der->data, der->len, &pem)) {
		sr_complain("there is no memory for the public key");
		exit_code = SR_EXIT_FAILED;
	} else if (tool->json) {
		json_object_set_new(object, "public_key", pem.len ? json_string(sr_buf_string(&pem)) : json_null());
		exit_code = sr_put_json(object);
	} else {
		exit_code = sr_put_bytes(pem.data, pem.len);
	}
	sr_buf_clear(&pem);
	return exit_code;
}

static int put_public(struct sr_tool *tool, const char *path, const struct sr_buf *der)
{
	json_t *object = json_pack("{s:s}", "path", path);
	int exit_code = sr_key_put_public(tool, object, der);
	json_decref(object);
	return exit_code;
}

int sr_run_key_public(struct sr_tool *tool, int argc, char **argv)
{
	static const struct argp argp = { NULL, parse_path, "PATH",
		"Write the public key at PATH to standard output, as PEM (SubjectPublicKeyInfo).", sr_global_children,
		NULL, NULL };
	struct request request = { .tool = tool };
	struct sr_buf der = SR_BUF_INIT;
	int exit_code = sr_parse(&argp, argc, argv, 0, &request);
	if (exit_code == SR_EXIT_DONE)
		exit_code = sr_tool_open(tool);
	if (exit_code == SR_EXIT_DONE)
		exit_code = read_public(tool, request.path, &der);
	if (exit_code == SR_EXIT_DONE)
		exit_code = put_public(tool, request.path, &der);
	sr_buf_clear(&der);
	return exit_code;
}

/* -- delete --------------------------------------------------------------------------------------------------- */
enum { OPTION_PART = 256 };

static const struct argp_option delete_options[] = {
	{ "part", OPTION_PART, "PART", 0, "Only this one: private, public, secret or certificate", 0 },
	{ 0 },
};

static error_t parse_delete(int key, char *arg, struct argp_state *state)
{
	struct request *request = state->input;
	if (key != OPTION_PART)
		return parse_path(key, arg, state);
	request->part = sr_part_named(arg);
	if (request->part == CK_UNAVAILABLE_INFORMATION)
		sr_usage(state, "'%s' is no part; give private, public, secret or certificate", arg);
	return 0;
}

/* The private key first: without the right to it nothing is deleted. */
static int delete_parts(const struct request *request, json_t *deleted)
{
	struct sr_part parts[SR_PARTS_MAX];
	size_t count;
	int exit_code = sr_key_parts(request->tool, request->path, parts, &count);
	for (size_t i = 0; i < count && exit_code == SR_EXIT_DONE; i++) {
		if (request->part != CK_UNAVAILABLE_INFORMATION &&
			(parts[i].object_class != request->part || parts[i].former))
			continue;
		exit_code = sr_destroy(request->tool, parts[i].handle);
		if (exit_code == SR_EXIT_DONE)
			json_array_append_new(deleted, json_sprintf("%s%s", parts[i].former ? "former " : "",
							       class_word(parts[i].object_class)));
	}
	if (exit_code == SR_EXIT_DONE && json_array_size(deleted) == 0) {
		sr_complain("%s: %s has no %s part; `strongroom key list' shows what there is", request->tool->what,
			request->path, class_word(request->part));
		exit_code = SR_EXIT_NOT_FOUND;
	}
	return exit_code;
}

/* Also after a failure: what is gone is said. */
static int report_delete(const struct request *request, json_t *deleted)
{
	size_t i;
	json_t *word;
	json_array_foreach(deleted, i, word)
		sr_say("%s: the %s part is deleted", request->path, json_string_value(word));
	if (!request->tool->json || json_array_size(deleted) == 0)
		return SR_EXIT_DONE;
	json_t *object = json_pack("{s:s, s:O, s:s}", "path", request->path, "parts", deleted, "state", "deleted");
	int exit_code = sr_put_json(object);
	json_decref(object);
	return exit_code;
}

int sr_run_key_delete(struct sr_tool *tool, int argc, char **argv)
{
	static const struct argp argp = { delete_options, parse_delete, "PATH",
		"Delete the key at PATH with its public key, its certificate and its former key, or one part of them.",
		sr_global_children, NULL, NULL };
	struct request request = { .tool = tool, .part = CK_UNAVAILABLE_INFORMATION };
	int exit_code = sr_parse(&argp, argc, argv, 0, &request);
	if (exit_code == SR_EXIT_DONE)
		exit_code = sr_tool_open(tool);
	if (exit_code != SR_EXIT_DONE)
		return exit_code;
	json_t *deleted = json_array();
	exit_code = delete_parts(&request, deleted);
	int reported = report_delete(&request, deleted);
	json_decref(deleted);
	return exit_code == SR_EXIT_DONE ? reported : exit_code;
}
