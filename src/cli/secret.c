/* strongroom secret put|get|list|delete. */
#include "cli/objects.h"
#include "cli/output.h"
#include "cli/session.h"
#include "cli/tool.h"

#include <bsd/readpassphrase.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#define VALUE_MAX 65536 /* design §9; one byte more is read, so that the vault refuses and records it */

static const CK_OBJECT_CLASS data_class = CKO_DATA;

static const struct sr_field fields[] = {
	{ CKA_LABEL, "path", SR_FIELD_TEXT },
	{ CKA_SR_TIER, "tier", SR_FIELD_TEXT },
	{ CKA_SR_TYPE, "type", SR_FIELD_TEXT },
	{ CKA_SR_VERSION, "version", SR_FIELD_NUMBER },
	{ CKA_SR_CREATED_AT, "created_at", SR_FIELD_TEXT },
	{ CKA_SR_UPDATED_AT, "updated_at", SR_FIELD_TEXT },
};

#define FIELDS (sizeof fields / sizeof fields[0])

/* What the parsers of all four fill. */
struct request {
	struct sr_tool *tool;
	const char *path;
	const char *tier;
	const char *type;
	const char *if_version;
	const char *file;
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

static int find_path(struct sr_tool *tool, const char *path, CK_OBJECT_HANDLE *handle)
{
	struct sr_template template;
	sr_template_class(&template, &data_class);
	sr_template_text(&template, CKA_LABEL, path);
	return sr_find_one(tool, &template, path, handle);
}

/* -- put ------------------------------------------------------------------------------------------------------ */
enum { OPTION_TIER = 256, OPTION_TYPE, OPTION_FILE, OPTION_IF_VERSION };

static const struct argp_option put_options[] = {
	{ "tier", OPTION_TIER, "TIER", 0, "standard, sensitive or critical (a new secret: standard)", 0 },
	{ "type", OPTION_TYPE, "TYPE", 0, "What kind of credential it is (a new secret: generic)", 0 },
	{ "if-version", OPTION_IF_VERSION, "N", 0, "Only if N is the current version; 0: only if it does not exist",
		0 },
	{ "file", OPTION_FILE, "FILE", 0, "Read the value from FILE (default: standard input)", 0 },
	{ 0 },
};

static error_t parse_put(int key, char *arg, struct argp_state *state)
{
	struct request *request = state->input;
	switch (key) {
	case OPTION_TIER:
		request->tier = arg;
		return 0;
	case OPTION_TYPE:
		request->type = arg;
		return 0;
	case OPTION_IF_VERSION:
		request->if_version = arg;
		return 0;
	case OPTION_FILE:
		request->file = arg;
		return 0;
	default:
		return parse_path(key, arg, state);
	}
}

static int unreadable(const char *file)
{
	sr_complain("the value could not be read from %s: %s", file ? file : "standard input", strerror(errno));
	return SR_EXIT_FAILED;
}

static int read_file(const char *file, struct sr_locked *value)
{
	int fd = file ? open(file, O_RDONLY | O_CLOEXEC | O_NOCTTY) : STDIN_FILENO;
	if (fd < 0)
		return unreadable(file);
	int exit_code = sr_locked_read(value, fd) ? SR_EXIT_DONE : unreadable(file);
	if (file)
		close(fd);
	return exit_code;
}

/* A value typed by hand is not shown; it is one line, without its line break. */
static int read_value(const char *file, struct sr_locked *value)
{
	if (!sr_locked_init(value, VALUE_MAX + 1))
		return SR_EXIT_FAILED;
	if (file || !isatty(STDIN_FILENO))
		return read_file(file, value);
	if (!readpassphrase("Value (one line): ", (char *)value->data, value->cap + 1, RPP_REQUIRE_TTY))
		return unreadable(NULL);
	value->len = strlen((char *)value->data);
	return SR_EXIT_DONE;
}

static int create(const struct request *request, const struct sr_locked *value, CK_OBJECT_HANDLE *handle)
{
	struct sr_template template;
	sr_template_class(&template, &data_class);
	sr_template_token(&template);
	sr_template_text(&template, CKA_LABEL, request->path);
	sr_template_bytes(&template, CKA_VALUE, value->data, value->len);
	sr_template_text(&template, CKA_SR_TIER, request->tier);
	sr_template_text(&template, CKA_SR_TYPE, request->type);
	sr_template_text(&template, CKA_SR_IF_VERSION, request->if_version);
	return sr_create(request->tool, &template, handle);
}

static int report_put(const struct request *request, CK_OBJECT_HANDLE handle)
{
	json_t *secret;
	int exit_code = sr_read_object(request->tool, handle, fields, FIELDS, &secret);
	if (exit_code != SR_EXIT_DONE)
		return exit_code;
	sr_say("%s is now version %" JSON_INTEGER_FORMAT, request->path,
		json_integer_value(json_object_get(secret, "version")));
	if (request->tool->json)
		exit_code = sr_put_json(secret);
	json_decref(secret);
	return exit_code;
}

int sr_run_secret_put(struct sr_tool *tool, int argc, char **argv)
{
	static const struct argp argp = { put_options, parse_put, "PATH",
		"Store a value at PATH, or the next version of the secret there. The value is taken byte for byte.",
		sr_global_children, NULL, NULL };
	struct request request = { .tool = tool };
	struct sr_locked value = SR_LOCKED_INIT;
	CK_OBJECT_HANDLE handle;
	int exit_code = sr_parse(&argp, argc, argv, 0, &request);
	if (exit_code == SR_EXIT_DONE)
		exit_code = read_value(request.file, &value);
	if (exit_code == SR_EXIT_DONE)
		exit_code = sr_tool_open(tool);
	if (exit_code == SR_EXIT_DONE)
		exit_code = create(&request, &value, &handle);
	sr_locked_clear(&value);
	return exit_code == SR_EXIT_DONE ? report_put(&request, handle) : exit_code;
}

/* -- get ------------------------------------------------------------------------------------------------------ */
int sr_run_secret_get(struct sr_tool *tool, int argc, char **argv)
{
	static const struct argp argp = { NULL, parse_path, "PATH",
		"Write the value at PATH to standard output, byte for byte and nothing else.", sr_global_children, NULL,
		NULL };
	struct request request = { .tool = tool };
	struct sr_locked value = SR_LOCKED_INIT;
	CK_OBJECT_HANDLE handle;
	int exit_code = sr_parse(&argp, argc, argv, 0, &request);
	if (exit_code == SR_EXIT_DONE)
		exit_code = sr_tool_open(tool);
	if (exit_code == SR_EXIT_DONE)
		exit_code = find_path(tool, request.path, &handle);
	if (exit_code == SR_EXIT_DONE)
		exit_code = sr_read_value(tool, handle, &value);
	if (exit_code == SR_EXIT_DONE)
		exit_code = sr_put_bytes(value.data, value.len);
	sr_locked_clear(&value);
	return exit_code;
}

/* -- list ----------------------------------------------------------------------------------------------------- */
static error_t parse_list(int key, char *arg, struct argp_state *state)
{
	return key == ARGP_KEY_NO_ARGS ? 0 : parse_path(key, arg, state); /* PREFIX may be left out */
}

static int report_list(const struct request *request, const json_t *rows)
{
	static const struct sr_column columns[] = {
		{ "path", "path", NULL },
		{ "tier", "tier", NULL },
		{ "type", "type", NULL },
		{ "version", "version", NULL },
		{ "updated_at", "updated_at", NULL },
	};
	json_t *wanted = json_array();
	size_t i;
	json_t *row;
	json_array_foreach(rows, i, row)
	{
		if (sr_has_prefix(sr_json_text(row, "path"), request->path))
			json_array_append(wanted, row);
	}
	int exit_code = request->tool->json ? sr_put_json(wanted)
					    : sr_put_table(wanted, columns, sizeof columns / sizeof columns[0]);
	json_decref(wanted);
	return exit_code;
}

int sr_run_secret_list(struct sr_tool *tool, int argc, char **argv)
{
	static const struct argp argp = { NULL, parse_list, "[PREFIX]",
		"List the secrets that the PIN covers, without their values.", sr_global_children, NULL, NULL };
	struct request request = { .tool = tool };
	int exit_code = sr_parse(&argp, argc, argv, 0, &request);
	if (exit_code == SR_EXIT_DONE)
		exit_code = sr_tool_open(tool);
	if (exit_code != SR_EXIT_DONE)
		return exit_code;
	struct sr_template template;
	sr_template_class(&template, &data_class);
	sr_template_token(&template);
	json_t *rows;
	exit_code = sr_read_all(tool, &template, fields, FIELDS, &rows);
	if (exit_code == SR_EXIT_DONE)
		exit_code = report_list(&request, rows);
	json_decref(rows);
	return exit_code;
}

/* -- delete --------------------------------------------------------------------------------------------------- */
int sr_run_secret_delete(struct sr_tool *tool, int argc, char **argv)
{
	static const struct argp argp = { NULL, parse_path, "PATH", "Delete the secret at PATH.", sr_global_children,
		NULL, NULL };
	struct request request = { .tool = tool };
	CK_OBJECT_HANDLE handle;
	int exit_code = sr_parse(&argp, argc, argv, 0, &request);
	if (exit_code == SR_EXIT_DONE)
		exit_code = sr_tool_open(tool);
	if (exit_code == SR_EXIT_DONE)
		exit_code = find_path(tool, request.path, &handle);
	if (exit_code == SR_EXIT_DONE)
		exit_code = sr_destroy(tool, handle);
	if (exit_code != SR_EXIT_DONE)
		return exit_code;
	sr_say("%s is deleted", request.path);
	json_t *object = tool->json ? json_pack("{s:s, s:s}", "path", request.path, "state", "deleted") : NULL;
	if (object)
		exit_code = sr_put_json(object);
	json_decref(object);
	return exit_code;
}
